"""How many copies and parts of clips are found by sight and by sound, and which unlike ones are joined.

    .venv/bin/python -m benchmarks.similarity.photos        once: fetches the photographs
    nice .venv/bin/python -m benchmarks.similarity.film_evaluation [--clips 6] [--json]

Everything is compared with everything. Clips and signals are kept below the working directory.

Seen with 6 clips and 2 of real footage: all 145 copies and parts found; no edge between unrelated
clips, nor by shared intros, black frames or slides. One fixed camera at another time: for a person.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.similarity import photos as photographs
from benchmarks.similarity.corpus import Corpus, count_pairs, gathered, said, sort_out
from benchmarks.similarity.film_set import SHARED, labelled_films
from benchmarks.similarity.labelled import Item
from benchmarks.similarity.measured import VIDEOS, SignalCache
from benchmarks.similarity.scoring import OUTCOMES, Tally, Unlike, tallied
from preservation.similarity.edges import Comparison, Edge
from preservation.similarity.sounds_alike import SoundComparison
from preservation.similarity.videos_alike import VideoComparison

LEAST = 0.90
"""Of the clips under each transform must be found, by sight or by sound."""
SENSES: dict[str, type[Comparison]] = {"sight": VideoComparison, "sound": SoundComparison}

_UNRELATED = "unrelated clips"
_ONE_CAMERA = frozenset(["street", "street-later"])


def film_class(left: Item, right: Item) -> str:
    """Which sort of unlike pair it is."""
    if left.shows | right.shows >= _ONE_CAMERA:
        return SHARED["street"]
    return SHARED.get(left.scene, _UNRELATED) if left.scene == right.scene else _UNRELATED


def edges_by(corpus: Corpus, sense: str) -> list[Edge]:
    """All edges of one of `SENSES`."""
    began = time.process_time()
    comparison = SENSES[sense](corpus.signals)
    edges = [*comparison.copies(corpus.signals), *comparison.parts(corpus.signals)]
    corpus.seconds[f"comparing by {sense}"] = time.process_time() - began
    return edges


def recalls(tallies: Mapping[str, Tally], senses: Mapping[str, Mapping[str, Tally]]) -> Iterator[str]:
    """The table of recall."""
    heads = "".join(f"{head:>16}" for head in OUTCOMES)
    yield (
        f"\n{'transform':24}{'n':>4}" + "".join(f"{sense:>9}" for sense in senses) + heads + "   recall"
    )
    for name, tally in tallies.items():
        yield (
            f"{name:24}{tally.count:>4}"
            + "".join(f"{found[name].recall:>9.0%}" for found in senses.values())
            + "".join(f"{tally.share(outcome):>16.0%}" for outcome in OUTCOMES)
            + f"{tally.recall:>9.0%}  {'met' if tally.recall >= LEAST else 'MISSED'}"
        )


def unlikes(unlike: Mapping[str, Unlike]) -> Iterator[str]:
    """The table of unlike pairs."""
    yield f"\n{'unlike pairs':30}{'pairs':>8}" + "".join(f"{outcome:>16}" for outcome in OUTCOMES[:3])
    for name, sort in unlike.items():
        joined = sort.outcomes["automatic copy"] + sort.outcomes["automatic part"]
        numbers = "".join(f"{sort.outcomes[outcome]:>16,}" for outcome in OUTCOMES[:3])
        yield f"{name:30}{sort.pairs:>8,}{numbers}" + (f"  {joined} FALSE" if joined else "")


def examples(tallies: Mapping[str, Tally], unlike: Mapping[str, Unlike]) -> Iterator[str]:
    """Paths of what was missed, and of unlike pairs with an edge."""
    for name, tally in tallies.items():
        yield from (f"missed, {name}: {path}" for path, _ in tally.examples.get("missed", []))
    for name, sort in unlike.items():
        for outcome, pairs in sort.examples.items():
            for left, right, edge in pairs:
                yield f"{name}, {outcome} by {edge.signal}:\n  {left}\n  {right}\n  {dict(edge.detail)}"


def as_json(
    tallies: Mapping[str, Tally],
    senses: Mapping[str, Mapping[str, Tally]],
    unlike: Mapping[str, Unlike],
) -> dict[str, Any]:
    """The same figures for programs."""
    return {
        "transforms": {
            name: {
                "count": tally.count,
                "recall": tally.recall,
                **{sense: found[name].recall for sense, found in senses.items()},
                **{outcome: tally.outcomes[outcome] for outcome in OUTCOMES},
            }
            for name, tally in tallies.items()
        },
        "unlike": {name: {"pairs": sort.pairs, **sort.outcomes} for name, sort in unlike.items()},
    }


def main() -> None:
    """Make what is missing, compare, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=6, help="made of six photographs each")
    parser.add_argument("--work", type=Path, default=photographs.WORK)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--report", type=Path, help="also write the text with examples there")
    options = parser.parse_args()
    photos = list(photographs.present(options.work))
    items = list(labelled_films(photos, options.work, options.clips, said))
    corpus = gathered(items, SignalCache(options.work, VIDEOS, said))
    edges = {sense: edges_by(corpus, sense) for sense in SENSES}
    together = [edge for found in edges.values() for edge in found]
    unlike: dict[str, Unlike] = {}
    everything = set(corpus.items)
    count_pairs(corpus, (everything, everything), set(), unlike, film_class)
    sort_out(corpus, together, unlike, film_class)
    senses = {sense: tallied(corpus.items, found, set()) for sense, found in edges.items()}
    tallies = tallied(corpus.items, together, set())
    said("")
    lines = [f"{len(items)} files", *recalls(tallies, senses), *unlikes(unlike), ""]
    lines += [f"{step}: {seconds:.1f} CPU s" for step, seconds in corpus.seconds.items()]
    lines += [f"no signals, {reason}: {path}" for path, reason in corpus.absent.items()]
    print(json.dumps(as_json(tallies, senses, unlike), indent=1) if options.json else "\n".join(lines))
    if options.report:
        options.report.write_text(
            "\n".join([*lines, *examples(tallies, unlike)]) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
