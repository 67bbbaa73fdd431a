"""A witness cosigns what goes on from what it saw, and nothing else, whatever is sent to it."""

from __future__ import annotations

import http.client
import socket
import stat
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from preservation.custody import SigningKey, merkle, open_note, sign_note
from preservation.custody.cosignatures import CosignerKey, cosignatures
from preservation.errors import AuthorityUnavailable, LogBroken, SettingsInvalid
from preservation.settings import WitnessSettings
from preservation.witness import WitnessMemory, WitnessServer, cosigned_by
from preservation.witness.cosigning import add_checkpoint
from preservation.witness.memory import origin_hash
from preservation.witness.rules import LARGEST_REQUEST_BYTES, written_request
from tests.fakes.witnessed_log import WitnessedLog

NAME = "witness.invalid/w"


@pytest.fixture(scope="module")
def log() -> WitnessedLog:
    return WitnessedLog()


@pytest.fixture(scope="module")
def fork() -> WitnessedLog:
    return WitnessedLog(branch="other ", forked_at=5)


@pytest.fixture
def folder(tmp_path, log):
    WitnessMemory.create(tmp_path / "witness", NAME)
    (tmp_path / "witness/logs/one.vkey").write_text(f"{log.key.public}\n")
    return tmp_path / "witness"


@pytest.fixture
def memory(folder) -> WitnessMemory:
    return WitnessMemory(folder)


@pytest.fixture
def served(memory):
    with WitnessServer(memory, ("127.0.0.1", 0)) as server:
        yield WitnessSettings(name="w", url=server.url, vkey=str(memory.key.public))


def _status(memory: WitnessMemory, body: bytes) -> int:
    return int(add_checkpoint(memory, body).status)


def _post(url: str, body: bytes, path: str = "/add-checkpoint") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request("POST", path, body)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_a_log_that_only_grows_is_cosigned_from_its_first_checkpoint_on(memory, log):
    for old, size in ((0, 1), (1, 8), (8, 8), (8, 200)):
        answer = add_checkpoint(memory, log.request(old, size))

        assert answer.status == 200, answer
        note = log.note(size) + answer.body
        assert open_note(note, memory.key.public) == open_note(note, log.key.public)
        head, kept = memory.latest(log.key.public.name)
        assert head == log.head(size)
        assert open_note(kept, log.key.public, memory.key.public) == head.text


def test_a_fork_is_refused_at_every_size_and_whatever_proof_comes_along(memory, log, fork):
    add_checkpoint(memory, log.request(0, 20))

    for size in (20, 21, 64, 200):
        assert _status(memory, fork.request(20, size)) == 422
        assert _status(memory, written_request(20, log.proof(20, size), fork.note(size))) == 422
        assert _status(memory, written_request(20, [], fork.note(size))) == 422
    assert _status(memory, fork.request(5, 21)) == 409
    assert _status(memory, fork.request(0, 21)) == 409
    assert memory.latest(log.key.public.name)[0] == log.head(20)


def test_two_checkpoints_of_one_size_are_kept_as_proof_of_the_fork(memory, log, fork):
    origin = log.key.public.name
    add_checkpoint(memory, log.request(0, 20))
    for _ in range(2):
        add_checkpoint(memory, fork.request(20, 20))
    add_checkpoint(memory, fork.request(20, 30))

    [kept] = (memory._place(origin) / "forks").iterdir()

    assert memory.fork_count(origin) == 1
    assert open_note(kept.read_bytes(), log.key.public) == fork.head(20).text


def test_a_rollback_is_told_the_size_that_was_seen(memory, log):
    add_checkpoint(memory, log.request(0, 20))

    answer = add_checkpoint(memory, log.request(10, 15))

    assert (answer.status, answer.body, answer.content_type) == (409, b"20\n", "text/x.tlog.size")
    assert _status(memory, log.request(20, 15)) == 400


def test_a_wrong_proof_is_refused(memory, log):
    add_checkpoint(memory, log.request(0, 20))
    proof = log.proof(20, 100)
    wrong = {
        "none": [],
        "one short": proof[:-1],
        "one too many": [*proof, proof[-1]],
        "another order": proof[::-1],
        "another log's size": log.proof(19, 100),
        "a flipped bit": [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]],
    }

    for what, given in wrong.items():
        assert _status(memory, written_request(20, given, log.note(100))) == 422, what
    assert _status(memory, written_request(20, proof, log.note(100))) == 200


def test_a_proof_from_nothing_is_refused(memory, log):
    assert _status(memory, written_request(0, log.proof(3, 20), log.note(20))) == 422


def test_an_unknown_log_is_told_so(memory):
    assert _status(memory, WitnessedLog("stranger.invalid/1").request(0, 5)) == 404


