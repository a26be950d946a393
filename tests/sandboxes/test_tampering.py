"""Every trick of the table fools a check that runs where the agent worked, and none of ours."""

from __future__ import annotations

import pytest

from sandboxes.base import Image, Session
from tests.sandboxes.attack import Attack
from tests.sandboxes.naive import let_through
from tests.sandboxes.tampering import TRICKS, Trick, naive_attempt

each_trick = pytest.mark.parametrize("trick", [pytest.param(trick, id=trick.name) for trick in TRICKS])


@pytest.mark.slow
@each_trick
def test_a_naive_check_is_fooled(trick: Trick, image: Image) -> None:
    naive = let_through(Attack(trick.name, naive_attempt(trick)), image)
    assert naive.code == 0, naive


@each_trick
async def test_our_check_is_not(trick: Trick, session: Session) -> None:
    await session.exec("echo wrong > /root/answer")
    await session.exec(trick.script)
    checked = await session.run(trick.check, on=await session.snapshot(), trusted_tools=True)
    assert checked.exit_code == 1, checked.text


@pytest.mark.parametrize("trick", [pytest.param(trick, id=trick.name) for trick in TRICKS if not trick.takes_answer])
async def test_our_check_still_sees_what_is_right(trick: Trick, session: Session) -> None:
    await session.exec("echo right > /root/answer")
    await session.exec(trick.script)
    checked = await session.run(trick.check, on=await session.snapshot(), trusted_tools=True)
    assert checked.exit_code == 0, checked.text


async def test_without_trusted_tools_the_trick_works(session: Session) -> None:
    """What a check with the agent's own tools would have said, in a fresh process and a fresh view."""
    await session.exec("echo wrong > /root/answer; " + TRICKS[0].script)
    assert (await session.run(TRICKS[0].check, on=await session.snapshot())).exit_code == 0


def test_there_are_at_least_ten() -> None:
    assert len({trick.name for trick in TRICKS}) == len(TRICKS) >= 10
