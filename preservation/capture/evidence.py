"""What an attempt leaves behind: records in its WARC, large bitstreams as files, a list of both."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self
from urllib.parse import quote

from preservation import clock
from preservation.capture.messages import content_of, dialogue_of, opened, payload_of
from preservation.model.captures import LARGEST_PACKED_BYTES, CapturedObject
from preservation.model.digests import Fixity, chunks_of, fixity_of_file
from preservation.model.urls import view_uri
from preservation.model.vocabulary import Role
from preservation.recording.model import Framing, Message, RecordedExchange, WebSocketFrame
from preservation.store.warc import HttpBlock, Original, RecordPlace, WarcWriter

if TYPE_CHECKING:
    from preservation.settings import Limits

Headers = tuple[tuple[str, str], ...]

WARC_NAME = "capture.warc.gz"
ASIDE = ".aside"
"""The folder in the spool for bytes in the making."""
AS_SENT = "as-sent"
DECODED = "decoded"
PIECED = "pieced"
DERIVED = "derived"

_ALL_ASCII = "".join(map(chr, range(33, 127)))
_TRUNCATED = {"length": "length", "disconnect": "disconnect", "reset": "disconnect", "time": "time"}
"""How a response fell short, as `RecordedExchange.truncated` says and as WARC 1.1 (5.13) says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP request and its answer, as our own client saw them."""

    label: str = ""
    """The SOCKS user name that it was made under: finds it in the recording."""
    url: str
    """As requested, without a fragment."""
    request_line: str
    request_headers: Headers
    request_body: bytes = b""
    status: int
    status_line: str
    response_headers: Headers
    answered_at: datetime
    address: str | None = None
    body: Path | None = None
    """A temporary file with the body, transfer coding removed; null if the body isn't known."""
    truncated: str | None = None
    """``length``, ``time``, ``disconnect`` or ``unspecified`` (WARC 1.1, 5.13)."""

    @property
    def size_bytes(self) -> int:
        """Size of the body as it is held."""
        return self.body.stat().st_size if self.body else 0

    @property
    def content_type(self) -> str | None:
        """The media type as the server said."""
        return header(self.response_headers, "content-type")


