"""The labelled clips: originals, copies and parts of them, and what only has something in common."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.similarity import drawing, films, templates
from benchmarks.similarity.films import CLIP_S, HEIGHT, RATE, SHOTS, WIDTH, FilmTransform
from benchmarks.similarity.labelled import Item, Kind, Progress
from benchmarks.similarity.photos import Photo

INTRO_S = 6.0
PART_S = 10.0
"""Of a clip inside a compilation."""
SLIDE_S = 5

_FOUND = "usr/share/doc/opencv-doc/examples/data"
_FOOTAGE = (
    ("street", "vtest.avi", 0.0),
    ("tree", "tree.avi", 0.0),
    ("street-later", "vtest.avi", 44.0),
)
"""Real footage of the package opencv-doc: name, file and where to begin."""

SHARED = {
    "intro": "clips after the same intro",
    "slides": "slides of one design",
    "street": "one fixed camera, later",
    "black": "black, bars and stills",
}
"""What unlike clips may have in common, and how it is called."""


@dataclass(frozen=True, slots=True)
class Studio:
    """Where clips are made, once each."""

    room: Path

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """The file *name*, made by *make* if it isn't there."""
        path = self.room / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"partial-{path.name}")
            make(partial)
            partial.replace(path)
        return path


def labelled_films(photos: list[Photo], work: Path, count: int, said: Progress) -> Iterator[Item]:
    """*count* clips of *photos*, two of real footage, and what is made of them."""
    studio = Studio(work / f"films-{_code_digest()}")
    for older in work.glob("films-????????"):
        if older != studio.room:
            shutil.rmtree(older)
    groups = [photos[start : start + SHOTS] for start in range(0, len(photos) - SHOTS + 1, SHOTS)][
        :count
    ]
    clips = []
    for number, group in enumerate(groups):
        said(f"clips {number + 1}/{len(groups)}")
        clips.append(_clip(studio, number, [photo.below(work) for photo in group]))
    footage = [_excerpt(studio, work, *facts) for facts in _FOOTAGE]
    clips += footage[:2]
    yield from (*clips, footage[2])
    for number, clip in enumerate(clips):
        said(f"copies of clips {number + 1}/{len(clips)}")
        yield from _copies(studio, clip)
        yield from _framed(studio, clip, [clips[(number + by) % len(clips)] for by in (1, 2)])
    yield from _negatives(studio)


def _item(path: Path, name: str, **facts: object) -> Item:
    media_type = {".mp4": "video/mp4", ".avi": "video/x-msvideo", ".mp3": "audio/mpeg"}[path.suffix]
    base = {"kind": Kind.COPY, "family": "clips", "shows": frozenset()}
    return Item(path=path, media_type=media_type, name=name, **{**base, **facts})  # type: ignore[arg-type]


def _clip(studio: Studio, number: int, paths: list[Path]) -> Item:
    name = f"clip-{number:02}"
    rng = random.Random(name)

    def make(into: Path) -> None:
        sound = studio.made(f"{name}/music.wav", lambda path: films.music(path, rng, CLIP_S))
        photos = []
        for path in paths:
            with Image.open(path) as photo:
                photo.draft("RGB", (1280, 720))
                photos.append(photo.convert("RGB"))
        films.filmed(photos, sound if number % 4 != 3 else None, into, rng)

    path = studio.made(f"{name}/original.mp4", make)
    return _item(path, "original", kind=Kind.ORIGINAL, shows=frozenset([name]))


def _excerpt(studio: Studio, work: Path, name: str, file: str, start_s: float) -> Item:
    film = work / "packages" / "opencv-doc" / _FOUND / file
    path = studio.made(f"{name}/original.mp4", lambda into: films.excerpt(film, start_s, CLIP_S, into))
    scene = "street" if name.startswith("street") else ""
    return _item(path, "original", kind=Kind.ORIGINAL, shows=frozenset([name]), scene=scene)


def _copies(studio: Studio, clip: Item) -> Iterator[Item]:
    of = clip.path.parent.name
    for transform in films.FILM_TRANSFORMS:
        path = studio.made(
            f"{of}/{transform.name}{transform.suffix}", _changing(studio, clip, transform)
        )
        yield _item(path, transform.name, shows=clip.shows, of=of, scene=clip.scene)
    if films.has_sound(clip.path):
        path = studio.made(f"{of}/sound.mp3", lambda into: films.sound_of(clip.path, into))
        yield _item(path, "sound-alone", shows=clip.shows, of=of)
        path = studio.made(
            f"{of}/sound-part.mp3", lambda into: films.sound_of(clip.path, into, (8.0, 15.0))
        )
        yield _item(path, "half-of-the-sound", shows=clip.shows, of=of)


def _changing(studio: Studio, clip: Item, transform: FilmTransform) -> Callable[[Path], None]:
    overlay = None
    if transform.overlay:
        drawn = _OVERLAYS[transform.overlay]
        overlay = studio.made(
            f"overlays/{transform.overlay}.png", lambda into: drawn().save(into, "PNG")
        )
    return lambda into: films.changed(clip.path, transform, overlay, into)


