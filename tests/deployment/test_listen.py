"""A stream is heard in the windows of a recording, by a fake sound card."""

import sys
from threading import Event, Thread

import numpy as np
import pytest
import soundfile

from esc_features import predict_windows, save_model
from esc_features._cli import main
from esc_features.deployment import listen


class SoundCard:
    """`sounddevice.InputStream` over samples that are there: blocks come from a thread of its own, at once."""

    def __init__(self, samples, slow_at=(), pause_at=None):
        self.samples, self.slow_at, self.pause_at = samples, slow_at, pause_at
        self.goes_on = Event()

    def __call__(self, *, samplerate, channels, dtype, blocksize, device, callback):
        self.arguments = (samplerate, channels, dtype, device)
        self.closing, self.blocksize, self.callback = Event(), blocksize, callback
        return self

    def __enter__(self):
        self.thread = Thread(target=self._play)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.closing.set()
        self.thread.join()

    def _play(self):
        memory = np.empty((self.blocksize, 1), np.float32)  # sounddevice uses its memory again
        for number, at in enumerate(range(0, len(self.samples) - self.blocksize + 1, self.blocksize)):
            if number == self.pause_at:
                self.goes_on.wait(60)
            if self.closing.is_set():
                return
            memory[:, 0] = self.samples[at : at + self.blocksize]
            self.callback(memory, self.blocksize, None, number in self.slow_at)


@pytest.fixture(scope="module")
def sound():
    return np.random.default_rng(4).normal(0, 0.1, 16000 * 4).astype("f4")


def first(generator, count):
    windows = [next(generator) for _ in range(count)]
    generator.close()
    return windows


@pytest.mark.parametrize("hop", [0.5, 0.25, 0.13])
def test_windows_of_a_stream_are_those_of_a_recording(small_net, sound, tmp_path, hop):
    soundfile.write(tmp_path / "s.wav", sound, 16000, subtype="FLOAT")
    expected = predict_windows(small_net, tmp_path / "s.wav", hop=hop)
    whole = int((4 - 0.5) / hop)
    card = SoundCard(sound)
    windows = first(listen(small_net, hop, stream=card, device="mic"), whole)
    assert card.arguments == (16000, 1, "float32", "mic")
    assert not card.thread.is_alive()
    np.testing.assert_allclose([window.start for window in windows], expected["start"][:whole])
    np.testing.assert_allclose([window.end for window in windows], expected["end"][:whole])
    heard = np.array([[window.probabilities["cat"], window.probabilities["dog"]] for window in windows])
    np.testing.assert_allclose(heard, expected[["cat", "dog"]][:whole], atol=1e-6)


def test_what_the_sound_card_lost_is_said(small_net, sound):
    windows = first(listen(small_net, 0.5, stream=SoundCard(sound, slow_at={0, 7})), 3)
    assert [window.missed for window in windows] == pytest.approx([0.1, 0.1, 0])


def test_a_computer_that_is_too_slow_skips_windows_and_says_so(small_net):
    sound = np.random.default_rng(4).normal(0, 0.1, 16000 * 60).astype("f4")
    card = SoundCard(sound, pause_at=5)
    stream = listen(small_net, 0.5, stream=card)
    assert next(stream).start == 0
    card.goes_on.set()
    card.thread.join()  # a minute passes before the next window is asked for
    window = next(stream)
    stream.close()
    assert window.start > 40
    assert window.missed == pytest.approx(window.start - 0.5, abs=0.51)


def test_the_command_prints_what_is_probable(small_net, sound, tmp_path, capsys, monkeypatch):
    import types

    card = SoundCard(sound)
    monkeypatch.setitem(sys.modules, "sounddevice", types.SimpleNamespace(InputStream=card))
    save_model(small_net, tmp_path / "m.esc")
    assert main(["listen", str(tmp_path / "m.esc"), "--hop", "0.5", "--seconds", "1.5", "--device", "3"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.split()[:2] for line in lines] == [["0.0", "s"], ["0.5", "s"], ["1.0", "s"]]
    assert all("cat" in line or "dog" in line for line in lines)
    assert "Listening in windows of 0.5 s, every 0.5 s" in said.err
    assert card.arguments[3] == 3


def test_a_missing_library_says_what_to_install(small_net, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(ImportError, match=r'pip install "esc_features\[listen\]"'):
        next(listen(small_net))
