"""A BagIt 1.0 bag (RFC 8493), written in one pass: payload first, then what describes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from preservation.custody import SigningKey, sign_note
from preservation.errors import EvidenceAtRisk
from preservation.export.sinks import Sink
from preservation.model.digests import DigestAlgorithm, Fixity, FixityMeter, sha256_of

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""RFC 8493 2.1.1."""

SIGNED = b"preservation-bag/v1\ntagmanifest-sha256.txt %s\n"
"""What signature.txt, a C2SP signed note, says; no checkpoint has two lines."""


class BagWriter:
    """Writes one bag into *sink*, and remembers the digests of everything in it."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._payload: dict[str, Fixity] = {}
        self._tags: dict[str, Fixity] = {}

    def add(self, path: str, content: bytes) -> Fixity:
        """Write a file below ``data/`` that is at hand as a whole."""
        return self.stream(path, [content], len(content))

    def stream(self, path: str, chunks: Iterable[bytes], size_bytes: int) -> Fixity:
        """Write a file of *size_bytes* below ``data/``.

        Raises:
            ValueError: There is one of that name already; the names are ours.
        """
        return self._write(f"data/{path}", chunks, size_bytes, self._payload)

    def tag(self, path: str, content: bytes) -> Fixity:
        """Write a file beside ``data/``, about the bag."""
        return self._write(path, [content], len(content), self._tags)

    def finish(self, facts: Sequence[tuple[str, str]], key: SigningKey | None = None) -> str:
        """Write what makes it a bag, *facts* in bag-info.txt; SHA-256 of tagmanifest-sha256.txt.

        That digest stands for the whole bag: the tag manifest covers the manifests, and they cover
        every file. *key* signs it, so that nobody can leave out or change anything in a bag passed on.
        """
        octets = sum(fixity.size_bytes for fixity in self._payload.values())
        about = [*facts, ("Payload-Oxum", f"{octets}.{len(self._payload)}")]
        lines = "".join(f"{name}: {' '.join(value.split())}\n" for name, value in about)
        self.tag("bagit.txt", DECLARATION)
        self.tag("bag-info.txt", lines.encode())
        for algorithm in DigestAlgorithm:
            self.tag(f"manifest-{algorithm}.txt", _manifest(self._payload, algorithm))
        tag_manifests = {a: _manifest(self._tags, a) for a in DigestAlgorithm}
        for algorithm, content in tag_manifests.items():
            # RFC 8493 2.2.1: a tag manifest never lists tag manifests.
            self._write(f"tagmanifest-{algorithm}.txt", [content], len(content), {})
        digest = sha256_of(tag_manifests[DigestAlgorithm.SHA256])
        if key is not None:
            note = sign_note(SIGNED % digest.encode(), key)
            self._write("signature.txt", [note], len(note), {})
        return digest

    def _write(
        self, path: str, chunks: Iterable[bytes], size_bytes: int, into: dict[str, Fixity]
    ) -> Fixity:
        if path in into:
            msg = f"{path} stands twice in the bag"
            raise ValueError(msg)
        meter = FixityMeter()
        self._sink.add(path, _metered(chunks, meter), size_bytes)
        fixity = into[path] = meter.fixity()
        if fixity.size_bytes != size_bytes:
            raise EvidenceAtRisk(
                f"{path} has {fixity.size_bytes} bytes instead of {size_bytes}.",
                remedy="Nothing was handed out. Run 'preserve verify' to see what changed.",
            )
        return fixity


def _metered(chunks: Iterable[bytes], meter: FixityMeter) -> Iterator[bytes]:
    for chunk in chunks:
        meter.update(chunk)
        yield chunk


def _manifest(files: dict[str, Fixity], algorithm: DigestAlgorithm) -> bytes:
    """RFC 8493 2.1.3: digest and path a line."""
    lines = (
        f"{getattr(fixity, algorithm)}  {encoded_path(path)}\n"
        for path, fixity in sorted(files.items())
    )
    return "".join(lines).encode()


def encoded_path(path: str) -> str:
    """*path* as a manifest names it: what could end its line, and the escape itself, is encoded."""
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
