"""Mel power spectra: the numbers of librosa, at the speed of the Fourier transform."""

import functools
import threading

import numpy as np
import scipy.fft
import scipy.sparse

# Frames transformed at a time: their samples and spectra stay in a core's cache.
_BLOCK = 32
_AMIN = 1e-10
# Single precision is off by about 1e-7 of a frame's loudest part. A filter's power this far below the power
# of its frame is computed again in double precision, to stay well within 1e-3 dB of librosa.
_FAR_BELOW = 5e7

_scratch = threading.local()


def mel_frames(n_samples, n_fft, hop_length):
    """Frames of a waveform of ``n_samples``, when each frame is centred on its sample."""
    return 1 + (n_samples + 2 * (n_fft // 2) - n_fft) // hop_length


def mel_filterbank(sample_rate, n_fft, n_mels, fmin, fmax):
    """Slaney's triangular mel filters of equal area, as ``librosa.filters.mel``: (n_mels, 1 + n_fft // 2) float32."""
    bins = np.arange(1 + n_fft // 2) * (sample_rate / n_fft)
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    rising = (bins - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    falling = (edges[2:, np.newaxis] - bins) / np.diff(edges)[1:, np.newaxis]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    return (triangles * (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]).astype(np.float32)


def mel_power(waveform, sample_rate, n_fft, hop_length, n_mels, fmin, fmax, floor=None):
    """Mel power spectrum of one float32 waveform: (n_mels, frames) float32.

    ``floor`` (a share of the largest value) says below which power the caller does not care for precision.
    """
    window, filters, area = _tools(sample_rate, n_fft, n_mels, fmin, fmax)
    frames = _frames(waveform, n_fft, hop_length)
    power = _power_buffer(len(frames), 1 + n_fft // 2)
    _power(frames, window.astype(np.float32), out=power)
    mel = filters @ power.T
    lowest = np.float32(_AMIN) if floor is None else max(mel.max() * np.float32(floor), np.float32(_AMIN))
    # What lies below the floor is raised to it, however imprecise.
    quietest = np.where(mel < lowest * np.float32(0.9), np.float32(np.inf), mel).min(axis=0)
    weak = np.flatnonzero(power.sum(axis=1) * area > quietest * np.float32(_FAR_BELOW))
    if len(weak):
        precise = np.empty((len(weak), power.shape[1]), np.float32)
        _power(frames[weak].astype(np.float64), window, out=precise)
        mel[:, weak] = filters @ precise.T
    return mel


def decibels(power, reference, top_db):
    """Turn power into dB in place, as ``librosa.power_to_db``; ``reference`` is a number or ``"max"``."""
    np.maximum(power, np.float32(_AMIN), out=power)
    np.log10(power, out=power)
    power *= np.float32(10)
    power -= power.max() if reference == "max" else np.float32(10 * np.log10(max(_AMIN, reference)))
    if top_db is not None:
        np.maximum(power, power.max() - np.float32(top_db), out=power)
    return power


# Slaney's mel scale: linear up to 1000 Hz, 15 mel; above it 27 mel for each factor of 6.4.
_LINEAR = 200 / 3
_LOG = np.log(6.4) / 27


def _hz_to_mel(frequency):
    if frequency < 1000:
        return frequency / _LINEAR
    return 15 + np.log(frequency / 1000) / _LOG


def _mel_to_hz(mel):
    return np.where(mel < 15, mel * _LINEAR, 1000 * np.exp(_LOG * (mel - 15)))


@functools.lru_cache(maxsize=64)
def _tools(sample_rate, n_fft, n_mels, fmin, fmax):
    """(Hann window in double precision, sparse filters, largest area of a filter)"""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    filters = mel_filterbank(sample_rate, n_fft, n_mels, fmin, fmax)
    # A filter is a short run of bins. The sparse product is several times faster than BLAS, and adds up in the same
    # order whatever the number of threads.
    return window, scipy.sparse.csr_array(filters), filters.sum(axis=1).max()


def _frames(waveform, n_fft, hop_length):
    half = n_fft // 2
    padded = np.zeros(len(waveform) + 2 * half, np.float32)
    padded[half : half + len(waveform)] = waveform
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]


def _power_buffer(frames, bins):
    # Kept from clip to clip: fresh memory of this size would come from the kernel page by page, each time.
    buffer = getattr(_scratch, "power", None)
    if buffer is None or buffer.shape != (frames, bins):
        buffer = _scratch.power = np.empty((frames, bins), np.float32)
    return buffer


def _power(frames, window, out):
    block = np.empty((_BLOCK, frames.shape[1]), frames.dtype)
    for start in range(0, len(frames), _BLOCK):
        some = frames[start : start + _BLOCK]
        spectrum = scipy.fft.rfft(np.multiply(some, window, out=block[: len(some)]), axis=1, workers=1)
        target = out[start : start + _BLOCK]
        np.square(spectrum.real, out=target, casting="same_kind")
        target += np.square(spectrum.imag)
