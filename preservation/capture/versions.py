"""Name and version of each tool that takes part in a capture."""

from __future__ import annotations

import platform
import ssl
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def tools_used(*packages: str, **others: str) -> dict[str, str]:
    """Versions of Python, of this project, of *packages*, and of *others* as given."""
    return {
        "preservation": version_of("preservation"),
        "python": platform.python_version(),
        **{package: version_of(package) for package in packages},
        **others,
    }


def tools_of_client(**others: str) -> dict[str, str]:
    """Versions of what our own HTTP client consists of, and of *others* as given."""
    return tools_used("requests", "urllib3", **{"tls library": tls_library()}, **others)


def tls_library() -> str:
    """The TLS library that Python's clients use, such as ``OpenSSL 3.0.15 3 Sep 2024``."""
    return ssl.OPENSSL_VERSION


@cache
def version_of(package: str) -> str:
    """The installed version of *package*; ``unknown`` if it isn't a distribution."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
