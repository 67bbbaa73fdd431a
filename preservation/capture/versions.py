"""Name and version of each tool that takes part in a capture."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def tools_used(*packages: str, **others: str) -> dict[str, str]:
    """Versions of Python, of this project, of *packages*, and of *others* as given."""
    return {
        "preservation": _version_of("preservation"),
        "python": platform.python_version(),
        **{package: _version_of(package) for package in packages},
        **others,
    }


@cache
def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
