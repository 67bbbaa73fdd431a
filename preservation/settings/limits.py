"""Bounds on captures, sizes of batches and pools: ``[limits]``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preservation.settings.values import MOST, positive

_A_YEAR_S = 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on a single capture attempt."""

    connect_timeout_s: int = 10
    idle_timeout_s: int = 20
    """Longest silence of a server in mid-transfer, and before its first byte."""
    page_deadline_s: int = 90
    post_deadline_s: int = 900
    file_deadline_s: int = 3600
    largest_object_bytes: int = 20 << 30
    largest_item_bytes: int = 40 << 30
    """All that one attempt may receive."""
    largest_page_bytes: int = 1 << 30
    """All that an attempt at a page may receive; what is larger is fetched as a file."""
    largest_recorded_bytes: int = 64 << 20
    """Of one connection; what comes after is stored as its body alone."""
    largest_decoding_ratio: int = 200
    """A body that unpacks to more than this many times its size is kept packed."""
    lowest_rate_bytes_s: int = 512
    """A transfer slower than this over 30 s is ended."""
    host_interval_ms: int = 200
    """Least time between the beginnings of two attempts at one host, by all processes together."""
    browser_memory_mb: int = 2048
    """A browser that holds more than this is ended with its page."""
    browser_pages: int = 40
    """Pages after which a browser is replaced by a fresh one."""
    largest_redirect_chain: int = 20
    batch_items: int = 50
    """Items of one engine that one task works on."""
    page_workers: int = 3
    post_workers: int = 2
    file_workers: int = 4
    retry_wait_percent: int = 100
    """Share of the waits in `model.retries` that a failed item waits; less only for demos and tests."""
    lease_s: int = 60
    seal_items: int = 1000
    page_tasks: int = 1
    """Batches of pages that Airflow captures at the same time: the size of the pool `browser`."""
    post_tasks: int = 2
    """The same for posts: pool `media`."""
    file_tasks: int = 4
    """The same for files: pool `http`."""
    describe_tasks: int = 2
    """Batches that Airflow characterises at the same time: the size of the pool `describe`."""
    audit_processes: int = os.cpu_count() or 1
    """Files that an audit reads at the same time."""


def limits_of(section: Mapping[str, Any], environment: Mapping[str, str]) -> Limits:
    """Limits from the file; ``PRESERVE_LIMIT_<NAME>`` in the environment wins."""
    values: dict[str, int] = {}
    for name in Limits.__slots__:
        given = environment.get(f"PRESERVE_LIMIT_{name.upper()}", section.get(name))
        if given is not None:
            values[name] = positive(name, given, most=_A_YEAR_S if name.endswith("_s") else MOST)
    return Limits(**values)
