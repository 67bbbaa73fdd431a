"""The columns of every manifest table, declared once.

Arrow schemas, JSON Schemas (`schemas/`) and the data dictionary (`docs/data-dictionary.md`) are
generated from here and compared in CI. Claimed, observed and assessed values never share a column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of

SCHEMA_VERSION = 1

Scalar = str | int | bool | datetime | None
Row = dict[str, Scalar]
"""One row: column name to value; every column of its table is present, nulls explicit."""


class EarlierRow(dict[str, Scalar]):
    """A row as it was sealed before its table had the columns *absent*: they aren't in it, so that its
    digest is the one that was sealed, and read as null.
    """

    __slots__ = ("absent",)

    def __init__(self, sealed: Mapping[str, Scalar], absent: frozenset[str]) -> None:
        super().__init__(sealed)
        self.absent = absent

    def __missing__(self, name: str) -> None:
        if name not in self.absent:
            raise KeyError(name)


class ColumnType(StrEnum):
    """The kinds of value a column can hold; floats have no portable form and so are absent."""

    TEXT = "text"
    DIGEST = "digest"
    """Lower-case hexadecimal; random, so never dictionary-encoded."""
    JSON = "json"
    """A JSON document as text, as its producer wrote it."""
    INTEGER = "integer"
    """Below 2^53 in magnitude."""
    BOOLEAN = "boolean"
    INSTANT = "instant"
    """UTC, microseconds."""


_PYTHON_TYPES: dict[ColumnType, type] = {
    ColumnType.TEXT: str,
    ColumnType.DIGEST: str,
    ColumnType.JSON: str,
    ColumnType.INTEGER: int,
    ColumnType.BOOLEAN: bool,
    ColumnType.INSTANT: datetime,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, kind, meaning, and whether a row may leave it null."""

    name: str
    type: ColumnType
    meaning: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A manifest table and its columns, in order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]

    def row(self, values: Mapping[str, Scalar]) -> Row:
        """A complete row from *values*: nulls made explicit, version and row digest added.

        Raises:
            ValueError: A column is unknown, a required one is missing, or a type is wrong.
        """
        unknown = values.keys() - {column.name for column in self.columns}
        if unknown:
            msg = f"{self.name} has no column {sorted(unknown)}"
            raise ValueError(msg)
        row: Row = {"schema_version": SCHEMA_VERSION}
        for column in self.columns[1:-1]:
            row[column.name] = self._checked(column, values.get(column.name))
        row["row_sha256"] = row_digest(row)
        return row

    def _checked(self, column: Column, value: Scalar) -> Scalar:
        if value is None:
            if column.required:
                msg = f"{self.name}.{column.name} is required"
                raise ValueError(msg)
            return None
        is_bool_as_int = isinstance(value, bool) and column.type is ColumnType.INTEGER
        if is_bool_as_int or not isinstance(value, _PYTHON_TYPES[column.type]):
            msg = f"{self.name}.{column.name} takes {column.type}, not {value!r}"
            raise ValueError(msg)
        if isinstance(value, str):
            # Parquet text is UTF-8; a lone surrogate has no UTF-8 form.
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        return value


def row_digest(row: Mapping[str, Scalar]) -> str:
    """SHA-256 (hex) of the row's canonical JSON without its own digest: its portable identity."""
    return sha256_of(canonical_json({k: v for k, v in row.items() if k != "row_sha256"}))


def _table(name: str, meaning: str, *columns: Column) -> Table:
    first = Column("schema_version", ColumnType.INTEGER, "Version of this table's schema.", True)
    last = Column(
        "row_sha256",
        ColumnType.DIGEST,
        "SHA-256 of the row's other columns as canonical JSON (RFC 8785).",
        True,
    )
    return Table(name, meaning, (first, *columns, last))


_T, _D, _J = ColumnType.TEXT, ColumnType.DIGEST, ColumnType.JSON
_I, _B, _AT = ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.INSTANT

_ITEM = Column("item_id", _T, "The item (UUIDv7).", True)
_CAPTURE = Column("capture_id", _T, "The attempt that brought it.", True)

SUBMISSIONS = _table(
    "submissions",
    "One row per submission: what an organisation handed over at once.",
    Column("submission_id", _T, "The submission (UUIDv7).", True),
    Column("submitter_ref", _T, "Pseudonym of the organisation; its identity is kept elsewhere.", True),
    Column("agreement_version", _I, "Version of the agreement that it was judged by.", True),
    Column("submitted_at", _AT, "When it was judged.", True),
    Column("source_kind", _T, "sheet, urls or files.", True),
    Column("source_sha256", _D, "SHA-256 of the sheet or list as received.", True),
    Column("row_count", _I, "Rows received.", True),
    Column("accepted_count", _I, "Rows that became items.", True),
    Column("refused_count", _I, "Rows refused, each with its reasons in the receipt.", True),
    Column("receipt_sha256", _D, "SHA-256 of the signed receipt's canonical JSON.", True),
)

