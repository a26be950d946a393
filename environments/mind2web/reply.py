"""A choice as models write it: a letter, an operation, a value; read tolerantly, written canonically.

AgentBench reads `Answer: (A|B|C|D|E|F)`, `Action: (CLICK|SELECT|TYPE)` and `Value: (.*)$`; what does not match is A, an
operation that it does not know is none, a value that is missing is "". The last two can still reach r >= 2/3 (an
unknown `SET` with a value of three words, a `TYPE` of nothing). Here they are told, and asked for again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from environments.dialects.lenient_json import read_json
from environments.dialects.thoughts import without_reasoning
from environments.mind2web.state import OPERATIONS, Operation
from environments.mind2web.tournament import NONE_OF_THEM

MOST_VALUE_CHARS = 2000
_MARKS = r"[ \t*_#>`\-•|]*"
_SEPARATOR = r"[ \t*_`]*(?:[:：=]|\bis\b)[ \t*_`]*"
_ANSWER = re.compile(
    rf"^{_MARKS}(?:(?:my|the|final|so)[ \t]+)*(?:answer|choice|selected option|selection)\b{_SEPARATOR}(?P<said>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_WITHIN = re.compile(
    r"\b[Aa]nswer[ \t]*[:：][ \t*_`]*(?P<said>\(?[A-Za-z]\)?(?=[\s.,:;)*_`]|$).*)$", re.MULTILINE
)
_LETTER = re.compile(
    r"""["'“(\[{<]*(?:(?:option|choice|candidate|element)\s+)?["'“(\[{<]*(?P<letter>[A-Za-z])(?=["'”)\]}>.,:;*_`]|\s|$)(?P<rest>.*)""",
    re.IGNORECASE | re.DOTALL,
)
_NONE = re.compile(r"\W*(?:none|no(?:ne)? of (?:the|these)|nothing|n/?a|null)\b", re.IGNORECASE)
_ACTION = re.compile(
    rf"^{_MARKS}(?:next[ \t]+)?(?:action|operation|op)\b{_SEPARATOR}(?P<said>.*)$", re.IGNORECASE | re.MULTILINE
)
_VALUE = re.compile(rf"^{_MARKS}(?:value|text|input value)\b{_SEPARATOR}(?P<said>.*)$", re.IGNORECASE | re.MULTILINE)
_LABELLED = re.compile(r"(?<=[\s.;,|])(?=(?:\*\*|__)?(?:Answer|Action|Value)(?:\*\*|__)?[ \t]*[:：])")
_THOUGHT = re.compile(rf"^{_MARKS}(?:thoughts?|reasoning|thinking)\b{_SEPARATOR}", re.IGNORECASE | re.MULTILINE)
_WORDS: Mapping[str, Operation] = {
    "click": "CLICK", "tap": "CLICK", "press": "CLICK", "select": "SELECT", "choose": "SELECT", "type": "TYPE",
    "enter": "TYPE", "input": "TYPE", "fill": "TYPE",
}  # fmt: skip
_INLINE = re.compile(
    r"\W*\w+(?:[ \t]+(?:the[ \t]+)?(?:option|value|text))?[*_`]*[ \t]*[:：=(\-–]?[ \t]*(.*?)\)?[ \t*_`]*$"
)
"""What stands behind an operation on its own line: `SELECT 2 adults`, `TYPE: Oslo`, `SELECT(2 adults)`."""
_NO_VALUE = re.compile(r"\W*(?:none|n/?a|null|nil|empty|not (?:applicable|needed|required))?\W*", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "`": "`", "«": "»"}
_BARE = re.compile(r"\W*(?P<letter>[B-Z])\W+(?P<op>CLICK|TYPE|SELECT)\b(?P<rest>.*)|\W*A\W*", re.DOTALL)


class Chosen(NamedTuple):
    """What was chosen of a round."""

    letter: str
    """A = none of the candidates."""
    op: Operation | None = None
    value: str = ""

    @property
    def action(self) -> str:
        """`OP value`, as actions are compared."""
        return f"{self.op or ''} {self.value}".strip()


class Unreadable(ValueError):
    """A reply that holds no choice; the text says what it lacks."""


def write_choice(chosen: Chosen) -> str:
    """Word a choice canonically: `Answer: B.`, and below it the action and its value."""
    lines = [f"Answer: {chosen.letter}."]
    if chosen.letter != NONE_OF_THEM:
        lines += [f"Action: {chosen.op}"] + ([f"Value: {chosen.value}"] if chosen.value else [])
    return "\n".join(lines)


def read_choice(reply: str) -> tuple[str | None, Chosen]:
    """Return thought and choice of a reply; the first answer counts, and what follows another one is dropped.

    Raises:
        Unreadable: it holds none, or one that is not whole.
    """
    text = _plain(reply)
    if text.lstrip().startswith(("{", "[")) and (found := _from_json(text)):
        return found
    answer = _ANSWER.search(text) or _ANSWER_WITHIN.search(text)
    if answer is None:
        if (bare := _BARE.fullmatch(text.strip())) is not None:
            return None, _whole(bare["letter"] or NONE_OF_THEM, bare["op"] or "", (bare["rest"] or "").strip(" :\n."))
        raise Unreadable("there is no line `Answer:` with the letter of a choice")
    before, after = text[: answer.start()], text[answer.end() :]
    thought = _thought(before)
    later = _ANSWER.search(after)
    after = after[: later.start()] if later else after
    letter = _letter(answer["said"])
    if letter == NONE_OF_THEM:
        return thought, Chosen(NONE_OF_THEM)
    action, value = _ACTION.search(after), _VALUE.search(after)
    if action is None and (action := _ACTION.search(before)) is not None:  # the answer came last
        value = value or _VALUE.search(before)
        thought = _thought(_VALUE.sub("", _ACTION.sub("", before)))
    return thought, _whole(letter, action["said"] if action else "", value["said"] if value else "")


def _thought(text: str) -> str | None:
    return _THOUGHT.sub("", text, count=1).strip() or None


def _plain(reply: str) -> str:
    text = without_reasoning(reply).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"^[ \t]*(?:```|~~~)\w*[ \t]*$\n?", "", text, flags=re.MULTILINE).strip()
    text = re.sub("[\u200b\u2060\ufeff]", "", text)
    return text if "\n" in text and _ACTION.search(text) else _LABELLED.sub("\n", text)


