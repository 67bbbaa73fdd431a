"""Tells a page or a message that a server gives in place of a medium."""

from __future__ import annotations

import re

_PAGE_OR_MESSAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<(?:!doctype\s+html|html|head|body|title|script|h1|!--)[\s>-]"
    rb"|\{\s*[\"}]|\[\s*[\"{\]]|#EXTM3U\b)",
    re.IGNORECASE,
)
"""How HTML (WHATWG MIME Sniffing 7.1), JSON and playlists begin, whatever type they have: no medium
does.
"""

_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a]")
"""What no text holds, and nearly all that is packed or encrypted."""


def is_page_or_message(start: bytes) -> bool:
    """Whether what begins with *start* is HTML, JSON or a playlist."""
    return bool(_PAGE_OR_MESSAGE.match(start)) and not _CONTROLS.search(start)
