"""A pickle is read as data: what pickle writes of it comes back, and nothing that it says is run."""

from __future__ import annotations

import pickle
import pickletools
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.mind2web.importers.pickled_data import read_pickled
from environments.mind2web.importers.scores import read_ranks
from schemas.errors import InputError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(DATA, st.sampled_from(PROTOCOLS), st.booleans())
def test_what_pickle_writes_of_data_comes_back(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int, short: bool
) -> None:
    path = tmp_path_factory.mktemp("pickle") / "data.pkl"
    raw = pickle.dumps(value, protocol)
    path.write_bytes(pickletools.optimize(raw) if short else raw)
    assert read_pickled(path) == value


def scores(kind: Any, ranks: Any = int) -> dict[str, Any]:
    made: dict[str, Any] = {"scores": defaultdict(dict), "ranks": OrderedDict()}
    for step in ("a_1", "a_2"):
        made["scores"][step] = {str(n): kind(n / 7) for n in range(120)}
        made["ranks"][step] = {str(n): ranks(n) for n in range(120)}
    return made


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("kind", "ranks"), [(float, int), (np.float32, np.int64), (np.float64, np.int32)])
def test_of_a_file_of_scores_the_best_ranks_stay(kind: Any, ranks: Any, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "scores_all_data.pkl"
    path.write_bytes(pickle.dumps(scores(kind, ranks), protocol))
    read = read_ranks(path)
    assert read == {step: {str(n): n for n in range(50)} for step in ("a_1", "a_2")}


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_pickle_would_run_is_not_run(protocol: int, tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps({"ranks": {"a": Evil(mark)}}, protocol))
    with pytest.raises(InputError, match="which is no data; nothing of it was run"):
        read_pickled(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "has 0 bytes"),
        (b"hello world", "that it does not have"),
        (b"\x80\x04}", "it ends before its end is marked"),
        (b"\x80\x63N.", "newer than this Python's"),
        (b"cos\nsystem\n(S'true'\ntR.", "names os.system"),
        (b"cbuiltins\neval\n(V1+1\ntR.", "names builtins.eval"),
        (b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n(V|O\ntRC\x01x\x86R.", "makes an object|dtype"),
        (b"\x80\x02cbuiltins\nint\n(V1\ntR.", "makes an object"),
        (b"\x80\x02\x8c\xff", "ends in the middle"),
        (b"\x80\x02X\xff\xff\xff\xffab.", "ends in the middle"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fab.", "ends in the middle"),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "out of order, or too many"),
        (b"\x80\x02j\x05\x00\x00\x00.", "does not have"),
        (b"\x80\x02]}s.", "lacking|no dict"),
        (b"\x80\x02(K\x01K\x02u.", "no dict"),
        (b"\x80\x02K\x01K\x02a.", "no list"),
        (b"\x80\x02}](K\x01u.", "no dict"),
        (b"\x80\x02}K\x01]K\x02ss.", "no dict"),
        (b"\x80\x02}}K\x01s.", "of type dict"),
        (b"(" * 1_000_002, "wait to be put together"),
        (b"\x80\x02Q.", "not one of data"),
        (b"\x80\x04N\x92.", "not one of data"),
        (b"\x80\x02}}b.", "sets the state of an object"),
    ],
)
def test_a_broken_or_hostile_pickle_is_told(raw: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=told):
        read_pickled(path)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.pkl"
    path.write_bytes(raw)
    try:
        read_pickled(path)
    except InputError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("value", [[], {"scores": {}}, {"ranks": 3}, {"ranks": {"a": 3.5, "b": []}}, "ranks"])
def test_a_pickle_without_ranks_is_told(value: object, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(InputError, match="holds no `ranks` by step and candidate"):
        read_ranks(path)
