"""Tells words that a server gives in place of a medium, or a page in place of other words."""

from __future__ import annotations

import codecs
import re

_PAGE_OR_MESSAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<(?:!doctype\s+html|html|head|body|title|script|h1|!--)[\s>-]"
    rb"|\{\s*[\"}]|\[\s*[\"{\]]|#EXTM3U\b)",
    re.IGNORECASE,
)
"""How HTML (WHATWG MIME Sniffing 7.1), JSON and playlists begin, whatever type they have: no medium
does.
"""

_KEY_BYTES = 16
"""A key of AES-128 may well be text."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a]")
"""What no text holds, and nearly all that is packed or encrypted."""


def is_page_or_message(start: bytes) -> bool:
    """Whether what begins with *start* is HTML, JSON or a playlist."""
    return bool(_PAGE_OR_MESSAGE.match(start)) and not _CONTROLS.search(start)


def is_no_medium(start: bytes) -> bool:
    """Whether what begins with *start* is words, and so neither picture nor sound."""
    return is_page_or_message(start) or (len(start) not in {0, _KEY_BYTES} and _is_text(start))


def _is_text(start: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.search(start)
