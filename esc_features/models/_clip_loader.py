"""How batches of clips get from an array to a network."""

from __future__ import annotations

import numpy as np
import torch
from skorch.dataset import Dataset
from torch.utils.data import DataLoader, default_collate

from ..lazy import as_float32, take_rows


class ClipDataset(Dataset):
    """Rows of an array or of a store with their class numbers, read a batch at a time.

    Parameters
    ----------
    X : ndarray or StoreArray of shape (clips, ...)
        float32, float16, float64, int16 (waveforms of full scale 32768) or other integers.
    y : ndarray of int64, shape (clips,), optional
        Class numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.models import ClipDataset
    >>> clips, labels = ClipDataset(np.eye(3), np.array([7, 8, 9])).__getitems__([2, 0])
    >>> clips
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    >>> labels
    tensor([9, 7])
    """

    def __init__(self, X, y=None):
        self.X = X
        self.y = y

    def __len__(self) -> int:
        return self.X.shape[0]

    def __getitem__(self, index):
        X, y = self.__getitems__([index])
        return X[0], y[0]

    def __getitems__(self, indices):
        # PyTorch calls this once for a whole batch, through any Subset; as_batch then passes it on as it is.
        rows = np.asarray(indices, dtype=np.intp)
        X = torch.from_numpy(as_float32(take_rows(self.X, rows)))
        y = torch.zeros(len(rows)) if self.y is None else torch.from_numpy(self.y[rows])
        return X, y


class ClipLoader(DataLoader):
    """A PyTorch loader that changes its batches by transforms, for training only.

    Parameters
    ----------
    dataset : torch.utils.data.Dataset
        Usually a ClipDataset.
    transforms : sequence of callable, default=()
        Each is called with (X, y, generator), y one-hot float32 from the first one that mixes labels on, and returns
        (X, y). See `esc_features.augmentation`.
    n_classes : int, optional
        Number of classes, for transforms that mix labels.
    **kwargs
        For `torch.utils.data.DataLoader`.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.augmentation import Gain
    >>> from esc_features.models import ClipDataset, ClipLoader
    >>> loader = ClipLoader(ClipDataset(np.zeros((5, 4, 4))), transforms=[Gain()], batch_size=2)
    >>> [len(X) for X, y in loader]
    [2, 2, 1]
    """

    def __init__(self, dataset, transforms=(), n_classes=None, **kwargs):
        self.transforms = transforms or ()
        self.n_classes = n_classes
        kwargs.setdefault("collate_fn", as_batch)
        super().__init__(dataset, **kwargs)

    def __iter__(self):
        batches = super().__iter__()
        return self._transformed(batches) if self.transforms else batches

    def _transformed(self, batches):
        generator = self.generator
        if generator is None:
            generator = torch.Generator().manual_seed(torch.empty((), dtype=torch.int64).random_().item())
        for X, y in batches:
            for transform in self.transforms:
                X, y = transform(X, y, generator=generator, n_classes=self.n_classes)
            yield X, y


def as_batch(samples):
    """Pass on what `ClipDataset` fetched as one batch; collate what another data set fetched one by one."""
    return samples if isinstance(samples, tuple) else default_collate(samples)
