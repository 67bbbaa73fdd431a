"""`preserve export bag` on sealed archives: what is in the bag, what isn't, and what is on record."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import bagit
import pyarrow.parquet as pq
import pyrage
import pytest
from sqlalchemy import select, update

from preservation import pipeline
from preservation.custody import CustodyLog
from preservation.errors import BadInput, EvidenceAtRisk, PolicyRefusal
from preservation.export.premis import NAMESPACE
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import MANIFEST_TABLES
from preservation.pipeline.archive import open_archive
from preservation.pipeline.withdrawing import withdraw_sharing
from preservation.state import open_database, schema
from preservation.submission import add_agreement, add_organisation, submit
from tests.conftest import PRESERVE, new_deployment
from tests.fakes.small_bag import refresh

TITLE = '=HYPERLINK("http://bad.invalid")<script>alert(1)</script>\u202egpj.exe'
COURT = "Example Court"
GRANT = {"recipients": [COURT], "levels": ["open", "restricted", "confidential"]}
ALL = ["ar", "en", "es", "fr", "uk"]


class Holding:
    """A deployment in this process, and its items by what was written in them."""

    def __init__(self, home: Path) -> None:
        self.settings = pipeline.initialise(home)
        self.items: dict[str, str] = {}
        self.known: set[str] = set()

    def submit(self, folder: Path, organisation: str, terms: dict, *rows: dict[str, str]) -> None:
        database = open_database(self.settings.database_url)
        add_organisation(database, organisation, name=None)
        add_agreement(database, organisation, terms)
        folder.mkdir()
        for row in rows:
            (folder / row["file"]).write_text(f"the content of {row['file']}")
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = [names, *([row.get(name, "") for name in names] for row in rows)]
        quoted = ['"' + '","'.join(v.replace('"', '""') for v in line) + '"' for line in lines]
        (folder / "sheet.csv").write_text("\n".join(quoted), "utf-8")
        answer = submit(
            database, self.settings, organisation_id=organisation, sources=[str(folder / "sheet.csv")]
        )
        assert not answer.refused_count, answer
        self.items |= {row.file: row.item_id for row in answer.rows}

    def export(self, *names: str, to: Path, **options):
        request = pipeline.ExportRequest(
            item_ids=[self.items[name] for name in names],
            target=to,
            **{"recipient": COURT, "languages": ["en"], **options},
        )
        return pipeline.export_bag(self.settings, request)

    def events(self) -> list:
        table = schema.event
        query = select(table).where(table.c.event_type == "dissemination").order_by(table.c.event_id)
        with open_database(self.settings.database_url).connect() as connection:
            return list(connection.execute(query))

    def copy(self, home: Path) -> Holding:
        shutil.copytree(self.settings.home, home)
        copied = Holding(home)
        copied.items = self.items
        copied.known = {event.event_key for event in copied.events()}
        return copied

    def new_events(self) -> list:
        """Exports on record since this copy was made."""
        return [event for event in self.events() if event.event_key not in self.known]


@pytest.fixture(scope="module")
def holding(tmp_path_factory):
    """Two sealed batches of submitted files, under agreements that share differently."""
    folder = tmp_path_factory.mktemp("export")
    made = Holding(folder / "home")
    made.submit(
        folder / "open", "open-hands", {},
        {"file": "plain.txt", "title": TITLE},
        {"file": "sealed.txt", "confidentiality": "sealed"},
        {"file": "restricted.txt", "confidentiality": "restricted"},
        {"file": "telling.txt", "source": "my cousin", "shelf": "17"},
    )  # fmt: skip
    pipeline.run_until_idle(made.settings)
    made.submit(
        folder / "guarded", "guarded", {"default_confidentiality": "confidential", "sharing": [GRANT]},
        {"file": "granted.txt"},
    )  # fmt: skip
    pipeline.run_until_idle(made.settings)
    return made


@pytest.fixture(scope="module")
def bag(holding, tmp_path_factory):
    """A bag of everything that may go to the court, in every language."""
    target = tmp_path_factory.mktemp("bags") / "bag"
    holding.answer = holding.export(
        *holding.items, to=target, purpose="case 7", languages=ALL
    )  # fmt: skip
    return target


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def export_json(bag: Path) -> dict:
    return json.loads((bag / "data/export.json").read_bytes())


def verified(bag: Path, trust: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", "verify.py", ".", "--trust", str(trust)]
    return subprocess.run(command, cwd=bag, capture_output=True, text=True)


def test_the_bag_is_valid_to_an_outside_validator_and_proven_by_its_own_verifier(bag, holding):
    assert bagit.Bag(str(bag)).validate()
    checked = verified(bag, holding.settings.trust)
    # Two items are withheld: an honest gap.
    assert checked.returncode == 4, checked.stdout + checked.stderr
    assert "sealed-by-submitter" in checked.stdout


def test_the_commands_of_the_readme_run_and_accept_the_bag(bag, holding, tmp_path):
    text = (bag / "README.txt").read_text("utf-8")
    commands = "\n".join(line[4:] if line.startswith("    ") else "" for line in text.splitlines())
    assert commands.count("openssl ts -verify") >= 2
    script = f"set -eu\n{commands}\n"
    script = re.sub(r"(?m)^TRUST=.*$", f"TRUST='{holding.settings.trust}'", script)
    script = re.sub(r"(?m)^WORK=.*$", f"WORK='{tmp_path}'", script)
    script = re.sub(r"(?m)^(python3 .* verify.py .*)$", r"\1 || [ $? = 4 ]", script)

    done = subprocess.run(["bash", "-c", script], cwd=bag, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Signature Verified Successfully") == 2
    assert "rows and entries OK" in done.stdout


def test_an_act_that_somebody_leaves_out_of_a_bag_on_the_way_is_missed(bag, holding, tmp_path):
    passed_on = tmp_path / "bag"
    shutil.copytree(bag, passed_on)
    events, entries = passed_on / "data/rows/events.jsonl", passed_on / "data/log/entries.jsonl"
    gone = next(row for row in lines(events) if row["event_type"] == "capture")
    place = [entry["body"].get("event") for entry in lines(entries)].index(gone["row_sha256"])
    without_line(events, [row["event_id"] for row in lines(events)].index(gone["event_id"]))
    without_line(entries, place)
    without_line(passed_on / "data/log/inclusion.jsonl", place)
    told = export_json(passed_on)
    told["tables"]["events"] -= 1
    (passed_on / "data/export.json").write_bytes(canonical_json(told))
    refresh(passed_on)

    checked = verified(passed_on, holding.settings.trust)

    assert checked.returncode == 1
    assert re.findall("step [0-9]+, ([a-z-]+): ", checked.stdout.split("Can't be shown")[0]) == [
        "bag-signature"
    ]


def without_line(path: Path, number: int) -> None:
    kept = path.read_bytes().splitlines(keepends=True)
    del kept[number]
    path.write_bytes(b"".join(kept))


def test_without_the_log_s_key_a_bag_is_written_unsigned_and_says_so(holding, tmp_path):
    copied = holding.copy(tmp_path / "home")
    (copied.settings.keys / "log.pem").unlink()

    answer = copied.export("plain.txt", to=tmp_path / "bag")

    assert answer["is_signed"] is False
    checked = verified(tmp_path / "bag", holding.settings.trust)
    assert (checked.returncode, "bag-not-signed" in checked.stdout) == (4, True)


def test_objects_and_rows_are_those_of_the_archive(bag, holding):
    objects = lines(bag / "data/rows/objects.jsonl")

    contents = {path.read_text() for path in (bag / "data/objects").iterdir()}
    assert contents == {f"the content of {name}.txt" for name in ("plain", "telling", "granted")}
    assert {row["sha256"] for row in objects} == {p.name for p in (bag / "data/objects").iterdir()}
    counts = export_json(bag)["tables"]
    for table in MANIFEST_TABLES:
        rows = lines(bag / f"data/rows/{table.name}.jsonl")
        parquet = pq.read_table(bag / f"data/rows/{table.name}.parquet")
        digests = [row["row_sha256"] for row in rows]
        assert parquet["row_sha256"].to_pylist() == digests
        assert counts[table.name] == len(rows)


def test_what_is_withheld_is_listed_with_its_reason_and_nothing_of_it_is_there(bag, holding):
    document = export_json(bag)

    kinds = {(t["kind"], t["item_id"], t["reason"]) for t in document["withheld"]}
    assert ("item", holding.items["sealed.txt"], "sealed-by-submitter") in kinds
    assert ("item", holding.items["restricted.txt"], "level-needs-agreement") in kinds
    assert ("row", holding.items["telling.txt"], "identifies-source") in kinds
    assert document["items"] == [holding.items[f"{n}.txt"] for n in ("plain", "telling", "granted")]
    told = [path.read_bytes() for path in bag.rglob("*") if path.is_file()]
    assert not any(b"my cousin" in content for content in told)
    assert not any(b"restricted.txt" in content for content in told)
    for name in ("history", "certificate.html", "premis.xml", "rows/items.jsonl"):
        path = bag / "data" / name
        shown = "".join(map(str, path.iterdir())) if path.is_dir() else path.read_text("utf-8")
        assert holding.items["sealed.txt"] not in shown or name == "certificate.html"


def test_the_log_in_the_bag_reaches_from_the_founding_to_the_newest_checkpoint(bag, holding):
    entries = lines(bag / "data/log/entries.jsonl")
    proofs = lines(bag / "data/log/inclusion.jsonl")
    document = export_json(bag)

    assert [entry["index"] for entry in entries] == sorted(entry["index"] for entry in entries)
    assert [proof["index"] for proof in proofs] == [entry["index"] for entry in entries]
    assert entries[0]["event_type"] == "creation"
    assert {"ingestion", "packing", "timestamping", "transfer"} <= {e["event_type"] for e in entries}
    sizes = {int(path.name) for path in (bag / "data/log/checkpoints").iterdir()}
    assert max(sizes) == document["checkpoint_size"]
    assert {proof["size"] for proof in proofs} <= sizes
    for size in sizes:
        assert list((bag / f"data/log/tokens/{size:012}").glob("*.tsr"))


def test_what_the_log_says_later_of_a_token_renews_it_in_the_bag(bag, holding):
    events = lines(bag / "data/rows/events.jsonl")
    logged = {entry["body"].get("event") for entry in lines(bag / "data/log/entries.jsonl")}

    stamped = {
        json.loads(row["detail_json"])["token_key"]
        for row in events
        if row["event_type"] == "timestamping" and row["row_sha256"] in logged
    }

    newest = f"{export_json(bag)['checkpoint_size']:012}"
    tokens = {str(path.relative_to(bag / "data")) for path in bag.glob("data/log/tokens/*/*.tsr")}
    assert stamped == {key for key in tokens if newest not in key}


@pytest.mark.parametrize("language", ALL)
def test_every_item_has_a_history_in_every_language_on_screen_and_paper(bag, holding, language):
    for name in ("plain", "telling", "granted"):
        path = bag / f"data/history/{holding.items[f'{name}.txt']}.{language}.html"
        html = path.read_text("utf-8")
        assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
        assert "test-authority" in html
        assert sha256_of(f"the content of {name}.txt".encode()) in html
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF-")
    suffix = "" if language == "en" else f".{language}"
    assert (bag / f"data/certificate{suffix}.pdf").read_bytes().startswith(b"%PDF-")


def test_the_arabic_paper_is_set_in_a_font_for_arabic(bag, holding):
    pdf = (bag / f"data/history/{holding.items['plain.txt']}.ar.pdf").read_bytes()

    assert re.search(rb"/FontName\s*/[A-Z]{6}\+[A-Za-z]*(Arabic|DejaVu)", pdf)


def test_hostile_text_is_harmless_wherever_it_is_shown(bag, holding):
    html = (bag / f"data/history/{holding.items['plain.txt']}.en.html").read_text("utf-8")
    dat = (bag / "data/loadfile/loadfile.dat").read_bytes().decode("utf-8-sig")
    root = ET.parse(bag / "data/premis.xml").getroot()

    assert "<script" not in html
    assert "[U+202E]gpj.exe" in html
    assert "\u202e" not in html + dat
    assert "default-src 'none'" in html
    assert len(dat.split("\r\n")) == 1 + 3 + 1
    assert {len(line.split("\x14")) for line in dat.split("\r\n") if line} == {18}
    assert root.tag == f"{{{NAMESPACE}}}premis"


def test_the_load_file_names_every_object_where_it_lies(bag):
    dat = (bag / "data/loadfile/loadfile.dat").read_bytes()
    assert dat.startswith(b"\xef\xbb\xbf\xc3\xbeBEGDOC\xc3\xbe")
    head, *records = (
        [field[1:-1] for field in line.split("\x14")]
        for line in dat.decode("utf-8-sig").split("\r\n")[:-1]
    )
    for record in records:
        fields = dict(zip(head, record, strict=True))
        native = (bag / "data/loadfile" / fields["NATIVE"]).resolve()
        assert sha256_of(native.read_bytes()) == fields["SHA256"]


PREMIS_ORDER = {
    "premis": ["object", "event", "agent"],
    "object": ["objectIdentifier", "significantProperties", "objectCharacteristics", "originalName",
               "storage", "relationship", "linkingEventIdentifier"],
    "objectCharacteristics": ["compositionLevel", "fixity", "size", "format"],
    "event": ["eventIdentifier", "eventType", "eventDateTime", "eventDetailInformation",
              "eventOutcomeInformation", "linkingAgentIdentifier", "linkingObjectIdentifier"],
    "agent": ["agentIdentifier", "agentName", "agentType", "agentVersion"],
}  # fmt: skip
"""The order of the schema's sequences (premis-v3-0.xsd), as far as we use them."""


