"""The whole argument that an archive is what was sealed, from bytes and outside trust alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from preservation.custody import checkpoint_key
from preservation.custody.notes import LARGEST_NOTE_BYTES
from preservation.errors import ForeignArchive
from preservation.settings import Settings
from preservation.store.port import ObjectStore
from preservation.verify.accounting import judge_derived, judge_strangers, judge_unsealed
from preservation.verify.anchors import DESCRIPTION_KEY, is_newer, judge_description, trusted_keys
from preservation.verify.batches import LoggedBatch, read_batch
from preservation.verify.examination import COUNTED, Examination, FileFacts, Progress
from preservation.verify.files import HeldFiles, read_files
from preservation.verify.log import LogReading, Segment, judge_tree, read_log
from preservation.verify.objects import judge_objects
from preservation.verify.references import Submissions, judge_references, judge_submissions
from preservation.verify.renewals import Renewing, judge_renewals, judge_time_as_a_whole
from preservation.verify.rows import Tables, read_rows
from preservation.verify.seals import Seal, SealReading, read_seals
from preservation.verify.tokens import TokenJudge, judge_delay, judge_tokens
from preservation.verify.trusted_time import TrustedTime
from preservation.verify.verdict import Verdict


def verify_archive(
    store: ObjectStore, settings: Settings, *, progress: Progress | None = None
) -> Verdict:
    """Verify the archive in *store*, trusting only what lies in ``settings.trust``.

    1. The log's public keys are pinned outside the archive.
    2. The archive consists of plain files under proper names.
    3. The log's entries are canonical, contiguous, chained, and their times don't run back.
    4. Tiles hold the hashes of these entries, and every checkpoint is signed and has their root.
    5. The archive's description is the one that the first entry names.
    6. Every seal is signed and agrees with log and checkpoint.
    7. Every file named by log or seal is there, byte for byte; every WARC record is whole.
    8. Every row recomputes; log and manifest name exactly the same rows and events.
    9. Every object's bytes are where its row says, with both digests.
    10. Rows that refer to each other agree, and every accepted item is there or known to wait.
    11. Every token is over its checkpoint, under pinned roots, and not older than what it covers.
    12. Earlier tokens that the log speaks of exist, and were logged after they were made.
    13. Derived files have the digests in their names.
    14. No other file is there, but for traces of an interrupted run, which are named.

    Damage of any kind becomes a finding that names its file.

    Raises:
        ForeignArchive: The place holds something that isn't an archive.
        ProgramMissing: openssl isn't installed, so tokens can't be checked.
    """
    examination = Examination(store, settings, progress)
    time = TrustedTime()
    # 1. The log's public keys are pinned outside the archive.
    pinned = trusted_keys(examination)
    # 2. The archive consists of plain files under proper names.
    examination.list_files()
    _refuse_foreign(examination)
    if pinned:
        # 3. The log's entries are canonical, contiguous, chained, and their times don't run back.
        reading = read_log(examination, pinned)
        # 4. Tiles hold the hashes of these entries, and every checkpoint is signed and has their root.
        judge_tree(examination, reading)
        # 5. The archive's description is the one that the first entry names.
        judge_description(examination, reading)
        if not is_newer(examination):
            _judge_sealed(examination, reading, time)
    return Verdict(
        findings=tuple(examination.findings.values()),
        counts={name: examination.counts[name] for name in COUNTED},
        trusted_time=time.in_words(),
    )


def _judge_sealed(examination: Examination, reading: LogReading, time: TrustedTime) -> None:
    """Steps 6 to 14: everything that lies in batches, and what else there is."""
    # 6. Every seal is signed and agrees with log and checkpoint.
    seals = read_seals(examination, reading)
    _judge_batches(_Course(examination, reading, seals, time))
    # 13. Derived files have the digests in their names.
    judge_derived(examination)
    # 14. No other file is there, but for traces of an interrupted run, which are named.
    judge_unsealed(examination, reading, seals)
    judge_strangers(examination, reading, seals)


@dataclass(slots=True)
class _Course:
    """What steps 7 to 12 carry from batch to batch."""

    examination: Examination
    reading: LogReading
    seals: SealReading
    time: TrustedTime
    held: HeldFiles = field(default_factory=HeldFiles)
    submissions: Submissions = field(default_factory=Submissions)


def _judge_batches(course: _Course) -> None:
    """Steps 7 to 12, batch by batch in the order of the log, so that memory stays flat."""
    done: set[str] = set()
    for segment in course.reading.segments:
        if segment.batch_id in done:
            course.examination.broken("packed-twice", segment.key, "a new batch", segment.batch_id)
        elif segment.batch_id is not None:
            done.add(segment.batch_id)
            course.examination.counts["batches"] += 1
            _judge_batch(course, segment.batch_id, _read_batch(course.examination, segment))
    for batch_id in sorted(course.seals.seals.keys() - done):
        _judge_batch(course, batch_id, None)
    judge_submissions(course.examination, course.submissions)
    judge_time_as_a_whole(TokenJudge(course.examination, course.reading, course.time))


def _read_batch(examination: Examination, segment: Segment) -> LoggedBatch | None:
    """What the log says of the batch; None, reported before, if the log is damaged there."""
    if segment.is_readable and not examination.is_blamed(segment.key):
        with examination.about("log-entry", segment.key):
            return read_batch(examination, segment)
    return None


def _judge_batch(course: _Course, batch_id: str, batch: LoggedBatch | None) -> None:
    """Steps 7 to 12 for one batch."""
    examination, held = course.examination, course.held
    editions = course.seals.seals.get(batch_id, ())
    # 7. Every file named by log or seal is there, byte for byte; every WARC record is whole.
    if batch is not None:
        read_files(examination, held, batch.files, batch.segment)
    for seal in editions:
        read_files(examination, held, _files_of(course, seal), seal.key)
    tables: Tables = {}
    if batch is not None:
        # 8. Every row recomputes; log and manifest name exactly the same rows and events.
        tables = read_rows(examination, batch, held)
        # 9. Every object's bytes are where its row says, with both digests.
        judge_objects(examination, batch, tables, held)
        # 10. Rows that refer to each other agree, and every accepted item is there or known to wait.
        judge_references(examination, batch, tables, course.submissions)
    # 11. Every token is over its checkpoint, under pinned roots, and not older than what it covers.
    judge = TokenJudge(examination, course.reading, course.time)
    tokens = judge_tokens(judge, editions, held)
    if batch is not None:
        if editions:
            judge_delay(examination, editions[-1], batch.logged_at, tokens)
        # 12. Earlier tokens that the log speaks of exist, and were logged after they were made.
        judge_renewals(judge, course.seals, tables, Renewing(batch, tokens))
    held.records.clear()
    held.runs.clear()
    held.tables.clear()


def _files_of(course: _Course, seal: Seal) -> dict[str, FileFacts]:
    """The files that the seal names, its checkpoint among them."""
    key = checkpoint_key(seal.checkpoint_size)
    size_bytes = course.examination.store.size_bytes(key) if key in course.examination.keys else 0
    if size_bytes > LARGEST_NOTE_BYTES:
        return dict(seal.files)  # step 4 has said that it is no checkpoint
    return {**seal.files, key: FileFacts(sha256=seal.checkpoint_sha256, size_bytes=size_bytes)}


def _refuse_foreign(examination: Examination) -> None:
    """An empty place is a broken archive; one with other things in it is none."""
    known = (DESCRIPTION_KEY, "log/", "seals/")
    if examination.keys and not any(key.startswith(known) for key in examination.keys):
        example = min(examination.keys)
        msg = f"{examination.store.place} isn't an archive; it holds {example}, for example."
        raise ForeignArchive(msg, remedy="Nothing was changed. Name the home of a deployment.")
