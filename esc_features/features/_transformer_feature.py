"""Features made from a user's own transformers of waveforms."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from ._base import Feature, check_number
from ._description import describe


def as_feature(transformer: Any) -> Feature:
    """Make a feature from a scikit-learn transformer of waveforms.

    Use it to compute or store the output of a transformer that was not written as a `Feature`.

    Parameters
    ----------
    transformer : Feature or transformer
        An instance whose ``transform`` takes a float32 array of shape ``(n, samples)``. Its ``sample_rate`` (Hz) and
        ``duration`` (s) determine the waveforms that it is given; they default to 16000 and 5.0. It must not require
        fitting. To be stored, its class must be in an importable module and its parameters must be plain values.

    Returns
    -------
    Feature
        The feature; the transformer itself if it already is one.

    Raises
    ------
    TypeError
        If it has no ``transform`` or no ``get_params``, or is a class and not an instance.

    Examples
    --------
    >>> from sklearn.preprocessing import Normalizer
    >>> from esc_features.features import as_feature
    >>> as_feature(Normalizer()).output_shape()
    (80000,)
    """
    if isinstance(transformer, type):
        raise TypeError(f"Give an instance, {transformer.__name__}(), not the class {transformer.__name__}.")
    if isinstance(transformer, Feature):
        return transformer
    if not hasattr(transformer, "transform") or not hasattr(transformer, "get_params"):
        raise TypeError(
            f"{transformer!r} is not a feature: it needs the methods transform and get_params of a scikit-learn "
            "transformer (inherit from sklearn.base.BaseEstimator and TransformerMixin)."
        )
    return TransformerFeature(transformer)


class TransformerFeature(Feature):
    """A transformer of waveforms as a feature; made by `as_feature`."""

    def __init__(self, transformer: Any):
        self.transformer = transformer

    @property
    def name(self) -> str:  # type: ignore[override]
        return getattr(self.transformer, "name", type(self.transformer).__name__.lower())

    @property
    def libraries(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(getattr(self.transformer, "libraries", ()))

    @property
    def sample_rate(self) -> int:  # type: ignore[override]
        return getattr(self.transformer, "sample_rate", 16000)

    @property
    def duration(self) -> float:  # type: ignore[override]
        return getattr(self.transformer, "duration", 5.0)

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return self._of_silence().dtype.name

    def output_shape(self) -> tuple[int, ...]:
        return self._of_silence().shape[1:]

    @available_if(lambda self: hasattr(self.transformer, "get_feature_names_out"))
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        return self.transformer.get_feature_names_out(input_features)

    def compute(self, waveforms: np.ndarray) -> np.ndarray:
        # One clip at a time: the result of a transformer may depend on the rest of the batch.
        computed = [np.asarray(self.transformer.transform(waveform[np.newaxis])) for waveform in waveforms]
        for rows in computed:
            if rows.ndim < 1 or len(rows) != 1:
                raise ValueError(
                    f"{self.transformer!r} returned an array of shape {rows.shape} for one waveform: "
                    "its first axis must have length 1."
                )
        return np.concatenate(computed) if computed else np.empty((0, *self.output_shape()), self.dtype)

    def check_parameters(self) -> None:
        check_number(self, "sample_rate", at_least=1, whole=True)
        check_number(self, "duration", above=0)

    def description(self) -> dict[str, Any]:
        return {**describe(self.transformer), "computed_from": self._computed_from()}

    def _of_silence(self) -> np.ndarray:
        return self.compute(np.zeros((1, self.waveform().n_samples), np.float32))
