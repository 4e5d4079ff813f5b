"""The steps of a pipeline as PyTorch modules, so that they can be exported along with the network. Imports torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.fft
import torch
from torch import nn

from ..exceptions import ModelError
from ..features import MelSpectrogram, MFCCStatistics, Waveform, mel_filterbank
from ..preprocessing import Standardizer
from ._features_of import steps_of

_AMIN = 1e-10


class MelPower(nn.Module):
    """Short-time Fourier transform in two steps of matrix products (Cooley and Tukey, 1965), then mel filters.

    A frame of rows × columns samples costs n_fft × (rows + columns) products instead of n_fft², and needs only
    operators that every runtime of ONNX has.
    """

    window: torch.Tensor
    over_rows: torch.Tensor
    twiddles: torch.Tensor
    over_columns: torch.Tensor
    filters: torch.Tensor

    def __init__(self, rate: float, n_fft: int, hop_length: int, n_mels: int, fmin: float, fmax: float):
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        rows = max(number for number in range(1, math.isqrt(n_fft) + 1) if n_fft % number == 0)
        columns = n_fft // rows
        self.frame_shape = (rows, columns)
        row, column, half = np.arange(rows), np.arange(columns), np.arange(rows // 2 + 1)
        over_columns = _roots(column, column, columns)
        buffers = {
            "window": 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft),
            "over_rows": _parts(_roots(half, row, rows)),
            "twiddles": _parts(_roots(half, column, n_fft)[np.newaxis]),
            "over_columns": np.block([[over_columns.real, over_columns.imag], [-over_columns.imag, over_columns.real]]),
        }
        # Power is that of a real signal: bin k and bin n_fft - k are the same, and each is counted once.
        bins = (half[:, np.newaxis] + rows * column).ravel()
        bins = np.minimum(bins, n_fft - bins)
        once = np.zeros(len(bins), bool)
        once[np.unique(bins, return_index=True)[1]] = True
        buffers["filters"] = (mel_filterbank(rate, n_fft, n_mels, fmin, fmax)[:, bins] * once).T
        for name, values in buffers.items():
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values, np.float32)))

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        by_row = self.over_rows @ (self._frames(waveforms) * self.window).unflatten(2, self.frame_shape)
        real, imaginary = by_row.chunk(2, dim=2)
        cosine, sine = self.twiddles
        turned = torch.cat([real * cosine - imaginary * sine, real * sine + imaginary * cosine], dim=3)
        real, imaginary = (turned @ self.over_columns).chunk(2, dim=3)
        return ((real.square() + imaginary.square()).flatten(2) @ self.filters).transpose(1, 2)

    def _frames(self, waveforms):
        """Return the centred frames (clips, frames, n_fft), of blocks of `hop_length` samples beside each other."""
        padding, blocks = self.n_fft // 2, -(-self.n_fft // self.hop_length)
        count = 1 + (waveforms.shape[1] + 2 * padding - self.n_fft) // self.hop_length
        padded = nn.functional.pad(waveforms, (padding, padding + blocks * self.hop_length))
        samples = padded[:, : (count + blocks - 1) * self.hop_length].unflatten(1, (-1, self.hop_length))
        return torch.cat([samples[:, first : first + count] for first in range(blocks)], dim=2)[..., : self.n_fft]


def _roots(one: np.ndarray, other: np.ndarray, order: int) -> np.ndarray:
    """Return exp(-2πi ab / order) of all pairs; the product is reduced first: large angles lose digits."""
    return np.exp(-2j * np.pi * (np.outer(one, other) % order) / order)


def _parts(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values.real, values.imag])


class Decibels(nn.Module):
    """`librosa.power_to_db`, clip by clip."""

    def __init__(self, reference: str | float, top_db: float | None):
        super().__init__()
        self.top_db = top_db
        self.reference = None if reference == "max" else float(10 * np.log10(max(_AMIN, float(reference))))

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        decibels = 10 * power.clamp(min=_AMIN).log10()
        loudest = decibels.amax(dim=(1, 2), keepdim=True)
        decibels = decibels - (loudest if self.reference is None else self.reference)
        if self.top_db is None:
            return decibels
        return torch.maximum(decibels, decibels.amax(dim=(1, 2), keepdim=True) - self.top_db)


class Statistics(nn.Module):
    """The numbers of `MFCCStatistics`."""

    cosines: torch.Tensor
    within: torch.Tensor
    pairs: torch.Tensor

    def __init__(self, feature: MFCCStatistics):
        super().__init__()
        rate, frame = feature.sample_rate, int(feature.hop_length)
        n_mels, n_mfcc = int(feature.n_mels), int(feature.n_mfcc)
        self.power = MelPower(rate, int(feature.n_fft), frame, n_mels, 0.0, rate / 2)
        self.decibels = Decibels(1.0, 80.0)
        cosines = scipy.fft.dct(np.eye(n_mels), axis=0, norm="ortho")[1:n_mfcc]
        self.register_buffer("cosines", torch.from_numpy(cosines.astype(np.float32)))
        samples = feature.waveform().n_samples
        self.frame, self.missing = frame, -(samples - 1) % frame
        within = np.ones(samples - 1 + self.missing, np.float32)
        within[frame - 1 :: frame] = 0  # a crossing from one frame into the next belongs to neither
        self.register_buffer("within", torch.from_numpy(within))
        starts = np.arange(0, samples - 1, frame)
        pairs = np.minimum(frame, samples - starts) - 1
        self.register_buffer("pairs", torch.from_numpy(pairs.astype(np.float32)))

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        shifted = (waveforms * 32768 + 0.5) / 32767.5
        mfcc = self.cosines @ self.decibels(self.power(shifted))
        positive = (shifted > 0).to(shifted.dtype)
        crossings = (positive[:, 1:] - positive[:, :-1]).abs()
        crossings = nn.functional.pad(crossings, (0, self.missing)) * self.within
        rate = crossings.unflatten(1, (-1, self.frame)).sum(dim=2) / self.pairs
        numbers = [mfcc.mean(dim=2), _deviation(mfcc, 2)]
        return torch.cat([*numbers, rate.mean(dim=1, keepdim=True), _deviation(rate, 1).unsqueeze(1)], dim=1)


class Affine(nn.Module):
    """Multiply and add."""

    factor: torch.Tensor
    offset: torch.Tensor

    def __init__(self, factor: np.ndarray, offset: np.ndarray):
        super().__init__()
        self.register_buffer("factor", torch.from_numpy(np.asarray(factor, np.float32)))
        self.register_buffer("offset", torch.from_numpy(np.asarray(offset, np.float32)))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X * self.factor + self.offset


class Probabilities(nn.Module):
    """Turn logits into probabilities: of one label, or of each of several."""

    def __init__(self, several: bool, binary: bool = False):
        super().__init__()
        self.several, self.binary = several, binary

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        if self.binary:
            return torch.cat([(-logits).sigmoid(), logits.sigmoid()], dim=1)
        return logits.sigmoid() if self.several else logits.softmax(dim=1)


def layers_of(model: Any) -> nn.Sequential:
    """Return the steps of a fitted pipeline as modules, from waveforms to probabilities."""
    layers = [layer for step in steps_of(model) if step not in (None, "passthrough") for layer in _layers(step)]
    return nn.Sequential(*layers).eval()


def _layers(step: Any) -> list[nn.Module]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from ..models import ClipClassifier

    if type(step) is Waveform and step.dtype == "float32":
        return []
    if type(step) is MelSpectrogram and step.dtype == "float32":
        fmax = step.sample_rate / 2 if step.fmax is None else step.fmax
        power = MelPower(step.sample_rate, int(step.n_fft), int(step.hop_length), int(step.n_mels), step.fmin, fmax)
        return [power, Decibels(step.reference, step.top_db)]
    if type(step) is MFCCStatistics and step.dtype == "float32":
        return [Statistics(step)]
    if type(step) is Standardizer:
        scale, mean = np.asarray(step.scale_), np.asarray(step.mean_)
        if scale.ndim and not hasattr(step, "n_features_in_"):
            scale, mean = scale[:, np.newaxis], mean[:, np.newaxis]
        return [Affine(1 / scale, -mean / scale)]
    if type(step) is StandardScaler:
        scale = np.ones(1) if step.scale_ is None else step.scale_
        return [Affine(1 / scale, np.zeros(1) if step.mean_ is None else -step.mean_ / scale)]
    if type(step) is LogisticRegression:
        linear = nn.Linear(step.coef_.shape[1], step.coef_.shape[0])
        linear.load_state_dict(
            {"weight": torch.from_numpy(step.coef_).float(), "bias": torch.from_numpy(step.intercept_).float()}
        )
        return [linear, Probabilities(False, binary=len(step.classes_) == 2)]
    if isinstance(step, ClipClassifier):
        return [step.module_, Probabilities(step.codec_.kind == "several labels")]
    raise ModelError(
        f"{type(step).__name__} cannot be exported to ONNX. Use steps that can: Waveform, MelSpectrogram and "
        "MFCCStatistics of float32, Standardizer, StandardScaler, LogisticRegression, and the networks."
    )


def _deviation(X, dim):
    return (X - X.mean(dim=dim, keepdim=True)).square().mean(dim=dim).sqrt()
