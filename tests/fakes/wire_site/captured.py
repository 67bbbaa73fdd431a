"""Captures cases with the real recorders, and reads back what they left."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastwarc.warc import ArchiveIterator as FastIterator
from warcio.archiveiterator import ArchiveIterator

from preservation.capture import recorder_for
from preservation.capture.port import Recorder
from preservation.model.captures import CapturedObject, CaptureRequest, CaptureResult
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import Engine
from preservation.settings import Limits, Settings
from preservation.store.warc import payload_at
from tests.fakes.wire_site.case import Case

MATRIX_LIMITS = Limits(
    connect_timeout_s=3,
    idle_timeout_s=3,
    page_deadline_s=40,
    post_deadline_s=120,
    file_deadline_s=6,
    largest_object_bytes=4_000_000,
    host_interval_ms=1,
)

_LONGEST_HEAD_BYTES = 64 << 20
_UNPARSED: dict[str, Any] = {"parse_http": False, "max_header_len": _LONGEST_HEAD_BYTES}
_PARSED: dict[str, Any] = {
    "parse_http": True,
    "quirks_mode": True,
    "max_header_len": _LONGEST_HEAD_BYTES,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a WARC, its block as it stands."""

    kind: str
    url: str
    fields: Mapping[str, str]
    block: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What one capture came to, and its spool."""

    spool: Path
    result: CaptureResult

    @property
    def warc(self) -> Path | None:
        return self.spool / self.result.warc_file if self.result.warc_file else None

    def content(self, kept: CapturedObject) -> bytes:
        """The bytes of *kept*, read back as a verifier reads them."""
        if kept.blob_file is not None:
            return (self.spool / kept.blob_file).read_bytes()
        assert self.warc is not None
        assert kept.warc_offset is not None
        with self.warc.open("rb") as stream, payload_at(stream, kept.warc_offset) as payload:
            return payload.read()

    def records(self) -> list[Record]:
        """Every record, as FastWARC reads it."""
        if self.warc is None:
            return []
        with self.warc.open("rb") as stream:
            return [
                Record(
                    record.headers.get("WARC-Type") or "",
                    record.headers.get("WARC-Target-URI") or "",
                    dict(record.headers.items()),
                    record.reader.read(),
                )
                for record in FastIterator(stream, **_UNPARSED)
            ]

    def warc_faults(self) -> list[str]:
        """What ``warcio check`` finds wrong, and where warcio and FastWARC read other things."""
        if self.warc is None:
            return []
        by_fastwarc = [(record.kind, sha256_of(record.block)) for record in self.records()]
        with self.warc.open("rb") as stream:
            by_warcio = [
                (record.rec_type, sha256_of(record.raw_stream.read()))
                for record in ArchiveIterator(stream, no_record_parse=True)
            ]
        faults = [*digest_faults(self.warc), *reading_faults(self.warc)]
        return faults if by_warcio == by_fastwarc else [*faults, "warcio and FastWARC disagree"]


def digest_faults(warc: Path) -> list[str]:
    """What ``warcio check`` tells about the records of *warc*.

    It is done here as warcio's `Checker` does it, save that bodies aren't decoded: digests are of
    bytes as sent, and warcio 1.8 breaks off at any brotli body where Google's `Brotli` is
    installed (it sets an attribute that the C class doesn't take).
    """
    faults = []
    with warc.open("rb") as stream:
        for record in ArchiveIterator(stream, check_digests=True):
            while record.raw_stream.read(1 << 16):
                pass
            if record.digest_checker.passed is False:
                where = record.rec_headers.get_header("WARC-Target-URI")
                faults.append(f"{record.rec_type} {where}: {record.digest_checker.problems}")
    return faults


def reading_faults(warc: Path) -> list[str]:
    """What FastWARC finds wrong in *warc*: digests, and heads that it can't read.

    Heads are kept as sent, so it is told to take bare line feeds, and more than the 32 kB that it
    takes by itself.
    """
    faults = []
    with warc.open("rb") as stream:
        every = sum(1 for _ in FastIterator(stream, **_UNPARSED))
        stream.seek(0)
        sound = sum(1 for _ in FastIterator(stream, **_UNPARSED, verify_digests=True))
        stream.seek(0)
        for record in FastIterator(stream, **_PARSED):
            is_http = record.is_http and record.headers.get("WARC-Type") != "revisit"
            has_digest = "WARC-Payload-Digest" in record.headers
            if is_http and has_digest and not record.verify_payload_digest():
                faults.append(f"FastWARC: payload of {record.headers.get('WARC-Target-URI')}")
    return faults if every == sound else [*faults, f"FastWARC: {every - sound} block digests"]


def matrix_settings(home: Path, root_pem: Path, **limits: int) -> Settings:
    """Settings that reach loopback and trust *root_pem*, with quick limits."""
    return Settings(
        home=home,
        database_url="",
        log_origin="test",
        allow_networks=tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128"))),
        capture_roots=root_pem,
        limits=replace(MATRIX_LIMITS, **limits),
    )


def capture_cases(
    cases: Iterable[Case], home: Path, settings: Settings, *, at_once: int = 3
) -> dict[str, Kept]:
    """Capture each of *cases* once, *at_once* at a time; cases of one kind share a recorder."""
    recorders: dict[tuple[Engine, Limits], Recorder] = {}
    with ExitStack() as stack, ThreadPoolExecutor(at_once) as pool:
        made = {}
        for case in cases:
            limits = replace(settings.limits, **case.limits)
            key = case.engine, limits
            if key not in recorders:
                recorder = recorder_for(case.engine, replace(settings, limits=limits))
                recorders[key] = stack.enter_context(closing(recorder))
            made[case.name] = pool.submit(_capture, case, home, recorders[key])
        return {name: future.result() for name, future in made.items()}


def _capture(case: Case, home: Path, recorder: Recorder) -> Kept:
    spool = home / case.name.replace("/", "-")
    spool.mkdir(parents=True)
    request = CaptureRequest(
        item_id=case.name,
        capture_id=case.name,
        attempt_number=1,
        engine=case.engine,
        spool=spool,
        url=case.url,
    )
    return Kept(spool, recorder.capture(request))
