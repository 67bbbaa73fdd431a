"""An archive that a newer version of this software wrote: refused, and left as it is."""

from __future__ import annotations

import json


def test_an_archive_of_another_schema_version_is_refused_with_the_remedy(deployment):
    description = deployment.home / "archive/archive.json"
    members = json.loads(description.read_bytes()) | {"schema_version": 2}
    description.chmod(0o644)
    description.write_text(json.dumps(members))
    before = sorted((deployment.home / "archive").rglob("*"))

    refused = deployment.preserve("init", exit_code=4)

    assert "schema version 2" in refused.stderr
    assert "newer version" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sorted((deployment.home / "archive").rglob("*")) == before
