"""What a release says of its agent rows' checks, by world and contract."""

from __future__ import annotations

import pytest

from tasks.publish.about_checks import Accepted, note_fallen, note_weaker_checks

OS, DB, GONE = Accepted("os", 3), Accepted("db", 1), Accepted("moon", 1)


@pytest.mark.parametrize(
    ("accepted", "beginnings"),
    [
        ([], []),
        ([OS, OS, Accepted("os", 4)], []),
        ([OS, DB, DB], ["2 of 2 agent rows (db) were accepted under contract 1 of its checks, today's is 3: "]),
        ([Accepted("os", 1), OS, OS], ["1 of 3 agent rows (os) were accepted under contract 1 of its checks, today's"]),
        (
            [GONE, Accepted("moon", 2), OS],
            [
                "1 of 2 agent rows (moon) were accepted under contract 1 of its checks; whether today's are stronger",
                "1 of 2 agent rows (moon) were accepted under contract 2 of its checks; whether today's are stronger",
            ],
        ),
    ],
)
def test_each_world_and_contract_under_today_s_is_told_with_its_count(
    accepted: list[Accepted], beginnings: list[str]
) -> None:
    notes = note_weaker_checks(accepted)
    assert len(notes) == len(beginnings)
    assert all(note.startswith(start) for note, start in zip(notes, beginnings, strict=True))


def test_rows_left_out_are_counted_and_it_is_said_how_to_see_them() -> None:
    assert note_fallen(0) == ()
    (one,), (many,) = note_fallen(1), note_fallen(12)
    assert one.startswith("1 agent row left out") and many.startswith("12 agent rows left out")
    assert 'trajmill sql "FROM latest_verdicts WHERE NOT stands"' in one
