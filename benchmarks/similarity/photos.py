"""The photographs of the evaluation: natural ones out of published packages, listed in `photos.tsv`.

Each line names the kind of package (`deb` or `npm`), package, version, path in it and SHA-256. All are
freely licensed; each package says how. They were chosen by eye from all pictures of those packages of
at least 300 px a side: no drawings, renderings, gradients, diagrams or screenshots, no scene twice.

    .venv/bin/python -m benchmarks.similarity.photos DIRECTORY    fetch and unpack what isn't there

fetches with `apt-get download` (after `apt-get update`; nothing is installed) and `npm pack`, 430 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).with_name("photos.tsv")
WORK = Path(tempfile.gettempdir()) / "eval"
"""Where packages, files and signals are kept unless the caller says otherwise."""


@dataclass(frozen=True, slots=True, order=True)
class Photo:
    """One line of the list."""

    kind: str
    package: str
    version: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Unique in the list, and fit for a file name."""
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(self.path).stem).strip("-").lower()
        return f"{stem}-{self.sha256[:6]}"

    def below(self, directory: Path) -> Path:
        """Where it lies once its package is unpacked."""
        return directory / "packages" / self.package / self.path


def listed() -> list[Photo]:
    """All photographs, in the order of their digests: so that any first ones are a fair sample."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return sorted((Photo(*line.split("\t")) for line in lines), key=lambda photo: photo.sha256)


def digest_of(photos: Iterable[Photo]) -> str:
    """SHA-256 over the SHA-256 of each, sorted, a line each: names the set that was measured."""
    lines = sorted(photo.sha256 for photo in photos)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def present(directory: Path) -> Iterator[Photo]:
    """The listed photographs that lie below *directory* with the listed bytes."""
    for photo in listed():
        path = photo.below(directory)
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == photo.sha256:
            yield photo


def fetch(directory: Path) -> None:
    """Unpack every listed package below *directory* that isn't there yet."""
    for kind, package, version in sorted({(p.kind, p.package, p.version) for p in listed()}):
        unpacked = directory / "packages" / package
        if not unpacked.is_dir():
            print(f"fetching {package} {version}", flush=True)
            archives = directory / "archives"
            archives.mkdir(parents=True, exist_ok=True)
            unpacked.parent.mkdir(exist_ok=True)
            # Under its name only once it is whole: a fetch that was broken off is begun anew.
            with tempfile.TemporaryDirectory(dir=unpacked.parent) as whole:
                _FETCHED[kind](package, version, archives, Path(whole) / "it")
                (Path(whole) / "it").rename(unpacked)


def _debian(package: str, version: str, archives: Path, unpacked: Path) -> None:
    subprocess.run(["apt-get", "download", "-q", f"{package}={version}"], cwd=archives, check=True)
    archive = next(archives.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True)


def _npm(package: str, version: str, archives: Path, unpacked: Path) -> None:
    subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=archives, check=True)
    with tarfile.open(archives / f"{package}-{version}.tgz") as archive:
        archive.extractall(unpacked, filter="data")


_FETCHED = {"deb": _debian, "npm": _npm}


def main() -> None:
    """Fetch, and say what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", default=WORK)
    directory = parser.parse_args().directory
    fetch(directory)
    photos = list(present(directory))
    for (package, version), count in Counter((p.package, p.version) for p in photos).items():
        print(f"{count:4} {package} {version}")
    print(f"{len(photos)} of {len(listed())} photographs, digest {digest_of(photos)}")


if __name__ == "__main__":
    main()
