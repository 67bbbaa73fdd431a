"""A tape keeps what passed, in order and to the byte, as packets that any tool reads."""

from __future__ import annotations

import ipaddress
import signal
import struct
import subprocess
import sys
import threading
import tracemalloc
from datetime import timedelta

import pytest

from preservation import clock
from preservation.errors import Disposition, RecordingUnreadable
from preservation.recording.connections import connections_in, key_log_in
from preservation.recording.model import End, Side
from preservation.recording.packets import Flags, Route, Segment, is_intact, packet_bytes, parse_packet
from preservation.recording.pcapng import HEADERS_ARE_SYNTHETIC, blocks_in, head_of_recording, packet_of
from preservation.recording.tape import CUT_MARK, Tape
from tests.fakes.tls_streams import joined

KEYS = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"


def _tape(tmp_path, *, limit=1 << 20):
    return Tape(tmp_path / "tape", largest_connection_bytes=limit)


def _packets(path):
    with path.open("rb") as stream:
        return [packet_of(block) for block in blocks_in(stream)]


def _segments(path):
    return [(packet.side, parse_packet(packet.data, packet.side)[1]) for packet in _packets(path)]


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"], ids=["IPv4", "IPv6"]
)
def test_what_was_carried_is_read_back_to_the_byte(tmp_path, address):
    started_at = clock.now()
    with _tape(tmp_path) as tape:
        tape.begin(7, address=address, port=443)
        tape.carry(7, Side.CLIENT, b"ask")
        tape.carry(7, Side.SERVER, bytes(200_001))
        tape.carry(7, Side.CLIENT, b"again")
        tape.end(7, Side.SERVER, End.CLOSED)
        tape.end(7, Side.CLIENT, End.RESET)

    (read,) = connections_in(tape.path)

    assert (read.number, read.address, read.port, read.is_cut) == (7, address, 443, False)
    assert joined(read.chunks()) == {Side.CLIENT: b"askagain", Side.SERVER: bytes(200_001)}
    assert read.ends == ((Side.SERVER, End.CLOSED), (Side.CLIENT, End.RESET))
    assert timedelta(0) <= read.began_at - started_at < timedelta(minutes=5)
    assert list(read.chunks()) == list(read.chunks())
    order = [chunk.side for chunk in read.chunks()]
    assert (order[0], order[-1], set(order[1:-1])) == (Side.CLIENT, Side.CLIENT, {Side.SERVER})


