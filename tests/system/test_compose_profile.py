"""The seccomp profile of docker-compose.yml, set as a container's runtime sets it: by libseccomp.

No engine is needed for that. Run as a program, this file sets the profile and becomes a command.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_browser_faults import start_owner

PROJECT = Path(__file__).parents[2]
PROFILE = PROJECT / "compose/seccomp-capture.json"
LIBRARY = ctypes.util.find_library("seccomp")
CONFINED = (sys.executable, "-m", "tests.system.test_compose_profile")
COMPARISONS = {"SCMP_CMP_NE": 1, "SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
REFUSED = {
    "ptrace": (101, 0),
    "pivot_root": (155, 0),
    "mount": (165, 0),
    "init_module": (175, 0),
    "kexec_load": (246, 0),
    "keyctl": (250, 0),
    "unshare, mounts": (272, 0x00020000),
    "unshare, mounts and users": (272, 0x10020000),
    "clone, host name": (56, 0x04000000),
    "perf_event_open": (298, 0),
    "setns": (308, 0),
    "process_vm_readv": (310, 0),
    "bpf": (321, 0),
    "userfaultfd": (323, 0),
    "io_uring_setup": (425, 0),
    "clone3": (435, 0),
}
"""Name to number (x86-64) and first argument."""

pytestmark = [
    pytest.mark.skipif(LIBRARY is None, reason="needs libseccomp"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="counts system calls of x86-64"),
]


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp` (seccomp_rule_add(3))."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value_two", ctypes.c_uint64),
    )


def confine(profile: dict[str, Any]) -> None:
    """Let *profile* hold for this process from now on, and for all that it starts."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(Comparison),
    ]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    context = library.seccomp_init(REFUSE | profile["defaultErrnoRet"])
    for rule in profile["syscalls"]:
        compared = [
            Comparison(one["index"], COMPARISONS[one["op"]], one["value"], one.get("valueTwo", 0))
            for one in rule.get("args", ())
        ]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            # What this library is too old to know stays refused.
            if number >= 0:
                array = (Comparison * len(compared))(*compared)
                added = library.seccomp_rule_add_array(context, ALLOW, number, len(compared), array)
                assert added == 0, name
    assert library.seccomp_load(context) == 0


def confined(command: list[str]) -> subprocess.CompletedProcess[str]:
    """*command* under the profile."""
    return subprocess.run(
        [*CONFINED, *command], cwd=PROJECT, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_browser_has_its_network_namespace_and_its_sandbox_under_the_profile():
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
        pytest.skip("this machine has no user namespaces")

    owner = start_owner("nobody", inside=[*CONFINED, "setpriv", "--no-new-privs"])
    _, _, isolation = (owner.stdout.readline().strip() for _ in range(3))
    owner.kill()
    owner.wait()

    assert isolation == "network namespace, sandbox chromium, user 65534 (ours)"


def test_what_no_capture_needs_is_as_if_the_kernel_had_it_not():
    script = (
        "import ctypes, json, sys; libc = ctypes.CDLL(None, use_errno=True);"
        "print(json.dumps([[libc.syscall(number, flags, 0, 0, 0, 0), ctypes.get_errno()]"
        " for number, flags in json.loads(sys.argv[1])]))"
    )

    done = confined([sys.executable, "-c", script, json.dumps(list(REFUSED.values()))])

    answers = dict(zip(REFUSED, json.loads(done.stdout), strict=True))
    assert answers == {name: [-1, errno.ENOSYS] for name in REFUSED}


def test_programs_work_as_ever_under_the_profile(tmp_path):
    script = (
        "import asyncio, concurrent.futures as c, os, socket, subprocess, sys, threading;"
        "socket.create_server(('127.0.0.1', 0)).close(); os.mkfifo(sys.argv[1]);"
        "threading.Thread(target=print).start(); print(c.ProcessPoolExecutor(2).submit(abs, -1).result());"
        "asyncio.run(asyncio.sleep(0)); print(subprocess.check_output(['openssl', 'version']))"
    )

    done = confined([sys.executable, "-c", script, str(tmp_path / "pipe")])

    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    confine(json.loads(PROFILE.read_bytes()))
    os.execvp(sys.argv[1], sys.argv[1:])