def _framed(studio: Studio, clip: Item, others: list[Item]) -> Iterator[Item]:
    """*clip* after an intro and after black; ten seconds of it in a compilation with *others*."""
    of = clip.path.parent.name
    has_sound = films.has_sound(clip.path)
    intro = studio.made(
        f"shared/intro-{int(has_sound)}.mp4", lambda into: _intro(studio, into, has_sound)
    )
    black = studio.made("shared/black-4.mp4", lambda into: films.from_frames(_plain(4, 0), None, into))
    whole = (clip.path, 0.0, float(CLIP_S))
    path = studio.made(
        f"{of}/after-intro.mp4", lambda into: films.joined([(intro, 0, INTRO_S), whole], into)
    )
    yield _item(path, "after-intro", shows=clip.shows, of=of, scene="intro")
    path = studio.made(
        f"{of}/after-black.mp4", lambda into: films.joined([(black, 0, 4.0), whole], into)
    )
    yield _item(path, "after-black", shows=clip.shows, of=of, scene="black")
    three = [others[0], clip, others[1]]
    names = "+".join(each.path.parent.name for each in three)
    parts = [(each.path, 10.0, PART_S) for each in three]
    path = studio.made(f"{of}/compiled-{names}.mp4", lambda into: films.joined(parts, into))
    shows = frozenset(name for each in three for name in each.shows)
    yield _item(path, "in-a-compilation", shows=shows, of=of)
    heard = next((each for each in others if films.has_sound(each.path)), None)
    if heard:
        name = f"{of}/under-{heard.path.parent.name}.mp4"
        path = studio.made(name, lambda into: films.with_sound_of(clip.path, heard.path, into))
        yield _item(path, "under-other-sound", shows=clip.shows | heard.shows, of=of)


def _intro(studio: Studio, into: Path, has_sound: bool) -> None:  # noqa: FBT001 - a fact, not a mode
    rng = random.Random("intro")
    sound = studio.made("shared/jingle.wav", lambda path: films.music(path, rng, INTRO_S))
    card = Image.new("RGB", (WIDTH, HEIGHT), (16, 24, 48))
    drawing.centred(card, 140, "KALIMA TONIGHT", 48, (drawing.WHITE, drawing.BLACK))

    def frames() -> Iterator[np.ndarray]:
        for number in range(int(INTRO_S * RATE)):
            frame = card.copy()
            drawing.bar(frame, (0, 230, number * WIDTH / INTRO_S / RATE, 240), (250, 200, 0))
            drawing.disc(frame, (80 + number * 4, 80), 26, (200, 16, 32))
            yield np.asarray(frame)

    films.from_frames(frames(), sound if has_sound else None, into)


def _plain(seconds: int, shade: int) -> Iterator[np.ndarray]:
    return (np.full((HEIGHT, WIDTH, 3), shade, dtype=np.uint8) for _ in range(seconds * RATE))


def _stills(cards: list[Image.Image]) -> Iterator[np.ndarray]:
    for card in cards:
        frame = np.asarray(drawing.filled(card, WIDTH, HEIGHT))
        yield from (frame for _ in range(SLIDE_S * RATE))


def _negatives(studio: Studio) -> Iterator[Item]:
    """Films of black, of bars, and of slides of one design with other words each."""
    shades = {"black-20": 0, "black-30": 0, "white-20": 255}
    for name, shade in shades.items():
        frames = _plain(int(name[-2:]), shade)
        path = studio.made(
            f"negatives/{name}.mp4", lambda into, frames=frames: films.from_frames(frames, None, into)
        )
        yield _item(path, name, kind=Kind.TEMPLATE, shows=frozenset([name]), scene="black")
    for number in range(6):
        rng = random.Random(f"slides {number}")
        cards = [templates.DESIGNS["title-card"](rng) for _ in range(4)]
        name = f"slides-{number}"
        path = studio.made(
            f"negatives/{name}.mp4",
            lambda into, cards=cards: films.from_frames(_stills(cards), None, into),
        )
        yield _item(path, "slides", kind=Kind.TEMPLATE, shows=frozenset([name]), scene="slides")


def _lower_third() -> Image.Image:
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    drawing.bar(layer, (0, 270, WIDTH, 345), (16, 40, 120))
    drawing.bar(layer, (0, 262, WIDTH, 270), (250, 200, 0))
    drawing.write(layer, (20, 282), "Samora Kidele, eyewitness", 28, drawing.WHITE)
    return layer


def _logo() -> Image.Image:
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    drawing.disc(layer, (580, 50), 34, (200, 16, 32))
    drawing.write(layer, (560, 38), "K24", 22, drawing.WHITE)
    return layer


_OVERLAYS = {"logo": _logo, "lower-third": _lower_third}


def _code_digest() -> str:
    digest = hashlib.sha256()
    for module in (films, drawing, templates):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:8]
