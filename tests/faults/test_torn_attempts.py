"""Workers killed in mid-attempt: what they had recorded is kept, labelled, and takes part in the proof."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest

from preservation.capture.torn import salvage
from preservation.model.vocabulary import Engine, Role
from preservation.pipeline import spool
from preservation.pipeline.verifying import verify
from preservation.recording.connections import connections_in
from preservation.replay import sealed_item
from preservation.replay.recordings import take_recording
from tests.fakes.capture_attempts import Attempts
from tests.fakes.own_home import LIMITS, OwnHome
from tests.fakes.page_visits import Site
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import Origin, WireSite
from tests.fakes.wire_site.answers import Ending, document, head_of, plain, raw

BEGINNING = bytes(range(256)) * 300
_KIND = ("Content-Type", "application/octet-stream")
_LENGTH = ("Content-Length", "1000000")
PARTLY = raw(head_of("200 OK", _KIND, _LENGTH), BEGINNING, ending=Ending.HANG)
WHOLE = plain(_KIND[1], BEGINNING)


def _work(home: Path, roots: Path, url: str) -> None:
    """Wait for the rest of the film for longer than anybody takes to kill this."""
    own = OwnHome(home, capture_roots=roots, limits=replace(LIMITS, idle_timeout_s=60))
    own.submit(url)
    own.capture()


@pytest.mark.parametrize("engine", [Engine.FILE, Engine.PAGE])
def test_what_a_killed_worker_had_recorded_is_kept_and_the_item_is_tried_again(engine, tmp_path):
    authority = TestAuthority(tmp_path / "authority")
    home, name = tmp_path / "home", "film.zip" if engine is Engine.FILE else "page"
    with WireSite(authority) as site:
        page = plain("text/html", document('<img src="/film.zip">'))
        site.add({"/film.zip": PARTLY, "/page": page})
        url = f"{site.at[Origin.TLS]}/{name}"
        worker = multiprocessing.get_context("spawn").Process(
            target=_work, args=(home, authority.root_pem, url)
        )
        worker.start()
        _await_tape(home, len(BEGINNING))
        worker.kill()
        worker.join()
        site.add({"/film.zip": WHOLE})
        own = OwnHome(home, capture_roots=authority.root_pem)
        rows = own.run()

    first, second = sorted(rows["captures"], key=lambda row: row["attempt_number"])
    assert (first["error_class"], first["reason"]) == ("Interrupted", "tool-error")
    assert "its recording up to there is kept" in first["error_detail"]
    assert second["outcome"] != "not-captured"
    left = [row for row in rows["objects"] if row["capture_id"] == first["capture_id"]]
    film = next(row for row in left if row["target_uri"].endswith("/film.zip"))
    assert {row["role"] for row in left} == {"partial", "recording"}
    assert own.content(film) == BEGINNING
    assert verify(own.settings).broken == ()
    _assert_recording_opens(own, first, tmp_path / "torn.pcapng")


def _await_tape(home: Path, size: int) -> None:
    """Until the worker has recorded *size* bytes, and nothing more comes."""
    give_up_at, seen = time.monotonic() + 120, 0
    while time.monotonic() < give_up_at:
        tapes = (home / "work" / "captures").glob("*/1/.aside/tape")
        recorded = max((tape.stat().st_size for tape in tapes), default=0)
        if size < recorded == seen:
            return
        seen = recorded
        time.sleep(1)
    pytest.fail("the worker recorded nothing")


def _assert_recording_opens(own: OwnHome, capture, target: Path) -> None:
    """Its session keys are in it, so that the WARC's records can be derived once more."""
    from preservation.pipeline.archive import open_archive

    store = open_archive(own.settings)
    item = sealed_item(store, capture["item_id"], attempt=1)
    rebuilt = take_recording(store, item, target)
    assert (rebuilt.only_in_warc, rebuilt.only_in_recording, rebuilt.alike > 0) == ((), (), True)


def test_a_tape_is_read_up_to_its_last_whole_block_and_garbage_is_nothing(tmp_path):
    attempt = Attempts(tmp_path)
    with Site() as site:
        made = attempt(Engine.FILE, site.put("/a.bin", BEGINNING, "application/octet-stream"))
    (recording,) = made.of_role(Role.RECORDING)
    whole = made.content(recording)
    for number, (tape, roles) in enumerate(
        [
            (whole, {Role.PARTIAL, Role.RECORDING}),
            (whole[:-7], {Role.PARTIAL, Role.RECORDING}),
            (b"", set()),
            (b"\1\0\0\0\7\0\0\0garbage", None),
            (None, None),
        ]
    ):
        folder = tmp_path / f"torn-{number}"
        (folder / ".aside").mkdir(parents=True)
        (folder / "into").mkdir()
        if tape is not None:
            (folder / ".aside" / "tape").write_bytes(tape)

        salvaged = salvage(folder, folder / "into", attempt.settings)

        found = None if salvaged is None else {entry.role for entry in salvaged.objects}
        assert found == roles
    assert connections_in(folder.parent / "torn-0" / ".aside" / "tape")


def test_an_attempt_that_another_worker_committed_first_stands(tmp_path):
    attempt = Attempts(tmp_path)
    with Site() as site:
        made = attempt(Engine.FILE, site.put("/a.bin", BEGINNING, "application/octet-stream"))
    from preservation import clock
    from preservation.pipeline.interrupted import interrupted

    folder = tmp_path / "attempt"
    spool.begin_attempt(folder, capture_id="c", started_at=clock.now())
    (made.spool / "capture.warc.gz").rename(folder / "capture.warc.gz")
    spool.finish_attempt(folder, made.result)

    standing = interrupted(attempt.settings, folder, egress=None)

    assert standing == made.result
    assert sorted(path.name for path in folder.iterdir()) == [
        "capture.warc.gz",
        "result.json",
        "started.json",
    ]


@pytest.mark.parametrize("left", [(), ("started.json.part",)])
def test_an_attempt_begins_where_one_was_killed_before_it_left_word(left, tmp_path):
    from preservation import clock

    folder = tmp_path / "item" / "1"
    folder.mkdir(parents=True)
    for name in left:
        (folder / name).write_bytes(b"{")
    began = clock.now()

    spool.begin_attempt(folder, capture_id="c", started_at=began)

    assert spool.started_of(folder) == ("c", began)
    assert [path.name for path in folder.iterdir()] == ["started.json"]
    with pytest.raises(OSError, match="not empty"):
        spool.begin_attempt(folder, capture_id="d", started_at=began)
    assert spool.started_of(folder) == ("c", began)


def test_an_attempt_that_is_killed_as_it_begins_has_not_begun(tmp_path, monkeypatch):
    from preservation import clock

    folder = tmp_path / "item" / "1"
    with monkeypatch.context() as killed:
        killed.setattr(spool, "write_json", _killed)
        with pytest.raises(_Killed):
            spool.begin_attempt(folder, capture_id="c", started_at=clock.now())

    assert not folder.exists()
    spool.begin_attempt(folder, capture_id="d", started_at=clock.now())
    assert spool.started_of(folder)[0] == "d"


class _Killed(BaseException):
    """What no code catches."""


def _killed(*_):
    raise _Killed
