"""A catalogue: its products, what a search finds in it, and how it is kept in a home.

Products stay on disk, a line each, and are read when they are looked at: memory holds the index, not the catalogue.
All episodes share one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

from environments.webshop.product import Product, product_of
from environments.webshop.search import MOST_HITS, Search
from schemas.bounded_reading import open_file

SUFFIX = ".products.jsonl"
_DIGITS = 32
LARGE = 20_000
"""Products from which on a search is made in a thread of its own."""


class Catalogue:
    """Products by asin, and searches."""

    def __init__(self, path: Path) -> None:
        """Index a kept catalogue: some milliseconds for a thousand products, some seconds for a hundred thousand."""
        self.catalogue_id = path.name.removesuffix(SUFFIX)
        self._file = open_file(path)
        self._starts = [0]
        self._places: dict[str, int] = {}
        self._search = Search(self._texts())
        self._read = lru_cache(maxsize=512)(self._read_line)

    def _texts(self) -> Iterator[str]:
        for number, line in enumerate(self._file):
            product = product_of(line)
            self._starts.append(self._starts[-1] + len(line))
            self._places[product.asin.lower()] = number
            yield product.indexed

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __iter__(self) -> Iterator[Product]:
        return (self._read_line(number) for number in range(len(self)))

    def find(self, asin: str) -> Product | None:
        """Return a product by its asin, in any case."""
        number = self._places.get(asin.lower())
        return None if number is None else self._read(number)

    def at(self, number: int) -> Product:
        """Return the product at a position."""
        return self._read(number)

    def _read_line(self, number: int) -> Product:
        start = self._starts[number]
        return product_of(os.pread(self._file.fileno(), self._starts[number + 1] - start, start))

    def search(self, keywords: str) -> list[int]:
        """Return the positions of what a search lists; words in angle brackets list otherwise, as in WebShop.

        `<r>` fifty at random (here the same whenever it is asked), `<a> x` those with the attribute, `<c> x` of the
        category (one word), `<q> x` found by the query; a list without a search has no end at fifty.
        """
        mark, _, rest = keywords.partition(" ")
        if mark == "<r>":
            return random.Random(self.catalogue_id).sample(range(len(self)), min(MOST_HITS, len(self)))
        if mark in self._lists:
            wanted = rest.split(" ")[0].strip() if mark == "<c>" else rest.strip()
            return self._lists[mark].get(wanted, [])
        return self._search.hits(keywords)

    @cached_property
    def _lists(self) -> dict[str, dict[str, list[int]]]:
        lists: dict[str, dict[str, list[int]]] = {"<a>": {}, "<c>": {}, "<q>": {}}
        for number, product in enumerate(self):
            for attribute in dict.fromkeys(product.attributes):
                lists["<a>"].setdefault(attribute, []).append(number)
            lists["<c>"].setdefault(product.category, []).append(number)
            lists["<q>"].setdefault(product.query, []).append(number)
        return lists

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def catalogue_id_of(products: Iterable[Product]) -> str:
    """Return the id under which `keep_catalogue` would keep products."""
    sha256 = hashlib.sha256()
    for product in products:
        sha256.update(product.line())
    return sha256.hexdigest()[:_DIGITS]


def keep_catalogue(products: Iterable[Product], folder: Path) -> str:
    """Write products into `folder` under the digest of their lines, in their order; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    sha256 = hashlib.sha256()
    with os.fdopen(handle, "wb") as file:
        for product in products:
            line = product.line()
            sha256.update(line)
            file.write(line)
    target = folder / f"{sha256.hexdigest()[:_DIGITS]}{SUFFIX}"
    Path(temporary).chmod(0o444)
    Path(temporary).replace(target)
    return target.name.removesuffix(SUFFIX)


class Catalogues:
    """The catalogues of a home, each opened once."""

    def __init__(self, folder: Path, built_in: Callable[[Path], str]) -> None:
        """`built_in` keeps our own catalogue in a folder and returns its id."""
        self.folder, self._keep_built_in = folder, built_in
        self._opened: dict[str, Catalogue] = {}
        self._opening = threading.Lock()

    @cached_property
    def built_in(self) -> str:
        """The id of our own catalogue, which is kept here from then on."""
        return self._keep_built_in(self.folder)

    def has(self, catalogue_id: str) -> bool:
        """Whether a catalogue is here."""
        return catalogue_id in self._opened or self._path(catalogue_id).is_file() or catalogue_id == self.built_in

    def open(self, catalogue_id: str) -> Catalogue:
        """Return a catalogue that is here, indexed when it is first asked for.

        Raises:
            KeyError: it is not.
        """
        with self._opening:
            if catalogue_id not in self._opened:
                if not self.has(catalogue_id):
                    raise KeyError(catalogue_id)
                self._opened[catalogue_id] = Catalogue(self._path(catalogue_id))
            return self._opened[catalogue_id]

    async def opened(self, catalogue_id: str) -> Catalogue:
        """Return a catalogue; indexing a large one holds nobody else.

        Raises:
            KeyError: it is not here.
        """
        found = self._opened.get(catalogue_id)
        return await asyncio.to_thread(self.open, catalogue_id) if found is None else found

    def _path(self, catalogue_id: str) -> Path:
        return self.folder / f"{catalogue_id}{SUFFIX}"

    def close(self) -> None:
        """Let go of all of them."""
        for one in self._opened.values():
            one.close()
        self._opened.clear()


def catalogues_of(home: Path) -> Path:
    """Return the folder of a home's catalogues."""
    return home / "catalogues"
