"""Where data sets are kept, and which WAV files are whole."""

import pytest

from esc_features.datasets._files import data_home, is_whole_wav


@pytest.mark.parametrize(
    "content, whole",
    [
        (b"RIFF\x04\0\0\0WAVE", True),
        (b"RIFF\x05\0\0\0WAVE", False),
        (b"RIFF\x03\0\0\0WAVE", False),
        (b"RIFF\x04\0\0\0AVI ", False),
        (b"OggS\x04\0\0\0WAVE", False),
        (b"RIFF", False),
        (b"", False),
    ],
)
def test_what_a_whole_wav_is(tmp_path, content, whole):
    (tmp_path / "a.wav").write_bytes(content)
    assert is_whole_wav(tmp_path / "a.wav") is whole
    assert not is_whole_wav(tmp_path / "b.wav")


def test_data_home(tmp_path, monkeypatch):
    monkeypatch.delenv("ESC_FEATURES_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_home().name == "esc_features"
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path / "variable"))
    assert data_home() == tmp_path / "variable"
    assert data_home(tmp_path / "argument") == tmp_path / "argument"
