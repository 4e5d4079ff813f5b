"""Changes to training batches do what they say, by their seed, and in training only."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone

from esc_features import StoreArray
from esc_features.augmentation import AddNoise, BatchTransform, Gain, Mixup, RandomCrop, SpecAugment, TimeShift
from esc_features.model_selection import HoldOutFold
from esc_features.models import ConvNetClassifier

ALL = [TimeShift(), TimeShift(fill="wrap"), Gain(), SpecAugment(), Mixup(), AddNoise(), RandomCrop()]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def spectrograms(n=50, bands=6, frames=20):
    return torch.from_numpy(np.random.default_rng(0).normal(-40, 10, (n, bands, frames)).astype(np.float32))


def waveforms(n=50, samples=40):
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (n, samples)).astype(np.float32))


@pytest.mark.parametrize("batch", [spectrograms(), waveforms()], ids=["spectrograms", "waveforms"])
@pytest.mark.parametrize("fill", ["minimum", "wrap", 7.0])
def test_time_shift_is_a_roll_of_each_clip_by_its_own_amount(batch, fill):
    shifted, y = TimeShift(0.2, fill=fill)(batch, torch.arange(50), generator=generator())
    most = int(0.2 * batch.shape[-1])
    amounts = set()
    for before, after in zip(batch, shifted, strict=True):
        candidates = []
        for amount in range(-most, most + 1):
            rolled = before.roll(amount, dims=-1)
            if fill != "wrap":
                silence = fill if fill != "minimum" else before.min() if before.ndim == 2 else 0.0
                rolled[..., slice(0, amount) if amount >= 0 else slice(amount, None)] = silence
            if torch.equal(rolled, after):
                candidates.append(amount)
        assert len(candidates) == 1
        amounts.update(candidates)
    assert amounts == set(range(-most, most + 1)) or (batch.ndim == 2 and {min(amounts), max(amounts)} == {-most, most})
    assert torch.equal(y, torch.arange(50))


@pytest.mark.parametrize("batch", [spectrograms(), waveforms()], ids=["spectrograms", "waveforms"])
def test_a_crop_is_the_louder_of_two_segments(batch):
    """Against every segment that there is: the rank of the louder of two is that of the larger of two draws."""
    batch = batch.repeat(40, *[1] * (batch.ndim - 1))
    cropped, y = RandomCrop(0.3)(batch, torch.arange(len(batch)), generator=generator())
    frames = int(0.3 * batch.shape[-1])
    assert cropped.shape == (*batch.shape[:-1], frames) and torch.equal(y, torch.arange(len(batch)))
    starts, ranks, expected = set(), [], []
    for before, after in zip(batch.numpy(), cropped.numpy(), strict=True):
        every = [before[..., start : start + frames] for start in range(before.shape[-1] - frames + 1)]
        (start,) = [number for number, segment in enumerate(every) if np.array_equal(segment, after)]
        peaks = np.array([segment.max(-1).mean() if before.ndim == 2 else abs(segment).max() for segment in every])
        rank = (peaks <= peaks[:, None]).mean(axis=1)
        starts.add(start)
        ranks.append(rank[start])
        expected.append(np.maximum.outer(rank, rank).mean())
    assert starts == set(range(len(every)))
    assert np.mean(ranks) == pytest.approx(np.mean(expected), abs=0.015)


@pytest.mark.parametrize(("length", "kept"), [(40, 20), (24, 13), (9, 9)])
def test_a_crop_is_not_shorter_than_the_least_length(length, kept):
    assert RandomCrop(0.5, min_length=13)(spectrograms(frames=length))[0].shape[-1] == kept


def test_gain_adds_decibels_to_spectrograms_and_multiplies_waveforms():
    changed = Gain(6)(spectrograms(), generator=generator())[0] - spectrograms()
    decibels = changed.mean(dim=(1, 2))
    torch.testing.assert_close(changed, decibels[:, None, None].expand_as(changed), atol=1e-4, rtol=0)
    assert decibels.abs().max() <= 6
    assert decibels.min() < -4
    assert decibels.max() > 4
    ratio = Gain(6)(waveforms(), generator=generator())[0] / waveforms()
    torch.testing.assert_close(20 * torch.log10(ratio[:, 0]), decibels, atol=1e-3, rtol=0)
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


def test_noise_is_as_far_below_each_clip_as_was_drawn():
    clips = waveforms(200, 8000) * torch.logspace(-3, 0, 200)[:, None]
    noisy, y = AddNoise(10, 30)(clips, torch.arange(200), generator=generator())
    assert torch.equal(y, torch.arange(200))
    snr = 10 * torch.log10(clips.square().mean(dim=1) / (noisy - clips).square().mean(dim=1))
    assert snr.min() > 9.5 and snr.max() < 30.5
    assert abs(snr.mean() - 20) < 1.5 and abs(snr.std() - 20 / 12**0.5) < 1
    noise = noisy[0] - clips[0]
    assert abs(torch.corrcoef(torch.stack([noise[1:], noise[:-1]]))[0, 1]) < 0.05  # white
    assert torch.equal(AddNoise()(torch.zeros(2, 9))[0], torch.zeros(2, 9))
    with pytest.raises(ValueError, match="in front of the feature"):
        AddNoise()(spectrograms())
    with pytest.raises(ValueError, match="min_snr"):
        AddNoise(20, 10)(clips)


def test_masks_have_at_most_their_width_and_blank_with_the_mean():
    batch = spectrograms(200, 16, 40)
    masked, _ = SpecAugment(0.25, 0.1, n_frequency_masks=1, n_time_masks=1)(batch, generator=generator())
    blank = masked == batch.mean(dim=(1, 2), keepdim=True)
    assert torch.equal(masked[~blank], batch[~blank])
    bands, frames = blank.all(dim=2).sum(dim=1), blank.all(dim=1).sum(dim=1)
    assert set(bands.tolist()) == set(range(5))
    assert set(frames.tolist()) == set(range(5))
    # All that is blank lies in whole bands or whole frames, each in one piece.
    assert torch.equal(blank, blank.all(dim=2)[:, :, None] | blank.all(dim=1)[:, None, :])
    edges = blank.all(dim=2).int().diff(dim=1, prepend=torch.zeros(200, 1), append=torch.zeros(200, 1)).abs().sum(dim=1)
    assert edges.max() == 2
    touched = blank.all(dim=2).float().mean(dim=0)
    assert touched.min() > 0.01  # every band has its turn, the outer ones too


@pytest.mark.parametrize(("fill", "expected"), [(3.5, 3.5), ("minimum", None)])
def test_masks_blank_with_what_is_asked(fill, expected):
    batch = spectrograms()
    masked, _ = SpecAugment(1.0, 0, n_frequency_masks=9, fill=fill)(batch, generator=generator())
    changed = masked != batch
    wanted = batch.amin(dim=(1, 2), keepdim=True) if expected is None else torch.tensor(expected)
    assert torch.equal(masked[changed], wanted.expand_as(batch)[changed])


def test_mixup_mixes_clips_and_labels_alike():
    batch, y = torch.eye(30).reshape(30, 5, 6), torch.arange(30)
    mixed, soft = Mixup(1.0)(batch, y, generator=generator(), n_classes=30)
    torch.testing.assert_close(mixed.flatten(1), soft)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(30))
    own = soft[torch.arange(30), y]
    assert own.min() < 0.2
    assert own.max() > 0.8
    assert (soft > 0).sum(dim=1).max() == 2


def test_mixup_shares_follow_the_beta_distribution():
    own = Mixup(0.4)(torch.eye(2000), torch.arange(2000), generator=generator(), n_classes=2000)[1].diagonal()
    expected = np.random.default_rng(0).beta(0.4, 0.4, 100_000)
    np.testing.assert_allclose(np.quantile(own, [0.2, 0.5, 0.8]), np.quantile(expected, [0.2, 0.5, 0.8]), atol=0.05)


def test_mixup_needs_to_know_the_classes():
    with pytest.raises(ValueError, match="give n_classes"):
        Mixup()(spectrograms(), torch.arange(50))


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_seeded_and_leaves_the_batch_alone(transform):
    clips = waveforms if isinstance(transform, AddNoise) else spectrograms
    batch, y = clips(), torch.arange(50) % 4
    one = transform(batch, y, generator=generator(1), n_classes=4)
    assert torch.equal(batch, clips())
    again = transform(batch, y, generator=generator(1), n_classes=4)
    other = transform(batch, y, generator=generator(2), n_classes=4)
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])
    assert one[0].dtype == torch.float32
    assert not torch.equal(one[0], batch)
    # Without a generator it is PyTorch's global one.
    torch.manual_seed(5)
    free = transform(batch, y, n_classes=4)[0]
    torch.manual_seed(5)
    assert torch.equal(transform(batch, y, n_classes=4)[0], free)


def test_print_and_clone():
    assert (
        repr([TimeShift(), TimeShift(0.1), Mixup(alpha=1.0)])
        == "[TimeShift(), TimeShift(max_shift=0.1), Mixup(alpha=1.0)]"
    )
    assert clone(SpecAugment(time_width=0.3)).get_params()["time_width"] == 0.3


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (TimeShift(1.5), "max_shift must be a share"),
        (TimeShift(True), "max_shift must be a share"),
        (TimeShift(fill="zeros"), "fill must be one of 'minimum', 'wrap' or a number"),
        (RandomCrop(0.5, 0), "min_length must be a whole number"),
        (RandomCrop(0.5, 2.5), "min_length must be a whole number"),
        (RandomCrop(1.5), "share must be a share"),
        (Gain(-1), "max_gain must be"),
        (Gain("loud"), "max_gain must be"),
        (Gain(float("inf")), "max_gain must be"),
        (SpecAugment(frequency_width=20), "frequency_width must be a share"),
        (SpecAugment(time_width=-0.1), "time_width must be a share"),
        (SpecAugment(n_time_masks=1.5), "n_time_masks must be a whole number"),
        (SpecAugment(n_frequency_masks=-1), "n_frequency_masks must be a whole number"),
        (SpecAugment(fill="wrap"), "fill must be one of 'mean', 'minimum' or a number"),
        (AddNoise(20, 10), "min_snr and max_snr must be numbers"),
        (AddNoise(None, 10), "min_snr and max_snr must be numbers"),
        (AddNoise(0, float("nan")), "min_snr and max_snr must be numbers"),
        (Mixup(-0.1), "alpha must be"),
        (Mixup("much"), "alpha must be"),
    ],
    ids=repr,
)
def test_wrong_parameters_say_so(transform, message):
    with pytest.raises(ValueError, match=message):
        transform(spectrograms(), torch.arange(50) % 4, n_classes=4)


@pytest.mark.parametrize(
    "transform",
    [TimeShift(0), RandomCrop(1), Gain(0), SpecAugment(0, 0), SpecAugment(1, 1, 0, np.int64(0), "minimum"), Mixup(0)],
    ids=repr,
)
def test_nothing_is_allowed_and_changes_nothing(transform):
    batch, y = transform(spectrograms(), torch.arange(50), generator=generator(), n_classes=50)
    assert torch.equal(batch, spectrograms())
    assert torch.equal(y, torch.eye(50) if isinstance(transform, Mixup) else torch.arange(50))


@pytest.mark.parametrize(
    "transform", [TimeShift(1), TimeShift(1.0, 0), RandomCrop(1e-9), SpecAugment(1, 1), Mixup(1), AddNoise(0, 0)]
)
def test_the_largest_parameters_are_allowed(transform):
    batch = waveforms() if isinstance(transform, AddNoise) else spectrograms()
    assert torch.isfinite(transform(batch, torch.arange(50), generator=generator(), n_classes=50)[0]).all()


def test_masks_for_waveforms_are_refused():
    with pytest.raises(ValueError, match="leave it out for waveforms"):
        SpecAugment()(waveforms())


class Spoil(BatchTransform):
    """Counts what it sees and blanks it."""

    seen: ClassVar[list] = []

    def change(self, X, y, generator):
        self.seen.append(len(X))
        return torch.zeros_like(X), y


def test_applied_in_training_only():
    rng = np.random.default_rng(0)
    X = StoreArray.from_numpy(rng.normal(size=(20, 8, 8)).astype(np.float32), folds=np.arange(20) // 4 + 1)
    y = np.arange(20) % 2
    Spoil.seen.clear()
    net = ConvNetClassifier(
        max_epochs=2, batch_size=8, train_split=HoldOutFold(), iterator_train__transforms=[Spoil()], random_state=0
    ).fit(X, y)
    net.predict_proba(X)
    net.score(X, y)
    assert sum(Spoil.seen) == 2 * 16


def test_mixed_labels_train():
    rng = np.random.default_rng(0)
    y = np.arange(32) % 4
    X = rng.normal(size=(32, 8, 8)).astype(np.float32)
    X[np.arange(32), 2 * y] += 3
    names = np.array(["a", "b", "c", "d"])[y]
    transforms = [TimeShift(fill="wrap"), Gain(0.1), SpecAugment(), Mixup()]
    net = ConvNetClassifier(
        max_epochs=30, lr=3e-3, iterator_train__transforms=transforms, class_weight="balanced", random_state=0
    ).fit(X, names)
    assert net.score(X, names) > 0.9
    assert 0 < net.history[-1, "train_acc"] <= 1
