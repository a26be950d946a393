"""WebShop's own files: every row is a product or turned away, goals are drawn by the seed, broken files are told."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environments.registry import importers
from environments.webshop.author import WebShopAuthor
from environments.webshop.config import WebShopConfig
from environments.webshop.goal import Goal
from environments.webshop.goals import draw_limit, in_benchmark_order, written_goals
from environments.webshop.importers.goals import ALL
from environments.webshop.loading import files_in, read_object, read_products
from environments.webshop.product import Product, product_of
from environments.webshop.world import WebShopWorld
from schemas.errors import InputError
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import TaskSpec

Write = Callable[..., Path]


def item(asin: str, **said: Any) -> dict[str, Any]:
    plain = {
        "asin": asin,
        "name": f"Lamp {asin}",
        "category": "garden",
        "query": " Table Lamps ",
        "product_category": "Home › Lighting › Lamps",
        "full_description": "A lamp.",
        "small_description": ["Bright", "Small"],
        "pricing": "$12.50",
        "customization_options": {"Color": [{"value": " Red/Blue ", "image": None}, {"value": "Green"}], "Size": None},
        "images": ["x"],
        "brand": "Y",
    }
    return {**plain, **said}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a folder of WebShop's data."""

    def make(products: list[Any], said: Any = None, written: Any = None) -> Path:
        (tmp_path / "items_shuffle_1000.json").write_text(json.dumps(products))
        if said is not None:
            (tmp_path / "items_ins_v2_1000.json").write_text(json.dumps(said))
        if written is not None:
            (tmp_path / "items_human_ins.json").write_text(json.dumps(written))
        return tmp_path

    return make


def read(folder: Path, seed: int = 233) -> list[Product | Rejection]:
    files = files_in(folder)
    return list(read_products(files.products, read_object(files.said), seed))


def test_a_product_is_read_by_the_original_s_rules(write: Write) -> None:
    (product,) = read(write([item("B000000001")], {"B000000001": {"attributes": ["easy clean"]}}))
    assert isinstance(product, Product)
    assert product.options == {"color": ("red | blue", "green")} and product.query == "table lamps"
    assert (product.price, product.price_tag, product.attributes) == (12.5, "$12.5", ("easy clean",))
    assert product.indexed == "lamp b000000001 a lamp. bright color: red | blue, green"
    assert product_of(product.line()) == product


@pytest.mark.parametrize(
    ("said", "tag", "low", "high"),
    [
        ({"pricing": ""}, "$100.0", 100, 100),
        ({"pricing": None}, "$100.0", 100, 100),
        ({"pricing": "$1,299.00"}, "$1299.0", 1299, 1299),
        ({"pricing": "$10.00 $20.00"}, "$10.0 to $20.0", 10, 20),
        ({"pricing": "$10.00 $20.00 $30.00"}, "$10.0 to $20.0", 10, 20),
    ],
)
def test_prices_are_read_and_ranges_settled_by_the_seed(
    write: Write, said: dict[str, Any], tag: str, low: float, high: float
) -> None:
    folder = write([item("B000000001", **said)])
    first, again, other = read(folder)[0], read(folder)[0], read(folder, 7)[0]
    assert isinstance(first, Product) and isinstance(other, Product)
    assert first == again and first.price_tag == tag and low <= first.price <= high
    assert (first.price == other.price) == (low == high)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"small_description": "One text"}, ("One text",)),
        ({"small_description": []}, ()),
        ({"small_description": None}, ()),
    ],
)
def test_features_are_a_list_or_a_text(write: Write, said: dict[str, Any], value: tuple[str, ...]) -> None:
    (product,) = read(write([item("B000000001", **said)]))
    assert isinstance(product, Product) and product.bullets == value and product.attributes == ("DUMMY_ATTR",)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (item("nan"), "bad_asin"),
        (item("B0000000012"), "bad_asin"),
        (item(""), "bad_asin"),
        (item("B000000000"), "duplicate_product"),
        (item("B000000001", name=None), "not_a_product"),
        (item("B000000001", query=["x"]), "not_a_product"),
        (item("B000000001", pricing="ask us"), "bad_price"),
        (item("B000000001", pricing="$"), "bad_price"),
        (item("B000000001", pricing=12.5), "bad_price"),
        (item("B000000001", customization_options=["red"]), "not_a_product"),
        (item("B000000001", customization_options={"color": ["red"]}), "not_a_product"),
        (item("B000000001", customization_options={"color": "red"}), "not_a_product"),
        (item("B000000001", small_description=[1]), "not_a_product"),
        ("text", "not_a_product"),
        (None, "not_a_product"),
    ],
)
def test_a_row_that_is_no_product_is_turned_away_with_its_place(write: Write, row: Any, reason: str) -> None:
    first, second, third = read(write([item("B000000000"), row, item("B000000009")]))
    assert isinstance(first, Product) and isinstance(third, Product) and isinstance(second, Rejection)
    assert (second.reason, second.source) == (reason, "items_shuffle_1000.json:2")


