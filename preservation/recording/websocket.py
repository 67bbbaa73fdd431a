"""WebSocket (RFC 6455) with permessage-deflate (RFC 7692): what each side said, unmasked and whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from preservation.recording.drafts import ExchangeDraft, Losses
from preservation.recording.http1_head import values_of
from preservation.recording.model import Fields, Side, WebSocketFrame

LARGEST_MESSAGE_BYTES = 16 << 20
LARGEST_DIALOGUE_BYTES = 64 << 20
"""Messages are held in memory: what goes beyond is counted as undecoded."""
LARGEST_DIALOGUE_FRAMES = 200_000

_CONTINUATION, _TEXT, _BINARY = 0x0, 0x1, 0x2
_KINDS = {_TEXT: "text", _BINARY: "binary", 0x8: "close", 0x9: "ping", 0xA: "pong"}
_EMPTY_BLOCK = b"\x00\x00\xff\xff"
_NO_TAKEOVER = "{}_no_context_takeover"


class NotWebSocket(Exception):
    """What a side sends can't be read as WebSocket from here on."""


class Inflater:
    """Unpacks the messages of one side (RFC 7692 7.2.2)."""

    def __init__(self, *, takes_over: bool) -> None:
        self._takes_over = takes_over
        self._stream = zlib.decompressobj(-15)

    def inflated(self, data: bytes, largest_bytes: int) -> bytes:
        """The message that *data* unpacks to.

        Raises:
            NotWebSocket: It doesn't, or to more than *largest_bytes*.
        """
        if not self._takes_over:
            self._stream = zlib.decompressobj(-15)
        message = bytearray()
        data += _EMPTY_BLOCK
        while data:
            try:
                message += self._stream.decompress(data, largest_bytes + 1 - len(message))
            except zlib.error as error:
                raise NotWebSocket(f"a message that can't be unpacked: {error}") from error
            if len(message) > largest_bytes:
                raise NotWebSocket(f"a message that unpacks to more than {largest_bytes} bytes")
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                # RFC 7692 7.2.3.4: a final block may stand anywhere; what follows begins anew.
                data = self._stream.unused_data if self._stream.unused_data != b"\x00" else b""
                self._stream = zlib.decompressobj(-15)
        return bytes(message)


@dataclass(frozen=True, slots=True)
class _FrameHead:
    """RFC 6455 5.2."""

    is_final: bool
    is_packed: bool
    opcode: int
    mask: bytes
    start: int
    """Where in the buffer the payload begins."""
    length: int

    @classmethod
    def parse(cls, held: bytearray, at: int) -> _FrameHead | None:
        """The head at *at*; None while it is incomplete."""
        if len(held) < at + 2:
            return None
        first, second = held[at], held[at + 1]
        length, start = second & 0x7F, at + 2
        if length >= 126:
            start += 2 if length == 126 else 8
            length = int.from_bytes(held[at + 2 : start])
        mask_bytes = 4 if second & 0x80 else 0
        if len(held) < start + mask_bytes:
            return None
        mask = bytes(held[start : start + mask_bytes])
        if first & 0x30:
            raise NotWebSocket("reserved bits")
        return cls(
            bool(first & 0x80), bool(first & 0x40), first & 0x0F, mask, start + mask_bytes, length
        )

    @property
    def end(self) -> int:
        return self.start + self.length

    @property
    def is_control(self) -> bool:
        return bool(self.opcode & 0x8)


