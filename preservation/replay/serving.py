"""One sealed item, opened to be shown: in a browser behind our proxy, in a window, or as a picture."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preservation.capture.browser.browser import browser_program
from preservation.capture.browser.devtools import DevToolsFault
from preservation.capture.browser.pool import BrowserPool
from preservation.errors import BadInput, Unavailable
from preservation.model.canonical import instant
from preservation.replay.answers import Answers
from preservation.replay.bodies import Bodies
from preservation.replay.index import Recorded, ReplayIndex
from preservation.replay.items import SealedItem, blob_run, index_of, page_of, sealed_item
from preservation.replay.offline import LARGEST_PART_BYTES, OfflinePage
from preservation.replay.server import ReplayServer, browser_flags
from preservation.replay.written import new_file
from preservation.settings import Limits, Settings
from preservation.store.port import ObjectStore

DEADLINE_S = 90
_NO_SANDBOX = "--no-sandbox"
"""Chromium's sandbox doesn't work for root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A sealed item that is ready to be shown."""

    item: SealedItem
    page: Recorded
    index: ReplayIndex
    bodies: Bodies
    profile: Path
    """An empty folder for a browser's profile; it goes when the replay ends."""

    @property
    def url(self) -> str:
        """What to open."""
        return self.page.url

    def to_json(self) -> dict[str, Any]:
        """What is shown, in words and digests."""
        item = self.item
        return {
            "item_id": item.item_id,
            "url": self.url,
            "submitted_url": item.submitted_url,
            "final_url": item.final_url,
            "title": item.title,
            "captured_at": instant(item.captured_at),
            "attempt": item.attempt_number,
            "outcome": item.outcome,
            "batch_id": item.batch_id,
            "answers": len(self.index.answers),
            "warc": {
                "file": item.warc_key,
                "offset": item.warc_offset,
                "length": item.warc_length,
            },
            "digests": [{"role": role, "sha256": sha256} for role, sha256 in item.digests],
            "verify": "preserve verify",
        }

    def facts(self) -> list[tuple[str, str]]:
        """The same for a reader."""
        item = self.item
        place = f"{item.warc_key}, {item.warc_length} bytes from {item.warc_offset}"
        return [
            ("Item", item.item_id),
            ("Page", self.url),
            *([("Title", item.title)] if item.title else []),
            ("Captured at", f"{instant(item.captured_at)} (attempt {item.attempt_number})"),
            ("Outcome", item.outcome),
            ("Batch", item.batch_id),
            ("Records", f"{len(self.index.answers)} answers in {place}"),
            *((f"SHA-256 {role}", sha256) for role, sha256 in item.digests),
            ("Proof", "this shows, 'preserve verify' proves"),
        ]

    def serve(self, port: int) -> ReplayServer:
        """A proxy that shows it, not yet entered.

        Raises:
            BadInput: The port is taken or not allowed.
        """
        try:
            return ReplayServer(
                Answers(self.index, self.bodies, is_decoded=False), self.facts(), port=port
            )
        except OSError as error:
            raise BadInput(
                f"Port {port} can't be used: {error.strerror}.", remedy="Name another, or none at all."
            ) from error

    def browser_command(self, server: ReplayServer) -> list[str]:
        """How to see it: Chromium behind *server*.

        Raises:
            ProgramMissing: There is no Chromium.
        """
        as_root = [_NO_SANDBOX] if os.geteuid() == 0 else []
        return [browser_program(), *as_root, *browser_flags(server, str(self.profile)), self.url]

    def show_window(self, server: ReplayServer) -> None:
        """Open it in a window, and wait until that is closed.

        Raises:
            BadInput: There is no display.
        """
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise BadInput(
                "There is no display to open a window on.",
                remedy="Use --screenshot FILE, or start the replay where there is one.",
            )
        command = self.browser_command(server)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                browser.wait()
            finally:
                browser.terminate()

    def picture(self, target: Path, settings: Settings) -> Path:
        """Write a picture (PNG) of the page as it replays offline to *target*: its first tile.

        Raises:
            BadInput: *target* exists, or can't be made.
            StoreFull: It can't be written.
            Unavailable: The browser could not show it.
        """
        answers = Answers(self.index, self.bodies, largest_part_bytes=LARGEST_PART_BYTES)
        try:
            with (
                new_file(target) as sink,
                BrowserPool(settings) as pool,
                pool.browser() as browser,
                OfflinePage(browser, answers, deadline_s=DEADLINE_S) as page,
            ):
                page.open(settings.user_agent)
                sink.write(page.views(self.url).tiles[0])
        except DevToolsFault as fault:
            raise Unavailable(
                f"Item {self.item.item_id} could not be shown: {fault}.", remedy="Try it again."
            ) from fault
        return target


@contextmanager
def opened(
    store: ObjectStore, item_id: str, limits: Limits, *, attempt: int | None = None
) -> Iterator[Replay]:
    """The sealed item *item_id* of the archive *store*, ready to be shown.

    Raises:
        BadInput: There is no such item or attempt, or it holds no answer for its page.
        EvidenceAtRisk: Its seal, manifest or WARC can't be read.
    """
    item = sealed_item(store, item_id, attempt=attempt)
    index = index_of(store, item)
    with tempfile.TemporaryDirectory(prefix="preserve-replay-", ignore_cleanup_errors=True) as profile:
        yield Replay(
            item=item,
            page=page_of(item, index),
            index=index,
            bodies=Bodies(index.run, lambda digest: blob_run(store, digest), limits),
            profile=Path(profile),
        )
