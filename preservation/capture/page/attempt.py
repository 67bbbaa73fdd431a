"""What one attempt at a page works with, and what it has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from preservation.capture.browser.devtools import DevToolsFault
from preservation.capture.evidence import AttemptEvidence
from preservation.capture.fetch.fetched import Fetched
from preservation.capture.outcomes import Failure
from preservation.capture.page.account import Wanted
from preservation.capture.page.join import Joined
from preservation.capture.page.traffic import Traffic
from preservation.capture.page.visit import Snapshot
from preservation.capture.tap import Recorded, Tap
from preservation.model.captures import CapturedObject, CaptureRequest, Derivation
from preservation.recording.model import RecordedExchange

if TYPE_CHECKING:
    from preservation.capture.browser.browser import Browser
    from preservation.settings import Settings


@dataclass(slots=True, kw_only=True)
class PageAttempt:
    """Filled from top to bottom, step by step."""

    request: CaptureRequest
    settings: Settings
    evidence: AttemptEvidence
    tap: Tap
    browser: Browser
    traffic: Traffic
    started_at: datetime

    snapshot: Snapshot = field(default_factory=Snapshot)
    visit_record: dict[str, Any] = field(default_factory=dict)
    """What happened in the browser, as JSON takes it."""
    cookies: dict[str, str] = field(default_factory=dict)
    """URL to Cookie header, for what may have to be fetched again."""
    fault: DevToolsFault | None = None
    certificate_failure: Failure | None = None
    """Set if the page was only shown once the certificate no longer mattered."""

    recorded: Recorded = field(default_factory=Recorded)
    joined: Joined = field(default_factory=Joined)
    wanted: list[Wanted] = field(default_factory=list)
    refetched: dict[str, Fetched] = field(default_factory=dict)
    held: dict[str, CapturedObject] = field(default_factory=dict)
    """Every bitstream of the account that is held whole, by URL."""
    derivations: tuple[Derivation, ...] = ()

    @property
    def url(self) -> str:
        """What was submitted, as it is requested."""
        return self.request.url or ""

    @property
    def main_answer(self) -> RecordedExchange | None:
        """The recorded answer of the main document's last hop."""
        main = self.traffic.main
        return None if main is None else self.joined.answer(main)
