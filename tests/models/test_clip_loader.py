"""Batches as PyTorch's loader makes them, changed by transforms."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from esc_features import StoreArray
from esc_features.augmentation import BatchTransform, Mixup
from esc_features.models import ClipDataset, ClipLoader, ConvNetClassifier

CLIPS, LABELS = np.random.default_rng(0).normal(size=(10, 6, 5)).astype("float32"), np.arange(10) % 3


class Double(BatchTransform):
    def change(self, X, y, generator):
        return 2 * X, y


@pytest.mark.parametrize("X", [CLIPS, StoreArray.from_numpy(CLIPS)], ids=["ndarray", "StoreArray"])
def test_batches_are_those_of_a_plain_loader(X):
    plain = TensorDataset(torch.from_numpy(CLIPS), torch.from_numpy(LABELS))
    ours, theirs = (
        list(kind(data, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(1)))
        for kind, data in ((ClipLoader, ClipDataset(X, LABELS)), (DataLoader, plain))
    )
    assert [len(clips) for clips, _ in ours] == [4, 4, 2]
    for (clips, labels), (expected_clips, expected_labels) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(clips, expected_clips, rtol=0, atol=0)
        torch.testing.assert_close(labels, expected_labels, rtol=0, atol=0)


def test_transforms_change_clips_and_labels_one_after_the_other():
    loader = ClipLoader(
        ClipDataset(CLIPS, LABELS),
        transforms=[Mixup(), Double()],
        n_classes=3,
        batch_size=4,
        generator=torch.Generator().manual_seed(1),
    )
    batches = list(loader)
    generator = torch.Generator().manual_seed(1)
    list(ClipLoader(ClipDataset(CLIPS), batch_size=4, generator=generator))  # draws as much as the loader does
    for start, (clips, labels) in zip((0, 4, 8), batches, strict=True):
        some = torch.from_numpy(CLIPS[start : start + 4]), torch.from_numpy(LABELS[start : start + 4])
        mixed, shares = Mixup()(*some, generator=generator, n_classes=3)
        torch.testing.assert_close(clips, 2 * mixed)
        torch.testing.assert_close(labels, shares)


def test_an_estimator_learns_the_mixed_labels(monkeypatch):
    seen = []
    original = ConvNetClassifier.get_loss

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        seen.append((kwargs["training"], y_true))
        return original(self, y_pred, y_true, *args, **kwargs)

    monkeypatch.setattr(ConvNetClassifier, "get_loss", get_loss)
    X = np.random.default_rng(0).normal(size=(20, 16, 16)).astype("float32")
    model = ConvNetClassifier(
        max_epochs=1, random_state=0, iterator_train__transforms=[Mixup(alpha=1.0)], train_split=None, verbose=0
    )
    model.fit(X, np.arange(20) % 3)
    assert seen
    for training, labels in seen:
        assert training and labels.shape[1:] == (3,)
        assert ((labels > 0) & (labels < 1)).any()
        torch.testing.assert_close(labels.sum(dim=1), torch.ones(len(labels)))
