"""Derives every digest, row, entry, proof and token anew, from bytes and outside trust alone."""

from preservation.verify.argument import verify_archive
from preservation.verify.verdict import Verdict

__all__ = ["Verdict", "verify_archive"]
