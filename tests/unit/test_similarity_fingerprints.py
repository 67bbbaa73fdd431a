from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
import pillow_heif
import pytest
from PIL import AvifImagePlugin, Image

from preservation.errors import ProgramMissing
from preservation.similarity import RADIUS_BITS, decoder_of, fingerprints_of, ineligibility
from preservation.similarity.pictures import decoded
from preservation.similarity.signals import Fingerprint
from tests.fakes.media import film, film_of, picture

pillow_heif.register_heif_opener()


def pdqs(path: Path, media_type: str = "image/png") -> dict[str, Fingerprint]:
    found = fingerprints_of(path, media_type)
    return {each.view: each for each in found.fingerprints if each.algorithm == "pdq"}


def pdq(path: Path, media_type: str = "image/png") -> str:
    return pdqs(path, media_type)["whole"].value


def reference(image: Image.Image) -> str:
    """PDQ in the reference's text: words w[15] to w[0], each from bit 15 down, bit 255 of all first."""
    vector, _ = pdqhash.compute(np.asarray(image))
    return f"{sum(int(bit) << (255 - place) for place, bit in enumerate(vector)):064x}"


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def bits_between(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()


def test_a_small_picture_has_the_very_hashes_that_the_libraries_give(tmp_path):
    image = picture(1)

    found = fingerprints_of(saved(tmp_path / "p.png", image), "image/png")

    whole = {(f.algorithm, f.value) for f in found.fingerprints if f.view == "whole"}
    assert found.absence_reason is None
    assert whole >= {
        ("pdq", reference(image)),
        ("phash", str(imagehash.phash(image))),
        ("dhash", str(imagehash.dhash(image))),
    }
    assert all(f.frame_ms is None and f.library.split()[1] for f in found.fingerprints)
    assert all(f.decoder.startswith("pillow ") for f in found.fingerprints)


def test_every_picture_has_each_signal_of_the_whole_once(tmp_path):
    found = fingerprints_of(saved(tmp_path / "p.png", picture(1)), "image/png")

    wholes = Counter(f.algorithm for f in found.fingerprints if f.view == "whole")
    assert wholes == {"pdq": 1, "phash": 1, "dhash": 1, "orb": 1, "grey": 1}


def test_hashes_keep_their_leading_zeros(tmp_path):
    found = fingerprints_of(saved(tmp_path / "p.png", Image.new("RGB", (99, 99), "grey")), "image/png")

    lengths = {f.algorithm: len(f.value) for f in found.fingerprints}
    assert (lengths["pdq"], lengths["phash"], lengths["dhash"]) == (64, 16, 16)
    assert found.fingerprints[0].quality == 0


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_large_picture_is_hashed_like_the_reference_to_a_few_bits(tmp_path, ending):
    path = saved(tmp_path / f"p.{ending}", picture(1, 2100, 1500))

    with Image.open(path) as image:
        expected = reference(image)
    assert bits_between(pdq(path), expected) <= 6


@pytest.mark.parametrize("number", range(4))
def test_a_large_picture_has_nearly_the_hashes_that_others_compute(tmp_path, number):
    path = saved(tmp_path / "p.jpg", picture(number, 2100, 1500), quality=95)

    found = {f.algorithm: f.value for f in fingerprints_of(path, "image/jpeg").fingerprints}

    with Image.open(path) as image:
        assert bits_between(found["phash"], str(imagehash.phash(image))) <= 4
        assert bits_between(found["dhash"], str(imagehash.dhash(image))) <= 4


@pytest.mark.parametrize("grey", [0, 77, 255])
def test_a_large_flat_picture_has_the_hashes_of_a_flat_one(tmp_path, grey):
    path = saved(tmp_path / "p.png", Image.new("L", (1200, 900), grey))

    found = {f.algorithm: f.value for f in fingerprints_of(path, "image/png").fingerprints}

    flat = Image.new("L", (64, 64), grey)
    assert (found["phash"], found["dhash"]) == (str(imagehash.phash(flat)), str(imagehash.dhash(flat)))


TURNS = {
    "rotated-90": Image.Transpose.ROTATE_90,
    "rotated-180": Image.Transpose.ROTATE_180,
    "rotated-270": Image.Transpose.ROTATE_270,
    "flipped": Image.Transpose.FLIP_TOP_BOTTOM,
    "flopped": Image.Transpose.FLIP_LEFT_RIGHT,
    "transposed": Image.Transpose.TRANSPOSE,
    "transversed": Image.Transpose.TRANSVERSE,
}


@pytest.mark.parametrize("form", TURNS)
@pytest.mark.parametrize("size", [(320, 240), (1300, 900)], ids=["small", "large"])
def test_each_form_is_the_hash_of_the_picture_so_turned(tmp_path, form, size):
    image = picture(7, *size)

    found = pdqs(saved(tmp_path / "p.png", image))

    assert bits_between(found[form].value, reference(image.transpose(TURNS[form]))) <= 6


def test_the_picture_is_compared_as_it_is_shown_not_as_it_is_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = picture(1)
    lying = upright.transpose(Image.Transpose.ROTATE_90)

    stored = pdq(saved(tmp_path / "lying.png", lying, exif=exif))

    assert stored == pdq(saved(tmp_path / "upright.png", upright))


@pytest.mark.parametrize("size", [(1200, 800), (1307, 777)], ids=["even", "odd"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_may_be_held_in_all_eight_ways(tmp_path, orientation, size):
    backwards = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn, upright, exif = backwards[orientation], picture(3, *size), Image.Exif()
    exif[0x0112] = orientation
    lying = upright if turn is None else upright.transpose(turn)

    found = pdq(saved(tmp_path / "p.jpg", lying, exif=exif, quality=95), "image/jpeg")

    assert bits_between(found, reference(upright)) <= 6


FORMS = {
    "grey": (lambda p: p.convert("L"), "png"),
    "grey-jpeg": (lambda p: p.convert("L"), "jpg"),
    "cmyk-jpeg": (lambda p: p.convert("CMYK"), "jpg"),
    "palette": (lambda p: p.quantize(256), "png"),
    "opaque-alpha": (lambda p: p.convert("RGBA"), "webp"),
    "lossy": (lambda p: p, "webp"),
    "avif": (lambda p: p, "avif"),
    "heic": (lambda p: p, "heic"),
    "tiff": (lambda p: p, "tiff"),
    "cmyk-tiff": (lambda p: p.convert("CMYK"), "tiff"),
    "bmp": (lambda p: p, "bmp"),
    "gif": (lambda p: p, "gif"),
    "half-size": (lambda p: p.resize((160, 120), Image.Resampling.LANCZOS), "png"),
    "large-jpeg": (lambda p: p.resize((3200, 2400), Image.Resampling.BICUBIC), "jpg"),
    "large-grey-jpeg": (lambda p: p.convert("L").resize((3200, 2400)), "jpg"),
    "large-cmyk-jpeg": (lambda p: p.convert("CMYK").resize((1600, 1200)), "jpg"),
    "large-webp": (lambda p: p.resize((1603, 1201), Image.Resampling.BICUBIC), "webp"),
    "large-png": (lambda p: p.resize((3200, 2400), Image.Resampling.BICUBIC), "png"),
    "large-palette": (lambda p: p.resize((1600, 1200)).quantize(256), "png"),
    "large-alpha": (lambda p: p.resize((1600, 1200)).convert("RGBA"), "png"),
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


@pytest.mark.parametrize("size", [(320, 240), (1200, 900)], ids=["small", "large"])
def test_transparent_places_count_as_white(tmp_path, size):
    layer = picture(1, *size).convert("RGBA")
    layer.paste((255, 0, 0, 0), (0, 0, 100, 240))
    plain = picture(1, *size)
    plain.paste("white", (0, 0, 100, 240))

    assert pdq(saved(tmp_path / "a.png", layer)) == pdq(saved(tmp_path / "b.png", plain))


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "avif"])
def test_an_animation_is_its_first_frame(tmp_path, ending):
    first, others = picture(1), [picture(2), picture(3)]
    path = saved(tmp_path / f"a.{ending}", first, save_all=True, append_images=others)

    assert bits_between(pdq(path), reference(first)) <= RADIUS_BITS


@pytest.mark.parametrize("ending", ["png", "gif", "webp", "avif"])
@pytest.mark.parametrize("ground", ["black", "white"])
def test_an_animation_that_fades_in_is_its_first_frame_with_a_picture(tmp_path, ending, ground):
    shown, blank = picture(1), Image.new("RGB", picture(1).size, ground)
    fading = [Image.blend(blank, shown, share) for share in (0.0, 0.05, 1.0)]
    path = saved(tmp_path / f"a.{ending}", blank, save_all=True, append_images=[*fading, picture(2)])

    assert bits_between(pdq(path), reference(shown)) <= RADIUS_BITS


@pytest.mark.parametrize("ending", ["png", "gif", "webp"])
def test_an_animation_that_stays_blank_is_a_blank_picture(tmp_path, ending):
    shades = [Image.new("RGB", (320, 240), (shade,) * 3) for shade in (0, 40, 80)]
    path = saved(tmp_path / f"a.{ending}", shades[0], save_all=True, append_images=shades[1:])

    assert pdqs(path, "image/gif")["whole"].quality == 0


def test_the_name_of_a_file_decides_nothing_but_that_it_is_a_picture(tmp_path):
    path = saved(tmp_path / "p.png", picture(1))

    assert pdq(path, "image/jpeg") == pdq(path, "image/png")


def test_a_heic_names_its_own_decoder(tmp_path):
    found = pdqs(saved(tmp_path / "p.heic", picture(1)), "image/heic")

    assert found["whole"].decoder == f"pillow-heif {pillow_heif.__version__}"


def test_a_large_plain_webp_is_what_pillow_makes_of_it_but_for_its_decoder(tmp_path):
    plain = pdqs(saved(tmp_path / "p.webp", picture(2, 1307, 777), quality=90))
    layered = pdqs(saved(tmp_path / "q.webp", see_through(picture(2, 1307, 777)), quality=90))

    assert {each.decoder.split()[0] for each in plain.values()} == {"opencv"}
    assert {each.decoder.split()[0] for each in layered.values()} == {"pillow"}
    assert bits_between(plain["whole"].value, layered["whole"].value) <= 6


def png_with(path: Path, *chunks: bytes, of: bytes) -> Path:
    """The PNG *of* with *chunks*, each its kind and data, behind its header."""
    told = b"".join((len(c) - 4).to_bytes(4) + c + zlib.crc32(c).to_bytes(4) for c in chunks)
    path.write_bytes(of[:33] + told + of[33:])
    return path


GAMMA = b"gAMA" + (45455).to_bytes(4)
TURNED = Image.Exif()
TURNED[0x0112] = 6


def test_a_large_plain_png_is_what_pillow_makes_of_it_but_for_its_decoder(tmp_path):
    image = picture(2, 1307, 777)
    whole = saved(tmp_path / "p.png", image).read_bytes()
    plain = pdqs(png_with(tmp_path / "plain.png", GAMMA, b"tEXtSoftware\0shot", of=whole))
    passes = pdqs(png_with(tmp_path / "other.png", GAMMA, b"teSt", of=whole))

    assert {each.decoder.split()[0] for each in plain.values()} == {"opencv"}
    assert {each.decoder.split()[0] for each in passes.values()} == {"pillow"}
    assert bits_between(plain["whole"].value, passes["whole"].value) <= 2


def test_a_large_png_is_turned_as_its_metadata_say(tmp_path):
    image = picture(2, 1307, 777)
    upright = pdqs(saved(tmp_path / "p.png", image.transpose(Image.Transpose.ROTATE_270)))
    turned = pdqs(saved(tmp_path / "q.png", image, exif=TURNED))

    assert bits_between(upright["whole"].value, turned["whole"].value) <= 6


@pytest.mark.parametrize("place", [5_000, -20])
def test_a_large_png_with_a_flipped_bit_is_refused(tmp_path, place):
    content = bytearray(saved(tmp_path / "p.png", picture(2, 1307, 777)).read_bytes())
    content[place] ^= 1
    (tmp_path / "p.png").write_bytes(content)

    assert fingerprints_of(tmp_path / "p.png", "image/png").absence_reason == "unreadable"


def test_a_large_png_of_too_few_pixels_is_refused_though_its_checksums_match(tmp_path):
    whole = saved(tmp_path / "p.png", picture(2, 1307, 777)).read_bytes()
    size = len(whole) // 2
    idat = whole[whole.index(b"IDAT") :][:size]
    end = whole[-12:]
    (tmp_path / "p.png").write_bytes(
        whole[:33] + (len(idat) - 4).to_bytes(4) + idat + zlib.crc32(idat).to_bytes(4) + end
    )

    assert fingerprints_of(tmp_path / "p.png", "image/png").absence_reason == "unreadable"


def test_a_large_plain_avif_is_what_pillow_makes_of_it(tmp_path):
    path = saved(tmp_path / "p.avif", picture(2, 1307, 777), quality=90)
    shown = saved(tmp_path / "p.bmp", Image.open(path).convert("RGB"))

    taken, copied = pdqs(path, "image/avif"), pdqs(shown, "image/bmp")

    assert {each.decoder.split()[0] for each in taken.values()} == {"pillow"}
    assert taken.keys() == copied.keys()
    assert max(bits_between(taken[view].value, copied[view].value) for view in copied) <= 4


def test_a_large_avif_is_turned_as_its_metadata_say(tmp_path):
    image = picture(2, 1307, 777)
    upright = pdqs(saved(tmp_path / "p.avif", image.transpose(Image.Transpose.ROTATE_270), quality=90))
    turned = pdqs(saved(tmp_path / "q.avif", image, exif=TURNED, quality=90))

    assert bits_between(upright["whole"].value, turned["whole"].value) <= 6


def test_the_shorter_way_into_an_avif_is_there_and_leaves_pillows_own_setting(tmp_path):
    """Without that attribute of Pillow's the longer way is taken: it is right and costs a fifth more."""
    usual = AvifImagePlugin.DEFAULT_MAX_THREADS
    path = saved(tmp_path / "p.avif", picture(2, 1307, 777))

    decoded(path)

    with Image.open(path) as image:
        content, *_ = image._decoder.get_frame(0)
        assert content == image.convert("RGB").tobytes()
    assert usual == AvifImagePlugin.DEFAULT_MAX_THREADS


def see_through(image: Image.Image) -> Image.Image:
    """*image* with a hole of one pixel, which makes the file one for Pillow."""
    layer = image.convert("RGBA")
    layer.putpixel((0, 0), (255, 255, 255, 0))
    return layer


def test_a_film_has_frames_and_no_reason(tmp_path):
    found = fingerprints_of(film_of(tmp_path / "film.mp4", [1, 2, 3, 4]), "video/mp4")

    assert found.absence_reason is None
    assert any(each.frame_ms is not None for each in found.fingerprints)


def test_the_sound_of_a_film_and_sound_alone_are_the_same(tmp_path):
    sound = ("-f", "lavfi", "-i", "aevalsrc=sin(t*t*300)+random(0)/9:d=20")
    shown = ("-f", "lavfi", "-i", "testsrc=s=160x120:d=20")
    both = film(tmp_path / "film.mkv", *shown, *sound, "-c:a", "flac")
    alone = film(tmp_path / "sound.flac", *sound)

    heard = [
        {f.value for f in fingerprints_of(*media).fingerprints if f.algorithm == "chromaprint"}
        for media in ((both, "video/x-matroska"), (alone, "audio/flac"))
    ]

    assert heard[0] == heard[1]


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


_ROLE, _TYPE, _SIZE = "role-not-compared", "media-type-not-eligible", "too-small"


@pytest.mark.parametrize(
    ("role", "media_type", "width", "height", "expected"),
    [
        ("media", "image/jpeg", 640, 480, None),
        ("file", "image/jpeg", 64, 64, None),
        ("submitted-original", "video/mp4", 640, 480, None),
        ("resource", "image/png", 640, 480, None),
        ("resource", "image/png", None, None, None),
        ("media", "audio/mpeg", None, None, None),
        ("submitted-original", "text/plain; charset=utf-8", None, None, None),
        ("page-text", "text/plain", None, None, None),
        ("subtitles", "text/vtt", None, None, None),
        ("screenshot", "image/png", 640, 480, _ROLE),
        ("thumbnail", "image/png", 640, 480, _ROLE),
        ("rendered-dom", "text/html", None, None, _ROLE),
        ("network-log", "text/plain", None, None, _ROLE),
        ("resource", "text/plain", None, None, _TYPE),
        ("file", "application/pdf", None, None, _TYPE),
        ("file", "audio/x-mpegurl", None, None, _TYPE),
        ("media", "", None, None, _TYPE),
        ("resource", "image/png", 640, 63, _SIZE),
        ("resource", "image/png", 1, 1, _SIZE),
    ],
)
def test_what_is_likened_to_others_and_why_the_rest_is_not(role, media_type, width, height, expected):
    assert ineligibility(role, media_type, width, height) == expected


@pytest.mark.parametrize(
    ("role", "expected"), [("file", "empty"), ("resource", "empty"), ("screenshot", _ROLE)]
)
def test_what_has_no_bytes_is_called_empty_whatever_its_type(role, expected):
    assert ineligibility(role, "", None, None, is_empty=True) == expected


def test_parameters_of_a_media_type_decide_nothing():
    assert decoder_of("Image/PNG; q=1") == decoder_of("image/png")
    assert decoder_of("") is None
