from __future__ import annotations

import click
from click.testing import CliRunner

from preservation.cli.options import Progress, print_table

NAME = "a\x1b[2J\r\x9b31m\u202egpj.exe\nb\udcff"


def test_a_strangers_name_steers_no_terminal():
    @click.command()
    def command():
        print_table([{"name": NAME}], ["name"])
        Progress()(NAME)

    # As on a terminal: into a pipe, click leaves out colours by itself.
    said = CliRunner().invoke(command, color=True)

    shown = "a\\u001b[2J\\u000d\\u009b31m\\u202egpj.exe b\\udcff"
    assert said.stdout.splitlines()[2] == shown
    assert said.stderr.endswith(f" s] {shown}\n")


def test_letters_of_every_script_stay_as_they_are():
    name = "می\u200cخواهم שָׁלוֹם 日本 👩\u200d👧"

    @click.command()
    def command():
        print_table([{"name": name}], ["name"])

    assert name in CliRunner().invoke(command).stdout
