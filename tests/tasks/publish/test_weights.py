"""A mixture keeps its ratio in the unit that was asked for, repeats what it may, and caps what is too much of one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.mixture_config import CapsConfig, MixtureConfig, SourceConfig
from tasks.publish.eligible import WEIGHTS, Eligible
from tasks.publish.mix_samples import Mixture, mix_samples
from tasks.publish.pools import AGENT


def agent(count: int, **more: Any) -> list[Eligible]:
    rows = (Eligible(f"t{n}", turns=4, tokens=600, trained_tokens=200 + n % 50, task=f"task{n}") for n in range(count))
    return [row._replace(episode=row.id, **more) for row in rows]


def chats(count: int, model: str = "gpt-3.5", tokens: int = 40) -> list[Eligible]:
    return [Eligible(f"c-{model}-{n}", 2, 100, model, trained_tokens=tokens + n % 9) for n in range(count)]


def share(mixture: Mixture, name: str = AGENT) -> Any:
    return next(share for share in mixture.shares if share.stratum == name)


def test_the_counts_of_the_paper_are_reached_by_repeating_what_is_scarce() -> None:
    """AgentTuning: 3,670 chats of GPT-4 and 57,096 of GPT-3.5, drawn 1 : 4; 1,866 agent rows at eta 0.2."""
    general = chats(3_670, "gpt-4") + chats(57_096)
    recipe = MixtureConfig(eta=0.0, total=71_370, epochs={"gpt-4": 3.9})
    repeated = mix_samples([], general, recipe)
    assert [share(repeated, name).achieved_rows for name in ("gpt-4", "gpt-3.5")] == [0.2, 0.8]
    assert share(repeated, "gpt-4").repeated == 14_274 - 3_670
    assert len({pick.name for pick in repeated.picks}) == 71_370, "every copy has a name of its own"
    times = Counter(pick.id for pick in repeated.picks if pick.stratum == "gpt-4")
    assert set(times.values()) == {3, 4}, "no row a third time before every other had its second"
    assert repeated.notes == (
        "gpt-4 is repeated, as mixture.epochs lets it: 14,274 rows are made of 3,670, and 10,604 of these stand there "
        "once more.",
    )


def test_nothing_is_repeated_unasked() -> None:
    once = mix_samples([], chats(36, "gpt-4") + chats(570), MixtureConfig(eta=0.0, total=712))
    assert [share(once, name).rows for name in ("gpt-4", "gpt-3.5")] == [36, 570]
    assert once.notes == ("gpt-4 ran short: 142 rows asked, 36 there; not refilled from others.",)


@pytest.mark.parametrize("unit", WEIGHTS)
@pytest.mark.parametrize("eta", [0.0, 0.1, 0.2, 0.5, 0.9, 1.0])
def test_eta_holds_in_the_unit_that_was_asked_for(unit: Any, eta: float) -> None:
    recipe = MixtureConfig(eta=eta, unit=unit, strata={"gpt-3.5": 1.0})
    mixture = mix_samples(agent(300), chats(9_000, tokens=300), recipe)
    achieved = {"rows": "achieved_rows", "turns": "achieved_turns", "trained_tokens": "achieved_trained_tokens"}
    assert getattr(share(mixture), achieved[unit]) == pytest.approx(eta, abs=0.005)
    assert mixture.notes == ()


def test_by_rows_at_a_fifth_agent_rows_are_more_than_half_of_what_is_trained_on() -> None:
    by_rows = mix_samples(agent(100), chats(400), MixtureConfig(strata={"gpt-3.5": 1.0}))
    assert share(by_rows).achieved_rows == 0.2 and share(by_rows).achieved_trained_tokens > 0.5


@given(
    st.integers(1, 60),
    st.integers(1, 300),
    st.floats(0.0, 1.0),
    st.floats(0.3, 4.0),
    st.sampled_from(list(WEIGHTS)),
    st.integers(1, 5_000),
)
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_is_nearest_to_what_is_asked(
    ours: int, theirs: int, eta: float, epochs: float, unit: Any, total: int
) -> None:
    recipe = MixtureConfig(
        eta=round(eta, 3), unit=unit, total=total, epochs={AGENT: epochs}, strata={"gpt-3.5": 1.0}, guessable=1
    )
    mixture = mix_samples(agent(ours), chats(theirs), recipe)
    weigh = WEIGHTS[unit]
    largest = {AGENT: max(map(weigh, agent(ours))), "gpt-3.5": max(map(weigh, chats(theirs)))}
    assert sum(part.asked for part in mixture.parts) == total
    for part in mixture.parts:
        ran_short = any(note.startswith(f"{part.name} ran short") for note in mixture.notes)
        assert abs(part.had - part.asked) <= largest[part.stratum] / 2 or (ran_short and part.had < part.asked)
    times = Counter(pick.id for pick in mixture.picks if pick.stratum == AGENT)
    assert len(mixture.picks) == len({pick.name for pick in mixture.picks})
    assert not times or max(times.values()) - (min(times.values()) if len(times) == ours else 0) <= 1


def test_a_larger_mixture_holds_the_rows_of_a_smaller_one() -> None:
    small, large = (
        {pick.name for pick in mix_samples(agent(50), chats(500), MixtureConfig(eta=eta, total=50)).picks}
        for eta in (0.2, 0.6)
    )
    assert {name for name in small if name.startswith("t")} < {name for name in large if name.startswith("t")}
    assert {name for name in large if name.startswith("c")} < {name for name in small if name.startswith("c")}


def attempts() -> list[Eligible]:
    """Three attempts at each of two tasks; of one episode each round is a row."""
    long = Eligible("long", 9, 900, task="a", episode="long", reward=1.0, trained_tokens=90, world="os", family="f")
    short = long._replace(id="short", episode="short", turns=2, trained_tokens=20, reward=0.8)
    rounds = [long._replace(id=f"round{n}", episode="rounds", turns=1, trained_tokens=10) for n in range(3)]
    return [long, short, *rounds, *(row._replace(id=f"b-{row.id}", task="b", world="db") for row in [long, short])]


CHOSEN = {
    "correct": {"long", "short", "round0", "round1", "round2", "b-long", "b-short"},
    "shortest": {"short", "b-short"},
    "best-1": {"round0", "round1", "round2", "b-long"},
    "best-2": {"long", "round0", "round1", "round2", "b-long", "b-short"},
}


@pytest.mark.parametrize("choice", CHOSEN)
def test_of_several_attempts_the_recipe_says_which(choice: str) -> None:
    rows = [row._replace(episode=row.id) if row.id.startswith("b-") else row for row in attempts()]
    mixture = mix_samples(rows, [], MixtureConfig(eta=1, attempts=choice))
    assert {pick.id for pick in mixture.picks} == CHOSEN[choice]
    left_out = 7 - len(CHOSEN[choice])
    words = f"the recipe takes {choice}."
    assert [note for note in mixture.notes if words in note and str(left_out) in note] or not left_out


@pytest.mark.parametrize("choice", ["best", "best-0", "longest", "best-x"])
def test_a_choice_of_attempts_that_is_none_is_told(choice: str) -> None:
    with pytest.raises(ValueError, match="is none of correct, shortest, best-N"):
        MixtureConfig(attempts=choice)


@pytest.mark.parametrize(
    ("cap", "kept", "words"),
    [
        ({"task": 2}, 40, "2 of one task"),
        ({"family": 7}, 28, "7 of one family of tasks"),
        ({"world": 5}, 10, "5 of one world"),
        ({"task": 1, "world": 9}, 18, "9 of one world"),
    ],
)
def test_no_task_family_or_world_has_more_than_its_cap(cap: dict[str, int], kept: int, words: str) -> None:
    rows = [
        row._replace(task=f"{n // 5}", world=("os", "db")[n % 2], family=("x", "y")[n // 2 % 2])
        for n, row in enumerate(agent(100))
    ]
    mixture = mix_samples(rows, [], MixtureConfig(eta=1, caps=CapsConfig(**cap)))
    assert len(mixture.picks) == kept
    assert any(words in note for note in mixture.notes)


def test_sources_are_drawn_from_by_their_weights() -> None:
    rows = [row._replace(source=("hard", "easy")[n % 2]) for n, row in enumerate(agent(60))]
    general = [row._replace(source="code") for row in chats(400, "x")]
    general += [row._replace(source="prose") for row in chats(300, "y")] + chats(7, "z")
    sources = {
        "hard": SourceConfig(table="trajectories", weight=3),
        "easy": SourceConfig(table="trajectories", weight=1),
        "code": SourceConfig(table="conversations", weight=0.5),
        "prose": SourceConfig(table="conversations", weight=0.5),
    }
    mixture = mix_samples(rows, general, MixtureConfig(sources=sources))
    assert Counter(pick.source for pick in mixture.picks) == {"hard": 30, "easy": 10, "code": 80, "prose": 80}
    assert {part.name: part.stratum for part in mixture.parts}["hard"] == AGENT
    assert mixture.notes == ("Left out, since no source of the recipe takes them: 7 chats by z.",)


def test_sources_of_chats_without_weights_are_taken_as_they_come() -> None:
    general = [row._replace(source=("a", "b", "b", "b")[n % 4]) for n, row in enumerate(chats(400))]
    sources = {name: SourceConfig(table="conversations") for name in ("a", "b")}
    mixture = mix_samples(agent(10), general, MixtureConfig(sources=sources))
    assert {s.stratum: s.rows for s in mixture.shares} == {AGENT: 10, "a": 10, "b": 30}


def test_a_source_of_chats_is_not_called_agent() -> None:
    with pytest.raises(ConfigError, match="is called 'agent'"):
        mix_samples(agent(1), [], MixtureConfig(sources={"agent": SourceConfig(table="conversations")}))


def test_weights_are_for_all_sources_of_a_table_or_for_none() -> None:
    sources = {"a": SourceConfig(table="trajectories", weight=1), "b": SourceConfig(table="trajectories")}
    with pytest.raises(ValueError, match=r"\['b'\] have no weight"):
        MixtureConfig(sources=sources)
