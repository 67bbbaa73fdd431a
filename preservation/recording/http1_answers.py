"""The server's side of an HTTP/1 connection (RFC 9112 4 and 6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from preservation.recording.drafts import MOST_UNASKED, Ending, ExchangeDraft, MessageDraft
from preservation.recording.http1_body import AtClose, BodyEnd, response_body_end
from preservation.recording.http1_head import (
    LARGEST_HEAD_BYTES,
    PROTOCOL,
    HeadBuffer,
    StatusLine,
    fields_of,
    is_interim,
    status_line_at,
    values_of,
)
from preservation.recording.http1_requests import Dialogue, RequestReader, Tunnel
from preservation.recording.model import Side
from preservation.recording.websocket import WebSocketDialogue

_SLOP_BYTES = 8
_STRAY = "the server sent bytes that belong to no answer"
_NOT_HTTP = "the server sent something else than HTTP/1"


class AnswerReader:
    """Reads what the server sends."""

    def __init__(self, dialogue: Dialogue, requests: RequestReader) -> None:
        self._dialogue = dialogue
        self._requests = requests
        self._take: Callable[[datetime, memoryview], int] = self._start
        self._heads = HeadBuffer(is_request=False)
        self._slop = b""
        self._since: datetime | None = None
        self._draft: ExchangeDraft | None = None
        self._end: BodyEnd | None = None
        self._has_answered = False
        self._unasked = 0
        self._tunnel: Tunnel | None = None

    def feed(self, at: datetime, view: memoryview) -> None:
        """Take *view*, which came at *at*."""
        while view:
            view = view[self._take(at, view) :]

    def finish(self, ending: Ending) -> None:
        """Keep what was begun and not finished; *ending* explains it."""
        if self._slop:
            self._finish_slop()
        if self._take == self._head:
            self._finish_head(ending)
        elif self._take == self._body:
            self._finish_body(ending)
        elif self._dialogue.websocket is not None:
            self._finish_websocket(self._dialogue.websocket, ending)

    def _start(self, at: datetime, view: memoryview) -> int:
        if not self._slop:
            self._draft = self._dialogue.waiting[0] if self._dialogue.waiting else None
            self._since = at
        piece = bytes(view[: _SLOP_BYTES - len(self._slop)])
        self._slop += piece
        offset = status_line_at(self._slop)
        if offset is None:
            self._begin_without_head(at)
        elif offset < len(self._slop):
            self._begin_head(at, offset)
        return len(piece)

    def _begin_head(self, at: datetime, offset: int) -> None:
        start, self._slop = self._slop, b""
        if offset:
            self._dialogue.losses.lose(Side.SERVER, offset, _STRAY)
        self._take = self._head
        if self._draft is None and self._unasked >= MOST_UNASKED:
            self._take = self._junk
        elif self._draft is None:
            self._unasked += 1
            self._draft = self._dialogue.begin(self._since or at)
            self._draft.details.append("an answer without a request")
        self.feed(at, memoryview(start)[offset:])

    def _begin_without_head(self, at: datetime) -> None:
        """What comes isn't HTTP/1: an answer of HTTP/0.9, or junk."""
        start, self._slop = self._slop, b""
        if self._draft is None:
            self._take = self._junk
        elif self._has_answered:
            # As in Chromium: a connection that spoke HTTP/1 doesn't fall back to HTTP/0.9.
            self._draft.fall_short("malformed", _NOT_HTTP)
            self._dialogue.waiting.popleft()
            self._take = self._lost
        else:
            self._draft.protocol = "http/0.9"
            self._begin_answer(at, self._dialogue.message(), AtClose())
        self.feed(at, memoryview(start))

    def _head(self, at: datetime, view: memoryview) -> int:
        assert self._draft is not None
        count, head = self._heads.take(view)
        self._draft.ended_at = at
        if head is not None:
            self._on_head(at, self._draft, head)
        elif len(self._heads.held) > LARGEST_HEAD_BYTES:
            self._keep_partial_head(self._draft)
            self._draft.fall_short("malformed", f"a head of more than {LARGEST_HEAD_BYTES} bytes")
            self._take = self._lost
        return count

    def _on_head(self, at: datetime, draft: ExchangeDraft, head: bytes) -> None:
        line = StatusLine.parse(head)
        message = self._dialogue.message()
        message.head, message.fields = head, fields_of(head)
        self._has_answered = True
        # RFC 9110 15.2.2: after a 101 this is no longer HTTP.
        if is_interim(line.status) and line.status != 101 and self._is_oldest(draft):
            draft.take_interim(message, self._dialogue.losses)
            self._take = self._start
            return
        draft.status = line.status
        draft.protocol = f"http/{line.version}"
        if line.status is None:
            draft.fall_short("malformed", "a status line without a status")
        tunnel = self._tunnel_of(draft, message)
        if tunnel is None:
            self._begin_answer(
                at, message, response_body_end(head, message.fields, line, method=draft.method)
            )
        else:
            self._begin_answer(at, message, AtClose())
            self._tunnel, self._take = tunnel, self._tunnelled
        self._requests.answered(draft, tunnel)

    def _begin_answer(self, at: datetime, message: MessageDraft, end: BodyEnd) -> None:
        draft = self._draft
        assert draft is not None
        self._has_answered = True
        if self._is_oldest(draft):
            self._dialogue.waiting.popleft()
        message.framing = end.framing
        draft.response, draft.answered_at, draft.ended_at = message, at, at
        self._end = end
        self._take = self._start if end.is_reached else self._body

    def _is_oldest(self, draft: ExchangeDraft) -> bool:
        waiting = self._dialogue.waiting
        return bool(waiting) and waiting[0] is draft

    def _tunnel_of(self, draft: ExchangeDraft, message: MessageDraft) -> Tunnel | None:
        """What takes the bytes after this answer, if HTTP ends here (RFC 9110 15.2.2, 9.3.6)."""
        is_connected = draft.method == "CONNECT" and draft.status in range(200, 300)
        if draft.status != 101 and not is_connected:
            return None
        upgrades = {value.lower() for value in values_of(message.fields, "upgrade")}
        if draft.status == 101 and "websocket" in upgrades:
            dialogue = WebSocketDialogue(draft, message.fields, self._dialogue.losses)
            self._dialogue.websocket = dialogue
            return dialogue.feed
        return self._lose_tunnelled

    def _lose_tunnelled(self, side: Side, _at: datetime, view: memoryview) -> None:
        self._dialogue.losses.lose(side, len(view), "a tunnel of another protocol")

    def _body(self, at: datetime, view: memoryview) -> int:
        draft, end = self._draft, self._end
        assert draft is not None
        assert draft.response is not None
        assert end is not None
        count = end.take(view)
        draft.response.body.write(view[:count])
        draft.ended_at = at
        if end.is_reached:
            draft.response.trailers = end.trailers
            self._take = self._start
        return count

    def _tunnelled(self, at: datetime, view: memoryview) -> int:
        assert self._tunnel is not None
        self._tunnel(Side.SERVER, at, view)
        return len(view)

    def _junk(self, _at: datetime, view: memoryview) -> int:
        """Nobody asked; what comes after the next request may be an answer again."""
        if self._dialogue.waiting:
            self._take = self._start
            return 0
        self._dialogue.losses.lose(Side.SERVER, len(view), _STRAY)
        return len(view)

    def _lost(self, _at: datetime, view: memoryview) -> int:
        self._dialogue.losses.lose(Side.SERVER, len(view), _NOT_HTTP)
        return len(view)

    def _finish_slop(self) -> None:
        """An answer of fewer bytes than tell what it is."""
        assert self._since is not None
        if self._draft is not None and PROTOCOL.startswith(self._slop.lower()):
            self._begin_head(self._since, 0)
        else:
            self._begin_without_head(self._since)

    def _finish_head(self, ending: Ending) -> None:
        assert self._draft is not None
        self._keep_partial_head(self._draft)
        self._draft.fall_short(ending.truncated, f"half a head: {ending.detail}")

    def _keep_partial_head(self, draft: ExchangeDraft) -> None:
        head = self._heads.drop()
        if b"\n" in head:
            draft.status = StatusLine.parse(head).status
        if self._is_oldest(draft):
            self._dialogue.waiting.popleft()
        draft.response = self._dialogue.message()
        draft.response.head, draft.response.fields = head, fields_of(head)

    def _finish_body(self, ending: Ending) -> None:
        draft, end = self._draft, self._end
        assert draft is not None
        assert draft.response is not None
        assert end is not None
        draft.response.trailers = end.trailers
        if end.fault:
            draft.fall_short("malformed", end.fault)
        elif not (end.is_until_close and ending.is_orderly):
            draft.fall_short(ending.truncated, ending.detail)

    def _finish_websocket(self, websocket: WebSocketDialogue, ending: Ending) -> None:
        assert self._draft is not None
        websocket.finish()
        if ending.truncated == "length" or not websocket.is_between_messages:
            self._draft.fall_short(ending.truncated, ending.detail)
