"""Plain text out of TLS: what OpenSSL said, whatever the version, suite and course of the handshake."""

from __future__ import annotations

import ssl
import tracemalloc
import zlib
from pathlib import Path

import brotlicffi
import pytest
import zstandard
from cryptography import x509

from preservation.recording.connections import connections_in
from preservation.recording.exchanges import decode
from preservation.recording.keylog import KeyLog
from preservation.recording.model import End, Side
from preservation.recording.tape import Tape
from preservation.recording.tls import PlainStream
from tests.fakes.tls_forge import ALERT, CHANGE_CIPHER_SPEC, HELLO_RETRY, Forge, message, vector
from tests.fakes.tls_streams import (
    NO_ENCRYPT_THEN_MAC,
    Talk,
    certificate,
    client_context,
    cut_again,
    joined,
    recorded,
    server_context,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"
ANSWER = bytes(range(256)) * 300

# OpenSSL's names of the suites of TLS 1.2 that a client of ours may agree on, and IANA's.
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-CCM": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    "ECDHE-ECDSA-AES256-CCM8": "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    "ECDHE-ECDSA-AES128-SHA": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "ECDHE-ECDSA-AES256-SHA": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "ECDHE-ECDSA-AES128-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "ECDHE-ECDSA-AES256-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "ECDHE-RSA-AES128-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "ECDHE-RSA-AES256-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    "DHE-RSA-AES128-GCM-SHA256": "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    "DHE-RSA-AES256-GCM-SHA384": "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    "DHE-RSA-CHACHA20-POLY1305": "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "DHE-RSA-AES128-CCM8": "TLS_DHE_RSA_WITH_AES_128_CCM_8",
    "DHE-RSA-AES256-CCM": "TLS_DHE_RSA_WITH_AES_256_CCM",
    "DHE-RSA-AES128-SHA": "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    "DHE-RSA-AES256-SHA": "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    "DHE-RSA-AES128-SHA256": "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    "DHE-RSA-AES256-SHA256": "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "AES128-CCM": "TLS_RSA_WITH_AES_128_CCM",
    "AES256-CCM8": "TLS_RSA_WITH_AES_256_CCM_8",
    "AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA",
    "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
    "AES128-SHA256": "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "AES256-SHA256": "TLS_RSA_WITH_AES_256_CBC_SHA256",
}


def _contexts(ciphers=None, *, version=ssl.TLSVersion.TLSv1_3):
    ciphers = f"{ciphers}:@SECLEVEL=0" if ciphers else None
    contexts = client_context(ciphers=ciphers), server_context(ciphers=ciphers)
    for context in contexts:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
    return contexts


def _talk(client, server, session=None):
    talk = Talk(client, server, session).shake_hands()
    return talk.say(Side.CLIENT, REQUEST).say(Side.SERVER, ANSWER).say(Side.CLIENT, b"more")


def _read(chunks, key_log, **about):
    """What a stream tells, and its facts after the last piece."""
    stream = PlainStream(recorded(chunks, **about), key_log)
    told = joined(list(stream))
    return told, stream.facts


def _forged(forge, **about):
    return _read(forge.chunks, forge.key_log, **about)


@pytest.mark.parametrize("openssl_name", SUITES)
def test_every_suite_of_tls_1_2_gives_what_was_said(openssl_name):
    talk = _talk(*_contexts(openssl_name, version=ssl.TLSVersion.TLSv1_2)).close()

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert (facts.version, facts.cipher_suite) == ("TLSv1.2", SUITES[openssl_name])
    assert (facts.alpn, facts.server_name, facts.fault) == ("http/1.1", "example.test", None)
    assert facts.alerts == ("client: close_notify", "server: close_notify")


@pytest.mark.parametrize("openssl_name", [name for name, iana in SUITES.items() if "_CBC_" in iana])
def test_a_mac_before_encryption_gives_what_was_said(openssl_name):
    client, server = _contexts(openssl_name, version=ssl.TLSVersion.TLSv1_2)
    client.options |= NO_ENCRYPT_THEN_MAC
    talk = _talk(client, server).close()

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert facts.fault is None


