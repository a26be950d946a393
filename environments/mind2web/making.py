"""From a page and what is to be done on it to a task of one step, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from lxml import etree

from environments.mind2web.page import ID, markup_of, reduce_page
from environments.mind2web.state import (
    KIND,
    GoldStep,
    PageState,
    PageStep,
    WantedStep,
    WantedSteps,
    as_text,
    reference_of,
)
from environments.mind2web.tournament import arrange
from schemas.record import digest
from schemas.task_spec import Check, Setup, TaskSpec


class Shot(NamedTuple):
    """One step: a page, its candidates from the best on, what was done before, and what is right."""

    page: etree._Element
    candidates: tuple[str, ...]
    previous: tuple[str, ...]
    wanted: WantedStep


def make_task(task: str, site: str, domain: str, shots: Sequence[Shot], key: str, **fields: Any) -> TaskSpec:
    """Return a task; `key` shuffles the candidates.

    Pages are cut down to what rounds about their candidates can show.
    """
    steps = [_step(shot, digest(key, task, number)) for number, shot in enumerate(shots)]
    wanted = [_candidates_only(shot) for shot in shots]
    gold = [GoldStep(element=one.elements[0], op=one.op, value=one.value) for one in wanted]
    return TaskSpec.make(
        environment="mind2web",
        instruction=" ".join(task.split()),
        setup=Setup(state=as_text(PageState(site=site, domain=domain, steps=tuple(steps)))),
        reference=reference_of(gold),
        check=Check(kind=KIND, arguments=as_text(WantedSteps(steps=tuple(wanted)))),
        **fields,
    )


def _candidates_only(shot: Shot) -> WantedStep:
    """Return what is right among the candidates: what nobody is asked about cannot be chosen (AgentBench: pos_ids)."""
    elements = tuple(name for name in shot.wanted.elements if name in shot.candidates)
    value = "" if shot.wanted.op == "CLICK" else " ".join(shot.wanted.value.split())
    return shot.wanted.model_copy(update={"elements": elements, "value": value})


def _step(shot: Shot, key: str) -> PageStep:
    wanted = _candidates_only(shot).elements
    names = set(shot.candidates)
    places = [name for node in shot.page.iter(etree.Element) if (name := node.get(ID)) in names]
    order = arrange(shot.candidates, wanted, key, places)
    page = reduce_page(deepcopy(shot.page), shot.candidates)
    return PageStep(page=markup_of(page), previous=shot.previous, order=order)
