"""What can go wrong around the seal: nothing half-written, nothing lost, the gap stays visible."""

from __future__ import annotations

import http.server
import sqlite3
import threading
from contextlib import closing, contextmanager

from preservation.model.vocabulary import EventType
from preservation.pipeline import seal_ready, verify
from preservation.pipeline.events import record_event
from tests.conftest import new_deployment
from tests.fakes.own_home import OwnHome


@contextmanager
def _authority_that_answers(content: bytes):
    """An HTTP server whose answer to everything is *content*."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def _point_authority_at(deployment, url: str) -> str:
    """Make the deployment's authority answer at *url*; the settings as they were."""
    path = deployment.home / "preserve.toml"
    original = path.read_text()
    path.write_text(original.replace('url = "test:"', f'url = "{url}"'))
    return original


def _set_timestamp_status(deployment, status: str) -> None:
    with closing(sqlite3.connect(deployment.home / "preserve.db")) as database, database:
        database.execute("UPDATE seal_batch SET timestamp_status = ?", [status])


def _timestamp_statuses(deployment) -> list[str]:
    with closing(sqlite3.connect(deployment.home / "preserve.db")) as database:
        return [row[0] for row in database.execute("SELECT timestamp_status FROM seal_batch")]


def test_an_authority_that_answers_garbage_leaves_an_honest_gap_that_is_closed_later(tmp_path, site):
    deployment = new_deployment(tmp_path / "home")
    photo = next(path for path in site.expected() if path.endswith(".jpg"))
    deployment.preserve("submit", site.url(photo), "--organisation", "relief-watch")
    with _authority_that_answers(b"garbage") as url:
        original = _point_authority_at(deployment, url)
        deployment.preserve("run", "--until-idle")

    pending = deployment.json("verify", exit_code=4)
    assert pending["verdict"] == "incomplete"
    [row] = deployment.query("SELECT status, detail FROM timestamps")
    assert row["status"] == "pending"
    assert "test-authority" in row["detail"]

    (deployment.home / "preserve.toml").write_text(original)
    deployment.preserve("run", "--until-idle")

    assert deployment.json("verify")["verdict"] == "proven"
    assert [r["status"] for r in deployment.query("SELECT status FROM timestamps")] == ["accepted"]
    seals = sorted((deployment.home / "archive/seals").iterdir())

    # As if that run had ended between the seal and its note in the database.
    _set_timestamp_status(deployment, "pending")
    deployment.preserve("run", "--until-idle")

    assert _timestamp_statuses(deployment) == ["sealed"]
    assert sorted((deployment.home / "archive/seals").iterdir()) == seals


def test_an_archive_of_somebody_else_is_refused_and_left_alone(tmp_path):
    home = tmp_path / "home"
    (home / "archive").mkdir(parents=True)
    (home / "archive/their-file").write_text("theirs")
    deployment = new_deployment(tmp_path / "other")

    refused = deployment.preserve("init", "--home", home, exit_code=1)

    assert "isn't empty" in refused.stderr
    assert [p.name for p in (home / "archive").iterdir()] == ["their-file"]


def test_a_home_that_can_not_be_written_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    deployment = new_deployment(tmp_path / "other")

    refused = deployment.preserve("init", "--home", tmp_path / "file/home", exit_code=1)

    assert "can't be written" in refused.stderr
    assert "Choose another --home" in refused.stderr


def test_the_archive_of_another_deployment_is_refused(tmp_path, site):
    one, two = new_deployment(tmp_path / "one"), new_deployment(tmp_path / "two")
    photo = next(path for path in site.expected() if path.endswith(".jpg"))
    two.preserve("submit", site.url(photo), "--organisation", "relief-watch")
    (two.home / "archive").rename(two.home / "own")
    (two.home / "archive").symlink_to(one.home / "archive")

    refused = two.preserve("run", "--until-idle", exit_code=1)

    assert "another deployment" in refused.stderr
    assert one.json("verify")["verdict"] in {"proven", "incomplete"}


def test_a_home_that_was_never_set_up_names_the_command(tmp_path):
    deployment = new_deployment(tmp_path / "home")

    refused = deployment.preserve("--home", tmp_path / "nowhere", "status", exit_code=2)

    assert "preserve init --home" in refused.stderr


def test_an_event_of_an_item_that_was_sealed_long_ago_is_sealed_once(tmp_path):
    home = OwnHome(tmp_path / "home")
    (tmp_path / "note.txt").write_text("note")
    home.submit(str(tmp_path / "note.txt"))
    [item] = home.run()["items"]
    with home.database.begin() as connection:
        record_event(
            connection,
            "access:late",
            EventType.ACCESS,
            detail={},
            item_id=item["item_id"],
            asks_for_seal=True,
        )

    assert len(seal_ready(home.settings)) == 1
    assert seal_ready(home.settings) == []
    events = home.seal()["events"]
    assert [event["event_type"] for event in events if event["item_id"]].count(EventType.ACCESS) == 1
    assert verify(home.settings).verdict == "proven"
