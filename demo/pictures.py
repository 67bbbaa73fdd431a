"""Pictures and clips for the sample site, drawn at run time: no file of anybody else's is shipped.

The pictures have what perceptual hashes need: broad light and shade, hard edges, fine grain.
Equal seeds give equal pixels.
"""

from __future__ import annotations

import subprocess
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

WIDTH_PX, HEIGHT_PX = 480, 320
CLIP_DURATION_S = 6


def scene(seed: int, *, width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Image.Image:
    """A photograph-like picture: a lit background, hills, some bodies before it, film grain."""
    chance = np.random.default_rng(seed)
    picture = _lit_background(chance, width_px, height_px)
    _draw_hills(ImageDraw.Draw(picture), chance, width_px, height_px)
    _draw_bodies(ImageDraw.Draw(picture), chance, width_px, height_px)
    grain = chance.normal(0, 5, (height_px, width_px, 3))
    pixels = np.clip(np.asarray(picture, dtype=np.float64) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def _lit_background(chance: np.random.Generator, width_px: int, height_px: int) -> Image.Image:
    """A coarse random field, enlarged smoothly: clouds, light and shade."""
    field = chance.integers(20, 235, (5, 7, 3)).astype(np.uint8)
    return Image.fromarray(field).resize((width_px, height_px), Image.Resampling.BICUBIC)


def _draw_hills(
    canvas: ImageDraw.ImageDraw, chance: np.random.Generator, width_px: int, height_px: int
) -> None:
    for level in (0.55, 0.72, 0.86):
        steps = chance.uniform(-0.1, 0.1, 9) + level
        ridge = [(i * width_px / 8, float(step) * height_px) for i, step in enumerate(steps)]
        canvas.polygon([(0, height_px), *ridge, (width_px, height_px)], fill=_colour(chance))


def _draw_bodies(
    canvas: ImageDraw.ImageDraw, chance: np.random.Generator, width_px: int, height_px: int
) -> None:
    for number in range(9):
        x, y = chance.uniform(0, 0.85) * width_px, chance.uniform(0, 0.85) * height_px
        size = chance.uniform(0.08, 0.3) * height_px
        box = (x, y, x + size * chance.uniform(0.6, 1.6), y + size)
        draw = canvas.ellipse if number % 2 else canvas.rectangle
        draw(box, fill=_colour(chance), outline=_colour(chance), width=3)


def _colour(chance: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in chance.integers(0, 256, 3))
    return red, green, blue


def jpeg(picture: Image.Image, *, quality: int = 88) -> bytes:
    """*picture* as a JPEG file."""
    return _encoded(picture, "JPEG", quality=quality)


def png(picture: Image.Image) -> bytes:
    """*picture* as a PNG file."""
    return _encoded(picture, "PNG")


def webp(picture: Image.Image) -> bytes:
    """*picture* as a WebP file."""
    return _encoded(picture, "WEBP", quality=80)


def _encoded(picture: Image.Image, form: str, **options: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def brightened(picture: Image.Image) -> Image.Image:
    """*picture*, a tenth brighter."""
    return ImageEnhance.Brightness(picture).enhance(1.1)


def clip(source: str, *, tone_hz: int) -> bytes:
    """An MP4 (H.264, AAC) of `CLIP_DURATION_S` seconds from ffmpeg's picture source *source*,
    e.g. ``testsrc2=size=480x270:rate=12``, with a steady tone.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip.mp4"
        subprocess.run([*_clip_command(source, tone_hz), str(target)], check=True, timeout=120)
        return target.read_bytes()


def _clip_command(source: str, tone_hz: int) -> list[str]:
    inputs = ["-f", "lavfi", "-i", source, "-f", "lavfi", "-i", f"sine=frequency={tone_hz}"]
    picture = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "30", "-g", "12"]
    picture += ["-pix_fmt", "yuv420p"]
    sound = ["-c:a", "aac", "-b:a", "48k"]
    # One thread and no version strings: the same bytes each time.
    exact = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1"]
    length = ["-t", str(CLIP_DURATION_S), "-movflags", "+faststart"]
    return ["ffmpeg", "-v", "error", "-nostdin", "-y", *inputs, *picture, *sound, *exact, *length]


def pdf(title: str) -> bytes:
    """A one-page PDF 1.4 with *title* (ASCII) on it, written by hand (ISO 32000-1, 7.5)."""
    text = f"BT /F1 20 Tf 72 720 Td ({title}) Tj ET".encode("ascii")
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources 7 0 R >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Title ({title}) /Author (Sample Records Office) >>".encode("ascii"),
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    count = len(bodies) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (count, rows)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, start)
    return bytes(out)
