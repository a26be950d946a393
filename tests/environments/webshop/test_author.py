"""Made-up wishes: what is asked for, what a reply must hold, and what is drawn without a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.admission import admit
from environments.base import Action, Ask, Draw
from environments.webshop.author import WebShopAuthor
from environments.webshop.config import WebShopConfig
from environments.webshop.drafts import load_seeds, read_draft
from environments.webshop.goal import NO_LIMIT, Goal, problem_in, state_of, wanted_of
from environments.webshop.product import Product
from environments.webshop.solver import solve
from environments.webshop.world import WebShopWorld
from schemas.completion import CompletionRequest
from schemas.errors import ConfigError, InputError
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

REQUEST = CompletionRequest(
    purpose="generate_tasks", teacher="t", model="m", messages=(Message(role="user", content="?"),)
)


@pytest.fixture
def author(shop: WebShopWorld) -> WebShopAuthor:
    return WebShopAuthor(WebShopConfig(requests=6, goals=3), shop.catalogues, shop.measure, 10)


@pytest.fixture
async def ask(author: WebShopAuthor) -> Ask:
    draw = Draw(GenerateConfig(rounds=1, tasks_per_request=1), 0, 1, 0, ())
    return (await author.asks(draw))[0]


def reply_of(product: Product, **said: str) -> str:
    name, values = next(iter(product.options.items()))
    limit = f"{product.price + 5:.2f}"
    parts = {
        "Problem": f"I need {product.query}, {product.attributes[0]}, {name} {values[0]}, below {limit} dollars.",
        "Explanation": "One of each.",
        "Product": product.asin,
        "Attributes": product.attributes[0],
        "Options": f"{name}: {values[0]}",
        "Price": limit,
    }
    return "\n".join(f"### {title}\n{text}" for title, text in (parts | said).items())


def test_a_request_shows_products_and_asks_for_a_wish_for_each(ask: Ask) -> None:
    (text,) = [message.content for message in ask.messages]
    product = ask.facts.products[0]
    assert product.asin in text and product.title in text and ", ".join(product.attributes) in text
    assert text.rstrip().endswith("### Price, and nothing else.")


def test_a_sound_reply_is_a_task_with_the_way_to_its_purchase(author: WebShopAuthor, ask: Ask) -> None:
    product = next(one for one in ask.facts.products)
    made = author.read(receipt(REQUEST, reply_of(product)), ask)
    assert isinstance(made, TaskSpec), made
    assert made.reference[0].code.endswith("click[buy now]") and made.family == product.category
    assert made.origin == "self_instruct" and made.skill and made.difficulty


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"Product": "B0NOTSHOWN"}, "unknown_product"),
        ({"Attributes": "indestructible"}, "unknown_attribute"),
        ({"Attributes": "none"}, "attributes"),
        ({"Options": "color: ultraviolet"}, "unknown_option"),
        ({"Price": "1"}, "price_too_low"),
        ({"Price": "cheap"}, "bad_price"),
        ({"Problem": "I need something nice."}, "untold"),
        ({"Problem": ""}, "empty_section"),
        ({"Problem": "x" * 2000}, "too_long"),
    ],
)
def test_a_reply_that_does_not_hold_is_refused_by_name(
    author: WebShopAuthor, ask: Ask, said: dict[str, str], reason: str
) -> None:
    made = author.read(receipt(REQUEST, reply_of(ask.facts.products[0], **said)), ask)
    assert isinstance(made, Refusal) and made.reason == reason, made


def test_a_wish_without_a_price_or_options_has_none(author: WebShopAuthor, ask: Ask) -> None:
    product = ask.facts.products[0]
    said = {"Problem": f"I need {product.query} with {product.attributes[0]}.", "Options": "none", "Price": "none"}
    made = author.read(receipt(REQUEST, reply_of(product, **said)), ask)
    problem = problem_in(made) if isinstance(made, TaskSpec) else made
    assert not isinstance(problem, Refusal), problem
    assert problem.wanted.price_upper == NO_LIMIT and problem.wanted.chosen == ()


@pytest.mark.parametrize(
    "options", ["- {0}: {1}", "{0} = {1}", "* {1}", "`{0}: {1}`", "1. {0}: {1}", "{0} - {1}", "**{0}:** {1}"]
)
def test_options_are_read_as_models_list_them(author: WebShopAuthor, ask: Ask, options: str) -> None:
    product = ask.facts.products[0]
    name, values = next(iter(product.options.items()))
    made = author.read(receipt(REQUEST, reply_of(product, Options=options.format(name, values[0]))), ask)
    assert isinstance(made, TaskSpec), made


@pytest.mark.parametrize("price", ["none", "None (no limit was wished for)", "n/a", "No maximum.", "-"])
def test_no_price_is_said_in_many_ways(author: WebShopAuthor, ask: Ask, price: str) -> None:
    made = author.read(receipt(REQUEST, reply_of(ask.facts.products[0], Price=price)), ask)
    assert isinstance(made, TaskSpec), made


@pytest.mark.parametrize("price", ["${0:.2f}", "{0:.2f} dollars", "under {0:.2f}", "**{0:.2f}**", "USD {0:.2f}"])
def test_a_price_is_the_number_in_it(author: WebShopAuthor, ask: Ask, price: str) -> None:
    product = ask.facts.products[0]
    made = author.read(receipt(REQUEST, reply_of(product, Price=price.format(product.price + 5))), ask)
    assert isinstance(made, TaskSpec), made


def test_our_own_examples_are_whole() -> None:
    for example in load_seeds():
        draft = example.task
        text = "\n".join(f"### {key.capitalize()}\n{value}" for key, value in vars(draft).items())
        assert read_draft(text) == draft


async def test_goals_are_derived_both_ways_once_and_are_admitted(author: WebShopAuthor, shop: WebShopWorld) -> None:
    made = [one async for one in author.derive(frozenset())]
    assert [type(one) for one in made] == [TaskSpec] * 6 and author.derivable(frozenset()) == 3
    assert [one.derivation for one in made if isinstance(one, TaskSpec)] == ["replay", "interact"] * 3
    taken = frozenset(one.provenance.source for one in made if isinstance(one, TaskSpec))
    more = [one async for one in author.derive(taken)]
    assert not {one.instruction for one in more if isinstance(one, TaskSpec)} & {
        one.instruction for one in made if isinstance(one, TaskSpec)
    }
    for one in made[:2]:
        assert isinstance(one, TaskSpec) and all(probe.passed for probe in await admit(shop, one))


async def admitted(shop: WebShopWorld, spec: TaskSpec) -> str:
    probes = await admit(shop, spec)
    return "" if all(probe.passed for probe in probes) else probes[-1].name


async def test_cheats_are_turned_away(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec], dress: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = shop.catalogues.open(shop.catalogues.built_in)
    goal = Goal("a women's dress", wanted_of(dress, dress.attributes[:1], dress.options["color"][:1], 1000.0))
    way = solve(goal, catalogue, shop.measure, 10)
    assert way is not None
    assert await admitted(shop, make_spec(goal, *way.actions)) == ""
    told = goal._replace(instruction=f"buy {dress.asin.lower()}")
    assert await admitted(shop, make_spec(told, *way.actions)) == "names_no_asin"
    assert await admitted(shop, make_spec(goal, *way.actions[:-1])) == "reference_passes_1"
    assert await admitted(shop, make_spec(goal, *way.actions[:2], way.actions[-1])) == "reference_passes_1"
    long = (way.actions[0],) * 9
    assert await admitted(shop, make_spec(goal, *long, *way.actions[1:])) == "reference_passes_1"
    anything = goal.wanted.model_copy(update={"attributes": ("what we promise",), "options": (), "name": ""})
    blind = Goal("anything", anything.model_copy(update={"query": "x", "product_category": dress.product_category}))
    monkeypatch.setattr("environments.webshop.trials.MOST_LUCK", 0.01)
    way = solve(blind, catalogue, shop.measure, 10)
    assert way is not None and await admitted(shop, make_spec(blind, *way.actions)) == "blind_purchase_fails"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"setup": {"state": None}}, "not_a_goal"),
        ({"setup": {"state": '{"catalogue": "../../etc/passwd"}'}}, "not_a_goal"),
        ({"check": {"kind": "rows"}}, "unknown_check"),
        ({"check": {"kind": "purchase", "arguments": "{}"}}, "not_a_goal"),
        ({"check": {"kind": "purchase", "arguments": "[" * 500}}, "not_a_goal"),
        ({"reference": [{"code": "rm -rf /"}]}, "not_actions"),
    ],
)
async def test_a_task_that_is_none_of_the_shop_s_is_refused_and_breaks_nothing(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec], dress: Product, change: dict[str, object], reason: str
) -> None:
    sound = make_spec(Goal("a dress", wanted_of(dress, dress.attributes, (), 99.0)))
    spec = TaskSpec.make(**{**sound.model_dump(exclude={"task_id"}), **change})
    refusal = shop.problem_of(spec)
    assert refusal is not None and refusal.reason == reason
    assert await admitted(shop, spec) == reason


async def test_a_task_in_a_catalogue_of_another_home_comes_in_and_is_not_played(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec], dress: Product
) -> None:
    sound = make_spec(Goal("a dress", wanted_of(dress, dress.attributes, (), 99.0)), Action("click", "buy now"))
    spec = sound.model_copy(update={"setup": state_of("0" * 32)})
    assert shop.problem_of(spec) is None
    *_, last = await admit(shop, spec)
    assert last.name == "reference_passes_1" and last.detail.startswith("missing_catalogue: ")
    with pytest.raises(ConfigError, match="import it once more with `trajmill import webshop FOLDER`"):
        await shop.world_id_of(spec)


def test_a_folder_without_products_is_told_in_one_sentence(tmp_path: Path, shop: WebShopWorld) -> None:
    config = WebShopConfig(data=str(tmp_path))
    author = WebShopAuthor(config, shop.catalogues, shop.measure, 10)
    with pytest.raises(InputError, match=r"holds 0 files items_shuffle\*\.json"):
        author.derivable(frozenset())
