"""The base class of all features: their parameters are their complete configuration, and have a fingerprint."""

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
    """Base class of the features: a stateless scikit-learn transformer from recordings to arrays.

    Derive from it to add a feature of your own. A subclass defines `compute` and `output_shape` and has
    ``sample_rate``, ``duration`` and ``dtype`` among its parameters; it can then be computed for any recording, stored,
    and found again in a store.

    Examples
    --------
    A feature of your own, in an importable module:

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
    #: Its default name in a store.
    name = "feature"
    #: Parameters that were added later, each with the value that keeps the earlier behaviour, such as
    #: ``{"power": 2.0}``: features that were stored before stay up to date.
    neutral_parameters: dict[str, Any] = {}  # noqa: RUF012
    #: Packages beyond numpy, scipy, soxr and soundfile whose versions affect the numbers; recorded in a store.
    libraries: tuple[str, ...] = ()
    sample_rate: int
    duration: float
    dtype: str
    _dtypes: tuple[str, ...] = ("float32", "float16")
    # Parameters with the place of something, of which `description` has the content instead.
    _described_elsewhere: tuple[str, ...] = ()

    def fit(self, X: Any = None, y: Any = None) -> Feature:
        """Do nothing but remember which recordings of a store were given: a feature has no state.

        `transform` can then warn if it is given other clips of the same recordings, to be scored.

        Parameters
        ----------
        X : any
            Clips, as for `transform`.
        y : ignored
            Not used; present for scikit-learn.

        Returns
        -------
        self : Feature
            The feature itself.
        """
        remember_sources(self, X)
        return self

    def transform(self, X: Any, sampling_rate: float | None = None) -> Any:
        """Compute the feature of clips, or find it in their store.

        Parameters
        ----------
        X : sequence of paths, DataFrame, array of shape (n, samples), or ``store.audio``
            Files (or URLs) are decoded, resampled, and cut or padded to ``duration``. A clip table has a column
            ``path`` (or ``filename``) and may have ``start`` and ``end`` in seconds; each recording is opened once,
            however many clips it has. Waveforms must be floats, and are cut or padded. For the recordings of a store,
            the stored feature is returned.
        sampling_rate : float, default=None
            Sample rate of waveforms, in Hz. They are resampled if it differs from the feature's ``sample_rate``; None
            means that it does not.

        Returns
        -------
        ndarray or StoreArray of shape (n, ``*output_shape()``)
            One feature per clip.

        Raises
        ------
        AudioError
            If a file cannot be used.
        StoreError
            If the feature is neither in the store nor can be computed from its waveforms or recordings.
        TypeError, ValueError
            If ``X`` is none of the above or holds waveforms of another rate, or if a parameter is invalid.
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
            raise ValueError("sampling_rate is for waveforms: omit it for recordings, whose files state their rate.")
        return self._of_clips(clips)

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the feature of waveforms of the right sample rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            Waveforms at ``sample_rate``, each ``duration`` long.

        Returns
        -------
        ndarray of shape (n, ``*output_shape()``)
            The features, of ``dtype``. Each row depends only on its own waveform, bit for bit, in any thread or
            process.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define how it is computed: write compute().")

    def output_shape(self) -> tuple[int, ...]:
        """Return the shape of the feature of one clip.

        Returns
        -------
        tuple of int
            The shape.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define its shape: write output_shape().")

    def waveform(self) -> WaveformSpec:
        """Return the sample rate and length of the waveforms that this feature is computed from.

        Returns
        -------
        WaveformSpec
            The specification.
        """
        return WaveformSpec(self.sample_rate, self.duration)

    def check_parameters(self) -> None:
        """Check the parameters.

        Raises
        ------
        ValueError
            If a parameter is invalid; the message names it, its value and the valid ones.
        """
        check_number(self, "sample_rate", at_least=1, whole=True)
        check_number(self, "duration", above=0)
        if self.waveform().n_samples < 1:
            raise ValueError(
                f"duration={self.duration} s at sample_rate={self.sample_rate} Hz is not one sample: increase one."
            )
        if dtype_name(self.dtype) not in self._dtypes:
            raise ValueError(f"dtype must be one of {', '.join(self._dtypes)}, not {self.dtype!r}.")

    def description(self) -> dict[str, Any]:
        """Return everything that determines the numbers: class, algorithm version, parameters, and input.

        Returns
        -------
        dict
            The description, which can be written as JSON.

        Raises
        ------
        ValueError
            If a parameter cannot be described in a file, such as a function.
        """
        described = describe(self, leave_out=self._described_elsewhere)
        if "dtype" in described["parameters"]:
            described["parameters"]["dtype"] = dtype_name(self.dtype)
        return {**described, "computed_from": self._computed_from()}

    def fingerprint(self) -> str:
        """Return a digest of `description`, equal for equal settings and different for different ones.

        It does not depend on paths, times, numbers of workers or versions of libraries.

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
    """Raise ValueError if a parameter of a feature is not a number in the given range."""
    check_value(name, getattr(feature, name), at_least=at_least, above=above, whole=whole)


def check_value(
    name: str, value: Any, *, at_least: float | None = None, above: float | None = None, whole: bool = False
) -> None:
    """Raise ValueError if a value is not a number in the given range."""
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
    """Return waveforms as float32; raise ValueError if they do not have the length that a feature computes from."""
    spec = feature.waveform()
    if waveforms.ndim != 2 or waveforms.shape[1] != spec.n_samples:
        raise ValueError(
            f"compute takes waveforms of shape (n, {spec.n_samples}), {spec.duration} s at {spec.sample_rate} Hz, but "
            f"was given {waveforms.shape}. Use transform, which cuts and pads."
        )
    return np.asarray(waveforms, dtype=np.float32)
