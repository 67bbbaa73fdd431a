"""What the process that decodes pictures answers: written there, read and checked here.

That process may have been taken over by the picture; so nothing of its answer is taken on trust.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from preservation.similarity.signals import Fingerprint, FingerprintResult

_NAMES = tuple(each.name for each in fields(Fingerprint))
_TEXT = ("algorithm", "view", "library", "decoder")
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,79}")
_CODE = re.compile(r"[a-z][a-z-]{0,39}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2}){1,65536}")
_BOX = re.compile(r"\d{1,4}(?:,\d{1,4}){3}")
_MOST_SIGNALS = 100


class AnswerMalformed(ValueError):
    """The answer isn't one that the program would give."""


def written_answer(result: FingerprintResult) -> bytes:
    """*result* as one line."""
    return json.dumps(asdict(result)).encode() + b"\n"


def read_answer(line: bytes) -> FingerprintResult:
    """What `written_answer` wrote.

    Raises:
        AnswerMalformed: It's something else.
    """
    try:
        answer = json.loads(line)
        reason, rows = answer["absence_reason"], answer["fingerprints"]
        _check(reason is None or _CODE.fullmatch(reason))
        return FingerprintResult(fingerprints=_read_signals(rows), absence_reason=reason)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise AnswerMalformed from error


def _read_signals(rows: Sequence[dict[str, Any]]) -> tuple[Fingerprint, ...]:
    _check(isinstance(rows, list) and len(rows) <= _MOST_SIGNALS)
    return tuple(_read_signal(row) for row in rows)


def _read_signal(row: dict[str, Any]) -> Fingerprint:
    _check(tuple(row) == _NAMES)
    _check(all(_WORDS.fullmatch(row[name]) for name in _TEXT))
    _check(_HEXADECIMAL.fullmatch(row["value"]))
    _check(row["frame_ms"] is None)
    _check(row["quality"] is None or (type(row["quality"]) is int and 0 <= row["quality"] < 1 << 31))
    _check(row["box"] is None or _BOX.fullmatch(row["box"]))
    return Fingerprint(**row)


def _check(is_so: object) -> None:
    if not is_so:
        raise AnswerMalformed
