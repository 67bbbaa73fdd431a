"""What looks alike: perceptual hashes, and groups of near-duplicates."""

from preservation.similarity.eligibility import SHORTEST_SIDE_PX, decoder_of, is_eligible
from preservation.similarity.fingerprints import FingerprintResult, fingerprints_of
from preservation.similarity.grouping import LOWEST_QUALITY, cluster, clusters_summary
from preservation.similarity.join import RADIUS_BITS
from preservation.similarity.signals import Fingerprint

__all__ = [
    "LOWEST_QUALITY",
    "RADIUS_BITS",
    "SHORTEST_SIDE_PX",
    "Fingerprint",
    "FingerprintResult",
    "cluster",
    "clusters_summary",
    "decoder_of",
    "fingerprints_of",
    "is_eligible",
]
