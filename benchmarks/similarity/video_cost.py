"""What the signals of an hour of video cost, against decoding it and doing nothing (ffmpeg -f null).

CPU seconds of this process and of ffmpeg, one thread each. Without files a film of a minute at 1280 x
720 is made: a zoom into a fractal, which has detail everywhere and never rests.

Seen with that film: 1.1 times decoding alone, sound included; with a cartoon of the same size 1.7
times, with a pan over photographs at 640 x 360 1.6 times. 6 to 7 MB of values an hour.

    nice .venv/bin/python -m benchmarks.similarity.video_cost [FILE ...] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from preservation.similarity import audio, video
from preservation.similarity.columns import Signals
from preservation.similarity.signals import FingerprintResult
from preservation.similarity.videos_alike import VideoComparison

_TIMEOUT_S = 24 * 3600.0
_MADE_S = 60


def cpu_seconds(work: Callable[[], object]) -> float:
    """What *work* takes, in this process and in those that it starts and waits for."""
    before = time.process_time() + _of_children()
    work()
    return time.process_time() + _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def made(folder: Path) -> Path:
    """A film with sound to measure with."""
    path = folder / "film.mp4"
    given = ["-f", "lavfi", "-i", f"mandelbrot=s=1280x720:r=25,trim=duration={_MADE_S}"]
    given += [
        "-f",
        "lavfi",
        "-i",
        f"anoisesrc=d={_MADE_S}:c=pink",
        "-c:v",
        "libx264",
        "-preset",
        "fast",
    ]
    given += ["-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *given, str(path)], check=True)
    return path


def duration_s(path: Path) -> float:
    """How long the film lasts."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-show_entries",
        "format=duration",
        "-of",
        "csv=p=0",
        str(path),
    ]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def figures(path: Path) -> dict[str, float]:
    """The figures of one film, for an hour of it."""
    hours = duration_s(path) / 3600
    bare = ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", str(path)]
    decoding = cpu_seconds(
        lambda: subprocess.run([*bare, "-map", "0:V:0", "-f", "null", "-"], check=True)
    )
    found: list[FingerprintResult] = []
    sight = cpu_seconds(lambda: found.append(video.signals_of(path, timeout_s=_TIMEOUT_S)))
    sound = cpu_seconds(lambda: found.append(audio.signals_of(path, timeout_s=_TIMEOUT_S)))
    signals = [each for result in found for each in result.fingerprints]
    frames = {each.frame_ms for each in signals}
    return {
        "decoding_s": decoding / hours,
        "pictures_s": sight / hours,
        "sound_s": sound / hours,
        "ratio": (sight + sound) / decoding,
        "frames": len(frames) / hours,
        "signals": len(signals) / hours,
        "value_bytes": sum(len(each.value) // 2 for each in signals) / hours,
        "comparing_s": _comparing(signals) / hours,
    }


def _comparing(signals: Sequence[object]) -> float:
    """Comparing a film with itself, as if there were two."""
    rows = [
        {**{name: getattr(each, name) for name in _COLUMNS}, "sha256": sha256}
        for sha256 in ("0", "1")
        for each in signals
    ]
    sides = [Signals.of_rows(rows, {sha256: rank}) for rank, sha256 in enumerate(("0", "1"))]

    def compare() -> None:
        comparison = VideoComparison(sides[1])
        _ = [*comparison.copies(sides[0]), *comparison.parts(sides[0])]

    # The first time numba compiles.
    compare()
    return cpu_seconds(compare)


_COLUMNS = ("algorithm", "view", "frame_ms", "value", "quality", "box")


def main() -> None:
    """Print the figures of each film."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.files or [made(Path(folder))]:
            found = figures(path)
            if options.json:
                print(json.dumps({"file": path.name, **found}))
            else:
                _print(path, found)


def _print(path: Path, found: dict[str, float]) -> None:
    print(f"{path.name}, an hour of it:")
    print(f"  decoding alone     {found['decoding_s']:8.0f} CPU s")
    print(f"  signals, pictures  {found['pictures_s']:8.0f} CPU s, decoding included")
    print(f"  signals, sound     {found['sound_s']:8.0f} CPU s, decoding included")
    print(f"  together           {found['ratio']:8.2f} times decoding alone")
    print(f"  frames             {found['frames']:8.0f}, {found['signals']:.0f} signals of")
    print(f"  values             {found['value_bytes'] / 1e6:8.1f} MB")
    print(f"  comparing          {found['comparing_s']:8.1f} CPU s, with a copy of the same length")


if __name__ == "__main__":
    main()
