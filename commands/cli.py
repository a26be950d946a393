"""The command line.

Exit codes: 0 done, 1 ran but something failed, 2 the call or its input is wrong, 130 stopped (137: by force).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.declared_options import ExportCommand, ImportCommand
from commands.last_words import is_unheard, tell, tell_unheard
from commands.stopping import STOPPED, WORDS
from schemas.errors import ConfigError, InputError, NothingFound, TrajmillError
from tasks.prefect_environment import settle_prefect

_RUNS = ("build", "generate", "collect", "curate", "publish", "import", "verify", "export", "gc", "up")
"""Commands that are to be run again where the reader of their output is gone: `head` has had enough of the others'."""
SOLVERS = ("teacher", "reference", "recorded")

app = typer.Typer(
    name="trajmill",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _settle_home(home: Path | None) -> Path | None:
    """Let Settings and Prefect find the home before anything of either is imported."""
    if home is not None:
        os.environ["TRAJMILL_HOME"] = str(home)
        settle_prefect()
    return home


Home = Annotated[
    Path | None,
    typer.Option(
        "--home", envvar="TRAJMILL_HOME", callback=_settle_home, is_eager=True, help="Tables, ledger, releases."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Config = Annotated[str, typer.Option("--config", help="A name in deployments/configs/ or a path.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override, such as mixture.eta=0.3.")]


def _say_version(is_asked: bool) -> None:
    if is_asked:
        from schemas.task_spec import SOFTWARE

        typer.echo(SOFTWARE)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end.")
    ] = False,
) -> None:
    """A data mill for teams that fine-tune agents: made-up tasks, proven solutions, published mixtures."""


@app.command()
def build(
    home: Home = None,
    config: Config = "demo",
    set_: Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Leave an unfinished build behind.")] = False,
    json: Json = False,
) -> None:
    """Run the whole figure: make tasks, collect, curate, ingest general chat, publish a mixture."""
    overrides = _overrides(config, set_)
    from commands.runs import run_build

    run_build(config, overrides, fresh, json)


@app.command()
def generate(home: Home = None, config: Config = "demo", set_: Set = None, json: Json = False) -> None:
    """Make up and derive tasks; only what proves itself comes in."""
    overrides = _overrides(config, set_)
    from commands.runs import run_stage

    run_stage("flows.generate_tasks:generate_tasks", config, overrides, json)


@app.command()
def collect(
    home: Home = None,
    config: Config = "demo",
    set_: Set = None,
    solver: Annotated[
        str,
        typer.Option(
            help="teacher; reference: each task's reference is run as the episode; recorded: imported recordings are."
        ),
    ] = "teacher",
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Origins of tasks; default: the config's, or all where no teacher is asked."),
    ] = None,
    json: Json = False,
) -> None:
    """Let the solver work on tasks in sandboxes and prove what it did."""
    overrides = _overrides(config, set_)
    if solver not in SOLVERS:
        raise ConfigError(f"--solver is {', '.join(SOLVERS)}, not {solver!r}")
    from commands.runs import run_collect

    run_collect(config, overrides, solver, origin, json)


@app.command()
def curate(home: Home = None, config: Config = "demo", set_: Set = None, json: Json = False) -> None:
    """Filter, deduplicate, backfill thoughts, render to messages."""
    overrides = _overrides(config, set_)
    from commands.runs import CURATION, run_stage

    run_stage("flows.curate_trajectories:curate_trajectories", config, overrides, json, CURATION)


@app.command()
def publish(
    home: Home = None,
    config: Config = "demo",
    set_: Set = None,
    scan_eta: Annotated[
        bool,
        typer.Option("--scan-eta", help="Publish eleven mixtures of one size, eta 0.0 to 1.0, and compare them."),
    ] = False,
    json: Json = False,
) -> None:
    """Blend agent and general data at eta and publish a release."""
    overrides = _overrides(config, set_)
    from commands.runs import run_publish, run_scan

    (run_scan if scan_eta else run_publish)(config, overrides, json)


@app.command("import", cls=ImportCommand)
def import_(
    ctx: typer.Context,
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats below.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.")],
    home: Home = None,
    lint: Annotated[bool, typer.Option("--lint", help="Only report, import nothing.")] = False,
    json: Json = False,
) -> None:
    """Bring in data from outside; every row that is turned away says why."""
    from commands.imports import run_import

    run_import(format_, paths, ctx.obj, lint, json)


@app.command()
def audit(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Releases' folders, or files or folders of trajectories.")
    ],
    format_: Annotated[
        str | None, typer.Option("--format", help="Format of a foreign set, where it is not found by itself.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 where anything is found.")] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Say what is wrong with any set of trajectories; nothing is changed or imported."""
    from commands.audit import run_audit

    run_audit(paths, format_, strict, json)


@app.command(cls=ExportCommand)
def export(
    ctx: typer.Context,
    format_: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats below.")],
    release: Annotated[
        str, typer.Option(help="Release id; a unique beginning is enough, `latest` the newest.")
    ] = "latest",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="New folder, for a format that writes one.")] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Hand a release on."""
    from commands.export import run_export

    run_export(format_, release, out, ctx.obj, json)


