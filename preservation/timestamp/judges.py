"""Two judges from outside verify a token's signature and chain: rfc3161-client and openssl.

Neither is enough alone. rfc3161-client doesn't check the ESS attribute; openssl without ``-attime``
judges by today's date. Our own rules are in `checks`; a token counts only if all three accept it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography import x509
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from preservation.errors import ProgramMissing, TokenUnjudged
from preservation.timestamp.token import Token, pem_of

_OPENSSL_TIMEOUT_S = 30


def library_refusal(token: Token, message: bytes, roots: Sequence[x509.Certificate]) -> str | None:
    """Why rfc3161-client refuses *token* over *message*; None if it accepts."""
    intermediates = [found for found in token.certificates if found not in roots]
    # Fresh lists: the builder's own methods change a list that its copies share.
    verifier = VerifierBuilder(roots=list(roots), intermediates=intermediates).build()
    try:
        verifier.verify_message(decode_timestamp_response(token.with_sorted_certificates), message)
    except (VerificationError, ValueError) as error:
        return str(error)
    return None


def openssl_refusal(token: Token, message: bytes, roots_pem: bytes) -> str | None:
    """Why ``openssl ts -verify`` refuses *token* over *message*, judged at genTime; None if it accepts.

    Raises:
        ProgramMissing: openssl isn't installed.
        TokenUnjudged: It was killed, is broken, or is another program that doesn't know ``-attime``; or
            there is no room for what it reads.
    """
    files = {
        "-data": message,
        "-in": token.response,
        "-CAfile": roots_pem,
        "-untrusted": pem_of(token.certificates),
    }
    command = ["openssl", "ts", "-verify", "-attime", str(int(token.info.gen_time.timestamp()))]
    try:
        answer = _run_with(command, files)
    except OSError as error:
        raise _unjudged(str(error)) from error
    if b"Verification: " not in answer.stdout:
        raise _unjudged(_reason(answer.stderr))
    if answer.returncode == 0 and b"Verification: OK" in answer.stdout:
        return None
    return _reason(answer.stderr)


def _run_with(command: Sequence[str], files: Mapping[str, bytes]) -> subprocess.CompletedProcess[bytes]:
    """What *command* answers, each of *files* handed over under its option."""
    with tempfile.TemporaryDirectory(prefix="preserve-token-") as folder:
        handed_over: list[str] = []
        for option, content in files.items():
            path = Path(folder, option.strip("-"))
            path.write_bytes(content)
            handed_over += [option, str(path)]
        return run_openssl([*command, *handed_over])


def _unjudged(seen: str) -> TokenUnjudged:
    msg = f"openssl gave no verdict about a time stamp: {seen}."
    return TokenUnjudged(msg, remedy="Try again; it must be OpenSSL, 1.1.1 or newer.")


def run_openssl(
    command: Sequence[str], folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run *command* and give what it answered.

    Raises:
        ProgramMissing: openssl isn't installed.
    """
    try:
        return subprocess.run(
            command, capture_output=True, check=False, timeout=_OPENSSL_TIMEOUT_S, cwd=folder
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, b"", b"openssl gave no answer in time")
    except FileNotFoundError as error:
        msg = "openssl isn't installed; time stamps can't be made or checked."
        raise ProgramMissing(msg, remedy="Run 'apt-get install openssl'.") from error


def _reason(stderr: bytes) -> str:
    """The telling part of openssl's error lines."""
    lines = stderr.decode("utf-8", "replace").splitlines()
    reasons = [line.split(":", 5)[-1].rsplit(":", 2)[0] for line in lines if "error:" in line]
    return "; ".join(reasons) or " ".join(lines)[-200:] or "no reason given"
