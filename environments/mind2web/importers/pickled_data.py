"""Reads a pickle as data: texts, numbers, lists, dicts, and NumPy's numbers. Nothing in it is ever called or imported.

`pickle.load` runs what a file says. This reads the same bytes with a table of the opcodes that hold data; names of
classes stand for nothing but the few below, and any other one ends the reading. A file of some hundred megabytes is
walked through, and of its numbers only those stay that the caller wants.
"""

from __future__ import annotations

import mmap
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from environments.mind2web.importers.pickled_names import Name, NotData, NumberType, known, made
from schemas.bounded_reading import open_file
from schemas.errors import InputError

MAX_BYTES = 2 << 30
"""Of a file. `scores_all_data.pkl` has 245 MB."""
MOST_STACKED = 1_000_000
"""Values that wait to be put together; pickle puts a thousand together at a time."""
MOST_REMEMBERED = 60_000_000
"""Values that a file refers back to."""
MOST_INTERNED = 3_000_000
_MARK = object()
Keep = Callable[[Any], bool]


def read_pickled(path: Path, keep: Keep = lambda value: True) -> Any:
    """Return what a pickle holds; of the dicts' values those stay that are no numbers, or that `keep` wants.

    Raises:
        InputError: it cannot be read, is broken or too large, or holds more than data.
    """
    with open_file(path) as file:
        file.seek(0, 2)
        size = file.tell()
        if not 0 < size <= MAX_BYTES:
            raise InputError(f"{path} has {size:,} bytes; a pickle of 1 to {MAX_BYTES:,} is read")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data, keep).read()
            except (NotData, struct.error, IndexError, ValueError, TypeError, OverflowError) as error:
                raise InputError(
                    f"{path} is no pickle of data that is read: {error or type(error).__name__}"
                ) from error


class _Reader:
    def __init__(self, data: mmap.mmap, keep: Keep) -> None:
        self._data, self._keep, self._at = data, keep, 0
        self._stack: list[Any] = []
        self._memo: list[Any] = []
        self._texts: dict[bytes, str] = {}
        self._table: Mapping[int, Callable[[], None]] = {
            opcode[0]: getattr(self, name) for name, opcodes in _METHODS.items() for opcode in opcodes
        }

    def read(self) -> Any:
        data, table, stop, size = self._data, self._table, pickle.STOP[0], len(self._data)
        while self._at < size:
            opcode = data[self._at]
            self._at += 1
            if opcode == stop:
                return self._pop()
            step = table.get(opcode)
            if step is None:
                raise NotData(f"opcode {bytes([opcode])!r} at byte {self._at - 1} is not one of data")
            step()
            if len(self._stack) > MOST_STACKED:
                raise NotData(f"more than {MOST_STACKED:,} values wait to be put together")
        raise NotData("it ends before its end is marked")

    # What is read of the file.

    def _take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise NotData("it ends in the middle of a value")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> bytes:
        end = self._data.find(b"\n", self._at, self._at + 4096)
        if end < 0:
            raise NotData("a line has no end")
        line = self._data[self._at : end]
        self._at = end + 1
        return line

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise NotData("a value is lacking")
        return self._stack.pop()

    def _to_mark(self) -> list[Any]:
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                items = self._stack[place + 1 :]
                del self._stack[place:]
                return items
        raise NotData("a mark is lacking")

    def _push_text(self, raw: bytes) -> None:
        text = self._texts.get(raw)
        if text is None:
            text = raw.decode("utf-8", "surrogatepass")
            if len(self._texts) < MOST_INTERNED:
                self._texts[raw] = text
        self._stack.append(text)

    def _remember(self, index: int) -> None:
        if index > len(self._memo) or index >= MOST_REMEMBERED:
            raise NotData("it remembers values out of order, or too many")
        value = self._stack[-1] if self._stack else _MARK
        if value is _MARK:
            raise NotData("a value is lacking")
        if index == len(self._memo):
            self._memo.append(value)
        else:
            self._memo[index] = value

    def _recall(self, index: int) -> None:
        if not 0 <= index < len(self._memo):
            raise NotData("it refers to a value that it does not have")
        self._stack.append(self._memo[index])

    # One method an opcode, or several that do the same.

    def _proto(self) -> None:
        if self._take(1)[0] > pickle.HIGHEST_PROTOCOL:
            raise NotData("its protocol is newer than this Python's")

    def _frame(self) -> None:
        self._take(8)

    def _mark(self) -> None:
        self._stack.append(_MARK)

    def _pop_one(self) -> None:
        self._pop()

    def _pop_mark(self) -> None:
        self._to_mark()

    def _none(self) -> None:
        self._stack.append(None)

    def _true(self) -> None:
        self._stack.append(True)

    def _false(self) -> None:
        self._stack.append(False)

    def _int1(self) -> None:
        self._stack.append(self._take(1)[0])

    def _int2(self) -> None:
        self._stack.append(self._number("<H"))

    def _int4(self) -> None:
        self._stack.append(self._number("<i"))

    def _long1(self) -> None:
        self._stack.append(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def _int_line(self) -> None:
        line = self._line()
        self._stack.append(line == b"01" if line in (b"00", b"01") else int(line.rstrip(b"L")[:40]))

    def _float8(self) -> None:
        self._stack.append(self._number(">d"))

    def _float_line(self) -> None:
        self._stack.append(float(self._line()))

    def _text1(self) -> None:
        self._push_text(self._take(self._take(1)[0]))

    def _text4(self) -> None:
        self._push_text(self._take(self._number("<I")))

    def _text8(self) -> None:
        self._push_text(self._take(self._number("<Q")))

    def _text_line(self) -> None:
        self._stack.append(self._line().decode("raw-unicode-escape"))

    def _bytes1(self) -> None:
        self._stack.append(self._take(self._take(1)[0]))

    def _bytes4(self) -> None:
        self._stack.append(self._take(self._number("<I")))

    def _memoize(self) -> None:
        self._remember(len(self._memo))

    def _put1(self) -> None:
        self._remember(self._take(1)[0])

    def _put4(self) -> None:
        self._remember(self._number("<I"))

    def _put_line(self) -> None:
        self._remember(int(self._line()[:20]))

    def _get1(self) -> None:
        self._recall(self._take(1)[0])

    def _get4(self) -> None:
        self._recall(self._number("<I"))

    def _get_line(self) -> None:
        self._recall(int(self._line()[:20]))

    def _empty_dict(self) -> None:
        self._stack.append({})

    def _empty_list(self) -> None:
        self._stack.append([])

    def _empty_tuple(self) -> None:
        self._stack.append(())

    def _dict(self) -> None:
        items = self._to_mark()
        self._stack.append({})
        self._set(items)

    def _list(self) -> None:
        self._stack.append(self._to_mark())

    def _tuple(self) -> None:
        self._stack.append(tuple(self._to_mark()))

    def _tuple1(self) -> None:
        self._stack.append((self._pop(),))

    def _tuple2(self) -> None:
        second, first = self._pop(), self._pop()
        self._stack.append((first, second))

    def _tuple3(self) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._stack.append((first, second, third))

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _set_items(self) -> None:
        self._set(self._to_mark())

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1] if self._stack else None
        if type(target) is not dict or len(items) % 2:
            raise NotData("items are set on something that is no dict")
        keep = self._keep
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise NotData(f"a key is of type {type(key).__name__}")
            if type(value) not in (int, float) or keep(value):
                target[key] = value

    def _append(self) -> None:
        self._extend([self._pop()])

    def _appends(self) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1] if self._stack else None
        if type(target) is not list:
            raise NotData("items are added to something that is no list")
        target += items

    def _global(self) -> None:
        module, name = self._line().decode(), self._line().decode()
        self._stack.append(known(Name(module, name)))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._stack.append(known(Name(str(module), str(name))))

    def _reduce(self) -> None:
        arguments, called = self._pop(), self._pop()
        self._stack.append(made(called, arguments))

    def _build(self) -> None:
        self._pop()
        if not isinstance(self._stack[-1] if self._stack else None, NumberType):
            raise NotData("it sets the state of an object")


