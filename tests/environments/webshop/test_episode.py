"""A visit: what stands on each page, what a click does, and what does nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.base import UNCHANGED, Action, Step, judge_episode
from environments.webshop.catalogue import Catalogue
from environments.webshop.episode import WebShopEnvironment
from environments.webshop.goal import Goal, wanted_of
from environments.webshop.product import Product
from environments.webshop.world import WebShopWorld
from schemas.recording import RecordedTurn
from schemas.task_spec import TaskSpec

Begin = Callable[..., object]


async def step(visit: WebShopEnvironment, action: str) -> Step:
    kind, _, text = action.partition("[")
    return await visit.step(Action(kind, text.removesuffix("]")))


async def test_the_first_page_is_the_search_bar_and_the_wish(begin: Begin) -> None:
    visit = await begin()  # type: ignore[misc]
    assert (await visit.reset()).observation == (
        "WebShop [SEP] Instruction: [SEP] i need a dress [SEP] Search\n\n"
        "Available Actions:\n{'has_search_bar': True, 'clickables': ['search']}"
    )


async def test_results_are_ten_a_page_with_name_title_and_price(begin: Begin, catalogue: Catalogue) -> None:
    visit = await begin("search[dress]")  # type: ignore[misc]
    found = [catalogue.at(number) for number in catalogue.search("dress")]
    shown = (await step(visit, "click[nothing]")).observation
    head = f"Instruction: [SEP] i need a dress [SEP] Back to Search [SEP] Page 1 (Total results: {len(found)}) [SEP] "
    assert shown.startswith(head) and ("Next > [SEP] " in shown) == (len(found) > 10)
    for product in found[:10]:
        assert f"{product.asin} [SEP] {product.title} [SEP] {product.price_tag}" in shown
        assert repr(product.asin.lower()) in shown


async def test_a_product_s_page_has_options_by_name_and_the_buttons(begin: Begin, dress: Product) -> None:
    visit = await begin(f"search[{dress.title}]")  # type: ignore[misc]
    shown = (await step(visit, f"click[{dress.asin}]")).observation
    options = " [SEP] ".join(text for name, values in dress.options.items() for text in (name, *values))
    assert shown.partition("\n\n")[0] == (
        f"Instruction: [SEP] i need a dress [SEP] Back to Search [SEP] < Prev [SEP] {options} [SEP] {dress.title}"
        f" [SEP] Price: {dress.price_tag} [SEP] Rating: N.A. [SEP] Description [SEP] Features [SEP] Reviews"
        " [SEP] Buy Now"
    )
    buttons = ["back to search", "< prev", "description", "features", "reviews", "buy now"]
    values = [value for choices in dress.options.values() for value in choices]
    assert shown.endswith(f"'clickables': {[*buttons, *values]!r}}}")


async def test_sub_pages_say_more_and_lead_back_with_what_was_chosen(begin: Begin, dress: Product) -> None:
    color = dress.options["color"][0]
    visit = await begin(f"search[{dress.title}]", f"click[{dress.asin}]", f"click[{color}]")  # type: ignore[misc]
    assert dress.description in (await step(visit, "click[description]")).observation
    await step(visit, "click[< prev]")
    features = (await step(visit, "click[features]")).observation
    assert all(bullet in features for bullet in dress.bullets)
    assert features.endswith("{'has_search_bar': False, 'clickables': ['back to search', '< prev']}")
    await step(visit, "click[< prev]")
    assert "No reviews found" in (await step(visit, "click[reviews]")).observation
    await step(visit, "click[< prev]")
    assert visit.page.options == {"color": color}


NOTHING = (
    "click[search]",  # the button is there, and the original passes it over
    "click[no such button]",
    "click[]",
    "search[]",
    "click[ buy now ]",  # blanks count
    "click[b0zzzzzzzz]",
    "click[next >]",  # not on this page
    "click[back to search, buy now]",
    "click[buy now] click[buy now]",
    "click[[buy now]]",
    "click['description']",
    "click[Description\n]",
    "click[features; reviews]",
    "click[size: large]",
    "click[hidden]",
)


@pytest.mark.parametrize("action", NOTHING)
async def test_what_is_no_valid_action_leaves_the_page_as_it_is(begin: Begin, dress: Product, action: str) -> None:
    visit = await begin(f"search[{dress.title}]", f"click[{dress.asin}]")  # type: ignore[misc]
    before = visit.page
    shown = await visit.step(Action("click", "no such button"))
    kind, _, text = action.partition("[")
    after = await visit.step(Action(kind, text[:-1]))
    assert after == shown and visit.page == before and not after.terminated
    assert (await judge_episode(visit)).detail == "nothing was bought"


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        (["search[dress]", "click[buy now]"], "results"),
        (["click[buy now]"], "index"),
        (["click[< prev]"], "index"),
        (["search[dress]", "click[< prev]"], "results"),
        (["search[dress]", "click[description]"], "results"),
    ],
)
async def test_a_button_of_another_page_does_nothing(begin: Begin, actions: list[str], kind: str) -> None:
    visit = await begin(*actions)  # type: ignore[misc]
    assert visit.page.kind == kind and not visit.is_over


async def test_a_search_is_taken_on_any_page_and_forgets_what_was_chosen(begin: Begin, dress: Product) -> None:
    color = dress.options["color"][0]
    visit = await begin(  # type: ignore[misc]
        f"search[{dress.title}]", f"click[{dress.asin}]", f"click[{color}]", "search[tripod]"
    )
    assert visit.page.kind == "results" and visit.page.keywords == "tripod" and visit.page.options == {}


@pytest.mark.parametrize("action", ["click[BUY NOW]", "click[Buy Now]", "click[buy now]"])
async def test_case_does_not_count(begin: Begin, dress: Product, action: str) -> None:
    visit = await begin(f"search[{dress.title.upper()}]", f"click[{dress.asin.lower()}]", action)  # type: ignore[misc]
    verdict = await judge_episode(visit)
    assert visit.is_over and verdict.name == "passed" and verdict.reward == 1.0
    assert (await visit.step(Action("search", "more"))) == Step("", terminated=True)


async def test_an_option_takes_the_place_of_another_of_its_name(begin: Begin, dress: Product) -> None:
    first, second = dress.options["size"][:2]
    visit = await begin(  # type: ignore[misc]
        f"search[{dress.title}]", f"click[{dress.asin}]", f"click[{first}]", f"click[{second}]", "click[buy now]"
    )
    assert await visit.fingerprint() == f'{dress.asin} {{"size":"{second}"}}'


async def test_going_back_to_results_forgets_what_was_chosen_and_keeps_the_page(begin: Begin) -> None:
    visit = await begin("search[women men shoes dress]", "click[next >]")  # type: ignore[misc]
    asin = visit._shown.clickables[-1]
    await step(visit, f"click[{asin}]")
    await step(visit, "click[< prev]")
    assert (visit.page.kind, visit.page.number, visit.page.options) == ("results", 2, {})
    await step(visit, "click[< prev]")
    assert visit.page.number == 1
    await step(visit, "click[back to search]")
    assert visit.page.kind == "index" and await visit.fingerprint() == UNCHANGED


async def test_a_button_s_name_goes_before_an_option_of_the_same_words(
    begin: Begin, dress: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = await begin(f"search[{dress.title}]", f"click[{dress.asin}]")  # type: ignore[misc]
    odd = dress._replace(options={"page": ("description", "both"), "side": ("both",)})
    visit.page = visit.page.__class__("item", "x", 1, odd)
    await step(visit, "click[nothing]")
    await step(visit, "click[both]")
    assert visit.page.options == {"side": "both"}, "of a value under two names the last is meant"
    await step(visit, "click[description]")
    assert visit.page.kind == "sub"


async def test_a_price_above_the_wish_s_and_options_that_are_lacking_are_told(
    shop: WebShopWorld, make_spec: Callable[..., TaskSpec], dress: Product
) -> None:
    wanted = wanted_of(dress, ("no such trait",), (dress.options["color"][0],), 1.0)
    visit = shop.open(make_spec(Goal("a dress", wanted)))
    await visit.reset()
    for action in (Action("search", dress.title), Action("click", dress.asin), Action("click", "buy now")):
        await visit.step(action)
    verdict = await judge_episode(visit)
    assert verdict.name == "failed" and verdict.reward == 0.0
    for said in ("not 'no such trait'", f"no option {dress.options['color'][0]!r} chosen", "above 1.00", "by rules 1"):
        assert said in verdict.detail


@pytest.mark.parametrize(
    ("turn", "action"),
    [
        (RecordedTurn(action_kind="search", action="red shoes"), Action("search", "red shoes")),
        (RecordedTurn(action_kind="click", action="buy now"), Action("click", "buy now")),
        (RecordedTurn(action_kind="submit", action=""), Action("click", "buy now")),
        (RecordedTurn(action_kind="click", action="b0zzzzzzzz"), None),
        (RecordedTurn(action_kind="click", action=" "), None),
        (RecordedTurn(action_kind="bash", action="ls"), None),
    ],
)
async def test_a_recorded_turn_is_what_it_does_here(begin: Begin, turn: RecordedTurn, action: Action | None) -> None:
    visit = await begin()  # type: ignore[misc]
    assert visit.recall(turn) == action
