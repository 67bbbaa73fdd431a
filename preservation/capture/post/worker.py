"""The process that reads one post: ``python -m preservation.capture.post.worker``.

The job comes as one line of JSON on standard input; what happens goes out as lines of JSON on
standard output. An extractor that hangs, crashes or eats memory takes down this process alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, TextIO


def main() -> None:
    """Read the post that standard input names."""
    report = _private_output()

    # What it prints while it is loaded must not reach the report.
    from preservation.capture.fetch.wire_faults import causes_of
    from preservation.capture.post.extraction import extract
    from preservation.capture.post.report import PostJob

    job = PostJob.from_json(sys.stdin.readline())

    def tell(kind: str, **facts: Any) -> None:
        line = json.dumps({"kind": kind, **facts}, default=str)
        report.write(line.encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "\n")
        report.flush()

    try:
        extract(job, tell)
    except Exception as error:  # noqa: BLE001 - yt-dlp's extractors raise whatever they raise
        causes = [_told(cause) for cause in causes_of(error)]
        tell("failed", causes=causes, words=str(error)[:2000])


def _private_output() -> TextIO:
    """Standard output for the report alone; whatever prints goes to standard error."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return report


def _told(error: BaseException) -> dict[str, Any]:
    status, code = getattr(error, "status", None), getattr(error, "verify_code", None)
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__],
        "status": status if isinstance(status, int) else None,
        "verify_code": code if isinstance(code, int) else None,
    }


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
