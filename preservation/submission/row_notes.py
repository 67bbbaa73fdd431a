"""What is worth saying about a row that is taken all the same. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from preservation.model.routes import engine_of_kind
from preservation.model.urls import host_of
from preservation.submission.answers import shortened
from preservation.submission.sheets.headers import folded, kind_word
from preservation.submission.terms import CONFIDENTIALITY_LEVELS

PROTECTION_NEEDS = ("child", "sexual violence", "source at risk", "detainee", "prior interviews")


def row_notes(claimed: Mapping[str, Any]) -> tuple[str, ...]:
    """Notes on what a row says, from its *claimed* cells by canonical name."""
    return (*_on_url(claimed.get("url")), *_on_words(claimed))


def _on_url(url: str | None) -> Iterator[str]:
    if not url:
        return
    if host_of(url) is None:
        yield "This is no http or https URL: it is kept as it is, with the reason malformed-url."
    elif url != url.strip():
        yield "The URL has spaces around it; it is kept and requested exactly as written."


def _on_words(claimed: Mapping[str, Any]) -> Iterator[str]:
    kind = claimed.get("kind", "")
    if claimed.get("url") and kind.strip() and engine_of_kind(kind_word(kind)) is None:
        yield f"The kind {_quoted(kind)} isn't page, post or file: it is chosen by the URL."
    for need in re.split("[,;،؛\n]", claimed.get("protection", "")):
        if need.strip() and folded(need) not in PROTECTION_NEEDS:
            yield (
                f"The protection {_quoted(need)} isn't one of {', '.join(PROTECTION_NEEDS)}: "
                "it is kept as written, and the row counts as in need of protection."
            )
    level = claimed.get("confidentiality", "")
    if level.strip() and level.strip().casefold() not in CONFIDENTIALITY_LEVELS:
        yield (
            f"The confidentiality {_quoted(level)} isn't one of {', '.join(CONFIDENTIALITY_LEVELS)}: "
            "the row counts as confidential."
        )


def _quoted(word: str) -> str:
    return f"'{shortened(word.strip())}'"
