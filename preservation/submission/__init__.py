"""Taking material in: organisations, agreements, submissions, receipts, statuses."""

from __future__ import annotations

from preservation.submission.agreements import add_agreement
from preservation.submission.answers import Refusal, RowAnswer, SubmissionAnswer
from preservation.submission.feedback import filled_sheet
from preservation.submission.intake import submit
from preservation.submission.organisations import add_organisation
from preservation.submission.receipts import ensure_receipt_key
from preservation.submission.statuses import status_of

__all__ = [
    "Refusal",
    "RowAnswer",
    "SubmissionAnswer",
    "add_agreement",
    "add_organisation",
    "ensure_receipt_key",
    "filled_sheet",
    "status_of",
    "submit",
]
