"""Stored files are read once and compared, by processes from a disk and by threads from elsewhere."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from preservation.errors import StoreFull, StoreUnavailable
from preservation.fixity import (
    Catalogue,
    Fault,
    NamedFile,
    check_file,
    open_checker,
    reader_of,
    second_copy_of,
    shard_of,
)
from preservation.fixity.processes import WorkerProcesses
from preservation.model.digests import sha256_of
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore

CONTENTS = {f"a/{number:03}": bytes([number % 251]) * (number * 70) for number in range(300)}


def filled(store):
    for key, content in CONTENTS.items():
        store.put(key, content)
    return store


def named(key: str, content: bytes) -> NamedFile:
    return NamedFile(key=key, sha256=sha256_of(content), size_bytes=len(content), named_by="seal")


def everything() -> list[NamedFile]:
    return [named(key, content) for key, content in sorted(CONTENTS.items())]


def run(checker, files, *progress):
    """Check one list."""
    [(_, checked)] = checker.run([("all", files)], *progress)
    return checked


@pytest.fixture
def disk(tmp_path) -> DiskStore:
    (tmp_path / "archive/a").mkdir(parents=True)
    for key, content in CONTENTS.items():
        (tmp_path / "archive" / key).write_bytes(content)
    return DiskStore(tmp_path / "archive", tmp_path / "aside")


@pytest.fixture(params=["disk", "memory"])
def store(request, disk):
    return disk if request.param == "disk" else filled(MemoryStore())


def path_of(store: DiskStore, key: str) -> Path:
    path = store.root / key
    path.chmod(0o644)
    return path


def test_files_that_are_as_named_give_counts_and_the_digest_of_the_list(store):
    with open_checker(store, 2) as checker:
        checked = run(checker, everything())

    lines = "".join(f"{file.sha256}  {file.key}\n" for file in everything())
    assert checked.damages == ()
    assert (checked.files, checked.size_bytes) == (300, sum(map(len, CONTENTS.values())))
    assert checked.list_sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_the_list_is_one_that_sha256sum_can_check(disk):
    lines = "".join(f"{file.sha256}  {file.key}\n" for file in everything())

    done = subprocess.run(["sha256sum", "--check", "--quiet"], input=lines, text=True, cwd=disk.root)

    assert done.returncode == 0


def test_another_digest_another_size_and_a_missing_file_are_told_apart(store):
    expected = [
        named("a/001", b"x" * 70),
        named("a/002", b"longer than it was" * 100),
        named("a/none", b""),
        *everything()[3:6],
    ]

    with open_checker(store, 1) as checker:
        checked = run(checker, expected)

    assert [(damage.key, damage.fault) for damage in checked.damages] == [
        ("a/001", Fault.OTHER_DIGEST),
        ("a/002", Fault.OTHER_SIZE),
        ("a/none", Fault.MISSING),
    ]


def in_its_place_a_link(path: Path):
    path.symlink_to(path.with_name("004"))


def in_its_place_a_folder(path: Path):
    path.mkdir()


def in_its_place_a_pipe(path: Path):
    os.mkfifo(path)


@pytest.mark.parametrize("put", [in_its_place_a_link, in_its_place_a_folder, in_its_place_a_pipe])
def test_what_isnt_a_plain_file_is_never_followed_nor_waited_for(disk, put):
    path_of(disk, "a/003").unlink()
    put(disk.root / "a/003")

    with open_checker(disk, 1) as checker:
        checked = run(checker, everything())

    assert [(d.key, d.fault) for d in checked.damages] == [("a/003", Fault.NOT_A_PLAIN_FILE)]


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 20) + 1])
def test_files_of_any_size_have_the_digest_that_they_have(disk, size):
    content = os.urandom(size)
    disk.put("b/file", content)

    assert reader_of(disk).measure("b/file") == (size, sha256_of(content))


def test_a_worker_that_is_killed_is_replaced_and_its_batch_read_again(disk):
    files = everything()
    with WorkerProcesses(str(disk.root)) as workers:
        workers.check(files[:1])
        worker = workers._idle.get()
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        workers._idle.put(worker)

        damages = workers.check(files)

    assert damages == []


def test_when_every_worker_dies_the_store_counts_as_unavailable_and_nothing_as_damaged(disk):
    class Dying(WorkerProcesses):
        def _worker(self):
            return subprocess.Popen(["false"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    with pytest.raises(StoreUnavailable), Dying(str(disk.root)) as workers:
        workers.check(everything()[:3])


def test_a_store_that_doesnt_answer_is_no_damage():
    class Away(MemoryStore):
        def open(self, key):
            raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable), open_checker(filled(Away()), 2) as checker:
        run(checker, everything())


def test_no_more_than_a_few_batches_are_in_hand_at_a_time(disk):
    handed_out, done, in_hand = [0], [0], []

    def endless():
        for file in everything() * 10:
            handed_out[0] += 1
            in_hand.append(handed_out[0] - done[0])
            yield file

    def count(files, _):
        done[0] += files

    with open_checker(disk, 1) as checker:
        run(checker, endless(), count)

    assert done == handed_out == [3000]
    assert max(in_hand) <= 3 * 256


def test_lists_are_checked_side_by_side_and_each_has_its_own_account(store):
    files = everything()
    lists = {f"{number}": files[number::7] for number in range(7)} | {"empty": []}
    wrong = named("a/003", b"x" * 210)
    lists["3"] = [wrong, *lists["3"][1:]]

    with open_checker(store, 2) as checker:
        checked = dict(checker.run(lists.items()))

    assert {name: each.files for name, each in checked.items()} == {k: len(v) for k, v in lists.items()}
    assert [d.key for each in checked.values() for d in each.damages] == ["a/003"]
    assert [d.key for d in checked["3"].damages] == ["a/003"]


def test_a_catalogue_is_sorted_and_split_into_shares_and_the_first_name_is_believed(tmp_path):
    files = everything()
    other = NamedFile(key="a/007", sha256="0" * 64, size_bytes=1, named_by="another seal")

    with Catalogue.draft(tmp_path / "list") as catalogue:
        catalogue.name_all([*reversed(files), other])
        catalogue.finish({"built_at": "now"})

        by_shard = {shard: list(catalogue.files(shard)) for shard in {shard_of(f.key) for f in files}}
        assert list(catalogue.files()) == files
        assert sum(map(len, by_shard.values())) == len(files)
        assert all(shard_of(file.key) == shard for shard, held in by_shard.items() for file in held)
        [disputed] = catalogue.damages(shard_of("a/007"))
        assert (disputed.key, disputed.fault) == ("a/007", Fault.NAMED_TWICE)
        assert catalogue.find("a/007") == files[7]


def test_a_listing_is_compared_in_one_pass(tmp_path):
    with Catalogue.draft(tmp_path / "list") as catalogue:
        catalogue.name_all(everything())
        listed = sorted({"0/before", "a/001x", "z/after", *CONTENTS} - {"a/000", "a/150", "a/299"})

        strangers = list(catalogue.compare_listing(listed))
        catalogue.finish({})

        unlisted = [f.key for f in everything() if f in catalogue.unlisted(shard_of(f.key))]
    assert strangers == ["0/before", "a/001x", "z/after"]
    assert unlisted == ["a/000", "a/150", "a/299"]


def test_check_file_says_what_was_expected_and_what_was_seen(store):
    wrong = NamedFile(key="a/005", sha256="f" * 64, size_bytes=350, named_by="seals/x.json")

    damage = check_file(reader_of(store), wrong)

    assert damage.named_by == "seals/x.json"
    assert damage.expected == f"350 bytes, SHA-256 {'f' * 64}"
    assert damage.observed == f"350 bytes, SHA-256 {sha256_of(CONTENTS['a/005'])}"


def test_a_second_copy_that_doesnt_answer_is_no_verdict_on_it():
    class Away(MemoryStore):
        def open(self, key):
            raise StoreUnavailable("away")

    damage = check_file(reader_of(MemoryStore()), everything()[5])

    assert second_copy_of(damage, reader_of(filled(Away()))) == "not-reachable"
    assert second_copy_of(damage, reader_of(filled(MemoryStore()))) == "same"
    assert second_copy_of(damage, reader_of(MemoryStore())) == "missing"


def test_a_full_disk_is_named_while_the_list_is_made(tmp_path):
    keys = (f"blobs/sha256/{number:064x}" for number in range(5_000))
    files = (NamedFile(key=key, size_bytes=1, sha256="0" * 64, named_by="seals/1") for key in keys)
    with Catalogue.draft(tmp_path / "list") as catalogue:
        catalogue._database.execute("PRAGMA max_page_count = 20")

        with pytest.raises(StoreFull, match="Make room"):
            catalogue.name_all(files)


def test_a_list_that_a_power_cut_damaged_says_how_to_make_it_anew(tmp_path):
    (tmp_path / "list").write_bytes(b"torn" * 4096)

    with (
        Catalogue(tmp_path / "list") as catalogue,
        pytest.raises(StoreUnavailable, match="makes it anew"),
    ):
        catalogue.fact("built_at")
