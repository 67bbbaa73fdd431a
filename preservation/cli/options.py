"""What the commands have in common: the home, JSON or text, progress on standard error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from preservation import clock
from preservation.model.findings import Finding
from preservation.settings import Settings, load

_WHOLE = 1000
"""More characters than the first sentence of any help text."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

# What Python makes of bytes that aren't UTF-8 (PEP 383).
_UNPAIRED = re.compile("[\ud800-\udfff]")

# Controls but the newline, separators of lines and paragraphs, what UAX #9 calls explicit formatting,
# and what isn't UTF-8.
_STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def home_option(command: _Command) -> _Command:
    """``--home DIR``, on the program or after the command; the latter wins."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        help="Directory that holds everything of the deployment [PRESERVE_HOME, ~/preservation].",
        callback=_remember_home,
        expose_value=False,
        is_eager=True,
    )(command)


def json_option(command: _Command) -> _Command:
    """``--json``: one JSON document on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def settings_of(context: click.Context) -> Settings:
    """The settings of the deployment that the options or the environment name."""
    return load(named_home(context))


def named_home(context: click.Context) -> Path | None:
    """The home given by an option, if one was."""
    return context.find_root().meta.get("home")


def print_json(document: object) -> None:
    """Print *document* as indented JSON, characters as they are unless they steer a terminal."""
    click.echo(harmless(json.dumps(document, ensure_ascii=False, indent=2, default=str)))


def tell(document: object, sentence: str, *, as_json: bool) -> None:
    """Print *document* as JSON, or *sentence* for people."""
    if as_json:
        print_json(document)
    else:
        click.echo(sentence)


def print_table(rows: Sequence[Mapping[str, object]], columns: Iterable[str]) -> None:
    """Print *rows* as aligned columns under their names."""
    names = list(columns)
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    for line in [names, ["-" * width for width in widths], *cells]:
        click.echo(
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        )


def print_findings(findings: Iterable[Finding]) -> None:
    """Print what was seen, each finding on two lines."""
    for finding in findings:
        click.echo(f"{finding.severity.upper()}  {printable(finding.subject)}: {finding.rule}")
        if finding.expected or finding.observed:
            expected, observed = printable(finding.expected), printable(finding.observed)
            click.echo(f"    expected {expected}; observed {observed}")


def harmless(text: str) -> str:
    """*text* with escapes as in JSON for what would steer a terminal: names come from strangers."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable(text: str) -> str:
    """As `harmless`, without line breaks."""
    return harmless(text.replace("\n", " "))


ANY_NAME = click.UNPROCESSED
"""The type of what may name a file: any bytes can, whatever encoding they are in."""


class _Words(click.Command):
    """A command whose words are text; files may be called anything."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            if parameter.type is click.STRING:
                _refuse_what_is_no_text(ctx, parameter)
        return rest


def _refuse_what_is_no_text(ctx: click.Context, parameter: click.Parameter) -> None:
    value = ctx.params.get(parameter.name or "")
    for word in value if isinstance(value, tuple) else (value or "",):
        if not word.isascii() and _UNPAIRED.search(word):
            msg = f"{word!r} isn't UTF-8."
            raise click.BadParameter(msg, ctx, parameter)


class Commands(click.Group):
    """A group whose help says of each command its whole first sentence."""

    group_class = type
    command_class = _Words

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        named = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(limit=_WHOLE)) for name, command in named if command]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Progress:
    """Says on standard error what happens, each line with the seconds since the start."""

    def __init__(self) -> None:
        self._began = clock.monotonic_s()

    def __call__(self, message: str) -> None:
        click.echo(f"[{clock.monotonic_s() - self._began:6.1f} s] {printable(message)}", err=True)


def _cell(value: object) -> str:
    return "" if value is None else printable(str(value))


def _remember_home(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.find_root().meta["home"] = value
