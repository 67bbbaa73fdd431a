"""Texts as their signals tell of them, and which pairs of them are worth comparing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.columns import Signals
from preservation.similarity.passages import Samples, samples_of
from preservation.similarity.shared_keys import Integers, KeyIndex
from preservation.similarity.shingles import VALUES

FEWEST_EQUAL = 65
"""Of the 128 values of MinHash: two texts that have half of their shingles in common."""
_BAND_BYTES = 2
"""63 values can't differ in all of 64 bands of two: pairs that agree in one are all pairs
(pigeonhole)."""
_BLOCK = 256
"""Texts that are looked up at a time: if all of a site share a notice, all pairs of them are pairs."""
_AT_A_TIME = 1 << 16
_FEWEST_KEYS = 3
"""Neighbouring samples in common: each shared passage of 67 words has so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSignals:
    """The signals of one text."""

    sha256: str
    rank: int
    shingles: int
    minhash: NDArray[np.uint8]
    words: str | None
    """None if the text was too long to be compared to its end."""
    samples: Samples | None
    """None if there is too little prose."""


def texts_in(signals: Signals) -> list[TextSignals]:
    """The texts among the bitstreams."""
    found: dict[int, dict[str, tuple[str, int]]] = {}
    columns = (signals.owners, signals.algorithms, signals.values, signals.qualities)
    for owner, algorithm, value, quality in zip(*(each.tolist() for each in columns), strict=True):
        if algorithm in {"words", "minhash", "passages"}:
            found.setdefault(owner, {})[algorithm] = (value, quality)
    return [
        _text(str(signals.sha256s[owner]), int(signals.ranks[owner]), values)
        for owner, values in found.items()
        if "minhash" in values
    ]


class TextIndex:
    """An index over *texts*."""

    def __init__(self, texts: Sequence[TextSignals]) -> None:
        self._texts = texts
        self._minhashes = _minhashes(texts)
        self._indices = [KeyIndex([keys(text) for text in texts]) for keys, _ in _KEYS]

    def pairs_with(self, others: Sequence[TextSignals]) -> Iterator[tuple[TextSignals, TextSignals]]:
        """Pairs of one of *others* and one indexed that may be alike: the same words, half of the
        shingles by MinHash, or neighbouring samples in common. Each once, in order.
        """
        for start in range(0, len(others), _BLOCK):
            block = others[start : start + _BLOCK]
            for pair in self._pairs_with(block).tolist():
                yield block[pair // len(self._texts)], self._texts[pair % len(self._texts)]

    def _pairs_with(self, others: Sequence[TextSignals]) -> Integers:
        """The pairs as numbers: position in *others* times the texts here, and position here."""
        found = []
        for index, (keys, fewest) in zip(self._indices, _KEYS, strict=True):
            for left, right in index.pairs_with([keys(text) for text in others], fewest=fewest):
                pairs = left * len(self._texts) + right
                found.append(self._resembling(others, pairs) if keys is _band_keys else pairs)
        return np.unique(np.concatenate([np.empty(0, dtype=np.int64), *found]))

    def _resembling(self, others: Sequence[TextSignals], pairs: Integers) -> Integers:
        theirs, kept = _minhashes(others), []
        for start in range(0, len(pairs), _AT_A_TIME):
            part = pairs[start : start + _AT_A_TIME]
            left, right = divmod(part, len(self._texts))
            equal = (theirs[left] == self._minhashes[right]).sum(axis=1)
            kept.append(part[equal >= FEWEST_EQUAL])
        return np.concatenate([np.empty(0, dtype=np.int64), *kept])


def _minhashes(texts: Sequence[TextSignals]) -> NDArray[np.uint8]:
    return np.array([text.minhash for text in texts], dtype=np.uint8).reshape(-1, VALUES)


def _word_keys(text: TextSignals) -> Integers:
    return np.array([int(text.words[:15], 16)] if text.words else [], dtype=np.int64)


def _band_keys(text: TextSignals) -> Integers:
    bands = text.minhash.view(f">u{_BAND_BYTES}").astype(np.int64)
    return bands | np.arange(len(bands)) << 32


def _sample_keys(text: TextSignals) -> Integers:
    return text.samples.keys() if text.samples else np.empty(0, dtype=np.int64)


_KEYS: tuple[tuple[Callable[[TextSignals], Integers], int], ...] = (
    (_word_keys, 1),
    (_band_keys, 1),
    (_sample_keys, _FEWEST_KEYS),
)
"""What a pair must have in common, and how much of it."""


def _text(sha256: str, rank: int, values: dict[str, tuple[str, int]]) -> TextSignals:
    minhash, shingles = values["minhash"]
    return TextSignals(
        sha256=sha256,
        rank=rank,
        shingles=shingles,
        minhash=np.frombuffer(bytes.fromhex(minhash), dtype=np.uint8),
        words=values["words"][0] if "words" in values else None,
        samples=samples_of(*values["passages"]) if "passages" in values else None,
    )
