"""The single-file verifier: its form, and its parts against published vectors and outside readers."""

from __future__ import annotations

import ast
import base64
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import bagit
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from preservation.export import verify
from preservation.model.canonical import canonical_json
from preservation.store.http_body import Dechunked, is_chunked
from preservation.store.warc import HttpBlock, WarcWriter, http_head, payload_at
from tests.fakes.small_archive import SmallArchive
from tests.fakes.small_bag import (
    SmallBag,
    path_of,
    proof_of,
    refresh,
    three_batches,
    tree_root,
    trust_of,
)

SOURCE = inspect.getsource(verify)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TOLD = re.compile(r'(?:\.broken|\.gap|\.note|\.about|\btell)\(\s*"([a-z-]+)"')


# Its form.


def test_the_code_follows_the_numbered_argument():
    promised = re.findall(r"^ ?(\d+)\. (.*)$", verify.__doc__, re.MULTILINE)
    done = re.findall(r"^# (\d+)\. (.*)$", SOURCE, re.MULTILINE)

    assert [int(number) for number, _ in promised] == list(range(1, len(promised) + 1))
    assert done == promised


def test_each_rule_stands_in_its_own_step():
    pieces = re.split(r"^# (\d+|[A-Z]\w+)\b.*$", SOURCE, flags=re.MULTILINE)
    told = {int(n): set(TOLD.findall(text)) for n, text in zip(pieces[1::2], pieces[2::2], strict=True) if n.isdecimal()}  # fmt: skip

    for step, rules in told.items():
        # A receipt brings entries and tokens of its own, which are judged by the rules of those steps.
        assert step == 15 or {verify.STEP_OF[rule] for rule in rules} <= {step}
    assert set(TOLD.findall(SOURCE)) == set(verify.STEP_OF)


def test_it_needs_nothing_but_the_standard_library_of_an_old_python():
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert set(imported) <= sys.stdlib_module_names | {"__future__"}
    assert not attributes & {"removeprefix", "removesuffix", "is_relative_to", "UTC", "pairwise"}


# The command.


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SmallArchive:
    return three_batches(tmp_path_factory.mktemp("small") / "home")


@pytest.fixture
def bag(small, tmp_path) -> Path:
    return SmallBag.of(small, "item-2").write(tmp_path / "bag")


@pytest.fixture
def trust(small, tmp_path) -> Path:
    return trust_of(small, tmp_path / "trust")


def _run(*arguments: object, **changes) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", verify.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **changes)


def test_it_runs_alone_and_says_what_is_proven_and_what_is_not(bag, trust, tmp_path):
    done = _run(bag, "--trust", trust, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PROVEN, judged as of ")
    assert "item-2: logged after T1 2" in done.stdout
    assert "That the content is true" in done.stdout


def test_programs_read_the_same_as_json(bag, trust):
    told = json.loads(_run(bag, "--trust", trust, "--json").stdout)

    assert (told["verdict"], told["exit_code"]) == ("proven", 0)
    assert {claim["state"] for claim in told["claims"]} == {"established"}
    assert [finding["rule"] for finding in told["findings"]] == ["test-authority"]
    [times] = told["times"]
    assert times["after"] < times["before"]
    assert list(times["before_by"]) == ["test-authority"]


def test_the_program_is_the_same_from_python_3_8_on(bag, trust):
    others = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    able = [path for path in others if int(path.parts[-3].split(".")[1]) >= 8]
    if not able:
        pytest.skip("no other Python is installed here")

    for python in able:
        command = [python, "-I", "-S", verify.__file__, bag, "--trust", trust]
        assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0, python


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["BAG"],
        ["BAG", "--trust", "nowhere"],
        ["nowhere", "--trust", "TRUST"],
        ["--trust", "TRUST"],
        ["--trust", "TRUST", "--receipt", "nowhere"],
        ["BAG", "--trust", "TRUST", "--as-of", "soon"],
        ["BAG", "--trust", "TRUST", "--as-of", "0001-01-01T00:00:00+01:00"],
        ["BAG", "--trust", "TRUST", "--as-of", "9999-12-31T23:59:59-01:00"],
        ["BAG", "--trust", "n" * 5000],
        ["BAG", "--trust", "BAG/data"],
        ["BAG", "--trust", "BAG"],
        ["BAG", "--trust", "LINK"],
    ],
)
def test_wrong_usage_is_neither_proof_nor_refutation(bag, trust, tmp_path, arguments):
    (tmp_path / "link").symlink_to(bag / "data")
    places = {"BAG": str(bag), "TRUST": str(trust), "LINK": str(tmp_path / "link")}
    arguments = [re.sub("^(BAG|TRUST|LINK)", lambda m: places[m[1]], text) for text in arguments]

    done = _run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_without_trust_nothing_is_proven_and_the_gap_is_named(bag, tmp_path):
    (tmp_path / "empty").mkdir()

    done = _run(bag, "--trust", tmp_path / "empty")

    assert done.returncode == 4
    assert "no-trusted-key" in done.stdout


