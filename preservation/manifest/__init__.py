"""Manifest files and the published contracts that describe them."""

from preservation.manifest.columns import arrow_schema
from preservation.manifest.files import open_files, read_table, require_known, write_table
from preservation.manifest.published import data_dictionary, json_schema
from preservation.manifest.sealed import (
    CLUSTERS_PREFIX,
    manifest_keys,
    newest_clusters,
    newest_editions,
    newest_seals,
    read_seal,
    seal_key,
    sealed_keys,
)

__all__ = [
    "CLUSTERS_PREFIX",
    "arrow_schema",
    "data_dictionary",
    "json_schema",
    "manifest_keys",
    "newest_clusters",
    "newest_editions",
    "newest_seals",
    "open_files",
    "read_seal",
    "read_table",
    "require_known",
    "seal_key",
    "sealed_keys",
    "write_table",
]
