"""The program `preserve`: one of the two edges of the process.

Exit codes: 0 done or proven, 1 findings, 2 usage, 3 refused by policy, 4 can't be checked now.
"""

from __future__ import annotations

import sys

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
from preservation.cli.commands import preserve
from preservation.errors import PreservationError


def main() -> None:
    """Run the program; an error of ours becomes its message, its remedy and its exit code."""
    try:
        sys.exit(preserve.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("Stopped. Nothing is lost; run the same command again to go on.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except PreservationError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
        sys.exit(error.exit_code)


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