def test_without_openssl_the_gap_is_named(bag, trust, tmp_path):
    done = _run(bag, "--trust", trust, env=os.environ | {"PATH": str(tmp_path)})

    assert done.returncode == 4
    assert "no-openssl" in done.stdout


@pytest.mark.parametrize(
    "script",
    [
        'if [ "$1" = ts ]; then echo "ts: unknown option -attime" >&2; exit 1; fi; exec REAL "$@"',
        'echo "openssl: error while loading shared libraries: libssl.so.3" >&2; exit 127',
        "kill -9 $$",
        "exit 0",
    ],
    ids=["another-program", "broken", "killed", "silent"],
)
def test_an_openssl_that_gives_no_verdict_refutes_nothing(bag, trust, tmp_path, script):
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\n" + script.replace("REAL", shutil.which("openssl")) + "\n")
    program.chmod(0o755)

    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = _run(bag, "--trust", trust, "--json", env=os.environ | {"PATH": path})

    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (4, "incomplete")
    assert "no-openssl" in {finding["rule"] for finding in told["findings"]}


def test_without_a_place_for_openssl_s_files_the_gap_is_named(bag, trust, tmp_path):
    program = (
        "import sys, tempfile; sys.path.insert(0, sys.argv.pop(1)); import verify;"
        "tempfile.tempdir = sys.argv.pop(1); sys.exit(verify.main())"
    )
    places = [Path(verify.__file__).parent, tmp_path / "gone"]
    command = [sys.executable, "-c", program, *places, bag, "--trust", trust]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert done.returncode == 4
    assert "no-openssl" in done.stdout


def test_words_that_the_terminal_can_not_write_are_escaped(bag, trust):
    (trust / "\u0436.checkpoint").write_bytes(b"")
    command = [sys.executable, "-S", verify.__file__, str(bag), "--trust", str(trust)]

    done = subprocess.run(
        command, capture_output=True, timeout=120, env=os.environ | {"PYTHONIOENCODING": "latin-1"}
    )

    assert (done.returncode, done.stderr) == (4, b"")
    assert b"\\u0436.checkpoint" in done.stdout


