"""Small files that any browser shows or plays: PNG images and WAV sounds, made with numpy and zlib."""

import base64
import functools
import io
import struct
import wave
import zlib

import numpy as np

# Values further than this below the maximum are drawn black, in the unit of the values (dB for spectrograms).
_RANGE = 80.0


def spectrogram_png(values: np.ndarray, height: int | None = None, width: int | None = None) -> bytes:
    """Draw an array (bands, frames) in matplotlib's colour map "magma", with the first band at the bottom.

    Parameters
    ----------
    values : array-like of shape (bands, frames)
        Numbers. NaN and minus infinity are drawn as the minimum, infinity as the maximum.
    height, width : int, optional
        Maximum size in pixels; neighbouring numbers are averaged to reach it. By default, each number is a pixel.

    Returns
    -------
    bytes
        A PNG file with a palette, 8 bits per pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features._pictures import spectrogram_png
    >>> spectrogram_png(np.zeros((128, 157)), height=64)[1:4]
    b'PNG'
    """
    values = np.asarray(values, np.float32)
    values = np.nan_to_num(values, nan=-np.inf, posinf=np.inf)
    finite = np.isfinite(values)
    low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 0.0)
    values = np.clip(values, max(low, high - _RANGE), high)
    values = _averaged(_averaged(values, height).T, width).T
    low, high = values.min(), values.max()
    levels = np.zeros(values.shape, np.uint8)
    if high > low:
        levels = np.round((values - low) * (255 / (high - low))).astype(np.uint8)
    return _png(levels[::-1])


def wav_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """Return a waveform as a WAV file with 16 bits and one channel, clipped to full scale.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features._pictures import wav_bytes
    >>> len(wav_bytes(np.zeros(100), 8000))
    244
    """
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(int(sample_rate))
        writer.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def envelope(samples: np.ndarray, parts: int) -> np.ndarray:
    """Return the minimum and maximum of each part of a waveform, to draw it.

    Parameters
    ----------
    samples : ndarray of shape (samples,)
        A waveform of at least one sample.
    parts : int
        Maximum number of parts of equal length.

    Returns
    -------
    ndarray of shape (2, parts)
        Minima and maxima.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features._pictures import envelope
    >>> envelope(np.array([0, 1, -2, 3]), 2).tolist()
    [[0, -2], [1, 3]]
    """
    starts = np.unique(np.arange(parts) * len(samples) // parts)
    return np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)])


def data_uri(content: bytes, kind: str) -> str:
    """Return a file as a data URI, for pages that load nothing from elsewhere."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _averaged(values: np.ndarray, most: int | None) -> np.ndarray:
    """Average neighbouring rows so that at most `most` are left."""
    if most is None or len(values) <= most:
        return values
    starts = np.arange(most) * len(values) // most
    return np.add.reduceat(values, starts) / np.diff([*starts, len(values)])[:, None].astype(np.float32)


def _png(levels: np.ndarray) -> bytes:
    height, width = levels.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line starts with the number of its filter, 0 for none
    lines[:, 1:] = levels
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", _palette()),
        (b"IDAT", zlib.compress(lines.tobytes(), 4)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@functools.cache
def _palette() -> bytes:
    from matplotlib import colormaps

    return (colormaps["magma"](np.arange(256))[:, :3] * 255).round().astype(np.uint8).tobytes()
