"""What one capture attempt takes and gives: the values that cross the recorder's seam."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preservation.model.vocabulary import Outcome, Role

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from preservation.model.vocabulary import Engine, Reason


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
    submitted_sha256: str | None = None
    """Digest of *submitted_file* when it was received."""
    egress: str | None = None
    """The way out that it must take; null: the deployment's."""


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
    content_encoding: str | None = None
    """Content codings still on the bitstream, as the server named them (RFC 9110 8.4)."""
    content_size_bytes: int | None = None
    """Size once these are removed; null without codings, or where they can't be removed."""
    content_sha256: str | None = None
    content_absence: str | None = None
    """Why the two above are null though there is a coding: bomb, corrupt, truncated, unknown-coding."""
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
    error_class: str | None = None
    """The browser's or the gateway's own word for why it is missing."""
    doubt: str | None = None
    """What the browser's events and the recording disagree on; null if they agree."""
    warc_offset: int | None = None
    """Where the record of its response begins in the attempt's WARC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """One bitstream made from another (a remux, a screenshot of a page)."""

    source_sha256: str
    derived_sha256: str
    tool: str
    tool_version: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFlag:
    """A suspicion about what an answer shows, and what it rests on."""

    flag: str
    """soft-404, login-wall, bot-wall, geo-block or removed."""
    evidence: str
    """The header, words or address that raised it, as found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFigures:
    """How like the live page its replay from the WARC alone is; 1 is the same.

    Decimal fractions as text with four digits: rows hold no floats.
    """

    text: str | None = None
    pixels: str | None = None
    requests: str | None = None
    fault: str | None = None
    """Why a figure is null."""


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
    isolation: str | None = None
    """What held the browser in; null where no browser took part."""
    tls: str | None = None
    """Version and cipher suite of the connection that the final response came over."""
    certificate_sha256: str | None = None
    """Of the server's certificate on it."""
    resources_in_doubt: int = 0
    content_flags: tuple[ContentFlag, ...] = ()
    """What the answer looks like; no flag ever keeps anything from being captured."""
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


def rank_of(outcome: Outcome) -> int:
    """0 for the best that an attempt can come to."""
    return list(Outcome).index(outcome)


_MAIN_ROLES = (
    Role.SUBMITTED_ORIGINAL,
    Role.FILE,
    Role.MEDIA,
    Role.HTML_AS_SERVED,
    Role.PARTIAL,
    Role.ERROR_BODY,
)
"""What a submitter would call the thing itself, the most telling first."""


def main_digest(held: Iterable[tuple[str, str]]) -> str | None:
    """SHA-256 of the bitstream that stands for the item, of an attempt's roles and digests; None if
    nothing came.
    """
    first: dict[str, str] = {}
    for role, sha256 in held:
        first.setdefault(role, sha256)
    return next((first[role] for role in _MAIN_ROLES if role in first), None)