def test_a_reader_that_goes_away_ends_it_quietly(bag, trust):
    command = [sys.executable, verify.__file__, str(bag), "--trust", str(trust)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()

    assert process.wait(timeout=60) == 4
    assert process.stderr.read() == b""
    process.stderr.close()


# Ed25519.

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
            "454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]
"""RFC 8032 7.1, tests 1, 2, 3 and SHA(abc): key, message, signature."""


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_signatures_of_rfc_8032_are_accepted_and_no_others(key, message, signature):
    key, message, signature = (bytes.fromhex(text) for text in (key, message, signature))

    assert verify.is_signed(key, message, signature)
    assert not verify.is_signed(key, message + b"!", signature)
    for place in (0, 31, 32, 63):
        damaged = bytearray(signature)
        damaged[place] ^= 1
        assert not verify.is_signed(key, message, bytes(damaged))


def test_a_second_form_of_a_signature_is_refused():
    key, message, signature = (bytes.fromhex(text) for text in RFC_8032[1])
    scalar = int.from_bytes(signature[32:], "little") + verify.ORDER

    assert not verify.is_signed(key, message, signature[:32] + scalar.to_bytes(32, "little"))


SMALL_POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]
OTHER_FORMS = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
"""Encodings that RFC 8032 5.1.3 doesn't allow."""


@pytest.mark.parametrize("point", [*SMALL_POINTS, *OTHER_FORMS])
def test_a_key_or_a_commitment_of_small_order_or_another_form_is_refused(point):
    point = bytes.fromhex(point)
    key, _, signature = (bytes.fromhex(text) for text in RFC_8032[0])

    assert not verify.is_signed(point, b"anything", point + bytes(32))
    assert not verify.is_signed(key, b"", point + signature[32:])


@given(st.binary(max_size=100), st.integers(0, 511))
def test_our_ed25519_and_the_library_agree(message, bit):
    private = Ed25519PrivateKey.from_private_bytes(b"seven" * 6 + b"!!")
    raw, signature = private.public_key().public_bytes_raw(), bytearray(private.sign(message))

    assert verify.is_signed(raw, message, bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes(signature), message)
    assert not verify.is_signed(raw, message, bytes(signature))


# The Merkle tree.

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Roots of the first 1 to 8 of LEAVES: the test data of Certificate Transparency (RFC 6962)."""


def test_the_published_trees_are_recomputed():
    hashes = [verify.leaf_hash(leaf) for leaf in LEAVES]

    for size, root in enumerate(ROOTS, start=1):
        assert tree_root(hashes[:size]).hex() == root
        for index in range(size):
            proof = path_of(index, hashes[:size])
            found = verify.root_of_inclusion(hashes[index], index, size, proof)
            assert found.hex() == root
        for old in range(1, size + 1):
            proof = proof_of(old, hashes[:size])
            old_root = bytes.fromhex(ROOTS[old - 1])
            assert verify.is_consistent(old, old_root, size, bytes.fromhex(root), proof)


@given(st.integers(1, 40), st.data())
def test_a_proof_leads_nowhere_else(size, data):
    hashes = [verify.leaf_hash(bytes([number])) for number in range(size)]
    root, index = tree_root(hashes), data.draw(st.integers(0, size - 1))
    proof = path_of(index, hashes)
    other = data.draw(st.integers(0, size + 2).filter(lambda found: found != index))

    assert verify.root_of_inclusion(hashes[index], index, size, proof) == root
    assert verify.root_of_inclusion(hashes[index], other, size, proof) != root
    assert verify.root_of_inclusion(hashes[index], index, size, [*proof, root]) != root
    if proof:
        assert verify.root_of_inclusion(hashes[index], index, size, proof[:-1]) != root


@given(st.integers(2, 40), st.data())
def test_a_consistency_proof_joins_no_other_trees(size, data):
    hashes = [verify.leaf_hash(bytes([number])) for number in range(size)]
    old = data.draw(st.integers(1, size - 1))
    other = tree_root([bytes(32), *hashes[1:old]])
    proof, new_root = proof_of(old, hashes), tree_root(hashes)

    assert verify.is_consistent(old, tree_root(hashes[:old]), size, new_root, proof)
    assert not verify.is_consistent(old, other, size, new_root, proof)
    assert not verify.is_consistent(old, tree_root(hashes[:old]), size, other, proof)
    assert not verify.is_consistent(old, tree_root(hashes[:old]), size, new_root, proof[:-1])
    assert not verify.is_consistent(old, tree_root(hashes[:old]), size, new_root, [*proof, other])
    assert not verify.is_consistent(0, tree_root(hashes[:old]), size, new_root, proof)
    assert not verify.is_consistent(size + 1, new_root, size, new_root, proof)


# Signed notes.

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
"""The example of c2sp.org/signed-note and of Go's sumdb/note."""


