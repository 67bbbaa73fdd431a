"""What an attacker can do to a bag, each repaired as far as the attacker could; each is named.

The last tests show what no check can find: they pass, and docs/verifying.md says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from preservation.custody import SigningKey, sign_note
from preservation.export import verify
from preservation.model.canonical import canonical_json
from preservation.timestamp import create_test_authority
from tests.fakes.small_archive import ORIGIN, SmallArchive
from tests.fakes.small_bag import (
    AUTHORITY,
    SmallBag,
    refresh,
    row_digest,
    sha256,
    three_batches,
    trust_of,
)


@dataclass
class Scene:
    """A sound bag on disk, the plain values that it is made of, and what the judge trusts."""

    archive: SmallArchive
    model: SmallBag
    folder: Path

    @property
    def bag(self) -> Path:
        return self.folder / "bag"

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    def write(self) -> None:
        """The bag anew, from what the attacker has made of its values."""
        shutil.rmtree(self.bag, ignore_errors=True)
        self.model.write(self.bag)

    def rules(self, *options: object, severity: str = "broken") -> set[str]:
        """Names of the rules that the verifier's findings of this severity name."""
        return {f.rule for f in self.judged(*options).findings.values() if f.severity == severity}

    def judged(self, *options: object) -> verify.Case:
        """The examination behind the exit code."""
        case = verify.Case(self.trust, bag=self.bag)
        verify.verify_bag(case, *options)
        return case

    def file(self, name: str) -> Path:
        return self.bag / "data" / name

    def edit(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change a file, and the bag's own lists with it."""
        path = self.file(name)
        path.write_bytes(change(path.read_bytes()))
        self.refresh()

    def refresh(self) -> None:
        """The bag's own lists anew, signed with the stolen key, so that finer rules must find it."""
        refresh(self.bag, self.archive.key)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> SmallArchive:
    return three_batches(tmp_path_factory.mktemp("archive") / "home")


@pytest.fixture(scope="module")
def read_once(archive) -> SmallBag:
    return SmallBag.of(archive, "item-2")


@pytest.fixture
def scene(archive, read_once, tmp_path) -> Scene:
    model = SmallBag(archive, ["item-2"])
    for name in ("entries", "batches", "rows", "objects", "warcs"):
        setattr(model, name, deepcopy(getattr(read_once, name)))
    model.founding_note, model.is_shown = read_once.founding_note, read_once.is_shown
    scene = Scene(archive, model, tmp_path)
    trust_of(archive, scene.trust)
    scene.write()
    return scene


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _thief(tmp_path: Path) -> SigningKey:
    return SigningKey.generate(tmp_path / "thief.pem", ORIGIN)


def _own_authority(tmp_path: Path):
    return create_test_authority(tmp_path / "own", tmp_path / f"{AUTHORITY}.pem")


def test_the_sound_bag_is_proven(scene):
    case = scene.judged()

    assert case.exit_code == 0
    assert {finding.rule for finding in case.findings.values()} == {"test-authority"}


# Flips, with the bag's lists refreshed.


@pytest.mark.parametrize(
    ("pattern", "rules"),
    [
        ("objects/*", {"object"}),
        ("warc/*", {"warc"}),
        ("rows/items.jsonl", {"row", "row-digest"}),
        ("rows/objects.jsonl", {"row", "row-digest"}),
        ("rows/captures.jsonl", {"row", "row-digest"}),
        ("rows/resources.jsonl", {"row", "row-digest"}),
        ("rows/submissions.jsonl", {"row", "row-digest"}),
        ("rows/events.jsonl", {"row", "row-digest"}),
        ("log/entries.jsonl", {"log-entry", "inclusion-proof"}),
        ("log/inclusion.jsonl", {"inclusion-proof"}),
        ("log/consistency.jsonl", {"consistency-proof"}),
        ("log/checkpoints/*", {"checkpoint"}),
        ("log/tokens/*/*.tsr", {"token", "token-swapped"}),
        ("log/tokens/*/*.chain.pem", {"token-swapped"}),
        ("log/tokens/*/*.crl.pem", {"token-swapped"}),
        ("seals/*", {"seal"}),
        ("export.json", {"export-json", "key-not-pinned", "row-count", "item-not-logged"}),
    ],
)
def test_a_flip_with_the_bag_s_lists_refreshed_is_found_behind_them(scene, pattern, rules):
    for path in sorted((scene.bag / "data").glob(pattern)):
        sound = path.read_bytes()
        scene.edit(path.relative_to(scene.bag / "data"), _flipped)

        assert scene.rules() & rules, path
        path.write_bytes(sound)


# Rows.


def test_a_rewritten_row_is_found_by_its_digest(scene):
    scene.model.rows["items"][0]["claimed_title"] = "another"
    scene.write()

    assert "row-digest" in scene.rules()


def test_a_rewritten_row_with_its_digest_is_found_by_the_log(scene):
    row = scene.model.rows["items"][0]
    row["claimed_title"] = "another"
    row["row_sha256"] = row_digest(row)
    scene.write()

    assert scene.rules() == {"row-not-logged", "row-missing"}


def test_a_rewritten_row_with_its_entry_is_found_by_the_tree(scene):
    scene.model.rewrite("items", claimed_title="another")
    notes = [batch.note for batch in scene.model.batches]
    scene.write()

    assert [batch.note for batch in scene.model.batches] == notes
    assert "inclusion-proof" in scene.rules()


def test_with_chain_and_tree_rebuilt_the_checkpoint_s_signature_is_false(scene, tmp_path):
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild(_thief(tmp_path), stamped=False)
    scene.write()

    assert {"checkpoint", "seal"} <= scene.rules()


def test_with_the_log_s_key_stolen_the_tokens_are_over_another_checkpoint(scene):
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild(stamped=False)
    scene.write()

    assert scene.rules() == {"token"}


def test_with_all_stamped_anew_by_the_attacker_s_authority_the_root_is_not_the_pinned_one(
    scene, tmp_path
):
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild(authority=_own_authority(tmp_path))
    scene.write()

    assert scene.rules() == {"token"}


def test_with_all_stamped_anew_today_the_tokens_do_not_attest_the_old_dates(scene):
    scene.model.rewrite("items", claimed_title="another")
    scene.model.date_back(timedelta(days=400))
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"log-time-before-token"}
    assert "time-late" in scene.rules(severity="gap")
    assert "late-token" in scene.rules(severity="note")