def test_tls_1_3_gives_what_was_said():
    talk = _talk(*_contexts()).close()

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert (facts.version, facts.cipher_suite) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    assert (facts.alpn, facts.server_name, facts.fault) == ("http/1.1", "example.test", None)
    assert facts.alerts == ("client: close_notify", "server: close_notify")


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_the_certificates_are_those_that_the_server_showed(version):
    talk = _talk(*_contexts(version=version))

    _, facts = _read(talk.chunks, talk.key_log)

    shown = x509.load_pem_x509_certificate(certificate("ec").read_bytes())
    assert [x509.load_der_x509_certificate(der) for der in facts.certificates] == [shown]
    assert not facts.is_resumed


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
@pytest.mark.parametrize("by", ["ticket", "identifier"])
def test_a_resumed_session_is_read_and_named_as_such(version, by):
    client, server = _contexts(version=version)
    if by == "identifier":
        server.options |= ssl.OP_NO_TICKET
    first = _talk(client, server).close()
    talk = _talk(client, server, first.client.session)
    assert talk.client.session_reused

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert (facts.is_resumed, facts.certificates, facts.fault) == (True, (), None)


def test_a_hello_retry_request_is_followed():
    client, server = _contexts()
    server.set_ecdh_curve("secp521r1")
    talk = _talk(client, server)
    assert any(HELLO_RETRY in chunk.data for chunk in talk.chunks)

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert facts.fault is None


@pytest.mark.parametrize("piece", [1, 2, 5, 7, 1460, 1 << 20])
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_how_the_network_cuts_the_stream_changes_nothing(version, piece):
    talk = _talk(*_contexts(version=version)).close()

    told, facts = _read(cut_again(talk.chunks, [piece]), talk.key_log)

    assert told == joined(talk.said)
    assert facts.fault is None


def test_version_and_alpn_are_known_before_the_first_piece():
    talk = _talk(*_contexts())
    stream = PlainStream(talk.connection(), talk.key_log)

    next(iter(stream))

    assert (stream.facts.version, stream.facts.alpn) == ("TLSv1.3", "http/1.1")


def test_a_piece_carries_the_time_at_which_its_record_was_whole():
    forge = Forge().shaken().says(Side.CLIENT, b"a")
    whole = forge.chunks.pop()
    first, second = cut_again([whole], [3, 1000])
    late = type(second)(second.at.replace(hour=5), second.side, second.data)

    pieces = list(PlainStream(recorded([*forge.chunks, first, late]), forge.key_log))

    assert [piece.at for piece in pieces] == [late.at]


def test_plain_text_passes_through_unchanged():
    said = [(Side.CLIENT, REQUEST), (Side.SERVER, ANSWER), (Side.CLIENT, b"\x16\x03\x01")]
    forge = Forge()
    for side, data in said:
        forge.sends(side, data)
    stream = PlainStream(recorded(forge.chunks), forge.key_log)

    pieces = list(stream)

    assert pieces == forge.chunks
    assert stream.facts is None


def test_a_server_that_speaks_first_is_plain_text():
    forge = Forge().sends(Side.SERVER, b"220 ready\r\n").client_hello()

    told, facts = _forged(forge)

    assert told[Side.SERVER] == b"220 ready\r\n"
    assert facts is None


def test_a_stream_may_be_read_again():
    talk = _talk(*_contexts())
    stream = PlainStream(talk.connection(), talk.key_log)

    assert list(stream) == list(stream)
    assert stream.facts.fault is None


