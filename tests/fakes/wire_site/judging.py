"""Judges a capture: is everything held that was sent, with its very bytes, and is all else accounted for?"""

from __future__ import annotations

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from preservation.model.captures import CapturedObject, CapturedResource
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import Engine, Reason, Role
from tests.fakes.wire_site.answers import Answer, Ending
from tests.fakes.wire_site.captured import Kept, Record
from tests.fakes.wire_site.case import Case, Expected, Missing
from tests.fakes.wire_site.http2 import h2_fields, interim_fields
from tests.fakes.wire_site.site import Origin, WireSite

_CONNECTIONS = 6
"""That Chromium opens to one host over HTTP/1.1."""
_WHOLE = (Ending.KEEP, Ending.CLOSE, Ending.NOTIFY, Ending.WEBSOCKET)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that isn't as it must be."""

    kind: str
    """What was asserted: see `JUDGES`."""
    subject: str
    seen: str


@dataclass(slots=True)
class Judged:
    """What a capture holds of what it must hold."""

    case: Case
    expected: int = 0
    held: int = 0
    """Of those, with the payload as sent, in the WARC and in the account."""
    heads: int = 0
    heads_exact: int = 0
    missing: int = 0
    missing_right: int = 0
    sent: int = 0
    """Answers that the site gave whole, whatever for."""
    sent_exact: int = 0
    """Of those, on record byte for byte."""
    faults: list[Fault] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Fault]:
        return [fault for fault in self.faults if fault.kind == kind]


@dataclass(slots=True)
class _Bench:
    """All that is needed to judge one capture."""

    case: Case
    kept: Kept
    site: WireSite
    judged: Judged
    records: list[Record] = field(init=False)
    lines: dict[str, CapturedResource] = field(init=False)

    def __post_init__(self) -> None:
        self.records = self.kept.records()
        self.lines = {line.url: line for line in self.kept.result.resources}

    def answers_for(self, url: str) -> list[Record]:
        """The records of what was answered at *url*, WebSocket addresses included."""
        urls = {url, url.replace("http", "ws", 1)}
        kinds = {"response", "revisit"}
        return [each for each in self.records if each.url in urls and each.kind in kinds]

    def form_of(self, answer: Answer, url: str) -> Answer:
        """What a record of *answer* must hold, given the origin that *url* names."""
        return as_recorded(answer) if url.startswith(self.site.at[Origin.H2]) else answer

    def objects_for(self, url: str) -> list[CapturedObject]:
        return [kept for kept in self.kept.result.objects if kept.target_uri == url]

    def whether_asked(self, url: str) -> str:
        """For a fault: did the client never ask, or was the answer not kept?"""
        is_asked = any(entry.request.url == url for entry in self.site.sent_below(""))
        return "asked for, no record" if is_asked else "never asked for"

    def find(self, kind: str, subject: str, seen: object) -> None:
        self.judged.faults.append(Fault(kind, subject, str(seen)[:400]))


def judge(case: Case, kept: Kept, site: WireSite) -> Judged:
    """What *kept* holds of *case*, and all that is wrong with it."""
    judged = Judged(case, expected=len(case.expected), missing=len(case.missing))
    bench = _Bench(case, kept, site, judged)
    for judgement in JUDGES.values():
        judgement(bench)
    return judged


def is_block(record: Record, answer: Answer) -> bool:
    """Whether *record* holds all of *answer*; a revisit has the head, and the payload's digest."""
    if record.kind == "revisit":
        digest = record.fields.get("WARC-Payload-Digest")
        return record.block == answer.head and digest == f"sha256:{sha256_of(answer.payload)}"
    if answer.ending is Ending.CLOSE and answer.sent.startswith(answer.payload):
        # More than the promised length is no part of the message (RFC 9112 6.3).
        return record.block == answer.head + answer.payload
    return record.block == answer.head + answer.sent


def is_labelled_part(record: Record, answer: Answer) -> bool:
    """Whether *record* holds the beginning of *answer*, and says that it is a part."""
    return "WARC-Truncated" in record.fields and (answer.head + answer.sent).startswith(record.block)


