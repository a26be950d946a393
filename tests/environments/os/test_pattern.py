from __future__ import annotations

import pytest

from environments.os.pattern import is_found
from schemas.errors import CheckError, StateError


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("b+", "abc", True), ("^c", "abc", False), ("(?i)ABC", "abc", True), ("(?<=a)b", "abc", True), ("é", "né", True)],
)
async def test_a_pattern_keeps_its_meaning(pattern: str, text: str, found: bool) -> None:
    assert await is_found(pattern, text) is found


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "(a*)*b", "(x+x+)+y|(a+a+)+b"])
async def test_one_that_takes_for_ever_is_ended(pattern: str) -> None:
    with pytest.raises(StateError, match="took over 2 s of CPU time on an answer of 41 characters"):
        await is_found(pattern, "a" * 40 + "!")


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(?P<n>a)(?P<n>b)"])
async def test_what_is_no_pattern_is_told(pattern: str) -> None:
    with pytest.raises(CheckError, match="cannot be searched for"):
        await is_found(pattern, "a")


async def test_a_long_answer_is_searched() -> None:
    assert await is_found("b$", "a" * 1_000_000 + "b")


async def test_a_search_that_broke_is_no_verdict() -> None:
    with pytest.raises(CheckError, match="the search for a pattern broke"):
        await is_found("a", "b" * 1_000_000, memory_bytes=1 << 20)