def test_a_long_stream_takes_no_memory_for_what_it_says(tmp_path):
    talk = Talk(*_contexts()).shake_hands()
    with Tape(tmp_path / "tape", largest_connection_bytes=1 << 30) as tape:
        tape.begin(0, address="192.0.2.80", port=443)
        for _ in range(6):
            talk.say(Side.SERVER, bytes(1 << 20)).said.clear()
            for chunk in talk.chunks:
                tape.carry(0, chunk.side, chunk.data)
            talk.chunks.clear()
    (connection,) = connections_in(tape.path)
    tracemalloc.start()

    size = sum(len(piece.data) for piece in PlainStream(connection, talk.key_log))

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 6 << 20
    assert peak_bytes < 1 << 20


# Handshakes made by hand ------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 3, 16])
def test_handshake_messages_in_records_of_any_size_are_joined(piece):
    forge = Forge().shaken(piece=piece).says(Side.CLIENT, REQUEST)

    told, facts = _forged(forge)

    assert told[Side.CLIENT] == REQUEST
    assert (facts.alpn, facts.fault) == ("http/1.1", None)


def test_padding_is_taken_off():
    forge = Forge().shaken().says(Side.SERVER, b"ends in zeros\0\0", padding=200)

    told, _ = _forged(forge)

    assert told[Side.SERVER] == b"ends in zeros\0\0"


def test_empty_records_say_nothing():
    forge = Forge().shaken()
    forge.sends(Side.SERVER, forge._record("SERVER_TRAFFIC_SECRET_0", b"\x17"))
    forge.says(Side.SERVER, b"after")

    pieces = list(PlainStream(recorded(forge.chunks), forge.key_log))

    assert [piece.data for piece in pieces] == [b"after"]


def test_key_updates_of_either_side_are_followed():
    forge = Forge().shaken()
    for word in (b"one", b"two", b"three"):
        forge.says(Side.CLIENT, word).update_key(Side.CLIENT)
        forge.says(Side.SERVER, word).update_key(Side.SERVER).update_key(Side.SERVER)
    forge.says(Side.CLIENT, b"end").says(Side.SERVER, b"end")

    told, facts = _forged(forge)

    assert told == {Side.CLIENT: b"onetwothreeend", Side.SERVER: b"onetwothreeend"}
    assert facts.fault is None


def test_change_cipher_specs_for_middleboxes_mean_nothing():
    forge = Forge().client_hello().sends(Side.CLIENT, CHANGE_CIPHER_SPEC).server_hello()
    forge.sends(Side.SERVER, CHANGE_CIPHER_SPEC).server_flight().client_finished().says(
        Side.CLIENT, b"a"
    )

    told, facts = _forged(forge)

    assert (told[Side.CLIENT], facts.fault) == (b"a", None)


_CHAIN = b"\0" + vector(3, vector(3, b"leaf") + vector(2, b"") + vector(3, b"root") + vector(2, b"xy"))


@pytest.mark.parametrize(
    ("algorithm", "pack"),
    [(1, zlib.compress), (2, brotlicffi.compress), (3, zstandard.compress)],
    ids=["zlib", "brotli", "zstd"],
)
def test_compressed_certificates_are_unpacked(algorithm, pack):
    body = algorithm.to_bytes(2, "big") + len(_CHAIN).to_bytes(3, "big")
    body += vector(3, pack(_CHAIN))
    forge = Forge().client_hello().server_hello().server_flight(certificate=message(25, body))

    _, facts = _forged(forge)

    assert (facts.certificates, facts.certificate_fault) == ((b"leaf", b"root"), None)


@pytest.mark.parametrize(
    "size", [len(_CHAIN) - 1, len(_CHAIN) + 1, 0], ids=["longer", "shorter", "none"]
)
@pytest.mark.parametrize(
    ("algorithm", "pack"),
    [(1, zlib.compress), (2, brotlicffi.compress), (3, zstandard.compress), (9, zlib.compress)],
    ids=["zlib", "brotli", "zstd", "unknown"],
)
def test_certificates_that_can_not_be_unpacked_are_a_fault_of_their_own(algorithm, pack, size):
    body = algorithm.to_bytes(2, "big") + size.to_bytes(3, "big") + vector(3, pack(_CHAIN))
    forge = Forge().client_hello().server_hello().server_flight(certificate=message(25, body))
    forge.says(Side.SERVER, b"still read")

    told, facts = _forged(forge)

    assert told[Side.SERVER] == b"still read"
    assert (facts.certificates, facts.fault) == ((), None)
    assert "certificates" in facts.certificate_fault


