"""Objects above S3's limit for one request (5 GiB), in parts.

Each part goes with its SHA-256, which the store verifies. The digest of the whole is computed while
the parts are read and compared before the upload is completed, which is when it becomes visible.
botocore computes CRC-64/NVME, S3's only digest of a whole upload in parts beside CRC-32, only with
a native library; the full read-back by SHA-256 that follows each upload is stronger than either.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preservation.store.s3_bucket import Bucket
from preservation.store.s3_replies import Refused, named

_LARGEST_SINGLE_BYTES = 5 << 30
_PART_BYTES = 32 << 20
_MOST_PARTS = 10_000


class DigestDiffers(Exception):
    """The file isn't what was promised; the upload was given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Above *largest_single_bytes* an upload goes in parts of *part_bytes*, or larger."""

    largest_single_bytes: int = _LARGEST_SINGLE_BYTES
    part_bytes: int = _PART_BYTES

    def for_a_file_of(self, size_bytes: int) -> int:
        """The size of its parts: S3 takes at most 10,000."""
        return max(self.part_bytes, -(-size_bytes // _MOST_PARTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file and the key that it shall have in the bucket."""

    key: str
    path: Path
    sha256: str
    part_bytes: int
    lock: Mapping[str, Any]
    """The arguments that lock it."""


def put_in_parts(bucket: Bucket, upload: Upload) -> str | None:
    """Upload the file in parts, create-only; the VersionId that the store names.

    Raises:
        Refused: The store's answer; `Reply.EXISTS` if the key exists.
        DigestDiffers: The file isn't what was promised; nothing is visible.
    """
    started = bucket.once(
        "create_multipart_upload", Key=upload.key, ChecksumAlgorithm="SHA256", **upload.lock
    )
    name = {"Key": upload.key, "UploadId": named(started, "UploadId")}
    try:
        parts = _upload(bucket, name, upload)
        done = bucket.once(
            "complete_multipart_upload", **name, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
        )
    except (Refused, DigestDiffers):
        # After a lost answer to the completion this finds no upload, and harms nothing.
        with suppress(Refused):
            bucket.once("abort_multipart_upload", **name)
        raise
    return done.get("VersionId")


def _upload(bucket: Bucket, name: Mapping[str, Any], upload: Upload) -> list[dict[str, Any]]:
    whole, parts = hashlib.sha256(), []
    for number, piece in enumerate(_pieces(upload), start=1):
        whole.update(piece)
        checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode()
        facts = {"PartNumber": number, "ChecksumSHA256": checksum}
        # A part that comes again replaces itself: asking again does no harm.
        answer = bucket.ask("upload_part", **name, **facts, Body=piece)
        parts.append({**facts, "ETag": named(answer, "ETag")})
    if whole.hexdigest() != upload.sha256:
        raise DigestDiffers
    return parts


def _pieces(upload: Upload) -> Iterator[bytes]:
    with upload.path.open("rb") as stream:
        while piece := stream.read(upload.part_bytes):
            yield piece
