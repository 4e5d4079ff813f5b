"""The recordings of a store, in a pipeline that starts with a feature."""

import copy
import logging
import pickle
import shutil
from collections import OrderedDict

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from esc_features import MelSpectrogram, MFCCStatistics, StoreArray, Waveform, extract, load_clips
from esc_features.datasets import cut_windows
from esc_features.exceptions import StoreError
from esc_features.features import as_feature
from esc_features.store import _derived, _store_audio


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch):
    monkeypatch.setattr(_store_audio, "_warned", set())


class TestFinding:
    def test_a_feature_with_the_same_parameters_is_found(self, tiny_store, caplog):
        found = MelSpectrogram().transform(tiny_store.audio[5:9])
        assert isinstance(found, StoreArray)
        np.testing.assert_array_equal(found.to_numpy(), tiny_store["mel"][5:9].to_numpy())
        assert not caplog.records

    def test_another_is_derived_from_the_waveforms_and_says_so_once(self, tiny_store, demo_folder, caplog):
        feature = MelSpectrogram(n_mels=40)
        with caplog.at_level(logging.WARNING, "esc_features"):
            derived = feature.transform(tiny_store.audio[[30, 2]])
            feature.transform(tiny_store.audio[:3])
        assert len(caplog.records) == 1 and "n_mels=40" in caplog.text and "stored waveforms" in caplog.text
        paths = dict(zip(load_clips(demo_folder)["filename"], load_clips(demo_folder)["path"], strict=True))
        wanted = feature.transform([paths[name] for name in tiny_store.audio[[30, 2]].filenames])
        np.testing.assert_array_equal(derived.to_numpy(), wanted)
        np.testing.assert_array_equal(derived.folds, tiny_store.folds[[30, 2]])
        assert derived.dataset == "demo" and derived.parameters["n_mels"] == 40

    def test_of_another_rate_it_is_computed_from_the_recordings(self, tiny_store, demo_folder, caplog):
        feature = MFCCStatistics(sample_rate=8000)
        derived = feature.transform(tiny_store.audio[[7, 31, 7]])
        paths = dict(zip(load_clips(demo_folder)["filename"], load_clips(demo_folder)["path"], strict=True))
        wanted = feature.transform([paths[name] for name in tiny_store.audio[[7, 31, 7]].filenames])
        np.testing.assert_array_equal(derived.to_numpy(), wanted)
        assert "from the recordings" in caplog.text

    def test_of_windows_it_is_computed_from_their_stretches(self, demo_folder, tmp_path):
        windows = cut_windows(load_clips(demo_folder, folds=[1]).head(2), duration=2)
        store = extract(windows, tmp_path / "store", features="mfcc", verbose=False)
        feature = MFCCStatistics(sample_rate=8000)
        derived = feature.transform(store.audio[[3, 0]])
        np.testing.assert_array_equal(derived.to_numpy(), feature.transform(windows.iloc[[3, 0]]))

    @pytest.mark.slow
    def test_without_waveforms_and_recordings_it_says_what_to_run(self, tiny_store, demo_folder, tmp_path):
        shutil.copytree(demo_folder, tmp_path / "demo")
        store = extract(tmp_path / "demo", tmp_path / "store", features="mfcc", verbose=False)
        soundfile.write(tmp_path / "demo/audio" / store["mfcc"].filenames[3], np.zeros(80_000), 16000)
        with pytest.raises(StoreError, match=r"from, Waveform\(.*=8000.*has changed.*extract_features"):
            Waveform(sample_rate=8000).transform(store.audio)
        shutil.rmtree(tmp_path / "demo")
        with pytest.raises(StoreError, match=r"cannot be read.*extract_features"):
            Waveform(sample_rate=8000).transform(store.audio)

    @pytest.mark.slow
    def test_what_was_derived_is_kept(self, tiny_store, monkeypatch):
        monkeypatch.setattr(_derived, "_kept", OrderedDict())
        computed, compute = [], MelSpectrogram.compute

        def counted(self, waveforms):
            computed.append(len(waveforms))
            return compute(self, waveforms)

        monkeypatch.setattr(MelSpectrogram, "compute", counted)
        pipeline = make_pipeline(MelSpectrogram(n_mels=20), MeanOverTime(), LogisticRegression(max_iter=1000))
        grid = {"logisticregression__C": [0.1, 1, 10]}
        GridSearchCV(pipeline, grid, cv=tiny_store.cv(), error_score="raise").fit(tiny_store.audio, tiny_store.y)
        assert sum(computed) == len(tiny_store)
        again = MelSpectrogram(n_mels=20).transform(tiny_store.audio[[5, 2]])
        np.testing.assert_array_equal(
            again.to_numpy(), MelSpectrogram(n_mels=20).transform(tiny_store["waveform"][[5, 2]])
        )
        assert sum(computed) == len(tiny_store) + 2

    def test_what_is_kept_is_bounded_and_the_oldest_goes(self, tiny_store, monkeypatch):
        monkeypatch.setattr(_derived, "_kept", OrderedDict())
        monkeypatch.setattr(_derived, "LARGEST_CACHE", 3 * 40 * 2 * 20 * 4)
        for n_mfcc in (20, 19, 18, 20, 17):
            MFCCStatistics(n_mfcc=n_mfcc).transform(tiny_store.audio[:4])
        assert [kept.rows.shape[1] for kept in _derived._kept.values()] == [36, 40, 34]
        assert len(MelSpectrogram(n_mels=50).transform(tiny_store.audio)) == 40  # larger than all of it: not kept
        assert len(_derived._kept) == 3

    def test_a_feature_without_a_lasting_description_is_computed(self, tiny_store):
        loudest = as_feature(FunctionTransformer(np.abs))
        derived = loudest.transform(tiny_store.audio[[3, 30]])
        np.testing.assert_array_equal(derived.to_numpy(), np.abs(tiny_store["waveform"].take([3, 30])))

        class Doubled(MFCCStatistics):
            def compute(self, waveforms):
                return 2 * super().compute(waveforms)

        np.testing.assert_array_equal(
            Doubled().transform(tiny_store.audio[:3]).to_numpy(), 2 * tiny_store["mfcc"][:3].to_numpy()
        )


