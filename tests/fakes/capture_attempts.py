"""Single capture attempts on loopback with quick limits, and what they left behind."""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from preservation.capture import recorder_for
from preservation.model.captures import CapturedObject, CaptureRequest, CaptureResult
from preservation.model.vocabulary import Engine, Role
from preservation.settings import Limits, Settings
from preservation.store.warc import payload_at

QUICK = Limits(
    connect_timeout_s=3,
    idle_timeout_s=2,
    page_deadline_s=40,
    post_deadline_s=120,  # two tools one after the other, on a busy machine
    file_deadline_s=6,
    largest_object_bytes=1_000_000,
)


@dataclass(frozen=True)
class Attempt:
    """What one attempt came to, and its spool."""

    spool: Path
    result: CaptureResult

    def content(self, kept: CapturedObject) -> bytes:
        """The bytes of *kept*, read back as a verifier reads them."""
        if kept.blob_file is not None:
            return (self.spool / kept.blob_file).read_bytes()
        with (
            (self.spool / "capture.warc.gz").open("rb") as stream,
            payload_at(stream, kept.warc_offset) as payload,
        ):
            return payload.read()

    def of_role(self, role: Role) -> list[CapturedObject]:
        return [kept for kept in self.result.objects if kept.role is role]

    def only(self, role: Role) -> bytes:
        (kept,) = self.of_role(role)
        return self.content(kept)

    def records(self, kind: str) -> list[tuple[str, object]]:
        """(target URI, HTTP head) of every record of *kind* in the WARC."""
        with (self.spool / "capture.warc.gz").open("rb") as stream:
            return [
                (record.rec_headers.get_header("WARC-Target-URI"), record.http_headers)
                for record in ArchiveIterator(stream)
                if record.rec_type == kind
            ]

    def warc_faults(self) -> int:
        """What ``warcio check`` finds wrong."""

        checker = Checker(SimpleNamespace(inputs=[str(self.spool / "capture.warc.gz")], verbose=False))
        checker.process_all()
        return checker.exit_value


class Attempts:
    """Makes attempts below *home*; loopback may be reached unless *networks* says otherwise."""

    def __init__(
        self, home: Path, networks: tuple[str, ...] = ("127.0.0.0/8",), limits: Limits = QUICK
    ) -> None:
        self._numbers = itertools.count()
        self._home = home
        self.settings = Settings(
            home=home,
            database_url="",
            log_origin="test",
            allow_networks=tuple(ipaddress.ip_network(text) for text in networks),
            limits=limits,
        )

    def __call__(
        self, engine: Engine, url: str | None, *, file: Path | None = None, **limits: int
    ) -> Attempt:
        spool = self._home / f"attempt-{next(self._numbers)}"
        spool.mkdir(parents=True)
        settings = replace(self.settings, limits=replace(self.settings.limits, **limits))
        recorder = recorder_for(engine, settings)
        request = CaptureRequest(
            item_id="item", capture_id="capture", attempt_number=1, engine=engine, spool=spool, url=url,
            submitted_file=file,
        )  # fmt: skip
        result = recorder.capture(request)
        recorder.close()
        return Attempt(spool, result)