def as_recorded(answer: Answer) -> Answer:
    """*answer* in the form that an HTTP/2 response has in a WARC: its fields, in order, as HTTP/1."""
    interim = b"".join(_head_of_fields(fields) for fields in interim_fields(answer))
    return answer.but(head=_head_of_fields(h2_fields(answer)), sent=answer.payload, interim=interim)


def _head_of_fields(fields: list[tuple[str, str]]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields[1:])
    return f"HTTP/1.1 {fields[0][1]} \r\n{lines}\r\n".encode("latin-1")


def _judge_expected(bench: _Bench) -> None:
    for one in bench.case.expected:
        is_held = _is_on_record(bench, one) & _is_in_account(bench, one)
        bench.judged.held += is_held


def _is_on_record(bench: _Bench, one: Expected) -> bool:
    records, answer = bench.answers_for(one.url), bench.form_of(one.answer, one.url)
    if one.has_head:
        bench.judged.heads += 1
        has_head = any(record.block.startswith(answer.head) for record in records)
        bench.judged.heads_exact += has_head
        if not has_head:
            bench.find(
                "head",
                one.url,
                [record.block[:160] for record in records] or bench.whether_asked(one.url),
            )
    if one.has_head and not any(is_block(record, answer) for record in records):
        bench.find("record", one.url, [(record.kind, len(record.block)) for record in records])
        return False
    return True


def _is_in_account(bench: _Bench, one: Expected) -> bool:
    if not one.in_account:
        return True
    digest = sha256_of(one.answer.payload)
    holding = [kept for kept in bench.objects_for(one.url) if kept.sha256 == digest]
    if not any(bench.kept.content(kept) == one.answer.payload for kept in holding):
        bench.find(
            "object", one.url, [(kept.role, kept.size_bytes) for kept in bench.objects_for(one.url)]
        )
        return False
    if bench.case.engine is not Engine.PAGE:
        return True
    line = bench.lines.get(one.url)
    if line is None or not line.is_held or line.sha256 != digest:
        bench.find("account", one.url, line)
        return False
    return True


def _judge_content(bench: _Bench) -> None:
    """What is under a content coding says which, and what it is without."""
    for one in bench.case.expected:
        answer = one.answer
        if answer.coding is None or not one.in_account:
            continue
        right = (answer.coding, len(answer.content), sha256_of(answer.content))
        seen = [
            (kept.content_encoding, kept.content_size_bytes, kept.content_sha256)
            for kept in bench.objects_for(one.url)
        ]
        if right not in seen:
            bench.find("content", one.url, seen)


def _judge_missing(bench: _Bench) -> None:
    for one in bench.case.missing:
        bench.judged.missing_right += _is_listed(bench, one) & _is_part_kept(bench, one)


def _is_listed(bench: _Bench, one: Missing) -> bool:
    if bench.case.engine is not Engine.PAGE:
        return True
    line = bench.lines.get(one.url)
    if line is None or line.is_held or line.reason is not one.reason:
        bench.find("missing", one.url, line)
        return False
    return True


def _is_part_kept(bench: _Bench, one: Missing) -> bool:
    """What came is on record, and says that it is a part if it is one."""
    if one.partial is None:
        return True
    is_cut = one.reason is Reason.TRUNCATED
    part = bench.form_of(one.partial, one.url)
    fitting = [each for each in bench.answers_for(one.url) if is_block(each, part)]
    if any(("WARC-Truncated" in each.fields) is is_cut for each in fitting):
        return True
    seen = [(each.fields.get("WARC-Truncated"), each.block[:60]) for each in bench.answers_for(one.url)]
    bench.find("part", one.url, seen)
    return False


def _judge_outcome(bench: _Bench) -> None:
    case, result = bench.case, bench.kept.result
    seen = f"{result.outcome} {result.reason} {result.error_class} {result.error_detail}"
    if result.outcome not in case.outcomes or (case.reason and result.reason is not case.reason):
        bench.find("outcome", case.url, seen)
    if case.error_class is not None and result.error_class != case.error_class:
        bench.find("outcome", case.url, seen)
    if case.final_url is not None and result.final_url != case.final_url:
        bench.find("outcome", case.final_url, result.final_url)