def test_a_forged_signature_is_refused(memory, log):
    origin, text = log.key.public.name, log.head(5).text
    forger = SigningKey.from_raw(origin, b"\1" * 32)
    own = log.note(5).rpartition(b"\n\n")[2]
    moved = log.head(6).text + b"\n" + own

    assert _status(memory, written_request(0, [], sign_note(text, forger))) == 403
    assert _status(memory, written_request(0, [], moved)) == 403
    assert memory.latest(origin) is None


def test_a_log_may_have_two_keys_while_it_passes_from_one_to_the_other(memory, folder, log):
    following = SigningKey.from_raw(log.key.public.name, b"\2" * 32)
    note = sign_note(log.head(8).text, following)
    add_checkpoint(memory, log.request(0, 4))
    assert _status(memory, written_request(4, log.proof(4, 8), note)) == 403

    with (folder / "logs/one.vkey").open("a") as stream:
        stream.write(f"{following.public}\n")

    assert _status(memory, written_request(4, log.proof(4, 8), note)) == 200


def test_other_signatures_on_a_note_are_not_vouched_for(memory, log):
    other = WitnessMemory.create(memory._folder / "second", "other.invalid/w")
    (memory._folder / "second/logs/one.vkey").write_text(f"{log.key.public}\n")
    theirs = add_checkpoint(other, log.request(0, 5)).body
    add_checkpoint(memory, written_request(0, [], log.note(5) + theirs))

    _, kept = memory.latest(log.key.public.name)

    assert cosignatures(kept, [other.key.public]) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"",
        lambda body: b"old\n\n",
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old -1"),
        lambda body: body.replace(b"old 0", b"old  0"),
        lambda body: body.replace(b"old 0", "old ٠".encode()),
        lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\nnot base64\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + b64encode(b"\0" * 32) + b"\n" * 1 + b"\r\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + (b64encode(b"\0" * 32) + b"\n") * 64),
        lambda body: body.replace(b"old 0\n\n", b"old 0\n"),
        lambda body: body.rpartition(b"\n\n")[0],
        lambda body: body[:-1],
        lambda body: b"\xff" + body,
        lambda body: body + b"x" * LARGEST_REQUEST_BYTES,
    ],
)
def test_a_malformed_request_is_refused_and_nothing_is_remembered(memory, log, damage):
    assert _status(memory, damage(log.request(0, 5))) == 400
    assert memory.latest(log.key.public.name) is None


def test_the_empty_log_has_one_root(memory, log):
    empty = sign_note(log.head(0).text, log.key)
    other = sign_note(log.head(0).text.replace(b"47DEQ", b"57DEQ"), log.key)

    assert log.head(0).root == merkle.EMPTY_ROOT
    assert _status(memory, written_request(0, [], other)) == 422
    assert _status(memory, written_request(0, [], empty)) == 200
    assert _status(memory, log.request(0, 5)) == 200


def test_a_damaged_memory_cosigns_nothing_until_a_person_restores_it(memory, log):
    add_checkpoint(memory, log.request(0, 20))
    path = memory._place(log.key.public.name) / "checkpoint"
    kept = path.read_bytes()

    for damaged in (b"", kept[:-1], kept.replace(b"\n20\n", b"\n10\n")):
        path.write_bytes(damaged)
        with pytest.raises(LogBroken, match="cosigned"):
            add_checkpoint(memory, log.request(20, 30))
    path.write_bytes(kept)
    assert _status(memory, log.request(20, 30)) == 200


def test_a_witness_is_made_once_and_keeps_its_key_to_itself(tmp_path):
    first = WitnessMemory.create(tmp_path, NAME)
    again = WitnessMemory.create(tmp_path, NAME)

    assert first.key.public == again.key.public
    assert CosignerKey.parse((tmp_path / "witness.vkey").read_text()) == first.key.public
    assert stat.S_IMODE((tmp_path / "witness.pem").stat().st_mode) == 0o600
    with pytest.raises(SettingsInvalid, match="called"):
        WitnessMemory.create(tmp_path, "another.invalid/w")
    with pytest.raises(SettingsInvalid, match="white space"):
        WitnessMemory.create(tmp_path / "new", "not a name")


def test_a_log_s_keys_that_can_not_be_read_are_named(memory, folder, log):
    (folder / "logs/two.vkey").write_text("nonsense")

    with pytest.raises(SettingsInvalid, match=r"two\.vkey"):
        add_checkpoint(memory, log.request(0, 5))


def test_of_racing_requests_with_different_forks_one_is_cosigned(served, memory, folder):
    for number in range(8):
        branches = [WitnessedLog(f"race.invalid/{number}", branch=name) for name in ("a", "b", "c")]
        (folder / f"logs/{number}.vkey").write_text(f"{branches[0].key.public}\n")
        asked = branches * 4
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda log: _post(served.url, log.request(0, 20)), asked))

        cosigned = {
            log.head(20).text
            for log, (status, _, _) in zip(asked, answers, strict=True)
            if status == 200
        }
        assert cosigned == {memory.latest(f"race.invalid/{number}")[0].text}


