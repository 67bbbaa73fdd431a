"""Pictures and films made on the spot, each from a number, so that tests can say which is which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter


def picture(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture of soft coloured patches: rich enough for every perceptual hash."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    patches = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return patches.filter(ImageFilter.GaussianBlur(1))


def film(path: Path, *arguments: str) -> Path:
    """A film that ffmpeg makes from *arguments*, e.g. ``-f lavfi -i testsrc=d=3``."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments, str(path)]
    subprocess.run(command, check=True)
    return path


def film_of(path: Path, seeds: list[int], *, width: int = 160, height: int = 120) -> Path:
    """A film that shows the picture of each of *seeds* for a second."""
    for number, seed in enumerate(seeds):
        picture(seed, width, height).save(path.with_name(f"{path.stem}-{number:03}.png"))
    pattern = str(path.with_name(f"{path.stem}-%03d.png"))
    return film(path, "-framerate", "1", "-i", pattern, "-r", "10", "-pix_fmt", "yuv420p")
