"""What the faults of our own HTTP client mean: one visible table each for classes and certificates."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import requests

from preservation.capture.outcomes import Failure
from preservation.model.vocabulary import Reason

CLIENT_FAULTS: tuple[tuple[type[BaseException], Reason], ...] = (
    # The server went away in mid-handshake: nothing is said about its certificate.
    (ssl.SSLEOFError, Reason.TRUNCATED),
    (ssl.SSLZeroReturnError, Reason.TRUNCATED),
    (requests.exceptions.SSLError, Reason.CERTIFICATE_FAULT),
    (requests.exceptions.ReadTimeout, Reason.TIMEOUT),
    (requests.exceptions.ConnectTimeout, Reason.UNREACHABLE),
    (requests.exceptions.InvalidURL, Reason.MALFORMED_URL),
    (http.client.RemoteDisconnected, Reason.TRUNCATED),
    (http.client.HTTPException, Reason.SERVER_ERROR),
    (ConnectionResetError, Reason.TRUNCATED),
    (requests.exceptions.ConnectionError, Reason.UNREACHABLE),
)
"""What an exception before the answer means, if it or a cause of it is of this class."""

CERTIFICATE_CLASSES: dict[int, str] = {
    9: "certificate-not-yet-valid",
    10: "certificate-expired",
    18: "certificate-self-signed",
    62: "certificate-wrong-name",
    64: "certificate-wrong-name",
    # A chain that ends in a root, or before one, that we don't know.
    2: "certificate-unknown-issuer",
    19: "certificate-unknown-issuer",
    20: "certificate-unknown-issuer",
    21: "certificate-unknown-issuer",
    # Only with revocation lists, and we fetch none.
    23: "certificate-revoked",
}
"""OpenSSL's verification errors (X509_V_ERR_..., x509_vfy.h) in our words."""

HANDSHAKE_FAILED = "tls-handshake-failed"
CLIENT_CERTIFICATE_WANTED = "client-certificate-wanted"
_WANTS_CERTIFICATE = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
"""OpenSSL's name of RFC 8446's alert 116; servers of TLS 1.2 have no alert for it alone."""
UNPROVEN = frozenset({"certificate-invalid", *CERTIFICATE_CLASSES.values()})
"""Error classes after which an answer can be had without proof of who gives it."""


def certificate_class(verify_code: int) -> str:
    """The error class of a certificate that fails with *verify_code*."""
    return CERTIFICATE_CLASSES.get(verify_code, "certificate-invalid")


def client_failure(error: BaseException) -> Failure:
    """What *error* of requests or urllib3 means."""
    causes = list(causes_of(error))
    if any(getattr(cause, "reason", None) == _WANTS_CERTIFICATE for cause in causes):
        return Failure(
            reason=Reason.LOGIN_WALL, error_class=CLIENT_CERTIFICATE_WANTED, detail=str(error)
        )
    fitting = ((c, reason) for kind, reason in CLIENT_FAULTS for c in causes if isinstance(c, kind))
    cause, reason = next(fitting, (error, Reason.TOOL_ERROR))
    error_class = type(cause).__name__
    if reason is Reason.CERTIFICATE_FAULT:
        codes = (c.verify_code for c in causes if isinstance(c, ssl.SSLCertVerificationError))
        code = next(codes, None)
        error_class = HANDSHAKE_FAILED if code is None else certificate_class(code)
    return Failure(reason=reason, error_class=error_class, detail=str(error))


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """*error* and everything it wraps, outermost first: libraries nest the real fault several deep.

    requests and urllib3 keep it in ``reason`` and ``args``, yt-dlp in ``exc_info`` and ``cause``.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            wrapped = getattr(one, "exc_info", None)
            waiting += wrapped if isinstance(wrapped, tuple) else ()
            waiting += [getattr(one, name, None) for name in ("cause", "reason")]
            waiting += [one.__cause__, one.__context__, *one.args]
