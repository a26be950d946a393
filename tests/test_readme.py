"""Every command of the pages that a newcomer reads is run as it stands there, in order, in one folder.

A block is left out only with a comment `<!-- not run: why -->` before it. One with `<!-- run: against ... -->` names a
model that nobody has here: it is run against the offline teacher's server, as any endpoint of the OpenAI protocol.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from environments.registry import rehearsals
from rehearsals.server import OfflineServer

REPO = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/own-data.md", "docs/own-model.md", "docs/own-logs.md"]
FENCE = re.compile(r"(?:<!-- (?P<note>(?:not )?run): [^>]+ -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
OFFLINE_MODELS = " ".join(f"--set teacher.{who}=offline-a" for who in ("generator", "solver", "backfiller"))
FEW = "--set collect.tasks=8 --set worlds.os.requests=6 --set worlds.db.requests=6 --set worlds.db.questions=6"
FREE = "--set 'teacher.prices={offline-a = {prompt = 0, completion = 0}}'"


class Block(NamedTuple):
    note: str | None
    """`run` against the offline server, `not run`, or None: as it stands."""
    kind: str
    text: str


def blocks_of(page: str) -> list[Block]:
    text = (REPO / page).read_text(encoding="utf-8")
    return [Block(m["note"], m["kind"], m["text"]) for m in FENCE.finditer(text)]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The folder of a fresh clone whose set-up is done, without anybody's data."""
    for entry in REPO.iterdir():
        if entry.name not in {"data", ".git", ".venv"}:
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = OfflineServer(rehearsals())
    yield server.start()
    server.stop()


def at_endpoint(text: str, address: str) -> str:
    """Put what can be reached here in the place of addresses, keys and models of a reader, and make builds small."""
    text = text.replace("http://localhost:8000/v1", address).replace("Qwen/Qwen3-32B", "offline-a")
    text = text.replace("OPENAI_API_KEY=sk-...", f"OPENAI_API_KEY=none OPENAI_BASE_URL={address}")
    text = text.replace("--config openai", f"--config openai {OFFLINE_MODELS} {FREE}")
    return re.sub(r"(trajmill build --config \w+)", rf"\1 {FEW}", text)


def script_of(page: str, address: str) -> tuple[str, int]:
    """Return one bash script of all the blocks, each followed by a line that says it is done, and their number."""
    parts = ["set -eo pipefail", f"PATH={Path(sys.prefix) / 'bin'}:$PATH"]
    blocks = [block for block in blocks_of(page) if block.kind in ("sh", "python") and block.note != "not run"]
    for number, block in enumerate(blocks, 1):
        text = at_endpoint(block.text, address) if block.note == "run" else block.text
        parts += [f"python - <<'END_OF_PYTHON'\n{text}END_OF_PYTHON" if block.kind == "python" else text]
        parts += [f"echo 'block {number} is done'"]
    return "\n".join(parts) + "\n", len(blocks)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works_in_order_in_one_home(
    page: str, sources: Path, endpoint: str, clean_environment: dict[str, str]
) -> None:
    script, count = script_of(page, endpoint)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=sources,
        env=clean_environment | {"HF_HOME": str(sources / "hf"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    done = re.findall(r"^block (\d+) is done$", ran.stdout, re.M)
    assert (ran.returncode, len(done)) == (0, count), ran.stdout[-3000:] + ran.stderr[-3000:]
    assert not re.search(r"^0 rows\b", ran.stdout, re.M), "every query on these pages has rows to show"


def test_the_readme_begins_with_the_two_commands() -> None:
    assert [block.text for block in blocks_of("README.md") if block.kind == "sh"][:2] == ["make demo\n", "make test\n"]


@pytest.mark.parametrize("page", PAGES)
def test_a_block_is_a_command_that_is_run_or_a_figure(page: str) -> None:
    fences = (REPO / page).read_text(encoding="utf-8").count("\n```")
    blocks = blocks_of(page)
    assert fences == 2 * len(blocks), "every fence is opened and closed"
    assert {block.kind for block in blocks} <= {"", "sh", "python", "toml"}
    assert not [block.text for block in blocks if block.kind == "" and re.search(r"trajmill|make ", block.text)]


@pytest.mark.parametrize(
    "page", [p.relative_to(REPO).as_posix() for p in [*REPO.glob("*.md"), *REPO.glob("docs/*.md")]]
)
def test_a_link_leads_somewhere(page: str) -> None:
    path = REPO / page
    targets = LINK.findall(re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S))
    assert not [target for target in targets if not (path.parent / target).exists()]