def test_with_all_stamped_anew_today_a_checkpoint_that_was_kept_shows_the_fork(scene):
    (scene.trust / "kept.checkpoint").write_bytes(scene.model.batches[1].note)
    assert scene.judged().exit_code == 0
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"log-forked"}


def test_a_row_that_was_never_logged_is_found(scene):
    extra = dict(scene.model.rows["resources"][0], url="http://else.invalid/")
    extra["row_sha256"] = row_digest(extra)
    scene.model.rows["resources"].append(extra)
    scene.write()

    assert scene.rules() == {"row-not-logged"}


def test_a_row_that_stands_twice_is_found(scene):
    scene.model.rows["resources"].append(scene.model.rows["resources"][0])
    scene.write()

    assert scene.rules() == {"row-not-logged"}


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("objects", {"sha512": "0" * 128}, "object"),
        ("objects", {"size_bytes": 1}, "object"),
        ("objects", {"warc_offset": 7}, "warc-record"),
        ("objects", {"warc_record_id": "<urn:uuid:0>"}, "warc-record"),
        ("captures", {"warc_sha256": "0" * 64}, "warc"),
        ("captures", {"warc_length": 1}, "warc"),
        ("captures", {"warc_sha256": None}, "warc-not-logged"),
        ("captures", {"capture_id": "other"}, "row-reference"),
        ("items", {"object_count": 3}, "row-reference"),
        ("items", {"outcome": "not-captured"}, "row-reference"),
        ("items", {"submission_id": "unheard-of"}, "row-reference"),
        ("resources", {"sha256": "1" * 64}, "row-reference"),
        ("items", {"item_id": "item-7"}, "item-not-listed"),
        ("resources", {"sha256": None}, "row-reference"),
        ("resources", {"capture_id": "other"}, "row-reference"),
        ("submissions", {"accepted_count": 0}, "row-reference"),
    ],
)
def test_a_row_that_was_logged_though_it_is_not_so_is_found(scene, table, change, rule):
    scene.model.rewrite(table, **change)
    scene.model.rebuild()
    scene.write()

    assert rule in scene.rules()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("items", {"claimed_title": "another"}),
        ("submissions", {"receipt_sha256": "1" * 64}),
        ("captures", {"egress": "another"}),
    ],
)
def test_two_rows_that_were_logged_of_one_thing_are_found(scene, table, change):
    _log_another(scene, table, scene.model.rows[table][0] | change)

    assert scene.rules() >= {"row-reference"}


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("derivations", {"derived_sha256": "1" * 64}),
        ("fingerprints", {"sha256": "1" * 64}),
        ("objects", {"capture_id": "other"}),
    ],
)
def test_a_row_about_what_no_other_row_describes_is_found(scene, table, row):
    own = {"item_id": "item-2", "schema_version": 1}
    _log_another(scene, table, (scene.model.rows[table] or [own])[-1] | row)

    assert "row-reference" in scene.rules()


def _log_another(scene: Scene, table: str, row: dict) -> None:
    """A further row of the item, which its entry names, too."""
    row["row_sha256"] = row_digest(row)
    scene.model.rows[table].append(row)
    about = scene.model.items[0] if "item_id" in row else None
    named = [e for e in scene.model.shown() if e["item"] == about and "files" not in e["body"]]
    entries = [e for e in named if "rows" in e["body"]]
    entries[-1]["body"]["rows"].setdefault(table, []).append(row["row_sha256"])
    scene.model.rebuild()
    scene.write()


# Something is left out.


def test_a_deleted_row_is_missed(scene):
    scene.model.rows["resources"].clear()
    scene.write()

    assert scene.rules() == {"row-missing"}


def test_a_deleted_object_is_missed(scene):
    next(scene.file("objects").iterdir()).unlink()
    scene.refresh()

    assert scene.rules() == {"object-missing"}


def test_a_deleted_warc_is_missed(scene):
    next(scene.file("warc").iterdir()).unlink()
    scene.refresh()

    assert scene.rules() == {"warc-missing"}


def test_a_deleted_item_is_missed(scene):
    for table, rows in scene.model.rows.items():
        scene.model.rows[table] = [row for row in rows if row.get("item_id") != "item-2"]
    scene.model.is_shown = lambda entry: entry["item"] != "item-2"
    scene.model.objects.clear()
    scene.model.warcs.clear()
    scene.write()

    assert "item-not-logged" in scene.rules()


def test_an_item_left_out_of_its_submission_is_told_not_hidden(scene):
    scene.model.rewrite("submissions", accepted_count=2)
    scene.model.rebuild()
    scene.write()

    assert "items-elsewhere" in scene.rules(severity="note")


@pytest.mark.parametrize("name", ["entries", "inclusion"])
def test_a_deleted_line_of_the_log_is_missed(scene, name):
    scene.edit(f"log/{name}.jsonl", lambda lines: b"".join(lines.splitlines(keepends=True)[:-1]))

    assert "inclusion-proof" in scene.rules()


def test_an_entry_deleted_with_its_proof_leaves_rows_that_nothing_names(scene):
    shown = scene.model.is_shown
    scene.model.is_shown = lambda entry: shown(entry) and "ingestion" not in entry["event_key"]
    scene.write()

    assert {"row-not-logged", "item-not-logged"} <= scene.rules()


def test_a_dropped_tail_is_missed(scene):
    newest = scene.model.batches[-1].end
    scene.file(f"log/checkpoints/{newest:012}").unlink()
    scene.refresh()

    assert "checkpoint" in scene.rules()


def _end_earlier(scene: Scene) -> None:
    """The bag as it was before the last batch, in the hands of somebody who kept the newest checkpoint."""
    newest = scene.model.batches.pop()
    (scene.trust / "kept.checkpoint").write_bytes(newest.note)
    del scene.model.entries[newest.start :]
    shown = {row["row_sha256"] for row in scene.model.rows["events"]}
    shown &= {entry["body"].get("event") for entry in scene.model.entries}
    rows = [row for row in scene.model.rows["events"] if row["row_sha256"] in shown]
    scene.model.rows["events"] = rows
    scene.write()


def test_a_tail_dropped_with_all_that_tells_of_it_is_an_older_bag_and_a_kept_checkpoint_says_so(scene):
    _end_earlier(scene)

    assert scene.judged().exit_code == 4
    assert scene.rules(severity="gap") == {"remembered-later"}


