"""Pages are replaced whole or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from preservation import clock
from preservation.errors import StoreUnavailable


def write_page(target: Path, text: str, *, named: str) -> None:
    """Replace *target* with *text*; StoreUnavailable, with the page *named* so, where it can't be."""
    draft = target.with_name(f".{target.name}.{clock.new_id()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        msg = f"The {named} can't be written to {target}: {error.strerror}."
        raise StoreUnavailable(msg, remedy="Name another place.") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
