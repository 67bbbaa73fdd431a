from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from preservation import strangers
from preservation.errors import ProgramMissing
from preservation.metadata import TOOL_ARGUMENTS, AbsenceReason, Describer, media_facts, tool_versions
from tests.fakes.media import film, picture


@pytest.fixture(scope="module")
def describer():
    with Describer(timeout_s=30) as running:
        yield running


@pytest.fixture(scope="module")
def sample_film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    tone = ("-f", "lavfi", "-i", "sine=d=2.5")
    return film(path, "-f", "lavfi", "-i", "testsrc=s=320x180:d=2.5", *tone, "-metadata", "title=Ж ا")


def test_a_picture_is_described_from_its_bytes(describer, tmp_path):
    path = tmp_path / "named.like.nothing"
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Camera", 6
    picture(1, 320, 240).save(path, "JPEG", exif=exif)

    found = describer.describe(path, "text/html")

    tags = json.loads(found.embedded_metadata_json)[0]
    assert found.observed_format == "image/jpeg"
    assert (found.width_px, found.height_px, found.duration_ms) == (320, 240, None)
    assert found.absence_reason is None
    assert tags["IFD0:Make"] == "Camera"
    assert tags["IFD0:Orientation"] == 6
    assert found.media_facts_json is None


def test_a_film_has_streams_and_a_playing_time(describer, sample_film):
    found = describer.describe(sample_film, None)

    facts = json.loads(found.media_facts_json)
    assert found.observed_format == "video/mp4"
    assert (found.width_px, found.height_px) == (320, 180)
    assert abs(found.duration_ms - 2500) <= 50
    assert [stream["codec_type"] for stream in facts["streams"]] == ["video", "audio"]
    assert facts["format"]["tags"]["title"] == "Ж ا"


def test_sound_has_a_playing_time_and_no_size(describer, tmp_path):
    path = film(tmp_path / "tone.flac", "-f", "lavfi", "-i", "sine=d=1")

    found = describer.describe(path, None)

    assert (found.duration_ms, found.width_px) == (1000, None)


@pytest.mark.parametrize("digits", [16, 20, 5000])
def test_a_size_that_no_manifest_holds_is_unknown(describer, tmp_path, digits):
    side = "9" * digits
    (tmp_path / "p.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"/>'
    )

    found = describer.describe(tmp_path / "p.svg", None)

    assert (found.observed_format, found.width_px, found.height_px) == ("image/svg+xml", None, None)


def test_a_playing_time_that_no_manifest_holds_is_unknown(describer, tmp_path):
    content = film(tmp_path / "film.mkv", "-f", "lavfi", "-i", "testsrc=s=320x180:d=1").read_bytes()
    # Matroska's Duration, a float of 8 bytes (RFC 9559, 5.1.2.10).
    at = content.index(b"\x44\x89\x88") + 3
    (tmp_path / "film.mkv").write_bytes(content[:at] + struct.pack(">d", 9.1e15) + content[at + 8 :])

    found = describer.describe(tmp_path / "film.mkv", None)

    assert (found.width_px, found.duration_ms) == (320, None)


def test_nothing_is_said_of_our_own_copy(describer, sample_film, tmp_path):
    copy = tmp_path / "a secret name.mp4"
    copy.write_bytes(sample_film.read_bytes())

    found, other = describer.describe(copy, None), describer.describe(sample_film, None)

    assert found == other
    for output in (found.embedded_metadata_json, found.media_facts_json):
        assert "secret" not in output
        assert str(tmp_path) not in output
        assert not {"SourceFile", "System:FileName", "System:FilePermissions"} & set(output.split('"'))


