"""Identifiers as each dialect quotes them. Standard library only: the jailed worker imports this module."""

from __future__ import annotations


def quoted(name: str, dialect: str = "sqlite") -> str:
    """Quote an identifier: as the standard says, or as MySQL does."""
    mark = "`" if dialect == "mysql" else '"'
    return mark + name.replace(mark, 2 * mark) + mark
