"""The built-in shop and the gold solver: every goal can be reached, and the way there is worth 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from environments.base import judge_episode
from environments.webshop import sample
from environments.webshop.catalogue import Catalogue, catalogue_id_of
from environments.webshop.colours import COLOURS
from environments.webshop.goal import Goal, wanted_of
from environments.webshop.product import Product
from environments.webshop.solver import choose, solve
from environments.webshop.world import WebShopWorld
from schemas.task_spec import TaskSpec


def test_the_shop_is_the_same_each_time_and_large_enough(catalogue: Catalogue) -> None:
    products = sample.products()
    assert len(products) == 330 and len({one.asin for one in products}) == 330
    assert len({(one.query, one.attributes) for one in products}) == 330, "no two are alike"
    assert catalogue.catalogue_id == catalogue_id_of(products) == "2154fdf2869f08e0df52bf126af60137"
    assert {one.category for one in products} == {"beauty", "garden", "grocery", "electronics", "fashion"}
    assert tuple(catalogue) == products


def test_goals_are_drawn_by_the_seed_and_say_what_is_measured() -> None:
    goals = sample.goals(233)
    assert goals == sample.goals(233) != sample.goals(7) and len(goals) == 330
    for goal in goals:
        assert all(one in goal.instruction for one in (*goal.wanted.attributes, *goal.wanted.options)), goal
        assert f"lower than {goal.wanted.price_upper:.2f} dollars" in goal.instruction


async def test_gold_is_worth_one_on_every_goal(
    shop: WebShopWorld, catalogue: Catalogue, make_spec: Callable[..., TaskSpec]
) -> None:
    lengths = Counter[int]()
    for goal in sample.goals(233):
        way = solve(goal, catalogue, shop.measure, shop.max_turns)
        assert way is not None, goal
        visit = shop.open(make_spec(goal, *way.actions))
        await visit.reset()
        turns = await visit.follow()
        verdict = await judge_episode(visit)
        assert verdict.reward == 1.0 and turns[-1][1].terminated, (goal, verdict)
        lengths[len(turns)] += 1
    assert lengths.total() == 330 and max(lengths) <= 5


def test_a_goal_that_its_own_product_does_not_meet_is_reached_with_another(
    shop: WebShopWorld, catalogue: Catalogue, dress: Product
) -> None:
    other = next(one for one in sample.products() if one.query == dress.query and one.asin != dress.asin)
    trait = next(one for one in other.attributes if one not in dress.attributes)
    goal = Goal(f"a women's dress, {trait}", wanted_of(dress, (trait,), (), 1000.0))
    way = solve(goal, catalogue, shop.measure, 10)
    assert way is not None and way.product.asin != dress.asin and trait in way.product.attributes


def test_what_cannot_be_reached_has_no_way(shop: WebShopWorld, catalogue: Catalogue, dress: Product) -> None:
    for wanted in (
        wanted_of(dress, ("no such trait",), (), 1000.0),
        wanted_of(dress, dress.attributes, (), 0.5),
        wanted_of(dress, dress.attributes, ("no such option",), 1000.0),
        wanted_of(dress, dress.attributes, dress.options["size"][:2], 1000.0),  # two of one name
    ):
        assert solve(Goal("a dress", wanted), catalogue, shop.measure, 10) is None
    reachable = Goal("a dress", wanted_of(dress, dress.attributes, (), 1000.0))
    assert solve(reachable, catalogue, shop.measure, 10) is not None
    assert solve(reachable, catalogue, shop.measure, 2) is None, "search, click and buy are three rounds"


def test_the_very_value_is_chosen_before_one_that_is_only_like_it(dress: Product) -> None:
    sized = dress._replace(options={"size": ("large", "x-large"), "color": ("black", "jet black")})
    assert choose(sized, wanted_of(sized, ("x",), ("x-large", "jet black"), 9.0), COLOURS) == {
        "size": "x-large",
        "color": "jet black",
    }
    assert choose(sized, wanted_of(sized, ("x",), {"size": "large"}, 9.0), COLOURS) == {"size": "large"}
