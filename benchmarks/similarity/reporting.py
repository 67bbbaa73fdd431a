"""The figures as text and as JSON."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, Protocol

from benchmarks.similarity.labelled import ALL_TRANSFORMS
from benchmarks.similarity.scoring import OUTCOMES, Tally, Unlike, bars_met, is_error, lowest_of
from preservation.similarity.edges import Edge

_EXAMPLES = 6


class Measured(Protocol):
    """What is said of the set beside its scores."""

    absent: dict[str, str]
    seconds: dict[str, float]


def as_text(
    heading: str,
    tallies: Mapping[str, Tally],
    unlike: Mapping[str, Unlike],
    corpus: Measured,
    *,
    has_examples: bool = False,
) -> str:
    """Tables; with *has_examples* also paths of what went wrong."""
    lines = [heading, *_recalls(tallies), *_bars(tallies), *_unlikes(unlike), *_rest(corpus)]
    if has_examples:
        lines += [*_unsure(tallies), *_taken_for_alike(unlike)]
    return "\n".join(lines) + "\n"


def _recalls(tallies: Mapping[str, Tally]) -> Iterator[str]:
    yield (
        f"\n{'family':20}{'transform':22}{'n':>5}{'PDQ':>7}"
        + "".join(f"{outcome:>16}" for outcome in OUTCOMES)
        + f"{'recall':>9}"
    )
    for transform in ALL_TRANSFORMS:
        if tally := tallies.get(transform.name):
            yield (
                f"{tally.family:20}{transform.name:22}{tally.count:>5}"
                f"{tally.baseline / tally.count:>7.0%}"
                + "".join(f"{tally.share(outcome):>16.1%}" for outcome in OUTCOMES)
                + f"{tally.recall:>9.1%}"
            )
    if tallies:
        yield (
            f"{'mean':47}{mean_baseline(tallies):>7.0%}"
            + "".join(f"{_mean_share(tallies, outcome):>16.1%}" for outcome in OUTCOMES)
            + f"{1 - _mean_share(tallies, 'missed'):>9.1%}"
        )


def _bars(tallies: Mapping[str, Tally]) -> Iterator[str]:
    yield f"\n{'recall, all tiers':26}{'mean':>9}{'bar':>6}{'':10}found least"
    for bar, reached, is_met in bars_met(tallies):
        name, recall = lowest_of(bar, tallies)
        verdict = "met" if is_met else "MISSED"
        yield f"{bar.name:26}{reached:>9.2%}{bar.least:>6.0%}  {verdict:8}{name} {recall:.1%}"


def _unlikes(unlike: Mapping[str, Unlike]) -> Iterator[str]:
    yield f"\n{'unlike pairs':40}{'pairs':>10}" + "".join(f"{outcome:>16}" for outcome in OUTCOMES[:3])
    for name, sort in sorted(unlike.items()):
        errors = sum(count for outcome, count in sort.outcomes.items() if is_error(name, outcome))
        yield (
            f"{name:40}{sort.pairs:>10,}"
            + "".join(f"{sort.outcomes[outcome]:>16,}" for outcome in OUTCOMES[:3])
            + (f"  {errors} FALSE" if errors else "")
        )


def _rest(corpus: Measured) -> Iterator[str]:
    yield ""
    for step, seconds in corpus.seconds.items():
        yield f"{step}: {seconds:.1f} CPU s"
    for reason, count in Counter(corpus.absent.values()).items():
        yield f"no signals, {reason}: {count}"


def _unsure(tallies: Mapping[str, Tally]) -> Iterator[str]:
    """What was missed, and what was left to a person."""
    for outcome, most in (("missed", 3 * _EXAMPLES), ("review", 2)):
        yield f"\n{outcome.capitalize()} (the original lies beside each as original.jpg):"
        for name, tally in tallies.items():
            found = tally.examples.get(outcome, [])
            drawn = random.Random(name).sample(found, min(most, len(found)))
            yield from (f"  {name} ({len(found)}):" for _ in drawn[:1])
            for path, edge in sorted(drawn, key=itemgetter(0)):
                yield f"    {path}" + (f"\n      {_numbers(edge)}" if edge else "")


def _numbers(edge: Edge) -> str:
    return (
        f"{edge.signal} {edge.left_view}/{edge.right_view} {edge.distance_bits} bits,"
        f" qualities {edge.left_quality}/{edge.right_quality} {dict(edge.detail)}"
    )


def _taken_for_alike(unlike: Mapping[str, Unlike]) -> Iterator[str]:
    yield "\nEdges between unlike pairs:"
    for name, sort in sorted(unlike.items()):
        for outcome, examples in sort.examples.items():
            mark = "FALSE " if is_error(name, outcome) else ""
            yield f"  {mark}{name}: {outcome} ({sort.outcomes[outcome]})"
            for left, right, edge in examples[:_EXAMPLES]:
                yield f"    {left}\n    {right}"
                yield f"      {_numbers(edge)}"


def as_json(
    heading: str, tallies: Mapping[str, Tally], unlike: Mapping[str, Unlike], corpus: Measured
) -> dict[str, Any]:
    """The same figures for programs."""
    return {
        "set": heading,
        "transforms": {
            name: {
                "family": tally.family,
                "count": tally.count,
                "pdq_alone": tally.baseline,
                "recall": tally.recall,
                **{outcome: tally.outcomes[outcome] for outcome in OUTCOMES},
            }
            for name, tally in tallies.items()
        },
        "bars": {
            bar.name: {
                "reached": reached,
                "least": bar.least,
                "is_met": is_met,
                "lowest": dict([lowest_of(bar, tallies)]),
            }
            for bar, reached, is_met in bars_met(tallies)
        },
        "unlike": {
            name: {"pairs": sort.pairs, **{outcome: sort.outcomes[outcome] for outcome in OUTCOMES[:3]}}
            for name, sort in unlike.items()
        },
        "cpu_seconds": corpus.seconds,
        "absent": dict(Counter(corpus.absent.values())),
    }


def mean_baseline(tallies: Mapping[str, Tally]) -> float:
    """Mean over transforms of what PDQ alone finds."""
    return sum(tally.baseline / tally.count for tally in tallies.values()) / max(1, len(tallies))


def _mean_share(tallies: Mapping[str, Tally], outcome: str) -> float:
    return sum(tally.share(outcome) for tally in tallies.values()) / max(1, len(tallies))
