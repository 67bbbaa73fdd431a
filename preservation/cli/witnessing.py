"""The commands of a witness, which needs no deployment, and of the key that witnesses know a log by."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click

from preservation.cli.commands import preserve
from preservation.cli.options import (
    Progress,
    home_option,
    json_option,
    print_json,
    print_table,
    settings_of,
)
from preservation.errors import BadInput

_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@preserve.group("witness")
def witness_group() -> None:
    """Run a witness: it cosigns the checkpoints of logs that only ever grow (c2sp.org/tlog-witness)."""


@witness_group.command("init")
@_FOLDER
@click.option(
    "--name", required=True, metavar="NAME", help="Its name for good, e.g. witness.example.org."
)
@json_option
def witness_init(folder: Path, *, name: str, as_json: bool) -> None:
    """Make a witness called NAME in DIR, or show the one there."""
    from preservation.witness import WitnessMemory

    vkey = str(WitnessMemory.create(folder, name).key.public)
    if as_json:
        print_json({"witness": name, "vkey": vkey, "directory": str(folder)})
        return
    click.echo(f"The witness in {folder} is ready. Give this line to logs and verifiers:")
    click.echo(vkey)


@witness_group.command("watch")
@_FOLDER
@click.argument("vkeys", metavar="FILE", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@json_option
def witness_watch(folder: Path, vkeys: Path, *, as_json: bool) -> None:
    """Watch the log whose verifier keys stand in FILE (its log.vkey), one a line.

    Keys are added, never taken away: run it again when a log's key is rotated.
    """
    from preservation.witness import WitnessMemory

    memory = WitnessMemory(folder)
    try:
        origin = memory.watch(vkeys.read_text("utf-8"))
    except ValueError as error:
        msg = f"{vkeys} can't be used: {error}."
        raise BadInput(msg, remedy="Give the file log.vkey from the log's trust directory.") from error
    keys = [str(key) for key in memory.logs()[origin]]
    if as_json:
        print_json({"log": origin, "keys": keys})
        return
    click.echo(f"{origin} is watched under {len(keys)} key(s).")


@witness_group.command("serve")
@_FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port [a free one].")
@json_option
def witness_serve(folder: Path, *, host: str, port: int, as_json: bool) -> None:
    """Serve the witness in DIR until it is stopped; each request is told on standard error.

    It speaks plain HTTP: put a proxy with TLS in front of it.
    """
    from preservation.cli.replaying import until_stopped
    from preservation.witness import WitnessMemory, WitnessServer

    memory = WitnessMemory(folder)
    memory.logs()
    with until_stopped(), WitnessServer(memory, (host, port), Progress()) as server:
        if as_json:
            print_json({"witness": memory.key.public.name, "url": server.url})
        else:
            click.echo(f"{memory.key.public.name} listens on {server.url}; Ctrl-C ends it.")
        threading.Event().wait()


@witness_group.command("status")
@_FOLDER
@json_option
def witness_status(folder: Path, *, as_json: bool) -> int:
    """Show what the witness in DIR cosigned last of each log.

    Exit code 1: a log has signed two trees of one size; both are kept in DIR.
    """
    from preservation.witness import WitnessMemory

    memory = WitnessMemory(folder)
    logs = [memory.standing(origin) for origin in sorted(memory.logs())]
    if as_json:
        print_json(
            {
                "witness": memory.key.public.name,
                "vkey": str(memory.key.public),
                "logs": logs,
            }
        )
    else:
        click.echo(str(memory.key.public))
        print_table(logs, ("log", "size", "cosigned_at", "keys", "forks"))
    return 1 if any(log["forks"] for log in logs) else 0


@preserve.group("keys")
@home_option
def keys_group() -> None:
    """The key that signs the custody log."""


@keys_group.command("rotate")
@click.option(
    "--prepare", is_flag=True, help="Only make the next key, so that witnesses can know it beforehand."
)
@home_option
@json_option
@click.pass_context
def keys_rotate(context: click.Context, *, prepare: bool, as_json: bool) -> None:
    """Let a new key sign the custody log from now on, by an entry in the log that both keys sign.

    Safe to run again: a rotation that was interrupted is finished, not begun anew.
    """
    from preservation import pipeline

    settings = settings_of(context)
    if prepare:
        key = str(pipeline.prepare_next_key(settings))
        _tell({"next_public_key": key}, (key,), as_json=as_json)
        return
    done = pipeline.rotate_log_key(settings)
    _tell(
        {
            "entry": done.index,
            "old_public_key": done.old_public_key,
            "new_public_key": done.new_public_key,
            "trust": str(done.trust),
        },
        (
            f"Entry {done.index} of the log hands it over to {done.new_public_key}",
            f"Give {done.trust} to everybody who holds the old one, and to every witness.",
            "Back up the directory with the keys. The old key is kept there for what it has begun.",
        ),
        as_json=as_json,
    )


def _tell(document: dict[str, Any], sentences: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    for sentence in sentences:
        click.echo(sentence)
