"""Clips of the evaluation: photographs filmed by a moving camera, with music of their own; what becomes
of clips on their way through services; and what only looks or sounds alike.

Each clip of 30 seconds shows six photographs that no other clip shows. Every fourth has no sound.
"""

from __future__ import annotations

import random
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT, RATE = 640, 360, 15
SHOT_S, SHOTS = 5, 6
CLIP_S = SHOT_S * SHOTS
SOUND_HZ = 22_050

_ENCODED = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-pix_fmt", "yuv420p")
_SOUND = ("-c:a", "aac", "-b:a", "96k")


@dataclass(frozen=True, slots=True)
class FilmTransform:
    """What ffmpeg does to a clip."""

    name: str
    filters: str = ""
    """For the picture: of input 0 and, if there is one, of the overlay, input 1."""
    sound_filters: str = ""
    overlay: str = ""
    """Name of a drawing that is laid over."""
    cut_s: tuple[float, float] | None = None
    """Start and length of what is kept."""
    encoding: tuple[str, ...] = _ENCODED
    suffix: str = ".mp4"


FILM_TRANSFORMS = (
    FilmTransform("re-encoded", "scale=426:240", encoding=(*_ENCODED[:5], "34", *_ENCODED[6:])),
    FilmTransform("other-codec", "fps=10", encoding=("-c:v", "mpeg4", "-q:v", "9"), suffix=".avi"),
    FilmTransform("trimmed-by-30", cut_s=(CLIP_S * 0.15, CLIP_S * 0.7)),
    FilmTransform("trimmed-to-30", cut_s=(CLIP_S * 0.4, CLIP_S * 0.3)),
    FilmTransform("cropped-by-10", "crop=iw*0.9:ih*0.9"),
    FilmTransform("logo", "overlay", overlay="logo"),
    FilmTransform("lower-third", "overlay", overlay="lower-third"),
    FilmTransform("letterboxed", "pad=iw:iw*3/4:0:(oh-ih)/2"),
    FilmTransform("upright-on-black", "pad=iw:iw*16/9:0:(oh-ih)/2,scale=360:640"),
    FilmTransform("mirrored", "hflip"),
    FilmTransform("faster-125", "setpts=PTS/1.25", "atempo=1.25"),
    FilmTransform("slower-80", "setpts=PTS/0.8", "atempo=0.8"),
    FilmTransform("graded", "eq=brightness=0.06:contrast=1.2:saturation=1.5"),
)


def camera(photo: Image.Image, rng: random.Random) -> Iterator[NDArray[np.uint8]]:
    """Frames of one shot: a pan and zoom over *photo*, by hand."""
    scene = np.asarray(photo.convert("RGB"))
    height, width = scene.shape[:2]
    fit = max(WIDTH / width, HEIGHT / height)
    zooms = np.linspace(rng.uniform(1.1, 1.3), rng.uniform(1.25, 1.6), SHOT_S * RATE)
    centres = np.linspace(
        *([rng.uniform(0.42, 0.58) for _ in range(2)] for _ in range(2)), SHOT_S * RATE
    )
    for zoom, (x, y) in zip(zooms * fit, centres, strict=True):
        shake_x, shake_y = rng.gauss(0, 0.6), rng.gauss(0, 0.6)
        moved = np.array(
            [
                [zoom, 0, WIDTH / 2 - zoom * x * width + shake_x],
                [0, zoom, HEIGHT / 2 - zoom * y * height + shake_y],
            ]
        )
        yield cv2.warpAffine(
            scene, moved, (WIDTH, HEIGHT), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
        )


def music(path: Path, rng: random.Random, seconds: float) -> None:
    """A melody over chords, with a beat: 16 bits, mono."""
    drawn = np.random.default_rng(rng.getrandbits(32))
    times = np.arange(int(seconds * SOUND_HZ)) / SOUND_HZ
    sound = drawn.normal(0, 0.01, len(times))
    root, beat_s = rng.uniform(110, 220), rng.uniform(0.28, 0.5)
    scale = rng.choice(((0, 2, 4, 7, 9, 12), (0, 3, 5, 7, 10, 12), (0, 1, 4, 5, 7, 8)))
    for start in np.arange(0, seconds, beat_s):
        length = beat_s * rng.choice((1, 1, 2, 3))
        part = slice(int(start * SOUND_HZ), int((start + length) * SOUND_HZ))
        since = times[part] - start
        pitch = root * 2 ** ((rng.choice(scale) + 12 * rng.choice((0, 1, 1, 2))) / 12)
        for overtone in range(1, 6):
            fade = np.exp(-since * 3) * rng.uniform(0.05, 0.3) / overtone
            sound[part] += fade * np.sin(2 * np.pi * pitch * overtone * since)
        if rng.random() < 0.5:
            sound[part] += np.exp(-since * 30) * drawn.normal(0, 0.2, len(since))
    _write_sound(path, sound)


