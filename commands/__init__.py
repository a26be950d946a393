"""COMMANDS: the command line, one file a command, and the dashboard's server."""

from tasks.prefect_environment import settle_prefect

settle_prefect()
