"""Manifest files and the published contracts that describe them."""

from preservation.manifest.columns import arrow_schema
from preservation.manifest.derived import (
    RULES,
    Coverage,
    covered,
    damaged_coverage,
    derived_bytes,
    derived_key,
    digest_in,
    newest_derived,
    part_keys,
    prefix_digest,
    read_derived,
    write_coverage,
    write_derived,
    write_newest,
)
from preservation.manifest.files import open_files, read_columns, read_table, require_known, write_table
from preservation.manifest.published import data_dictionary, json_schema
from preservation.manifest.sealed import (
    manifest_keys,
    newest_editions,
    newest_seals,
    read_seal,
    seal_key,
    sealed_keys,
)

__all__ = [
    "RULES",
    "Coverage",
    "arrow_schema",
    "covered",
    "damaged_coverage",
    "data_dictionary",
    "derived_bytes",
    "derived_key",
    "digest_in",
    "json_schema",
    "manifest_keys",
    "newest_derived",
    "newest_editions",
    "newest_seals",
    "open_files",
    "part_keys",
    "prefix_digest",
    "read_columns",
    "read_derived",
    "read_seal",
    "read_table",
    "require_known",
    "seal_key",
    "sealed_keys",
    "write_coverage",
    "write_derived",
    "write_newest",
    "write_table",
]
