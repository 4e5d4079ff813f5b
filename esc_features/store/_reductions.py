"""Means, sums and extremes of a lazy array, computed batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

_BATCH_BYTES = 32 << 20


class Reductions:
    """`X.mean()` and similar methods, computed batch by batch; `np.mean(X)` and so on call them.

    The parameters are those of numpy. Sums and means of floats are computed in float64 and returned in the dtype that
    numpy would return.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype:
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        raise NotImplementedError

    def mean(self, axis=None, dtype=None, out=None, keepdims: bool = False) -> Any:
        """Return the mean over all axes, one axis or several."""
        total, count = self._total(axis, keepdims)
        return _given(total / count, np.mean(np.ones(1, self.dtype)).dtype, dtype, out)

    def sum(self, axis=None, dtype=None, out=None, keepdims: bool = False) -> Any:
        """Return the sum over all axes, one axis or several."""
        return _given(self._total(axis, keepdims)[0], np.sum(np.ones(1, self.dtype)).dtype, dtype, out)

    def var(self, axis=None, dtype=None, out=None, ddof: int = 0, keepdims: bool = False) -> Any:
        """Return the variance over all axes, one axis or several."""
        return _given(self._variance(axis, ddof, keepdims), np.var(np.ones(1, self.dtype)).dtype, dtype, out)

    def std(self, axis=None, dtype=None, out=None, ddof: int = 0, keepdims: bool = False) -> Any:
        """Return the standard deviation over all axes, one axis or several."""
        deviation = np.sqrt(self._variance(axis, ddof, keepdims))
        return _given(deviation, np.std(np.ones(1, self.dtype)).dtype, dtype, out)

    def min(self, axis=None, out=None, keepdims: bool = False) -> Any:
        """Return the minimum over all axes, one axis or several."""
        return _given(self._extreme(np.minimum, axis, keepdims), self.dtype, None, out)

    def max(self, axis=None, out=None, keepdims: bool = False) -> Any:
        """Return the maximum over all axes, one axis or several."""
        return _given(self._extreme(np.maximum, axis, keepdims), self.dtype, None, out)

    def _variance(self, axis, ddof: int, keepdims: bool):
        total, count = self._total(axis, True)
        squares, _ = self._total(axis, keepdims, around=total / count)
        return squares / (count - ddof)

    def _total(self, axis, keepdims: bool, around=None) -> tuple[Any, int]:
        """Return the sum (of squared differences from `around`) in float64 or int64, and the count of its terms."""
        axes = _axes(axis, self.ndim)
        kind = np.float64 if self.dtype.kind == "f" or around is not None else np.int64

        def total(batch, rows):
            batch = batch.astype(kind)
            if around is not None:
                batch = (batch - (around if 0 in axes else around[rows])) ** 2
            return batch.sum(axis=axes, keepdims=keepdims)

        count = int(np.prod([self.shape[number] for number in axes], dtype=np.int64))
        return self._over_batches(total, np.add, axes), count

    def _extreme(self, function, axis, keepdims: bool):
        axes = _axes(axis, self.ndim)
        return self._over_batches(lambda batch, _: function.reduce(batch, axes, keepdims=keepdims), function, axes)

    def _over_batches(self, of_batch, combine, axes: tuple[int, ...]):
        parts = [of_batch(self._batch(rows), rows) for rows in self._batches()]
        if not parts:
            raise ValueError("This array has no clips to compute a mean, sum or extreme of. Select at least one.")
        if 0 not in axes:
            return np.concatenate(parts)
        result = parts[0]
        for part in parts[1:]:
            result = combine(result, part)
        return result

    def _batches(self) -> Iterator[slice]:
        count = self.shape[0]
        row = max(1, int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize)
        size = max(1, _BATCH_BYTES // row)
        for start in range(0, count, size):
            yield slice(start, min(start + size, count))

    def _batch(self, rows: slice) -> np.ndarray:
        return self.take(range(rows.start, rows.stop))  # type: ignore[attr-defined]


def _axes(axis, ndim: int) -> tuple[int, ...]:
    axes = range(ndim) if axis is None else (axis,) if np.ndim(axis) == 0 else axis
    wrong = [number for number in axes if not -ndim <= number < ndim]
    if wrong:
        raise np.exceptions.AxisError(wrong[0], ndim)
    return tuple(sorted({int(number) % ndim for number in axes}))


def _given(value, natural: np.dtype, dtype, out):
    value = np.asarray(value).astype(natural if dtype is None else dtype)
    if out is not None:
        out[...] = value
        return out
    return value[()]
