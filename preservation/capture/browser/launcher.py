"""Stands between our process and the browser: builds the cage, starts it there, and reaps it.

A program of its own, with the standard library alone and one thread, because only the process that
is to be caged can enter a namespace or give up an account. In order:

1. An empty network namespace is entered (network_namespaces(7)): as root directly, else through a
   user namespace of its own (user_namespaces(7)). Only its loopback is up, beside a link to
   nowhere, without which pages would be told that they are offline.
2. Listening sockets that belong to the namespace are handed out over a Unix socket: a socket stays
   in the namespace that it was made in, so who holds it serves the browser from outside.
3. Root becomes an account that owns nothing but the profile.
4. The browser is nicer than we are and dumps no core.
5. The browser is started, in a session of its own. The kernel is asked to end us with our parent and
   it with us (prctl(2), PR_SET_PDEATHSIG).
6. All its descendants become our children when their parents end (PR_SET_CHILD_SUBREAPER), so that
   we end when the last of them is gone, wherever process 1 reaps nothing. SIGTERM ends them all.

The one argument is a JSON object, see `Orders`. What the kernel refused is reported in the same
message as the sockets.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, TypedDict

CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
_IFF_UP = 1
_LINK = "eth0"
_LINK_KINDS = ("dummy", "veth")
_LINK_ADDRESS = "192.0.2.1"
"""Of TEST-NET-1 (RFC 5737); alone in its network, so that not even a route leads to the link."""
_LINK_MTU_BYTES = 576
"""Below 1280 there is no IPv6 on a link (RFC 8200, 5), so no address comes up later and tells the
browser that the network has changed."""
_FDS_AT_ONCE = 200
"""unix(7), SCM_MAX_FD is 253."""
_NAMESPACE = "network namespace"
_NICENESS = 5


class Orders(TypedDict):
    """What the launcher is told."""

    parent: int
    """Process identifier of ours."""
    commands: int
    answers: int
    reports: int
    """Descriptors: the two ends of the browser's pipe, and the Unix socket."""
    profile: str
    account: int
    """User and group identifier that root becomes."""
    sockets: int
    """How many sockets to hand out; 0: no namespace."""
    program: list[str]


