"""Shingles of a text, and the values that are made of them: MinHash, and samples of its passages.

Everything is fixed, so that others can compute the same values:

1. A shingle is `WORDS` consecutive words. Its number is BLAKE2b (RFC 7693; 8 bytes, no key) of the
   words in UTF-8, one U+0020 between them, read as a big-endian integer. It counts where it stands
   first; its position is how many distinct ones stand before it.
2. `minhash_of`: for each i from 0 to 127 the number x is sought whose mix(x + (i + 1) G mod 2^64) is
   the least, and the low 8 bits of that are kept. G is 0x9E3779B97F4A7C15, mix the finaliser of
   SplitMix64 (Steele, Lea and Flood, 2014). Keeping so few bits is b-bit minwise hashing (Li and
   Koenig, 2010).
3. `passages_of`: of each `WINDOW` consecutive distinct shingles the one with the least number is taken
   (winnowing: Schleimer, Wilkerson and Aiken, 2003), so that at least one of each shared passage of so
   many shingles is. A record has 16 bits: the low 11 bits of the number, then in 5 bits how far its
   position is behind that of the one before; of the first, behind -1.

Values are made of people's words and must not help anyone to them who doesn't have the text. So they
have few bits: each guess at a phrase fits one of 256, or of 2048, by chance, and the samples have two
bits a word, where English has about five (Shannon, 1951). And a text with fewer than `FEWEST` shingles
has no value at all, for each would stand in several of the 128. `benchmarks/similarity/texts.py`
attacks them. Who has the whole text can recognise it, as by the bitstream's own SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WORDS = 4
FEWEST = 128
VALUES = 128
WINDOW = 16
SAMPLE_BITS = 11
GAP_BITS = 5

Numbers = NDArray[np.uint64]
"""Of distinct shingles, in the order of their positions."""

_OFFSETS = np.arange(1, VALUES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def shingles_of(words: Sequence[str]) -> Numbers:
    """The numbers of the distinct shingles of *words*; empty if there are fewer than `FEWEST`."""
    coded = [word.encode("utf-8", "surrogatepass") for word in words]
    digests = b"".join(
        hashlib.blake2b(b" ".join(coded[at : at + WORDS]), digest_size=8).digest()
        for at in range(len(coded) - WORDS + 1)
    )
    numbers = np.frombuffer(digests, dtype=">u8").astype(np.uint64)
    _, firsts = np.unique(numbers, return_index=True)
    return numbers[np.sort(firsts)] if len(firsts) >= FEWEST else numbers[:0]


def minhash_of(numbers: Numbers) -> str:
    """256 hexadecimal digits, two for each of the 128 values."""
    least = np.array([mixed_by(numbers, i).min() for i in range(VALUES)])
    return least.astype(np.uint8).tobytes().hex()


def passages_of(numbers: Numbers) -> str:
    """Four hexadecimal digits for each sample, in order."""
    windows = np.lib.stride_tricks.sliding_window_view(numbers, WINDOW)
    taken = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
    gaps = np.diff(taken, prepend=-1).astype(np.uint64)
    low = numbers[taken] & np.uint64((1 << SAMPLE_BITS) - 1)
    records: Numbers = low << np.uint64(GAP_BITS) | gaps
    return records.astype(">u2").tobytes().hex()


def mixed_by(numbers: Numbers, i: int) -> Numbers:
    """Function *i* of the 128, of each of *numbers*."""
    states = numbers + _OFFSETS[i]
    z = (states ^ states >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ z >> np.uint64(31))
