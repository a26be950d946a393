"""What counts today of an episode: the newest verdict under the highest contract of checks, if it is one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import pytest

from schemas.episode import RewardPart, Verdict, VerdictName
from schemas.rejudgement import Rejudgement
from schemas.verification import Verification
from warehouse.warehouse import Warehouse


class Said(NamedTuple):
    contract: int
    number: int
    verdict: VerdictName
    reward: float = 0.0


PASSED, FAILED = Said(1, 0, "passed", 1.0), Said(1, 0, "failed", 0.5)
"""As they landed, before a contract was recorded."""


@pytest.mark.parametrize(
    ("own", "later", "counts", "stands"),
    [
        (PASSED, [], PASSED, True),
        (FAILED, [], FAILED, True),
        (PASSED, [Said(2, 1, "failed")], Said(2, 1, "failed"), False),
        (PASSED, [Said(2, 1, "passed", 1.0)], Said(2, 1, "passed", 1.0), True),
        (PASSED, [Said(2, 1, "passed", 0.9)], Said(2, 1, "passed", 0.9), False),
        (PASSED, [Said(2, 1, "failed"), Said(2, 2, "passed", 1.0)], Said(2, 2, "passed", 1.0), True),
        (PASSED, [Said(2, 1, "failed"), Said(3, 1, "passed", 1.0)], Said(3, 1, "passed", 1.0), True),
        (PASSED, [Said(3, 1, "failed"), Said(2, 1, "passed", 1.0)], Said(3, 1, "failed"), False),
        (PASSED, [Said(2, 1, "unknown")], PASSED, True),
        (PASSED, [Said(2, 1, "failed"), Said(2, 2, "unknown"), Said(3, 1, "unknown")], Said(2, 1, "failed"), False),
        (Said(3, 0, "passed", 1.0), [Said(2, 1, "failed")], Said(3, 0, "passed", 1.0), True),
        (Said(2, 0, "passed", 1.0), [Said(2, 1, "failed")], Said(2, 1, "failed"), False),
        (FAILED, [Said(2, 1, "failed", 0.5)], Said(2, 1, "failed", 0.5), True),
        (FAILED, [Said(2, 1, "failed", 0.4)], Said(2, 1, "failed", 0.4), False),
        (FAILED, [Said(2, 1, "passed", 1.0)], Said(2, 1, "passed", 1.0), True),
    ],
)
def test_the_newest_known_verdict_under_the_highest_contract_counts(
    warehouse: Warehouse, make: SimpleNamespace, own: Said, later: list[Said], counts: Said, stands: bool
) -> None:
    landed = {"verdict": own.verdict, "reward": own.reward, "check_contract": own.contract}
    episode = make.episode(1, **landed)
    warehouse.land("episodes", [make.episode(1, verdict="unknown", try_number=1)], key="first try")
    episode = episode.model_copy(update={"try_number": 2})
    warehouse.land("episodes", [episode, make.episode(2)], key="episodes")
    rows = []
    for said in later:
        verdict = Verdict(name=said.verdict, reward=said.reward)
        found = Verification(id="episode-1", kind="episode", environment="db", verdict=verdict)
        rows.append(Rejudgement.make(episode, found, said.contract, said.number))
    warehouse.land("verdicts", rows, key="verdicts")
    columns = "check_contract, number, verdict, reward, stands"
    (one,) = warehouse.query(f"SELECT {columns} FROM latest_verdicts WHERE episode_id = 'episode-1'")
    assert one == (*counts, stands) and warehouse.count("latest_verdicts") == 2


@pytest.mark.parametrize(
    ("then", "now", "repeats"),
    [
        ({}, {"number": 2, "shows_same": True, "detail": "otherwise worded"}, True),
        ({}, {"elsewhere": "there"}, True),
        ({"elsewhere": "there"}, {"elsewhere": "elsewhere still"}, True),
        ({"elsewhere": "there"}, {}, False),
        ({}, {"verdict": "failed"}, False),
        ({}, {"reward": 0.5}, False),
        ({}, {"rewards": (RewardPart(name="schema", value=1.0),)}, False),
    ],
)
def test_the_same_outcome_is_said_once_and_once_more_where_the_episode_was_made(
    make: SimpleNamespace, then: dict[str, object], now: dict[str, object], repeats: bool
) -> None:
    found = Verification(id="e", kind="episode", environment="db", broken="SandboxError: gone")
    said = Rejudgement.make(make.episode(1), found, 2, 1)
    assert (said.verdict, said.reward, said.detail) == ("unknown", 0.0, "SandboxError: gone")
    assert said.model_copy(update=now).repeats(said.model_copy(update=then)) == repeats
    assert not said.repeats(make.episode(1))
