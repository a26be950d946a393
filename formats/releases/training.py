"""What exports for trainers share: a strategy is chosen, rows are written split by split, a note says what became.

A trainer is declared in its own file: which flag it reads, which strategies its reader can do, how a row is written for
it, and its config of the paper's recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from formats.catalogue import Exported, Exporter, Given, Option
from formats.releases import strategies, tokenized
from formats.releases.recipe import recipe_for, render_config
from formats.releases.release_folder import SPLITS, ReleaseFolder, ReleaseRow
from formats.releases.shapes import trained_of
from formats.releases.split_files import OpenSplit, open_json_lines
from formats.releases.strategies import Strategy, apply_strategy
from formats.releases.training_plan import TOKENIZED, Plan, choose_plan
from formats.templates.proof import Prover
from formats.templates.trainers import TRAINERS
from schemas.errors import ConfigError, ExpectationError

NOT_PROVEN = "not_proven"
REASONS = {
    **strategies.REASONS,
    NOT_PROVEN: "would be trained otherwise than the release says, as its trainer reads it; export.json says how",
}
FORM = Option("form", "original, as rendered, or tool_calls, agent rows as native calls", default="original")
TOKENIZER = Option("tokenizer", "the tokenizer as it will be trained, whose chat template decides the strategy", "DIR")

Rendered = dict[str, Any] | str
"""A row as its trainer reads it, or the reason why it cannot be."""


def choose_form(name: str) -> Literal["original", "tool_calls"]:
    """Return the form of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in ("original", "tool_calls"):
        raise ConfigError(f"--form {name} is no form of a release's rows; there are original and tool_calls")
    return "tool_calls" if name == "tool_calls" else "original"


class Config(NamedTuple):
    """A file of a config or script beside the rows."""

    file: str
    """Its name, and with `.jinja` that of its template in configs/."""
    executable: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerForm:
    """What one trainer reads."""

    name: str
    """Of the export."""
    summary: str
    read_in: str
    """The trainer and its version whose reader's code was followed."""
    flag: str | None
    """What the flag of a message is called that decides whether it is trained on; None: there is none."""
    default: Strategy
    """Taken without a tokenizer: right for every template that the trainer renders with."""
    because: str
    """Why that is so, a half sentence."""
    packed: Strategy | None = None
    """Taken where the template keeps what was said before as it was; None: the trainer never looks at one."""
    also: tuple[Strategy, ...] = ()
    """What can be asked for besides."""
    is_tokenized: bool = False
    """Whether it takes `input_ids` and `labels`, which are then what a tokenizer leads to."""
    model: str
    """The default of --model."""
    render: Callable[[ReleaseRow, Strategy], Rendered]
    """Writes one row as the strategy made it."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why `render` leaves a row out."""
    configs: tuple[Config, ...] = ()
    open_split: OpenSplit = open_json_lines
    files: tuple[str, str] = ("train.jsonl", "validation.jsonl")
    """Names of the two splits' files."""

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """Every strategy that may be asked for, the default first; tokens apart."""
        return tuple(dict.fromkeys([self.default, *([self.packed] if self.packed else []), *self.also]))

    @property
    def can(self) -> tuple[str, ...]:
        """What --strategy may be."""
        return (*self.strategies, *([TOKENIZED] if self.is_tokenized else []))

    @property
    def looks_at_templates(self) -> bool:
        """Whether a tokenizer changes anything."""
        return self.packed is not None

    def exporter(self) -> Exporter:
        """Return the declaration."""
        options = [Option("model", "the model that the written config trains", default=self.model), FORM]
        if len(self.can) > 1:
            options.append(
                Option("strategy", "how untrained replies are kept out of the loss, instead of the one chosen")
            )
        if self.looks_at_templates:
            options.append(TOKENIZER)
        return Exporter(
            name=self.name,
            summary=self.summary,
            page="train.md",
            options=tuple(options),
            reasons={**REASONS, **self.reasons, **(tokenized.REASONS if self.looks_at_templates else {})},
            write=self.write,
        )

    def write(self, release: ReleaseFolder, folder: Path, given: Given) -> Exported:
        """Write rows and configs into a new, empty folder.

        Raises:
            ConfigError: the strategy is none of the trainer's, the tokenizer is none, its template is unstable, or no
                row can be written.
        """
        plan, recipe = choose_plan(self, given), recipe_for(given["model"])
        counts = ExportCounts(self._prover(plan, recipe.tokens), plan.look.details if plan.look else {})
        splits = [split for split in SPLITS if split in release.splits]
        for split, file in zip(splits, self.files, strict=False):
            self._write_split(release.rows(split, choose_form(given["form"])), folder / file, plan, counts)
        if not counts.rows:
            raise ConfigError(f"no row of {release.release_id} can be exported to {self.name}: {counts.told}")
        facts = {"recipe": recipe, "model": given["model"], "has_validation": counts.lines[self.files[1]] > 0}
        for config in self.configs:
            written = folder / config.file
            written.write_text(render_config(config.file, plan=plan, counts=counts, **facts), encoding="utf-8")
            written.chmod(0o755 if config.executable else 0o644)
        note = {"read_in": self.read_in, "model": given["model"], "form": given["form"], **plan.note, **counts.note}
        return Exported(counts.rows, counts.left_out, note)

    def _write_split(self, rows: Iterable[ReleaseRow], path: Path, plan: Plan, counts: ExportCounts) -> None:
        open_split = open_json_lines if plan.strategy == TOKENIZED else self.open_split
        with open_split(path) as append:
            for row in rows:
                made = apply_strategy(plan.rows, row)
                lines = made if isinstance(made, str) else self._render_all(made, plan)
                if isinstance(made, str) or isinstance(lines, str):
                    counts.left_out[str(lines)] += 1
                elif counts.add(path.name, row, made, lines):
                    for line in lines:
                        append(line)

    def _prover(self, plan: Plan, limit: int) -> Prover | None:
        """Return what proves each row before it is written; None where there is no rule to prove by."""
        if self.name not in TRAINERS:
            return None
        template = plan.look.template if plan.look else None
        return Prover(
            self.name,
            template,
            last_only=self.flag is None and plan.rows == "fan-out",
            replies_only=plan.strategy == "cut",
            limit=limit if template else None,
        )

    def _render_all(self, rows: Iterable[ReleaseRow], plan: Plan) -> list[dict[str, Any]] | str:
        """Write every row that one of the release became, or say why one of them cannot be: then none is."""
        lines = []
        for row in rows:
            line = self._render_one(row, plan)
            if isinstance(line, str):
                return line
            lines.append(line)
        return lines

    def _render_one(self, row: ReleaseRow, plan: Plan) -> Rendered:
        """Write a row; where a tokenizer was given, one that its template spoils is left out."""
        if plan.look is None:
            return self.render(row, plan.rows)
        if plan.strategy == TOKENIZED:
            return plan.look.encode(row)
        found = plan.look.find_replies(row)
        return found if isinstance(found, str) else self.render(row, plan.rows)


