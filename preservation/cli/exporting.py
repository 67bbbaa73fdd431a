"""``preserve export``: hand sealed items over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from preservation import pipeline
from preservation.cli.commands import preserve
from preservation.cli.options import (
    Progress,
    home_option,
    json_option,
    print_json,
    printable,
    settings_of,
)

_LANGUAGES = "ar,en,es,fr,uk"


@preserve.group()
@home_option
def export() -> None:
    """Hand sealed items over, with everything that proves them."""


@export.command("bag")
@click.argument("item_ids", metavar="ITEM...", nargs=-1)
@click.option("--submission", "submission_ids", multiple=True, metavar="ID", help="All of its items.")
@click.option("--query", "sql", metavar="SQL", help="The items that this query gives as item_id.")
@click.option("--recipient", required=True, metavar="NAME", help="Who shall get it, as agreed.")
@click.option("--purpose", metavar="TEXT", help="What for; stands in the bag, its digest in the log.")
@click.option(
    "--authorised-by",
    metavar="REF",
    help="Reference of a decision that allows what the agreement leaves to people; no names.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The bag, which must not exist yet [HOME/returned/exports/EXPORT].",
)
@click.option(
    "--encrypt-to",
    metavar="AGE_RECIPIENT",
    help="Write DIR.tar.age for this recipient (age1...); nothing lies on disk in plain.",
)
@click.option(
    "--languages",
    default=_LANGUAGES,
    show_default=True,
    metavar="LIST",
    help="Languages of the custody histories.",
)
@click.option(
    "--without-recordings",
    "with_recordings",
    flag_value=False,
    default=True,
    help="Keep back recordings, which hold session keys and cookies, and the log of our connections.",
)
@home_option
@json_option
@click.pass_context
def export_bag_command(context: click.Context, /, *, as_json: bool, **options: Any) -> None:
    """Write a BagIt bag with ITEMs, and with everything that proves them without this software.

    The agreements decide what may be given; what is withheld is listed with its reason. The export goes
    on record. Exit code 3 says that nothing of it may be given.
    """
    settings = settings_of(context)
    sql, languages = options.pop("sql"), options.pop("languages")
    found = _asked(settings, sql) if sql else []
    request = pipeline.ExportRequest(
        **{**options, "item_ids": [*options["item_ids"], *found]},
        languages=tuple(name.strip() for name in languages.split(",") if name.strip()),
    )
    answer = pipeline.export_bag(settings, request, Progress())
    if as_json:
        print_json(answer)
        return
    click.echo(f"{answer['path']}: {len(answer['items'])} item(s), {answer['objects']} object(s).")
    click.echo(f"tagmanifest-sha256.txt: {answer['tagmanifest_sha256']}")
    if not answer["is_signed"]:
        click.echo(
            "The bag isn't signed: the log's key isn't kept here. Nobody can show that it is whole."
        )
    for thing in answer["withheld"]:
        click.echo(printable(f"withheld: {thing['kind']} {thing['subject']} ({thing['reason']})"))
    click.echo("The export is on record, and will be sealed with the next batch.")


def _asked(settings: Any, sql: str) -> list[str]:
    """The values of the column item_id that *sql* gives."""
    from preservation import query
    from preservation.errors import BadInput

    answer = query.ask(settings, sql)
    if "item_id" not in answer.columns:
        raise BadInput(
            "The query gives no column item_id.",
            remedy="Ask like: SELECT item_id FROM items WHERE host = 'example.org'",
        )
    place = answer.columns.index("item_id")
    return [str(row[place]) for row in answer.rows]
