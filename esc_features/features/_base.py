"""What every feature has: parameters that are its whole configuration, and a fingerprint of them."""

import hashlib
import json
import math
import numbers
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..audio import LOUDEST, read_recording
from ..lazy import is_recordings


class Feature(TransformerMixin, BaseEstimator):
    """Base of the features: a stateless scikit-learn transformer from recordings to arrays.

    A subclass says what one clip becomes (`compute`, `output_shape`) and has ``sample_rate``, ``duration`` and
    ``dtype`` among its parameters. In return it can be computed on the spot, stored by an extractor and found again.

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

    #: Raised by the author whenever the same parameters give other numbers: stored features are then stale.
    version = 1
    #: What a store calls the feature if nothing else is said.
    name = "feature"
    _dtypes: tuple[str, ...] = ("float32", "float16")
    # Parameters that say where something is; what it is, `description` says in another way.
    _described_elsewhere: tuple[str, ...] = ()

    def fit(self, X: Any = None, y: Any = None) -> "Feature":
        """Do nothing: a feature learns nothing from data.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        self
        """
        return self

    def transform(self, X: Any):
        """Compute the feature of recordings, or find it where it has been stored.

        Parameters
        ----------
        X : sequence of paths, array of shape (n, samples), or ``store.audio``
            Paths are decoded, resampled and cut or padded to ``duration``. Waveforms are floats at ``sample_rate``
            already, and are cut or padded. A store's recordings give the stored feature.

        Returns
        -------
        ndarray or StoreArray of shape (n, *output_shape())
            One feature a clip.

        Raises
        ------
        AudioError
            A file cannot be used.
        ValueError, TypeError
            ``X`` is none of the above, or a parameter makes no sense.
        """
        if is_recordings(X):
            found = X.precomputed(self)
            return X.derive(self) if found is None else found
        self.check_parameters()
        paths = _as_paths(X)
        if paths is None:
            waveforms = _as_waveforms(X)
            computed = self.compute(_fit_length(waveforms, self.waveform().n_samples))
            return computed.copy() if np.may_share_memory(computed, waveforms) else computed
        waveform = self.waveform()
        features = np.empty((len(paths), *self.output_shape()), self.dtype)
        for i, path in enumerate(paths):
            samples, _ = waveform.from_recording(read_recording(path, self.duration))
            features[i] = self.compute(samples[np.newaxis])[0]
        return features

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        """Compute the feature of waveforms that have the right rate and length.

        Parameters
        ----------
        waveforms : ndarray of shape (n, samples), float32
            At ``sample_rate``, ``duration`` long.

        Returns
        -------
        ndarray of shape (n, *output_shape())
            Of ``dtype``. Each row depends on its own waveform only, bit for bit, in any thread or process.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it is computed: write compute()")

    def output_shape(self) -> tuple[int, ...]:
        """Shape of the feature of one clip.

        Returns
        -------
        tuple of int
        """
        raise NotImplementedError(f"{type(self).__name__} does not say its shape: write output_shape()")

    def waveform(self) -> "Feature":
        """The waveform that this feature is computed from.

        Returns
        -------
        Waveform
            Of this feature's rate and duration, float32.
        """
        from ._waveform import Waveform

        return Waveform(self.sample_rate, self.duration)

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
            raise ValueError(f"duration={self.duration} s at sample_rate={self.sample_rate} Hz is not one sample")
        if _dtype_name(self.dtype) not in self._dtypes:
            raise ValueError(f"dtype must be one of {', '.join(self._dtypes)}; got {self.dtype!r}")

    def description(self) -> dict[str, Any]:
        """All that decides the numbers: class, algorithm version, every parameter, and what it is computed from.

        Returns
        -------
        dict
            Can be written as JSON.

        Raises
        ------
        ValueError
            A parameter has no lasting description, a function or an open file for instance.
        """
        parameters = describe_parameters(self, leave_out=self._described_elsewhere)
        if "dtype" in parameters:
            parameters["dtype"] = _dtype_name(self.dtype)
        return {
            "class": class_name(type(self)),
            "version": describe_value("version", self.version),
            "parameters": parameters,
            "computed_from": self._computed_from(),
        }

    def fingerprint(self) -> str:
        """A digest of `description`: equal for equal settings, different for different ones.

        Paths, times, worker counts and library versions do not enter.

        Returns
        -------
        str
            32 hexadecimal digits.
        """
        return fingerprint_of(self.description())

    def _computed_from(self):
        return self.waveform().description()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def fingerprint_of(description: dict[str, Any]) -> str:
    """Digest the description of a feature.

    Equal for equal settings, different for different ones; what a stored file is found again by.

    Parameters
    ----------
    description : dict
        As `Feature.description` gives it.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> from esc_features.features import Waveform, fingerprint_of
    >>> fingerprint_of(Waveform().description()) == Waveform().fingerprint()
    True
    """
    text = json.dumps(description, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def check_number(feature, name, *, at_least=None, above=None, whole=False):
    """Raise ValueError unless a parameter of a feature is a number in the given range."""
    value = getattr(feature, name)
    wanted = "a whole number" if whole else "a number"
    if at_least is not None:
        wanted += f" of at least {at_least}"
    if above is not None:
        wanted += f" above {above}"
    fine = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_)) and math.isfinite(value)
    fine = fine and (not whole or value == int(value))
    fine = fine and (at_least is None or value >= at_least) and (above is None or value > above)
    if not fine:
        raise ValueError(f"{name} must be {wanted}; got {value!r}")


