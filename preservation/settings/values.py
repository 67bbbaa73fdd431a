"""What every section of the settings needs: the file's name, and whole numbers above zero."""

from __future__ import annotations

from preservation.errors import SettingsInvalid

SETTINGS_FILE = "preserve.toml"


def positive(name: str, given: object) -> int:
    """*given* as a whole number above zero.

    Raises:
        SettingsInvalid: It isn't one; the message names *name* and the value.
    """
    try:
        value = int(str(given))
    except ValueError:
        value = 0
    if value <= 0:
        msg = f"The limit {name} is {given!r}."
        raise SettingsInvalid(msg, remedy="Give a whole number above zero.")
    return value
