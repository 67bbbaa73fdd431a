"""What every store must do, whichever it is."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import tempfile
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from preservation import clock
from preservation.errors import StoreConflict, StoreFull, StoreUnavailable, StoreUnfit
from preservation.model.digests import sha256_of
from preservation.settings import StorageSettings
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore
from preservation.store.object_lock import ObjectLockStore
from preservation.store.s3_multipart import PartSizes


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

    def test_a_stream_can_be_sought_like_a_file(self, store):
        store.put("a", bytes(range(256)) * 4000)

        with store.open("a") as stream:
            stream.seek(1000)
            middle = stream.read(3)
            stream.seek(-1, os.SEEK_END)
            end = stream.read()
            stream.seek(0)
            start = stream.read(2)
        assert (start, middle, end) == (b"\x00\x01", bytes([232, 233, 234]), b"\xff")

    def test_an_empty_object_is_one(self, store):
        store.put("empty", b"")

        assert store.has("empty")
        assert store.read("empty") == store.read_range("empty", 0, 9) == b""

    def test_a_copy_is_described_and_nothing_lies_beside_it(self, store):
        store.put("a/b", b"content")

        copy = store.stored_copy("a/b")
        assert (copy.key, copy.size_bytes) == ("a/b", 7)
        assert list(store.anomalies()) == []
        assert store.place

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

    def test_a_folder_that_cant_be_read_isnt_taken_for_an_empty_one(self, store, tmp_path):
        store.put("seals/1.json", b"x")
        _dig(tmp_path / "root/seals")  # beyond what one path can name: root may read all else

        with pytest.raises(StoreUnavailable, match="can't be read: File name too long"):
            list(store.keys("seals/"))

    @pytest.mark.skipif(not Path("/dev/shm").exists(), reason="needs a second file system")
    def test_a_mount_of_its_own_names_the_setting(self, tmp_path):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as mounted:
            if Path(mounted).stat().st_dev == tmp_path.stat().st_dev:
                pytest.skip("it is the same file system")
            store = DiskStore(Path(mounted), aside=tmp_path / "aside")

            with pytest.raises(StoreUnfit, match="below the mount"):
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


class TestObjectLockStore(StoreContract):
    """Against a real S3 server; nothing of it is skipped anywhere."""

    @pytest.fixture
    def place(self, s3_server):
        return s3_server.place(f"t/{uuid.uuid4()}")

    @pytest.fixture
    def store(self, place):
        return ObjectLockStore(place)

    def test_every_object_is_locked_in_compliance_mode(self, store):
        store.put("a", b"content")

        copy = store.stored_copy("a")
        assert copy.lock_mode == "COMPLIANCE"
        assert copy.retain_until > clock.now() + timedelta(hours=23)
        assert copy.version_id
        assert copy.sha256 == sha256_of(b"content")
        assert not copy.legal_hold

    def test_a_legal_hold_is_laid_if_asked_for(self, s3_server, place):
        store = ObjectLockStore(dataclasses.replace(place, legal_hold=True))
        store.put("a", b"content")

        assert store.stored_copy("a").legal_hold

    def test_a_large_file_goes_in_parts_and_reads_back_whole(self, place, tmp_path):
        store = ObjectLockStore(place, sizes=_SMALL_PARTS)
        path = tmp_path / "file"
        path.write_bytes(os.urandom(11_000_000))
        sha256 = sha256_of(path.read_bytes())

        store.put_file("large", path, sha256)
        store.put_file("large", path, sha256)

        assert store.read("large") == path.read_bytes()
        assert store.stored_copy("large").lock_mode == "COMPLIANCE"

    def test_a_large_file_that_changed_meanwhile_is_refused_and_invisible(self, place, tmp_path):
        store = ObjectLockStore(place, sizes=_SMALL_PARTS)
        path = tmp_path / "file"
        path.write_bytes(os.urandom(6_000_000))

        with pytest.raises(StoreConflict, match="changed while it waited"):
            store.put_file("large", path, sha256_of(b"as promised"))
        assert not store.has("large")

    def test_other_bytes_in_parts_are_refused_and_the_first_stay(self, place, tmp_path):
        store = ObjectLockStore(place, sizes=_SMALL_PARTS)
        store.put("large", b"first")
        path = tmp_path / "file"
        path.write_bytes(os.urandom(6_000_000))

        with pytest.raises(StoreConflict, match="other bytes"):
            store.put_file("large", path, sha256_of(path.read_bytes()))
        assert store.read("large") == b"first"

    def test_a_version_laid_over_the_original_is_an_alarm_and_never_read(self, s3_server, store, place):
        store.put("a", b"original")
        s3_server.client().put_object(Bucket=place.bucket, Key=f"{place.prefix}/a", Body=b"forged")

        afresh = ObjectLockStore(place)
        assert afresh.read("a") == b"original"
        assert [(f.rule, f.subject) for f in afresh.anomalies()] == [("newer-version", "a")]

    def test_a_delete_marker_is_an_alarm_and_hides_nothing(self, s3_server, store, place):
        store.put("log/0", b"original")
        s3_server.client().delete_object(Bucket=place.bucket, Key=f"{place.prefix}/log/0")

        afresh = ObjectLockStore(place)
        assert list(afresh.keys()) == ["log/0"]
        assert afresh.read("log/0") == b"original"
        assert [(f.rule, f.subject) for f in afresh.anomalies()] == [("delete-marker", "log/0")]

    def test_a_key_below_a_delete_marker_cannot_be_claimed_anew(self, s3_server, store, place):
        store.put("log/0", b"original")
        s3_server.client().delete_object(Bucket=place.bucket, Key=f"{place.prefix}/log/0")

        with pytest.raises(StoreConflict, match="had a version"):
            store.claim("log/0", b"a fork")
        assert ObjectLockStore(place).read("log/0") == b"original"

    def test_more_versions_than_a_page_holds_hide_no_original(self, s3_server, store, place):
        store.put("a", b"original")
        store.put("b", b"beside")
        client = s3_server.client()
        for number in range(30):
            client.put_object(Bucket=place.bucket, Key=f"{place.prefix}/a", Body=b"%d" % number)

        afresh = ObjectLockStore(place, page_keys=7)
        assert list(afresh.keys()) == ["a", "b"]
        assert (afresh.read("a"), afresh.read("b")) == (b"original", b"beside")
        assert [f.observed.partition(":")[0] for f in afresh.anomalies()] == ["30 newer"]

    def test_a_bucket_without_object_lock_is_refused(self, s3_server, place):
        s3_server.create_bucket("unlocked", has_lock=False)

        with pytest.raises(StoreUnfit, match="Object Lock"):
            ObjectLockStore(dataclasses.replace(place, bucket="unlocked")).require_lock()

    def test_a_bucket_that_is_not_there_is_named(self, place):
        with pytest.raises(StoreUnavailable, match="no such bucket"):
            ObjectLockStore(dataclasses.replace(place, bucket="nowhere")).require_lock()

    def test_processes_race_for_one_key_and_one_wins(self, place):
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            wins = pool.map(_claim_on_s3, [place] * 6)

        assert sorted(wins) == [False] * 5 + [True]


_SMALL_PARTS = PartSizes(largest_single_bytes=5_500_000, part_bytes=5 << 20)


def _claim_on_s3(place: StorageSettings) -> bool:
    return ObjectLockStore(place).claim("key", os.urandom(16))


class _OnFullDisk(DiskStore):
    """A disk store whose draft is written to the kernel's full device."""

    def _create(self, key, write):
        def write_to_full_device(_stream):
            with Path("/dev/full").open("wb", buffering=0) as full:
                write(full)

        return super()._create(key, write_to_full_device)


def _dig(folder: Path) -> None:
    """Make folders within folders, deeper than any path reaches (PATH_MAX)."""
    inner = os.open(folder, os.O_DIRECTORY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=inner)
        outer, inner = inner, os.open("d" * 250, os.O_DIRECTORY, dir_fd=inner)
        os.close(outer)
    os.close(inner)


def _claim(folder: Path) -> bool:
    return DiskStore(folder / "root", aside=folder / "aside").claim("key", str(os.getpid()).encode())
