"""Stores read with bare h5py, by docs/format.md alone."""

import json
import pickle
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from esc_features import open_store
from esc_features.exceptions import StoreError
from esc_features.storage import FeatureFacts, create_file, read_header, row_crc32, whole_rows, write_clip_table

GOLDEN = Path(__file__).with_name("golden")


def texts(column):
    return [text.decode() for text in column[:]]


def read_feature(store, name):
    """Return (filename, start, end) -> row of a feature, read from byte offsets where there are any."""
    rows = {}
    for path in sorted((store / name).glob("fold*.h5")):
        with h5py.File(path) as file:
            data, clips = file["data"], file["clips"]
            assert data.chunks is None and clips["done"][:].all()
            count, offset, dtype = len(data), data.id.get_offset(), data.dtype
            size = dtype.itemsize * int(np.prod(data.shape[1:]))
            whole = file.attrs["format_version"] == 1
            starts = [0.0] * count if whole else clips["start"][:].tolist()
            ends = [np.inf] * count if whole else clips["end"][:].tolist()
            for number, key in enumerate(zip(texts(clips["filename"]), starts, ends, strict=True)):
                raw = path.read_bytes()[offset + number * size : offset + (number + 1) * size]
                assert zlib.crc32(raw) == clips["crc32"][number]
                rows[key] = np.frombuffer(raw, dtype).reshape(data.shape[1:])
            if not whole:
                for column, checksum in json.loads(file.attrs["checksums"]).items():
                    assert zlib.crc32(clips[column][:].tobytes()) == checksum
    return rows


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["waveform", "mel", "mfcc"])
def test_rows(version, name):
    folder = GOLDEN / f"format{version}"
    store = open_store(folder)
    wanted = read_feature(folder, name)
    assert len(wanted) == len(store) == 12
    for key, row in zip(store[name].clip_keys, store[name].to_numpy(), strict=True):
        np.testing.assert_array_equal(row, wanted[key])


def test_the_clip_table():
    store = open_store(GOLDEN / "format2")
    with h5py.File(GOLDEN / "format2/clips.h5") as file:
        clips = file["clips"]
        assert texts(clips["filename"]) == store["mel"].filenames.tolist()
        assert texts(clips["category"]) == store.y.tolist() and texts(file["categories"]) == store.categories
        assert (
            clips["fold"][:].tolist() == store.folds.tolist() and clips["target"][:].tolist() == store.target.tolist()
        )
        folder = file.attrs["audio_folder"].decode()
        paths = [f"{folder}/{path}" for path in texts(clips["path"])]
        assert paths == store.clips["path"].tolist()
        for name, checksum in json.loads(file.attrs["checksums"]).items():
            column = file["categories"] if name == "categories" else clips[name]
            assert zlib.crc32(column[:].tobytes()) == checksum