_METHODS: Mapping[str, tuple[bytes, ...]] = {
    "_proto": (pickle.PROTO,), "_frame": (pickle.FRAME,), "_mark": (pickle.MARK,), "_pop_one": (pickle.POP,),
    "_pop_mark": (pickle.POP_MARK,), "_none": (pickle.NONE,), "_true": (pickle.NEWTRUE,),
    "_false": (pickle.NEWFALSE,), "_int1": (pickle.BININT1,), "_int2": (pickle.BININT2,), "_int4": (pickle.BININT,),
    "_long1": (pickle.LONG1,), "_int_line": (pickle.INT, pickle.LONG), "_float8": (pickle.BINFLOAT,),
    "_float_line": (pickle.FLOAT,), "_text1": (pickle.SHORT_BINUNICODE,), "_text4": (pickle.BINUNICODE,),
    "_text8": (pickle.BINUNICODE8,), "_text_line": (pickle.UNICODE,),
    "_bytes1": (pickle.SHORT_BINBYTES, pickle.SHORT_BINSTRING), "_bytes4": (pickle.BINBYTES, pickle.BINSTRING),
    "_memoize": (pickle.MEMOIZE,), "_put1": (pickle.BINPUT,), "_put4": (pickle.LONG_BINPUT,),
    "_put_line": (pickle.PUT,), "_get1": (pickle.BINGET,), "_get4": (pickle.LONG_BINGET,), "_get_line": (pickle.GET,),
    "_empty_dict": (pickle.EMPTY_DICT,), "_empty_list": (pickle.EMPTY_LIST,), "_empty_tuple": (pickle.EMPTY_TUPLE,),
    "_dict": (pickle.DICT,), "_list": (pickle.LIST,), "_tuple": (pickle.TUPLE,), "_tuple1": (pickle.TUPLE1,),
    "_tuple2": (pickle.TUPLE2,), "_tuple3": (pickle.TUPLE3,), "_set_item": (pickle.SETITEM,),
    "_set_items": (pickle.SETITEMS,), "_append": (pickle.APPEND,), "_appends": (pickle.APPENDS,),
    "_global": (pickle.GLOBAL,), "_stack_global": (pickle.STACK_GLOBAL,), "_reduce": (pickle.REDUCE,),
    "_build": (pickle.BUILD,),
}  # fmt: skip
"""Which method does which opcodes."""
