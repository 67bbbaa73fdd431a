"""Has yt-dlp read HLS playlists that it can't read yet; runs in the process of `extraction`."""

from __future__ import annotations

from typing import Any

import yt_dlp.downloader.fragment
from yt_dlp.networking import Request
from yt_dlp.utils import DownloadError

from preservation.capture.post.formats import LACKS
from preservation.capture.post.playlist import completed, is_ended, is_list_of_lists, protection_in
from preservation.capture.post.report import LackKind
from preservation.capture.post.segments import NoMedia
from preservation.capture.post.words import is_page_or_message

_BLOCK_BYTES = 16


class Undeciphered(ValueError):
    """A segment that its key doesn't open."""


def check_deciphered() -> None:
    """Have yt-dlp refuse what a wrong key makes of a segment; it would take it for the film."""
    yt_dlp.downloader.fragment.unpad_pkcs7 = _unpadded


def with_playlist(info: dict[str, Any], asking: Any) -> dict[str, Any]:
    """*info* with its playlist, read and written out here; *asking* is the program that asks for it.

    Raises:
        NoMedia: It is no list of segments.
        DownloadError: Only licensed players can read the film.
        RequestError: It can't be had.
    """
    text = info.get("hls_media_playlist_data")
    if not text:
        answer = asking.urlopen(Request(info["url"], headers=info.get("http_headers") or {}))
        body = answer.read()
        text = body.decode("utf-8-sig", "ignore")
        if (is_page_or_message(body) and "#EXTM3U" not in text) or is_list_of_lists(text):
            raise NoMedia(answer)
        info = {**info, "url": answer.url}
    if method := protection_in(text):
        raise DownloadError(f"This format is DRM protected: its segments are encrypted by {method}")
    info = {**info, "hls_media_playlist_data": completed(text)}
    if not is_ended(text):
        lack = (LackKind.LIVE, "what was listed at that moment")
        info[LACKS] = (*info.get(LACKS, ()), lack)
    return info


def _unpadded(content: bytes) -> bytes:
    """*content* without its padding (RFC 8216 4.3.2.4; RFC 5652 6.3)."""
    length = content[-1] if content else 0
    if not 1 <= length <= _BLOCK_BYTES or content[-length:] != bytes([length]) * length:
        raise Undeciphered("its key doesn't open a segment")
    return content[:-length]