def check_waveforms(feature, waveforms):
    """Raise ValueError unless ``waveforms`` have the length that a feature computes from; give them as float32."""
    samples = feature.waveform().n_samples
    if waveforms.ndim != 2 or waveforms.shape[1] != samples:
        raise ValueError(
            f"compute takes waveforms of shape (n, {samples}), {feature.duration} s at {feature.sample_rate} Hz; got "
            f"{waveforms.shape}. transform cuts and pads"
        )
    return np.asarray(waveforms, dtype=np.float32)


def class_name(kind):
    """Where a user imports a class from, private modules left out."""
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise ValueError(
            f"{kind.__qualname__} is defined in {'a script' if kind.__module__ == '__main__' else 'a function'}, "
            "so that a store could not say what its numbers are. Move the class to a module that can be imported."
        )
    public = [part for part in kind.__module__.split(".") if not part.startswith("_")]
    return ".".join([*public, kind.__qualname__])


def describe_parameters(estimator, leave_out=()):
    """All parameters of an estimator as JSON values."""
    parameters = estimator.get_params(deep=False).items()
    return {name: describe_value(name, value) for name, value in parameters if name not in leave_out}


def describe_value(name, value):
    """One parameter as a JSON value. Whole floats are integers (5.0 is 5), tuples are lists, True is not 1."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        value = float(value)
        return int(value) if value.is_integer() else value
    if isinstance(value, (list, tuple)):
        return [describe_value(name, item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: describe_value(name, item) for key, item in value.items()}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, BaseEstimator):
        return {
            "class": class_name(type(value)),
            "version": describe_value("version", getattr(value, "version", 1)),
            "parameters": describe_parameters(value),
        }
    raise ValueError(
        f"the parameter {name}={value!r} has no lasting description, so that its feature could not be found again. "
        "Use numbers, strings, True, False, None, lists and dicts of them, or estimators."
    )


def _dtype_name(dtype):
    try:
        return np.dtype(dtype).name if dtype is not None else "None"
    except TypeError:
        return repr(dtype)


def _as_paths(X):
    """A list of paths if that is what ``X`` is, else None."""
    if isinstance(X, (str, bytes, os.PathLike)):
        raise TypeError(f"transform takes a list of recordings; for one, put it in a list: transform([{X!r}])")
    if isinstance(X, np.ndarray) or hasattr(X, "dtype"):
        if getattr(X, "ndim", 1) != 1 or getattr(X.dtype, "kind", "") not in ("O", "U", "T"):
            return None
        X = list(X)
    if not isinstance(X, Sequence) or not all(isinstance(item, (str, os.PathLike)) for item in X):
        return None
    if not X:
        raise ValueError("transform got an empty list: give it at least one recording")
    return X


def _as_waveforms(X):
    if hasattr(X, "toarray"):
        raise TypeError("transform takes paths or a dense array of waveforms, not a sparse matrix")
    if X is None or np.isscalar(X):
        raise TypeError(f"transform takes a list of paths, an array of waveforms or store.audio, got {X!r}")
    try:
        waveforms = np.asarray(X)
    except ValueError as error:
        raise ValueError(f"the waveforms differ in length: {error}. Pad them, or pass paths") from error
    if waveforms.dtype == object:
        try:
            waveforms = waveforms.astype(float)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"transform takes a list of paths, an array of waveforms or store.audio, got {_kind(X)}: {error}. "
                "For a table of clips pass its column clips['path']"
            ) from error
    if waveforms.dtype.kind == "c":
        raise ValueError("Complex data not supported: waveforms are real numbers")
    if waveforms.dtype.kind != "f":
        raise TypeError(
            f"waveforms are floats with full scale 1, got {waveforms.dtype}: divide 16-bit integers by 32768"
        )
    if waveforms.ndim != 2:
        raise ValueError(
            f"Expected 2D array (clips, samples), got shape {waveforms.shape}. "
            "Reshape your data: for a single waveform use waveform.reshape(1, -1)"
        )
    clips, samples = waveforms.shape
    if clips == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={waveforms.shape}) while a minimum of 1 is required.")
    if samples == 0:
        raise ValueError(f"Found array with 0 feature(s) (shape={waveforms.shape}) while a minimum of 1 is required.")
    bad = np.flatnonzero(~np.isfinite(waveforms).all(axis=1))
    if len(bad):
        raise ValueError(f"Input X contains NaN or infinity, first in row {bad[0]} ({len(bad)} rows)")
    if max(waveforms.max(), -waveforms.min()) > LOUDEST:
        raise ValueError(f"the waveforms have values as large as {np.abs(waveforms).max():.3g}; full scale is 1")
    return waveforms


def _kind(X):
    return f"{type(X).__module__}.{type(X).__qualname__}"


def _fit_length(waveforms, samples):
    if waveforms.shape[1] == samples:
        return np.ascontiguousarray(waveforms, dtype=np.float32)
    fitted = np.zeros((len(waveforms), samples), np.float32)
    kept = min(samples, waveforms.shape[1])
    fitted[:, :kept] = waveforms[:, :kept]
    return fitted
