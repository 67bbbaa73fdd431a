"""Loops over numbers, compiled by numba; where it has no build they run as they are, slower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from preservation.similarity.hashes import Hashes


def compiled(kernel: Callable[..., Any]) -> Any:
    """*kernel* as machine code, kept on disk for the next process, or unchanged."""
    try:
        import numba
    except ImportError:  # numba has no build for this platform
        return kernel
    # No fast-math: the numbers are those that plain Python computes.
    return numba.njit(cache=True, nogil=True)(kernel)


def measured_at_once(left: Hashes, right: Hashes) -> NDArray[np.uint16]:
    """Distances in bits of each hash of *left* (rows) and each of *right* (columns)."""
    return np.asarray(np.bitwise_count(left[:, None] ^ right[None]).sum(axis=2, dtype=np.uint16))


def _fastest_measure() -> Callable[[Hashes, Hashes], NDArray[np.uint16]]:
    try:
        from preservation.similarity import compiled as by_numba
    except ImportError:  # as above
        return measured_at_once
    return by_numba.measured_one_by_one  # type: ignore[no-any-return]  # numba is untyped


measured: Callable[[Hashes, Hashes], NDArray[np.uint16]] = _fastest_measure()
"""As `measured_at_once`, by the fastest means that run here."""
