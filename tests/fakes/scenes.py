"""Grey pictures as a camera makes them, and pages as a program makes them, all drawn from a seed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
SIZE = (640, 480)


def scene(seed: int, size: tuple[int, int] = SIZE) -> Grey:
    """Things of all sizes before each other, with texture on them and light from one side."""
    rng = np.random.default_rng([7, seed])
    width, height = size
    picture = np.zeros((height, width), dtype=np.float32)
    for cells in (3, 6, 12, 25, 50, 100):
        noise = rng.uniform(-1, 1, size=(cells, cells)).astype(np.float32)
        picture += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) * (40 / cells**0.35)
    for _ in range(60):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        axes = (int(rng.integers(8, 90)), int(rng.integers(8, 90)))
        thing = np.zeros_like(picture)
        cv2.ellipse(thing, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        picture += thing * float(rng.uniform(-60, 60))
    picture += np.linspace(-20, 20, width, dtype=np.float32)
    picture += rng.normal(0, 2, picture.shape).astype(np.float32)
    return np.clip(picture + 128, 0, 255).astype(np.uint8)


def thumbnail(picture: Grey) -> Grey:
    """64 x 64 places of *picture*."""
    return np.asarray(cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def recompressed(picture: Grey, quality: int) -> Grey:
    """*picture* as a JPEG of that quality shows it."""
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def written(page: Grey, place: tuple[int, int], text: str, scale: float = 0.8) -> None:
    """Writes *text* in black onto *page* at *place*."""
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 10, 2, cv2.LINE_AA)


def post(seed: int, picture: Grey | None = None) -> Grey:
    """A post in a telephone's screenshot: the same buttons each time, other words, perhaps a picture."""
    rng = np.random.default_rng([8, seed])
    page = np.full((1000, 480), 250, dtype=np.uint8)
    written(page, (90, 60), "Channel of the day")
    cv2.circle(page, (45, 50), 28, 90, -1)
    for line in range(6):
        words = " ".join(rng.choice(["water", "school", "street", "night", "people", "gate"], size=3))
        written(page, (20, 130 + 36 * line), words)
    if picture is not None:
        page[370:730] = cv2.resize(picture, (480, 360), interpolation=cv2.INTER_AREA)
    for place, button in enumerate(("Like", "Comment", "Share")):
        written(page, (20 + 150 * place, 780), button)
    written(page, (20, 960), "Home    Search    Messages")
    return page


def form(seed: int) -> Grey:
    """A filled-in form: the same lines and labels each time, other entries."""
    rng = np.random.default_rng([9, seed])
    page = np.full((900, 640), 255, dtype=np.uint8)
    written(page, (120, 60), "Statement of a witness", 1.0)
    for line, label in enumerate(("Name", "Born", "Place", "Date", "Seen", "Heard", "Signed")):
        top = 150 + 100 * line
        written(page, (30, top), label)
        cv2.line(page, (150, top + 10), (610, top + 10), 60, 2)
        written(page, (160, top), "".join(rng.choice(list("abcdefghiklmnoprstu"), size=12)))
    return page


def card(seed: int) -> Grey:
    """An identity card: the same lines of engraving and labels each time, other entries."""
    y, x = np.mgrid[0:630, 0:1000]
    waves = 40 * np.sin(x / 7 + 8 * np.sin(y / 40)) + 35 * np.sin(y / 6 + 9 * np.sin(x / 50))
    page: Grey = (150 + waves).clip(0, 255).astype(np.uint8)
    rng = np.random.default_rng(seed)
    for field in range(6):
        written(page, (360, 165 + field * 75), f"Field {field}", 0.5)
        written(page, (360, 195 + field * 75), f"{rng.integers(10**9)}", 0.8)
    return page


def title_card(seed: int) -> Grey:
    """A broadcaster's title card: the same picture behind it each time, another title."""
    rng = np.random.default_rng([10, seed])
    card = scene(990)
    cv2.rectangle(card, (60, 330), (580, 420), 230, -1)
    written(card, (80, 390), "".join(rng.choice(list("ABCDEFGHIKLMNOP"), size=14)), 1.3)
    return card
