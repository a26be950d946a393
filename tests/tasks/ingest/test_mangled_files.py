"""Files that somebody mangled: every row is kept or turned away with its line and reason, and the counts add up."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.chats.sharegpt import IMPORTER
from schemas.rejection import Rejection
from tasks.ingest.admit import REASONS, Admission


def row(number: int, **fields: object) -> bytes:
    said = [
        ("human", f"{number}. How does the bread rise in a warm oven?"),
        ("gpt", "Yeast gives off gas that lifts the dough."),
    ]
    return json.dumps({"id": number, "conversations": [{"from": f, "value": v} for f, v in said], **fields}).encode()


MANGLED: dict[str, Callable[[int], bytes]] = {
    "good": row,
    "truncated": lambda n: row(n)[:-9],
    "cut in a text": lambda n: row(n)[:60],
    "latin-1": lambda n: row(n).replace(b"bread", b"br\xe9ad"),
    "NUL": lambda n: row(n).replace(b"bread", b"br\0ad"),
    "escaped NUL": lambda n: row(n).replace(b"bread", b"br\\u0000ad"),
    "a lone surrogate": lambda n: row(n).replace(b"bread", b"\\ud800"),
    "a role nobody knows": lambda n: row(n).replace(b'"gpt"', b'"narrator"'),
    "an empty turn": lambda n: row(n).replace(b"Yeast gives off gas that lifts the dough.", b" "),
    "a number": lambda n: str(n).encode(),
    "null": lambda n: b"null",
    "words": lambda n: b"hello there",
    "a stray bracket": lambda n: b"]" + row(n),
    "nested": lambda n: b"[" * 300 + b"]" * 300,
}
PACKING: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(sorted(MANGLED)), max_size=8), packing=st.sampled_from(sorted(PACKING)))
def test_every_line_is_kept_or_turned_away_with_its_place(kinds: list[str], packing: str, tmp_path: Path) -> None:
    path = tmp_path / "chats.data"
    path.write_bytes(
        PACKING[packing](b"\n".join([row(100), *(MANGLED[kind](n) for n, kind in enumerate(kinds)), row(101)]))
    )
    admission = Admission()
    results = [admission.admit(one) for one in IMPORTER.rows([path], {})]
    assert len(results) == len(kinds) + 2
    for number, admitted in enumerate(results, 1):
        for one in admitted.results:
            if isinstance(one, Rejection):
                assert one.reason in REASONS and one.source == f"chats.data:{number}" and one.detail
    found = Counter(isinstance(admitted.results[0], Rejection) for admitted in results)
    assert found[False] == 2 + sum(kind in ("good", "escaped NUL") for kind in kinds)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=6), at=st.integers(0, 2000))
def test_whatever_is_done_to_the_bytes_nothing_is_lost_without_a_word(
    cut: int, noise: bytes, at: int, tmp_path: Path
) -> None:
    path = tmp_path / "chats.data"
    whole = b"[" + b",\n".join(row(n) for n in range(8)) + b"]"
    mangled = (whole[:at] + noise + whole[at:])[: cut or None]
    path.write_bytes(mangled)
    admission = Admission()
    results = [admission.admit(one).results[0] for one in IMPORTER.rows([path], {})]
    assert results or not mangled.strip()
    for one in results:
        assert not isinstance(one, Rejection) or (one.reason in REASONS and one.source.startswith("chats.data:"))


def test_a_turn_of_a_million_tokens_is_kept_and_its_neighbours_too(tmp_path: Path) -> None:
    long = {"conversations": [{"from": "human", "value": "How?"}, {"from": "gpt", "value": "so it is " * 450_000}]}
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b"\n".join((row(1), json.dumps(long).encode(), row(2))))
    admission = Admission()
    made = [admission.admit(one).results for one in IMPORTER.rows([path], {})]
    assert [len(results) for results in made] == [1, 1, 1]
    assert not any(isinstance(one, Rejection) for results in made for one in results)


@pytest.mark.slow
def test_memory_stays_flat_over_a_long_array_and_a_packed_one(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for rows in (500, 5_000):
        path = tmp_path / f"{rows}.json.gz"
        with gzip.open(path, "wb") as file:
            file.write(b"[" + b",\n".join(row(n, filler="x" * 2_000) for n in range(rows)) + b"]")
        tracemalloc.start()
        admission = Admission()
        assert (
            sum(not isinstance(admission.admit(one).results[0], Rejection) for one in IMPORTER.rows([path], {})) == rows
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 6_000_000