def test_what_is_broken_costs_its_own_row_or_is_told_in_a_sentence(write: Write, tmp_path: Path) -> None:
    folder = write([item("B000000000")], {}, {})
    shuffle = folder / "items_shuffle_1000.json"
    shuffle.write_bytes(shuffle.read_bytes()[:-1] + b', {"asin": "B0\xff"}, ' + json.dumps(item("B000000002")).encode())
    assert [getattr(row, "reason", "kept") for row in read(folder)] == ["kept", "not_json", "kept", "cut_off"]
    for name in ("items_ins_v2_1000.json", "items_human_ins.json"):
        (folder / name).write_text("[1, 2")
        with pytest.raises(InputError, match=f"{name} is no JSON that is read"):
            read_object(folder / name)
        (folder / name).write_text("[1, 2]")
        with pytest.raises(InputError, match=f"{name} is to be one JSON object"):
            read_object(folder / name)
    (folder / "items_shuffle.json").write_text("[]")
    with pytest.raises(InputError, match="holds 2 files"):
        files_in(folder)
    with pytest.raises(InputError, match="is no folder"):
        files_in(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("price", "limits"),
    [(9.99, {20.0, 30.0, 40.0}), (10.0, {30.0, 40.0, 50.0}), (971.0, {990.0}), (985.0, set()), (2000.0, set())],
)
def test_the_highest_price_is_the_larger_of_two_of_the_next_four_tens(price: float, limits: set[float]) -> None:
    drawn = {draw_limit(price, str(number)) for number in range(200)}
    assert {limit for limit, _ in drawn} == (limits or {1_000_000.0})
    assert all(said == (f", and price lower than {limit:.2f} dollars" if limits else "") for limit, said in drawn)


WISHES = {
    "B000000000": [
        {"instruction": "i want a lamp.", "instruction_attributes": ["bright"], "instruction_options": ["green"]},
        {"instruction": "i want a lamp", "instruction_attributes": [], "instruction_options": []},
    ],
    "B000000001": [{"instruction": "", "instruction_attributes": ["bright"], "instruction_options": []}],
    "B000000002": [{"instruction": "a lamp", "instruction_attributes": "bright", "instruction_options": []}, 7],
    "B0GONE": [{"instruction": "a lamp", "instruction_attributes": ["bright"], "instruction_options": []}],
}


def test_wishes_that_people_wrote_are_goals_or_turned_away_and_none_is_lost(write: Write) -> None:
    products = [one for one in read(write([item(f"B00000000{n}") for n in range(3)])) if isinstance(one, Product)]
    wishes = list(written_goals(products, WISHES, 233, "items_human_ins.json"))
    told = [wish.goal.reason if isinstance(wish.goal, Refusal) else "kept" for wish in wishes]
    assert told == ["kept", "no_attributes", "not_a_wish", "not_a_wish", "not_a_wish", "missing_product"]
    goal = wishes[0].goal
    assert isinstance(goal, Goal) and goal.wanted.options == ("green",) and goal.wanted.query == "table lamps"
    assert goal.instruction == f"i want a lamp, and price lower than {goal.wanted.price_upper:.2f} dollars"
    assert wishes[0].place == "items_human_ins.json:B000000000:0"
    assert wishes == list(written_goals(products, WISHES, 233, "items_human_ins.json"))


