"""A recording of real HTTPS opens in tshark, which decrypts it with the embedded secrets alone."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from preservation.recording.connections import connections_in, key_log_in
from preservation.recording.model import Side
from preservation.recording.pcapng import ENHANCED_PACKET, blocks_in, head_of_recording
from preservation.recording.tape import Tape
from preservation.recording.tls import PlainStream
from tests.fakes.recording_relay import RecordingRelay
from tests.fakes.tls_streams import certificate, client_context, joined

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark isn't installed")

LARGE = Random(1).randbytes(300_000)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = LARGE if self.path == "/large" else f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    def __init__(self, address: str, *, version: ssl.TLSVersion):
        self.address_family = 10 if ":" in address else 2
        super().__init__((address, 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(certificate("ec"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def _fetch(port: int, address: str, context: ssl.SSLContext, *paths: str) -> list[bytes]:
    connection = http.client.HTTPSConnection(address, port, context=context)
    answers = []
    for path in paths:
        connection.request("GET", path, headers={"Host": "example.test"})
        answers.append(connection.getresponse().read())
    connection.close()
    return answers


def _tshark(recording: Path, *arguments: str, home: Path) -> str:
    # An empty home: no preferences, no key log but the recording's own.
    done = subprocess.run(
        [
            "tshark",
            "-r",
            recording,
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        timeout=120,
    )
    return done.stdout


@pytest.fixture(
    scope="module",
    params=[("127.0.0.1", "1.3"), ("127.0.0.1", "1.2"), ("::1", "1.3")],
    ids=["IPv4-TLS-1.3", "IPv4-TLS-1.2", "IPv6-TLS-1.3"],
)
def recording(request, tmp_path_factory):
    """A recording of four connections with seven requests."""
    address, version = request.param
    folder = tmp_path_factory.mktemp("recording")
    chosen = ssl.TLSVersion.TLSv1_3 if version == "1.3" else ssl.TLSVersion.TLSv1_2
    context = client_context()
    with (
        _Server(address, version=chosen) as server,
        Tape(folder / "tape", largest_connection_bytes=64 << 20) as tape,
        RecordingRelay(tape, (address, server.server_port)) as relay,
    ):
        for number in range(3):
            _fetch(relay.port, address, context, f"/first/{number}", f"/second/{number}")
        assert _fetch(relay.port, address, context, "/large") == [LARGE]
        relay.close()
        server.shutdown()
    secrets = Path(context.keylog_filename).read_bytes()
    head = head_of_recording(secrets, comment="A test.", names={address: "example.test"})
    path = folder / "recording.pcapng"
    path.write_bytes(head + (folder / "tape").read_bytes())
    return path


def test_tshark_sees_the_requests_that_were_made(recording, tmp_path):
    expected = [f"/{word}/{number}" for number in range(3) for word in ("first", "second")]

    seen = _tshark(
        recording, "-Y", "http.request", "-T", "fields", "-e", "http.request.uri", home=tmp_path
    )

    assert seen.split() == [*expected, "/large"]


def test_tshark_sees_the_bodies_that_were_sent(recording, tmp_path):
    _tshark(recording, "--export-objects", f"http,{tmp_path / 'bodies'}", "-q", home=tmp_path)

    bodies = {hashlib.sha256(file.read_bytes()).digest() for file in (tmp_path / "bodies").iterdir()}
    paths = [f"/{word}/{number}" for number in range(3) for word in ("first", "second")]
    sent = [LARGE, *(f"you asked for {path}".encode() for path in paths)]
    assert bodies == {hashlib.sha256(body).digest() for body in sent}


def test_tshark_and_our_decoder_tell_the_same_bytes(recording, tmp_path):
    key_log, connections = key_log_in(recording), connections_in(recording)
    wanted = [word for place in range(4) for word in ("-z", f"follow,tls,raw,{place}")]

    told = _tshark(recording, "-q", *wanted, home=tmp_path)

    assert sorted(map(_followed, re.findall(r"Node 0[^=]*", told))) == sorted(
        tuple(joined(PlainStream(connection, key_log)).values()) for connection in connections
    )


def _followed(section):
    """What tshark makes of a connection: lines of hexadecimal digits, those of its node 1 indented."""
    node, *lines = section.splitlines()
    sides = list(Side) if re.search(r"192\.0\.2\.1:|2001:db8::1", node) else list(reversed(Side))
    both = {Side.CLIENT: b"", Side.SERVER: b""}
    for line in lines:
        if re.fullmatch(r"\t?[0-9a-f]+", line):
            both[sides[line.startswith("\t")]] += bytes.fromhex(line)
    return tuple(both.values())


def test_tshark_finds_nothing_wrong_with_any_packet(recording, tmp_path):
    faults = (
        "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags"
    )

    assert _tshark(recording, "-Y", faults, home=tmp_path) == ""


def test_tshark_names_the_direction_and_reads_the_comment_that_headers_are_synthetic(
    recording, tmp_path
):
    directions = _tshark(
        recording,
        "-T",
        "fields",
        "-e",
        "frame.packet_flags_direction",
        "-e",
        "tcp.srcport",
        home=tmp_path,
    )
    told = subprocess.run(
        ["capinfos", "-k", "-F", recording], capture_output=True, text=True, check=True
    ).stdout

    outbound = {
        int(line.split()[1]) for line in directions.splitlines() if line.split()[0] == "0x00000002"
    }
    assert outbound == {1024, 1025, 1026, 1027}
    assert "synthesised" in told
    assert "A test." in told


def test_without_the_secrets_tshark_sees_no_request(recording, tmp_path):
    bare = tmp_path / "bare.pcapng"
    with recording.open("rb") as stream:
        first = next(block.offset for block in blocks_in(stream) if block.kind == ENHANCED_PACKET)
    tape = recording.read_bytes()[first:]
    bare.write_bytes(head_of_recording(b"", comment="", names={}) + tape)

    assert _tshark(bare, "-Y", "http", home=tmp_path) == ""


def test_capinfos_counts_the_packets(recording):
    told = subprocess.run(
        ["capinfos", "-T", "-c", "-t", "-E", "-r", recording],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\t")

    with recording.open("rb") as stream:
        packets = sum(block.kind == ENHANCED_PACKET for block in blocks_in(stream))
    assert told[1] == "pcapng"
    assert int(told[-1]) == packets


def test_a_recording_that_was_cut_opens_and_shows_what_came_before(recording, tmp_path):
    cut = tmp_path / "tape"
    with Tape(cut, largest_connection_bytes=4000) as tape:
        for connection in connections_in(recording):
            tape.begin(connection.number, address=connection.address, port=connection.port)
            for chunk in connection.chunks():
                tape.carry(connection.number, chunk.side, chunk.data)
            for side, end in connection.ends:
                tape.end(connection.number, side, end)
    path = tmp_path / "cut.pcapng"
    secrets = key_log_in(recording)
    lines = secrets.lines_for({random for _, random in secrets.secrets})
    path.write_bytes(head_of_recording(lines, comment="", names={}) + cut.read_bytes())

    seen = _tshark(path, "-Y", "http.request", "-T", "fields", "-e", "http.request.uri", home=tmp_path)
    malformed = _tshark(path, "-Y", "_ws.malformed", home=tmp_path)

    assert seen.split()[-1] == "/large"
    assert malformed == ""
    assert connections_in(path)[-1].is_cut