def _judge_dom(bench: _Bench) -> None:
    doms = [
        bench.kept.content(kept).decode()
        for kept in bench.kept.result.objects
        if kept.role is Role.RENDERED_DOM
    ]
    for words in bench.case.dom_holds:
        if not any(words in dom for dom in doms):
            bench.find("dom", words, [dom[:200] for dom in doms])


def _judge_warc(bench: _Bench) -> None:
    for fault in bench.kept.warc_faults():
        bench.find("warc", bench.case.name, fault)


def _judge_sent(bench: _Bench) -> None:
    """Everything that the site gave whole is on record, as often as it was given.

    What a visit's end breaks off may be lacking: one answer on each connection of the browser.
    """
    given_up = {one.url for one in bench.case.missing if one.partial is None}
    entries = [
        entry
        for entry in bench.site.sent_below(f"/{bench.case.name}/")
        if entry.is_sent and entry.answer.ending in _WHOLE and entry.request.url not in given_up
    ]
    bench.judged.sent = len(entries)
    lacking = _CONNECTIONS if bench.case.is_broken_off else 0
    for (url, given), times in Counter((e.request.url, e.answer) for e in entries).items():
        answer, records = bench.form_of(given, url), bench.answers_for(url)
        found = sum(is_block(record, answer) for record in records)
        parts = sum(is_labelled_part(record, answer) for record in records)
        bench.judged.sent_exact += min(found, times)
        lacking -= max(times - found - parts, 0)
        if found + parts < times and lacking < 0:
            bench.find("sent", url, f"given {times} times, on record {found} times, and {parts} parts")
        if not _has_interim(bench, answer):
            bench.find("interim", url, "not on record")
        if not _has_trailers(bench, answer):
            bench.find("trailers", url, "not on record")


def _has_interim(bench: _Bench, answer: Answer) -> bool:
    """RFC 9110 15.2: interim answers are kept beside the final one."""
    kept = [record.block for record in bench.records if record.kind == "metadata"]
    return all(head + b"\r\n\r\n" in kept for head in answer.interim.split(b"\r\n\r\n") if head)


def _has_trailers(bench: _Bench, answer: Answer) -> bool:
    """HTTP/2 has no place in a body for trailers (RFC 9113 8.1): some other record must hold them."""
    kept = b"".join(record.block for record in bench.records if record.kind in {"metadata", "response"})
    return all(f"{name}: {value}".encode() in kept for name, value in answer.trailers)


def _judge_doubt(bench: _Bench) -> None:
    """Where all is held, browser and recording agree on all."""
    if bench.case.missing or bench.case.reason is not None or bench.case.may_be_doubted:
        return
    for line in bench.lines.values():
        if line.doubt is not None:
            bench.find("doubt", line.url, line.doubt)


def _judge_messages(bench: _Bench) -> None:
    """What was said over a WebSocket, by side and in order; goodbyes apart."""
    prefix = f"/{bench.case.name}/"
    said = [each for each in bench.site.said if prefix in each.url]
    if not said:
        return
    logs = [kept for kept in bench.kept.result.objects if kept.role == "messages"]
    noted = [json.loads(line) for kept in logs for line in bench.kept.content(kept).splitlines()]
    for side in ("client", "server"):
        right = [(each.kind, each.data) for each in said if each.side == side]
        seen = [
            (each["kind"], _data_in(each))
            for each in noted
            if each["side"] == side and each["kind"] != "close"
        ]
        if seen != right:
            bench.find(
                "messages", f"{bench.case.url} {side}", [(kind, len(data)) for kind, data in seen]
            )


def _data_in(line: dict[str, str]) -> bytes:
    return line["text"].encode() if "text" in line else b64decode(line["base64"])


JUDGES: dict[str, Callable[[_Bench], None]] = {
    "head record object account": _judge_expected,
    "content": _judge_content,
    "missing part": _judge_missing,
    "outcome": _judge_outcome,
    "dom": _judge_dom,
    "doubt": _judge_doubt,
    "warc": _judge_warc,
    "sent interim trailers": _judge_sent,
    "messages": _judge_messages,
}
"""The kinds of fault that each judge finds."""

KINDS = tuple(kind for kinds in JUDGES for kind in kinds.split())
