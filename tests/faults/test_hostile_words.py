"""Names and texts of others, told on a terminal: none of them may steer it."""

from __future__ import annotations

import pytest

from preservation.cli.options import print_findings, print_table, printable
from tests.fakes.small_archive import SmallArchive

CLEARED = "\x1b[2J\x1b[HVerdict: PROVEN\x1b[8m"


def test_the_name_of_a_file_can_not_paint_another_verdict(tmp_path, capsys):
    archive = SmallArchive.found(tmp_path / "home")
    (archive.root / CLEARED).write_bytes(b"")

    print_findings(archive.verify().broken)

    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "\\x1b[2J\\x1b[HVerdict: PROVEN" in told


@pytest.mark.parametrize("text", [CLEARED, "a\rb", "a\x9b2Jb", "\u202egnp.exe", "\udce9"])
def test_a_captured_title_can_not_steer_the_terminal_of_who_lists_it(text, capsys):
    print_table([{"title": text}], ["title"])

    assert all(character.isprintable() or character == "\n" for character in capsys.readouterr().out)


def test_words_of_any_script_are_told_as_they_are():
    assert printable("Доказательство, 証拠, دليل") == "Доказательство, 証拠, دليل"
