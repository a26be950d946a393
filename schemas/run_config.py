"""RunConfig: what a build is. One TOML file, saved with every release; it holds no secret and no address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from schemas.cleaning import CleaningConfig
from schemas.errors import ConfigError
from schemas.invalid_values import booleans_for_numbers, explain, spell
from schemas.mixture_config import MixtureConfig
from schemas.record import Record
from schemas.task_spec import Origin

Section = TypeVar("Section", bound=Record)
Backend = Literal["bubblewrap", "docker", "podman"]


class Price(Record):
    """US dollars for a million tokens. In a configuration `"free"` stands for nothing at all."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """For prompt tokens that the endpoint had in its cache; None = as for any other."""
    batch: float = Field(default=0.5, ge=0, le=1)
    """Share of these prices that the endpoint takes through its batch API (OpenAI: half)."""

    @model_validator(mode="before")
    @classmethod
    def _read_free(cls, value: Any) -> Any:
        if value == "free":
            return {"prompt": 0.0, "completion": 0.0}
        if isinstance(value, str | int | float):
            raise ValueError("a price is 'free', or { prompt = ..., completion = ... } in dollars for a million tokens")
        return value

    @model_validator(mode="after")
    def _keep_cache_below(self) -> Price:
        if self.cached is not None and self.cached > self.prompt:
            raise ValueError(f"cached = {self.cached:g} is dearer than prompt = {self.prompt:g}: no budget could hold")
        return self


class AgentsConfig(Record):
    """A teacher of several calls: models propose replies, an aggregator writes one from them.

    Several proposers: Mixture-of-Agents (Wang et al. 2024). Several samples of one: Self-MoA (Li et al. 2025).
    """

    proposers: tuple[str, ...] = Field(min_length=1)
    """Models, each once."""
    samples: int = Field(default=1, ge=1)
    """Proposals of each proposer."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """The proposers' (MoA: 0.7); the aggregator has that of the role."""
    aggregator: str
    """Model that writes the reply."""
    layers: int = Field(default=1, ge=1)
    """Rounds of proposals; from the second on each proposer is shown the round before."""

    @model_validator(mode="after")
    def _names_each_proposer_once(self) -> AgentsConfig:
        if len(set(self.proposers)) < len(self.proposers):
            raise ValueError(f"proposers {list(self.proposers)} name a model twice; `samples` draws several of each")
        return self


class ModelLimits(Record):
    """What one model is asked at most, together; None = what `[teacher]` says."""

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1, le=1024)


class TeacherConfig(Record):
    """Which models are asked, and how fast."""

    kind: Literal["offline", "openai"] = "offline"
    """offline: the built-in stand-in, no key and no network. openai: any OpenAI-compatible endpoint (OPENAI_API_KEY,
    OPENAI_BASE_URL)."""
    name: str = "offline"
    """Name of the teacher in ids; change it when the endpoint's answers are not to be mixed."""
    generator: str = "offline-a"
    """Model that makes up tasks."""
    solver: str = "offline-a"
    """Model that solves them."""
    solvers: dict[str, str] = {}
    """By world, over `solver` (AgentTuning: GPT-4, and GPT-3.5 for the world with the most tasks)."""
    backfiller: str = "offline-a"
    """Model that fills in thoughts."""
    generator_temperature: float = Field(default=1.0, ge=0, le=2)
    solver_temperature: float = Field(default=0.0, ge=0, le=2)
    max_output_tokens: int = Field(default=1024, ge=16)
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Requests in flight for one model."""
    timeout_seconds: float = Field(default=120, gt=0)
    """Per request."""
    max_retries: int = Field(default=5, ge=0)
    """For each request; refusals for lack of room do not count while others get through."""
    max_reply_bytes: int = Field(default=16_000_000, ge=1024)
    """Of one reply, unpacked: a larger one is given up. A reply of 32,000 tokens has about 0.2 MB."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """For each model; None = what the endpoint's headers say, and else what it takes."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Prompt and reply, for each model; None likewise."""
    limits: dict[str, ModelLimits] = {}
    """For one model, over the three above."""
    mode: Literal["chat", "batch"] = "chat"
    """chat: one HTTP request each. batch: through the endpoint's Batch API, at half the price and within 24 hours."""
    batch_wait_seconds: float = Field(default=30, gt=0)
    """A batch goes out once no request has joined it for so long, and after ten times this at the latest."""
    batch_max_requests: int = Field(default=50_000, ge=1, le=50_000)
    """Requests a batch; 50,000 is OpenAI's limit."""
    batch_max_bytes: int = Field(default=200_000_000, ge=1, le=200_000_000)
    """Size of a batch's file; 200 MB is OpenAI's limit."""
    batch_max_reply_bytes: int = Field(default=2_000_000_000, ge=1024)
    """Of a file of a batch's replies, unpacked, on the disk; each of its lines is bound by `max_reply_bytes`."""
    batch_poll_seconds: float = Field(default=10, gt=0)
    """Time to the first look at a batch; the times between grow to thirty times this."""
    prices: dict[str, Price] = {}
    """Per model, before the list that ships with Trajmill: `{ prompt = ..., completion = ... }` or `"free"`. An
    endpoint's model whose price nobody named is not asked."""
    mixtures: dict[str, AgentsConfig] = {}
    """Teachers of several calls, by name; generator, solvers and backfiller may name one like a model."""

    def solver_of(self, world: str) -> str:
        """Return the model that solves a world's tasks."""
        return self.solvers.get(world, self.solver)

    @model_validator(mode="after")
    def _mixes_models_alone(self) -> TeacherConfig:
        for name, mixture in self.mixtures.items():
            nested = sorted(self.mixtures.keys() & {*mixture.proposers, mixture.aggregator})
            if nested:
                raise ValueError(f"mixture {name!r} mixes {nested}, which are mixtures; it may name models alone")
        return self


