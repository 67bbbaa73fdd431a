"""A WACZ: its parts, their digests, and what pywb reads out of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import zipfile
import zlib

import brotlicffi
import pytest
from warcio.archiveiterator import ArchiveIterator

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.model.urls import NETWORK_LOG_URI, RECORDING_URI
from preservation.replay import sealed_item, write_wacz
from preservation.replay.recordings import recording_of
from preservation.settings import Limits
from tests.fakes.sealed_page import (
    DNS_ANSWERS,
    HTML,
    KEYS,
    LARGE,
    LAST,
    PAGE,
    PICTURE,
    SCRIPT,
    SITE,
    STYLE,
    SealedPage,
)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    return SealedPage.make(tmp_path_factory.mktemp("wacz") / "home")


@pytest.fixture(scope="module")
def item(sealed):
    return sealed_item(sealed.store, sealed.item_id)


@pytest.fixture(scope="module")
def path(sealed, item, tmp_path_factory):
    target = tmp_path_factory.mktemp("wacz") / "kept.wacz"
    write_wacz(sealed.store, [item], target, Limits())
    return target


@pytest.fixture(scope="module")
def package(path):
    with zipfile.ZipFile(path) as archive:
        yield archive


def index_lines(package):
    lines = gzip.decompress(package.read("indexes/index.cdx.gz")).decode().splitlines()
    return [(line.split(" ", 2)[0], json.loads(line.split(" ", 2)[2])) for line in lines]


def record_at(package, members):
    start, length = int(members["offset"]), int(members["length"])
    packed = package.read(f"archive/{members['filename']}")[start : start + length]
    record = next(ArchiveIterator(io.BytesIO(packed), check_digests=True))
    return record.rec_headers, record.http_headers, record.content_stream().read()


def test_every_file_is_described_with_its_digest_and_the_description_too(package):
    described = json.loads(package.read("datapackage.json"))
    digest = json.loads(package.read("datapackage-digest.json"))

    found = {entry["path"]: entry for entry in described["resources"]}
    assert described["wacz_version"] == "1.1.1"
    assert set(package.namelist()) - set(found) == {"datapackage.json", "datapackage-digest.json"}
    for name, entry in found.items():
        content = package.read(name)
        assert entry["bytes"] == len(content)
        assert entry["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    digest_of_all = hashlib.sha256(package.read("datapackage.json")).hexdigest()
    assert digest == {"path": "datapackage.json", "hash": f"sha256:{digest_of_all}"}


def members_of(run):
    """The gzip members of *run*, by the digest of what they hold."""
    members = {}
    while run:
        packer = zlib.decompressobj(31)
        content = packer.decompress(run)
        members[hashlib.sha256(content).digest()] = run[: len(run) - len(packer.unused_data)]
        run = packer.unused_data
    return members


def test_the_records_are_the_archive_s_own_bytes_in_their_order(sealed, item, package):
    ours = members_of(sealed.store.read_range(item.warc_key, item.warc_offset, item.warc_length))
    handed_over = members_of(package.read("archive/data.warc.gz"))

    assert list(handed_over.items()) == [one for one in ours.items() if one[0] in handed_over]
    assert len(ours) - len(handed_over) == 2


@pytest.mark.parametrize("is_large", [False, True], ids=["in-the-warc", "as-a-blob"])
def test_what_only_the_archive_may_hold_is_handed_over_on_request_alone(is_large, tmp_path):
    sealed = SealedPage.make(tmp_path / "home", has_large_recording=is_large)
    item = sealed_item(sealed.store, "kept")

    write_wacz(sealed.store, [item], tmp_path / "less.wacz", Limits())
    write_wacz(sealed.store, [item], tmp_path / "all.wacz", Limits(), withheld=())

    assert b"".join(recording_of(sealed.store, item)) == KEYS
    less, everything = (contents_of(tmp_path / f"{name}.wacz") for name in ("less", "all"))
    assert not {RECORDING_URI, NETWORK_LOG_URI} & less.keys()
    assert KEYS not in b"".join(less.values())
    assert everything[RECORDING_URI] == KEYS
    assert everything[NETWORK_LOG_URI] == DNS_ANSWERS


def contents_of(path):
    """Every record's block, by its target URI."""
    found = {}
    with zipfile.ZipFile(path) as package:
        for name in package.namelist():
            if name.startswith("archive/"):
                for record in ArchiveIterator(io.BytesIO(package.read(name)), no_record_parse=True):
                    target = record.rec_headers.get_header("WARC-Target-URI") or name
                    found[target] = found.get(target, b"") + record.raw_stream.read()
    return found


