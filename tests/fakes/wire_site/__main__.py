"""Prints what captures hold of each case: ``python -m tests.fakes.wire_site [NAME ...] [--faults]``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import (
    NAMES,
    Judged,
    WireSite,
    build,
    capture_cases,
    judge,
    matrix_settings,
)
from tests.fakes.wire_site.judging import KINDS, Fault

_MOST_FAULTS = 4
"""Of one kind, that are printed for one case."""


def main() -> None:
    """Capture the cases that are named (by their beginnings), or all, and print a line for each."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--faults", action="store_true", help="print each fault")
    parser.add_argument("--at-once", type=int, default=3)
    wanted = parser.parse_args()
    names = [name for name in NAMES if not wanted.names or name.startswith(tuple(wanted.names))]
    with tempfile.TemporaryDirectory() as folder:
        authority = TestAuthority(Path(folder) / "authority")
        settings = matrix_settings(Path(folder), authority.root_pem)
        with WireSite(authority) as site:
            cases = [build(name, site.at) for name in names]
            for case in cases:
                site.add(case.routes)
            began = time.monotonic()
            made = capture_cases(cases, Path(folder) / "spools", settings, at_once=wanted.at_once)
            took_s = time.monotonic() - began
            judged = [judge(case, made[case.name], site) for case in cases]
    _print(judged, took_s, with_faults=wanted.faults)


def _print(judged: list[Judged], took_s: float, *, with_faults: bool) -> None:
    print(f"{'case':28} {'held':>9} {'heads':>9} {'missing':>8} {'all sent':>9}  faults")
    for each in judged:
        kinds = ", ".join(sorted({fault.kind for fault in each.faults}))
        print(f"{each.case.name:28} {_counts(each)}  {kinds or '-'}")
        for fault in _some_of_each_kind(each) if with_faults else ():
            print(f"    {fault.kind}: {fault.subject}: {fault.seen}")
    total = Judged(judged[0].case)
    for name in (
        "expected",
        "held",
        "heads",
        "heads_exact",
        "missing",
        "missing_right",
        "sent",
        "sent_exact",
    ):
        setattr(total, name, sum(getattr(each, name) for each in judged))
    sound = sum(not each.faults for each in judged)
    print(f"{'all':28} {_counts(total)}  {sound} of {len(judged)} cases without fault, {took_s:.0f} s")


def _some_of_each_kind(each: Judged) -> list[Fault]:
    return [fault for kind in KINDS for fault in each.of_kind(kind)[:_MOST_FAULTS]]


def _counts(each: Judged) -> str:
    return (
        f"{each.held:>4}/{each.expected:<4} {each.heads_exact:>4}/{each.heads:<4} "
        f"{each.missing_right:>3}/{each.missing:<4} {each.sent_exact:>4}/{each.sent:<4}"
    )


if __name__ == "__main__":
    main()
