"""``preserve cluster merge`` and ``separate``: what a person decides about likeness."""

from __future__ import annotations

import click

from preservation import pipeline
from preservation.cli.likeness import cluster_group
from preservation.cli.likeness_tables import SHORT_DIGITS
from preservation.cli.options import home_option, json_option, print_json, settings_of

_by_option = click.option(
    "--by",
    required=True,
    envvar="PRESERVE_ANALYST",
    metavar="PSEUDONYM",
    help="Pseudonym of who decides, no name [PRESERVE_ANALYST]; it is logged.",
)
_reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; its digest goes on record, keep the text."
)


@cluster_group.command("merge")
@click.argument("pair", nargs=2, metavar="A B")
@_reason_option
@_by_option
@home_option
@json_option
@click.pass_context
def cluster_merge(
    context: click.Context, pair: tuple[str, str], *, reason: str, by: str, as_json: bool
) -> None:
    """Decide that A and B show the same.

    Their families are one, whatever their signals say. Each is a SHA-256 or its first 12 digits,
    a group (its anchor), or an item with one bitstream.
    """
    _decide(context, pair, "confirm", {"reason": reason, "by": by}, as_json=as_json)


@cluster_group.command("separate")
@click.argument("pair", nargs=2, metavar="A B")
@_reason_option
@_by_option
@home_option
@json_option
@click.pass_context
def cluster_separate(
    context: click.Context, pair: tuple[str, str], *, reason: str, by: str, as_json: bool
) -> None:
    """Decide that A and B don't show the same.

    They are kept apart, whatever their signals say. Each is a SHA-256 or its first 12 digits, a
    group (its anchor), or an item with one bitstream.
    """
    _decide(context, pair, "separate", {"reason": reason, "by": by}, as_json=as_json)


def _decide(
    context: click.Context,
    pair: tuple[str, str],
    word: str,
    person: dict[str, str],
    *,
    as_json: bool,
) -> None:
    from preservation.similarity.assessments import Decision

    answer = pipeline.decide(settings_of(context), pair, Decision(word), **person)
    if as_json:
        print_json(answer)
        return
    left, right = (str(answer[end])[:SHORT_DIGITS] for end in ("left_sha256", "right_sha256"))
    click.echo(f"On record: {word} {left} and {right}, by {answer['agent']}.")
    click.echo(f"The reason's SHA-256 is {answer['reason_sha256']}; keep its text.")
    click.echo(answer["takes_effect"])
