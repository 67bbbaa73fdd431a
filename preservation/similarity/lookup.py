"""Asking what is like given bitstreams: the comparisons that make edges, over parts of an archive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Comparison, Edge, Relation, Tier

SIGNAL_COLUMNS = ("sha256", "algorithm", "view", "frame_ms", "value", "quality", "box")
"""Columns of `fingerprints` that comparisons look at."""

_LATEST = 1 << 62
"""The rank of what is asked about: behind everything, so that all of the archive is earlier."""

_TIERS = tuple(Tier)
_RELATIONS = tuple(Relation)


def signals_asked(rows: Iterable[Mapping[str, Any]]) -> Signals:
    """The signals in *rows* (of `fingerprints`) as what is asked about: later than all others."""
    found = list(rows)
    sha256s = sorted({str(row["sha256"]) for row in found})
    return Signals.of_rows(found, {sha256: _LATEST + at for at, sha256 in enumerate(sha256s)})


def signals_held(columns: Mapping[str, NDArray[Any]], asked: Signals) -> Signals:
    """The signals in *columns* (of `fingerprints`, see `Signals.of_columns`), without those of
    bitstreams that are *asked* about themselves.
    """
    sha256s = sorted(set(columns["sha256"].tolist()) - set(asked.sha256s.tolist()))
    return Signals.of_columns(columns, {sha256: at for at, sha256 in enumerate(sha256s)})


def alike(
    asked: Signals, held: Iterable[Signals], comparisons: Iterable[type[Comparison]]
) -> list[Edge]:
    """The edges from *held*, in any parts, to what is *asked* about, the likeliest first.

    The right end of each is what was asked about. Automatic before review, copies before parts, the
    nearest before the farther; of what several parts say about the same two, the likeliest counts.
    """
    ready = [comparison(asked) for comparison in comparisons]
    found: dict[tuple[str, ...], Edge] = {}
    for edge in (edge for part in held for edge in _edges(ready, part)):
        known = found.setdefault(_identity(edge), edge)
        found[_identity(edge)] = min(known, edge, key=likeliest_first)
    return sorted(found.values(), key=likeliest_first)


def likeliest_first(edge: Edge) -> tuple[int, int, int, str, str, str]:
    """What edges are sorted by; one without a distance stands behind those of its kind."""
    distance = edge.distance_bits
    return (
        _TIERS.index(edge.tier),
        _RELATIONS.index(edge.relation),
        _LATEST if distance is None else distance,
        str(edge.signal),
        edge.left_sha256,
        edge.right_sha256,
    )


def _edges(comparisons: Iterable[Comparison], part: Signals) -> Iterator[Edge]:
    if len(part):
        for comparison in comparisons:
            yield from comparison.copies(part)
            yield from comparison.parts(part)


def _identity(edge: Edge) -> tuple[str, ...]:
    return (
        edge.left_sha256,
        edge.right_sha256,
        *map(str, (edge.signal, edge.relation, edge.left_view, edge.right_view)),
    )
