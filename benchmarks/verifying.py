"""`preserve verify` over a home, against reading and hashing the same files once with SHA-256.

Verification also computes SHA-512, unpacks each WARC, reads every table and checks each signature
and token, so the ratio can't reach 1. Seen on the demo's home (6.4 MB in 103 files, six tokens):
23 times the floor of 11 ms.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from preservation import pipeline, settings
from preservation.model.digests import CHUNK_BYTES


def hash_all(archive: Path) -> int:
    """Read every file below *archive* once through SHA-256; bytes read."""
    total = 0
    for path in archive.rglob("*"):
        if path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    digest.update(chunk)
                    total += len(chunk)
    return total


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    deployment = settings.load(parser.parse_args().home)
    hash_all(deployment.archive)  # the page cache is warm for both
    began = time.perf_counter()
    size_bytes = hash_all(deployment.archive)
    bare = time.perf_counter() - began
    pipeline.verify(deployment)  # so are the imports
    began = time.perf_counter()
    verdict = pipeline.verify(deployment)
    checked = time.perf_counter() - began
    print(f"{size_bytes:,} bytes, verdict {verdict.verdict}")
    print(f"bare SHA-256 {bare:.3f} s, verify {checked:.3f} s: {checked / bare:.1f} times the floor")


if __name__ == "__main__":
    main()
