"""What every store must do, whichever it is."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from preservation.errors import StoreConflict, StoreFull
from preservation.model.digests import sha256_of
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore


class StoreContract:
    """Held by each store below."""

    def test_what_is_put_is_read_back(self, store):
        store.put("a/b.txt", b"content")

        assert store.read("a/b.txt") == b"content"
        assert store.size_bytes("a/b.txt") == 7
        assert store.has("a/b.txt")

    def test_the_same_bytes_again_are_a_no_op(self, store):
        store.put("a", b"content")
        store.put("a", b"content")

        assert store.read("a") == b"content"

    def test_other_bytes_under_a_key_are_refused_and_the_first_stay(self, store):
        store.put("a", b"first")

        with pytest.raises(StoreConflict, match="other bytes"):
            store.put("a", b"other")
        assert store.read("a") == b"first"

    def test_a_file_is_stored_if_its_digest_is_as_promised(self, store, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"x" * 3_000_000)

        store.put_file("big", path, sha256_of(path.read_bytes()))

        assert store.size_bytes("big") == 3_000_000

    def test_a_file_that_changed_meanwhile_is_refused(self, store, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"changed")

        with pytest.raises(StoreConflict):
            store.put_file("f", path, sha256_of(b"as promised"))

    def test_a_file_that_is_given_up_is_stored_and_its_name_may_go(self, store, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"x" * 3_000_000)

        store.take_file("big", path, sha256_of(path.read_bytes()))
        path.unlink()
        other = tmp_path / "other"
        other.write_bytes(b"x" * 3_000_000)
        store.take_file("big", other, sha256_of(other.read_bytes()))

        assert store.read("big") == b"x" * 3_000_000

    def test_a_file_given_up_that_changed_meanwhile_is_refused_and_invisible(self, store, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(b"changed")

        with pytest.raises(StoreConflict):
            store.take_file("f", path, sha256_of(b"as promised"))
        assert not store.has("f")

    def test_of_two_claims_one_wins(self, store):
        assert store.claim("log/0", b"mine")
        assert not store.claim("log/0", b"yours")
        assert store.read("log/0") == b"mine"

    def test_a_range_is_read_alone(self, store):
        store.put("a", b"0123456789")

        assert store.read_range("a", 3, 4) == b"3456"
        assert store.read_range("a", 8, 10) == b"89"

    def test_a_missing_key_says_so(self, store):
        for read in (store.read, store.open, store.size_bytes):
            with pytest.raises(KeyError):
                read("nothing")
        assert not store.has("nothing")

    def test_keys_are_listed_in_order_below_a_prefix(self, store):
        for key in ("b/2", "b/1", "a/1", "c"):
            store.put(key, b"")

        assert list(store.keys()) == ["a/1", "b/1", "b/2", "c"]
        assert list(store.keys("b/")) == ["b/1", "b/2"]
        assert list(store.keys("nothing/")) == []

    @pytest.mark.parametrize("key", ["../out", "/etc/passwd", "a//b", "a/./b", "", "a b", "a\n", "ä"])
    def test_a_key_that_could_escape_is_refused(self, store, key):
        with pytest.raises(ValueError, match="isn't a key"):
            store.put(key, b"x")

    def test_one_of_many_threads_wins_a_claim(self, store):
        wins = []
        threads = [
            threading.Thread(target=lambda n=n: wins.append(store.claim("k", str(n).encode())))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(wins) == [False] * 7 + [True]


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()


class TestDiskStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return DiskStore(tmp_path / "root", aside=tmp_path / "aside")

    def test_a_stored_file_is_read_only_and_nothing_stays_aside(self, store, tmp_path):
        store.put("a", b"x")

        assert (tmp_path / "root/a").stat().st_mode & 0o222 == 0
        assert list((tmp_path / "aside").iterdir()) == []

    def test_a_read_only_directory_is_named_with_the_remedy(self, tmp_path):
        root = tmp_path / "root"
        root.write_text("a file where the directory should be")
        store = DiskStore(root, aside=tmp_path / "aside")

        with pytest.raises(Exception, match="can't be written") as caught:
            store.put("a/b", b"x")
        assert "Nothing was stored" in str(caught.value)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_leaves_nothing_visible(self, tmp_path):
        store = _OnFullDisk(tmp_path / "root", aside=tmp_path / "aside")

        with pytest.raises(StoreFull, match="disk is full"):
            store.put("a", b"x")
        assert not store.has("a")

    def test_foreign_links_are_listed(self, store, tmp_path):
        store.put("a", b"x")
        (tmp_path / "root/link").symlink_to("/etc")

        assert list(store.keys()) == ["a", "link"]

    def test_processes_race_for_one_key_and_one_wins(self, tmp_path):
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            wins = pool.map(_claim, [tmp_path] * 8)

        assert sorted(wins) == [False] * 7 + [True]


class _OnFullDisk(DiskStore):
    """A disk store whose draft is written to the kernel's full device."""

    def _create(self, key, write):
        def write_to_full_device(_stream):
            with Path("/dev/full").open("wb", buffering=0) as full:
                write(full)

        return super()._create(key, write_to_full_device)


def _claim(folder: Path) -> bool:
    return DiskStore(folder / "root", aside=folder / "aside").claim("key", str(os.getpid()).encode())
