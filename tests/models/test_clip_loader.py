"""Batches as PyTorch's loader makes them, changed by transforms."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import FunctionTransformer
from torch.utils.data import DataLoader, TensorDataset, random_split

from esc_features import MelSpectrogram, StoreArray
from esc_features.augmentation import AddNoise, BatchTransform, Mixup, SpecAugment, TimeShift
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


def test_another_data_set_gives_its_clips_one_by_one():
    plain = TensorDataset(torch.from_numpy(CLIPS), torch.from_numpy(LABELS))
    for ours, theirs in zip(ClipLoader(plain, batch_size=4), DataLoader(plain, batch_size=4), strict=True):
        torch.testing.assert_close(tuple(ours), tuple(theirs), rtol=0, atol=0)


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


# Plain PyTorch


NAMES = np.array(["hen", "cow", "dog"])[LABELS]


@pytest.mark.parametrize("collate", [None, lambda samples: [label for _, label in samples]], ids=["default", "own"])
def test_a_plain_loader_takes_the_dataset(collate):
    """Batches were taken for samples, and stacked into nonsense."""
    loader = DataLoader(ClipDataset(CLIPS, LABELS), batch_size=4, collate_fn=collate)
    batches = list(loader)
    assert len(batches) == 3
    if collate is None:
        torch.testing.assert_close(torch.cat([clips for clips, _ in batches]), torch.from_numpy(CLIPS))
        assert torch.cat([labels for _, labels in batches]).tolist() == LABELS.tolist()
    else:
        assert [label.item() for batch in batches for label in batch] == LABELS.tolist()


def test_workers_and_random_split():
    some, others = random_split(ClipDataset(StoreArray.from_numpy(CLIPS), NAMES), [7, 3])
    seen = [labels for part in (some, others) for _, labels in DataLoader(part, batch_size=2, num_workers=1)]
    assert sorted(torch.cat(seen).tolist()) == sorted(np.unique(NAMES, return_inverse=True)[1].tolist())


@pytest.mark.parametrize(
    ("y", "encoded", "classes"),
    [
        (NAMES, np.unique(NAMES, return_inverse=True)[1], ["cow", "dog", "hen"]),
        (NAMES.tolist(), np.unique(NAMES, return_inverse=True)[1], ["cow", "dog", "hen"]),
        (LABELS * 10 + 7, LABELS * 10 + 7, None),
        (np.eye(3, dtype=np.int8)[LABELS], np.eye(3, dtype=np.float32)[LABELS], None),
        (LABELS > 0, LABELS > 0, None),
    ],
    ids=["names", "list of names", "numbers", "several labels", "bool"],
)
def test_labels_of_a_dataset(y, encoded, classes):
    dataset = ClipDataset(CLIPS, y)
    assert (None if dataset.classes is None else dataset.classes.tolist()) == classes
    labels = torch.stack([dataset[i][1] for i in range(10)])
    np.testing.assert_array_equal(labels, encoded)
    assert labels.dtype == (torch.float32 if np.ndim(y) == 2 else torch.int64)


def test_a_dataset_ends_and_counts():
    assert len(list(ClipDataset(CLIPS, LABELS))) == 10
    with pytest.raises(ValueError, match="10 clips and y has 9 labels"):
        ClipDataset(CLIPS, LABELS[1:])


# Transforms


def loaded(transforms, X=CLIPS):
    generator = torch.Generator().manual_seed(1)
    return next(iter(ClipLoader(ClipDataset(X, LABELS), transforms=transforms, batch_size=10, generator=generator)))[0]


def test_one_transform_a_module_and_a_function():
    torch.testing.assert_close(loaded(Double()), 2 * torch.from_numpy(CLIPS))
    torch.testing.assert_close(loaded([torch.nn.Flatten(), Double()]), 2 * torch.from_numpy(CLIPS).flatten(1))
    torch.testing.assert_close(loaded(lambda X, y, generator, n_classes: (X + 1, y)), torch.from_numpy(CLIPS) + 1)
    assert torch.equal(loaded(None), torch.from_numpy(CLIPS))


@pytest.mark.parametrize(("wrong", "message"), [(TimeShift, r"class TimeShift.*TimeShift\(\)"), ("shift", "a str")])
def test_what_cannot_change_a_batch_says_so(wrong, message):
    with pytest.raises(TypeError, match=message):
        loaded([wrong])


WAVEFORMS = np.random.default_rng(0).normal(0, 0.1, (10, 4000)).astype("float32")
MEL = MelSpectrogram(sample_rate=8000, duration=0.5, n_fft=256, hop_length=128, n_mels=8, fmax=None)


def test_a_feature_makes_spectrograms_between_transforms():
    expected = 2 * MEL.transform(2 * WAVEFORMS)
    np.testing.assert_allclose(loaded([Double(), MEL, Double()], WAVEFORMS), expected, rtol=1e-6)
    np.testing.assert_allclose(loaded(FunctionTransformer(np.abs), WAVEFORMS), np.abs(WAVEFORMS))


def spectrogram_net(**parameters):
    return ConvNetClassifier(**{"max_epochs": 3, "random_state": 0, "batch_size": 4} | parameters)


def test_a_net_with_a_feature_among_its_transforms_takes_waveforms():
    behind = spectrogram_net().fit(MEL.transform(WAVEFORMS), LABELS)
    inside = spectrogram_net(iterator_train__transforms=MEL).fit(WAVEFORMS, LABELS)
    np.testing.assert_array_equal(inside.predict_proba(WAVEFORMS), behind.predict_proba(MEL.transform(WAVEFORMS)))
    assert inside.module_.linear.in_features == behind.module_.linear.in_features
    assert "Conv2d" in str(inside.summary(WAVEFORMS))
    with pytest.raises(ValueError, match="waveforms \\(clips, samples\\) for the feature"):
        inside.predict(MEL.transform(WAVEFORMS))


def test_waveforms_are_changed_in_front_of_the_feature_in_training_only():
    transforms = [AddNoise(0, 0), MEL, SpecAugment()]
    net = spectrogram_net(iterator_train__transforms=transforms).fit(WAVEFORMS, LABELS)
    plain = spectrogram_net(iterator_train__transforms=MEL).fit(WAVEFORMS, LABELS)
    assert not np.array_equal(net.predict_proba(WAVEFORMS), plain.predict_proba(WAVEFORMS))
    np.testing.assert_array_equal(net.predict_proba(WAVEFORMS), net.predict_proba(WAVEFORMS))
    net.module_.load_state_dict(plain.module_.state_dict())
    np.testing.assert_array_equal(net.predict_proba(WAVEFORMS), plain.predict_proba(WAVEFORMS))


def test_a_feature_of_another_rate_is_refused():
    X = StoreArray.from_numpy(WAVEFORMS, parameters={"sample_rate": 16000})
    with pytest.raises(ValueError, match=r"waveforms at 16000 Hz, and MelSpectrogram.* takes 8000 Hz"):
        spectrogram_net(iterator_train__transforms=MEL).fit(X, LABELS)