def _write_sound(path: Path, sound: NDArray[np.float64]) -> None:
    values = (sound / max(1.0, float(np.abs(sound).max())) * 30_000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_HZ)
        file.writeframes(values.tobytes())


def filmed(photos: list[Image.Image], sound: Path | None, into: Path, rng: random.Random) -> None:
    """A clip of one shot of each of *photos*."""
    shots = (frame for photo in photos for frame in camera(photo, rng))
    from_frames(shots, sound, into)


def from_frames(frames: Iterator[NDArray[np.uint8]], sound: Path | None, into: Path) -> None:
    """A clip of *frames*, WIDTH x HEIGHT in RGB."""
    arguments = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE)]
    arguments += ["-i", "pipe:0", *(("-i", str(sound)) if sound else ())]
    arguments += [*_ENCODED, *(_SOUND if sound else ()), "-shortest"]
    with subprocess.Popen(_ffmpeg(*arguments, str(into)), stdin=subprocess.PIPE) as ffmpeg:
        if ffmpeg.stdin is None:
            raise BrokenPipeError
        for part in _seconds(frames):
            ffmpeg.stdin.write(part)


def _seconds(frames: Iterator[NDArray[np.uint8]]) -> Iterator[bytes]:
    """A second's frames at a time."""
    while part := list(islice(frames, RATE)):
        yield b"".join(frame.tobytes() for frame in part)


def changed(clip: Path, transform: FilmTransform, overlay: Path | None, into: Path) -> None:
    """*clip* as *transform* makes it."""
    cut = ("-ss", str(transform.cut_s[0]), "-t", str(transform.cut_s[1])) if transform.cut_s else ()
    arguments = [*cut, "-i", str(clip), *(("-i", str(overlay)) if overlay else ())]
    if transform.filters:
        inputs = "[0:v][1:v]" if overlay else "[0:v]"
        arguments += ["-filter_complex", f"{inputs}{transform.filters}[seen]", "-map", "[seen]"]
    else:
        arguments += ["-map", "0:v"]
    arguments += ["-map", "0:a?"]
    if transform.sound_filters and has_sound(clip):
        arguments += ["-af", transform.sound_filters]
    _run(*arguments, *transform.encoding, *_SOUND, str(into))


def joined(parts: list[tuple[Path, float, float]], into: Path) -> None:
    """One film of *parts*: clip, start and length of each; with sound if all have it."""
    arguments: list[str] = []
    for clip, start, length in parts:
        arguments += ["-ss", str(start), "-t", str(length), "-i", str(clip)]
    sounds = int(all(has_sound(clip) for clip, _, _ in parts))
    count = range(len(parts))
    chains = "".join(f"[{n}:v]scale={WIDTH}:{HEIGHT},setsar=1,fps={RATE}[v{n}];" for n in count)
    inputs = "".join(f"[v{n}]" + f"[{n}:a]" * sounds for n in count)
    outputs = ("[seen]", "[heard]")[: 1 + sounds]
    chain = f"{chains}{inputs}concat=n={len(parts)}:v=1:a={sounds}{''.join(outputs)}"
    mapped = [argument for output in outputs for argument in ("-map", output)]
    _run(*arguments, "-filter_complex", chain, *mapped, *_ENCODED, *_SOUND, str(into))


def sound_of(clip: Path, into: Path, cut_s: tuple[float, float] | None = None) -> None:
    """The sound track of *clip* alone, in another codec."""
    cut = ("-ss", str(cut_s[0]), "-t", str(cut_s[1])) if cut_s else ()
    _run(*cut, "-i", str(clip), "-vn", "-c:a", "libmp3lame", "-b:a", "64k", str(into))


def with_sound_of(seen: Path, heard: Path, into: Path) -> None:
    """The pictures of one under the sound of another."""
    _run(
        "-i",
        str(seen),
        "-i",
        str(heard),
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "copy",
        *_SOUND,
        str(into),
    )


def excerpt(film: Path, start_s: float, length_s: float, into: Path) -> None:
    """A part of a film from elsewhere, made a clip as the others are."""
    fitted = (
        f"scale={WIDTH}:{HEIGHT}:force_original_aspect_ratio=increase,crop={WIDTH}:{HEIGHT},fps={RATE}"
    )
    _run(
        "-ss",
        str(start_s),
        "-t",
        str(length_s),
        "-i",
        str(film),
        "-an",
        "-vf",
        fitted,
        *_ENCODED,
        str(into),
    )


def has_sound(clip: Path) -> bool:
    """Whether *clip* has a sound track."""
    command = ["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=index"]
    done = subprocess.run([*command, "-of", "csv=p=0", str(clip)], capture_output=True, check=True)
    return bool(done.stdout)


def _run(*arguments: str) -> None:
    subprocess.run(_ffmpeg(*arguments), check=True)


def _ffmpeg(*arguments: str) -> list[str]:
    return ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1", *arguments]
