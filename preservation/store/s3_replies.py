"""What a store means by an error: one table for every code of S3, one for boto3's own exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from urllib3.exceptions import HTTPError as TornBody


class Reply(Enum):
    """What a store means by an error."""

    MISSING = auto()
    EXISTS = auto()
    """A condition (If-None-Match) isn't met."""
    WRONG_DIGEST = auto()
    FORBIDDEN = auto()
    FULL = auto()
    BEYOND = auto()
    """The range begins behind the end."""
    NOT_LOCKED = auto()
    """The bucket has no lock configuration."""
    NO_BUCKET = auto()
    ELSEWHERE = auto()
    """It redirects."""
    NO_CREDENTIALS = auto()
    OTHER_TIME = auto()
    """Its clock and ours differ too much to accept a signature."""
    AGAIN = auto()
    """No answer, or one that may change; a write may have happened."""
    OTHER = auto()


_REPLIES: Mapping[str, Reply] = {
    "NoSuchKey": Reply.MISSING,
    "NoSuchVersion": Reply.MISSING,
    "NoSuchUpload": Reply.MISSING,
    "NotFound": Reply.MISSING,
    "404": Reply.MISSING,
    "MethodNotAllowed": Reply.MISSING,  # a GET of a delete marker by its VersionId
    "PreconditionFailed": Reply.EXISTS,
    "412": Reply.EXISTS,
    "BadDigest": Reply.WRONG_DIGEST,
    "InvalidDigest": Reply.WRONG_DIGEST,
    "XAmzContentChecksumMismatch": Reply.WRONG_DIGEST,
    "XAmzContentSHA256Mismatch": Reply.WRONG_DIGEST,
    "AccessDenied": Reply.FORBIDDEN,
    "403": Reply.FORBIDDEN,
    "AllAccessDisabled": Reply.FORBIDDEN,
    "InsufficientStorage": Reply.FULL,
    "507": Reply.FULL,
    "QuotaExceeded": Reply.FULL,
    "ServiceQuotaExceeded": Reply.FULL,
    "InvalidRange": Reply.BEYOND,
    "416": Reply.BEYOND,
    "ObjectLockConfigurationNotFoundError": Reply.NOT_LOCKED,
    "NoSuchBucket": Reply.NO_BUCKET,
    "301": Reply.ELSEWHERE,
    "302": Reply.ELSEWHERE,
    "303": Reply.ELSEWHERE,
    "307": Reply.ELSEWHERE,
    "308": Reply.ELSEWHERE,
    "PermanentRedirect": Reply.ELSEWHERE,
    "TemporaryRedirect": Reply.ELSEWHERE,
    "InvalidAccessKeyId": Reply.NO_CREDENTIALS,
    "SignatureDoesNotMatch": Reply.NO_CREDENTIALS,
    "RequestTimeTooSkewed": Reply.OTHER_TIME,
    "ExpiredToken": Reply.NO_CREDENTIALS,
    "InvalidToken": Reply.NO_CREDENTIALS,
    # S3's own word for two conditional writes at the same time: it asks to try again.
    "ConditionalRequestConflict": Reply.AGAIN,
    "OperationAborted": Reply.AGAIN,
    "IncompleteBody": Reply.AGAIN,
    "RequestTimeout": Reply.AGAIN,
    "SlowDown": Reply.AGAIN,
}
"""What each error code of S3 means here; a code that isn't listed goes by its HTTP status."""

_LOST: tuple[type[Exception], ...] = (
    NoConnection,
    HTTPClientError,
    ResponseStreamingError,
    TornBody,
)
"""Exceptions that mean: no whole answer came."""

FOREIGN: tuple[type[Exception], ...] = (ClientError, BotoCoreError, TornBody, ValueError)
"""All that boto3, and the bodies it gives, raise about a conversation with a store; ValueError for what
should be a time or a number.
"""


class Refused(Exception):
    """The store's answer is an error."""

    def __init__(self, reply: Reply, words: str) -> None:
        super().__init__(words)
        self.reply = reply
        self.words = words


def refusal_of(error: Exception) -> Refused:
    """What *error*, one of `FOREIGN`, means."""
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return Refused(Reply.NO_CREDENTIALS, str(error))
    if isinstance(error, FlexibleChecksumError):
        return Refused(Reply.WRONG_DIGEST, str(error))
    if isinstance(error, _LOST):
        return Refused(Reply.AGAIN, f"{type(error).__name__}: {error}")
    return Refused(Reply.OTHER, str(error))


def named(answer: Mapping[str, Any], name: str) -> Any:
    """What *answer* says under *name*.

    Raises:
        Refused: Nothing.
    """
    if name not in answer:
        raise Refused(Reply.OTHER, f"an answer without {name}")
    return answer[name]


def refuse_redirect(event_name: str, response_dict: dict[str, Any] | None = None, **_: Any) -> None:
    """For boto3's event ``response-received``: end at a redirect that names no region.

    boto3 would ask for the region, be redirected, and ask again until the stack is full.
    """
    answer = response_dict or {}
    status, headers = int(answer.get("status_code", 0)), answer.get("headers", {})
    if status in {301, 302, 303, 307, 308} and "x-amz-bucket-region" not in headers:
        said = {"Code": str(status), "Message": f"to {headers.get('location', 'nowhere')}"}
        facts = {"Error": said, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(facts, event_name.rpartition(".")[2])


def _answered(error: ClientError) -> Refused:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    by_status = Reply.AGAIN if status >= 500 or status in {408, 429} else Reply.OTHER
    reply = _REPLIES.get(code) or _REPLIES.get(str(status)) or by_status
    return Refused(reply, f"{status} {error}")
