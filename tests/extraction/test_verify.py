"""`verify`: whatever is damaged in a store is found and named."""

import json
import shutil
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, extract, load_clips, open_store
from esc_features._cli import main
from esc_features.audio import file_digest
from esc_features.datasets import cut_windows
from esc_features.exceptions import StoreError
from esc_features.extraction import _verify, verify
from esc_features.features._base import fingerprint_of
from esc_features.storage import FEATURE_2, MEASURED_COLUMNS, ClipTable, read_header

GOLDEN = Path(__file__).parents[1] / "storage/golden"


@pytest.fixture
def store(tiny_store, tmp_path):
    return shutil.copytree(tiny_store.path, tmp_path / "store")


@pytest.fixture(scope="module")
def random_store(write_store, tmp_path_factory):
    """A store of random rows, small enough to be damaged anywhere."""
    folder = write_store(tmp_path_factory.mktemp("stores") / "random", folds=(1,), clips=5, shape=(7,))
    set_attribute(folder / "mel/fold1.h5", fingerprint=fingerprint_of(read_header(folder / "mel/fold1.h5").facts.description))  # fmt: skip  # noqa: E501
    return folder


@pytest.fixture
def four_clips(demo_folder):
    clips = load_clips(demo_folder)
    return clips[clips["fold"] == 1][:4]


def set_attribute(path, **attributes):
    with h5py.File(path, "r+") as file:
        for name, value in attributes.items():
            encoded = value.encode()
            del file.attrs[name]
            file.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", len(encoded)))


def flip(path, offset, bits=1):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bits]))


def problems(store, **options):
    found = verify(store, **options)
    assert all(clip == "" or clip.endswith(".wav") for clip in found["clip"])
    return list(found.itertuples(index=False, name=None))


@pytest.mark.slow
def test_rows_to_extract_again_are_spread_over_the_file(store):
    """Rows of other numbers with their own checksums: only to extract them again can tell, and two of eight are."""
    path, clips = store / "mfcc/fold1.h5", open_store(store)
    clips = clips[clips.folds == 1]
    rows = clips["mfcc"].to_numpy() + 9
    columns = read_header(path).columns
    with path.open("r+b") as file:
        for column, values in ("data", rows), ("crc32", np.array([zlib.crc32(row.tobytes()) for row in rows], "<u4")):
            file.seek(columns[column].offset)
            file.write(values.tobytes())
    names = clips.clips["filename"].tolist()
    assert len(names) == 8
    found = verify(store, features="mfcc", recompute=2)
    assert [name for name in names if found.to_string().count(name)] == [names[0], names[-1]]


def test_a_good_store_has_no_problems(store, capsys):
    assert problems(store, recompute=2) == []
    assert main(["verify", str(store), "--recompute", "1"]) == 0
    assert "no problems" in capsys.readouterr().out


class TestEveryByte:
    @pytest.mark.slow
    @settings(max_examples=150, deadline=None)
    @given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_of_the_rows_is_checked(self, random_store, where, bit):
        header = read_header(random_store / "mel/fold1.h5")
        data = header.data
        position = int(where * data.count * data.row_bytes)
        flip(header.path, data.offset + position, 1 << bit)
        try:
            (problem,) = problems(random_store)
            assert problem[:2] == ("mel/fold1.h5", f"1-{position // data.row_bytes}-A-0.wav")
            assert "checksum" in problem[2]
            assert problems(random_store, checksums=False) == []
        finally:
            flip(header.path, data.offset + position, 1 << bit)

    @pytest.mark.slow
    @pytest.mark.parametrize("column", [*FEATURE_2.given, "crc32", "done"])
    def test_of_names_labels_and_checksums_is_checked(self, random_store, column):
        header = read_header(random_store / "mel/fold1.h5")
        place = header.columns[column]
        for position in range(place.count * place.row_bytes):
            flip(header.path, place.offset + position)
            try:
                assert problems(random_store), (column, position)
            finally:
                flip(header.path, place.offset + position)
        assert problems(random_store) == []

    def test_columns_are_all_thought_of(self):
        others = {"original_sample_rate", "original_channels", "original_samples", "audio_digest", "notes"}
        assert {*MEASURED_COLUMNS} - {"crc32", "done"} == others  # remarks on a recording; nothing is computed of them


