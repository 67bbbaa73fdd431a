from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image

from preservation.errors import ProgramMissing
from preservation.similarity import RADIUS_BITS, decoder_of, fingerprints_of, is_eligible
from tests.fakes.media import film, film_of, picture


def pdq(path: Path, media_type: str = "image/png") -> str:
    return next(f.value for f in fingerprints_of(path, media_type).fingerprints if f.algorithm == "pdq")


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def bits_between(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()


def test_a_picture_has_the_three_hashes_that_the_libraries_give(tmp_path):
    image = picture(1)

    found = fingerprints_of(saved(tmp_path / "p.png", image), "image/png")

    vector, quality = pdqhash.compute(np.asarray(image))
    # The reference prints words w[15] to w[0], each from bit 15 down: bit 255 of all comes first.
    number = sum(int(bit) << (255 - place) for place, bit in enumerate(vector))
    assert found.absence_reason is None
    assert [(f.algorithm, f.value, f.quality) for f in found.fingerprints] == [
        ("pdq", f"{number:064x}", quality),
        ("phash", str(imagehash.phash(image)), None),
        ("dhash", str(imagehash.dhash(image)), None),
    ]
    assert {(f.view, f.frame_ms) for f in found.fingerprints} == {("whole", None)}
    assert all(f.library.split()[1] and f.decoder.startswith("pillow ") for f in found.fingerprints)


def test_hashes_keep_their_leading_zeros(tmp_path):
    found = fingerprints_of(saved(tmp_path / "p.png", Image.new("RGB", (99, 99), "grey")), "image/png")

    assert [len(f.value) for f in found.fingerprints] == [64, 16, 16]
    assert found.fingerprints[0].quality == 0


def test_the_picture_is_compared_as_it_is_shown_not_as_it_is_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(1)
    lying = upright.transpose(Image.Transpose.ROTATE_90)

    stored = pdq(saved(tmp_path / "lying.png", lying, exif=exif))

    assert stored == pdq(saved(tmp_path / "upright.png", upright))


FORMS = {
    "grey": (lambda p: p.convert("L"), "png"),
    "grey-jpeg": (lambda p: p.convert("L"), "jpg"),
    "cmyk-jpeg": (lambda p: p.convert("CMYK"), "jpg"),
    "palette": (lambda p: p.quantize(256), "png"),
    "opaque-alpha": (lambda p: p.convert("RGBA"), "webp"),
    "lossy": (lambda p: p, "webp"),
    "avif": (lambda p: p, "avif"),
    "tiff": (lambda p: p, "tiff"),
    "bmp": (lambda p: p, "bmp"),
    "gif": (lambda p: p, "gif"),
    "half-size": (lambda p: p.resize((160, 120), Image.Resampling.LANCZOS), "png"),
    "large-jpeg": (lambda p: p.resize((3200, 2400), Image.Resampling.BICUBIC), "jpg"),
    "large-png": (lambda p: p.resize((3200, 2400), Image.Resampling.BICUBIC), "png"),
    "sixteen-bits": (
        lambda p: Image.fromarray(np.asarray(p.convert("L")).astype(np.uint16) * 257),
        "png",
    ),
    "thirty-two-bits": (
        lambda p: Image.fromarray(np.asarray(p.convert("L")).astype(np.float32) / 255),
        "tiff",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_picture_in_every_form_stays_within_the_radius(tmp_path, form):
    change, ending = FORMS[form]
    original = pdq(saved(tmp_path / "p.png", picture(5)))

    other = pdq(saved(tmp_path / f"q.{ending}", change(picture(5))), f"image/{ending}")

    assert bits_between(original, other) <= RADIUS_BITS
    assert bits_between(original, pdq(saved(tmp_path / "r.png", picture(6)))) > RADIUS_BITS


def test_transparent_places_count_as_white(tmp_path):
    layer = picture(1).convert("RGBA")
    layer.paste((255, 0, 0, 0), (0, 0, 100, 240))
    plain = picture(1)
    plain.paste("white", (0, 0, 100, 240))

    assert pdq(saved(tmp_path / "a.png", layer)) == pdq(saved(tmp_path / "b.png", plain))


def test_an_animation_is_its_first_frame(tmp_path):
    path = saved(tmp_path / "a.png", picture(1), save_all=True, append_images=[picture(2)])

    assert pdq(path) == pdq(saved(tmp_path / "b.png", picture(1)))


@pytest.mark.parametrize(
    ("content", "media_type", "reason"),
    [
        (b"", "image/png", "empty"),
        (b"no picture at all", "image/png", "unsupported-format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", "image/jpeg", "unsupported-format"),
        (b"<svg/>", "image/svg+xml", "media-type-not-eligible"),
        (b"<html>", "text/html; charset=utf-8", "media-type-not-eligible"),
        (b"#EXTM3U\n", "video/x-mpegurl", "media-type-not-eligible"),
        (b"no film", "video/mp4", "unreadable"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "video/mp4", "unreadable"),
    ],
)
def test_what_is_no_picture_gets_a_reason(tmp_path, content, media_type, reason):
    (tmp_path / "f").write_bytes(content)

    found = fingerprints_of(tmp_path / "f", media_type)

    assert (found.fingerprints, found.absence_reason) == ((), reason)


def test_a_truncated_picture_is_unreadable(tmp_path):
    whole = saved(tmp_path / "p.jpg", picture(1)).read_bytes()
    (tmp_path / "p.jpg").write_bytes(whole[: len(whole) // 2])

    assert fingerprints_of(tmp_path / "p.jpg", "image/jpeg").absence_reason == "unreadable"


@pytest.mark.parametrize("side", [1, 63])
def test_icons_and_spacers_have_no_fingerprint(tmp_path, side):
    path = saved(tmp_path / "p.png", picture(1, 300, side))

    assert fingerprints_of(path, "image/png").absence_reason == "too-small"


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_a_picture_of_too_many_pixels_is_not_decoded(tmp_path, side):
    path = saved(tmp_path / "p.png", Image.new("1", (side, side)))

    assert fingerprints_of(path, "image/png").absence_reason == "too-many-pixels"


def test_no_damage_to_a_picture_raises(tmp_path):
    for ending in ("png", "jpg", "gif", "webp", "tiff", "bmp", "avif"):
        whole = saved(tmp_path / f"p.{ending}", picture(1, 80, 80)).read_bytes()
        for number in range(60):
            digest = hashlib.sha256(f"{ending}{number}".encode()).digest()
            position = int.from_bytes(digest[:4]) % min(len(whole), 400)
            broken = whole[:position] + digest[:4] + whole[position + 4 :]
            (tmp_path / "broken").write_bytes(broken)

            found = fingerprints_of(tmp_path / "broken", f"image/{ending}")

            assert bool(found.fingerprints) == (found.absence_reason is None)


def test_a_film_is_sampled_once_a_second_with_the_time_of_each_frame(tmp_path):
    path = film_of(tmp_path / "film.mp4", [1, 2, 3, 4])

    found = fingerprints_of(path, "video/mp4")

    frames = [f for f in found.fingerprints if f.algorithm == "pdq"]
    stills = [pdq(saved(tmp_path / f"{n}.png", picture(n, 160, 120))) for n in (1, 2, 3, 4)]
    assert found.absence_reason is None
    assert [frame.frame_ms for frame in frames] == [0, 1000, 2000, 3000]
    assert all(bits_between(f.value, s) <= 8 for f, s in zip(frames, stills, strict=True))
    assert all(frame.decoder.startswith("ffmpeg ") for frame in frames)


def test_a_title_can_not_pass_for_the_time_of_a_frame(tmp_path):
    title = "title=x\n[Parsed_showinfo_1 @ 0x55] n: 0 pts: 9 pts_time:99 y"
    path = film(tmp_path / "film.mkv", "-f", "lavfi", "-i", "testsrc=s=160x120:d=2", "-metadata", title)

    found = fingerprints_of(path, "video/x-matroska")

    assert sorted({f.frame_ms for f in found.fingerprints}) == [0, 1000]


def test_a_film_cut_off_gives_the_frames_before_the_damage(tmp_path):
    path = film_of(tmp_path / "film.mkv", [1, 2, 3, 4])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])

    found = fingerprints_of(path, "video/x-matroska")

    assert 0 < len({f.frame_ms for f in found.fingerprints}) < 4
    assert found.absence_reason is None


def test_a_film_that_takes_too_long_is_cut_short_and_says_so(tmp_path):
    path = film_of(tmp_path / "film.mp4", [1, 2])

    found = fingerprints_of(path, "video/mp4", video_timeout_s=0.0)

    assert found.absence_reason == "tool-timeout"


def test_a_missing_ffmpeg_is_named_with_the_command_that_installs_it(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    script = (
        "from pathlib import Path; from preservation.similarity import fingerprints_of\n"
        f"fingerprints_of(Path({str(tmp_path / 'f')!r}), 'video/mp4')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert ProgramMissing.__name__ in done.stderr
    assert "apt-get install -y ffmpeg" in done.stderr


@pytest.mark.parametrize(
    ("role", "width", "height", "expected"),
    [
        ("media", 640, 480, True),
        ("file", 64, 64, True),
        ("submitted-original", 640, 480, True),
        ("resource", 640, 480, True),
        ("screenshot", 640, 480, False),
        ("thumbnail", 640, 480, False),
        ("rendered-dom", 640, 480, False),
        ("resource", 640, 63, False),
        ("resource", 1, 1, False),
        ("resource", None, None, False),
    ],
)
def test_what_may_enter_clusters(role, width, height, expected):
    assert is_eligible(role, width, height) is expected


def test_parameters_of_a_media_type_decide_nothing():
    assert decoder_of("Image/PNG; q=1") == decoder_of("image/png")
    assert decoder_of("") is None
