"""The built-in shop, kept once, and visits in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from environments.base import Action
from environments.webshop import sample
from environments.webshop.actions import write_actions
from environments.webshop.catalogue import Catalogue
from environments.webshop.episode import WebShopEnvironment
from environments.webshop.goal import Goal, check_of, state_of, wanted_of
from environments.webshop.product import Product
from environments.webshop.world import WebShopWorld
from schemas.task_spec import Provenance, Script, TaskSpec

Begin = Callable[..., Awaitable[WebShopEnvironment]]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebShopWorld]:
    world = WebShopWorld(tmp_path_factory.mktemp("shop"))
    yield world
    world.catalogues.close()


@pytest.fixture(scope="session")
def catalogue(shop: WebShopWorld) -> Catalogue:
    return shop.catalogues.open(shop.catalogues.built_in)


def spec_of(goal: Goal, catalogue: str, actions: tuple[Action, ...] = ()) -> TaskSpec:
    return TaskSpec.make(
        environment="webshop",
        instruction=goal.instruction,
        setup=state_of(catalogue),
        reference=(Script(code=write_actions(actions)),) if actions else (),
        check=check_of(goal.wanted),
        origin="own",
        provenance=Provenance(source="test"),
    )


@pytest.fixture(scope="session")
def make_spec(catalogue: Catalogue) -> Callable[..., TaskSpec]:
    """Return what makes a task in the built-in shop of a goal."""
    return lambda goal, *actions: spec_of(goal, catalogue.catalogue_id, actions)


@pytest.fixture(scope="session")
def dress() -> Product:
    """A product with two options."""
    return next(one for one in sample.products() if one.query == "women's dresses" and len(one.options) == 2)


@pytest.fixture
async def begin(shop: WebShopWorld, make_spec: Callable[..., TaskSpec], dress: Product) -> Begin:
    """Return what begins a visit for the dress, after some actions."""

    async def visit(*actions: str) -> WebShopEnvironment:
        goal = Goal("i need a dress", wanted_of(dress, dress.attributes[:1], (), 1000.0))
        environment = shop.open(make_spec(goal))
        assert isinstance(environment, WebShopEnvironment)
        await environment.reset()
        for action in actions:
            kind, _, text = action.partition("[")
            await environment.step(Action(kind, text.removesuffix("]")))
        return environment

    return visit
