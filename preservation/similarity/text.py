"""The signals of a text: what its copies, and its quotations, have in common with it.

| algorithm | view | value | quality |
|---|---|---|---|
| words | whole | SHA-256 of the words in UTF-8, one U+0020 between them | distinct shingles |
| minhash | whole | 128 values of 8 bits: what share of its shingles another text has | the same |
| passages | prose | samples of shingles in order, 16 bits each: which part is where | those in prose |

How words are spelt stands in `words`, what is prose in `prose`, the values in `shingles`. A text with
fewer than `FEWEST` distinct shingles has no signal; one with fewer in prose has no passages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from preservation.similarity.prose import Text, text_of
from preservation.similarity.shingles import minhash_of, passages_of, shingles_of
from preservation.similarity.signals import Fingerprint, FingerprintResult
from preservation.similarity.text_files import TextRefused, text_in
from preservation.similarity.words import UNICODE

LIBRARY = "preservation text 1"
"""A rule that changes takes another version here, and other names of algorithms: values made by two
rules don't compare."""


def signals_of(path: Path) -> FingerprintResult:
    """The signals of the text at *path*: plain, HTML or subtitles, as its bytes show.

    Bad text gives a reason and raises nothing: unreadable (no text, or in an encoding that it doesn't
    declare), or too-short. One that is longer than is compared has the signals of its beginning, but
    not its words', and the reason cut-short.
    """
    try:
        shown, is_cut = text_in(path)
    except TextRefused as refusal:
        return FingerprintResult(fingerprints=(), absence_reason=refusal.reason)
    text = text_of(shown)
    found = tuple(_signals(text, is_cut=is_cut or text.is_cut))
    if not found:
        return FingerprintResult(fingerprints=(), absence_reason="too-short")
    return FingerprintResult(
        fingerprints=found, absence_reason="cut-short" if is_cut or text.is_cut else None
    )


def _signals(text: Text, *, is_cut: bool) -> Iterator[Fingerprint]:
    numbers = shingles_of(text.words)
    if not len(numbers):
        return
    if not is_cut:
        digest = hashlib.sha256(" ".join(text.words).encode("utf-8", "surrogatepass")).hexdigest()
        yield _made("words", "whole", digest, len(numbers))
    yield _made("minhash", "whole", minhash_of(numbers), len(numbers))
    in_prose = shingles_of(text.prose)
    if len(in_prose):
        yield _made("passages", "prose", passages_of(in_prose), len(in_prose))


def _made(algorithm: str, view: str, value: str, quality: int) -> Fingerprint:
    return Fingerprint(
        algorithm=algorithm,
        view=view,
        frame_ms=None,
        value=value,
        quality=quality,
        library=LIBRARY,
        decoder=UNICODE,
    )
