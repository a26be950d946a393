"""Values come out of a file as they went in, whatever the form, and a broken one costs only itself."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats import json_scanner, json_values
from formats.json_values import cut_values
from schemas.errors import InputError

JSON_OBJECTS = st.dictionaries(
    st.text(max_size=6),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
FORMS = {
    "array": lambda rows: json.dumps(rows),
    "pretty array": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False),
    "lines": lambda rows: "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
    "lines without a last newline": lambda rows: "\n\n".join(json.dumps(row) for row in rows),
    "array after a byte order mark": lambda rows: "\ufeff " + json.dumps(rows),
}


def write(folder: Path, data: str | bytes) -> Path:
    path = folder / "chats.data"
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(JSON_OBJECTS, max_size=5), chunk=st.integers(1, 40) | st.just(1 << 20))
def test_reading_is_the_inverse_of_writing_in_every_form_and_chunk_size(
    form: str, rows: list[object], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, FORMS[form](rows))
    with monkeypatch.context() as patch:
        patch.setattr(json_values, "_CHUNK_BYTES", chunk)
        pieces = list(cut_values(path))
    assert [json.loads(piece.raw) for piece in pieces] == rows
    assert not any(piece.fault for piece in pieces)


def test_an_object_spread_over_many_lines_is_one_value(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps({"a": [1, {"b": 2}]}, indent=2))
    assert [(piece.line, json.loads(piece.raw)) for piece in cut_values(path)] == [(1, {"a": [1, {"b": 2}]})]


def test_lines_are_counted_with_the_blank_ones_and_places_in_an_array_without(tmp_path: Path) -> None:
    assert [p.line for p in cut_values(write(tmp_path, '{"a": 1}\n\n{"a": 2}\n'))] == [1, 3]
    assert [p.line for p in cut_values(write(tmp_path, '[{"a": 1},\n\n{"a": 2}]'))] == [1, 2]


def test_a_broken_value_in_an_array_costs_only_itself(tmp_path: Path) -> None:
    pieces = list(cut_values(write(tmp_path, b'[{"a": 1}, {"a": \xff\xfe}, {"a": nope}, null, {"a": "]}"}]')))
    assert [p.raw for p in pieces] == [b'{"a": 1}', b'{"a": \xff\xfe}', b'{"a": nope}', b"null", b'{"a": "]}"}']


@pytest.mark.parametrize("tail", ['{"a": "unfini', '{"a": 2', '{"a": "\\', "", "nul"])
def test_an_array_that_is_cut_off_keeps_what_came_before_and_says_so_once(tmp_path: Path, tail: str) -> None:
    whole, cut = cut_values(write(tmp_path, '[{"a": 1}, ' + tail))
    assert (whole.raw, whole.fault) == (b'{"a": 1}', "")
    assert (cut.raw.decode(), cut.fault) == (tail, "the file ends before the value or its array does")


@pytest.mark.parametrize("between", [" ", "\n", "\n\n", ""])
def test_what_follows_an_array_is_lines(tmp_path: Path, between: str) -> None:
    pieces = list(cut_values(write(tmp_path, f'[{{"a": 1}}, 2]{between}{{"b": 2}}\nno\n[3]\n')))
    assert [(p.line, p.raw) for p in pieces] == [(1, b'{"a": 1}'), (2, b"2"), (3, b'{"b": 2}'), (4, b"no"), (5, b"[3]")]
    assert not any(piece.fault for piece in pieces)


def test_a_bracket_that_closes_nothing_costs_only_its_line(tmp_path: Path) -> None:
    pieces = cut_values(write(tmp_path, '{\n"a": 1}\n]\n{"b": 2}\n'))
    assert [piece.raw for piece in pieces] == [b'{\n"a": 1}', b"]", b'{"b": 2}']


@pytest.mark.parametrize(("text", "rows"), [("", 0), ("\n \n", 0), ("[]", 0), ("[\n]\n", 0)])
def test_nothing_holds_no_values(tmp_path: Path, text: str, rows: int) -> None:
    assert len(list(cut_values(write(tmp_path, text)))) == rows


def test_a_line_without_end_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MAX_VALUE_BYTES", 10)
    pieces = list(cut_values(write(tmp_path, '"short"\n' + "x" * 45 + '\n"next"\n')))
    assert [(p.line, bool(p.fault)) for p in pieces] == [(1, False), (2, True), (3, False)]


@pytest.mark.parametrize("long", ['{"b": "' + "x" * 99 + '"}', '{"b": [' + "[]," * 40 + "0]}", f'"{60 * chr(92)}"'])
@pytest.mark.parametrize("chunk", [1, 8, 1000])
def test_a_value_in_an_array_that_is_too_long_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: str, chunk: int
) -> None:
    monkeypatch.setattr(json_values, "MAX_VALUE_BYTES", 20)
    monkeypatch.setattr(json_scanner, "MAX_VALUE_BYTES", 20)
    monkeypatch.setattr(json_values, "_CHUNK_BYTES", chunk)
    read = list(cut_values(write(tmp_path, f'[{{"a": 1}}, {" " * 90} {long}, {{"c": 3}}]')))
    assert [p.raw for p in read if not p.fault] == [b'{"a": 1}', b'{"c": 3}']
    assert [(p.line, p.fault) for p in read if p.fault] == [(2, "more than 20 bytes, the most that is read")]


@pytest.mark.parametrize("head", [b"PK\x03\x04zip", b"Rar!", b"SQLite format 3\x00", b"ARROW1\0\0"])
def test_what_is_no_text_is_refused_as_a_whole(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(InputError, match="not UTF-8 text"):
        list(cut_values(write(tmp_path, head)))


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08\x00", b"BZh9", b"\xfd7zXZ\x00\x00", b"\x28\xb5\x2f\xfd", b"PAR1"])
def test_a_packed_file_that_is_damaged_in_its_head_is_refused_as_a_whole(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(cut_values(write(tmp_path, head)))


ROWS = [{"text": f"row {n}: größer, 漢字"} for n in range(3)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
    "zstd of two frames": lambda data: zstandard.compress(data[:40]) + zstandard.compress(data[40:]),
    "gzip of two members": lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]),
    "gzip in zstd": lambda data: zstandard.compress(gzip.compress(data)),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16, big": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16 without a mark, big": lambda data: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data: data.decode().encode("utf-32"),
    "UTF-16 in xz": lambda data: lzma.compress(data.decode().encode("utf-16")),
    "UTF-8 with a mark in gzip": lambda data: gzip.compress(b"\xef\xbb\xbf" + data),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("form", ["lines", "array"])
def test_what_is_packed_or_spelled_otherwise_is_read_as_what_it_holds(tmp_path: Path, packing: str, form: str) -> None:
    text = LINES if form == "lines" else json.dumps(ROWS, ensure_ascii=False)
    pieces = list(cut_values(write(tmp_path, PACKED[packing](text.encode()))))
    assert [json.loads(piece.raw) for piece in pieces] == ROWS


def noise(rows: int) -> bytes:
    """Rows that hardly pack, so that a part of the file is a part of the rows."""
    drawn = random.Random(0)
    return b"".join(json.dumps({"text": drawn.randbytes(300).hex()}).encode() + b"\n" for _ in range(rows))


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_a_packed_file_that_is_cut_off_keeps_what_came_before_and_says_so_once(tmp_path: Path, packing: str) -> None:
    packed = PACKED[packing](noise(6_000))
    *whole, last = cut_values(write(tmp_path, packed[: len(packed) * 2 // 3]))
    assert len(whole) > 500 and not any(piece.fault for piece in whole)
    assert (last.reason, last.line) == ("cut_off", len(whole) + 1)
    assert f"packed with {packing} is damaged" in last.fault


def unpacked(begin: Callable[[], Any], packed: bytes) -> bytes:
    """What can be unpacked of bytes that are cut off, a few at a time as `zcat` and its like do."""
    unpacker = begin()
    return b"".join(unpacker.decompress(packed[n : n + 16]) for n in range(0, len(packed), 16))


@pytest.mark.parametrize(
    ("packing", "begin"),
    [
        ("gzip", lambda: zlib.decompressobj(31)),
        ("bzip2", bz2.BZ2Decompressor),
        ("xz", lzma.LZMADecompressor),
        ("zstd", lambda: zstandard.ZstdDecompressor().decompressobj()),
    ],
)
@pytest.mark.parametrize("form", ["lines", "array"])
def test_every_value_that_can_still_be_unpacked_is_read(
    tmp_path: Path, packing: str, begin: Callable[[], Any], form: str
) -> None:
    text = noise(2_000)
    packed = PACKED[packing](text if form == "lines" else b"[" + text.strip().replace(b"\n", b",") + b"]")
    for left in (1, 7, 20, len(packed) // 5):
        there = unpacked(begin, packed[:-left])
        *whole, last = cut_values(write(tmp_path, packed[:-left]))
        assert len(whole) == there.count(b"}") and not any(piece.fault for piece in whole)
        assert (last.reason, last.line) == ("cut_off", len(whole) + 1)
        assert last.raw == (there.strip().rpartition(b"}")[2].strip(b"\n,]"))


@pytest.mark.parametrize("at", [-6, 4000, 30_000])
def test_a_gzip_file_with_a_changed_byte_keeps_what_came_before_it(tmp_path: Path, at: int) -> None:
    packed = bytearray(gzip.compress(noise(600)))
    packed[at] ^= 0xFF
    given, unpacker = b"", zlib.decompressobj(31)
    with pytest.raises(zlib.error):
        for byte in packed:
            given += unpacker.decompress(bytes([byte]))
    pieces = list(cut_values(write(tmp_path, bytes(packed))))
    assert len(pieces) >= given.count(b"}") > 0
    assert [piece.reason for piece in pieces if "gzip is damaged" in piece.fault] == ["cut_off"]


def test_a_small_gzip_file_cut_in_half_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(LINES.encode())
    *whole, last = cut_values(write(tmp_path, packed[: len(packed) - 12]))
    assert whole and "the file ends before" in last.fault


SPREAD: dict[str, tuple[str, int]] = {
    "a list in the first line": ('{"a": [\n{"b": 1},\n{"b": 2}\n]}\n{"a": [\n{"b": 3}\n]}\n', 2),
    "an object in the first line": ('{"a":\n{"b": 1},\n"c":\n{"d": 2}}\n', 1),
    "behind a whole line": ('{"a": 1}\n{"a": [\n{"b": 1},\n{"b": 2}\n]}\n{"a": 3}\n', 3),
    "with blank lines": ('{"a": [\n\n{"b": 1}\n\n]}\n\n{"a": 2}\n', 2),
    "with the bracket of the next": ('{"a": [\n{"b": 1}\n]} {"a": [\n{"b": 2}\n]}\n', 2),
    "longer than what is looked at": ('{"a": [\n' + ('{"b": "' + "x" * 9000 + '"},\n') * 20 + '{"b": 0}\n]}\n', 1),
}


@pytest.mark.parametrize("spread", SPREAD)
def test_objects_over_many_lines_are_one_value_each_however_their_lines_begin(tmp_path: Path, spread: str) -> None:
    text, rows = SPREAD[spread]
    pieces = list(cut_values(write(tmp_path, text)))
    assert [type(json.loads(piece.raw)) for piece in pieces] == [dict] * rows
    assert not any(piece.fault for piece in pieces)


@pytest.mark.parametrize("cut", ['{"a": [', '{"a": "unfini', '{"a": {"b": 1', '{"a": '])
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_line_that_is_cut_off_costs_no_other(tmp_path: Path, cut: str, place: int) -> None:
    lines = ['{"a": 1}', '{"a": [{"b": 2}]}', '{"a": "c"}']
    pieces = list(cut_values(write(tmp_path, "\n".join((*lines[:place], cut, *lines[place:])))))
    assert [piece.raw.decode() for piece in pieces if piece.raw.decode() != cut.strip()] == lines
    assert len(pieces) == 4


@pytest.mark.parametrize("between", ["", "\n", " ,\n", "\r\n\r\n"])
@pytest.mark.parametrize("arrays", [2, 3])
def test_arrays_behind_each_other_lose_no_row(tmp_path: Path, between: str, arrays: int) -> None:
    text = between.join(f'[{{"a": {n}}},\n{{"a": {n}}}]' for n in range(arrays))
    pieces = list(cut_values(write(tmp_path, text)))
    assert [json.loads(piece.raw)["a"] for piece in pieces] == [n for n in range(arrays) for _ in range(2)]
    assert [piece.line for piece in pieces] == list(range(1, 2 * arrays + 1))


def test_rows_of_parquet_are_values_and_what_is_no_json_in_them_is_text(tmp_path: Path) -> None:
    told = [{"role": "user", "content": "Hi"}]
    rows = [{"messages": told, "at": datetime.date(2026, 1, 2), "raw": b"\xff"}, {"messages": None, "n": 1.5}]
    path = tmp_path / "chats.parquet"
    pq.write_table(
        pa.Table.from_pylist(
            rows,
            schema=pa.schema(
                [
                    ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
                    ("at", pa.date32()),
                    ("raw", pa.binary()),
                    ("n", pa.float64()),
                ]
            ),
        ),
        path,
    )
    found = [(piece.line, json.loads(piece.raw)) for piece in cut_values(path)]
    assert found == [
        (1, {"messages": told, "at": "2026-01-02", "raw": "/w==", "n": None}),
        (2, {"messages": None, "at": None, "raw": None, "n": 1.5}),
    ]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            list(cut_values(path))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    row = json.dumps({"conversations": [{"from": "human", "value": "x" * 20_000}]})
    path = tmp_path / "large.json"
    with path.open("w") as file:
        file.write("[" + row)
        for _ in range(1_000):
            file.write(",\n" + row)
        file.write("]")
    tracemalloc.start()
    assert sum(1 for _ in cut_values(path)) == 1_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 20_000_000
    assert peak < 6_000_000


LAYOUTS = {
    "one a line": lambda rows: "[" + ",\n".join(json.dumps(row) for row in rows) + "]",
    "all in a line": json.dumps,
    "indented": lambda rows: json.dumps(rows, indent=2),
    "one behind another": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_that_are_cut_where_the_next_begins_as_they_do_are_those_that_brackets_give(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = {"id": 1, "says": '}, {"id": 2}', "more": [{"id": 3}, {"id": 4}]}
    rows = [{"id": n, "inner": [inner, {"id": n}] * (n % 4 == 1)} for n in range(40)]
    text = LAYOUTS[layout](rows).replace('"id": 10,', '"id": 10;').replace('"id": 12,', '"other": 12,')
    path = write(tmp_path, text)
    cut = [(piece.line, piece.raw) for piece in cut_values(path)]
    guessed = sum(piece.value is not json_scanner.UNPARSED for piece in cut_values(path))
    monkeypatch.setattr(json_scanner, "_MOST_GUESSED", 0)
    assert cut == [(piece.line, piece.raw) for piece in cut_values(path)]
    assert 20 <= guessed < len(cut) == 40
