"""One audio file, decoded to one channel at its own rate."""

import io
import os
import stat
import zlib
from dataclasses import dataclass

import numpy as np
import soundfile

from ..exceptions import AudioError
from ._containers import ogg_is_cut, promised_length
from ._notes import Note
from ._wav import wav_layout

# Files up to this size are read in one go; of larger ones only the part that is needed is kept in memory.
_WHOLE = 1 << 26
_PIECE = 1 << 20
# Louder than any recording, 32-bit integers stored as floats included, yet its power spectrum is a float32.
LOUDEST = 1e12
# Samples a second; beyond any sound, and resampling would take minutes.
_FASTEST = 10_000_000
# Formats whose headers promise a number of samples that libsndfile believes.
_PROMISING = ("FLAC", "MP3")
_CUT = "is cut short or damaged: its header promises {}, the file {}. Get the file again."
# libsndfile's sample count of a stream that does not say how long it is.
_UNKNOWN = 1 << 62


@dataclass(frozen=True)
class Recording:
    """A decoded audio file.

    Parameters
    ----------
    mono : ndarray of shape (n,), float32
        The average of the channels at the file's own sample rate, cut to the duration that was asked for.
    sample_rate : int
        Samples a second in the file.
    channels : int
        Channels in the file.
    samples : int
        Samples of one channel in the whole file.
    digest : int
        Digest of the file's bytes, as `file_digest` returns it.
    path : str
        The file, for messages.
    notes : int
        `Note` values about the file itself.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import Waveform
    >>> from esc_features.audio import Recording
    >>> silence = Recording(np.zeros(8000, np.float32), sample_rate=8000, channels=1, samples=8000, digest=0)
    >>> Waveform().from_recording(silence)[0].shape
    (80000,)
    """

    mono: np.ndarray
    sample_rate: int
    channels: int
    samples: int
    digest: int
    path: str = ""
    notes: int = 0


def read_recording(path: str | os.PathLike, duration: float | None = None) -> Recording:
    """Decode an audio file and average its channels.

    Reads whatever libsndfile reads: WAV of any width, FLAC, OGG, MP3 and more, told apart by content and not by
    name. The samples are those of ``librosa.load(path, sr=None, duration=duration)``, bit for bit.

    Parameters
    ----------
    path : str or path-like
        The file.
    duration : float, default=None
        Seconds to decode from the start; None decodes all.

    Returns
    -------
    Recording
        The samples, with what the file says about itself.

    Raises
    ------
    AudioError
        The file is missing, no regular file, no audio, cut short, empty, or holds NaN or infinity. The message names
        the file and the cause.

    Examples
    --------
    >>> import soundfile, tempfile, pathlib
    >>> from esc_features.audio import read_recording
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, [[0.5, 0.25]] * 100, 8000)
    >>> recording = read_recording(path)
    >>> recording.mono[:2], recording.channels, recording.sample_rate
    (array([0.375, 0.375], dtype=float32), 2, 8000)
    """
    path = str(_name(path))
    with _open(path) as file:
        stream, length, digest = _read_through(file, path)
        try:
            frames, sample_rate, samples, notes = _decode(stream, length, duration)
        except _Unusable as reason:
            raise AudioError(f"{path!r} {reason}") from reason.__cause__
    if samples == 0:
        raise AudioError(f"{path!r} holds no samples: there is a header, and no audio after it.")
    if not 1 <= sample_rate <= _FASTEST:
        raise AudioError(f"{path!r} has a sample rate of {sample_rate} Hz: its header is damaged.")
    channels = frames.shape[1]
    mono = frames[:, 0] if channels == 1 else frames.mean(axis=1)
    if len(mono) == 0:
        raise AudioError(f"{path!r} has not one sample in {duration} s: its sample rate is {sample_rate} Hz.")
    _check_finite(mono, path)
    return Recording(mono, sample_rate, channels, samples, digest, path, notes)


def file_digest(path: str | os.PathLike) -> int:
    """Digest the bytes of a file, to notice when it has changed.

    Made to cost next to nothing beside decoding (0.1 ms for a clip of ESC-50): the file's length and the CRC-32 of its
    bytes. It finds replaced and damaged files; it is no protection against someone who forges one on purpose.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    int
        64 bits, without sign.

    Raises
    ------
    AudioError
        The file is missing or cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from esc_features.audio import file_digest
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.wav"
    >>> _ = path.write_bytes(b"123456789")
    >>> hex(file_digest(path))
    '0x9cbf43926'
    """
    path = _name(path)
    with _open(path) as file:
        return _read_through(file, path)[2]


class _Unusable(Exception):
    """Why a file cannot be used; completed with its name by the caller."""


def _name(path):
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"a path is a str or a pathlib.Path, got {type(path).__name__}") from None


