"""What only the program `openssl` sends: KeyUpdate, early data, renegotiation; through a recording relay."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from preservation.recording.connections import connections_in
from preservation.recording.keylog import KeyLog
from preservation.recording.model import Side
from preservation.recording.tape import Tape
from preservation.recording.tls import PlainStream
from tests.fakes.recording_relay import RecordingRelay
from tests.fakes.tls_streams import certificate, joined, recorded

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl isn't installed")


class _OpenSsl:
    """A server and clients of the program `openssl`; what passes between them is on a tape."""

    def __init__(self, folder: Path, *options: str):
        self.folder = folder
        self.keys = folder / "keys"
        self.tape = Tape(folder / "tape", largest_connection_bytes=1 << 20)
        self.server = self._start(
            "s_server", "-accept", "127.0.0.1:0", "-cert", certificate("ec"), *options
        )
        lines = iter(self.server.stdout.readline, b"")
        port = next(line.rpartition(b":")[2] for line in lines if line.startswith(b"ACCEPT "))
        self.relay = RecordingRelay(self.tape, ("127.0.0.1", int(port)), piece_bytes=700)

    def client(self, *options: str) -> subprocess.Popen:
        address = f"127.0.0.1:{self.relay.port}"
        return self._start("s_client", "-connect", address, "-keylogfile", self.keys, *options)

    def said(self, number: int):
        """What both sides said on a connection, and its facts."""
        connection = next(
            (one for one in connections_in(self.tape.path) if one.number == number), recorded([])
        )
        stream = PlainStream(connection, KeyLog.of_files(self.keys))
        told = joined(list(stream))
        return told, stream.facts

    def sent(self, side: Side) -> int:
        """How many bytes *side* has sent on the first connection."""
        (connection,) = connections_in(self.tape.path)
        return sum(len(chunk.data) for chunk in connection.chunks() if chunk.side is side)

    def close(self):
        self.server.terminate()
        self.server.communicate(timeout=20)
        self.relay.close()
        self.tape.close()

    def _start(self, *arguments) -> subprocess.Popen:
        return subprocess.Popen(
            ["openssl", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
        )


def _until(is_so) -> None:
    for _ in range(300):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError("it never came about")


@contextmanager
def _openssl(folder, *options):
    running = _OpenSsl(folder, *options)
    try:
        yield running
    finally:
        running.close()


def _type(process: subprocess.Popen, text: str) -> None:
    process.stdin.write(text.encode())
    process.stdin.flush()


def _command(running: _OpenSsl, process: subprocess.Popen, letter: str) -> None:
    """A letter that makes the program send something, and nothing else in the same read."""
    side = Side.SERVER if process is running.server else Side.CLIENT
    before = running.sent(side)
    _type(process, letter + "\n")
    _until(lambda: running.sent(side) > before)


@pytest.mark.parametrize(
    "suite",
    [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ],
)
def test_key_updates_are_followed_under_every_suite_of_tls_1_3(tmp_path, suite):
    with _openssl(tmp_path, "-tls1_3", "-ciphersuites", suite) as running:
        client = running.client("-tls1_3", "-ciphersuites", suite)
        _type(client, "before\n")
        _until(lambda: b"before\n" in running.said(0)[0][Side.CLIENT])
        _command(running, client, "K")
        _type(client, "between\n")
        _until(lambda: b"between\n" in running.said(0)[0][Side.CLIENT])
        _command(running, running.server, "k")
        _type(running.server, "from the server\n")
        _until(lambda: b"from the server\n" in running.said(0)[0][Side.SERVER])
        client.stdin.close()
        client.wait(20)
        told, facts = running.said(0)

    assert told == {Side.CLIENT: b"before\nbetween\n", Side.SERVER: b"from the server\n"}
    assert (facts.cipher_suite, facts.fault) == (suite, None)


@pytest.mark.parametrize("accepts", [True, False], ids=["accepted", "refused"])
def test_early_data_are_told_as_the_server_takes_them(tmp_path, accepts):
    early = tmp_path / "early"
    early.write_bytes(b"early words\n")
    options = (
        ("-tls1_3", "-early_data", "-no_anti_replay")
        if accepts
        else ("-tls1_3", "-max_early_data", "16384")
    )
    with _openssl(tmp_path, *options) as running:
        first = running.client("-tls1_3", "-sess_out", "session")
        _type(first, "first\n")
        _until((tmp_path / "session").exists)
        first.stdin.close()
        first.wait(20)
        second = running.client("-tls1_3", "-sess_in", "session", "-early_data", early)
        _type(second, "late words\n")
        _until(lambda: b"late words\n" in running.said(1)[0][Side.CLIENT])
        second.stdin.close()
        second.wait(20)
        told, facts = running.said(1)

    assert told[Side.CLIENT] == (b"early words\nlate words\n" if accepts else b"late words\n")
    assert facts.early_data == ("accepted" if accepts else "refused")
    assert (facts.is_resumed, facts.fault) == (True, None)


def test_a_renegotiation_is_a_fault_after_what_came_before(tmp_path):
    with _openssl(tmp_path, "-tls1_2", "-client_renegotiation") as running:
        client = running.client("-tls1_2")
        _type(client, "before\n")
        _until(lambda: b"before\n" in running.said(0)[0][Side.CLIENT])
        _type(client, "R\n")
        _until(lambda: running.said(0)[1].fault)
        client.stdin.close()
        client.wait(20)
        told, facts = running.said(0)

    assert told[Side.CLIENT] == b"before\n"
    assert "renegotiation" in facts.fault