class TestAsX:
    def test_slices_like_an_array(self, tiny_store):
        audio = tiny_store.audio
        assert audio.shape == (40,) and len(audio[10:20][[1, 2], ...]) == 2
        np.testing.assert_array_equal(audio[::-2].filenames, tiny_store["mel"].filenames[::-2])
        np.testing.assert_array_equal(audio[audio.folds == 3].y, tiny_store.y[tiny_store.folds == 3])
        assert len(audio[:0][::-1].filenames) == 0
        assert audio[-1] == tiny_store["mel"].filenames[-1]
        again = pickle.loads(pickle.dumps(audio[[4, 1]]))
        assert again.filenames.tolist() == audio[[4, 1]].filenames.tolist()
        for attribute in ("folds", "sources", "filenames", "target", "y"):
            np.testing.assert_array_equal(
                getattr(audio[[4, 1]], attribute), getattr(tiny_store["mel"], attribute)[[4, 1]]
            )
        assert (
            audio[[4, 1]].clips["filename"].tolist() == again.filenames.tolist() == [key[0] for key in again.clip_keys]
        )
        assert audio.categories == tiny_store.categories and audio.dataset == "demo" and copy.deepcopy(audio) is audio
        assert f"40 clips of {tiny_store.path}; features mel, mfcc, waveform" in audio._repr_html_()
        for refused in (np.asarray, np.abs):
            with pytest.raises(ValueError, match="start the pipeline with a feature"):
                refused(audio)

    def test_the_pipeline_predicts_a_wav_as_it_predicts_the_store(self, tiny_store, demo_folder):
        model = make_pipeline(MFCCStatistics(), StandardScaler(), LogisticRegression())
        model.fit(tiny_store.audio, tiny_store.y)
        paths = dict(zip(load_clips(demo_folder)["filename"], load_clips(demo_folder)["path"], strict=True))
        from_files = model.predict_proba([paths[name] for name in tiny_store.audio.filenames[::7]])
        np.testing.assert_allclose(from_files, model.predict_proba(tiny_store.audio[::7]), rtol=1e-12)

    def test_another_store_is_predicted(self, tiny_store, demo_folder, tmp_path):
        model = make_pipeline(MFCCStatistics(), StandardScaler(), LogisticRegression())
        model.fit(tiny_store.audio, tiny_store.y)
        other = extract(load_clips(demo_folder, folds=[2]), tmp_path / "other", features="mfcc", verbose=False)
        here = tiny_store.audio[tiny_store.folds == 2]
        np.testing.assert_array_equal(model.predict(other.audio), model.predict(here))

    @pytest.mark.slow
    def test_grid_search_over_a_feature_parameter_in_two_processes(self, tiny_store):
        pipeline = make_pipeline(MelSpectrogram(), MeanOverTime(), LogisticRegression())
        search = GridSearchCV(
            pipeline, {"melspectrogram__n_mels": [32, 128]}, cv=tiny_store.cv(), n_jobs=2, error_score="raise"
        )
        search.fit(tiny_store.audio, tiny_store.y)
        scores = cross_val_score(pipeline, tiny_store.audio, tiny_store.y, cv=tiny_store.cv(), error_score="raise")
        column = search.cv_results_["param_melspectrogram__n_mels"].tolist().index(128)
        assert search.cv_results_["mean_test_score"][column] == pytest.approx(scores.mean())


def MeanOverTime():  # noqa: N802
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(_mean_over_time)


def _mean_over_time(X):
    return X.map(_last_axis_mean).to_numpy()


def _last_axis_mean(batch):
    return batch.mean(axis=2)
