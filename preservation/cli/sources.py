"""``preserve source``: open what is protected, erase a source."""

from __future__ import annotations

import sys

import click

from preservation.cli.commands import preserve
from preservation.cli.options import home_option, json_option, print_json, printable, settings_of
from preservation.errors import BadInput


@preserve.group()
@home_option
def source() -> None:
    """What a source decides: who it is, and whether its material is shared, on record."""


@source.command("show")
@click.argument("subject", metavar="ITEM|SUBMISSION")
@click.option("--reason", required=True, help="Why it is opened; its digest goes on record.")
@home_option
@json_option
@click.pass_context
def show(context: click.Context, subject: str, reason: str, *, as_json: bool) -> None:
    """Open what is protected about a sealed item, or a submission's sheet; the access is logged."""
    from preservation.pipeline.sources import show_protected

    answer = show_protected(settings_of(context), subject, reason=reason)
    if as_json:
        print_json(answer)
        return
    for value in answer["values"]:
        told = value.get("value") or value.get("value_base64") or f"({value['absence']})"
        click.echo(printable(f"{value['subject']}: {told}"))


@source.command("withdraw")
@click.argument("subject", metavar="ITEM|SUBMISSION")
@click.option("--authority", required=True, help="Reference of the submitter's letter; no names.")
@home_option
@json_option
@click.pass_context
def withdraw(context: click.Context, subject: str, authority: str, *, as_json: bool) -> None:
    """Take back the consent to share a sealed item, or all of a submission; nothing is deleted.

    No export gives it any more, whatever an agreement or an authorisation says. It can't be undone.
    """
    from preservation.pipeline.withdrawing import withdraw_sharing

    done = withdraw_sharing(settings_of(context), subject, authority=authority)
    if as_json:
        print_json(done)
        return
    click.echo(f"{len(done['items'])} item(s) are shared no more; that goes into the log.")
    for reason in done["not_returned"]:
        click.echo(printable(f"A sheet wasn't filled again: {reason}"))


@source.command("erase")
@click.argument("organisation_id", metavar="ORGANISATION")
@click.option("--authority", required=True, help="Reference of the lawful decision; no names.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@home_option
@json_option
@click.pass_context
def erase(
    context: click.Context, organisation_id: str, authority: str, *, yes: bool, as_json: bool
) -> None:
    """Destroy the key of ORGANISATION for good: what identifies it can't be read by anybody any more.

    The archive stays as it is, and provable. Destroy the key's copies in your backups as well.
    """
    from preservation.pipeline.sources import erase_source

    if not yes:
        _require_agreement(f"What identifies {organisation_id} will be unreadable for ever. Go on?")
    answer = erase_source(settings_of(context), organisation_id, authority=authority)
    if as_json:
        print_json(answer)
    else:
        click.echo(f"{len(answer['erased_keys'])} key(s) destroyed; the erasure goes into the log.")
        click.echo("Destroy the copies of these keys in your backups as well.")


def _require_agreement(question: str) -> None:
    """Ask *question*; who breaks off at a terminal is told so as everywhere.

    Raises:
        BadInput: The answer is no, or nobody can be asked.
    """
    try:
        if click.confirm(question, err=True):
            return
        remedy = "Answer y where it shall be."
    except (click.Abort, RuntimeError):
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        remedy = "Nobody could be asked here: say --yes where it shall be."
    raise BadInput("Nothing was erased.", remedy=remedy)