class ExportCounts:
    """What went out, and what did not."""

    def __init__(self, prover: Prover | None, details: dict[str, str]) -> None:
        self.rows = 0
        """Of the release."""
        self.left_out: Counter[str] = Counter()
        self.lines: Counter[str] = Counter()
        """By file."""
        self.trained_turns = 0
        self._prover = prover
        self._details = details
        """By reason, what the first row that was left out for it is like, where that is known."""
        self._tokens = Counter[str]()

    def add(self, file: str, row: ReleaseRow, made: Sequence[ReleaseRow], lines: Sequence[dict[str, Any]]) -> bool:
        """Count a row, and say whether it goes out: one whose mask cannot be proven does not."""
        if self._prover is not None:
            try:
                self._prover.prove_row(row, lines)
            except ExpectationError as error:
                self.left_out[NOT_PROVEN] += 1
                self._details.setdefault(NOT_PROVEN, str(error))
                return False
        self.rows += 1
        self.lines[file] += len(made)
        self.trained_turns += len(trained_of(row.messages))
        self._tokens["before"] += sum(message.tokens for message in row.messages)
        self._tokens["after"] += sum(message.tokens for one in made for message in one.messages)
        self._tokens["trained"] += sum(message.tokens for message in trained_of(row.messages))
        return True

    @property
    def told(self) -> str:
        """Return in words why rows were left out."""
        reasons = ", ".join(f"{reason} {rows}" for reason, rows in self.left_out.most_common()) or "it holds none"
        return "; ".join([reasons, *self._details.values()])

    @property
    def note(self) -> dict[str, Any]:
        """Return what the manifest says of it; tokens are UTF-8 bytes / 4, but where the proof counts them."""
        return {
            "files": dict(self.lines),
            "trained_turns": self.trained_turns,
            "tokens_estimated": {name: self._tokens[name] for name in ("before", "after", "trained")},
            "proof": self._prover.proof.describe() if self._prover else None,
            **({"first_left_out": self._details} if self._details else {}),
        }