def header(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """The first value of the header *name* (in lower case)."""
    return next((value for key, value in headers if key.lower() == name), None)


class AttemptEvidence:
    """The evidence of one attempt, in its spool; a context manager that removes what isn't kept."""

    def __init__(self, spool: Path, limits: Limits) -> None:
        self._spool = spool
        self._limits = limits
        self._aside = spool / ASIDE
        self._aside.mkdir()
        self._numbers = itertools.count(1)
        self._writer: WarcWriter | None = None
        self._objects: list[CapturedObject] = []
        self._originals: dict[tuple[int, str], Original] = {}
        self._body_sizes: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        shutil.rmtree(self._aside, ignore_errors=True)

    @property
    def objects(self) -> tuple[CapturedObject, ...]:
        """Every bitstream kept so far, in the order of keeping."""
        return tuple(self._objects)

    @property
    def warc_file(self) -> str | None:
        """Name of the WARC, once it holds a record."""
        return None if self._writer is None else WARC_NAME

    def temporary_file(self) -> Path:
        """A fresh path for bytes in the making; the same thread or another may fill it."""
        return self._aside / str(next(self._numbers))

    def named_file(self, name: str) -> Path:
        """The path for bytes in the making that are looked for by *name* if the worker dies."""
        return self._aside / name

    def keep_exchange(
        self,
        exchange: RecordedExchange,
        role: Role | None,
        *,
        about: Headers = (),
        transfer_form: str = AS_SENT,
    ) -> CapturedObject | None:
        """Write *exchange* as a response and a request record; its payload is listed under *role*.

        *about* are WARC fields of the connection. A payload that is held already makes a revisit
        record, one that is too large for a WARC a file of its own.
        """
        date = exchange.answered_at or exchange.began_at
        answer = exchange.response
        if answer is None:
            self._write_request(exchange, about, date=date)
            return None
        if answer.body_bytes > LARGEST_PACKED_BYTES:
            return self._keep_large(exchange, answer, role, about=about, transfer_form=transfer_form)
        record_id, place = self._write_response(exchange, answer, about, date=date)
        if exchange.method:
            self._write_request(exchange, (("WARC-Concurrent-To", record_id), *about), date=date)
        self._write_beside(exchange, record_id)
        if role is Role.MESSAGES:
            return self._keep_messages(exchange.url, exchange.frames)
        if role is None:
            return None
        return self._list(
            role,
            exchange.url,
            _field(answer, "content-type"),
            _in_warc(place),
            place.payload,
            transfer_form=transfer_form,
            **content_of(answer, self._limits),
        )

    def keep_file(  # noqa: PLR0913 - the facts of one bitstream
        self,
        path: Path,
        role: Role,
        *,
        target_uri: str | None,
        content_type: str,
        transfer_form: str = AS_SENT,
        size_px: tuple[int, int] | None = None,
    ) -> CapturedObject:
        """Keep the file at *path*, which isn't an HTTP message; the path is taken over."""
        if path.stat().st_size > LARGEST_PACKED_BYTES or target_uri is None:
            place = self._take_over(path)
            fixity = fixity_of_file(self._spool / place["blob_file"])
            self._note_blob(None, fixity, target_uri=target_uri)
        else:
            with path.open("rb") as body:
                record = self._warc.resource(
                    target_uri, content_type=content_type, body=body, date=clock.now()
                )
            place, fixity = _in_warc(record), record.payload
        return self._list(
            role,
            target_uri,
            content_type,
            place,
            fixity,
            transfer_form=transfer_form,
            **_measures(size_px),
        )

    def keep_bytes(
        self,
        content: bytes,
        role: Role,
        *,
        target_uri: str,
        content_type: str,
        size_px: tuple[int, int] | None = None,
    ) -> CapturedObject:
        """Keep *content*, which we made ourselves, as a resource record."""
        record = self._warc.resource(
            target_uri, content_type=content_type, body=io.BytesIO(content), date=clock.now()
        )
        return self._list(
            role, target_uri, content_type, _in_warc(record), record.payload, **_measures(size_px)
        )

    @property
    def _warc(self) -> WarcWriter:
        if self._writer is None:
            self._writer = WarcWriter(self._spool / WARC_NAME)
        return self._writer

    def _write_response(
        self, exchange: RecordedExchange, answer: Message, about: Headers, *, date: datetime
    ) -> tuple[str, RecordPlace]:
        """The identifier of the record written, and the place of its payload."""
        if exchange.truncated is not None:
            about = (("WARC-Truncated", _TRUNCATED.get(exchange.truncated, "unspecified")), *about)
        original = self._original_of(answer)
        if original is not None:
            revisit = self._warc.revisit(exchange.url, answer.head, original, date=date, about=about)
            return revisit.record_id, original.place
        with opened(answer.body) as body:
            if answer.head:
                place = self._warc.response(exchange.url, _block(answer, body), date=date, about=about)
            else:
                # HTTP/0.9: bytes without any head.
                place = self._warc.resource(
                    exchange.url, content_type="application/octet-stream", body=body, date=date
                )
        if answer.head and place.payload.size_bytes and exchange.truncated is None:
            key = answer.body_bytes, place.payload.sha256
            self._originals.setdefault(key, Original(target_uri=exchange.url, date=date, place=place))
            self._body_sizes.add(answer.body_bytes)
        return place.record_id, place

    def _original_of(self, answer: Message) -> Original | None:
        """The response that is held already and has the payload of *answer*."""
        if answer.body is None or not answer.head or answer.body_bytes not in self._body_sizes:
            return None
        digest = hashlib.sha256()
        with payload_of(answer) as payload:
            for chunk in chunks_of(payload):
                digest.update(chunk)
        return self._originals.get((answer.body_bytes, digest.hexdigest()))

    def _write_request(self, exchange: RecordedExchange, about: Headers, *, date: datetime) -> None:
        sent = exchange.request
        with opened(sent.body) as body:
            self._warc.request(exchange.url, _block(sent, body), date=date, about=about)

    def _write_beside(self, exchange: RecordedExchange, record_id: str) -> None:
        """Interim responses and trailers: what belongs to a response and has no place in it."""
        for message in exchange.interim:
            self._warc.metadata(
                record_id, content_type="message/http", body=message.head, date=exchange.began_at
            )
        answer = exchange.response
        if answer is not None and answer.trailers and answer.framing is Framing.IDENTITY:
            # Those of HTTP/2; chunked framing holds its own.
            words = "".join(f"trailer: {name}: {value}\r\n" for name, value in answer.trailers)
            self._warc.metadata(
                record_id,
                content_type="application/warc-fields",
                body=words.encode("latin-1", "replace"),
                date=exchange.ended_at or exchange.began_at,
            )

    def _keep_messages(self, url: str, frames: Iterable[WebSocketFrame]) -> CapturedObject:
        return self.keep_bytes(
            dialogue_of(frames),
            Role.MESSAGES,
            target_uri=view_uri("messages", url),
            content_type="application/jsonl",
        )

    def _keep_large(
        self,
        exchange: RecordedExchange,
        answer: Message,
        role: Role | None,
        *,
        about: Headers,
        transfer_form: str,
    ) -> CapturedObject | None:
        """The head in the WARC, the payload as a file of its own."""
        date = exchange.answered_at or exchange.began_at
        about = (("WARC-Truncated", "length"), *about)
        head = HttpBlock(answer.head, io.BytesIO())
        record = self._warc.response(exchange.url, head, date=date, about=about)
        concurrent = (("WARC-Concurrent-To", record.record_id), *about[1:])
        self._write_request(exchange, concurrent, date=date)
        if role is None or answer.body is None:
            return None
        place = self._take_over(self._without_framing(answer))
        fixity = fixity_of_file(self._spool / place["blob_file"])
        self._note_blob(record.record_id, fixity, target_uri=exchange.url)
        return self._list(
            role,
            exchange.url,
            _field(answer, "content-type"),
            place,
            fixity,
            transfer_form=transfer_form,
            **content_of(answer, self._limits),
        )

    def _note_blob(self, record_id: str | None, fixity: Fixity, *, target_uri: str | None) -> None:
        """Say in the WARC where a bitstream lies that isn't in it."""
        fields = {
            "payload-stored-as": "blob",
            "sha256": fixity.sha256,
            "size": fixity.size_bytes,
            **({"target-uri": quote(target_uri, safe=_ALL_ASCII)} if target_uri else {}),
        }
        words = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._warc.metadata(
            record_id, content_type="application/warc-fields", body=words.encode(), date=clock.now()
        )

    def _without_framing(self, answer: Message) -> Path:
        if answer.framing is Framing.IDENTITY and isinstance(answer.body, Path):
            return answer.body
        path = self.temporary_file()
        with path.open("wb") as sink, payload_of(answer) as payload:
            shutil.copyfileobj(payload, sink, 1 << 20)
        return path

    def _take_over(self, path: Path) -> dict[str, Any]:
        """Move *path* into the spool, without a copy if both are on one file system."""
        name = f"blob-{next(self._numbers)}"
        try:
            os.link(path, self._spool / name)
        except OSError:
            shutil.copyfile(path, self._spool / name)
        return {"blob_file": name}

    def _list(
        self,
        role: Role,
        target_uri: str | None,
        content_type: str | None,
        place: dict[str, Any],
        fixity: Fixity,
        **facts: Any,
    ) -> CapturedObject:
        kept = CapturedObject(
            role=role,
            target_uri=target_uri,
            content_type=content_type,
            size_bytes=fixity.size_bytes,
            sha256=fixity.sha256,
            sha512=fixity.sha512,
            **place,
            **facts,
        )
        self._objects.append(kept)
        return kept


def _block(message: Message, body: BinaryIO) -> HttpBlock:
    return HttpBlock(message.head, body, is_chunked=message.framing is Framing.CHUNKED)


def _field(message: Message, name: str) -> str | None:
    return header(message.fields, name)


def _measures(size_px: tuple[int, int] | None) -> dict[str, Any]:
    return {} if size_px is None else {"width_px": size_px[0], "height_px": size_px[1]}


def _in_warc(place: RecordPlace) -> dict[str, Any]:
    return {
        "warc_offset": place.offset,
        "warc_length": place.length,
        "warc_record_id": place.record_id,
    }
