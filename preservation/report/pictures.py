"""Thumbnails that can't hurt: grey, small and blurred before they leave this process.

An analyst who must look clearly opens the object itself, which is a logged request.
"""

from __future__ import annotations

import base64
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFilter, ImageOps

from preservation import strangers
from preservation.model.digests import CHUNK_BYTES, sha256_of
from preservation.model.media import DEMUXERS, PROTOCOLS
from preservation.report.contents import StoredObject
from preservation.store.port import ObjectStore
from preservation.store.warc import payload_at
from preservation.strangers import OutputTooLarge

LARGEST_PICTURE_COUNT = 200
LARGEST_PICTURE_BYTES = 32 << 20
LARGEST_CLIP_BYTES = 64 << 20
LARGEST_PICTURE_PIXELS = 40_000_000
LONGEST_EDGE_PX = 120
BLUR_RADIUS_PX = 3.0

_FRAME_DEADLINE_S = 20
_LARGEST_FRAME_BYTES = 8 << 20
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_NOT_A_PICTURE = (
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Thumbnails:
    """Harmless thumbnails of stored objects as ``data:`` URLs, by SHA-256; at most *bound*."""

    def __init__(self, store: ObjectStore, *, bound: int = LARGEST_PICTURE_COUNT) -> None:
        self._store = store
        self._bound = bound
        self._rendered: dict[str, str] = {}

    def render(self, objects: Iterable[StoredObject]) -> None:
        """Render what of *objects* can be shown, until the bound is reached."""
        for entry in objects:
            if len(self._rendered) >= self._bound:
                return
            if entry.sha256 not in self._rendered:
                rendered = self._render_one(entry)
                if rendered is not None:
                    self._rendered[entry.sha256] = rendered

    def of(self, sha256: str) -> str | None:
        """The thumbnail of the object *sha256*, if there is one."""
        return self._rendered.get(sha256)

    def _render_one(self, entry: StoredObject) -> str | None:
        kind = entry.media_type.partition("/")[0]
        bound = {"image": LARGEST_PICTURE_BYTES, "video": LARGEST_CLIP_BYTES}.get(kind, -1)
        if entry.size_bytes > bound:
            return None
        content = _bytes_of(self._store, entry)
        if content is None:
            return None
        picture = content if kind == "image" else _frame_of(content)
        return harmless(picture) if picture else None


def harmless(content: bytes) -> str | None:
    """A blurred grey thumbnail of the picture *content* as a ``data:`` URL; None if it isn't one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > LARGEST_PICTURE_PIXELS:
                    return None
                picture.draft("L", (LONGEST_EDGE_PX * 2, LONGEST_EDGE_PX * 2))
                grey = ImageOps.exif_transpose(picture).convert("L")
        except _NOT_A_PICTURE:
            return None
    grey = _top_of_a_long_page(grey)
    grey.thumbnail((LONGEST_EDGE_PX, LONGEST_EDGE_PX))
    buffer = BytesIO()
    grey.filter(ImageFilter.GaussianBlur(BLUR_RADIUS_PX)).save(buffer, "JPEG", quality=60)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _top_of_a_long_page(picture: Image.Image) -> Image.Image:
    """A full-page screenshot can be fifty screens long; its first screen says enough."""
    longest = picture.width * 3 // 4
    if picture.height <= longest * 2:
        return picture
    return picture.crop((0, 0, picture.width, longest))


def _bytes_of(store: ObjectStore, entry: StoredObject) -> bytes | None:
    """The object's bytes; None when they aren't what the manifest says (verify reports that)."""
    try:
        with closing(store.open(entry.place.key)) as stream:
            content = _read(stream, entry)
    except (KeyError, ValueError):
        return None
    return content if sha256_of(content) == entry.sha256 else None


def _read(stream: BinaryIO, entry: StoredObject) -> bytes:
    if entry.place.warc_offset is None:
        return stream.read(entry.size_bytes)
    with payload_at(stream, entry.place.warc_offset) as payload:
        return b"".join(iter(lambda: payload.read(CHUNK_BYTES), b""))


def _frame_of(clip: bytes) -> bytes | None:
    """One frame of a video as PNG, drawn by ffmpeg without any network; None if it can't be."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "clip", Path(folder) / "frame.png"
        source.write_bytes(clip)
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1"]
        command += ["-protocol_whitelist", PROTOCOLS, "-format_whitelist", DEMUXERS]
        command += ["-ss", "1", "-i", str(source), "-frames:v", "1", "-vf", "scale=240:-2", str(target)]
        try:
            strangers.run(command, timeout_s=_FRAME_DEADLINE_S, most_written_bytes=_LARGEST_FRAME_BYTES)
            return target.read_bytes()
        except (OSError, OutputTooLarge, ValueError):
            return None