def test_a_later_bag_s_proofs_join_an_older_bag_to_a_checkpoint_that_was_kept(scene):
    growth = scene.file("log/consistency.jsonl").read_bytes()
    _end_earlier(scene)
    (scene.trust / "later.consistency.jsonl").write_bytes(growth)

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (0, set())


def test_a_log_rewritten_shorter_than_the_checkpoint_that_was_kept_is_not_called_proven(scene):
    growth = scene.file("log/consistency.jsonl").read_bytes()
    _end_earlier(scene)
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild()
    scene.write()

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"remembered-later"})
    (scene.trust / "later.consistency.jsonl").write_bytes(growth)
    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"remembered-later"})


@pytest.mark.parametrize(
    "content", [b"{}\n", b"[]", b"\xff", b'{"new_size":9,"old_size":-1,"proof":[]}\n']
)
def test_proofs_that_can_not_be_read_refute_nothing(scene, content):
    (scene.trust / "later.consistency.jsonl").write_bytes(content)

    assert (scene.rules(), scene.rules(severity="gap")) == (set(), {"trust-unreadable"})


@pytest.mark.parametrize("ending", [".tsr", ".chain.pem", ".crl.pem"])
def test_a_removed_token_is_missed(scene, ending):
    for path in (scene.bag / "data/log/tokens").glob(f"*/*{ending}"):
        path.unlink()
    scene.refresh()

    assert "token-missing" in scene.rules()


def test_a_removed_seal_leaves_the_item_unsealed(scene):
    scene.file("seals/batch-0002.json").unlink()
    scene.refresh()

    assert scene.rules() == set()
    assert "seal-missing" in scene.rules(severity="gap")


def test_what_is_withheld_with_a_reason_is_an_honest_gap(scene):
    sha = next(iter(scene.model.objects))
    del scene.model.objects[sha]
    scene.model.withheld = [_withheld("object", sha)]
    scene.write()

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"withheld"})


def test_a_row_withheld_with_a_reason_is_an_honest_gap(scene):
    [row] = scene.model.rows["resources"]
    scene.model.rows["resources"] = []
    scene.model.withheld = [_withheld("row", row["row_sha256"], "resources", "item-2")]
    scene.write()

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"withheld"})


@pytest.mark.parametrize(
    ("withheld", "rule"),
    [
        (("row", "0" * 64, "resources", "item-2"), "withheld-not-logged"),
        (("object", "0" * 64), "withheld-object-not-logged"),
        (("warc", "capture-9"), "withheld-warc-not-logged"),
    ],
)
def test_what_was_never_there_can_not_be_called_withheld(scene, withheld, rule):
    scene.model.withheld = [_withheld(*withheld)]
    scene.write()

    assert scene.rules() == {rule}


def test_an_item_of_the_bag_can_not_be_called_withheld_to_leave_out_its_rows(scene):
    scene.model.rows["resources"].clear()
    scene.model.withheld = [_withheld("item", "item-2")]
    scene.write()

    assert scene.rules() == {"item-not-listed"}


@pytest.mark.parametrize(("kind", "severity"), [("capture", "gap"), ("dissemination", "note")])
def test_an_event_is_withheld_in_silence_only_if_it_is_about_another_recipient(scene, kind, severity):
    number = next(n for n, r in enumerate(scene.model.rows["events"]) if r["event_type"] == "capture")
    entry = next(
        e
        for e in scene.model.entries
        if e["event_key"] == scene.model.rows["events"][number]["event_id"]
    )
    entry["event_type"] = kind
    scene.model.rewrite("events", number, event_type=kind)
    scene.model.rebuild()
    row = scene.model.rows["events"].pop(number)
    scene.model.withheld = [_withheld("row", row["row_sha256"], "events", "item-2")]
    scene.write()

    assert scene.rules() == set()
    assert "withheld-event" in scene.rules(severity=severity)


@pytest.mark.parametrize("table", ["protected", "events"])
def test_an_object_is_not_withheld_more_quietly_under_another_table_s_name(scene, table):
    sha = next(iter(scene.model.objects))
    del scene.model.objects[sha]
    scene.model.withheld = [_withheld("object", sha, table)]
    scene.write()

    assert scene.rules(severity="gap") == {"withheld"}


def _withheld(kind, subject, table=None, item=None) -> dict:
    return {"kind": kind, "subject": subject, "table": table, "item_id": item, "reason": "asked-for"}


# What a bag passed on may lack, or tell otherwise, by the hand of somebody without the log's key.


def _without_an_event(model: SmallBag) -> None:
    """An act is left out with its row, entry and proof, and the count of rows put right."""
    row = model.rows["events"].pop(0)
    shown = model.is_shown
    model.is_shown = lambda entry: shown(entry) and entry["body"].get("event") != row["row_sha256"]


def _passed_on(scene: Scene, change: Callable[[SmallBag], None]) -> None:
    """The bag as somebody made it of what the archive wrote and signed."""
    signed = (scene.bag / "signature.txt").read_bytes()
    change(scene.model)
    scene.write()
    (scene.bag / "signature.txt").write_bytes(signed)


@pytest.mark.parametrize(
    "change",
    [
        _without_an_event,
        lambda model: model.withheld.append(_withheld("item", "item-3")),
        lambda model: setattr(model, "recipient", "the other side"),
    ],
    ids=["an-act-left-out", "another-item-called-withheld", "another-recipient"],
)
def test_what_was_left_out_or_told_otherwise_on_the_way_is_found(scene, change):
    _passed_on(scene, change)

    assert scene.rules() == {"bag-signature"}


@pytest.mark.parametrize(
    "name",
    [
        "data/history/item.en.html",
        "data/rows/items.parquet",
        "data/loadfile/loadfile.dat",
        "data/premis.xml",
        "README.txt",
        "bag-info.txt",
        "verify.py",
    ],
)
def test_what_is_there_to_be_read_can_not_be_changed_on_the_way(scene, name):
    path = scene.bag / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"another story\n")
    if name == "bag-info.txt":
        payload = [p.stat().st_size for p in (scene.bag / "data").rglob("*") if p.is_file()]
        path.write_text(f"Source-Organization: another\nPayload-Oxum: {sum(payload)}.{len(payload)}\n")
        _list_tags(scene.bag)
    else:
        refresh(scene.bag)

    assert scene.rules() == {"bag-signature"}


