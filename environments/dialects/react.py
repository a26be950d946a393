"""ReAct text as models write it: a thought, then one act under a label; read tolerantly, written canonically.

The first act counts, and what follows it is dropped: observations that the model invents, and acts on them. An act may
stand in any of the forms that models have for it (`labels`, `fences`, `written_calls`, one JSON object); a world
lists its acts and words them.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from environments.actions import Action, Reading, actions_of
from environments.dialects.fences import Fence, find_fences, outside
from environments.dialects.forms import (
    CUT,
    Form,
    NoAct,
    block_of,
    bounded,
    checked,
    form_named,
    form_of_call,
    without_label,
)
from environments.dialects.labels import ACT_LABEL, ANSWER_LABEL, FINAL_LABEL, WITHIN_A_LINE, after_label, thought_of
from environments.dialects.lenient_json import json_span, read_json
from environments.dialects.text import TextDialect
from environments.dialects.written_calls import WrittenCall, call_of, calls_of, written_calls
from prompts import Prompt
from schemas.completion import Completion
from schemas.episode import Turn

_DOCUMENTS = ("", "markdown", "md", "text", "txt", "plaintext", "plain", "xml")
_INVISIBLE = re.compile(r"^[\u200b\u2060\ufeff]+", re.MULTILINE)
_BOXED = re.compile(r"\W*\\boxed\{(.+)\}\W*")
_THOUGHTS = ("thought", "think", "thoughts", "thinking", "reasoning", "rationale", "reflection")
_ACTS = ("act", "action", "kind", "next_action")


class ReAct(TextDialect):
    """A text dialect over a list of acts."""

    contract = 2
    forms: ClassVar[tuple[Form, ...]]
    invented: ClassVar[tuple[str, ...]] = ()
    """How the world's own observations begin."""
    missing: ClassVar[str]
    """What an unreadable reply lacks, in words for whoever wrote it."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__(prompt)
        self.contract = prompt.front.get("contract", 2)

    @abstractmethod
    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        """Return the answer from what stands behind its name and below.

        Raises:
            NoAct: there is none.
        """

    def script_of(self, form: Form, fence: Fence) -> str:
        """Return what a code block runs.

        Raises:
            NoAct: its language is none that is run here.
        """
        return fence.text

    def is_command(self, text: str) -> bool:
        """Whether a text without a name can only be a command."""
        return False

    def loose_script(self, text: str) -> str:
        """Return what is run of a text that stands in no code block."""
        return text

    def read(self, completion: Completion) -> Reading:
        """Read the completion's text; a native call where the text has no act."""
        calls = tuple(WrittenCall(call.name, call.arguments) for call in completion.tool_calls)
        return self._read(completion.reply, calls, is_cut=completion.finish_reason == "length")

    def read_text(self, reply: str) -> Reading:
        """Read a reply that was not cut."""
        return self._read(reply, (), is_cut=False)

    def _read(self, reply: str, calls: tuple[WrittenCall, ...], *, is_cut: bool) -> Reading:
        text = _INVISIBLE.sub("", reply.replace("\r\n", "\n").replace("\r", "\n")).strip()
        lines = self._unwrapped(text.split("\n"))
        found = (
            self._object("\n".join(lines))
            or self._marked(lines, is_cut=is_cut)
            or self._called("\n".join(lines).strip() or None, calls)
            or self._unlabelled(lines, is_cut=is_cut)
        )
        return found or Reading(None, (), CUT if is_cut else self.missing, text)

    def reads_back(self, turn: Turn) -> bool:
        """Whether the turn's canonical wording, thought included, reads as the action that it is."""
        action = actions_of(turn)[0]
        read = self.read_text(self.write_text(turn.thought, action)).actions
        return [(one.kind, one.text.strip()) for one in read] == [(action.kind, action.text.strip())]

    @property
    def _languages(self) -> frozenset[str]:
        return frozenset[str]().union(*(form.languages for form in self.forms))

    def _unwrapped(self, lines: list[str]) -> list[str]:
        """Take a quotation or a code block off that holds the whole turn, acts included."""
        if all(line.lstrip().startswith(">") for line in lines if line.strip()):
            lines = [re.sub(r"^\s*>[ ]?", "", line) for line in lines]
        fence = next(find_fences(lines, self._languages), None)
        if fence is None or fence.first or fence.language not in (*_DOCUMENTS, "json"):
            return lines
        end = fence.last - 1 if fence.is_closed else fence.last
        inner = lines[1:end]
        is_turn = any(ACT_LABEL.match(line) or FINAL_LABEL.match(line) for line in inner)
        is_object = "\n".join(inner).lstrip().startswith(("{", "[")) and not "".join(lines[fence.last :]).strip()
        return [*inner, *lines[fence.last :]] if is_turn or is_object else lines

    def _object(self, text: str) -> Reading | None:
        """Read a turn that is one JSON object, or a list of calls."""
        if not text.lstrip().startswith(("{", "[")):
            return None
        try:
            value = read_json(text)
        except ValueError:
            return None
        if calls := calls_of(value):
            told = value if isinstance(value, dict) else {}
            return self._called(_thought_in(told), calls)
        if not isinstance(value, dict):
            return None
        named = next((value[key] for key in _ACTS if key in value), None)
        given = {key: one for key, one in value.items() if key not in (*_ACTS, *_THOUGHTS)}
        if isinstance(named, dict) and (call := call_of(named)):
            return self._called(_thought_in(value), (call,))
        if isinstance(named, str):
            inner = given.get("action_input", given.get("arguments", given.get("input")))
            call = WrittenCall(named, given if inner is None else inner)
            return self._called(_thought_in(value), (call,))
        form = next((form for form in self.forms if any(key in form.keys for key in given)), None)
        return self._reading(_thought_in(value), lambda: form.action_of(given), text) if form else None

    def _marked(self, lines: list[str], *, is_cut: bool) -> Reading | None:
        """Read the first act that stands under a label, or a call in a family's mark-up before it."""
        free = list(outside(lines, list(find_fences(lines, self._languages))))
        places = [n for n in free if ACT_LABEL.match(lines[n]) or FINAL_LABEL.match(lines[n])]
        written = written_calls("\n".join(lines))
        if written and written[0].count("\n") < (places[0] if places else len(lines)):
            return self._called(thought_of(written[0], range(len(lines))), written[1], is_cut=is_cut)
        places = places or [n for n, line in enumerate(lines) if ACT_LABEL.match(line) or FINAL_LABEL.match(line)]
        places = places or [n for n in free if ANSWER_LABEL.match(lines[n])]
        if not places and (apart := WITHIN_A_LINE.sub(_on_its_own_line, "\n".join(lines))) != "\n".join(lines):
            return self._marked(apart.split("\n"), is_cut=is_cut)
        readings = (self._at(lines, number, free, is_cut=is_cut) for number in places)
        return next((reading for reading in readings if reading is not None), None)

    def _at(self, lines: list[str], number: int, free: list[int], *, is_cut: bool) -> Reading | None:
        thought = thought_of("\n".join(lines[:number]), free)
        label = ACT_LABEL.match(lines[number])
        ends = label or FINAL_LABEL.match(lines[number]) or ANSWER_LABEL.match(lines[number])
        assert ends is not None
        region = [after_label(lines[number], ends), *lines[number + 1 :]]
        if label is None:
            answer = next((form for form in self.forms if form.kind == "answer"), None)
            if answer is None:
                return Reading(thought, (), self.missing, "\n".join(region))
            return self._reading(thought, lambda: self._act(answer, region, is_cut=is_cut), "\n".join(region))
        return self._named(thought, region, is_cut=is_cut)

    def _named(self, thought: str | None, region: list[str], *, is_cut: bool) -> Reading | None:
        """Read what stands behind an act's label: its name on the same line or the next, or what it runs at once."""
        while len(region) > 1 and not region[0].strip(" *_#"):
            region = region[1:]
        head, said = region[0].strip(), "\n".join(region).strip()
        fence = next(find_fences(region, self._languages), None)
        runs = next((form for form in self.forms if form.languages), None)
        if fence is not None and fence.first == 0:
            if fence.text.lstrip().startswith(("{", "[")) and (read := self._object(fence.text)):
                return Reading(thought or read.thought, read.actions, read.problem, read.candidate)
            if runs is None:  # nothing is run here: the block holds the act as it stands
                return self._named(thought, fence.text.split("\n"), is_cut=is_cut)
            return self._reading(thought, lambda: self._act(runs, region, is_cut=is_cut), said)
        if head.startswith(("{", "[")) and (read := self._object(said)):
            return Reading(thought or read.thought, read.actions, read.problem, read.candidate)
        named = form_named(self.forms, head.lstrip("#- "))
        if named is not None:
            form, rest = named
            return self._reading(thought, lambda: self._act(form, [rest, *region[1:]], is_cut=is_cut), said)
        if runs and fence is not None and head.strip(" *_`:.").lower() == fence.language:  # `Act: python`, then it
            return self._reading(thought, lambda: self._act(runs, ["", *region[1:]], is_cut=is_cut), said)
        return self._reading(thought, lambda: self._unnamed(runs, head, said, is_cut=is_cut), said)

    def _unnamed(self, runs: Form | None, head: str, said: str, *, is_cut: bool) -> Action:
        """Read an act that has no name: a command in back ticks, a text that can be nothing else."""
        if runs and self.is_command(said):
            return self._act(runs, ["", *said.split("\n")], is_cut=is_cut)
        if runs and head.startswith("`") and " " in head.strip("`") and head.endswith("`"):
            return Action(runs.kind, checked(runs, head.strip("` ")))
        raise NoAct(f"no act among {', '.join(form.kind for form in self.forms)}: {head[:80]!r}")

    def _act(self, form: Form, region: list[str], *, is_cut: bool) -> Action:
        if not form.keys:
            return Action(form.kind)
        region = without_label(form, region)
        said = "\n".join(region).strip()
        given = _object_in(said[:end]) if said.startswith("{") and (end := json_span(said, 0)) else None
        if given and (form.languages or set(given) & set(form.keys)):
            return form.action_of(given)
        if not form.languages:
            return Action(form.kind, form.unkeyed(self.answer_of(region, is_cut=is_cut)))
        found = block_of(form, bounded(region, form.languages, self.invented), is_cut=is_cut)
        if isinstance(found, str):
            return Action(form.kind, checked(form, self.loose_script(found)))
        return Action(form.kind, checked(form, "\n".join(self.script_of(form, fence) for fence in found)))

    def _called(self, thought: str | None, calls: Sequence[WrittenCall], *, is_cut: bool = False) -> Reading | None:
        """Read the first of these calls as the act that it names."""
        if not calls:
            return Reading(thought, (), CUT) if is_cut else None
        call = calls[0]

        def act() -> Action:
            given = call.arguments
            if isinstance(given, str) and given.lstrip().startswith("{"):
                try:
                    given = read_json(given)
                except ValueError as error:
                    raise NoAct(CUT if is_cut else f"the arguments of {call.name} are no JSON: {error}") from error
            return form_of_call(self.forms, call).action_of(given)

        return self._reading(thought, act, f"{call.name}({call.arguments})")

    def _unlabelled(self, lines: list[str], *, is_cut: bool) -> Reading | None:
        """Read a reply whose act has no label: its last line is the act, or one tagged block is all that it runs."""
        number = max((n for n, line in enumerate(lines) if line.strip()), default=0)
        if boxed := _BOXED.fullmatch(lines[number].strip()):
            return Reading(thought_of("\n".join(lines[:number]), range(number)), (Action("answer", boxed[1]),))
        named = form_named(self.forms, lines[number].strip(" \t*_#`>-"))
        if named is not None and (_is_whole(*named)):
            form, rest = named
            thought = thought_of("\n".join(lines[:number]), range(number))
            return self._reading(thought, lambda: self._act(form, [rest], is_cut=is_cut), lines[number])
        fences = [f for f in find_fences(lines, self._languages) if f.language in self._languages - {*_DOCUMENTS}]
        if len(fences) != 1 or (is_cut and not fences[0].is_closed) or "?" in "".join(lines[fences[0].last :]):
            return None
        (fence,) = fences
        runs = next(form for form in self.forms if fence.language in form.languages)
        thought = thought_of("\n".join(lines[: fence.first]), range(fence.first))
        return self._reading(thought, lambda: Action(runs.kind, checked(runs, self.script_of(runs, fence))), fence.text)

    def _reading(self, thought: str | None, act: Callable[[], Action], said: str) -> Reading:
        try:
            return Reading(thought, (act(),))
        except NoAct as error:
            return Reading(thought, (), str(error), said.strip())


def _on_its_own_line(found: re.Match[str]) -> str:
    return "Act: " if "<" in found[0] else "\n"


def _object_in(text: str) -> dict[str, Any] | None:
    try:
        value = read_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_whole(form: Form, rest: str) -> bool:
    """Whether a line is nothing but an act: `finish`, `answer(42)`."""
    rest = rest.strip(" *_`.")
    return not rest.strip("()") if not form.keys else not form.languages and rest.startswith(("(", "[", "（"))


def _thought_in(value: dict[str, Any]) -> str | None:
    said = [value[key] for key in _THOUGHTS if isinstance(value.get(key), str)]
    return "\n\n".join(said).strip() or None
