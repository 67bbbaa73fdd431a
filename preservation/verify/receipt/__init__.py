"""Checks a submitter's receipt and the proof that it stands in the log."""

from preservation.verify.receipt.argument import check_receipt

__all__ = ["check_receipt"]
