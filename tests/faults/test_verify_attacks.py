"""What an attacker, a crash or a bad disk can do to an archive; each must be seen and named."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta

import pytest

from preservation import clock
from preservation.custody import (
    EntryDraft,
    SigningKey,
    TreeHead,
    checkpoint_key,
    open_note,
    segment_key,
    sign_document,
    sign_note,
)
from preservation.custody.cosignatures import CosigningKey
from preservation.custody.rotation import rotation_body
from preservation.errors import ForeignArchive, ProgramMissing
from preservation.model.digests import sha256_of
from preservation.model.findings import Finding, Severity
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore
from preservation.verify import verify_archive
from tests.fakes.small_archive import Batch, SmallArchive, facts_of

FLIPS = int(os.environ.get("PRESERVE_TEST_FLIPS", "60"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> SmallArchive:
    """Three sealed batches; the last one logs the first one's token."""
    archive = SmallArchive.found(tmp_path_factory.mktemp("sound") / "home")
    first = archive.seal_batch(1)
    archive.seal_batch(2)
    last = Batch(archive, 3)
    last.event_details.append(("timestamping", _renewal_of(first)))
    last.build()
    last.publish()
    last.append()
    last.seal()
    clusters = b"derived, never signed"
    archive.store.put(f"derived/clusters/{13:012}-{sha256_of(clusters)}.parquet", clusters)
    return archive


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> SmallArchive:
    """One sealed batch: enough of every kind of file, and quick to check many times."""
    archive = SmallArchive.found(tmp_path_factory.mktemp("single") / "home")
    archive.seal_batch(1)
    clusters = b"derived, never signed"
    archive.store.put(f"derived/clusters/{5:012}-{sha256_of(clusters)}.parquet", clusters)
    return archive


@pytest.fixture
def archive(sound, tmp_path) -> SmallArchive:
    return sound.copy(tmp_path / "home")


def _renewal_of(batch: Batch) -> dict:
    [stamp] = batch.document["timestamps"]
    facts = batch.document["files"][stamp["token_key"]]
    return {
        "batch_id": batch.batch_id,
        "token_key": stamp["token_key"],
        "token_sha256": facts["sha256"],
    }


def _broken(archive: SmallArchive) -> dict[str, set[str]]:
    """Rules by the subject that they blame."""
    found: dict[str, set[str]] = {}
    for finding in archive.verify().broken:
        found.setdefault(finding.subject, set()).add(finding.rule)
    return found


def _only(archive: SmallArchive, prefix: str) -> str:
    return next(key for key in archive.files() if key.startswith(prefix))


