"""The roots of a closed network are trusted by name, and by nobody who wasn't told of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.trust import install_roots
from preservation.errors import SettingsInvalid
from preservation.settings import Limits, Settings
from tests.fakes.small_page import SmallPage, SmallSite
from tests.fakes.tls_authority import TestAuthority

_UNTRUSTED = "net::ERR_CERT_AUTHORITY_INVALID"


def settings(roots: Path | None) -> Settings:
    return Settings(
        home=Path("/"), database_url="", log_origin="test", limits=Limits(), capture_roots=roots
    )


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    return [TestAuthority(tmp_path_factory.mktemp(name)) for name in ("one", "other", "third")]


def errors_of(roots: Path | None, authorities: list[TestAuthority], kind: str) -> list[str | None]:
    """What Chromium says of a site of each authority, when it was given *roots*."""
    errors = []
    with Browser(settings(roots)) as browser:
        for authority in authorities:
            with (
                SmallSite({"/": "<title>safe</title>"}, authority.server_context(kind)) as site,
                SmallPage(browser) as page,
            ):
                errors.append(page.go(site.url("/")))
    return errors


def test_every_root_in_the_file_is_trusted_and_no_other(authorities, tmp_path):
    one, other, _ = authorities
    both = tmp_path / "roots.pem"
    both.write_bytes(b"# two roots\n" + one.root_pem.read_bytes() + b"\n" + other.root_pem.read_bytes())

    assert errors_of(both, authorities, "chained") == [None, None, _UNTRUSTED]


def test_without_roots_nothing_of_ours_is_trusted(authorities):
    assert errors_of(None, authorities[:1], "good") == [_UNTRUSTED]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("expired", "net::ERR_CERT_DATE_INVALID"), ("wrong-name", "net::ERR_CERT_COMMON_NAME_INVALID")],
    ids=["expired", "wrong-name"],
)
def test_a_trusted_root_excuses_no_other_fault(authorities, kind, error):
    assert errors_of(authorities[0].root_pem, authorities[:1], kind) == [error]


@pytest.mark.parametrize(
    "content",
    [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
    ids=["empty", "text", "broken"],
)
def test_a_file_without_certificates_is_a_wrong_setting(tmp_path, content):
    roots = tmp_path / "roots.pem"
    roots.write_bytes(content)

    with pytest.raises(SettingsInvalid, match="capture_roots"):
        install_roots(roots, tmp_path / "profile")


def test_a_missing_file_is_a_wrong_setting(tmp_path):
    with pytest.raises(SettingsInvalid, match="can't be read"):
        install_roots(tmp_path / "none.pem", tmp_path / "profile")


def test_without_certutil_the_remedy_says_what_to_install(authorities, tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from preservation.capture.browser.trust import install_roots\n"
        "try: install_roots(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except Exception as fault: print(type(fault).__name__, fault)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, authorities[0].root_pem, tmp_path / "profile"],
        env={**os.environ, "PATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("ProgramMissing certutil isn't installed")
    assert "apt-get install --yes libnss3-tools" in done.stdout
