"""The texts of the sample site: invented places, invented people, three scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

GALLERY_PHOTOS: tuple[str, ...] = (
    # Four of the same base name in different folders: none may swallow another.
    "/media/north/photo.jpg",
    "/media/south/photo.jpg",
    "/media/east/photo.jpg",
    "/media/west/photo.jpg",
    "/media/gallery/05.png",
    "/media/gallery/06.webp",
    "/media/gallery/07.jpg",
    # A name in Arabic script, as a browser sends it.
    "/media/gallery/%D8%B5%D9%88%D8%B1%D8%A9.jpg",
    *(f"/media/gallery/{number:02}.jpg" for number in range(9, 21)),
)
SRCSET_PHOTO = "/media/gallery/07.jpg"
SRCSET_LARGE_PHOTO = "/media/gallery/07-large.jpg"
FIRST_LAZY_INDEX = 8
"""From here on the pictures load lazily, far below the fold."""
GALLERY_POSTER = "/media/gallery/poster.jpg"
GALLERY_VIDEO = "/media/gallery/square.mp4"
POST_VIDEO = "/media/posts/boat.mp4"
POST_POSTER = "/media/posts/boat.jpg"

_STYLE = (
    "body{font:17px/1.6 Georgia,serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "img,video{max-width:100%;display:block;margin:1rem 0 3rem}"
    ".deep{margin-top:120vh}label,input,button{display:block;margin:.5rem 0}"
)


def page(title: str, body: str, *, attributes: str = 'lang="en"', head: str = "") -> str:
    """A whole HTML document; *body* and *head* are HTML, *title* is text."""
    return (
        f"<!doctype html>\n<html {attributes}>\n<head>\n<title>{escape(title)}</title>\n"
        f'<link rel="icon" href="data:,">\n{head}<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def utf8_page(title: str, body: str, *, attributes: str = 'lang="en"', head: str = "") -> bytes:
    """`page` in UTF-8, which it declares."""
    head = f'<meta charset="utf-8">\n{head}'
    return page(title, body, attributes=attributes, head=head).encode("utf-8")


def gallery() -> bytes:
    """Twenty pictures and a video with its poster: 22 resources beside the page itself."""
    figures = "\n".join(_figure(path, index) for index, path in enumerate(GALLERY_PHOTOS))
    video = (
        f'<video class="deep" controls preload="metadata" width="480" height="270" '
        f'poster="{GALLERY_POSTER}" src="{GALLERY_VIDEO}"></video>'
    )
    text = "<p>Twenty pictures and a recording from the square in Harbour Town.</p>"
    return utf8_page("The square, 12 March", f"{text}\n{figures}\n{video}")


def _figure(path: str, index: int) -> str:
    srcset = f' srcset="{path} 1x, {SRCSET_LARGE_PHOTO} 2x"' if path == SRCSET_PHOTO else ""
    lazy = ' loading="lazy" class="deep"' if index >= FIRST_LAZY_INDEX else ""
    return f'<img src="{path}"{srcset}{lazy} width="480" height="320" alt="Picture {index + 1}">'


def video_post(base_url: str) -> bytes:
    """A post with one video, described as such pages are: Open Graph, JSON-LD and <video>."""
    video, poster = f"{base_url}{POST_VIDEO}", f"{base_url}{POST_POSTER}"
    head = "".join(
        f'<meta property="{name}" content="{escape(content)}">\n'
        for name, content in (
            ("og:type", "video.other"),
            ("og:title", "Boat leaving the harbour"),
            ("og:description", "Seen from the lighthouse at noon."),
            ("og:video", video),
            ("og:video:type", "video/mp4"),
            ("og:image", poster),
        )
    )
    head += '<meta name="author" content="Lighthouse Watch">\n'
    head += (
        '<script type="application/ld+json">{"@context":"https://schema.org","@type":"VideoObject",'
        '"name":"Boat leaving the harbour","description":"Seen from the lighthouse at noon.",'
        f'"thumbnailUrl":"{poster}","contentUrl":"{video}","uploadDate":"2026-03-12T12:00:00+00:00",'
        '"duration":"PT6S","author":{"@type":"Person","name":"Lighthouse Watch"}}</script>\n'
    )
    body = (
        f'<p>By Lighthouse Watch, 12 March 2026.</p>\n<video controls preload="metadata" width="480" '
        f'height="270" poster="{POST_POSTER}"><source src="{POST_VIDEO}" type="video/mp4"></video>'
    )
    return utf8_page("Boat leaving the harbour", body, head=head)


def login_form() -> str:
    """What stands where the content would: a form that asks for a password."""
    return (
        '<p>Log in to see this post.</p>\n<form method="post" action="/session">'
        '<label>Name <input name="name" autocomplete="username"></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password">'
        "</label><button>Log in</button></form>"
    )


ARABIC_TITLE = "شهادة من بلدة الميناء"
_ARABIC_TEXT = (
    "في صباح الثاني عشر من آذار توقفت الشاحنات عند الجسر، ثم عبرت نحو الساحة. "
    "كتبت الشاهدة ما رأته في اليوم نفسه، وحفظت الصور الأصلية."
)
CP1256_TITLE = "بيان المجلس المحلي"


def arabic() -> bytes:
    """A page from right to left, in UTF-8."""
    return utf8_page(ARABIC_TITLE, f"<p>{_ARABIC_TEXT}</p>", attributes='lang="ar" dir="rtl"')


def arabic_in_cp1256() -> bytes:
    """The same script in the encoding of older sites; the header names it, the page doesn't."""
    text = page(CP1256_TITLE, f"<p>{_ARABIC_TEXT}</p>", attributes='lang="ar" dir="rtl"')
    return text.encode("cp1256")


def ukrainian() -> bytes:
    """A page of text alone."""
    paragraphs = (
        "Уранці дванадцятого березня вантажівки зупинилися біля мосту, а потім рушили до площі.",
        "Свідок записав побачене того самого дня і зберіг оригінали знімків.",
    )
    body = "\n".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    return utf8_page("Свідчення з портового міста", body, attributes='lang="uk"')


def with_pictures(title: str, paths: Sequence[str]) -> bytes:
    """A page that shows *paths*, whether or not they exist."""
    return utf8_page(title, "\n".join(f'<img src="{path}" alt="Picture">' for path in paths))


def sentence(title: str, text: str) -> bytes:
    """A page with one paragraph."""
    return utf8_page(title, f"<p>{escape(text)}</p>")
