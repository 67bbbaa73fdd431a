"""What an attempt leaves behind: records in its WARC, large bitstreams as files, a list of both."""

from __future__ import annotations

import io
import itertools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from preservation import clock
from preservation.model.captures import LARGEST_PACKED_BYTES, CapturedObject
from preservation.model.digests import Fixity, fixity_of_file
from preservation.model.vocabulary import Role
from preservation.store.warc import RecordPlace, WarcWriter

Headers = tuple[tuple[str, str], ...]

WARC_NAME = "capture.warc.gz"
AS_SENT = "as-sent"
DECODED = "decoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP request and its answer."""

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
    transfer_form: str = AS_SENT
    """``decoded`` if the content coding was removed as well."""
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

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._aside = spool / ".aside"
        self._aside.mkdir()
        self._numbers = itertools.count(1)
        self._writer: WarcWriter | None = None
        self._objects: list[CapturedObject] = []

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

    def keep_exchange(self, exchange: Exchange, role: Role | None) -> CapturedObject | None:
        """Write *exchange* as a response and a request record; its body is listed under *role*."""
        is_blob = exchange.size_bytes > LARGEST_PACKED_BYTES
        with _opened(None if is_blob else exchange.body) as body:
            place = self._warc.response(
                exchange.url,
                status_line=exchange.status_line,
                headers=honest_headers(exchange),
                body=body,
                date=exchange.answered_at,
                ip_address=exchange.address,
                truncated="length" if is_blob else exchange.truncated,
            )
        self._warc.request(
            exchange.url,
            request_line=exchange.request_line,
            headers=exchange.request_headers,
            date=exchange.answered_at,
            concurrent_to=place.record_id,
            body=exchange.request_body,
        )
        if role is None or exchange.body is None:
            return None
        if is_blob:
            return self._keep_blob(exchange.body, role, exchange, about=place)
        return self._list(role, exchange.url, exchange.content_type, _in_warc(place), place.payload,
                          transfer_form=exchange.transfer_form)  # fmt: skip

    def keep_file(
        self,
        path: Path,
        role: Role,
        *,
        target_uri: str | None,
        content_type: str,
        is_as_sent: bool = True,
    ) -> CapturedObject:
        """Keep the file at *path*, which isn't an HTTP message of ours; the path is taken over."""
        transfer_form = AS_SENT if is_as_sent else DECODED
        if path.stat().st_size > LARGEST_PACKED_BYTES or target_uri is None:
            place = self._take_over(path)
            fixity = fixity_of_file(self._spool / place["blob_file"])
            return self._list(
                role, target_uri, content_type, place, fixity, transfer_form=transfer_form
            )
        with path.open("rb") as body:
            record = self._warc.resource(
                target_uri, content_type=content_type, body=body, date=clock.now()
            )
        return self._list(
            role,
            target_uri,
            content_type,
            _in_warc(record),
            record.payload,
            transfer_form=transfer_form,
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
            role, target_uri, content_type, _in_warc(record), record.payload, size_px=size_px
        )

    @property
    def _warc(self) -> WarcWriter:
        if self._writer is None:
            self._writer = WarcWriter(self._spool / WARC_NAME)
        return self._writer

    def _keep_blob(
        self, path: Path, role: Role, exchange: Exchange, *, about: RecordPlace
    ) -> CapturedObject:
        place = self._take_over(path)
        fixity = fixity_of_file(self._spool / place["blob_file"])
        words = f"payload-stored-as: blob\r\nsha256: {fixity.sha256}\r\nsize: {fixity.size_bytes}\r\n"
        self._warc.metadata(
            about.record_id,
            content_type="application/warc-fields",
            body=words.encode(),
            date=exchange.answered_at,
        )
        return self._list(role, exchange.url, exchange.content_type, place, fixity,
                          transfer_form=exchange.transfer_form)  # fmt: skip

    def _take_over(self, path: Path) -> dict[str, Any]:
        """Move *path* into the spool, without a copy if both are on one file system."""
        name = f"blob-{next(self._numbers)}"
        try:
            os.link(path, self._spool / name)
        except OSError:
            shutil.copyfile(path, self._spool / name)
        return {"blob_file": name}

    def _list(  # noqa: PLR0913 - the facts of one bitstream
        self,
        role: Role,
        target_uri: str | None,
        content_type: str | None,
        place: dict[str, Any],
        fixity: Fixity,
        *,
        transfer_form: str = AS_SENT,
        size_px: tuple[int, int] | None = None,
    ) -> CapturedObject:
        kept = CapturedObject(
            role=role,
            target_uri=target_uri,
            content_type=content_type,
            size_bytes=fixity.size_bytes,
            sha256=fixity.sha256,
            sha512=fixity.sha512,
            transfer_form=transfer_form,
            width_px=size_px[0] if size_px else None,
            height_px=size_px[1] if size_px else None,
            **place,
        )
        self._objects.append(kept)
        return kept


def honest_headers(exchange: Exchange) -> list[tuple[str, str]]:
    """The response headers as they fit the body that is held.

    A coding that is no longer on the body is named ``X-Archive-Orig-...``, so that no reader
    removes it a second time; the original value stays beside it.
    """
    removed = {"transfer-encoding"}
    if exchange.transfer_form == DECODED:
        removed |= {"content-encoding", "content-length"}
    headers = [
        (f"X-Archive-Orig-{name}" if name.lower() in removed else name, value)
        for name, value in exchange.response_headers
    ]
    if exchange.transfer_form == DECODED:
        headers.append(("Content-Length", str(exchange.size_bytes)))
    return headers


def _in_warc(place: RecordPlace) -> dict[str, Any]:
    return {
        "warc_offset": place.offset,
        "warc_length": place.length,
        "warc_record_id": place.record_id,
    }


def _opened(path: Path | None) -> BinaryIO:
    return io.BytesIO() if path is None else path.open("rb")
