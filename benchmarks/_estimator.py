"""The lightest estimator that reads every clip once, batch by batch, so that mainly the reading of X is measured."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ._measure import private_megabytes

BATCH = 64


class NearestMean(ClassifierMixin, BaseEstimator):
    """Classify by the nearest class mean."""

    def __init__(self, offset=0.0):
        self.offset = offset

    def fit(self, X, y):
        self.classes_, codes = np.unique(y, return_inverse=True)
        sums = None
        for rows, batch in _batches(X):
            flat = batch.reshape(len(batch), -1)
            if sums is None:
                sums = np.zeros((len(self.classes_), flat.shape[1]), np.float32)
            sums += np.eye(len(self.classes_), dtype=np.float32)[codes[rows]].T @ flat
        self.means_ = sums / np.bincount(codes)[:, np.newaxis] + np.float32(self.offset)
        return self

    def predict(self, X):
        predicted = []
        for _, batch in _batches(X):
            products = batch.reshape(len(batch), -1) @ self.means_.T
            predicted.append((np.square(self.means_).sum(axis=1) - 2 * products).argmin(axis=1))
        return self.classes_[np.concatenate(predicted)]


def private_memory(estimator, X, y):
    """Return the score, and the memory of this process."""
    score = float((estimator.predict(X) == y).mean())
    return {"score": score, "private": private_megabytes()}


class Rows:
    """The smallest PyTorch-style data set."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index], 0


def _batches(X):
    for start in range(0, len(X), BATCH):
        rows = np.arange(start, min(start + BATCH, len(X)))
        if hasattr(X, "dataset") and not hasattr(X, "take"):  # SliceDataset
            yield rows, np.stack([np.asarray(X[int(row)]) for row in rows])
        elif isinstance(X, np.ndarray):
            yield rows, X[rows]
        else:
            yield rows, X.take(rows)
