"""A made-up task as an author wrote it, and what a program can tell of it: the element is there, the action suits it,
the value is told."""

from __future__ import annotations

import re
from typing import NamedTuple

from lxml import etree

from environments.dialects.lenient_json import read_json
from environments.mind2web.cleaning import Cleaned, controls, name_of, options_of
from environments.mind2web.page import ID, nodes_by_id
from environments.mind2web.state import OPERATIONS, GoldStep, Operation
from environments.task_text import Sections
from schemas.rejection import Refusal

MAX_SECTION_CHARS = 1500
SECTIONS = Sections(
    ("problem", "explanation", "reference"),
    code=("reference",),
    may_be_blank=("explanation",),
    most_chars=MAX_SECTION_CHARS,
    plain_code=re.compile(r"\s*(?:[-*]\s*)?\**(?:Element|Action|Value)\b|\s*\{", re.IGNORECASE),
)
MOST_CONTROLS = 60
_FIELD = re.compile(
    r"^[\s*_#>`-]*(?P<key>element|id|action|operation|value)\b[ \t*_`]*[:=][ \t*_`]*(?P<said>.*?)[ \t*_`]*$",
    re.IGNORECASE | re.MULTILINE,
)
_TELLS = re.compile(
    r"\bid\s*=|\belement\s*(?:no\.?|number|#)?\s*\d+|\b(?:answer|action)\s*:|\boption\s+[A-F]\b", re.IGNORECASE
)
_TYPED = ("text", "search", "email", "tel", "url", "number", "password", "date")
_LISTED: dict[str, str] = {"a": "link", "input": "field", "textarea": "field", "select": "list", "button": "button"}


class Draft(NamedTuple):
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    reference: str


def list_controls(cleaned: Cleaned) -> list[str]:
    """Return a line for each control of a page: number, kind, name, and the options of a list."""
    lines = []
    for node in controls(cleaned.page)[:MOST_CONTROLS]:
        options = f": {'; '.join(options_of(node))}" if node.tag == "select" else ""
        kind = "box" if node.get("type") in ("checkbox", "radio") else _LISTED.get(str(node.tag), "control")
        lines.append(f"- {node.get(ID)} ({kind}) {name_of(node)}{options}")
    return lines


def suits(node: etree._Element, op: Operation) -> bool:
    """Whether an operation can be done with an element."""
    if op == "SELECT":
        return bool(node.tag == "select")
    if op == "TYPE":
        return bool(node.tag == "textarea" or (node.tag == "input" and node.get("type", "text") in _TYPED))
    return bool(node.tag != "select")


def read_draft(text: str) -> Draft | Refusal:
    """Read the three parts of a task."""
    parts = SECTIONS.read(text)
    if isinstance(parts, Refusal):
        return parts
    problem = " ".join(parts["problem"].code.split())
    return Draft(problem, parts["explanation"].code.strip(), parts["reference"].code.strip())


def gold_of(draft: Draft, cleaned: Cleaned, op: Operation | None) -> GoldStep | Refusal:
    """Return the action of a draft, or what is wrong with it on its page; `op` is what was asked for."""
    fields = _fields(draft.reference)
    element, action = fields.get("element", "").strip(" #"), fields.get("action", "").upper()
    value = " ".join(fields.get("value", "").split()).strip("\"'“”")
    if action not in OPERATIONS:
        return Refusal("bad_reference", f"`Action:` is one of {', '.join(OPERATIONS)}, this says {action[:60]!r}")
    if op is not None and action != op:
        return Refusal("wrong_operation", f"asked for {op}, the reference does {action}")
    node = nodes_by_id(cleaned.page).get(element)
    if node is None or node not in controls(cleaned.page):
        return Refusal("no_such_element", f"the page has no control of the number {element[:60]!r}")
    gold = GoldStep(element=element, op=next(one for one in OPERATIONS if one == action), value=value)
    return _problem(draft, node, gold) or gold.model_copy(update={"value": "" if action == "CLICK" else value})


def _problem(draft: Draft, node: etree._Element, gold: GoldStep) -> Refusal | None:
    if not suits(node, gold.op):
        return Refusal("unsuited_action", f"{gold.op} does not suit <{node.tag}> {name_of(node)!r}")
    if gold.op == "SELECT" and gold.value not in options_of(node):
        return Refusal("no_such_option", f"{name_of(node)!r} has no option {gold.value[:80]!r}")
    if gold.op == "TYPE" and not gold.value:
        return Refusal("bad_reference", "TYPE needs a line `Value:`")
    if gold.op != "CLICK" and gold.value.casefold() not in draft.problem.casefold():
        return Refusal("value_not_told", f"the problem does not say {gold.value[:80]!r}")
    if _TELLS.search(draft.problem):
        return Refusal("tells_the_element", f"the problem speaks of elements or choices: {draft.problem[:120]!r}")
    return None


def _fields(reference: str) -> dict[str, str]:
    try:
        value = read_json(reference) if reference.lstrip().startswith("{") else None
    except ValueError:
        value = None
    if isinstance(value, dict):
        pairs = [(str(key).lower(), "" if one is None else str(one)) for key, one in value.items()]
    else:
        pairs = [(found["key"].lower(), found["said"]) for found in _FIELD.finditer(reference)]
    same = {"id": "element", "operation": "action"}
    fields: dict[str, str] = {}
    for key, said in pairs:
        fields.setdefault(same.get(key, key), said)
    return fields