def test_the_published_note_is_opened():
    key = verify.parse_key(VKEY, verify.LOG_KEY)
    text, signatures = verify.split_note(NOTE)

    assert (key.name, key.text) == ("PeterNeumann", VKEY)
    assert text == NOTE.partition(b"\n\n")[0] + b"\n"
    assert verify.signed_by(key, text, signatures)
    with pytest.raises(ValueError, match="false"):
        verify.signed_by(key, text + b"!", signatures)


@pytest.mark.parametrize(
    "note",
    [
        NOTE[:-1],
        NOTE.replace(b"\n\n", b"\n"),
        NOTE.replace("— ".encode(), b"- "),
        NOTE.replace("— ".encode(), "—  ".encode()),
        NOTE.replace(b"JnAM=", b"JnAN="),
        NOTE + b"\n",
        NOTE + b"more\n",
        NOTE.partition(b"\n\n")[0] + b"\n\n",
        b"",
    ],
)
def test_what_is_not_a_signed_note_is_refused(note):
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        verify.split_note(note)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a",
        "a+b",
        VKEY.lower(),
        VKEY + " ",
        VKEY[:-1] + "X",
        VKEY.replace("c74f", "c74e"),
        "+" + VKEY,
    ],
)
def test_what_is_not_a_verifier_key_is_refused(vkey):
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        verify.parse_key(vkey, verify.LOG_KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\nAAAA\n",
        "a\n-1\nAAAA\n",
        "\n1\n{root}\n",
        "a\n1\n{root}\nmore\n",
        "a\n1\nAAAA\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text):
    root = base64.b64encode(bytes(32)).decode()

    assert verify.parse_head(f"a\n1\n{root}\n".encode()) == ("a", 1, bytes(32))
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        verify.parse_head(text.format(root=root).encode())


# JSON.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_canonical_json_is_read_and_any_other_form_of_it_refused(document):
    content = canonical_json(document)
    spaced = json.dumps(document, ensure_ascii=False, indent=1).encode()

    assert verify.parse_canonical(content) == document
    assert verify.canonical_json(verify.parse_canonical(content)) == content
    with pytest.raises(ValueError):  # noqa: PT011 - any words will do
        verify.parse_canonical(spaced if document else b"{ }")


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":-0}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 100_000 + b"}",
        b'{"a":"\\u0061"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\/"}',
        b'{"a":"\x00"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\n',
        b'{"a":"\xff"}',
        b"[1]",
        b"1",
        b"",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_json_with_a_second_meaning_is_refused(content):
    with pytest.raises((ValueError, RecursionError)):
        verify.parse_canonical(content)


def test_keys_are_ordered_by_utf_16_as_the_standard_says():
    document = {"€": 1, "\r": 2, "דּ": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7}  # RFC 8785 3.2.3

    assert verify.parse_canonical(canonical_json(document)) == document


# Chunked bodies and WARC records.


@given(
    st.lists(
        st.sampled_from(
            [b"5\r\nhello\r\n", b"0\r\n\r\n", b"A;x=y\n0123456789\n", b"5\r\nhel", b"zz\r\n", b"\r\n", b"0\r\nT: x\r\n\r\n",
             b" 003 \r\nabc\r\n", b"ffffffffffffffff\r\n", b"1\r\naXX\r\n", b"2" * 17_000, b"\n"]
        ),
        max_size=6,
    ),
    st.integers(1, 9),
)  # fmt: skip
def test_chunks_are_joined_as_the_archive_joins_them(parts, width):
    body = b"".join(parts)
    expected = io.BufferedReader(Dechunked(io.BytesIO(body))).read()

    class Pieces:
        def pieces(self):
            return iter([body[at : at + width] for at in range(0, len(body), width)])

    assert b"".join(verify.dechunked(Pieces())) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding:gzip, Chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Transfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/2 200\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        b"",
        # Looked through again from each space, this would take days.
        b" " * (1 << 22) + b"200 OK",
    ],
)
def test_chunked_bodies_are_told_as_the_archive_tells_them(head):
    assert verify.is_chunked(head) == is_chunked(head)