def test_a_bomb_of_compressed_certificates_is_not_unpacked():
    bomb = brotlicffi.compress(bytes(32 << 20), quality=1)
    body = b"\0\2" + (1000).to_bytes(3, "big") + vector(3, bomb)
    forge = Forge().client_hello().server_hello().server_flight(certificate=message(25, body))

    _, facts = _forged(forge)

    assert "another length" in facts.certificate_fault


# Early data -------------------------------------------------------------------------------------


def _early(forge, data):
    return forge.sealed(Side.CLIENT, "CLIENT_EARLY_TRAFFIC_SECRET", data)


def test_early_data_that_the_server_takes_come_first():
    forge = _early(Forge().client_hello(e42=b"").sends(Side.CLIENT, CHANGE_CIPHER_SPEC), b"early ")
    _early(forge.server_hello(), b"and ").server_flight(e42=b"").says(Side.SERVER, b"answer")
    _early(forge, b"late ").sealed(Side.CLIENT, "CLIENT_EARLY_TRAFFIC_SECRET", message(5), kind=22)
    forge.client_finished().says(Side.CLIENT, b"end")

    told, facts = _forged(forge)

    assert told == {Side.CLIENT: b"early and late end", Side.SERVER: b"answer"}
    assert (facts.early_data, facts.fault) == ("accepted", None)


def test_early_data_come_before_an_answer_that_arrives_with_the_servers_word():
    forge = _early(Forge().client_hello(e42=b""), b"request")
    count = len(forge.chunks)
    forge.server_hello().server_flight(e42=b"").says(Side.SERVER, b"answer")
    together = b"".join(chunk.data for chunk in forge.chunks[count:])
    del forge.chunks[count:]
    forge.sends(Side.SERVER, together)

    pieces = list(PlainStream(recorded(forge.chunks), forge.key_log))

    assert [piece.data for piece in pieces] == [b"request", b"answer"]


def test_early_data_that_the_server_refuses_are_told_once_only():
    forge = _early(Forge().client_hello(e42=b""), b"request").server_hello().server_flight()
    _early(forge, b"still going").client_finished().says(Side.CLIENT, b"request")

    told, facts = _forged(forge)

    assert told[Side.CLIENT] == b"request"
    assert (facts.early_data, facts.fault) == ("refused", None)


def test_early_data_before_a_hello_retry_request_are_refused():
    forge = _early(Forge().client_hello(e42=b""), b"request").server_hello(random=HELLO_RETRY)
    _early(forge, b"still going").shaken().says(Side.CLIENT, b"request")

    told, facts = _forged(forge)

    assert told[Side.CLIENT] == b"request"
    assert (facts.early_data, facts.fault) == ("refused", None)


def test_early_data_that_no_server_answers_are_told():
    forge = _early(Forge().client_hello(e42=b""), b"is anybody there?")

    told, facts = _forged(forge)

    assert told[Side.CLIENT] == b"is anybody there?"
    assert (facts.early_data, facts.version, facts.fault) == ("offered", None, None)


def test_early_data_without_their_secret_are_a_fault():
    forge = _early(Forge().client_hello(e42=b""), b"is anybody there?")

    told, facts = _read(forge.chunks, KeyLog.parse(b""))

    assert told[Side.CLIENT] == b""
    assert "CLIENT_EARLY_TRAFFIC_SECRET" in facts.fault


# Ends and faults --------------------------------------------------------------------------------


def test_alerts_of_either_side_are_named():
    forge = Forge().client_hello().server_hello().server_flight()
    forge.sealed(Side.CLIENT, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"\2\x2e", kind=ALERT)

    _, facts = _forged(forge)

    assert facts.alerts == ("client: certificate_unknown",)
    assert facts.fault is None