ITEMS = _table(
    "items",
    "One row per submitted URL or file, with what became of it.",
    _ITEM,
    Column("submission_id", _T, "The submission that it came in.", True),
    Column(
        "row_number",
        _I,
        "Row of the sheet as spreadsheets number it (the header is row 1), or place in the list.",
        True,
    ),
    Column("submitter_ref", _T, "Pseudonym of the organisation.", True),
    Column("submitted_url", _T, "The URL, byte for byte as submitted; null for a submitted file."),
    Column("normalised_url", _T, "The URL in normal form, for lookups only; never requested."),
    Column("submitted_file_name", _T, "The name of a submitted file, without folders."),
    Column("host", _T, "Host of the submitted URL."),
    Column("engine", _T, "How it was captured: page, post, file or submitted.", True),
    Column("outcome", _T, "captured, partly-captured or not-captured.", True),
    Column("reason", _T, "Why it fell short; null when captured."),
    Column("collection_plan", _T, "The collection plan that it came under, as NAME@VERSION."),
    Column("attempt_count", _I, "Capture attempts made.", True),
    Column("object_count", _I, "Bitstreams stored for it.", True),
    Column("submitted_at", _AT, "When it was submitted.", True),
    Column("finished_at", _AT, "When its last attempt ended.", True),
    Column("claimed_title", _T, "Title, as the submitter says."),
    Column("claimed_description", _T, "What it shows, as the submitter says."),
    Column("claimed_date", _T, "Date of the event, as the submitter wrote it."),
    Column("claimed_place", _T, "Place, as the submitter wrote it."),
    Column("claimed_language", _T, "Language, as the submitter says."),
    Column("claimed_source", _T, "How the submitter obtained it."),
    Column("claimed_protection_flags", _T, "Protection needs as claimed, comma-separated."),
    Column("claimed_confidentiality", _T, "open, restricted, confidential or sealed, as claimed."),
    Column("claimed_other_json", _J, "Every other column of the sheet, as written."),
    Column(
        "protected_columns",
        _T,
        "Columns of this row that are null because their values identify a source and lie encrypted in "
        "`protected`, comma-separated.",
    ),
    Column("observed_title", _T, "Title, as the capture saw it."),
    Column("observed_uploader", _T, "Account that published it, as the platform says."),
    Column("observed_published_at", _T, "Publication time, as the platform says."),
    Column("observed_platform", _T, "Platform, as the extractor names it."),
    Column("observed_platform_id", _T, "The platform's identifier of the post."),
)

CAPTURES = _table(
    "captures",
    "One row per capture attempt, failures included.",
    _CAPTURE,
    _ITEM,
    Column("attempt_number", _I, "1 for the first try.", True),
    Column("engine", _T, "page, post, file or submitted.", True),
    Column("requested_url", _T, "The URL as requested; null for a submitted file."),
    Column("final_url", _T, "The URL that answered in the end."),
    Column("started_at", _AT, "When the attempt began.", True),
    Column("ended_at", _AT, "When it ended.", True),
    Column("outcome", _T, "captured, partly-captured or not-captured.", True),
    Column("reason", _T, "Why it fell short, from the published list."),
    Column("error_class", _T, "The tool's own class of error."),
    Column("error_detail", _T, "The tool's own words."),
    Column("http_status", _I, "Status of the final response; null if none came."),
    Column("retry_after_s", _I, "Seconds that the server asked to wait."),
    Column("request_headers_json", _J, "Request headers, in order: [[name, value], ...]."),
    Column("response_headers_json", _J, "Response headers of the final response, in order."),
    Column("redirects_json", _J, "The chain: [{url, status, location}, ...]."),
    Column("server_address", _T, "Address that answered."),
    Column("egress", _T, "How the request left: direct, or a named proxy.", True),
    Column("bytes_received", _I, "Bytes of all responses.", True),
    Column("content_verdict", _T, "What the capture thinks it got: content, error, login-wall, empty."),
    Column(
        "content_flags_json",
        _J,
        "What the answer looks like (soft-404, bot-wall, ...) and why: [{flag, evidence}, ...].",
    ),
    Column("tools_json", _J, "Name and version of each tool used.", True),
    Column("isolation", _T, "What held the browser in; null where none took part."),
    Column("tls", _T, "TLS version and cipher suite of the final response's connection."),
    Column("certificate_sha256", _D, "SHA-256 of the server's certificate on it (DER)."),
    Column(
        "resources_in_doubt",
        _I,
        "Resources on which browser and recording disagree; see `resources`.",
        True,
    ),
    Column("replay_text", _T, "Likeness of the replayed page's text, 0 to 1; null if not replayed."),
    Column("replay_pixels", _T, "Likeness of the replayed page's picture, 0 to 1."),
    Column("replay_requests", _T, "Share of the page's requests that the replay could answer."),
    Column("replay_fault", _T, "Why a replay figure is null."),
    Column(
        "prints_absence",
        _T,
        "Which of a page's print (pdf) and single file is missing and why, as role: code; both are "
        "made from its replay. Null if none is missing.",
    ),
    Column("warc_file", _T, "Archive key of the WARC that holds the attempt's records; null if none."),
    Column("warc_offset", _I, "Where its run of records begins in that file."),
    Column("warc_length", _I, "Length of that run, compressed."),
    Column("warc_sha256", _D, "SHA-256 of that run, compressed: what an export of the attempt holds."),
)

