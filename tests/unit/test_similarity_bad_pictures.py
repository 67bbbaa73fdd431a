from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from preservation.errors import ProgramMissing
from preservation.similarity import fingerprints_of
from preservation.similarity.answers import AnswerMalformed, read_answer, written_answer
from preservation.similarity.decoder_process import DecoderEnded, DecoderProcess
from preservation.similarity.isolated import DecoderProcesses
from preservation.similarity.signals import Fingerprint, FingerprintResult
from tests.fakes.media import picture

pillow_heif.register_heif_opener()


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """*jpeg* whose frame header (ITU-T T.81, B.2.2) claims another size."""
    at = next(re.finditer(rb"\xff[\xc0\xc2]\x00\x11\x08", jpeg)).end()
    return jpeg[:at] + height.to_bytes(2) + width.to_bytes(2) + jpeg[at + 4 :]


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header (ISO/IEC 15948, 11.2.2) claims that size."""
    whole = encoded(picture(1), "PNG")
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4) + whole[33:]


def locked_archive() -> bytes:
    """A zip archive that says its one member needs a password."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("p.jpg", encoded(picture(1), "JPEG"))
    content = bytearray(stream.getvalue())
    content[6] |= 1
    return bytes(content)


def reason_of(folder: Path, content: bytes, media_type: str = "image/jpeg") -> str | None:
    (folder / "f").write_bytes(content)
    found = fingerprints_of(folder / "f", media_type)
    assert bool(found.fingerprints) == (found.absence_reason is None)
    return found.absence_reason


