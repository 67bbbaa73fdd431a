"""Taking material in: organisations, agreements, submissions, receipts, statuses."""

from __future__ import annotations

from preservation.submission.agreements import add_agreement
from preservation.submission.answers import Refusal, RowAnswer, SubmissionAnswer
from preservation.submission.feedback import filled_sheet
from preservation.submission.inbox import submitted_sheet
from preservation.submission.intake import submit
from preservation.submission.organisations import add_organisation
from preservation.submission.plans import PlanDraft, add_plan, plans_of
from preservation.submission.receipts import ensure_receipt_key
from preservation.submission.statuses import status_of

__all__ = [
    "PlanDraft",
    "Refusal",
    "RowAnswer",
    "SubmissionAnswer",
    "add_agreement",
    "add_organisation",
    "add_plan",
    "ensure_receipt_key",
    "filled_sheet",
    "plans_of",
    "status_of",
    "submit",
    "submitted_sheet",
]
