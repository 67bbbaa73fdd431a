"""What lies beside a post's film: the pictures that yt-dlp passes over, told and judged without I/O.

After yt-dlp has brought media, gallery-dl lists the post's files and downloads those that are no
films. What then becomes of a post that yt-dlp read wholly:

| gallery-dl                                       | the post                                          |
|--------------------------------------------------|---------------------------------------------------|
| doesn't know the address, or brings all pictures | captured                                          |
| lists a picture that doesn't come                | partly captured, for the reason of that           |
| lists more films than can be had                 | partly captured, class `MORE_FILMS`               |
| can't read the post                              | captured, class `UNREAD` and its words, no reason |

The last is no shortfall that anybody has seen: it may be all of the post, and what yt-dlp brought is
worth no less for it. What yt-dlp itself fell short of stays the reason of the attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from preservation.capture.outcomes import Failure
from preservation.capture.post.gallery import LISTING, NO_FILES, Gallery
from preservation.model.vocabulary import Reason

MORE_FILMS = "more-films"
UNREAD = "beside-unread"
"""The class of error of an attempt that may lack pictures, though nobody knows of any."""

POSTS = (
    *("post", "tweet", "status", "note", "submission", "wall-post", "vmpost", "pin", "reel", "story"),
    *("stories", "spotlight", "image", "photo", "picture", "gif", "video", "media", "file", "item"),
    *("album", "gallery", "set", "art", "artwork", "work", "illustration", "deviation", "article"),
    *("comment", "message", "thread", "issue", "entry", "sharedfile", "presentation", "link"),
)
"""What gallery-dl calls an address of one post. Any other is that of a profile, a feed or a search, as
which it takes ``vk.com/video-1_2``: their pictures are none of the film's.
"""

_FILM_SUFFIXES = ("mp4", "m4v", "mov", "webm", "mkv", "ogv", "flv", "avi", "wmv", "3gp", "m3u8", "mpd")
_LOGGED_ERROR = "][error] "
"""How gallery-dl marks a line; some extractors say there alone that they read nothing."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What gallery-dl found in a post of which yt-dlp has brought media."""

    pictures: Gallery
    """Its reading of all but films."""
    film_urls: frozenset[str] = frozenset()
    """Of the media that yt-dlp brought."""
    films_taken: int
    """So many media yt-dlp took the post to have."""
    films: Gallery | None = None
    """Its reading of the films, if it listed more than yt-dlp knew."""

    @property
    def has_more_films(self) -> bool:
        """Whether more films are listed than were brought, or one of these fell short."""
        brought = self.films_taken + len(_brought(self.films))
        failure = self.films.failure if self.films else None
        is_cut_short = failure is not None and failure.error_class != NO_FILES
        return is_cut_short or len(self._films_listed) > brought

    @property
    def lack(self) -> Failure | None:
        """Why not all that was listed is held; None if it is, or if nothing was listed."""
        missing = [one for one in self._pictures_listed if one not in _brought(self.pictures)]
        if missing:
            cause = _cause(self.pictures.failure, "pictures-missing")
            words = f"{len(missing)} of {len(self._pictures_listed)} pictures beside the film"
            return replace(cause, detail=_told(words, missing, cause.detail))
        if self.has_more_films:
            cause = _cause(self.films.failure if self.films else None, MORE_FILMS)
            held = {*self.film_urls, *_brought(self.films)}
            others = [one for one in self._films_listed if one not in held]
            words = f"of {len(self._films_listed)} films, one or more of these"
            return replace(cause, error_class=MORE_FILMS, detail=_told(words, others, cause.detail))
        return None

    @property
    def unread(self) -> str | None:
        """Why it isn't known whether anything lies beside the film; None if it is."""
        failure = self.pictures.failure
        if failure is None or (failure.error_class == NO_FILES and _LOGGED_ERROR not in failure.detail):
            return None
        words = f"{failure.reason} ({failure.error_class}): {failure.detail}"
        return f"pictures beside the film couldn't be looked for: {words}"

    @property
    def _pictures_listed(self) -> list[str]:
        others = (one.url for one in self.pictures.listed if not one.is_film)
        return [url for url in others if url not in self.film_urls]

    @property
    def _films_listed(self) -> list[str]:
        return [one.url for one in self.pictures.listed if one.is_film]


def pictures_filter(held_urls: Iterable[str]) -> str:
    """The ``--filter`` that lists all files, and takes those that are neither films nor held."""
    return _filter("not is_film", held_urls)


def films_filter(held_urls: Iterable[str]) -> str:
    """The ``--filter`` that lists all files, and takes the films that aren't held."""
    return _filter("is_film and not url.startswith('ytdl:')", held_urls)


def _filter(wanted: str, held_urls: Iterable[str]) -> str:
    """An expression that can't fail: gallery-dl would take a failure for a file to be left out.

    What is only for yt-dlp (``ytdl:``) is a film, the sound of a film that lies apart none. Of what is
    no post, nothing is listed.
    """
    is_post = f"category == 'directlink' or locals().get('subcategory') in {POSTS}"
    is_film = (
        "preservation_url.startswith('ytdl:')"
        f" or (str(locals().get('extension')).lower() in {_FILM_SUFFIXES}"
        " and locals().get('type') != 'audio')"
    )
    chosen = f"{LISTING} or ({wanted} and url not in {sorted(held_urls)!a})"
    return f"(({is_post}) or abort()) and (lambda url, is_film: {chosen})(preservation_url, {is_film})"


def _brought(gallery: Gallery | None) -> Collection[str | None]:
    return {one.url for one in gallery.pictures if one.is_whole} if gallery else ()


def _cause(failure: Failure | None, kind: str) -> Failure:
    """*failure*, if it says why something that was listed isn't there."""
    if failure is None or failure.error_class == NO_FILES:
        return Failure(reason=Reason.RESOURCES_MISSING, error_class=kind)
    return failure


def _told(words: str, urls: list[str], cause: str) -> str:
    named = ", ".join(urls[:_MOST_NAMED])
    return f"{words} missing: {named}{', ...' if urls[_MOST_NAMED:] else ''}. {cause}".rstrip()
