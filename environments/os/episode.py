"""One live episode of the OS world: a shell in a sandbox, and what stands frozen before and after it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import jinja2

import prompts
from environments.base import UNCHANGED, Action, Card, Environment, Step, no_action
from environments.observing import head_and_tail
from environments.os.by_products import without_by_products
from environments.os.changes import is_told_by_output
from environments.os.check import Evidence, failed, judge, reference_output, takes_answer
from environments.os.earned import NOT_EARNED, UNTOLD, Seen, finding, is_earned
from environments.os.scripts import as_bash, placed, reference_of, start_of
from sandboxes.base import Change, ExecResult, FileDifference, Sandbox, Session, Snapshot
from sandboxes.ground import HOME
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.record import digest
from schemas.recording import SUBMIT, RecordedTurn
from schemas.task_spec import TaskSpec

_MKTEMP = re.compile(r"\btmp\.\w{10}\b")
"""A name that mktemp draws: never the same twice, and so no part of a state's digest."""

CUT_TO = 780
"""AgentBench: an observation of more than 800 characters becomes its first 780 and a note."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds of wall time."""

    command: float = 10.0
    """One command of the agent."""
    setup: float = 120.0
    """One initialisation script (AgentBench has one that sleeps for a minute)."""
    check: float = 30.0
    """One program of the check; wide, so that a busy machine turns no task down."""


