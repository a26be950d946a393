"""Drafts of household tasks: something that can be done in the home of a prompt, or, planted, something that cannot."""

from __future__ import annotations

import random

from environments.alfworld.brief import Brief
from environments.alfworld.sentences import forms_of, reasons
from environments.alfworld.wanted import Kind, Wanted

ABSENT = "umbrella"
"""A kind of thing that no home of ours has."""


def write_draft(brief: Brief, kind: Kind, rng: random.Random, fault: str | None) -> str:
    """Write a generation reply, or the admission that there is nothing of the kind to be done here."""
    wanted = _choose(brief, kind, rng, is_done=fault == "nothing_passes")
    if wanted is None:
        return f"No task of the kind {kind} can be made up in this home."
    if fault == "reference_fails":
        wanted = Wanted(wanted.kind, ABSENT, wanted.place, wanted.lamp)
    form = rng.choice(forms_of(kind, "free")).format(thing=wanted.thing, place=wanted.place, lamp=wanted.lamp)
    goal = f"thing: {wanted.thing}, " + (f"lamp: {wanted.lamp}" if wanted.lamp else f"place: {wanted.place}")
    return f"### Problem\n{form}, {rng.choice(reasons())}.\n### Goal\n{goal}"


def faults_for(brief: Brief, kind: Kind) -> tuple[str, ...]:
    """Name the faults that a draft of this kind can show here: none where no task can be made up."""
    if not _pairs(brief, kind, is_done=False):
        return ()
    return ("nothing_passes", "reference_fails") if _pairs(brief, kind, is_done=True) else ("reference_fails",)


def _choose(brief: Brief, kind: Kind, rng: random.Random, *, is_done: bool) -> Wanted | None:
    pairs = _pairs(brief, kind, is_done=is_done)
    return rng.choice(pairs) if pairs else None


def _pairs(brief: Brief, kind: Kind, *, is_done: bool) -> list[Wanted]:
    """Return what can be done of a kind; with `is_done` what is done already, which a look alone would win."""
    if kind == "look_at_obj":
        ways = [Wanted(kind, thing, lamp=lamp) for thing in brief.things for lamp in brief.lamps]
    else:
        ways = [Wanted(kind, thing, place) for place, kinds in brief.takes.items() for thing in kinds]
    if is_done:
        return [one for one in ways if kind == "pick_and_place" and one.place in brief.things.get(one.thing, ())]
    return [one for one in ways if not brief.problem_of(one)]
