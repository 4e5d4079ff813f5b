"""The mel spectrogram: librosa's numbers."""

from concurrent.futures import ThreadPoolExecutor

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features.features import MelSpectrogram, _spectra

RNG = np.random.default_rng(3)
TIME = np.arange(80000) / 16000
SOUNDS = {
    "noise": RNG.normal(0, 0.1, 80000),
    "sine": np.sin(2 * np.pi * 440 * TIME),
    "sine over a faint floor": np.sin(2 * np.pi * 1234.5 * TIME) + RNG.normal(0, 1e-4, 80000),
    "rumble over a faint floor": np.sin(2 * np.pi * 20 * TIME) + RNG.normal(0, 3e-5, 80000),
    "chirp": np.sin(2 * np.pi * (100 * TIME + 700 * TIME**2)),
    "click": np.eye(1, 80000, 30000)[0],
    "offset": np.ones(80000) + RNG.normal(0, 1e-3, 80000),
    "half silent": np.where(TIME < 2.5, RNG.normal(0, 0.1, 80000), 0),
    "very quiet": RNG.normal(0, 1e-6, 80000),
    "very loud": RNG.normal(0, 1e4, 80000),
    "silence": np.zeros(80000),
}


def librosa_mel(y, ref=np.max, top_db=80.0, sr=16000, fmax=8000, **options):
    power = librosa.feature.melspectrogram(y=y, sr=sr, fmax=fmax, **options)
    return librosa.power_to_db(power, ref=ref, top_db=top_db)


@pytest.mark.parametrize("kind", SOUNDS)
def test_equals_librosa_within_a_thousandth_of_a_decibel(kind):
    y = SOUNDS[kind].astype(np.float32)
    computed = MelSpectrogram().transform(y[np.newaxis])
    assert computed.shape == (1, 128, 157) and computed.dtype == np.float32
    assert np.abs(computed[0] - librosa_mel(y, n_mels=128)).max() < 1e-3


def test_real_recordings_equal_librosa(esc10_folder):
    paths = sorted((esc10_folder / "audio").glob("*.wav"))[::10]
    # In single precision throughout, this one is off by 0.0016 dB.
    paths += (esc10_folder / "audio").glob("4-164064-B-1.wav")
    for path, computed in zip(paths, MelSpectrogram().transform(paths), strict=True):
        y = librosa.load(path, sr=16000, duration=5.0)[0]
        expected = librosa_mel(librosa.util.fix_length(y, size=80000), n_mels=128)
        assert np.abs(computed - expected).max() < 1e-3, path.name


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ({"n_mels": 64, "hop_length": 160, "n_fft": 400}, {"n_mels": 64, "hop_length": 160, "n_fft": 400}),
        ({"fmin": 300, "fmax": 3400.5}, {"fmin": 300, "fmax": 3400.5}),
        ({"hop_length": 128}, {"hop_length": 128}),  # more frames than are transformed at a time
        ({"fmax": None}, {"fmax": None}),
        ({"n_fft": 1001, "hop_length": 333}, {"n_fft": 1001, "hop_length": 333}),
        ({"reference": 1.0}, {"ref": 1.0}),
        ({"reference": 1e-3, "top_db": 40}, {"ref": 1e-3, "top_db": 40}),
        ({"top_db": None}, {"top_db": None}),
        ({"reference": 1.0, "top_db": None}, {"ref": 1.0, "top_db": None}),
        ({"sample_rate": 22050, "fmax": 11025.0, "duration": 2.2}, {"sr": 22050, "fmax": 11025.0}),
        ({"n_fft": 512, "n_mels": 256}, {"n_fft": 512, "n_mels": 256}),  # filters between two bins are empty
    ],
)
@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize("kind", ["chirp", "half silent", "sine over a faint floor"])
def test_other_parameters_equal_librosa(ours, theirs, kind):
    feature = MelSpectrogram(**ours)
    y = SOUNDS[kind].astype(np.float32)[: feature.waveform().n_samples]
    expected = librosa_mel(y, **({"n_mels": 128} | theirs))
    computed = feature.transform(y[np.newaxis])[0]
    assert computed.shape == expected.shape == feature.output_shape()
    assert np.abs(computed - expected).max() < 1e-3


@pytest.mark.parametrize(
    "setting",
    [(16000, 2048, 128, 0.0, 8000.0), (44100, 2048, 128, 0.0, 22050.0), (22050, 1001, 40, 50.0, 9000.0)],
)
def test_filters_equal_librosa(setting):
    sample_rate, n_fft, n_mels, fmin, fmax = setting
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    computed = _spectra.mel_filterbank(*setting)
    assert computed.dtype == np.float32
    np.testing.assert_allclose(computed, expected, rtol=1e-5, atol=1e-9)


def test_silence_is_zero_decibels_as_in_librosa():
    assert not MelSpectrogram().transform(np.zeros((2, 80000))).any()


def test_what_top_db_raises_is_not_computed_in_double_precision(monkeypatch):
    frames = []
    original = _spectra._power
    monkeypatch.setattr(
        _spectra, "_power", lambda block, window: frames.append((len(block), window.dtype)) or original(block, window)
    )
    counts = []
    for top_db in (80.0, None):
        frames.clear()
        MelSpectrogram(top_db=top_db).transform(SOUNDS["sine over a faint floor"][np.newaxis])
        counts.append(sum(number for number, dtype in frames if dtype == np.float64))
    assert counts[0] < 10 < 100 < counts[1]


