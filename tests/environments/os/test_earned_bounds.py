"""What it costs to tell whether an answer is earned is bounded, and numbers that no float holds are texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.os.earned import MOST_CHARS, Seen, _is_among, finding, is_earned
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

LONG = 100_000
SHOWN = "\n".join(map(str, range(1, 3500)))
BOMBS = {
    "commas after a number": "1" + "," * LONG + "a?x",
    "blanks after a number": "1" + " " * LONG + "_",
    "commas, as long as is looked into": "1" + "," * (MOST_CHARS - 9) + "a?x",
    "numbers in another form": "3499.0 " * (LONG // 7),
    "numbers, as many as are looked into": "3499.0 " * (MOST_CHARS // 7),
    "the same word": "or " * (LONG // 3),
    "words that nobody said": " ".join(f"w{n}" for n in range(1500)),
    "large exponents": "1e999," * (LONG // 6),
    "digits": "9" * LONG,
    "many digits": "[" + ",".join("9" * 400 for _ in range(20)) + "]",
    "signs": "-" * LONG + "1",
}


def task() -> TaskSpec:
    return TaskSpec.make(
        environment="os",
        instruction="Which numbers are in /root/n?",
        setup=Setup(),
        reference=(Script(code="cat /root/n"),),
        check=Check(kind="script", scripts=(Script(code="true"),)),
        origin="own",
        provenance=Provenance(source="test"),
    )


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_looked_at_and_over(name: str) -> None:
    assert finding(task(), [Seen("cat /root/n", SHOWN)] * 8, BOMBS[name]) in ("shown", "cannot_tell", "not_shown")


@pytest.mark.parametrize("digits", [309, 603, 4301])
def test_a_number_of_many_digits_is_earned_where_it_was_shown(digits: int) -> None:
    number = "7" * digits
    assert finding(task(), [Seen("cat /root/n", f"it is {number}\n")], number) == "shown"
    assert not is_earned(finding(task(), [Seen("cat /root/n", "it is 5\n")], number))


def test_a_long_answer_is_earned_where_all_of_it_was_shown() -> None:
    assert finding(task(), [Seen("cat /root/n", SHOWN)], SHOWN) == "shown"
    assert finding(task(), [Seen("cat /root/n", SHOWN)], SHOWN + " 9") == "cannot_tell"


NUMBERS = st.one_of(st.integers(-99, 99).map(float), st.decimals(-99, 99, places=3).map(float))


@given(NUMBERS, st.lists(NUMBERS, max_size=30))
def test_a_number_is_found_as_if_all_were_looked_at(one: float, values: list[float]) -> None:
    def is_same(other: float) -> bool:
        return one == other or (one != int(one) and abs(one - other) < 0.01 * max(abs(one), 1))

    far = [other for other in values if abs(abs(one - other) - 0.01 * max(abs(one), 1)) > 1e-9]
    assert _is_among(one, sorted(far)) == any(map(is_same, far))
