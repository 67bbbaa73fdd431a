"""Roots that captures trust beside the usual ones, as Chromium reads them: an NSS database.

On Linux it looks for one in its home, below ``.pki/nssdb`` (Chromium, docs/linux/cert_management.md).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from preservation.errors import ProgramMissing, SettingsInvalid

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_CERTUTIL_S = 30


def install_roots(roots: Path, profile: Path) -> None:
    """Make the browser of *profile* trust the certificates in the PEM file *roots*.

    Raises:
        SettingsInvalid: *roots* can't be read or holds something else.
        ProgramMissing: There is no certutil.
    """
    try:
        pem = roots.read_bytes()
    except OSError as error:
        raise SettingsInvalid(
            f"capture_roots: {roots} can't be read: {error.strerror}.", remedy="Correct the path."
        ) from error
    folder = profile / ".pki/nssdb"
    folder.mkdir(parents=True, mode=0o700)
    for name, content in _database(pem).items():
        (folder / name).write_bytes(content)


@cache
def _database(pem: bytes) -> dict[str, bytes]:
    """The files of a database that trusts the certificates in *pem*; made once a process."""
    certutil = shutil.which("certutil")
    if certutil is None:
        raise ProgramMissing(
            "certutil isn't installed; without it the browser can't trust capture_roots.",
            remedy="Install it: apt-get install --yes libnss3-tools",
        )
    certificates = _CERTIFICATE.findall(pem)
    if not certificates:
        raise SettingsInvalid("capture_roots holds no PEM certificate.", remedy="Correct the file.")
    with tempfile.TemporaryDirectory(prefix="preserve-trust-") as folder:
        database = f"sql:{folder}"
        _run([certutil, "-N", "-d", database, "--empty-password"])
        for number, certificate in enumerate(certificates):
            # C: trusted to issue server certificates, and nothing else.
            name = f"capture-root-{number}"
            _run([certutil, "-A", "-d", database, "-n", name, "-t", "C,,", "-a"], certificate + b"\n")
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _run(command: list[str], given: bytes = b"") -> None:
    try:
        subprocess.run(command, input=given, check=True, capture_output=True, timeout=_CERTUTIL_S)
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode("utf-8", "replace").strip()
        raise SettingsInvalid(
            f"capture_roots: {words}", remedy="Give PEM certificates of roots."
        ) from error
