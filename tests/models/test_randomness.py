"""Random numbers of a fit are its own: in threads, beside validation, and whatever else the process draws."""

import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, EpochScoring
from torch import nn
from torch.utils.data import DataLoader

from esc_features import StoreArray
from esc_features.augmentation import Mixup, TimeShift
from esc_features.model_selection import HoldOutFold
from esc_features.models import ClipClassifier, ClipDataset, ClipLoader, ConvNetClassifier, DeepConvNetClassifier
from esc_features.models._randomness import Stream

CLIPS = np.random.default_rng(0).normal(size=(40, 8, 12)).astype(np.float32)
NAMES = np.array(["cat", "cow", "dog", "hen"])[np.arange(40) % 4]
FOLDS = np.arange(40) // 4 % 5 + 1
X = StoreArray.from_numpy(CLIPS, folds=FOLDS, y=NAMES)


def convnet(**parameters):
    return ConvNetClassifier(
        **{"max_epochs": 2, "batch_size": 8, "module__dropout": 0.5, "random_state": 0,
           "iterator_train__transforms": [TimeShift(), Mixup()]} | parameters
    )  # fmt: skip


class Recurrent(nn.Module):
    """Dropout that PyTorch draws inside of it, where no generator can be given."""

    def __init__(self, n_classes):
        super().__init__()
        self.lstm = nn.LSTM(12, 8, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(8, n_classes)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class TestThreads:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "net",
        [convnet(), ClipClassifier(Recurrent, max_epochs=2, batch_size=8, random_state=0)],
        ids=["ConvNet", "LSTM with dropout"],
    )
    def test_fits_in_threads_are_those_of_one_after_the_other(self, net):
        nets = [clone(net).set_params(random_state=seed) for seed in (0, 1, 2)]
        expected = [clone(each).fit(X, NAMES).predict_proba(X) for each in nets]
        start = threading.Barrier(len(nets))

        def fit(each):
            start.wait()
            each.fit(X, NAMES)

        threads = [threading.Thread(target=fit, args=(each,)) for each in nets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for each, probabilities in zip(nets, expected, strict=True):
            np.testing.assert_array_equal(each.predict_proba(X), probabilities)

    def test_a_thread_that_draws_meanwhile_gets_its_own_numbers(self):
        torch.manual_seed(5)
        expected = torch.rand(50)
        torch.manual_seed(5)
        outer = torch.random.get_rng_state()
        convnet().fit(X, NAMES)
        assert torch.equal(torch.random.get_rng_state(), outer)
        assert torch.equal(torch.rand(50), expected)


class TestValidation:
    @pytest.mark.parametrize(
        "callbacks",
        [None, [EpochScoring("f1_macro", use_caching=False, lower_is_better=False)]],
        ids=["losses", "scored anew"],
    )
    @pytest.mark.parametrize(
        "kind", [convnet, lambda **p: DeepConvNetClassifier(max_epochs=2, module__width=4, random_state=0, **p)]
    )
    def test_training_is_the_same_with_and_without(self, kind, callbacks):
        watched = kind(train_split=HoldOutFold(), callbacks=callbacks).fit(X, NAMES)
        alone = kind().fit(X[FOLDS != 5], NAMES[FOLDS != 5])
        assert watched.history[:, "train_loss"] == alone.history[:, "train_loss"]
        np.testing.assert_array_equal(watched.predict_proba(X), alone.predict_proba(X))

    def test_whatever_validation_itself_draws(self):
        class Noisy(ClipDataset):
            def __getitems__(self, indices):
                torch.rand(3)
                return super().__getitems__(indices)

        split = HoldOutFold()

        def noisy_split(dataset, y=None):
            training, validation = split(dataset)
            return training, torch.utils.data.Subset(Noisy(X, dataset.y), validation.indices)

        watched = convnet(train_split=noisy_split).fit(X, NAMES)
        alone = convnet().fit(X[FOLDS != 5], NAMES[FOLDS != 5])
        np.testing.assert_array_equal(watched.predict_proba(X), alone.predict_proba(X))

    def test_what_callbacks_draw_repeats_and_changes_nothing(self):
        drawn = []

        class Draws(Callback):
            def on_batch_end(self, net, **kwargs):
                drawn.append(torch.rand(()).item())

        expected = convnet().fit(X, NAMES).predict_proba(X)
        for _ in range(2):
            np.testing.assert_array_equal(convnet(callbacks=[Draws()]).fit(X, NAMES).predict_proba(X), expected)
        assert drawn[:10] == drawn[10:]
        assert len(set(drawn)) == 10


class Recording(ClipDataset):
    """Remembers which rows each batch was made of."""

    batches: list = []  # noqa: RUF012

    def __getitems__(self, indices):
        self.batches.append(list(indices))
        return super().__getitems__(indices)


def orders(net):
    Recording.batches = []
    net.set_params(dataset=Recording).fit(X, NAMES)
    rows = [row for batch in Recording.batches for row in batch]
    epochs = [rows[start : start + 40] for start in range(0, len(rows), 40)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    return epochs


@pytest.mark.parametrize("loader", [ClipLoader, DataLoader])
def test_each_epoch_has_an_order_of_its_own(loader):
    parameters = {"iterator_train": loader, "iterator_valid": loader, "iterator_train__transforms": None}
    if loader is DataLoader:
        del parameters["iterator_train__transforms"]
    net = ConvNetClassifier(max_epochs=3, batch_size=8, random_state=0, **parameters)
    first = orders(net)
    assert len({tuple(epoch) for epoch in first}) == 3
    assert orders(clone(net)) == first
    assert orders(clone(net).set_params(random_state=1)) != first


def test_each_batch_and_epoch_is_changed_by_numbers_of_its_own():
    """Survivor M06: a loader that began with the same seed in each epoch."""
    shifts = []

    def shift(X, y, generator, n_classes):
        shifts.append(torch.randint(2**31, (), generator=generator).item())
        return X, y

    convnet(iterator_train__transforms=[shift], max_epochs=3).fit(X, NAMES)
    assert len(set(shifts)) == len(shifts) == 15
    again, shifts[:] = list(shifts), []
    convnet(iterator_train__transforms=[shift], max_epochs=3).fit(X, NAMES)
    assert shifts == again


def test_a_loader_of_ones_own_follows_the_seed_of_pytorch():
    """Survivor M06: without a generator of its own, a loader draws a seed from PyTorch's in each epoch."""
    loader = ClipLoader(ClipDataset(CLIPS), transforms=[TimeShift(0.5)], batch_size=40)
    torch.manual_seed(3)
    first, second = (next(iter(loader))[0] for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(next(iter(loader))[0], first)


def test_a_user_transform_that_knows_no_generator_repeats_too():
    def noise(X, y, **kwargs):
        return X + torch.randn(X.shape), y

    nets = [convnet(iterator_train__transforms=noise).fit(X, NAMES) for _ in range(2)]
    np.testing.assert_array_equal(*(net.predict_proba(X) for net in nets))


def test_without_random_state_fits_differ_and_follow_pytorch():
    torch.manual_seed(1)
    one, two = (convnet(random_state=None).fit(X, NAMES).predict_proba(X) for _ in range(2))
    assert not np.array_equal(one, two)
    torch.manual_seed(1)
    np.testing.assert_array_equal(convnet(random_state=None).fit(X, NAMES).predict_proba(X), one)


def test_a_stream_goes_on_where_it_was_and_others_are_others():
    def drawn(stream, n):
        with stream.lent():
            return torch.rand(n).tolist()

    outside = torch.random.get_rng_state()
    stream = Stream(1, 2, device="cpu")
    parts = drawn(stream, 3) + drawn(stream, 3)
    assert parts == drawn(Stream(1, 2, device="cpu"), 6)
    assert len(set(parts)) == 6
    assert drawn(Stream(1, 3, device="cpu"), 3) != parts[:3]
    with pytest.raises(KeyError), stream.lent():
        raise KeyError
    with stream.lent(), Stream(7, device="cpu").lent(), stream.lent():
        torch.rand(1)
    assert torch.equal(torch.random.get_rng_state(), outside)
