"""RFC 3161 time stamps: asked for, accepted by three judges, checked again years later."""

from preservation.timestamp.accepting import TEST_MARK, Expectation, TokenFacts, check_token
from preservation.timestamp.authority import AcceptedToken, Terms, stamp
from preservation.timestamp.test_authority import create_test_authority, serve_test_authority

__all__ = [
    "TEST_MARK",
    "AcceptedToken",
    "Expectation",
    "Terms",
    "TokenFacts",
    "check_token",
    "create_test_authority",
    "serve_test_authority",
    "stamp",
]