def _rewrite_json(archive: SmallArchive, key: str, change) -> None:
    document = json.loads(archive.store.read(key))
    change(document)
    archive.overwrite(
        key, json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_a_sound_archive_is_proven_and_says_whose_word_its_time_rests_on(sound):
    verdict = sound.verify()

    assert (verdict.verdict, verdict.exit_code) == ("proven", 0)
    assert {finding.rule for finding in verdict.findings} == {"test-authority", "no-earlier-time"}
    assert verdict.trusted_time == "test authority only"
    assert verdict.counts["batches"] == verdict.counts["tokens"] == 3
    assert verdict.counts["objects"] == 6
    assert verdict.counts["files"] == len(sound.files())
    json.dumps(verdict.to_json())


def test_flipping_any_one_bit_of_any_file_is_found_and_the_file_is_named(single):
    archive = single
    dice = random.Random(20260102)
    keys = archive.files()
    targets = keys + [dice.choice(keys) for _ in range(FLIPS - len(keys))]

    for key in targets:
        sound_bytes = archive.store.read(key)
        damaged = bytearray(sound_bytes)
        place = dice.randrange(len(damaged) * 8)
        damaged[place // 8] ^= 1 << place % 8
        archive.overwrite(key, bytes(damaged))

        assert key in _broken(archive), f"bit {place} of {key}"
        archive.overwrite(key, sound_bytes)
    assert archive.verify().verdict == "proven"


def test_flipping_a_byte_blames_no_other_part_of_the_log(archive):
    dice = random.Random(7)
    for key in [key for key in archive.files() if key.startswith("log/") and "tokens" not in key]:
        sound_bytes = archive.store.read(key)
        damaged = bytearray(sound_bytes)
        damaged[dice.randrange(len(damaged))] ^= 1
        archive.overwrite(key, bytes(damaged))

        blamed = {subject for subject in _broken(archive) if subject.startswith("log/")}
        assert blamed == {key}
        archive.overwrite(key, sound_bytes)


def test_any_deleted_file_is_missed(archive):
    for key in archive.files():
        content = archive.store.read(key)
        archive.remove(key)

        verdict = archive.verify()
        if key == "seals/batch-0001.json":
            assert "missing-file" in _broken(archive)[key]  # a later entry speaks of it
        elif key.startswith("seals/"):
            gaps = {f.subject for f in verdict.findings if f.severity is Severity.GAP}
            assert key in gaps  # like a run that was interrupted before its seal
        elif key.startswith("derived/"):
            assert verdict.verdict == "proven"  # rebuildable, never evidence
        elif key == checkpoint_key(1):
            assert verdict.verdict == "proven"  # covered by every later checkpoint
        else:
            assert key in _broken(archive), key
        archive.overwrite(key, content)


def test_any_truncated_file_is_found(single):
    archive = single
    for key in archive.files():
        content = archive.store.read(key)
        for length in (0, len(content) // 2, len(content) - 1):
            archive.overwrite(key, content[:length])
            assert key in _broken(archive), (key, length)
        archive.overwrite(key, content)


def test_garbage_in_place_of_any_file_is_found(single):
    archive = single
    dice = random.Random(5)
    for key in archive.files():
        content = archive.store.read(key)
        for garbage in (b"[" * 100_000, b'{"a":1,"a":2}\n', b"PAR1" + dice.randbytes(300) + b"PAR1"):
            archive.overwrite(key, garbage)
            assert key in _broken(archive), key
        archive.overwrite(key, content)


@pytest.mark.parametrize(
    "key",
    [
        "stranger",
        "blobs/sha256/aa/bb/notes.txt",
        "batches/2026/01/batch-0001/warc/002.warc.gz",
        "batches/2026/01/batch-0001/manifest/items.2.parquet",
        "batches/2026/01/batch-0001/manifest/timestamps.2.parquet",
        "log/entries/readme",
        "log/tile/0/000.p/200",
        "log/tile/9/000",
        "log/tokens/000000000005/other.tsr",
        "seals/batch-0009.json",
        "seals/.hidden",
        "derived/clusters/newest.parquet",
        "log/checkpoints/000000000099",
    ],
)
def test_an_added_file_is_found(archive, key):
    archive.overwrite(key, b"added")

    assert key in _broken(archive)


def test_a_file_name_that_no_report_could_print_is_found(archive):
    (archive.root / os.fsdecode(b"caf\xe9 \x1b[2J")).write_bytes(b"x")

    [subject] = _broken(archive)

    assert subject.encode("utf-8")


def test_a_symbolic_link_to_the_very_same_bytes_is_found(archive, tmp_path):
    for key in (_only(archive, "blobs/"), "archive.json", segment_key(1)):
        elsewhere = tmp_path / "elsewhere"
        shutil.copyfile(archive.root / key, elsewhere)
        archive.remove(key)
        (archive.root / key).symlink_to(elsewhere)

        assert "unexpected-file" in _broken(archive)[key]
        archive.remove(key)
        shutil.move(elsewhere, archive.root / key)


def test_a_linked_directory_is_found(archive, tmp_path):
    shutil.move(archive.root / "blobs", tmp_path / "blobs")
    (archive.root / "blobs").symlink_to(tmp_path / "blobs")

    assert "unexpected-file" in _broken(archive)["blobs"]


def test_a_named_pipe_does_not_hang_the_check(archive):
    key = _only(archive, "blobs/")
    archive.remove(key)
    os.mkfifo(archive.root / key)

    assert "unexpected-file" in _broken(archive)[key]


def test_a_path_that_leads_out_of_the_archive_is_never_followed(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.contents["../trust/log.vkey"] = b"outside"
    outside = batch.contents.pop("../trust/log.vkey")
    batch.publish()
    batch.contents["../trust/log.vkey"] = outside
    batch.append()
    del batch.contents["../trust/log.vkey"]
    batch.seal()

    assert "missing-file" in _broken(archive)["../trust/log.vkey"]


def test_swapped_tokens_are_found(archive):
    first, second = [key for key in archive.files() if key.endswith(".tsr")][:2]
    one, other = archive.store.read(first), archive.store.read(second)
    archive.overwrite(first, other)
    archive.overwrite(second, one)

    assert {first, second} <= _broken(archive).keys()


def test_swapped_tokens_are_found_even_if_the_thief_of_the_log_key_signs_for_them(archive):
    keys = [key for key in archive.files() if key.endswith(".tsr")]
    foreign = archive.store.read(keys[0])
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.append()

    class Borrowed:
        token = foreign
        chain_pem = b""

    batch.seal(answer=lambda _: Borrowed)

    [stamp] = batch.document["timestamps"]
    assert "token" in _broken(archive)[stamp["token_key"]]


def test_a_token_of_an_authority_that_we_do_not_trust_is_found(archive, tmp_path):
    stranger = SmallArchive.found(tmp_path / "stranger")
    shutil.copyfile(
        stranger.home / "trust/test-authority.pem", archive.home / "trust/test-authority.pem"
    )

    blamed = _broken(archive)

    assert {rule for rules in blamed.values() for rule in rules} == {"token"}
    assert all(key.endswith(".tsr") for key in blamed)


def test_a_seal_by_another_key_is_found(archive, tmp_path):
    thief = SigningKey.generate(tmp_path / "thief.pem", archive.key.public.name)
    key = "seals/batch-0002.json"
    document = json.loads(archive.store.read(key))
    del document["signature"], document["public_key"]
    archive.overwrite(key, sign_document(document, thief))

    assert "seal" in _broken(archive)[key]


def test_an_archive_rebuilt_whole_under_another_key_is_found(archive, tmp_path):
    forger = SmallArchive.found(tmp_path / "forger")
    forger.seal_batch(1)
    shutil.copyfile(archive.home / "trust/log.vkey", forger.home / "trust/log.vkey")

    blamed = _broken(forger)

    assert {"archive.json", "seals/batch-0001.json", checkpoint_key(1)} <= blamed.keys()


def test_a_row_rewritten_with_its_digest_and_its_file_is_found(archive):
    key = "batches/2026/01/batch-0002/manifest/items.parquet"
    batch = Batch(archive.copy(archive.home.with_name("work-copy")), 2)
    batch.batch_id = batch.prefix = "forged"
    batch.build()
    batch.rows["items"][0]["claimed_title"] = "another title"
    batch.write_tables()
    forged = batch.contents["forged/manifest/items.parquet"]
    archive.overwrite(key, forged)
    _rewrite_json(
        archive, "seals/batch-0002.json", lambda seal: seal["files"].update({key: facts_of(forged)})
    )

    assert {key, "seals/batch-0002.json"} <= _broken(archive).keys()


def test_rows_that_the_log_does_not_name_are_found_under_a_valid_seal(archive):
    batch = Batch(archive, 4)
    batch.build()
    logged = batch.drafts()
    batch.rows["items"][0]["claimed_title"] = "slipped in later"
    batch.write_tables()
    batch.publish()
    honest = {draft.event_key: draft for draft in batch.drafts()}
    batch.drafts = lambda: [*logged[:-1], honest[logged[-1].event_key]]
    batch.append()
    batch.seal()

    rules = _broken(archive)[f"{batch.prefix}/manifest/items.parquet"]

    assert rules == {"row-missing", "row-not-logged"}


def test_a_second_row_of_a_submission_is_found(archive):
    batch = Batch(archive, 4)
    batch.build()
    [row] = batch.rows["submissions"]
    batch.rows["submissions"].append(row | {"receipt_sha256": "1" * 64})
    batch.write_tables()
    batch.publish()
    batch.append()
    batch.seal()

    assert "submissions-reference" in {rule for rules in _broken(archive).values() for rule in rules}


def test_a_row_digest_that_does_not_recompute_is_found(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.tables["items"][0]["claimed_title"] = "not what was digested"
    key = f"{batch.prefix}/manifest/items.parquet"
    from preservation.model.tables import ITEMS

    batch.contents[key] = batch._parquet(ITEMS, batch.tables["items"])
    batch.publish()
    batch.append()
    batch.seal()

    assert "row-digest" in _broken(archive)[key]


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("objects", {"sha512": "0" * 128}, "object"),
        ("objects", {"warc_offset": 7}, "object"),
        ("objects", {"warc_record_id": "<urn:uuid:0>"}, "object"),
        ("captures", {"warc_sha256": "0" * 64}, "warc-run"),
        ("captures", {"warc_length": 1}, "warc-run"),
        ("captures", {"warc_offset": 10**9}, "warc-run"),
        ("captures", {"warc_length": None}, "warc-run"),
        ("objects", {"size_bytes": 1}, "object"),
        ("items", {"object_count": 3}, "items-reference"),
        ("items", {"outcome": "not-captured"}, "items-reference"),
        ("items", {"submission_id": "unheard-of"}, "submission-unknown"),
        ("captures", {"capture_id": "other"}, "objects-reference"),
        ("resources", {"sha256": "1" * 64}, "resources-reference"),
    ],
)
def test_a_sealed_row_that_says_what_is_not_so_is_found(archive, table, change, rule):
    batch = Batch(archive, 4)
    batch.build()
    batch.rows[table][0].update(change)
    batch.write_tables()
    batch.publish()
    batch.append()
    batch.seal()

    assert rule in {rule for rules in _broken(archive).values() for rule in rules}


def test_a_deleted_entry_is_found(archive):
    key = segment_key(1)
    lines = archive.store.read(key).splitlines(keepends=True)
    archive.overwrite(key, b"".join(lines[:1] + lines[2:]))

    assert key in _broken(archive)


def test_reordered_entries_are_found(archive):
    key = segment_key(1)
    lines = archive.store.read(key).splitlines(keepends=True)
    archive.overwrite(key, b"".join([lines[1], lines[0], *lines[2:]]))

    assert "log-entry" in _broken(archive)[key]


def test_a_dropped_tail_is_found(archive):
    segments = [key for key in archive.files() if key.startswith("log/entries/")]
    archive.remove(segments[-1])

    assert "log-entries-missing" in _broken(archive)[segments[-1]]


def test_a_tail_dropped_with_everything_that_tells_of_it_is_found_by_who_kept_a_checkpoint(archive):
    last = max(key for key in archive.files() if key.startswith("log/checkpoints/"))
    (archive.home / "trust/seen.checkpoint").write_bytes(archive.store.read(last))
    assert archive.verify().verdict == "proven"
    size = int(last[-12:])
    for key in archive.files():
        is_tail = "batch-0003" in key or f"{size:012}" in key or key.endswith(f".p/{size}")
        if is_tail or key == _last_segment(archive):
            archive.remove(key)
    film = sha256_of(b"video 3" * 99)
    archive.remove(f"blobs/sha256/{film[:2]}/{film[2:4]}/{film}")

    [(_, rules)] = _broken(archive).items()

    assert rules == {"log-rolled-back"}


def _last_segment(archive: SmallArchive) -> str:
    return max((key for key in archive.files() if key.startswith("log/entries/")), default="")


def test_a_stale_extra_segment_is_found(archive):
    archive.overwrite(segment_key(3), archive.store.read(segment_key(1)))

    assert "log-fork" in _broken(archive)[segment_key(3)]


def test_a_fork_signed_with_the_stolen_key_is_found(archive):
    fork = TreeHead(archive.key.public.name, 3, b"\x01" * 32)
    archive.overwrite(checkpoint_key(3), sign_note(fork.text, archive.key))

    assert "log-root" in _broken(archive)[checkpoint_key(3)]


def test_a_log_rewritten_with_the_stolen_key_differs_from_the_checkpoint_seen_outside(
    archive, tmp_path
):
    other = SmallArchive(tmp_path / "other")
    other.key = archive.key
    (other.home / "trust").mkdir(exist_ok=True)
    shutil.copyfile(archive.home / "trust/log.vkey", other.home / "trust/log.vkey")
    other.log.append([*_creation()], since=0)
    for number in (1, 2, 3):
        other.seal_batch(number)
    size = other.log.size()
    seen = archive.store.read(checkpoint_key(5))
    (other.home / "trust/seen.checkpoint").write_bytes(seen)

    rules = {rule for rules in _broken(other).values() for rule in rules}

    assert size > 5
    assert "log-forked-or-rewritten" in rules


def _creation():
    from tests.fakes.small_archive import _draft

    return [_draft("creation", "creation", {})]


def test_an_entry_dated_after_the_token_over_it_is_found(archive):
    _append_at(archive, clock.now() + timedelta(hours=2))
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    _publish_by_hand(archive, batch, clock.now() + timedelta(hours=2))

    assert "log-time-after-token" in {r for rules in _broken(archive).values() for r in rules}


def test_a_back_dated_entry_is_found(archive):
    _append_at(archive, clock.now() - timedelta(days=400))

    assert "log-time-runs-back" in _broken(archive)[_last_segment(archive)]


def _append_at(archive: SmallArchive, moment) -> None:
    """An entry with a log time of the attacker's choosing; the log itself would refuse."""
    _append_lines(archive, [_forged(archive, moment)])


def _forged(archive, moment, **members):
    from preservation.custody import Entry

    *_, last = archive.log.entries(0, archive.log.size())
    facts = {
        "index": last.index + 1,
        "previous_leaf_hash": last.leaf_hash.hex(),
        "at": moment,
        "event_at": moment,
        "event_key": f"forged-{last.index}",
        "event_type": "capture",
        "item": None,
        "agent": "forger",
        "salt": "0" * 32,
        "body": {},
    }
    return Entry(**(facts | members))


def _append_lines(archive, entries) -> None:
    archive.overwrite(
        segment_key(archive.log.size()), b"".join(entry.line + b"\n" for entry in entries)
    )


def _publish_by_hand(archive, batch, moment) -> None:
    for draft in batch.drafts():
        forged = _forged(
            archive,
            moment,
            event_key=draft.event_key,
            event_type=draft.event_type,
            item=draft.item_id,
            agent=draft.agent,
            body=draft.body,
        )
        _append_lines(archive, [forged])
    size = archive.log.size()
    batch.checkpoint = archive.log.checkpoint(archive.key, size=size)
    batch.places = [size - 1]
    batch.seal()


def test_a_run_that_was_interrupted_before_its_seal_is_an_honest_gap(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    published = archive.verify()
    batch.append()
    appended = archive.verify()

    assert (published.verdict, appended.verdict) == ("incomplete", "incomplete")
    assert {f.subject for f in published.findings if f.severity is Severity.GAP} == set(batch.contents)
    gaps = {f.subject for f in appended.findings if f.severity is Severity.GAP}
    assert gaps == {f"seals/{batch.batch_id}.json"}


def test_damage_to_a_logged_file_is_found_before_its_seal_is_written(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.append()
    key = next(key for key in batch.contents if key.endswith("captures.parquet"))
    archive.overwrite(key, b"damaged")

    assert "file" in _broken(archive)[key]


def test_a_pending_time_stamp_is_an_honest_gap(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.append()
    batch.seal(answer=lambda _: None)

    verdict = archive.verify()

    assert (verdict.verdict, verdict.exit_code) == ("incomplete", 4)
    gaps = [f for f in verdict.findings if f.severity is Severity.GAP]
    assert [(f.rule, f.subject) for f in gaps] == [("time-stamp-pending", "seals/batch-0004.json")]


def test_items_that_were_accepted_but_are_not_sealed_are_an_honest_gap(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.rows["submissions"][0]["accepted_count"] = 2
    batch.write_tables()
    batch.publish()
    batch.append()
    batch.seal()

    assert "items-not-sealed-yet" in {finding.rule for finding in archive.verify().findings}


def test_a_test_authority_can_not_be_passed_off_as_a_real_one(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.append()
    batch.seal(
        timestamps=[
            {
                "authority": "test-authority",
                "is_test_authority": False,
                "status": "accepted",
                "detail": None,
                "token_key": f"log/tokens/{batch.checkpoint.size:012}/test-authority.tsr",
            }
        ]
    )

    assert "test-authority-hidden" in _broken(archive)["seals/batch-0004.json"]


def test_without_the_pinned_key_nothing_is_called_proven(archive):
    (archive.home / "trust/log.vkey").unlink()

    verdict = archive.verify()

    assert verdict.verdict == "incomplete"
    assert [finding.rule for finding in verdict.findings] == ["no-trusted-key"]


def test_without_the_authority_s_root_the_time_is_an_honest_gap(archive):
    (archive.home / "trust/test-authority.pem").unlink()

    verdict = verify_archive(archive.store, archive.settings)

    assert verdict.verdict == "incomplete"
    assert "no-trusted-roots" in {finding.rule for finding in verdict.findings}


def test_an_emptied_archive_is_broken_and_a_strangers_folder_is_refused(sound, tmp_path):
    empty = verify_archive(MemoryStore(), sound.settings)
    holiday = MemoryStore()
    holiday.put("photos/beach.jpg", b"jpeg")

    assert {f.subject for f in empty.broken} == {"archive.json", "SPEC.md"}
    with pytest.raises(ForeignArchive, match="beach"):
        verify_archive(holiday, sound.settings)


def test_without_openssl_the_check_stops_and_says_so(sound, tmp_path):
    path = os.environ["PATH"]
    os.environ["PATH"] = str(tmp_path)
    try:
        with pytest.raises(ProgramMissing, match="openssl"):
            sound.verify()
    finally:
        os.environ["PATH"] = path


@pytest.mark.parametrize(
    "script",
    [
        'if [ "$1" = ts ]; then echo "ts: unknown option -attime" >&2; exit 1; fi; exec REAL "$@"',
        "kill -9 $$",
    ],
    ids=["another-program", "killed"],
)
def test_an_openssl_that_gives_no_verdict_refutes_nothing(sound, tmp_path, script):
    path, real = os.environ["PATH"], str(shutil.which("openssl"))
    (tmp_path / "openssl").write_text("#!/bin/sh\n" + script.replace("REAL", real) + "\n")
    (tmp_path / "openssl").chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([str(tmp_path), path])
    try:
        verdict = sound.verify()
    finally:
        os.environ["PATH"] = path

    assert (verdict.exit_code, verdict.broken) == (4, ())
    assert "token-not-judged" in {finding.rule for finding in verdict.findings}


def test_without_a_place_for_what_openssl_reads_nothing_is_refuted(sound, tmp_path):
    tempfile.tempdir = str(tmp_path / "gone")
    try:
        verdict = sound.verify()
    finally:
        tempfile.tempdir = None

    assert (verdict.exit_code, verdict.broken) == (4, ())
    assert "token-not-judged" in {finding.rule for finding in verdict.findings}


def test_roots_are_read_however_they_are_written(archive):
    roots = archive.settings.trust / "test-authority.pem"
    roots.write_bytes(b"\xef\xbb\xbf  " + roots.read_bytes().replace(b"\n", b"\r\n  "))

    assert archive.verify().exit_code == 0


def test_progress_ends_at_the_whole(sound):
    told = []

    verify_archive(sound.store, sound.settings, progress=lambda done, total: told.append((done, total)))

    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_a_store_that_keeps_other_versions_than_at_sealing_is_a_gap(archive):
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.append()
    copies = {key: {"version_id": f"v1-{key}", "retain_until": None} for key in batch.contents}
    batch.seal(stored={"place": "versions://here", "copies": copies})
    other = min(batch.contents)

    same = verify_archive(Versions(archive, "v1"), archive.settings)
    changed = verify_archive(Versions(archive, "v1", {other: "v2"}), archive.settings)
    elsewhere = archive.verify()

    assert same.verdict == elsewhere.verdict == "proven"
    gaps = [(f.rule, f.subject) for f in changed.findings if f.severity is Severity.GAP]
    assert gaps == [("version", other)]


def test_what_the_store_itself_tells_of_newer_versions_is_passed_on(archive):
    seen = Finding(
        rule="deleted", subject="archive.json", expected="the original", observed="a delete marker"
    )

    verdict = verify_archive(Versions(archive, "v1", told=[seen]), archive.settings)

    assert seen in verdict.broken


class Versions(DiskStore):
    """A store that keeps versions, as a bucket does."""

    def __init__(self, archive, version, others=(), told=()):
        super().__init__(archive.root, archive.home / "aside")
        self._version, self._others, self._told = version, dict(others), told

    @property
    def place(self):
        return "versions://here"

    def stored_copy(self, key):
        version = f"{self._others.get(key, self._version)}-{key}"
        return replace(super().stored_copy(key), version_id=version)

    def anomalies(self, prefix=""):
        return iter(self._told)


# The log's key is handed over.


@pytest.fixture
def rotated(archive, tmp_path) -> tuple[SmallArchive, SigningKey]:
    """A fourth batch under a new key."""
    old, new = archive.key, SigningKey.generate(tmp_path / "new.pem", archive.key.public.name)
    moment = clock.now()
    draft = EntryDraft(
        event_key="rotation:1",
        event_type="key rotation",
        event_at=moment,
        agent="preservation/test",
        body=lambda index: rotation_body(index, old, new),
    )
    archive.log.append([draft], since=0)
    archive.key = new
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.places = list(archive.log.append(batch.drafts(), since=0).values())
    size = batch.places[-1] + 1
    in_use = lambda size: (new if size >= batch.places[0] else old).public  # noqa: E731
    batch.checkpoint = archive.log.checkpoint(new, size=size, signed_by=in_use)
    batch.seal()
    return archive, old


def test_a_handover_is_followed_whichever_key_is_pinned(rotated):
    archive, old = rotated
    pinned = archive.home / "trust/log.vkey"

    for keys in ((old,), (archive.key,), (old, archive.key)):
        pinned.write_text("".join(f"{key.public}\n" for key in keys))
        assert not archive.verify().broken, keys


def test_a_log_cut_off_before_a_handover_that_is_pinned_is_found(archive, tmp_path):
    new = SigningKey.generate(tmp_path / "new.pem", archive.key.public.name)
    (archive.home / "trust/log.vkey").write_text(f"{archive.key.public}\n{new.public}\n")

    assert "log-rolled-back" in {rule for rules in _broken(archive).values() for rule in rules}


def test_a_handover_signed_by_one_key_alone_is_found(archive, tmp_path):
    thief = SigningKey.generate(tmp_path / "thief.pem", archive.key.public.name)
    size = archive.log.size()
    _append_lines(
        archive,
        [
            _forged(
                archive, clock.now(), event_type="key rotation", body=rotation_body(size, thief, thief)
            )
        ],
    )

    assert {"key-rotation"} <= _broken(archive)[segment_key(size)]


def test_after_the_handover_the_old_key_signs_nothing(rotated):
    archive, old = rotated
    key = checkpoint_key(archive.log.size())
    head = TreeHead.parse(open_note(archive.store.read(key), archive.key.public))
    archive.overwrite(key, sign_note(head.text, old))

    assert "checkpoint" in _broken(archive)[key]


def test_an_archive_of_a_newer_version_is_a_gap_and_not_called_broken(tmp_path):
    archive = SmallArchive.found(tmp_path / "home", schema_version=2)
    archive.seal_batch(1)

    verdict = archive.verify()

    assert [(f.rule, f.severity) for f in verdict.findings] == [("newer-software", Severity.GAP)]


# Witnesses.


@pytest.fixture
def witnessed(archive, tmp_path) -> SmallArchive:
    """The last checkpoint bears a cosignature of a witness that is pinned."""
    witness = CosigningKey(SigningKey.generate(tmp_path / "witness.pem", "witness.invalid"))
    (archive.home / "trust/witnesses.vkey").write_text(f"{witness.public}\n")
    batch = Batch(archive, 4)
    batch.build()
    batch.publish()
    batch.places = list(archive.log.append(batch.drafts(), since=0).values())
    text = lambda note: note.rpartition(b"\n\n")[0] + b"\n"  # noqa: E731
    batch.checkpoint = archive.log.checkpoint(
        archive.key,
        size=batch.places[-1] + 1,
        cosign=lambda request: [witness.line(text(request.note), clock.now())],
    )
    batch.seal()
    return archive


def test_a_witnessed_checkpoint_is_proven_and_a_false_cosignature_found(witnessed, tmp_path):
    key = checkpoint_key(witnessed.log.size())
    sound = witnessed.verify()
    thief = CosigningKey(SigningKey.generate(tmp_path / "thief.pem", "witness.invalid"))
    (witnessed.home / "trust/witnesses.vkey").write_text(f"{thief.public}\n")
    unseen = witnessed.verify()
    false = thief.line(b"other\n", clock.now())
    witnessed.overwrite(key, witnessed.store.read(key) + false)

    assert sound.verdict == "proven"
    assert "witness-missing" in {finding.rule for finding in unseen.findings}
    assert "witness-signature" in _broken(witnessed)[key]


def test_fewer_witnesses_than_asked_for_are_a_gap(witnessed):
    settings = replace(witnessed.settings, witness_quorum=2)

    verdict = verify_archive(witnessed.store, settings)

    gaps = [finding.rule for finding in verdict.findings if finding.severity is Severity.GAP]
    assert gaps == ["witness-missing"]


# Well-formed bytes with values that nobody thought of, behind the true key where it takes one.


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z"])
def test_an_entry_at_the_end_of_all_times_is_found(archive, text):
    key = segment_key(0)

    _rewrite_json(archive, key, lambda entry: entry.update(at=text, event_at=text))
    archive.overwrite(key, archive.store.read(key) + b"\n")

    assert "log-entry" in {rule for rules in _broken(archive).values() for rule in rules}


def _reseal(archive: SmallArchive, change) -> str:
    """Change a seal, signed with the log's own key."""
    key = _only(archive, "seals/batch-0002")
    document = json.loads(archive.store.read(key))
    bare = {name: value for name, value in document.items() if name not in {"public_key", "signature"}}
    change(bare)
    archive.overwrite(key, sign_document(bare, archive.key))
    return key


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda seal: seal.update(timestamps=["x"]), id="no stamp"),
        pytest.param(lambda seal: seal.update(timestamps=[None]), id="nothing"),
        pytest.param(lambda seal: seal.update(anchors=["x"]), id="no anchor"),
        pytest.param(lambda seal: seal.update(time_quorum=0), id="no quorum"),
        pytest.param(
            lambda seal: seal.update(timestamps=seal["timestamps"] * 2, time_quorum=2),
            id="one authority for two",
        ),
    ],
)
def test_a_seal_with_meaningless_members_is_found_whoever_signed_it(archive, change):
    key = _reseal(archive, change)

    assert "seal" in _broken(archive)[key]


def test_one_token_does_not_count_for_two_authorities(archive):
    def borrow(seal: dict) -> None:
        [stamp] = seal["timestamps"]
        seal.update(timestamps=[stamp, stamp | {"authority": "another"}], time_quorum=2)

    key = _reseal(archive, borrow)
    archive.settings = replace(archive.settings, time_quorum=2)

    assert "token" in _broken(archive)[key]


def test_a_token_under_another_authority_s_name_is_no_second_one_though_they_share_a_root(archive):
    roots = (archive.home / "trust/test-authority.pem").read_bytes()
    (archive.home / "trust/another.pem").write_bytes(roots)

    def borrow(seal: dict) -> None:
        [stamp] = seal["timestamps"]
        key = stamp["token_key"].replace("test-authority", "another")
        for ending in (".tsr", ".chain.pem"):
            held = stamp["token_key"].replace(".tsr", ending)
            copied = key.replace(".tsr", ending)
            archive.overwrite(copied, archive.store.read(held))
            seal["files"][copied] = seal["files"][held]
        other = stamp | {"authority": "another", "token_key": key}
        seal.update(timestamps=[stamp, other], time_quorum=2, status="sealed")

    key = _reseal(archive, borrow)

    gaps = {f.rule: f.subject for f in archive.verify().findings if f.severity is Severity.GAP}
    assert gaps == {"time-quorum": key}


@pytest.mark.parametrize("detail", [[], None, "x", 3], ids=repr)
def test_an_event_about_a_token_that_says_nothing_is_found(archive, detail):
    batch = Batch(archive, 4)
    batch.event_details.append(("timestamping", detail))
    batch.build()
    batch.publish()
    batch.append()
    batch.seal()

    assert "timestamping-event" in {rule for rules in _broken(archive).values() for rule in rules}


def test_a_signed_checkpoint_over_more_entries_than_anyone_has_is_found_at_once(archive):
    size = 999_999_999_999
    head = TreeHead(archive.key.public.name, size, b"\1" * 32)
    archive.overwrite(checkpoint_key(size), sign_note(head.text, archive.key))

    found = {rule for rules in _broken(archive).values() for rule in rules}

    assert "log-entries-missing" in found


# What the verifier trusts, in bad order: the archive isn't to blame.


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.mkdir(), id="folder"),
        pytest.param(os.mkfifo, id="pipe"),
        pytest.param(lambda path: path.write_bytes(b"garbage"), id="garbage"),
    ],
)
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("log.vkey", "no-trusted-key"),
        ("test-authority.pem", "no-trusted-roots"),
        ("test-authority.crl.pem", "revocation-list"),
        ("witnesses.vkey", "witness-keys"),
        ("kept.checkpoint", "remembered-checkpoint"),
    ],
)
def test_what_can_not_be_read_in_the_trust_folder_is_a_gap(single, tmp_path, spoil, name, rule):
    archive = single.copy(tmp_path / "home")
    path = archive.home / "trust" / name
    path.unlink(missing_ok=True)
    spoil(path)

    verdict = archive.verify()

    assert verdict.exit_code == 4
    assert rule in {finding.rule for finding in verdict.findings}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_kept_checkpoints_that_can_not_be_listed_are_missed(archive):
    trust = archive.home / "trust"
    trust.chmod(0o100)

    verdict = archive.verify()
    trust.chmod(0o700)

    assert verdict.exit_code == 4
    assert "remembered-checkpoint" in {finding.rule for finding in verdict.findings}
