"""One S3 bucket as this project uses it: few operations, bounded patience, no guesses.

boto3 is imported here alone. Its own retries are off: who asks must know whether an answer got lost,
because a write may have happened all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

import boto3.session
from botocore.config import Config

from preservation import clock
from preservation.settings import StorageSettings
from preservation.store.s3_replies import FOREIGN, Refused, Reply, refusal_of, refuse_redirect

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 120
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0

_Answer = TypeVar("_Answer")

_MAKING = threading.Lock()


class Bucket:
    """The bucket that *place* names. Credentials come by boto3's own means.

    *patience_s* is how long a question is asked again that can't do harm.
    """

    def __init__(self, place: StorageSettings, *, patience_s: float = 30.0) -> None:
        self.name, self.patience_s = place.bucket, patience_s
        self._client = _client(place)

    def once(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            Refused: The answer is an error, or there is none (`Reply.AGAIN`).
        """
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self.name, **arguments)
        except FOREIGN as error:
            raise refusal_of(error) from error
        return answer

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Like `once`, for questions: asked again until *patience_s* is over."""
        return self.patiently(lambda: self.once(operation, **arguments))

    def patiently(self, question: Callable[[], _Answer]) -> _Answer:
        """What *question* gives, asked again while the answer is `Reply.AGAIN`.

        A server that just started may answer 500 for some seconds.
        """
        for _ in pauses(self.patience_s):
            try:
                return question()
            except Refused as refused:
                if refused.reply is not Reply.AGAIN:
                    raise
        return question()


def _client(place: StorageSettings) -> Any:
    # Sessions aren't safe to share between threads; clients are.
    with _MAKING:
        client = _session().client(
            "s3",
            endpoint_url=place.endpoint,
            region_name=place.region,
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                # Digests are named by us, SHA-256, and compared by us.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if place.endpoint else "auto"},
            ),
        )
    client.meta.events.register_first("response-received.s3", refuse_redirect)
    return client


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    """It reads megabytes of descriptions, once."""
    return boto3.session.Session()


def pauses(patience_s: float) -> Iterator[int]:
    """Counts attempts, each after a longer pause, until *patience_s* is over."""
    ends_at, pause_s, number = clock.monotonic_s() + patience_s, _FIRST_PAUSE_S, 0
    while True:
        yield number
        if clock.monotonic_s() + pause_s > ends_at:
            return
        clock.sleep(pause_s)
        pause_s, number = min(pause_s * 2, _LONGEST_PAUSE_S), number + 1
