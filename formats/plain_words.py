"""Text of others on a page of ours: it is shown as it is, and is no table, link, picture, tag or code of its own."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(r"[\\`*\[\]|~$]")
_ENTITY = re.compile(r"[&<>]")
_FENCE = re.compile(r"(?<!\\)`{3,}")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|javascript|data|xmpp):|\bwww\.|(?<=[\w.+-])@(?=[\w-])")
"""What becomes a link without any brackets (GitHub Flavored Markdown, section 6.9)."""
_LINE_BEGINNING = re.compile(r"^(#{1,6}(?=\s)|[-+](?=\s)|\d{1,9}(?=[.)]\s)|={2,}|-{2,})")


def escape(text: str, keep: str = "") -> str:
    """Return a text for one line or cell of Markdown; `keep` holds marks that are meant: code in words of ours."""
    line = " ".join("".join(map(_visible, text)).split())
    line = _ENTITY.sub(lambda found: _ENTITIES[found[0]], line)
    line = _SPECIAL.sub(lambda found: found[0] if found[0] in keep else f"\\{found[0]}", line)
    line = _FENCE.sub(lambda found: "\\`" * len(found[0]), line)
    line = _LINK.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", line)
    return _LINE_BEGINNING.sub(lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", line)


def escape_cells(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table for the dashboard, their texts escaped."""
    return [
        {name: escape(value) if isinstance(value, str) else value for name, value in row.items()} for row in records
    ]


def code(text: str) -> str:
    """Return a text as code within a line: the fence is longer than any run of backticks in it."""
    line = " ".join("".join(map(_visible, text)).split())
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _visible(character: str) -> str:
    """Return a character, or a stand-in for one that controls (a terminal, the direction of writing)."""
    if character in "\t\n\r ":
        return " "
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
