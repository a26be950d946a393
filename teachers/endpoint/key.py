"""Whether an endpoint can be asked without a key: known before anything heavy is imported."""

from __future__ import annotations

from urllib.parse import urlsplit

from schemas.errors import ConfigError
from schemas.redaction import hide

OPENAI_URL = "https://api.openai.com/v1"
_OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com")


def is_openai(url: str) -> bool:
    """Whether an address is OpenAI's own, or Azure's."""
    return (urlsplit(url).hostname or "").endswith(_OPENAI_HOSTS)


def require_key(url: str, key: str | None) -> None:
    """Let pass what has a key or needs none.

    Raises:
        ConfigError: OpenAI's own endpoint without a key, or an address that holds a password: there is one key to send.
    """
    if "@" in urlsplit(url).netloc:
        raise ConfigError(f"{hide(url)} holds a name or a password; take it out, and set OPENAI_API_KEY instead")
    if is_openai(url) and not key:
        raise ConfigError(f"{url} needs a key; set OPENAI_API_KEY, or teacher.kind = 'offline' to try without")
