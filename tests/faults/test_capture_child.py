"""Tools that run as processes of their own: whatever they do ends with them, and they with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from preservation.capture.post.child_process import LEAST_FILE_BYTES, ToolLimits, run_tool

HOUR_S = 3600


def run(folder: Path, program: str, *, timeout_s: float = 20, **environment: str):
    folder.mkdir(exist_ok=True)
    return run_tool(
        [sys.executable, "-c", textwrap.dedent(program)],
        folder=folder,
        limits=ToolLimits(timeout_s=timeout_s, most_file_bytes=1),
        extra_environment=environment,
    )


def await_end(pid: int) -> bool:
    """Whether the process *pid* is gone within ten seconds."""
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_a_tool_that_spins_is_killed_with_all_that_it_started(tmp_path):
    program = """
        import subprocess, sys
        child = subprocess.Popen(["sleep", "3600"])
        print(child.pid, flush=True)
        while True: pass
    """

    ended = run(tmp_path / "tool", program, timeout_s=5)

    assert (ended.was_killed, ended.exit_code) == (True, -signal.SIGKILL)
    assert await_end(int((tmp_path / "tool" / "stdout").read_text()))


def test_a_tool_dies_with_the_process_that_runs_it(tmp_path):
    runner = f"""
        import sys
        sys.path.insert(0, {str(Path.cwd())!r})
        from pathlib import Path
        from tests.faults.test_capture_child import run, HOUR_S
        run(Path({str(tmp_path / "tool")!r}), "import os, time; print(os.getpid(), flush=True); "
            "time.sleep(3600)", timeout_s=HOUR_S)
    """
    outer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(runner)])
    told = tmp_path / "tool" / "stdout"
    while not (told.exists() and told.read_text().endswith("\n")):
        assert outer.poll() is None
        time.sleep(0.05)

    outer.kill()
    outer.wait()

    assert await_end(int(told.read_text()))


def test_a_tool_that_eats_memory_ends_alone(tmp_path):
    ended = run(tmp_path / "tool", "b = bytearray(8 << 30)")

    assert ended.exit_code == 1
    assert "MemoryError" in (tmp_path / "tool" / "stderr").read_text()


def test_a_tool_that_writes_without_end_fills_no_disk(tmp_path):
    ended = run(tmp_path / "tool", "f = open('grown', 'wb')\nwhile True: f.write(bytes(65_536))")

    assert ended.exit_code == 1
    assert "[Errno 27]" in (tmp_path / "tool" / "stderr").read_text()
    assert (tmp_path / "tool" / "grown").stat().st_size == LEAST_FILE_BYTES


def test_a_tool_inherits_no_home_and_no_secrets(tmp_path):
    program = "import os; print(sorted(os.environ), os.environ['HOME'], os.environ['EXTRA'])"
    secrets = {"AWS_SECRET_ACCESS_KEY": "s", "http_proxy": "http://127.0.0.1:1", "SSH_AUTH_SOCK": "/x"}
    before = dict(os.environ)
    os.environ.update(secrets)

    try:
        run(tmp_path / "tool", program, EXTRA="e")
    finally:
        for name in secrets.keys() - before.keys():
            del os.environ[name]

    told = (tmp_path / "tool" / "stdout").read_text()
    assert not any(name in told for name in secrets)
    assert f"{tmp_path / 'tool'} e" in told
