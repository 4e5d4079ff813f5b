"""Stretches of recordings: librosa's samples, in any order, opened and decoded once, in memory that stays the same."""

import math
import os
import struct
import tracemalloc
import zlib

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esc_features.audio import (
    Note,
    OpenRecording,
    RecordingReader,
    WaveformSpec,
    _decoding,
    _source,
    file_digest,
    read_recording,
    recording_duration,
)
from esc_features.exceptions import AudioError

RATE = 8000
SECONDS = 6
NOISE = np.random.default_rng(5).uniform(-0.6, 0.6, (SECONDS * RATE, 2))
LOSSLESS = [
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("RF64", "PCM_16"),
]
LOSSY = [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "GSM610")]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A file of each coding, and the samples of the whole of it."""
    folder = tmp_path_factory.mktemp("sounds")
    made = {}
    for container, subtype in LOSSLESS + LOSSY:
        path = folder / f"{container} {subtype}"
        samples = NOISE[:, 0] if subtype == "GSM610" else NOISE
        soundfile.write(path, samples, RATE, format=container, subtype=subtype)
        with soundfile.SoundFile(path) as file:  # soundfile.read would seek first, which MP3 feels
            made[container, subtype] = path, file.read(file.frames, dtype="float32", always_2d=True).mean(axis=1)
    return made


seconds = st.floats(0, SECONDS - 0.01)
stretches = st.lists(st.tuples(seconds, st.floats(0.001, SECONDS)), min_size=1, max_size=6)
unhurried = settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("coding", LOSSLESS, ids=" ".join)
@given(wanted=stretches)
@unhurried
def test_stretches_in_any_order_equal_librosa(sounds, coding, wanted):
    path, _ = sounds[coding]
    with OpenRecording(path) as recording:
        for start, length in wanted:
            end = min(start + length, SECONDS)
            if int((end - start) * RATE) < 1:
                continue
            mono = recording.read(start, end).mono
            np.testing.assert_array_equal(mono, librosa.load(path, sr=None, offset=start, duration=end - start)[0])


@pytest.mark.parametrize("coding", LOSSLESS + LOSSY, ids=" ".join)
@given(wanted=stretches)
@unhurried
def test_stretches_in_any_order_are_those_of_the_whole(sounds, coding, wanted):
    path, whole = sounds[coding]
    with OpenRecording(path) as recording:
        for start, length in wanted:
            first, count = int(start * RATE), int(length * RATE)
            if count:
                mono = recording.read(start, duration=length).mono
                np.testing.assert_array_equal(mono, whole[first : first + count])


@pytest.mark.parametrize("coding", LOSSLESS, ids=" ".join)
@pytest.mark.parametrize("rate", [RATE, 16000, 5000])
def test_a_window_is_resampled_as_a_file_of_its_own(sounds, tmp_path, coding, rate):
    path, whole = sounds[coding]
    window = whole[int(1.25 * RATE) : int(3.25 * RATE)]
    soundfile.write(tmp_path / "window.wav", window, RATE, subtype="FLOAT")
    spec = WaveformSpec(rate, 2.0)
    waveform, notes = spec.waveform_of(read_recording(path, 1.25, 3.25))
    np.testing.assert_array_equal(waveform, spec.waveform_of(read_recording(tmp_path / "window.wav"))[0])
    np.testing.assert_array_equal(waveform, librosa.load(path, sr=rate, offset=1.25, duration=2.0)[0])
    assert notes == Note.MIXED_DOWN | (Note.RESAMPLED if rate != RATE else 0)


@pytest.mark.parametrize(
    "start, end, duration, notes",
    [
        (0.0, math.inf, 5.0, Note.CUT),
        (0.0, math.inf, 6.0, 0),
        (0.0, math.inf, 7.0, Note.PADDED),
        (2.0, math.inf, 4.0, 0),
        (2.0, math.inf, 4.5, Note.PADDED),
        (1.0, 1.2, 1.0, Note.PADDED),
        (1.0, 4.0, 1.0, Note.CUT),
        (0.1 * 3, 0.1 * 3 + 3, 3.0, 0),  # 3 s but for the last digit
        (0.4, 0.7, 0.3, 0),  # one sample less than 0.3 s, as floats are
        (0.4, 0.6999, 0.3, Note.PADDED),
    ],
)
def test_what_is_cut_and_padded_is_noted(sounds, start, end, duration, notes):
    recording = read_recording(sounds["WAV", "PCM_16"][0], start, end, duration)
    waveform, found = WaveformSpec(RATE, duration).waveform_of(recording)
    assert Note(found) == Note(notes) | Note.MIXED_DOWN
    assert waveform.shape == (round(duration * RATE),)
    assert (recording.start, recording.end, recording.samples) == (start, end, SECONDS * RATE)


@pytest.mark.parametrize(
    "start, end, message",
    [
        (6.0, math.inf, "is 6 s long and has no segment from 6 to inf s"),
        (100.0, 103.0, "is 6 s long and has no segment from 100 to 103 s"),
        (4.0, 7.0, "is 6 s long and has no segment from 4 to 7 s"),
        (3.0, 2.0, "from 3.0 to 2.0 s is not a segment"),
        (3.0, 3.0, "is not a segment"),
        (-1.0, 2.0, "is not a segment"),
        (math.nan, 2.0, "is not a segment"),
        (1.0, math.nan, "is not a segment"),
        (math.inf, math.inf, "is not a segment"),
        (1.0, 1.00001, "has no sample"),
    ],
)
@pytest.mark.parametrize("coding", [("WAV", "PCM_16"), ("FLAC", "PCM_16")], ids=" ".join)
def test_stretches_that_are_not_there_are_named(sounds, coding, start, end, message):
    path, _ = sounds[coding]
    with pytest.raises(AudioError, match=message) as error:
        read_recording(path, start, end)
    assert repr(str(path)) in str(error.value)


def test_an_end_may_be_rounded_up_by_a_hundredth(sounds):
    path, whole = sounds["FLAC", "PCM_16"]
    np.testing.assert_array_equal(read_recording(path, 5.0, 6.009).mono, whole[5 * RATE :])
    with pytest.raises(AudioError):
        read_recording(path, 5.0, 6.02)


def test_a_bad_sample_is_named_by_its_place_in_the_file(tmp_path):
    samples = NOISE[:, 0].copy()
    samples[3 * RATE + 7] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with OpenRecording(tmp_path / "a.wav") as recording:
        assert len(recording.read(0, 3).mono) == 3 * RATE
        with pytest.raises(AudioError, match=f"the first is number {3 * RATE + 7}"):
            recording.read(2, 5)


@pytest.mark.parametrize("coding", [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")], ids=" ".join)
def test_overlapping_windows_in_order_decode_each_sample_once(sounds, coding, monkeypatch):
    path, _ = sounds[coding]
    decoded = []
    original = _decoding.LibsndfileSamples._frames

    def frames(self, count):
        decoded.append(count)
        return original(self, count)

    monkeypatch.setattr(_decoding.LibsndfileSamples, "_frames", frames)
    with OpenRecording(path) as recording:
        for start in np.arange(0, SECONDS - 2, 0.5):
            recording.read(start, start + 2)
    assert sum(decoded) <= 5.5 * RATE + 1  # one to see that the end is there


def test_changing_what_was_read_changes_nothing_else(tmp_path):
    soundfile.write(tmp_path / "a.flac", NOISE[:, 0], RATE)
    whole = librosa.load(tmp_path / "a.flac", sr=None)[0]
    with OpenRecording(tmp_path / "a.flac") as recording:
        recording.read(0, 2).mono[:] = 7
        np.testing.assert_array_equal(recording.read(1, 3).mono, whole[RATE : 3 * RATE])
        recording.read(1, 2).mono[:] = 7
        np.testing.assert_array_equal(recording.read(1, 2).mono, whole[RATE : 2 * RATE])


def test_a_reader_opens_each_recording_once_while_its_clips_stand_together(sounds, monkeypatch):
    one, other = str(sounds["FLAC", "PCM_16"][0]), str(sounds["WAV", "PCM_16"][0])
    digests = {path: file_digest(path) for path in (one, other)}
    opened = []
    original = _source._open
    monkeypatch.setattr(_source, "_open", lambda path: opened.append(path) or original(path))
    with RecordingReader() as recordings:
        for path in (one, one, other, other, one):
            assert recordings.read(path, 1, 2).digest == digests[path]
    assert opened == [one, other, one]


def test_a_large_file_is_digested_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "hours.flac"
    soundfile.write(path, NOISE, RATE)
    digests = [file_digest(path)]
    monkeypatch.setattr(_source, "_WHOLE", 0)
    monkeypatch.setattr(_source, "_SETTLED", -1_000_000_000_000)
    read = []
    original = zlib.crc32
    monkeypatch.setattr(_source.zlib, "crc32", lambda piece, crc=0: read.append(len(piece)) or original(piece, crc))
    for _ in range(3):
        source = _source.open_source(path)
        source.stream.close()
        assert source.length == path.stat().st_size
        digests.append(source.digest)
    assert len(set(digests)) == 1 and sum(read) == path.stat().st_size
    changed, times = bytearray(path.read_bytes()), path.stat()
    changed[-1] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file_digest(path) not in digests and sum(read) == 2 * path.stat().st_size


def test_a_large_file_that_was_just_written_is_digested_again(tmp_path, monkeypatch):
    """A change within the same tick of the clock leaves its times as they are."""
    soundfile.write(tmp_path / "a.flac", NOISE, RATE)
    monkeypatch.setattr(_source, "_WHOLE", 0)
    monkeypatch.setattr(_source, "_SETTLED", 10**15)
    monkeypatch.setattr(_source, "_digests", {})
    file_digest(tmp_path / "a.flac")
    assert _source._digests == {}


def test_a_failure_leaves_the_reader_usable(sounds, tmp_path):
    path = sounds["FLAC", "PCM_16"][0]
    with RecordingReader() as recordings:
        with pytest.raises(AudioError, match="does not exist"):
            recordings.read(tmp_path / "none.wav")
        with pytest.raises(AudioError, match="no segment"):
            recordings.read(path, 9, 10)
        assert len(recordings.read(path, 1, 2).mono) == RATE


@pytest.mark.parametrize(
    "container, subtype, own", [("WAV", "PCM_16", True), ("WAVEX", "PCM_16", True), ("WAVEX", "FLOAT", False)]
)
def test_pcm_of_16_bits_is_read_from_the_file_itself(tmp_path, container, subtype, own):
    soundfile.write(tmp_path / "a", NOISE, RATE, format=container, subtype=subtype)
    with (tmp_path / "a").open("rb") as stream:
        samples = _decoding.samples_in(stream, (tmp_path / "a").stat().st_size)
    assert isinstance(samples, _decoding.Pcm16Samples) is own


@pytest.mark.parametrize("coding", LOSSLESS + LOSSY, ids=" ".join)
def test_duration_is_read_from_the_header(sounds, coding):
    path, whole = sounds[coding]
    assert recording_duration(path) == len(whole) / RATE
    with OpenRecording(path) as recording:
        assert recording.duration == len(whole) / RATE


@pytest.mark.parametrize("container", ["FLAC", "MP3"])
def test_a_cut_file_is_refused_whichever_stretch_is_read(tmp_path, container):
    path = tmp_path / "cut"
    soundfile.write(path, np.tile(NOISE, (4, 1)), RATE, format=container)
    path.write_bytes(path.read_bytes()[:-5000])
    for start, end in ((0, 1), (3, 4), (0, math.inf)):
        with pytest.raises(AudioError, match="cut short or damaged"):
            read_recording(path, start, end)


def peak_of(read):
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "container, subtype", [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
)
def test_memory_does_not_grow_with_the_recording(tmp_path, container, subtype, monkeypatch):
    monkeypatch.setattr(_source, "_WHOLE", 0)
    monkeypatch.setattr(_source, "_PIECE", 1 << 14)
    peaks = []
    for repeats in (4, 16):
        path = tmp_path / f"{repeats}"
        soundfile.write(path, np.tile(NOISE, (repeats, 1)), RATE, format=container, subtype=subtype)

        def read_windows(path=path, length=repeats * SECONDS):
            with OpenRecording(path) as recording:
                for start in range(0, length - 3, 3):
                    recording.read(start, start + 3)

        peaks.append(peak_of(read_windows))
    assert peaks[1] < 1.1 * peaks[0]


def huge_rf64(path, samples, rate=48000, channels=2):
    """A sparse RF64 file: a second of sound at its start, another in its last second."""
    block = 2 * channels
    size = samples * block
    sound = (np.random.default_rng(6).uniform(-0.5, 0.5, (rate, channels)) * 32767).astype("<i2")
    header = struct.pack("<4sI4s4sIQQQI", b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", 28, 72 + size, size, samples, 0)
    header += struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * block, block, 16)
    header += struct.pack("<4sI", b"data", 0xFFFFFFFF)
    with path.open("wb") as file:
        file.write(header + sound.tobytes())
        file.seek(len(header) + size - sound.nbytes)
        file.write(sound.tobytes())
    return sound


@pytest.mark.slow
def test_an_rf64_of_more_than_four_gigabytes(tmp_path):
    path = tmp_path / "hours.wav"
    samples = (1 << 30) + 5 * 48000
    sound = huge_rf64(path, samples)
    assert path.stat().st_size > 1 << 32
    expected = (sound.astype(np.float32) / np.float32(32768)).mean(axis=1)

    last = (samples - 48000) / 48000
    np.testing.assert_array_equal(librosa.load(path, sr=None, offset=last, duration=1)[0], expected)

    def read():
        with OpenRecording(path) as recording:
            assert (recording.samples, recording.notes) == (samples, 0)
            np.testing.assert_array_equal(recording.read(0, 1).mono, expected)
            np.testing.assert_array_equal(recording.read(last, last + 1).mono, expected)

    assert peak_of(read) < 16 << 20
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)
    with pytest.raises(AudioError, match="is cut short"):
        recording_duration(path)
