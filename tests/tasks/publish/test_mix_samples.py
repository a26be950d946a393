"""A mixture keeps its ratio, never holds a row twice, and does not know the order in which rows came."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.mixture_config import MixtureConfig
from schemas.release import GuessableShare
from tasks.publish.eligible import Eligible, sampling_key
from tasks.publish.mix_samples import Mixture, mix_samples
from tasks.publish.pools import AGENT


def agent(count: int) -> list[Eligible]:
    return [Eligible(f"t{i}", turns=4, tokens=300) for i in range(count)]


def general(count: int, model: str, prefix: str = "c") -> list[Eligible]:
    return [Eligible(f"{prefix}-{model}-{i}", turns=2, tokens=100, source_model=model) for i in range(count)]


def rows_of(mixture: Mixture) -> dict[str, int]:
    return {share.stratum: share.rows for share in mixture.shares}


def test_the_recipe_of_the_paper_is_reached_within_half_a_percent() -> None:
    mixture = mix_samples(agent(153), general(200, "gpt-4") + general(600, "gpt-3.5-turbo"), MixtureConfig())
    assert rows_of(mixture) == {AGENT: 153, "gpt-3.5": 490, "gpt-4": 122}
    for share in mixture.shares:
        assert abs(share.achieved_rows - share.asked) < 0.005
    assert mixture.notes == ()


def test_turns_and_tokens_are_reported_beside_rows() -> None:
    shares = mix_samples(agent(10), general(8, "gpt-4") + general(32, "gpt-3.5"), MixtureConfig()).shares
    by_name = {share.stratum: share for share in shares}
    assert [share.stratum for share in shares] == [AGENT, "gpt-3.5", "gpt-4"]
    assert by_name[AGENT].achieved_rows == pytest.approx(10 / 50)
    assert by_name[AGENT].achieved_turns == pytest.approx(40 / 120, abs=1e-6)
    assert by_name[AGENT].achieved_tokens == pytest.approx(3000 / 7000, abs=1e-6)
    assert (by_name["gpt-4"].asked, by_name["gpt-4"].available) == (0.16, 8)


def test_a_stratum_that_runs_short_is_said_and_never_refilled() -> None:
    mixture = mix_samples(agent(50), general(10, "gpt-4") + general(1000, "gpt-3.5"), MixtureConfig())
    assert rows_of(mixture) == {AGENT: 50, "gpt-3.5": 160, "gpt-4": 10}
    assert mixture.notes == ("gpt-4 ran short: 40 rows asked, 10 there; not refilled from others.",)


def test_chats_of_no_stratum_stay_out_and_are_counted() -> None:
    unsaid = Eligible("c", turns=1, tokens=1)
    mixture = mix_samples(agent(1), [unsaid, *general(3, "bard"), *general(9, "gpt-3.5")], MixtureConfig())
    assert rows_of(mixture)["gpt-3.5"] == 3
    assert mixture.notes[1:] == (
        "1 chat left out: no model is named as the author.",
        "3 chats by bard left out: the recipe maps that model to no stratum.",
    )


def test_eta_of_one_is_agent_data_alone() -> None:
    mixture = mix_samples(agent(7), general(100, "gpt-4"), MixtureConfig(eta=1.0))
    assert {pick.stratum for pick in mixture.picks} == {AGENT}
    assert mixture.notes == ()


def test_without_agent_rows_the_mixture_is_empty_and_says_so() -> None:
    mixture = mix_samples([], general(100, "gpt-4"), MixtureConfig())
    assert mixture.picks == ()
    assert mixture.notes == ("No trajectory is eligible: the mixture is empty.",)


@pytest.mark.parametrize("strata", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_shares_that_do_not_add_up_are_refused(strata: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"mixture\.strata add up to"):
        mix_samples(agent(1), [], MixtureConfig(strata=strata))


def test_a_stratum_may_not_take_the_agents_name() -> None:
    with pytest.raises(ConfigError, match="Use another name"):
        mix_samples(agent(1), [], MixtureConfig(strata={"agent": 1.0}))


@pytest.mark.parametrize(
    ("sources", "eta", "told"),
    [
        ({"code": {"table": "conversations"}}, 0.2, "mixture.sources.code takes no row, so the mixture's general side"),
        ({"hard": {"table": "trajectories", "weight": 1}}, 0.2, "mixture.sources.hard takes no row, so .* agent side"),
        ({"code": {"table": "conversations"}}, 1.0, None),
        ({"code": {"table": "conversations"}, "all": {"table": "conversations"}}, 0.2, None),
    ],
)
def test_sources_that_leave_a_side_empty_are_refused(sources: dict[str, Any], eta: float, told: str | None) -> None:
    rows = [row._replace(source="rest") for row in agent(5)]
    chats = [row._replace(source="all" if "all" in sources else "") for row in general(50, "gpt-4")]
    recipe = MixtureConfig.model_validate({"sources": sources, "eta": eta})
    if told is None:
        assert mix_samples(rows, chats, recipe).picks
        return
    with pytest.raises(ConfigError, match=told):
        mix_samples(rows, chats, recipe)


def test_another_seed_chooses_other_rows() -> None:
    chats = general(500, "gpt-4") + general(500, "gpt-3.5")
    first, second = (mix_samples(agent(20), chats, MixtureConfig(seed=seed)) for seed in (0, 1))
    assert rows_of(first) == rows_of(second)
    assert {pick.id for pick in first.picks} != {pick.id for pick in second.picks}


def test_more_general_data_of_one_stratum_leaves_the_others_rows_alone() -> None:
    before = mix_samples(agent(20), general(50, "gpt-4") + general(90, "gpt-3.5"), MixtureConfig())
    after = mix_samples(agent(20), general(50, "gpt-4") + general(900, "gpt-3.5"), MixtureConfig())
    chosen = [{pick.id for pick in mixture.picks if pick.stratum == "gpt-4"} for mixture in (before, after)]
    assert chosen[0] == chosen[1]


def tagged(count: int) -> list[Eligible]:
    return [Eligible(f"g{i}", turns=2, tokens=100, guessable=True) for i in range(count)]


def test_guessable_rows_are_capped_counted_and_noted_and_general_rows_follow() -> None:
    chats = general(400, "gpt-4") + general(400, "gpt-3.5")
    mixture = mix_samples(agent(90) + tagged(30), chats, MixtureConfig(guessable=0.1))
    assert mixture.guessable == GuessableShare(asked=0.1, achieved=0.1, rows=10, left_out=20)
    (ours, *_) = mixture.shares
    assert (ours.rows, ours.available) == (100, 120) and len(mixture.picks) == 500
    assert mixture.notes == (
        "20 agent rows left out whose answer a guess may hit: the recipe takes 10% of such at most, and 10 are in.",
    )


def test_guessable_rows_below_the_cap_all_go_in() -> None:
    mixture = mix_samples(agent(90) + tagged(9), [], MixtureConfig(eta=1.0))
    assert mixture.guessable == GuessableShare(asked=0.1, achieved=round(9 / 99, 6), rows=9, left_out=0)
    assert mixture.notes == ()


@pytest.mark.parametrize(("cap", "rows"), [(0.0, 0), (1.0, 5)])
def test_nothing_but_guessable_rows_is_a_mixture_only_where_the_recipe_takes_all(cap: float, rows: int) -> None:
    mixture = mix_samples(tagged(5), [], MixtureConfig(eta=1.0, guessable=cap))
    assert (len(mixture.picks), mixture.guessable.left_out) == (rows, 5 - rows)
    assert ("No trajectory is eligible: the mixture is empty." in mixture.notes) == (rows == 0)


@settings(deadline=None)
@given(honest=st.integers(0, 60), over=st.integers(0, 60), cap=st.sampled_from([0.0, 0.05, 0.1, 1 / 3, 0.5, 0.9, 1.0]))
def test_the_cap_holds_and_one_row_more_would_break_it(honest: int, over: int, cap: float) -> None:
    rows = agent(honest) + tagged(over)
    mixture = mix_samples(rows, [], MixtureConfig(eta=1.0, guessable=cap))
    kept = mixture.guessable.rows
    assert len(mixture.picks) == honest + kept and kept + mixture.guessable.left_out == over
    assert kept <= cap * (honest + kept) + 1e-9
    assert kept == over or kept + 1 > cap * (honest + kept + 1) - 1e-9
    assert mix_samples(rows[::-1], [], MixtureConfig(eta=1.0, guessable=cap)) == mixture


ETAS = st.sampled_from([0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0])
SPLITS = st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5, 1.0])


@settings(deadline=None)
@given(count=st.integers(1, 60), eta=ETAS, split=SPLITS, seed=st.integers(0, 9), shuffle=st.integers(0, 99))
def test_the_ratio_holds_to_a_row_and_the_order_of_arrival_does_not_count(
    count: int, eta: float, split: float, seed: int, shuffle: int
) -> None:
    recipe = MixtureConfig(eta=eta, strata={"gpt-4": split, "gpt-3.5": 1 - split}, seed=seed)
    ours, chats = agent(count), general(560, "gpt-4") + general(560, "gpt-3.5")
    mixture = mix_samples(ours, chats, recipe)
    total = len(mixture.picks)
    assert abs(total - count / eta) <= 0.5 + 1e-9
    for share in mixture.shares:
        assert abs(share.rows - share.asked * total) <= 1 + 1e-6 * total
    ids = [pick.id for pick in mixture.picks]
    assert len(set(ids)) == total
    assert ids == sorted(ids, key=lambda row_id: sampling_key(row_id, seed))
    shuffled = [*ours, *ours], [*chats, *chats]
    for rows in shuffled:
        random.Random(shuffle).shuffle(rows)
    assert mix_samples(*shuffled, recipe) == mixture
