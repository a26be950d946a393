"""Every trick of the table fools a check that runs where the agent worked, and none of ours."""

from __future__ import annotations

import pytest

from sandboxes.base import ExecResult, Image, Session
from sandboxes.ground import Ground
from tests.sandboxes.attack import Attack
from tests.sandboxes.naive import let_through
from tests.sandboxes.settings_tampering import CLOSED, LINKS, SETTINGS
from tests.sandboxes.tampering import TRICKS as TOOL_TRICKS
from tests.sandboxes.tampering import Trick, naive_attempt

TRICKS = (*TOOL_TRICKS, *LINKS, *SETTINGS)
each_trick = pytest.mark.parametrize("trick", [pytest.param(trick, id=trick.name) for trick in TRICKS])


@pytest.mark.nightly
@each_trick
def test_a_naive_check_is_fooled(trick: Trick, image: Image) -> None:
    naive = let_through(Attack(trick.name, naive_attempt(trick)), image)
    assert naive.code == 0, naive


@each_trick
async def test_our_check_is_not(trick: Trick, session: Session) -> None:
    checked = await tried(trick, "wrong", session)
    assert checked.exit_code, checked.text


@pytest.mark.parametrize(
    "trick", [pytest.param(trick, id=trick.name) for trick in (*TRICKS, *CLOSED) if not trick.takes_answer]
)
async def test_our_check_still_sees_what_is_right(trick: Trick, session: Session) -> None:
    checked = await tried(trick, "right", session)
    assert checked.exit_code == 0, checked.text


async def tried(trick: Trick, answer: str, session: Session) -> ExecResult:
    """Run the check on what an agent leaves that gave an answer and then played the trick."""
    await session.exec(f"echo {answer} > /root/answer")
    await session.exec(trick.script)
    ground = Ground((), f"Write the answer to /root/answer.\n{trick.check.code}")
    return await session.run(trick.check, on=await session.snapshot(), trusted_tools=True, ground=ground)


async def test_without_trusted_tools_the_trick_works(session: Session) -> None:
    """What a check with the agent's own tools would have said, in a fresh process and a fresh view."""
    await session.exec("echo wrong > /root/answer; " + TRICKS[0].script)
    assert (await session.run(TRICKS[0].check, on=await session.snapshot())).exit_code == 0


def test_there_are_at_least_ten() -> None:
    assert len({trick.name for trick in TRICKS}) == len(TRICKS) >= 10
