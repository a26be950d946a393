"""Cheats that the shop turns tasks away for: purchases that nobody had to read the wish for."""

from __future__ import annotations

import random
from collections.abc import Iterator

from environments.webshop.catalogue import Catalogue
from environments.webshop.goal import Wanted, problem_in
from environments.webshop.reward import Measure, reward_of
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

BLIND = 200
"""Products that are bought blindly."""
MOST_LUCK = 0.05
"""Share of these at most that may be worth 1: above it, a search for anything will do."""


def names_no_asin(spec: TaskSpec) -> Probe:
    """Refuse a wish that names its product by the shop's own name for it."""
    problem = problem_in(spec)
    asin = "" if isinstance(problem, Refusal) else problem.wanted.asin
    tells = bool(asin) and asin.lower() in spec.instruction.lower()
    return Probe(name="names_no_asin", passed=not tells, detail=f"the wish says {asin}" if tells else "")


def cheats_fail(spec: TaskSpec, wanted: Wanted, catalogue: Catalogue, measure: Measure) -> Iterator[Probe]:
    """Buy products drawn blindly, without choosing anything, and the wanted one without the options that are wanted."""
    drawn = random.Random(spec.task_id).sample(range(len(catalogue)), min(BLIND, len(catalogue)))
    worth = sum(reward_of(catalogue.at(number), (), wanted, measure).total >= 1 for number in drawn)
    is_luck = worth > max(1, MOST_LUCK * len(drawn))
    detail = f"{worth} of {len(drawn)} products bought blindly are worth 1" if is_luck else ""
    yield Probe(name="blind_purchase_fails", passed=not is_luck, detail=detail)
    product = catalogue.find(wanted.asin)
    if wanted.chosen and product is not None:
        unchosen = reward_of(product, (), wanted, measure).total
        detail = f"without options it is worth {unchosen:g}"
        yield Probe(name="unchosen_options_fail", passed=unchosen < 1, detail=detail)