class FaultsConfig(Record):
    """Faults that the offline teacher plants, as shares of its episodes or tasks; nothing else reads them."""

    solver: float = Field(default=0.2, ge=0, le=1)
    """Share of episodes with a planted fault, drawn over all classes."""
    task: float = Field(default=0.12, ge=0, le=1)
    """Share of made-up tasks with a planted fault."""
    leak: float = Field(default=0.05, ge=0, le=1)
    """Share of backfilled thoughts that leak what was not visible."""
    seed: int = 7


class GenerateConfig(Record):
    rounds: int = Field(default=4, ge=1)
    """Requests are cut into rounds; the tasks of one are examples for the next."""
    seed_examples: int = Field(default=1, ge=0)
    """Hand-written examples in a prompt. Self-Instruct has 6: they were seven eighths of what a request cost."""
    machine_examples: int = Field(default=1, ge=0)
    """Admitted machine-made examples in a prompt (Self-Instruct: 2)."""
    tasks_per_request: int = Field(default=3, ge=1, le=10)
    """Tasks that one request asks for; it is told what each is to be about."""
    grow: float = Field(default=0.1, ge=0, le=1)
    """Share of the requests that ask for harder versions of proven tasks, from the second round on."""
    seeds: str = "built-in"
    """`built-in`, or a JSONL file of tasks (docs/task-spec.schema.json): examples for every world that it has tasks of
    and whose own section names no seeds."""
    novelty: float = Field(default=0.7, gt=0, le=1)
    """ROUGE-L F1 from which on a task is no news (Self-Instruct: 0.7)."""
    repairs: int = Field(default=1, ge=0, le=5)
    """Times that a model is told why its reply could not be read as a task, and asked once more."""
    second_opinions: int = Field(default=0, ge=0)
    """Attempts of the solver before a task comes in, at least two: where two of them end alike and not as the reference
    does, it is turned away as disputed. 0 = none; the attempts of the collection tell it afterwards."""
    opinion_temperature: float = Field(default=0.7, gt=0, le=2)
    """At which these are drawn at least: undrawn, the same is only said twice."""

    @field_validator("second_opinions")
    @classmethod
    def _needs_two(cls, value: int) -> int:
        if value == 1:
            raise ValueError("one opinion agrees with nobody: at least 2, or 0 to ask for none")
        return value


def _as_written(seconds: float) -> float:
    """Keep a whole number whole, as the defaults are: it counts in `world_id`, where 10 is not 10.0."""
    return int(seconds) if float(seconds).is_integer() else seconds


Seconds = Annotated[float, AfterValidator(_as_written)]


