"""Which store a deployment has, and local copies of what lies in it."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from preservation.errors import EvidenceAtRisk, SettingsInvalid
from preservation.model.digests import sha256_of
from preservation.pipeline import examine_place
from preservation.settings import Settings, StorageSettings, load
from preservation.store.memory import MemoryStore
from preservation.store.places import archive_store, replica_store
from preservation.store.read_copies import ReadCopies

PAGE = (Path(__file__).parents[2] / "docs/storage.md").read_text("utf-8")


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path, database_url="sqlite://", log_origin="test.invalid/log")


def test_without_a_setting_the_archive_lies_in_the_home(settings):
    archive_store(settings).put("a", b"content")

    assert (settings.home / "archive/a").read_bytes() == b"content"
    assert replica_store(settings) is None


def test_a_second_copy_may_lie_on_another_disk(settings, tmp_path):
    place = StorageSettings(folder=tmp_path / "elsewhere/copy")
    store = replica_store(dataclasses.replace(settings, replica=place))

    store.put("a", b"content")

    assert store.local_path("a").read_bytes() == b"content"
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["copy", "copy.aside"]


def test_a_replica_that_is_not_configured_cannot_be_examined(settings):
    with pytest.raises(SettingsInvalid, match="No replica is configured"):
        examine_place(settings, "replica")


def test_an_archive_without_a_prefix_leaves_no_room_for_the_doctor(settings):
    place = StorageSettings(bucket="evidence")

    with pytest.raises(SettingsInvalid, match="nothing can be tried beside it"):
        examine_place(dataclasses.replace(settings, storage=place), "archive")


def test_a_read_copy_is_made_once_and_has_the_sealed_digest(tmp_path):
    store = MemoryStore()
    store.put("a", b"content")
    copies = ReadCopies(store, tmp_path)

    first, second = (copies.path("a", sha256_of(b"content")) for _ in range(2))

    assert first == second
    assert first.read_bytes() == b"content"


def test_a_read_copy_of_other_bytes_than_sealed_is_refused_and_not_kept(tmp_path):
    store = MemoryStore()
    store.put("a", b"changed")

    with pytest.raises(EvidenceAtRisk, match="its seal says"):
        ReadCopies(store, tmp_path).path("a", sha256_of(b"content"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_settings_on_the_page_are_understood(tmp_path):
    example = PAGE.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "preserve.toml").write_text(f'log_origin = "test.invalid/log"\n{example}')

    storage = load(tmp_path, {}).storage

    written = tomllib.loads(example)["storage"]
    assert written.keys() == {"url", "endpoint", "region", "retention_days", "legal_hold"}
    assert (storage.bucket, storage.prefix, storage.endpoint) == (
        "evidence",
        "archive",
        written["endpoint"],
    )


def test_the_environment_names_another_place(tmp_path):
    (tmp_path / "preserve.toml").write_text('log_origin = "test.invalid/log"\n')
    environment = {"PRESERVE_STORAGE": "s3://b/p", "PRESERVE_STORAGE_ENDPOINT": "http://127.0.0.1:1"}

    storage = load(tmp_path, environment).storage

    assert (storage.bucket, storage.prefix, storage.endpoint) == ("b", "p", "http://127.0.0.1:1")