@pytest.fixture
def warc(tmp_path) -> bytes:
    path = tmp_path / "w.warc.gz"
    chunks = b"3\r\nabc\r\n0\r\n\r\n"
    with WarcWriter(path) as writer:
        writer.warcinfo([("software", "test")], date=MOMENT)
        for body, fields in (
            (bytes(range(256)) * 4000, [("Content-Type", "image/png"), ("X-Name", "é")]),
            (b"", []),
        ):
            block = HttpBlock(http_head("HTTP/1.1 200 OK", fields), io.BytesIO(body))
            writer.response("http://site.invalid/", block, date=MOMENT)
        head = http_head("HTTP/1.1 200 OK", [("Transfer-Encoding", "chunked")])
        block = HttpBlock(head, io.BytesIO(chunks), is_chunked=True)
        writer.response("http://site.invalid/c", block, date=MOMENT)
        writer.resource(
            "urn:x:y", content_type="text/plain", body=io.BytesIO(b"\r\n\r\nx"), date=MOMENT
        )
    return path.read_bytes()


def test_records_are_measured_as_the_library_reads_them(warc):
    records = list(verify.read_records(io.BytesIO(warc), len(warc)))

    assert len(records) == 5
    assert [r.offset + r.length for r in records] == [*(r.offset for r in records[1:]), len(warc)]
    for record in (records[1], records[2], records[3], records[4]):
        with payload_at(io.BytesIO(warc), record.offset) as payload:
            content = payload.read()
        meter = verify.Meter()
        meter.update(content)
        assert record.payload == meter.measured()
    assert records[3].payload.size == 3


def test_a_warc_cut_anywhere_is_refused(warc):
    ends = {r.offset + r.length for r in verify.read_records(io.BytesIO(warc), len(warc))}

    for length in set(range(1, len(warc), 9973)) - ends:
        with pytest.raises(ValueError, match="the record at"):
            list(verify.read_records(io.BytesIO(warc[:length]), length))


# BagIt.


@pytest.fixture
def plain_bag(tmp_path) -> Path:
    """A bag of another program's making."""
    folder = tmp_path / "plain"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_bytes(b"one")
    (folder / "sub/two.txt").write_bytes(b"two")
    bagit.make_bag(str(folder), checksums=["sha256", "sha512"])
    (folder / "bagit.txt").write_bytes(verify.DECLARATION)
    refresh(folder)
    return folder


def _judged(folder: Path) -> set[str]:
    case = verify.Case(folder, bag=folder)
    verify.judge_bag(case)
    return {finding.rule for finding in case.findings.values()}


def _outside_accepts(folder: Path) -> bool:
    try:
        return bagit.Bag(str(folder)).validate()
    except bagit.BagError:
        return False


def _edit(name: str, before: bytes, after: bytes):
    def edit(folder: Path) -> None:
        content = (folder / name).read_bytes()
        assert before in content
        (folder / name).write_bytes(content.replace(before, after, 1))

    return edit


def _write(name: str, content: bytes):
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _listed_twice(folder: Path) -> None:
    path = folder / "manifest-sha256.txt"
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])


def _remove(name: str):
    return lambda folder: (folder / name).unlink()