def _list_tags(bag: Path) -> None:
    for algorithm in ("sha256", "sha512"):
        path = bag / f"tagmanifest-{algorithm}.txt"
        names = [line.split("  ")[1] for line in path.read_text().splitlines()]
        digests = {name: hashlib.new(algorithm, (bag / name).read_bytes()) for name in names}
        path.write_text("".join(f"{digests[name].hexdigest()}  {name}\n" for name in names))


@pytest.mark.parametrize("kept", [b"", b"preservation-bag/v1\n", b"\n\n"])
def test_garbage_is_no_signature_over_a_bag(scene, kept):
    (scene.bag / "signature.txt").write_bytes(kept)

    assert scene.rules() == {"bag-signature"}


def test_a_bag_signed_by_somebody_else_or_by_nobody_is_found(scene, tmp_path):
    refresh(scene.bag, _thief(tmp_path))
    assert scene.rules() == {"bag-signature"}

    (scene.bag / "signature.txt").unlink()
    assert (scene.rules(), scene.rules(severity="gap")) == (set(), {"bag-not-signed"})


def test_a_checkpoint_is_no_signature_over_a_bag(scene):
    (scene.bag / "signature.txt").write_bytes(scene.model.batches[-1].note)

    assert scene.rules() == {"bag-signature"}


# Order and time.


def test_reordered_entries_are_found(scene):
    def swapped(lines: bytes) -> bytes:
        first, second, *rest = lines.splitlines(keepends=True)
        return b"".join([second, first, *rest])

    scene.edit("log/entries.jsonl", swapped)

    assert {"log-order", "inclusion-proof"} <= scene.rules()


def test_a_broken_chain_is_found_under_a_valid_signature(scene):
    model = scene.model
    model.rebuild()
    model._chain = lambda start, end: None
    second = model.batches[1]
    model.entries[second.end - 1]["previous_leaf_hash"] = "0" * 64
    model.rebuild()
    scene.write()

    assert "log-chain" in scene.rules()


def test_a_back_dated_entry_is_found(scene):
    batch = scene.model.batches[1]
    for entry in scene.model.entries[batch.end - 1 : batch.end]:
        entry["at"] = entry["event_at"] = "2020-01-01T00:00:00.000000Z"
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"log-time-runs-back"}


def test_an_event_after_its_entry_is_found(scene):
    batch = scene.model.batches[1]
    scene.model.entries[batch.end - 1]["event_at"] = "2090-01-01T00:00:00.000000Z"
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"event-after-its-entry"}


def test_a_fast_clock_is_found_by_the_tokens(scene):
    scene.model.date_back(-timedelta(hours=2))
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"log-time-after-token"}


def test_a_slow_clock_is_found_by_the_tokens(scene):
    scene.model.date_back(timedelta(hours=2))
    scene.model.rebuild()
    scene.write()

    assert scene.rules() == {"log-time-before-token"}
    assert "late-token" in scene.rules(severity="note")


def test_a_late_token_can_not_be_called_on_time(scene):
    scene.model.date_back(timedelta(hours=2))
    for batch in scene.model.batches:
        batch.seal["timestamps"][0]["is_late"] = False
    scene.model.rebuild()
    scene.write()

    assert "late-token-hidden" in scene.rules()


# Tokens.


def test_swapped_tokens_are_found(scene):
    first, second = sorted((scene.bag / "data/log/tokens").glob("*/*.tsr"))[:2]
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)
    scene.refresh()

    assert {"token", "token-swapped"} <= scene.rules()


def test_swapped_tokens_are_found_even_if_the_thief_of_the_log_s_key_seals_them(scene):
    first, second = scene.model.batches[:2]
    [key] = [key for key in second.tokens if key.endswith(".tsr")]
    [other] = [content for key, content in first.tokens.items() if key.endswith(".tsr")]
    second.tokens[key] = other
    scene.model._seal(second, scene.archive.key)
    scene.write()

    assert "token" in scene.rules()


def test_a_token_of_an_authority_that_is_not_trusted_here_is_a_gap(scene):
    (scene.trust / f"{AUTHORITY}.pem").unlink()

    assert scene.rules() == set()
    assert {"no-trusted-roots", "no-upper-bound"} <= scene.rules(severity="gap")


def test_roots_without_a_certificate_are_a_gap_and_refute_no_token(scene):
    (scene.trust / f"{AUTHORITY}.pem").write_text("not a certificate\n")

    assert scene.rules() == set()
    assert "no-trusted-roots" in scene.rules(severity="gap")


def test_a_test_authority_can_not_be_passed_off_as_a_real_one(scene):
    for batch in scene.model.batches:
        batch.seal["timestamps"][0]["is_test_authority"] = False
    scene.model.rebuild(stamped=False)
    scene.write()

    assert scene.rules() == {"test-authority-hidden"}


def test_a_pending_time_stamp_is_an_honest_gap(scene):
    batch = scene.model.batches[1]
    batch.tokens.clear()
    pending = {"status": "pending", "token_key": None, "detail": "no answer"}
    batch.seal["timestamps"][0] |= pending
    batch.seal["status"] = "pending"
    scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert (scene.judged().exit_code, scene.rules()) == (4, set())
    assert "time-stamp-pending" in scene.rules(severity="gap")


def test_a_seal_that_calls_too_few_tokens_a_quorum_is_found(scene):
    for batch in scene.model.batches:
        batch.seal["time_quorum"] = 2
        scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert scene.rules() == {"seal-status"}
    assert "time-quorum" in scene.rules(severity="gap")


def test_an_authority_does_not_count_twice(scene):
    for batch in scene.model.batches:
        batch.seal.update(timestamps=batch.seal["timestamps"] * 2, time_quorum=2, status="sealed")
        scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert scene.rules() == {"seal"}


def test_a_token_under_another_authority_s_name_is_no_second_one_though_they_share_a_root(scene):
    shutil.copy(scene.trust / f"{AUTHORITY}.pem", scene.trust / "another.pem")
    for batch in scene.model.batches:
        [stamp] = batch.seal["timestamps"]
        other = json.loads(json.dumps(stamp).replace(AUTHORITY, "another"))
        batch.tokens |= {key.replace(AUTHORITY, "another"): c for key, c in batch.tokens.items()}
        batch.seal.update(timestamps=[stamp, other], time_quorum=2)
        scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"time-quorum"})


