"""The clips of a store as a PyTorch data set, with one tuple per clip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..lazy import as_float32
from ._store_array import StoreArray


class TorchClips(Dataset):
    """A data set with (tensor, class number, category) per clip; made by `Store.torch`."""

    def __init__(self, X: StoreArray, transform: Callable | None = None):
        self.X, self.transform = X, transform
        self.categories = X.categories
        if X.facts.several_labels:
            self._targets = torch.from_numpy(np.ascontiguousarray(X.target)).float()
            names = np.array(X.categories, dtype=object)
            self._names = np.array([";".join(names[row]) for row in X.y.astype(bool)], dtype=str)
        else:
            self._names = X.y  # an array, not a list, because forked workers share it
            # Not X.target: for a subset it has gaps, but a loss requires 0 to n - 1.
            numbers = {name: number for number, name in enumerate(self.categories)}
            self._targets = torch.tensor([numbers[name] for name in self._names.tolist()], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index: int) -> tuple[Any, Any, str]:
        clip: Any = torch.from_numpy(as_float32(self.X[int(index)]))
        if self.transform is not None:
            clip = self.transform(clip)
        target = self._targets[index]
        return clip, target if target.ndim else int(target), str(self._names[index])
