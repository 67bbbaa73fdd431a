"""Asking a text's signals for its next word, with all words before it known."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.similarity.text_sources import Source
from preservation.similarity.passages import Samples, samples_of
from preservation.similarity.prose import text_of
from preservation.similarity.shingles import (
    FEWEST,
    SAMPLE_BITS,
    VALUES,
    WORDS,
    Numbers,
    mixed_by,
    passages_of,
    shingles_of,
)

LENGTHS = (FEWEST + WORDS - 1, 200, 400, 800)
TEXTS = 20
ASKED = 20
"""Words asked for, of each text."""


@dataclass(frozen=True, slots=True)
class Target:
    """A text's signals, and what a MinHash of whole values would hold."""

    numbers: Numbers
    least: Numbers
    samples: Samples

    @classmethod
    def of(cls, words: Sequence[str]) -> Self:
        """The signals of *words*."""
        numbers = shingles_of(words)
        least = np.array([mixed_by(numbers, i).min() for i in range(VALUES)])
        return cls(numbers, least, samples_of(passages_of(numbers), len(numbers)))

    def fit(self, guesses: Numbers, true: int) -> dict[str, NDArray[np.float64]]:
        """How well each of the *guesses* at the shingle that stands where the *true* one does fits: the
        logarithm of how much likelier its signals are than by chance.
        """
        mixed = np.stack([mixed_by(guesses, i) for i in range(VALUES)])
        eight = (mixed.astype(np.uint8) == self.least.astype(np.uint8)[:, None]).sum(axis=0)
        whole = (mixed >> np.uint64(32) == self.least[:, None] >> np.uint64(32)).sum(axis=0)
        minhash = eight * np.log1p(256 / len(self.numbers))
        passages = self._sampled(guesses, true) * np.log(1 << SAMPLE_BITS)
        return {
            "minhash": minhash,
            "passages": passages,
            "both": minhash + passages,
            "32 bits a value": whole.astype(np.float64),
        }

    def _sampled(self, guesses: Numbers, true: int) -> NDArray[np.bool_]:
        """Whether each guess has the value of the sample there, if there is one."""
        place = np.flatnonzero(self.numbers == guesses[true])
        value = self.samples.values[np.isin(self.samples.positions, place)]
        return np.isin(guesses & np.uint64((1 << SAMPLE_BITS) - 1), value.astype(np.uint64))


def attacked(sources: Sequence[Source]) -> dict[str, dict[str, float]]:
    """For texts of each length: how often the first guess is right, with and without each signal."""
    words = [word for source in sources for word in text_of(source.text).words]
    vocabulary = sorted(set(words))
    chance = random.Random(5)
    answers: dict[str, dict[str, float]] = {"out of": {"words": len(vocabulary)}}
    for length in LENGTHS:
        rights: dict[str, list[float]] = defaultdict(list)
        for _ in range(TEXTS):
            start = chance.randrange(len(words) - length - WORDS)
            for name, right in asked(words[start : start + length], vocabulary, chance):
                rights[name].append(right)
        answers[f"{length} words"] = {name: float(np.mean(each)) for name, each in rights.items()}
    return answers


def asked(
    words: Sequence[str], vocabulary: Sequence[str], chance: random.Random
) -> Iterator[tuple[str, float]]:
    """How likely the first guess at some of the *words* is right, by signal."""
    if not len(shingles_of(words)):
        return
    target = Target.of(words)
    for at in chance.choices(range(WORDS - 1, len(words)), k=ASKED):
        true = vocabulary.index(words[at])
        fits = target.fit(ending_in(vocabulary, words[at - WORDS + 1 : at]), true)
        yield from ((name, is_first(scores, true)) for name, scores in fits.items())


def is_first(scores: NDArray[np.float64], true: int) -> float:
    """How likely the true word is the one guessed: one of those with the best score."""
    best = scores == scores.max()
    return float(best[true]) / float(best.sum())


def ending_in(vocabulary: Sequence[str], before: Sequence[str]) -> Numbers:
    """The shingles of the words *before* and each word."""
    start = "".join(f"{word} " for word in before).encode()
    digests = (hashlib.blake2b(start + word.encode(), digest_size=8).digest() for word in vocabulary)
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
