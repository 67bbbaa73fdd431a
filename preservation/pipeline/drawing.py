"""Pictures of sealed bitstreams, each decoded in a process of its own kind; nothing is kept."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.export.bitstreams import object_chunks
from preservation.gallery.drawn import Drawing, drawn
from preservation.gallery.numbers import picture_key
from preservation.model.tables import Row
from preservation.settings import Settings
from preservation.similarity.eligibility import Decoder, decoder_of
from preservation.similarity.frames import FrameSampler
from preservation.store.port import ObjectStore

LARGEST_PICTURE_BYTES = 64 << 20
LARGEST_VIDEO_BYTES = 512 << 20
_BOUNDS = {Decoder.PICTURE: LARGEST_PICTURE_BYTES, Decoder.VIDEO: LARGEST_VIDEO_BYTES}
_FRAME_TIMEOUT_S = 30.0
_FRAMES_TRIED = 90
_LIVELY_DEVIATION = 20.0
"""Of grey values; less is a black or empty frame."""
_NEVER_MS = 1 << 40
_TOGETHER = 32
"""Pictures that lie on the disk at a time."""

Grey = NDArray[np.uint8]


Moments = Mapping[str, Collection[int]]
"""SHA-256 of a video to the times, in milliseconds, at which it is drawn as well."""


def draw_stored(
    settings: Settings, store: ObjectStore, rows: Iterable[Row], moments: Moments
) -> dict[str, Drawing]:
    """A drawing of each bitstream in *rows* (of `objects`) that can be shown, by SHA-256; of a video
    that of its first lively frame, and by `picture_key` those of the frames nearest to its *moments*.

    Raises:
        EvidenceAtRisk: A bitstream isn't the one that its row describes.
        ProgramMissing: ffmpeg isn't installed, and there are videos.
    """
    settings.work.mkdir(exist_ok=True)
    found: dict[str, Drawing] = {}
    showable = (row for row in rows if _is_showable(row))
    while part := list(islice(showable, _TOGETHER)):
        with tempfile.TemporaryDirectory(dir=settings.work) as folder:
            found.update(_drawings(store, part, Path(folder), moments))
    return found


def is_lively(grey: Grey) -> bool:
    """Whether a frame shows more than black or one colour."""
    return float(grey.std()) > _LIVELY_DEVIATION


def _is_showable(row: Any) -> bool:
    bound = _BOUNDS.get(_decoder_of(row), -1)
    return row["content_encoding"] is None and row["size_bytes"] <= bound


def _decoder_of(row: Row) -> Any:
    return decoder_of(str(row["observed_format"] or row["content_type"] or ""))


def _drawings(
    store: ObjectStore, rows: list[Row], folder: Path, moments: Moments
) -> Iterator[tuple[str, Drawing]]:
    paths = {str(row["sha256"]): _copied(store, row, folder) for row in rows}
    pictures = [str(row["sha256"]) for row in rows if _decoder_of(row) is Decoder.PICTURE]
    for sha256, drawing in zip(pictures, drawn([paths[each] for each in pictures]), strict=True):
        if drawing is not None:
            yield sha256, drawing
    for sha256 in paths.keys() - set(pictures):
        for moment, frame in _frames_of(paths[sha256], moments.get(sha256, ())).items():
            yield picture_key(sha256, moment), Drawing.of_frame(frame)


def _copied(store: ObjectStore, row: Row, folder: Path) -> Path:
    path = folder / str(row["sha256"])
    with path.open("wb") as copy:
        copy.writelines(object_chunks(store, row))
    return path


def _frames_of(path: Path, moments: Collection[int]) -> dict[int | None, Grey]:
    """The first lively frame of a video, else its first, under None; and those nearest to *moments*."""
    found: dict[int | None, Grey] = {}
    nearest_ms: dict[int, int] = {}
    for number, frame in enumerate(FrameSampler(path, _FRAME_TIMEOUT_S).frames()):
        if None not in found or (is_lively(frame.grey) and not is_lively(found[None])):
            found[None] = frame.grey
        for moment in moments:
            away_ms = abs(frame.shown_ms - moment)
            if away_ms < nearest_ms.get(moment, _NEVER_MS):
                found[moment], nearest_ms[moment] = frame.grey, away_ms
        is_past = frame.shown_ms > max(moments, default=0)
        if is_past and (is_lively(found[None]) or number >= _FRAMES_TRIED):
            break
    return found