OBJECTS = _table(
    "objects",
    "One row per stored bitstream.",
    _ITEM,
    _CAPTURE,
    Column("role", _T, "What it is to the item, e.g. html-as-served.", True),
    Column("target_uri", _T, "The URL that it came from; for a derivative, that of its original."),
    Column("content_type", _T, "Media type as the server said."),
    Column("observed_format", _T, "Media type as the bytes say (ExifTool)."),
    Column("size_bytes", _I, "Size of the bitstream.", True),
    Column("sha256", _D, "SHA-256 of the bitstream.", True),
    Column("sha512", _D, "SHA-512 of the bitstream.", True),
    Column(
        "transfer_form",
        _T,
        "as-sent; pieced: several answers one after the other, see `derivations`; decoded: as the tool "
        "that fetched it put it together or unpacked it; derived: made of what was captured, see "
        "`derivations`.",
        True,
    ),
    Column("content_encoding", _T, "Content codings that are still on it (RFC 9110 8.4)."),
    Column("content_size_bytes", _I, "Size without them; null where there is none to remove."),
    Column("content_sha256", _D, "SHA-256 without them."),
    Column(
        "content_absence", _T, "Why they can't be removed: bomb, corrupt, truncated, unknown-coding."
    ),
    Column("warc_file", _T, "Archive key of the WARC that holds it."),
    Column("warc_offset", _I, "Offset of its record in that file."),
    Column("warc_length", _I, "Compressed length of its record."),
    Column("warc_record_id", _T, "WARC-Record-ID."),
    Column("blob_key", _T, "Archive key, when it is stored as a file of its own."),
    Column("width_px", _I, "Width."),
    Column("height_px", _I, "Height."),
    Column("duration_ms", _I, "Playing time."),
    Column("embedded_metadata_json", _J, "What ExifTool read, as it wrote it."),
    Column("media_facts_json", _J, "What ffprobe read, as it wrote it."),
    Column("absence_reason", _T, "Why embedded metadata is absent, if it is."),
    Column(
        "fingerprint_absence",
        _T,
        "Why it has no fingerprints, or not all: a code of the likeness chapter; null if it has all.",
    ),
)

RESOURCES = _table(
    "resources",
    "The completeness account: each thing that a page referred to, held or missing.",
    _ITEM,
    _CAPTURE,
    Column("sequence", _I, "Order of first request, from 1.", True),
    Column("url", _T, "The resource's URL.", True),
    Column("resource_type", _T, "document, image, media, stylesheet, script, font, ..."),
    Column("is_held", _B, "Whether its whole body is in the archive.", True),
    Column(
        "reason",
        _T,
        "Why it is missing; of what is held: certificate-fault, if its server could not prove who it "
        "is, else null.",
    ),
    Column("http_status", _I, "Status of its response."),
    Column("content_type", _T, "Media type as the server said."),
    Column("size_bytes", _I, "Size of its body."),
    Column("sha256", _D, "SHA-256 of its body; finds it in objects."),
    Column("obtained_by", _T, "browser, or refetch when the browser did not get it whole."),
    Column("error_class", _T, "The tool's own class of error, for what is missing."),
    Column("doubt", _T, "What browser and recording disagree on; null if they agree."),
    Column(
        "warc_file", _T, "Archive key of the WARC with its response; null if it is a blob or missing."
    ),
    Column("warc_offset", _I, "Offset of that record."),
)

