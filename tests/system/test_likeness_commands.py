"""Asking, showing, deciding and handing on likeness, in a real deployment."""

from __future__ import annotations

import csv
import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from demo import pictures as scenes
from preservation import query
from preservation.cli import preserve
from preservation.errors import BadInput, EvidenceAtRisk, Unavailable
from preservation.model.digests import sha256_of
from preservation.pipeline.leasing import held
from preservation.settings import load
from preservation.state import open_database

REASON = "the same roof, the same crack in the wall"


def answer_of(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--json", "--home", str(home)])
    if isinstance(answer.exception, BadInput):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def said(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--home", str(home)])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def usage_error_of(*arguments, home):
    answer = CliRunner().invoke(preserve, [*arguments, "--home", str(home)])
    assert answer.exit_code == 2, answer.output
    return answer.stderr


def ask(home, sql):
    answer = query.ask(load(home), sql)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """One picture twice, a smaller copy of it, and two others."""
    folder = tmp_path_factory.mktemp("media")
    scene = scenes.scene(1, width_px=960, height_px=640)
    scene.save(folder / "original.jpg", quality=92)
    (folder / "again.jpg").write_bytes((folder / "original.jpg").read_bytes())
    scene.resize((640, 427)).save(folder / "smaller.jpg", quality=60)
    scene.resize((800, 533), Image.Resampling.BILINEAR).save(folder / "asked.jpg", quality=70)
    scenes.scene(2, width_px=960, height_px=640).save(folder / "other.jpg", quality=90)
    scenes.scene(3, width_px=960, height_px=640).save(folder / "unknown.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, media):
    home = tmp_path_factory.mktemp("likeness") / "home"
    answer_of("init", home=home)
    for name, files in (("one", ("original", "other")), ("two", ("again", "smaller"))):
        answer_of("organisation", "add", name, home=home)
        answer_of("agreement", "add", "--organisation", name, home=home)
        sources = [str(media / f"{file}.jpg") for file in files]
        answer_of("submit", *sources, "--organisation", name, home=home)
    answer_of("run", "--until-idle", home=home)
    return home


def digest_of(media, name):
    return sha256_of((media / f"{name}.jpg").read_bytes())


def found_by(answer):
    return {found["sha256"] for tier in ("automatic", "review") for found in answer[tier]}


def test_a_file_that_was_never_submitted_finds_its_copies_and_leaves_no_trace(home, media):
    before = files_in(home / "archive")

    answer = answer_of("similar", str(media / "asked.jpg"), home=home)

    assert found_by(answer) == {digest_of(media, "original"), digest_of(media, "smaller")}
    assert answer["same_bytes"] == []
    assert answer["compared_with"] == 3
    groups = {found["cluster_id"] for tier in ("automatic", "review") for found in answer[tier]}
    assert {group[:3] for group in groups - {None}} == {"cl-"}
    nearest = [found["distance_bits"] for found in answer["automatic"] if found["relation"] == "copy"]
    assert nearest == sorted(nearest)
    assert files_in(home / "archive") == before


def test_the_same_bytes_are_named_with_everybody_who_brought_them(home, media):
    answer = answer_of("similar", str(media / "again.jpg"), home=home)

    (same,) = answer["same_bytes"]
    assert same["sha256"] == digest_of(media, "original")
    assert len({item["submitter_ref"] for item in same["items"]}) == 2
    assert found_by(answer) == {digest_of(media, "smaller")}


def test_a_file_whose_name_steers_a_terminal_or_isnt_utf8_is_answered_harmlessly(home, media, tmp_path):
    path = tmp_path / "\x1b]0;\x9b\u202e\udcff.jpg"
    path.write_bytes((media / "asked.jpg").read_bytes())
    before = said("similar", str(path), "--json", home=home)

    assert "\\u001b]0;\\u009b\\u202e\\udcff.jpg" in before
    assert json.loads(before)["subject"] == str(path)


def test_what_is_like_nothing_is_said_to_prove_nothing(home, media):
    assert "doesn't prove that nothing is" in said("similar", str(media / "unknown.jpg"), home=home)


def test_an_item_is_no_answer_to_itself(home, media):
    digest = digest_of(media, "smaller")
    (row,) = ask(home, f"SELECT item_id FROM objects WHERE sha256 = '{digest}'")

    answer = answer_of("similar", row["item_id"], home=home)

    assert answer["bitstreams"] == [digest]
    assert found_by(answer) == {digest_of(media, "original")}


def test_an_address_that_isnt_held_is_said_not_to_be_and_never_fetched(home):
    with pytest.raises(BadInput, match=r"(?s)held.*Nothing was downloaded"):
        answer_of("similar", "http://127.0.0.1:1/nothing", home=home)


@pytest.mark.parametrize(
    "name",
    ["nobody", "0" * 12, "https://a.invalid/?" + "a" * 400, "01890000-0000-7000-8000-000000000000"],
)
def test_a_name_that_stands_for_nothing_is_refused(home, name):
    with pytest.raises(BadInput):
        answer_of("similar", name, home=home)
    with pytest.raises(BadInput):
        answer_of("cluster", "show", name, home=home)


def test_a_file_that_isnt_comparable_says_why(home, tmp_path):
    empty = tmp_path / "empty.jpg"
    empty.touch()

    with pytest.raises(BadInput, match="can't be compared"):
        answer_of("similar", str(empty), home=home)


def test_a_family_shows_credit_the_earliest_copy_and_its_edges(home, media):
    digest = digest_of(media, "smaller")

    (family,) = answer_of("cluster", "show", digest[:12], home=home)["families"]

    assert sorted(family["submitters"].values()) == [1, 2]
    members = [member for group in family["groups"] for member in group["members"]]
    assert {member["sha256"] for member in members} == {digest, digest_of(media, "original")}
    assert sum(member["is_earliest"] for member in members) >= 1
    ends = [{edge["left_sha256"], edge["right_sha256"]} for edge in family["edges"]]
    assert {digest, digest_of(media, "original")} in ends
    assert "Credit: " in said("cluster", "show", family["family_id"], home=home)


def test_a_digest_in_capitals_is_the_same_digest(home, media):
    digest = digest_of(media, "smaller")

    for command in (("cluster", "show"), ("similar",)):
        for name in (digest, digest[:12]):
            capitals, small = (
                answer_of(*command, each, home=home) | {"subject": None}
                for each in (name.upper(), name)
            )
            assert capitals == small


def test_tables_of_members_and_edges_come_in_every_form(home, tmp_path):
    files = answer_of("cluster", "export", "--to", str(tmp_path / "out"), home=home)["files"]

    rows = {file["path"].rpartition("/")[2]: file["rows"] for file in files}
    assert rows["members.csv"] == rows["members.json"] == rows["members.parquet"] == 3
    with (tmp_path / "out" / "members.csv").open(encoding="utf-8-sig", newline="") as lines:
        read = list(csv.DictReader(lines))
    told = json.loads((tmp_path / "out" / "members.json").read_bytes())
    assert [row["row_sha256"] for row in read] == [row["row_sha256"] for row in told]
    assert pq.read_table(tmp_path / "out" / "edges.parquet").num_rows == rows["edges.csv"]
    assert all(file["sha256"] == sha256_of(open(file["path"], "rb").read()) for file in files)  # noqa: PTH123, SIM115
    with pytest.raises(BadInput, match="there already"):
        answer_of("cluster", "export", "--to", str(tmp_path / "out"), home=home)


def test_a_gallery_has_no_clear_picture_unless_a_person_asks_for_one_on_record(home, tmp_path):
    plain, clear = tmp_path / "plain.html", tmp_path / "clear.html"

    written = answer_of("cluster", "gallery", "--to", str(plain), home=home)
    asked = answer_of(
        *("cluster", "gallery", "--to", str(clear), "--clear", REASON, "--by", "analyst-7"), home=home
    )

    assert (written["clear_pictures"], asked["clear_pictures"]) == (0, 2)
    assert 'class="reveal"' not in plain.read_text()
    assert clear.read_text().count('id="clear-') == 2
    with pytest.raises(BadInput, match="Nobody is named"):
        answer_of("cluster", "gallery", "--clear", REASON, home=home)
    assert "isn't UTF-8" in usage_error_of(
        *("cluster", "gallery", "--clear", "\udcff", "--by", "analyst-7"), home=home
    )


def test_a_decision_needs_a_pseudonym_and_two_bitstreams(home, media):
    one, other = digest_of(media, "original"), digest_of(media, "other")

    with pytest.raises(BadInput, match="pseudonym"):
        answer_of("cluster", "merge", one, other, "--reason", REASON, "--by", "Jane Doe", home=home)
    with pytest.raises(BadInput, match="Both names"):
        answer_of("cluster", "merge", one, one[:12], "--reason", REASON, "--by", "a", home=home)
    assert "isn't UTF-8" in usage_error_of(
        *("cluster", "merge", one, other, "--reason", "\udcff", "--by", "a"), home=home
    )
    with pytest.raises(BadInput, match="no reason"):
        answer_of("cluster", "merge", one, other, "--reason", " ", "--by", "a", home=home)


def test_decisions_hold_from_the_next_clustering_on_and_outlive_every_other(home, media, tmp_path):
    original, smaller, other = (digest_of(media, name) for name in ("original", "smaller", "other"))
    person = ("--reason", REASON, "--by", "analyst-7")

    answer_of("cluster", "separate", original, smaller, *person, home=home)
    answer_of("cluster", "merge", original, other[:12], *person, home=home)
    before = answer_of("cluster", "show", original, home=home)["families"][0]
    answer_of("run", "--until-idle", home=home)
    after = answer_of("cluster", "show", original, home=home)["families"][0]

    def digests(family):
        return {member["sha256"] for group in family["groups"] for member in group["members"]}

    assert digests(before) == {original, smaller}
    assert digests(after) == {original, other}
    assert {each["decision"] for each in after["assessments"]} == {"confirm", "separate"}
    for name in (f"{kind}-{digest[:16]}" for kind in ("fa", "cl") for digest in (original, other)):
        # One of them is the name of no family any more.
        assert answer_of("cluster", "show", name, home=home)["families"] == [after]
        answer_of("cluster", "export", name, "--to", str(tmp_path / name), home=home)
    assert answer_of("cluster", "update", "--rebuild", home=home)["differences"] == []
    assert answer_of("verify", home=home)["verdict"] == "proven"


def test_what_a_person_decided_is_sealed_under_a_pseudonym_without_its_words(home):
    events = ask(home, "SELECT * FROM events WHERE event_type = 'assessment'")

    assert {event["agent"] for event in events} == {"analyst-7"}
    assert {event["item_id"] for event in events} == {None}
    details = [json.loads(event["detail_json"]) for event in events]
    assert {detail["reason_sha256"] for detail in details} == {sha256_of(REASON.encode())}
    assert REASON not in json.dumps(details)


def test_no_submitter_and_no_recipient_of_an_export_learns_of_the_other(home, media, tmp_path):
    digest = digest_of(media, "other")
    (row,) = ask(home, f"SELECT item_id, submitter_ref FROM items JOIN objects USING (item_id) WHERE sha256 = '{digest}'")  # fmt: skip
    (other,) = ask(home, f"SELECT DISTINCT submitter_ref FROM items WHERE submitter_ref <> '{row['submitter_ref']}'")  # fmt: skip

    answer_of(
        "export",
        "bag",
        row["item_id"],
        "--recipient",
        "Court",
        "--to",
        str(tmp_path / "bag"),
        home=home,
    )
    told = json.dumps(answer_of("status", "--organisation", "one", home=home))

    secrets = (other["submitter_ref"], digest_of(media, "smaller"), "assessment", "analyst-7")
    assert [secret for secret in secrets if secret in told] == []
    bag = files_in(tmp_path / "bag" / "data")
    # The log's own lines name every file of a batch by its digest.
    rows = b"".join(
        content for path, content in bag.items() if path.parent.name not in {"log", "seals"}
    )
    assert [secret for secret in secrets if secret.encode() in rows] == []
    assert b"analyst-7" not in b"".join(bag.values())


def test_a_rebuild_does_not_take_a_changed_file_for_what_its_name_tells(home):
    path = max((home / "archive/derived/clusters").iterdir())
    kept = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))

    answer = CliRunner().invoke(preserve, ["cluster", "update", "--rebuild", "--home", str(home)])

    path.write_bytes(kept)
    assert isinstance(answer.exception, EvidenceAtRisk)
    assert path.name in str(answer.exception)


def test_an_update_while_another_worker_groups_does_not_tell_of_no_groups(home):
    settings = load(home)
    with held(settings, open_database(settings.database_url), "cluster"):
        answer = CliRunner().invoke(preserve, ["cluster", "update", "--home", str(home)])

    assert isinstance(answer.exception, Unavailable)
    assert answer.exception.exit_code == 4


def test_a_rebuild_says_that_what_is_there_was_made_by_other_rules(home):
    archive = home / "archive" / "derived" / "coverage"
    kept = {path: path.read_bytes() for path in archive.iterdir()}
    for path in kept:
        path.unlink()

    answer = CliRunner().invoke(preserve, ["cluster", "update", "--rebuild", "--home", str(home)])

    for path, content in kept.items():
        path.write_bytes(content)
    assert answer.exit_code == 1
    assert "'preserve cluster update' compares everything anew" in answer.output
    assert answer_of("cluster", "update", "--rebuild", home=home)["differences"] == []