def test_connections_that_pass_at_the_same_time_are_told_apart(tmp_path):
    numbers = range(8)
    with _tape(tmp_path) as tape:

        def pass_by(number):
            tape.begin(number, address="192.0.2.80", port=80)
            for turn in range(50):
                tape.carry(number, Side.CLIENT, b"%d/%d;" % (number, turn))
            tape.end(number, Side.CLIENT, End.CLOSED)

        threads = [threading.Thread(target=pass_by, args=(number,)) for number in numbers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    read = connections_in(tape.path)

    assert [connection.number for connection in read] == list(numbers)
    for connection in read:
        expected = b"".join(b"%d/%d;" % (connection.number, turn) for turn in range(50))
        assert joined(connection.chunks())[Side.CLIENT] == expected


def test_a_recording_is_its_head_and_the_tape(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="93.184.216.34", port=443)
        tape.carry(0, Side.CLIENT, b"ask")
    head = head_of_recording(
        KEYS, comment="Attempt 1.", names={"93.184.216.34": "bücher.example", "::1": "b"}
    )
    recording = tmp_path / "recording.pcapng"
    recording.write_bytes(head + tape.path.read_bytes())

    (read,) = connections_in(recording)

    assert joined(read.chunks())[Side.CLIENT] == b"ask"
    assert key_log_in(recording).lines_for(["ab" * 32]) == KEYS
    assert HEADERS_ARE_SYNTHETIC.encode() in head
    assert b"Attempt 1." in head


def test_a_bare_tape_has_no_keys(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="93.184.216.34", port=443)

    assert not key_log_in(tape.path).secrets


def test_a_connection_is_kept_up_to_its_limit_and_marked(tmp_path):
    with _tape(tmp_path, limit=10) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        tape.carry(0, Side.CLIENT, b"four")
        tape.carry(0, Side.SERVER, b"0123456789")
        tape.carry(0, Side.SERVER, b"beyond")
        tape.carry(0, Side.CLIENT, b"beyond")
        tape.end(0, Side.SERVER, End.CLOSED)
        tape.begin(1, address="192.0.2.80", port=80)
        tape.carry(1, Side.CLIENT, b"exactly 10")
        tape.carry(1, Side.CLIENT, b"")

    cut, whole = connections_in(tape.path)

    assert joined(cut.chunks()) == {Side.CLIENT: b"four", Side.SERVER: b"012345"}
    assert (cut.is_cut, cut.ends) == (True, ((Side.SERVER, End.CLOSED),))
    assert joined(whole.chunks())[Side.CLIENT] == b"exactly 10"
    assert not whole.is_cut
    assert [packet.comment for packet in _packets(tape.path)].count(CUT_MARK) == 1


def test_the_bytes_that_were_not_kept_are_missing_in_the_sequence_numbers(tmp_path):
    with _tape(tmp_path, limit=10) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        tape.carry(0, Side.SERVER, bytes(25))
        tape.end(0, Side.SERVER, End.CLOSED)

    last = _segments(tape.path)[-1]

    assert last == (Side.SERVER, Segment(Flags.FIN | Flags.ACK, 26, 1))


def test_each_packet_acknowledges_what_came_before(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        tape.carry(0, Side.CLIENT, b"12345")
        tape.carry(0, Side.SERVER, b"123")
        tape.end(0, Side.CLIENT, End.CLOSED)
        tape.end(0, Side.SERVER, End.CLOSED)

    segments = [
        (side, segment.sequence, segment.acknowledged) for side, segment in _segments(tape.path)
    ]

    assert segments == [
        (Side.CLIENT, 0, 0),
        (Side.SERVER, 0, 1),
        (Side.CLIENT, 1, 1),
        (Side.CLIENT, 1, 1),
        (Side.SERVER, 1, 6),
        (Side.CLIENT, 6, 4),
        (Side.SERVER, 4, 7),
    ]


def test_sequence_numbers_go_round_after_4_gib():
    route = Route(0, ipaddress.ip_address("192.0.2.80"), 80)
    packet = packet_bytes(route, Side.CLIENT, Segment(Flags.ACK, (1 << 32) + 5, 1 << 33))

    assert parse_packet(packet, Side.CLIENT)[1] == Segment(Flags.ACK, 5, 0)


@pytest.mark.parametrize("fill", [b"\0", b"\xff", bytes(range(1, 252))], ids=["0", "ff", "mixed"])
@pytest.mark.parametrize("size", [0, 1, 2000, 2001, 2026, 2027, 2028, 2029, 2030, 2031, 65_439, 65_440])
def test_a_checksum_is_that_of_rfc_1071_whatever_the_size(size, fill):
    route = Route(0, ipaddress.ip_address("192.0.2.80"), 80)
    payload = (fill * size)[:size]

    packet = packet_bytes(route, Side.SERVER, Segment(Flags.ACK, 7, 9, payload))

    summed = packet[12:20] + struct.pack("!II", 20 + size, 6) + packet[20:] + bytes(size % 2)
    words = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    assert words % 0xFFFF == 0
    assert is_intact(packet)
    assert not is_intact(packet[:-1] + bytes([packet[-1] ^ 1]))


@pytest.mark.parametrize("number", [0, 1, 64_511, 64_512, 200_000])
@pytest.mark.parametrize("server", ["8.8.8.8", "2001:4860:4860::8888"], ids=["IPv4", "IPv6"])
def test_addresses_and_ports_tell_the_number_of_a_connection(server, number):
    route = Route(number, ipaddress.ip_address(server), 443)

    for side in Side:
        packet = packet_bytes(route, side, Segment(Flags.ACK, 1, 2, b"data"))
        assert is_intact(packet)
        assert parse_packet(packet, side) == (route, Segment(Flags.ACK, 1, 2, b"data"))


def test_the_first_client_is_192_0_2_1_and_2001_db8_1():
    assert str(Route(0, ipaddress.ip_address("8.8.8.8"), 1).client) == "192.0.2.1"
    assert str(Route(0, ipaddress.ip_address("2001:4860::8"), 1).client) == "2001:db8::1"


def test_a_server_whose_address_is_not_known_is_kept_by_its_name(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="abc.onion", port=80)
        tape.carry(0, Side.CLIENT, b"ask")

    (read,) = connections_in(tape.path)

    assert (read.address, joined(read.chunks())[Side.CLIENT]) == ("abc.onion", b"ask")


def test_a_tape_torn_off_anywhere_is_read_up_to_its_last_whole_block(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        for _ in range(3):
            tape.carry(0, Side.CLIENT, b"0123456789")
    whole = tape.path.read_bytes()
    torn = tmp_path / "torn"

    for size in range(0, len(whole), 3):
        torn.write_bytes(whole[:size])
        told = b"".join(joined(read.chunks())[Side.CLIENT] for read in connections_in(torn))
        assert (b"0123456789" * 3).startswith(told)
        assert len(told) % 10 == 0


def test_flipping_any_one_bit_of_a_packet_is_found(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        tape.carry(0, Side.CLIENT, b"ask")
        before = tape.size_bytes
        tape.carry(0, Side.SERVER, b"answer")
    whole = tape.path.read_bytes()
    payload_at = whole.index(b"answer")
    assert payload_at > before

    for bit in range(len(b"answer") * 8):
        flipped = bytearray(whole)
        flipped[payload_at + bit // 8] ^= 1 << bit % 8
        tape.path.write_bytes(flipped)
        with pytest.raises(RecordingUnreadable, match="checksum"):
            connections_in(tape.path)


def test_a_packet_that_is_missing_in_the_middle_is_found(tmp_path):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        start = tape.size_bytes
        tape.carry(0, Side.CLIENT, b"one")
        end = tape.size_bytes
        tape.carry(0, Side.CLIENT, b"two")
    whole = tape.path.read_bytes()
    tape.path.write_bytes(whole[:start] + whole[end:])

    with pytest.raises(RecordingUnreadable, match="missing"):
        connections_in(tape.path)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\3\4 not a recording at all",
        bytes(40),
        struct.pack("<II", 6, 13) + bytes(5),
        b"\x0a\x0d\x0d\x0a\0\0\0\x1c" * 4,
    ],
    ids=["zip", "zeros", "odd-length", "big-endian"],
)
def test_what_is_not_a_recording_is_refused_and_a_person_looks(tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)

    with pytest.raises(RecordingUnreadable) as raised:
        connections_in(file)

    assert raised.value.disposition is Disposition.STOP


def test_an_empty_tape_has_no_connections(tmp_path):
    with _tape(tmp_path) as tape:
        pass

    assert connections_in(tape.path) == []


def test_a_full_disk_ends_the_tape_with_a_fault_and_leaves_it_readable(tmp_path):
    # A limit on the size of files stands for the full disk; it needs a process of its own.
    program = """
import resource, signal, sys
from pathlib import Path
from preservation.recording.model import Side
from preservation.recording.tape import Tape
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
tape = Tape(Path(sys.argv[1]), largest_connection_bytes=1 << 20)
tape.begin(0, address="192.0.2.80", port=80)
for _ in range(10):
    tape.carry(0, Side.CLIENT, bytes(1000))
print(tape.fault)
"""
    path = tmp_path / "tape"

    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "tape can't be written: File too large"
    (read,) = connections_in(path)
    assert joined(read.chunks())[Side.CLIENT] == bytes(4000)


def test_a_killed_recorder_leaves_all_that_it_carried(tmp_path):
    program = """
import os, signal, sys
from pathlib import Path
from preservation.recording.model import Side
from preservation.recording.tape import Tape
tape = Tape(Path(sys.argv[1]), largest_connection_bytes=1 << 20)
tape.begin(0, address="192.0.2.80", port=80)
tape.carry(0, Side.CLIENT, bytes(1000))
os.kill(os.getpid(), signal.SIGKILL)
"""
    path = tmp_path / "tape"

    done = subprocess.run([sys.executable, "-c", program, path])

    assert done.returncode == -signal.SIGKILL
    (read,) = connections_in(path)
    assert joined(read.chunks())[Side.CLIENT] == bytes(1000)
    assert read.ends == ()


def test_what_comes_after_the_tape_is_closed_is_dropped(tmp_path):
    tape = _tape(tmp_path)
    tape.begin(0, address="192.0.2.80", port=80)
    tape.carry(0, Side.CLIENT, b"kept")
    tape.close()

    tape.carry(0, Side.CLIENT, b"dropped")

    (read,) = connections_in(tape.path)
    assert joined(read.chunks())[Side.CLIENT] == b"kept"


def test_reading_takes_no_memory_for_what_it_reads(tmp_path):
    with _tape(tmp_path, limit=1 << 30) as tape:
        tape.begin(0, address="192.0.2.80", port=80)
        for _ in range(8):
            tape.carry(0, Side.SERVER, bytes(1 << 20))
    tracemalloc.start()

    (read,) = connections_in(tape.path)
    size = sum(len(chunk.data) for chunk in read.chunks())

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 8 << 20
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize(
    "names",
    [
        {"8.8.8.8": "dns.example", "2001:4860:4860::8888": "dns.example"},
        {"8.8.8.8": "b\u00fccher.example", "::1": "x" * 70_000},
        {"abc.onion": "abc.onion", "fe80::1%eth0": "\ufffd..\0\ud800"},
    ],
    ids=["plain", "long-and-unicode", "not-ip-and-ill-formed"],
)
def test_any_names_and_comments_leave_a_recording_that_capinfos_reads(tmp_path, names):
    with _tape(tmp_path) as tape:
        tape.begin(0, address="\ud800.onion", port=80)
    recording = tmp_path / "recording.pcapng"
    head = head_of_recording(KEYS, comment="\ud800" + "long " * 20_000, names=names)
    recording.write_bytes(head + tape.path.read_bytes())

    done = subprocess.run(["capinfos", "-c", recording], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert len(connections_in(recording)) == 1