def test_the_requests_stay_with_the_answers(package):
    records = ArchiveIterator(io.BytesIO(package.read("archive/data.warc.gz")), no_record_parse=True)

    asked = [
        one.rec_headers.get_header("WARC-Target-URI") for one in records if one.rec_type == "request"
    ]
    assert {PAGE, f"{SITE}/api"} <= set(asked)


def test_nothing_in_it_is_compressed_and_local_heads_are_as_long_as_players_think(path, package):
    # wabac.js takes the length of the extra field from the central directory.
    content = path.read_bytes()
    for entry in package.infolist():
        assert entry.compress_type == zipfile.ZIP_STORED
        local_extra = int.from_bytes(
            content[entry.header_offset + 28 : entry.header_offset + 30], "little"
        )
        assert local_extra == len(entry.extra) == 0


def test_the_index_leads_to_every_answer(package):
    bodies = {key: record_at(package, members) for key, members in index_lines(package)}

    assert {key: body for key, (_, _, body) in bodies.items() if body} == {
        "test,kept)/": HTML,
        "test,kept)/a.png": PICTURE,
        "test,kept)/z.js": SCRIPT,
        "test,kept)/h2.css": STYLE,
        "test,kept)/api?__wb_method=post&page=1&q=x+y": b"posted answer",
        "test,kept)/film.mp4": LARGE,
        # warcio takes br off where Brotli is installed under its first name.
        "test,kept)/last": brotlicffi.compress(LAST),
    }
    head, _, _ = bodies["test,kept)/b.png"]
    assert head.get_header("WARC-Type") == "revisit"
    assert head.get_header("WARC-Refers-To-Target-URI") == f"{SITE}/a.png"


def test_copies_are_marked_and_only_made_where_players_need_them(package):
    copies = {
        members["url"]: record_at(package, members)
        for _, members in index_lines(package)
        if members["filename"] == "copies.warc.gz"
    }
    originals = {
        record.rec_headers.get_header("WARC-Record-ID")
        for record in ArchiveIterator(
            io.BytesIO(package.read("archive/data.warc.gz")), no_record_parse=True
        )
    }

    assert set(copies) == {f"{SITE}/{name}" for name in ("z.js", "film.mp4")}
    for head, http, _ in copies.values():
        assert head.get_header("X-Replay-Copy-Of") in originals
        assert http.protocol == "HTTP/1.1"
    assert copies[f"{SITE}/z.js"][1].get_header("X-Archive-Orig-Content-Encoding") == "zstd"


def test_the_index_is_sorted_and_its_list_of_blocks_leads_into_it(package):
    packed = package.read("indexes/index.cdx.gz")
    meta, *blocks = package.read("indexes/index.idx").decode().splitlines()
    lines = gzip.decompress(packed).splitlines()

    assert lines == sorted(lines)
    assert json.loads(meta.split(" ", 2)[2]) == {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}
    for block in blocks:
        place = json.loads(block.split(" ", 2)[2])
        member = packed[place["offset"] : place["offset"] + place["length"]]
        assert zlib.decompress(member, 31).decode().startswith(block.rpartition(" {")[0])
        assert place["digest"] == f"sha256:{hashlib.sha256(member).hexdigest()}"


def test_the_page_is_listed(package):
    header, page = (json.loads(line) for line in package.read("pages/pages.jsonl").splitlines())

    assert header["format"] == "json-pages-1.0"
    assert page == {"id": "kept", "url": PAGE, "ts": "2026-05-04T03:02:01.123456Z", "title": "Kept"}


def test_the_same_items_give_the_same_bytes_in_any_order_and_number(sealed, item, path, tmp_path):
    again = tmp_path / "again.wacz"

    write_wacz(sealed.store, [item, item], again, Limits())

    assert again.read_bytes() == path.read_bytes()


def test_a_file_that_exists_is_left_alone(sealed, item, tmp_path):
    target = tmp_path / "taken.wacz"
    target.write_bytes(b"mine")

    with pytest.raises(BadInput, match="exists"):
        write_wacz(sealed.store, [item], target, Limits())

    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_said(sealed, item, tmp_path):
    with pytest.raises(BadInput, match="isn't a directory"):
        write_wacz(sealed.store, [item], tmp_path / "none/x.wacz", Limits())


