"""Random access to the samples of an audio file: read directly from the file, or decoded by libsndfile."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
import soundfile

from ._containers import ogg_is_cut, promised_length, what_it_is, without_tag
from ._notes import Note
from ._wav import WavLayout, wav_layout

# Formats whose headers state a number of samples, which libsndfile does not check.
_PROMISING = ("FLAC", "MP3")
# Formats in which samples depend on those decoded before: after a seek, the first ones differ.
_INEXACT = ("OGG", "MP3")
_CUT = "is cut short or damaged: its header promises {}, but the file {}. Get the file again."
# libsndfile's sample count of a stream that does not state its length.
_UNKNOWN = 1 << 62
# Samples decoded at a time when they are only skipped.
_PASSED = 1 << 18


class UnusableError(Exception):
    """The reason why a file cannot be used; the caller adds the name of the file."""


class Pcm16Samples:
    """The samples of a 16-bit WAV file, read directly from the file."""

    def __init__(self, stream: BinaryIO, layout: WavLayout):
        self._stream, self._layout = stream, layout
        self.samples, self.sample_rate, self.channels = layout.size // layout.block, layout.sample_rate, layout.channels
        self.notes = _check_length(layout)

    def read(self, first: int, count: int) -> np.ndarray:
        """Return samples as a float32 array of shape (count, channels)."""
        self._stream.seek(self._layout.start + first * self._layout.block)
        values = np.frombuffer(self._stream.read(count * self._layout.block), dtype="<i2")
        return np.multiply(values.reshape(count, self.channels), np.float32(1 / 32768), dtype=np.float32)


class LibsndfileSamples:
    """The samples of any file that libsndfile reads.

    If segments are read in chronological order, each sample is decoded once: what overlaps with the previous segment
    is kept.
    """

    def __init__(self, stream: BinaryIO, length: int, layout: WavLayout | None):
        self._stream = stream
        self.notes = Note(0) if layout is None else _check_length(layout)
        if layout is None:
            _check_container(stream, length)
        self._sound, self._position = self._open(), 0
        self.samples, self.sample_rate, self.channels = (
            self._sound.frames,
            self._sound.samplerate,
            self._sound.channels,
        )
        if self.samples >= _UNKNOWN:
            raise UnusableError("does not state its length. Convert it to another format, such as WAV.")
        self._has_end = self._sound.format not in _PROMISING
        self._kept, self._kept_first = np.empty((0, self.channels), np.float32), 0

    def read(self, first: int, count: int) -> np.ndarray:
        """Return samples as a float32 array of shape (count, channels)."""
        if (first, count) == (0, self.samples):
            return self._decode(0, count)
        if not self._has_end:
            self._check_end()
        end = self._kept_first + len(self._kept)
        if not self._kept_first <= first <= end:
            self._kept, self._kept_first, end = self._kept[:0], first, first
        known = self._kept[first - self._kept_first :][:count]
        self._kept = np.concatenate([known, self._decode(end, count - len(known))]) if len(known) < count else known
        self._kept_first = first
        return self._kept.copy()

    def _decode(self, first: int, count: int) -> np.ndarray:
        self._go_to(first)
        frames = self._frames(count)
        if len(frames) < count:
            held = f"holds only {first + len(frames)} of the first {first + count}"
            raise UnusableError(_CUT.format(f"{self.samples} samples", held))
        return frames

    def _go_to(self, first: int) -> None:
        if self._sound.seeks_exactly() and first != self._position:
            self._seek(first)
        if first < self._position:
            self._sound, self._position = self._open(), 0
        while self._position < first:
            if len(self._frames(min(_PASSED, first - self._position))) == 0:
                raise UnusableError(_CUT.format(f"{self.samples} samples", f"holds {self._position}"))

    def _frames(self, count: int) -> np.ndarray:
        try:
            frames = self._sound.read(count, dtype="float32", always_2d=True)
        except (RuntimeError, TypeError, ValueError, OSError, MemoryError) as error:
            raise self._damaged(error) from error
        self._position += len(frames)
        return frames

    def _seek(self, first: int) -> None:
        try:
            self._position = self._sound.seek(first)
        except (RuntimeError, TypeError, ValueError, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> UnusableError:
        if self._sound.format not in _PROMISING:
            return UnusableError(_no_audio(error))
        return UnusableError(_CUT.format(f"{self.samples} samples", f"does not hold them: {error}"))

    def _check_end(self) -> None:
        self._seek(self.samples - 1)
        if len(self._frames(1)) < 1:
            raise UnusableError(_CUT.format(f"{self.samples} samples", "lacks the last"))
        self._sound, self._position, self._has_end = self._open(), 0, True

    def _open(self) -> _ForwardSoundFile:
        self._stream.seek(0)
        try:
            return _ForwardSoundFile(self._stream)
        except (RuntimeError, TypeError, ValueError, OSError, MemoryError) as error:
            self._stream.seek(0)
            raise UnusableError(what_it_is(self._stream.read(200)) or _no_audio(error)) from error


class _ForwardSoundFile(soundfile.SoundFile):
    """A sound file that claims not to be seekable, so that soundfile does not seek by itself.

    It would seek to the current position after each read. FLAC is then decoded again from the previous frame, and the
    samples of OGG and MP3 that follow are different.
    """

    def seekable(self) -> bool:
        return False

    def seeks_exactly(self) -> bool:
        return super().seekable() and self.format not in _INEXACT


def samples_in(stream: BinaryIO, length: int) -> Pcm16Samples | LibsndfileSamples:
    """Return the samples of an audio file of ``length`` bytes; raise UnusableError if it cannot be used."""
    if length == 0:
        raise UnusableError("is an empty file.")
    stream, length = without_tag(stream, length)
    layout = wav_layout(stream, length)
    if layout is not None and layout.pcm16:
        return Pcm16Samples(stream, layout)
    return LibsndfileSamples(stream, length, layout)


def _no_audio(error: Exception) -> str:
    reason = getattr(error, "error_string", "") or str(error) or type(error).__name__
    return f"is not audio that libsndfile can read: {reason}"


def _check_length(wav: WavLayout) -> Note:
    if wav.promised is None:
        return Note.LENGTH_UNKNOWN
    if wav.promised > wav.held:
        raise UnusableError(
            f"is cut short: its header promises {wav.promised} bytes of audio, but the file holds {wav.held}. "
            "Get the file again."
        )
    if wav.promised == 0:
        raise UnusableError(
            f"holds no samples: its header states 0 bytes of audio, although {wav.held} bytes follow. "
            "Get the file again."
        )
    return Note.EXTRA_BYTES if wav.extra else Note(0)


def _check_container(stream: BinaryIO, length: int) -> None:
    stream.seek(0)
    promised = promised_length(stream.read(40))
    if promised is not None and promised > length:
        raise UnusableError(
            f"is cut short: its header promises {promised} bytes, but the file holds {length}. Get the file again."
        )
    if ogg_is_cut(stream, length):
        raise UnusableError(f"is cut short: the Ogg stream has no end after {length} bytes. Get the file again.")
