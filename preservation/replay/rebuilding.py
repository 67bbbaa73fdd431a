"""Makes the payloads of an attempt again from its recording, and compares them with the WARC's.

The WARC was derived from the recording when the page was captured. Whoever doubts that derivation
can make it again, today or with another decoder, and must come to the same digests.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from preservation.capture.messages import payload_of
from preservation.model.digests import chunks_of, fixity_of
from preservation.recording.connections import connections_in, key_log_in
from preservation.recording.exchanges import decode
from preservation.recording.model import DecodedConnection
from preservation.replay.records import ByteRun, Record, blob_note, records_in
from preservation.replay.records import payload_of as payload_in
from preservation.store.http_body import ChunkedFraming, is_chunked

Payload = tuple[str, str]
"""SHA-256 of a payload, and the URL that it was sent from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """The payloads of a recording beside those of the WARC that was made from it."""

    exchanges: int
    """Requests in the recording."""
    alike: int
    """Answers of the WARC whose payload the recording gives again."""
    only_in_warc: tuple[str, ...]
    """URLs of answers that the recording doesn't give, such as bodies beyond its limit."""
    only_in_recording: tuple[str, ...]
    """URLs of answers that no record of the WARC holds."""
    faults: tuple[str, ...] = ()
    """What of the recording can't be decoded."""


def rebuild(recording: Path, run: ByteRun) -> Rebuilt:
    """Decode *recording* (pcapng with its keys) and compare it with the records of *run*.

    Raises:
        ValueError: The WARC can't be read.
        RecordingUnreadable: The recording can't.
    """
    held = _answers_in(run)
    keys = key_log_in(recording)
    made: list[Payload] = []
    faults: list[str] = []
    exchanges = 0
    for connection in connections_in(recording):
        with tempfile.TemporaryDirectory() as folder:
            names = (Path(folder) / str(number) for number in count())
            decoded = decode(connection, keys, partial(next, names))
            made += _payloads_of(decoded)
        faults += [f"connection {connection.number}: {decoded.fault}"] if decoded.fault else []
        exchanges += len(decoded.exchanges)
    return _compared(held, made, exchanges, tuple(faults))


def _payloads_of(decoded: DecodedConnection) -> Iterator[Payload]:
    for exchange in decoded.exchanges:
        if exchange.response is not None:
            with payload_of(exchange.response) as payload:
                yield fixity_of(chunks_of(payload)).sha256, exchange.url


def _answers_in(run: ByteRun) -> list[Payload]:
    """What *run* holds of the sites' answers."""
    records = list(records_in(run))
    asked = {record.field("WARC-Concurrent-To") for record in records if record.kind == "request"}
    notes = [note for record in records if (note := blob_note(run, record))]
    blobs = {note.about: note.sha256 for note in notes}
    return [
        (blobs.get(record.record_id) or _digest_of(run, record), record.field("WARC-Target-URI") or "")
        for record in records
        if record.kind in {"response", "revisit"}
        # HTTP/0.9 has no head, so its answers are resources; others are files that we joined.
        or (record.kind == "resource" and record.record_id in asked)
    ]


def _digest_of(run: ByteRun, record: Record) -> str:
    if record.kind == "revisit":
        # That of the payload which it repeats.
        return (record.field("WARC-Payload-Digest") or "").removeprefix("sha256:")
    pieces = payload_in(run, record)
    if is_chunked(record.head):
        framing = ChunkedFraming()
        pieces = (bytes(one) for piece in pieces for one in framing.feed(piece)[1])
    return fixity_of(pieces).sha256


def _compared(
    held: Iterable[Payload], made: Iterable[Payload], exchanges: int, faults: tuple[str, ...]
) -> Rebuilt:
    """Payloads are compared by digest: a URL may stand in the WARC as it was submitted."""
    in_recording: dict[str, list[str]] = defaultdict(list)
    for digest, url in made:
        in_recording[digest].append(url)
    alike, only_in_warc = 0, []
    for digest, url in held:
        if in_recording[digest]:
            in_recording[digest].pop()
            alike += 1
        else:
            only_in_warc.append(url)
    return Rebuilt(
        exchanges=exchanges,
        alike=alike,
        only_in_warc=tuple(only_in_warc),
        only_in_recording=tuple(url for urls in in_recording.values() for url in urls),
        faults=faults,
    )
