"""The commands about collection plans."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from preservation.cli.commands import preserve
from preservation.cli.options import (
    home_option,
    json_option,
    print_json,
    print_table,
    printable,
    settings_of,
)

_DAY = click.DateTime(["%Y-%m-%d"])


@preserve.group("plan")
def plan_group() -> None:
    """Say what is collected for which purpose, and by which way out."""


@plan_group.command("add")
@click.argument("name", metavar="NAME")
@click.option("--egress", metavar="EGRESS", help="The way out: direct, or one of [[egresses]].")
@click.option("--organisation", "organisation_id", metavar="ID", help="Only this one may use it.")
@click.option("--account", "accounts", multiple=True, metavar="ACCOUNT", help="May be repeated.")
@click.option("--channel", "channels", multiple=True, metavar="CHANNEL", help="May be repeated.")
@click.option("--domain", "domains", multiple=True, metavar="DOMAIN", help="May be repeated.")
@click.option("--from", "window_from", type=_DAY, metavar="DAY", help="First day, as 2026-01-31.")
@click.option("--to", "window_to", type=_DAY, metavar="DAY", help="Last day.")
@click.option("--cadence", metavar="WORDS", help="How often, in words; nothing is scheduled by it.")
@click.option("--notes", metavar="WORDS", help="Whatever else is to be known.")
@home_option
@json_option
@click.pass_context
def plan_add(
    context: click.Context,
    /,
    *,
    as_json: bool,
    window_from: datetime | None,
    window_to: datetime | None,
    **said: Any,
) -> None:
    """Put the plan NAME in force; other words make its next version, the same change nothing.

    What is submitted under it leaves by EGRESS [the deployment's], and waits if that isn't set up.
    """
    from preservation.state import open_database
    from preservation.submission import PlanDraft, add_plan

    settings = settings_of(context)
    draft = PlanDraft(
        window_from=window_from.date() if window_from else None,
        window_to=window_to.date() if window_to else None,
        **said,
    )
    version = add_plan(open_database(settings.database_url), settings, draft)
    if as_json:
        print_json({"name": draft.name, "version": version})
    else:
        click.echo(f"Version {version} of the collection plan {draft.name} is in force.")


@plan_group.command("list")
@home_option
@json_option
@click.pass_context
def plan_list(context: click.Context, *, as_json: bool) -> None:
    """List the plans, each in the version that is in force."""
    newest = {plan["name"]: plan for plan in reversed(_plans(context))}
    plans = [newest[name] for name in sorted(newest)]
    if as_json:
        print_json(plans)
    else:
        print_table(plans, ("name", "version", "egress", "organisation_id", "cadence", "created_at"))


@plan_group.command("show")
@click.argument("name", metavar="NAME")
@home_option
@json_option
@click.pass_context
def plan_show(context: click.Context, name: str, *, as_json: bool) -> None:
    """Show all versions of the plan NAME, the newest first."""
    from preservation.errors import BadInput

    plans = _plans(context, name)
    if not plans:
        raise BadInput(f"There is no plan {name!r}.", remedy="'preserve plan list' shows them.")
    if as_json:
        print_json(plans)
        return
    for plan in plans:
        for key, value in plan.items():
            if value:
                click.echo(
                    printable(f"{key:16}{', '.join(value) if isinstance(value, list) else value}")
                )
        click.echo()


def _plans(context: click.Context, name: str | None = None) -> list[dict[str, Any]]:
    from preservation.state import open_database
    from preservation.submission import plans_of

    return plans_of(open_database(settings_of(context).database_url), name)
