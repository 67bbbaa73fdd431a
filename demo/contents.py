"""What the sample site holds: path to answer, built once in a process and then shared."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from demo import pages, pictures

ORIGINAL = "/photos/original.jpg"
LOWER_QUALITY = "/photos/lower-quality.jpg"
RESIZED = "/photos/resized.jpg"
BRIGHTENED = "/photos/brightened.jpg"
UNRELATED = "/photos/unrelated.jpg"
NEAR_DUPLICATES = (ORIGINAL, LOWER_QUALITY, RESIZED, BRIGHTENED)
PDF = "/documents/notice.pdf"
PARTLY = "/posts/partly/"
PARTLY_HELD_PHOTO = "/media/partly/held.jpg"
PARTLY_MISSING_PHOTO = "/media/partly/missing.jpg"

_HTML = "text/html; charset=utf-8"
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}
_ORIGINAL_SEED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server sends for a path, the same each time."""

    body: bytes
    content_type: str = _HTML
    status: int = 200
    location: str | None = None


def answers(base_url: str) -> dict[str, Answer]:
    """Every path that always gets the same answer; *base_url* has no slash at its end."""
    return {
        **{path: Answer(body=body, content_type=_type_of(path)) for path, body in _media().items()},
        **_whole_pages(base_url),
        **_refusals(),
    }


def _type_of(path: str) -> str:
    return _MEDIA_TYPES[path.rpartition(".")[2]]


@cache
def _media() -> dict[str, bytes]:
    """Every picture and clip; drawn in two threads, for ffmpeg and Pillow leave the lock alone."""
    with ThreadPoolExecutor(2) as pool:
        gallery = pool.submit(pictures.clip, "testsrc2=size=480x270:rate=12", tone_hz=440)
        boat = pool.submit(pictures.clip, "mandelbrot=size=480x270:rate=12", tone_hz=330)
        drawn = dict(_drawn_pictures())
    return {pages.GALLERY_VIDEO: gallery.result(), pages.POST_VIDEO: boat.result(), **drawn}


def _drawn_pictures() -> Iterator[tuple[str, bytes]]:
    original = pictures.scene(_ORIGINAL_SEED)
    yield ORIGINAL, pictures.jpeg(original, quality=92)
    yield LOWER_QUALITY, pictures.jpeg(original, quality=35)
    yield RESIZED, pictures.jpeg(original.resize((300, 200)))
    yield BRIGHTENED, pictures.jpeg(pictures.brightened(original))
    others = (*pages.GALLERY_PHOTOS, pages.SRCSET_LARGE_PHOTO, pages.GALLERY_POSTER, pages.POST_POSTER)
    for path in (*others, UNRELATED, PARTLY_HELD_PHOTO):
        yield path, _drawn(path)


def _drawn(path: str) -> bytes:
    """A scene of its own for each path, in the form that the path's ending names."""
    picture = pictures.scene(crc32(path.encode()))
    encode = {"png": pictures.png, "webp": pictures.webp}.get(path.rpartition(".")[2], pictures.jpeg)
    return encode(picture)


def submitted_photo() -> bytes:
    """The original photograph once more, as a witness might hand it in: cut a little, saved again."""
    original = pictures.scene(_ORIGINAL_SEED)
    return pictures.jpeg(original.crop((4, 3, original.width - 4, original.height - 3)), quality=80)


def _whole_pages(base_url: str) -> dict[str, Answer]:
    return {
        "/": Answer(body=pages.sentence("Harbour Town", "A sample site; nothing on it is real.")),
        "/gallery/": Answer(body=pages.gallery()),
        "/posts/boat/": Answer(body=pages.video_post(base_url)),
        "/moved/": Answer(body=b"", status=302, location="/reports/after-the-move/"),
        "/reports/after-the-move/": Answer(
            body=pages.sentence("Report of the harbour office", "This page moved here in spring.")
        ),
        "/ar/": Answer(body=pages.arabic()),
        "/ar/cp1256/": Answer(
            body=pages.arabic_in_cp1256(), content_type="text/html; charset=windows-1256"
        ),
        "/uk/": Answer(body=pages.ukrainian()),
        PDF: Answer(body=pictures.pdf("Notice of 12 March"), content_type="application/pdf"),
        PARTLY: Answer(
            body=pages.with_pictures("Two pictures", [PARTLY_HELD_PHOTO, PARTLY_MISSING_PHOTO])
        ),
    }


def _refusals() -> dict[str, Answer]:
    gone = pages.sentence("Removed", "The author removed this post.")
    fault = pages.sentence("Fault", "Something broke here. It will stay broken.")
    members = pages.utf8_page("Members only", pages.login_form())
    return {
        "/gone/": Answer(body=gone, status=410),
        "/broken/": Answer(body=fault, status=500),
        "/members/401/": Answer(body=members, status=401),
        # Many sites answer 200 and show the form all the same.
        "/members/200/": Answer(body=members),
        "/loop/": Answer(body=b"", status=302, location="/loop/back/"),
        "/loop/back/": Answer(body=b"", status=302, location="/loop/"),
    }
