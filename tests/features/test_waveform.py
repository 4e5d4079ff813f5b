"""The waveform: librosa's, bit for bit, of a fixed length."""

import librosa
import numpy as np
import pytest
import soundfile

from esc_features.audio import Note, Recording, WaveformSpec, describe_notes, read_recording
from esc_features.features import Waveform

SOUND = np.random.default_rng(1).uniform(-1, 1, 48000 * 6).astype(np.float32)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("file_rate, seconds", [(44100, 5), (16000, 2.3), (48000, 6), (11025, 5.5)])
def test_equals_librosa(tmp_path, sample_rate, file_rate, seconds):
    path = tmp_path / "clip.wav"
    soundfile.write(path, SOUND[: int(file_rate * seconds)], file_rate)
    waveform = Waveform(sample_rate=sample_rate).transform([path])[0]
    expected = librosa.load(path, sr=sample_rate, duration=5.0)[0]
    np.testing.assert_array_equal(waveform, librosa.util.fix_length(expected, size=5 * sample_rate))


def test_real_recordings_equal_librosa(esc10_folder):
    paths = sorted((esc10_folder / "audio").glob("*.wav"))[::25]
    for path, waveform in zip(paths, Waveform().transform(paths), strict=True):
        expected = librosa.load(path, sr=16000, duration=5.0)[0]
        np.testing.assert_array_equal(waveform, librosa.util.fix_length(expected, size=80000))


def test_a_recording_decoded_for_longer_gives_the_same(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, SOUND, 48000)
    short, whole = (
        WaveformSpec(16000, 2.0).waveform_of(read_recording(path, duration=seconds)) for seconds in (2.0, None)
    )
    np.testing.assert_array_equal(short[0], whole[0])
    assert short[1] == whole[1] == Note.CUT | Note.RESAMPLED


def test_a_recording_decoded_for_less_is_refused(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, SOUND, 48000)
    with pytest.raises(ValueError, match="decoded for less than duration=5"):
        WaveformSpec(16000, 5.0).waveform_of(read_recording(path, duration=1.0))


def test_int16_is_rounded_and_clipped():
    samples = np.array([[0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 0.6 / 32768, 0.4 / 32768]], np.float32)
    stored = Waveform(sample_rate=9, duration=1.0, dtype="int16").transform(samples)
    assert stored.dtype == np.int16
    assert stored.tolist() == [[0, 16384, -16384, 32767, -32768, 32767, -32768, 1, 0]]


def test_int16_keeps_a_16_bit_recording_exactly(tmp_path):
    samples = np.random.default_rng(2).integers(-32768, 32768, 16000).astype(np.int16)
    soundfile.write(tmp_path / "clip.wav", samples, 16000)
    stored = Waveform(duration=1.0, dtype="int16").transform([tmp_path / "clip.wav"])
    np.testing.assert_array_equal(stored[0], samples)


def test_float16():
    samples = SOUND[:100].reshape(2, 50)
    stored = Waveform(sample_rate=50, duration=1.0, dtype="float16").transform(samples)
    np.testing.assert_array_equal(stored, samples.astype(np.float16))


def test_output_does_not_share_memory_with_the_input():
    samples = SOUND[:80000].reshape(1, -1)
    computed = Waveform().transform(samples)
    computed[:] = 7
    assert samples.max() <= 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16"])
def test_its_waveform_is_its_float32_self(dtype):
    assert Waveform(8000, 2.0, dtype).waveform() == WaveformSpec(8000, 2.0)
    assert Waveform.of(WaveformSpec(8000, 2.0)).get_params() == Waveform(8000, 2.0).get_params()


def test_notes_in_words():
    assert describe_notes(0) == ""
    assert describe_notes(Note.RESAMPLED | Note.PADDED) == "resampled, padded"
    assert describe_notes(np.int64(Note.MIXED_DOWN)) == "mixed down"


@pytest.mark.parametrize(
    "samples, clipped",
    [
        ([0, 1, 1, 1, 0.5], True),
        ([0, 1, 1, 0.5, 1, 1], False),
        ([0, 1, 0.5, 1, 0.2, 1], False),
        ([0, -1, -1, -1, 0.5], True),
        ([0, 0.5, -1, -1, 0.5], False),
        ([0, 0.98, 0.98, 0.98], False),
        ([0.3, 1, 1, -1, -1, -0.999], False),
    ],
)
def test_three_equal_samples_at_full_scale_are_clipped(samples, clipped):
    recording = Recording(np.array(samples, np.float32), 10, 1, len(samples), 0)
    notes = WaveformSpec(10, len(samples) / 10).waveform_of(recording)[1]
    assert Note(notes) == (Note.CLIPPED if clipped else Note(0))


@pytest.mark.parametrize("duration", [0.7, 0.55555, 1.23456, 2 / 3])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_duration_that_is_no_whole_number_of_samples_is_cut_as_librosa_cuts_it(tmp_path, duration, subtype):
    path = tmp_path / "clip.wav"
    soundfile.write(path, SOUND, 44100, subtype=subtype)
    expected = librosa.load(path, sr=None, duration=duration)[0]
    np.testing.assert_array_equal(read_recording(path, duration=duration).mono, expected)
    resampled = librosa.load(path, sr=16000, duration=duration)[0]
    waveform = Waveform(duration=duration).transform([path])[0]
    np.testing.assert_array_equal(waveform, librosa.util.fix_length(resampled, size=round(duration * 16000)))
