"""Text that can be stored: endpoints send what no encoding holds."""

from __future__ import annotations


def mend(text: str) -> str:
    """Replace what is no Unicode: half a surrogate pair can be written in JSON, and stored nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