def test_a_witness_that_lags_behind_is_caught_up(served, log):
    for old, size in ((0, 3), (0, 9), (8, 40), (3, 41), (41, 41)):
        found = cosigned_by(served, log.asks(old, size))

        assert open_note(log.note(size) + found.line, CosignerKey.parse(served.vkey))


def test_a_fork_a_rollback_and_a_foreign_key_are_alarms_for_the_log_that_asks(served, log, fork):
    cosigned_by(served, log.asks(0, 20))
    foreign = WitnessedLog()
    foreign.key = SigningKey.from_raw(log.key.public.name, b"\3" * 32)

    with pytest.raises(LogBroken, match="another log"):
        cosigned_by(served, fork.asks(20, 30))
    with pytest.raises(LogBroken, match="seen 20 entries"):
        cosigned_by(served, log.asks(0, 12))
    with pytest.raises(LogBroken, match="signature"):
        cosigned_by(served, foreign.asks(20, 30))


class _Seen20(BaseHTTPRequestHandler):
    """A witness that has seen 20 entries, of which our tree is another, as early editions told it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(409)
        self.send_header("Content-Type", "text/x.tlog.size")
        self.end_headers()
        self.wfile.write(b"20\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("asked_from", [0, 20])
def test_a_witness_of_an_early_edition_tells_of_a_fork_by_the_size_alone(served, log, asked_from):
    with HTTPServer(("127.0.0.1", 0), _Seen20) as early:
        threading.Thread(target=early.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{early.server_address[1]}"
        witness = WitnessSettings(name="w", url=url, vkey=served.vkey)

        with pytest.raises(LogBroken, match="another log"):
            cosigned_by(witness, log.asks(asked_from, 20))
        with pytest.raises(AuthorityUnavailable, match="doesn't keep to the size"):
            cosigned_by(witness, log.asks(asked_from, 30))
        early.shutdown()


def test_an_absent_or_strange_witness_is_unavailable_and_never_an_alarm(served, log, tmp_path):
    other = WitnessMemory.create(tmp_path / "other", "other.invalid/w").key.public
    nobody = socket.create_server(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    nobody.close()
    stranger = WitnessedLog("stranger.invalid/1")
    cases = {
        "can't be reached": (f"http://127.0.0.1:{port}", served.vkey, log),
        "isn't an http": ("ftp://127.0.0.1", served.vkey, log),
        "no cosignature under": (served.url, str(other), log),
        "doesn't know this log": (served.url, served.vkey, stranger),
        "HTTP 404|know this log": (served.url + "/elsewhere", served.vkey, log),
    }

    for why, (url, vkey, asking) in cases.items():
        with pytest.raises(AuthorityUnavailable, match=why):
            cosigned_by(WitnessSettings(name="w", url=url, vkey=vkey), asking.asks(0, 5))


def test_a_vkey_that_is_not_a_witness_s_is_a_wrong_setting(served, log):
    with pytest.raises(SettingsInvalid, match="witness w"):
        cosigned_by(WitnessSettings(name="w", url=served.url, vkey=str(log.key.public)), log.asks(0, 5))


def test_a_witness_that_never_ends_its_answer_is_given_up(log, served):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(AuthorityUnavailable, match=r"longer than|timed out"):
            cosigned_by(
                WitnessSettings(name="w", url=url, vkey=served.vkey), log.asks(0, 5), deadline_s=0.2
            )


def test_monitors_see_what_was_cosigned_last(served, memory, log):
    place = f"/{origin_hash(log.key.public.name)}/checkpoint"
    connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=20)
    statuses = []
    for _ in range(2):
        connection.request("GET", place)
        answer = connection.getresponse()
        statuses.append(answer.status)
        body = answer.read()
        cosigned_by(served, log.asks(0, 20))
    connection.close()

    assert statuses == [404, 200]
    assert open_note(body, memory.key.public) == log.head(20).text


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: -1\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\nHost: w\r\n\r\n", b"404"),
        (b"DELETE / HTTP/1.1\r\nHost: w\r\n\r\n", b"501"),
        (b"\0\0\0\r\n\r\n", b"400"),
    ],
)
def test_whatever_else_is_sent_is_answered_and_bounded(served, head, status):
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head)
        answer = connection.recv(4096)

    assert status in answer.partition(b"\r\n")[0]


def test_a_directory_without_a_witness_says_how_to_make_one(tmp_path):
    with pytest.raises(SettingsInvalid, match="preserve witness init"):
        WitnessMemory(tmp_path)
