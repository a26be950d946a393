"""The acts of a world, in the words and marks that models have for them; a world lists its own."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from environments.actions import Action
from environments.dialects.fences import Fence, find_fences, outside
from environments.dialects.labels import ACT_LABEL, FINAL_LABEL, INPUT_LABEL, INVENTED_LABEL, THINK_LABEL
from environments.dialects.lenient_json import read_json
from environments.dialects.written_calls import WrittenCall, python_calls
from schemas.record import canonical_json

_WORD = re.compile(r"[*_`\"'(\[<]*(\w+(?:[ _-]\w+)?)")
_PROSE = re.compile(r"(?:[A-Z][\w']*|I'(?:ll|m))(?:,? [\w'`/.-]+,?){2}.*[.:!?]\s*\Z", re.DOTALL)
_OTHERWISE = re.compile(r"\b(?:or|if|alternativ\w*|instead|otherwise|output|result|expected?|example|prints?)\b", re.I)
_NAMED_ANSWER = re.compile(r"(?:final_)?answer\s*=\s*(?:([\"'])(.*)\1|([^\"'].*))", re.DOTALL)
_CONNECTIVE_WORDS = 6
CUT = "the reply was cut at the maximum of output tokens before its act was complete"


class NoAct(Exception):
    """An act that stands there and cannot be carried out; the text says why."""


@dataclass(frozen=True)
class Form:
    """One kind of act."""

    kind: str
    names: frozenset[str]
    """What models call it, in lower case without blanks and underscores."""
    keys: tuple[str, ...] = ()
    """What they call its text where it stands in JSON; empty = it takes none."""
    languages: frozenset[str] = frozenset()
    """Languages of code blocks that hold its text as it is run; empty = its text stands in no block."""
    joins: bool = False
    """Whether further blocks of the same act are part of it."""

    def text_of(self, given: Any) -> str:
        """Return the act's text from JSON arguments."""
        if isinstance(given, dict):
            known = [given[key] for key in self.keys if key in given]
            given = known[0] if known else next(iter(given.values())) if len(given) == 1 else None
        if self.joins and isinstance(given, list) and all(isinstance(word, str) for word in given):
            return command_of(given)
        if given is None and self.keys:
            raise NoAct(f"{self.kind} came without its text ({self.keys[0]})")
        return given if isinstance(given, str) else canonical_json(given).decode()

    def unkeyed(self, text: str) -> str:
        """Return the text of `answer(answer="42")` and `answer({"answer": "42"})` without the name that it is given."""
        if found := _NAMED_ANSWER.fullmatch(text):
            return found[2] or found[3]
        try:
            given = read_json(text) if text.startswith("{") and text.endswith("}") else None
        except ValueError:
            return text
        is_named = isinstance(given, dict) and len(given) == 1 and not given.keys().isdisjoint(self.keys)
        return self.text_of(given) if is_named else text

    def action_of(self, given: Any) -> Action:
        """Return the action from JSON arguments."""
        return Action(self.kind, checked(self, self.text_of(given))) if self.keys else Action(self.kind)


def form_named(forms: Sequence[Form], head: str) -> tuple[Form, str] | None:
    """Return the form that a text begins with the name of, and what follows the name."""
    found = _WORD.match(head)
    if found is None:
        return None
    words = found[1]
    for name in (words, re.split(r"[ _-]", words)[0]):
        for form in forms:
            if re.sub(r"[\s_-]", "", name.lower()) in form.names:
                wrapped = head[: found.start(1)]
                rest = head[found.start(1) + len(name) :]
                return form, rest.removeprefix(
                    {"(": ")", "[": "]", "<": ">"}.get(wrapped, wrapped)
                ) if wrapped else rest
    return None


def form_of_call(forms: Sequence[Form], call: WrittenCall) -> Form:
    """Return the form that a call names, or that takes what it gives."""
    found = next((form for form in forms if re.sub(r"[\s_-]", "", call.name.lower()) in form.names), None)
    if found is None:
        raise NoAct(f"there is no act {call.name!r}")
    return found


def checked(form: Form, text: str) -> str:
    """Return the text of a command as it is run; blank lines and comments alone are none."""
    if form.languages and not any(line.strip() and not re.match(r"\s*(?:#|--)", line) for line in text.split("\n")):
        raise NoAct(f"{form.kind} came without anything to run")
    return text.strip("\n") if form.languages else text


