"""What looks alike: perceptual hashes, and groups of near-duplicates."""

from preservation.similarity.eligibility import SHORTEST_SIDE_PX, decoder_of, ineligibility
from preservation.similarity.fingerprints import fingerprints_of
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.signals import Fingerprint, FingerprintResult

__all__ = [
    "RADIUS_BITS",
    "SHORTEST_SIDE_PX",
    "Fingerprint",
    "FingerprintResult",
    "decoder_of",
    "fingerprints_of",
    "ineligibility",
]
