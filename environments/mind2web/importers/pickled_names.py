"""What a pickle of data may name: the dicts of the standard library, and NumPy's numbers. Each is a value here, never
the class of that name."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

_NUMBERS = {
    "f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I",
}  # fmt: skip
"""NumPy's number types, as `struct` names them."""


class NotData(ValueError):
    """A pickle that is broken, or holds something else than data."""


class Name(NamedTuple):
    """What a file calls a class or a function."""

    module: str
    name: str


class NumberType(NamedTuple):
    """A type of NumPy's numbers."""

    code: str


_DICTS = {
    Name("collections", "defaultdict"),
    Name("collections", "OrderedDict"),
    Name("builtins", "dict"),
    Name("__builtin__", "dict"),
}
_DTYPE = Name("numpy", "dtype")
_SCALARS = {Name("numpy.core.multiarray", "scalar"), Name("numpy._core.multiarray", "scalar")}
_ENCODE = Name("_codecs", "encode")
_KNOWN = {*_DICTS, _DTYPE, *_SCALARS, _ENCODE, Name("builtins", "float"), Name("builtins", "int")}


def known(name: Name) -> Name:
    """Return a name that may stand in data.

    Raises:
        NotData: it is another.
    """
    if name not in _KNOWN:
        raise NotData(f"it names {name.module}.{name.name}, which is no data; nothing of it was run")
    return name


def made(called: Any, arguments: Any) -> Any:
    """Return what a call of one of the known names would give.

    Raises:
        NotData: it would give something else than data.
    """
    given = arguments if isinstance(arguments, tuple) else ()
    if called in _DICTS and not [one for one in given if not isinstance(one, Name)]:
        return {}
    if called == _DTYPE and given and given[0] in _NUMBERS:
        return NumberType(str(given[0]))
    if called == _ENCODE and given and isinstance(given[0], str):
        return given[0].encode("latin1")
    if called in _SCALARS and len(given) == 2 and isinstance(given[0], NumberType) and isinstance(given[1], bytes):
        return struct.unpack(f"<{_NUMBERS[given[0].code]}", given[1])[0]
    raise NotData(f"it makes an object of {called!r}"[:200])