def test_a_flood_of_alerts_is_named_up_to_a_number():
    forge = Forge().shaken()
    for _ in range(300):
        forge.says(Side.SERVER, b"\1\x5a", kind=ALERT)

    told, facts = _forged(forge.says(Side.SERVER, b"after"))

    assert told[Side.SERVER] == b"after"
    assert facts.alerts == ("server: user_canceled",) * 100


def test_an_alert_before_any_keys_is_named():
    forge = Forge().client_hello().plain(Side.SERVER, b"\2\x28", kind=ALERT)

    _, facts = _forged(forge)

    assert (facts.alerts, facts.version, facts.fault) == (("server: handshake_failure",), None, None)


def test_a_certificate_that_the_client_refuses_shows_as_its_alert():
    client, server = _contexts()
    client.verify_mode = ssl.CERT_REQUIRED
    talk = Talk(client, server)
    with pytest.raises(ssl.SSLCertVerificationError):
        talk.shake_hands()
    talk._flush(Side.CLIENT)

    _, facts = _read(talk.chunks, talk.key_log)

    assert facts.alerts == ("client: unknown_ca",)
    assert len(facts.certificates) == 1
    assert facts.fault is None


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"]
)
def test_a_missing_close_notify_is_no_fault_and_shows(version):
    talk = _talk(*_contexts(version=version))

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == joined(talk.said)
    assert (facts.alerts, facts.fault) == ((), None)


def test_data_after_close_notify_are_a_fault():
    forge = Forge().shaken().says(Side.SERVER, b"\1\0", kind=ALERT).says(Side.SERVER, b"more")

    told, facts = _forged(forge)

    assert told[Side.SERVER] == b""
    assert facts.fault == "server: data after close_notify"


def test_an_end_within_a_record_is_a_fault_after_what_came_before():
    forge = Forge().shaken().says(Side.SERVER, b"whole").says(Side.SERVER, b"torn")
    forge.sends(Side.SERVER, forge.chunks.pop().data[:-4])

    told, facts = _forged(forge)

    assert told[Side.SERVER] == b"whole"
    assert facts.fault == "server: it ended too early: 22 of 26 bytes of a record came"


def test_a_recording_that_stopped_at_its_limit_says_so():
    forge = Forge().shaken().says(Side.SERVER, b"whole")

    told, facts = _forged(forge, is_cut=True)

    assert told[Side.SERVER] == b"whole"
    assert facts.fault == "the recording stopped at its limit"


def test_a_faulty_side_leaves_the_other_one_readable():
    forge = Forge().shaken().says(Side.CLIENT, b"one").sends(Side.CLIENT, b"\x17\3\3\0\x20" + bytes(32))
    forge.says(Side.CLIENT, b"lost").says(Side.SERVER, b"answer")

    told, facts = _forged(forge)

    assert told == {Side.CLIENT: b"one", Side.SERVER: b"answer"}
    assert facts.fault == "client: a record fails its authentication"


WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nbody"
FOREIGN = b"\x17\3\3\0\x20" + bytes(32)
TORN = FOREIGN[:20]


@pytest.mark.parametrize(
    ("answer", "last", "end", "truncated"),
    [
        (WITH_LENGTH, (Side.SERVER, TORN), End.CLOSED, "disconnect"),
        (WITH_LENGTH, (Side.SERVER, TORN), End.RESET, "reset"),
        (WITH_LENGTH, (Side.SERVER, FOREIGN), End.CLOSED, "malformed"),
        (UNTIL_CLOSE, (Side.SERVER, TORN), End.CLOSED, "disconnect"),
        (UNTIL_CLOSE, (Side.SERVER, FOREIGN), End.CLOSED, "malformed"),
        (UNTIL_CLOSE, (Side.CLIENT, TORN), End.CLOSED, None),
        (UNTIL_CLOSE, (Side.SERVER, b""), End.CLOSED, None),
    ],
    ids=[
        *("torn", "torn-and-reset", "foreign", "torn-until-close", "foreign-until-close"),
        *("torn-by-client", "whole"),
    ],
)
def test_only_what_can_t_be_decrypted_is_malformed(tmp_path, answer, last, end, truncated):
    forge = Forge().shaken().says(Side.CLIENT, REQUEST).says(Side.SERVER, answer).sends(*last)
    connection = recorded(forge.chunks, ends=((Side.SERVER, end),))

    decoded = decode(connection, forge.key_log, lambda: tmp_path / "body")

    (exchange,) = decoded.exchanges
    assert exchange.truncated == truncated
    assert ("TLS: " in exchange.detail) == (truncated in {"disconnect", "malformed"})


