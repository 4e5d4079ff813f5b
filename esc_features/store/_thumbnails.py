"""Clips in a notebook: small images and players that the page itself contains."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from .._pictures import data_uri, envelope, spectrogram_png
from ..datasets import clip_name
from ..exceptions import AudioError
from ..lazy import as_float32
from ._sound import Sounds, holds_waveforms

if TYPE_CHECKING:
    from ._store_array import StoreArray

_MOST_CLIPS = 8
_HEIGHT, _WIDTH = 64, 160
_LARGEST_ROW = 32 << 20
# Limits per clip, so that the notebook stays small and is displayed at once.
_SECONDS, _SAMPLES, _LARGEST_RECORDING = 5.0, 100_000, 64 << 20


def thumbnails(shown: StoreArray, arrays: list[StoreArray]) -> str:
    """Return a few clips, spread over all, as HTML: images of the rows of `shown`, and players from any of `arrays`.

    Only the displayed clips are read. The result is "" if the rows are not images. Errors are part of the HTML, because
    a notebook would otherwise show nothing at all of the value.
    """
    is_sound = holds_waveforms(shown)
    if not len(shown) or not (is_sound or len(shown.shape) == 3) or shown[:1].nbytes > _LARGEST_ROW:
        return ""
    rows = np.arange(min(_MOST_CLIPS, len(shown))) * len(shown) // min(_MOST_CLIPS, len(shown))
    try:
        with Sounds(arrays, seconds=_SECONDS, most_samples=_SAMPLES, largest=_LARGEST_RECORDING) as sounds:
            figures = "".join(_figures(shown, sounds, rows, is_sound))
    except Exception as error:
        return f"<p>No pictures: {html.escape(str(error))}</p>"
    count = f"<p>{len(rows)} of {len(shown)} clips:</p>" if len(rows) < len(shown) else ""
    return f'{count}<div style="display:flex;flex-wrap:wrap;gap:12px">{figures}</div>'


def _figures(shown: StoreArray, sounds: Sounds, rows: np.ndarray, is_sound: bool):
    few = shown[rows]
    read = as_float32(few.to_numpy())
    for row, key, labels, values in zip(rows.tolist(), few.clip_keys, _labels(few), read, strict=True):
        picture = data_uri(spectrogram_png(_drawn(values) if is_sound else values, _HEIGHT, _WIDTH), "image/png")
        name, size = html.escape(clip_name(*key)), f"width:{_WIDTH}px"
        yield (
            f'<figure style="margin:0;{size}"><img alt="{name}" src="{picture}" style="{size};height:{_HEIGHT}px">'
            f'<figcaption style="overflow-wrap:anywhere"><b>{html.escape(labels)}</b><br><small>{name}</small>'
            f"</figcaption>{_player(sounds, row)}</figure>"
        )


def _player(sounds: Sounds, row: int) -> str:
    try:
        return sounds.of(row).player()
    except AudioError:
        return ""


def _labels(array: StoreArray) -> list[str]:
    if not array.facts.several_labels:
        return [str(category) for category in array.y]
    names = np.array(array.categories, object)
    return [", ".join(names[row.astype(bool)]) for row in array.y]


def _drawn(samples: np.ndarray) -> np.ndarray:
    """Draw a waveform: 1 between the lowest and the highest sample of each column, 0 elsewhere."""
    low, high = envelope(samples, _WIDTH) / max(1e-3, float(np.abs(samples).max()))
    height, half = np.linspace(-1, 1, _HEIGHT)[:, None], 1 / _HEIGHT
    return ((height >= low - half) & (height <= high + half)).astype(np.float32)


__all__ = ["thumbnails"]
