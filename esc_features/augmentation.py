"""Data augmentation: random changes to training batches, which estimators apply in training only.

``ConvNetClassifier(iterator_train__transforms=[TimeShift(0.2), Mixup()])`` applies them in this order to each batch,
with random numbers that depend on the estimator's `random_state`.
"""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
from sklearn.base import BaseEstimator

__all__ = ["AddNoise", "BatchTransform", "Gain", "Mixup", "RandomCrop", "SpecAugment", "TimeShift"]


class BatchTransform(BaseEstimator):
    """Base class of the augmentations.

    Derive from it to write one of your own: a subclass defines `change`. It has parameters in the style of
    scikit-learn, so it can be printed, cloned and used as a value in a grid.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import BatchTransform
    >>> class Flip(BatchTransform):
    ...     def change(self, X, y, generator):
    ...         return X.flip(-1), y
    >>> Flip()(torch.tensor([[1.0, 2.0, 3.0]]))[0]
    tensor([[3., 2., 1.]])
    """

    def __call__(self, X, y=None, generator=None, n_classes=None):
        """Change a batch.

        Parameters
        ----------
        X : torch.Tensor of shape (n, samples) or (n, bands, frames), float32
            Waveforms or spectrograms.
        y : torch.Tensor of shape (n,) or (n, n_classes), optional
            Class numbers, or the share of each class if labels have been mixed.
        generator : torch.Generator, optional
            Source of random numbers; PyTorch's global generator by default.
        n_classes : int, optional
            Number of classes, which is required to mix labels.

        Returns
        -------
        X : torch.Tensor
            The changed batch, of as many clips. The given batch is not modified.
        y : torch.Tensor or None
            The labels; shares of the classes if they were mixed.

        Raises
        ------
        ValueError
            If a parameter is invalid, or the batch is of a kind that this augmentation cannot change.
        """
        self.check_parameters()
        if y is not None and y.ndim == 1 and n_classes is not None and self.mixes_labels:
            y = torch.nn.functional.one_hot(y, n_classes).to(X.dtype)
        return self.change(X, y, generator)

    #: Whether `change` takes `y` as shares of the classes, float32 (n, n_classes), instead of class numbers.
    mixes_labels = False

    def change(self, X, y, generator):
        """Return the changed batch; subclasses define it.

        Parameters
        ----------
        X : torch.Tensor of shape (n, samples) or (n, bands, frames), float32
            Waveforms or spectrograms.
        y : torch.Tensor or None
            Labels.
        generator : torch.Generator or None
            Source of all random numbers.

        Returns
        -------
        X : torch.Tensor
            The changed batch.
        y : torch.Tensor or None
            The labels.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define what it changes: write change().")

    def check_parameters(self) -> None:
        """Raise ValueError if a parameter is invalid."""


class TimeShift(BatchTransform):
    """Shift each clip in time, by a random amount.

    The class of a sound does not depend on when it occurs. Audio that is shifted out of the clip is lost and the gap is
    filled, unless the clip wraps around.

    Parameters
    ----------
    max_shift : float, default=0.2
        Largest shift in either direction, as a share of the clip, in [0, 1].
    fill : {"minimum", "wrap"} or float, default="minimum"
        How to fill the gap. "minimum" is silence: the minimum of the clip for spectrograms, zero for waveforms. "wrap"
        wraps the clip around. A number is used as it is.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import TimeShift
    >>> X, _ = TimeShift(0.5, fill="wrap")(torch.arange(8.0).reshape(1, 8), generator=torch.Generator().manual_seed(0))
    >>> X
    tensor([[4., 5., 6., 7., 0., 1., 2., 3.]])
    """

    def __init__(self, max_shift: float = 0.2, fill: str | float = "minimum"):
        self.max_shift = max_shift
        self.fill = fill

    def change(self, X, y, generator):
        n, length = X.shape[0], X.shape[-1]
        most = int(self.max_shift * length)
        if self.fill == "wrap":
            before, after = X[..., length - most :], X[..., :most]
        else:
            if self.fill == "minimum" and X.ndim > 2:
                fill = X.amin(dim=tuple(range(1, X.ndim)), keepdim=True)
            else:
                fill = torch.full([1] * X.ndim, 0.0 if self.fill == "minimum" else float(self.fill))
            before = after = fill.expand(*X.shape[:-1], most)
        # Each shifted clip is a window of the extended clip.
        windows = torch.cat([before, X, after], dim=-1).unfold(-1, length, 1)
        start = most - torch.randint(-most, most + 1, (n,), generator=generator)
        return windows[torch.arange(n), ..., start, :], y

    def check_parameters(self) -> None:
        _check_share(self, "max_shift")
        _check_fill(self, "minimum", "wrap")


class RandomCrop(BatchTransform):
    """Keep a random segment of each clip.

    A network that pools over time can learn from segments and predict whole clips. Training on half of each clip takes
    half the time, which leaves time for nearly twice as many epochs. Of two random segments, the louder one is kept,
    because much of a clip may be silence.

    Parameters
    ----------
    share : float, default=0.5
        Length of the segment, as a share of the clip, in [0, 1].
    min_length : int, default=1
        Least length of the segment, in samples or frames. Shorter clips are kept whole.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import RandomCrop
    >>> X, _ = RandomCrop()(torch.arange(8.0).reshape(1, 8), generator=torch.Generator().manual_seed(0))
    >>> X
    tensor([[4., 5., 6., 7.]])
    """

    def __init__(self, share: float = 0.5, min_length: int = 1):
        self.share = share
        self.min_length = min_length

    def change(self, X, y, generator):
        length = X.shape[-1]
        windows = X.unfold(-1, min(length, max(self.min_length, int(self.share * length))), 1)
        clips = torch.arange(len(X))
        drawn = windows[clips, ..., torch.randint(windows.shape[-2], (2, len(X)), generator=generator), :]
        peaks = drawn.amax(-1).mean(-1) if X.ndim > 2 else drawn.abs().amax(-1)
        return drawn[peaks.argmax(0), clips], y

    def check_parameters(self) -> None:
        _check_share(self, "share")
        _check_count(self, "min_length", 1)


class Gain(BatchTransform):
    """Make each clip louder or softer, by a random amount.

    Recordings differ in level for reasons that a classifier should not learn.

    Parameters
    ----------
    max_gain : float, default=6.0
        Largest change in either direction, in decibels. It is added to the values of spectrograms, so for standardised
        spectrograms the unit is standard deviations.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import Gain
    >>> X, _ = Gain(6.0)(torch.zeros(1, 2, 3), generator=torch.Generator().manual_seed(0))
    >>> bool((X == X[0, 0, 0]).all())
    True
    """

    def __init__(self, max_gain: float = 6.0):
        self.max_gain = max_gain

    def change(self, X, y, generator):
        gain = self.max_gain * (2 * torch.rand(len(X), *[1] * (X.ndim - 1), generator=generator) - 1)
        return (X + gain if X.ndim > 2 else X * 10 ** (gain / 20)), y

    def check_parameters(self) -> None:
        if not _is_number(self.max_gain) or self.max_gain < 0:
            raise ValueError(f"max_gain must be a number of at least 0, not {self.max_gain!r}.")


class AddNoise(BatchTransform):
    """Add white noise to each waveform, at a random signal-to-noise ratio.

    Real places are never silent, and a network trained on clean clips may rely on silence around a sound. This is for
    waveforms: put it in front of a feature.

    Parameters
    ----------
    min_snr, max_snr : float, default=10.0 and 40.0
        Range of the signal-to-noise ratio in decibels: 20 log10 of the root mean square of the clip over that of the
        noise. The ratio of each clip is drawn uniformly. A silent clip stays silent.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import AddNoise
    >>> X, _ = AddNoise(20, 20)(torch.ones(1, 80000), generator=torch.Generator().manual_seed(0))
    >>> round(float(X.std()), 2)
    0.1

    In front of a spectrogram, in training only:
    ``ConvNetClassifier(iterator_train__transforms=[AddNoise(), MelSpectrogram()])``.
    """

    def __init__(self, min_snr: float = 10.0, max_snr: float = 40.0):
        self.min_snr = min_snr
        self.max_snr = max_snr

    def change(self, X, y, generator):
        if X.ndim != 2:
            raise ValueError(
                f"AddNoise takes waveforms (n, samples), not batches of shape {tuple(X.shape)}: put it in front of the "
                "feature, transforms=[AddNoise(), MelSpectrogram()]."
            )
        snr = self.min_snr + (self.max_snr - self.min_snr) * torch.rand(len(X), 1, generator=generator)
        level = X.square().mean(dim=1, keepdim=True).sqrt() * 10 ** (-snr / 20)
        return X + level * torch.randn(X.shape, generator=generator), y

    def check_parameters(self) -> None:
        if not (_is_number(self.min_snr) and _is_number(self.max_snr) and self.min_snr <= self.max_snr):
            raise ValueError(
                f"min_snr and max_snr must be numbers, and min_snr not above max_snr, not {self.min_snr!r} and "
                f"{self.max_snr!r}."
            )


class SpecAugment(BatchTransform):
    """Mask random ranges of bands and frames of each spectrogram.

    The network then cannot rely on a single detail. The width of each mask is drawn between 0 and the largest width.

    Parameters
    ----------
    frequency_width, time_width : float, default=0.125
        Largest width of a mask, as a share of the bands and of the frames, in [0, 1].
    n_frequency_masks, n_time_masks : int, default=2
        Number of masks of each kind; they may overlap.
    fill : {"mean", "minimum"} or float, default="mean"
        Value of masked elements: the mean or minimum of the clip, or a number.

    References
    ----------
    D. S. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition", Interspeech
    2019.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import SpecAugment
    >>> X, _ = SpecAugment(fill=0.0)(torch.ones(2, 64, 100), generator=torch.Generator().manual_seed(0))
    >>> bool((X == 0).any()), bool((X == 1).any())
    (True, True)
    """

    def __init__(
        self,
        frequency_width: float = 0.125,
        time_width: float = 0.125,
        n_frequency_masks: int = 2,
        n_time_masks: int = 2,
        fill: str | float = "mean",
    ):
        self.frequency_width = frequency_width
        self.time_width = time_width
        self.n_frequency_masks = n_frequency_masks
        self.n_time_masks = n_time_masks
        self.fill = fill

    def change(self, X, y, generator):
        if X.ndim != 3:
            raise ValueError(
                f"SpecAugment takes spectrograms (n, bands, frames), not batches of shape {tuple(X.shape)}: leave it "
                "out for waveforms."
            )
        n, bands, frames = X.shape
        masked = _stripes(n, bands, self.frequency_width, self.n_frequency_masks, generator)[:, :, None]
        masked = masked | _stripes(n, frames, self.time_width, self.n_time_masks, generator)[:, None, :]
        if self.fill == "mean":
            return torch.where(masked, X.mean(dim=(1, 2), keepdim=True), X), y
        if self.fill == "minimum":
            return torch.where(masked, X.amin(dim=(1, 2), keepdim=True), X), y
        return torch.where(masked, float(self.fill), X), y

    def check_parameters(self) -> None:
        _check_share(self, "frequency_width")
        _check_share(self, "time_width")
        _check_count(self, "n_frequency_masks", 0)
        _check_count(self, "n_time_masks", 0)
        _check_fill(self, "mean", "minimum")


class Mixup(BatchTransform):
    """Mix each clip with another clip of its batch, and their labels in the same proportion.

    The predictions of the network then change gradually between training clips. The training accuracy in the history
    counts the share of the predicted class in the mixed label, so it is lower than on unmixed clips.

    Parameters
    ----------
    alpha : float, default=0.4
        Both parameters of the beta distribution of the proportions. With small values most clips stay nearly unchanged,
        with 1 all proportions are equally likely, and with 0 nothing is mixed.

    References
    ----------
    H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

    Examples
    --------
    >>> import torch
    >>> from esc_features.augmentation import Mixup
    >>> X, y = Mixup()(torch.eye(2), torch.tensor([0, 1]), generator=torch.Generator().manual_seed(0), n_classes=3)
    >>> y.sum(dim=1)
    tensor([1., 1.])
    """

    mixes_labels = True

    def __init__(self, alpha: float = 0.4):
        self.alpha = alpha

    def change(self, X, y, generator):
        if y is not None and y.ndim == 1:
            raise ValueError("Mixup requires the number of classes to mix labels: give n_classes.")
        if self.alpha == 0:
            return X, y
        n = len(X)
        partner = torch.randperm(n, generator=generator)
        seed = int(torch.randint(2**62, (), generator=generator).item())
        drawn = np.random.default_rng(seed).beta(self.alpha, self.alpha, n)
        share = torch.from_numpy(drawn.astype(np.float32))

        def mix(values):
            weight = share.view(n, *[1] * (values.ndim - 1))
            return torch.lerp(values[partner], values, weight)

        return mix(X), None if y is None else mix(y)

    def check_parameters(self) -> None:
        if not _is_number(self.alpha) or self.alpha < 0:
            raise ValueError(f"alpha must be a number of at least 0, not {self.alpha!r}.")


def _stripes(n, length, share, count, generator):
    """Return which of `length` positions are masked, (n, length) bool."""
    widths = (torch.rand(n, count, 1, generator=generator) * (int(share * length) + 1)).long()
    starts = (torch.rand(n, count, 1, generator=generator) * (length - widths + 1)).long()
    position = torch.arange(length)
    return ((position >= starts) & (position < starts + widths)).any(dim=1)


def _check_share(transform, name):
    value = getattr(transform, name)
    if not _is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a share of the clip from 0 to 1, not {value!r}.")


def _check_count(transform, name, least):
    value = getattr(transform, name)
    if not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}.")


def _check_fill(transform, *words):
    if transform.fill not in words and not _is_number(transform.fill):
        raise ValueError(f"fill must be one of {', '.join(map(repr, words))} or a number, not {transform.fill!r}.")


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
