"""What a WARC answers: a request's method, URL and body to the recorded answers in time order."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from preservation.model.digests import sha256_of
from preservation.replay.records import (
    ByteRun,
    Fields,
    Record,
    blob_note,
    field_of,
    payload_of,
    records_in,
    split_head,
)

Key = tuple[str, str, str]
"""Method, URL as `plain_url` has it, and the digest of the request's body (empty without one)."""

_STATUS_LINE = re.compile(r"\S+\s+(?P<status>\d{3})\s*(?P<reason>.*)")
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One answer of a site."""

    method: str
    url: str
    """The WARC's target URI, as it stands there."""
    body_sha256: str = ""
    """Of the request's body; empty if there was none."""
    answered_at: str
    """WARC-Date: RFC 3339, UTC."""
    status: int
    reason: str = ""
    fields: Fields = ()
    record: Record
    """The record that is the answer."""
    payload: Record
    """The record whose payload the answer has: another one for a revisit (WARC 1.1, 6.7)."""
    blob_sha256: str | None = None
    """Where the whole body is, if the WARC doesn't hold it."""
    accepted_codings: str | None = None
    """Accept-Encoding of the request; null if it isn't known."""
    request: Record | None = None

    @property
    def decodable_coding(self) -> str:
        """The content codings that the browser took off; empty if there are none.

        Chromium leaves a body as it is if one of its codings wasn't asked for: br and zstd are asked
        for on secure connections alone.
        """
        listed = (self.field("content-encoding") or "").lower().split(",")
        codings = [coding.strip() for coding in listed if coding.strip() not in {"", "identity"}]
        asked = self.accepted_codings
        is_asked = asked is None or all(
            coding.removeprefix("x-") in asked.lower() for coding in codings
        )
        return ", ".join(codings) if is_asked else ""

    def field(self, name: str) -> str | None:
        """The first value of the header *name*."""
        return field_of(self.fields, name)

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; empty if the server named none."""
        return (self.field("content-type") or "").partition(";")[0].strip().lower()


class ReplayIndex:
    """The answers of one attempt, or of any run of records."""

    def __init__(self, run: ByteRun, answers: Iterable[Recorded], unanswered: Iterable[Key]) -> None:
        self.run = run
        self.answers = tuple(sorted(answers, key=_in_time))
        self._by_key: dict[Key, list[Recorded]] = defaultdict(list)
        for answer in self.answers:
            self._by_key[key_of(answer.method, answer.url, answer.body_sha256)].append(answer)
        self._unanswered = frozenset(unanswered) - self._by_key.keys()

    @classmethod
    def of(cls, run: ByteRun) -> Self:
        """The index of the records in *run*.

        Raises:
            ValueError: What lies there isn't a sequence of whole records.
        """
        found = _Found(run)
        for record in records_in(run):
            found.take(record)
        return cls(run, found.answers(), found.unanswered())

    def find(self, key: Key) -> tuple[Recorded, ...]:
        """The answers to such a request, the earliest first."""
        return tuple(self._by_key.get(key, ()))

    def is_unanswered(self, key: Key) -> bool:
        """Whether the live page asked so and no answer came."""
        return key in self._unanswered


def key_of(method: str, url: str, body_sha256: str = "") -> Key:
    """What requests are told apart by."""
    return method.upper(), plain_url(url), body_sha256


def plain_url(url: str) -> str:
    """*url* without fragment, credentials and the port that its scheme implies; scheme and host in
    lower case (RFC 3986 6.2.2.1, 6.2.3).
    """
    parts = urlsplit(url.partition("#")[0])
    authority = parts.netloc.rpartition("@")[2].lower()
    implied = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    authority = authority.removesuffix(implied) if implied else authority
    rest = url.partition("#")[0].partition("://")[2][len(parts.netloc) :]
    return f"{parts.scheme}://{authority}{rest if rest[:1] == '/' else '/' + rest}"


def body_digest(body: bytes, content_type: str | None) -> str:
    """SHA-256 of a request's body; the boundary of a multipart body, which is chosen anew for each
    request (RFC 2046 5.1.1), doesn't count.
    """
    boundary = _BOUNDARY.search(content_type or "")
    if boundary is not None:
        body = body.replace(boundary[1].encode("latin-1", "replace"), b"boundary")
    return sha256_of(body) if body else ""


class _Found:
    """The records of a run, joined after all were seen: a request may follow its response."""

    def __init__(self, run: ByteRun) -> None:
        self._run = run
        self._answers: list[Record] = []
        self._requests: dict[str, Record] = {}
        self._lone_requests: list[Record] = []
        self._blobs: dict[str, str] = {}

    def take(self, record: Record) -> None:
        """Note one record."""
        is_http = (record.field("WARC-Target-URI") or "").startswith(("http://", "https://"))
        if record.kind in {"response", "revisit", "resource"} and is_http:
            self._answers.append(record)
        elif record.kind == "request" and is_http:
            concurrent = record.field("WARC-Concurrent-To")
            if concurrent:
                self._requests[concurrent] = record
            else:
                self._lone_requests.append(record)
        elif (note := blob_note(self._run, record)) and note.about:
            self._blobs[note.about] = note.sha256

    def answers(self) -> list[Recorded]:
        """Every final answer among them; resources only for URLs without an answer."""
        by_id = {record.record_id: record for record in self._answers}
        by_place = {_place(record): record for record in self._answers if record.kind == "response"}
        made = [
            self._recorded(record, by_id, by_place)
            for record in self._answers
            if record.kind != "resource"
        ]
        final = [one for one in made if one is not None]
        answered = {plain_url(one.url) for one in final}
        resources = [record for record in self._answers if record.kind == "resource"]
        final += [one for one in map(_resource, resources) if plain_url(one.url) not in answered]
        return final

    def unanswered(self) -> list[Key]:
        """What was asked for without an answer."""
        ids = {record.record_id for record in self._answers}
        lone = [record for answered, record in self._requests.items() if answered not in ids]
        return [self._key(record) for record in (*self._lone_requests, *lone)]

    def _recorded(
        self, record: Record, by_id: dict[str, Record], by_place: dict[tuple[str, str], Record]
    ) -> Recorded | None:
        line, fields = split_head(record.head)
        status_line = _STATUS_LINE.fullmatch(line)
        if status_line is None or int(status_line["status"]) < 200:
            return None
        request = self._requests.get(record.record_id)
        method, url, body_sha256 = self._key(request) if request else ("GET", "", "")
        asked = split_head(request.head)[1] if request else ()
        payload = _original(record, by_id, by_place)
        return Recorded(
            method=method,
            url=record.field("WARC-Target-URI") or url,
            body_sha256=body_sha256,
            answered_at=record.field("WARC-Date") or "",
            status=int(status_line["status"]),
            reason=status_line["reason"],
            fields=fields,
            record=record,
            payload=payload,
            blob_sha256=self._blobs.get(payload.record_id),
            accepted_codings=field_of(asked, "accept-encoding"),
            request=request,
        )

    def _key(self, request: Record) -> Key:
        line, fields = split_head(request.head)
        body = b"".join(payload_of(self._run, request)) if request.payload_bytes else b""
        digest = body_digest(body, field_of(fields, "content-type"))
        return key_of(line.partition(" ")[0], request.field("WARC-Target-URI") or "", digest)


def _original(
    record: Record, by_id: dict[str, Record], by_place: dict[tuple[str, str], Record]
) -> Record:
    """The record that holds the payload of *record*."""
    if record.kind != "revisit":
        return record
    named = by_id.get(record.field("WARC-Refers-To") or "")
    place = (record.field("WARC-Refers-To-Target-URI"), record.field("WARC-Refers-To-Date"))
    return named or by_place.get((place[0] or "", place[1] or ""), record)


def _place(record: Record) -> tuple[str, str]:
    return record.field("WARC-Target-URI") or "", record.field("WARC-Date") or ""


def _resource(record: Record) -> Recorded:
    return Recorded(
        method="GET",
        url=record.field("WARC-Target-URI") or "",
        answered_at=record.field("WARC-Date") or "",
        status=200,
        reason="OK",
        fields=(("Content-Type", record.field("Content-Type") or "application/octet-stream"),),
        record=record,
        payload=record,
    )


def _in_time(answer: Recorded) -> tuple[str, int]:
    return answer.answered_at, answer.record.offset
