"""Seals whose checkpoints witnesses cosign: caught up, absent, alarmed, and never silently missing."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select

from preservation import clock, settings
from preservation.custody import CustodyLog, open_note
from preservation.custody.cosignatures import cosignatures, pinned_witnesses
from preservation.errors import AuthorityUnavailable, LogBroken
from preservation.model.vocabulary import EventType
from preservation.pipeline import initialise, seal_ready
from preservation.pipeline.archive import open_archive
from preservation.pipeline.events import record_event
from preservation.pipeline.log_keys import prepare_next_key, rotate_log_key
from preservation.state import open_database, schema
from preservation.witness import WitnessMemory, WitnessServer


class Witnessed:
    """A deployment and two witnesses that watch it."""

    def __init__(self, home: Path, quorum: int) -> None:
        self.home = initialise(home).home
        self.memories = [
            WitnessMemory.create(home.parent / name, f"{name}.invalid") for name in ("one", "two")
        ]
        for memory in self.memories:
            memory.watch((home / "trust/log.vkey").read_text())
        self.quorum = quorum

    def seal(self, *awake: int) -> list[str]:
        """Seal something new while the witnesses of these numbers are awake."""
        with ExitStack() as stack:
            urls = ["http://127.0.0.1:1", "http://127.0.0.1:1"]
            for number in awake:
                server = WitnessServer(self.memories[number], ("127.0.0.1", 0))
                urls[number] = stack.enter_context(server).url
            return seal_ready(self._settings(urls))

    def ask(self) -> None:
        """Let something ask for a seal."""
        database = open_database(self.settings.database_url)
        with database.begin() as connection:
            record_event(
                connection, clock.new_id(), EventType.FIXITY_CHECK, detail={}, asks_for_seal=True
            )

    @property
    def settings(self):
        return settings.load(self.home)

    @property
    def log(self) -> CustodyLog:
        return CustodyLog(open_archive(self.settings), self.settings.log_origin)

    def cosigners(self, size: int) -> list[str]:
        keys = [memory.key.public for memory in self.memories]
        return [found.witness.name for found in cosignatures(self.log.read_checkpoint(size).body, keys)]

    def events(self) -> list[tuple[str, str]]:
        query = select(schema.event).where(schema.event.c.event_type == EventType.COSIGNING)
        with open_database(self.settings.database_url).connect() as connection:
            rows = connection.execute(query.order_by(schema.event.c.event_id)).all()
        return [(row.detail["witness"], row.outcome) for row in rows]

    def _settings(self, urls: list[str]):
        path = self.home / "preserve.toml"
        lines = [""]
        for memory, url in zip(self.memories, urls, strict=True):
            name, vkey = memory.key.public.name, memory.key.public
            lines += ["[[witness]]", f'name = "{name}"', f'url = "{url}"', f'vkey = "{vkey}"']
        original = self.home / "preserve.toml.original"
        if not original.exists():
            shutil.copy(path, original)
        text = original.read_text().replace(
            "\n[[authority]]", f"\nwitness_quorum = {self.quorum}\n[[authority]]", 1
        )
        path.write_text(text + "\n".join(lines) + "\n")
        return self.settings


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("witnessed")
    Witnessed(folder / "home", 1)
    return folder


@pytest.fixture
def deployment(template, tmp_path) -> Witnessed:
    shutil.copytree(template, tmp_path / "all")
    return Witnessed(tmp_path / "all/home", 1)


def test_a_checkpoint_is_cosigned_before_it_is_published(deployment):
    deployment.ask()
    deployment.seal(0, 1)
    size = deployment.log.checkpoint_sizes()[-1]

    assert deployment.cosigners(size) == ["one.invalid", "two.invalid"]
    assert deployment.events() == [("one.invalid", "success"), ("two.invalid", "success")]
    assert pinned_witnesses((deployment.home / "trust/witnesses.vkey").read_text()) == tuple(
        memory.key.public for memory in deployment.memories
    )


def test_an_absent_witness_is_recorded_and_caught_up_later(deployment):
    deployment.ask()
    deployment.seal(0)
    first = deployment.log.checkpoint_sizes()[-1]
    deployment.ask()
    deployment.seal(0, 1)
    second = deployment.log.checkpoint_sizes()[-1]

    assert deployment.cosigners(first) == ["one.invalid"]
    assert deployment.cosigners(second) == ["one.invalid", "two.invalid"]
    assert deployment.events()[:2] == [("one.invalid", "success"), ("two.invalid", "failure")]


def test_a_seal_waits_for_its_quorum_and_nothing_is_published_meanwhile(deployment):
    deployment.quorum = 2
    before = deployment.log.checkpoint_sizes()
    deployment.ask()
    with pytest.raises(AuthorityUnavailable, match=r"1 of the 2 .* two\.invalid"):
        deployment.seal(0)

    assert deployment.log.checkpoint_sizes() == before
    assert len(deployment.seal(0, 1)) == 1
    assert deployment.cosigners(deployment.log.checkpoint_sizes()[-1]) == ["one.invalid", "two.invalid"]


def test_an_archive_that_was_rolled_back_is_an_alarm(deployment, tmp_path):
    shutil.copytree(deployment.home, tmp_path / "backup")
    deployment.ask()
    deployment.ask()
    deployment.seal(0, 1)
    shutil.rmtree(deployment.home)
    shutil.copytree(tmp_path / "backup", deployment.home)
    before = deployment.log.checkpoint_sizes()
    deployment.ask()

    with pytest.raises(LogBroken, match="seen"):
        deployment.seal(0, 1)
    assert deployment.log.checkpoint_sizes() == before


def test_after_a_rotation_the_witnesses_want_to_know_the_new_key_first(deployment):
    deployment.ask()
    deployment.seal(0, 1)
    announced = prepare_next_key(deployment.settings)
    deployment.memories[0].watch(f"{announced}\n")
    rotate_log_key(deployment.settings)
    with pytest.raises(LogBroken, match="signature"):
        deployment.seal(0, 1)

    deployment.memories[1].watch((deployment.home / "trust/log.vkey").read_text())
    deployment.seal(0, 1)

    size = deployment.log.checkpoint_sizes()[-1]
    assert deployment.cosigners(size) == ["one.invalid", "two.invalid"]
    assert open_note(deployment.log.read_checkpoint(size).body, announced)