def test_a_file_name_inside_a_film_is_kept(describer, tmp_path):
    font = tmp_path / "letter.ttf"
    font.write_bytes(b"\0\1\0\0font")
    attach = ("-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font")
    path = film(tmp_path / "film.mkv", "-f", "lavfi", "-i", "testsrc=d=1", *attach)

    facts = json.loads(describer.describe(path, None).media_facts_json)

    assert facts["streams"][1]["tags"]["filename"] == "letter.ttf"
    assert "filename" not in facts["format"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", AbsenceReason.EMPTY),
        (b"\xff\xd8\xff\xe0", AbsenceReason.UNREADABLE),
        (bytes(range(7, 200)) * 5, AbsenceReason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_says_nothing_about_itself_gets_a_reason(describer, tmp_path, content, reason):
    path = tmp_path / "f"
    path.write_bytes(content)

    found = describer.describe(path, "image/png")

    assert (found.absence_reason, found.width_px) == (reason, None)


def test_a_film_cut_off_in_the_middle_is_described_as_far_as_it_goes(describer, sample_film, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(sample_film.read_bytes()[:20_000])

    found = describer.describe(path, "video/mp4")

    assert found.observed_format == "video/mp4"
    assert found.absence_reason is AbsenceReason.UNREADABLE
    assert found.media_facts_json is None


def test_a_playlist_makes_ffprobe_open_nothing(describer, tmp_path):
    (tmp_path / "other.ts").write_bytes(b"G" * 188 * 20)
    path = tmp_path / "list.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/other.ts\n")

    found = describer.describe(path, "video/mp4")

    assert found.media_facts_json is None


def test_text_of_many_megabytes_is_described(describer, tmp_path):
    path = tmp_path / "long.txt"
    path.write_bytes("ю {ready1} ".encode() * (1 << 20))

    found = describer.describe(path, None)

    assert found.observed_format == "text/plain"
    assert len(found.embedded_metadata_json) < 2000


@pytest.mark.parametrize("depth", [1_200, 10_000])
def test_json_in_json_without_end_costs_its_own_metadata_alone(describer, tmp_path, depth):
    path = tmp_path / "nested.json"
    path.write_text('{"a":' * depth + "1" + "}" * depth)

    found = describer.describe(path, None)

    assert found.absence_reason in {AbsenceReason.UNREADABLE, AbsenceReason.OUTPUT_TOO_LARGE}
    assert found.embedded_metadata_json is None


def test_a_file_that_eats_memory_costs_its_own_metadata_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(strangers, "MOST_MEMORY_BYTES", 256 << 20)
    greedy, modest = tmp_path / "nested.json", tmp_path / "picture.png"
    greedy.write_text('{"a":' * 1_000_000 + "1" + "}" * 1_000_000)
    picture(1, 320, 240).save(modest)

    with Describer(timeout_s=60) as describer:
        starved, described = describer.describe(greedy, None), describer.describe(modest, None)

    assert starved.absence_reason is AbsenceReason.TOOL_ERROR
    assert described.width_px == 320


def test_what_ffprobe_says_without_end_is_not_kept(monkeypatch, describer, sample_film):
    monkeypatch.setattr(media_facts, "LARGEST_OUTPUT_BYTES", 1000)

    found = describer.describe(sample_film, None)

    assert found.absence_reason is AbsenceReason.OUTPUT_TOO_LARGE
    assert (found.observed_format, found.media_facts_json) == ("video/mp4", None)


def test_properties_in_properties_without_end_cost_their_own_metadata_alone(describer, tmp_path):
    path = tmp_path / "nested.xmp"
    opened, closed = '<q:a rdf:parseType="Resource">', "</q:a>"
    path.write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:q="http://q/">'
        f"{opened * 1100}x{closed * 1100}</rdf:Description></rdf:RDF></x:xmpmeta>"
    )

    found = describer.describe(path, None)

    assert (found.observed_format, found.absence_reason) == (
        "application/rdf+xml",
        AbsenceReason.UNREADABLE,
    )


def test_a_picture_with_more_metadata_than_a_row_holds_keeps_format_and_size(describer, tmp_path):
    path = tmp_path / "stuffed.png"
    words = PngInfo()
    words.add_text("Comment", "a" * (17 << 20))
    picture(1, 320, 240).save(path, pnginfo=words)

    found = describer.describe(path, None)

    assert (found.observed_format, found.width_px, found.height_px) == ("image/png", 320, 240)
    assert found.absence_reason is AbsenceReason.OUTPUT_TOO_LARGE
    assert found.embedded_metadata_json is None


def test_a_locked_document_says_so(describer, tmp_path):
    path = tmp_path / "locked.pdf"
    objects = [
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n",
        b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n",
        b"3 0 obj<</Filter/Standard/V 1/R 2/P -4/O<%b>/U<%b>>>endobj\n" % (b"11" * 32, b"22" * 32),
    ]
    body = b"%PDF-1.4\n"
    places = []
    for entry in objects:
        places.append(b"%010d 00000 n \n" % len(body))
        body += entry
    table = b"xref\n0 4\n0000000000 65535 f \n" + b"".join(places)
    end = b"trailer<</Size 4/Root 1 0 R/Encrypt 3 0 R/ID[<00><00>]>>\nstartxref\n%d\n%%%%EOF\n"
    path.write_bytes(body + table + end % len(body))

    found = describer.describe(path, "application/pdf")

    assert found.observed_format == "application/pdf"
    assert found.absence_reason is AbsenceReason.PASSWORD_PROTECTED


@pytest.mark.parametrize("name", ["a\n-execute\n-b", "a\rb"])
def test_a_name_with_a_line_break_is_never_sent(describer, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")

    with pytest.raises(ValueError, match="line breaks"):
        describer.describe(path, None)


@pytest.mark.parametrize("name", ["-delete_original", "@args", "ls |", "ا & $(id)", "b'\"{}"])
def test_odd_names_are_only_names(describer, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"hello")

    assert describer.describe(path, None).observed_format == "text/plain"
    assert path.read_bytes() == b"hello"


STAND_IN = """#!{python}
import sys
for line in sys.stdin:
    if line.startswith("-execute"):
        number = line.strip()[8:]
        if "{sick}" in seen:
            {symptom}
        print("12.57\\n{{ready" + number + "}}", flush=True)
        print("{{said" + number + "}}", file=sys.stderr, flush=True)
        seen = ""
    else:
        seen = globals().get("seen", "") + line
"""


def with_stand_in(folder: Path, symptom: str) -> dict[str, str]:
    """An environment whose exiftool falls ill at a file called sick."""
    program = folder / "bin" / "exiftool"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable, sick="sick", symptom=symptom))
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def reasons_of(environment: dict[str, str], *paths: Path) -> list[str]:
    """Absence reasons as another process finds them, whose PATH leads to the stand-in."""
    script = (
        "import sys; from pathlib import Path; from preservation.metadata import Describer\n"
        "with Describer(timeout_s=3) as d:\n"
        "    for name in sys.argv[1:]: print(d.describe(Path(name), None).absence_reason)\n"
    )
    command = [sys.executable, "-c", script, *map(str, paths)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("symptom", "reason"),
    [
        ("import time; time.sleep(600)", "tool-timeout"),
        ("raise SystemExit(1)", "tool-error"),
        ("[sys.stdout.write('x' * (1 << 20)) for _ in range(40)]", "output-too-large"),
        ("[sys.stderr.write('x' * (1 << 20)) for _ in range(40)]", "output-too-large"),
    ],
)
def test_a_tool_that_falls_ill_costs_one_file_and_is_started_anew(tmp_path, symptom, reason):
    for name in ("sick-a", "well", "sick-b"):
        (tmp_path / name).write_bytes(b"x")
    environment = with_stand_in(tmp_path, symptom)
    started = time.monotonic()

    reasons = reasons_of(environment, *(tmp_path / name for name in ("sick-a", "well", "sick-b")))

    # The stand-in's answer isn't JSON, so a well file counts as unreadable.
    assert reasons == [reason, "unreadable", reason]
    assert time.monotonic() - started < 60


@pytest.mark.parametrize("program", ["exiftool", "ffprobe"])
def test_a_missing_program_is_named_with_the_command_that_installs_it(tmp_path, program):
    for present in {"exiftool", "ffprobe"} - {program}:
        (tmp_path / present).symlink_to(f"/usr/bin/{present}")
    script = "from preservation.metadata import Describer\nwith Describer(): pass"

    done = subprocess.run(
        [sys.executable, "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert ProgramMissing.__name__ in done.stderr
    assert f"The program {program} isn't installed. Install it: apt-get install -y" in done.stderr


def test_versions_and_arguments_are_on_record():
    assert set(tool_versions()) == {"exiftool", "ffprobe", "pyexiftool"}
    assert TOOL_ARGUMENTS["exiftool"].startswith('-config ""')
    assert "-protocol_whitelist file" in TOOL_ARGUMENTS["ffprobe"]
