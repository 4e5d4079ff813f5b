"""What the estimators have in common."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.utils import to_tensor
from torch import nn

from ..lazy import is_lazy, is_recordings, remember_sources, warn_source_leak
from ._clip_loader import ClipDataset, ClipLoader, as_batch

# Where save_params keeps the labels and the input shape, beside the weights.
_ABOUT = "esc_features.about"


class ClipClassifier(NeuralNetClassifier):
    """Classify clips with a PyTorch module, as a scikit-learn estimator over a lazy X.

    The base of the estimators of this package, and what to use for a module of your own: a class of which the instances
    map a batch (n, \\*shape) to logits (n, n_classes). Arguments of the module named `n_classes`, `input_shape` or
    `input_size` are filled in from the data, unless given as `module__n_classes` and so on.

    Parameters
    ----------
    module : type
        Subclass of `torch.nn.Module`; the class, not an instance.
    criterion : type, default=torch.nn.CrossEntropyLoss
        Loss of logits and class numbers (or class probabilities, where labels are mixed).
    optimizer : type, default=torch.optim.AdamW
        Its arguments are `optimizer__weight_decay` and so on.
    lr : float, default=1e-3
        Learning rate.
    max_epochs : int, default=30
        Passes over the training clips.
    batch_size : int, default=32
        Clips a batch; -1 is all.
    class_weight : "balanced" or dict, optional
        Weight of each class in the loss, by label, as in scikit-learn.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, order and augmentation. With an int, a fit repeats in any process; None uses the
        global generator of PyTorch.
    train_split : callable, optional
        What is held out of the training clips to validate each epoch, `HoldOutFold()` for instance; nothing by default.
    callbacks : list of skorch callbacks, optional
        They see class numbers (positions in `classes_`) instead of labels.
    device : str, default="auto"
        Where to compute; "auto" is CUDA where there is one, else the processor.
    verbose : int, default=0
        Whether to print a line an epoch.
    iterator_train, iterator_valid : type, default=ClipLoader
        Loaders of batches for training, and for validation and prediction.
    iterator_train__shuffle : bool, default=True
        Whether to shuffle the training clips in each epoch.
    dataset : type, default=ClipDataset
        What fetches a batch of clips.
    **kwargs
        Any other parameter of `skorch.NeuralNetClassifier`: `module__hidden_size=32`,
        `iterator_train__transforms=[TimeShift(0.2)]`, `iterator_train__drop_last=True`, ...

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    module_ : torch.nn.Module
        The trained network.
    history_ : skorch.history.History
        Loss, accuracy and seconds of each epoch, and of validation where there is one.
    input_shape_ : tuple of int
        Shape of one clip.

    Notes
    -----
    Batches are read in this process (`iterator_train__num_workers=0`): a batch out of the page cache takes a fraction
    of a training step, and worker processes of a loader do not start inside the worker processes of a grid search.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from esc_features.models import ClipClassifier
    >>> class Linear(nn.Module):
    ...     def __init__(self, input_size, n_classes):
    ...         super().__init__()
    ...         self.layers = nn.Sequential(nn.Flatten(), nn.Linear(input_size, n_classes))
    ...     def forward(self, x):
    ...         return self.layers(x)
    >>> X, y = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0), np.repeat(["cow", "dog", "hen"], 4)
    >>> ClipClassifier(Linear, lr=0.1, max_epochs=20, random_state=0).fit(X, y).predict(X[::4])
    array(['cow', 'dog', 'hen'], dtype='<U3')
    """

    # Dimensions of X that the network takes (None is any), and what to say these are.
    _ndim_: int | None = None
    _takes_ = "arrays of shape (clips, ...)"

    def __init__(
        self,
        module,
        *,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=1e-3,
        max_epochs=30,
        batch_size=32,
        class_weight=None,
        random_state=None,
        train_split=None,
        callbacks=None,
        device="auto",
        verbose=0,
        iterator_train=ClipLoader,
        iterator_valid=ClipLoader,
        iterator_train__shuffle=True,
        dataset=ClipDataset,
        **kwargs,
    ):
        super().__init__(
            module,
            criterion=criterion,
            optimizer=optimizer,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            train_split=train_split,
            callbacks=callbacks,
            device=device,
            verbose=verbose,
            iterator_train=iterator_train,
            iterator_valid=iterator_valid,
            iterator_train__shuffle=iterator_train__shuffle,
            dataset=dataset,
            **kwargs,
        )
        self.class_weight = class_weight
        self.random_state = random_state

    # Fitting

    def fit(self, X, y=None, **fit_params) -> ClipClassifier:
        """Train the network, from the start unless `warm_start`.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            A feature of a store, lazily read, or an array in memory.
        y : array-like of shape (clips,)
            Labels: names or integers.
        **fit_params
            `groups` for a `train_split` that wants them.

        Returns
        -------
        self
        """
        self._check_fit_params(fit_params)
        if not (self.warm_start and self.initialized_ and self._knows_classes()):
            X = self._check_clips(X)
            y = self._check_labels(y, X)
            self._learn(X, y)
            self.initialize()
        return self.partial_fit(X, y, **fit_params)

    def partial_fit(self, X, y=None, classes=None, **fit_params) -> ClipClassifier:
        """Train `max_epochs` more, from where the network is.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            As for `fit`.
        y : array-like of shape (clips,)
            Labels; after the first call only such as are in `classes_`.
        classes : array-like, optional
            All the labels there will be; needed in the first call if `y` lacks some.
        **fit_params
            As for `fit`.

        Returns
        -------
        self
        """
        self._check_fit_params(fit_params)
        fitting_again = self._knows_classes()
        X = self._check_clips(X, fitted=fitting_again)
        y = self._check_labels(y, X)
        if not fitting_again:
            self._learn(X, y, classes)
            self.initialize()
        previous, self.fitted_clips_ = getattr(self, "fitted_clips_", None), None
        self.training_ = True
        try:
            with self._actual_device():
                super().partial_fit(X, self._encode(y), **fit_params)
        finally:
            self.training_ = False
        remember_sources(self, X)
        if self.fitted_clips_ is not None:
            self.fitted_clips_ |= previous
        return self

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        with self._seeded(1 + len(self.history)):
            return super().fit_loop(X, y, epochs, **fit_params)

    def initialize(self):
        """Build the network, the loss and the optimiser; `fit` does it by itself.

        Returns
        -------
        self
        """
        self._check_components()
        return super().initialize()

    def _initialize_module(self, *args, **kwargs):
        with self._actual_device(), self._seeded(0):
            return super()._initialize_module(*args, **kwargs)

    def _initialize_criterion(self, *args, **kwargs):
        with self._actual_device():
            return super()._initialize_criterion(*args, **kwargs)

    def get_params_for(self, prefix):
        # What the data decide is filled in here and not by set_params: a clone of the fitted net must not carry it.
        params = super().get_params_for(prefix)
        if prefix == "module":
            wanted = inspect.signature(self.module).parameters
            for name, value in self._inferred().items():
                if name in wanted:
                    params.setdefault(name, value)
        elif prefix == "criterion" and getattr(self, "class_weights_", None) is not None:
            params.setdefault("weight", torch.from_numpy(self.class_weights_))
        return params

    def get_all_learnable_params(self):
        for name, parameter in super().get_all_learnable_params():
            if parameter.requires_grad:
                yield name, parameter

    def get_iterator(self, dataset, training=False):
        kind = "iterator_train" if training else "iterator_valid"
        params = {"batch_size": self.batch_size, "collate_fn": as_batch, **self.get_params_for(kind)}
        if params["batch_size"] == -1:
            params["batch_size"] = len(dataset)
        if params.get("transforms"):
            params.setdefault("n_classes", len(self.classes_))
        iterator = getattr(self, kind)(dataset, **params)
        if training and len(dataset) and len(iterator) == 0:
            warnings.warn(
                f"drop_last drops every batch: {len(dataset)} clips do not fill one batch of {params['batch_size']}, "
                "so nothing is trained. Make batch_size smaller or leave out iterator_train__drop_last.",
                stacklevel=2,
            )
        return iterator

    def infer(self, x, **fit_params):
        fit_params.pop("groups", None)  # for train_split alone
        if not math.isfinite(x.sum()) and not torch.isfinite(x).all():
            raise ValueError(
                "Input X contains NaN or infinity: find the clips with numpy.isfinite, and leave them out."
            )
        return self.module_(to_tensor(x, device=self._device()), **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        if y_pred.shape[1:] != (len(self.classes_),):
            raise ValueError(
                f"The network gives outputs of shape {tuple(y_pred.shape[1:])} for {len(self.classes_)} classes: it "
                "must give one logit a class. Leave out module__n_classes (it is found from y), or take n_classes as "
                "an argument of your module."
            )
        loss = self.criterion_(y_pred, to_tensor(y_true, device=self._device()))
        if not math.isfinite(loss.item()):
            raise ValueError(f"The loss became {loss.item()} in epoch {len(self.history)}: lower lr.")
        return loss

    def train_step(self, batch, **fit_params):
        step = super().train_step(batch, **fit_params)
        self.history.record_batch("train_acc", _accuracy(step["y_pred"], batch[1]))
        return step

    def validation_step(self, batch, **fit_params):
        step = super().validation_step(batch, **fit_params)
        self.history.record_batch("valid_acc", _accuracy(step["y_pred"], batch[1]))
        return step

    @property
    def _default_callbacks(self):
        # Accuracies come out of the logits that the losses are computed from: no pass over the clips for them.
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("train_acc", PassthroughScoring("train_acc", on_train=True, lower_is_better=False)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_acc", PassthroughScoring("valid_acc", lower_is_better=False)),
            ("print_log", PrintLog()),
        ]

    # Predicting

    def predict(self, X) -> np.ndarray:
        """Return the most probable label of each clip.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips of the shape fitted on.

        Returns
        -------
        ndarray of shape (clips,)
        """
        most_probable = self._probabilities(X).argmax(axis=1)
        return self.classes_[most_probable]

    def predict_proba(self, X) -> np.ndarray:
        """Return the probability of each class for each clip.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips of the shape fitted on.

        Returns
        -------
        ndarray of shape (clips, n_classes), float32
            In the order of `classes_`; rows sum to 1.
        """
        return self._probabilities(X)

    def summary(self, X, y=None):
        """Return the table of the network's layers, with output shapes and numbers of parameters.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips like those to fit on; one batch's shape is looked at, nothing is read.
        y : array-like of shape (clips,), optional
            Labels, to know how many there are; not needed for an array of a store or after `fit`.

        Returns
        -------
        torchinfo.ModelStatistics
            Prints as the table; `total_params` is a number.
        """
        import torchinfo

        net = self
        if not self._knows_classes():
            net = type(self)(**self.get_params(deep=False))
            X = net._check_clips(X)
            y = getattr(X, "y", None) if y is None else y
            net._learn(X, net._check_labels(y, X))
            net.initialize()
        X = net._check_clips(X, fitted=True)
        batch = min(len(X), self.batch_size) if self.batch_size > 0 else len(X)
        device = next(net.module_.parameters()).device
        training = net.module_.training
        statistics = torchinfo.summary(
            net.module_, input_size=(batch, *net.input_shape_), device=device, verbose=0, depth=4
        )
        net.module_.train(training)
        return statistics

    @property
    def classes_(self):
        if not self._knows_classes():
            raise AttributeError(f"{type(self).__name__} knows its classes after fit(X, y) only.")
        if getattr(self, "training_", False):
            return np.arange(len(self.classes_inferred_))
        return self.classes_inferred_

    def _probabilities(self, X):
        self._check_is_fitted()
        if not getattr(self, "training_", False):  # while training, callbacks may come with data sets
            X = self._check_clips(X, fitted=True)
            warn_source_leak(self, X)
        probabilities = super().predict_proba(X)
        if not np.isfinite(probabilities).all():
            raise ValueError("The network gives NaN: its training has diverged. Fit again with a lower lr.")
        return probabilities

    # Keeping

    def save_params(self, f_params=None, *, use_safetensors=False, **kwargs):
        """Save the weights, with the labels that they are for.

        Parameters
        ----------
        f_params : str, path or file
            Where to save the weights.
        use_safetensors : bool, default=False
            Whether to use the safetensors format instead of PyTorch's.
        **kwargs
            `f_optimizer`, `f_criterion` and `f_history`, as in skorch.
        """
        f_params = kwargs.pop("f_module", None) if f_params is None else f_params  # Checkpoint's name for it
        if f_params is not None:
            self._check_is_fitted()
            state = {name: value.contiguous() for name, value in self.module_.state_dict().items()}
            state[_ABOUT] = _pack({"classes": self.classes_inferred_.tolist(), "shape": list(self.input_shape_)})
            if use_safetensors:
                from safetensors.torch import save

                _write(f_params, save(state))
            else:
                torch.save(state, f_params)
        if kwargs:
            super().save_params(use_safetensors=use_safetensors, **kwargs)

    def load_params(self, f_params=None, *, checkpoint=None, use_safetensors=False, **kwargs):
        """Load weights and labels that `save_params` saved, into a net with the same parameters.

        Parameters
        ----------
        f_params : str, path or file
            What to load the weights from. The net needs not be fitted or initialised.
        checkpoint : skorch.callbacks.Checkpoint, optional
            Load what it saved instead.
        use_safetensors : bool, default=False
            Whether the weights are in the safetensors format.
        **kwargs
            `f_optimizer`, `f_criterion` and `f_history`, as in skorch.
        """
        f_params = kwargs.pop("f_module", None) if f_params is None else f_params
        if checkpoint is not None:
            files = checkpoint.get_formatted_files(self)
            use_safetensors = use_safetensors or checkpoint.use_safetensors
            f_params = f_params or files.pop("f_params", None)
            kwargs = {**{name: file for name, file in files.items() if file and name != "f_params"}, **kwargs}
        if f_params is not None:
            self._load_weights(f_params, use_safetensors)
        if kwargs:
            with self._actual_device():
                super().load_params(use_safetensors=use_safetensors, **kwargs)

    def _load_weights(self, file, use_safetensors):
        if use_safetensors:
            from safetensors.torch import load

            state = load(_read(file))
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        about = state.pop(_ABOUT, None)
        if about is not None:
            about = _unpack(about)
            classes, shape = np.asarray(about["classes"]), tuple(about["shape"])
            same = self.initialized_ and getattr(self, "input_shape_", None) == shape
            same = same and len(self.classes_inferred_) == len(classes)
            self.classes_inferred_, self.input_shape_ = classes, shape
            if not same:
                self.initialize()
        elif not self.initialized_:
            raise NotFittedError(f"{file} has weights but no labels: call fit or initialize before loading it.")
        self.module_.load_state_dict(state)

    def __setstate__(self, state):
        # skorch looks for the device by its name, which "auto" is not one of.
        device = state["device"]
        super().__setstate__({**state, "device": _resolve(device)})
        if device == "auto":
            self.device = device

    # Parameters

    def set_params(self, **params):
        # Loaders and data sets are made anew in each fit and predict: skorch would have them re-initialised, and fail.
        later = {name: params[name] for name in params if name.startswith(("iterator_", "dataset"))}
        super().set_params(**{name: value for name, value in params.items() if name not in later})
        if later:
            self._params_to_validate.update(later)
            vars(self).update(later)
            if self.initialized_:
                self._validate_params()
        return self

    def _get_param_names(self):
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    def __repr__(self):
        # scikit-learn's shows every parameter that is not in the signature, and most are handed on to skorch.
        default = type(self)(self.module).get_params(deep=False)
        changed = {
            k: v for k, v in self.get_params(deep=False).items() if k not in default or _shown(v) != _shown(default[k])
        }
        if self.module is not inspect.signature(type(self)).parameters["module"].default:
            changed = {"module": self.module, **changed}
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in changed.items())})"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self._ndim_ in (2, None)
        tags.input_tags.three_d_array = self._ndim_ in (3, None)
        tags.target_tags.required = True
        tags.non_deterministic = self.random_state is None
        return tags

    # What is learnt from the data before training

    def check_data(self, X, y):
        pass  # checked before anything else, in fit

    def _learn(self, X, y, classes=None):
        classes = self.classes if classes is None else classes
        present = np.unique(y)
        learnt = present if classes is None else np.unique(np.asarray(classes))
        if len(learnt) < 2:
            raise ValueError(
                f"y has one class only, {learnt[0]!r}: a classifier needs at least two. Check which clips were "
                "selected; a fold of one class needs classes=[...] with all the labels."
            )
        self.classes_inferred_ = learnt
        self.input_shape_ = tuple(int(size) for size in X.shape[1:])
        if X.ndim == 2:
            self.n_features_in_ = self.input_shape_[0]
        self.class_weights_ = None
        if self.class_weight is not None:
            self.class_weights_ = np.ones(len(learnt), np.float32)
            weights = compute_class_weight(self.class_weight, classes=present, y=y)
            self.class_weights_[np.searchsorted(learnt, present)] = weights

    def _inferred(self):
        if not self._knows_classes():
            return {}
        return {
            "n_classes": len(self.classes_inferred_),
            "input_shape": self.input_shape_,
            "input_size": math.prod(self.input_shape_),
        }

    def _knows_classes(self):
        return "classes_inferred_" in vars(self)

    def _encode(self, y):
        codes = np.searchsorted(self.classes_inferred_, y)
        codes = np.minimum(codes, len(self.classes_inferred_) - 1).astype(np.int64)
        unknown = np.unique(y[self.classes_inferred_[codes] != y])
        if len(unknown):
            raise ValueError(
                f"y has labels that the net does not know: {unknown[:5].tolist()}; it knows "
                f"{self.classes_inferred_.tolist()}. Fit anew, or name all labels at first: classes=[...]."
            )
        return codes

    # Device and seed

    def _device(self):
        return _resolve(self.device)

    @contextlib.contextmanager
    def _actual_device(self):
        device, self.device = self.device, self._device()
        try:
            yield
        finally:
            self.device = device

    @contextlib.contextmanager
    def _seeded(self, stage):
        if self.random_state is None:
            yield
            return
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        seed = int(np.random.SeedSequence([int(seed), stage]).generate_state(1)[0])
        # The global generator is put back afterwards: a seeded fit changes nobody else's random numbers.
        device = torch.device(self._device() or "cpu")
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            yield

    # Checks

    def _check_is_fitted(self):
        if not (self.initialized_ and self._knows_classes()):
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet: call fit(X, y) first.")

    def _check_components(self):
        if isinstance(self.module, nn.Module):
            raise TypeError(
                "module must be a class, not an instance: an instance would be trained in place, not start anew in the "
                f"next fit, and be copied to every worker. Give module={type(self.module).__name__}, and its arguments "
                "as module__argument=value."
            )
        if isinstance(self.criterion, type) and issubclass(self.criterion, nn.NLLLoss):
            raise ValueError(
                "NLLLoss takes log-probabilities, and the networks here give logits: the loss would be meaningless. "
                "Use criterion=torch.nn.CrossEntropyLoss."
            )
        if self.class_weight is not None and "weight" in super().get_params_for("criterion"):
            raise ValueError("Give class_weight or criterion__weight, not both.")

    def _check_fit_params(self, fit_params):
        if "sample_weight" in fit_params:
            raise TypeError(
                f"{type(self).__name__} does not support sample_weight: to weigh classes, give class_weight."
            )
        unknown = fit_params.keys() - {"groups"}
        if unknown:
            raise TypeError(f"fit got unexpected arguments: {', '.join(sorted(unknown))}.")

    def _check_clips(self, X, fitted=False):
        name = type(self).__name__
        original = X
        X = self._as_array(X)
        if X.ndim < 2 or (self._ndim_ is not None and X.ndim != self._ndim_):
            hint = ""
            if self._ndim_ == 3 and X.ndim == 2:
                hint = (
                    " These look like waveforms or vectors: use store['mel'], or put a feature in front, "
                    f"make_pipeline(MelSpectrogram(), {name}())."
                )
            elif self._ndim_ == 2 and X.ndim == 3:
                hint = " These look like spectrograms: use store['waveform'], or ConvNetClassifier."
            elif X.ndim == (self._ndim_ or 2) - 1:
                hint = " Reshape your data: a single clip is X[np.newaxis]."
            raise ValueError(
                f"Expected {self._ndim_ or 2}D array, got {X.ndim}D array: {name} takes {self._takes_}, and X has the "
                f"shape {tuple(X.shape)}.{hint}"
            )
        if X.shape[0] == 0:
            raise ValueError(
                f"X is empty: found 0 sample(s) (shape={tuple(X.shape)}) while a minimum of 1 is required."
            )
        if 0 in X.shape:
            raise ValueError(
                f"Clips are empty: found 0 feature(s) (shape={tuple(X.shape)}) while a minimum of 1 is required."
            )
        if X.ndim == 2 and not is_lazy(X):
            validate_data(self, original, reset=not fitted, skip_check_array=True)
        if fitted and tuple(X.shape[1:]) != self.input_shape_:
            if X.ndim == 2:
                raise ValueError(
                    f"X has {X.shape[1]} features, but {name} is expecting {self.input_shape_[0]} features as input."
                )
            raise ValueError(
                f"X has clips of shape {tuple(X.shape[1:])}, but {name} was fitted on clips of shape "
                f"{self.input_shape_}: compute the feature with the same parameters."
            )
        return X

    def _as_array(self, X):
        name = type(self).__name__
        if is_recordings(X):
            raise TypeError(
                f"{name} takes a feature, not recordings: use store['mel'], or put a feature in front, "
                f"make_pipeline(MelSpectrogram(), {name}())."
            )
        if isinstance(X, torch.utils.data.Dataset):
            raise TypeError(f"{name} takes an array or a feature of a store for X, and labels for y; not a Dataset.")
        if isinstance(X, torch.Tensor):
            X = X.detach().cpu().numpy()
        if not is_lazy(X):
            if hasattr(X, "toarray"):
                raise TypeError(f"Sparse data was passed for X, but {name} takes dense data: use X.toarray().")
            X = np.asarray(X)
            if X.dtype == object:
                X = X.astype(np.float64)
        if X.dtype.kind == "c":
            raise ValueError("Complex data not supported: take np.abs(X), or a spectrogram in dB.")
        if X.dtype.kind not in "fiub":
            raise TypeError(
                f"{name} takes numbers, and X is of {X.dtype}. Are these paths? Put a feature in front: "
                f"make_pipeline(MelSpectrogram(), {name}())."
            )
        return X

    def _check_labels(self, y, X):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None: give store.y.")
        if isinstance(y, torch.Tensor):
            y = y.detach().cpu().numpy()
        y = column_or_1d(y, warn=True)
        if len(y) != X.shape[0]:
            raise ValueError(
                f"X has {X.shape[0]} clips and y has {len(y)} labels: they must be as many. "
                "Select them alike: X[rows], y[rows]."
            )
        if any(value is None or value != value for value in (y if y.dtype == object else y[y != y])):
            raise ValueError("Input y contains NaN: leave out the clips without a label, X[known], y[known].")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise ValueError("Input y contains infinity: labels are names or integers.")
        check_classification_targets(y)
        if y.dtype == object:
            y = np.asarray(y.tolist())
        return y


def _shown(value):
    return value.__name__ if isinstance(value, type) else repr(value)


def _resolve(device):
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _accuracy(logits, y):
    guess = logits.detach().argmax(dim=1).to(y.device)
    if y.ndim == 2:  # mixed labels: the share of the label that was guessed
        return y.gather(1, guess[:, None]).mean().item()
    return (guess == y).float().mean().item()


def _pack(about: dict[str, Any]) -> torch.Tensor:
    return torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)


def _unpack(about: torch.Tensor) -> dict[str, Any]:
    return json.loads(about.numpy().tobytes())


def _write(file, data):
    if hasattr(file, "write"):
        file.write(data)
    else:
        with Path(file).open("wb") as opened:
            opened.write(data)


def _read(file):
    if hasattr(file, "read"):
        return file.read()
    with Path(file).open("rb") as opened:
        return opened.read()
