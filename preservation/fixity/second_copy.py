"""What a second copy holds of a file that is damaged."""

from __future__ import annotations

from enum import StrEnum

from preservation.errors import StoreUnavailable
from preservation.fixity.files import Damage, Unfit
from preservation.fixity.reading import Reader


class HeldBy(StrEnum):
    """What the second copy holds."""

    SAME = "same"
    """The bytes that log or seal name."""
    PRESENT = "present"
    """Something; its digest isn't named anywhere, so repair must prove it first."""
    DAMAGED = "damaged"
    MISSING = "missing"
    NOT_REACHABLE = "not-reachable"


def second_copy_of(damage: Damage, reader: Reader) -> HeldBy:
    """What *reader* finds under the damaged file's key."""
    try:
        _, sha256 = reader.measure(damage.key)
    except Unfit as unfit:
        return HeldBy.MISSING if unfit.is_absence else HeldBy.DAMAGED
    except StoreUnavailable:
        return HeldBy.NOT_REACHABLE
    if damage.sha256 is None:
        return HeldBy.PRESENT
    return HeldBy.SAME if sha256 == damage.sha256 else HeldBy.DAMAGED