def test_premis_elements_stand_in_the_order_of_the_schema(bag):
    root = ET.parse(bag / "data/premis.xml").getroot()

    assert root.get("version") == "3.0"
    for name, order in PREMIS_ORDER.items():
        elements = [root] if name == "premis" else root.iter(f"{{{NAMESPACE}}}{name}")
        for element in elements:
            places = [order.index(child.tag.rpartition("}")[2]) for child in element]
            assert places == sorted(places), name
    kinds = {value for e in root for key, value in e.attrib.items() if key.endswith("}type")}
    assert kinds == {"premis:intellectualEntity", "premis:file"}


def test_the_export_is_on_record_with_the_digest_that_stands_for_the_bag(bag, holding):
    event = next(e for e in holding.events() if e.detail["export_id"] == export_json(bag)["export_id"])

    digest = sha256_of((bag / "tagmanifest-sha256.txt").read_bytes())
    assert event.outcome == "success"
    assert event.detail["tagmanifest_sha256"] == digest == holding.answer["tagmanifest_sha256"]
    assert event.detail["recipient"] == COURT
    assert event.detail["items"] == export_json(bag)["items"]
    assert event.detail["withheld_count"] == len(export_json(bag)["withheld"])
    assert event.detail["purpose_sha256"] == sha256_of(b"case 7")
    assert event.asks_for_seal


