"""The seam to whatever records: one attempt goes in, everything known about it comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from preservation.model.captures import CaptureRequest, CaptureResult


class Recorder(Protocol):
    """Captures items of one engine; may be called by several threads at once."""

    def capture(self, request: CaptureRequest) -> CaptureResult:
        """Make one attempt; its spool then holds ``capture.warc.gz`` and blob files, nothing else.

        Whatever a site does is a result, never an exception.

        Raises:
            ProgramMissing: A program that this engine needs isn't installed.
            StoreFull: The spool can't be written; nothing in it may be used.
        """

    def close(self) -> None:
        """Let go of everything that outlives an attempt."""
