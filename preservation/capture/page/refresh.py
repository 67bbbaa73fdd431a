"""Where a page would go on by itself later, by its `Refresh` header."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin

from preservation.model.routes import is_absolute_http

_LATER = re.compile(
    r"[ \t]*[\d.]+[ \t]*[;,\s]\s*(?:url\s*=\s*)?(?:[\"']([^\"']*)|(.*))", re.IGNORECASE | re.DOTALL
)
"""HTML 4.2.5.3, the shared declarative refresh steps: a time, then an address, quoted or bare."""
_PRINTABLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def refresh_target(url: str, value: str) -> str | None:
    """Where the header *value* of the answer at *url* leads; None if that is nowhere else."""
    found = _LATER.match(value)
    there = (found[1] or found[2] or "").strip() if found else ""
    try:
        target = urljoin(url, quote(there, safe=_PRINTABLE_ASCII)).partition("#")[0]
    except ValueError:
        return None
    return target if there and target != url and is_absolute_http(target) else None
