"""Each window is a clip of its own, whatever the length of its recording and however many are computed at a time."""

import warnings

import joblib
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from esc_features import MFCCStatistics, load_model, predict_windows, save_model
from esc_features.deployment._predict_windows import read_chunks
from esc_features.deployment._segments import Segment
from esc_features.exceptions import AudioError, ModelError
from esc_features.preprocessing import Standardizer


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Recordings of several lengths, rates, channels and formats."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(1)
    for name, seconds, rate, channels in (
        ("long.wav", 31.3, 44100, 1),
        ("stereo.flac", 4.0, 22050, 2),
        ("short.wav", 0.2, 16000, 1),
        ("deep/whole.wav", 1.0, 16000, 1),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        noise = rng.normal(0, 0.1, (round(seconds * rate), channels))
        noise *= np.linspace(0.1, 2, len(noise))[:, np.newaxis]
        soundfile.write(folder / name, noise.clip(-1, 1), rate, subtype="PCM_16")
    return folder


def expected(model, path, hop, duration=0.5, rate=16000):
    """The definition: each window loaded by librosa as a clip, padded with silence."""
    length, windows = librosa.get_duration(path=path), []
    start = 0.0
    while True:
        waveform, _ = librosa.load(path, sr=rate, offset=start, duration=duration)
        windows.append(
            (
                start,
                min(start + duration, length),
                np.pad(waveform, (0, round(duration * rate)))[: round(duration * rate)],
            )
        )
        if start + duration >= length:
            break
        start = len(windows) * hop
    starts, ends, waveforms = zip(*windows, strict=True)
    return starts, ends, model.predict_proba(np.stack(waveforms))


@pytest.mark.slow
@pytest.mark.parametrize("hop", [None, 0.5, 0.2])
def test_a_window_is_heard_as_a_clip_of_its_own(small_net, recordings, hop):
    files = [str(recordings / name) for name in ("long.wav", "stereo.flac", "short.wav", "deep/whole.wav")]
    frame = predict_windows(small_net, files, hop=hop)
    assert list(frame.columns) == ["filename", "start", "end", "cat", "dog"]
    assert frame["cat"].dtype == np.float32
    assert list(dict.fromkeys(frame["filename"])) == files
    for file in files:
        rows = frame[frame["filename"] == file]
        starts, ends, probabilities = expected(small_net, file, hop or 0.5)
        np.testing.assert_allclose(rows["start"], starts)
        np.testing.assert_allclose(rows["end"], ends, atol=1e-4)
        # The batch is another one: a network's sums come in another order.
        np.testing.assert_allclose(rows[["cat", "dog"]], probabilities, atol=1e-6)


def test_the_waveforms_are_those_of_librosa_bit_for_bit(recordings):
    heard = []

    class Listener:
        classes_ = np.array(["a", "b"])
        feature = MFCCStatistics(sample_rate=16000, duration=0.5)

        def get_params(self, deep=False):
            return {"feature": self.feature}

        def predict_proba(self, X):
            heard.append(X)
            return np.full((len(X), 2), 0.5)

    predict_windows(Listener(), [recordings / "long.wav"], hop=0.3)
    waveforms = np.concatenate(heard)
    for number in (0, 1, 50, len(waveforms) - 2):
        clip, _ = librosa.load(recordings / "long.wav", sr=16000, offset=number * 0.3, duration=0.5)
        np.testing.assert_array_equal(waveforms[number], clip)


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_any_number_of_jobs_gives_the_same_bits(small_net, recordings, backend):
    alone = predict_windows(small_net, [recordings / "long.wav"], hop=0.1)
    with joblib.parallel_config(backend):
        pd.testing.assert_frame_equal(predict_windows(small_net, [recordings / "long.wav"], hop=0.1, n_jobs=2), alone)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bits(small_net, recordings):
    distributed = pytest.importorskip("distributed")
    alone = predict_windows(small_net, [recordings / "long.wav"], hop=0.2)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        pd.testing.assert_frame_equal(predict_windows(small_net, [recordings / "long.wav"], hop=0.2, n_jobs=2), alone)


@pytest.mark.slow
def test_a_recording_is_opened_once_and_no_more_is_held_than_a_few_chunks(small_net, recordings, monkeypatch):
    from esc_features.deployment import _predict_windows as module

    opened, alive, most = [], [], []
    original = module.OpenRecording

    class Counted(original):
        def __init__(self, path):
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(module, "OpenRecording", Counted)
    compute = module._compute
    monkeypatch.setattr(module, "_compute", lambda *a: (most.append(len(alive)), alive.clear(), compute(*a))[-1])
    read = module.read_chunks
    monkeypatch.setattr(module, "read_chunks", lambda *a: (alive.append(chunk) or chunk for chunk in read(*a)))
    predict_windows(small_net, [recordings / "long.wav"], hop=0.05)
    assert len(opened) == 1
    assert len(most) > 15
    assert max(most) <= 3


@settings(max_examples=60, deadline=None)
@given(samples=st.integers(1, 3000), duration=st.integers(1, 1000), hop=st.integers(1, 1500))
def test_windows_cover_a_recording_and_no_more(samples, duration, hop, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "covered.wav"
    soundfile.write(path, np.full(samples, 0.1), 1000)
    chunks = read_chunks([Segment("a", str(path))], duration / 1000, hop / 1000)
    windows = [window for chunk in chunks for window in zip(chunk.start, chunk.end, chunk.recordings, strict=True)]
    starts = np.round([start * 1000 for start, _, _ in windows]).astype(int)
    assert starts.tolist() == list(range(0, hop * len(windows), hop))
    # The last window is the first that reaches the end, or the last that begins before it.
    reaching = [start for start in range(0, samples, hop) if start + duration >= samples]
    assert starts[-1] == (reaching[0] if reaching else max(range(0, samples, hop)))
    for start, (_, end, recording) in zip(starts, windows, strict=True):
        # A start is a time: librosa rounds it down to a sample.
        assert min(duration, samples - start) <= len(recording.mono) <= min(duration, samples - start + 1)
        assert end * 1000 == pytest.approx(min(start + duration, samples))


def test_rows_of_a_clip_table_are_heard_from_start_to_end(small_net, recordings):
    table = pd.DataFrame(
        {
            "filename": ["long.wav", "long.wav", "deep/whole.wav"],
            "start": [2.0, 10.0, 0.0],
            "end": [3.2, 10.3, np.inf],
            "path": [recordings / "long.wav", recordings / "long.wav", recordings / "deep/whole.wav"],
        }
    )
    frame = predict_windows(small_net, table)
    times = list(frame[["filename", "start", "end"]].itertuples(index=False, name=None))
    assert times == [
        ("long.wav", 2.0, 2.5),
        ("long.wav", 2.5, 3.0),
        ("long.wav", 3.0, 3.2),
        ("long.wav", 10.0, 10.3),
        ("deep/whole.wav", 0.0, 0.5),
        ("deep/whole.wav", 0.5, 1.0),
    ]
    clip, _ = librosa.load(recordings / "long.wav", sr=16000, offset=10, duration=0.3)
    short = small_net.predict_proba(np.pad(clip, (0, 8000 - len(clip)))[np.newaxis])
    np.testing.assert_allclose(frame.iloc[3, 3:].astype(float), short[0], atol=1e-6)


def test_folders_patterns_and_single_paths_are_taken(small_net, recordings):
    (recordings / "notes.txt").write_text("no recording")
    names = lambda frame: sorted(frame["filename"].str.removeprefix(f"{recordings}/").unique())  # noqa: E731
    assert names(predict_windows(small_net, recordings)) == ["deep/whole.wav", "long.wav", "short.wav", "stereo.flac"]
    assert names(predict_windows(small_net, f"{recordings}/*.wav")) == ["long.wav", "short.wav"]
    twice = [recordings / "short.wav", str(recordings / "short.wav")]
    assert len(predict_windows(small_net, twice)) == 1
    with pytest.raises(ValueError, match="No file matches"):
        predict_windows(small_net, f"{recordings}/*.mp3")
    with pytest.raises(ValueError, match="No recordings were given"):
        predict_windows(small_net, [])
    with pytest.raises(TypeError, match="not a int"):
        predict_windows(small_net, [3])


@pytest.mark.parametrize("hop", [0, -1, float("nan"), float("inf")])
def test_a_hop_that_makes_no_sense_is_refused(small_net, recordings, hop):
    with pytest.raises(ValueError, match="hop must be a number of seconds above 0"):
        predict_windows(small_net, recordings, hop=hop)


def test_a_broken_recording_is_named_and_the_others_are_heard(small_net, recordings, tmp_path):
    content = (recordings / "long.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) // 2])
    nan = np.zeros(16000 * 3, np.float32)
    nan[40000] = np.nan
    soundfile.write(tmp_path / "nan.wav", nan, 16000, subtype="FLOAT")
    files = [
        recordings / "short.wav",
        tmp_path / "cut.wav",
        tmp_path / "nan.wav",
        tmp_path / "none.wav",
        recordings / "stereo.flac",
    ]
    with pytest.warns(UserWarning, match="3 of 5 recordings cannot be read"):
        frame = predict_windows(small_net, files)
    good = predict_windows(small_net, [files[0], files[-1]])
    pd.testing.assert_frame_equal(frame, good, atol=1e-6)
    assert set(frame.attrs["failures"]) == {str(file) for file in files[1:4]}
    assert "is cut short" in frame.attrs["failures"][str(files[1])]
    assert "NaN" in frame.attrs["failures"][str(files[2])]
    with pytest.raises(AudioError, match="None of the recordings can be read"):
        predict_windows(small_net, files[1:4])


def test_a_model_without_a_feature_or_with_two_kinds_of_clips_says_so(recordings, waveforms, labels):
    with pytest.raises(ModelError, match="does not start with a feature"):
        predict_windows(make_pipeline(Standardizer(), LogisticRegression()), recordings)
    from sklearn.ensemble import VotingClassifier

    both = VotingClassifier(
        [
            (f"{s}", make_pipeline(MFCCStatistics(sample_rate=16000, duration=s), LogisticRegression()))
            for s in (0.5, 1.0)
        ]
    )
    with pytest.raises(ModelError, match=r"0\.5 s at 16000 Hz, 1 s at 16000 Hz"):
        predict_windows(both, recordings)


def mfcc():
    return MFCCStatistics(sample_rate=16000, duration=0.5)


def test_a_model_without_probabilities_gives_zeros_and_ones(recordings, waveforms, labels):
    model = make_pipeline(mfcc(), SVC(kernel="linear")).fit(waveforms, labels)
    values = predict_windows(model, recordings / "stereo.flac")[["cat", "dog"]].to_numpy()
    assert set(values.ravel()) <= {0, 1}
    assert (values.sum(axis=1) == 1).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "head",
    [
        OneVsRestClassifier(LogisticRegression()),
        RandomForestClassifier(5, random_state=0),
        MLPClassifier((4,), max_iter=3, random_state=0),
    ],
    ids=["one vs rest", "forest", "perceptron"],
)
def test_several_labels_give_a_probability_each(recordings, waveforms, tmp_path, head):
    several = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]] * 2, np.int8)
    model = make_pipeline(mfcc(), head).fit(waveforms, several)
    card = save_model(model, tmp_path / "m.esc", categories=["cat", "dog", "rain"])
    assert card.several_labels
    assert "may have several" in card.text()
    loaded = load_model(tmp_path / "m.esc")
    frame = predict_windows(loaded, recordings / "stereo.flac")
    assert list(frame.columns[3:]) == ["cat", "dog", "rain"]
    clip, _ = librosa.load(recordings / "stereo.flac", sr=16000, duration=0.5)
    probabilities = model.predict_proba(clip[np.newaxis])
    if isinstance(probabilities, list):
        probabilities = np.stack([pair[:, 1] for pair in probabilities], axis=1)
    np.testing.assert_allclose(frame.iloc[0, 3:].astype(float), probabilities[0], atol=1e-6)


def test_the_bar_says_how_fast_it_goes(small_net, recordings, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predict_windows(small_net, recordings / "long.wav", hop=0.3, verbose=True)
    said = capsys.readouterr().err
    assert "31 s done, " in said
    assert "x real time" in said
    assert "100%" in said
    predict_windows(small_net, recordings / "long.wav", hop=0.3)
    assert capsys.readouterr() == ("", "")
