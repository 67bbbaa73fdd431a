"""What every section of the settings needs: the file's name, and what a single value must be."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from preservation.errors import SettingsInvalid

SETTINGS_FILE = "preserve.toml"
MOST = (1 << 53) - 1
"""The largest whole number that JSON carries everywhere (RFC 8259 6)."""
MOST_DAYS = 36_500


def positive(name: str, given: object, *, most: int = MOST) -> int:
    """*given* as a whole number from 1 to *most*.

    Raises:
        SettingsInvalid: It isn't one; the message names *name* and the value.
    """
    try:
        value = int(str(given))
    except ValueError:
        value = 0
    if value <= 0:
        msg = f"The setting {name} is {given!r}."
        raise SettingsInvalid(msg, remedy="Give a whole number above zero.")
    if value > most:
        msg = f"The setting {name} is {given!r}."
        raise SettingsInvalid(msg, remedy=f"Give a whole number up to {most}.")
    return value


def require_web_address(name: str, url: str) -> None:
    """Make sure that *url* is an address of the web.

    Raises:
        SettingsInvalid: It isn't one; the message names *name* and the value.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        msg = f"The setting {name} is {url!r}."
        raise SettingsInvalid(msg, remedy="Give an address like https://host/.")


def require_distinct(name: str, names: Iterable[str]) -> None:
    """Make sure that no two of the sections *name* have the same name.

    Raises:
        SettingsInvalid: Two have.
    """
    seen: set[str] = set()
    for each in names:
        if each in seen:
            msg = f"Two {name} in {SETTINGS_FILE} have the name {each!r}."
            raise SettingsInvalid(msg, remedy="Give each a name of its own.")
        seen.add(each)
