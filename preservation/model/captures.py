"""What one capture attempt takes and gives: the values that cross the recorder's seam."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from preservation.model.vocabulary import Engine, Outcome, Reason, Role


LARGEST_PACKED_BYTES = 64 << 20
"""A larger bitstream is stored as a file of its own instead of in a WARC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """One attempt at one item.

    *url* is requested byte for byte; *submitted_file* is set for engine `submitted` alone.
    *spool* is an empty directory that the attempt owns; what it leaves there is kept.
    """

    item_id: str
    capture_id: str
    attempt_number: int
    engine: Engine
    spool: Path
    url: str | None = None
    submitted_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """One hop of a redirect chain."""

    url: str
    status: int
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedObject:
    """One bitstream that an attempt stored: in the attempt's WARC, or as a file of its own.

    Exactly one of (*warc_offset*, *warc_length*, *warc_record_id*) and *blob_file* is set.
    """

    role: Role
    target_uri: str | None
    content_type: str | None
    size_bytes: int
    sha256: str
    sha512: str
    transfer_form: str = "as-sent"
    warc_offset: int | None = None
    warc_length: int | None = None
    warc_record_id: str | None = None
    blob_file: str | None = None
    """Name of the file in the spool."""
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedResource:
    """One line of a page's completeness account."""

    url: str
    resource_type: str | None
    is_held: bool
    reason: Reason | None = None
    http_status: int | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    obtained_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One bitstream made from another (a remux, a screenshot of a page)."""

    source_sha256: str
    derived_sha256: str
    tool: str
    tool_version: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureResult:
    """Everything known about one attempt; a failure has the same shape as a success."""

    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    reason: Reason | None = None
    error_class: str | None = None
    error_detail: str | None = None
    final_url: str | None = None
    http_status: int | None = None
    retry_after_s: int | None = None
    reroute_to: Engine | None = None
    """Another engine that must take the item over at once (a page URL that answers with a file)."""
    request_headers: tuple[tuple[str, str], ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    server_address: str | None = None
    egress: str = "direct"
    bytes_received: int = 0
    content_verdict: str | None = None
    tools: dict[str, str] = field(default_factory=dict)
    warc_file: str | None = None
    """Name of the attempt's WARC in the spool; null if nothing was received."""
    objects: tuple[CapturedObject, ...] = ()
    resources: tuple[CapturedResource, ...] = ()
    derivations: tuple[Derivation, ...] = ()
    observed_title: str | None = None
    observed_uploader: str | None = None
    observed_published_at: str | None = None
    observed_platform: str | None = None
    observed_platform_id: str | None = None
