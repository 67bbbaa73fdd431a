"""Checks a bag of preserved evidence, or a submitter's receipt, and trusts neither.

    python3 -I -S verify.py BAG --trust DIR [--receipt FILE] [--as-of TIME] [--json]
    python3 -I -S verify.py --receipt FILE --trust DIR

Needs Python 3.8 or newer, its standard library alone, and the openssl program for time stamps. Only
reads, and needs no network. DIR holds what you trust, and must come from anywhere but the bag:

    log.vkey            the log's public keys, one a line; without it nothing is proven
    <authority>.pem     root certificates of each time-stamping authority
    witnesses.vkey      optional: public keys of witnesses, one a line
    *.checkpoint        optional: checkpoints of the log that you saw earlier or elsewhere
    *.consistency.jsonl optional: proofs that join them; data/log/consistency.jsonl of a later bag
    receipt.pub.pem     optional: the public key that receipts are signed with

The argument, step by step; the code below follows it under the same numbers:

 1. What is trusted comes from outside the bag.
 2. The bag is whole: plain files under plain names, each listed, each with both digests as listed.
 3. The bag says what it holds and withholds, holds nothing else, and is as the archive signed it.
 4. The log's entries are canonical, in order and chained, and their times don't run back.
 5. The log's keys are the pinned ones, and those that they handed over to.
 6. Every checkpoint is signed by the log's key, and no witness's signature on it is false.
 7. Every entry lies in a signed checkpoint.
 8. All checkpoints are of one log that only grew, those seen earlier or elsewhere included.
 9. Every row is the one that was logged; every logged row is here, or listed as withheld.
10. Every object's bytes are those of its row, by size and both digests.
11. Every WARC is the run of records that was logged; each record is whole and where rows say.
12. Every item's batch is sealed, and the seal agrees with log and checkpoint.
13. Every time-stamp token is over its checkpoint, under pinned roots, and was valid when made.
14. Every item was logged after one trusted time and existed before another.
15. What the receipt says is in the same log.

A finding names its step and rule. Exit code 0: proven. 1: broken, something is refuted. 2: wrong
usage. 4: nothing is refuted, but something can't be shown (withheld, pending, not trusted here).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import unicodedata
import zlib
from array import array
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, NamedTuple, Sequence, Tuple, cast

PROVEN, BROKEN, USAGE, INCOMPLETE = 0, 1, 2, 4
WORDS = {PROVEN: "proven", BROKEN: "broken", INCOMPLETE: "incomplete"}

RULES = {
    1: "no-trusted-key trust-unreadable",
    2: (
        "unreadable no-memory too-large not-a-plain-file unsafe-name name-collision too-many-files "
        "bag-declaration payload-oxum manifest-missing manifest-line file-missing "
        "file-not-listed file-digest"
    ),
    3: "export-json unexpected-file withheld bag-signature bag-not-signed",
    4: "log-entry log-order log-chain log-time-runs-back event-after-its-entry",
    5: "key-rotation key-not-pinned",
    6: "checkpoint signature-disputed witness-signature witness-missing",
    7: "inclusion-proof",
    8: "consistency-proof log-forked remembered-checkpoint remembered-later key-not-reached",
    9: (
        "row row-digest row-not-logged row-missing row-altered row-count row-reference "
        "item-not-logged item-not-listed item-fell-short withheld-not-logged withheld-event "
        "items-elsewhere"
    ),
    10: "object-missing object object-not-logged withheld-object-not-logged",
    11: "warc-missing warc warc-record warc-too-large warc-not-logged withheld-warc-not-logged",
    12: "seal seal-missing seal-files seal-checkpoint seal-status",
    13: (
        "no-openssl no-trusted-roots token token-missing token-swapped token-ignored "
        "token-expired stamp-claim time-stamp-pending test-authority test-authority-hidden late-token "
        "late-token-hidden anchor-not-judged timestamps-row token-revoked no-revocation-list "
        "revocation-unknown"
    ),
    14: (
        "log-time-after-token log-time-before-token time-late time-quorum no-upper-bound no-lower-bound"
    ),
    15: (
        "receipt receipt-missing receipt-key-missing receipt-not-signed receipt-not-logged "
        "receipt-pending receipt-fork receipt-not-linked"
    ),
}
"""Every rule, under the number of its step."""
STEP_OF = {rule: step for step, rules in RULES.items() for rule in rules.split()}

CLAIMS = (
    ("Every byte is what was captured.", range(1, 12)),
    ("Every descriptive row is what was logged when its item was preserved.", range(1, 10)),
    ("Each item was logged after T1 and existed before T2, as others attest.", range(1, 15)),
    ("Nothing in the log was removed, reordered, re-dated or forked.", (*range(1, 9), 12, 13, 15)),
    ("What is missing is listed as missing.", (2, 3, 9, 10, 11)),
    ("Who did what, and how, is on record for each act.", range(1, 10)),
)
"""What a bag is to show, and the steps that this rests on."""

RECEIPT_CLAIMS = (
    ("What the receipt says was received stands in the log.", (1, 4, 5, 6, 15)),
    ("It stood there before T2, as others attest.", (1, 13, 14, 15)),
)
"""What a receipt alone is to show."""

NOT_PROVEN = (
    "That the content is true, or was made when and where somebody says.",
    "That a server really sent it: the capture is the archive's own, as its records tell.",
    (
        "What only the archive's signature over the bag covers, for convenience: history, certificate, "
        "load file, PREMIS, Parquet copies, README. The rows in data/rows/*.jsonl are the evidence."
    ),
    (
        "Anything against who holds the keys of the log and of every authority and witness that you "
        "trust: a rewrite by all of them passes, unless a receipt or checkpoint was kept elsewhere."
    ),
)

CLOCK_TOLERANCE = timedelta(seconds=300)
LATE_AFTER = timedelta(hours=24)
"""A token that came later than this after the log's own time doesn't attest that time."""

MOST_FILES, DEEPEST_FOLDER = 2_000_000, 32
LONGEST_LINE = LARGEST_DOCUMENT = 1 << 26
LARGEST_NOTE = LARGEST_TOKEN = 1 << 16
LARGEST_CERTIFICATES = 1 << 24
LARGEST_HEAD = 1 << 25
WORTH_TELLING = 1 << 30
PIECE = 1 << 18
MOST_FINDINGS_A_RULE = 100
MOST_OF_A_NAME = 16
"""Certificates of one authority that are tried, each with openssl."""
MOST_IN_A_CHAIN = 64
"""Certificates, or revocation lists, that lie beside one token."""
LONGEST_IDENTIFIER = 64
OPENSSL_SECONDS = 60

Json = Dict[str, Any]
DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)
"""What reading and parsing damaged bytes may raise; each becomes a finding that names the file."""


class Finding(NamedTuple):
    """One thing that a check saw."""

    severity: str
    """broken refutes; gap leaves a claim incomplete; note is worth reading."""
    step: int
    rule: str
    subject: str
    expected: str
    observed: str


class Case:
    """One examination: what is trusted, what was read so far, and what was seen."""

    def __init__(self, trust: Path, as_of: datetime | None = None, bag: Path | None = None) -> None:
        self.trust, self.bag = trust, bag
        self.is_dated = as_of is not None
        self.as_of = as_of or datetime.now(timezone.utc)
        self.findings: dict[tuple[str, str], Finding] = {}
        self.severities: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()
        self.pins = Pins()
        self.files: dict[str, int] = {}
        """Plain files of the bag, and their sizes."""
        self.measured: dict[str, Measured] = {}
        self.export = Export()
        self.log = Log()
        self.rows = Rows()
        self.seals: list[Seal] = []
        self.tokens: list[Token] = []
        self.times: list[ItemTime] = []

    def broken(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Something is refuted."""
        self._see("broken", rule, subject, expected, observed)

    def gap(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Something can't be shown."""
        self._see("gap", rule, subject, expected, observed)

    def note(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Something is worth reading."""
        self._see("note", rule, subject, expected, observed)

    @contextmanager
    def about(self, rule: str, subject: str) -> Iterator[None]:
        """Damage met inside becomes a finding about *subject*."""
        try:
            yield
        except DAMAGE as error:
            self.broken(rule, subject, "readable and well-formed", str(error) or type(error).__name__)

    def _see(self, severity: str, rule: str, subject: str, expected: str, observed: str) -> None:
        if (rule, subject) in self.findings:
            return
        self.severities[severity, rule] += 1
        # A bag can hold a million faults; a hundred of each kind are enough to read.
        if self.severities[severity, rule] <= MOST_FINDINGS_A_RULE:
            words = [printable(text) for text in (subject, expected, observed)]
            self.findings[rule, subject] = Finding(severity, STEP_OF[rule], rule, *words)

    @property
    def exit_code(self) -> int:
        """0 proven, 1 broken, 4 incomplete."""
        seen = {severity for severity, _ in self.severities}
        return BROKEN if "broken" in seen else INCOMPLETE if "gap" in seen else PROVEN


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code."""
    parser = argparse.ArgumentParser(description="Checks a bag of preserved evidence, or a receipt.")
    parser.add_argument("bag", metavar="BAG", nargs="?", type=Path, help="the bag's folder")
    parser.add_argument("--trust", metavar="DIR", type=Path, required=True, help="what you trust")
    parser.add_argument("--receipt", metavar="FILE", type=Path, help="proof.json or receipt.json")
    parser.add_argument("--as-of", metavar="TIME", type=moment, help="judge as of this time (UTC)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    try:
        wrong = wrong_usage(options)
    except (OSError, RuntimeError) as error:
        wrong = f"That can't be read: {error}"
    if wrong:
        parser.print_usage(sys.stderr)
        print(f"verify.py: {wrong}", file=sys.stderr)
        return USAGE
    case = Case(options.trust, options.as_of, options.bag)
    try:
        # Damage is met where it lies; this is for what nobody has thought of.
        with case.about("unreadable", str(options.bag or options.receipt)):
            if options.bag is None:
                verify_receipt(case, options.receipt)
            else:
                verify_bag(case, options.receipt)
    except MemoryError:
        case.gap("no-memory", str(options.bag or options.receipt), "what fits into memory", "more")
    print(as_json(case) if options.json else as_text(case))
    return case.exit_code


def wrong_usage(options: argparse.Namespace) -> str | None:
    """What is wrong with the command line; None if nothing is."""
    if options.bag is None and options.receipt is None:
        return "Name a BAG, a --receipt, or both."
    if options.bag is not None and not options.bag.is_dir():
        return f"{options.bag} isn't a folder. Unpack the bag first."
    if not options.trust.is_dir():
        return f"{options.trust} isn't a folder."
    if options.bag is not None and is_inside(options.trust, options.bag):
        return "What you trust must come from outside the bag: name another --trust."
    if options.receipt is not None and not options.receipt.is_file():
        return f"{options.receipt} isn't a file."
    return None


def is_inside(path: Path, folder: Path) -> bool:
    """Whether *path* is *folder* or lies in it, links followed."""
    place, resolved = folder.resolve(), path.resolve()
    return place == resolved or place in resolved.parents


def verify_bag(case: Case, receipt: Path | None = None) -> None:
    """Steps 1 to 15 for a bag; what is seen stands in *case*."""
    read_pins(case)
    judge_bag(case)
    read_export(case)
    if not case.pins.log_keys or not case.export.is_readable:
        return
    read_entries(case)
    follow_keys(case)
    judge_signature(case)
    judge_checkpoints(case)
    judge_inclusion(case)
    judge_consistency(case)
    judge_rows(case)
    judge_objects(case)
    judge_warcs(case)
    judge_seals(case)
    judge_tokens(case)
    judge_times(case)
    if receipt is not None:
        judge_receipt(case, receipt)


def verify_receipt(case: Case, receipt: Path) -> None:
    """The steps that a receipt alone allows."""
    read_pins(case)
    if case.pins.log_keys:
        judge_receipt(case, receipt)


# 1. What is trusted comes from outside the bag.


class Pins:
    """What the trust folder holds."""

    def __init__(self) -> None:
        self.log_keys: list[Key] = []
        self.witnesses: list[Key] = []
        self.remembered: dict[str, bytes] = {}
        """Notes of checkpoints, by file name."""
        self.growth: dict[tuple[int, int], list[list[bytes]]] = defaultdict(list)
        """Proofs from one size of the log to another."""
        self.lists: list[RevocationList] = []


def read_pins(case: Case) -> None:
    """Read every file of the trust folder but certificates, which are read when they're needed."""
    try:
        lines = key_lines(case.trust / "log.vkey")
        case.pins.log_keys = [parse_key(line, LOG_KEY) for line in lines]
    except FileNotFoundError:
        seen = "no such file"
    except DAMAGE as error:
        seen = str(error)
    else:
        seen = "no key in it"
    if len({key.name for key in case.pins.log_keys}) > 1:
        case.pins.log_keys, seen = [], "keys of several logs"
    if not case.pins.log_keys:
        case.gap("no-trusted-key", "log.vkey", "the log's public key in the trust folder", seen)
    with_optional_file(case, "witnesses.vkey", read_witness_keys)
    for ending, read in (
        (".checkpoint", read_remembered),
        (".consistency.jsonl", read_growth),
        (".crl.pem", read_later_lists),
    ):
        for name in trusted_names(case, ending):
            with_optional_file(case, name, read)


def trusted_names(case: Case, ending: str) -> list[str]:
    """Names of the files in the trust folder that end so; a folder that can't be listed is a gap."""
    try:
        names = [path.name for path in case.trust.iterdir()]
    except OSError as error:
        case.gap("trust-unreadable", ".", "a folder that can be listed", str(error))
        return []
    return sorted(name for name in names if name.endswith(ending))


def with_optional_file(case: Case, name: str, read: Any) -> None:
    """Let *read* take the file *name* of the trust folder, if it is there."""
    path = case.trust / name
    try:
        read(case, path)
    except DAMAGE as error:
        if not isinstance(error, FileNotFoundError) or path.is_symlink():
            case.gap("trust-unreadable", name, "a readable file", str(error))


def read_witness_keys(case: Case, path: Path) -> None:
    """The witnesses whose cosignatures count."""
    case.pins.witnesses = [parse_key(line, WITNESS_KEY) for line in key_lines(path)]


def read_remembered(case: Case, path: Path) -> None:
    """A checkpoint that was kept."""
    case.pins.remembered[path.name] = read_small(path, LARGEST_NOTE)


def read_growth(case: Case, path: Path) -> None:
    """What joins checkpoints to later ones. It is proof by itself, and can come from anywhere."""
    for line in lines_of(path):
        proof = parse_canonical(line)
        sizes = (require_count(proof["old_size"]), require_count(proof["new_size"]))
        case.pins.growth[sizes].append(hashes(proof["proof"]))


def read_later_lists(case: Case, path: Path) -> None:
    """Revocation lists that were got since."""
    lists = revocation_lists(read_small(path, LARGEST_CERTIFICATES))
    require(lists, "no revocation list in PEM is in it")
    case.pins.lists += lists


def key_lines(path: Path) -> list[str]:
    """The lines of a file of keys; empty lines and comments are left out."""
    lines = read_small(path, LARGEST_DOCUMENT).decode("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


# 2. The bag is whole: plain files under plain names, each listed, each with both digests as listed.

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
ALGORITHMS = ("sha256", "sha512")
MANIFEST_LINE = re.compile(r"([0-9a-f]+)[ \t]+(\S.*)")
OXUM = re.compile(rb"^Payload-Oxum:[ \t]*([0-9]+)\.([0-9]+)[ \t]*$", re.MULTILINE)
UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]")
LARGEST = (
    (re.compile(r"bagit\.txt|data/log/checkpoints/.*|.*\.(tsr|ots)"), LARGEST_NOTE),
    (re.compile(r".*\.pem"), LARGEST_CERTIFICATES),
    (re.compile(r"[^/]*manifest-[^/]*"), MOST_FILES * 256),
    (re.compile(r"[^/]*|data/export\.json|data/seals/.*"), LARGEST_DOCUMENT),
)
"""How large files of these names may be; the first pattern that fits counts. Others: any size."""


class Measured(NamedTuple):
    """What a file's bytes are."""

    size: int
    sha256: str
    sha512: str


def judge_bag(case: Case) -> None:
    """RFC 8493, and this archive's profile of it: version 1.0, both digests, nothing to fetch."""
    list_files(case)
    judge_declaration(case)
    for kind in ("manifest", "tagmanifest"):
        own = {name for name in case.files if is_listed_in(kind, name)}
        for algorithm in ALGORITHMS:
            judge_manifest(case, f"{kind}-{algorithm}.txt", algorithm, own)
    judge_oxum(case)


def list_files(case: Case) -> None:
    """Learn which plain files there are; links are never followed."""
    assert case.bag is not None
    folded: dict[str, str] = {}
    for name, entry in walk(case, case.bag):
        judge_name(case, name, folded)
        if entry.is_symlink() or not entry.is_file(follow_symlinks=False):
            case.broken("not-a-plain-file", name, "a plain file", "a link, a pipe or a device")
        elif len(case.files) >= MOST_FILES:
            case.broken("too-many-files", str(case.bag), f"at most {MOST_FILES} files", "more")
            return
        else:
            take_file(case, name, entry.stat(follow_symlinks=False).st_size)
    case.counts["files"], case.counts["bytes"] = len(case.files), sum(case.files.values())


def take_file(case: Case, name: str, size: int) -> None:
    """Remember a file, unless it is larger than such a file can be; then it is never read."""
    largest = next((limit for pattern, limit in LARGEST if pattern.fullmatch(name)), size)
    if size > largest:
        case.broken("too-large", name, f"at most {largest} bytes", f"{size}")
    else:
        case.files[name] = size


def walk(case: Case, folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every entry below *folder* that isn't a folder, with its path from there."""
    waiting = [("", folder)]
    while waiting:
        prefix, place = waiting.pop()
        with case.about("unreadable", prefix or "."), os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    yield name, entry
                elif name.count("/") >= DEEPEST_FOLDER:
                    case.broken("unsafe-name", name, f"{DEEPEST_FOLDER} folders deep at most", "deeper")
                else:
                    waiting.append((name + "/", Path(entry.path)))


def judge_name(case: Case, name: str, folded: dict[str, str]) -> None:
    """A name means one file on every system, and can't steer a terminal."""
    if UNSAFE.search(name) or not is_text(name):
        case.broken("unsafe-name", name, "a name without control characters", "others")
    other = folded.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
    if other != name:
        case.broken("name-collision", name, "a name of its own on every system", other)


def judge_declaration(case: Case) -> None:
    """RFC 8493 2.1.1, to the byte: no mark before it, no other version, no other encoding."""
    with case.about("bag-declaration", "bagit.txt"):
        found = read_small(bag_file(case, "bagit.txt"), LARGEST_NOTE)
        if found != DECLARATION:
            case.broken("bag-declaration", "bagit.txt", repr(DECLARATION), repr(found[:200]))


def is_listed_in(kind: str, name: str) -> bool:
    """Whether manifests of this *kind* must list the file *name* (RFC 8493 2.1.3, 2.2.1)."""
    if name.startswith("tagmanifest-") or name == SIGNATURE:
        return False
    return name.startswith("data/") == (kind == "manifest")


def judge_manifest(case: Case, manifest: str, algorithm: str, own: set[str]) -> None:
    """*manifest* lists each of *own* and nothing else, with the digest that its bytes have."""
    if manifest not in case.files:
        case.broken("manifest-missing", manifest, "a list of files and their digests", "none")
        return
    listed: dict[str, str] = {}
    with case.about("manifest-line", manifest):
        listed.update(read_manifest(bag_file(case, manifest)))
    for name in sorted(listed.keys() | own):
        if name not in listed:
            case.broken("file-not-listed", name, f"a line in {manifest}", "none")
        elif name not in own:
            case.broken("file-missing", name, f"the file that {manifest} lists", "none")
        else:
            judge_digest(case, name, algorithm, listed[name])


def read_manifest(path: Path) -> dict[str, str]:
    """Name to digest; ValueError if a line is malformed or a name stands twice."""
    listed: dict[str, str] = {}
    for line in lines_of(path):
        match = MANIFEST_LINE.fullmatch(line.decode("utf-8"))
        if match is None:
            raise ValueError(f"not a lower-case digest and a name: {line[:100]!r}")
        name = unescaped(match[2])
        if name in listed:
            raise ValueError(f"{name} stands twice")
        listed[name] = match[1]
        if len(listed) > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES} lines")
    return listed


def unescaped(name: str) -> str:
    """RFC 8493 2.1.3: line ends and percent signs are written %0A, %0D, %25."""
    return re.sub("%(0A|0D|25)", lambda match: chr(int(match[1], 16)), name, flags=re.IGNORECASE)


def judge_digest(case: Case, name: str, algorithm: str, stated: str) -> None:
    """The bytes of *name* have the digest that is *stated*."""
    with case.about("unreadable", name):
        if name not in case.measured:
            if case.files[name] > WORTH_TELLING:
                print(f"reading {printable(name)}: {case.files[name]} bytes", file=sys.stderr)
            case.measured[name] = measure(bag_file(case, name))
        found = getattr(case.measured[name], algorithm)
        if found != stated:
            case.broken("file-digest", name, f"{algorithm} {stated}", found)


def measure(path: Path) -> Measured:
    """Size and digests of a file, in one pass."""
    meter = Meter()
    with open_plain(path) as stream:
        for piece in iter(lambda: stream.read(PIECE), b""):
            meter.update(piece)
    return meter.measured()


class Meter:
    """Counts and digests bytes as they pass."""

    def __init__(self) -> None:
        self.size, self.sha256, self.sha512 = 0, hashlib.sha256(), hashlib.sha512()

    def update(self, piece: bytes) -> None:
        self.size += len(piece)
        self.sha256.update(piece)
        self.sha512.update(piece)

    def measured(self) -> Measured:
        return Measured(self.size, self.sha256.hexdigest(), self.sha512.hexdigest())


def judge_oxum(case: Case) -> None:
    """RFC 8493 2.2.2: bytes and number of the payload's files."""
    payload = [size for name, size in case.files.items() if name.startswith("data/")]
    found = (sum(payload), len(payload))
    with case.about("payload-oxum", "bag-info.txt"):
        stated = OXUM.findall(read_small(bag_file(case, "bag-info.txt"), LARGEST_DOCUMENT))
        if [(int(size), int(count)) for size, count in stated] != [found]:
            seen = b" ".join(b".".join(pair) for pair in stated).decode() or "none"
            case.broken("payload-oxum", "bag-info.txt", f"{found[0]}.{found[1]}", seen)


# 3. The bag says what it holds and withholds, holds nothing else, and is as the archive signed it.

SIGNATURE, SIGNED = "signature.txt", b"preservation-bag/v1\ntagmanifest-sha256.txt %s\n"
"""A signed note over the tag manifest, which covers the other manifests, and they every file."""
EXPORT = "data/export.json"
EXPORT_MEMBERS = {
    "version": int,
    "export_id": str,
    "created_at": str,
    "archive_id": str,
    "log_origin": str,
    "log_public_key": str,
    "items": list,
    "checkpoint_size": int,
    "withheld": list,
    "tables": dict,
}
WITHHELD_KINDS = ("item", "object", "row", "warc")
REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_ID = r"[0-9A-Za-z_-]{1,100}"
_LANGUAGE = r"[a-z]{2,3}(-[A-Za-z]+)?"
KNOWN_FILES = re.compile(
    "|".join(
        (
            r"bagit\.txt|bag-info\.txt|README\.txt|signature\.txt|verify\.py|(tag)?manifest-sha(256|512)\.txt",
            r"data/export\.json|data/premis\.xml|data/loadfile/loadfile\.dat",
            r"data/certificate(\." + _LANGUAGE + r")?\.(html|pdf)",
            r"data/history/" + _ID + r"\." + _LANGUAGE + r"\.(html|pdf)",
            r"data/rows/[a-z]+\.(jsonl|parquet)",
            r"data/objects/[0-9a-f]{64}",
            r"data/warc/" + _ID + r"\.warc\.gz",
            r"data/log/(entries|inclusion|consistency)\.jsonl",
            r"data/log/checkpoints/[0-9]{12}",
            r"data/log/tokens/[0-9]{12}/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(tsr|chain\.pem|crl\.pem|ots)",
            r"data/seals/" + _ID + r"(\.[0-9]+)?\.json",
        )
    )
)


class Withheld(NamedTuple):
    """One thing that the bag leaves out, and why."""

    kind: str
    subject: str
    table: str | None
    item: str | None
    reason: str

    def is_row_of(self, table: str) -> bool:
        """Whether it is a row of this table. Rows of `protected` are ciphertexts about sources: that
        they are withheld is worth a note; whatever else is leaves a gap.
        """
        return (self.kind, self.table) == ("row", table)


class Export:
    """What export.json says."""

    def __init__(self) -> None:
        self.is_readable = False
        self.items: list[str] = []
        self.tables: dict[str, int] = {}
        self.checkpoint_size = 0
        self.log_origin = self.log_public_key = ""
        self.withheld: list[Withheld] = []

    def without(self, kind: str) -> set[str]:
        """Subjects of this kind that are withheld."""
        return {left_out.subject for left_out in self.withheld if left_out.kind == kind}


def read_export(case: Case) -> None:
    """Read export.json, and see that every file is of a kind that it knows."""
    with case.about("export-json", EXPORT):
        case.export = parse_export(
            parse_canonical(read_small(bag_file(case, EXPORT), LARGEST_DOCUMENT))
        )
    for name in case.files:
        if not KNOWN_FILES.fullmatch(name):
            case.broken("unexpected-file", name, "a file of a known kind", "another")
    for left_out in case.export.withheld:
        if not left_out.is_row_of("events"):
            tell = case.note if left_out.is_row_of("protected") else case.gap
            subject = f"{left_out.kind} {left_out.subject}"
            tell("withheld", subject, "in the bag", f"withheld: {left_out.reason}")


def parse_export(document: Json) -> Export:
    """What *document* says; ValueError if it has another shape."""
    require_members(document, EXPORT_MEMBERS)
    if document["version"] != 1:
        raise ValueError(f"version {document['version']} isn't known here")
    export = Export()
    export.items = [require_text(item) for item in document["items"]]
    export.tables = {name: require_count(count) for name, count in document["tables"].items()}
    export.checkpoint_size = require_count(document["checkpoint_size"])
    export.log_origin, export.log_public_key = document["log_origin"], document["log_public_key"]
    export.withheld = [parse_withheld(entry) for entry in document["withheld"]]
    export.is_readable = True
    return export


def parse_withheld(entry: Json) -> Withheld:
    """One entry of the list of what is withheld; it must have a reason."""
    names = ("kind", "subject", "table", "item_id", "reason")
    left_out = Withheld._make(entry.get(name) for name in names)
    if left_out.kind not in WITHHELD_KINDS or not REASON.fullmatch(require_text(left_out.reason)):
        raise ValueError(f"not a kind and a reason: {str(entry)[:200]}")
    require_text(left_out.subject)
    if left_out.kind == "row":
        require_text(left_out.table)
    return left_out


def judge_signature(case: Case) -> None:
    """The bag is as the archive wrote it. Entries, with what they name, and withheld things could else
    be left out, or told otherwise, by whoever passes a bag on: no bag holds the whole log.
    """
    if SIGNATURE not in case.files:
        case.gap("bag-not-signed", SIGNATURE, "the archive's signature over the bag", "none")
        return
    with case.about("bag-signature", SIGNATURE):
        text, signatures = split_note(read_small(bag_file(case, SIGNATURE), LARGEST_NOTE))
        digest = measure(bag_file(case, "tagmanifest-sha256.txt")).sha256
        require(text == SIGNED % digest.encode("ascii"), "it is about another bag than this one")
        keys = case.log.keys.since(case.export.checkpoint_size)
        is_ours = any(signed_by(key, text, signatures) for key in keys)
        require(is_ours, "no valid signature by a key of this log that was in use")


# 4. The log's entries are canonical, in order and chained, and their times don't run back.

ENTRIES = "data/log/entries.jsonl"
ENTRY_MEMBERS = {
    "version": int,
    "index": int,
    "previous_leaf_hash": (str, type(None)),
    "at": str,
    "event_at": str,
    "event_key": str,
    "event_type": str,
    "item": (str, type(None)),
    "agent": str,
    "salt": str,
    "body": dict,
}
HEX_128, HEX_256 = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}")


class Entry(NamedTuple):
    """One entry of the log."""

    number: int
    previous: str | None
    at: datetime
    event_at: datetime
    key: str
    kind: str
    item: str | None
    agent: str
    body: Json
    leaf: bytes


class Act(NamedTuple):
    """What an entry says of one row of the events table."""

    number: int
    at: datetime
    facts: tuple[Any, ...]
    """Key, type, time, item and agent, as in the row."""


class Log:
    """What the entries say; grows with the number of rows that they name, not with their content."""

    def __init__(self) -> None:
        self.numbers = array("q")
        """Index of the entry on each line; -1 where it can't be read."""
        self.last: Entry | None = None
        self.latest: datetime | None = None
        self.claims: dict[str, Counter[tuple[bytes, str | None]]] = defaultdict(Counter)
        """Table to (row digest, item), as ingestion entries name them."""
        self.acts: dict[bytes, Act] = {}
        """By digest of the events row."""
        self.ingested: dict[str, tuple[int, datetime]] = {}
        """Item to index and log time of its ingestion entry."""
        self.packed: dict[str, tuple[int, Json]] = {}
        """Batch to index of its packing entry, and the files that it names."""
        self.rotations: list[tuple[int, Json]] = []
        self.latest_at: dict[int, datetime] = {}
        """Latest log time among the bag's entries below each checkpoint."""
        self.ended_at: dict[int, datetime] = {}
        """Log time of the last entry below each checkpoint, if the bag holds that entry."""
        self.keys = KeyChain([], [])
        self.heads: dict[int, Head] = {}
        """Signed checkpoints by size."""


def read_entries(case: Case) -> None:
    """One pass over the entries."""
    boundaries = sorted(checkpoint_sizes(case), reverse=True)
    number = 0
    with case.about("log-entry", ENTRIES):
        for number, line in enumerate(lines_of(bag_file(case, ENTRIES)), start=1):
            case.log.numbers.append(-1)
            with case.about("log-entry", f"{ENTRIES}, line {number}"):
                entry = parse_entry(line)
                case.log.numbers[-1] = entry.number
                while boundaries and boundaries[-1] <= entry.number:
                    note_latest(case.log, boundaries.pop())
                judge_order(case, entry)
                take_entry(case.log, entry)
    for size in boundaries:
        note_latest(case.log, size)
    case.counts["entries"] = number


def note_latest(log: Log, size: int) -> None:
    """The entries below *size* have been read."""
    if log.latest is not None:
        log.latest_at[size] = log.latest
        if log.last is not None and log.last.number == size - 1:
            log.ended_at[size] = log.last.at


def parse_entry(line: bytes) -> Entry:
    """The entry on *line*; ValueError unless it is canonical and complete."""
    members = parse_canonical(line)
    require_members(members, ENTRY_MEMBERS)
    previous, number = members["previous_leaf_hash"], require_count(members["index"])
    if members["version"] != 1 or len(members) != len(ENTRY_MEMBERS):
        raise ValueError("an entry of another version, or with other members")
    if not HEX_128.fullmatch(members["salt"]) or not HEX_256.fullmatch(previous or "0" * 64):
        raise ValueError("its salt or the hash of the entry before isn't hexadecimal")
    if (previous is None) != (number == 0):
        raise ValueError("the first entry alone has none before it")
    return Entry(
        number=number,
        previous=previous,
        at=instant(members["at"]),
        event_at=instant(members["event_at"]),
        key=members["event_key"],
        kind=members["event_type"],
        item=members["item"],
        agent=members["agent"],
        body=members["body"],
        leaf=leaf_hash(line),
    )


def judge_order(case: Case, entry: Entry) -> None:
    """Places ascend, neighbours are chained by hash, and no clock runs back."""
    subject, log = f"entry {entry.number}", case.log
    if log.last is not None and entry.number <= log.last.number:
        case.broken("log-order", subject, f"an entry after {log.last.number}", "one before it")
    elif log.last is not None and not is_chained(log.last, entry):
        case.broken("log-chain", subject, f"the hash {log.last.leaf.hex()}", str(entry.previous))
    if log.latest is not None and entry.at < log.latest - CLOCK_TOLERANCE:
        case.broken("log-time-runs-back", subject, f"not before {log.latest}", f"{entry.at}")
    if entry.event_at > entry.at + CLOCK_TOLERANCE:
        case.broken("event-after-its-entry", subject, f"not after {entry.at}", f"{entry.event_at}")


def is_chained(before: Entry, entry: Entry) -> bool:
    """Neighbours are chained; between others lie entries that aren't in the bag."""
    return entry.number != before.number + 1 or entry.previous == before.leaf.hex()


def take_entry(log: Log, entry: Entry) -> None:
    """Note what the entry says; ValueError if its body has another shape."""
    log.last = entry
    log.latest = entry.at if log.latest is None else max(log.latest, entry.at)
    if "files" in entry.body:
        log.packed[require_text(entry.body["batch_id"])] = (entry.number, entry.body["files"])
    elif "event" in entry.body:
        facts = (entry.key, entry.kind, entry.event_at, entry.item, entry.agent)
        log.acts[digest_bytes(entry.body["event"])] = Act(entry.number, entry.at, facts)
    elif "rows" in entry.body:
        for table, digests in entry.body["rows"].items():
            log.claims[table].update((digest_bytes(digest), entry.item) for digest in digests)
        if entry.item is not None:
            log.ingested.setdefault(entry.item, (entry.number, entry.at))
    elif "new_public_key" in entry.body and entry.kind == "key rotation":
        log.rotations.append((entry.number, entry.body))


# 5. The log's keys are the pinned ones, and those that they handed over to.


class KeyChain(NamedTuple):
    """The log's keys in the order of their use."""

    keys: list[Key]
    handovers: list[int]
    """Index of the entry that ends the use of each key but the last; none: all are equal."""

    def since(self, size: int) -> list[Key]:
        """Keys that may sign a seal over a checkpoint of this size: the one in use, or a later one."""
        return self.keys[sum(index < size for index in self.handovers) :]

    def at(self, size: int) -> list[Key]:
        """Keys that may sign a checkpoint of this size: the one in use."""
        return self.since(size)[:1] if self.handovers else self.keys


def follow_keys(case: Case) -> None:
    """Each handover is signed by the old key and the new; at least one key in the chain is pinned."""
    pinned, log = case.pins.log_keys, case.log
    chain = key_chain(case, pinned[0].name, log.rotations)
    log.keys = chain or sole_key(pinned, case.export.log_public_key)
    if not any(key in pinned for key in log.keys.keys):
        case.broken("key-not-pinned", "log.vkey", "a key of this log", "keys that it never used")
        log.keys = KeyChain([], [])
    named = (case.export.log_origin, case.export.log_public_key)
    if named not in {(key.name, key.text) for key in log.keys.keys}:
        case.broken("key-not-pinned", EXPORT, "the pinned log and its key", " ".join(named))


def key_chain(case: Case, origin: str, rotations: list[tuple[int, Json]]) -> KeyChain | None:
    """The keys that the rotations join; None without any. A false one ends the chain before it."""
    keys: list[Key] = []
    handovers: list[int] = []
    for index, body in rotations:
        with case.about("key-rotation", f"entry {index}"):
            old, new = open_rotation(index, body, origin)
            if keys and keys[-1] != old:
                raise ValueError("it hands over from a key that wasn't in use")
            keys = [*(keys or [old]), new]
            handovers.append(index)
    return KeyChain(keys, handovers) if keys else None


def sole_key(pinned: list[Key], named: str) -> KeyChain:
    """Without a handover one key signs everything; else a handover is hidden."""
    return KeyChain([key for key in pinned if key.text == named] or pinned, [])


def open_rotation(index: int, body: Json, origin: str) -> tuple[Key, Key]:
    """The old key and the new one; ValueError unless both signed."""
    old, new = parse_key(body["old_public_key"], LOG_KEY), parse_key(body["new_public_key"], LOG_KEY)
    statement = canonical_json(
        {
            "index": index,
            "log_origin": origin,
            "new_public_key": new.text,
            "old_public_key": old.text,
        }
    )
    for key, signature in ((old, body["old_signature"]), (new, body["new_signature"])):
        if key.name != origin or not is_signed(key.raw, statement, base64_bytes(signature)):
            raise ValueError(f"it isn't signed by {key.text}")
    return old, new


# 6. Every checkpoint is signed by the log's key, and no witness's signature on it is false.

CHECKPOINT = re.compile("data/log/checkpoints/([0-9]{12})")


class Head(NamedTuple):
    """What a checkpoint says: the log's first *size* entries have this *root*."""

    size: int
    root: bytes
    signer: Key
    witnesses: list[tuple[str, datetime]]
    """Pinned witnesses whose cosignature stands on it, and when they gave it."""


def checkpoint_sizes(case: Case) -> list[int]:
    """Sizes of the checkpoints in the bag, ascending."""
    matches = (CHECKPOINT.fullmatch(name) for name in case.files)
    return sorted(int(match[1]) for match in matches if match)


def checkpoint_name(size: int) -> str:
    """Where the checkpoint of this size lies in the bag."""
    return f"data/log/checkpoints/{size:012}"


def judge_checkpoints(case: Case) -> None:
    """Open every checkpoint."""
    for size in checkpoint_sizes(case):
        name = checkpoint_name(size)
        with case.about("checkpoint", name):
            note = read_small(bag_file(case, name), LARGEST_NOTE)
            head = open_checkpoint(case, name, note, case.log.keys)
            if head.size != size:
                raise ValueError(f"its name says {size} entries, it says {head.size}")
            case.log.heads[size] = head
    if case.export.checkpoint_size != max(case.log.heads, default=0):
        seen = str(max(case.log.heads, default="none"))
        case.broken("checkpoint", EXPORT, f"{case.export.checkpoint_size} as the newest", seen)
    for key in case.log.keys.keys:
        own = [size for size, head in case.log.heads.items() if head.signer == key]
        for size in sorted(own)[-1:]:
            cross_check(case, checkpoint_name(size), key)
    judge_witnesses(case)


def open_checkpoint(case: Case, name: str, note: bytes, keys: KeyChain) -> Head:
    """The head in *note*, once its signatures have been verified (c2sp.org/tlog-checkpoint)."""
    text, signatures = split_note(note)
    origin, size, root = parse_head(text)
    signers = [key for key in keys.at(size) if key.name == origin and signed_by(key, text, signatures)]
    if not signers:
        raise ValueError(f"no valid signature by a key that may sign {size} entries of {origin}")
    witnesses = [
        (witness.name, at)
        for witness in case.pins.witnesses
        for at in cosigned_at(case, name, witness, text, signatures)
    ]
    return Head(size, root, signers[0], witnesses)


def signed_by(key: Key, text: bytes, signatures: list[tuple[str, bytes]]) -> bool:
    """Whether *key* signed; ValueError if a signature in its name is false."""
    own = [blob[4:] for name, blob in signatures if (name, blob[:4]) == (key.name, key.id)]
    if not all(is_signed(key.raw, text, signature) for signature in own):
        raise ValueError(f"the signature of {key.text} is false")
    return bool(own)


def cosigned_at(
    case: Case, subject: str, witness: Key, text: bytes, signatures: list[tuple[str, bytes]]
) -> Iterator[datetime]:
    """When *witness* cosigned (c2sp.org/tlog-cosignature); a false cosignature is reported."""
    for name, blob in signatures:
        if (name, blob[:4]) == (witness.name, witness.id):
            seconds = int.from_bytes(blob[4:12], "big")
            message = b"cosignature/v1\ntime %d\n" % seconds + text
            if is_signed(witness.raw, message, blob[12:]) and seconds < 1 << 36:
                yield datetime.fromtimestamp(seconds, timezone.utc)
            else:
                case.broken("witness-signature", subject, f"signed by {witness.name}", "it isn't")


def cross_check(case: Case, name: str, key: Key) -> None:
    """A second opinion: openssl verifies the signature that our own Ed25519 has accepted."""
    text, signatures = split_note(read_small(bag_file(case, name), LARGEST_NOTE))
    own = next(blob[4:] for holder, blob in signatures if (holder, blob[:4]) == (key.name, key.id))
    der = bytes.fromhex("302a300506032b6570032100") + key.raw
    files = {"-in": text, "-sigfile": own, "-inkey": der}
    answer = openssl(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"], files)
    if answer is not None and answer.returncode == 1 and b"Verification Failure" in answer.stdout:
        case.broken("signature-disputed", name, "openssl accepts the signature, too", "it refuses")


def judge_witnesses(case: Case) -> None:
    """Who pins witnesses wants the newest checkpoint cosigned by one of them at least."""
    newest = case.log.heads.get(max(case.log.heads, default=0))
    if case.pins.witnesses and newest is not None and not newest.witnesses:
        name = checkpoint_name(newest.size)
        case.gap("witness-missing", name, "a cosignature of a pinned witness", "none")


# 7. Every entry lies in a signed checkpoint.


def judge_inclusion(case: Case) -> None:
    """RFC 9162 2.1.3.2: entry and proof lead to the checkpoint's root; both files go in step."""
    name = "data/log/inclusion.jsonl"
    with case.about("inclusion-proof", name):
        proofs = lines_of(bag_file(case, name))
        for position, line in enumerate(lines_of(bag_file(case, ENTRIES))):
            number = case.log.numbers[position]
            with case.about("inclusion-proof", f"entry {number}"):
                judge_included(case, number, line, parse_canonical(next(proofs, b"")))
        if next(proofs, None) is not None:
            raise ValueError("it holds proofs of entries that aren't here")


def judge_included(case: Case, number: int, line: bytes, proof: Json) -> None:
    """The proof is about this entry, and leads from its line to a checkpoint's root."""
    index, size = require_count(proof["index"]), require_count(proof["size"])
    if index != number:
        raise ValueError(f"its proof is about entry {index}")
    head = case.log.heads.get(size)
    if head is None:
        raise ValueError(f"no signed checkpoint of {size} entries is here")
    if root_of_inclusion(leaf_hash(line), index, size, hashes(proof["proof"])) != head.root:
        raise ValueError(f"it doesn't lie in the checkpoint of {size} entries")


# 8. All checkpoints are of one log that only grew, those seen earlier or elsewhere included.

CONSISTENCY = "data/log/consistency.jsonl"


SAME, FORKED, LATER, UNKNOWN = "same", "forked", "later", "unknown"


def judge_consistency(case: Case) -> None:
    """RFC 9162 2.1.4.2: every checkpoint is the beginning of the newest."""
    newest = case.log.heads.get(case.export.checkpoint_size)
    joined = {case.export.checkpoint_size}
    with case.about("consistency-proof", CONSISTENCY):
        for line in lines_of(bag_file(case, CONSISTENCY)) if newest is not None else ():
            old_size, path = consistency_proof(line, case.export.checkpoint_size)
            joined.add(old_size)
            old = case.log.heads.get(old_size)
            if old is not None and not is_beginning(old, newest, path):
                name = checkpoint_name(old.size)
                case.broken("consistency-proof", name, "the beginning of the newest", "another log")
    for size in sorted(case.log.heads.keys() - joined):
        case.broken("consistency-proof", checkpoint_name(size), "a proof to the newest", "none")
    remembered = sorted(case.pins.remembered.items())
    signers = {judge_remembered(case, name, note) for name, note in remembered}
    judge_later_keys(case, case.log.keys.keys, signers)


def judge_later_keys(case: Case, keys: list[Key], vouching: set[Key | None]) -> None:
    """No pinned key has taken over since, unless it, or one after it, is among those *vouching*: they
    signed a checkpoint that begins with this log. Who stole a key that was given up can go on under it.
    """
    pinned = case.pins.log_keys
    for place, key in enumerate(pinned):
        if key not in keys and not vouching.intersection(pinned[place:]):
            expected = "an entry that hands over to it, or a kept checkpoint under it with a proof"
            case.gap("key-not-reached", key.text, expected, "neither: a key given up may be in use")


def consistency_proof(line: bytes, newest: int) -> tuple[int, list[bytes]]:
    """Old size and hashes of the proof on *line*; ValueError if it doesn't lead to the newest."""
    proof = parse_canonical(line)
    if require_count(proof["new_size"]) != newest:
        raise ValueError(f"a proof leads to {proof['new_size']} entries, not to the newest checkpoint")
    return require_count(proof["old_size"]), hashes(proof["proof"])


def relation(case: Case, head: Head) -> str:
    """How a checkpoint from elsewhere stands to the bag's newest one."""
    newest = case.log.heads.get(case.export.checkpoint_size)
    same = case.log.heads.get(head.size)
    if same is not None:
        return SAME if same.root == head.root else FORKED
    if newest is None:
        return LATER
    if head.size > newest.size:
        return SAME if is_joined(case, newest, head) else LATER
    for line in lines_of(bag_file(case, CONSISTENCY)):
        old_size, path = consistency_proof(line, newest.size)
        if old_size == head.size:
            return SAME if is_beginning(head, newest, path) else FORKED
    return UNKNOWN


def is_joined(case: Case, one: Head, other: Head) -> bool:
    """Whether proofs in the trust folder lead from both to one tree, which may be one of them."""
    return bool(grown(case, one).items() & grown(case, other).items())


def grown(case: Case, head: Head) -> dict[int, bytes]:
    """By size the roots of the trees whose beginning *head* is, by proofs in the trust folder."""
    roots = {head.size: head.root}
    for (start, end), paths in sorted(case.pins.growth.items()):
        for path in paths if start in roots else ():
            root = grown_root(start, roots[start], end, path)
            if root is not None:
                roots.setdefault(end, root)
    return roots


def is_beginning(old: Head, new: Head | None, path: list[bytes]) -> bool:
    """Whether the proof *path* shows that *old* is the beginning of *new*."""
    return new is not None and is_consistent(old.size, old.root, new.size, new.root, path)


def judge_remembered(case: Case, name: str, note: bytes) -> Key | None:
    """What was seen elsewhere is this log, too; if it is, whose key signed that."""
    everyone = KeyChain([*case.log.keys.keys, *case.pins.log_keys], [])
    try:
        head = open_checkpoint(case, name, note, everyone)
        found = relation(case, head)
    except DAMAGE as error:
        case.gap("remembered-checkpoint", name, "a checkpoint of this log", str(error))
        return None
    if found == FORKED:
        case.broken("log-forked", name, "the beginning of the bag's newest checkpoint", "another log")
    elif found == LATER:
        # A log rewritten shorter than it was would else be taken for an older bag of the true one.
        seen = f"{head.size} entries; the bag's newest checkpoint has {case.export.checkpoint_size}"
        case.gap("remembered-later", name, "a proof that this bag's log is its beginning", seen)
    elif found == UNKNOWN:
        expected = f"a proof from {head.size} entries to the newest checkpoint"
        case.gap("remembered-checkpoint", name, expected, "none in the bag")
    return head.signer if found == SAME else None


# 9. Every row is the one that was logged; every logged row is here, or listed as withheld.

OUTCOMES = ("captured", "partly-captured", "not-captured")
NONE = type(None)
TEXT, COUNT, TEXT_OR_NONE, COUNT_OR_NONE = str, int, (str, NONE), (int, NONE)
COLUMNS: dict[str, dict[str, Any]] = {
    "submissions": {"submission_id": TEXT, "accepted_count": COUNT, "receipt_sha256": TEXT},
    "items": {
        "item_id": TEXT,
        "submission_id": TEXT,
        "submitted_url": TEXT_OR_NONE,
        "outcome": TEXT,
        "reason": TEXT_OR_NONE,
        "attempt_count": COUNT,
        "object_count": COUNT,
    },
    "captures": {
        "item_id": TEXT,
        "capture_id": TEXT,
        "warc_file": TEXT_OR_NONE,
        "warc_offset": COUNT_OR_NONE,
        "warc_length": COUNT_OR_NONE,
        "warc_sha256": TEXT_OR_NONE,
    },
    "objects": {
        "item_id": TEXT,
        "capture_id": TEXT,
        "size_bytes": COUNT,
        "sha256": TEXT,
        "sha512": TEXT,
        "warc_file": TEXT_OR_NONE,
        "warc_offset": COUNT_OR_NONE,
        "warc_length": COUNT_OR_NONE,
        "warc_record_id": TEXT_OR_NONE,
    },
    "resources": {
        "item_id": TEXT,
        "capture_id": TEXT,
        "is_held": bool,
        "sha256": TEXT_OR_NONE,
        "warc_file": TEXT_OR_NONE,
        "warc_offset": COUNT_OR_NONE,
    },
    "derivations": {"item_id": TEXT, "derived_sha256": TEXT},
    "fingerprints": {"item_id": TEXT, "sha256": TEXT},
    "events": {
        "event_id": TEXT,
        "event_type": TEXT,
        "event_at": TEXT,
        "item_id": TEXT_OR_NONE,
        "agent": TEXT,
        "detail_json": TEXT,
    },
    "timestamps": {
        "status": TEXT,
        "token_key": TEXT_OR_NONE,
        "token_sha256": TEXT_OR_NONE,
        "gen_time": TEXT_OR_NONE,
    },
}
"""The columns that are judged, and their types."""
NAMED_BY = {"submissions": "submission_id", "items": "item_id", "captures": "capture_id"}
"""The column by which rows of other tables name a row of these; a second row would contradict it."""


class Place(NamedTuple):
    """Where a row says that a record lies, and what its payload is."""

    item: str
    capture: str
    warc: str
    offset: int
    length: int | None
    record_id: str | None
    size: int | None
    sha256: str | None
    sha512: str | None


class Rows:
    """What later steps need of the rows."""

    def __init__(self) -> None:
        self.items: dict[str, Json] = {}
        self.submissions: dict[str, Json] = {}
        self.captures: dict[str, Json] = {}
        self.objects: dict[str, set[Measured]] = defaultdict(set)
        """SHA-256 to what rows say of the object."""
        self.objects_of: dict[str, set[str]] = defaultdict(set)
        """Item to SHA-256 of its objects."""
        self.counts: Counter[tuple[str, str]] = Counter()
        """(table, item) to number of rows, withheld ones included."""
        self.places: dict[str, list[Place]] = defaultdict(list)
        """Capture to records that rows speak of."""
        self.attempts: set[tuple[str, str]] = set()
        """(item, capture) of objects and resources."""
        self.bodies: set[tuple[str, str | None]] = set()
        """(item, SHA-256) of resources that are held, of derivatives, and of what has fingerprints."""
        self.stampings: list[tuple[Act, Json]] = []
        """Entry and detail of each timestamping event."""
        self.timestamps: list[Json] = []


def judge_rows(case: Case) -> None:
    """Every table, then what is missing, then whether rows agree with each other."""
    for table, count in sorted(case.export.tables.items()):
        with case.about("row", rows_name(table)):
            found = sum(
                judge_row(case, table, line) for line in lines_of(bag_file(case, rows_name(table)))
            )
            case.counts["rows"] += found
            if found != count:
                case.broken(
                    "row-count", rows_name(table), f"{count} rows, as {EXPORT} says", f"{found}"
                )
    for name in case.files:
        table = name[len("data/rows/") : -len(".jsonl")]
        if name == rows_name(table) and table not in case.export.tables:
            case.broken("row-count", name, f"a table that {EXPORT} names", table)
    judge_withheld_rows(case)
    judge_missing_rows(case)
    judge_items(case)
    judge_outcomes(case)
    judge_references(case)
    tell_of_items(case)


def rows_name(table: str) -> str:
    """Where the rows of *table* lie in the bag."""
    return f"data/rows/{table}.jsonl"


def judge_row(case: Case, table: str, line: bytes) -> int:
    """One row: its digest recomputes, and the log names it. Always 1, for counting."""
    with case.about("row", f"{rows_name(table)}: {line[:60].decode('utf-8', 'replace')}"):
        row = parse_canonical(line)
        columns = {"item_id": TEXT_OR_NONE, **COLUMNS.get(table, {})}
        # Sealed before its table had a column, a row lacks it; sealed later, it has others, too.
        known = {**{name: None for name, kind in columns.items() if isinstance(None, kind)}, **row}
        require_members(known, columns)
        stated = digest_bytes(row.pop("row_sha256"))
        subject = f"{table} {stated.hex()}"
        computed = hashlib.sha256(canonical_json(row)).digest()
        if stated != computed:
            case.broken("row-digest", subject, computed.hex(), stated.hex())
        elif table == "timestamps":
            # Made after the checkpoint that they speak of, so no entry names them; the tokens do.
            case.rows.timestamps.append(known)
        elif table == "events":
            judge_event(case, subject, stated, known)
        else:
            judge_claimed(case, table, subject, stated, row)
        if table in NAMED_BY and known[NAMED_BY[table]] in getattr(case.rows, table):
            refer(case, f"{table}: {known[NAMED_BY[table]]}", "one row", "another")
        take_row(case.rows, table, known)
    return 1


def judge_claimed(case: Case, table: str, subject: str, digest: bytes, row: Json) -> None:
    """An ingestion entry names this row for this item; each time that it stands here."""
    claims = case.log.claims[table]
    claim = (digest, row.get("item_id"))
    if claims[claim] < 1:
        case.broken("row-not-logged", subject, "a row that an ingestion entry names", "none names it")
    claims[claim] -= 1


def judge_event(case: Case, subject: str, digest: bytes, row: Json) -> None:
    """An entry names this event, and says the same of it."""
    act = case.log.acts.get(digest)
    if act is None:
        case.broken("row-not-logged", subject, "an event that an entry names", "none names it")
        return
    names = ("event_id", "event_type", "event_at", "item_id", "agent")
    facts = tuple(instant(row[name]) if name == "event_at" else row[name] for name in names)
    if facts != act.facts:
        case.broken("row-altered", subject, str(act.facts), str(facts))
    if row["event_type"] == "timestamping":
        case.rows.stampings.append((act, parse_json(row["detail_json"].encode("utf-8"))))
    del case.log.acts[digest]


def take_row(rows: Rows, table: str, row: Json) -> None:
    """Keep what later steps need."""
    if row.get("item_id") is not None:
        rows.counts[table, row["item_id"]] += 1
    if table == "items":
        rows.items[row["item_id"]] = row
    elif table == "submissions":
        rows.submissions[row["submission_id"]] = row
    elif table == "captures":
        rows.captures[row["capture_id"]] = row
    elif table == "objects":
        measured = Measured(row["size_bytes"], row["sha256"], row["sha512"])
        rows.objects[row["sha256"]].add(measured)
        rows.objects_of[row["item_id"]].add(row["sha256"])
        rows.attempts.add((row["item_id"], row["capture_id"]))
        take_place(rows, row, measured)
    else:
        take_mentions(rows, table, row)


def take_mentions(rows: Rows, table: str, row: Json) -> None:
    """Keep which attempts and objects the row says that there are."""
    if table == "resources":
        rows.attempts.add((row["item_id"], row["capture_id"]))
        take_place(rows, row, None)
        if row["is_held"]:
            rows.bodies.add((row["item_id"], row["sha256"]))
    elif table == "derivations":
        rows.bodies.add((row["item_id"], row["derived_sha256"]))
    elif table == "fingerprints":
        rows.bodies.add((row["item_id"], row["sha256"]))


def take_place(rows: Rows, row: Json, measured: Measured | None) -> None:
    """Keep where the row's record lies."""
    if row["warc_file"] is not None:
        own = (row["item_id"], row["capture_id"], row["warc_file"], require_count(row["warc_offset"]))
        record = (row.get("warc_length"), row.get("warc_record_id"))
        rows.places[row["capture_id"]].append(Place(*own, *record, *(measured or (None, None, None))))


def judge_withheld_rows(case: Case) -> None:
    """What is said to be withheld was logged; it is then no longer missing."""
    log, rows = case.log, case.rows
    for left_out in case.export.withheld:
        if left_out.kind == "row":
            digest, table = digest_bytes(left_out.subject), str(left_out.table)
            claim = (digest, left_out.item)
            if table == "events" and digest in log.acts:
                tell_of_event(case, left_out, log.acts.pop(digest))
                continue
            if log.claims[table][claim] < 1:
                seen = "no entry names it, or it is here"
                case.broken("withheld-not-logged", left_out.subject, "a logged row", seen)
            log.claims[table][claim] -= 1
            if left_out.item is not None:
                rows.counts[table, left_out.item] += 1


def tell_of_event(case: Case, left_out: Withheld, act: Act) -> None:
    """An export to somebody else may stay between those two; any other act belongs to the evidence."""
    tell = case.note if act.facts[1] == "dissemination" else case.gap
    tell("withheld-event", left_out.subject, "in the bag", f"withheld: {left_out.reason}")


def judge_missing_rows(case: Case) -> None:
    """Every row that the log names is here."""
    hidden = case.export.without("item")
    for table, claims in sorted(case.log.claims.items()):
        for (digest, item), count in claims.items():
            if count > 0 and item not in hidden:
                case.broken("row-missing", f"{table} {digest.hex()}", "the logged row", "none")
    for digest, act in case.log.acts.items():
        if act.facts[3] not in hidden:
            case.broken("row-missing", f"events {digest.hex()}", "the logged event", "none")


def judge_items(case: Case) -> None:
    """Every item that the bag is about was logged, and none but these is here."""
    items, hidden = set(case.export.items), case.export.without("item")
    for item in sorted(items & hidden):
        case.broken("item-not-listed", item, f"in the bag or withheld, as {EXPORT} says", "both")
    for item in sorted(items - case.log.ingested.keys()):
        case.broken("item-not-logged", item, "an ingestion entry", "none")
    for item in sorted(items):
        if not case.rows.counts["items", item]:
            case.broken("row-missing", item, "the row of this item", "none")
    for item in sorted((case.log.ingested.keys() | case.rows.items.keys()) - items - hidden):
        case.broken("item-not-listed", item, f"an item that {EXPORT} names", "not named")


def tell_of_items(case: Case) -> None:
    """What fell short when it was captured, and how much of a submission is in this bag."""
    for item, row in sorted(case.rows.items.items()):
        if row["outcome"] != "captured":
            case.note("item-fell-short", item, "captured", f"{row['outcome']}: {row['reason']}")
    here = Counter(item["submission_id"] for item in case.rows.items.values())
    for submission, row in sorted(case.rows.submissions.items()):
        if here[submission] < row["accepted_count"]:
            seen = f"{here[submission]} of them in this bag"
            case.note("items-elsewhere", submission, f"{row['accepted_count']} items", seen)
        elif here[submission] > row["accepted_count"]:
            refer(case, submission, f"{row['accepted_count']} items", f"{here[submission]} items")


def judge_outcomes(case: Case) -> None:
    """Each item's row says what became of it, and counts its other rows right."""
    rows = case.rows
    for item, row in sorted(rows.items.items()):
        stated = (row["attempt_count"], row["object_count"])
        found = (rows.counts["captures", item], rows.counts["objects", item])
        if stated != found:
            refer(case, item, f"{stated[0]} attempts, {stated[1]} objects", f"{found[0]}, {found[1]}")
        if row["outcome"] not in OUTCOMES or (row["reason"] is None) != (row["outcome"] == "captured"):
            refer(case, item, "an outcome, with a reason unless captured", f"{row['outcome']}")
        if row["submission_id"] not in rows.submissions and not is_withheld(case, "submissions"):
            refer(case, item, f"the row of submission {row['submission_id']}", "none")


def judge_references(case: Case) -> None:
    """Rows that speak of each other agree."""
    rows, items = case.rows, set(case.export.items)
    for table, item in rows.counts:
        if item not in items:
            refer(case, f"{table} of {item}", "an item of this bag", "not one")
    for item, capture in () if is_withheld(case, "captures") else sorted(rows.attempts):
        if rows.captures.get(capture, {}).get("item_id") != item:
            refer(case, item, f"the row of attempt {capture}", "none")
    for item, sha256 in () if is_withheld(case, "objects") else rows.bodies:
        if sha256 not in rows.objects_of[item]:
            refer(case, item, f"the object {sha256} of another row", "none")


def refer(case: Case, subject: str, expected: str, observed: str) -> None:
    """Rows contradict each other."""
    case.broken("row-reference", subject, expected, observed)


def is_withheld(case: Case, table: str) -> bool:
    """Whether some row of *table* is withheld, so that another may speak of it."""
    return any(left_out.is_row_of(table) for left_out in case.export.withheld)


# 10. Every object's bytes are those of its row, by size and both digests.


def judge_objects(case: Case) -> None:
    """Compare each row with what was measured in step 2."""
    hidden = case.export.without("object")
    for sha256, stated in sorted(case.rows.objects.items()):
        name = f"data/objects/{sha256}"
        found = case.measured.get(name)
        case.counts["objects"] += 1
        if found is None and sha256 not in hidden:
            case.broken("object-missing", name, "the object that a row describes", "none")
        for row in stated if found is not None else ():
            if row != found:
                case.broken("object", name, str(row), str(found))
    judge_other_objects(case, hidden)


def judge_other_objects(case: Case, hidden: set[str]) -> None:
    """No object is here, or said to be withheld, that no logged row describes."""
    for name in case.files:
        if name.startswith("data/objects/") and name[len("data/objects/") :] not in case.rows.objects:
            case.broken("object-not-logged", name, "an object that a logged row describes", "none does")
    if not is_withheld(case, "objects"):
        for sha256 in sorted(hidden - case.rows.objects.keys()):
            case.broken("withheld-object-not-logged", sha256, "an object of a logged row", "none")


# 11. Every WARC is the run of records that was logged; each record is whole and where rows say.

FLOOR_BYTES, LARGEST_RATIO = 1 << 30, 200
"""A run may unpack to the former, and to the latter times its size; what unpacks to more isn't read."""
HEAD_END = re.compile(rb"[^\r\n]\r?\n\r?\n")
HTTP_VERSION = re.compile(rb"\A\s*(?:\S[^\r\n]* )?HTTP/(\d)\.(\d)", re.IGNORECASE)
CODINGS = re.compile(rb"^transfer-encoding[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
CHUNK_SIZE = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
LONGEST_CHUNK_LINE = 1 << 14


class TooLarge(Exception):
    """A run of records unpacks to more than is read."""


class Record(NamedTuple):
    """One record of a WARC, as measured."""

    offset: int
    length: int
    record_id: str
    kind: str
    payload: Measured


def judge_warcs(case: Case) -> None:
    """Every attempt's run of records."""
    hidden = case.export.without("warc")
    for capture, row in sorted(case.rows.captures.items()):
        name = f"data/warc/{capture}.warc.gz"
        if name in case.measured:
            with case.about("warc", name):
                judge_warc(case, name, row)
        elif row["warc_file"] is not None and capture not in hidden:
            case.broken("warc-missing", name, "the records of this attempt", "none")
    for name in case.files:
        capture = name[len("data/warc/") : -len(".warc.gz")]
        is_warc = name.startswith("data/warc/")
        if is_warc and case.rows.captures.get(capture, {}).get("warc_sha256") is None:
            case.broken("warc-not-logged", name, "a digest in a logged row", "none")
    if not is_withheld(case, "captures"):
        for capture in sorted(hidden - case.rows.captures.keys()):
            case.broken("withheld-warc-not-logged", capture, "an attempt that was logged", "none")


def judge_warc(case: Case, name: str, capture: Json) -> None:
    """The file is the logged run; its records are whole, and those that rows speak of are there."""
    found, stated = case.measured[name], (capture["warc_length"], capture["warc_sha256"])
    if (found.size, found.sha256) != stated:
        case.broken("warc", name, f"{stated}", f"{(found.size, found.sha256)}")
        return
    records = {}
    try:
        with open_plain(bag_file(case, name)) as stream:
            for record in read_records(stream, found.size):
                records[record.offset] = record
    except TooLarge as error:
        case.gap("warc-too-large", name, "records that unpack to a bearable size", str(error))
        return
    case.counts["records"] += len(records)
    for place in case.rows.places[capture["capture_id"]]:
        judge_place(case, name, capture, place, records.get(place.offset - capture["warc_offset"]))


def judge_place(case: Case, name: str, capture: Json, place: Place, record: Record | None) -> None:
    """The record is where the row says, and is what the row says."""
    subject = f"{name} at {place.offset}"
    if record is None or place.warc != capture["warc_file"] or place.item != capture["item_id"]:
        case.broken("warc-record", subject, f"a record of {place.warc}", "none begins there")
    elif place.sha256 is not None:
        stated = (place.length, place.record_id, place.size, place.sha256, place.sha512)
        if stated != (record.length, record.record_id, *record.payload):
            case.broken("warc-record", subject, str(stated), str(record))


def read_records(stream: BinaryIO, size: int) -> Iterator[Record]:
    """The records of a WARC (ISO 28500:2017), one gzip member each, nothing between them.

    Raises:
        ValueError: It isn't that, or a record contradicts its own digests.
        TooLarge: It unpacks to more than is read.
    """
    member = Member(stream, max(FLOOR_BYTES, LARGEST_RATIO * size))
    while member.begin():
        offset = member.position
        try:
            record_id, kind, payload = read_record(member)
        except (ValueError, LookupError, zlib.error) as error:
            raise ValueError(f"the record at {offset}: {error}") from error
        yield Record(offset, member.position - offset, record_id, kind, payload)


class Member:
    """What the present gzip member of a stream holds, read piece by piece."""

    def __init__(self, stream: BinaryIO, largest: int) -> None:
        self._stream, self._largest = stream, largest
        self._packed = b""
        self._unpacker = zlib.decompressobj(31)
        self._held = b""
        self.position = 0
        """In the stream: the next packed byte that wasn't read."""

    def begin(self) -> bool:
        """Go on to the next member; False if there is none."""
        self._unpacker, self._held = zlib.decompressobj(31), b""
        self._packed = self._packed or self._stream.read(PIECE)
        return bool(self._packed)

    def piece(self) -> bytes:
        """The next piece; empty at the member's end."""
        while not self._held and not self._unpacker.eof:
            self._packed = self._packed or self._stream.read(PIECE)
            if not self._packed:
                raise ValueError("it is cut short")
            self._held = self._unpacker.decompress(self._packed, PIECE)
            rest = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
            self.position += len(self._packed) - len(rest)
            self._packed = rest
            self._largest -= len(self._held)
            if self._largest < 0:
                raise TooLarge("more than the limit for its size")
        held, self._held = self._held, b""
        return held

    def give_back(self, piece: bytes) -> None:
        """Let *piece* be read again."""
        self._held = piece + self._held


def read_record(member: Member) -> tuple[str, str, Measured]:
    """Identifier, type and payload of the record that *member* holds."""
    fields = warc_fields(take_head(member))
    block = Block(member, int(fields["content-length"]))
    head = block.http_head() if fields.get("content-type", "").startswith("application/http") else b""
    payload = Meter()
    for piece in dechunked(block) if is_chunked(head) else block.pieces():
        payload.update(piece)
    for _ in block.pieces():
        pass
    if member.piece() + member.piece() != b"\r\n\r\n" or member.piece():
        raise ValueError("its block isn't followed by two line ends alone")
    measured, kind = payload.measured(), fields.get("warc-type", "")
    require_digest(fields, "warc-block-digest", block.sha256.hexdigest())
    # WARC 1.1, 6.7.2: a revisit names the payload of the record that it refers to.
    if kind != "revisit" and "warc-payload-digest" in fields:
        require_digest(fields, "warc-payload-digest", measured.sha256)
    return fields["warc-record-id"], kind, measured


def take_head(member: Member) -> bytes:
    """The record's own head, with its empty line."""
    held = bytearray()
    while b"\r\n\r\n" not in held[-LARGEST_HEAD:]:
        piece = member.piece()
        held += piece
        if not piece or len(held) > LARGEST_HEAD:
            raise ValueError("its head has no end")
    end = held.index(b"\r\n\r\n") + 4
    member.give_back(bytes(held[end:]))
    return bytes(held[:end])


def warc_fields(head: bytes) -> dict[str, str]:
    """The fields of a record's head, names in lower case."""
    version, *lines = head.decode("utf-8", "surrogateescape").rstrip("\r\n").split("\r\n")
    if version not in ("WARC/1.0", "WARC/1.1"):
        raise ValueError("it doesn't begin like a WARC record")
    pairs = (line.partition(":") for line in lines)
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    if not re.fullmatch("[0-9]{1,15}", fields["content-length"]):
        raise ValueError("its content-length isn't a number")
    return fields


def require_digest(fields: dict[str, str], name: str, computed: str) -> None:
    """ValueError unless the field *name* has this SHA-256."""
    if fields[name] != f"sha256:{computed}":
        raise ValueError(f"its {name} says {fields[name]}, its bytes say {computed}")


class Block:
    """The block of one record: as many bytes as its head says, digested as they pass."""

    def __init__(self, member: Member, size: int) -> None:
        self._member, self._left = member, size
        self.sha256 = hashlib.sha256()

    def pieces(self) -> Iterator[bytes]:
        """What is left of the block."""
        while self._left:
            piece = self._member.piece()
            if not piece:
                raise ValueError("its block is shorter than it says")
            own, rest = piece[: self._left], piece[self._left :]
            if rest:
                self._member.give_back(rest)
            self._left -= len(own)
            self.sha256.update(own)
            yield own

    def http_head(self) -> bytes:
        """The head of the HTTP message in the block; all of it, if it was cut off in its head."""
        held, begin, found = b"", 0, None
        while found is None and len(held) < self._left and len(held) <= LARGEST_HEAD:
            piece = self._member.piece()
            if not piece:
                raise ValueError("its block is shorter than it says")
            held += piece
            found = HEAD_END.search(held[: self._left], begin)
            begin = max(0, len(held) - 5)
        end = found.end() if found else min(self._left, len(held))
        self._member.give_back(held[end:])
        self._left -= end
        self.sha256.update(held[:end])
        return held[:end]


def is_chunked(head: bytes) -> bool:
    """Whether *head* announces a chunked body, as browsers read it: in HTTP/1.1 alone."""
    version = HTTP_VERSION.match(head)
    if version is None or (version[1], version[2]) < (b"1", b"1"):
        return False
    values = CODINGS.findall(re.sub(rb"\r?\n[ \t]+", b" ", head))
    return any(coding.strip().lower() == b"chunked" for v in values for coding in v.split(b","))


def dechunked(block: Block) -> Iterator[bytes]:
    """RFC 9112 7.1: the chunks joined. Where the framing breaks, what follows counts for nothing."""
    framing = Framing(block.pieces())
    size = CHUNK_SIZE.fullmatch(framing.line())
    while size is not None and int(size[1], 16) > 0:
        yield from framing.take(int(size[1], 16))
        if framing.line():
            return
        size = CHUNK_SIZE.fullmatch(framing.line())


class Framing:
    """Lines and chunks of a chunked body."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held, self._place = pieces, b"", 0

    def line(self) -> bytes:
        """The next line without its end; empty at the end of the body, '?' if it is too long."""
        while (end := self._held.find(b"\n", self._place, self._place + LONGEST_CHUNK_LINE)) < 0:
            if len(self._held) - self._place > LONGEST_CHUNK_LINE:
                return b"?"
            piece = next(self._pieces, b"")
            if not piece:
                return b""
            self._held, self._place = self._held[self._place :] + piece, 0
        line, self._place = self._held[self._place : end], end + 1
        return line[:-1] if line.endswith(b"\r") else line

    def take(self, count: int) -> Iterator[bytes]:
        """The next *count* bytes, or as many as there are."""
        while count:
            if self._place == len(self._held):
                self._held, self._place = next(self._pieces, b""), 0
            piece = self._held[self._place : self._place + count]
            if not piece:
                return
            self._place, count = self._place + len(piece), count - len(piece)
            yield piece


# 12. Every item's batch is sealed, and the seal agrees with log and checkpoint.

SEAL = re.compile(r"data/seals/(" + _ID + r")(?:\.([2-9]|[1-9][0-9]+))?\.json")
SEAL_MEMBERS = {
    "version": int,
    "batch_id": str,
    "log": dict,
    "checkpoint": dict,
    "files": dict,
    "timestamps": list,
    "status": str,
    "public_key": str,
    "signature": str,
}
TOKEN_KEY = re.compile(r"log/tokens/([0-9]{12})/([A-Za-z0-9_-][A-Za-z0-9_.-]*)\.tsr")


class Seal(NamedTuple):
    """A seal whose signature was verified."""

    name: str
    batch: str
    edition: int
    start: int
    end: int
    checkpoint_size: int
    files: Json
    stamps: list[Json]
    quorum: int
    """How many authorities it takes to be sealed."""


def judge_seals(case: Case) -> None:
    """Open every seal; every item must lie below the newest edition of one."""
    for name in sorted(case.files):
        match = SEAL.fullmatch(name)
        if match:
            with case.about("seal", name):
                document = open_seal(case, name)
                seal = parse_seal(name, match[1], int(match[2] or 1), document)
                judge_seal(case, seal, document)
                case.seals.append(seal)
    for item in sorted(set(case.export.items) & case.log.ingested.keys()):
        own = seal_of(case, case.log.ingested[item][0])
        if own is None:
            case.gap("seal-missing", item, "the seal of its batch", "none that holds")
        elif own.batch not in case.log.packed:
            case.broken("seal-files", own.name, "the packing entry of its batch", "none")


def seal_of(case: Case, index: int) -> Seal | None:
    """The newest edition of the seal over the entry *index*."""
    own = [seal for seal in case.seals if seal.start <= index < seal.end]
    return max(own, key=lambda seal: seal.edition) if own else None


def open_seal(case: Case, name: str) -> Json:
    """The document, once its signature over all its other members has been verified."""
    document = parse_canonical(read_small(bag_file(case, name), LARGEST_DOCUMENT))
    require_members(document, SEAL_MEMBERS)
    signature = base64_bytes(document.pop("signature"))
    size = require_count(document["checkpoint"]["size"])
    keys = [key for key in case.log.keys.since(size) if key.text == document["public_key"]]
    if not any(is_signed(key.raw, canonical_json(document), signature) for key in keys):
        raise ValueError("it isn't signed by a key that was in use")
    return document


def parse_seal(name: str, batch: str, edition: int, document: Json) -> Seal:
    """What the seal says; ValueError if it contradicts its own name."""
    if (document["version"], document["batch_id"]) != (1, batch):
        raise ValueError("it is of another version, or of another batch than its name says")
    stamps = document["timestamps"]
    authorities = [require_text(stamp["authority"]) for stamp in stamps]
    require(
        len(set(authorities)) == len(authorities), "an authority stands twice among its time stamps"
    )
    return Seal(
        name=name,
        batch=batch,
        edition=edition,
        start=require_count(document["log"]["start"]),
        end=require_count(document["log"]["end"]),
        checkpoint_size=require_count(document["checkpoint"]["size"]),
        files=document["files"],
        stamps=stamps,
        quorum=asked_for(document.get("time_quorum", max(1, len(stamps)))),
    )


def asked_for(quorum: Any) -> int:
    """The quorum; ValueError unless it asks for one token at least."""
    require(require_count(quorum) > 0, "it asks for no time stamp")
    return cast("int", quorum)


def judge_seal(case: Case, seal: Seal, document: Json) -> None:
    """The seal says what log, checkpoint and packing entry say."""
    checkpoint, head = document["checkpoint"], case.log.heads.get(seal.checkpoint_size)
    measured = case.measured.get(checkpoint_name(seal.checkpoint_size))
    stated = (checkpoint["root_sha256"], checkpoint["file_sha256"])
    found = (head.root.hex(), measured.sha256) if head and measured else None
    if stated != found or not seal.start < seal.end <= seal.checkpoint_size:
        case.broken("seal-checkpoint", seal.name, f"{found}", f"{stated} over {seal.end} entries")
    index, packed = case.log.packed.get(seal.batch, (seal.start, {}))
    if not seal.start <= index < seal.end:
        case.broken("seal-files", seal.name, "the packing entry of its batch", f"entry {index}")
    for key, facts in packed.items():
        if seal.files.get(key) != facts:
            case.broken("seal-files", seal.name, f"{key}: {facts}", f"{seal.files.get(key)}")
    accepted = sum(stamp["status"] == "accepted" for stamp in seal.stamps)
    status = "sealed" if accepted >= seal.quorum else "partial" if accepted else "pending"
    if document["status"] != status:
        case.broken("seal-status", seal.name, status, document["status"])


# 13. Every time-stamp token is over its checkpoint, under pinned roots, and was valid when made.

TOKEN = re.compile("data/" + TOKEN_KEY.pattern)
CRL = re.compile(r"data/log/tokens/[0-9]{12}/[A-Za-z0-9_.-]+\.crl\.pem")
AUTHORITY = re.compile("[A-Za-z0-9_-][A-Za-z0-9_.-]*")
TEST_MARK = b"TEST AUTHORITY"
DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
EXTENDED_KEY_USAGE, TIME_STAMPING = "2.5.29.37", "1.3.6.1.5.5.7.3.8"
LIST_PLACES, REVOCATION_REASON = "2.5.29.31", "2.5.29.21"
HARMLESS_REASONS = (3, 4, 5)
"""affiliationChanged, superseded, cessationOfOperation: RFC 3161 4 spares tokens made before that."""


class Token(NamedTuple):
    """An accepted token."""

    name: str
    authority: str
    size: int
    """Entries that its checkpoint covers."""
    gen_time: datetime
    not_after: datetime
    is_test: bool
    sha256: str
    signer: Certificate


def judge_tokens(case: Case) -> None:
    """Every token in the bag, then what seals and rows say of tokens."""
    for name in sorted(case.files):
        match = TOKEN.fullmatch(name)
        if match and int(match[1]) in case.log.heads:
            with case.about("token", name):
                judge_stored_token(case, name, int(match[1]), match[2])
    judge_revocations(case, case.tokens, [*sound_lists(case), *case.pins.lists])
    judge_stamps(case)
    judge_timestamp_rows(case)
    judge_expiry(case)


def judge_stored_token(case: Case, name: str, size: int, authority: str) -> None:
    """One token file with the chain and revocation list beside it."""
    note = read_small(bag_file(case, checkpoint_name(size)), LARGEST_NOTE)
    response = read_small(bag_file(case, name), LARGEST_TOKEN)
    chain = beside(case, name, ".chain.pem")
    token = judge_token(case, name, authority, size, (response, note, chain))
    if token is not None:
        case.tokens.append(token)
        case.counts["tokens"] += 1


def beside(case: Case, name: str, ending: str) -> bytes:
    """The file beside a token; empty if there is none."""
    other = name[: -len(".tsr")] + ending
    return read_small(bag_file(case, other), LARGEST_CERTIFICATES) if other in case.files else b""


def judge_token(
    case: Case, name: str, authority: str, size: int, parts: tuple[bytes, bytes, bytes]
) -> Token | None:
    """The token of *parts* (response, note, chain), if it can be accepted; else why is reported.

    Raises:
        ValueError: A rule of RFC 3161 or RFC 5816 doesn't hold.
    """
    response, note, chain = parts
    stamp = read_stamp(response)
    judge_stamp(stamp, note)
    if case.is_dated and stamp.gen_time > case.as_of:
        case.note("token-ignored", name, f"made before {case.as_of}", f"{stamp.gen_time}")
        return None
    roots = pinned_roots(case, authority)
    if not roots:
        return None
    files = {
        "-data": note,
        "-in": response,
        "-CAfile": roots,
        **({"-untrusted": chain} if chain else {}),
    }
    # Without -attime openssl would judge by today's date.
    answer = openssl(["ts", "-verify", "-attime", str(int(stamp.gen_time.timestamp()))], files)
    if answer is None:
        case.gap("no-openssl", "openssl", "the openssl program", "it can't be run here")
        return None
    if b"Verification: " not in answer.stdout:
        # It was killed, is broken, or is another program of this name that doesn't know -attime.
        case.gap("no-openssl", name, "a verdict by OpenSSL, 1.1.1 or newer", reason(answer))
        return None
    if answer.returncode != 0 or b"Verification: OK" not in answer.stdout:
        raise ValueError(f"openssl refuses it: {reason(answer)}")
    digest = hashlib.sha256(response).hexdigest()
    is_test = TEST_MARK in stamp.certificate.issuer
    if is_test:
        case.note("test-authority", authority, "an independent authority", "its tokens prove nothing")
    expiry = stamp.certificate.not_after
    return Token(name, authority, size, stamp.gen_time, expiry, is_test, digest, stamp.certificate)


def pinned_roots(case: Case, authority: str) -> bytes:
    """The root certificates that are pinned for this authority; empty, reported, if there are none."""
    expected = f"certificates in {authority}.pem in the trust folder"
    try:
        roots = certificates_in(read_small(case.trust / f"{authority}.pem", LARGEST_CERTIFICATES))
    except FileNotFoundError:
        roots, seen = b"", "no such file"
    except DAMAGE as error:
        roots, seen = b"", str(error)
    else:
        seen = "none in it"
    if not roots:
        case.gap("no-trusted-roots", authority, expected, seen)
    return roots


def certificates_in(text: bytes) -> bytes:
    """The certificates in PEM, and nothing else; ValueError if one can't be read, for then openssl
    would read none of them, and refuse what they vouch for.
    """
    blocks = [(match[1], unwrapped(match[0])) for match in PINNED_CERTIFICATE.finditer(text)]
    require(len(blocks) == text.count(b"CERTIFICATE-----") / 2, "a certificate is cut short")
    for _, content in blocks:
        # What openssl trusts for some uses alone has more behind it.
        read_certificate(first_element(content))
    return b"".join(
        b"-----BEGIN %s-----\n%s-----END %s-----\n" % (kind, base64.encodebytes(content), kind)
        for kind, content in blocks
    )


class Certificate(NamedTuple):
    """What is needed of an X.509 certificate (RFC 5280)."""

    encoding: bytes
    serial: int
    issuer: bytes
    subject: bytes
    not_before: datetime
    not_after: datetime
    extensions: dict[str, tuple[bool, bytes]]
    """Object identifier to (whether critical, value)."""


class Stamp(NamedTuple):
    """What a time-stamp response says (RFC 3161 2.4.2, RFC 5652 5)."""

    version: int
    imprint_digest: str
    imprint: bytes
    gen_time: datetime
    accuracy_s: int
    """How far off that may be, in seconds, rounded up; 0 if it doesn't say."""
    statement: bytes
    """DER of the TSTInfo."""
    signer_digest: str
    attributes: dict[str, Der]
    """Signed attributes: object identifier to their one value."""
    certificate: Certificate
    """The signer's."""


def judge_stamp(stamp: Stamp, note: bytes) -> None:
    """Our own rules; openssl verifies the signature and the chain."""
    for digest in (stamp.imprint_digest, stamp.signer_digest):
        require(digest in DIGESTS, f"its digest {digest} isn't of the SHA-2 family")
    require(stamp.version == 1, "its TSTInfo isn't of version 1")
    bearable = stamp.accuracy_s <= CLOCK_TOLERANCE.total_seconds()
    require(bearable, f"its time may be off by {stamp.accuracy_s} s, as it says itself")
    computed = digest_by(stamp.imprint_digest, note)
    require(stamp.imprint == computed, "it is about other bytes than this checkpoint")
    content_type, digest_of = (stamp.attributes[name] for name in (CONTENT_TYPE, MESSAGE_DIGEST))
    require(content_type.oid() == TST_INFO, "its signature isn't over a TSTInfo")
    covered = digest_by(stamp.signer_digest, stamp.statement)
    require(digest_of.content == covered, "its signature covers another statement")
    require(names_certificate(stamp), "its ESS attribute names another certificate (RFC 5816)")
    critical, usage = stamp.certificate.extensions[EXTENDED_KEY_USAGE]
    purposes = [purpose.oid() for purpose in der(usage).members()]
    alone = critical and purposes == [TIME_STAMPING]
    require(alone, "its certificate isn't, critically, for time stamping alone (RFC 3161 2.3)")
    valid = stamp.certificate.not_before <= stamp.gen_time <= stamp.certificate.not_after
    require(valid, f"its certificate wasn't valid at {stamp.gen_time}")


def names_certificate(stamp: Stamp) -> bool:
    """RFC 5816 2.2.1, RFC 5035 4: the signature binds the signer's certificate by its digest."""
    second = stamp.attributes.get(SIGNING_CERTIFICATE_V2)
    value = second or stamp.attributes[SIGNING_CERTIFICATE]
    parts = value.members()[0].members()[0].members()
    default = hashlib.sha256 if second else hashlib.sha1
    if parts[0].tag == SEQUENCE:
        return parts[1].content == digest_by(parts[0].members()[0].oid(), stamp.certificate.encoding)
    return parts[0].content == default(stamp.certificate.encoding).digest()


def judge_revocations(case: Case, tokens: list[Token], lists: list[RevocationList]) -> None:
    """No signer's certificate was revoked, by any of the lists."""
    for token in tokens:
        own = [found for found in lists if found.issuer == token.signer.issuer]
        with case.about("token", token.name):
            for found in own:
                judge_revoked(case, token, found)
        if not any(found.next_update >= token.gen_time for found in own):
            tell_of_no_list(case, token)


def sound_lists(case: Case) -> list[RevocationList]:
    """The bag's revocation lists, as far as pinned roots vouch for who signed them; each once."""
    found: dict[tuple[str, bytes], RevocationList] = {}
    for name in sorted(case.files):
        match = CRL.fullmatch(name)
        with case.about("token", name):
            for one in (
                revocation_lists(read_small(bag_file(case, name), LARGEST_CERTIFICATES))
                if match
                else ()
            ):
                found.setdefault((name.rpartition("/")[2], one.encoding), one._replace(name=name))
    sound = []
    for one in found.values():
        with case.about("token", one.name):
            authority = one.name.rpartition("/")[2][: -len(".crl.pem")]
            chain = beside(case, one.name[: -len(".crl.pem")] + ".tsr", ".chain.pem")
            if is_issued(case, one, authority, chain):
                sound.append(one)
    return sound


def is_issued(case: Case, found: RevocationList, authority: str, chain: bytes) -> bool:
    """Whether the list is signed by a certificate of its issuer that the pinned roots vouch for."""
    roots = pinned_roots(case, authority)
    count = len(PEM_CERTIFICATE.findall(chain))
    require(count <= MOST_IN_A_CHAIN, f"{count} certificates lie beside it")
    blocks = [
        block
        for block in sorted(set(PEM_CERTIFICATE.findall(roots + chain)))
        if read_certificate(der(unwrapped(block))).subject == found.issuer
    ]
    require(len(blocks) <= MOST_OF_A_NAME, f"{len(blocks)} certificates have the name of its issuer")
    for block in blocks if roots else ():
        at = ["-attime", str(int(found.this_update.timestamp()))]
        files = {"-CAfile": roots, "-untrusted": chain or roots, "": block}
        vouched = openssl(["verify", *at], files)
        signed = openssl(["crl", "-inform", "DER", "-noout"], {"-in": found.encoding, "-CAfile": block})
        if vouched and signed and vouched.returncode == 0 and b"verify OK" in signed.stderr:
            return True
    return False


def judge_revoked(case: Case, token: Token, found: RevocationList) -> None:
    """One list on the certificate of one token; ValueError if it takes the token's worth."""
    if token.signer.serial in found.revoked:
        at, why = found.revoked[token.signer.serial]
        harmless = why in HARMLESS_REASONS and at > token.gen_time
        require(harmless, f"its certificate was revoked at {at}, reason {why}")
        case.note("token-revoked", token.name, "a certificate in use", f"given up at {at}")


def tell_of_no_list(case: Case, token: Token) -> None:
    """No list can be had, or none was kept."""
    if LIST_PLACES in token.signer.extensions:
        expected = "a revocation list of its issuer, in force when it was made"
        case.gap("revocation-unknown", token.name, expected, "none that is sound")
    else:
        case.note("no-revocation-list", token.authority, "a revocation list", "none is offered")


def judge_stamps(case: Case) -> None:
    """What each seal says of its tokens: each is here, byte for byte, with all that belongs to it."""
    newest: dict[str, int] = {}
    for seal in case.seals:
        newest[seal.batch] = max(seal.edition, newest.get(seal.batch, 1))
    for seal in case.seals:
        with case.about("stamp-claim", seal.name):
            judge_token_files(case, seal)
            for stamp in seal.stamps:
                if stamp["status"] == "accepted":
                    judge_accepted(case, seal, stamp)
                elif seal.edition == newest[seal.batch]:
                    subject = f"{seal.name}, {stamp['authority']}"
                    case.gap("time-stamp-pending", subject, "a token", str(stamp.get("detail")))
            if not seal.stamps:
                case.gap("time-stamp-pending", seal.name, "a token", "no authority was asked")


def judge_token_files(case: Case, seal: Seal) -> None:
    """Tokens, chains, revocation lists and anchors over this seal's checkpoint."""
    for key, facts in seal.files.items():
        name = f"data/{key}"
        if not key.startswith(f"log/tokens/{seal.checkpoint_size:012}/"):
            continue
        if name not in case.measured:
            case.broken("token-missing", name, f"the file that {seal.name} names", "none")
        elif case.measured[name].sha256 != facts["sha256"]:
            expected = f"{facts['sha256']}, as {seal.name} says"
            case.broken("token-swapped", name, expected, case.measured[name].sha256)
        if key.endswith(".ots"):
            case.note("anchor-not-judged", name, "a check against Bitcoin's blocks", "none here")


def judge_accepted(case: Case, seal: Seal, stamp: Json) -> None:
    """One token that a seal calls accepted: it is over this checkpoint, and told as what it is."""
    key = require_text(stamp["token_key"])
    match, name = TOKEN_KEY.fullmatch(key), f"data/{key}"
    if match is None or int(match[1]) != seal.checkpoint_size or match[2] != stamp["authority"]:
        raise ValueError(f"{key} isn't a token of {stamp['authority']} over its checkpoint")
    require(key in seal.files, f"{key} isn't among its files")
    for token in case.tokens:
        if token.name == name:
            if token.is_test and stamp["is_test_authority"] is not True:
                case.broken(
                    "test-authority-hidden", seal.name, "named as a test authority", "not named"
                )
            judge_lateness(case, seal, stamp, token)


def judge_lateness(case: Case, seal: Seal, stamp: Json, token: Token) -> None:
    """A token that came long after the last entry that it covers is called late; no other is."""
    ended_at = case.log.ended_at.get(token.size)
    if ended_at is None:
        return
    is_late = token.gen_time > ended_at + CLOCK_TOLERANCE
    if stamp.get("is_late") not in (None, is_late):
        expected = f"{token.name} called {'late' if is_late else 'on time'}"
        case.broken("late-token-hidden", seal.name, expected, str(stamp["is_late"]))
    if is_late:
        seen = f"{token.gen_time}; the log's last entry says {ended_at}"
        case.note("late-token", token.name, "a token made when it was logged", seen)


def judge_timestamp_rows(case: Case) -> None:
    """Rows about tokens say what the tokens say."""
    tokens = {token.name: token for token in case.tokens}
    for row in case.rows.timestamps:
        token = tokens.get(f"data/{row['token_key']}")
        if row["status"] == "accepted" and token is not None:
            stated = (row["token_sha256"], instant(row["gen_time"]) if row["gen_time"] else None)
            if stated[0] != token.sha256 or stated[1] not in (None, token.gen_time):
                found = f"{token.sha256}, {token.gen_time}"
                case.broken("timestamps-row", f"data/{row['token_key']}", str(stated), found)


def judge_expiry(case: Case) -> None:
    """A token outlives its certificate if a later token, made in time, covers the record of it."""
    renewed = in_force(case)
    for token in case.tokens:
        if token.name not in renewed:
            seen = f"its certificate expired at {token.not_after}"
            case.gap("token-expired", token.name, "a certificate in force, or a renewal", seen)


def in_force(case: Case) -> set[str]:
    """Tokens whose certificates are in force, and those that they renew, and so on (RFC 4998 5.2): a
    later token over a checkpoint that has the entry about an earlier one renews it.
    """
    told = told_of(case)
    found = [token for token in case.tokens if token.not_after >= case.as_of]
    waiting = [token for token in case.tokens if token.not_after < case.as_of and token.name in told]
    # What is found here may renew others in its turn, so the list grows while it is read.
    for later in found:
        renewed = [t for t in waiting if later.gen_time <= t.not_after and told[t.name] < later.size]
        waiting = [token for token in waiting if token not in renewed]
        found += renewed
    return {token.name for token in found}


def told_of(case: Case) -> dict[str, int]:
    """Token to the index of the first entry that speaks of it, by its digest."""
    tokens = {(token.name, token.sha256): token.name for token in case.tokens}
    told: dict[str, int] = {}
    for act, detail in case.rows.stampings:
        name = tokens.get((f"data/{detail.get('token_key')}", str(detail.get("token_sha256"))))
        if name is not None:
            told[name] = min(act.number, told.get(name, act.number))
    return told


def speaks_of(detail: Json, token: Token) -> bool:
    """Whether a timestamping event is about *token*, by its digest."""
    return (
        detail.get("token_sha256") == token.sha256 and f"data/{detail.get('token_key')}" == token.name
    )


# 14. Every item was logged after one trusted time and existed before another.


class ItemTime(NamedTuple):
    """Between which times an item was logged, and who says so."""

    item: str
    logged_at: datetime
    """By the log's own clock."""
    after: datetime | None
    after_by: str | None
    before: datetime | None
    """When as many authorities as the seal asks for had attested it."""
    before_by: list[tuple[str, datetime]]
    quorum: int


def judge_times(case: Case) -> None:
    """The log's clock agrees with every token; each item lies between two tokens."""
    case.tokens.sort(key=lambda token: token.gen_time)
    for token in case.tokens:
        latest = case.log.latest_at.get(token.size)
        if latest is not None and latest > token.gen_time + CLOCK_TOLERANCE:
            case.broken(
                "log-time-after-token", token.name, f"entries up to {token.gen_time}", f"{latest}"
            )
    for act, detail in case.rows.stampings:
        for token in case.tokens:
            if speaks_of(detail, token) and act.at < token.gen_time - CLOCK_TOLERANCE:
                expected = f"not before {token.gen_time}, when {token.name} was made"
                case.broken("log-time-before-token", f"entry {act.number}", expected, f"{act.at}")
    told = told_of(case)
    for item in sorted(set(case.export.items) & case.log.ingested.keys()):
        judge_time(case, item_time(case, item, told))


def item_time(case: Case, item: str, told: dict[str, int]) -> ItemTime:
    """Bounds of one item; a lower bound is a token that an earlier entry speaks of."""
    index, at = case.log.ingested[item]
    earlier = [token for token in case.tokens if told.get(token.name, index) < index]
    lower = max(earlier, key=lambda token: token.gen_time) if earlier else None
    first: dict[str, datetime] = {}
    signers: set[bytes] = set()
    for token in case.tokens:
        # Authorities may have a root in common: one's token under another's name is no second one.
        is_another = token.authority not in first and token.signer.encoding not in signers
        if token.size > index and is_another:
            first[token.authority] = token.gen_time
            signers.add(token.signer.encoding)
    seal = seal_of(case, index)
    quorum = seal.quorum if seal else 1
    upper = list(first.values())[quorum - 1] if len(first) >= quorum else None
    return ItemTime(
        item=item,
        logged_at=at,
        after=lower.gen_time if lower else None,
        after_by=lower.authority if lower else None,
        before=upper,
        before_by=list(first.items()),
        quorum=quorum,
    )


def judge_time(case: Case, time: ItemTime) -> None:
    """Both bounds are there, and the log's own time lies between them, and near the upper one."""
    case.times.append(time)
    if not time.before_by:
        case.gap("no-upper-bound", time.item, "an accepted token over its checkpoint", "none")
    elif time.before is None:
        seen = f"{len(time.before_by)}"
        case.gap("time-quorum", time.item, f"tokens of {time.quorum} authorities", seen)
    elif time.before - time.logged_at > LATE_AFTER:
        seen = f"{time.before}; the log itself says {time.logged_at}"
        case.gap("time-late", time.item, "a token within a day of its log entry", seen)
    if time.after is None:
        case.gap("no-lower-bound", time.item, "a token that an earlier entry speaks of", "none")
    elif time.logged_at < time.after - CLOCK_TOLERANCE:
        expected = f"not before {time.after}"
        case.broken("log-time-before-token", time.item, expected, f"{time.logged_at}")


# 15. What the receipt says is in the same log.

PROOF_MEMBERS = {
    "version": int,
    "kind": str,
    "receipt_sha256": str,
    "submission_id": str,
    "rows": list,
    "entries": list,
    "checkpoints": list,
    "tokens": list,
    "consistency": list,
}


ED25519_DER = bytes.fromhex("302a300506032b6570032100")
"""What stands before the key in a SubjectPublicKeyInfo (RFC 8410)."""


def judge_receipt(case: Case, path: Path) -> None:
    """*path* is a receipt.json or the proof.json made for one; the other may lie beside it."""
    with case.about("receipt", path.name):
        document = parse_canonical(read_small(path, LARGEST_DOCUMENT))
        is_proof = document.get("kind") == "receipt-proof"
        proof = path if is_proof else path.with_name("proof.json")
        receipt = path.with_name("receipt.json") if is_proof else path
        if receipt.is_file():
            judge_plain_receipt(case, receipt)
        else:
            # A proof alone doesn't say what was received, and could keep silent about an item.
            case.gap("receipt-missing", receipt.name, f"the receipt beside {proof.name}", "none")
        if proof.is_file():
            judge_proof(case, parse_canonical(read_small(proof, LARGEST_DOCUMENT)), receipt)
        elif case.bag is None:
            case.gap("receipt-not-logged", path.name, "proof.json beside it", "none")


def judge_plain_receipt(case: Case, receipt: Path) -> None:
    """Its signature; and what the bag's rows say of it."""
    content = read_small(receipt, LARGEST_DOCUMENT)
    document = parse_canonical(content)
    key, signature = receipt_key(case), receipt.with_name("receipt.sig")
    if key is not None and not signature.is_file():
        case.gap("receipt-not-signed", receipt.name, f"{signature.name} beside it", "none")
    elif key is not None and not is_signed(key, content, read_small(signature, LARGEST_NOTE)):
        case.broken("receipt", receipt.name, "signed by the key in receipt.pub.pem", "it isn't")
    if case.bag is not None:
        compare_receipt(case, document, hashlib.sha256(content).hexdigest())


def receipt_key(case: Case) -> bytes | None:
    """The pinned key of receipts; None, reported, if there is none that can be read."""
    expected = "an Ed25519 key in receipt.pub.pem in the trust folder"
    try:
        blocks = PEM_KEY.findall(read_small(case.trust / "receipt.pub.pem", LARGEST_CERTIFICATES))
        keys = [unwrapped(block) for block in blocks]
        if len(keys) == 1 and keys[0][:-32] == ED25519_DER:
            return keys[0][-32:]
        seen = "another" if keys else "none in it"
    except FileNotFoundError:
        seen = "no such file"
    except DAMAGE as error:
        seen = str(error)
    case.gap("receipt-key-missing", "receipt.pub.pem", expected, seen)
    return None


def compare_receipt(case: Case, document: Json, digest: str) -> None:
    """The bag's rows speak of this very receipt, and its items are those of the receipt."""
    row = case.rows.submissions.get(document["submission_id"])
    if row is None:
        subject = document["submission_id"]
        case.gap("receipt-not-logged", subject, "the row of this submission in the bag", "none")
    elif row["receipt_sha256"] != digest:
        case.broken("receipt", row["submission_id"], row["receipt_sha256"], digest)
    for promised in document["items"]:
        item = case.rows.items.get(promised["item_id"])
        if item is not None:
            compare_item(case, promised, item)
            compare_file(case, promised, item)


def compare_item(case: Case, promised: Json, item: Json) -> None:
    """The item's row says what the receipt says of it."""
    for name, column in (("row", "row_number"), ("url", "submitted_url")):
        if promised.get(name, item.get(column)) != item.get(column):
            subject = f"{promised['item_id']}, {column}"
            case.broken("receipt", subject, str(promised[name]), str(item.get(column)))


def compare_file(case: Case, promised: Json, item: Json) -> None:
    """A file that was received is among the item's objects, if that was preserved."""
    is_expected = item["outcome"] == "captured" and not is_withheld(case, "objects")
    sha256, held = promised.get("sha256"), case.rows.objects_of[promised["item_id"]]
    if is_expected and sha256 is not None and sha256 not in held:
        seen = ", ".join(sorted(held)) or "none"
        case.broken("receipt", f"{promised['item_id']}, file", f"the object {sha256}", seen)


def judge_proof(case: Case, document: Json, receipt: Path) -> None:
    """Steps 4 to 9 and 13 again, on what the receipt's holder has."""
    require_members(document, PROOF_MEMBERS)
    log, entries = Log(), [(entry["line"].encode("utf-8"), entry) for entry in document["entries"]]
    for line, _ in entries:
        take_entry(log, parse_entry(line))
    pinned = case.pins.log_keys
    chain = key_chain(case, pinned[0].name, log.rotations)
    chain = chain or sole_key(pinned, str(document.get("log_public_key")))
    log.keys = chain if any(key in pinned for key in chain.keys) else KeyChain([], [])
    notes = {entry["size"]: entry["note"].encode("utf-8") for entry in document["checkpoints"]}
    for size, note in notes.items():
        log.heads[size] = open_checkpoint(case, f"receipt, checkpoint {size}", note, log.keys)
        require(log.heads[size].size == size, "a checkpoint is of another size than it says")
    for line, entry in entries:
        head = log.heads[require_count(entry["size"])]
        index = parse_entry(line).number
        root = root_of_inclusion(leaf_hash(line), index, head.size, hashes(entry["proof"]))
        require(root == head.root, f"entry {index} doesn't lie in the checkpoint of {head.size}")
    judge_proof_growth(log, document["consistency"])
    judge_kept(case, log)
    judge_proof_rows(case, log, document)
    judge_proof_tokens(case, document["tokens"], notes, entries)
    case.counts["receipt entries"] = len(entries)
    if receipt.is_file():
        digest = hashlib.sha256(read_small(receipt, LARGEST_DOCUMENT)).hexdigest()
        require(
            digest == document["receipt_sha256"], f"it is about another receipt than {receipt.name}"
        )
        judge_promises(case, document, parse_canonical(read_small(receipt, LARGEST_DOCUMENT)))
    if case.bag is not None:
        judge_forks(case, log, dict(entry_leaf(line) for line, _ in entries))


def entry_leaf(line: bytes) -> tuple[int, bytes]:
    """Index and leaf hash of the entry on *line*."""
    entry = parse_entry(line)
    return entry.number, entry.leaf


def judge_proof_growth(log: Log, proofs: list[Json]) -> None:
    """Each of the receipt's checkpoints is the beginning of its newest."""
    newest = log.heads[max(log.heads)]
    joined = {newest.size}
    for proof in proofs:
        old, new = log.heads[proof["old_size"]], log.heads[proof["new_size"]]
        grew = is_beginning(old, new, hashes(proof["proof"]))
        require(grew and new == newest, f"{old.size} entries aren't the beginning of {new.size}")
        joined.add(old.size)
    require(joined == set(log.heads), "a checkpoint isn't joined to the newest")


def judge_kept(case: Case, log: Log) -> None:
    """No checkpoint that was kept says otherwise, and each is joined to the receipt's newest."""
    newest = log.heads[max(log.heads)]
    vouching: set[Key | None] = set()
    if case.bag is not None and relation(case, newest) == SAME:
        vouching.update(case.log.keys.keys)
    everyone = KeyChain([*log.keys.keys, *case.pins.log_keys], [])
    for name, note in sorted(case.pins.remembered.items()):
        try:
            kept = open_checkpoint(case, name, note, everyone)
        except DAMAGE as error:
            case.gap("trust-unreadable", name, "a checkpoint of this log", str(error))
        else:
            own = log.heads.get(kept.size, kept)
            if own.root != kept.root:
                subject = f"receipt, checkpoint {kept.size}"
                case.broken("receipt-fork", subject, f"the root in {name}", own.root.hex())
            elif own is kept and not is_joined(case, kept, newest):
                seen = f"{kept.size} entries; the receipt's newest checkpoint has {newest.size}"
                case.gap("remembered-checkpoint", name, "a proof that both are of one log", seen)
            else:
                vouching.add(kept.signer)
    judge_later_keys(case, log.keys.keys, vouching)


def judge_proof_rows(case: Case, log: Log, document: Json) -> None:
    """The submission's row names the receipt; it and the items' rows are those that were logged."""
    named, own = [], document["submission_id"]
    for entry in document["rows"]:
        row, table = dict(entry["row"]), entry["table"]
        require(row.get("submission_id") == own, f"a row is of another submission than {own}")
        stated = digest_bytes(row.pop("row_sha256"))
        require(stated == hashlib.sha256(canonical_json(row)).digest(), "a row's digest is false")
        if log.claims[table][stated, row.get("item_id")] < 1:
            case.broken("receipt-not-logged", f"{table} {stated.hex()}", "a logged row", "not logged")
        elif table == "submissions":
            named.append(row["receipt_sha256"])
    if named != [document["receipt_sha256"]]:
        expected = f"a logged row that names {document['receipt_sha256']}"
        case.broken("receipt-not-logged", document["submission_id"], expected, str(named))
    for pending in document.get("pending", []):
        case.gap("receipt-pending", str(pending.get("item_id")), "a logged item", "not sealed yet")


def judge_promises(case: Case, proof: Json, receipt: Json) -> None:
    """Each item that the receipt promises, and no other, has its row in the proof, which says what the
    receipt says of it, or is told to be pending.
    """
    rows = {
        entry["row"]["item_id"]: entry["row"] for entry in proof["rows"] if entry["table"] == "items"
    }
    pending = {entry["item_id"] for entry in proof.get("pending", [])}
    promises = {promised["item_id"]: promised for promised in receipt["items"]}
    for item in sorted(promises.keys() | rows.keys()):
        if (item in promises, item in rows) != (True, item not in pending):
            places = (("promised", promises), ("sealed", rows), ("pending", pending))
            seen = ", ".join(word for word, known in places if item in known)
            case.broken("receipt-not-logged", item, "promised, and sealed or pending", seen)
        elif item in rows:
            compare_item(case, promises[item], rows[item])


def judge_proof_tokens(
    case: Case, tokens: list[Json], notes: dict[int, bytes], entries: list[tuple[bytes, Json]]
) -> None:
    """The tokens over the receipt's checkpoints, one at least over those of its entries."""
    accepted, lists = [], list(case.pins.lists)
    for entry in tokens:
        name = f"receipt, token of {entry['authority']} over {entry['size']}"
        require(AUTHORITY.fullmatch(entry["authority"]) is not None, "not an authority's name")
        chain, response = entry["chain_pem"].encode("utf-8"), base64_bytes(entry["token"])
        with case.about("token", name):
            parts = (response, notes[entry["size"]], chain)
            token = judge_token(case, name, entry["authority"], entry["size"], parts)
            if token is not None:
                accepted.append(token)
                known = revocation_lists(entry.get("crl_pem", "").encode("utf-8"))
                lists += [one for one in known if is_issued(case, one, entry["authority"], chain)]
    judge_revocations(case, accepted, lists)
    judge_proof_times(case, accepted, entries)
    case.counts["receipt tokens"] = len(accepted)
    if case.bag is None:
        case.tokens.extend(accepted)
        judge_expiry(case)
        if not accepted:
            case.gap("no-upper-bound", "receipt", "an accepted token over its checkpoints", "none")


def judge_proof_times(case: Case, tokens: list[Token], entries: list[tuple[bytes, Json]]) -> None:
    """Each entry's checkpoint has a token, which isn't older than the entry."""
    for line, told in entries:
        entry, size = parse_entry(line), told["size"]
        own = [token.gen_time for token in tokens if token.size == size]
        if not own:
            # A later token covers it, too, but shows no more than that it existed by then.
            subject = f"receipt, checkpoint {size}"
            case.gap("time-stamp-pending", subject, "an accepted token over it", "none")
        elif entry.at > min(own) + CLOCK_TOLERANCE:
            subject = f"receipt, entry {entry.number}"
            case.broken("log-time-after-token", subject, f"not after {min(own)}", f"{entry.at}")


def judge_forks(case: Case, theirs: Log, leaves: dict[int, bytes]) -> None:
    """Bag and receipt are of one log: the same entries in the same places, and roots that agree."""
    shared = 0
    for line in lines_of(bag_file(case, ENTRIES)):
        with case.about("log-entry", "an entry beside the receipt's"):
            index, leaf = entry_leaf(line)
            if index in leaves:
                shared += 1
                if leaves[index] != leaf:
                    expected = f"the receipt's entry {leaves[index].hex()}"
                    case.broken("receipt-fork", f"entry {index}", expected, leaf.hex())
    relations = {size: relation(case, head) for size, head in theirs.heads.items()}
    for size, found in sorted(relations.items()):
        if found == FORKED:
            subject = f"receipt, checkpoint {size}"
            case.broken("receipt-fork", subject, "the beginning of the bag's newest", "it isn't")
    if not shared and SAME not in relations.values():
        seen = "no entry and no checkpoint in common"
        case.gap("receipt-not-linked", "receipt", "proof that both are of one log", seen)


# What was seen, for people and for programs.


def as_json(case: Case) -> str:
    """The result as JSON."""
    document = {
        "verdict": WORDS[case.exit_code],
        "exit_code": case.exit_code,
        "as_of": written(case.as_of),
        "claims": [{"claim": claim, "state": state} for claim, state in claims(case)],
        "times": [time_as_json(time) for time in case.times],
        "counts": dict(case.counts),
        "findings": [finding._asdict() for finding in ordered(case)],
        "findings_left_out": left_out(case),
        "not_proven": NOT_PROVEN,
    }
    return json.dumps(document, indent=1)


def as_text(case: Case) -> str:
    """The result for a reader."""
    lines = [f"{WORDS[case.exit_code].upper()}, judged as of {written(case.as_of)}", ""]
    lines += [f"  {state:<13}{claim}" for claim, state in claims(case)]
    counts = ", ".join(f"{count} {name}" for name, count in case.counts.items())
    lines += ["", f"Looked at: {counts or 'the trust folder alone'}"]
    lines += ["", *time_lines(case)] if case.times or case.tokens else []
    for severity, title in (("broken", "Refuted"), ("gap", "Can't be shown"), ("note", "Note")):
        own = [finding for finding in ordered(case) if finding.severity == severity]
        lines += ["", f"{title}:"] if own else []
        lines += [
            f"  step {finding.step}, {finding.rule}: {finding.subject}\n"
            f"      expected: {finding.expected}\n      seen:     {finding.observed}"
            for finding in own
        ]
    lines += [f"  ... and {left_out(case)} more findings"] if left_out(case) else []
    lines += ["", "Not proven, by this or any such check:", *(f"  - {text}" for text in NOT_PROVEN)]
    return "\n".join(lines)


def claims(case: Case) -> list[tuple[str, str]]:
    """Each claim, and whether the steps that it rests on hold."""
    worst: dict[int, str] = {}
    for severity, rule in case.severities:
        if severity != "note" and worst.get(STEP_OF[rule]) != "broken":
            worst[STEP_OF[rule]] = severity
    states = []
    for claim, steps in RECEIPT_CLAIMS if case.bag is None else CLAIMS:
        seen = {worst.get(step) for step in (1, *steps)}
        state = "REFUTED" if "broken" in seen else "not in full" if "gap" in seen else "established"
        states.append((claim, state))
    return states


def ordered(case: Case) -> list[Finding]:
    """Findings by step."""
    return sorted(case.findings.values(), key=lambda finding: (finding.step, finding.rule))


def left_out(case: Case) -> int:
    """How many findings aren't told one by one."""
    return sum(case.severities.values()) - len(case.findings)


def time_as_json(time: ItemTime) -> Json:
    """One item's bounds."""
    return {
        "item": printable(time.item),
        "logged_at": written(time.logged_at),
        "after": written(time.after),
        "after_by": time.after_by,
        "before": written(time.before),
        "before_by": {authority: written(at) for authority, at in time.before_by},
        "quorum": time.quorum,
    }


def time_lines(case: Case) -> list[str]:
    """Who attests which time."""
    lines = [f"  {time_line(time)}" for time in case.times[:MOST_FINDINGS_A_RULE]]
    more = len(case.times) - len(lines)
    lines += [f"  ... and {more} more items; --json tells all"] if more else []
    if case.bag is None:
        lines = [f"  before T2 {written(t.gen_time)} ({t.authority})" for t in case.tokens]
    tests = {token.authority for token in case.tokens if token.is_test}
    lines += [f"  {name} is a test authority: it proves nothing about time" for name in sorted(tests)]
    cosigned = [pair for head in case.log.heads.values() for pair in head.witnesses]
    return ["Times:", *lines, *(f"  seen by witness {name} at {written(at)}" for name, at in cosigned)]


def time_line(time: ItemTime) -> str:
    """Between which times an item was logged."""
    stamps = ", ".join(f"{authority} {written(at)}" for authority, at in time.before_by)
    after = f"{written(time.after)} ({time.after_by})" if time.after else "unknown"
    before = written(time.before) or "unknown"
    before += f" ({stamps})" if stamps else ""
    return f"{printable(time.item)}: logged after T1 {after}, existed before T2 {before}"


def written(at: datetime | None) -> str | None:
    """*at* as RFC 3339 in UTC."""
    return None if at is None else at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def printable(text: str) -> str:
    """*text* on one line, at bearable length, without anything that could steer a terminal."""
    short = text if len(text) <= 600 else text[:600] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short)


# Tools. Files: opened without waiting, read within bounds.


def bag_file(case: Case, name: str) -> Path:
    """The path of a plain file of the bag; ValueError if there is none of this name."""
    if name not in case.files or case.bag is None:
        raise ValueError(f"there is no plain file {name}")
    return case.bag / name


def open_plain(path: Path) -> BinaryIO:
    """Open a plain file. A pipe would let us wait for ever, a device feed us for ever."""
    descriptor = os.open(str(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("not a plain file")
    return os.fdopen(descriptor, "rb")


def read_small(path: Path, largest: int) -> bytes:
    """All of a file; ValueError if it is larger than such a file may be."""
    with open_plain(path) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"it has more than {largest} bytes")
    return content


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends; ValueError if one is too long or has no end."""
    with open_plain(path) as stream:
        for line in iter(lambda: stream.readline(LONGEST_LINE), b""):
            if not line.endswith(b"\n"):
                raise ValueError(f"a line has no end, or more than {LONGEST_LINE} bytes")
            yield line[:-1]


def openssl(arguments: list[str], files: dict[str, bytes]) -> subprocess.CompletedProcess[bytes] | None:
    """What openssl answers; each of *files* is handed over under its option. None if it can't run."""
    try:
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            return run_openssl(["openssl", *arguments], files, folder)
    except OSError:
        return None


def run_openssl(
    command: list[str], files: dict[str, bytes], folder: str
) -> subprocess.CompletedProcess[bytes]:
    """What the command answers, its files in *folder*; OSError if it can't be run here."""
    for number, (option, content) in enumerate(files.items()):
        path = Path(folder, str(number))
        path.write_bytes(content)
        command += [option, str(path)] if option else [str(path)]
    # Only what is handed over may vouch for anything: no roots of this system.
    own = {"SSL_CERT_DIR": folder, "SSL_CERT_FILE": os.devnull}
    try:
        return subprocess.run(
            command,
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=OPENSSL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, b"", b"openssl gave no answer in time")


def reason(answer: subprocess.CompletedProcess[bytes]) -> str:
    """The telling part of openssl's error lines."""
    lines = answer.stderr.decode("utf-8", "replace").splitlines()
    told = [line.split(":", 5)[-1] for line in lines if "error:" in line]
    return "; ".join(told or lines[-1:]) or "no reason given"


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# Tools. JSON: canonical (RFC 8785), and of this archive's kind: no floats, no integer of 2^53 or more.

LARGEST_INTEGER = (1 << 53) - 1


def parse_canonical(content: bytes) -> Json:
    """The JSON object whose one canonical form is exactly *content*; ValueError if it is any other.

    One value has one form, so one form has one meaning: no duplicate key, no other order of keys, no
    space, no other way to write a number or a character.
    """
    document = json.loads(
        content.decode("utf-8"),
        object_pairs_hook=in_order,
        parse_int=small_integer,
        parse_float=refuse_number,
        parse_constant=refuse_number,
    )
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    if canonical_json(document) != content:
        raise ValueError("not canonical JSON (RFC 8785)")
    return document


def canonical_json(document: Json) -> bytes:
    """RFC 8785 of an object whose keys are in order, as `parse_canonical` gives it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def in_order(pairs: list[tuple[str, Any]]) -> Json:
    """RFC 8785 3.2.3: keys ascend by UTF-16 code units; a key that stands twice doesn't ascend."""
    keys = [key for key, _ in pairs]
    if not all(key.isascii() for key in keys):
        keys = [key.encode("utf-16-be").decode("latin-1") for key in keys]
    if any(first >= second for first, second in zip(keys, keys[1:])):
        raise ValueError("keys aren't in canonical order, or one stands twice")
    return dict(pairs)


def small_integer(text: str) -> int:
    """An integer that every reader of JSON reads alike."""
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError("an integer of 2^53 or more")
    return int(text)


def refuse_number(text: str) -> Any:
    """Floats, NaN and infinities have no place here."""
    raise ValueError(f"{text[:30]} isn't an integer")


def parse_json(content: bytes) -> Json:
    """An object of any JSON; ValueError if it isn't one or a key stands twice."""
    document = json.loads(content.decode("utf-8"), object_pairs_hook=without_duplicates)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def without_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    """The members; ValueError if a key stands twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def require(holds: object, otherwise: str) -> None:
    """ValueError with the words *otherwise* unless it *holds*."""
    if not holds:
        raise ValueError(otherwise)


def require_members(document: Json, members: dict[str, Any]) -> None:
    """Each of *members* is there, and of its type."""
    for name, kind in members.items():
        value = document.get(name, ...)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"{name} is missing or of the wrong type")


def require_text(value: Any) -> str:
    """*value*, if it is a text."""
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:60]} isn't a text")
    return value


def require_count(value: Any) -> int:
    """*value*, if it is an integer, 0 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{str(value)[:60]} isn't a number of things")
    return value


INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def instant(text: str) -> datetime:
    """A time as entries and rows write it; ValueError on any other form."""
    if not INSTANT.fullmatch(text):
        raise ValueError(f"{text[:60]} isn't a time")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)


def moment(text: str) -> datetime:
    """A time as a user writes it: 2030-01-31, or 2030-01-31T12:00:00Z."""
    try:
        at = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        return at.astimezone(timezone.utc) if at.tzinfo else at.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError):
        wanted = "write 2030-01-31 or 2030-01-31T12:00:00Z"
        raise argparse.ArgumentTypeError(f"{text!r} isn't a time: {wanted}.") from None


def digest_bytes(text: Any) -> bytes:
    """The bytes of a SHA-256 in lower-case hexadecimal; ValueError on any other form."""
    if not isinstance(text, str) or not HEX_256.fullmatch(text):
        raise ValueError(f"{str(text)[:80]} isn't a SHA-256 digest")
    return bytes.fromhex(text)


def hashes(texts: list[Any]) -> list[bytes]:
    """The hashes of a proof; a tree of 2^64 entries has 64 levels."""
    if len(texts) > 64 + 64:
        raise ValueError("a proof of too many hashes")
    return [digest_bytes(text) for text in texts]


def base64_bytes(text: str) -> bytes:
    """RFC 4648: the bytes that *text* encodes in the one canonical way; ValueError otherwise."""
    content = base64.b64decode(text, validate=True)
    if base64.b64encode(content).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return content


# Tools. The Merkle tree of RFC 9162 2.1 (and RFC 6962).


def leaf_hash(entry: bytes) -> bytes:
    """Hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """RFC 9162 2.1.3.2: the root that *proof* leads to; None if anything has the wrong length."""
    if not 0 <= index < size or len(leaf) != 32:
        return None
    place, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None


def is_consistent(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """RFC 9162 2.1.4.2: whether the smaller tree is the beginning of the larger one."""
    return grown_root(old_size, old_root, new_size, proof) == new_root


def grown_root(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root of the larger tree whose beginning *proof* shows the smaller to be, if it shows any."""
    if not 0 < old_size <= new_size:
        return None
    if old_size == new_size:
        return None if proof else old_root
    # A smaller tree that is a perfect subtree isn't in its own proof.
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    roots = roots_of_growth(old_size - 1, new_size - 1, path) if path else None
    return roots[1] if roots is not None and roots[0] == old_root else None


def roots_of_growth(place: int, last: int, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """The roots of both trees that the proof leads to; None if it has the wrong length."""
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


# Tools. Signed notes and keys (c2sp.org/signed-note).

LOG_KEY, WITNESS_KEY = b"\x01", b"\x04"
"""Signature types: Ed25519, and Ed25519 cosignatures with a time."""
SIGNATURE_LINE = re.compile("\u2014 ([^ \\n]+) ([A-Za-z0-9+/=]+)")
SIZE = re.compile("0|[1-9][0-9]{0,15}")


class Key(NamedTuple):
    """A named Ed25519 public key."""

    name: str
    kind: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        """First four bytes of SHA-256 over name, newline, type and key."""
        return hashlib.sha256(self.name.encode("utf-8") + b"\n" + self.kind + self.raw).digest()[:4]

    @property
    def text(self) -> str:
        """The verifier key on one line."""
        encoded = base64.b64encode(self.kind + self.raw).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{encoded}"


def parse_key(text: str, kind: bytes) -> Key:
    """The verifier key of this kind on a line; ValueError if it isn't one."""
    name, _, rest = require_text(text).partition("+")
    content = base64_bytes(rest.partition("+")[2])
    key = Key(name, kind, content[1:])
    if key.text != text or len(content) != 33 or not name or re.search(r"\s", name):
        raise ValueError(f"{text[:120]} isn't a verifier key of type {kind.hex()}")
    return key


def split_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The text of a note, and (name, signature) of each line below it; ValueError if it isn't one."""
    text, separator, block = note.rpartition(b"\n\n")
    lines = block.decode("utf-8").split("\n")
    matches = [SIGNATURE_LINE.fullmatch(line) for line in lines[:-1]]
    if not separator or not matches or lines[-1] or not all(matches):
        raise ValueError("not a signed note")
    return text + b"\n", [(match[1], base64_bytes(match[2])) for match in matches if match]


def parse_head(text: bytes) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint (c2sp.org/tlog-checkpoint); three lines, no more."""
    lines = text.decode("utf-8").split("\n")
    if len(lines) != 4 or lines[3] or not lines[0] or not SIZE.fullmatch(lines[1]):
        raise ValueError("not a checkpoint: three lines are origin, size and root")
    root = base64_bytes(lines[2])
    if len(root) != 32:
        raise ValueError("not a checkpoint: its root isn't a SHA-256 digest")
    return lines[0], int(lines[1]), root


# Tools. Ed25519 (RFC 8032 5.1), strictly: one encoding of each number, no point of small order.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

Point = Tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, x * y = T/Z."""

NEUTRAL: Point = (0, 1, 1, 0)


def is_signed(raw: bytes, message: bytes, signature: bytes) -> bool:
    """Whether *signature* over *message* was made with the private half of the key *raw*."""
    if len(raw) != 32 or len(signature) != 64:
        return False
    key, scalar = decoded(raw), int.from_bytes(signature[32:], "little")
    # RFC 8032 5.1.7: a scalar of the group's order or more would be a second form of the same.
    if key is None or scalar >= ORDER or is_small(key) or is_small(decoded(signature[:32])):
        return False
    digest = hashlib.sha512(signature[:32] + raw + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    return encoded(double_product(scalar, challenge, negative(key))) == signature[:32]


def decoded(raw: bytes) -> Point | None:
    """The point that 32 bytes encode (RFC 8032 5.1.3); None if they aren't its one encoding."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def encoded(point: Point) -> bytes:
    """RFC 8032 5.1.2."""
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def is_small(point: Point | None) -> bool:
    """Whether eight times the point is neutral: such a key would accept what nobody signed."""
    if point is None:
        return True
    for _ in range(3):
        point = added(point, point)
    return point[0] == 0 and point[1] == point[2]


def added(first: Point, second: Point) -> Point:
    """RFC 8032 5.1.4."""
    a = (first[1] - first[0]) * (second[1] - second[0]) % P
    b = (first[1] + first[0]) * (second[1] + second[0]) % P
    c = 2 * first[3] * second[3] * D % P
    d = 2 * first[2] * second[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def negative(point: Point) -> Point:
    """The point's inverse."""
    return P - point[0], point[1], point[2], P - point[3]


def double_product(scalar: int, challenge: int, point: Point) -> Point:
    """The sum of scalar * BASE and challenge * point, both at once, bit by bit."""
    sums = {(0, 1): point, (1, 0): BASE, (1, 1): added(BASE, point)}
    result = NEUTRAL
    for bit in range(252, -1, -1):
        result = added(result, result)
        bits = (scalar >> bit & 1, challenge >> bit & 1)
        if bits != (0, 0):
            result = added(result, sums[bits])
    return result


BASE = cast("Point", decoded(bytes.fromhex("58" + "66" * 31)))


# Tools. DER (ITU-T X.690), CMS (RFC 5652), X.509 (RFC 5280), as far as a time stamp needs them.

OBJECT_IDENTIFIER, UTC_TIME, GENERALIZED_TIME, SEQUENCE = 0x06, 0x17, 0x18, 0x30
BOOLEAN, INTEGER, OCTET_STRING = 0x01, 0x02, 0x04
TAGGED_0, TAGGED_3 = 0xA0, 0xA3


class Der(NamedTuple):
    """One element: its tag, its content, and both with its length, as they stand."""

    tag: int
    content: bytes
    encoding: bytes

    def members(self) -> list[Der]:
        """The elements in its content."""
        found, place = [], 0
        while place < len(self.content):
            found.append(element_at(self.content, place))
            place += len(found[-1].encoding)
        return found

    def number(self) -> int:
        """The value of an INTEGER."""
        require(self.tag == INTEGER and bool(self.content), "not an INTEGER")
        return int.from_bytes(self.content, "big", signed=True)

    def oid(self) -> str:
        """The value of an OBJECT IDENTIFIER in dotted decimals."""
        is_one = self.tag == OBJECT_IDENTIFIER and 0 < len(self.content) <= LONGEST_IDENTIFIER
        require(is_one, "not an OBJECT IDENTIFIER")
        arcs, value = [], 0
        for octet in self.content:
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))

    def time(self) -> datetime:
        """The value of a UTCTime or GeneralizedTime; a fraction of a second may follow the latter."""
        match = re.fullmatch(rb"([0-9]{12,14})(?:\.([0-9]{1,12}))?Z", self.content)
        require(match is not None and self.tag in (UTC_TIME, GENERALIZED_TIME), "not a time")
        assert match is not None
        digits = match[1].decode("ascii")
        if self.tag == UTC_TIME:
            # RFC 5280 4.1.2.5.1: two digits mean 1950 to 2049.
            digits = ("19" if digits >= "50" else "20") + digits
        whole = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
        fraction = (match[2] or b"0").decode("ascii")[:6].ljust(6, "0")
        return whole + timedelta(microseconds=int(fraction))


def first_element(content: bytes) -> Der:
    """The element that *content* begins with."""
    return element_at(content, 0)


def element_at(content: bytes, place: int) -> Der:
    """The element that begins there in *content*; lengths are definite and minimal."""
    require(len(content) >= place + 2 and content[place] & 0x1F != 0x1F, "an element is cut short")
    size, start = content[place + 1], place + 2
    if size & 0x80:
        octets = content[start : start + (size & 0x7F)]
        complete = len(octets) == size & 0x7F
        start, size = start + len(octets), int.from_bytes(octets, "big")
        minimal = bool(octets) and octets[0] != 0 and size >= 0x80
        require(minimal and complete, "a length isn't minimal")
    end = start + size
    require(end <= len(content), "an element is longer than what holds it")
    return Der(content[place], content[start:end], content[place:end])


def der(content: bytes) -> Der:
    """The one SEQUENCE that *content* is."""
    element = first_element(content)
    require(element.tag == SEQUENCE and element.encoding == content, "not one SEQUENCE alone")
    return element


def read_stamp(response: bytes) -> Stamp:
    """A time-stamp response taken apart; ValueError if it isn't one, or was refused."""
    status, token = der(response).members()
    require(status.members()[0].number() in (0, 1), "the authority refused to stamp")
    content_type, wrapped = token.members()
    require(content_type.oid() == SIGNED_DATA, "not signed data")
    parts = wrapped.members()[0].members()
    encapsulated, signers = parts[2].members(), parts[-1].members()
    require(len(signers) == 1 and encapsulated[0].oid() == TST_INFO, "not one signed TSTInfo")
    statement = encapsulated[1].members()[0].content
    info = der(statement).members()
    algorithm, imprint = info[2].members()
    signer = signers[0].members()
    certificates = [member for part in parts[3:-1] if part.tag == TAGGED_0 for member in part.members()]
    return Stamp(
        version=info[0].number(),
        imprint_digest=algorithm.members()[0].oid(),
        imprint=imprint.content,
        gen_time=info[4].time(),
        accuracy_s=next((accuracy_s(part) for part in info[5:6] if part.tag == SEQUENCE), 0),
        statement=statement,
        signer_digest=signer[2].members()[0].oid(),
        attributes=read_attributes(signer[3]),
        certificate=signing_certificate(signer[1], certificates),
    )


def accuracy_s(element: Der) -> int:
    """RFC 3161 2.4.2: an accuracy in seconds, rounded up; what may follow them is less than one."""
    parts = element.members()
    seconds = [part.number() for part in parts[:1] if part.tag == INTEGER]
    require(not any(number < 0 for number in seconds), "its accuracy is negative")
    return sum(seconds) + (len(parts) > len(seconds))


def read_attributes(element: Der) -> dict[str, Der]:
    """Signed attributes; each type once, with one value (RFC 5652 5.3)."""
    require(element.tag == TAGGED_0, "it has no signed attributes")
    found: dict[str, Der] = {}
    for member in element.members():
        name, values = member.members()
        (value,) = values.members()
        require(name.oid() not in found, "a signed attribute stands twice")
        found[name.oid()] = value
    return found


def signing_certificate(named: Der, certificates: list[Der]) -> Certificate:
    """The certificate that the signer names by issuer and serial number."""
    issuer, serial = named.members()
    for element in certificates:
        certificate = read_certificate(element)
        if (certificate.issuer, certificate.serial) == (issuer.encoding, serial.number()):
            return certificate
    raise ValueError("it lacks its signer's certificate")


def read_certificate(element: Der) -> Certificate:
    """A certificate taken apart (RFC 5280 4.1)."""
    parts = element.members()[0].members()
    if parts[0].tag == TAGGED_0:
        parts = parts[1:]
    extensions = {}
    for part in parts:
        for member in part.members()[0].members() if part.tag == TAGGED_3 else []:
            name, *critical, value = member.members()
            extensions[name.oid()] = (bool(critical) and critical[0].content == b"\xff", value.content)
    starts, ends = parts[3].members()
    return Certificate(
        encoding=element.encoding,
        serial=parts[0].number(),
        issuer=parts[2].encoding,
        subject=parts[4].encoding,
        not_before=starts.time(),
        not_after=ends.time(),
        extensions=extensions,
    )


PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
PINNED_CERTIFICATE = re.compile(
    rb"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----"
)
PEM_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----")
PEM_LIST = re.compile(rb"-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----")


class RevocationList(NamedTuple):
    """A list of revoked certificates (RFC 5280 5.1)."""

    encoding: bytes
    issuer: bytes
    this_update: datetime
    next_update: datetime
    """When a newer list was to be had."""
    revoked: dict[int, tuple[datetime, int]]
    """Serial number to time and reason; 0 where none is told."""
    name: str = ""
    """The file that it came in."""


def revocation_lists(text: bytes) -> list[RevocationList]:
    """The lists in PEM."""
    blocks = PEM_LIST.findall(text)
    require(len(blocks) <= MOST_IN_A_CHAIN, f"it holds {len(blocks)} lists")
    return [read_list(der(unwrapped(block))) for block in blocks]


def read_list(element: Der) -> RevocationList:
    """A revocation list taken apart."""
    parts = element.members()[0].members()
    if parts[0].tag == INTEGER:
        parts = parts[1:]
    times = [part.time() for part in parts[2:4] if part.tag in (UTC_TIME, GENERALIZED_TIME)]
    revoked = {}
    for part in parts[2 + len(times) :]:
        for entry in part.members() if part.tag == SEQUENCE else []:
            serial, at, *extensions = entry.members()
            revoked[serial.number()] = (at.time(), revocation_reason(extensions))
    return RevocationList(element.encoding, parts[1].encoding, times[0], times[-1], revoked)


def revocation_reason(extensions: list[Der]) -> int:
    """RFC 5280 5.3.1: the reason code; unspecified where none is told."""
    for extension in extensions[0].members() if extensions else []:
        name, *_, value = extension.members()
        if name.oid() == REVOCATION_REASON:
            return first_element(value.content).content[0]
    return 0


def unwrapped(pem: bytes) -> bytes:
    """The DER in one block of PEM (RFC 7468)."""
    lines = [line.strip() for line in pem.splitlines()]
    return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-----")))


def digest_by(identifier: str, content: bytes) -> bytes:
    """Digest of *content* by the algorithm with this object identifier; ValueError if not SHA-2."""
    require(identifier in DIGESTS, f"the digest {identifier} isn't of the SHA-2 family")
    return hashlib.new(DIGESTS[identifier], content).digest()


if __name__ == "__main__":
    # What a finding quotes may be more than a terminal or a file of this system can hold.
    cast("Any", sys.stdout).reconfigure(errors="backslashreplace")
    try:
        code = main()
        sys.stdout.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        # Nobody reads on, or somebody stopped it: no verdict.
        os._exit(INCOMPLETE)
    sys.exit(code)
