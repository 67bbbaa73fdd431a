"""What is wrong with the archive when an export finds it out: always a stop, and always by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from preservation.errors import EvidenceAtRisk

_REMEDY = "Nothing was handed out. Run 'preserve verify' to see what changed."


def broken(subject: str, what: str) -> EvidenceAtRisk:
    """The error that stops an export: *subject* isn't what was sealed."""
    return EvidenceAtRisk(f"{subject}: {what}.", remedy=_REMEDY)


@contextmanager
def readable(subject: str) -> Iterator[None]:
    """Takes what goes wrong while *subject* is read for what it is.

    Raises:
        EvidenceAtRisk: It is missing, or can't be read.
    """
    try:
        yield
    except KeyError as error:
        raise broken(subject, f"{error.args[0]} is missing") from error
    except (OSError, ValueError) as error:
        raise broken(subject, f"it can't be read: {error}") from error
