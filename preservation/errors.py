"""Every error that this project raises: an error says what must happen next.

PreservationError
├── BadInput               STOP    exit 2   the caller must change what it gave
│   ├── SheetUnreadable
│   ├── SettingsInvalid
│   └── ProgramMissing
├── PolicyRefusal          RECORD  exit 3   a rule forbids it; the rule is named
│   ├── OrganisationUnknown
│   └── AgreementRefusal
├── LeaseLost              RECORD  exit 4   somebody else owns the work now
├── ArchiveTooNew          STOP    exit 4   a newer version of this software wrote it: upgrade
├── Unavailable            RETRY   exit 4   the world may change
│   ├── StoreUnavailable
│   ├── AuthorityUnavailable
│   ├── TokenUnjudged
│   └── StateUnavailable
└── EvidenceAtRisk         STOP    exit 1   going on would harm: a person looks
    ├── StoreConflict
    ├── StoreFull
    ├── StoreUnfit
    ├── ForeignArchive
    ├── LogBroken
    ├── RecordingUnreadable
    └── TokenRejected
"""

from __future__ import annotations

from enum import StrEnum

UPGRADE = "Use a newer version of this software; 'preserve verify' tells whether anything was changed."
"""The remedy for whatever a newer version wrote."""


class Disposition(StrEnum):
    """What must happen after an error."""

    RETRY = "retry"
    """The world may change: try again."""
    RECORD = "record"
    """The failure is itself a fact: it becomes an event and a manifest row."""
    STOP = "stop"
    """Going on would harm: a person looks."""


class PreservationError(Exception):
    """The root of the tree: what happened, and the remedy in plain words."""

    disposition: Disposition = Disposition.STOP
    exit_code: int = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class BadInput(PreservationError):
    """What the caller gave can't be used; nothing was changed."""

    exit_code = 2


class SheetUnreadable(BadInput):
    """The sheet as a whole can't be read (encoding, format, header); no row was taken."""


class SettingsInvalid(BadInput):
    """A setting, its file or its environment variable holds a value that can't be used."""


class ProgramMissing(BadInput):
    """A program that the work needs isn't installed or can't start; the remedy says what to do."""


class PolicyRefusal(PreservationError):
    """A rule forbids it; the message names the rule."""

    disposition = Disposition.RECORD
    exit_code = 3


class OrganisationUnknown(PolicyRefusal):
    """No organisation of this identifier is registered here."""


class AgreementRefusal(PolicyRefusal):
    """The organisation's agreement doesn't allow it; the message names the clause."""


class LeaseLost(PreservationError):
    """Another worker took the work over; the present one must stop and leave no effect."""

    disposition = Disposition.RECORD
    exit_code = 4


class ArchiveTooNew(PreservationError):
    """A newer version of this software wrote it, so it can't be judged here; nothing was written."""

    exit_code = 4


class Unavailable(PreservationError):
    """Something outside doesn't answer now; nothing is lost, try again."""

    disposition = Disposition.RETRY
    exit_code = 4


class StoreUnavailable(Unavailable):
    """The archive's store did not answer; nothing was stored."""


class AuthorityUnavailable(Unavailable):
    """A time-stamping authority did not answer; the seal stays pending."""


class StateUnavailable(Unavailable):
    """The database of statuses did not answer."""


class EvidenceAtRisk(PreservationError):
    """Going on could harm evidence: a person must look first."""


class StoreConflict(EvidenceAtRisk):
    """The key already holds other bytes; nothing was overwritten."""


class StoreFull(EvidenceAtRisk):
    """No space is left, or the directory can't be written; nothing half-written remains visible."""


class StoreUnfit(EvidenceAtRisk):
    """The place doesn't keep things as a write-once store must; the message names what was seen."""


class ForeignArchive(EvidenceAtRisk):
    """The directory holds something that isn't this archive; nothing was written."""


class LogBroken(EvidenceAtRisk):
    """The custody log contradicts itself."""


class RecordingUnreadable(EvidenceAtRisk):
    """The file isn't a recording of the wire, or contradicts itself; the message names the place."""


class TokenUnjudged(Unavailable):
    """openssl gave no verdict about a time-stamp token; nothing is wrong with the evidence."""


class TokenRejected(EvidenceAtRisk):
    """A time-stamp token fails an acceptance rule; the message names it."""

    disposition = Disposition.RECORD
