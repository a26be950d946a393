"""The OS world: a Linux shell in a sandbox. `OsWorld` owns the sandbox and opens episodes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from copy import copy
from typing import Any, Self

import prompts
from environments.base import (
    OBSERVATION_CHARS,
    TELLING,
    Action,
    Author,
    Card,
    Dialect,
    Environment,
    Honest,
    Place,
    Step,
    World,
    judge_episode,
)
from environments.dialects.tool_calls import ToolCalls
from environments.endings import Ending
from environments.os.agentbench_dialect import AgentBenchOs, as_agentbench
from environments.os.answers import is_guess
from environments.os.author import OsAuthor, Surroundings
from environments.os.changes import is_same_answer
from environments.os.check import KINDS, failed, passed, reference_output, takes_answer
from environments.os.config import OsConfig
from environments.os.declared_outputs import fault_of_outputs
from environments.os.dialect import OsDialect, OsText
from environments.os.episode import OsEnvironment, Timeouts
from environments.os.image_facts import ImageFacts, read_image
from environments.os.scripts import with_unix_lines
from environments.os.static_probes import draws_by_chance, needs_no_network, under_another_clock, unix_lines
from environments.os.trials import (
    answers_fail,
    asked_otherwise,
    cheats_fail,
    near_misses_fail,
    passing_untouched,
    printed_by,
    told_apart,
)
from rehearsals.base import Rehearsal
from sandboxes.base import Sandbox
from sandboxes.configured import open_sandbox
from sandboxes.image_paths import programs_in
from schemas.episode import Verdict
from schemas.errors import CheckError, ConfigError
from schemas.rejection import Refusal
from schemas.task_spec import GUESSABLE, Probe, TaskSpec

CONTRACT = 2
"""Raised by hand when episodes of the OS world would come out otherwise."""
PROMPT = "solve_os"
TOOLS_PROMPT = "solve_os_tools"
AGENTBENCH_IMAGES = ("default", "packages", "ubuntu")
"""What AgentBench's tasks call its three images (data/os_interaction/res/dockerfiles)."""
MAX_TURNS = 8
"""AgentBench: os round_limit 8."""
EXTRA_RUNS = 6
"""Further runs of a reference that draws numbers, since a coin can fall alike."""
_DIFFERS = "run again on the same files, the reference printed something else"  # not what: it would differ again