class TestStructure:
    def test_a_missing_fold_and_an_unfinished_one(self, store):
        (store / "mel/fold2.h5").unlink()
        (store / "mfcc/fold4.h5").rename(store / "mfcc/fold4.h5.partial")
        found = {file: text for file, _, text in problems(store)}
        assert set(found) == {"mel/fold2.h5", "mfcc/fold4.h5.partial"}
        assert "missing" in found["mel/fold2.h5"] and "8 of 8 rows" in found["mfcc/fold4.h5.partial"]

    def test_files_that_cannot_be_opened(self, store):
        (store / "mel/fold2.h5").write_bytes(b"nothing")
        content = (store / "mfcc/fold3.h5").read_bytes()
        (store / "mfcc/fold3.h5").write_bytes(content[: len(content) // 2])
        assert {file for file, _, _ in problems(store)} == {"mel/fold2.h5", "mfcc/fold3.h5"}

    @pytest.mark.slow
    def test_files_of_different_clips_and_settings(self, store, demo_folder, tmp_path):
        clips = load_clips(demo_folder)
        clips.attrs["name"] = "demo"
        other = {"mel": MelSpectrogram(fmin=30), "mfcc": MFCCStatistics()}
        extract(clips[clips["filename"] != clips["filename"][0]], tmp_path / "other", features=other, verbose=False)
        fold = clips["fold"][0]
        shutil.copy(tmp_path / f"other/mel/fold{fold}.h5", store / f"mel/fold{fold}.h5")
        found = problems(store)
        assert any("in fingerprint" in text for _, _, text in found)
        assert any("although the clip table has it" in text and clip == clips["filename"][0] for _, clip, text in found)

    @pytest.mark.slow
    def test_features_of_different_recordings(self, demo_folder, tmp_path):
        data = shutil.copytree(demo_folder, tmp_path / "data")
        extract(load_clips(data, folds=[1, 2]), tmp_path / "store", features="mfcc", verbose=False)
        path = load_clips(data, folds=[1])["path"][0]
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples * 0.5, rate)
        extract(load_clips(data, folds=[1, 2]), tmp_path / "other", features="mel", verbose=False)
        shutil.copytree(tmp_path / "other/mel", tmp_path / "store/mel")
        with pytest.raises(StoreError, match="different recordings"):
            open_store(tmp_path / "store")
        ((_, clip, text),) = problems(tmp_path / "store")
        assert path.endswith(clip) and "another recording" in text

    def test_files_of_format_1_that_contradict_each_other(self, tmp_path):
        store = shutil.copytree(GOLDEN / "format1", tmp_path / "store")
        assert problems(store) == []
        with h5py.File(store / "mfcc/fold2.h5", "r+") as file:
            del file.attrs["labels_crc32"]  # as in the oldest files
            file["clips/category"][3] = "another"
            file["clips/filename"][1] = file["clips/filename"][0]
        set_attribute(store / "waveform/fold2.h5", dataset="another")
        (store / "mel/fold1.h5").unlink()
        names = open_store(GOLDEN / "format1")["mel"].clips.query("fold == 2")["filename"].tolist()
        category = open_store(GOLDEN / "format1").clips.query("fold == 2")["category"].iloc[3]
        assert problems(store) == [
            ("mfcc/fold2.h5", names[0], "occurs more than once"),
            ("mel/fold1.h5", "", "missing"),
            ("waveform/fold2.h5", "", "differs from fold1.h5 in dataset"),
            ("mfcc/fold2.h5", names[1], f"its filename is {names[0]}, and {names[1]} in mel"),
            ("mfcc/fold2.h5", names[3], f"its category is another, and {category} in mel"),
            ("mfcc/fold2.h5", names[0], "was computed from another recording than in mel"),  # the second of this name
        ]

    def test_a_feature_that_lacks_an_edit_has_no_other_problem(self, four_clips, tmp_path):
        """The rows of its clips are at other places than those of the features that were edited."""
        extract(four_clips[:-1], tmp_path / "store", features="waveform,mfcc", verbose=False)
        extract(four_clips[1:], tmp_path / "store", features="mfcc", verbose=False)
        last = four_clips["filename"].iloc[-1]
        assert problems(tmp_path / "store") == [
            ("waveform/fold1.h5", last, "is missing, although the clip table has it")
        ]

    def test_a_table_of_clips_that_is_gone(self, store):
        (store / "clips.h5").unlink()
        ((file, clip, text),) = problems(store)
        assert (file, clip) == ("clips.h5", "") and text.startswith("missing")

    def test_a_row_that_is_not_finite(self, store):
        header = read_header(store / "mfcc/fold2.h5")
        with h5py.File(header.path, "r+") as file:
            file["data"][3, 1] = np.nan
            file["clips/crc32"][3] = zlib.crc32(file["data"][3].tobytes())
            name = file["clips/filename"].asstr()[3]
        assert problems(store) == [("mfcc/fold2.h5", name, "its row is not finite")]

    def test_a_fingerprint_that_is_not_that_of_the_parameters(self, store):
        set_attribute(store / "mel/fold1.h5", fingerprint="0" * 32)
        assert any("not that of its parameters" in text for _, _, text in problems(store))

    def test_a_file_under_another_name(self, store):
        (store / "mel/fold5.h5").rename(store / "mel/fold9.h5")
        assert any("says that it is fold 5" in text for _, _, text in problems(store))

    def test_no_store(self, tmp_path, capsys):
        with pytest.raises(StoreError, match="extract_features"):
            verify(tmp_path)
        assert main(["verify", str(tmp_path / "none")]) == 2
        with pytest.raises(ValueError, match="number of clips"):
            verify(tmp_path, recompute=-1)

    def test_status_1_names_file_and_clip(self, store, capsys):
        header = read_header(store / "mel/fold3.h5")
        flip(header.path, header.data.offset_of(4))
        name = open_store(store)["mel"][open_store(store).folds == 3].filenames[4]
        assert main(["verify", str(store)]) == 1
        printed = capsys.readouterr().out
        assert f"mel/fold3.h5: {name}: " in printed and "1 problem" in printed
        assert main(["verify", str(store), "--quick"]) == 0


class TestRecomputing:
    def test_finds_drift(self, store, update_attribute):
        """A row that an older library would have given: whole, checksum and all, and not what is computed now."""
        header = read_header(store / "mel/fold2.h5")
        from esc_features.storage import row_crc32

        row = open_store(store)["mel"][8] + np.float32(0.5)
        with header.path.open("r+b") as file:
            file.seek(header.data.offset)
            file.write(row.tobytes())
            file.seek(header.columns["crc32"].offset)
            file.write(np.array(row_crc32(row), "<u4").tobytes())
        update_attribute(header.path, "versions", soxr="0.3.1")
        assert problems(store) == []
        ((file, _, text),) = problems(store, recompute=1)
        assert file == "mel/fold2.h5" and "differs by up to 0.5" in text and "soxr was 0.3.1" in text

    def test_rows_of_other_parameters_are_not_compared(self, store):
        other = {"mel": MelSpectrogram(n_mels=64)}
        found = problems(store, features=other, recompute=1, checksums=False)
        assert [file for file, _, _ in found] == [f"mel/fold{fold}.h5" for fold in range(1, 6)]
        assert all("its parameters changed" in text for _, _, text in found)

    def test_rounding_is_no_drift(self, demo_folder, tmp_path):
        features = {"half": MelSpectrogram(dtype="float16"), "pcm": Waveform(dtype="int16")}
        extract(load_clips(demo_folder, folds=[1]), tmp_path / "store", features=features, verbose=False)
        assert problems(tmp_path / "store", recompute=3) == []

    def test_windows_are_compared_with_their_own_stretch(self, demo_folder, tmp_path):
        windows = cut_windows(load_clips(demo_folder, folds=[1]).head(2), duration=2)
        extract(windows, tmp_path / "store", features="mfcc", verbose=False)
        assert len(windows) == 4 and problems(tmp_path / "store", recompute=4) == []

    def test_recordings_that_changed_or_went(self, demo_folder, tmp_path):
        data = shutil.copytree(demo_folder, tmp_path / "data")
        clips = load_clips(data, folds=[1])
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        first = data / "audio" / clips["filename"][0]
        first.write_bytes(first.read_bytes()[:-2] + b"\1\1")
        ((_, clip, text),) = problems(tmp_path / "store", recompute=1)
        assert clip == first.name and "not the one that was extracted" in text
        data.rename(tmp_path / "moved")
        ((_, _, text),) = problems(tmp_path / "store", recompute=1)
        assert "does not exist" in text and "--audio" in text
        assert problems(tmp_path / "store", recompute=1, audio=demo_folder / "audio") == []

    def test_a_row_of_another_shape_is_computed_again(self, demo_folder):
        key = (load_clips(demo_folder)["filename"][0], 0.0, np.inf)
        path = str(demo_folder / "audio" / key[0])
        found = _verify._compare(MFCCStatistics(), path, key, np.zeros(3), file_digest(path), "")
        assert found == ("has the shape (3,), and (26,) now", "again")

    def test_clips_that_are_recomputed_are_spread_over_a_file(self, demo_folder, tmp_path):
        data = shutil.copytree(demo_folder, tmp_path / "data")
        clips = load_clips(data, folds=[1])
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        for count, found in ((1, []), (2, [7]), (3, [7]), (8, [6, 7])):
            for row in (6, 7):
                path = data / "audio" / clips["filename"][row]
                path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
            names = [clip for _, clip, _ in problems(tmp_path / "store", recompute=count)]
            assert names == clips["filename"][found].tolist()

    def test_a_users_class_is_imported_only_if_the_user_names_it(self, store, tmp_path, monkeypatch):
        (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)
        path = store / "mel/fold1.h5"
        description = read_header(path).facts.description | {"class": "trap.Class"}
        import json

        set_attribute(path, description=json.dumps(description), fingerprint=fingerprint_of(description))
        texts = [text for file, _, text in problems(store, recompute=1) if file == "mel/fold1.h5"]
        assert any("not imported just because a file names it" in text for text in texts)

    @pytest.mark.parametrize(
        "name",
        [
            "Feature",
            "_recipe.os",
            *(pytest.param(name, marks=pytest.mark.slow) for name in ("make_features", "MelSpectrogram.fit", "")),
        ],
    )
    def test_only_features_of_ours_are_made(self, store, name):
        import json

        path = store / "mel/fold1.h5"
        description = read_header(path).facts.description | {"class": f"esc_features.features.{name}"}
        set_attribute(path, description=json.dumps(description), fingerprint=fingerprint_of(description))
        assert any("is not a feature of this version" in text for _, _, text in problems(store, recompute=1))

    def test_a_users_class_that_the_user_names(self, demo_folder, tmp_path, monkeypatch):
        (tmp_path / "a_users_module.py").write_text(
            "from sklearn.base import BaseEstimator, TransformerMixin\n"
            "class Energy(TransformerMixin, BaseEstimator):\n"
            "    def transform(self, X):\n"
            "        return (X ** 2).mean(axis=1, keepdims=True)\n"
        )
        recipe = tmp_path / "recipe.toml"
        recipe.write_text("[features.energy]\nclass = 'a_users_module:Energy'\n")
        monkeypatch.syspath_prepend(tmp_path)
        extract(
            load_clips(demo_folder, folds=[1]),
            tmp_path / "store",
            recipe=recipe,
            trusted=["a_users_module"],
            verbose=False,
        )
        ((_, _, text),) = problems(tmp_path / "store", recompute=1)
        assert "--trust a_users_module" in text
        assert problems(tmp_path / "store", recompute=1, recipe=recipe, trusted=["a_users_module"]) == []

    @pytest.mark.parametrize("name", ["../x.wav", "a/../../x.wav"])
    def test_names_that_lead_out_of_the_folder_are_not_followed(self, demo_folder, tmp_path, name):
        clips = load_clips(demo_folder, folds=[1])
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        path, table = tmp_path / "store/clips.h5", ClipTable(tmp_path / "store/clips.h5")
        assert table.column("path").tolist() == clips["filename"].tolist()
        paths = table.raw("path").copy()
        paths[0] = name.encode()
        with h5py.File(path, "r+") as file:
            file["clips/path"][0] = name
            checksums = json.loads(file.attrs["checksums"]) | {"path": zlib.crc32(paths.tobytes())}
        set_attribute(path, checksums=json.dumps(checksums))
        found = problems(tmp_path / "store", recompute=len(clips))
        assert [text for _, _, text in found] == ["its name points outside the folder of recordings"]
