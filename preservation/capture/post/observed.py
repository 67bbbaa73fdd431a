"""What a platform says of a post, as fields of the attempt's result."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from preservation.capture.post.report import entries_of
from preservation.model.canonical import instant
from preservation.model.captures import CaptureResult


def with_observed(result: CaptureResult, described: dict[str, Any] | None) -> CaptureResult:
    """*result* with what a tool's description of the post tells."""
    whole = described or {}
    first = next(entries_of(described), None) or {}

    def said(*names: str) -> str | None:
        values = (source.get(name) for name in names for source in (whole, first))
        return next((str(value) for value in values if value), None)

    return replace(
        result,
        observed_title=said("title"),
        observed_uploader=said("uploader", "channel", "uploader_id"),
        observed_published_at=published_at(said("timestamp"), said("upload_date")),
        observed_platform=said("extractor", "category"),
        observed_platform_id=said("id"),
    )


def published_at(timestamp: str | None, day: str | None) -> str | None:
    """An instant if the platform tells one, else a day as YYYY-MM-DD."""
    if timestamp is not None:
        try:
            return instant(datetime.fromtimestamp(int(float(timestamp)), UTC))
        except (ValueError, OverflowError, OSError):
            return None
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if day and len(day) == 8 else None
