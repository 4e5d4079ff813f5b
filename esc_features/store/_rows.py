"""Row numbers of a view, which are composed without reading and pickled in a few bytes."""

import numpy as np


def all_rows(count: int) -> range:
    return range(count)


def select_rows(rows, key):
    """Return the rows of `rows` that `key` selects: a slice, a list or array of positions, a mask or an Ellipsis."""
    if key is Ellipsis:
        return rows
    if isinstance(key, slice):
        return rows[key]
    positions = _positions(key, len(rows))
    if isinstance(rows, range):
        return rows.start + positions * rows.step
    return rows[positions]


def _positions(key, count: int) -> np.ndarray:
    key = np.asarray(key)
    if key.dtype.kind in "US":
        raise IndexError("Clips are selected by positions or a mask: those of a category are X[X.y == 'dog'].")
    if key.ndim != 1:
        raise IndexError(f"Clips are selected by a list of positions or a mask, not by an array of shape {key.shape}.")
    if key.dtype == bool:
        if len(key) != count:
            raise IndexError(f"The mask has {len(key)} entries for {count} clips: give one per clip.")
        return np.flatnonzero(key)
    if len(key) == 0:
        return np.zeros(0, np.int64)
    if key.dtype.kind not in "iu":
        raise IndexError(
            f"Clips are selected by whole numbers or a mask, not by {key.dtype}: those of a category are "
            "X[X.y == 'dog']."
        )
    key = key.astype(np.int64)
    if not (key.view(np.uint64) >= count).any():  # as unsigned numbers, negative ones are large
        return key
    wrong = key[(key < -count) | (key >= count)]
    if len(wrong):
        raise IndexError(f"Clip {wrong[0]} is out of bounds for {count} clips.")
    return np.where(key < 0, key + count, key)


def pack_rows(rows):
    """Return the rows in a form that is small to pickle: a selection by folds consists of few runs."""
    if isinstance(rows, range):
        return rows
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    starts = rows[np.concatenate([[0], breaks])] if len(rows) else rows
    if 2 * len(starts) < len(rows):
        lengths = np.diff(np.concatenate([[0], breaks, [len(rows)]]))
        return [(int(start), int(length)) for start, length in zip(starts, lengths, strict=True)]
    return rows.astype(np.min_scalar_type(int(rows.max()) if len(rows) else 0))


def unpack_rows(packed):
    if isinstance(packed, range):
        return packed
    if isinstance(packed, list):
        return np.concatenate([np.arange(start, start + length) for start, length in packed])
    return packed.astype(np.int64)
