"""Human sessions of WebShop: a file is a session, a line a page that somebody saw. Read as recorded episodes.

Source: princeton-nlp/WebShop, run_envs and web_agent_site/app.py (its user logs). What was clicked is told by the page
that came next. A session names products by their asin alone: with `--products` it is played in that catalogue, without
in one of the products that the sessions' goals describe, where a click on any other product cannot be done.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from environments.webshop.catalogue import catalogue_id_of, catalogues_of, keep_catalogue
from environments.webshop.config import WebShopConfig
from environments.webshop.goal import Wanted, check_of, state_of
from environments.webshop.importers.steps import Strange, turns_of
from environments.webshop.loading import files_in, read_object, read_products
from environments.webshop.product import Product
from formats.catalogue import LICENSE, Given, Importer, Landing, Option
from formats.json_values import UNREADABLE_VALUE, Unread, Value, read_values
from schemas.invalid_values import explain
from schemas.recording import Recorded, Recording
from schemas.rejection import Rejection
from schemas.task_spec import Provenance, TaskSpec

PAGES = ("index", "search_results", "item_page", "item_sub_page", "done")
NOT_RECORDED = "(not recorded)"
"""The price of a product that only a goal describes."""


class _Session(NamedTuple):
    source: str
    wanted: Wanted
    instruction: str
    pages: list[dict[str, Any]]


def _read(paths: Sequence[Path], given: Given) -> Iterator[Recorded | Rejection]:
    sessions = [_session(path) for path in paths]
    read = [one for one in sessions if isinstance(one, _Session)]
    catalogue = catalogue_id_of(_products([one.wanted for one in read], given.get("products")))
    for one in sessions:
        yield one if isinstance(one, Rejection) else _recorded(one, catalogue, given["license"])


def _products(wanted: Iterable[Wanted], folder: str | None) -> Iterator[Product]:
    """Return the catalogue's products: those of WebShop's data, or as the goals describe them."""
    if folder is None:
        yield from {one.asin: _described(one) for one in wanted}.values()
        return
    files = files_in(Path(folder))
    rows = read_products(files.products, read_object(files.said), WebShopConfig().seed)
    yield from (row for row in rows if isinstance(row, Product))


def _described(wanted: Wanted) -> Product:
    """Return a product as a goal describes it; its price is not told, and lies below the goal's highest."""
    options = {f"option {number}": (str(one),) for number, one in enumerate(wanted.chosen, 1)}
    return Product(
        asin=wanted.asin,
        title=wanted.name,
        description="",
        bullets=(),
        options=options,
        price=wanted.price_upper,
        price_tag=NOT_RECORDED,
        category="",
        query=wanted.query,
        product_category=wanted.product_category,
        attributes=wanted.attributes,
    )


def _session(path: Path) -> _Session | Rejection:
    pages: list[dict[str, Any]] = []
    raw = b""
    for row in read_values(path):
        if isinstance(row, Unread):
            return row.reject(path.name, "import", "webshop")
        problem = _problem_of(row, pages)
        if problem:
            return _reject("not_a_session", problem, f"{path.name}:{row.line}", row.raw)
        pages.append(row.value)
        raw = raw or row.raw
    if not pages:
        return _reject("not_a_session", "there is no page", f"{path.name}:1", b"")
    goal = pages[0]["goal"]
    try:
        wanted = Wanted.model_validate(
            {key: goal.get(key) for key in ("asin", "name", "query", "product_category", "attributes", "price_upper")}
            | {"options": goal.get("goal_options") or []}
        )
    except ValidationError as error:
        return _reject("not_a_goal", explain(error, Wanted), f"{path.name}:1", raw)
    if not wanted.attributes or not isinstance(goal.get("instruction_text"), str):
        return _reject("not_a_goal", "the goal has no attributes, or no instruction_text", f"{path.name}:1", raw)
    return _Session(f"{path.name}:1", wanted, goal["instruction_text"], pages)


def _problem_of(row: Value, before: Sequence[dict[str, Any]]) -> str:
    page = row.value
    if not isinstance(page, dict) or page.get("page") not in PAGES:
        return f"a line is a page: an object whose `page` is one of {', '.join(PAGES)}"
    if not isinstance(page.get("goal"), dict):
        return "the page does not say the goal"
    if before and page["goal"] != before[0]["goal"]:
        return "the page has another goal than the one before it"
    return "" if isinstance(page.get("content", {}), dict) else "`content` is no object"


def _recorded(session: _Session, catalogue: str, license: str) -> Recorded | Rejection:
    try:
        turns = turns_of([_read_page(page) for page in session.pages])
    except Strange as error:
        return _reject("unreadable_step", str(error), session.source, repr(session.pages)[:2000].encode())
    if not turns:
        return _reject("no_turns", "nothing was done", session.source, repr(session.pages)[:2000].encode())
    spec = TaskSpec.make(
        environment="webshop",
        instruction=session.instruction,
        setup=state_of(catalogue),
        check=check_of(session.wanted),
        origin="recorded",
        license=license,
        provenance=Provenance(source=session.source),
    )
    reward = session.pages[-1].get("reward")
    reward = float(reward) if isinstance(reward, int | float) and not isinstance(reward, bool) else None
    recording = Recording.make(
        task_id=spec.task_id,
        environment="webshop",
        agent="human",
        turns=turns,
        reward=reward,
        success=None if reward is None else reward >= 1,
        source=session.source,
        license=license,
    )
    return Recorded(recording, spec)


def _read_page(page: dict[str, Any]) -> dict[str, Any]:
    """Return a page's facts; lists and mappings may stand there as Python's text of them."""
    content = {key: _literal(value) for key, value in page.get("content", {}).items()}
    keywords = content.get("keywords", [])
    return {
        "page": page["page"],
        "keywords": " ".join(map(str, keywords)) if isinstance(keywords, list) else str(keywords),
        "number": int(content["page"]) if str(content.get("page", "")).isdigit() else 1,
        "asin": str(content.get("asin", "")),
        "options": content.get("options") if isinstance(content.get("options"), dict) else {},
        "sub": str(page.get("url", "")).rstrip("/").split("/")[-2:-1],
    }


def _literal(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("[", "{")) or len(value) > 10_000:
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _reject(reason: str, detail: str, source: str, raw: bytes) -> Rejection:
    return Rejection.make(stage="import", reason=reason, detail=detail, source=source, raw=raw, environment="webshop")


async def _prove(
    rows: Sequence[Recorded | Rejection], given: Given, landing: Landing
) -> Sequence[Recorded | Rejection]:
    """Keep the catalogue that the sessions are played in."""
    specs = [row.spec for row in rows if isinstance(row, Recorded) and row.spec is not None]
    if specs:
        wanted = [Wanted.model_validate_json(spec.check.arguments or "") for spec in specs]
        keep_catalogue(_products(wanted, given.get("products")), catalogues_of(landing.home))
    return rows


IMPORTER = Importer(
    name="webshop-sessions",
    kind="logs",
    summary="WebShop's sessions of people, a file each",
    page="worlds/webshop.md",
    options=(Option("products", "WebShop's data, which the sessions are played in", metavar="DIR"), LICENSE),
    read=_read,
    prove=_prove,
    reasons={
        **UNREADABLE_VALUE,
        "not_a_session": "has a line that is no page of a session",
        "not_a_goal": "has a goal that a purchase cannot be measured by",
        "unreadable_step": "has a page that no click leads to from the one before it",
        "no_turns": "has nothing that was done",
    },
)
