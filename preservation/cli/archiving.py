"""``preserve archive``: the place where the archive lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from preservation import pipeline
from preservation.cli.commands import preserve
from preservation.cli.options import home_option, json_option, print_json, settings_of

if TYPE_CHECKING:
    from preservation.store.doctor import Diagnosis


@preserve.group()
@home_option
def archive() -> None:
    """The place where the archive lies."""


@archive.command("doctor")
@click.option(
    "--place",
    type=click.Choice(["archive", "replica"]),
    default="archive",
    show_default=True,
    help="The archive's own place, or that of its second copy.",
)
@home_option
@json_option
@click.pass_context
def archive_doctor(context: click.Context, place: str, *, as_json: bool) -> None:
    """Try whether the place is write-once, and say of each probe what was expected and what was seen.

    Tries beside the archive, never in it. In a bucket a few tiny objects stay below PREFIX.doctor/,
    locked for a minute. Exit code 1 says that the place only pretends: don't keep evidence there.
    """
    diagnosis = pipeline.examine_place(settings_of(context), place)
    if as_json:
        print_json(diagnosis.to_json())
    else:
        _print(diagnosis)
    context.exit(1 if diagnosis.failed else 0)


def _print(diagnosis: Diagnosis) -> None:
    for probe in diagnosis.probes:
        click.echo(f"{'ok     ' if probe.is_passed else 'REFUSED'} {probe.name}: {probe.expected}")
        if not probe.is_passed:
            click.echo(f"        observed: {probe.observed}")
    click.echo(diagnosis.limits)
    count = len(diagnosis.failed)
    verdict = f"{count} probe(s) failed: don't keep evidence there." if count else "Accepted."
    click.echo(f"{diagnosis.place}: {verdict}")
