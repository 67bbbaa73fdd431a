"""What looks, sounds or reads alike: ask, show, hand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from preservation import pipeline
from preservation.cli.commands import preserve
from preservation.cli.likeness_tables import print_answer, print_exhibition, print_links, print_some
from preservation.cli.options import (
    ANY_NAME,
    home_option,
    json_option,
    print_json,
    print_table,
    settings_of,
)
from preservation.errors import Unavailable

_FORMATS = ("csv", "json", "parquet")


@preserve.command("similar")
@click.argument("subject", metavar="FILE|URL|ITEM", type=ANY_NAME)
@home_option
@json_option
@click.pass_context
def similar_command(context: click.Context, subject: str, *, as_json: bool) -> None:
    """Say what of the whole archive is like a FILE, what was submitted under a URL, or a sealed ITEM.

    Nothing is downloaded, kept or changed. A SHA-256, or its first 12 digits, stands for a bitstream.
    Answers stand by tier: automatic ones hold by themselves, a person looks at those for review.
    """
    answer = pipeline.similar(settings_of(context), subject)
    if as_json:
        print_json(answer)
    else:
        print_answer(answer)


@preserve.group("cluster")
@home_option
def cluster_group() -> None:
    """Near-duplicates: groups of copies, and families of groups that share something."""


@cluster_group.command("list")
@home_option
@json_option
@click.pass_context
def cluster_list(context: click.Context, *, as_json: bool) -> None:
    """List the groups of near-duplicates among everything sealed."""
    clusters = pipeline.list_clusters(settings_of(context))
    if as_json:
        print_json({"clusters": clusters})
        return
    if not clusters:
        click.echo("No near-duplicates among what is sealed.")
    for entry in clusters:
        click.echo(f"\n{entry['cluster_id']} of {entry['family_id']}: {entry['size']} bitstreams")
        print_some(entry["members"], ("distance_bits", "signal", "item_id", "target_uri"))


@cluster_group.command("update")
@click.option("--rebuild", is_flag=True, help="Make all anew from manifests alone, and compare.")
@home_option
@json_option
@click.pass_context
def cluster_update(context: click.Context, *, rebuild: bool, as_json: bool) -> None:
    """Group what is sealed by now; changes nothing if nothing is new.

    --rebuild changes nothing at all: exit code 1 says that what is there isn't what comes out.
    """
    settings = settings_of(context)
    if not rebuild:
        done = pipeline.cluster(settings)
        if "skipped" in done:
            msg = "Another worker is grouping at this moment."
            raise Unavailable(msg, remedy="Nothing was changed here. Run it again when that is done.")
        _tell(done, f"{done.get('clusters', 0)} group(s).", as_json=as_json)
        return
    found = pipeline.cluster_anew(settings)
    differences = found["differences"]
    verdict = f"differs in {', '.join(differences)}" if differences else "the same, byte for byte"
    _tell(found, f"{found['edges']} edge(s), {found['clusters']} group(s): {verdict}.", as_json=as_json)
    if differences and not found["batches"]:
        click.echo(
            "note: nothing there was compared by the rules of this version. "
            "'preserve cluster update' compares everything anew.",
            err=True,
        )
    context.exit(1 if differences else 0)


@cluster_group.command("show")
@click.argument("name", metavar="ID")
@home_option
@json_option
@click.pass_context
def cluster_show(context: click.Context, name: str, *, as_json: bool) -> None:
    """Show the family of ID: members, credit, every edge.

    With its groups, the earliest copy of each, what people decided and what they should. ID is a
    group, a family, an item, or a SHA-256 or its first 12 digits.
    """
    from preservation.pipeline.showing import as_json as told

    exhibition = pipeline.exhibited(settings_of(context), [name])
    if as_json:
        print_json(told(exhibition))
    else:
        print_exhibition(exhibition)


@cluster_group.command("review")
@home_option
@json_option
@click.pass_context
def cluster_review(context: click.Context, *, as_json: bool) -> None:
    """List the pairs that a person should judge.

    The nearest first; 'merge' or 'separate' settles one. They look alike, but may be the same
    form, post or title card with other content.
    """
    links = pipeline.exhibited(settings_of(context), []).to_judge
    if as_json:
        print_json({"to_judge": [vars(link) for link in links]})
    elif links:
        print_links(links)
    else:
        click.echo("Nothing waits for a person's judgement.")


@cluster_group.command("export")
@click.argument("names", nargs=-1, metavar="[ID]...")
@click.option(
    "--to",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to write to; existing files are never touched.",
)
@click.option(
    "--format",
    "forms",
    type=click.Choice(_FORMATS),
    multiple=True,
    default=_FORMATS,
    show_default=True,
    help="Several are possible.",
)
@home_option
@json_option
@click.pass_context
def cluster_export(
    context: click.Context,
    names: tuple[str, ...],
    *,
    target: Path,
    forms: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write members and edges as tables of their own.

    Of the families of the IDs, or of all. They say who else brought the same: they are for
    analysts, never for a submitter.
    """
    written = pipeline.export_clusters(settings_of(context), names, target, forms=forms)
    if as_json:
        print_json({"files": written})
    else:
        print_table(written, ("rows", "sha256", "path"))


@cluster_group.command("gallery")
@click.argument("names", nargs=-1, metavar="[ID]...")
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Where to write it, replacing an older one [HOME/reports/gallery.html].",
)
@click.option(
    "--clear",
    "reason",
    metavar="REASON",
    help="Also hold the pictures in clear, each shown only when asked for; goes on record.",
)
@click.option(
    "--by",
    envvar="PRESERVE_ANALYST",
    metavar="PSEUDONYM",
    help="Pseudonym of who asks for clear pictures [PRESERVE_ANALYST].",
)
@home_option
@json_option
@click.pass_context
def cluster_gallery(  # noqa: PLR0913 - one per option
    context: click.Context,
    names: tuple[str, ...],
    *,
    target: Path | None,
    reason: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Write an HTML page for comparing, side by side.

    On the families of the IDs, or all, with every number. Pictures are small, grey and blurred.
    The page asks nobody for anything, and is no evidence.
    """
    written = pipeline.write_gallery(
        settings_of(context), names, target=target, clear_because=reason, by=by
    )
    _tell(written, str(written["path"]), as_json=as_json)


def _tell(document: Any, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(sentence)
