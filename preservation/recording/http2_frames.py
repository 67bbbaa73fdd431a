"""Frames of HTTP/2 (RFC 9113 4, 6) out of what one side sends, header blocks put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    HeadersFrame,
    PushPromiseFrame,
)

from preservation.recording.model import Side

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (RFC 9113 3.4)."""
FRAME_HEAD_BYTES = 9
LARGEST_BLOCK_BYTES = 16 << 20

_TELLING_TYPES = frozenset({0x0, 0x1, 0x3, 0x4, 0x5, 0x7, 0x9})
"""All but PRIORITY, PING, WINDOW_UPDATE and what is unknown (RFC 9113 6, 5.5)."""


class NotHttp2(Exception):
    """What a side sends can't be read as HTTP/2 from here on."""


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """A HEADERS or PUSH_PROMISE frame and the CONTINUATION frames after it."""

    frame: HeadersFrame | PushPromiseFrame
    data: bytes

    @property
    def stream_id(self) -> int:
        """The stream that it was sent on."""
        return self.frame.stream_id


class FrameReader:
    """Reads what *side* sends."""

    def __init__(self, side: Side) -> None:
        self._held = bytearray()
        self._lacks_preface = side is Side.CLIENT
        self._opening: HeadersFrame | PushPromiseFrame | None = None
        self._block = bytearray()

    @property
    def unfinished_bytes(self) -> int:
        """What was taken and belongs to no frame yet."""
        return len(self._held) + len(self._block)

    def feed(self, data: bytes) -> Iterator[Frame | HeaderBlock]:
        """The frames that *data* completes.

        Raises:
            NotHttp2: While iterating; the reader is of no use then.
        """
        self._held += data
        position = 0
        try:
            if self._lacks_preface:
                position = self._preface()
            while not self._lacks_preface and len(self._held) >= position + FRAME_HEAD_BYTES:
                head = memoryview(bytes(self._held[position : position + FRAME_HEAD_BYTES]))
                end = position + FRAME_HEAD_BYTES + int.from_bytes(head[:3])
                if len(self._held) < end:
                    break
                body = memoryview(bytes(self._held[position + FRAME_HEAD_BYTES : end]))
                position = end
                if head[3] in _TELLING_TYPES:
                    yield from self._whole(_parsed(head, body))
                elif self._opening is not None:
                    raise NotHttp2("another frame within a header block")
        finally:
            del self._held[:position]

    def _preface(self) -> int:
        start = self._held[: len(PREFACE)]
        if not PREFACE.startswith(start):
            raise NotHttp2("no HTTP/2 preface")
        if len(start) < len(PREFACE):
            return 0
        self._lacks_preface = False
        return len(PREFACE)

    def _whole(self, frame: Frame) -> Iterator[Frame | HeaderBlock]:
        """*frame*, or the header block that it completes (RFC 9113 4.3)."""
        opening = self._opening
        if opening is None:
            if isinstance(frame, ContinuationFrame):
                raise NotHttp2("a CONTINUATION of nothing")
            if not isinstance(frame, HeadersFrame | PushPromiseFrame):
                yield frame
                return
            self._opening = opening = frame
        elif not isinstance(frame, ContinuationFrame) or frame.stream_id != opening.stream_id:
            raise NotHttp2("another frame within a header block")
        self._block += frame.data
        if len(self._block) > LARGEST_BLOCK_BYTES:
            raise NotHttp2(f"a header block of more than {LARGEST_BLOCK_BYTES} bytes")
        if "END_HEADERS" in frame.flags:
            data = bytes(self._block)
            self._opening = None
            self._block.clear()
            yield HeaderBlock(opening, data)


def _parsed(head: memoryview, body: memoryview) -> Frame:
    try:
        frame, _ = Frame.parse_frame_header(head)
        frame.parse_body(body)
    except HyperframeError as error:
        raise NotHttp2(str(error)) from error
    return frame
