"""The commands about trusted time: what is stamped, what is owed, what expires."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from preservation import pipeline
from preservation.cli.commands import preserve
from preservation.cli.options import (
    Progress,
    home_option,
    json_option,
    print_json,
    print_table,
    settings_of,
)
from preservation.model.canonical import instant

if TYPE_CHECKING:
    from preservation.pipeline.held_stamps import HeldStamp

_COLUMNS = ("checkpoint", "authority", "status", "time", "late", "expires", "renewed by")


@preserve.group("timestamps", invoke_without_command=True)
@click.option(
    "--expiring",
    "days",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Only those that expire within DAYS and that no later one covers; exit code 1 if any.",
)
@home_option
@json_option
@click.pass_context
def timestamps(context: click.Context, *, days: int | None, as_json: bool) -> None:
    """List the time stamps over the custody log, and the anchors beside them."""
    if context.invoked_subcommand is not None:
        return
    from preservation.pipeline import held_stamps

    settings = settings_of(context)
    held = held_stamps.list_timestamps(settings)
    shown = held if days is None else held_stamps.expiring(held, days)
    anchors = held_stamps.list_anchors(settings) if days is None else []
    if as_json:
        print_json({"timestamps": [_as_json(stamp) for stamp in shown], "anchors": anchors})
    else:
        _print(shown, anchors)
    context.exit(1 if days is not None and shown else 0)


@timestamps.command("retry")
@home_option
@json_option
@click.pass_context
def retry(context: click.Context, *, as_json: bool) -> None:
    """Ask again for the time stamps and anchors that seals lack; exit code 4 if some are still owed."""
    reached = pipeline.stamp_pending(settings_of(context), Progress())
    lacking = [batch for batch, status in reached.items() if status != "sealed"]
    if as_json:
        print_json({"batches": reached})
    else:
        click.echo(f"Asked for {len(reached)} seal(s); {len(lacking)} still lack(s) time stamps.")
    context.exit(4 if lacking else 0)


@timestamps.command("renew")
@home_option
@json_option
@click.pass_context
def renew(context: click.Context, *, as_json: bool) -> None:
    """Have time stamps that expire soon covered by new ones; exit code 4 if some can't be."""
    done = pipeline.renew_timestamps(settings_of(context), Progress())
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done['expiring']} expire(s) soon, {done['renewed']} renewed now.")
        for key in done["left"]:
            click.echo(f"not renewed: {key}")
    context.exit(4 if done["left"] else 0)


def _as_json(stamp: HeldStamp) -> dict[str, Any]:
    moments = {
        name: instant(moment) if moment else None
        for name, moment in (("gen_time", stamp.gen_time), ("token_not_after", stamp.token_not_after))
    }
    return dataclasses.asdict(stamp) | moments


def _print(shown: list[HeldStamp], anchors: list[dict[str, Any]]) -> None:
    rows = [
        {
            "checkpoint": stamp.checkpoint_size,
            "authority": f"{stamp.authority} (TEST)" if stamp.is_test_authority else stamp.authority,
            "status": stamp.status,
            "time": f"{stamp.gen_time:%Y-%m-%d %H:%M:%S}" if stamp.gen_time else None,
            "late": "late" if stamp.is_late and stamp.batch_id else None,
            "expires": f"{stamp.token_not_after:%Y-%m-%d}" if stamp.token_not_after else None,
            "renewed by": stamp.renewed_by,
        }
        for stamp in shown
    ]
    print_table(_once(rows), _COLUMNS)
    for said in dict.fromkeys(
        f"{stamp.checkpoint_size}: {stamp.detail}" for stamp in shown if stamp.detail
    ):
        click.echo(said)
    if anchors:
        click.echo("")
        columns = ("checkpoint_size", "calendar", "status", "key", "detail")
        print_table(_once({name: anchor[name] for name in columns} for anchor in anchors), columns)


def _once(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """*rows* without repetition: batches that share a checkpoint share what is over it."""
    return list({tuple(row.values()): row for row in rows}.values())