def test_a_damaged_warc_is_said_and_nothing_is_left(tmp_path):
    sealed = SealedPage.make(tmp_path / "home")
    item = sealed_item(sealed.store, "kept")
    warc = sealed.settings.archive / item.warc_key
    warc.chmod(0o644)
    damaged = bytearray(warc.read_bytes())
    damaged[item.warc_offset + 400] ^= 0xFF
    warc.write_bytes(damaged)

    with pytest.raises(EvidenceAtRisk, match="kept"):
        write_wacz(sealed.store, [item], tmp_path / "x.wacz", Limits())

    assert not list(tmp_path.glob("*x.wacz*"))


@pytest.mark.parametrize(
    ("name", "attempt", "words"),
    [("nobody", None, "No sealed item"), ("failed", None, "reason timeout"), ("kept", 7, "no attempt 7"),
     ("kept", 1, "holds no exchange")],
)  # fmt: skip
def test_an_item_that_can_not_be_shown_is_named_with_a_remedy(sealed, name, attempt, words):
    with pytest.raises(BadInput, match=words) as refusal:
        sealed_item(sealed.store, name, attempt=attempt)

    assert name in refusal.value.message
    assert "preserve query" in refusal.value.remedy


# A process of its own: pywb brings gevent, which changes the whole of Python. It asks for brotlipy, which is
# brotlicffi's old name.
_PYWB = """
import io, json, re, sys
import brotlicffi
sys.modules["brotli"] = brotlicffi
from pywb.apps.frontendapp import FrontEndApp
from pywb.manager.manager import main

main(["init", "kept"])
main(["add", "--unpack-wacz", "kept", sys.argv[1]])
front_end = FrontEndApp(custom_config={"framed_replay": False})

def ask(path, method="GET", sent=b""):
    status = []
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "HTTP_HOST": "l", "SERVER_NAME": "l",
        "QUERY_STRING": "", "SERVER_PORT": "80", "REQUEST_URI": path, "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(sent), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http",
        "CONTENT_LENGTH": str(len(sent)), "CONTENT_TYPE": "application/json",
    }
    body = b"".join(front_end(environ, lambda line, headers, error=None: status.append(line)))
    return status[0][:3], body.hex()

page = "/kept/20260504030201mp_/https://kept.test/"
answers = {"page": ask(page), "api": ask(page + "api", "POST", b'{"page":1,"q":"x y"}')}
linked = re.findall(r'(?:src|href)="(/kept/[^"]+)"', bytes.fromhex(answers["page"][1]).decode())
answers |= {link.partition("https://kept.test")[2]: ask(link) for link in linked}
as_sent = page.replace("mp_", "id_")
answers |= {name: ask(as_sent + name) for name in sys.argv[2:]}
print("ANSWERS" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def pywb(path, tmp_path_factory):
    """What pywb's front end answers: status and body, by name; with a slash before it, as linked."""
    names = ["", "z.js", "film.mp4", "last", "nope"]
    done = subprocess.run(
        [sys.executable, "-c", _PYWB, path, *names],
        cwd=tmp_path_factory.mktemp("pywb"), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "ANSWERS" in done.stdout, done.stderr
    answers = json.loads(done.stdout.partition("ANSWERS")[2].splitlines()[0])
    return {name: (status, bytes.fromhex(body)) for name, (status, body) in answers.items()}


def test_pywb_gives_every_answer_byte_for_byte_and_no_other(pywb):
    names = ("", "z.js", "film.mp4", "last", "api")

    assert {name: pywb[name] for name in names} == {
        "": ("200", HTML),
        "z.js": ("200", SCRIPT),
        "film.mp4": ("200", LARGE),
        "last": ("200", LAST),
        "api": ("200", b"posted answer"),
    }
    assert pywb["nope"][0] == "404"


def test_a_page_comes_back_through_pywb_with_all_that_it_links_to(pywb):
    status, page = pywb["page"]

    assert (status, b"<h1>Kept page</h1>" in page, b"wombat" in page) == ("200", True, True)
    assert pywb["/a.png"] == pywb["/b.png"] == ("200", PICTURE)
    assert pywb["/h2.css"] == ("200", STYLE)
    assert SCRIPT in pywb["/z.js"][1]