@pytest.mark.parametrize("quorum", [0, None, "1", True])
def test_a_seal_that_asks_for_no_token_is_found(scene, quorum):
    for batch in scene.model.batches:
        batch.seal["time_quorum"] = quorum
        scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert "seal" in scene.rules()


def _list(scene: Scene, reason: x509.ReasonFlags | None, at: datetime, key=None) -> bytes:
    """A revocation list in the name of the authority's issuer, with its signer's certificate on it."""
    folder = Path(scene.archive.authority.url.removeprefix("test:"))
    signer = x509.load_pem_x509_certificate((folder / "signer.pem").read_bytes())
    entry = x509.RevokedCertificateBuilder().serial_number(signer.serial_number).revocation_date(at)
    if reason is not None:
        entry = entry.add_extension(x509.CRLReason(reason), critical=False)
    now = datetime.now(UTC)
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.issuer)
        .last_update(now)
        .next_update(now + timedelta(days=1))
        .add_revoked_certificate(entry.build())
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reason", "at", "rules"),
    [
        (x509.ReasonFlags.key_compromise, LATER, {"token"}),
        (None, LATER, {"token"}),
        (x509.ReasonFlags.superseded, LONG_AGO, {"token"}),
        (x509.ReasonFlags.superseded, LATER, set()),
    ],
)
def test_a_certificate_that_was_revoked_takes_its_tokens_along(scene, reason, at, rules):
    (scene.trust / f"{AUTHORITY}.crl.pem").write_bytes(_list(scene, reason, at))

    assert scene.rules() == rules
    assert rules or "token-revoked" in scene.rules(severity="note")


def test_a_revocation_list_that_its_issuer_did_not_sign_counts_for_nothing(scene):
    forged = _list(scene, None, LONG_AGO)
    for batch in scene.model.batches:
        [key] = [key for key in batch.tokens if key.endswith(".crl.pem")]
        batch.tokens[key] = forged
        scene.model._seal(batch, scene.archive.key)
    scene.write()

    assert scene.rules() == set()
    assert scene.rules(severity="gap") == {"revocation-unknown"}


# The log forks, or changes its key.


def test_a_fork_within_the_bag_is_found(scene):
    first = scene.model.batches[0]
    fork = f"{ORIGIN}\n{first.end}\n{'A' * 43}=\n".encode()
    scene.file(f"log/checkpoints/{first.end:012}").write_bytes(sign_note(fork, scene.archive.key))
    scene.refresh()

    assert {"consistency-proof", "inclusion-proof"} <= scene.rules()


@pytest.fixture
def rotated(scene, tmp_path) -> Scene:
    """The same log, that handed over to another key before its last batch."""
    scene.model.rotate(SigningKey.generate(tmp_path / "new.pem", ORIGIN))
    scene.model.rebuild()
    scene.write()
    return scene


def test_a_handover_is_followed_from_either_key(rotated):
    [(_, new)] = rotated.model.rotations

    assert rotated.judged().exit_code == 0
    (rotated.trust / "log.vkey").write_text(f"# the new one\n\n{new.public}\n")
    assert rotated.judged().exit_code == 0
    (rotated.trust / "log.vkey").write_text(f"{rotated.archive.key.public}\n{new.public}\n")
    assert rotated.judged().exit_code == 0


@pytest.mark.parametrize("name", ["old_signature", "new_signature", "old_public_key"])
def test_a_handover_that_one_of_both_did_not_sign_is_found(rotated, tmp_path, name):
    [(index, _)] = rotated.model.rotations
    body = rotated.model.entries[index]["body"]
    other = {"old_public_key": str(_thief(tmp_path).public)}
    body[name] = other.get(name, body["old_signature" if name[0] == "n" else "new_signature"])
    rotated.model.rebuild()
    rotated.write()

    assert "key-rotation" in rotated.rules()


def test_the_old_key_signs_nothing_after_the_handover(rotated):
    last = rotated.model.batches[-1]
    last.note = rotated.model._note(last.end, rotated.archive.key)
    rotated.write()

    assert "checkpoint" in rotated.rules()


def test_a_hidden_handover_is_found(rotated):
    shown = rotated.model.is_shown
    rotated.model.is_shown = lambda entry: shown(entry) and entry["event_type"] != "key rotation"
    rotated.write()

    assert "checkpoint" in rotated.rules()


def test_a_hidden_handover_is_found_though_both_keys_are_pinned(rotated):
    [(_, new)] = rotated.model.rotations
    (rotated.trust / "log.vkey").write_text(f"{rotated.archive.key.public}\n{new.public}\n")
    shown = rotated.model.is_shown
    rotated.model.is_shown = lambda entry: shown(entry) and entry["event_type"] != "key rotation"
    rotated.write()

    assert "checkpoint" in rotated.rules()


def test_a_log_that_goes_on_under_a_key_given_up_is_not_called_proven(scene, tmp_path):
    new = SigningKey.generate(tmp_path / "new.pem", ORIGIN)
    (scene.trust / "log.vkey").write_text(f"{scene.archive.key.public}\n{new.public}\n")
    scene.model.rewrite("items", claimed_title="another")
    receipt = _receipt(scene)
    proof = tmp_path / "proof.json"
    proof.write_bytes(canonical_json(scene.model.proof_of_receipt(receipt, "submission-2")))

    assert (scene.judged().exit_code, scene.rules(severity="gap")) == (4, {"key-not-reached"})
    assert "key-not-reached" in {finding.rule for finding in _alone(scene, proof).findings.values()}


def test_a_bag_from_before_a_handover_is_proven_by_a_later_checkpoint_that_was_kept(rotated):
    growth = rotated.file("log/consistency.jsonl").read_bytes()
    [(index, new)] = rotated.model.rotations
    (rotated.trust / "log.vkey").write_text(f"{rotated.archive.key.public}\n{new.public}\n")
    rotated.model.rotations.clear()
    del rotated.model.entries[index:]
    _end_earlier(rotated)
    assert rotated.rules(severity="gap") == {"key-not-reached", "remembered-later"}

    (rotated.trust / "later.consistency.jsonl").write_bytes(growth)

    assert (rotated.judged().exit_code, rotated.rules(severity="gap")) == (0, set())


def test_another_log_s_key_is_no_key_of_this_log(scene, tmp_path):
    (scene.trust / "log.vkey").write_text(f"{_thief(tmp_path).public}\n")

    assert {"key-not-pinned", "checkpoint"} <= scene.rules()


