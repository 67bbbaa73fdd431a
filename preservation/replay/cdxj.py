"""The index of a WARC for other players: CDXJ lines as WACZ 1.1.1 and pywb want them.

Listed are answers to GET, POST and PUT; those to HEAD and OPTIONS would hide the page of the same URL.
The latter two stand under a URL with their method and their body appended, as pywb and wabac do
(``__wb_method``), for neither keys by body.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus, urlencode

from preservation.replay.index import Recorded
from preservation.replay.records import ByteRun, field_of, payload_of, split_head
from preservation.replay.surts import surt

_WITH_BODY = frozenset({"POST", "PUT"})
_LARGEST_QUERY = 4096
"""pywb's limit on what it appends."""


def cdxj_line(answer: Recorded, run: ByteRun, *, filename: str, offset: int) -> str | None:
    """The line for *answer*, whose record stands at *offset* of *filename*; null if none is wanted."""
    if answer.method not in {"GET", *_WITH_BODY}:
        return None
    url, extra = answer.url, dict[str, Any]()
    if answer.method in _WITH_BODY:
        query = appended_query(answer, run)
        url = f"{url}{'&' if '?' in url else '?'}{query}"
        extra = {"method": answer.method, "requestBody": query}
    is_revisit = answer.record.kind == "revisit"
    members = {
        "url": answer.url,
        "mime": "warc/revisit" if is_revisit else answer.media_type or "unk",
        "status": str(answer.status),
        "digest": answer.record.field("WARC-Payload-Digest") or "-",
        "length": str(answer.record.length),
        "offset": str(offset),
        "filename": filename,
        **extra,
    }
    try:
        return f"{surt(url)} {timestamp(answer.answered_at)} {_json(members)}"
    except (UnicodeError, ValueError):
        # A host that no player could ask for either.
        return None


def timestamp(answered_at: str) -> str:
    """A WARC-Date as 14 digits."""
    return re.sub(r"\D", "", answered_at)[:14]


def sorted_lines(lines: Iterable[str]) -> list[str]:
    """CDXJ lines in the order that binary search wants: by their bytes."""
    return sorted(lines, key=lambda line: line.encode("utf-8", "surrogateescape"))


def appended_query(answer: Recorded, run: ByteRun) -> str:
    """What players append to the URL of a request with a body."""
    named = f"__wb_method={answer.method}"
    if answer.request is None or not answer.request.payload_bytes:
        return named
    body = b"".join(payload_of(run, answer.request))
    content_type = field_of(split_head(answer.request.head)[1], "content-type") or ""
    query = _query_of(body, content_type.partition(";")[0].strip().lower())
    return f"{named}&{query[:_LARGEST_QUERY]}"


def _query_of(body: bytes, media_type: str) -> str:
    try:
        if media_type == "application/x-www-form-urlencoded":
            return unquote_plus(body.decode())
        if media_type in {"application/json", "text/plain"}:
            # Each leaf adds a character at least; of deep lists, many leaves take long.
            return urlencode(list(islice(_flat(json.loads(body)), _LARGEST_QUERY)))
    except (ValueError, RecursionError):
        pass
    return f"__wb_post_data={base64.b64encode(body).decode()}"


def _flat(value: Any) -> Iterator[tuple[str, str]]:
    """The leaves of a JSON document by their nearest name; a name that comes again is numbered."""
    seen: dict[str, int] = {}
    for name, leaf in _leaves(value, ""):
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}.{seen[name]}_"), _leaf(leaf)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _leaves(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _leaves(member, name)
    elif name:
        yield name, value


def _leaf(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _json(members: dict[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=True)
