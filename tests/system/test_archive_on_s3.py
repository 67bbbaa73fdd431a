"""The whole flow with the archive in a bucket: set up, submit, run, verify, ask, report, tamper."""

from __future__ import annotations

import json
import uuid

import pytest

from preservation.settings import load
from preservation.store.places import archive_store
from tests.conftest import Deployment, new_deployment
from tests.fakes.s3_server import BUCKET, CREDENTIALS


@pytest.fixture(scope="module")
def sealed(s3_server, tmp_path_factory) -> Deployment:
    """A deployment on S3 with one sealed item; init alone was told the place by its environment."""
    home = tmp_path_factory.mktemp("reader") / "home"
    place = {
        "PRESERVE_STORAGE": f"s3://{BUCKET}/archive-{uuid.uuid4()}",
        "PRESERVE_STORAGE_ENDPOINT": s3_server.endpoint,
    }
    founded = new_deployment(home, **CREDENTIALS, **place)
    later = {name: value for name, value in founded.environment.items() if name not in place}
    deployment = Deployment(home, later)
    letter = home / "letter.txt"
    letter.write_text("witnessed")
    deployment.preserve("submit", "--organisation", "relief-watch", letter)
    deployment.preserve("run", "--until-idle")
    return deployment


def seal_of(deployment: Deployment) -> dict:
    store = archive_store(load(deployment.home))
    return json.loads(store.read(next(store.keys("seals/"))))


def test_everything_lies_in_the_bucket_and_nothing_in_the_home(sealed):
    assert not (sealed.home / "archive").exists()
    assert f"s3://{BUCKET}" in (sealed.home / "preserve.toml").read_text()


def test_the_archive_is_proven(sealed):
    assert sealed.json("verify")["verdict"] == "proven"


def test_the_seal_names_the_version_of_every_file_and_its_lock(sealed):
    seal, store = seal_of(sealed), archive_store(load(sealed.home))

    stored = seal["stored"]
    assert stored["place"] == store.place
    assert stored["copies"].keys() == {*seal["files"], seal["checkpoint"]["key"]}
    for key, copy in stored["copies"].items():
        assert copy["version_id"] == store.stored_copy(key).version_id


def test_queries_are_answered_from_read_copies_that_are_made_again(sealed):
    first = sealed.query("SELECT outcome FROM items")
    copies = [path for path in (sealed.home / "work/readcopies").rglob("*") if path.is_file()]
    for path in copies:
        path.unlink()

    assert copies
    assert first == sealed.query("SELECT outcome FROM items") == [{"outcome": "captured"}]


def test_a_report_is_written(sealed):
    sealed.preserve("report", sealed.home / "report.html")

    assert "letter.txt" in (sealed.home / "report.html").read_text()


def test_the_place_is_accepted_by_the_doctor(sealed):
    assert sealed.json("archive", "doctor")["verdict"] == "accepted"


def test_overwriting_and_deleting_change_nothing_that_is_read(sealed, s3_server):
    prefix = load(sealed.home).storage.prefix
    client, keys = s3_server.client(), sorted(seal_of(sealed)["files"])
    before = sealed.json("verify")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/{keys[0]}", Body=b"forged")
    client.delete_object(Bucket=BUCKET, Key=f"{prefix}/{keys[1]}")

    verdict = sealed.json("verify")
    found = {(f.rule, f.subject) for f in archive_store(load(sealed.home)).anomalies()}

    assert verdict["counts"] == before["counts"]
    assert found == {("newer-version", keys[0]), ("delete-marker", keys[1])}


def test_without_credentials_the_reason_is_named(sealed):
    bare = {k: v for k, v in sealed.environment.items() if not k.startswith("AWS_")}
    done = Deployment(sealed.home, {**bare, "AWS_EC2_METADATA_DISABLED": "true"}).preserve(
        "query", "SELECT 1", exit_code=4
    )

    assert "credentials" in done.stderr
