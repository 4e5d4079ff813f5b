"""Features of clip tables, of stored waveforms and of waveforms of another rate, and what is said meanwhile."""

import logging
import warnings

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, open_store
from esc_features.audio import _source
from esc_features.exceptions import AudioError, SourceLeakWarning
from esc_features.features import Feature, _base, as_feature

RATE = 22050
SOUND = np.random.default_rng(3).uniform(-0.5, 0.5, (10 * RATE, 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("a.flac", "b.wav", "c.wav"):
        soundfile.write(folder / name, np.roll(SOUND, ord(name[0])), RATE)
    soundfile.write(folder / "short.wav", SOUND[: int(0.2 * RATE)], RATE)
    soundfile.write(folder / "long.wav", np.tile(SOUND, (3, 1)), RATE)
    return folder


def table(folder, *clips):
    clips = pd.DataFrame(clips, columns=["filename", "start", "end"])
    clips["path"] = [str(folder / name) for name in clips["filename"]]
    return clips


WINDOWS = [("b.wav", 4.0, 6.0), ("a.flac", 3.0, 5.0), ("a.flac", 0.0, 2.0), ("b.wav", 0.5, 2.5), ("a.flac", 1.5, 3.5)]


@pytest.mark.parametrize("sample_rate", [RATE, 16000, 44100])
def test_windows_of_a_table_are_those_of_librosa(folder, sample_rate):
    clips = table(folder, *WINDOWS).set_index(pd.Index([9, 3, 7, 1, 0]))
    feature = Waveform(sample_rate, 2.0)
    waveforms = feature.transform(clips)
    for waveform, (name, start, end) in zip(waveforms, WINDOWS, strict=True):
        expected = librosa.load(folder / name, sr=sample_rate, offset=start, duration=end - start)[0]
        np.testing.assert_array_equal(waveform, librosa.util.fix_length(expected, size=2 * sample_rate))


def test_each_recording_is_opened_once(folder, monkeypatch):
    opened = []
    original = _source._open
    monkeypatch.setattr(_source, "_open", lambda path: opened.append(path) or original(path))
    Waveform(duration=2.0).transform(table(folder, *WINDOWS))
    assert opened == [str(folder / "b.wav"), str(folder / "a.flac")]


def test_a_pipeline_predicts_windows_as_it_predicts_paths(folder):
    paths = [str(folder / name) for name in ("a.flac", "b.wav", "c.wav")]
    model = make_pipeline(MFCCStatistics(duration=10.0), LogisticRegression()).fit(paths, [0, 1, 0])
    whole = table(folder, *[(name, 0.0, np.inf) for name in ("a.flac", "b.wav", "c.wav")])
    np.testing.assert_array_equal(model.predict_proba(whole), model.predict_proba(paths))
    np.testing.assert_array_equal(model.predict_proba(whole[["path"]]), model.predict_proba(paths))
    named = whole[["path"]].rename(columns={"path": "filename"})
    np.testing.assert_array_equal(model.predict_proba(named), model.predict_proba(paths))


@pytest.mark.parametrize(
    "clip, error, message",
    [
        (("a.flac", 9.0, 12.0), AudioError, r"a\.flac' is 10 s long and has no segment from 9 to 12 s"),
        (("a.flac", np.nan, 2.0), ValueError, r"Row 0 of the table, .*a\.flac', is from nan to 2.0 s"),
        (("a.flac", 3.0, np.nan), ValueError, "neither may be missing"),
        (("a.flac", 3.0, 3.0), ValueError, "end must be after it"),
        (("a.flac", -1.0, 3.0), ValueError, "at least 0"),
        (("a.flac", "early", "late"), ValueError, "column 'start' of the table must hold seconds"),
        (("none.wav", 0.0, 1.0), AudioError, r"none\.wav' does not exist"),
    ],
)
def test_windows_that_are_not_there_are_named(folder, clip, error, message):
    with pytest.raises(error, match=message):
        Waveform(duration=2.0).transform(table(folder, clip))


def test_an_empty_table(folder):
    with pytest.raises(ValueError, match="empty table"):
        Waveform().transform(table(folder))


def test_a_table_of_numbers_is_waveforms():
    waveforms = np.random.default_rng(0).uniform(-1, 1, (2, 50)).astype(np.float32)
    np.testing.assert_array_equal(Waveform(50, 1.0).transform(pd.DataFrame(waveforms)), waveforms)


def test_what_is_cut_is_said_once(folder, caplog, monkeypatch):
    monkeypatch.setattr(_base, "_warned_of", set())
    clips = table(folder, ("long.wav", 0.0, np.inf), ("short.wav", 0.0, np.inf), ("a.flac", 1.0, 6.0))
    with caplog.at_level(logging.WARNING, "esc_features"):
        first = Waveform().transform(clips)
        Waveform().transform(clips)
    assert first.shape == (3, 80000)
    assert not first[1, 3200:].any() and first[1, :3200].any()
    (record,) = caplog.records
    assert "1 of 3 clips are longer than duration=5.0 s of Waveform and are cut" in record.getMessage()
    assert "long.wav" in record.getMessage()
    with caplog.at_level(logging.WARNING, "esc_features"):
        Waveform(duration=2.0).transform(clips)
    assert "duration=2.0 s" in caplog.records[1].getMessage()


def test_what_is_not_cut_is_not_said(folder, caplog, monkeypatch):
    monkeypatch.setattr(_base, "_warned_of", set())
    with caplog.at_level(logging.WARNING, "esc_features"):
        Waveform(duration=10.0).transform([folder / "a.flac", folder / "short.wav"])
    assert caplog.records == []


class TestRates:
    @pytest.mark.parametrize("rate", [8000, 22050, 48000])
    def test_waveforms_that_say_their_rate_are_resampled_as_recordings_are(self, tmp_path, rate):
        sounds = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 3 * rate)).astype(np.float32)
        paths = [tmp_path / "0.wav", tmp_path / "1.wav"]
        for path, sound in zip(paths, sounds, strict=True):
            soundfile.write(path, sound, rate, subtype="FLOAT")
        feature = MelSpectrogram(duration=2.0)
        expected = feature.transform(paths)
        np.testing.assert_array_equal(feature.transform(sounds, sampling_rate=rate), expected)
        assert not np.array_equal(feature.transform(sounds), expected)

    def test_the_same_rate_changes_nothing(self):
        sounds = np.random.default_rng(1).uniform(-0.5, 0.5, (2, 80000)).astype(np.float32)
        np.testing.assert_array_equal(
            MelSpectrogram().transform(sounds, sampling_rate=16000), MelSpectrogram().transform(sounds)
        )

    @pytest.mark.parametrize("rate", [0, -1, "16k", float("nan"), True])
    def test_impossible_rates(self, rate):
        with pytest.raises(ValueError, match="sampling_rate must be a number of at least 1"):
            MelSpectrogram().transform(np.zeros((1, 100)), sampling_rate=rate)

    def test_recordings_know_their_own(self, folder):
        with pytest.raises(ValueError, match="sampling_rate is for waveforms"):
            MelSpectrogram().transform([folder / "a.flac"], sampling_rate=16000)

    def test_stored_waveforms_of_another_rate_are_refused(self, tiny_store):
        with pytest.raises(ValueError, match=r"16000 Hz, but MFCCStatistics\(\) takes 44100 Hz.*store.audio"):
            make_pipeline(MFCCStatistics(), LogisticRegression()).fit(tiny_store["waveform"], tiny_store.y)

    def test_stored_waveforms_of_the_same_rate_give_what_was_stored(self, tiny_store):
        X = tiny_store["waveform"]
        np.testing.assert_array_equal(MelSpectrogram().transform(X), tiny_store["mel"].to_numpy())
        np.testing.assert_array_equal(MelSpectrogram().transform(X[[7, 3]]), tiny_store["mel"][[7, 3]].to_numpy())

    def test_stored_waveforms_are_cut_to_a_shorter_duration(self, tiny_store):
        X = tiny_store["waveform"][:3]
        np.testing.assert_array_equal(
            MelSpectrogram(duration=3.0).transform(X), MelSpectrogram(duration=3.0).transform(X.to_numpy())
        )

    @pytest.mark.parametrize("name, message", [("mfcc", "X is another feature"), ("mel", "but X has the shape")])
    def test_other_features_are_no_waveforms(self, tiny_store, name, message):
        with pytest.raises(ValueError, match=message):
            MelSpectrogram().transform(tiny_store[name])