def test_an_earlier_export_is_told_to_the_next_recipient_without_naming_the_first(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    first = later.export("plain.txt", to=tmp_path / "first")["export_id"]
    pipeline.seal_ready(later.settings)
    log = CustodyLog(open_archive(later.settings), later.settings.log_origin)
    assert "dissemination" in {entry.event_type for entry in log.entries(0, log.size())}

    later.export("plain.txt", to=tmp_path / "second", recipient="The Defence")

    html = (tmp_path / f"second/data/history/{later.items['plain.txt']}.en.html").read_text()
    told = b"".join(p.read_bytes() for p in (tmp_path / "second").rglob("*") if p.is_file())
    reasons = {thing["reason"] for thing in export_json(tmp_path / "second")["withheld"]}
    assert first in html
    assert COURT.encode() not in told
    assert "names-another-recipient" in reasons
    assert verified(tmp_path / "second", later.settings.trust).returncode == 0


def test_a_place_that_is_taken_is_refused_and_left_alone(bag, holding):
    before = sorted(bag.rglob("*"))

    with pytest.raises(BadInput, match="exists"):
        holding.export("plain.txt", to=bag)

    assert sorted(bag.rglob("*")) == before


def test_nothing_is_handed_out_when_nothing_may_be(holding, tmp_path):
    recorded = len(holding.events())

    with pytest.raises(PolicyRefusal, match="sealed-by-submitter") as refused:
        holding.export("sealed.txt", "restricted.txt", to=tmp_path / "bag")

    assert refused.value.exit_code == 3
    assert not list(tmp_path.iterdir())
    assert len(holding.events()) == recorded


def test_an_item_whose_sharing_was_withdrawn_stays_here(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    item = later.items["plain.txt"]

    done = withdraw_sharing(later.settings, item, authority="letter 4")
    assert done == {"items": [item], "not_returned": []}
    assert withdraw_sharing(later.settings, item, authority="letter 4") == done
    pipeline.seal_ready(later.settings)

    with pytest.raises(PolicyRefusal, match="sharing-withdrawn"):
        later.export("plain.txt", to=tmp_path / "bag", authorised_by="decision 7")
    log = CustodyLog(open_archive(later.settings), later.settings.log_origin)
    assert "policy assignment" in {entry.event_type for entry in log.entries(0, log.size())}


def test_a_withdrawal_that_the_database_forgot_is_read_from_the_archive(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    item = later.items["plain.txt"]
    withdraw_sharing(later.settings, item, authority="letter 4")
    pipeline.seal_ready(later.settings)
    with open_database(later.settings.database_url).begin() as connection:
        mine = schema.item.c.item_id == item
        connection.execute(update(schema.item).where(mine).values(status="preserved"))

    with pytest.raises(PolicyRefusal, match="sharing-withdrawn"):
        later.export("plain.txt", to=tmp_path / "bag", authorised_by="decision 7")


def test_terms_that_are_not_those_on_record_allow_nothing(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    table = schema.agreement
    with open_database(later.settings.database_url).begin() as connection:
        connection.execute(update(table).values(terms={}))

    with pytest.raises(PolicyRefusal, match="level-needs-agreement"):
        later.export("granted.txt", to=tmp_path / "bag")


def test_a_sheet_that_is_lost_hinders_no_withdrawal_and_is_named(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    shutil.rmtree(later.settings.inbox)

    done = withdraw_sharing(later.settings, later.items["plain.txt"], authority="letter 4")

    assert done["items"] == [later.items["plain.txt"]]
    [reason] = done["not_returned"]
    assert "can't go back" in reason


def test_what_is_not_sealed_or_not_known_can_not_be_withdrawn(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    later.submit(tmp_path / "new", "late", {}, {"file": "new.txt"})
    with open_database(later.settings.database_url).begin() as connection:
        query = select(schema.item.c.submission_id).where(schema.item.c.sealed_batch_id.is_(None))
        submission = connection.execute(query).scalar_one()

    for name in (submission, "unheard-of"):
        with pytest.raises(BadInput, match=name):
            withdraw_sharing(later.settings, name, authority="letter 4")


def test_an_item_that_isnt_sealed_is_named(holding, tmp_path):
    with pytest.raises(BadInput, match="nonsense"):
        pipeline.export_bag(
            holding.settings,
            pipeline.ExportRequest(item_ids=["nonsense"], recipient=COURT, target=tmp_path / "bag"),
        )


@pytest.mark.parametrize("damaged", ["blobs", "batches", "log/tile", "log/checkpoints", "log/entries"])
def test_an_archive_that_was_tampered_with_hands_out_nothing(holding, tmp_path, damaged):
    later = holding.copy(tmp_path / "home")
    for path in (later.settings.archive / damaged).rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.chmod(0o644)
            path.write_bytes(content)

    with pytest.raises(EvidenceAtRisk):
        later.export("plain.txt", to=tmp_path / "out/bag")

    assert not list((tmp_path / "out").iterdir())
    assert "success" not in [event.outcome for event in later.new_events()]


def test_a_failure_while_writing_is_on_record_as_a_failure(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    digest = sha256_of(b"the content of plain.txt")
    blob = later.settings.archive / f"blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}"
    blob.chmod(0o644)
    blob.write_bytes(b"the content of plain.TXT")

    with pytest.raises(EvidenceAtRisk, match=digest):
        later.export("plain.txt", to=tmp_path / "out/bag")

    [event] = later.new_events()
    assert (event.outcome, event.detail["error"]) == ("failed", "EvidenceAtRisk")
    assert not list((tmp_path / "out").iterdir())


def test_an_export_killed_on_the_way_leaves_a_part_that_the_next_one_clears(holding, tmp_path):
    later = holding.copy(tmp_path / "home")
    target = tmp_path / "out/bag"
    command = [
        *(PRESERVE, "export", "bag", later.items["plain.txt"], "--recipient", COURT),
        *("--to", target, "--home", later.settings.home, "--languages", "en"),
    ]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("out/*.part/data/log/entries.jsonl")) and running.poll() is None:
        time.sleep(0.002)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not target.exists()
    assert list(target.parent.glob("bag.*.part"))

    subprocess.run(command, check=True, capture_output=True)

    assert [path.name for path in target.parent.iterdir()] == ["bag"]
    assert bagit.Bag(str(target)).validate()
    assert [event.outcome for event in later.new_events()] == ["success"]


def test_an_export_killed_after_its_record_is_put_on_record_as_interrupted(holding, tmp_path):
    from preservation.pipeline.disseminations import record_export

    later = holding.copy(tmp_path / "home")
    item = later.items["plain.txt"]
    database = open_database(later.settings.database_url)
    record_export(database, "lost-export", [item], {"recipient": COURT})
    (tmp_path / "out/bag.lost-export.part").mkdir(parents=True)

    later.export("plain.txt", to=tmp_path / "out/bag")

    assert {e.event_key: e.outcome for e in later.events() if "lost-export" in e.event_key} == {
        "export:lost-export:1": "success",
        "export:lost-export:1:undone": "interrupted",
    }
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bag"]


def test_an_encrypted_bag_opens_for_its_recipient_alone_and_was_never_on_disk_in_plain(
    holding, tmp_path
):
    identity = pyrage.x25519.Identity.generate()

    answer = holding.export(
        "granted.txt", to=tmp_path / "out/bag", encrypt_to=str(identity.to_public())
    )

    sealed = tmp_path / "out/bag.tar.age"
    assert answer["path"] == str(sealed)
    assert [path.name for path in sealed.parent.iterdir()] == ["bag.tar.age"]
    assert answer["encrypted_sha256"] == sha256_of(sealed.read_bytes())
    pyrage.decrypt_file(str(sealed), str(tmp_path / "bag.tar"), [identity])
    with tarfile.open(tmp_path / "bag.tar") as packed:
        packed.extractall(tmp_path / "in", filter="data")
    assert bagit.Bag(str(tmp_path / "in/bag")).validate()
    assert verified(tmp_path / "in/bag", holding.settings.trust).returncode == 0


def test_a_page_is_handed_over_whole_unless_its_recordings_are_kept_back(tmp_path, site):
    deployment = new_deployment(tmp_path / "home")
    deployment.preserve("submit", site.url("/"), "--organisation", "relief-watch")
    deployment.preserve("run", "--until-idle")
    sql = "SELECT item_id FROM items"

    bare, full = tmp_path / "bare", tmp_path / "full"
    common = ("export", "bag", "--query", sql, "--recipient", COURT, "--languages", "en")
    answer = deployment.json(*common, "--to", bare, "--without-recordings")
    deployment.preserve(*common, "--to", full)

    reasons = {thing["reason"] for thing in answer["withheld"]}
    assert reasons >= {"holds-session-keys", "names-our-address", "holds-withheld-records"}
    assert not (bare / "data/warc").exists()
    assert list((full / "data/warc").glob("*.warc.gz"))
    recordings = {
        row["sha256"]
        for row in lines(full / "data/rows/objects.jsonl")
        if row["role"] in {"recording", "network-log"}
    }
    assert recordings
    for sha256 in recordings:
        assert not (bare / "data/objects" / sha256).exists()
        assert (full / "data/objects" / sha256).exists()
    for bag, exit_code in ((bare, 4), (full, 0)):
        assert bagit.Bag(str(bag)).validate()
        checked = verified(bag, deployment.home / "trust")
        assert checked.returncode == exit_code, checked.stdout + checked.stderr