NOTIFY = b"\1\0"
LEFT = ((Side.CLIENT, End.CLOSED),)


@pytest.mark.parametrize(
    ("turns", "ends_after", "ends", "truncated"),
    [
        ((Side.SERVER,), 1, LEFT, None),
        ((Side.SERVER, Side.CLIENT), 2, LEFT, None),
        ((Side.SERVER,), 1, ((Side.CLIENT, End.RESET),), None),
        ((Side.SERVER,), 1, ((Side.SERVER, End.RESET),), None),
        ((Side.SERVER,), 1, (), None),
        ((Side.CLIENT, Side.SERVER), 2, LEFT, "disconnect"),
        ((Side.SERVER,), 0, LEFT, "disconnect"),
        ((), 0, LEFT, "disconnect"),
    ],
    ids=[
        *("server-waits", "both-notify", "client-resets", "server-resets", "still-open"),
        *("client-notifies-first", "client-leaves-first", "no-notify"),
    ],
)
def test_a_body_until_close_ends_with_the_servers_close_notify(
    tmp_path, turns, ends_after, ends, truncated
):
    forge = Forge().shaken().says(Side.CLIENT, REQUEST).says(Side.SERVER, UNTIL_CLOSE)
    said = len(forge.chunks)
    for side in turns:
        forge.says(side, NOTIFY, kind=ALERT)
    carried = sum(len(chunk.data) for chunk in forge.chunks[: said + ends_after])
    connection = recorded(forge.chunks, ends=ends, bytes_before_end=carried if ends else None)

    decoded = decode(connection, forge.key_log, lambda: tmp_path / "body")

    (exchange,) = decoded.exchanges
    assert exchange.truncated == truncated


def _until_close(forge, tmp_path, *, ends=((Side.SERVER, End.CLOSED),)):
    decoded = decode(recorded(forge.chunks, ends=ends), forge.key_log, lambda: tmp_path / "body")
    return decoded.exchanges[0]


@pytest.mark.parametrize(
    ("alert", "truncated"),
    [(b"\2\x50", "disconnect"), (b"\1\x50", "disconnect"), (b"\1\x5a", None), (b"\1\0", None)],
    ids=["fatal", "fatal-whatever-its-level", "user-canceled", "close-notify"],
)
def test_a_body_until_close_that_a_fatal_alert_ends_is_not_whole(tmp_path, alert, truncated):
    forge = Forge().shaken().says(Side.CLIENT, REQUEST).says(Side.SERVER, UNTIL_CLOSE)
    forge.says(Side.SERVER, alert, kind=ALERT)

    exchange = _until_close(forge, tmp_path)

    assert exchange.truncated == truncated
    assert ("TLS: server: internal_error" in exchange.detail) == (truncated is not None)


def test_what_follows_close_notify_takes_nothing_from_what_it_ended(tmp_path):
    forge = Forge().shaken().says(Side.CLIENT, REQUEST).says(Side.SERVER, UNTIL_CLOSE)
    forge.says(Side.SERVER, NOTIFY, kind=ALERT).says(Side.SERVER, b"more")

    exchange = _until_close(forge, tmp_path)

    assert (exchange.response.body_bytes, exchange.truncated) == (4, None)