class OsWorld(World):
    """Opens episodes of the OS world on one sandbox backend and one base image."""

    name = "os"
    check_contract = 3  # 2: trusted ground (docs/decisions/0010-trusted-ground.md); 3: earned answers, by-products
    Config = OsConfig
    typical = (2.6, 30, 30)  # the demo, measured with the built-in stand-in

    def __init__(
        self,
        sandbox: Sandbox | None,
        image_digest: str = "",
        *,
        command_timeout: float = 10.0,
        max_turns: int = MAX_TURNS,
        image_names: Collection[str] = AGENTBENCH_IMAGES,
        config: OsConfig | None = None,
        is_benchmark: bool = False,
    ) -> None:
        """`image_digest` names the base image that `sandbox` starts from, `image_names` what tasks may call it.

        Without a sandbox nothing can be opened: conversations can be worded and read. `is_benchmark`: all solvers are
        spoken to as AgentBench does, and observations are cut as there.
        """
        self._image_names = image_names
        self._timeouts, self.max_turns = Timeouts(command=command_timeout), max_turns
        self._config = config or OsConfig()
        self._prompt = as_agentbench(prompts.load(PROMPT)) if is_benchmark else prompts.load(PROMPT)
        has_contract = "contract" in self._prompt.front
        self._react: OsText = OsDialect(self._prompt) if has_contract else AgentBenchOs.as_first(self._prompt)
        self.dialects: Mapping[str, Dialect] = {
            "react": self._react,
            "tools": ToolCalls(prompts.load(TOOLS_PROMPT)),
            "agentbench": AgentBenchOs(as_agentbench(self._prompt)),
        }
        self._commands: Mapping[str, str] = {"here": "", "missing": ""}
        self._backend = "not tried"
        self._place: Place | None = None
        if sandbox is not None:
            self._stand_on(sandbox, image_digest)

    @classmethod
    def at(cls, place: Place, config: OsConfig) -> OsWorld:
        """Return the world of a run; its sandbox is opened when it is entered."""
        collect = place.config.collect
        world = cls(
            None,
            command_timeout=collect.command_timeout_seconds,
            max_turns=collect.max_turns.get(cls.name, MAX_TURNS),
            image_names=collect.sandbox.stands_for,
            config=config,
            is_benchmark=collect.dialect == AgentBenchOs.name,
        )
        world._place = place
        return world

    def _stand_on(self, sandbox: Sandbox, image_digest: str) -> None:
        self._sandbox: Sandbox = sandbox
        extra: dict[str, Any] = {"limits": sandbox.limits, "timeouts": self._timeouts, "image": image_digest}
        if sandbox.backend != "bubblewrap":  # whose worlds were named before there was another
            extra["backend"] = sandbox.backend
        front = self._prompt.front
        self._card = Card(self.name, front.get("world_contract", CONTRACT), self.max_turns, PROMPT, extra=extra)
        names = [*front.get("notable", ()), *front.get("basic", ())]
        found = programs_in(sandbox.image, names)
        here = [name for name in front.get("notable", ()) if name in found]
        self._commands = {"here": ", ".join(here), "missing": ", ".join(name for name in names if name not in found)}

    @property
    def card(self) -> Card:
        """Describe the world on its sandbox and image."""
        return self._card

    @property
    def told(self) -> Mapping[str, Any]:
        """Its limits, and which of the commands that people expect are in its image."""
        if self._prompt.front.get("contract", 1) < TELLING:
            return {}
        limits = {"turns": self.max_turns, "seconds": f"{self._timeouts.command:g}", "characters": OBSERVATION_CHARS}
        return {**limits, **self._commands}

    def as_told(self, told: str | None) -> Self:
        """Return the world whose observations are cut as they were before contract 3 of the prompt."""
        if told is not None or self._prompt.front.get("contract", 1) < TELLING:
            return self
        other = copy(self)
        other._prompt = as_agentbench(self._prompt)
        other._stand_on(self._sandbox, str(self.card.extra["image"]))
        return other

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return the shell's families."""
        from environments.os.rehearsal import OsRehearsal

        return OsRehearsal()

    @property
    def author(self) -> Author:
        """Return who makes up shell tasks."""
        card = Surroundings(self.max_turns, self._timeouts.command, self._timeouts.check)
        return OsAuthor(self._config, self._look if self._is_placed else None, card)

    @property
    def _is_placed(self) -> bool:
        """Whether it stands on a sandbox, or will when it is entered."""
        return self._place is not None or hasattr(self, "_sandbox")

    async def _look(self) -> ImageFacts:
        return await read_image(self._sandbox, str(self.card.extra["image"]))

    async def probe(self) -> None:
        """Try the sandbox."""
        async with self:
            pass

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image, sandbox (backend and kind of limits)."""
        return {"image": str(self.card.extra["image"]), "sandbox": self._backend}

    def open(self, spec: TaskSpec) -> OsEnvironment:
        """Return an episode, not yet reset."""
        task = with_unix_lines(spec)
        return OsEnvironment(task, self._sandbox, self.card, self._timeouts, self._image_names, self._prompt)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse a kind of check that this world does not have, and outputs that are of no use."""
        if spec.check.kind not in KINDS:
            return Refusal("unknown_check", f"the os world has no check of kind {spec.check.kind!r}; it has {KINDS}")
        fault = fault_of_outputs(spec)
        return Refusal("unfit_outputs", fault) if fault else None

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Refuse scripts that call the network."""
        return [*unix_lines(spec), needs_no_network(spec)]

    async def again(self, spec: TaskSpec) -> TaskSpec:
        """Return the task under another seed and clock."""
        return await under_another_clock(spec)

    def unfit(self, environment: Environment, turns: Sequence[tuple[Action, Step]]) -> str:
        """Say why no agent could have done what the reference did."""
        last = _os(environment).last
        if last is None or last.timed_out:
            return "the reference did not end in the time that an agent's command has"
        if last.exit_code not in (0, None):  # None: it ended the shell with `exit`
            return f"the reference ended with exit code {last.exit_code}: {last.text[-200:]!r}"
        end, react = turns[-1][0], self._react
        if end.kind == "answer" and "\n" in end.text and environment.spec.check.lines == "one":
            return f"the problem asks for one line, and the reference printed several: {end.text[:200]!r}"
        if end.kind == "answer" and react.read_text(react.write_text(None, end)).actions != (end,):
            return f"no action can carry the reference's output as an answer: {end.text[:200]!r}"
        return ""

    async def judge_reference(self, environment: Environment, number: int) -> Verdict:
        """Judge the first run by what it printed itself; the second runs the reference once more, as always."""
        shell = _os(environment)
        if number == 1:
            shell.reference = printed_by(shell)
        return await judge_episode(shell)

    async def honest(self, environment: Environment, answer: str | None) -> Honest:
        """What the reference printed is what came of it."""
        return Honest(environment, printed_by(_os(environment)), answer)

    async def repeats(self, first: Honest, second: Honest) -> Probe:
        """Compare what the runs printed; a reference that draws numbers is run more often."""
        shell = _os(second.environment)
        outputs = {first.outcome, second.outcome, *(() if shell.reference is None else (shell.reference,))}
        if shell.evidence is not None and shell.spec.check.kind == "script" and draws_by_chance(shell.spec):
            for _ in range(EXTRA_RUNS):
                outputs.add(await reference_output(shell.spec, shell.evidence, shell.timeouts.check))
        return Probe(name="reference_repeats", passed=len(outputs) == 1, detail=_DIFFERS if len(outputs) > 1 else "")

    def claim(self, spec: TaskSpec) -> Action:
        """Return the end of a change."""
        return Action("finish")

    async def judge_unearned(self, spec: TaskSpec, action: Action, honest: Honest) -> Verdict:
        """Judge an answer before any command, or the untouched files of the second run."""
        if action.kind == "answer":
            async with self.open(spec) as environment:
                await environment.step(action)
                return await judge_episode(environment)
        through = await passing_untouched(_os(honest.environment))
        if isinstance(through, str):
            raise CheckError(through)
        return passed("") if None in through else failed("")

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try answers that nobody worked for, and cheats; tag what a guess may hit."""
        shell = _os(honest.environment)
        for tried in (await asked_otherwise(shell), told_apart(shell)):
            if tried is not None:
                yield tried
        async for probe in answers_fail(shell):
            yield probe
        async for probe in near_misses_fail(self, shell):
            yield probe
        async for probe in cheats_fail(self, shell):
            yield probe
        if is_guess(honest.outcome):
            yield Probe(name=GUESSABLE, passed=True, detail=f"one of few possible answers: {honest.outcome!r}")

    async def same_outcome(self, spec: TaskSpec, one: Ending, other: Ending) -> bool:
        """Compare answers that the check can see, and states where they count."""
        takes = takes_answer(spec)
        if takes and (one.answer is not None or other.answer is not None):
            if one.answer is None or other.answer is None or not is_same_answer(spec, one.answer, other.answer):
                return False
            return one.state == other.state or None in (one.state, other.state)
        return one.state is not None and one.state == other.state

    async def __aenter__(self) -> OsWorld:
        if self._place is not None:
            sandbox, image = open_sandbox(self._place.config.collect.sandbox, self._place.cache)
            self._stand_on(sandbox, image.digest)
        found = await self._sandbox.probe()
        if not found.usable:
            raise ConfigError(f"no sandbox on this machine ({found.backend}): {found.reason}. {found.fix}")
        self._backend = f"{found.backend}/{found.limits}"
        return self


def _os(environment: Environment) -> OsEnvironment:
    assert isinstance(environment, OsEnvironment)
    return environment


WORLD = OsWorld
