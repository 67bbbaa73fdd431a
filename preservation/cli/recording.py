"""The command that takes recordings out of the archive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from preservation.cli.commands import preserve
from preservation.cli.options import home_option, json_option, print_json, printable, settings_of
from preservation.settings import require_outside


@preserve.command("recording")
@click.argument("item_id", metavar="ITEM")
@click.option(
    "--attempt", type=click.IntRange(min=1), help="This attempt [the last that held something]."
)
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE.pcapng",
    help="Where to write it; an existing file is never touched.",
)
@home_option
@json_option
@click.pass_context
def recording_command(
    context: click.Context, item_id: str, *, attempt: int | None, target: Path, as_json: bool
) -> int:
    """Take the recording of the sealed ITEM out, and derive its answers from it once more.

    The file holds the TLS session keys, and with them everything that was sent, cookies included.
    Exit code 1: not everything that the archive holds comes out of the recording alike.
    """
    from preservation import replay
    from preservation.pipeline.archive import open_archive

    settings = settings_of(context)
    require_outside(settings, target)
    store = open_archive(settings)
    item = replay.sealed_item(store, item_id, attempt=attempt)
    rebuilt = replay.take_recording(store, item, target)
    if as_json:
        print_json({"recording": str(target), **asdict(rebuilt)})
    else:
        click.echo(f"{target}: {rebuilt.exchanges} requests.")
        click.echo(f"{rebuilt.alike} answers of the archive come out alike.")
        for url in rebuilt.only_in_warc:
            click.echo(printable(f"not in the recording: {url}"))
        for url in rebuilt.only_in_recording:
            click.echo(printable(f"not in the archive: {url}"))
        for fault in rebuilt.faults:
            click.echo(printable(f"note: {fault}"))
    return 1 if rebuilt.only_in_warc or rebuilt.only_in_recording else 0