def test_no_key_log_is_a_fault_and_the_hello_is_read():
    talk = _talk(*_contexts())

    told, facts = _read(talk.chunks, KeyLog.parse(b""))

    assert told == {Side.CLIENT: b"", Side.SERVER: b""}
    assert (facts.server_name, facts.version) == ("example.test", "TLSv1.3")
    assert "the key log has no SERVER_HANDSHAKE_TRAFFIC_SECRET" in facts.fault


@pytest.mark.parametrize("size", [1, 31, 33, 48])
def test_a_secret_of_a_wrong_length_is_a_fault(size):
    forge = Forge().shaken().says(Side.CLIENT, b"a")
    key_log = KeyLog({key: bytes(size) for key in forge.key_log.secrets})

    told, facts = _read(forge.chunks, key_log)

    assert told[Side.CLIENT] == b""
    assert "wrong length" in facts.fault


def test_another_sessions_secret_is_a_fault():
    forge = Forge().shaken().says(Side.CLIENT, b"a")
    key_log = KeyLog({key: bytes(32) for key in forge.key_log.secrets})

    told, facts = _read(forge.chunks, key_log)

    assert told[Side.CLIENT] == b""
    assert "fails its authentication" in facts.fault


def test_a_server_that_does_not_speak_tls_is_a_fault():
    forge = Forge().client_hello().sends(Side.SERVER, b"HTTP/1.1 400 Bad Request\r\n\r\n")

    told, facts = _forged(forge)

    assert told[Side.SERVER] == b""
    assert facts.fault == "server: not a TLS record: 485454502f"


def test_a_client_hello_that_is_cut_short_leaves_facts_without_a_random():
    forge = Forge().client_hello()
    forge.sends(Side.CLIENT, forge.chunks.pop().data[:-1])

    _, facts = _forged(forge)

    assert facts.client_random == ""
    assert facts.fault.startswith("client: it ended too early")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
def test_tls_1_0_is_named_and_not_decrypted():
    talk = _talk(*_contexts("AES128-SHA", version=ssl.TLSVersion.TLSv1))

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == {Side.CLIENT: b"", Side.SERVER: b""}
    assert facts.version == "TLSv1.0"
    assert "TLSv1.0 with TLS_RSA_WITH_AES_128_CBC_SHA can't be decrypted" in facts.fault


def test_a_suite_that_is_not_in_the_table_is_named_by_its_number():
    talk = _talk(*_contexts("ECDHE-ECDSA-CAMELLIA128-SHA256", version=ssl.TLSVersion.TLSv1_2))

    told, facts = _read(talk.chunks, talk.key_log)

    assert told == {Side.CLIENT: b"", Side.SERVER: b""}
    assert facts.cipher_suite == "0xC072"
    assert "TLSv1.2 with 0xC072 can't be decrypted" in facts.fault


# Key logs ---------------------------------------------------------------------------------------


def test_a_key_log_keeps_the_lines_of_the_sessions_asked_for():
    lines = [f"CLIENT_RANDOM {digit * 64} {'0c' * 48}\n" for digit in "ab"]
    key_log = KeyLog.parse("".join(lines).encode())

    assert key_log.lines_for(["B" * 64]) == lines[1].encode()
    assert KeyLog.parse(key_log.lines_for(["a" * 64, "b" * 64])) == key_log


def test_what_is_not_a_line_of_a_key_log_is_passed_over(tmp_path: Path):
    random, secret = "0a" * 32, "0b" * 48
    file = tmp_path / "keys"
    file.write_text(
        f"# comment\r\nCLIENT_RANDOM {random} {secret}\r\nCLIENT_RANDOM 00 11\nCLIENT_RANDOM {random[:9]}"
    )

    key_log = KeyLog.of_files(file, tmp_path / "never written")

    assert key_log.secrets == {("CLIENT_RANDOM", random): bytes.fromhex(secret)}
    assert key_log.secret("CLIENT_RANDOM", random.upper()) == bytes.fromhex(secret)
    assert key_log.secret("SERVER_TRAFFIC_SECRET_0", random) is None
