from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from preservation import clock
from preservation.metadata import Describer
from preservation.model.captures import CapturedObject, CaptureResult
from preservation.model.vocabulary import Outcome, Role
from preservation.pipeline import characterising, spool
from preservation.settings import Settings

PROSE = " ".join(f"word{number}" for number in range(600)).encode()


def kept(role: Role, content: bytes) -> CapturedObject:
    return CapturedObject(
        role=role,
        target_uri=None,
        content_type="text/plain",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sha512="0" * 128,
        blob_file="text",
    )


@pytest.mark.parametrize("roles", [(Role.RESOURCE, Role.PAGE_TEXT), (Role.PAGE_TEXT, Role.RESOURCE)])
def test_the_same_bytes_in_two_roles_are_compared_for_the_one_that_is(monkeypatch, tmp_path, roles):
    settings = Settings(home=tmp_path, database_url="", log_origin="test")
    folder = spool.attempt_folder(settings, "item", 1)
    folder.mkdir(parents=True)
    (folder / "text").write_bytes(PROSE)
    now = clock.now()
    result = CaptureResult(
        outcome=Outcome.CAPTURED,
        started_at=now,
        ended_at=now,
        objects=tuple(kept(role, PROSE) for role in roles),
    )
    monkeypatch.setattr(spool, "results_of", lambda *_: [(1, result)])

    with Describer() as describer:
        characterising._characterise(settings, (describer, None), "item", 1)

    path: Path = spool.item_folder(settings, "item") / spool.DESCRIPTION
    (described,) = json.loads(path.read_bytes())["objects"].values()
    assert described["fingerprint_absence"] is None
    assert {each["algorithm"] for each in described["fingerprints"]} >= {"words", "minhash"}
