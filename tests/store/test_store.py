"""A store, opened: what it tells, and what it refuses."""

import html
import os
import shutil

import h5py
import numpy as np
import pytest

from esc_features import MelSpectrogram, extract, load_clips, open_store
from esc_features._cli import main
from esc_features.exceptions import StoreError


@pytest.fixture
def copied(tiny_store, tmp_path):
    return shutil.copytree(tiny_store.path, tmp_path / "store")


class TestWhatItTells:
    def test_clips_are_the_data_set_fold_by_fold(self, tiny_store, demo_folder):
        clips = load_clips(demo_folder).sort_values("fold", kind="stable", ignore_index=True)
        for column, values in (
            ("filename", tiny_store.clips["filename"]),
            ("fold", tiny_store.folds),
            ("target", tiny_store.target),
            ("category", tiny_store.y),
            ("src_file", tiny_store.sources),
        ):
            assert list(values) == clips[column].tolist()
        by_target = dict(zip(clips["target"], clips["category"], strict=True))
        assert tiny_store.categories == [by_target[target] for target in sorted(by_target)]

    def test_features(self, tiny_store):
        assert set(tiny_store) == set(tiny_store.features) == {"waveform", "mel", "mfcc"} and "mel" in tiny_store
        assert tiny_store.features["mel"]["parameters"]["hop_length"] == 512
        assert list(tiny_store.keys()) == list(tiny_store) and list(dict(tiny_store)) == list(tiny_store)
        for (name, X), value in zip(tiny_store.items(), tiny_store.values(), strict=True):
            assert X is value is tiny_store[name] and X.feature_name == name
        assert tiny_store["mel"].sample_rate == 16000 and tiny_store["mfcc"].sample_rate == 44100
        assert tiny_store.folds_by == "" and set(tiny_store.column("original_sample_rate")) == {44100}
        assert len(tiny_store) == 40 and tiny_store.dataset == "demo" and not tiny_store.unfinished

    def test_cv_is_the_official_folds(self, tiny_store):
        splits = list(tiny_store.cv().split(tiny_store["mel"]))
        assert [np.unique(tiny_store.folds[test]).tolist() for _, test in splits] == [[1], [2], [3], [4], [5]]
        assert tiny_store.cv().get_n_splits(np.zeros((40, 2))) == 5

    @pytest.mark.slow
    def test_shared_sources(self, tiny_store, demo_folder, tmp_path):
        assert len(tiny_store.shared_sources()) == 0
        clips = load_clips(demo_folder)
        one, other = clips.index[clips["fold"] == 1][0], clips.index[clips["fold"] == 4][0]
        clips.loc[[one, other], "src_file"] = "131943"
        store = extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        assert store.shared_sources()["filename"].tolist() == clips["filename"][[one, other]].tolist()

    def test_representations(self, tiny_store, capsys):
        text, page = repr(tiny_store), tiny_store._repr_html_()
        for part in ("demo, 40 clips, 4 categories, folds 1 2 3 4 5", "(40, 128, 157) float32", "n_mels=128"):
            assert part in text and part in page
        assert main(["show", str(tiny_store.path)]) == 0
        assert capsys.readouterr().out.strip() == text

    def test_a_page_has_the_notes_of_the_text(self, copied):
        (copied / "mel/fold3.h5").unlink()
        store = open_store(copied)
        note = "not finished: 'mel' lacks fold 3"
        assert note in repr(store) and note in html.unescape(store._repr_html_())


class TestWhatItRefuses:
    def test_a_folder_that_is_not_there_or_empty(self, tmp_path, capsys):
        with pytest.raises(StoreError, match="extract_features"):
            open_store(tmp_path / "none")
        with pytest.raises(StoreError, match="no finished feature"):
            open_store(tmp_path)
        assert main(["show", str(tmp_path)]) == 2
        assert "no finished feature" in capsys.readouterr().err

    def test_an_unknown_feature(self, tiny_store):
        with pytest.raises(StoreError, match=r"it has mel, mfcc, waveform. Did you mean 'mel'.*--features mell"):
            tiny_store["mell"]

    def test_a_number_as_a_selection(self, tiny_store):
        with pytest.raises(IndexError, match=r"store\[3\] is neither a feature nor a selection of clips"):
            tiny_store[3]
        assert tiny_store[1:3].clips["filename"].tolist() == tiny_store.clips["filename"][1:3].tolist()

    def test_a_missing_fold(self, copied):
        (copied / "mel/fold3.h5").unlink()
        store = open_store(copied)
        assert "mel" not in store and "mel" in repr(store)
        with pytest.raises(StoreError, match=r"lacks fold 3.*run the same extract_features command"):
            store["mel"]

    def test_an_unfinished_file_is_never_opened(self, copied):
        (copied / "mel/fold3.h5").rename(copied / "mel/fold3.h5.partial")
        with pytest.raises(StoreError, match=r"lacks fold 3 \(begun: 3\)"):
            open_store(copied)["mel"]

    def test_a_later_format_version(self, copied):
        with h5py.File(copied / "mel/fold1.h5", "r+") as file:
            file.attrs.modify("format_version", np.int64(3))
        with pytest.raises(StoreError, match="format version 3"):
            open_store(copied)

    @pytest.mark.slow
    def test_a_clip_that_left_the_data_set_is_not_read_any_more(self, copied, demo_folder):
        clips = load_clips(demo_folder)
        clips = clips[clips["filename"] != clips["filename"][0]].reset_index(drop=True)
        clips.attrs["name"] = "demo"
        store = extract(clips, copied, features={"mel32": MelSpectrogram(n_mels=32)}, verbose=False)
        assert len(store) == 39 and set(store) == {"mel", "mel32", "mfcc", "waveform"}
        before = open_store(copied)["mel"]
        np.testing.assert_array_equal(store["mel"].filenames, store["mel32"].filenames)
        np.testing.assert_array_equal(before.to_numpy(), store["mel"].to_numpy())

    def test_folds_computed_differently(self, copied, demo_folder, tmp_path):
        clips = load_clips(demo_folder, folds=[2])
        clips.attrs["name"] = "demo"
        extract(clips, tmp_path / "other", features={"mel": MelSpectrogram(fmin=50)}, verbose=False)
        shutil.copy(tmp_path / "other/mel/fold2.h5", copied / "mel/fold2.h5")
        store = open_store(copied)
        assert set(store) == {"mfcc", "waveform"} and "differ in fingerprint" in repr(store)
        with pytest.raises(StoreError, match="differ in fingerprint"):
            store["mel"]

    def test_a_file_that_is_overwritten_in_place_is_noticed(self, write_store, tmp_path):
        """With as many bytes, so that only its time tells."""
        folder, other = write_store(tmp_path / "store"), write_store(tmp_path / "other", seed=1)
        path = folder / "mel/fold1.h5"
        os.utime(path, (1, 1))
        X, size = open_store(folder)["mel"], path.stat().st_size
        shutil.copyfile(other / "mel/fold1.h5", path)
        assert path.stat().st_size == size
        with pytest.raises(StoreError, match="was rebuilt since"):
            X.to_numpy()

    def test_a_file_under_the_name_of_another_fold(self, copied):
        shutil.copy(copied / "mel/fold1.h5", copied / "mel/fold2.h5")
        with pytest.raises(StoreError, match="says that it is fold 1"):
            open_store(copied)["mel"]