DECLARED = "bagit.txt"
BAG_FAULTS = [
    # (what is done, the rule, whether bagit-python refuses it, too)
    (_write(DECLARED, b"\xef\xbb\xbf" + verify.DECLARATION), "bag-declaration", True),
    (_edit(DECLARED, b"1.0", b"2.0"), "bag-declaration", False),
    (_edit(DECLARED, b"1.0", b"one"), "bag-declaration", True),
    (_edit(DECLARED, b"Version:", b"Version :"), "bag-declaration", True),
    (_edit(DECLARED, b"UTF-8", b"UTF-7"), "bag-declaration", False),
    (_edit(DECLARED, b"Tag-File-Character-Encoding: UTF-8\n", b""), "bag-declaration", True),
    (_remove(DECLARED), "bag-declaration", True),
    (_remove("bag-info.txt"), "payload-oxum", True),
    (_remove("manifest-sha256.txt"), "manifest-missing", False),
    (_remove("tagmanifest-sha512.txt"), "manifest-missing", False),
    (_remove("data/one.txt"), "file-missing", True),
    (_write("data/extra.txt", b"x"), "file-not-listed", True),
    (_write("extra-tag.txt", b"x"), "file-not-listed", False),
    (_edit("data/one.txt", b"one", b"ONE"), "file-digest", True),
    (_edit("bag-info.txt", b"Bagging", b"bagging"), "file-digest", True),
    (_edit("bag-info.txt", b"Oxum: 6.2", b"Oxum: 7.2"), "payload-oxum", True),
    (_edit("bag-info.txt", b"Oxum: 6.2", b"Oxum: 6.3"), "payload-oxum", True),
    (_edit("bag-info.txt", b"Payload-Oxum", b"Payload-Oxen"), "payload-oxum", True),
    (_edit("manifest-sha512.txt", b"data/one.txt", b"data/../one.txt"), "file-missing", True),
    (_edit("manifest-sha512.txt", b"data/one.txt", b"../one.txt"), "file-missing", True),
    (_edit("manifest-sha512.txt", b"data/one.txt", b"/etc/hostname"), "file-missing", True),
    (_edit("manifest-sha512.txt", b"data/one.txt", b"~/one.txt"), "file-missing", True),
    (_edit("manifest-sha512.txt", b"data/one.txt", b"data/One.txt"), "file-missing", True),
    (_edit("manifest-sha512.txt", b"  data", b""), "manifest-line", True),
    (_listed_twice, "manifest-line", True),
]


def test_a_bag_of_another_program_is_whole(plain_bag):
    assert _judged(plain_bag) == set()
    assert _outside_accepts(plain_bag)


@pytest.mark.parametrize(("damage", "rule", "outside"), BAG_FAULTS, ids=range(len(BAG_FAULTS)))
def test_a_faulty_bag_is_refused_and_the_rule_named(plain_bag, damage, rule, outside):
    damage(plain_bag)

    assert rule in _judged(plain_bag)
    assert not outside or not _outside_accepts(plain_bag)


def test_names_that_need_escaping_are_read(plain_bag):
    (plain_bag / "data/100%.txt").write_bytes(b"percent")
    refresh(plain_bag)
    for algorithm in ("sha256", "sha512"):
        _edit(f"manifest-{algorithm}.txt", b"100%.txt", b"100%25.txt")(plain_bag)
    tags = "".join((plain_bag / f"manifest-{a}.txt").read_text() for a in ("sha256", "sha512"))
    _refresh_tags(plain_bag)

    assert "100%25" in tags
    assert _judged(plain_bag) == set()


def _refresh_tags(folder: Path) -> None:
    import hashlib

    for algorithm in ("sha256", "sha512"):
        names = [n for n in folder.iterdir() if n.is_file() and not n.name.startswith("tagmanifest")]
        lines = [f"{hashlib.new(algorithm, n.read_bytes()).hexdigest()}  {n.name}\n" for n in names]
        (folder / f"tagmanifest-{algorithm}.txt").write_text("".join(lines))
