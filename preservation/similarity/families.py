"""Groups and families out of edges and decisions, in the order in which they came: no I/O.

A later bitstream joins the group of the nearest anchor that it is a copy of. Whatever automatic edges
or people's confirmations connect is one family, named after its earliest bitstream. Two that a person
separated never share a family: an edge that would bring them together joins nothing. A new separation
takes their family apart and puts it together again, edge by edge in the same order. Names that ceased
or came into being thereby are changes on record.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from preservation.similarity.links import Change, ChangeKind, Link

_NO_DISTANCE = 1 << 20
"""Behind every distance: what an edge without one counts as."""


class Families:
    """Groups and families so far; bitstreams stand for themselves by their SHA-256.

    *ranks* knows the bitstreams in any edge or decision: who is earlier. A bitstream in no edge is a
    group and a family of its own.
    """

    def __init__(self, ranks: Mapping[str, int]) -> None:
        self.changes: list[Change] = []
        self._ranks = ranks
        self._parents: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._links: dict[str, list[tuple[int, Link]]] = {}
        self._home: dict[str, Link] = {}
        self._foes: defaultdict[str, set[str]] = defaultdict(set)
        self._contested: dict[str, list[str]] = {}
        self._further: Counter[str] = Counter()
        self._known: set[str] = set()
        self._count = 0

    def family_of(self, sha256: str) -> str:
        """The earliest bitstream of its family."""
        while (parent := self._parents.get(sha256, sha256)) != sha256:
            self._parents[sha256] = self._parents.get(parent, parent)
            sha256 = parent
        return sha256

    def home_of(self, sha256: str) -> Link | None:
        """The edge that put it into a group, whose anchor is the left end; None for an anchor."""
        return self._home.get(sha256)

    def families(self) -> list[list[str]]:
        """Families of at least two rows, each in the order of ranks; the earliest family first."""
        found = [
            sorted(members, key=self._ranks.__getitem__)
            for root, members in self._members.items()
            if self._is_shown(root)
        ]
        return sorted(found, key=lambda members: self._ranks[members[0]])

    def take(self, links: Iterable[Link], further: Iterable[str], log_size: int) -> None:
        """What a sealed batch brought: *links* whose right ends are in it, and the bitstreams of which
        it has *further* items, one entry each.
        """
        ordered = sorted(links, key=self._order)
        for link in ordered:
            self._count += 1
            self._add(link, self._count, log_size)
        joined = {link.right for link in ordered}
        for sha256 in further:
            self._further[sha256] += 1
            joined.add(sha256)
        self._know(joined)

    def confirm(self, left: str, right: str, log_size: int) -> None:
        """A person says that the two show the same; an earlier separation of them ends."""
        self._foes[left].discard(right)
        self._foes[right].discard(left)
        earlier, later = sorted((left, right), key=self._ranks.__getitem__)
        link = Link(left=earlier, right=later, signal="assessment")
        self._count += 1
        self._links_of(self.family_of(earlier)).append((self._count, link))
        self._put_together({self.family_of(earlier), self.family_of(later)}, link, log_size)

    def separate(self, left: str, right: str, log_size: int) -> None:
        """A person says that the two don't show the same; an earlier confirmation of them ends."""
        self._foes[left].add(right)
        self._foes[right].add(left)
        earlier, later = sorted((left, right), key=self._ranks.__getitem__)
        link = Link(left=earlier, right=later, signal="assessment")
        for root in {self.family_of(left), self.family_of(right)}:
            kept = [entry for entry in self._links_of(root) if entry[1] != link]
            self._links[root] = kept
        self._put_together({self.family_of(left), self.family_of(right)}, link, log_size)

    def _order(self, link: Link) -> tuple[int, bool, int, int, str]:
        distance = _NO_DISTANCE if link.distance_bits is None else link.distance_bits
        ranks = self._ranks[link.right], self._ranks[link.left]
        return ranks[0], not link.is_copy, distance, ranks[1], link.signal

    def _add(self, link: Link, number: int, log_size: int) -> None:
        """Join the two ends, if nothing keeps them apart."""
        ends = self.family_of(link.left), self.family_of(link.right)
        kept, gone = sorted(ends, key=self._ranks.__getitem__)
        is_blocked = kept != gone and self._is_kept_apart(kept, gone)
        if link.is_copy and link.right not in self._home:
            # Its nearest anchor, or none: what a person took out isn't put elsewhere.
            self._home[link.right] = (
                Link(left=link.right, right=link.right, signal="anchor") if is_blocked else link
            )
        # What joined nothing may do so when either of the two families is put together anew.
        for root in {kept, gone} if is_blocked else {kept}:
            self._links_of(root).append((number, link))
        if kept != gone and not is_blocked:
            if gone in self._known:
                self._record(ChangeKind.MERGED, (gone, kept), link, log_size)
            self._join(kept, gone)

    def _join(self, kept: str, gone: str) -> None:
        self._members_of(kept)
        self._members_of(gone)
        for table in (self._members, self._links, self._contested):
            _pour(table, kept, gone)
        self._parents[gone] = kept
        if gone in self._known:
            self._known.discard(gone)
            self._known.add(kept)

    def _is_kept_apart(self, one: str, other: str) -> bool:
        """Whether a bitstream of one family was separated from one of the other."""
        return any(
            self.family_of(foe) == other
            for sha256 in self._contested.get(one, ())
            for foe in self._foes[sha256]
        )

    def _put_together(self, roots: set[str], cause: Link, log_size: int) -> None:
        """Take the families *roots* apart and join them anew, and record what came of their names."""
        members = [sha256 for root in sorted(roots) for sha256 in self._members_of(root)]
        links = dict(entry for root in roots for entry in self._links_of(root))
        before = {sha256: self.family_of(sha256) for sha256 in members}
        known = self._known & roots
        self._known -= roots
        for sha256 in members:
            self._parents.pop(sha256, None)
            self._home.pop(sha256, None)
            self._members[sha256], self._links[sha256] = [sha256], []
            self._contested[sha256] = [sha256] if self._foes.get(sha256) else []
        for number in sorted(links):
            self._add(links[number], number, log_size)
        self._know(members)
        moves = {(self.family_of(sha256), was) for sha256, was in before.items() if was in known}
        for now, was in sorted(moves):
            if self.family_of(was) != was and now == self.family_of(was):
                self._record(ChangeKind.MERGED, (was, now), cause, log_size)
            elif now != was:
                self._record(ChangeKind.SEPARATED, (now, was), cause, log_size)

    def _record(self, kind: ChangeKind, names: tuple[str, str], link: Link, log_size: int) -> None:
        change = Change(
            kind=kind,
            family=names[0],
            other=names[1],
            left=link.left,
            right=link.right,
            signal=link.signal,
            log_size=log_size,
        )
        self.changes.append(change)

    def _know(self, sha256s: Iterable[str]) -> None:
        """From now on the names of their families stand in a table."""
        for sha256 in sha256s:
            root = self.family_of(sha256)
            self._members_of(root)
            if self._is_shown(root):
                self._known.add(root)

    def _is_shown(self, root: str) -> bool:
        members = self._members[root]
        return len(members) > 1 or self._further[root] > 0

    def _members_of(self, root: str) -> list[str]:
        return self._members.setdefault(root, [root])

    def _links_of(self, root: str) -> list[tuple[int, Link]]:
        return self._links.setdefault(root, [])


def _pour(table: dict[str, list[Any]], kept: str, gone: str) -> None:
    """Put the list of *gone* into that of *kept*, the shorter into the longer."""
    shorter, longer = sorted((table.pop(kept, []), table.pop(gone, [])), key=len)
    longer.extend(shorter)
    table[kept] = longer
