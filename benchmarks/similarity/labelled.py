"""The labelled set: photographs, what becomes of them, and what only looks like them.

Files are made once, below a directory that is named after the code that makes them.
"""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image

from benchmarks.similarity import composites, drawing, templates, transforms
from benchmarks.similarity.photos import Photo
from benchmarks.similarity.transforms import Transform, stored

LONG_SIDE_PX = 1280
"""What is taken for the original has at most this: as messengers pass pictures on."""
OF_EACH_DESIGN = 24
SCENES = 40
"""At most so many scenes a second later."""

ALL_TRANSFORMS = transforms.TRANSFORMS + composites.COMPOSITES
COMPOSITE_NAMES = frozenset(each.name for each in composites.COMPOSITES)


class Kind(StrEnum):
    """What an item of the set is."""

    ORIGINAL = "original"
    COPY = "copy"
    TEMPLATE = "template"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file, and what is true of it."""

    path: Path
    media_type: str
    kind: Kind
    name: str
    """Of the transform or design."""
    family: str
    shows: frozenset[str]
    """Names of the photographs that can be seen in it: two items are alike when they share one."""
    of: str = ""
    """Of a copy: which photograph or clip it was made of."""
    scene: str = ""
    """What it has in common with others without showing the same."""


Progress = Callable[[str], None]


def labelled(photos: list[Photo], work: Path, said: Progress) -> Iterator[Item]:
    """The set over *photos*, which lie below *work*; files that are there aren't made again."""
    room = work / f"set-{_code_digest()}"
    for older in work.glob("set-????????"):
        if older != room:
            shutil.rmtree(older)
    bases = [_original(photo, work, room) for photo in photos]
    yield from bases
    for number, base in enumerate(bases):
        said(f"files {number + 1}/{len(bases)}")
        yield from _copies(base)
    yield from _templates(room)
    yield from _later(bases[:SCENES], room)


def _original(photo: Photo, work: Path, room: Path) -> Item:
    path = room / photo.name / "original.jpg"
    if not path.exists():
        with Image.open(photo.below(work)) as picture:
            picture.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
            plain = picture.convert("RGB")
        plain.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.BICUBIC)
        _keep(path, stored(plain, ".jpg", 95))
    return Item(
        path=path,
        media_type="image/jpeg",
        kind=Kind.ORIGINAL,
        name="original",
        family="original",
        shows=frozenset([photo.name]),
    )


def _copies(base: Item) -> Iterator[Item]:
    for transform in ALL_TRANSFORMS:
        path = base.path.with_name(f"{transform.name}{transform.suffix}")
        if not path.exists():
            _keep(path, _changed(base, transform))
        yield Item(
            path=path,
            media_type=transform.media_type,
            kind=Kind.COPY,
            name=transform.name,
            family=transform.family,
            shows=base.shows,
            of=base.path.parent.name,
        )


def _changed(base: Item, transform: Transform) -> bytes:
    with Image.open(base.path) as picture:
        return transform.made(picture.convert("RGB"), base.path.parent.name)


def _templates(room: Path) -> Iterator[Item]:
    for name, design in templates.DESIGNS.items():
        for number in range(OF_EACH_DESIGN):
            path = room / "templates" / f"{name}-{number:02}.png"
            if not path.exists():
                _keep(path, stored(design(random.Random(path.stem)), ".png", 0))
            yield Item(
                path=path,
                media_type="image/png",
                kind=Kind.TEMPLATE,
                name=name,
                family="templates",
                shows=frozenset([path.stem]),
            )


def _later(bases: list[Item], room: Path) -> Iterator[Item]:
    for number, base in enumerate(bases):
        scene = base.path.parent.name
        lenders = [bases[(number + by) % len(bases)] for by in (1, 2)]
        path = (
            room
            / "later"
            / f"{scene}--{lenders[0].path.parent.name}--{lenders[1].path.parent.name}.jpg"
        )
        if not path.exists():
            others = [Image.open(each.path).convert("RGB") for each in lenders]
            with Image.open(base.path) as picture:
                seen = templates.second_later(picture.convert("RGB"), others, random.Random(scene))
            _keep(path, stored(seen, ".jpg", 85))
        yield Item(
            path=path,
            media_type="image/jpeg",
            kind=Kind.LATER,
            name="second-later",
            family="second later",
            shows=frozenset(name for each in lenders for name in each.shows),
            scene=scene,
        )


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(content)
    partial.replace(path)


def _code_digest() -> str:
    digest = hashlib.sha256()
    for module in (composites, drawing, templates, transforms):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:8]
