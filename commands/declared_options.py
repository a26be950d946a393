"""Commands whose options and list of formats are those that the formats declare: no file names them a second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from formats.catalogue import Format, Option


class FormatCommand(TyperCommand):
    """A command that takes a format; the options that were said are in its context's `obj`, by name."""

    def formats(self) -> Mapping[str, Format]:
        """Return the formats that it knows."""
        raise NotImplementedError

    def get_params(self, ctx: Any) -> list[Any]:
        """Return its own parameters, then those that its formats declare."""
        *own, help_ = super().get_params(ctx)
        return [*own, *declared_options(self.formats().values()), help_]

    def invoke(self, ctx: Any) -> Any:
        """Hand over what was said of the declared options."""
        names = {option.name for one in self.formats().values() for option in one.options}
        said = {name: ctx.params.pop(name.replace("-", "_")) for name in names}
        ctx.obj = {name: value for name, value in said.items() if value is not None}
        return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """List the formats after the options."""
        with formatter.section("Formats"):
            formatter.write_dl([(one.name, one.summary) for one in self.formats().values()])


def declared_options(formats: Iterable[Format]) -> list[Any]:
    """Return every declared option once, as typer makes it; its help says which formats take it, and what for."""
    uses: dict[str, dict[str, list[str]]] = {}
    first: dict[str, Option] = {}
    defaults: dict[str, dict[str, list[str]]] = {}
    for one in formats:
        for option in one.options:
            first.setdefault(option.name, option)
            uses.setdefault(option.name, {}).setdefault(option.summary, []).append(one.name)
            if option.default is not None:
                defaults.setdefault(option.name, {}).setdefault(option.default, []).append(one.name)

    def takes(**_: str | None) -> None: ...

    names = {
        name.replace("-", "_"): _annotate(option, uses[name], defaults.get(name, {})) for name, option in first.items()
    }
    keyword = Parameter.KEYWORD_ONLY
    vars(takes)["__signature__"] = Signature(
        [Parameter(name, keyword, default=None, annotation=kind) for name, kind in names.items()]
    )
    takes.__annotations__ = names
    app = typer.Typer(add_completion=False)
    app.command(add_help_option=False)(takes)
    return list(typer.main.get_command(app).params)


def _annotate(option: Option, uses: Mapping[str, list[str]], defaults: Mapping[str, list[str]]) -> object:
    words = "; ".join(f"{', '.join(names)}: {summary}" for summary, names in uses.items())
    each = [value if len(defaults) == 1 else f"{value} ({', '.join(names)})" for value, names in defaults.items()]
    default = f" [default: {'; '.join(each)}]" if each else ""
    return Annotated[str | None, typer.Option(f"--{option.name}", metavar=option.metavar, help=f"{words}.{default}")]


class ImportCommand(FormatCommand):
    def formats(self) -> Mapping[str, Format]:
        from environments.registry import importers

        return importers()


class ExportCommand(FormatCommand):
    def formats(self) -> Mapping[str, Format]:
        from formats.catalogue import find_exporters

        return find_exporters()
