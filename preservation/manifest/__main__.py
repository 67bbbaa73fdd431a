"""Writes the published contracts, or says which of them no longer tell the truth."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from preservation.manifest.published import data_dictionary, json_schema
from preservation.model.tables import ALL_TABLES, SCHEMA_VERSION


def contracts() -> dict[str, str]:
    """Path below the project's root, and text, of each generated file."""
    schemas = {
        f"schemas/{table.name}.v{SCHEMA_VERSION}.json": json.dumps(
            json_schema(table), indent=2, ensure_ascii=False
        )
        + "\n"
        for table in ALL_TABLES
    }
    return {**schemas, "docs/data-dictionary.md": data_dictionary()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the contracts; with --check compare only, and return 1 if one differs."""
    parser = argparse.ArgumentParser(prog="python -m preservation.manifest", description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(), help="the project's root")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args(arguments)
    if options.check:
        return _compare(options.root, contracts())
    _write(options.root, contracts())
    return 0


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _compare(root: Path, files: Mapping[str, str]) -> int:
    differences = [line for name, text in files.items() for line in _difference(root / name, text)]
    sys.stdout.writelines(differences)
    if differences:
        print("Run 'python -m preservation.manifest' and look at what changed.", file=sys.stderr)
    return 1 if differences else 0


def _difference(path: Path, text: str) -> list[str]:
    present = path.read_text("utf-8") if path.is_file() else ""
    return list(
        difflib.unified_diff(
            present.splitlines(keepends=True),
            text.splitlines(keepends=True),
            fromfile=str(path),
            tofile="generated",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