class WebSocketReader:
    """Reads what *side* sends."""

    def __init__(self, side: Side, inflater: Inflater | None) -> None:
        self._side = side
        self._inflater = inflater
        self._held = bytearray()
        self._opcode: int | None = None
        self._is_packed = False
        self._message = bytearray()
        self._message_bytes = 0
        """Of the frames that `_message` came in."""
        self.untold_bytes = 0
        """What was taken and belongs to nothing that was told."""

    @property
    def is_between_messages(self) -> bool:
        """Whether all that was begun was finished."""
        return not self._held and self._opcode is None

    def feed(self, at: datetime, data: bytes | memoryview) -> Iterator[WebSocketFrame]:
        """The messages and control frames that *data* completes.

        Raises:
            NotWebSocket: While iterating; the reader is of no use then.
        """
        self._held += data
        self.untold_bytes += len(data)
        position = 0
        try:
            while (head := _FrameHead.parse(self._held, position)) is not None:
                self._check(head)
                if len(self._held) < head.end:
                    break
                payload = _unmasked(self._held[head.start : head.end], head.mask)
                yield from self._frames(at, head, payload, head.end - position)
                position = head.end
        finally:
            del self._held[:position]

    def _check(self, head: _FrameHead) -> None:
        """RFC 6455 5.4 and 5.5, and our own limit."""
        if head.is_control:
            if not head.is_final or head.length > 125 or head.is_packed:
                raise NotWebSocket("a control frame that is fragmented, packed or too long")
        elif (head.opcode == _CONTINUATION) == (self._opcode is None):
            raise NotWebSocket("fragments out of order")
        if head.opcode != _CONTINUATION and head.opcode not in _KINDS:
            raise NotWebSocket(f"opcode {head.opcode}")
        if head.is_packed and (self._inflater is None or head.opcode == _CONTINUATION):
            raise NotWebSocket("a packed frame where none may be")
        if len(self._message) + head.length > LARGEST_MESSAGE_BYTES:
            raise NotWebSocket(f"a message of more than {LARGEST_MESSAGE_BYTES} bytes")

    def _frames(
        self, at: datetime, head: _FrameHead, payload: bytes, size_bytes: int
    ) -> Iterator[WebSocketFrame]:
        """What a whole frame of *size_bytes* tells."""
        if head.is_control:
            yield WebSocketFrame(at=at, side=self._side, kind=_KINDS[head.opcode], data=payload)
            self.untold_bytes -= size_bytes
            return
        if head.opcode != _CONTINUATION:
            self._opcode, self._is_packed = head.opcode, head.is_packed
        self._message += payload
        self._message_bytes += size_bytes
        if head.is_final and self._opcode is not None:
            kind, message = _KINDS[self._opcode], bytes(self._message)
            if self._is_packed and self._inflater is not None:
                message = self._inflater.inflated(message, LARGEST_MESSAGE_BYTES)
            self._opcode = None
            self._message.clear()
            yield WebSocketFrame(at=at, side=self._side, kind=kind, data=message)
            self.untold_bytes -= self._message_bytes
            self._message_bytes = 0


def _unmasked(payload: bytearray, mask: bytes) -> bytes:
    """RFC 6455 5.3."""
    if not mask or not payload:
        return bytes(payload)
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(length)


class WebSocketDialogue:
    """Both sides after the answer that opened a WebSocket; *extensions* are those of that answer."""

    def __init__(self, draft: ExchangeDraft, extensions: Fields, losses: Losses) -> None:
        parameters = _deflate_parameters(extensions)
        self._draft = draft
        draft.is_websocket = True
        self._losses = losses
        self._room_bytes = LARGEST_DIALOGUE_BYTES
        self._lost: dict[Side, str] = {}
        self._readers = {side: WebSocketReader(side, _inflater(side, parameters)) for side in Side}

    @property
    def is_between_messages(self) -> bool:
        """Whether all that was begun was finished."""
        return not self._lost and all(r.is_between_messages for r in self._readers.values())

    def feed(self, side: Side, at: datetime, data: bytes | memoryview) -> None:
        """Take *data*, which *side* sent."""
        if side in self._lost:
            self._losses.lose(side, len(data), self._lost[side])
            return
        try:
            for frame in self._readers[side].feed(at, data):
                self._keep(frame)
                self._draft.ended_at = at
        except NotWebSocket as fault:
            self._lost[side] = f"WebSocket: {fault}"
            self._lose(side, self._lost[side])

    def finish(self) -> None:
        """Count what was begun and never finished."""
        for side in Side:
            if side not in self._lost and not self._readers[side].is_between_messages:
                self._lose(side, "WebSocket: ended within a message")

    def _keep(self, frame: WebSocketFrame) -> None:
        self._room_bytes -= len(frame.data)
        if self._room_bytes < 0 or len(self._draft.frames) >= LARGEST_DIALOGUE_FRAMES:
            raise NotWebSocket("more was said than can be kept")
        self._draft.frames.append(frame)

    def _lose(self, side: Side, why: str) -> None:
        self._losses.lose(side, self._readers[side].untold_bytes, why)
        self._draft.details.append(why)


def _deflate_parameters(fields: Fields) -> set[str] | None:
    """The parameters of permessage-deflate as agreed, None without it (RFC 7692 7.1)."""
    for extension in values_of(fields, "sec-websocket-extensions"):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name == "permessage-deflate":
            return set(parameters)
    return None


def _inflater(side: Side, parameters: set[str] | None) -> Inflater | None:
    if parameters is None:
        return None
    return Inflater(takes_over=_NO_TAKEOVER.format(side) not in parameters)
