"""The `file` engine: one URL, streamed as it is sent.

A transfer that breaks is gone on with where the server allows it (`fetch.resuming`). A server
that can't prove who it is is asked once more without proof, and the item is never more than partly
captured then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preservation import clock
from preservation.capture.evidence import AttemptEvidence
from preservation.capture.fetch.answers import (
    agent_header,
    failure_of,
    keep_fetched,
    role_of_final,
    verdict_of,
    with_answer,
    with_failure,
)
from preservation.capture.fetch.wire import Wire
from preservation.capture.tap import Tap
from preservation.capture.versions import tools_of_client
from preservation.model.captures import CaptureRequest, CaptureResult
from preservation.model.vocabulary import Role

if TYPE_CHECKING:
    from preservation.settings import Settings


def capture_file(request: CaptureRequest, settings: Settings) -> CaptureResult:
    """Fetch the request's URL with its redirects; partial and error bodies are kept as such."""
    started_at = clock.now()
    limits = settings.limits
    with (
        AttemptEvidence(request.spool, limits) as evidence,
        Tap(evidence, settings, deadline_s=limits.file_deadline_s) as tap,
    ):
        wire = Wire(
            gateway=tap.gateway,
            limits=limits,
            temporary_file=evidence.temporary_file,
            largest_body_bytes=limits.largest_object_bytes,
            key_log=tap.key_log,
            roots=settings.capture_roots,
            accepts_unverified=True,
            resumes=True,
        )
        fetched = wire.fetch(request.url or "", agent_header(settings))
        recorded = tap.recorded()
        role = role_of_final(failure_of(fetched), fetched, Role.FILE)
        derivations = keep_fetched(evidence, recorded, fetched, role)
        tap.keep()
        outcome, failure = verdict_of(fetched)
        result = CaptureResult(
            outcome=outcome,
            started_at=started_at,
            ended_at=clock.now(),
            bytes_received=tap.gateway.bytes_received,
            tools=tools_of_client(),
            warc_file=evidence.warc_file,
            objects=evidence.objects,
            derivations=derivations,
        )
        return with_failure(with_answer(result, fetched, recorded, limits=limits), failure)
