"""The commands that show sealed items again, or hand them to other players."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preservation.cli.commands import preserve
from preservation.cli.options import home_option, json_option, print_json, printable, settings_of
from preservation.settings import require_outside

if TYPE_CHECKING:
    from preservation.replay import Replay


@preserve.command("replay")
@click.argument("item_id", metavar="ITEM")
@click.option(
    "--attempt", type=click.IntRange(min=1), help="This attempt [the last that held something]."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1 [a free one]."
)
@click.option("--window", is_flag=True, help="Open the page in Chromium; ends with it.")
@click.option(
    "--screenshot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a picture (PNG) of the page as it replays, and end.",
)
@home_option
@json_option
@click.pass_context
def replay_command(  # noqa: PLR0913 - one per option
    context: click.Context,
    item_id: str,
    *,
    attempt: int | None,
    port: int,
    window: bool,
    screenshot: Path | None,
    as_json: bool,
) -> None:
    """Serve the sealed ITEM on this machine alone: a proxy that answers from the archive.

    Nothing is rewritten and nothing leaves the machine: what the capture doesn't hold is missing.
    """
    from preservation import replay
    from preservation.pipeline.archive import open_archive

    settings = settings_of(context)
    store = open_archive(settings)
    with replay.opened(store, item_id, settings.limits, attempt=attempt) as shown:
        if screenshot is not None:
            _tell(shown, {"screenshot": str(shown.picture(screenshot, settings))}, as_json=as_json)
            return
        with shown.serve(port) as server, until_stopped():
            command = shown.browser_command(server)
            _tell(shown, {"proxy": server.url, "browser": command}, as_json=as_json)
            shown.show_window(server) if window else threading.Event().wait()


@preserve.command("wacz")
@click.argument("item_ids", metavar="ITEM...", nargs=-1, required=True)
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE.wacz",
    help="Where to write it; an existing file is never touched.",
)
@click.option(
    "--with-recording",
    is_flag=True,
    help="Also hand over the recordings with their keys, and the log of our connections.",
)
@home_option
@json_option
@click.pass_context
def wacz_command(
    context: click.Context,
    item_ids: tuple[str, ...],
    *,
    target: Path,
    with_recording: bool,
    as_json: bool,
) -> None:
    """Write sealed items as one WACZ file, which ReplayWeb.page and pywb open.

    It holds the requests as they were sent, with the cookies that a fresh browser was given.
    """
    from preservation import replay
    from preservation.pipeline.archive import open_archive

    settings = settings_of(context)
    require_outside(settings, target)
    store = open_archive(settings)
    items = [replay.sealed_item(store, item_id) for item_id in item_ids]
    withheld = frozenset[str]() if with_recording else replay.CONFIDENTIAL
    written = replay.write_wacz(store, items, target, settings.limits, withheld=withheld)
    if as_json:
        print_json(written.to_json())
        return
    click.echo(f"{written.path}: {written.pages} page(s), {written.records} answers.")
    click.echo(f"{written.size_bytes:,} bytes, sha256 {written.sha256}")
    for url in written.left_out:
        click.echo(printable(f"note: players can't show {url}: its body can't be decoded."))


def _tell(shown: Replay, more: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({**shown.to_json(), **more})
        return
    words = {
        name.capitalize(): shlex.join(value) if isinstance(value, list) else value
        for name, value in more.items()
    }
    rows = [*shown.facts(), *words.items()]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(printable(f"{name:{width}}  {value}"))
    if "proxy" in more:
        click.echo("Ctrl-C ends it.")


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """Ends quietly on Ctrl-C and on a polite kill."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        yield
