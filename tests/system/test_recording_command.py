"""`preserve recording`: a sealed item's recording, taken out, and all that was derived from it once more."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from preservation.model.vocabulary import Engine, Role
from preservation.recording.connections import key_log_in
from preservation.recording.exchanges import decode_all
from preservation.replay.rebuilding import rebuild
from preservation.replay.records import ByteRun, records_in
from tests.conftest import Deployment, new_deployment
from tests.fakes.capture_attempts import Attempts
from tests.fakes.sealed_page import SealedPage
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import Origin, WireSite, build, capture_cases, matrix_settings
from tests.fakes.wire_site.answers import plain

CASES = (
    "encodings-over-tls", "chunked", "http2", "tls12", "tls13", "websocket-deflate", "redirect-chain",
    "broken-off-in-page", "old-http", "lies-about-length", "hls-as-post", "file-early-hints",
)  # fmt: skip


@dataclass(frozen=True)
class Sealed:
    """A deployment with a page that was recorded and a file that wasn't, by item identifier."""

    deployment: Deployment
    page: str
    file: str


@pytest.fixture(scope="module")
def sealed(tmp_path_factory, site):
    deployment = new_deployment(tmp_path_factory.mktemp("recording") / "home")
    deployment.preserve("submit", site.url("/gallery/"), "--organisation", "relief-watch")
    deployment.preserve("run", "--until-idle")
    settings = deployment.home / "preserve.toml"
    settings.write_text(f"keeps_recordings = false\n{settings.read_text()}")
    deployment.preserve("submit", site.url("/gallery/photo.jpg"), "--organisation", "relief-watch")
    deployment.preserve("run", "--until-idle")
    items = deployment.query("SELECT item_id, submitted_url FROM items ORDER BY submitted_url")
    return Sealed(deployment, *(item["item_id"] for item in items))


def test_everything_that_the_archive_holds_comes_out_alike(sealed, tmp_path):
    target = tmp_path / "page.pcapng"

    said = sealed.deployment.json("recording", sealed.page, "--to", target)

    assert said["recording"] == str(target)
    assert said["alike"] == said["exchanges"] >= 22
    assert (said["only_in_warc"], said["only_in_recording"], said["faults"]) == ([], [], [])
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark isn't installed")
def test_tshark_sees_the_same_requests(sealed, tmp_path):
    target = tmp_path / "page.pcapng"
    shown = sealed.deployment.preserve("recording", sealed.page, "--to", target).stdout

    told = subprocess.run(
        ["tshark", "-r", target, "-Y", "http.request", "-T", "fields", "-e", "http.request.full_uri"],
        capture_output=True, text=True, check=True, timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    ).stdout  # fmt: skip

    held = sealed.deployment.query(
        f"SELECT DISTINCT url FROM resources WHERE item_id = '{sealed.page}' AND is_held"
    )
    assert f"{target}: {len(told.split())} requests." in shown
    assert {line["url"] for line in held} <= set(told.split())
    exchanges = [
        exchange
        for made in decode_all(target, key_log_in(target), lambda: tmp_path / "body")
        for exchange in made.exchanges
    ]
    assert sorted(exchange.url for exchange in exchanges) == sorted(told.split())


def test_a_package_for_others_has_no_recording_unless_it_is_asked_for(sealed, tmp_path):
    sealed.deployment.preserve("wacz", sealed.page, "--to", tmp_path / "less.wacz")
    sealed.deployment.preserve("wacz", sealed.page, "--with-recording", "--to", tmp_path / "all.wacz")

    less, everything = (_own_records(tmp_path / f"{name}.wacz") for name in ("less", "all"))
    assert everything - less == {"urn:preservation:recording", "urn:preservation:network-log"}
    assert any(target.startswith("urn:preservation:screenshot:") for target in less)


def _own_records(package: Path) -> set[str]:
    with zipfile.ZipFile(package) as archive:
        warc = io.BytesIO(archive.read("archive/data.warc.gz"))
    targets = (one.rec_headers.get_header("WARC-Target-URI") or "" for one in ArchiveIterator(warc))
    return {target for target in targets if target.startswith("urn:")}


def test_a_payload_that_was_changed_in_the_archive_is_found(sealed, tmp_path):
    copy = _copied(sealed, tmp_path / "home")
    changed_url = _change_one_payload(copy.home / "archive")

    said = copy.json("recording", sealed.page, "--to", tmp_path / "x.pcapng", exit_code=1)
    shown = copy.preserve("recording", sealed.page, "--to", tmp_path / "y.pcapng", exit_code=1).stdout

    assert said["only_in_warc"] == [changed_url]
    assert len(said["only_in_recording"]) == 1
    assert f"not in the recording: {changed_url}" in shown
    assert f"not in the archive: {said['only_in_recording'][0]}" in shown