class TestLeaks:
    """A feature remembers the recordings that it was fitted on."""

    @pytest.fixture
    def halves(self, tiny_store):
        # Clips of one source on both sides, all in folds that were fitted on.
        audio = open_store(tiny_store.path).audio
        sources = audio.sources
        shared = next(source for source in sources if (sources == source).sum() > 1)
        test = np.flatnonzero(sources == shared)[:1]
        return audio[np.setdiff1d(np.arange(len(audio)), test)], audio[test]

    @pytest.mark.parametrize("of", ["recordings", "waveforms"])
    def test_other_clips_of_the_same_recordings_are_noticed(self, tiny_store, halves, of):
        train, test = halves
        if of == "waveforms":
            train, test = (Waveform().transform(X) for X in halves)
        feature = MelSpectrogram().fit(train)
        with pytest.warns(SourceLeakWarning, match="MelSpectrogram"):
            feature.transform(test)

    def test_the_same_clips_and_other_folds_are_not(self, tiny_store, halves):
        audio = tiny_store.audio
        feature = MelSpectrogram().fit(audio[audio.folds != 1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            feature.transform(audio[audio.folds == 1])
            feature.transform(audio[audio.folds != 1])

    def test_other_inputs_are_forgotten(self, halves, folder):
        feature = MelSpectrogram().fit(halves[0]).fit([folder / "a.flac"])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            feature.transform(halves[1])


class TestDefinedHere:
    """What no store could describe computes all the same."""

    def test_a_function(self, folder):
        feature = as_feature(FunctionTransformer(np.abs))
        np.testing.assert_array_equal(
            feature.transform([folder / "a.flac"]), np.abs(Waveform().transform([folder / "a.flac"]))
        )
        with pytest.raises(ValueError, match="can be computed but not stored"):
            feature.fingerprint()

    def test_a_class_of_a_function(self, folder):
        class Loudness(Feature):
            def __init__(self, sample_rate=16000, duration=5.0, dtype="float32"):
                self.sample_rate, self.duration, self.dtype = sample_rate, duration, dtype

            def output_shape(self):
                return (1,)

            def compute(self, waveforms):
                return np.square(waveforms).mean(axis=1, keepdims=True).astype(self.dtype)

        assert Loudness().transform([folder / "a.flac", folder / "b.wav"]).shape == (2, 1)
        with pytest.raises(ValueError, match="can be computed but not stored"):
            Loudness().fingerprint()