DERIVATIONS = _table(
    "derivations",
    "Which bitstream was made from which, by what.",
    _ITEM,
    Column("source_sha256", _D, "The original.", True),
    Column("derived_sha256", _D, "The derivative.", True),
    Column("tool", _T, "Program.", True),
    Column("tool_version", _T, "Its version.", True),
    Column("arguments", _T, "How it was called.", True),
)

FINGERPRINTS = _table(
    "fingerprints",
    "What bitstreams are likened by: hashes and features of pictures, films, sound and text.",
    _ITEM,
    Column("sha256", _D, "The bitstream.", True),
    Column(
        "algorithm",
        _T,
        "pdq, phash, dhash, orb, grey, chromaprint, words, minhash or passages.",
        True,
    ),
    Column("view", _T, "whole, or the named part or form of it.", True),
    Column("frame_ms", _I, "Time of the frame in a video; null for anything else."),
    Column("value", _T, "The value in hexadecimal, zero-padded.", True),
    Column("quality", _I, "How much it says: see the likeness chapter; null where unknown."),
    Column("library", _T, "Library and version.", True),
    Column("decoder", _T, "Decoder and version.", True),
    Column("box", _T, "Of a view that is a part: x,y,width,height in per mille of the whole."),
)

PROTECTED = _table(
    "protected",
    "What identifies a source, encrypted (age) under that source's own key; one row per value.",
    Column("submission_id", _T, "The submission that it came in.", True),
    Column("item_id", _T, "The item that it is about; null for what is about the whole submission."),
    Column("submitter_ref", _T, "Pseudonym of the source whose key opens it.", True),
    Column("subject", _T, "Whose value it is: items.<column>, or submissions.source, the sheet.", True),
    Column("recipient", _T, "Public half of the key that it is encrypted to (age1...).", True),
    Column("plaintext_sha256", _D, "SHA-256 of 32 random bytes, kept in the ciphertext, and it.", True),
    Column("ciphertext_sha256", _D, "SHA-256 of the ciphertext.", True),
    Column("ciphertext_size_bytes", _I, "Size of the ciphertext.", True),
    Column("ciphertext_base64", _T, "The ciphertext; null if it is stored as a file of its own."),
    Column("blob_key", _T, "Archive key of the ciphertext, when it is a file of its own."),
)

EVENTS = _table(
    "events",
    "What was done, by whom and how it ended (PREMIS events).",
    Column("event_id", _T, "The event (UUIDv7).", True),
    Column("event_type", _T, "PREMIS event type.", True),
    Column("event_at", _AT, "When it happened.", True),
    Column("item_id", _T, "The item concerned."),
    Column("submission_id", _T, "The submission concerned."),
    Column("agent", _T, "Program and version, or the pseudonym of a person.", True),
    Column("outcome", _T, "success, or the reason of a failure.", True),
    Column("detail_json", _J, "Digests and identifiers concerned; never content.", True),
)

TIMESTAMPS = _table(
    "timestamps",
    "RFC 3161 tokens over checkpoints of the custody log.",
    Column("batch_id", _T, "The sealed batch.", True),
    Column("checkpoint_size", _I, "Entries that the checkpoint covers.", True),
    Column("authority", _T, "Configured name of the authority.", True),
    Column("is_test_authority", _B, "True: the token proves nothing about time.", True),
    Column("status", _T, "accepted, or pending with the reason in `detail`.", True),
    Column("detail", _T, "Why it is pending."),
    Column("gen_time", _AT, "genTime of the token (RFC 3161 2.4.2)."),
    Column("serial_number", _T, "Serial number of the token, decimal."),
    Column("policy_oid", _T, "TSA policy."),
    Column("message_imprint", _D, "SHA-256 of the checkpoint's bytes."),
    Column("token_key", _T, "Archive key of the token."),
    Column("token_sha256", _D, "SHA-256 of the token."),
    Column("token_not_after", _AT, "When the signing certificate expires."),
    Column("accepted_at", _AT, "Our clock when every judge had accepted the token."),
    Column(
        "is_late",
        _B,
        "True: genTime is more than 300 s after the newest log entry that the checkpoint covers; the "
        "token proves existence at genTime, not at the time in the entries.",
    ),
    Column("chain_key", _T, "Archive key of the certificates that belong to the token."),
    Column("revocation_key", _T, "Archive key of the revocation lists kept with the token."),
    Column("revocation_sha256", _D, "SHA-256 of these lists."),
    Column(
        "revocation_reason", _T, "Why a revocation list is missing: docs/trusted-time.md has the codes."
    ),
)

