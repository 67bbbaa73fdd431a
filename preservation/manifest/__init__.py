"""Manifest files and the published contracts that describe them."""

from preservation.manifest.columns import arrow_schema
from preservation.manifest.files import open_files, read_table, write_table
from preservation.manifest.published import data_dictionary, json_schema

__all__ = ["arrow_schema", "data_dictionary", "json_schema", "open_files", "read_table", "write_table"]
