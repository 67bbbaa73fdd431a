"""How the downloads of a post enter the evidence: as recorded answers, or as files made of them.

Everything that a tool sent and received is in the WARC. A download that is one recorded answer to
the byte is listed there and not stored again; one that is made of several (HLS, DASH) is a file of
its own, with a derivation from each of them.
"""

from __future__ import annotations

import filecmp
import mimetypes
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from preservation.capture.evidence import AS_SENT, DECODED, PIECED, AttemptEvidence
from preservation.capture.post.sources import Part, Parts, parts_of
from preservation.capture.tap import Recorded
from preservation.model.canonical import canonical_json
from preservation.model.captures import LARGEST_PACKED_BYTES, Derivation
from preservation.model.vocabulary import Role
from preservation.recording.model import RecordedExchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """One file that a tool downloaded."""

    path: Path
    role: Role
    url: str
    is_as_sent: bool
    """False: the tool put it together or unpacked it."""


@dataclass(slots=True, kw_only=True)
class Keeping:
    """Keeps what one tool downloaded, and what passed between it and the net."""

    evidence: AttemptEvidence
    recorded: Recorded
    label: str
    tool: str
    tool_version: str
    derivations: list[Derivation] = field(default_factory=list)

    def keep(self, files: Sequence[Downloaded]) -> None:
        """Keep every exchange of the tool, and each of *files*."""
        exchanges = self.recorded.of_label(self.label)
        found = [(file, parts_of(file.path, exchanges)) for file in files]
        whole = {_key(p.parts[0].exchange): w for w, p in found if _is_one_answer(p)}
        cut = {
            _key(part.exchange)
            for _, parts in found
            for part in parts.parts
            if part.exchange.truncated == "length"
        }
        for exchange in exchanges:
            self._keep_exchange(exchange, whole.get(_key(exchange)), is_in_file=_key(exchange) in cut)
        for file, parts in found:
            if file not in whole.values():
                self._keep_file(file, parts)

    def _keep_exchange(
        self, exchange: RecordedExchange, file: Downloaded | None, *, is_in_file: bool
    ) -> None:
        answer = exchange.response
        if is_in_file and answer is not None:
            # The recording stopped in the middle; all of it is in the file.
            exchange = replace(exchange, response=replace(answer, body=None, body_bytes=0))
        role = file.role if file else None
        self.evidence.keep_exchange(exchange, role, about=self.recorded.about(exchange))

    def _keep_file(self, file: Downloaded, parts: Parts) -> None:
        is_pieced = parts.is_all and len(parts.parts) > 1
        # What none of the answers begins with was unpacked on its way.
        as_told = AS_SENT if file.is_as_sent and parts.parts else DECODED
        kept = self.evidence.keep_file(
            file.path,
            file.role,
            target_uri=file.url,
            content_type=_type_of(file.path),
            transfer_form=PIECED if is_pieced else as_told,
        )
        if is_pieced:
            self.derivations += [self._derivation(part, kept.sha256) for part in parts.parts]

    def _derivation(self, part: Part, derived_sha256: str) -> Derivation:
        last_byte = part.first_byte + part.size_bytes - 1
        arguments = {"bytes": f"{part.first_byte}-{last_byte}", "of": part.exchange.url}
        return Derivation(
            source_sha256=part.sha256,
            derived_sha256=derived_sha256,
            tool=self.tool,
            tool_version=self.tool_version,
            arguments=canonical_json(arguments).decode(),
        )


def copies_in(files: Iterable[Downloaded], *, of: Iterable[Downloaded]) -> list[Downloaded]:
    """Those among *files* that have the bytes of another one; what differs in size isn't read."""
    by_size = defaultdict(list)
    for other in of:
        by_size[other.path.stat().st_size].append(other.path)
    return [
        file
        for file in files
        if any(
            filecmp.cmp(file.path, path, shallow=False) for path in by_size[file.path.stat().st_size]
        )
    ]


def _is_one_answer(parts: Parts) -> bool:
    if not parts.is_all or len(parts.parts) != 1:
        return False
    only = parts.parts[0]
    return only.exchange.truncated is None and only.size_bytes <= LARGEST_PACKED_BYTES


def _key(exchange: RecordedExchange) -> tuple[int, int]:
    return exchange.connection, exchange.stream


def _type_of(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
