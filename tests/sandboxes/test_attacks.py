"""Every attack of the table gets through a naive sandbox, and through no backend."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.base import Image, Sandbox
from schemas.errors import SandboxError
from tests.sandboxes.attack import Attack
from tests.sandboxes.attacks import ATTACKS
from tests.sandboxes.canaries import ABSENT, Canaries
from tests.sandboxes.naive import let_through

ANSWER = "/root/out/answer"
HAND_SECONDS = 5


def listed(attacks: Iterator[Attack]) -> list[object]:
    return [pytest.param(attack, id=attack.name, marks=[pytest.mark.slow] if attack.slow else []) for attack in attacks]


@pytest.mark.nightly
@pytest.mark.parametrize("attack", listed(a for a in ATTACKS if os.geteuid() == 0 or not a.as_root))
def test_a_naive_sandbox_lets_it_through(attack: Attack, image: Image) -> None:
    naive = let_through(attack, image)
    if ABSENT in naive.shown.splitlines():
        pytest.skip(f"{attack.name}: this kernel does not have it")
    assert attack.sign in naive.signs, naive


@pytest.fixture
def canaries(tmp_path: Path) -> Iterator[Canaries]:
    with Canaries(tmp_path, ANSWER) as standing:
        yield standing


@pytest.mark.parametrize("attack", listed(iter(ATTACKS)))
async def test_walls_contain_it(
    attack: Attack, sandbox: Sandbox, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", canaries.secret)
    session = await sandbox.start()
    try:
        result = await session.exec(canaries.prologue() + attack.script, timeout=attack.seconds)
        try:
            collected, hung = await asyncio.wait_for(hand(session, attack.hands), HAND_SECONDS), False
        except TimeoutError:
            collected, hung = b"", True
        following = await session.exec("echo next")
    finally:
        await session.close()
    assert canaries.signs(result.text, len(result.output), collected, hung) == set(), result.text
    assert following.text.endswith("next\n"), "the sandbox itself did not survive"


async def hand(session: object, hands: str) -> bytes:
    """Collect the answer or hand one over, as a world does."""
    try:
        if hands == "get":
            return await session.get(ANSWER, max_bytes=1 << 20)  # type: ignore[attr-defined,no-any-return]
        if hands == "put":
            await session.put(ANSWER, b"given")  # type: ignore[attr-defined]
    except SandboxError:
        pass
    return b""


def test_there_are_enough_attacks_and_their_names_differ() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 105