NO_PICTURES = {
    "empty": (b"", "image/png", "empty"),
    "empty-of-no-type": (b"", "", "empty"),
    "text": (b"no picture at all", "image/png", "unsupported-format"),
    "postscript": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
        "image/jpeg",
        "unsupported-format",
    ),
    "drawing": (b"<svg/>", "image/svg+xml", "media-type-not-eligible"),
    "document": (b"%PDF-1.7", "application/pdf", "media-type-not-eligible"),
    "page": (b"<html>", "text/html; charset=utf-8", "too-short"),
    "playlist": (b"#EXTM3U\n", "video/x-mpegurl", "media-type-not-eligible"),
    "no-film": (b"no film", "video/mp4", "unreadable"),
    "film-naming-files": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "video/mp4", "unreadable"),
    "locked-archive": (locked_archive(), "image/jpeg", "unsupported-format"),
    "locked-document": (
        b"%PDF-1.7\n1 0 obj<</Encrypt 2 0 R>>endobj\n",
        "image/png",
        "unsupported-format",
    ),
    "program": (b"\x7fELF" + bytes(4096), "image/jpeg", "unsupported-format"),
    "zeros": (bytes(100_000), "image/jpeg", "unsupported-format"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_gets_a_reason(tmp_path, name):
    content, media_type, reason = NO_PICTURES[name]

    assert reason_of(tmp_path, content, media_type) == reason


def test_a_large_colour_profile_is_no_damage(tmp_path):
    assert reason_of(tmp_path, encoded(picture(1), "PNG", icc_profile=bytes(3 << 20))) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_hides_nothing_of_a_picture_in_floats(tmp_path, bad):
    values = np.asarray(picture(1).convert("L"), dtype=np.float32)
    Image.fromarray(values).save(tmp_path / "whole.tif")
    spoilt = values.copy()
    spoilt[0, 0] = bad
    Image.fromarray(spoilt).save(tmp_path / "spoilt.tif")

    whole, found = (
        fingerprints_of(tmp_path / name, "image/tiff").fingerprints[0].value
        for name in ("whole.tif", "spoilt.tif")
    )

    assert (int(whole, 16) ^ int(found, 16)).bit_count() <= 2


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF", "BMP", "GIF"])
def test_a_truncated_picture_is_unreadable(tmp_path, image_format):
    whole = encoded(picture(1, 900, 700), image_format)

    assert reason_of(tmp_path, whole[: len(whole) // 2]) in {"unreadable", "unsupported-format"}


@pytest.mark.parametrize("side", [1, 63])
def test_icons_and_spacers_have_no_fingerprint(tmp_path, side):
    assert reason_of(tmp_path, encoded(picture(1, 300, side), "PNG")) == "too-small"


BOMBS = {
    "flat-png": encoded(Image.new("1", (9_000, 9_000)), "PNG"),
    "larger-flat-png": encoded(Image.new("1", (20_000, 20_000)), "PNG"),
    "gigapixel-png-header": png_claiming(60_000, 60_000),
    "gigapixel-jpeg-header": claiming(encoded(picture(1), "JPEG"), 60_000, 60_000),
    "progressive-jpeg-header": claiming(encoded(picture(1), "JPEG", progressive=True), 16_000, 16_000),
    "flat-webp": encoded(Image.new("RGB", (9_000, 9_000)), "WEBP", method=0, quality=1),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, name):
    assert reason_of(tmp_path, BOMBS[name]) == "too-many-pixels"


def test_a_picture_of_200_megapixels_out_of_a_telephone_is_decoded(tmp_path):
    Image.new("L", (16_320, 12_240), "grey").save(tmp_path / "p.jpg", quality=1)

    found = fingerprints_of(tmp_path / "p.jpg", "image/jpeg")

    assert found.absence_reason is None
    assert found.fingerprints[0].quality == 0


@pytest.mark.parametrize("size", [(64, 800_000), (800_000, 64)], ids=["tall", "wide"])
def test_a_ribbon_is_no_picture(tmp_path, size):
    assert reason_of(tmp_path, encoded(Image.new("1", size), "PNG")) == "too-narrow"


def test_a_long_screenshot_is_one(tmp_path):
    assert reason_of(tmp_path, encoded(picture(1, 720, 30_000), "JPEG")) is None


def test_a_comment_that_inflates_to_much_is_refused(tmp_path):
    whole = encoded(picture(1), "PNG")
    text = b"zTXta\0\0" + zlib.compress(bytes(100 << 20), 1)
    chunk = (len(text) - 4).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)

    assert reason_of(tmp_path, whole[:33] + chunk + whole[33:]) in {"unreadable", None}


@pytest.mark.parametrize("ending", ["png", "jpeg", "gif", "webp", "tiff", "bmp", "avif", "heif", "ico"])
def test_no_damage_to_a_picture_raises(tmp_path, ending):
    whole = encoded(picture(1, 80, 80), ending)

    for number in range(40):
        digest = hashlib.sha256(f"{ending}{number}".encode()).digest()
        position = int.from_bytes(digest[:4]) % min(len(whole), 400)
        reason_of(tmp_path, whole[:position] + digest[:4] + whole[position + 4 :], f"image/{ending}")


# A pipe that nobody writes to keeps its reader waiting, as a decoder in an endless loop would.
def endless(folder: Path) -> Path:
    os.mkfifo(folder / "endless")
    return folder / "endless"


def good(folder: Path) -> Path:
    picture(1).save(folder / "good.png")
    return folder / "good.png"


@pytest.fixture
def processes():
    made = DecoderProcesses()
    yield made
    made.end()


def test_a_picture_that_never_ends_costs_its_own_signals_alone(tmp_path):
    impatient = DecoderProcesses(picture_timeout_s=0.1)
    try:
        found = impatient.signals_of(endless(tmp_path))
    finally:
        impatient.end()

    assert found == FingerprintResult(fingerprints=(), absence_reason="tool-timeout")
    assert fingerprints_of(good(tmp_path), "image/png").absence_reason is None


def test_a_decoder_that_dies_of_a_picture_costs_its_own_signals_alone(tmp_path):
    process = DecoderProcess()
    death = threading.Timer(0.1, os.kill, (process.pid, signal.SIGSEGV))
    death.start()

    with pytest.raises(DecoderEnded) as ended:
        process.signals_of(endless(tmp_path), 60.0)

    assert ended.value.reason == "decoder-crashed"
    assert fingerprints_of(good(tmp_path), "image/png").absence_reason is None


def test_a_decoder_whose_time_is_up_says_so(tmp_path):
    process = DecoderProcess()
    death = threading.Timer(0.1, os.kill, (process.pid, signal.SIGXCPU))
    death.start()

    with pytest.raises(DecoderEnded) as ended:
        process.signals_of(endless(tmp_path), 60.0)

    assert ended.value.reason == "tool-timeout"


def test_a_decoder_killed_while_idle_is_replaced_and_asked_again(tmp_path, processes):
    first = processes.signals_of(good(tmp_path))
    os.kill(processes.idle_pids()[0], signal.SIGKILL)

    assert processes.signals_of(good(tmp_path)) == first


def test_one_process_serves_many_pictures(tmp_path, processes):
    for _ in range(3):
        processes.signals_of(good(tmp_path))

    assert len(processes.idle_pids()) == 1


def test_after_a_fork_the_child_leaves_its_parents_decoder_alone(tmp_path):
    script = (
        "import os; from pathlib import Path\n"
        "from preservation.similarity.isolated import PROCESSES\n"
        f"path = Path({str(good(tmp_path))!r})\n"
        "first = PROCESSES.signals_of(path)\n"
        "forked = os.fork()\n"
        "if forked == 0:\n"
        "    os._exit(0 if PROCESSES.idle_pids() == [] else 1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0\n"
        "assert PROCESSES.signals_of(path) == first\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_decoder_has_no_secret_of_the_environment(tmp_path):
    script = (
        "from pathlib import Path; from preservation.similarity.decoder_process import DecoderProcess\n"
        "print(Path(f'/proc/{DecoderProcess().pid}/environ').read_text())"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "AWS_SECRET_ACCESS_KEY": "hush"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "OPENBLAS_NUM_THREADS" in done.stdout
    assert "hush" not in done.stdout


CONFINED = {
    "much-memory": "bytearray(3 << 30)",
    "a-file": "from pathlib import Path; Path('written').write_text('x')",
    "a-dump": "import resource; assert resource.getrlimit(resource.RLIMIT_CORE) != (0, 0)",
}


@pytest.mark.parametrize("wish", CONFINED)
def test_the_decoder_is_refused_what_decoding_does_not_need(tmp_path, wish):
    script = f"from preservation.similarity.decoding import confine; confine(); {CONFINED[wish]}"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False
    )

    assert done.returncode != 0
    assert all(path.stat().st_size == 0 for path in tmp_path.iterdir())


def test_a_decoder_that_can_not_start_is_named():
    script = (
        "import sys; sys.executable = '/bin/false'\n"
        "from preservation.similarity.decoder_process import DecoderProcess; DecoderProcess()"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ProgramMissing.__name__ in done.stderr


ROW = {
    "algorithm": "pdq",
    "view": "trimmed",
    "frame_ms": None,
    "value": "00" * 32,
    "quality": 1,
    "library": "pdqhash 0.2.8",
    "decoder": "pillow 13.0.0",
    "box": "1,2,3,4",
}


def test_an_answer_is_read_as_it_was_written():
    result = FingerprintResult(fingerprints=(Fingerprint(**ROW),), absence_reason=None)

    assert read_answer(written_answer(result)) == result


FORGED = {
    "no-json": b"\x00\n",
    "deep": b"[" * 100_000,
    "list": b"[]",
    "reason": json.dumps({"absence_reason": "<script>", "fingerprints": []}).encode(),
    **{
        name: json.dumps({"absence_reason": None, "fingerprints": [{**ROW, **change}]}).encode()
        for name, change in {
            "path": {"view": "../../etc"},
            "upper-case": {"value": "AA"},
            "odd": {"value": "abc"},
            "text-for-number": {"quality": "1"},
            "huge-number": {"quality": 1 << 40},
            "truth": {"quality": True},
            "box": {"box": "1,2,3"},
            "frame": {"frame_ms": 5},
            "more": {"command": "rm"},
            "nothing": {"library": None},
        }.items()
    },
    "many": json.dumps({"absence_reason": None, "fingerprints": [ROW] * 1000}).encode(),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_answer_that_the_program_would_not_give_is_refused(name):
    with pytest.raises(AnswerMalformed):
        read_answer(FORGED[name])
