"""The program `preserve`: one of the two edges of the process.

Exit codes: 0 done or proven, 1 findings, 2 usage, 3 refused by policy, 4 can't be checked now.
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress

import click

from preservation.cli import (
    archiving,
    auditing,
    exporting,
    judging,
    likeness,
    plans,
    receipts,
    recording,
    replaying,
    sources,
    timestamps,
    witnessing,
)
from preservation.cli.commands import STOPPED, preserve
from preservation.cli.options import print_json
from preservation.errors import PreservationError, Unavailable


def main() -> None:
    """Run the program; an error becomes its message, its remedy and its exit code.

    With ``--json`` it also becomes the one document on standard output.
    """
    _spell_out_what_is_no_text()
    try:
        sys.exit(preserve.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo(STOPPED, err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        _print_if_json("Usage", error.format_message(), "See --help.", 2)
        sys.exit(2)
    except PreservationError as error:
        _say(error.message, error.remedy)
        _print_if_json(type(error).__name__, error.message, error.remedy, error.exit_code)
        sys.exit(error.exit_code)
    except OSError as error:
        message, remedy = _of_the_machine(error)
        _say(message, remedy)
        with suppress(OSError):
            _print_if_json(type(error).__name__, message, remedy, Unavailable.exit_code)
        sys.exit(Unavailable.exit_code)


def _spell_out_what_is_no_text() -> None:
    # Names of files that aren't UTF-8 reach us as lone surrogates (PEP 383), which no stream takes.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _of_the_machine(error: OSError) -> tuple[str, str]:
    what = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error)
    return f"{what}{reason}.", "Make room or give permission, then run the same command again."


def _say(message: str, remedy: str) -> None:
    click.echo(f"error: {message}", err=True)
    if remedy:
        click.echo(f"  {remedy}", err=True)


def _print_if_json(kind: str, message: str, remedy: str, exit_code: int) -> None:
    if "--json" not in sys.argv[1:]:
        return
    facts = {"kind": kind, "message": message, "remedy": remedy, "exit_code": exit_code}
    print_json({"error": facts})


__all__ = [
    "archiving",
    "auditing",
    "exporting",
    "judging",
    "likeness",
    "main",
    "plans",
    "preserve",
    "receipts",
    "recording",
    "replaying",
    "sources",
    "timestamps",
    "witnessing",
]
