"""A browser that can't start is our fault and no site's: nothing is tried, nothing is lost."""

from __future__ import annotations

from dataclasses import replace

from tests.conftest import new_deployment


def test_pages_wait_until_the_browser_can_start_and_other_items_go_on(tmp_path, site):
    deployment = new_deployment(tmp_path / "home")
    broken = tmp_path / "programs/chromium"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'No usable sandbox!' >&2\nexit 1\n")
    broken.chmod(0o755)
    path = f"{broken.parent}:{deployment.environment['PATH']}"
    without_browser = replace(deployment, environment={**deployment.environment, "PATH": path})
    photo = next(site.url(path) for path in site.expected() if path.endswith(".jpg"))
    deployment.preserve("submit", photo, site.url("/ar/"), "--organisation", "relief-watch")

    refused = without_browser.preserve("run", "--until-idle", exit_code=2)

    assert "can't start: No usable sandbox!" in refused.stderr
    [submission] = deployment.json("status")["submissions"]
    assert [(i["status"], i["attempts"]) for i in submission["items"]] == [
        ("preserved", 1),
        ("capture-queued", 0),
    ]

    deployment.preserve("run", "--until-idle")

    attempts = deployment.query("SELECT outcome, attempt_number FROM captures ORDER BY started_at")
    assert attempts == [{"outcome": "captured", "attempt_number": 1}] * 2
    assert deployment.json("verify")["verdict"] == "proven"