def bounded(
    lines: Sequence[str], languages: frozenset[str], invented: Collection[str], *, is_answer: bool = False
) -> list[str]:
    """Return the lines up to the next label or to what the other side would say, code blocks aside."""
    labels = (ACT_LABEL, THINK_LABEL, INVENTED_LABEL, *(() if is_answer else (FINAL_LABEL,)))
    fences = list(find_fences(lines, languages))
    for number in outside(lines, fences):
        line = lines[number]
        if number and (
            any(one.match(line) for one in labels) or any(line.lstrip(" *#>_").startswith(words) for words in invented)
        ):
            return list(lines[:number])
    return list(lines)


def without_label(form: Form, region: list[str]) -> list[str]:
    """Take off what stands before an act's text, below its name: `Action Input:`, `SQL:`."""
    at = next((number for number, line in enumerate(region) if line.strip()), 0)
    found = INPUT_LABEL.match(region[at])
    is_ahead = found is not None and (form.languages or "input" in found[0].lower())
    return [region[at][found.end() :], *region[at + 1 :]] if found and is_ahead else region


def command_of(words: Sequence[str]) -> str:
    """Return a command that is given as its words: ["bash", "-lc", "ls | wc"], ["ls", "-l"]."""
    is_shell = len(words) == 3 and words[0].rpartition("/")[2] in ("bash", "sh") and words[1] in ("-c", "-lc")
    return words[2] if is_shell else shlex.join(words)


def block_of(form: Form, region: Sequence[str], *, is_cut: bool) -> list[Fence] | str:
    """Return the blocks that hold an act's text, or the text where it stands in none; `region`: behind the name."""
    fences = list(find_fences(region, form.languages))
    inline = region[0].strip() if region[0].strip(' *_.:：-–—>"') else ""
    next_line = next((number for number in range(1, len(region)) if region[number].strip()), len(region))
    is_note = not inline.lstrip(":：* ").startswith("`")
    if fences and (not inline or fences[0].first == 0 or (fences[0].first == next_line and is_note)):
        if is_cut and not fences[0].is_closed:
            raise NoAct(CUT)
        return _of_one_act(form, region, fences)
    if inline and is_cut and next_line == len(region):
        raise NoAct(CUT)
    return _called(form, inline) if inline else _paragraphs(list(region[1:]), is_cut=is_cut)


def _called(form: Form, inline: str) -> str:
    """Return a command that stands behind the act's name on its line."""
    text = re.sub(r"^[*_]*[ \t]*(?:[:：]+|[-–—]+(?=[ \t]))?[ \t]*[*_]*[ \t]*", "", inline)
    if text.startswith("(") and (calls := python_calls(form.kind + text)):
        return form.text_of(calls[0].arguments)
    quoted = re.match(r"(`+)[ ]?(.+?)[ ]?\1(?!`)", text)
    if quoted:
        return quoted[2]
    if text.startswith(("(", "[")) and text.endswith((")", "]")):
        return text[1:-1].strip("\"'`")
    return text.removesuffix("**") if inline.endswith("**") and inline.count("**") % 2 else text


def _paragraphs(lines: Sequence[str], *, is_cut: bool) -> str:
    """Return a command that stands in no block: paragraphs up to the first that is prose."""
    paragraphs = re.split(r"\n[ \t]*\n", "\n".join(lines).strip("\n"))
    kept = []
    for paragraph in paragraphs:
        if _PROSE.match(paragraph.strip()):
            break
        kept.append(paragraph)
    if is_cut and len(kept) == len(paragraphs):
        raise NoAct(CUT)
    text = re.sub(r"\n[ \t]*</\w+>\s*\Z", "", textwrap.dedent("\n\n".join(kept)).strip("\n"))
    wrapped = re.fullmatch(r"\s*(`+)([^`]+)\1\s*|\s*[<\[]\w+[>\]]\n?(.*?)\n?[<\[]/\w+[>\]]\s*", text, re.DOTALL)
    text = (wrapped[2] or wrapped[3] or "") if wrapped else text
    if re.match(r"<\w|\[\w+\]", text):
        raise NoAct(f"no command stands there: {text[:80]!r}")
    return text


def _of_one_act(form: Form, region: Sequence[str], fences: Sequence[Fence]) -> list[Fence]:
    """Return the first block, and those after a few words (`and then`) that are tagged as more of the same."""
    chosen = [fences[0]]
    for fence in fences[1:]:
        between = " ".join(region[chosen[-1].last : fence.first]).strip()
        is_more = fence.language in form.languages and len(between.split()) <= _CONNECTIVE_WORDS
        if not form.joins or not fence.is_closed or not is_more or _OTHERWISE.search(between):
            break
        chosen.append(fence)
    return chosen
