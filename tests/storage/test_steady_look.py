"""Files that are replaced while they are looked at: what is seen is of one file; a refusal of two is not believed."""

import itertools
import shutil

import pytest

from esc_features import open_store
from esc_features.exceptions import StoreError
from esc_features.storage import FoldFile, _fold_file, _hdf5, read_column, read_header


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_text("old")
    return tmp_path / "file"


def replace(path, text):
    part = path.with_name("part")
    part.write_text(text)
    part.replace(path)


def test_a_file_that_stays_is_looked_at_once(path):
    looks = []
    assert _hdf5.steady_look(path, lambda status: looks.append(status.st_ino) or path.read_text()) == "old"
    assert looks == [path.stat().st_ino]


@pytest.mark.parametrize("torn", ["seen", "refused"])
def test_a_file_that_is_replaced_is_looked_at_again(path, torn):
    """Whether the look met something of the old file, or nothing that makes sense."""
    texts = iter(["newer", "newest"])

    def look(status):
        seen = path.read_text()
        if (text := next(texts, None)) is not None:
            replace(path, text)
            if torn == "refused":
                raise StoreError("half of one, half of another")
        return seen, status.st_ino

    assert _hdf5.steady_look(path, look) == ("newest", path.stat().st_ino)


def test_a_refusal_of_a_file_that_stays_counts_at_once(path):
    looks = []

    def look(status):
        looks.append(status)
        raise StoreError("damaged")

    with pytest.raises(StoreError, match="damaged"):
        _hdf5.steady_look(path, look)
    assert len(looks) == 1


def test_a_file_that_never_rests(path):
    numbers = itertools.count()
    with pytest.raises(StoreError, match="replaced faster than it can be read"):
        _hdf5.steady_look(path, lambda _: replace(path, str(next(numbers))))


def test_the_header_of_a_replaced_file_is_never_that_of_the_old_one(write_store, tmp_path, monkeypatch):
    store, other = write_store(tmp_path / "one", clips=2), write_store(tmp_path / "other", clips=3)
    path, check = store / "mel/fold1.h5", _hdf5.check_places
    from esc_features.storage import _header

    def replaced_meanwhile(columns, where):
        check(columns, where)
        if (other / "mel/fold1.h5").exists():
            (other / "mel/fold1.h5").replace(path)

    monkeypatch.setattr(_header, "check_places", replaced_meanwhile)
    header = read_header(path)
    assert len(header) == 3 and header.identity == _hdf5.file_identity(path.stat())


def test_during_a_first_extraction_the_message_says_who_is_at_work(write_store, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    store = write_store(tmp_path / "store", folds=(1,))
    for name in ("mel/fold1.h5", "clips.h5"):
        shutil.copy(store / name, tmp_path / "kept.h5")
        (store / name).rename(store / f"{name}.partial")
        with (store / ".lock").open("w+") as lock:
            lock.write('{"pid": 12, "host": "tower", "since": "2017-07-14T02:40:00Z"}')
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(StoreError, match="It is being written by process 12 on tower since 2017") as refusal:
                open_store(store)
        assert "wait for it" in str(refusal.value) and "To use it" not in str(refusal.value)
        with pytest.raises(StoreError, match="run the same extract_features command again") as refusal:
            open_store(store)
        assert "being written" not in str(refusal.value)
        (store / f"{name}.partial").rename(store / name)


def test_a_column_is_of_the_file_that_was_opened(write_store, tmp_path, monkeypatch):
    """Another file that takes its name after the file was checked, and before the column is read, is not read."""
    path = write_store(tmp_path / "store", clips=2) / "mel/fold1.h5"
    other = write_store(tmp_path / "other", clips=2, seed=1) / "mel/fold1.h5"
    wanted = read_column(read_header(path), "crc32").tolist()
    file, read = FoldFile(path), _fold_file.read_column

    def read_late(*arguments):
        other.replace(path)
        return read(*arguments)

    monkeypatch.setattr(_fold_file, "read_column", read_late)
    assert file.column("crc32").tolist() == wanted != read(read_header(path), "crc32").tolist()