class SandboxConfig(Record):
    """Where the OS world's commands run."""

    backend: Backend = "bubblewrap"
    """What builds the walls; nothing falls back to another one."""
    image: str = "host"
    """host: this machine's tools. Else the path of a root file system: a folder, or a tarball (`docker export`)."""
    stands_for: tuple[str, ...] = ("default", "packages", "ubuntu")
    """Names of images that tasks may ask for and that this one is taken for; a task that asks for another is turned
    down. The three are AgentBench's."""


class CollectConfig(Record):
    attempts: int = Field(default=1, ge=1)
    """The solver's chances a task."""
    until_passed: bool = False
    """Best of n, the check being the judge: attempts at a task end with the first that passed. Give the solver a
    temperature, or each attempt may say the same."""
    again: bool = False
    """Whether tasks are attempted anew that another solver (another model, prompt, dialect, contract) has attempted to
    an end, and thoughts filled in by the newest prompt. Otherwise none of these buys by itself."""
    max_tries: int = Field(default=3, ge=1)
    """Ours, where an attempt ended in an outage."""
    goal: int | None = Field(default=None, ge=1)
    """Accepted episodes per world that end the collection; None = all attempts are made."""
    goals: dict[str, Annotated[int, Field(ge=1)]] = {}
    """By world, over `goal`."""
    origins: tuple[Origin, ...] = ("self_instruct", "derived", "own", "recorded")
    """Origins that are attempted; `benchmark` is left out, since nobody trains on what measures them."""
    tasks: int | None = Field(default=None, ge=1)
    """Tasks attempted per world and build at most; None = all that are open."""
    dialect: str | tuple[str, ...] | None = None
    """How solvers are spoken to: react (text), tools (native calls), or what a world offers. Of several each task is
    dealt one, by its id; None = each world's first."""
    concurrency: int = Field(default=4, ge=1)
    """Episodes at a time."""
    shard_size: int = Field(default=64, ge=1)
    """Episodes a Prefect task."""
    repairs: int = Field(default=1, ge=0)
    """How often a turn that cannot be read is answered with why, and asked for again; a build that began before this
    key was there has none."""
    disputed_by: int = Field(default=2, ge=0)
    """Independent attempts that have to end alike, and not as the reference does, for a task to be turned away as
    disputed; at least two, 0 = none is. A build that began before this key was there asks for no such opinion."""
    max_turns: dict[str, int] = {}
    """By world; one that is not named has its own (AgentBench: os round_limit 8, db max_round 15)."""
    max_tokens: int = Field(default=8192, ge=256)
    """Approximate tokens of a conversation from which on it ends as token_limit."""
    command_timeout_seconds: Seconds = Field(default=10, gt=0)
    statement_timeout_seconds: Seconds = Field(default=2, gt=0)
    sandbox: SandboxConfig = SandboxConfig()

    @field_validator("disputed_by")
    @classmethod
    def _takes_two(cls, value: int) -> int:
        if value == 1:
            raise ValueError("one attempt agrees with nobody: at least 2, or 0 to turn no task away so")
        return value


class CurateConfig(Record):
    thresholds: dict[str, float] = {}
    """By world, the reward from which on an episode is kept (AgentTuning: 1); one that is not named has its own."""
    per_task: int = Field(default=2, ge=1)
    """Kept trajectories a task."""
    backfill_retries: int = Field(default=2, ge=0)
    reasoning: Literal["thought", "reasoning_content", "none"] = "thought"
    """What becomes of a model's reasoning in a row. thought: it is the thought of a turn that came without one, and
    none is bought. reasoning_content: it stands apart, in a field of its own. none: it is not trained on."""
    personal: Literal["placeholder", "reject"] = "placeholder"
    """What becomes of secrets and personal data in a row: a typed placeholder, or the row is turned away."""
    answer_thoughts: bool = True
    """Whether the turn that ends an episode (its answer) needs a thought; if not, none is bought for it."""


class GeneralConfig(Record):
    source: str = "built-in"
    """`built-in`: a generator of general chats; `imported`: what `trajmill import sharegpt` brought."""
    conversations: int = Field(default=1200, ge=0)
    """Chats that the built-in generator makes."""
    cleaning: CleaningConfig = CleaningConfig()
    """What is mended and turned away when chats come in, built-in ones and imported ones."""


