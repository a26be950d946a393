"""One live episode over a graph: seven tools, variables, and a final answer that names one of them."""

from __future__ import annotations

from environments.base import UNCHANGED, Action, Card, Environment, Step, no_action
from environments.kg.calls import OTHER, SaidCall, arguments_of, find_call, make_action
from environments.kg.judge import judge_values
from environments.kg.store import Graph, TooManyValues
from environments.kg.task import read_reference, state_of, worded
from environments.kg.tools import INVALID_VARIABLE, NO_SUCH_TOOL, TOOLS, Variable, Workbench, is_found
from environments.observing import head_and_tail
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.record import digest
from schemas.task_spec import TaskSpec


class KgEnvironment(Environment):
    """Holds a workbench and nothing of the graph, which all episodes share."""

    def __init__(self, spec: TaskSpec, graph: Graph, card: Card) -> None:
        self.spec = spec
        self.bench: Workbench | None = None
        self.answer: Variable | None = None
        """The variable that the final answer named."""
        self._graph, self._card = graph, card
        self._found: tuple[str, ...] | None = None

    async def reset(self) -> Step:
        """Begin without variables; the first observation words the question and the things that it names."""
        try:
            state, first = state_of(self.spec), worded(self.spec)
        except ValueError as error:
            raise EnvironmentFault(f"bad_state: {error}", transient=False) from error
        self.bench, self.answer, self._found = Workbench(self._graph, state.entities), None, None
        return Step(first)

    async def step(self, action: Action) -> Step:
        """Carry out one call, or take the answer; a mistake of the solver's is told in AgentBench's words.

        Raises:
            EnvironmentFault: the action is not one of this world's, or the store broke.
        """
        if action.kind == "answer":
            self.answer = self._bench.chosen(action.text)
            return Step("", terminated=True) if self.answer else Step(INVALID_VARIABLE)
        if action.kind == OTHER:
            called = find_call(action.text)
            return Step(NO_SUCH_TOOL.format(name=called.name if called else action.text[:80]))
        if action.kind not in TOOLS:
            raise no_action("kg", action.kind, f"{', '.join(TOOLS)}, answer")
        said = await self._bench.call(action.kind, arguments_of(action))
        return Step(head_and_tail(said, self._card.observation_chars))

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Make the reference's calls, things by the names that the question has for them; answer with the last."""
        if not self.spec.reference:
            raise EnvironmentFault("no_reference: the task has no reference that could be run", transient=False)
        try:
            calls = read_reference(self.spec.reference)
        except ValueError as error:
            raise EnvironmentFault(f"bad_reference: {error}", transient=False) from error
        turns = []
        for call in calls:
            action = make_action(call.name, self._as_asked(call))
            step = await self.step(action)
            if not is_found(step.observation):
                raise EnvironmentFault(f"bad_reference: {step.observation}", transient=False)
            turns.append((action, step))
        end = Action("answer", f"#{len(self._bench.variables) - 1}")
        step = await self.step(end)
        if not step.terminated:
            raise EnvironmentFault("bad_reference: its calls make no variable", transient=False)
        return (*turns, (end, step))

    def _as_asked(self, call: SaidCall) -> list[str]:
        names = {thing: name for name, thing in state_of(self.spec).entities.items()}
        return [names.get(argument, argument) for argument in call.arguments]

    async def verify(self) -> Verdict:
        """Compare the answer's values with those that are right."""
        try:
            right = await self._right()
            return judge_values(await self.found(), right)
        except TooManyValues as error:
            return judge_values((), ()).model_copy(update={"detail": f"too_many_values: {error}"})

    async def _right(self) -> tuple[str, ...]:
        if self.spec.check.kind == "label":
            return self.spec.check.expected
        async with KgEnvironment(self.spec, self._graph, self._card) as fresh:
            await fresh.reset()
            try:
                await fresh.follow()
                found = await fresh.found()
            except EnvironmentFault as fault:
                raise CheckError(f"the reference does not run: {fault}", transient=fault.transient) from fault
        if not found:
            raise CheckError("the reference gives nothing", transient=False)
        return found

    async def found(self) -> tuple[str, ...] | None:
        """Return the answer's values, sorted; None = no variable was named.

        Raises:
            EnvironmentFault: the store broke, or these are too many.
        """
        if self.answer is None:
            return None
        if self._found is None:
            self._found = await self._bench.values_of(self.answer.program)
        return self._found

    async def fingerprint(self) -> str:
        """Digest the answer's values; without an answer nothing has come of the episode."""
        try:
            found = await self.found()
        except TooManyValues:
            return "too many values"
        return UNCHANGED if found is None else digest("answer", found)

    @property
    def _bench(self) -> Workbench:
        if self.bench is None:
            raise EnvironmentFault("nothing was asked yet; reset the environment first", transient=False)
        return self.bench

    async def close(self) -> None:
        self.bench = None
