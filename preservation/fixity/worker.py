"""The program of one worker process: see `preservation.fixity.processes`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import IO

from preservation.fixity.files import NamedFile
from preservation.fixity.reading import PathReader, check_batch


def serve(root: str, requests: Iterable[bytes], answers: IO[bytes]) -> None:
    """Answer each of *requests* about files below *root*."""
    reader = PathReader(root)
    for line in requests:
        batch = [
            NamedFile(key=key, size_bytes=size_bytes, sha256=sha256, named_by="")
            for key, size_bytes, sha256 in json.loads(line)
        ]
        found = [(each.key, each.fault, each.observed) for each in check_batch(reader, batch)]
        answers.write(json.dumps(found).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
