"""Media that can't be compared, submitted beside media that can: a coded reason each, and no harm."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile

import pytest
from click.testing import CliRunner

from demo import pictures as scenes
from preservation import query
from preservation.cli import preserve
from preservation.settings import load


def answer_of(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--json", "--home", str(home)])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def jpeg():
    stream = io.BytesIO()
    scenes.scene(1, width_px=640, height_px=480).save(stream, "JPEG")
    return stream.getvalue()


def bomb():
    """A PNG of 256 million pixels of one grey, in some hundred kilobytes."""
    drawn = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=16000x16000:r=1"]
    stored = ["-frames:v", "1", "-pix_fmt", "gray", "-c:v", "png", "-f", "image2pipe", "-"]
    return subprocess.run([*drawn, *stored], capture_output=True, check=True).stdout


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("p.jpg", jpeg())
    return stream.getvalue()


def vast_drawing():
    """An SVG that claims a side of more pixels than a row of a manifest can tell."""
    side = "9" * 20
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"/>'.encode()


BAD = {
    "cut-off.jpg": (jpeg()[:3000], "unreadable"),
    "bomb.png": (bomb(), "too-many-pixels"),
    "archive.jpg": (archive(), "media-type-not-eligible"),
    "noise.jpg": (bytes(range(256)) * 40, "media-type-not-eligible"),
    "icon.png": (None, "too-small"),
    "nothing.jpg": (b"", "empty"),
    "vast.svg": (vast_drawing(), "media-type-not-eligible"),
    "number.html": (b"<html>&#" + b"9" * 5000, "too-short"),
    "short.txt": (b"Three words only", "too-short"),
}


@pytest.fixture(scope="module")
def reasons(tmp_path_factory):
    """What became of each file, by its name."""
    home, folder = tmp_path_factory.mktemp("bad") / "home", tmp_path_factory.mktemp("files")
    scenes.scene(1, width_px=32, height_px=32).save(folder / "icon.png")
    for name, (content, _) in BAD.items():
        if content is not None:
            (folder / name).write_bytes(content)
    (folder / "good.jpg").write_bytes(jpeg())
    answer_of("init", home=home)
    answer_of("organisation", "add", "one", home=home)
    answer_of("agreement", "add", "--organisation", "one", home=home)
    answer_of("submit", *map(str, sorted(folder.iterdir())), "--organisation", "one", home=home)
    answer_of("run", "--until-idle", home=home)
    found = query.ask(
        load(home),
        "SELECT i.submitted_file_name, o.fingerprint_absence, count(f.value) AS signals FROM items i "
        "JOIN objects o USING (item_id) LEFT JOIN fingerprints f USING (item_id, sha256) GROUP BY ALL",
    )
    return {name: (reason, signals) for name, reason, signals in found.rows}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_compared_has_a_row_with_a_coded_reason(reasons, name):
    assert reasons[name] == (BAD[name][1], 0)


def test_the_rest_of_the_batch_is_unharmed(reasons):
    reason, signals = reasons["good.jpg"]

    assert reason is None
    assert signals > 8
