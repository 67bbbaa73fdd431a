"""A body that came in several answers: each piece stays on record, and their sum is a file of its own.

`fetch.resuming` says when answers are pieces of one representation. What is put together is a
derivative, and logged as one: a derivation from each piece, with its digest and its place.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from preservation.capture.evidence import PIECED, AttemptEvidence, Exchange, header
from preservation.capture.tap import Recorded
from preservation.capture.versions import tools_used
from preservation.model.canonical import canonical_json
from preservation.model.captures import LARGEST_PACKED_BYTES, Derivation
from preservation.model.digests import fixity_of_file
from preservation.model.vocabulary import Role

TOOL = "preservation: pieces of one transfer"


def keep_pieces(
    evidence: AttemptEvidence, recorded: Recorded, pieces: Sequence[Exchange], role: Role
) -> tuple[Derivation, ...]:
    """Keep each of *pieces* as `Role.PARTIAL`, and all of them in order as one file under *role*.

    A piece too large for the WARC has its head there alone: its bytes are those of the whole file
    at the place that its derivation names, and are stored once.
    """
    sources = [fixity_of_file(_body(piece)) for piece in pieces]
    for piece in pieces:
        sent = recorded.as_sent(piece)
        is_packed = piece.size_bytes <= LARGEST_PACKED_BYTES
        evidence.keep_exchange(sent, Role.PARTIAL if is_packed else None, about=recorded.about(sent))
    whole = evidence.keep_file(
        _joined([_body(piece) for piece in pieces]),
        role,
        target_uri=pieces[0].url,
        content_type=pieces[0].content_type or "application/octet-stream",
        transfer_form=PIECED,
    )
    version, derivations, place = tools_used()["preservation"], [], 0
    for piece, source in zip(pieces, sources, strict=True):
        arguments = {
            "bytes": f"{place}-{place + source.size_bytes - 1}",
            "of": pieces[0].url,
            "if-range": header(piece.request_headers, "if-range"),
        }
        derivations.append(
            Derivation(
                source_sha256=source.sha256,
                derived_sha256=whole.sha256,
                tool=TOOL,
                tool_version=version,
                arguments=canonical_json(arguments).decode(),
            )
        )
        place += source.size_bytes
    return tuple(derivations)


def _joined(bodies: list[Path]) -> Path:
    """The first of *bodies* with the others at its end: no second copy of a large first piece."""
    with bodies[0].open("ab") as sink:
        for body in bodies[1:]:
            with body.open("rb") as source:
                shutil.copyfileobj(source, sink, 1 << 20)
            body.unlink()
    return bodies[0]


def _body(piece: Exchange) -> Path:
    assert piece.body is not None, "a piece without a body isn't one"
    return piece.body