@app.command()
def preview(
    trainer: Annotated[str, typer.Option("--for", metavar="TRAINER", help="Who will read it, such as trl or axolotl.")],
    release: Annotated[
        str, typer.Option(help="Release id, of which a beginning is enough, or its folder; `latest`: the newest.")
    ] = "latest",
    row: Annotated[int, typer.Option(min=0, help="Its number in the release; the first is 0.")] = 0,
    tokenizer: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The tokenizer to be trained with; without it tokens are estimated."),
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Show a row as a trainer will train it, with what carries loss marked and counted."""
    from commands.preview import run_preview

    run_preview(release, trainer, tokenizer, row, json)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="SQL over the tables.")],
    home: Home = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
) -> None:
    """Ask the tables; `SHOW TABLES` lists them, docs/tables.md explains every column."""
    from commands.look import run_sql

    run_sql(query, json, csv)


@app.command()
def status(
    home: Home = None,
    never_passed: Annotated[
        bool, typer.Option("--never-passed", help="List the tasks that no solver has passed, with what they answered.")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            "--compare",
            metavar="TABLE",
            help="Set the counts beside a published table: agentinstruct, or a TOML file (deployments/comparisons/).",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show the funnel of the last build, reasons, difficulty, costs and releases."""
    if never_passed and compare is not None:
        raise ConfigError("--never-passed and --compare are two questions; ask one at a time")
    if never_passed:
        from commands.never_passed import run_never_passed

        run_never_passed(json)
    elif compare is not None:
        from commands.look import run_compare

        run_compare(compare, json)
    else:
        from commands.look import run_status

        run_status(json)


@app.command()
def show(
    id_: Annotated[
        str,
        typer.Argument(metavar="ID", help="Episode, trajectory, task or conversation; a unique beginning is enough."),
    ],
    home: Home = None,
    json: Json = False,
) -> None:
    """Show one row whole, an episode turn by turn."""
    from commands.look import run_show

    run_show(id_, json)


@app.command()
def reject(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Trajectories, episodes, tasks or conversations.")],
    reason: Annotated[str, typer.Option(help="Why, in your words.")],
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back what was said of them, by you or by a second opinion.")
    ] = False,
    home: Home = None,
    json: Json = False,
) -> None:
    """Turn rows away as a person: every later release leaves them out, and no later build attempts tasks of these."""
    from commands.look import run_reject

    run_reject(ids, reason, json, undo)


@app.command()
def verify(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID...]", help="Episodes, trajectories or tasks; a unique beginning is enough."),
    ] = None,
    home: Home = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Accepted episodes to draw as well.")] = None,
    seed: Annotated[int, typer.Option(help="Of the drawing.")] = 0,
    rejudge: Annotated[
        bool,
        typer.Option(
            "--rejudge",
            help="Judge accepted episodes by today's checks and land their verdicts; without ids and --sample all "
            "that no checks of today's contract have judged.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Run proofs again: do an episode's actions show, leave and earn the same, does a task still prove itself?"""
    if rejudge:
        from commands.rejudge import run_rejudge

        run_rejudge(ids or [], sample, seed, json)
    else:
        from commands.look import run_verify

        run_verify(ids or [], sample, seed, json)


@app.command()
def gc(home: Home = None, json: Json = False) -> None:
    """Compact tables and drop what no kept release needs."""
    from commands.look import run_gc

    run_gc(json)


@app.command()
def doctor(home: Home = None, json: Json = False) -> None:
    """Try what Trajmill needs on this machine and say how to fix what does not work."""
    from commands.doctor import run_doctor

    run_doctor(json)


@app.command()
def up(
    home: Home = None,
    port: Annotated[int, typer.Option(help="Port of Prefect's server.")] = 4200,
    host: Annotated[
        str, typer.Option(help="Where it listens; 0.0.0.0 inside a container. The dashboard has no password.")
    ] = "127.0.0.1",
    deployments: Annotated[
        list[str] | None, typer.Option("--deployment", help="Deployments to serve; default: all that are shipped.")
    ] = None,
) -> None:
    """Start a local Prefect server with dashboard and schedules; Ctrl-C stops it."""
    from commands.up import run_up

    run_up(port, deployments, host)


@app.command()
def estimate(home: Home = None, config: Config = "demo", set_: Set = None, json: Json = False) -> None:
    """Say beforehand what the next build will ask and cost; nothing is sent."""
    overrides = _overrides(config, set_)
    from commands.estimate import run_estimate

    run_estimate(config, overrides, json)


config_app = typer.Typer(help="The configuration.")
app.add_typer(config_app, name="config")


@config_app.command("show")
def config_show(home: Home = None, config: Config = "demo", set_: Set = None, json: Json = False) -> None:
    """Print every value and where it comes from."""
    from commands.look import run_config_show

    run_config_show(config, _overrides(config, set_), json)


def _overrides(config: str, pairs: list[str] | None) -> dict[str, Any]:
    """Read `--set`, and the config with it: what is wrong there is told before anything heavy is imported."""
    from flows.configuration import load_config, parse_overrides

    overrides = parse_overrides(pairs or [])
    load_config(config, overrides)
    return overrides


def run(arguments: list[str]) -> int:
    """Run one command, turn errors into messages, and return the exit code."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # its log goes to its server alone
    looks = not set(arguments[:1]) & set(_RUNS)
    try:
        code = app(arguments or ["--help"], standalone_mode=False, prog_name="trajmill") or 0
        if code == STOPPED:  # typer answers Ctrl-C so, and says nothing
            tell(WORDS, code)
    except SystemExit as ended:
        # typer ends so where a pipe is broken, and says nothing
        code = tell_unheard(silent=looks) if is_unheard(ended.__context__) else ended.code
    except typer.TyperException as error:
        asked = getattr(error, "ctx", None)
        code = tell(f"{error.format_message()} See {asked.command_path if asked else 'trajmill'} --help", 2)
    except NothingFound as error:
        code = tell(str(error), 1)
    except (ConfigError, InputError) as error:
        code = tell(str(error), 2)
    except TrajmillError as error:
        code = tell(f"{type(error).__name__}: {error}", 1)
    except OSError as error:
        if not is_unheard(error):
            raise
        code = tell_unheard(silent=looks)
    return code if isinstance(code, int) else 1
