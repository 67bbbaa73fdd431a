"""HTTP/2 (RFC 9113) out of a recorded connection: streams with their heads and bodies.

A head of HTTP/2 has no bytes of its own that would mean anything elsewhere (HPACK is a state of the
whole connection), so `Message.head` is our rendering; `Message.fields` are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
)

from preservation.recording.drafts import (
    MOST_UNASKED,
    Conversation,
    Ending,
    ExchangeDraft,
    Losses,
    MessageDraft,
    NewBody,
    Origin,
)
from preservation.recording.http1_head import RequestLine, first_value, is_interim, target_url
from preservation.recording.http2_frames import FRAME_HEAD_BYTES, FrameReader, HeaderBlock, NotHttp2
from preservation.recording.http2_headers import HeaderDecoder, HeaderList, HeadersUnreadable
from preservation.recording.model import Chunk, Side
from preservation.recording.websocket import WebSocketDialogue

_ERRORS = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
    "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
    "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
"""RFC 9113 7."""
_NO_ERROR = 0


@dataclass(slots=True, eq=False)
class _Stream:
    """A stream while it is being decoded."""

    draft: ExchangeDraft
    ended: set[Side] = field(default_factory=set)
    protocol: str = ""
    """Of an extended CONNECT (RFC 8441 4)."""
    reset: str | None = None
    websocket: WebSocketDialogue | None = None


class Http2Decoder:
    """Decodes one connection, chunk by chunk, in the order of arrival."""

    def __init__(self, origin: Origin, new_body: NewBody) -> None:
        self._origin = origin
        self._new_body = new_body
        self._losses = Losses()
        self._readers = {side: FrameReader(side) for side in Side}
        self._headers = {side: HeaderDecoder() for side in Side}
        self._lost: dict[Side, str] = {}
        self._streams: dict[int, _Stream] = {}
        self._goaway: GoAwayFrame | None = None
        self._pushed = 0

    def feed(self, chunk: Chunk) -> None:
        """Take *chunk*."""
        if chunk.side in self._lost:
            self._losses.lose(chunk.side, len(chunk.data), self._lost[chunk.side])
            return
        reader = self._readers[chunk.side]
        try:
            for frame in reader.feed(chunk.data):
                self._take(chunk.at, chunk.side, frame)
        except (NotHttp2, HeadersUnreadable) as fault:
            why = self._lost[chunk.side] = f"{chunk.side}: {fault}"
            self._losses.lose(chunk.side, reader.unfinished_bytes, why)

    def finish(self, ending: Ending) -> Conversation:
        """Everything that was said; *ending* explains what is unfinished."""
        for side in Side:
            if side not in self._lost and self._readers[side].unfinished_bytes:
                unfinished = self._readers[side].unfinished_bytes
                self._losses.lose(side, unfinished, f"{side}: ended within a frame")
        for number, stream in self._streams.items():
            self._finish(number, stream, ending)
        return Conversation(
            exchanges=tuple(stream.draft.exchange() for stream in self._streams.values()),
            fault=self._losses.fault,
            undecoded=self._losses.undecoded,
        )

    def _take(self, at: datetime, side: Side, frame: Frame | HeaderBlock) -> None:
        if isinstance(frame, HeaderBlock):
            self._on_headers(at, side, frame)
        elif isinstance(frame, DataFrame):
            self._on_data(at, side, frame)
        elif isinstance(frame, RstStreamFrame):
            self._on_reset(side, frame)
        elif isinstance(frame, SettingsFrame):
            size = frame.settings.get(SettingsFrame.HEADER_TABLE_SIZE)
            if size is not None:
                self._headers[side.other].allow_table(size)
        elif isinstance(frame, GoAwayFrame) and side is Side.SERVER:
            self._goaway = frame

    def _on_headers(self, at: datetime, side: Side, block: HeaderBlock) -> None:
        headers = HeaderList.of(self._headers[side].fields_in(block.data))
        if isinstance(block.frame, PushPromiseFrame):
            self._on_promise(at, block.frame, headers)
            return
        stream = self._streams.get(block.stream_id)
        if side is Side.CLIENT and stream is None:
            stream = self._begin(at, block.stream_id, headers)
        elif stream is None or side in stream.ended:
            self._lose_frame(side, len(block.data), block.stream_id)
            return
        elif side is Side.CLIENT:
            stream.draft.request.trailers = headers.fields
        else:
            self._on_answer(at, stream, headers)
        if "END_STREAM" in block.frame.flags:
            self._end(at, side, stream)

    def _on_promise(self, at: datetime, frame: PushPromiseFrame, headers: HeaderList) -> None:
        """RFC 9113 8.4: a request that the server makes up, to answer it unasked."""
        self._pushed += 1
        if frame.promised_stream_id in self._streams or self._pushed > MOST_UNASKED:
            self._lose_frame(Side.SERVER, frame.body_len, frame.promised_stream_id)
            return
        pushed = self._begin(at, frame.promised_stream_id, headers)
        pushed.draft.details.append(f"pushed by the server on stream {frame.stream_id}")
        pushed.ended.add(Side.CLIENT)

    def _begin(self, at: datetime, number: int, headers: HeaderList) -> _Stream:
        scheme = headers.pseudo.get(":scheme") or self._origin.scheme
        authority = headers.pseudo.get(":authority") or first_value(headers.fields, "host")
        method = headers.pseudo.get(":method", "")
        # RFC 8441 4: an extended CONNECT has a path, a plain one (RFC 9113 8.5) has none.
        is_plain_connect = method == "CONNECT" and ":path" not in headers.pseudo
        line = RequestLine("CONNECT" if is_plain_connect else "", headers.target, "2")
        draft = ExchangeDraft(
            origin=self._origin,
            stream=number,
            protocol="h2",
            began_at=at,
            request=self._message(headers.request_head(), headers),
            method=method,
            url=target_url(scheme, authority or self._origin.authority, line),
        )
        draft.note(*headers.faults)
        stream = _Stream(draft, protocol=headers.pseudo.get(":protocol", ""))
        if stream.protocol:
            draft.details.append(f"extended CONNECT (RFC 8441) for {stream.protocol}")
        self._streams[number] = stream
        return stream

    def _message(self, head: bytes, headers: HeaderList) -> MessageDraft:
        return MessageDraft(body=self._new_body(), head=head, fields=headers.fields)

    def _on_answer(self, at: datetime, stream: _Stream, headers: HeaderList) -> None:
        """An interim response, the response, or its trailers (RFC 9113 8.1)."""
        draft = stream.draft
        draft.ended_at = at
        if draft.response is not None:
            draft.response.trailers = headers.fields
            return
        message = self._message(headers.response_head(), headers)
        draft.note(*headers.faults)
        text = headers.pseudo.get(":status", "")
        status = int(text) if len(text) == 3 and text.isascii() and text.isdigit() else None
        if is_interim(status):
            draft.take_interim(message, self._losses)
            return
        draft.response, draft.status, draft.answered_at = message, status, at
        if status is None:
            draft.fall_short("malformed", "a response without a status")
        if stream.protocol == "websocket" and status in range(200, 300):
            stream.websocket = WebSocketDialogue(draft, headers.fields, self._losses)

    def _on_data(self, at: datetime, side: Side, frame: DataFrame) -> None:
        stream = self._streams.get(frame.stream_id)
        # RFC 9113 5.1: what comes after END_STREAM is no part of the stream.
        if stream is None or side in stream.ended:
            self._lose_frame(side, len(frame.data), frame.stream_id)
            return
        draft = stream.draft
        message = draft.request if side is Side.CLIENT else draft.response
        if stream.websocket is not None:
            stream.websocket.feed(side, at, frame.data)
        elif message is None:
            self._lose_frame(side, len(frame.data), frame.stream_id)
        else:
            message.body.write(frame.data)
            if frame.data and message.trailers:
                draft.fall_short("malformed", f"the {side} sent data after trailers")
        if side is Side.SERVER:
            draft.ended_at = at
        if "END_STREAM" in frame.flags:
            self._end(at, side, stream)

    def _end(self, at: datetime, side: Side, stream: _Stream) -> None:
        stream.ended.add(side)
        if side is Side.SERVER:
            stream.draft.ended_at = at

    def _on_reset(self, side: Side, frame: RstStreamFrame) -> None:
        stream = self._streams.get(frame.stream_id)
        if stream is not None and stream.reset is None:
            stream.reset = f"the {side} reset the stream: {_error(frame.error_code)}"
            if side is Side.SERVER and frame.error_code == _NO_ERROR and _has_all(stream.draft):
                # As in Chromium: it has said all that it had to say (RFC 9113 8.1).
                stream.ended.add(side)

    def _lose_frame(self, side: Side, size_bytes: int, number: int) -> None:
        size_bytes += FRAME_HEAD_BYTES
        self._losses.lose(side, size_bytes, f"{side}: a frame out of place on stream {number}")

    def _finish(self, number: int, stream: _Stream, ending: Ending) -> None:
        draft = stream.draft
        if stream.websocket is not None:
            stream.websocket.finish()
            if ending.truncated != "length" and stream.websocket.is_between_messages:
                return
        elif Side.CLIENT not in stream.ended:
            draft.details.append("the request was not sent whole")
        if stream.reset is not None:
            draft.details.append(stream.reset)
        if Side.SERVER in stream.ended:
            self._check_length(draft)
        elif stream.reset is not None:
            draft.fall_short("reset", stream.reset)
        elif Side.SERVER in self._lost:
            draft.fall_short("malformed", self._lost[Side.SERVER])
        else:
            draft.fall_short(ending.truncated, self._why_unanswered(number) or ending.detail)

    def _why_unanswered(self, number: int) -> str | None:
        """RFC 9113 6.8: what a GOAWAY says of later streams."""
        goaway = self._goaway
        if goaway is None or number <= goaway.last_stream_id:
            return None
        return f"refused by GOAWAY: {_error(goaway.error_code)}"

    def _check_length(self, draft: ExchangeDraft) -> None:
        """RFC 9113 8.1.1: a length that isn't that of the content makes a response malformed."""
        if draft.response is None:
            draft.fall_short("malformed", "the stream ended without a response")
            return
        length = _length_of(draft)
        has_content = draft.method.upper() != "HEAD" and draft.status not in {204, 304}
        if has_content and length and not _has_all(draft):
            came = draft.response.body.size_bytes
            draft.fall_short("malformed", f"content-length {length}, but {came} bytes came")


def _length_of(draft: ExchangeDraft) -> str:
    """The length that the answer promises (RFC 9110 8.6); empty if it promises none."""
    value = first_value(draft.response.fields, "content-length") if draft.response else ""
    return (value.lstrip("0") or "0") if value.isascii() and value.isdigit() else ""


def _has_all(draft: ExchangeDraft) -> bool:
    """Whether as much came as was promised."""
    return draft.response is not None and _length_of(draft) == str(draft.response.body.size_bytes)


def _error(code: int) -> str:
    return _ERRORS[code] if code < len(_ERRORS) else f"error {code}"
