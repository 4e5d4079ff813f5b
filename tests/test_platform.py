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


@pytest.mark.parametrize("missing", [None, "MADV_WILLNEED"])
def test_will_need_takes_any_range(file, monkeypatch, missing):
    if missing:
        monkeypatch.delattr(mmap, missing)
    _, descriptor = file
    os.ftruncate(descriptor, 100_000)
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapping:
        _platform.will_need(mapping, [(5000, 3), (0, 1), (99_999, 1)])


def test_lock_is_held_until_closed(tmp_path):
    path = tmp_path / "lock"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert _platform.try_lock(first) and not _platform.try_lock(second)
    os.close(first)
    assert _platform.try_lock(second)
    os.close(second)


def test_sync_folder_never_fails(tmp_path):
    _platform.sync_folder(tmp_path)
    _platform.sync_folder(tmp_path / "missing")


@pytest.mark.parametrize("missing", [None, "posix_fadvise", "RWF_NOWAIT"])
def test_read_ahead_never_fails_and_never_waits(tmp_path, monkeypatch, missing):
    if missing:
        monkeypatch.delattr(os, missing, raising=False)
    (tmp_path / "file").write_bytes(b"abc")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    _platform.read_ahead([str(tmp_path / name) for name in ("file", "pipe", "missing", "a\0b")] + [str(tmp_path)])


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system does not say what is in its page cache")
def test_read_ahead_asks_only_for_what_is_not_in_memory(tmp_path, monkeypatch):
    known, forgotten = tmp_path / "known", tmp_path / "forgotten"
    for path in (known, forgotten):
        path.write_bytes(bytes(1 << 20))
    with forgotten.open("r+b") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if _platform._is_in_memory(file.fileno(), 0):
            pytest.skip("this file system keeps its files in memory")
    asked, advise = [], os.posix_fadvise

    def counted(descriptor, *rest):
        asked.append(os.fstat(descriptor).st_ino)
        advise(descriptor, *rest)

    monkeypatch.setattr(os, "posix_fadvise", counted)
    _platform.read_ahead([str(known), str(forgotten)])
    assert asked == [forgotten.stat().st_ino]


def test_fill_with_large_pages_writes_whole_pages_between(file):
    path, descriptor = file
    large = 2 << 20
    os.ftruncate(descriptor, 4 * large)
    os.pwrite(descriptor, b"x" * 4 * large, 0)
    _platform.fill_with_large_pages(descriptor, 100, 3 * large + 5)
    data = path.read_bytes()
    assert data[:large] == b"x" * large and data[3 * large :] == b"x" * large
    assert not any(data[large : 3 * large])
