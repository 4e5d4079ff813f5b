"""What platforms lack, taken away one by one."""

import mmap
import os

import numpy as np
import pytest

from esc_features import _platform


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    descriptor = os.open(path, os.O_RDWR)
    yield path, descriptor
    os.close(descriptor)


@pytest.mark.parametrize("missing", [None, "pwrite"])
def test_write_at(file, monkeypatch, missing):
    if missing:
        monkeypatch.delattr(os, missing)
    path, descriptor = file
    _platform.write_at(descriptor, np.frombuffer(b"ab", np.uint8), 3)
    _platform.write_at(descriptor, b"XYZ", 12)
    assert path.read_bytes() == b"012ab56789\0\0XYZ"


@pytest.mark.parametrize("missing", [None, "posix_fallocate"])
def test_reserve_space_keeps_what_is_there(file, monkeypatch, missing):
    if missing:
        monkeypatch.delattr(os, missing)
    path, descriptor = file
    _platform.reserve_space(descriptor, 3_000_000)
    _platform.reserve_space(descriptor, 5)
    data = path.read_bytes()
    assert len(data) == 3_000_000 and data.startswith(b"0123456789") and not any(data[10:])
    assert path.stat().st_blocks * 512 >= 3_000_000


class Mapping:
    """A memory map that keeps what it was advised."""

    def __init__(self):
        self.advice = []

    def madvise(self, *advice):
        self.advice.append(advice)


def test_will_need_hints_the_pages_of_its_ranges():
    page, mapping = mmap.PAGESIZE, Mapping()
    _platform.will_need(mapping, [(page + 5, 3), (0, 1), (3 * page - 1, 2 * page)])
    assert mapping.advice == [
        (mmap.MADV_WILLNEED, page, 8),
        (mmap.MADV_WILLNEED, 0, 1),
        (mmap.MADV_WILLNEED, 2 * page, 3 * page - 1),
    ]


def test_will_need_does_nothing_where_nobody_can_be_told(file, monkeypatch):
    monkeypatch.delattr(mmap, "MADV_WILLNEED")
    mapping = Mapping()
    _platform.will_need(mapping, [(0, 1)])
    assert mapping.advice == []


def test_lock_is_held_until_closed(tmp_path):
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert _platform.try_lock(first) and not _platform.try_lock(second)
    os.close(first)
    assert _platform.try_lock(second)
    os.close(second)


def test_is_locked_asks_without_taking(tmp_path):
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert not _platform.is_locked(second) and _platform.try_lock(first)
    assert _platform.is_locked(second)
    os.close(first)
    assert not _platform.is_locked(second) and _platform.try_lock(second)
    os.close(second)


def test_sync_folder_syncs_the_folder_and_passes_over_one_that_is_gone(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def counted(descriptor):
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    _platform.sync_folder(tmp_path)
    _platform.sync_folder(tmp_path / "missing")
    assert synced == [tmp_path.stat().st_ino]


def test_read_ahead_asks_for_files_and_waits_for_no_pipe(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"abc")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    asked, advise = [], os.posix_fadvise

    def counted(descriptor, *rest):
        asked.append((os.fstat(descriptor).st_ino, *rest))
        advise(descriptor, *rest)

    monkeypatch.setattr(os, "posix_fadvise", counted)
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    _platform.read_ahead([str(tmp_path / name) for name in ("pipe", "missing", "a\0b", "file")] + [str(tmp_path)], 4096)
    assert ((tmp_path / "file").stat().st_ino, 0, 4096, os.POSIX_FADV_WILLNEED) in asked
    assert not descriptors or len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    monkeypatch.delattr(os, "posix_fadvise")
    _platform.read_ahead([str(tmp_path / "file")])
