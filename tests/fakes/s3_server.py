"""A real S3 server with Object Lock for tests: SeaweedFS, on loopback, in a directory of its own."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from preservation.settings import StorageSettings

WEED = Path(sys.executable).with_name("weed")
BUCKET = "evidence"
ACCESS_KEY, SECRET_KEY = "trial", "trial-secret"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

_GRPC_OFFSET = 10_000
_READY_WITHIN_S = 60
_ROLES = ("master", "volume", "filer", "s3", "admin")


class S3Server:
    """One server; `kill` and `start` are a crash and a restart with the same data and ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(_ROLES, free_ports(len(_ROLES)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        os.environ.update(CREDENTIALS)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3']}"

    def __enter__(self) -> Self:
        self.start()
        self.create_bucket(BUCKET, has_lock=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        # It puts its sockets there, whatever it is told, and leaves them when it is killed.
        for port in self._ports.values():
            for number in (port, port + _GRPC_OFFSET):
                for socket_file in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                    socket_file.unlink(missing_ok=True)

    def start(self) -> None:
        """Start it; returns when it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = [f"-{role}.port={port}" for role, port in self._ports.items()]
        flags += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false"]
        flags += ["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        flags += ["-s3.autoCreateBucket=false"]
        with (self._folder / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [WEED, f"-logdir={self._folder}", "mini", f"-dir={self._folder}", *flags],
                env={**os.environ, **CREDENTIALS, "TMPDIR": str(self._folder)},
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def kill(self) -> None:
        """Kill it at once, wherever it is."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def create_bucket(self, name: str, *, has_lock: bool) -> None:
        """Create it; returns when it takes objects."""
        client = self.client()
        self._attempt(lambda: client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=has_lock))
        self.await_room(name)

    def await_room(self, bucket: str = BUCKET) -> None:
        """Return when *bucket* takes objects: for seconds after a start, or a crash, it has no room."""
        client = self.client()
        self._attempt(lambda: client.put_object(Bucket=bucket, Key="ready", Body=b"ready"))

    def _attempt(self, act: Callable[[], object]) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                act()
            except (ClientError, BotoCoreError):
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(self._last_words())

    def client(self):
        """The server as an administrator sees it."""
        return client_for(self.endpoint)

    def place(self, prefix: str, **more: object) -> StorageSettings:
        """Settings of an archive below *prefix*."""
        given = {"endpoint": self.endpoint, "retention_days": 1, **more}
        return StorageSettings(bucket=BUCKET, prefix=prefix, **given)

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(self._last_words())

    def _last_words(self) -> str:
        return (self._folder / "weed.log").read_text(errors="replace")[-3000:]


def client_for(endpoint: str):
    """boto3 itself, with the trial's credentials."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def free_ports(count: int) -> list[int]:
    """Ports that are free, and so are those 10,000 above them: gRPC listens there.

    They lie below the range that systems give out, so that nobody is given one meanwhile.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10_000, 22_000)
        near = {other + shift for other in found for shift in (0, _GRPC_OFFSET)}
        if (
            near.isdisjoint({port, port + _GRPC_OFFSET})
            and _is_free(port)
            and _is_free(port + _GRPC_OFFSET)
        ):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
