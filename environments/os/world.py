"""The OS world: a Linux shell in a sandbox. `OsHome` owns the sandbox and opens episodes on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import prompts
from environments.base import Action, Environment, Step, World
from environments.os.admission import admit
from environments.os.dialect import OsDialect
from environments.os.episode import OsEnvironment, Timeouts
from environments.os.scripts import as_bash, reference_of
from sandboxes.base import Sandbox
from schemas.errors import ConfigError, EnvironmentFault
from schemas.record import digest
from schemas.recording import SUBMIT, RecordedTurn
from schemas.task_spec import Probe, TaskSpec

CONTRACT = 2
"""Raised by hand when episodes of the OS world would come out otherwise."""
PROMPT = "solve_os"
AGENTBENCH_IMAGES = ("default", "packages", "ubuntu")
"""What AgentBench's tasks call its three images (data/os_interaction/res/dockerfiles)."""


class OsHome:
    """Opens episodes of the OS world on one sandbox backend and one base image."""

    def __init__(
        self,
        sandbox: Sandbox,
        image_digest: str,
        *,
        command_timeout: float = 10.0,
        max_turns: int = 8,
        image_names: Collection[str] = AGENTBENCH_IMAGES,
    ) -> None:
        """`image_digest` names the base image that `sandbox` starts from, `image_names` what tasks may call it.

        AgentBench plays 8 rounds.
        """
        self._sandbox, self._image_names = sandbox, image_names
        self._timeouts = Timeouts(command=command_timeout)
        extra = {"limits": asdict(sandbox.limits), "timeouts": asdict(self._timeouts), "image": image_digest}
        if sandbox.backend != "bubblewrap":  # whose worlds were named before there was another
            extra["backend"] = sandbox.backend
        self.world = World("os", CONTRACT, max_turns, PROMPT, extra=extra)
        self.dialect = OsDialect(prompts.load(PROMPT))
        self._backend = "not tried"

    @property
    def world_id(self) -> str:
        return digest("world", asdict(self.world))

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the same for every task: all start from one image."""
        return self.world_id

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image, sandbox (backend and kind of limits)."""
        return {"image": str(self.world.extra["image"]), "sandbox": self._backend}

    def open(self, spec: TaskSpec) -> OsEnvironment:
        """Return an episode, not yet reset."""
        return OsEnvironment(spec, self._sandbox, self.world, self._timeouts, self._image_names)

    async def replay(
        self, environment: Environment, spec: TaskSpec
    ) -> tuple[Sequence[tuple[Action, Step]], str | None]:
        """Run the reference in the agent's shell, then answer with what it printed (nothing: finish).

        Where changes are compared, what was printed last counts as it stands: an answer has one line only.

        Raises:
            EnvironmentFault: the task has no reference; an answer never comes from a label.
        """
        if not isinstance(environment, OsEnvironment):
            raise EnvironmentFault(f"an OS reference cannot be replayed in {type(environment).__name__}")
        command = Action("bash", as_bash(reference_of(spec)))
        shown = await environment.step(command)
        output = environment.last.text.strip() if environment.last else ""
        compared = spec.check.kind == "chain" and None in spec.check.scripts  # then even an empty answer is one
        end = Action("answer", output) if (output or compared) and not _shows(spec) else Action("finish")
        return ((command, shown), (end, await environment.step(end))), output if end.kind == "answer" else None

    def read_recorded(self, environment: Environment, turn: RecordedTurn) -> Action | None:
        """Return a recorded turn's command or end; `submit` answers with what the last command printed, or finishes."""
        if turn.action_kind == SUBMIT and isinstance(environment, OsEnvironment):
            output = environment.last.text.strip() if environment.last else ""
            return Action("answer", output) if output and not _shows(environment.spec) else Action("finish")
        if turn.action_kind == "bash" and turn.action.strip():
            return Action("bash", turn.action)
        return Action(turn.action_kind, turn.action) if turn.action_kind in ("answer", "finish") else None

    async def admit(self, spec: TaskSpec) -> tuple[Probe, ...]:
        """Try a task in two fresh sandboxes (see `environments.os.admission`)."""
        return await admit(self, spec)

    async def __aenter__(self) -> OsHome:
        found = await self._sandbox.probe()
        if not found.usable:
            raise ConfigError(f"no sandbox on this machine ({found.backend}): {found.reason}. {found.fix}")
        self._backend = f"{found.backend}/{found.limits}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None


def _shows(spec: TaskSpec) -> bool:
    """Tell whether the last command's output is judged where no answer is given."""
    return spec.check.kind == "changes"
