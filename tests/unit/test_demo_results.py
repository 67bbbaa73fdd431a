"""The demo's own rules: the sum, the directory, the exit code."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from demo.deployment import MARKER, Command, DemoFailed, fresh
from demo.journey import Queue
from demo.results import account_of
from demo.showing import Voice

WHOLE = {"outcome": "captured", "reason": None}
PARTLY = {"outcome": "partly-captured", "reason": "resources-missing"}
FAILED = {"outcome": "not-captured", "reason": "not-found"}


def test_rows_are_what_is_preserved_plus_what_failed_with_a_reason() -> None:
    account = account_of(4, [WHOLE, WHOLE, PARTLY, FAILED])

    assert account.is_complete
    assert str(account) == (
        "4 rows submitted = 2 preserved + 1 preserved in part + 1 failed with a reason"
    )


@pytest.mark.parametrize(
    "items",
    [[WHOLE], [WHOLE, WHOLE, WHOLE], [WHOLE, {"outcome": "not-captured", "reason": None}]],
)
def test_a_lost_doubled_or_unexplained_item_breaks_the_sum(items: list[dict[str, object]]) -> None:
    account = account_of(2, items)

    assert not account.is_complete
    assert "IS NOT" in str(account)


def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")

    with pytest.raises(DemoFailed, match="no demo made it"):
        fresh(tmp_path)

    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_a_directory_of_an_earlier_demo_is_made_anew(tmp_path: Path) -> None:
    first = fresh(tmp_path / "demo")
    first.sheet.write_text("old")

    second = fresh(tmp_path / "demo")

    assert [path.name for path in second.folder.iterdir()] == [MARKER]


def test_an_answer_that_is_no_json_is_shown() -> None:
    command = Command(words=("status",), exit_code=0, output="oops", complaints="why")

    with pytest.raises(DemoFailed, match="gave no JSON: oops why"):
        command.json()


def test_outside_a_terminal_there_are_plain_lines() -> None:
    written = io.StringIO()
    voice = Voice(Console(file=written, width=100, highlight=False))

    voice.say("one [bold]thing[/]")
    voice.say("one [bold]thing[/]")
    voice.table(("what", "why"), [("http://site.example/[a]", None)])

    lines = written.getvalue().splitlines()
    assert "\x1b" not in written.getvalue()
    assert lines[0].endswith(" s  one [bold]thing[/]")
    assert len(lines) == 3
    assert "http://site.example/[a]" in lines[2]


def test_a_queue_is_busy_until_every_item_is_finished() -> None:
    waits = Queue(due=0, later=1, in_batches=0, unclaimed=0, described=24)
    done = Queue(due=0, later=0, in_batches=0, unclaimed=0, described=25)

    assert waits.is_busy
    assert not done.is_busy
    assert str(done).startswith("25 items finished")
