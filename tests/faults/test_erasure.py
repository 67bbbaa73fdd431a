"""Erasing one source touches no other, and lets nothing of it into the archive afterwards."""

from __future__ import annotations

from pathlib import Path

import pyrage
import pytest
from sqlalchemy import select

from preservation.errors import SettingsInvalid
from preservation.pipeline import return_sheet
from preservation.pipeline.sources import erase_source, show_protected
from preservation.state import schema
from preservation.submission import add_agreement, add_organisation, submit
from tests.fakes.own_home import WHO, OwnHome

OTHER = "harbour-watch"
NAME = "um-ahmad-douma.jpg"


@pytest.fixture
def own(tmp_path) -> OwnHome:
    """Two organisations; the first has a key already, so that it can be erased."""
    own = OwnHome(tmp_path / "home")
    add_organisation(own.database, OTHER, name="Harbour Watch")
    add_agreement(own.database, OTHER, {})
    first = written(tmp_path / "first.csv", "url,source\nnot a link,Um Ahmad\n")
    own.submit(str(first))
    worked_off(own)
    return own


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def worked_off(own: OwnHome) -> dict:
    own.characterise(own.capture())
    return own.seal()


def submitted_by_the_other(own: OwnHome, path: Path) -> str:
    answer = submit(own.database, own.settings, organisation_id=OTHER, sources=[str(path)])
    assert answer.submission_id
    return answer.submission_id


def test_a_sheet_that_two_organisations_sent_stays_for_the_other(own, tmp_path):
    sheet = written(tmp_path / "same.csv", "url,source\nnot a link,both know\n")
    own.submit(str(sheet))
    other = submitted_by_the_other(own, sheet)

    erase_source(own.settings, WHO, authority="decision 1")
    rows = worked_off(own)

    subjects = [(row["submission_id"], row["subject"]) for row in rows["protected"]]
    assert (other, "submissions.source") in subjects
    assert "both know" in return_sheet(own.settings, other).read_text("utf-8")


def test_a_sheet_stays_when_somebody_sent_the_same_bytes_as_a_file(own, tmp_path):
    sheet = written(tmp_path / "list.csv", "url\nnot a link\n")
    other = submitted_by_the_other(own, sheet)
    written(tmp_path / "naming.csv", "file\nlist.csv\n")
    own.submit(str(tmp_path / "naming.csv"))

    worked_off(own)

    assert return_sheet(own.settings, other).is_file()


def test_a_file_that_waits_for_its_seal_is_not_named_after_the_erasure(own, tmp_path):
    (tmp_path / NAME).write_bytes(b"picture")
    own.submit(str(written(tmp_path / "more.csv", f"file,protection\n{NAME},child\n")))

    erase_source(own.settings, WHO, authority="decision 1")
    rows = worked_off(own)

    assert NAME not in str(rows["items"])
    with own.database.connect() as connection:
        assert NAME not in str(connection.execute(select(schema.item)).all())


def test_a_lost_key_is_asked_for_and_no_other_takes_its_place(own, tmp_path):
    [path] = (own.settings.keys / "sources").glob("*.agekey")
    kept = path.rename(tmp_path / "kept")
    own.submit(str(written(tmp_path / "more.csv", "url,source\nno link either,Um Ahmad\n")))

    with pytest.raises(SettingsInvalid, match="is gone, and was never erased"):
        worked_off(own)
    assert not path.exists()

    kept.rename(path)
    assert len({row["recipient"] for row in worked_off(own)["protected"]}) == 1


def test_a_key_that_a_person_put_in_a_lost_ones_place_goes_on(own, tmp_path):
    [path] = (own.settings.keys / "sources").glob("*.agekey")
    path.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    own.submit(str(written(tmp_path / "more.csv", "url,source\nno link either,Um Ahmad\n")))

    old, new = [row["submission_id"] for row in worked_off(own)["submissions"]]

    [lost] = show_protected(own.settings, old, reason="court")["values"]
    [found] = show_protected(own.settings, new, reason="court")["values"]
    assert lost["absence"] == "key-missing"
    assert "value_base64" in found


def test_after_an_erasure_a_source_gets_another_key(own, tmp_path):
    erase_source(own.settings, WHO, authority="decision 1")
    own.submit(str(written(tmp_path / "more.csv", "url,source\nno link either,Um Ahmad\n")))

    assert len({row["recipient"] for row in worked_off(own)["protected"]}) == 2
