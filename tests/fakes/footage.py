"""Moving pictures and sound made on the spot, each from a number; and what people do to them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fakes.media import film

WIDTH, HEIGHT, RATE = 320, 240, 12
_SHOT_S = 3
_STEADY = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p")


def footage(path: Path, seed: int, *, seconds: int = 12) -> Path:
    """A film without sound: shots of three seconds, each a scene of its own that a hand-held camera
    wanders over.
    """
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "gray"]
    command += ["-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "pipe:0", *_STEADY, str(path)]
    frames = b"".join(
        frame for shot in range(-(-seconds // _SHOT_S)) for frame in _shot(seed * 1000 + shot)
    )
    subprocess.run(command, input=frames[: seconds * RATE * WIDTH * HEIGHT], check=True)
    return path


def scene(seed: int, width: int = 2 * WIDTH, height: int = 2 * HEIGHT) -> Image.Image:
    """A grey picture with detail of every size, as photographs have."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for cells in (3, 7, 17, 41):
        coarse = Image.fromarray(random.integers(0, 256, (cells, cells), dtype=np.uint8))
        method = Image.Resampling.BICUBIC if cells < 10 else Image.Resampling.NEAREST
        total += np.asarray(coarse.resize((width, height), method)) * (4.0 / (3 + cells) + 0.15)
    return Image.fromarray(np.uint8(255 * (total - total.min()) / np.ptp(total)))


def _shot(seed: int) -> list[bytes]:
    view, random = np.asarray(scene(seed)), np.random.default_rng(seed)
    pace, phase = random.uniform(0.6, 1.6, 4), random.uniform(0, 6, 4)
    times = np.arange(_SHOT_S * RATE) / RATE
    x, y = (
        0.5
        + 0.3 * np.sin(pace[at] * times + phase[at])
        + 0.1 * np.sin(3 * pace[at + 1] * times + phase[at])
        for at in (0, 2)
    )
    corners = zip(np.intp(x * WIDTH), np.intp(y * HEIGHT), strict=True)
    return [view[top : top + HEIGHT, left : left + WIDTH].tobytes() for left, top in corners]


def changed(path: Path, source: Path, filters: str = "null", *, start_s: float = 0) -> Path:
    """*source* from *start_s* on through ffmpeg's *filters*, encoded anew and worse."""
    given = ["-ss", str(start_s), "-i", str(source), "-vf", filters, "-crf", "30"]
    return film(path, *given, *_STEADY)


def joined(path: Path, *parts: tuple[Path, float, float]) -> Path:
    """One film of parts of others: each a film, where its part begins, and how many seconds it lasts."""
    given = [
        word
        for part, start_s, seconds in parts
        for word in ("-ss", str(start_s), "-t", str(seconds), "-i", str(part))
    ]
    streams = "".join(f"[{number}:v]" for number in range(len(parts)))
    return film(
        path, *given, "-filter_complex", f"{streams}concat=n={len(parts)}", "-crf", "28", *_STEADY
    )


def still(path: Path, image: Image.Image, *, seconds: int) -> Path:
    """A film that shows nothing but *image*."""
    image.convert("RGB").resize((WIDTH, HEIGHT)).save(path.with_suffix(".png"))
    given = [
        "-loop",
        "1",
        "-framerate",
        str(RATE),
        "-t",
        str(seconds),
        "-i",
        str(path.with_suffix(".png")),
    ]
    return film(path, *given, *_STEADY)


def melody(path: Path, seed: int, *, seconds: int = 20) -> Path:
    """A recording of chords and beats, at 22,050 samples a second, as WAV."""
    rate = 22_050
    random, times = np.random.default_rng(seed), np.arange(rate // 2) / rate
    chords = []
    for _ in range(2 * seconds):
        notes = 110 * 2 ** (random.integers(0, 30, 3) / 12)
        chord = sum(
            np.sin(2 * np.pi * note * part * times) / part for note in notes for part in (1, 2, 3)
        )
        chords.append(
            chord * np.exp(-2 * times) + random.normal(0, 0.5, len(times)) * np.exp(-20 * times)
        )
    loud = np.int16(np.concatenate(chords) * 3000)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "s16le", "-ar", str(rate), "-ac", "1"]
    subprocess.run([*command, "-i", "pipe:0", str(path)], input=loud.tobytes(), check=True)
    return path
