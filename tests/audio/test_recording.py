"""Reading a recording: librosa's samples bit for bit, and what the file says about itself."""

import shutil

import librosa
import numpy as np
import pytest
import soundfile

from esc_features.audio import _source as source_module
from esc_features.audio import file_digest, read_recording

RNG = np.random.default_rng(20150420)
NOISE = RNG.uniform(-0.9, 0.9, (4000, 8))

FORMATS = [
    *[("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW")],
    *[("WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT")],
    *[("FLAC", subtype) for subtype in ("PCM_S8", "PCM_16", "PCM_24")],
    ("OGG", "VORBIS"),
    ("MP3", "MPEG_LAYER_III"),
    ("RF64", "PCM_16"),
    ("W64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("WAV", "IMA_ADPCM"),
]


def librosa_samples(path, **options):
    return librosa.load(path, sr=None, **options)[0]


@pytest.mark.parametrize("container, subtype", FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_equals_librosa_for_every_coding(tmp_path, container, subtype, channels):
    path = tmp_path / "clip.bin"
    soundfile.write(path, NOISE[:, :channels], 16000, format=container, subtype=subtype)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.mono, librosa_samples(path))
    assert recording.mono.dtype == np.float32 and recording.mono.ndim == 1
    assert (recording.channels, recording.sample_rate) == (channels, 16000)
    assert recording.samples == soundfile.info(path).frames


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_channels_are_averaged_as_librosa_does(tmp_path, channels, subtype):
    path = tmp_path / "clip.wav"
    soundfile.write(path, NOISE[:, :channels], 44100, subtype=subtype)
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.mono, librosa_samples(path))
    assert recording.channels == channels


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_decodes_only_the_duration(tmp_path, container):
    path = tmp_path / "long.bin"
    soundfile.write(path, np.tile(NOISE[:, :2], (20, 1)), 16000, format=container)
    recording = read_recording(path, duration=0.5)
    np.testing.assert_array_equal(recording.mono, librosa_samples(path, duration=0.5))
    assert len(recording.mono) == 8000
    assert recording.samples == 80000


def test_format_is_told_by_content_and_not_by_name(tmp_path):
    path = tmp_path / "really_flac.wav"
    soundfile.write(path, NOISE[:, 0], 16000, format="FLAC")
    assert read_recording(path).samples == 4000


@pytest.mark.parametrize("path_type", [str, lambda path: path, lambda path: str(path).encode()])
def test_path_types(tmp_path, path_type):
    path = tmp_path / "clip.wav"
    soundfile.write(path, NOISE[:, 0], 16000)
    assert read_recording(path_type(path)).path == str(path)


def test_not_a_path():
    with pytest.raises(TypeError, match="A path must be a str"):
        read_recording(3)


def test_digest_follows_the_bytes_and_nothing_else(tmp_path):
    path, copy = tmp_path / "a.wav", tmp_path / "b.flac"
    soundfile.write(path, NOISE[:, 0], 16000)
    shutil.copy(path, copy)
    digest = file_digest(path)
    assert digest == file_digest(copy) == read_recording(path).digest == read_recording(path, duration=0.01).digest
    assert 0 <= digest < 2**64
    content = bytearray(path.read_bytes())
    digests = {digest}
    for position in (0, 50, len(content) // 2, len(content) - 1):
        changed = content.copy()
        changed[position] ^= 1
        copy.write_bytes(changed)
        digests.add(file_digest(copy))
    copy.write_bytes(content + b"\0")
    digests.add(file_digest(copy))
    assert len(digests) == 6


def test_large_files_are_read_in_pieces_with_the_same_result(tmp_path, monkeypatch):
    for name, subtype in (("a.wav", "PCM_16"), ("b.wav", "PCM_24"), ("c.flac", "PCM_16"), ("d.ogg", "VORBIS")):
        soundfile.write(tmp_path / name, NOISE[:, :2], 16000, subtype=subtype)
        whole = read_recording(tmp_path / name)
        with monkeypatch.context() as patch:
            patch.setattr(source_module, "_WHOLE", 0)
            patch.setattr(source_module, "_PIECE", 1000)
            pieces = read_recording(tmp_path / name)
        np.testing.assert_array_equal(pieces.mono, whole.mono)
        assert (pieces.digest, pieces.samples) == (whole.digest, whole.samples)


def test_real_recordings_equal_librosa(esc10_folder):
    for path in sorted((esc10_folder / "audio").glob("*.wav"))[::40]:
        np.testing.assert_array_equal(read_recording(path).mono, librosa_samples(path))