class OsEnvironment(Environment):
    """`reset`, `step` until terminated, `verify`, `close`."""

    def __init__(
        self,
        spec: TaskSpec,
        sandbox: Sandbox,
        card: Card,
        timeouts: Timeouts,
        image_names: Collection[str] = (),
        prompt: prompts.Prompt | None = None,
    ) -> None:
        """`prompt` words its observations; None = the one that the card names."""
        self.spec, self._prompt = spec, prompt or prompts.load(card.prompt)
        self.timeouts = timeouts
        self.seen: list[Seen] = []
        """Commands run so far and what they showed: an answer that none of them gave is not trusted."""
        self.last: ExecResult | None = None
        """The last command's whole result; observations are cut."""
        self.evidence: Evidence | None = None
        """What `verify` judged."""
        self.reference: str | None = None
        """What the reference printed (checks of kind `script`); None = `verify` runs it."""
        self.passing_untouched: tuple[str | None, ...] | str | None = None
        """Of nothing and the wrong answers that admission tries, those that pass on the untouched state, or why the
        check broke; None = not tried yet."""
        self._sandbox, self._card, self._image_names = sandbox, card, image_names
        self._session: Session | None = None
        self._initial = Snapshot()
        self._answer: str | None = None
        self._is_followed = False
        """Whether the reference played this episode: its answer is right by definition."""
        self._terminated = False
        self._init_note = ""
        self._difference: FileDifference | None = None

    async def reset(self) -> Step:
        """Start the sandbox, run the initialisation and freeze its result; the task is the first observation."""
        self._need_image(self.spec.setup.image)
        self._session = await self._sandbox.start(start=start_of(self.spec.setup))
        for number, script in enumerate(self.spec.setup.init, start=1):
            result = await self._session.run(placed(script, self.spec.setup), timeout=self.timeouts.setup)
            self._judge_init(number, result)
        self._initial = await self._session.snapshot()
        return Step(self.spec.instruction)

    def _need_image(self, name: str | None) -> None:
        if name is not None and name not in self._image_names:
            names = ", ".join(self._image_names) or "none"
            raise EnvironmentFault(
                f"the task asks for the image {name!r}, and this world's stands for {names}: give one that has what it "
                f"needs as `image` of [collect.sandbox], and add {name!r} to `stands_for` there",
                transient=False,
            )

    def _judge_init(self, number: int, result: ExecResult) -> None:
        if result.exit_code == 0 and not result.timed_out:
            return
        ended = "timed out" if result.timed_out else f"ended with exit code {result.exit_code}"
        note = f"initialisation script {number} {ended}: {result.text.strip()[-200:]!r}"
        if self.spec.origin != "benchmark" or result.exit_code is None:
            raise EnvironmentFault(note, transient=result.exit_code is None)
        # AgentBench's code of AgentTuning's time ignores the exit code, later code drops the task (agenttuning.md 1.4):
        # real tasks stay in, and their verdict says so.
        self._init_note = f" ({note}; ignored, as AgentBench did)"

    async def step(self, action: Action) -> Step:
        """Run a command, or take the answer."""
        if action.kind == "bash":
            cwd = self.last.cwd if self.last and self.last.cwd else self.spec.setup.cwd or HOME
            self.last = await self.session.exec(action.text, timeout=self.timeouts.command)
            if action.text.strip():
                self.seen.append(Seen(action.text, self.last.text, cwd, not self.last.truncated))
            return Step(self._observe(self.last))
        if action.kind not in ("answer", "finish"):
            raise no_action("os", action.kind, "bash, answer, finish")
        self._answer = action.text if action.kind == "answer" else None
        self._terminated = True
        return Step("", terminated=True)

    def _observe(self, result: ExecResult) -> str:
        front = self._prompt.front
        text, most = result.text.rstrip("\n"), self._card.observation_chars
        if "cut" not in front:  # from v3 of the prompt on
            text = head_and_tail(text, most, more=result.truncated)
        elif len(text) > most:
            text = text[:CUT_TO] + front["cut"]
        notes = []
        if result.timed_out:
            notes = [jinja2.Template(front["timed_out"]).render(seconds=f"{self.timeouts.command:g}")]
        elif result.shell_restarted:
            notes = [front["restarted"]]
        return "\n".join(part for part in (text, *notes) if part)

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Run the reference in the agent's shell, then answer with what it printed (nothing: finish).

        Where changes are compared, what was printed last counts as it stands: an answer has one line only.
        """
        self._is_followed = True
        command = Action("bash", as_bash(reference_of(self.spec)))
        shown = await self.step(command)
        compared = self.spec.check.kind == "chain" and None in self.spec.check.scripts  # then an empty answer is one
        end = self._hand_in(even_nothing=compared)
        return (command, shown), (end, await self.step(end))

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return a recorded turn's command or end; `submit` answers with what the last command printed, or finishes."""
        if turn.action_kind == SUBMIT:
            return self._hand_in()
        if turn.action_kind == "bash":
            return Action("bash", turn.action) if turn.action.strip() else None
        return Action(turn.action_kind, turn.action) if turn.action_kind in ("answer", "finish") else None

    def _hand_in(self, *, even_nothing: bool = False) -> Action:
        """Return the end that says what the last command printed; where changes are judged it counts unsaid."""
        output = self.last.text.strip() if self.last else ""
        is_shown = self.spec.check.kind == "changes"
        return Action("answer", output) if (output or even_nothing) and not is_shown else Action("finish")

    async def verify(self) -> Verdict:
        """Judge what was committed; an answer that no command can have produced fails, whatever it says."""
        if not self._terminated:
            return failed("not_committed: the episode ended before `finish` or `answer`")
        if self._answer is not None and not self.seen:
            return failed("answered_without_acting: no command was run before the answer")
        self.evidence, self._difference = await self.freeze(), None
        if self.spec.check.kind == "script" and self.reference is None:
            self.reference = await reference_output(self.spec, self.evidence, self.timeouts.check)
        verdict = self._if_earned(await judge(self.spec, self.evidence, self.timeouts.check, self.reference))
        return verdict.model_copy(update={"detail": verdict.detail + self._init_note})

    def _if_earned(self, verdict: Verdict) -> Verdict:
        """Return the verdict, or that no step earned what passed."""
        given = self._answer
        if given is None and is_told_by_output(self.spec, verdict):
            given = (self.last.text.strip() if self.last else "") or None  # silence says nothing
        asks = takes_answer(self.spec) and self.reference != ""
        if verdict.name != "passed" or given is None or self._is_followed or not asks:
            return verdict
        found = finding(self.spec, self.seen, given)
        if not is_earned(found):
            return failed(f"answer_not_earned: {NOT_EARNED[found]}")
        note = UNTOLD if found == "cannot_tell" else ""
        return verdict.model_copy(update={"detail": verdict.detail + note})

    async def fingerprint(self) -> str | None:
        """Digest what became of the files since the set-up: paths, kinds, modes, contents; no times, no owners."""
        found = await self._changed()
        return _digest_of(found.changes, found.complete)

    async def work(self) -> str | None:
        """Digest the changes that count: by-products apart, and of the declared outputs alone where there are any."""
        found = await self._changed()
        counting = without_by_products(found.changes, frozenset(), self.spec.instruction)
        if outputs := self.spec.check.outputs:
            counting = [c for c in counting if any(c.path == one or c.path.startswith(f"{one}/") for one in outputs)]
        return _digest_of(counting, found.complete)

    async def _changed(self) -> FileDifference:
        """Return what the agent changed, found once after `verify` froze it."""
        if self.evidence is None:
            return await self.session.diff(self._initial, await self.session.snapshot())
        if self._difference is None:
            self._difference = await self.session.diff(self._initial, self.evidence.final)
        return self._difference

    async def freeze(self) -> Evidence:
        """Freeze the files as the agent left them: what a check may look at."""
        shown = self.last.text if self.last is not None else ""
        return Evidence(self.session, self._initial, await self.session.snapshot(), self._answer, shown)

    @property
    def session(self) -> Session:
        """The open session.

        Raises:
            EnvironmentFault: `reset` was not called.
        """
        if self._session is None:
            raise EnvironmentFault("the episode has no sandbox: call reset first", transient=False)
        return self._session

    async def close(self) -> None:
        """End the sandbox; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _digest_of(changes: Iterable[Change], complete: bool) -> str:
    named = [repr((_MKTEMP.sub("?", c.path), c.change, c.kind, c.mode, c.sha256)) for c in changes]
    return digest("files", sorted(named), complete) if named else UNCHANGED