def _open(path):
    # Without O_NONBLOCK, opening a named pipe waits for someone to write into it, perhaps for ever.
    flags = getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(path, "rb", buffering=0, opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115
    except FileNotFoundError as error:
        link = os.path.islink(path)  # noqa: PTH114
        cause = "is a link to a file that does not exist" if link else "does not exist"
        raise AudioError(f"{path!r} {cause}.") from error
    except PermissionError as error:
        raise AudioError(f"{path!r} may not be read: permission denied.") from error
    except IsADirectoryError as error:
        raise AudioError(f"{path!r} is a folder, not an audio file.") from error
    except (OSError, ValueError) as error:
        raise AudioError(f"{path!r} cannot be opened: {error}.") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise AudioError(f"{path!r} is not a regular file but a pipe, socket or device.")
    return file


def _read_through(file, path):
    """Read every byte once: (a stream to decode from, number of bytes, digest)."""
    try:
        length = os.fstat(file.fileno()).st_size
        if length <= _WHOLE:
            content = file.readall()
            return io.BytesIO(content), len(content), _digest(len(content), zlib.crc32(content))
        length = crc = 0
        while piece := file.read(_PIECE):
            crc = zlib.crc32(piece, crc)
            length += len(piece)
        return file, length, _digest(length, crc)
    except OSError as error:
        raise AudioError(f"{path!r} cannot be read: {error}.") from error


def _digest(length, crc):
    return (length & 0xFFFFFFFF) << 32 | crc


def _decode(stream, length, duration):
    """(frames (n, channels) float32, sample rate, samples in the file, notes)"""
    if length == 0:
        raise _Unusable("is an empty file.")
    wav = wav_layout(stream, length)
    notes = 0
    if wav is not None:
        notes = _check_length(wav)
        if wav.pcm16:
            return *_read_pcm16(stream, wav, duration), notes
    else:
        _check_container(stream, length)
    stream.seek(0)
    return *_read_sound(stream, duration), notes


def _check_length(wav):
    if wav.promised is None:
        return Note.LENGTH_UNKNOWN
    if wav.promised > wav.held:
        block = max(wav.block, 1)
        unit = "samples" if wav.pcm16 else "blocks"
        raise _Unusable(
            f"is cut short: its header promises {wav.promised} bytes of audio ({wav.promised // block} {unit}), "
            f"the file holds {wav.held} ({wav.held // block}). Get the file again."
        )
    if wav.promised == 0:
        raise _Unusable(f"holds no samples: its header says 0 bytes of audio, and {wav.held} bytes follow.")
    return Note.EXTRA_BYTES if wav.extra else 0


def _check_container(stream, length):
    stream.seek(0)
    promised = promised_length(stream.read(40))
    if promised is not None and promised > length:
        raise _Unusable(
            f"is cut short: its header promises {promised} bytes, the file holds {length}. Get the file again."
        )
    if ogg_is_cut(stream, length):
        raise _Unusable(f"is cut short: the Ogg stream has no end after {length} bytes. Get the file again.")


def _read_pcm16(stream, wav, duration):
    samples = wav.size // wav.block
    wanted = samples if duration is None else min(samples, int(duration * wav.sample_rate))
    stream.seek(wav.start)
    values = np.frombuffer(stream.read(wanted * wav.block), dtype="<i2").reshape(wanted, wav.channels)
    return np.multiply(values, np.float32(1 / 32768), dtype=np.float32), wav.sample_rate, samples


def _read_sound(stream, duration):
    try:
        with soundfile.SoundFile(stream) as sound:
            samples, sample_rate = sound.frames, sound.samplerate
            if samples >= _UNKNOWN:
                raise _Unusable("does not say how long it is. Convert it, to WAV for instance.")
            wanted = samples if duration is None else min(samples, int(duration * sample_rate))
            try:
                frames = sound.read(wanted, dtype="float32", always_2d=True)
                whole = len(frames) == wanted
                if whole and wanted < samples and sound.format in _PROMISING:
                    sound.seek(samples - 1)
                    whole = len(sound.read(1)) == 1
            except (RuntimeError, OSError) as error:
                if sound.format not in _PROMISING:
                    raise
                raise _Unusable(_CUT.format(f"{samples} samples", f"does not hold them: {error}")) from error
    except (RuntimeError, TypeError, ValueError, OSError, MemoryError) as error:
        reason = getattr(error, "error_string", "") or str(error) or type(error).__name__
        raise _Unusable(f"is not audio that libsndfile can read: {reason}") from error
    if not whole:
        raise _Unusable(_CUT.format(f"{samples} samples", f"holds fewer, {len(frames)} of the first {wanted}"))
    return frames, sample_rate, samples


def _check_finite(mono, path):
    peak = max(mono.max(), -mono.min())
    if peak <= LOUDEST:  # false for NaN
        return
    bad = np.flatnonzero(~np.isfinite(mono))
    if len(bad):
        raise AudioError(f"{path!r} has {len(bad)} samples that are NaN or infinite, the first is number {bad[0]}.")
    raise AudioError(f"{path!r} has samples as large as {peak:.3g}: full scale is 1, this is no sound.")
