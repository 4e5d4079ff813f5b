"""What all features have in common: parameters that are their whole configuration, and a fingerprint of them."""

from __future__ import annotations

import logging
import math
import numbers
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..audio import Note, Recording, RecordingReader, WaveformSpec
from ..lazy import LazyArray, as_float32, is_lazy, is_recordings, remember_sources, warn_source_leak
from ._description import describe, describe_waveform, dtype_name, fingerprint_of
from ._inputs import Clips, as_clips, as_waveforms, check_stored_waveforms

_logger = logging.getLogger("esc_features")
_warned_of: set[tuple[str, float]] = set()
# Rows of a lazy array that are read at a time.
_BLOCK = 64


class Feature(TransformerMixin, BaseEstimator):
    """Base of the features: a stateless scikit-learn transformer from recordings to arrays.

    A subclass says what one clip becomes (`compute`, `output_shape`) and has ``sample_rate``, ``duration`` and
    ``dtype`` among its parameters. In return it can be computed on the spot, stored, and found again.

    Examples
    --------
    A feature of your own, in a module that can be imported:

    >>> import numpy as np
    >>> from esc_features.features import Feature
    >>> class Loudness(Feature):
    ...     name = "loudness"
    ...     def __init__(self, sample_rate=16000, duration=5.0, dtype="float32"):
    ...         self.sample_rate, self.duration, self.dtype = sample_rate, duration, dtype
    ...     def output_shape(self):
    ...         return (1,)
    ...     def compute(self, waveforms):
    ...         return np.square(waveforms).mean(axis=1, keepdims=True).astype(self.dtype)
    >>> Loudness().transform(np.full((2, 80000), 0.5))
    array([[0.25],
           [0.25]], dtype=float32)
    """

    #: Increment it whenever the same parameters give other numbers: stored features are then stale.
    version = 1
    #: Its name in a store, by default.
    name = "feature"
    #: Parameters that were added later, with the value that means what the feature did before: what was stored then
    #: stays up to date. ``{"power": 2.0}``, say.
    neutral_parameters: dict[str, Any] = {}  # noqa: RUF012
    #: Packages beyond numpy, scipy, soxr and soundfile whose versions decide the numbers; recorded in a store.
    libraries: tuple[str, ...] = ()
    sample_rate: int
    duration: float
    dtype: str
    _dtypes: tuple[str, ...] = ("float32", "float16")
    # Parameters that say where something is; `description` says what it is in another way.
    _described_elsewhere: tuple[str, ...] = ()

    def fit(self, X: Any = None, y: Any = None) -> Feature:
        """Learn nothing: a feature has no state. It only remembers which recordings of a store it was given.

        This lets `transform` warn where other clips of the same recordings are to be scored.

        Parameters
        ----------
        X : any
            Clips, as for `transform`.
        y : ignored

        Returns
        -------
        self
        """
        remember_sources(self, X)
        return self

    def transform(self, X: Any, sampling_rate: float | None = None) -> Any:
        """Compute the feature of recordings, or find it in their store.

        Parameters
        ----------
        X : sequence of paths, DataFrame, array of shape (n, samples), or ``store.audio``
            Paths (or URLs) are decoded, resampled and cut or padded to ``duration``. A table of clips has a column
            ``path`` (or ``filename``) and may have ``start`` and ``end`` in seconds; a recording is opened once,
            however many of its stretches the table names. Waveforms are floats, and are cut or padded. A store's
            recordings give the stored feature.
        sampling_rate : float, default=None
            The rate of waveforms (Hz), which are resampled if it is not the feature's ``sample_rate``; None means that
            it is.

        Returns
        -------
        ndarray or StoreArray of shape (n, ``*output_shape()``)
            One feature per clip.

        Raises
        ------
        AudioError
            A file cannot be used.
        ValueError, TypeError
            ``X`` is none of the above, holds waveforms of another rate, or a parameter makes no sense.
        """
        if is_recordings(X):
            warn_source_leak(self, X)
            found = X.precomputed(self)
            return X.derive(self) if found is None else found
        self.check_parameters()
        if is_lazy(X):
            warn_source_leak(self, X)
            return self._of_stored_waveforms(X)
        clips = as_clips(X)
        if clips is None:
            return self._of_waveforms(as_waveforms(X), sampling_rate)
        if sampling_rate is not None:
            raise ValueError("sampling_rate is for waveforms: recordings know their own rate.")
        return self._of_clips(clips)

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the feature of waveforms that have the right rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            At ``sample_rate``, ``duration`` long.

        Returns
        -------
        ndarray of shape (n, ``*output_shape()``)
            Of ``dtype``. Each row depends on its own waveform only, bit for bit, in any thread or process.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define how it is computed: write compute().")

    def output_shape(self) -> tuple[int, ...]:
        """Shape of the feature of one clip.

        Returns
        -------
        tuple of int
        """
        raise NotImplementedError(f"{type(self).__name__} does not define its shape: write output_shape().")

    def waveform(self) -> WaveformSpec:
        """The rate and length of the waveforms that this feature is computed from.

        Returns
        -------
        WaveformSpec
        """
        return WaveformSpec(self.sample_rate, self.duration)

    def check_parameters(self) -> None:
        """Check that the parameters make sense together.

        Raises
        ------
        ValueError
            The message names the parameter, its value and what it may be.
        """
        check_number(self, "sample_rate", at_least=1, whole=True)
        check_number(self, "duration", above=0)
        if self.waveform().n_samples < 1:
            raise ValueError(f"duration={self.duration} s at sample_rate={self.sample_rate} Hz is not one sample.")
        if dtype_name(self.dtype) not in self._dtypes:
            raise ValueError(f"dtype must be one of {', '.join(self._dtypes)}, not {self.dtype!r}.")

    def description(self) -> dict[str, Any]:
        """All that decides the numbers: class, algorithm version, every parameter, and what it is computed from.

        Returns
        -------
        dict
            Can be written as JSON.

        Raises
        ------
        ValueError
            A parameter cannot be described in a file, such as a function.
        """
        described = describe(self, leave_out=self._described_elsewhere)
        if "dtype" in described["parameters"]:
            described["parameters"]["dtype"] = dtype_name(self.dtype)
        return {**described, "computed_from": self._computed_from()}

    def fingerprint(self) -> str:
        """A digest of `description`: equal for equal settings, different for different ones.

        Paths, times, worker counts and library versions do not enter.

        Returns
        -------
        str
            32 hexadecimal digits.
        """
        return fingerprint_of(self.description())

    def _computed_from(self) -> dict[str, Any] | None:
        return describe_waveform(self.waveform())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _of_clips(self, clips: Clips) -> np.ndarray:
        spec = self.waveform()
        features = np.empty((len(clips.paths), *self.output_shape()), self.dtype)
        cut = []
        with RecordingReader() as recordings:
            for row in clips.by_recording():
                path, start, end = clips.paths[row], float(clips.starts[row]), float(clips.ends[row])
                waveform, notes = spec.waveform_of(recordings.read(path, start, end, spec.duration))
                features[row] = self.compute(waveform[np.newaxis])[0]
                if notes & Note.CUT:
                    cut.append(path)
        self._warn_of_cut(cut, len(features))
        return features

    def _of_waveforms(self, waveforms: np.ndarray, sampling_rate: float | None) -> np.ndarray:
        spec = self.waveform()
        if sampling_rate is None or sampling_rate == spec.sample_rate:
            fitted = [spec.cut_or_pad(waveform) for waveform in waveforms.astype(np.float32, copy=False)]
        else:
            check_value("sampling_rate", sampling_rate, at_least=1)
            recordings = (
                Recording(waveform, sampling_rate, 1, len(waveform), 0, "waveform")
                for waveform in np.ascontiguousarray(waveforms, np.float32)
            )
            fitted = [spec.waveform_of(recording)[0] for recording in recordings]
        return self.compute(np.stack(fitted))

    def _of_stored_waveforms(self, X: LazyArray) -> np.ndarray:
        spec = self.waveform()
        check_stored_waveforms(X, spec, self)
        features = np.empty((X.shape[0], *self.output_shape()), self.dtype)
        for start in range(0, len(features), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(features)))
            features[rows] = self._of_waveforms(as_float32(X.take(rows)), None)
        return features

    def _warn_of_cut(self, cut: list, clips: int) -> None:
        key = (type(self).__name__, float(self.duration))
        if cut and key not in _warned_of:
            _warned_of.add(key)
            _logger.warning(
                "%d of %d clips are longer than duration=%s s of %s and are cut, such as %r: the rest is not used. "
                "Set a longer duration, or cut the recordings into windows. (This is logged once.)",
                len(cut),
                clips,
                self.duration,
                type(self).__name__,
                str(cut[0]),
            )


