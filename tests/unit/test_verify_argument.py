"""The verification's form, its reader of WARCs, and the commands that its page gives."""

from __future__ import annotations

import gzip
import inspect
import re
import subprocess
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

from preservation.model.digests import fixity_of
from preservation.store.warc import HttpBlock, WarcWriter, http_head, payload_at
from preservation.verify import argument, verify_archive
from preservation.verify.warc_records import read_records
from tests.fakes.small_archive import SmallArchive

ROOT = Path(__file__).resolve().parents[2]
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_numbered_steps_are_those_of_the_docstring():
    promised = re.findall(r"^ +(\d+)\. (.*)$", inspect.getdoc(verify_archive), re.MULTILINE)
    promised = promised or re.findall(r"^(\d+)\. (.*)$", inspect.getdoc(verify_archive), re.MULTILINE)
    done = re.findall(r"^ +# (\d+)\. (.*)$", inspect.getsource(argument), re.MULTILINE)

    assert [number for number, _ in promised] == [str(n) for n in range(1, len(promised) + 1)]
    assert sorted(done, key=lambda step: int(step[0])) == promised


@pytest.fixture
def warc(tmp_path) -> Path:
    path = tmp_path / "w.warc.gz"
    body = bytes(range(256)) * 4000
    with WarcWriter(path) as writer:
        writer.warcinfo([("software", "test")], date=MOMENT)
        writer.response(
            "http://site.invalid/",
            HttpBlock(
                http_head("HTTP/1.1 200 OK", [("Content-Type", "image/png"), ("X-Name", "é")]),
                BytesIO(body),
            ),
            date=MOMENT,
        )
        writer.response(
            "http://site.invalid/none",
            HttpBlock(http_head("HTTP/1.1 204 No", []), BytesIO()),
            date=MOMENT,
        )
        writer.request(
            "http://site.invalid/", HttpBlock(http_head("GET / HTTP/1.1", []), BytesIO()), date=MOMENT
        )
        writer.resource("urn:x:y", content_type="text/plain", body=BytesIO(b"\r\n\r\nx"), date=MOMENT)
    return path


@pytest.mark.parametrize("chunk", [1 << 20, 1000, 7])
def test_our_reader_and_the_library_see_the_same_records(warc, chunk):
    content = warc.read_bytes()
    pieces = (content[at : at + chunk] for at in range(0, len(content), chunk))

    records = list(read_records(pieces))

    assert len(records) == 5
    assert records[0].offset == 0
    assert [r.offset + r.length for r in records] == [*(r.offset for r in records[1:]), len(content)]
    for record in records:
        with payload_at(BytesIO(content), record.offset) as payload:
            assert record.payload == fixity_of([payload.read()])


def test_a_warc_cut_anywhere_is_refused(warc):
    content = warc.read_bytes()
    ends = {record.offset + record.length for record in read_records([content])}

    for length in range(1, len(content), 97):
        if length not in ends:
            with pytest.raises(ValueError, match="offset"):
                list(read_records([content[:length]]))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"WARC/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"WARC/1.1\r\nWARC-Record-ID: <a>\r\nContent-Length: 9\r\nWARC-Block-Digest: sha256:0\r\n\r\nx\r\n\r\n",
        b"WARC/1.1\r\nWARC-Record-ID: <a>\r\nContent-Length: 1\r\nWARC-Block-Digest: sha256:0\r\n\r\nx\r\n\r\n",
        b"WARC/1.1\r\nWARC-Record-ID: <a>\r\nContent-Length: -1\r\nWARC-Block-Digest: x\r\n\r\n\r\n\r\n",
        b"WARC/1.1\r\nWARC-Record-ID: <a>\r\nContent-Length: \xc2\xb2\r\nWARC-Block-Digest: x\r\n\r\n\r\n\r\n",
        b"x" * (9 << 20),
    ],
    ids=range(8),
)
def test_what_is_not_a_whole_record_is_refused(block):
    with pytest.raises(ValueError, match="offset 0"):
        list(read_records([gzip.compress(block)]))


def test_the_commands_of_the_proof_page_do_what_it_says(tmp_path):
    archive = SmallArchive.found(tmp_path / "home")
    batch = archive.seal_batch(1)
    (tmp_path / "work").mkdir()
    size = archive.log.size()
    places = {
        "VKEY": archive.home / "trust/log.vkey",
        "SIZE": f"{size:012}",
        "ROOTS": archive.home / "trust/test-authority.pem",
        "AUTHORITY": "test-authority",
        "WORK": tmp_path / "work",
    }
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/proof.md").read_text("utf-8"), re.DOTALL)
    said = [_run(block, places, archive.root) for block in blocks]

    assert "Signature Verified Successfully" in said[0]
    assert said[1] == "root OK\n"
    assert said[2] == "Verification: OK\n"
    check = subprocess.run(
        ["sha256sum", "--check", "--quiet"],
        input=said[3],
        cwd=archive.root,
        text=True,
        capture_output=True,
    )
    assert (check.returncode, len(said[3].splitlines())) == (0, len(batch.contents))
    assert archive.verify().verdict == "proven"


def _run(block: str, places: dict, folder: Path) -> str:
    for name, value in places.items():
        block = re.sub(rf"\b{name}\b", str(value), block)
    return subprocess.run(["bash", "-euc", block], cwd=folder, capture_output=True, text=True).stdout
