"""SQL databases: SQLite, MariaDB, PostgreSQL."""

PLACE_IN_EVERY_BUILD = 2
"""Part of a build whose configuration names no worlds, in this order."""
