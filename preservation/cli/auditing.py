"""The commands that read the archive back, copy it and repair it."""

from __future__ import annotations

from typing import Any

import click

from preservation import clock, pipeline
from preservation.cli.commands import preserve
from preservation.cli.options import (
    Progress,
    home_option,
    json_option,
    print_json,
    print_table,
    printable,
    settings_of,
)
from preservation.errors import SettingsInvalid
from preservation.settings import SETTINGS_FILE

_SAY_EVERY_S = 3.0

_place_option = click.option(
    "--place",
    type=click.Choice(["archive", "replica"]),
    default="archive",
    show_default=True,
    help="Which of the two places.",
)


@preserve.command("audit")
@click.option("--all", "everything", is_flag=True, help="All of it, whenever it was checked last.")
@_place_option
@click.option(
    "--processes", type=click.IntRange(min=1), metavar="N", help="Files read at a time [processors]."
)
@home_option
@json_option
@click.pass_context
def audit_command(
    context: click.Context, *, everything: bool, place: str, processes: int | None, as_json: bool
) -> None:
    """Read back what is due for a check, and compare every digest with what log and seals name.

    Each share is checked once in the period that audit_days sets; one that breaks off is gone on with.
    Exit code 1: something is damaged.
    """
    from preservation.pipeline.places import Place

    report = pipeline.audit(
        settings_of(context),
        place=Place(place),
        everything=everything,
        processes=processes,
        progress=_Throughput(),
    )
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    context.exit(1 if report["damaged"] else 0)


@preserve.command("replicate")
@home_option
@json_option
@click.pass_context
def replicate_command(context: click.Context, *, as_json: bool) -> None:
    """Copy what is sealed to the second place; only bytes that are as log and seals name them."""
    done = pipeline.replicate(settings_of(context), Progress())
    if done is None:
        raise SettingsInvalid(
            "No second copy is configured.", remedy=f"Name its url in [replica] of {SETTINGS_FILE}."
        )
    if as_json:
        print_json(done)
    else:
        click.echo(
            f"{done['files']:,} files ({done['bytes']:,} bytes), {done['seals']} seal(s) copied."
        )


@preserve.command("repair")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@_place_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@home_option
@json_option
@click.pass_context
def repair_command(
    context: click.Context, keys: tuple[str, ...], *, place: str, dry_run: bool, as_json: bool
) -> None:
    """Bring back KEYs, or all that is known to be damaged, from the other place.

    Only bytes that are as log or seal name them; the damaged file is kept in HOME/quarantine.
    Exit code 1: something can't be repaired.
    """
    from preservation.pipeline.places import Place
    from preservation.pipeline.repairing import MENDED

    done = pipeline.repair(settings_of(context), keys, place=Place(place), dry_run=dry_run)
    if as_json:
        print_json({"is_dry_run": dry_run, "files": [each.to_json() for each in done]})
    else:
        click.echo("Dry run: nothing was changed." if dry_run else f"{len(done)} file(s) looked at.")
        if done:
            print_table([each.to_json() for each in done], ("outcome", "key", "detail"))
    context.exit(0 if all(each.outcome in MENDED for each in done) else 1)


class _Throughput:
    """Progress of an audit: a line every few seconds."""

    def __init__(self) -> None:
        self._began = self._said_at = clock.monotonic_s()
        self._say = Progress()

    def __call__(self, files: int, size_bytes: int, total_bytes: int) -> None:
        now = clock.monotonic_s()
        if now - self._said_at > _SAY_EVERY_S:
            self._said_at = now
            percent = size_bytes * 100 // max(total_bytes, 1)
            rate = files / (now - self._began)
            self._say(f"{percent} % of {total_bytes:,} bytes, {files:,} files, {rate:,.0f} files/s")


def _print_report(report: dict[str, Any]) -> None:
    for found in report["damaged"]:
        click.echo(f"DAMAGED  {printable(found['key'])}: {found['fault']}")
        expected, observed = printable(str(found["expected"])), printable(str(found["observed"]))
        click.echo(f"    expected {expected}; observed {observed}")
        since = found["last_good_at"] or "never checked before"
        click.echo(f"    last good: {since}; second copy: {found['second_copy'] or 'none'}")
    for note in report["notes"]:
        click.echo(f"NOTE  {note}")
    if report["unsealed_files"]:
        click.echo(f"{report['unsealed_files']} file(s) wait for their seal.")
    if not report["due_shards"]:
        click.echo("Log and seals are read; no share is due. 'preserve audit --all' reads all of them.")
        return
    click.echo(
        f"{report['shards']} share(s), {report['files']:,} files, {report['bytes']:,} bytes read."
    )
    if report["shards"] < report["due_shards"]:
        left = report["due_shards"] - report["shards"]
        click.echo(f"{left} share(s) are still due: another audit may hold them; run it again.")
