"""The file engine against a site with every fault."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from preservation.capture.recorder import EngineRecorder
from preservation.errors import StoreFull
from preservation.model.captures import CaptureRequest
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import FaultSite

FILE = Engine.FILE
OF_THE_WIRE = {Role.NETWORK_LOG, Role.RECORDING}
"""What every attempt that had a connection holds besides."""


def brought(made):
    """What the attempt is about, without the record of the wire."""
    return [kept for kept in made.result.objects if kept.role not in OF_THE_WIRE]


@pytest.fixture(scope="module")
def site():
    with FaultSite() as running:
        yield running


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


def test_a_file_is_held_as_it_was_sent(site, attempt):
    made = attempt(FILE, site.url("/file.bin"))

    (kept,) = brought(made)
    content = made.content(kept)
    assert made.result.outcome is Outcome.CAPTURED
    assert content == site.content("/file.bin")[1]
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert kept.sha512 == hashlib.sha512(content).hexdigest()
    assert (kept.role, kept.target_uri, kept.transfer_form) == (
        Role.FILE,
        site.url("/file.bin"),
        "as-sent",
    )
    assert made.result.server_address == "127.0.0.1"
    assert made.result.bytes_received > len(content)
    names = {"preservation", "python", "requests", "urllib3", "tls library"}
    assert made.result.tools.keys() == names
    assert made.warc_faults() == 0
    assert [path.name for path in made.spool.iterdir()] == ["capture.warc.gz"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/a/../b/./c//d", "/a/../b/./c//d"),
        ("/%c3%a9/%2F/%zz?q=%2f&A=b", "/%c3%a9/%2F/%zz?q=%2f&A=b"),
        ("//double?x=[]|^`{}\"<>\\'", "//double?x=[]|^`{}\"<>\\'"),
        ("?only=query#fragment", "/?only=query"),
        ("/مسار#part", "/%D9%85%D8%B3%D8%A7%D8%B1"),
    ],
)
def test_a_url_is_requested_byte_for_byte(path, line, site, attempt):
    made = attempt(FILE, site.url(path))

    assert site.lines()[-1] == f"GET {line} HTTP/1.1"
    ((_, head),) = made.records("request")
    assert f"{head.protocol} {head.statusline}" == site.lines()[-1]
    assert list(made.result.request_headers) == site.asked[-1][1]


@pytest.mark.parametrize(
    ("path", "reason", "role"),
    [
        ("/status/500", Reason.SERVER_ERROR, Role.ERROR_BODY),
        ("/status/404", Reason.NOT_FOUND, Role.ERROR_BODY),
        ("/status/410", Reason.REMOVED, Role.ERROR_BODY),
        ("/status/429", Reason.RATE_LIMITED, Role.ERROR_BODY),
        ("/status/451", Reason.GEO_BLOCKED, Role.ERROR_BODY),
        ("/unauthorised", Reason.LOGIN_WALL, Role.ERROR_BODY),
        ("/loop/a", Reason.REDIRECT_LOOP, Role.ERROR_BODY),
        ("/chain/1", Reason.REDIRECT_LOOP, Role.ERROR_BODY),
        ("/truncated.bin", Reason.TRUNCATED, Role.PARTIAL),
        ("/truncated-chunks", Reason.TRUNCATED, Role.PARTIAL),
        ("/hang-midway", Reason.TIMEOUT, Role.PARTIAL),
        ("/large", Reason.TOO_LARGE, Role.PARTIAL),
        ("/hang", Reason.TIMEOUT, None),
        ("/reset", Reason.TRUNCATED, None),
    ],
)
def test_each_failure_has_its_reason_and_keeps_what_came(path, reason, role, site, attempt):
    made = attempt(FILE, site.url(path))

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, reason)
    assert [kept.role for kept in brought(made)] == ([role] if role else [])
    assert role is None or made.warc_faults() == 0


def test_the_six_failures_have_six_reasons(site, attempt):
    urls = [site.url(p) for p in ("/status/500", "/status/404", "/loop/a", "/truncated.bin", "/hang")]

    reasons = {attempt(FILE, url).result.reason for url in [*urls, "http://"]}

    assert len(reasons) == 6


def test_a_file_that_only_drips_ends_at_the_deadline(site, attempt):
    made = attempt(FILE, site.url("/drip"), file_deadline_s=1)

    assert made.result.reason is Reason.TIMEOUT
    assert made.only(Role.PARTIAL).startswith(b"<p>.")


def test_what_came_of_a_torn_file_is_marked_as_torn(site, attempt):
    made = attempt(FILE, site.url("/truncated.bin"))

    assert made.only(Role.PARTIAL).startswith(b"<html><title>T</title><p>half")
    with (made.spool / "capture.warc.gz").open("rb") as stream:
        assert b"WARC-Truncated: disconnect" in gzip.decompress(stream.read())


def test_redirects_are_on_record_hop_by_hop(site, attempt):
    made = attempt(FILE, site.url("/redirect-file"))

    (hop,) = made.result.redirects
    assert (hop.url, hop.status, hop.location) == (site.url("/redirect-file"), 302, "/file.bin")
    assert made.result.final_url == site.url("/file.bin")
    assert [uri for uri, _ in made.records("response")] == [
        site.url("/redirect-file"),
        site.url("/file.bin"),
    ]


def test_a_page_that_says_that_there_is_nothing_is_held_and_flagged(site, attempt):
    said = "Вибачте, цієї сторінки не існує: її видалено."
    page = f"<title>The Paper</title><style>p {{}}</style><h1>404</h1><p>{said}"
    site.pages["/gone"] = ("text/html; charset=utf-8", page.encode())

    made = attempt(FILE, site.url("/gone"))

    assert (made.result.outcome, made.result.content_verdict) == (Outcome.CAPTURED, "content")
    assert made.only(Role.FILE) == page.encode()
    flags = {one.flag: one.evidence for one in made.result.content_flags}
    assert flags["soft-404"] == f"text: 404 {said}"


def test_a_file_that_is_no_page_is_flagged_by_its_head_alone(site, attempt):
    site.pages["/words.txt"] = ("text/plain", b"Page not found")

    assert attempt(FILE, site.url("/words.txt")).result.content_flags == ()
    assert [one.flag for one in attempt(FILE, site.url("/status/451")).result.content_flags] == [
        "geo-block"
    ]


@pytest.mark.parametrize("path", ["/file.bin", "/chunks"])
def test_a_file_beyond_the_recordings_limit_is_held_whole(path, site, attempt):
    made = attempt(FILE, site.url(path), largest_recorded_bytes=20)

    assert made.result.outcome is Outcome.CAPTURED
    whole = attempt(FILE, site.url(path))
    assert made.only(Role.FILE) == whole.only(Role.FILE)
    assert made.warc_faults() == 0
    (record,) = [uri for uri, _ in made.records("response")]
    assert record == site.url(path)


@pytest.mark.parametrize("path", ["/file.bin", "/chunks"])
@pytest.mark.parametrize("spare_bytes", [-1, 0, 1])
def test_a_recording_cut_near_the_end_of_a_body_costs_no_byte_of_it(path, spare_bytes, site, attempt):
    whole = attempt(FILE, site.url(path))
    (connection,) = json.loads(whole.only(Role.NETWORK_LOG))["connections"]
    passed = connection["bytes_sent"] + connection["bytes_received"]

    made = attempt(FILE, site.url(path), largest_recorded_bytes=passed + spare_bytes)

    assert made.only(Role.FILE) == whole.only(Role.FILE)
    assert made.warc_faults() == 0


def test_headers_keep_their_order_case_and_twins(site, attempt):
    made = attempt(FILE, site.url("/twin-headers"))

    names = [
        pair for pair in made.result.response_headers if pair[0].lower() in {"x-one", "set-cookie"}
    ]
    assert names == [("X-One", "a"), ("Set-Cookie", "p=1"), ("x-ONE", "b"), ("Set-Cookie", "q=2")]


def test_a_packed_bomb_is_stored_packed(site, attempt):
    made = attempt(FILE, site.url("/bomb"))

    content = made.only(Role.FILE)
    assert len(content) < 100_000
    assert gzip.decompress(content) == bytes(60_000_000)


def test_a_chunked_body_is_told_from_its_framing(site, attempt):
    made = attempt(FILE, site.url("/chunks"))

    ((_, head),) = made.records("response")
    (kept,) = brought(made)
    assert kept.sha256 == hashlib.sha256(b"<title>Chunks</title><p>one<p>two").hexdigest()
    assert head.get_header("Transfer-Encoding") == "chunked"


def test_a_server_that_asks_to_wait_is_heard_and_then_works(attempt):
    with FaultSite() as site:
        results = [attempt(FILE, site.url("/recovers")).result for _ in range(3)]

    assert [(r.reason, r.retry_after_s) for r in results] == [(Reason.SERVER_ERROR, 1)] * 2 + [
        (None, None)
    ]


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/a.pdf", "http://127.0.0.1:1/a.pdf"])
def test_what_cannot_be_reached_is_unreachable(url, attempt):
    made = attempt(FILE, url)

    assert made.result.reason is Reason.UNREACHABLE
    assert brought(made) == []
    assert [kept.role for kept in made.result.objects][:1] == [Role.NETWORK_LOG]


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE, Engine.POST])
def test_a_malformed_url_causes_no_traffic(engine, attempt):
    made = attempt(engine, "http:// not a url")

    assert made.result.reason is Reason.MALFORMED_URL
    assert list(made.spool.iterdir()) == []


def test_a_private_address_is_refused_directly_and_behind_a_redirect(tmp_path):
    with FaultSite() as public, FaultSite(host="127.0.0.2") as private:
        attempt = Attempts(tmp_path, networks=("127.0.0.1/32",))
        directly = attempt(FILE, private.url("/file.bin"))
        redirected = attempt(FILE, public.url(f"/far?{private.url('/file.bin')}"))

    assert directly.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert redirected.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert len(redirected.result.redirects) == 1
    assert private.asked == []


def test_environment_proxies_and_netrc_play_no_part(site, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    program = (
        "import sys; from pathlib import Path; from tests.fakes.capture_attempts import Attempts;"
        "from preservation.model.vocabulary import Engine;"
        f"made = Attempts(Path({str(tmp_path)!r}) / 'a')(Engine.FILE, {site.url('/file.bin')!r});"
        "sys.exit(0 if made.result.reason is None else str(made.result))"
    )
    dead = dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1")

    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **dead, "HOME": str(tmp_path)}
    )

    assert done.returncode == 0
    assert "Authorization" not in dict(site.asked[-1][1])


def test_a_certificate_that_nobody_vouches_for_is_a_certificate_fault(tmp_path, attempt):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_shake_hands, args=(listener, context), daemon=True).start()
        made = attempt(FILE, f"https://localhost:{listener.getsockname()[1]}/a.pdf")

    assert made.result.reason is Reason.CERTIFICATE_FAULT


def _shake_hands(listener, context):
    client, _ = listener.accept()
    try:
        context.wrap_socket(client, server_side=True).close()
    except OSError:
        client.close()


def test_a_submitted_file_is_taken_in_unchanged(tmp_path, attempt):
    sent = tmp_path / "statement.pdf"
    sent.write_bytes(b"%PDF" + bytes(range(256)) * 500)

    made = attempt(Engine.SUBMITTED, None, file=sent)

    (kept,) = made.result.objects
    assert made.result.outcome is Outcome.CAPTURED
    assert (kept.role, made.content(kept)) == (Role.SUBMITTED_ORIGINAL, sent.read_bytes())
    assert kept.sha256 == hashlib.sha256(sent.read_bytes()).hexdigest()
    assert made.result.egress == "none"


def test_a_submitted_file_that_is_gone_is_a_result_and_not_a_crash(tmp_path, attempt):
    made = attempt(Engine.SUBMITTED, None, file=tmp_path / "gone")

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, Reason.TOOL_ERROR)


def test_a_full_disk_stops_the_work_instead_of_blaming_the_site(tmp_path, attempt):
    class WritesToAFullDisk:
        def capture(self, request):
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")

        def close(self):
            pass

    recorder = EngineRecorder(WritesToAFullDisk(), attempt.settings)
    request = CaptureRequest(
        item_id="i", capture_id="c", attempt_number=1, engine=FILE, spool=tmp_path, url="http://h/"
    )

    with pytest.raises(StoreFull, match="No space left"):
        recorder.capture(request)