# Files that don't belong.


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("data/evidence.txt", "unexpected-file"),
        ("data/objects/" + "0" * 64, "object-not-logged"),
        ("data/warc/capture-9.warc.gz", "warc-not-logged"),
        ("data/rows/clusters.jsonl", "row-count"),
        ("data/seals/batch-0009.json", "seal"),
        ("data/log/checkpoints/000000000099", "checkpoint"),
        ("data/log/checkpoints/99", "unexpected-file"),
        ("fetch.txt", "unexpected-file"),
        ("manifest-md5.txt", "unexpected-file"),
        ("data/objects/..", None),
        ("data/\x1b[2Jx", "unsafe-name"),
        ("data/log/Entries.jsonl", "name-collision"),
    ],
)
def test_an_added_file_is_found_though_the_bag_s_lists_name_it(scene, name, rule):
    if rule is not None:
        (scene.bag / name).write_bytes(b"added\n")
        scene.refresh()

        assert rule in scene.rules()


def test_a_file_that_is_not_listed_is_found(scene):
    scene.file("rows/notes.jsonl").write_bytes(b"")

    assert {"file-not-listed", "payload-oxum"} <= scene.rules()


def test_a_link_to_the_very_same_bytes_is_found(scene, tmp_path):
    for path in (scene.file("export.json"), next(scene.file("objects").iterdir())):
        elsewhere = tmp_path / path.name
        shutil.move(path, elsewhere)
        path.symlink_to(elsewhere)

        assert "not-a-plain-file" in scene.rules()


def test_a_linked_folder_is_found_and_a_ring_of_links_does_not_hang(scene, tmp_path):
    shutil.move(scene.file("objects"), tmp_path / "objects")
    scene.file("objects").symlink_to(tmp_path / "objects")
    scene.file("ring").symlink_to(scene.bag)

    assert {"not-a-plain-file", "object-missing"} <= scene.rules()


def test_a_list_that_leads_out_of_the_bag_is_never_followed(scene, tmp_path):
    (tmp_path / "outside").write_bytes(b"outside")
    for algorithm in ("sha256", "sha512"):
        with (scene.bag / f"manifest-{algorithm}.txt").open("a") as lines:
            lines.write(f"{'0' * 64}  data/../../outside\n")
            lines.write(f"{'0' * 64}  /etc/hostname\n")

    case = scene.judged()

    missing = {f.subject for f in case.findings.values() if f.rule == "file-missing"}
    assert missing == {"data/../../outside", "/etc/hostname"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("export.json", "export-json"),
        ("rows/items.jsonl", "row"),
        ("log/entries.jsonl", "log-entry"),
        ("log/inclusion.jsonl", "inclusion-proof"),
        ("log/consistency.jsonl", "consistency-proof"),
        ("seals/batch-0002.json", "seal"),
    ],
)
def test_a_key_that_stands_twice_is_found(scene, name, rule):
    scene.edit(name, lambda content: b'{"a":1,"a":2,' + content[1:])

    assert rule in scene.rules()


# Witnesses and receipts.


def _receipt(scene: Scene) -> dict:
    """A receipt, and a log whose submission's row names it."""
    receipt = {
        "receipt_id": "receipt-2",
        "submission_id": "submission-2",
        "items": [{"item_id": "item-2", "row": 1, "url": "http://site.invalid/"}],
    }
    scene.model.rewrite("submissions", receipt_sha256=sha256(canonical_json(receipt)))
    scene.model.rebuild()
    scene.write()
    return receipt


@pytest.fixture
def receipt(scene, tmp_path) -> Path:
    """The folder of a submitter: receipt, signature, proof."""
    document = _receipt(scene)
    key = SigningKey.generate(tmp_path / "receipt.pem", "receipts")
    folder = tmp_path / "returned"
    folder.mkdir()
    (folder / "receipt.json").write_bytes(canonical_json(document))
    (folder / "receipt.sig").write_bytes(key.sign(canonical_json(document)))
    (folder / "proof.json").write_bytes(
        canonical_json(scene.model.proof_of_receipt(document, "submission-2"))
    )
    (scene.trust / "receipt.pub.pem").write_text(key.public.pem)
    return folder


def _alone(scene: Scene, path: Path) -> verify.Case:
    case = verify.Case(scene.trust)
    verify.verify_receipt(case, path)
    return case


@pytest.mark.parametrize("name", ["proof.json", "receipt.json"])
def test_a_receipt_is_proven_without_a_bag_and_beside_one(scene, receipt, name):
    assert _alone(scene, receipt / name).exit_code == 0
    assert scene.judged(receipt / name).exit_code == 0


def test_a_receipt_that_was_changed_is_found(scene, receipt):
    path = receipt / "receipt.json"
    path.write_bytes(path.read_bytes().replace(b"site.invalid", b"else.invalid"))

    assert "receipt" in scene.rules(path)
    assert "broken" in {f.severity for f in _alone(scene, path).findings.values()}


def test_a_receipt_without_its_proof_is_an_honest_gap(scene, receipt):
    (receipt / "proof.json").unlink()

    case = _alone(scene, receipt / "receipt.json")

    assert (case.exit_code, [f.rule for f in case.findings.values()]) == (4, ["receipt-not-logged"])


def _pipe_at(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _silent(proof: dict) -> None:
    """It says nothing of the receipt's one item."""
    proof["rows"] = [entry for entry in proof["rows"] if entry["table"] != "items"]


@pytest.mark.parametrize("change", [lambda proof: None, _silent], ids=["whole", "silent"])
@pytest.mark.parametrize(
    "lose",
    [Path.unlink, lambda path: path.rename(path.with_name("mine.json")), _pipe_at],
    ids=["gone", "renamed", "a-pipe"],
)
def test_a_proof_without_its_receipt_is_not_called_proven(scene, receipt, lose, change):
    path = receipt / "proof.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(canonical_json(document))
    lose(receipt / "receipt.json")

    for case in (_alone(scene, path), scene.judged(path)):
        assert case.exit_code == 4
        assert "receipt-missing" in {finding.rule for finding in case.findings.values()}


def test_a_receipt_whose_signature_was_lost_is_an_honest_gap(scene, receipt):
    (receipt / "receipt.sig").unlink()

    case = _alone(scene, receipt / "receipt.json")

    assert (case.exit_code, case.severities["gap", "receipt-not-signed"]) == (4, 1)
    assert case.counts["receipt entries"] == 2


@pytest.mark.parametrize(
    "pinned",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nMCow",
        b"-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----\n",
        b"\x30\x2a",
    ],
    ids=["empty", "half", "garbage", "der"],
)
def test_a_key_of_receipts_that_can_not_be_read_refutes_nothing(scene, receipt, pinned):
    (scene.trust / "receipt.pub.pem").write_bytes(pinned)

    case = _alone(scene, receipt / "receipt.json")

    assert (case.exit_code, case.severities["gap", "receipt-key-missing"]) == (4, 1)