def test_the_same_bits_however_clips_are_grouped():
    sounds = np.array(list(SOUNDS.values()), np.float32)
    feature = MelSpectrogram()
    together = feature.compute(sounds)
    for i in range(len(sounds)):
        np.testing.assert_array_equal(feature.compute(sounds[i : i + 1])[0], together[i])
    np.testing.assert_array_equal(feature.compute(sounds[::-1])[::-1], together)


@pytest.mark.slow
def test_the_same_bits_in_threads():
    sounds = np.array(list(SOUNDS.values()), np.float32)
    features = [MelSpectrogram(), MelSpectrogram(n_mels=40), MelSpectrogram(hop_length=400)]
    expected = [feature.compute(sounds) for feature in features]
    with ThreadPoolExecutor(4) as pool:
        jobs = [(i, pool.submit(features[i].compute, sounds)) for _ in range(4) for i in range(3)]
        for i, job in jobs:
            np.testing.assert_array_equal(job.result(), expected[i])


def test_float16_is_the_rounded_float32():
    y = SOUNDS["chirp"].astype(np.float32)[np.newaxis]
    np.testing.assert_array_equal(
        MelSpectrogram(dtype="float16").transform(y), MelSpectrogram().transform(y).astype(np.float16)
    )


def test_paths_and_waveforms_agree(tmp_path):
    samples = (SOUNDS["chirp"] * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    np.testing.assert_array_equal(
        MelSpectrogram().transform([tmp_path / "a.wav"]), MelSpectrogram().transform([samples / 32768.0])
    )


def test_one_window_may_be_the_whole_clip():
    feature = MelSpectrogram(duration=0.125, n_fft=2000, hop_length=2000, n_mels=16)
    assert feature.transform(np.zeros((1, 2000))).shape == (1, 16, 2)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_fft": 1}, "n_fft must be a whole number of at least 2"),
        ({"n_fft": 2048.5}, "n_fft must be a whole number"),
        ({"n_fft": 100000}, "n_fft=100000 is longer than the waveform"),
        ({"hop_length": 0}, "hop_length must be .* at least 1, not 0"),
        ({"n_mels": True}, "n_mels must be a whole number"),
        ({"fmax": 9000}, "fmax=9000 Hz is above half of sample_rate=16000"),
        ({"fmin": -1}, "fmin must be"),
        ({"fmin": 8000}, "fmin=8000 Hz must be below"),
        ({"reference": "mean"}, "reference must be 'max' or a number"),
        ({"reference": 0}, "reference must be a number above 0"),
        ({"top_db": -1}, "top_db must be a number of at least 0"),
        ({"top_db": float("nan")}, "top_db must be"),
        ({"sample_rate": 0}, "sample_rate must be"),
        ({"sample_rate": "16k"}, "sample_rate must be a whole number"),
        ({"duration": -5}, "duration must be a number above 0"),
        ({"duration": 1e-9}, "is not one sample"),
        ({"dtype": "int16"}, "dtype must be one of float32, float16, not 'int16'"),
        ({"dtype": "float"}, "dtype must be"),
        ({"dtype": "nonsense"}, "dtype must be"),
    ],
)
def test_parameters_are_checked_when_used_and_not_before(parameters, message):
    feature = MelSpectrogram(**parameters)
    with pytest.raises(ValueError, match=message):
        feature.transform(np.zeros((1, 80000)))


def test_compute_refuses_waveforms_of_another_length():
    with pytest.raises(ValueError, match=r"shape \(n, 80000\)"):
        MelSpectrogram().compute(np.zeros((1, 100), np.float32))


@st.composite
def cases(draw):
    """Parameters that make sense together, and a sound with quiet parts in it."""
    sample_rate = draw(st.sampled_from([8000, 16000, 22050, 44100]))
    n_fft = draw(st.integers(64, 1500))
    fmin = draw(st.floats(0, sample_rate / 8))
    fmax = draw(st.floats(sample_rate / 4, sample_rate / 2))
    feature = MelSpectrogram(
        sample_rate,
        duration=draw(st.floats(0.2, 0.6)),
        n_fft=n_fft,
        hop_length=draw(st.integers(n_fft // 8 + 1, 2 * n_fft)),
        n_mels=draw(st.integers(1, 80)),
        fmin=fmin,
        fmax=fmax,
        reference=draw(st.sampled_from(["max", 1.0, 1e-4])),
        top_db=draw(st.sampled_from([None, 80.0, 30.0])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    sound = rng.normal(0, 10 ** draw(st.floats(-4, 0)), feature.waveform().n_samples)
    return feature, (sound * np.linspace(0, 1, len(sound)) ** draw(st.integers(0, 4))).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Empty filters")
@settings(max_examples=60, deadline=None)
@given(cases())
def test_any_parameters_equal_librosa(case):
    feature, y = case
    expected = librosa_mel(
        y,
        np.max if feature.reference == "max" else feature.reference,
        feature.top_db,
        feature.sample_rate,
        feature.fmax,
        fmin=feature.fmin,
        n_fft=feature.n_fft,
        hop_length=feature.hop_length,
        n_mels=feature.n_mels,
    )
    computed = feature.transform(y[np.newaxis])[0]
    assert computed.shape == expected.shape == feature.output_shape()
    assert np.abs(computed - expected).max() < 1e-3
