"""What recorded messages hold: payloads without framing, contents without coding, dialogues."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from preservation.model.canonical import instant
from preservation.model.digests import fixity_of
from preservation.recording.model import Framing, Message, Slice, WebSocketFrame
from preservation.store.http_body import CannotDecode, Dechunked, decoded

if TYPE_CHECKING:
    from preservation.settings import Limits


@contextmanager
def payload_of(message: Message) -> Iterator[BinaryIO]:
    """The body of *message* without its framing."""
    with opened(message.body) as body:
        is_chunked = message.framing is Framing.CHUNKED
        yield io.BufferedReader(Dechunked(body)) if is_chunked else body


def opened(body: Path | Slice | None) -> BinaryIO:
    """*body* as a stream; an empty one if there is none."""
    if isinstance(body, Path):
        return body.open("rb")
    return io.BytesIO(b"" if body is None else body.read_bytes())


def content_of(message: Message, limits: Limits) -> dict[str, Any]:
    """What the payload of *message* is without its content coding (RFC 9110 8.4), if it has one: the
    facts of a `CapturedObject`.
    """
    coding = ", ".join(v for k, v in message.fields if k.lower() == "content-encoding").strip()
    if not coding or coding.lower() == "identity" or not message.body_bytes:
        return {}
    try:
        with payload_of(message) as payload:
            content = fixity_of(
                decoded(
                    payload,
                    coding,
                    largest_bytes=limits.largest_object_bytes,
                    largest_ratio=limits.largest_decoding_ratio,
                )
            )
    except CannotDecode as fault:
        return {"content_encoding": coding, "content_absence": fault.reason}
    return {
        "content_encoding": coding,
        "content_size_bytes": content.size_bytes,
        "content_sha256": content.sha256,
    }


def dialogue_of(frames: Iterable[WebSocketFrame]) -> bytes:
    """What was said over a WebSocket, one JSON line a message: at, side, kind, text or base64."""
    lines = (
        {"at": instant(frame.at), "side": frame.side, "kind": frame.kind, **_in_json(frame)}
        for frame in frames
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return text.encode("utf-8", "surrogatepass")


def _in_json(frame: WebSocketFrame) -> dict[str, str]:
    if frame.kind == "text":
        try:
            return {"text": frame.data.decode()}
        except UnicodeDecodeError:
            pass
    return {"base64": b64encode(frame.data).decode()}