def test_a_key_of_receipts_is_read_behind_a_word_about_it(scene, receipt):
    pinned = scene.trust / "receipt.pub.pem"
    pinned.write_bytes(b"The key of receipts:\r\n" + pinned.read_bytes().replace(b"\n", b"\r\n"))

    assert _alone(scene, receipt / "receipt.json").exit_code == 0


def test_a_proof_without_the_key_of_receipts_is_an_honest_gap(scene, receipt):
    (scene.trust / "receipt.pub.pem").unlink()

    assert _alone(scene, receipt / "proof.json").exit_code == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof["rows"][0]["row"].update(accepted_count=9),
        lambda proof: proof["rows"].clear(),
        lambda proof: proof["entries"].clear(),
        lambda proof: proof["entries"][0]["proof"].reverse(),
        lambda proof: proof.update(receipt_sha256="0" * 64),
        lambda proof: proof["checkpoints"][0].update(note=proof["checkpoints"][0]["note"].swapcase()),
        lambda proof: proof["tokens"][0].update(token="AAAA"),
        lambda proof: proof["tokens"][0].update(authority="../../x"),
        lambda proof: proof.update(consistency=[{"old_size": 1, "new_size": 2, "proof": []}]),
        lambda proof: proof.update(rows=7),
    ],
)
def test_a_proof_that_was_changed_is_found(scene, receipt, change):
    path = receipt / "proof.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(canonical_json(document))

    assert _alone(scene, path).exit_code == 1


def test_a_log_rewritten_by_all_keys_is_found_by_a_receipt(scene, receipt):
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild()
    scene.write()

    assert scene.rules(receipt / "proof.json") == {"receipt-fork"}


def test_an_item_that_the_proof_keeps_silent_about_is_found(scene, receipt):
    path = receipt / "proof.json"
    document = json.loads(path.read_bytes())
    document["rows"] = [entry for entry in document["rows"] if entry["table"] != "items"]
    path.write_bytes(canonical_json(document))

    case = _alone(scene, path)

    assert (case.exit_code, {f.rule for f in case.findings.values() if f.severity == "broken"}) == (
        1,
        {"receipt-not-logged"},
    )


def _proof_of_a_rewritten_log(scene, receipt: Path) -> Path:
    """Rewrite the log with all its keys, and the receipt's proof by it."""
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild()
    document = json.loads((receipt / "receipt.json").read_bytes())
    forged = scene.model.proof_of_receipt(document, "submission-2")
    (receipt / "proof.json").write_bytes(canonical_json(forged))
    return receipt / "proof.json"


def test_a_log_that_was_kept_refutes_a_receipt_of_another(scene, receipt, tmp_path):
    (scene.trust / "kept.checkpoint").write_bytes(scene.model.batches[-1].note)
    case = _alone(scene, _proof_of_a_rewritten_log(scene, receipt))

    assert {f.rule for f in case.findings.values() if f.severity == "broken"} == {"receipt-fork"}


def test_a_receipt_of_a_log_rewritten_to_another_size_than_was_kept_is_not_called_proven(
    scene, receipt
):
    growth = scene.file("log/consistency.jsonl").read_bytes()
    older = scene.model.batches[1].note
    (scene.trust / "kept.checkpoint").write_bytes(older)

    assert _alone(scene, receipt / "proof.json").exit_code == 4
    (scene.trust / "a.consistency.jsonl").write_bytes(growth)
    assert _alone(scene, receipt / "proof.json").exit_code == 0

    case = _alone(scene, _proof_of_a_rewritten_log(scene, receipt))

    gaps = {f.rule for f in case.findings.values() if f.severity == "gap"}
    assert (case.exit_code, gaps) == (4, {"remembered-checkpoint"})


def test_a_receipt_s_token_that_was_revoked_or_expired_is_not_taken_as_proof(scene, receipt):
    later = verify.Case(scene.trust, verify.moment("2090-01-01"))
    verify.verify_receipt(later, receipt / "proof.json")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    (scene.trust / f"{AUTHORITY}.crl.pem").write_bytes(
        _list(scene, x509.ReasonFlags.key_compromise, at)
    )

    assert (later.exit_code, "token-expired" in {f.rule for f in later.findings.values()}) == (4, True)
    assert _alone(scene, receipt / "proof.json").exit_code == 1


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("items", {"submitted_url": "http://else.invalid/"}, "receipt"),
        ("items", {"row_number": 7}, "receipt"),
        ("items", {"submission_id": "another"}, "receipt"),
        ("items", {"item_id": "item-9"}, "receipt-not-logged"),
    ],
)
def test_an_item_that_was_logged_otherwise_than_promised_is_found(scene, receipt, table, change, rule):
    scene.model.rewrite(table, **change)
    scene.model.rebuild()
    document = json.loads((receipt / "receipt.json").read_bytes())
    proof = scene.model.proof_of_receipt(document, "submission-2")
    proof["rows"] = [
        {"table": name, "row": row}
        for name in ("submissions", "items")
        for row in scene.model.rows[name]
    ]
    (receipt / "proof.json").write_bytes(canonical_json(proof))

    assert rule in {f.rule for f in _alone(scene, receipt / "proof.json").findings.values()}


def test_a_file_that_was_preserved_otherwise_than_received_is_found_beside_a_bag(scene, receipt):
    document = json.loads((receipt / "receipt.json").read_bytes())
    document["items"][0]["sha256"] = "1" * 64
    scene.model.rewrite("submissions", receipt_sha256=sha256(canonical_json(document)))
    scene.model.rebuild()
    scene.write()
    (receipt / "receipt.json").write_bytes(canonical_json(document))
    proof = scene.model.proof_of_receipt(document, "submission-2")
    (receipt / "proof.json").write_bytes(canonical_json(proof))

    found = scene.judged(receipt / "proof.json").findings
    assert "1" * 64 in found["receipt", "item-2, file"].expected


