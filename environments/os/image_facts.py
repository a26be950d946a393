"""What stands in the sandbox's image: which commands are there, and which that one would expect are missing.

Prompts say so (an author's, a solver's), so that nobody writes a task or a turn for a program that is not there. The
image is asked once a process; nothing of it counts in an id but the text of the prompt that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandboxes.base import Sandbox
from schemas.errors import SandboxError
from schemas.task_spec import Script

ALWAYS = "bash, coreutils, find, grep, sed, tar, gzip"
"""What no image that works is without, in a prompt's words."""
_NAMES = """awk gawk perl python3 git jq sqlite3 make gcc diff patch cmp rsync zip unzip xz bzip2 zstd 7z cpio file
    iconv bc dc xxd od hexdump strings column rev tac shuf numfmt split csplit comm join paste cal date ps pgrep pkill
    kill free uptime lsof flock ss ip netstat nc dig curl wget openssl gpg ssh-keygen sha256sum md5sum base64 envsubst
    gettext useradd usermod groupadd passwd sudo su setfacl getfacl chattr crontab at systemctl service logrotate
    journalctl tree nano vim ed less more man rename dos2unix parallel tmux screen watch expect strace inotifywait
    xmllint yq pip node npm ruby php lua go java zsh tclsh script tput stat du df lsblk mount getent locale timeout
    nice nohup setsid xargs tee"""
ASKED = tuple(_NAMES.split())
"""Programs that made-up tasks and agents reach for."""
_PROBE = 'for name in "$@"; do command -v -- "$name" >/dev/null 2>&1 && echo "$name"; done; true'
_SECONDS = 30.0
_known: dict[tuple[str, str], ImageFacts] = {}


@dataclass(frozen=True)
class ImageFacts:
    """What an image has of `ASKED`, and what it lacks, each by name."""

    present: tuple[str, ...]
    missing: tuple[str, ...]


async def read_image(sandbox: Sandbox, image_digest: str) -> ImageFacts:
    """Return what the image has: asked in a sandbox of it, once a process.

    Raises:
        SandboxError: it could not be started, or did not answer.
    """
    key = (sandbox.backend, image_digest)
    if key not in _known or not image_digest:
        _known[key] = await _ask(sandbox)
    return _known[key]


async def _ask(sandbox: Sandbox) -> ImageFacts:
    session = await sandbox.start()
    try:
        result = await session.run(Script(code=_PROBE), arguments=tuple(ASKED), timeout=_SECONDS)
    finally:
        await session.close()
    if result.exit_code != 0:
        raise SandboxError(
            f"the image did not say which commands it has (exit code {result.exit_code}): {result.text[:200]}"
        )
    there = set(result.text.split())
    names = sorted(dict.fromkeys(ASKED))
    return ImageFacts(tuple(n for n in names if n in there), tuple(n for n in names if n not in there))