def _copied(sealed, home):
    shutil.copytree(sealed.deployment.home, home, symlinks=True)
    environment = {**sealed.deployment.environment, "PRESERVE_HOME": str(home)}
    return replace(sealed.deployment, home=home, environment=environment)


def _change_one_payload(archive: Path) -> str:
    """Change the last byte of a picture that is stored unpacked, so that its record keeps its length."""
    for path in sorted(archive.rglob("*.warc.gz")):
        content = bytearray(path.read_bytes())
        for record in records_in(ByteRun.of_file(path)):
            span = slice(record.offset, record.offset + record.length)
            block = bytearray(zlib.decompress(content[span], 31))
            packer = zlib.compressobj(0, zlib.DEFLATED, 31)
            block[-len(b"\r\n\r\n") - 1] ^= 0xFF
            packed = packer.compress(block) + packer.flush()
            if record.kind == "response" and len(packed) == record.length:
                content[span] = packed
                path.chmod(0o644)
                path.write_bytes(content)
                return record.field("WARC-Target-URI") or ""
    raise AssertionError("no such record")


def test_a_file_that_exists_is_left_alone(sealed, tmp_path):
    target = tmp_path / "taken.pcapng"
    target.write_bytes(b"mine")

    done = sealed.deployment.preserve("recording", sealed.page, "--to", target, exit_code=2)

    assert "exists" in done.stderr
    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("is_sealed", [True, False], ids=["not-recorded", "unknown"])
def test_an_item_without_recording_is_named_and_no_file_is_made(is_sealed, sealed, tmp_path):
    item = sealed.file if is_sealed else "nobody"
    words = f"{item} has no recording" if is_sealed else f"No sealed item is called {item}"

    done = sealed.deployment.preserve("recording", item, "--to", tmp_path / "x.pcapng", exit_code=2)

    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(sealed):
    done = sealed.deployment.preserve(
        "recording", sealed.page, "--to", "/nonexistent/x.pcapng", exit_code=2
    )

    assert "/nonexistent isn't a directory" in done.stderr


def test_a_recording_that_is_gone_from_the_archive_is_evidence_at_risk(tmp_path):
    sealed = SealedPage.make(tmp_path / "home", has_large_recording=True)
    for blob in (sealed.settings.archive / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    deployment = Deployment(sealed.settings.home, {"PRESERVE_HOME": str(sealed.settings.home)})

    done = deployment.preserve("recording", "kept", "--to", tmp_path / "x.pcapng", exit_code=1)

    assert "preserve verify" in done.stderr
    assert not list(tmp_path.glob("*x.pcapng*"))


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """Some cases of the wire site, captured once."""
    home = tmp_path_factory.mktemp("rebuilding")
    authority = TestAuthority(home / "authority")
    with WireSite(authority) as site:
        cases = [build(name, site.at) for name in CASES]
        for case in cases:
            site.add(case.routes)
        settings = matrix_settings(home, authority.root_pem)
        yield capture_cases(cases, home / "spools", settings, at_once=2)


@pytest.mark.parametrize("name", CASES)
def test_a_recording_gives_every_payload_of_its_warc_again(name, captured, tmp_path):
    kept = captured[name]
    (recording,) = [one for one in kept.result.objects if one.role is Role.RECORDING]
    (tmp_path / "recording").write_bytes(kept.content(recording))

    rebuilt = rebuild(tmp_path / "recording", ByteRun.of_file(kept.warc))

    assert (rebuilt.only_in_warc, rebuilt.only_in_recording) == ((), ())
    assert rebuilt.alike > 0


def test_a_body_beyond_the_recording_s_limit_is_named_with_its_reason(tmp_path):
    with WireSite(TestAuthority(tmp_path / "authority")) as site:
        site.add({"/large": plain("application/octet-stream", bytes(300_000))})
        url = f"{site.at[Origin.HTTP]}/large"
        made = Attempts(tmp_path)(Engine.FILE, url, largest_recorded_bytes=50_000)
    recording = tmp_path / "recording"
    recording.write_bytes(made.only(Role.RECORDING))

    rebuilt = rebuild(recording, ByteRun.of_file(made.spool / "capture.warc.gz"))

    assert made.only(Role.FILE) == bytes(300_000)
    assert (rebuilt.only_in_warc, rebuilt.only_in_recording) == ((url,), (url,))
    assert rebuilt.faults == ("connection 0: the recording stopped at its limit",)