@pytest.mark.parametrize(
    ("by", "rule"),
    [(timedelta(hours=-1), "log-time-after-token"), (timedelta(0), "time-stamp-pending")],
)
def test_a_receipt_s_token_is_over_its_entries_and_not_older(scene, receipt, by, rule):
    scene.model.date_back(by)
    scene.model.rebuild()
    document = json.loads((receipt / "receipt.json").read_bytes())
    proof = scene.model.proof_of_receipt(document, "submission-2")
    proof["tokens"] = proof["tokens"] if by else []
    (receipt / "proof.json").write_bytes(canonical_json(proof))

    assert rule in {f.rule for f in _alone(scene, receipt / "proof.json").findings.values()}


def test_items_that_wait_are_told(scene, receipt):
    path = receipt / "proof.json"
    document = json.loads(path.read_bytes()) | {"pending": [{"item_id": "item-9", "row": 2}]}
    path.write_bytes(canonical_json(document))

    case = _alone(scene, path)

    assert (case.exit_code, [f.rule for f in case.findings.values() if f.severity == "gap"]) == (
        4,
        ["receipt-pending"],
    )


def test_witnesses_that_are_pinned_must_have_seen_the_newest_checkpoint(scene, tmp_path):
    witness = verify.Key("witness.invalid", verify.WITNESS_KEY, _raw_key(tmp_path))
    (scene.trust / "witnesses.vkey").write_text(f"{witness.text}\n")

    assert scene.rules(severity="gap") == {"witness-missing"}
    for batch in scene.model.batches:
        batch.note += _cosigned(batch.note, witness, tmp_path)
    scene.model._note = lambda size, key: next(b.note for b in scene.model.batches if b.end == size)
    for batch in scene.model.batches:
        scene.model._stamp(batch, scene.archive.authority)
        scene.model._seal(batch, scene.archive.key)
    scene.write()
    case = scene.judged()
    assert not [f for f in case.findings.values() if f.rule.startswith("witness")]
    assert "seen by witness witness.invalid at 2026-01-02T" in verify.as_text(case)


def test_a_false_cosignature_of_a_pinned_witness_is_found(scene, tmp_path):
    witness = verify.Key("witness.invalid", verify.WITNESS_KEY, _raw_key(tmp_path))
    (scene.trust / "witnesses.vkey").write_text(f"{witness.text}\n")
    last = scene.model.batches[-1]
    last.note += _cosigned(b"other\n\n", witness, tmp_path)
    scene.write()

    assert "witness-signature" in scene.rules()


def _raw_key(tmp_path: Path) -> bytes:
    return SigningKey.generate(tmp_path / "witness.pem", "w").public.raw


def _cosigned(note: bytes, witness: verify.Key, tmp_path: Path) -> bytes:
    """c2sp.org/tlog-cosignature."""
    import base64

    seconds = 1_767_322_800
    text = note.rpartition(b"\n\n")[0] + b"\n"
    key = SigningKey.load(tmp_path / "witness.pem")
    signature = key.sign(b"cosignature/v1\ntime %d\n" % seconds + text)
    blob = witness.id + seconds.to_bytes(8, "big") + signature
    return f"— {witness.name} {base64.b64encode(blob).decode()}\n".encode()


# Judged at another time.


def _judged_at(scene: Scene, text: str) -> tuple[int, set[str]]:
    case = verify.Case(scene.trust, verify.moment(text), scene.bag)
    verify.verify_bag(case)
    return case.exit_code, {f.rule for f in case.findings.values() if f.severity == "gap"}


def test_tokens_made_later_than_the_time_to_judge_by_do_not_count(scene):
    code, gaps = _judged_at(scene, "2020-01-01T00:00:00Z")

    assert (code, "no-upper-bound" in gaps) == (4, True)


def test_long_after_the_authority_s_certificate_expired_a_renewal_is_asked_for(scene):
    assert _judged_at(scene, "2090-01-01") == (4, {"token-expired"})


def test_a_token_is_renewed_by_a_later_one_that_covers_its_record(scene):
    case = scene.judged()
    old, middle, new = sorted(case.tokens, key=lambda token: token.size)
    long_after = old.not_after + timedelta(days=1)
    case.as_of = long_after
    case.tokens = [old, middle, new._replace(not_after=long_after + timedelta(days=9))]

    # Each batch logs the token before it; so the newest token renews the other two.
    assert verify.in_force(case) == {token.name for token in case.tokens}
    case.tokens[-1] = new
    assert verify.in_force(case) == set()


# What no check can find: docs/verifying.md names each.


def test_residual_risk_all_keys_of_all_parties_and_nothing_kept_outside(scene):
    """Whoever has the log's key, and lets the authorities stamp anew, passes with a new history that
    is dated today. Only what was kept elsewhere shows it (see the tests with receipts and checkpoints).
    """
    scene.model.rewrite("items", claimed_title="another")
    scene.model.rebuild()
    scene.write()

    assert scene.judged().exit_code == 0


def test_residual_risk_what_is_only_for_convenience_is_not_proven(scene):
    """The plain-language history stands under the bag's signature alone: the log doesn't name it."""
    scene.edit("history/item.en.html", lambda _: b"<p>another story</p>")

    case = scene.judged()

    assert case.exit_code == 0
    assert "history" in " ".join(verify.NOT_PROVEN)


def test_residual_risk_the_archive_can_keep_an_act_to_itself(scene):
    """No bag holds the whole log, so whoever signs bags can leave out an entry of another's."""
    _without_an_event(scene.model)
    scene.write()

    assert scene.judged().exit_code == 0


def test_residual_risk_an_honest_export_of_less_is_no_forgery(scene):
    """A bag of fewer items is a smaller bag; `items-elsewhere` tells how many a submission had."""
    scene.model.rewrite("submissions", accepted_count=3)
    scene.model.rebuild()
    scene.write()

    assert scene.judged().exit_code == 0
    assert "items-elsewhere" in scene.rules(severity="note")


def test_a_pipe_in_the_bag_does_not_hang_the_check(scene):
    path = next(scene.file("objects").iterdir())
    path.unlink()
    os.mkfifo(path)

    assert {"not-a-plain-file", "object-missing"} <= scene.rules()