class PublishConfig(Record):
    max_unknown: float = Field(default=0.02, ge=0, le=1)
    """Share of a build's attempts, or of a stage's requests, at most that may have no outcome (an outage, a broken
    check); fewer than three always may. With more the build stops, and asks for them when it is run again. What used up
    `collect.max_tries` does not count."""


class VerifyConfig(Record):
    """The drift check that a schedule runs: accepted episodes, executed again."""

    sample: int = Field(default=50, ge=1)
    """Episodes drawn each time, by sha256."""
    max_drift: float = Field(default=0.05, ge=0, le=1)
    """Share of the episodes of today's worlds that may come out otherwise before the check fails; differences that
    are so by nature (times, random names, the order of lines) are told and do not count."""


class StageBudget(Record):
    """Caps of one stage of a build."""

    usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)


class StageBudgets(Record):
    """Caps by stage, beside those of the whole build."""

    generate_tasks: StageBudget = StageBudget()
    second_opinions: StageBudget = StageBudget()
    """Of `generate.second_opinions`, which is not part of what making tasks costs."""
    collect_episodes: StageBudget = StageBudget()
    curate_trajectories: StageBudget = StageBudget()


class BudgetConfig(Record):
    """Caps of a build, all its runs together; None = no cap. None is ever passed, whatever is in flight."""

    usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    """Prompt and completion tokens together."""
    stages: StageBudgets = StageBudgets()


BEFORE: Mapping[str, Mapping[str, Any]] = {
    "generate": {"repairs": 0, "tasks_per_request": 1, "grow": 0.0},
    "collect": {"repairs": 0, "disputed_by": 0},
}
"""What builds did that began before a setting was there, where that is not its default."""


class RunConfig(Record):
    """What a build is."""

    name: str = "demo"
    seed: int = 0
    environments: tuple[str, ...] | None = None
    """Worlds, by name; None = those that are part of every build."""
    teacher: TeacherConfig = TeacherConfig()
    faults: FaultsConfig = FaultsConfig()
    generate: GenerateConfig = GenerateConfig()
    worlds: dict[str, dict[str, Any]] = {}
    """What is said to one world, `[worlds.<name>]`; each reads its own."""
    collect: CollectConfig = CollectConfig()
    curate: CurateConfig = CurateConfig()
    general: GeneralConfig = GeneralConfig()
    mixture: MixtureConfig = MixtureConfig()
    publish: PublishConfig = PublishConfig()
    verify: VerifyConfig = VerifyConfig()
    budget: BudgetConfig = BudgetConfig()

    @model_validator(mode="before")
    @classmethod
    def _read_older_sections(cls, value: Any) -> Any:
        return move_world_sections(value) if isinstance(value, Mapping) else value

    def section(self, world: str, model: type[Section]) -> Section:
        """Return what is said to a world.

        Raises:
            ConfigError: a key that the world does not know, or a value out of range.
        """
        said = self.worlds.get(world, {})
        for name, value in booleans_for_numbers(model, said):
            raise ConfigError(f"worlds.{world}.{name} = {spell(value)}: it must be a number")
        try:
            return model.model_validate(said)
        except ValidationError as error:
            raise ConfigError(explain(error, model, ("worlds", world))) from None


def move_world_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which the tables of worlds that stood under `generate` (`[generate.os]`) stand in `worlds`.

    Raises:
        ConfigError: both say something to one world.
    """
    generate = values.get("generate")
    if not isinstance(generate, Mapping):
        return dict(values)
    moved = {name for name, one in generate.items() if is_world_section(name) and isinstance(one, Mapping)}
    worlds = values.get("worlds", {})
    if not moved or not isinstance(worlds, Mapping):
        return dict(values)
    if twice := sorted(moved & worlds.keys()):
        raise ConfigError(f"[generate.{twice[0]}] is the older name of [worlds.{twice[0]}]: keep one of the two")
    left = {name: one for name, one in generate.items() if name not in moved}
    others = {name: one for name, one in values.items() if name != "generate"} | ({"generate": left} if left else {})
    return {**others, "worlds": {**worlds, **{name: generate[name] for name in moved}}}


def is_world_section(name: str) -> bool:
    """Tell whether a key under `generate` can only be a world's name."""
    return name not in GenerateConfig.model_fields