def check_number(
    feature: Any, name: str, *, at_least: float | None = None, above: float | None = None, whole: bool = False
) -> None:
    """Raise ValueError unless a parameter of a feature is a number in the given range."""
    check_value(name, getattr(feature, name), at_least=at_least, above=above, whole=whole)


def check_value(
    name: str, value: Any, *, at_least: float | None = None, above: float | None = None, whole: bool = False
) -> None:
    """Raise ValueError unless a value is a number in the given range."""
    wanted = "a whole number" if whole else "a number"
    if at_least is not None:
        wanted += f" of at least {at_least}"
    if above is not None:
        wanted += f" above {above}"
    fine = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)) and math.isfinite(value)
    fine = fine and (not whole or value == int(value))
    fine = fine and (at_least is None or value >= at_least) and (above is None or value > above)
    if not fine:
        raise ValueError(f"{name} must be {wanted}, not {value!r}.")


def check_waveforms(feature: Feature, waveforms: np.ndarray) -> np.ndarray:
    """Return waveforms as float32, or raise ValueError unless they have the length that a feature computes from."""
    spec = feature.waveform()
    if waveforms.ndim != 2 or waveforms.shape[1] != spec.n_samples:
        raise ValueError(
            f"compute takes waveforms of shape (n, {spec.n_samples}), {spec.duration} s at {spec.sample_rate} Hz, and "
            f"was given {waveforms.shape}. transform cuts and pads."
        )
    return np.asarray(waveforms, dtype=np.float32)