def main(orders: Orders) -> None:
    """Do steps 1 to 6."""
    _limit()
    refusals: list[str] = []
    sockets = orders["sockets"]
    handed = _in_namespace(sockets, CLONE_NEWNET, refusals) if sockets else []
    if os.geteuid() == 0:
        _is_done(f"account {orders['account']}", lambda: _become(orders), refusals)
    if sockets and not handed:
        handed = _in_namespace(sockets, CLONE_NEWNET | CLONE_NEWUSER, refusals)
    report: dict[str, Any] = {
        "network": "namespace" if handed else "proxy-only",
        "user": os.geteuid(),
        "refusals": [said for said in refusals if not (handed and said.startswith(_NAMESPACE))],
    }
    _die_with(orders["parent"])
    _checked(_LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    us = os.getpid()
    browser = os.fork()
    if not browser:
        os.setsid()
        _die_with(us)
        _execute(orders)
    _hand_out(orders["reports"], {**report, "browser": browser}, handed)
    _reap(browser)


def _is_done(what: str, step: Callable[[], None], refusals: list[str]) -> bool:
    try:
        step()
    except OSError as error:
        refusals.append(f"{what}: {error.strerror}")
        return False
    return True


def _in_namespace(sockets: int, flags: int, refusals: list[str]) -> list[socket.socket]:
    """Steps 1 and 2: so many sockets of a new namespace; none if the kernel refuses it.

    Raises:
        OSError: It can't be used, nor left again: who starts us must do without.
    """
    user, group = os.geteuid(), os.getegid()
    what = f"{_NAMESPACE} of {'a user' if flags & CLONE_NEWUSER else 'root'}"
    if not _is_done(what, lambda: _checked(_LIBC.unshare(flags)), refusals):
        return []
    if flags & CLONE_NEWUSER:
        _map(user, group)
    _bring_up("lo")
    _add_some_link()
    return [socket.socket() for _ in range(sockets)]


def _map(user: int, group: int) -> None:
    """Be in the new user namespace who we were outside.

    user_namespaces(7): without privilege one may only map oneself, and must give up setgroups.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes longer to import than all of this
            file.write(text)


def _add_some_link() -> None:
    """One link that leads nowhere."""
    fault: OSError | None = None
    for kind in _LINK_KINDS:
        try:
            _add_link(kind)
        except OSError as error:
            fault = error
        else:
            return
    raise fault or OSError


def _add_link(kind: str) -> None:
    """Make a link of *kind* and bring it up (rtnetlink(7), RTM_NEWLINK)."""
    peer = f"{_LINK}-end"
    inner = bytes(16) + _attribute(3, peer.encode() + b"\0") + _attribute(4, _word(_LINK_MTU_BYTES))
    kind_of = _attribute(1, kind.encode()) + (
        _attribute(2, _attribute(1, inner)) if kind == "veth" else b""
    )
    body = (
        bytes(16)
        + _attribute(3, _LINK.encode() + b"\0")
        + _attribute(4, _word(_LINK_MTU_BYTES))
        + _attribute(18, kind_of)
    )
    # NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE
    header = struct.pack("=IHHII", 16 + len(body), 16, 0x1 | 0x4 | 0x200 | 0x400, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(header + body)
        code = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code))
    _set_address(_SIOCSIFADDR, _LINK_ADDRESS)
    _set_address(_SIOCSIFNETMASK, "255.255.255.255")
    for name in (_LINK, peer) if kind == "veth" else (_LINK,):
        _bring_up(name)


def _attribute(kind: int, value: bytes) -> bytes:
    """A routing attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _word(value: int) -> bytes:
    return struct.pack("=I", value)


def _set_address(command: int, address: str) -> None:
    """Give the link its address or network mask (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        given = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(asking, command, struct.pack("16s24s", _LINK.encode(), given))


def _bring_up(link: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        name = link.encode()
        answer = fcntl.ioctl(asking, _SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
        flags = struct.unpack_from("=H", answer, 16)[0] | _IFF_UP
        fcntl.ioctl(asking, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags))


def _become(orders: Orders) -> None:
    """Give the profile to the account, and become it; nothing changes if it couldn't work there."""
    account, profile = orders["account"], orders["profile"]
    for folder, _, files in os.walk(profile):
        for path in (folder, *(os.path.join(folder, name) for name in files)):  # noqa: PTH118 - as above
            os.chown(path, account, account, follow_symlinks=False)
    os.setegid(account)
    os.seteuid(account)
    is_at_home = os.access(profile, os.W_OK | os.X_OK, effective_ids=True) and os.access(
        orders["program"][0], os.X_OK, effective_ids=True
    )
    os.seteuid(0)
    os.setegid(0)
    if not is_at_home:
        raise PermissionError(13, f"it can't reach {profile} or {orders['program'][0]}")
    os.setgroups([])
    os.setresgid(account, account, account)
    os.setresuid(account, account, account)
    # Else /proc/self would stay root's, and no user namespace could be mapped.
    _checked(_LIBC.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def _hand_out(reports: int, report: dict[str, Any], sockets: list[socket.socket]) -> None:
    with socket.socket(fileno=reports) as channel:
        for first in range(0, len(sockets), _FDS_AT_ONCE):
            some = sockets[first : first + _FDS_AT_ONCE]
            socket.send_fds(channel, [b" "], [one.fileno() for one in some])
        channel.sendall(json.dumps(report).encode())


def _limit() -> None:
    """Step 4."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)


def _die_with(parent: int) -> None:
    """Be killed with *parent*; a change of account would have cleared that."""
    _checked(_LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(1)


def _execute(orders: Orders) -> None:
    """Put the pipe on descriptors 3 and 4, as Chromium wants it, and become the program."""
    commands = fcntl.fcntl(orders["commands"], fcntl.F_DUPFD, 10)
    answers = fcntl.fcntl(orders["answers"], fcntl.F_DUPFD, 10)
    os.dup2(commands, 3)
    os.dup2(answers, 4)
    os.closerange(5, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.execv(orders["program"][0], orders["program"])  # noqa: S606 - this is what we are for


def _reap(browser: int) -> None:
    """Step 6."""

    def end(*_: object) -> None:
        for kill in (os.kill, os.killpg):
            with contextlib.suppress(ProcessLookupError):
                kill(browser, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    os.closerange(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    with contextlib.suppress(ChildProcessError):
        while True:
            number, _ = os.waitpid(-1, 0)
            if number == browser:
                end()


def _checked(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


_LIBC = ctypes.CDLL(None, use_errno=True)

if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
