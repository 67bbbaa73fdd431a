"""docs/dependencies.md names every direct dependency, and no other."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def declared() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    return {re.match(r"[\w.-]+(\[\w+\])?", line)[0] for line in lines}


def documented() -> set[str]:
    text = (PROJECT / "docs" / "dependencies.md").read_text("utf-8").partition("## Programs")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    return {name.strip() for cell in rows for name in cell.split(",")} - {"Package"}


def test_every_dependency_has_its_reason():
    assert documented() == declared()
