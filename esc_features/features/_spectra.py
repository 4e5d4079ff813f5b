"""Mel power spectra that equal those of librosa and take hardly longer than the Fourier transform."""

import functools
import math
import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import scipy.sparse

from .._mel_scale import hz_to_mel, mel_to_hz

# Frames transformed at a time, so that long recordings require no more memory than short ones.
_BLOCK = 256
_AMIN = 1e-10
# Single precision has an error of about 1e-7 of the loudest part of a frame. If the power of a bin of a filter is this
# far below that of its frame, the frame is computed again in double precision, to stay well within 1e-3 dB of librosa.
_FAR_BELOW = 7e6

_scratch = threading.local()


def mel_frames(n_samples: int, n_fft: int, hop_length: int) -> int:
    """Return the number of frames of a waveform of ``n_samples``, if each frame is centred on its sample."""
    return 1 + (n_samples + 2 * (n_fft // 2) - n_fft) // hop_length


def mel_filterbank(sample_rate: float, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Return Slaney's triangular mel filters of equal area.

    `MelSpectrogram` and `MFCCStatistics` multiply power spectra by this matrix. It equals that of
    ``librosa.filters.mel``.

    Parameters
    ----------
    sample_rate : float
        Sample rate in Hz.
    n_fft : int
        Length of a frame, in samples.
    n_mels : int
        Number of bands.
    fmin, fmax : float
        Lowest and highest frequency, in Hz.

    Returns
    -------
    ndarray of shape (n_mels, 1 + n_fft // 2), float32
        One filter per row.

    Examples
    --------
    >>> from esc_features.features import mel_filterbank
    >>> mel_filterbank(16000, 512, 40, 0.0, 8000.0).shape
    (40, 257)
    """
    bins = np.arange(1 + n_fft // 2) * (sample_rate / n_fft)
    edges = mel_to_hz(np.linspace(hz_to_mel(fmin), hz_to_mel(fmax), n_mels + 2))
    rising = (bins - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    falling = (edges[2:, np.newaxis] - bins) / np.diff(edges)[1:, np.newaxis]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]).astype(np.float32)


@dataclass(frozen=True)
class MelTransform:
    """Computes mel power spectra of waveforms: a short-time Fourier transform, then mel filters."""

    sample_rate: int
    n_fft: int
    hop_length: int
    n_mels: int
    fmin: float
    fmax: float

    def power(self, waveform: np.ndarray, floor: float | None = None) -> np.ndarray:
        """Return the mel power spectrum of one float32 waveform, (n_mels, frames) float32.

        Below ``floor``, a share of the largest value, the caller does not need precision.
        """
        tools = _tools(self)
        frames = _frames(waveform, self.n_fft, self.hop_length)
        mel, total = np.empty((self.n_mels, len(frames)), np.float32), np.empty(len(frames), np.float32)
        for start in range(0, len(frames), _BLOCK):
            block = slice(start, start + _BLOCK)
            power = _power(frames[block], tools.window.astype(np.float32))
            mel[:, block], total[block] = tools.filters @ power, power.sum(axis=0)
        imprecise = _imprecise_frames(mel, total, tools.peaks, floor)
        for start in range(0, len(imprecise), _BLOCK):
            again = imprecise[start : start + _BLOCK]
            mel[:, again] = tools.filters @ _power(frames[again], tools.window)
        return mel


def _imprecise_frames(mel: np.ndarray, total: np.ndarray, peaks: np.ndarray, floor: float | None) -> np.ndarray:
    """Return the frames in which a filter that counts is too weak for single precision."""
    lowest = np.float32(_AMIN) if floor is None else max(mel.max() * np.float32(floor), np.float32(_AMIN))
    # Values below the floor are raised to it, so their precision does not matter.
    counts = mel >= lowest * np.float32(0.9)
    weakest_bin = np.where(counts, mel / peaks, np.float32(np.inf)).min(axis=0)
    return np.flatnonzero(total > weakest_bin * np.float32(_FAR_BELOW))


def decibels(power: np.ndarray, reference: str | float, top_db: float | None) -> np.ndarray:
    """Convert power to dB in place, as ``librosa.power_to_db`` does; ``reference`` is a number or ``"max"``."""
    np.maximum(power, np.float32(_AMIN), out=power)
    np.log10(power, out=power)
    power *= np.float32(10)
    power -= power.max() if isinstance(reference, str) else np.float32(10 * np.log10(max(_AMIN, reference)))
    if top_db is not None:
        np.maximum(power, power.max() - np.float32(top_db), out=power)
    return power


class _Tools(NamedTuple):
    window: np.ndarray  # Hann window in double precision
    filters: Any  # sparse matrix
    peaks: np.ndarray  # largest weight of each filter, as a column


@functools.lru_cache(maxsize=64)
def _tools(mel: MelTransform) -> _Tools:
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(mel.n_fft) / mel.n_fft)
    filters = mel_filterbank(mel.sample_rate, mel.n_fft, mel.n_mels, mel.fmin, mel.fmax)
    peaks = filters.max(axis=1, keepdims=True)
    peaks[peaks == 0] = 1  # filters between two bins are empty
    # A filter covers few bins. The sparse product is several times faster than BLAS, and adds in the same order for any
    # number of threads.
    return _Tools(window, scipy.sparse.csr_array(filters), peaks)


def _frames(waveform: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    half = n_fft // 2
    padded = np.zeros(len(waveform) + 2 * half, np.float32)
    padded[half : half + len(waveform)] = waveform
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]


def _power(frames: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the power of frames in the precision of the window, (bins, frames), so that filters read whole rows."""
    windowed = np.multiply(frames, window, out=_buffer("frames", frames.shape, window.dtype))
    spectrum = scipy.fft.rfft(windowed.T, axis=0, workers=1, overwrite_x=True)
    squares = spectrum.view(window.dtype)
    np.square(squares, out=squares)
    return np.add(squares[:, ::2], squares[:, 1::2], out=_buffer("power", (len(squares), len(frames)), window.dtype))


def _buffer(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    # Kept from clip to clip: new memory of this size would come from the kernel page by page, each time.
    size = math.prod(shape) * dtype.itemsize
    kept = getattr(_scratch, name, None)
    if kept is None or kept.nbytes < size:
        kept = np.empty(size, np.uint8)
        setattr(_scratch, name, kept)
    return kept[:size].view(dtype).reshape(shape)
