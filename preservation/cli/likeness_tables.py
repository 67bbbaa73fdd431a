"""How answers about likeness are printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from preservation.cli.options import print_table

if TYPE_CHECKING:
    from preservation.gallery.contents import Exhibition, Family, Link, Member

SHORT_DIGITS = 12
"""Digits of a SHA-256 that tell bitstreams apart, and that commands accept for it."""
_LONGEST_LIST = 50
"""Rows of a table that are printed; --json gives all."""
_ANSWER_COLUMNS = (
    *("relation", "signal", "distance_bits", "views", "sha256", "cluster_id", "items", "submitted"),
)
_MEMBER_COLUMNS = ("is", "signal", "distance_bits", "captured", "sha256", "item_id", "submitter_ref")
_LINK_COLUMNS = ("tier", "relation", "signal", "distance_bits", "left", "right", "views", "detail")


def print_answer(answer: Mapping[str, Any]) -> None:
    """What `pipeline.similar` said."""
    click.echo(
        f"{len(answer['bitstreams'])} bitstream(s) compared with {answer['compared_with']:,} held."
    )
    if answer["absence_reason"]:
        click.echo(f"note: some of its signals are missing: {answer['absence_reason']}.")
    for same in answer["same_bytes"]:
        click.echo(f"\nThe same bytes are held: {same['sha256']}")
        print_some(same["items"], ("item_id", "submitter_ref", "submitted"))
    for tier, meaning in (("automatic", "holds by itself"), ("review", "a person must look")):
        if answer[tier]:
            click.echo(f"\n{tier} ({meaning}):")
            print_some([_answer_row(each) for each in answer[tier]], _ANSWER_COLUMNS)
    if not any(answer[name] for name in ("same_bytes", "automatic", "review")):
        click.echo("Nothing like it is held. That doesn't prove that nothing is.")


def print_exhibition(exhibition: Exhibition) -> None:
    """Families, and what about them is to be judged."""
    for family in exhibition.families:
        _print_family(family)
    if exhibition.to_judge:
        click.echo("\nFor a person to judge:")
        print_links(exhibition.to_judge)


def print_links(links: Iterable[Link]) -> None:
    """A table of edges."""
    print_some([_link_row(link) for link in links], _LINK_COLUMNS)


def print_some(rows: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> None:
    """A table of the first *rows*, and how many more there are."""
    print_table(rows[:_LONGEST_LIST], columns)
    if rows[_LONGEST_LIST:]:
        click.echo(f"{len(rows) - _LONGEST_LIST:,} more; --json gives all.")


def _answer_row(found: Mapping[str, Any]) -> dict[str, Any]:
    items = found["items"]
    return {
        **found,
        "sha256": found["sha256"][:SHORT_DIGITS],
        "views": f"{found['own_view']} = {found['view']}",
        "items": len(items),
        "submitted": items[0]["submitted"] if items else None,
    }


def _print_family(family: Family) -> None:
    credit = ", ".join(f"{submitter} ({items})" for submitter, items in family.submitters.items())
    click.echo(f"\n{family.family_id}: {len(family.groups)} group(s), {family.items} item(s)")
    click.echo(f"Credit: {credit}")
    for group in family.groups:
        click.echo(f"\n{group.cluster_id}: {group.bitstreams} bitstream(s)")
        print_some([_member_row(member) for member in group.members], _MEMBER_COLUMNS)
    if family.links:
        click.echo("\nEdges:")
        print_links(family.links)
    _print_past(family)


def _print_past(family: Family) -> None:
    for each in family.judgements:
        state = "" if each.is_in_force else " (a later one holds)"
        click.echo(
            f"\n{each.at:%Y-%m-%d %H:%M:%S} {each.by}: {each.decision} "
            f"{each.left_sha256[:SHORT_DIGITS]} {each.right_sha256[:SHORT_DIGITS]}{state}"
        )
    for change in family.changes:
        click.echo(f"\n{change.change}: {change.family_id}; {change.other_family_id} goes on")


def _member_row(member: Member) -> dict[str, Any]:
    return {
        **vars(member),
        "sha256": member.sha256[:SHORT_DIGITS],
        "captured": f"{member.captured_at:%Y-%m-%d %H:%M:%S}",
        "is": ", ".join(_marks(member)),
    }


def _marks(member: Member) -> list[str]:
    marks = (
        ("anchor", member.is_anchor),
        ("earliest", member.is_earliest),
        ("representative", member.is_representative),
    )
    return [mark for mark, holds in marks if holds]


def _link_row(link: Link) -> dict[str, Any]:
    return {
        **vars(link),
        "left": link.left_sha256[:SHORT_DIGITS],
        "right": link.right_sha256[:SHORT_DIGITS],
        "views": f"{link.left_view} = {link.right_view}",
        "detail": ", ".join(f"{name} {value}" for name, value in link.detail.items()),
    }
