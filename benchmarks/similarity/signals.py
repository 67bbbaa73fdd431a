"""What the signals of pictures cost, against bare decoding of the same files: CPU time, one core.

Photographs of the evaluation's list are stored at 2, 4, 8 and 12 megapixels as JPEG (quality 85,
colours at a quarter), and at 2 and 4 megapixels in other formats. Bare decoding is
``Image.open(file).load()``. Each file is measured several times, all steps in turn, and the median
taken; of all signals the least too, against the least of bare decoding: what they cost when nobody else
used the machine's memory. What is kept for the next picture with parts of the same size is worked out
anew each time: pictures differ in their parts. `signals` are the hashes of the picture and its views;
the local features, by which partial copies are found, come on top in `all signals`.

Seen at 2 megapixels on an idle machine, with the least behind a slash: all signals JPEG 1.08/1.10,
progressive 1.01/1.01, all colours 0.94/0.94, PNG 1.06/1.05, WebP 1.09/1.09, HEIC 1.09/1.07, AVIF
1.12/1.13; without local features JPEG 0.80, others 0.72 to 1.06. At 4, all signals: JPEG 0.82,
progressive 0.90, all colours 0.75, PNG 1.00, WebP 0.80, HEIC 1.05, AVIF 1.00. At 8: JPEG 0.50.
Where others use the processor's cache, small steps in Python suffer more than decoders do.
What is decoded without a draft leaves a tenth of its decoding for everything else.

    .venv/bin/python -m benchmarks.similarity.signals [--photos 8] [--work DIRECTORY] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import pillow_heif
from PIL import Image

from benchmarks.similarity import photos as photographs
from preservation.similarity import features, pdq, picture_signals, pictures, sampling
from preservation.similarity.isolated import DecoderProcesses

MEGAPIXELS = (2, 4, 8, 12)
JPEG = {"format": "JPEG", "quality": 85, "subsampling": "4:2:0"}
OTHERS: dict[str, dict[str, Any]] = {
    "JPEG, progressive": {**JPEG, "progressive": True},
    "JPEG, all colours": {**JPEG, "subsampling": "4:4:4"},
    "PNG": {"format": "PNG", "compress_level": 6},
    "WebP": {"format": "WEBP", "quality": 80},
    "HEIC": {"format": "HEIF", "quality": 70},
    "AVIF": {"format": "AVIF", "quality": 60, "speed": 8},
}
TIMES = 15
LONGEST_SIDE_FACTOR = 1.3
"""No photograph is enlarged further: enlarged ones decode faster than real ones."""


def cpu_ms(steps: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median of several runs of each of *steps*, which take turns, and the least."""
    spent: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(TIMES):
        for step, work in steps.items():
            start = time.process_time()
            work()
            spent[step].append(time.process_time() - start)
    medians = {step: median(each) * 1000 for step, each in spent.items()}
    return medians | {f"{step}, least": min(each) * 1000 for step, each in spent.items()}


def stored(photo: Path, megapixels: int, options: dict[str, Any], folder: Path) -> Path | None:
    """*photo* at that size; None if it is too small for it."""
    with Image.open(photo) as image:
        factor = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        if factor > LONGEST_SIDE_FACTOR:
            return None
        size = (round(image.width * factor) + 1, round(image.height * factor) + 1)
        path = folder / "picture"
        image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(path, **options)
    return path


def signals_anew(path: Path) -> None:
    """All signals, as of the first picture with parts of these sizes."""
    sampling.weights_of_parts.cache_clear()
    picture_signals.signals_of(path)


def measured(path: Path) -> dict[str, float]:
    """Milliseconds of CPU of each step."""
    picture = pictures.decoded(path)
    size = (picture.width_px, picture.height_px)
    sampled = sampling.mirrored_samples(picture.grey, *size)
    steps = {
        "bare decoding": lambda: Image.open(path).load(),
        "all signals": lambda: signals_anew(path),
        "decoding": lambda: pictures.decoded(path),
        "PDQ, 8 forms": lambda: pdq.forms_of(sampling.mirrored_samples(picture.grey, *size)),
        "views": lambda: picture_signals.parts_of(picture),
        "features, grey": lambda: list(features.features_of(picture.grey, decoder="")),
        "pHash, dHash": lambda: list(picture_signals.corroborating(picture, sampled[0, 0])),
    }
    return cpu_ms(steps)


def total(photos: list[Path], megapixels: int, options: dict[str, Any]) -> dict[str, float]:
    """Each step's share of the bare decoding of the same files, and how many there were."""
    sums: dict[str, float] = {}
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos:
            if path := stored(photo, megapixels, options, Path(folder)):
                count += 1
                for step, spent in measured(path).items():
                    sums[step] = sums.get(step, 0) + spent
    if not count:
        return {"files": 0}
    bare, bare_least = sums.pop("bare decoding"), sums.pop("bare decoding, least")
    shares = {step: spent / bare for step, spent in sums.items() if not step.endswith("least")}
    return {
        "files": count,
        "bare decoding, ms": bare / count,
        "signals": shares["all signals"] - shares["features, grey"],
        **shares,
        "all signals, least": sums["all signals, least"] / bare_least,
    }


def isolation(photos: list[Path]) -> dict[str, float]:
    """What asking another process adds: wall time, when the machine does nothing else."""
    processes = DecoderProcesses()
    with tempfile.TemporaryDirectory() as folder:
        path = next(found for photo in photos if (found := stored(photo, 2, JPEG, Path(folder))))
        start = time.perf_counter()
        processes.signals_of(path)
        started = time.perf_counter() - start
        asked = min(_wall_ms(lambda: processes.signals_of(path)) for _ in range(TIMES))
        here = min(_wall_ms(lambda: picture_signals.signals_of(path)) for _ in range(TIMES))
    processes.end()
    return {"start, ms": started * 1000, "a picture, ms": asked, "the same in this process, ms": here}


def _wall_ms(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=8, help="of at least 2 megapixels")
    parser.add_argument("--work", type=Path, default=photographs.WORK)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    pillow_heif.register_heif_opener()
    large = [photo.below(options.work) for photo in photographs.present(options.work)]
    large = [path for path in large if _pixels(path) >= 2e6][: options.photos]
    found = {f"JPEG, {size} megapixels": total(large, size, JPEG) for size in MEGAPIXELS}
    found |= {
        f"{name}, {size} megapixels": total(large, size, how)
        for name, how in OTHERS.items()
        for size in MEGAPIXELS[:2]
    }
    if options.json:
        print(json.dumps({"steps": found, "isolation": isolation(large)}, indent=1))
        return
    for name, steps in found.items():
        print(f"{name}:", ", ".join(f"{step} {share:.2f}" for step, share in steps.items()), flush=True)
    print("in a process of its own:", ", ".join(f"{k} {v:.1f}" for k, v in isolation(large).items()))


def _pixels(path: Path) -> int:
    with Image.open(path) as image:
        return image.width * image.height


if __name__ == "__main__":
    main()
