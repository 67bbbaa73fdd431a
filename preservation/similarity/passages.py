"""Which passages two texts share, from samples of their shingles (see `shingles`).

Pages of one site begin and end alike: notices, terms, who is behind it. So a shared passage that stands
at the same end of both is their frame, unless it is long. Lengths and positions are in distinct
shingles, which is about words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.shingles import GAP_BITS, SAMPLE_BITS, WINDOW

Integers = NDArray[np.int64]

FEWEST_SAMPLES = 4
SHORTEST_PASSAGE = 2 * WINDOW
"""From its first sample to its last. Each shared passage of 67 words has so many samples so far apart,
wherever it stands; fewer may be chance."""
_LONGEST_BREAK = 3 * WINDOW
"""A passage goes on behind what was changed, left out or put in, if that isn't longer."""
_LONGEST_FRAME = 300
"""Longer than the notices and terms at the end of most pages; what is longer was written for its own
sake, or is for a person to tell."""
_MOST_EQUAL = 40
"""Samples of one value that a text has: a novel has 15 by chance; more are there to wear us out."""
_AT_THE_END = 2 * WINDOW
"""What begins so early, or ends so late, stands at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of one text."""

    values: Integers
    gaps: Integers
    positions: Integers
    shingles: int

    def __len__(self) -> int:
        return len(self.values)

    def keys(self) -> Integers:
        """Each two neighbours and the gap between them, as a number of 27 bits; distinct."""
        pairs = self.values[:-1] << SAMPLE_BITS | self.values[1:]
        return np.unique(pairs << GAP_BITS | self.gaps[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage that stands in both texts: of the samples, their first and last positions."""

    left_start: int
    left_end: int
    right_start: int
    right_end: int
    samples: int

    @property
    def length(self) -> int:
        """How long it is in the text where it is shorter."""
        return 1 + min(self.left_end - self.left_start, self.right_end - self.right_start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What two texts share; the passages in the order of the left one."""

    passages: tuple[Passage, ...]
    left_per_mille: int
    """How much of the left text's samples stands in them."""
    right_per_mille: int


def samples_of(value: str, shingles: int) -> Samples:
    """The samples in the *value* of a signal `passages` of so many *shingles*."""
    records = np.frombuffer(bytes.fromhex(value), dtype=">u2").astype(np.int64)
    gaps = records & ((1 << GAP_BITS) - 1)
    return Samples(
        values=records >> GAP_BITS, gaps=gaps, positions=np.cumsum(gaps) - 1, shingles=shingles
    )


def shared_passages(left: Samples, right: Samples) -> Shared:
    """All passages that *left* and *right* share and that are long enough."""
    chains = _chains(zip(*_hits(left, right), strict=True), left, right)
    found = [_passage(chain, left, right) for chain in chains if len(chain) >= FEWEST_SAMPLES]
    kept = [passage for passage in found if passage.length >= SHORTEST_PASSAGE]
    return _shared(sorted(kept, key=lambda each: each.left_start), left, right)


def without_frame(shared: Shared, left: Samples, right: Samples) -> Shared:
    """What is left of *shared* without the passages at the same end of both texts."""
    kept = [passage for passage in shared.passages if not _is_frame(passage, left, right)]
    return _shared(kept, left, right)


def _is_frame(passage: Passage, left: Samples, right: Samples) -> bool:
    first = max(passage.left_start, passage.right_start)
    last = max(left.shingles - passage.left_end, right.shingles - passage.right_end)
    return passage.length < _LONGEST_FRAME and min(first, last) < _AT_THE_END


def _shared(passages: list[Passage], left: Samples, right: Samples) -> Shared:
    samples = sum(passage.samples for passage in passages)
    return Shared(
        passages=tuple(passages),
        left_per_mille=min(1000, samples * 1000 // max(1, len(left))),
        right_per_mille=min(1000, samples * 1000 // max(1, len(right))),
    )


def _hits(left: Samples, right: Samples) -> tuple[list[int], list[int]]:
    """Samples of equal value, in the order of the left text, that have another such pair beside them;
    of pairs that are equal by chance one in 250 has.
    """
    order = np.argsort(right.values, kind="stable")
    ordered = right.values[order]
    starts = np.searchsorted(ordered, left.values)
    counts = np.searchsorted(ordered, left.values, side="right") - starts
    counts[counts > _MOST_EQUAL] = 0
    lefts = np.repeat(np.arange(len(left)), counts)
    nth = np.arange(len(lefts)) - np.repeat(np.cumsum(counts) - counts, counts)
    rights = order[np.repeat(starts, counts) + nth]
    width = len(right) + 4
    places = np.sort(lefts * width + rights)
    has_neighbour = np.zeros(len(places), dtype=bool)
    for step in [sign * (a * width + b) for sign in (1, -1) for a in (1, 2) for b in (1, 2)]:
        at = np.searchsorted(places, places + step)
        has_neighbour |= places[np.minimum(at, len(places) - 1)] == places + step
    kept = places[has_neighbour]
    return (kept // width).tolist(), (kept % width).tolist()


def _chains(
    hits: Iterable[tuple[int, int]], left: Samples, right: Samples
) -> Iterator[list[tuple[int, int]]]:
    """The *hits* in chains that go on in both texts, each put behind the nearest end."""
    at_left, at_right = left.positions.tolist(), right.positions.tolist()
    going_on: list[list[tuple[int, int]]] = []
    for hit in hits:
        here = (at_left[hit[0]], at_right[hit[1]])
        ended = [chain for chain in going_on if here[0] - at_left[chain[-1][0]] > _LONGEST_BREAK]
        yield from ended
        going_on = [chain for chain in going_on if here[0] - at_left[chain[-1][0]] <= _LONGEST_BREAK]
        ends = [(here[0] - at_left[c[-1][0]], here[1] - at_right[c[-1][1]]) for c in going_on]
        best = min(
            (
                (abs(down - along), down, at)
                for at, (down, along) in enumerate(ends)
                if down > 0 and 0 < along <= _LONGEST_BREAK
            ),
            default=None,
        )
        if best is None:
            going_on.append([hit])
        else:
            going_on[best[2]].append(hit)
    yield from going_on


def _passage(chain: list[tuple[int, int]], left: Samples, right: Samples) -> Passage:
    return Passage(
        left_start=int(left.positions[chain[0][0]]),
        left_end=int(left.positions[chain[-1][0]]),
        right_start=int(right.positions[chain[0][1]]),
        right_end=int(right.positions[chain[-1][1]]),
        samples=len(chain),
    )
