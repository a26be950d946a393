"""A made-up wish as a model writes it, and what makes it a goal: the product has it, and the wish says it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from environments.self_instruct import Example, read_seed_lines
from environments.task_text import Sections
from environments.webshop.goal import NO_LIMIT, Goal, Wanted, wanted_of
from environments.webshop.product import Product
from environments.webshop.reward import has_attribute
from environments.webshop.search import words_of
from schemas.rejection import Refusal
from schemas.task_spec import TaskSpec

SECTIONS = Sections(
    ("problem", "explanation", "product", "attributes", "options", "price"),
    code=(),
    may_be_blank=("explanation", "options", "price"),
    most_chars=1000,
)
MOST_ATTRIBUTES = 5
_FIELDS = ("name", "problem", "explanation", "product", "attributes", "options", "price")
_SEEDS = Path(__file__).with_name("seeds.jsonl")
_LISTED = re.compile(r"[,;\n]+")
_MARK = re.compile(r"^\s*(?:[-*•+]|\d{1,2}[.)])\s+|[\"'`“”*\[\]]")
_NONE = re.compile(r"\W*(?:(?:none|no|n/?a|nothing|any|not)\b[^\d:=]*)?\W*", re.IGNORECASE)
_NAMED = re.compile(r"\s*[:=]\s*|\s+[-–—]\s+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class WishDraft:
    """A wish as it was written."""

    problem: str
    explanation: str
    product: str
    attributes: str
    options: str
    price: str


def read_draft(reply: str) -> WishDraft | Refusal:
    """Read a reply's parts."""
    parts = SECTIONS.read(reply)
    if isinstance(parts, Refusal):
        return parts
    return WishDraft(**{title: part.code.strip() for title, part in parts.items()})


def draft_of(draft: WishDraft, products: Sequence[Product]) -> Goal | Refusal:
    """Return a draft as a goal on one of the products that were shown, or what it lacks."""
    product = next((one for one in products if one.asin.lower() in draft.product.lower()), None)
    if product is None:
        return Refusal("unknown_product", f"no product that was shown is named in {draft.product[:80]!r}")
    attributes = tuple(dict.fromkeys(one.lower() for one in _items(draft.attributes)))
    if not 1 <= len(attributes) <= MOST_ATTRIBUTES:
        return Refusal("attributes", f"a wish has one to {MOST_ATTRIBUTES} attributes, this has {len(attributes)}")
    if strange := [one for one in attributes if not has_attribute(product, one)]:
        return Refusal("unknown_attribute", f"the product has no attribute {strange[0]!r}")
    options = _options(draft.options, product)
    limit = _limit(draft.price, product)
    if isinstance(options, Refusal) or isinstance(limit, Refusal):
        return options if isinstance(options, Refusal) else limit  # type: ignore[return-value]
    wish = " ".join(draft.problem.split())
    untold = [one for one in (*attributes, *options.values()) if not says(wish, one)]
    if untold:
        return Refusal("untold", f"the problem does not say {untold[0]!r}")
    if limit != NO_LIMIT and limit not in [float(one.replace(",", "")) for one in _NUMBER.findall(wish)]:
        return Refusal("untold", f"the problem does not say the highest price, {limit:g}")
    return Goal(wish, wanted_of(product, attributes, tuple(options.values()), limit))


def says(wish: str, value: str) -> bool:
    """Whether a wish has all the words of a value, plurals alike."""
    return set(words_of(value)) <= set(words_of(wish))


def _items(text: str) -> list[str]:
    items = (_MARK.sub("", item).strip().strip(".").strip() for item in _LISTED.split(text))
    return [item for item in items if item and not _NONE.fullmatch(item)]


def _options(text: str, product: Product) -> dict[str, str] | Refusal:
    """Read options, `color: red` or `red` a line; each must be a value of the product, one of a name."""
    chosen: dict[str, str] = {}
    for line in [one for one in text.split("\n") if not _NONE.fullmatch(one)]:
        for item in _options_in(_MARK.sub("", line).strip().lower(), product.options):
            if isinstance(item, Refusal):
                return item
            name, value = item
            if chosen.setdefault(name, value) != value:
                return Refusal("two_values", f"the option {name!r} has one value, not {chosen[name]!r} and {value!r}")
    return chosen


def _options_in(line: str, options: Mapping[str, Sequence[str]]) -> list[tuple[str, str] | Refusal]:
    known = {value: name for name, values in options.items() for value in values}
    named = _NAMED.split(line, maxsplit=1)
    if line in known:
        return [(known[line], line)]
    if len(named) == 2 and named[1].strip() in options.get(named[0].strip(), ()):
        return [(named[0].strip(), named[1].strip())]
    parts = [part.strip() for part in re.split(r"[,;]", line) if part.strip()]
    if len(parts) > 1:
        return [item for part in parts for item in _options_in(part, options)]
    return [Refusal("unknown_option", f"the product has no option {line[:80]!r}")]


def _limit(text: str, product: Product) -> float | Refusal:
    if _NONE.fullmatch(text):
        return NO_LIMIT
    found = _NUMBER.search(text)
    if found is None:
        return Refusal("bad_price", f"no number stands in {text[:80]!r}")
    limit = float(found[0].replace(",", ""))
    if limit < product.price:
        return Refusal("price_too_low", f"the product costs {product.price:.2f}, more than {limit:.2f}")
    return limit


@cache
def load_seeds() -> tuple[Example[WishDraft], ...]:
    """Return our own examples."""
    rows = [row for _, row in read_seed_lines(_SEEDS, _FIELDS)]
    return tuple(Example(row["name"], WishDraft(**{key: row[key] for key in _FIELDS[1:]})) for row in rows)


def example_of(spec: TaskSpec) -> Example[WishDraft]:
    """Return an admitted task as an example for the next requests."""
    wanted = Wanted.model_validate_json(spec.check.arguments or "")
    options = wanted.options.items() if isinstance(wanted.options, dict) else (("", one) for one in wanted.options)
    task = WishDraft(
        problem=spec.instruction,
        explanation=spec.explanation or "",
        product=wanted.asin,
        attributes=", ".join(wanted.attributes),
        options="\n".join(f"{name}: {value}" if name else value for name, value in options) or "none",
        price="none" if wanted.price_upper == NO_LIMIT else f"{wanted.price_upper:.2f}",
    )
    return Example(spec.task_id, task)
