"""Bags that are no bags, or that were made to hang, exhaust or confuse whoever reads them.

Each ends in a named finding or a refusal: never a traceback, never without an end.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import socket
import sys
import zlib
from pathlib import Path
from time import process_time
from types import SimpleNamespace

import pytest

from preservation.export import verify
from preservation.model.canonical import canonical_json
from tests.fakes.small_archive import SmallArchive
from tests.fakes.small_bag import SmallBag, refresh, three_batches, trust_of

TEN_GB = 10 << 30


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> SmallArchive:
    return three_batches(tmp_path_factory.mktemp("archive") / "home")


@pytest.fixture
def model(archive) -> SmallBag:
    return SmallBag.of(archive, "item-2")


@pytest.fixture
def trust(archive, tmp_path) -> Path:
    return trust_of(archive, tmp_path / "trust")


@pytest.fixture
def bag(model, tmp_path) -> Path:
    return model.write(tmp_path / "bag")


def _rules(bag: Path, trust: Path) -> set[str]:
    """Rules of what is broken; without the net that `main` spreads for what nobody has thought of."""
    case = verify.Case(trust, bag=bag)
    verify.verify_bag(case)
    assert len(verify.as_text(case)) < 1_000_000
    json.loads(verify.as_json(case))
    return {finding.rule for finding in case.findings.values() if finding.severity == "broken"}


def _sparse(path: Path, size: int = TEN_GB) -> None:
    with path.open("wb") as stream:
        stream.truncate(size)


# Large things.


def test_10_gb_of_zeros_that_no_list_names_are_not_read(bag, trust):
    _sparse(bag / "data/log/zeros.jsonl")

    assert {"file-not-listed", "unexpected-file", "payload-oxum"} <= _rules(bag, trust)


@pytest.mark.parametrize(
    "name",
    [
        "bagit.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "tagmanifest-sha512.txt",
        "data/export.json",
        "data/seals/batch-0002.json",
        "data/log/checkpoints/000000000001",
        "data/log/tokens/000000000010/test-authority.tsr",
        "data/log/tokens/000000000010/test-authority.chain.pem",
    ],
)
def test_10_gb_of_zeros_in_place_of_a_small_file_are_not_read(bag, trust, name):
    assert (bag / name).is_file()
    _sparse(bag / name)

    assert "too-large" in _rules(bag, trust)


@pytest.mark.parametrize("name", ["log/entries.jsonl", "log/inclusion.jsonl", "rows/items.jsonl"])
def test_a_line_without_end_is_not_read_to_its_end(bag, trust, name):
    _sparse(bag / "data" / name, 1 << 27)

    assert _rules(bag, trust) & {"log-entry", "inclusion-proof", "row"}


def test_a_record_that_unpacks_to_more_than_a_computer_holds_is_left(tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    head = b"WARC/1.1\r\nContent-Length: 99999999999\r\n\r\n"
    stored = b"\0" + len(head).to_bytes(2, "little") + (len(head) ^ 0xFFFF).to_bytes(2, "little") + head
    bomb = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + stored + megabyte * 1100

    with pytest.raises(verify.TooLarge):
        list(verify.read_records(io.BytesIO(bomb), len(bomb)))


def test_thousands_of_faults_are_counted_and_a_hundred_told(bag, trust):
    lines = (bag / "data/log/entries.jsonl").read_bytes()
    (bag / "data/log/entries.jsonl").write_bytes(lines + b"{}\n" * 3000)
    refresh(bag)
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert verify.left_out(case) > 2000
    assert len(case.findings) < 500


def test_thousands_of_files_are_read(bag, trust):
    for number in range(3000):
        (bag / f"data/objects/{number:064x}").write_bytes(b"")
    refresh(bag)

    assert _rules(bag, trust) == {"object-not-logged", "bag-signature"}


def _element(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes(4, "big").lstrip(b"\0")
    return bytes([tag, 0x80 | len(size)]) + size + content


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_element(0x06, b"\xff" * 6_000_000 + b"\x01"), id="an endless identifier"),
        pytest.param(b"\x05\x00" * 1_000_000, id="a million elements"),
    ],
)
def test_a_revocation_list_made_to_hang_the_check_is_left(bag, trust, content):
    name = b"\x30\x00"
    time = b"\x17\x0d260101000000Z"
    entry = b"\x02\x01\x01" + time + _element(0x30, _element(0x30, content))
    parts = name * 2 + time + _element(0x30, _element(0x30, entry))
    encoded = base64.encodebytes(_element(0x30, _element(0x30, parts)))
    pem = b"-----BEGIN X509 CRL-----\n" + encoded + b"-----END X509 CRL-----\n"
    next(bag.glob("data/log/tokens/*/*.crl.pem")).write_bytes(pem)
    refresh(bag)

    started = process_time()
    found = _rules(bag, trust)

    assert "token" in found
    assert process_time() - started < 30


def test_thousands_of_revocation_lists_beside_a_token_are_left(bag, trust):
    path = next(bag.glob("data/log/tokens/*/*.crl.pem"))
    begin, end = b"-----BEGIN X509 CRL-----\n", b"-----END X509 CRL-----\n"
    numbers = (base64.encodebytes(number.to_bytes(4, "big")) for number in range(100_000))
    path.write_bytes(b"".join(begin + number + end for number in numbers))
    refresh(bag)
    started = process_time()

    case = verify.Case(trust, bag=bag)
    verify.verify_bag(case)

    assert "it holds 100000 lists" in {finding.observed for finding in case.findings.values()}
    assert process_time() - started < 30


def test_a_body_in_a_million_chunks_is_joined_in_bearable_time():
    block = SimpleNamespace(pieces=lambda: iter([b"1\r\nX\r\n" * 40_000] * 25))
    started = process_time()

    size = sum(map(len, verify.dechunked(block)))

    assert size == 1_000_000
    assert process_time() - started < 10


def test_a_hundred_expired_tokens_are_judged_in_bearable_time(bag, trust):
    case = verify.Case(trust, verify.moment("2090-01-01"), bag)
    verify.verify_bag(case)
    token = case.tokens[0]
    case.tokens = [token._replace(name=f"data/{n}", sha256=f"{n}", size=n + 1) for n in range(100)]
    told = [{"token_key": f"{number}", "token_sha256": f"{number}"} for number in range(100)]
    act = case.rows.stampings[0][0]
    case.rows.stampings = [(act._replace(number=n + 1), detail) for n, detail in enumerate(told)]

    verify.judge_expiry(case)

    assert case.severities["gap", "token-expired"] >= 100


# Things that aren't files.


@pytest.mark.parametrize("name", ["data/export.json", "bagit.txt", "manifest-sha256.txt", "data/x"])
def test_a_pipe_does_not_hang_the_check(bag, trust, name):
    (bag / name).unlink(missing_ok=True)
    os.mkfifo(bag / name)

    assert "not-a-plain-file" in _rules(bag, trust)


def test_a_socket_and_a_device_are_found(bag, trust):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bag / "data/s"))
        try:
            os.mknod(bag / "data/zero", 0o600 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            (bag / "data/zero").symlink_to("/dev/zero")

        case = verify.Case(trust, bag=bag)
        verify.judge_bag(case)

    found = {f.subject for f in case.findings.values() if f.rule == "not-a-plain-file"}
    assert found == {"data/s", "data/zero"}


def test_a_pipe_in_the_trust_folder_does_not_hang_the_check(bag, trust):
    (trust / "log.vkey").unlink()
    os.mkfifo(trust / "log.vkey")
    os.mkfifo(trust / "kept.checkpoint")
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert case.exit_code == 4
    assert {"no-trusted-key", "trust-unreadable"} <= {f.rule for f in case.findings.values()}


@pytest.mark.parametrize("name", ["test-authority.pem", "test-authority.crl.pem", "x.checkpoint"])
def test_what_can_not_be_read_in_the_trust_folder_refutes_nothing(bag, trust, name):
    (trust / name).unlink(missing_ok=True)
    (trust / name).mkdir()
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert case.exit_code == 4
    assert {"no-trusted-roots", "trust-unreadable"} & {f.rule for f in case.findings.values()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: pem[: len(pem) // 2],
        lambda pem: pem + pem[: len(pem) // 2],
        lambda pem: pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        lambda pem: pem.replace(b"CERTIFICATE", b"PRIVATE KEY"),
        lambda pem: b"\x30\x00",
    ],
    ids=["half", "one-and-a-half", "garbage-behind-it", "a-key", "der"],
)
def test_roots_that_can_not_be_read_refute_no_token(bag, trust, damage):
    roots = trust / "test-authority.pem"
    roots.write_bytes(damage(roots.read_bytes()))
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert (case.exit_code, case.severities["gap", "no-trusted-roots"]) == (4, 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: b"\xef\xbb\xbfIts root:\r\n" + pem.replace(b"\n", b"\r\n"),
        lambda pem: pem.replace(b"-----BEGIN", b"  -----BEGIN").replace(b"\n", b"\n  "),
        lambda pem: pem.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"),
        lambda pem: pem + pem,
    ],
    ids=["windows", "indented", "openssl-s-own", "twice"],
)
def test_roots_are_read_however_they_are_written(bag, trust, change):
    roots = trust / "test-authority.pem"
    roots.write_bytes(change(roots.read_bytes()))
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert case.exit_code == 0


def test_a_revocation_list_that_is_not_in_pem_is_not_passed_over(bag, trust):
    (trust / "test-authority.crl.pem").write_bytes(b"\x30\x00")
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert (case.exit_code, case.severities["gap", "trust-unreadable"]) == (4, 1)


def test_a_checkpoint_that_was_kept_and_is_gone_is_missed(bag, trust):
    (trust / "x.checkpoint").symlink_to(trust / "gone")
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)

    assert (case.exit_code, "trust-unreadable") == (4, next(iter(case.findings.values())).rule)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o100, 0o400])
def test_a_trust_folder_that_may_not_be_read_proves_and_refutes_nothing(bag, trust, mode):
    trust.chmod(mode)
    case = verify.Case(trust, bag=bag)

    verify.verify_bag(case)
    trust.chmod(0o700)

    assert case.exit_code == 4
    assert "trust-unreadable" in {f.rule for f in case.findings.values()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_found(bag, trust):
    (bag / "data/export.json").chmod(0)
    (bag / "data/objects").chmod(0)

    assert "unreadable" in _rules(bag, trust)


def test_folders_without_end_are_left(bag, trust):
    deep = bag / "data"
    for _ in range(60):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"")

    assert "unsafe-name" in _rules(bag, trust)


def test_a_folder_where_a_file_is_expected_is_found(bag, trust):
    (bag / "data/export.json").unlink()
    (bag / "data/export.json").mkdir()

    assert {"file-missing", "export-json"} <= _rules(bag, trust)


def test_a_name_that_is_no_text_is_told_without_harm(bag, trust, capsys):
    (bag / os.fsdecode(b"caf\xe9 \x1b[2J\n")).write_bytes(b"x")

    assert verify.main([str(bag), "--trust", str(trust)]) == 1
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "caf\\udce9 \\x1b[2J\\n" in told


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04"])
def test_an_empty_folder_and_a_stranger_s_are_no_bags(tmp_path, trust, content):
    (tmp_path / "empty").mkdir()
    if content is not None:
        (tmp_path / "empty/photo.jpg").write_bytes(content)

    assert {"bag-declaration", "manifest-missing", "export-json"} <= _rules(tmp_path / "empty", trust)


# Garbage.

GARBAGE = [
    b"",
    b"\0" * 1000,
    b"[" * 200_000,
    b'{"a":' * 200_000 + b"\n",
    b"{}\n",
    b"null\n",
    b'{"a":1,"a":2}\n',
    b'{"index":NaN}\n',
    b"\xff\xfe\n",
    random.Random(7).randbytes(3000),
]
KINDS = ("export.json", "log/*.jsonl", "log/checkpoints/*10", "log/tokens/*10/*", "objects/*", "rows/[ei]*.jsonl",
         "seals/*2.json", "warc/*")  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_in_place_of_any_file_is_found_behind_fresh_lists(bag, trust, garbage):
    dice = random.Random(len(garbage))
    for path in (dice.choice(sorted((bag / "data").glob(kind))) for kind in KINDS):
        sound = path.read_bytes()
        path.write_bytes(garbage)
        refresh(bag)

        assert _rules(bag, trust), path
        path.write_bytes(sound)


OTHERS = [None, True, 7, -1, "", "x", [], [None], {}, {"a": 1}, "0" * 64, 2**53 - 1]


def _changes(document: dict) -> list[tuple[list, object]]:
    """Paths to every member at most two levels deep, each with what could stand there instead."""
    paths = [[name] for name in document]
    paths += [[n, m] for n, inner in document.items() if isinstance(inner, dict) for m in inner]
    paths += [[n, 0] for n, inner in document.items() if isinstance(inner, list) and inner]
    return [(path, other) for path in paths for other in OTHERS]


def _changed(document: dict, path: list, other: object) -> bytes:
    copy = json.loads(json.dumps(document))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = other
    return canonical_json(copy)


def test_no_member_of_the_bag_s_description_confuses_the_check(bag, trust):
    path = bag / "data/export.json"
    sound = path.read_bytes()
    document = json.loads(sound)
    dice = random.Random(1)
    for where, other in dice.sample(_changes(document), 40):
        content = _changed(document, where, other)
        path.write_bytes(content)

        assert content == sound or _rules(bag, trust), (where, other)


@pytest.mark.parametrize(
    "table", ["items", "captures", "objects", "resources", "events", "submissions", "timestamps"]
)
def test_no_value_of_a_row_confuses_the_check(model, trust, tmp_path, table):
    sound = json.dumps(model.rows[table][0])
    dice = random.Random(2)
    for number, (where, other) in enumerate(dice.sample(_changes(json.loads(sound)), 6)):
        if where != ["row_sha256"]:
            model.rows[table][0] = json.loads(sound)
            model.rewrite(table, 0, **{where[0]: other})
            _rules(model.write(tmp_path / f"bag-{number}"), trust)
            for entry in model.entries:
                changed = model.rows[table][0]["row_sha256"]
                text = json.dumps(entry["body"]).replace(changed, json.loads(sound)["row_sha256"])
                entry["body"] = json.loads(text)


def test_no_member_of_an_entry_confuses_the_check(bag, trust):
    path = bag / "data/log/entries.jsonl"
    lines = path.read_bytes().splitlines()
    dice = random.Random(3)
    for _ in range(40):
        number = dice.randrange(len(lines))
        where, other = dice.choice(_changes(json.loads(lines[number])))
        changed = [*lines]
        changed[number] = _changed(json.loads(lines[number]), where, other)
        path.write_bytes(b"\n".join(changed) + b"\n")

        assert changed == lines or _rules(bag, trust), (number, where, other)


def test_no_member_of_a_seal_confuses_the_check(model, trust, tmp_path):
    from preservation.custody import sign_document

    batch = model.batches[1]
    dice = random.Random(4)
    for number, (where, other) in enumerate(dice.sample(_changes(batch.seal), 25)):
        changed = json.loads(_changed(batch.seal, where, other))
        batch.seal_bytes = sign_document(changed, model.archive.key)
        _rules(model.write(tmp_path / f"bag-{number}"), trust)


def test_no_member_of_a_proof_confuses_the_check(model, trust, tmp_path):
    document = model.proof_of_receipt({"receipt_id": "r"}, "submission-2")
    path = tmp_path / "proof.json"
    dice = random.Random(5)
    for where, other in dice.sample(_changes(document), 60):
        path.write_bytes(_changed(document, where, other))
        case = verify.Case(trust)

        verify.verify_receipt(case, path)

        json.loads(verify.as_json(case))


def test_memory_does_not_grow_with_what_is_read(bag, trust):
    import subprocess

    _sparse(bag / "data/history/item.en.html", 1 << 28)
    script = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0], file=sys.stderr)"
    )
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        script,
        verify.__file__,
        str(bag),
        "--trust",
        str(trust),
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert "file-digest" in done.stdout
    assert int(done.stderr) < 100_000  # kB, of a file of 256 MB
