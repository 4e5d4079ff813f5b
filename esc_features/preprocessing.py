"""Preprocessing steps for scikit-learn pipelines that keep a lazy X lazy."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .lazy import as_float32, is_lazy, is_recordings, remember_sources, take_rows, warn_source_leak

__all__ = ["Standardizer"]

_BATCH_BYTES = 8 << 20


class Standardizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardise features by subtracting the mean and dividing by the standard deviation of the training clips.

    Use it in a pipeline, so that the statistics are those of the training folds alone. It reads a lazy X in one pass,
    batch by batch, and its output stays lazy.

    Parameters
    ----------
    by : {"band", "global"}, default="band"
        "band" standardises each band of a spectrogram separately (or each column of a two-dimensional X), over clips
        and time. "global" uses a single mean and standard deviation.

    Attributes
    ----------
    mean_ : ndarray of shape (bands,) or (), float64
        The means that are subtracted.
    scale_ : ndarray of shape (bands,) or (), float64
        The standard deviations that are divided by; 1 if all values are equal.
    bands_ : int
        Number of bands, or of columns of a two-dimensional X.
    n_features_in_ : int
        Number of columns; only after fitting on a two-dimensional X.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.preprocessing import Standardizer
    >>> X = np.array([[[1.0, 3.0], [10.0, 10.0]], [[1.0, 3.0], [10.0, 10.0]]])
    >>> Standardizer().fit_transform(X)[0]
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    def __init__(self, by: str = "band"):
        self.by = by

    def fit(self, X, y=None) -> Standardizer:
        """Compute mean and standard deviation.

        Parameters
        ----------
        X : StoreArray or array-like of shape (clips, bands, frames) or (clips, columns)
            Training clips.
        y : ignored
            Not used; present for scikit-learn.

        Returns
        -------
        self : Standardizer
            The fitted transformer.

        Raises
        ------
        TypeError
            If X is the recordings of a store, `store.audio`.
        ValueError
            If `by` is invalid, or X is empty, has another number of dimensions, or contains NaN or infinity.
        """
        if self.by not in ("band", "global"):
            raise ValueError(f"by must be 'band' or 'global', not {self.by!r}.")
        X = self._check(X, reset=True)
        mean, squares, count = _moments(X, by_band=self.by == "band")
        if not np.isfinite(squares).all():
            raise ValueError("Input X contains NaN or infinity: leave these clips out, or compute the feature again.")
        deviation = np.sqrt(squares / count)
        self.mean_ = mean
        # The deviation of a constant is only rounding error, which must not be amplified.
        constant = deviation <= 10 * np.finfo(np.float64).eps * np.abs(mean) + np.finfo(np.float64).tiny
        self.scale_ = np.where(constant, 1.0, deviation)
        self.bands_ = X.shape[1]
        if X.ndim == 2:
            self.n_features_in_ = self.bands_
        remember_sources(self, X)
        return self

    def transform(self, X):
        """Return standardised clips.

        Parameters
        ----------
        X : StoreArray or array-like of shape (clips, bands, frames) or (clips, columns)
            Clips with the same number of bands as in `fit`.

        Returns
        -------
        StoreArray or ndarray
            The standardised clips, lazy for a lazy X; float64 for a float64 array, otherwise float32.
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        warn_source_leak(self, X)
        standardise = _Affine(1 / self.scale_, -self.mean_ / self.scale_, X.ndim)
        return X.map(standardise) if is_lazy(X) else standardise(X)

    def inverse_transform(self, X):
        """Return clips in their original units.

        Parameters
        ----------
        X : StoreArray or array-like of shape (clips, bands, frames) or (clips, columns)
            Standardised clips.

        Returns
        -------
        StoreArray or ndarray
            The clips, of the type that `transform` returns.
        """
        check_is_fitted(self)
        X = self._check(X, reset=False)
        restore = _Affine(self.scale_, self.mean_, X.ndim)
        return X.map(restore) if is_lazy(X) else restore(X)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of a two-dimensional X, which do not change.

        Parameters
        ----------
        input_features : array-like of str, optional
            The names, if X had none.

        Returns
        -------
        ndarray of str objects
            The names.

        Raises
        ------
        ValueError
            If it was not fitted on a two-dimensional X.
        """
        check_is_fitted(self)
        if not hasattr(self, "n_features_in_"):
            raise ValueError("The values of spectrograms have no names: Standardizer was not fitted on columns.")
        return super().get_feature_names_out(input_features)

    def _check(self, X, reset):
        if not is_lazy(X):
            if is_recordings(X):
                raise TypeError(
                    "Standardizer takes a feature, not recordings: use store['mel'], or put a feature in front of it, "
                    "make_pipeline(MelSpectrogram(), Standardizer(), ...)."
                )
            if getattr(X, "ndim", 0) > 2 or (isinstance(X, list) and np.ndim(X) > 2):
                X = np.asarray(X)
                X = X if X.dtype.kind == "f" or X.dtype == np.int16 else X.astype(np.float64)
            elif getattr(X, "dtype", None) != np.int16:
                X = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32, np.float16])
        if X.ndim not in (2, 3):
            raise ValueError(
                f"Standardizer takes (clips, bands, frames) or (clips, columns), but X has the shape {tuple(X.shape)}."
            )
        if 0 in X.shape:
            raise ValueError(f"X is empty: its shape is {tuple(X.shape)}. Give it at least one clip.")
        if not reset and self.by == "band" and X.shape[1] != self.bands_:
            raise ValueError(
                f"X has {X.shape[1]} bands, but Standardizer is expecting {self.bands_}: compute the feature with the "
                "same parameters."
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _Affine:
    """Multiplies and adds, per band or globally; a class, so that it pickles along with a lazy array."""

    def __init__(self, factor, offset, ndim):
        shape = (-1, *[1] * (ndim - 2)) if factor.ndim else ()
        self.factor, self.offset = factor.reshape(shape), offset.reshape(shape)

    def __call__(self, batch):
        if batch.dtype != np.float64:
            batch = as_float32(batch)
        result = batch * self.factor.astype(batch.dtype)
        result += self.offset.astype(batch.dtype)
        return result


def _moments(X, by_band):
    """Return mean, sum of squared deviations and count, in one pass with one batch in memory (Chan et al. 1979)."""
    clip_bytes = 8 * int(np.prod(X.shape[1:]))
    step = max(1, _BATCH_BYTES // clip_bytes)
    axes = (0, *range(2, X.ndim)) if by_band else None
    mean, squares, count = 0.0, 0.0, 0
    for start in range(0, X.shape[0], step):
        batch = take_rows(X, np.arange(start, min(start + step, X.shape[0])))
        batch = (as_float32(batch) if batch.dtype == np.int16 else batch).astype(np.float64)
        new = batch.size // (batch.shape[1] if by_band else 1)
        batch_mean = batch.mean(axis=axes)
        batch -= batch_mean if axes is None else np.expand_dims(batch_mean, axes)
        shift = batch_mean - mean
        squares = squares + np.square(batch, out=batch).sum(axis=axes) + shift**2 * count * new / (count + new)
        mean = mean + shift * new / (count + new)
        count += new
    return np.asarray(mean), np.asarray(squares), count
