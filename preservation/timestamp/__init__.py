"""RFC 3161 time stamps: asked for, accepted by three judges, checked again years later."""

from preservation.timestamp.accepting import (
    TEST_MARK,
    Expectation,
    TokenFacts,
    check_token,
    read_roots,
)
from preservation.timestamp.authority import AcceptedToken, Terms, stamp, stored_token
from preservation.timestamp.revocation import (
    Link,
    distribution_points,
    read_lists,
    refusal,
    speaks_for,
)
from preservation.timestamp.test_authority import create_test_authority, serve_test_authority

__all__ = [
    "TEST_MARK",
    "AcceptedToken",
    "Expectation",
    "Link",
    "Terms",
    "TokenFacts",
    "check_token",
    "create_test_authority",
    "distribution_points",
    "read_lists",
    "read_roots",
    "refusal",
    "serve_test_authority",
    "speaks_for",
    "stamp",
    "stored_token",
]