def derived(shop: WebShopWorld, **section: Any) -> tuple[WebShopAuthor, WebShopConfig]:
    config = WebShopConfig(**section)
    return WebShopAuthor(config, shop.catalogues, shop.measure, 10), config


async def test_an_import_takes_every_goal_and_counts_add_up(shop: WebShopWorld, write: Write) -> None:
    rows = [*(item(f"B00000000{n}") for n in range(3)), item("nan")]
    author, _ = derived(shop, data=str(write(rows, {}, WISHES)), goals=ALL, held_out=0)
    made = [one async for one in author.derive(frozenset())]
    goals = [one for one in made if isinstance(one, TaskSpec) and one.derivation == "interact"]
    reasons = Counter(one.reason for one in made if isinstance(one, Rejection))
    assert reasons == {"bad_asin": 1, "no_attributes": 1, "not_a_wish": 3, "missing_product": 1}
    assert len(goals) + reasons.total() == author.derivable(frozenset()) == 7
    assert all(one.stage == "generate" and one.environment == "webshop" for one in made if isinstance(one, Rejection))
    taken = frozenset(one.source if isinstance(one, Rejection) else one.provenance.source for one in made)
    assert author.derivable(taken) == 0


async def test_the_benchmark_s_own_test_goals_are_held_out(shop: WebShopWorld, write: Write) -> None:
    wish = {"instruction_attributes": ["bright"], "instruction_options": []}
    written = {f"B00000000{n}": [{"instruction": f"i want lamp {n}", **wish}] for n in range(6)}
    folder = write([item(f"B00000000{n}") for n in range(6)], {}, written)
    author, _ = derived(shop, data=str(folder), goals=ALL, held_out=2)
    made = [one async for one in author.derive(frozenset())]
    held = [one.source.split(":")[1] for one in made if isinstance(one, Rejection) and one.reason == "held_out"]
    order = list(written)
    random.Random(233).shuffle(order)
    assert held == order[:2] and len([one for one in made if isinstance(one, TaskSpec)]) == 8


async def test_without_wishes_of_people_each_choice_of_options_is_a_goal(shop: WebShopWorld, write: Write) -> None:
    said = {
        "B000000000": {
            "attributes": ["bright"],
            "instruction": "Find me bright table lamps",
            "instruction_attributes": ["bright"],
        },
        "B000000001": {"attributes": []},
    }
    author, _ = derived(shop, data=str(write([item("B000000000"), item("B000000001")], said)), goals=ALL)
    made = [one async for one in author.derive(frozenset())]
    goals = [one for one in made if isinstance(one, TaskSpec) and one.derivation == "interact"]
    assert len(goals) == 2 and author.derivable(frozenset()) == 2
    assert goals[0].instruction.startswith("Find me bright table lamps with color: red | blue, and price lower than ")
    assert '"options":{"color":"red | blue"}' in str(goals[0].check.arguments)
    assert "click[red | blue]" in goals[0].reference[0].code


def test_the_order_of_goals_is_the_original_s_whatever_they_cost() -> None:
    wishes = [object() for _ in range(50)]
    expected = list(wishes)
    random.seed(233)
    random.shuffle(expected)
    assert in_benchmark_order(wishes) == expected  # type: ignore[arg-type]


def test_the_format_says_what_it_reads(write: Write) -> None:
    importer = importers()["webshop"]
    assert importer.derive is not None
    folder = write([item("B000000000"), item("nan")])
    assert importer.derive(folder)["worlds.webshop.data"] == str(folder)
    rows = list(importer.read([folder], {}))
    assert [type(row) for row in rows] == [Product, Rejection]
    reasons = {row.reason for row in rows if isinstance(row, Rejection)}
    assert reasons <= set(importer.reasons)