def _letter(said: str) -> str:
    found = _LETTER.match(said.strip(" \t*_`"))
    if _NONE.match(said):
        return NONE_OF_THEM
    if found is None:
        raise Unreadable(f"`Answer:` is to name one letter of the choices, this says {said.strip()[:60]!r}")
    rest = found["rest"].lstrip("\"'”)]}>.,:;*_` \t")
    if found["letter"].islower() and re.match(r"[a-z]", rest):  # an article: `Answer: a button that ...`
        raise Unreadable(f"`Answer:` is to name one letter of the choices, this says {said.strip()[:60]!r}")
    return found["letter"].upper()


def _whole(letter: str, action: str, value: str) -> Chosen:
    """Return the choice, its operation known and its value there where one is needed.

    Raises:
        Unreadable: it is not.
    """
    if letter == NONE_OF_THEM:
        return Chosen(NONE_OF_THEM)
    words = re.findall(r"\w+", action)
    op = _WORDS.get(words[0].lower()) if words else None
    if op is None:
        known = ", ".join(OPERATIONS)
        said = f", this says {action.strip()[:60]!r}" if words else "; there is none"
        raise Unreadable(f"`Action:` is to be one of {known}{said}")
    if not value.strip() and op != "CLICK" and (inline := _INLINE.match(action)):
        value = inline[1]
    value = _value(value)
    if not value and op != "CLICK":
        raise Unreadable(f"{op} needs a line `Value:` with what is to be {'typed' if op == 'TYPE' else 'selected'}")
    if len(value) > MOST_VALUE_CHARS:
        raise Unreadable(f"the value has {len(value):,} characters; {MOST_VALUE_CHARS:,} are taken at most")
    return Chosen(letter, op, value)


def _value(said: str) -> str:
    value = " ".join(said.split()).strip("*_ ")
    if _NO_VALUE.fullmatch(value):
        return ""
    if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        return value[1:-1].strip()
    return value


def _from_json(text: str) -> tuple[str | None, Chosen] | None:
    """Read a choice that is one JSON object, or a list of one."""
    try:
        value = read_json(text)
    except ValueError:
        return None
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, dict):
        return None
    given: dict[str, Any] = {str(key).lower(): one for key, one in value.items()}
    answer = given.get("answer", given.get("choice"))
    if not isinstance(answer, str):
        raise Unreadable("the object has no text under `answer`: the letter of a choice")
    thought = given.get("thought", given.get("reasoning"))
    action, said = (_said(given.get(key)) for key in ("action", "value"))
    return thought if isinstance(thought, str) and thought.strip() else None, _whole(_letter(answer), action, said)


def _said(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list, bool)) else str(value)


assert get_args(Operation) == OPERATIONS
