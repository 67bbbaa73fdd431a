"""What the chapter on proof says of published vectors: the names are there, and its program runs."""

from __future__ import annotations

import base64
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from preservation.custody import merkle

CHAPTER = (Path(__file__).resolve().parents[2] / "docs/proof.md").read_text("utf-8")
SECTION = CHAPTER.split("## Published vectors")[1].split("\n## ")[0]
TABLE = [line.split("|")[2:4] for line in SECTION.splitlines() if line.startswith("| ")][1:]
NAMES = re.compile("`([A-Za-z_][A-Za-z_.0-9]*)(?:[(][^`]*)?`")
CUSTODY = ["merkle", "notes", "keys", "checkpoints", "cosignatures", "tiles"]


def _is_there(modules: list[str], name: str) -> bool:
    """Whether one of the modules has what *name* ends in: after a module's name, or a class's, or both."""
    *_, owner, last = ["", *name.split(".")]
    found = [importlib.import_module(module) for module in modules]
    return any(
        hasattr(place, last) for module in found for place in (module, getattr(module, owner, None))
    )


@pytest.mark.parametrize("column", [0, 1])
def test_every_function_that_is_named_is_there(column):
    rest = ["witness.rules", "model.canonical", "export"]
    own = [f"preservation.{name}" for name in (*(f"custody.{name}" for name in CUSTODY), *rest)]
    modules = [own, ["preservation.export.verify"]][column]

    names = [name for cells in TABLE for name in NAMES.findall(cells[column])]

    assert len(names) > 8
    assert [name for name in names if not _is_there(modules, name)] == []


def test_the_program_finds_the_case_that_comes_out_otherwise(tmp_path):
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(5)]
    tree = merkle.subtree_of(leaves)
    root, old = merkle.root(leaves), merkle.root(leaves[:3])
    included = {"leafIdx": 3, "treeSize": 5, "root": root, "leafHash": leaves[3]}
    grown = {"size1": 3, "size2": 5, "root1": old, "root2": root}
    path, growth = merkle.inclusion_proof(3, 5, tree), merkle.consistency_proof(3, 5, tree)
    _write(tmp_path / "a/included.json", included, path, is_refused=False)
    _write(
        tmp_path / "a/nothing.json", included | {"leafHash": b"", "root": b""}, None, is_refused=True
    )
    _write(tmp_path / "b/grown.json", grown, growth, is_refused=False)
    _write(tmp_path / "b/mistaken.json", grown, growth[::-1], is_refused=False)
    [program] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a"), str(tmp_path / "b")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [f"DIFFERS: {tmp_path / 'b/mistaken.json'}", "4 cases"]


def _write(path: Path, case: dict, proof: list[bytes] | None, *, is_refused: bool) -> None:
    path.parent.mkdir(exist_ok=True)
    written = {k: _encoded(v) for k, v in case.items()}
    nodes = proof if proof is None else [_encoded(node) for node in proof]
    path.write_text(json.dumps(written | {"proof": nodes, "wantErr": is_refused}))


def _encoded(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
