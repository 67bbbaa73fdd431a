"""The client's side of an HTTP/1 connection (RFC 9112 3 and 6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

from preservation.recording.drafts import (
    ExchangeDraft,
    Losses,
    MessageDraft,
    NewBody,
    Origin,
)
from preservation.recording.http1_body import BodyEnd, request_body_end
from preservation.recording.http1_head import (
    LARGEST_HEAD_BYTES,
    HeadBuffer,
    RequestLine,
    fields_of,
    first_value,
    method_in,
    target_url,
    values_of,
)
from preservation.recording.model import Side
from preservation.recording.websocket import WebSocketDialogue

_LARGEST_HELD_BYTES = 1 << 20
"""What a client may send after asking for another protocol, before it is answered."""
_EARLY = "the client went on after an upgrade that nobody answered"
_NOT_HTTP = "the client sent something else than HTTP/1"

Tunnel = Callable[[Side, datetime, memoryview], None]
"""Takes the bytes of both sides once they are no longer HTTP."""


class Dialogue:
    """What both sides share."""

    def __init__(self, origin: Origin, new_body: NewBody) -> None:
        self.origin = origin
        self.drafts: list[ExchangeDraft] = []
        self.waiting: deque[ExchangeDraft] = deque()
        """Begun, and without a final answer."""
        self.losses = Losses()
        self.websocket: WebSocketDialogue | None = None
        self._new_body = new_body

    def message(self) -> MessageDraft:
        """An empty message."""
        return MessageDraft(body=self._new_body())

    def begin(self, at: datetime) -> ExchangeDraft:
        """A new exchange, which began at *at*."""
        draft = ExchangeDraft(
            origin=self.origin,
            stream=len(self.drafts),
            protocol="http/1.1",
            began_at=at,
            request=self.message(),
        )
        self.drafts.append(draft)
        return draft


class RequestReader:
    """Reads what the client sends."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._take: Callable[[datetime, memoryview], int] = self._start
        self._heads = HeadBuffer(is_request=True)
        self._draft: ExchangeDraft | None = None
        self._end: BodyEnd | None = None
        self._held: list[tuple[datetime, bytes]] = []
        self._held_bytes = 0
        self._holds_for: ExchangeDraft | None = None
        self._tunnel: Tunnel | None = None

    def feed(self, at: datetime, view: memoryview) -> None:
        """Take *view*, which came at *at*."""
        while view:
            view = view[self._take(at, view) :]

    def answered(self, draft: ExchangeDraft, tunnel: Tunnel | None) -> None:
        """*draft* has its final answer; *tunnel* takes what follows if that is no longer HTTP."""
        if tunnel is not None:
            self._tunnel, self._take = tunnel, self._tunnelled
        elif self._take == self._hold and self._holds_for is draft:
            self._take = self._start
        else:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        for at, data in held:
            self.feed(at, memoryview(data))

    def finish(self) -> None:
        """Keep what was begun and not finished."""
        if self._held:
            self._dialogue.losses.lose(Side.CLIENT, self._held_bytes, _EARLY)
        if self._draft is None:
            return
        self._draft.details.append("the request was not sent whole")
        if self._take == self._head:
            self._describe(self._draft, self._heads.drop())
        elif self._end is not None:
            self._draft.request.trailers = self._end.trailers

    def _start(self, at: datetime, view: memoryview) -> int:
        """RFC 9112 2.2: empty lines before a request count for nothing."""
        data = bytes(view[:64])
        stray = len(data) - len(data.lstrip(b"\r\n"))
        if stray:
            self._dialogue.losses.lose(Side.CLIENT, stray, "empty lines before a request")
            return stray
        self._draft = self._dialogue.begin(at)
        self._dialogue.waiting.append(self._draft)
        self._take = self._head
        return 0

    def _head(self, _at: datetime, view: memoryview) -> int:
        assert self._draft is not None
        count, head = self._heads.take(view)
        method = method_in(self._heads.held[:65] if head is None else head[:65])
        if method is None or len(self._heads.held) > LARGEST_HEAD_BYTES:
            self._give_up(self._draft, head or self._heads.drop())
            return count
        self._draft.method = method
        if head is not None:
            self._describe(self._draft, head)
            self._begin_body(self._draft)
        return count

    def _describe(self, draft: ExchangeDraft, head: bytes) -> None:
        line = RequestLine.parse(head)
        origin = self._dialogue.origin
        draft.request.head = head
        draft.request.fields = fields_of(head)
        draft.method = line.method
        authority = first_value(draft.request.fields, "host") or origin.authority
        if line.target:
            draft.url = target_url(origin.scheme, authority, line)
            draft.protocol = f"http/{line.version}"

    def _begin_body(self, draft: ExchangeDraft) -> None:
        self._end = request_body_end(draft.request.head, draft.request.fields)
        draft.request.framing = self._end.framing
        self._take = self._body
        self._end_body()

    def _body(self, _at: datetime, view: memoryview) -> int:
        assert self._draft is not None
        assert self._end is not None
        count = self._end.take(view)
        self._draft.request.body.write(view[:count])
        self._end_body()
        return count

    def _end_body(self) -> None:
        draft, end = self._draft, self._end
        if draft is None or end is None or not end.is_reached:
            return
        draft.request.trailers = end.trailers
        self._holds_for = draft
        is_waiting = draft in self._dialogue.waiting
        self._take = self._hold if is_waiting and _asks_for_tunnel(draft) else self._start
        self._draft = self._end = None

    def _hold(self, at: datetime, view: memoryview) -> int:
        """Whether this is HTTP depends on the answer."""
        self._held.append((at, bytes(view)))
        self._held_bytes += len(view)
        if self._held_bytes > _LARGEST_HELD_BYTES:
            self._dialogue.losses.lose(Side.CLIENT, self._held_bytes, _EARLY)
            self._held, self._held_bytes = [], 0
            self._take = self._lost
        return len(view)

    def _tunnelled(self, at: datetime, view: memoryview) -> int:
        assert self._tunnel is not None
        self._tunnel(Side.CLIENT, at, view)
        return len(view)

    def _give_up(self, draft: ExchangeDraft, head: bytes) -> None:
        self._dialogue.losses.lose(Side.CLIENT, len(head), _NOT_HTTP)
        if draft in self._dialogue.waiting and not draft.interim:
            self._dialogue.waiting.remove(draft)
            self._dialogue.drafts.remove(draft)
        self._draft = None
        self._take = self._lost

    def _lost(self, _at: datetime, view: memoryview) -> int:
        self._dialogue.losses.lose(Side.CLIENT, len(view), _NOT_HTTP)
        return len(view)


def _asks_for_tunnel(draft: ExchangeDraft) -> bool:
    return draft.method == "CONNECT" or bool(values_of(draft.request.fields, "upgrade"))
