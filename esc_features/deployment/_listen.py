"""Predict the sound of a microphone, window by window."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._features_of import categories_of, clip_of, probabilities_of
from ._predict_windows import checked_hop

# Seconds of sound that may wait to be predicted: a model that falls further behind skips windows.
_LATE = 5.0


@dataclass(frozen=True)
class LiveWindow:
    """The prediction for one window of a stream.

    Parameters
    ----------
    start, end : float
        Seconds since the stream began.
    probabilities : dict of str to float
        Category -> its probability.
    missed : float, default=0.0
        Seconds before the window that were skipped, because the computer or the sound card was too slow.

    Examples
    --------
    >>> from esc_features.deployment import LiveWindow
    >>> LiveWindow(0.0, 5.0, {"dog": 0.9, "rain": 0.1}).probabilities["dog"]
    0.9
    """

    start: float
    end: float
    probabilities: dict[str, float]
    missed: float = 0.0


def listen(
    model: Any, hop: float | None = None, *, device: int | str | None = None, stream: Callable | None = None
) -> Iterator[LiveWindow]:
    """Predict the sound of a microphone, in windows like those of `predict_windows`.

    It needs ``pip install "esc_features[listen]"``, and PortAudio if that is not installed with it. The sound is kept
    in memory only, and no longer than it is needed for a window.

    Parameters
    ----------
    model : estimator
        A fitted pipeline that starts with a feature, for instance from `load_model`.
    hop : float, optional
        Seconds from one window to the next; by default the length of a window.
    device : int or str, optional
        The microphone, as in sounddevice; by default that of the system.
    stream : callable, optional
        To use instead of ``sounddevice.InputStream``: called with its arguments, it returns a context manager that
        calls ``callback(samples, frames, time, status)`` while it is open.

    Yields
    ------
    LiveWindow
        One per window, as soon as it is over; the iterator does not end.

    Raises
    ------
    ImportError
        If sounddevice, or the library PortAudio, is missing.
    ModelError
        If the model does not start with a feature.
    ValueError
        If `hop` is not above 0.

    Examples
    --------
    >>> from esc_features import load_model
    >>> from esc_features.deployment import listen
    >>> for window in listen(load_model("dogs.esc"), hop=1.0):  # doctest: +SKIP
    ...     print(window.start, max(window.probabilities, key=window.probabilities.get))
    """
    rate, duration = clip_of(model)
    hop = checked_hop(hop, duration)
    categories = categories_of(model)
    blocks: queue.SimpleQueue[tuple[np.ndarray, bool]] = queue.SimpleQueue()

    def receive(samples, frames, time, status):
        blocks.put((np.array(samples[:, 0], np.float32), bool(status)))

    open_stream = _sounddevice() if stream is None else stream
    block = max(1, round(min(hop, 0.1) * rate))
    with open_stream(samplerate=rate, channels=1, dtype="float32", blocksize=block, device=device, callback=receive):
        for start, waveform, missed in _windows(blocks, rate, round(duration * rate), hop):
            (probabilities,) = probabilities_of(model, waveform[np.newaxis])
            by_category = dict(zip(categories, map(float, probabilities), strict=True))
            yield LiveWindow(start, start + duration, by_category, missed)


def _windows(blocks, rate, length, hop):
    """Yield (start, samples, seconds missed before it) of each window, once its samples are there."""
    kept, first, missed, number = np.zeros(0, np.float32), 0, 0.0, 0
    while True:
        wanted = int(number * hop * rate)
        while first + len(kept) < wanted + length:
            samples, overflowed = blocks.get()
            missed += len(samples) / rate if overflowed else 0.0
            kept = np.concatenate([kept, samples])
            gone = min(max(0, wanted - first), len(kept))
            kept, first = kept[gone:], first + gone
            there = first + len(kept) + blocks.qsize() * len(samples)
            newest = int((there - length) / rate / hop)
            if (newest - number) * hop > _LATE:
                number, missed = newest, missed + (newest - number) * hop
                wanted = int(number * hop * rate)
        at = wanted - first
        yield number * hop, kept[at : at + length], missed
        number, missed = number + 1, 0.0


def _sounddevice():
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError if PortAudio is missing
        raise ImportError(
            f'Listening needs sounddevice and PortAudio ({error}): pip install "esc_features[listen]", and on Linux '
            "apt-get install libportaudio2.",
            name="sounddevice",
        ) from error
    return sounddevice.InputStream