def publish(path, clips, shape, seed=0, fingerprint="f", **parameters):
    """Write a feature file with random rows of some clips, and return them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    description = {"class": "a.Class", "version": 1, "parameters": parameters, "computed_from": None}
    facts = FeatureFacts(path.parent.name, int(path.stem[4:]), description, fingerprint, {}, "now")
    create_file(path, shape, "<f4", clips, facts)
    rows = np.random.default_rng(seed).standard_normal((len(clips), *shape)).astype("<f4")
    header = read_header(path)
    with path.open("r+b") as file:
        for name, values in (("data", rows), ("crc32", [row_crc32(row) for row in rows]), ("done", [1] * len(rows))):
            file.seek(header.columns[name].offset)
            file.write(np.asarray(values, header.columns[name].dtype).tobytes())
    return rows


def windows(count, fold):
    table = pd.DataFrame({"filename": "long.wav", "start": np.arange(count) * 1.5, "fold": fold, "target": 0})
    table["end"] = table["start"] + 3
    return table.assign(category="dog", src_file="long.wav", take="", path="/data/long.wav")


def test_rows_are_found_by_file_start_and_end(tmp_path):
    """After clips changed their folds, their order and their number: computed rows stay where they are."""
    first, second = windows(4, 1), windows(8, 2)[4:]
    rows = np.concatenate(
        [publish(tmp_path / "mel/fold1.h5", first, (3,)), publish(tmp_path / "mel/fold2.h5", second, (3,), 1)]
    )
    table = pd.concat([first, second], ignore_index=True)
    write_clip_table(tmp_path, table, "long", "now")
    np.testing.assert_array_equal(open_store(tmp_path)["mel"].to_numpy(), rows)
    edited = table.iloc[[7, 2, 0, 5]].assign(
        fold=[1, 1, 2, 3], category=["cat", "dog", "dog", "cat"], target=[1, 0, 0, 1]
    )
    write_clip_table(tmp_path, edited, "long", "now")
    store = open_store(tmp_path)
    np.testing.assert_array_equal(store["mel"].to_numpy(), rows[[7, 2, 0, 5]])
    assert store.y.tolist() == ["cat", "dog", "dog", "cat"] and store.folds.tolist() == [1, 1, 2, 3]
    assert store["mel"].clip_keys[0] == ("long.wav", 10.5, 13.5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store["mel"]))[[3, 0]].to_numpy(), rows[[5, 7]])
    missing = pd.concat([edited, windows(9, 3)[8:]], ignore_index=True)
    write_clip_table(tmp_path, missing, "long", "now")
    publish(tmp_path / "mfcc/fold1.h5", missing[missing["fold"] == 1], (2,), fingerprint="g")
    with pytest.raises(ValueError, match=r"'mel' lacks 1 of 5 clips \(long.wav 12-15 s\)"):
        open_store(tmp_path)


def test_several_labels(tmp_path):
    table = windows(4, 1).drop(columns="category").assign(labels=[("rain", "dog"), (), ("cat",), ("dog",)])
    rows = publish(tmp_path / "mel/fold1.h5", table, (3,))
    write_clip_table(tmp_path, table, "long", "now")
    store = open_store(tmp_path)
    assert store.categories == ["cat", "dog", "rain"] and store.y.dtype == np.int8
    np.testing.assert_array_equal(store.y, [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(store["mel"][[3, 0]].y, store.y[[3, 0]])
    assert store.clips["labels"].tolist() == [("dog", "rain"), (), ("cat",), ("dog",)]
    np.testing.assert_array_equal(store[store.y[:, 1] == 1]["mel"].to_numpy(), rows[[0, 3]])
    with h5py.File(tmp_path / "clips.h5") as file:
        np.testing.assert_array_equal(file["labels"][:], store.y)
        assert "category" not in file["clips"] and file.attrs["several_labels"] == 1
    table["labels"] = [()] * 4
    table.attrs["folds_by"] = "source:3:0"
    write_clip_table(tmp_path, table, "long", "now")
    store = open_store(tmp_path)
    assert store.y.shape == (4, 0) and store.categories == [] and store.folds_by == "source:3:0"


def test_files_are_of_library_version_1_8(tmp_path):
    """Headers with checksums, and no flag that a killed writer would leave set: superblock 2."""
    publish(tmp_path / "mel/fold1.h5", windows(2, 1), (3,))
    write_clip_table(tmp_path, windows(2, 1), "long", "now")
    for name in ("mel/fold1.h5", "clips.h5"):
        assert (tmp_path / name).read_bytes()[:9] == b"\x89HDF\r\n\x1a\n\x02"


def test_the_same_content_is_the_same_bytes(tmp_path):
    """Whatever the order in which parameters are named; and no object says when it was made."""
    publish(tmp_path / "mel/fold1.h5", windows(2, 1), (3,), a=1, b={"c": 2, "d": 3})
    publish(tmp_path / "again/mel/fold1.h5", windows(2, 1), (3,), b={"d": 3, "c": 2}, a=1)
    write_clip_table(tmp_path, windows(2, 1), "long", "now")
    content = (tmp_path / "mel/fold1.h5").read_bytes()
    assert (tmp_path / "again/mel/fold1.h5").read_bytes() == content
    for written, objects in (content, 13), ((tmp_path / "clips.h5").read_bytes(), 12):
        headers = written.split(b"OHDR\2")[1:]
        assert len(headers) == objects and not any(header[0] & 0x20 for header in headers)  # flags: times are stored


def test_rows_that_are_what_was_written(tmp_path):
    path = tmp_path / "mel/fold1.h5"
    publish(path, windows(4, 1), (3,))
    with h5py.File(path, "r+") as file:
        file["data"][1, 2] += 1
        file["clips/crc32"][2] += 1
        file["clips/done"][3] = 0
    assert whole_rows(read_header(path)).tolist() == [True, False, False, False]


@pytest.mark.parametrize("name", ["\x1b[2J.wav", "a\0.wav"])
@pytest.mark.parametrize("column", ["filename", "category"])
def test_control_characters_are_not_written(tmp_path, name, column):
    table = windows(2, 1)
    table.loc[1, column] = name
    with pytest.raises(StoreError, match=f"{column} of a clip holds control characters"):
        write_clip_table(tmp_path, table, "long", "now")
    assert not list(tmp_path.iterdir())


def test_an_array_knows_its_numbers_again(tmp_path):
    """Other numbers of the same clips and parameters are another file, in place or not."""
    publish(tmp_path / "mel/fold1.h5", windows(2, 1), (3,))
    write_clip_table(tmp_path, windows(2, 1), "long", "now")
    X = open_store(tmp_path)["mel"]
    pickled = pickle.dumps(X)
    publish(tmp_path / "mel/fold1.h5", windows(2, 1), (3,), seed=1)
    for array in (X, pickle.loads(pickled)):
        with pytest.raises(ValueError, match="rebuilt"):
            array.take([0])
    again = open_store(tmp_path)["mel"]
    header = read_header(tmp_path / "mel/fold1.h5")
    with header.path.open("r+b") as file:  # changed in place: the same file, of the same size
        file.seek(header.columns["crc32"].offset)
        file.write(b"\1\2\3\4")
    with pytest.raises(ValueError, match="rebuilt"):
        again.take([0])


def test_a_pickled_array_refuses_another_clip_table(tmp_path):
    publish(tmp_path / "mel/fold1.h5", windows(2, 1), (3,))
    write_clip_table(tmp_path, windows(2, 1), "long", "now")
    pickled = pickle.dumps(open_store(tmp_path)["mel"])
    assert pickle.loads(pickled).y.tolist() == ["dog", "dog"]
    write_clip_table(tmp_path, windows(2, 1).assign(category="cat"), "long", "now")
    with pytest.raises(ValueError, match="changed since"):
        _ = pickle.loads(pickled).y