COMPARED = _table(
    "compared",
    "The bitstreams that were compared, once each, in the order in which that was done; rebuildable.",
    Column(
        "batch_id", _T, "The sealed batch whose signals of it were compared: the first with any.", True
    ),
    _ITEM,
    Column("sha256", _D, "The bitstream.", True),
    Column("captured_at", _AT, "When the attempt began that brought it.", True),
    Column(
        "is_anchor",
        _B,
        "Whether it is no copy of an earlier anchor, so that later ones may join it.",
        True,
    ),
    Column("is_lead", _B, "Whether later ones that merely look like it are shown to a person.", True),
)

EDGES = _table(
    "edges",
    "What is alike, and how that was seen; derived from sealed signals, rebuildable, never signed.",
    Column("batch_id", _T, "The sealed batch that brought the later one.", True),
    Column("left_item_id", _T, "The item in which the earlier bitstream was compared.", True),
    Column("left_sha256", _D, "The earlier bitstream.", True),
    Column("right_item_id", _T, "The item in which the later bitstream was compared.", True),
    Column("right_sha256", _D, "The later bitstream; of the signal same-bytes the same one.", True),
    Column(
        "signal",
        _T,
        "What they have in common: same-bytes, picture, features, video, sound, text.",
        True,
    ),
    Column("relation", _T, "copy: each shows what the other shows; part: something of it.", True),
    Column("tier", _T, "automatic: it joins; review: it is shown to a person and joins nothing.", True),
    Column("left_view", _T, "The view of the earlier one that was compared.", True),
    Column("right_view", _T, "The view of the later one.", True),
    Column("distance_bits", _I, "Hamming distance; null where the signal has none."),
    Column("left_quality", _I, "Quality of the earlier one's signal."),
    Column("right_quality", _I, "Quality of the later one's signal."),
    Column("detail_json", _J, "The verifier's numbers; see the likeness chapter."),
)

CLUSTERS = _table(
    "clusters",
    "Groups of copies, and families of groups that share something; derived, never signed.",
    Column("family_id", _T, "Named after its earliest group's anchor.", True),
    Column(
        "cluster_id", _T, "The group; named after its anchor, so that it never silently changes.", True
    ),
    Column("anchor_sha256", _D, "The bitstream that the others were found to be copies of.", True),
    _ITEM,
    Column("sha256", _D, "The member.", True),
    Column("submitter_ref", _T, "Pseudonym of the organisation that brought it.", True),
    Column("target_uri", _T, "Where the member came from."),
    Column("captured_at", _AT, "When the attempt began that brought it.", True),
    Column("observed_published_at", _T, "Publication time of its item, as the platform says."),
    Column("signal", _T, "What put it there: anchor, same-bytes, or the signal of its edge.", True),
    Column("distance_bits", _I, "Hamming distance to the anchor; null where the signal has none."),
    Column("anchor_view", _T, "The anchor's view that it is like."),
    Column("view", _T, "The member's view that is like it."),
    Column("is_earliest", _B, "Whether it is the earliest copy known: published, else captured.", True),
    Column("is_representative", _B, "Whether it is the largest and best copy.", True),
    Column(
        "is_cross_organisation",
        _B,
        "Whether several organisations brought copies of it; never shown to submitters.",
        True,
    ),
    Column("is_family_cross_organisation", _B, "Whether several brought members of its family.", True),
)

MERGES = _table(
    "merges",
    "What became of families' names: which ceased, which came into being, and by what; derived.",
    Column("change", _T, "merged, or separated by a person's decision.", True),
    Column(
        "family_id", _T, "The family that ceased; of a separation, the one of what was taken out.", True
    ),
    Column("other_family_id", _T, "The family that goes on.", True),
    Column("left_sha256", _D, "One end of the edge or decision that did it.", True),
    Column("right_sha256", _D, "The other end.", True),
    Column("signal", _T, "The edge's signal; assessment for a decision.", True),
    Column("log_size", _I, "Size of the custody log that brought it about.", True),
)

MANIFEST_TABLES = (
    SUBMISSIONS,
    ITEMS,
    CAPTURES,
    OBJECTS,
    RESOURCES,
    DERIVATIONS,
    FINGERPRINTS,
    PROTECTED,
    EVENTS,
    TIMESTAMPS,
)
"""The sealed tables, in the order in which evidence flows."""

DERIVED_TABLES = (COMPARED, EDGES, CLUSTERS, MERGES)
"""What is made from the sealed tables and can be made again."""

ALL_TABLES = (*MANIFEST_TABLES, *DERIVED_TABLES)
TABLES: dict[str, Table] = {table.name: table for table in ALL_TABLES}
