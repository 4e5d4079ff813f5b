"""The base class of the estimators."""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochTimer, PassthroughScoring, PrintLog
from skorch.callbacks.scoring import ScoringBase
from skorch.dataset import Dataset
from skorch.utils import to_tensor
from torch import nn
from torch.utils.data import DataLoader

from ..lazy import FittedClips, remember_sources, warn_source_leak
from ._clip_loader import ClipDataset, ClipLoader, as_batch, as_transforms, is_feature
from ._labels import LabelCodec, OneLabel, callback_labels, learn_labels
from ._parameters import name_all_parameters
from ._persistence import load_files, save_weights
from ._randomness import FitStreams, Stream, draw_seed
from ._validation import (
    check_clips,
    check_fit_params,
    check_labels,
    check_module_and_loss,
    check_outputs_are_logits,
    check_validation_is_there,
)


class ClipClassifier(NeuralNetClassifier):
    """Classify clips with a PyTorch module, as a scikit-learn estimator over a lazy X.

    The base class of this package's estimators, and what to use with a module of your own: a class whose instances map
    a batch (n, \\*shape) to logits (n, n_classes), or to a tuple that begins with these. Arguments of the module named
    `n_classes` or `num_classes`, `input_shape` or `input_size` are filled in from the data, unless given as
    `module__n_classes` and so on.

    If `y` is an indicator matrix, a clip has several labels or none: the loss is then binary cross-entropy, `predict`
    returns an indicator matrix too, and `score` is the macro average precision.

    Parameters
    ----------
    module : type
        Subclass of `torch.nn.Module`; the class, not an instance.
    criterion : type or "auto", default="auto"
        Loss of logits and class numbers (or class probabilities, if labels are mixed). "auto" is
        `torch.nn.CrossEntropyLoss`, or binary cross-entropy if clips have several labels; both take
        `criterion__label_smoothing`.
    optimizer : type, default=torch.optim.AdamW
        The optimiser; its arguments are `optimizer__weight_decay` and so on.
    lr : float, default=1e-3
        Learning rate.
    max_epochs : int, default=30
        Passes over the training clips.
    batch_size : int, default=32
        Clips per batch; -1 is all.
    class_weight : "balanced" or dict, optional
        Weight of each class in the loss, by label, as in scikit-learn. If clips have several labels, "balanced"
        weights the clips with and without each class so that both count the same.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, order, dropout and augmentation. With an int, a fit repeats in any process and thread,
        with or without validation; None draws a seed from the global generator of PyTorch.
    train_split : callable, optional
        Holds out training clips to validate each epoch, for instance `HoldOutFold()`; by default none are held out.
    callbacks : list of skorch callbacks, optional
        They see class numbers (positions in `classes_`); those that score see labels.
    device : str, default="auto"
        Where to compute; "auto" is CUDA if it is available, else the CPU.
    verbose : int, default=0
        If not 0, print a line per epoch.
    iterator_train, iterator_valid : type, default=ClipLoader
        Loaders of batches for training, and for validation and prediction.
    iterator_train__shuffle : bool, default=True
        Whether to shuffle the training clips in each epoch.
    dataset : type, default=ClipDataset
        Data set that reads batches of clips.
    **kwargs
        Any other parameter of `skorch.NeuralNetClassifier`: `module__hidden_size=32`,
        `iterator_train__transforms=[TimeShift(0.2)]`, `iterator_train__drop_last=True`, ...

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted. If clips have several labels, the names of the columns of `y`: the categories of the store,
        `classes`, or column numbers.
    module_ : torch.nn.Module
        The trained network.
    history_ : skorch.history.History
        Loss, accuracy and seconds of each epoch, also of the validation if there is one.
    input_shape_ : tuple of int
        Shape of one clip.

    Notes
    -----
    With a feature among the transforms, ``iterator_train__transforms=[TimeShift(), MelSpectrogram(), SpecAugment()]``,
    the net takes waveforms. Transforms before the feature change waveforms and those after it spectrograms, in training
    only; the feature itself is computed for prediction too.

    The random numbers of a fit are its own. Layers draw theirs (initial weights, dropout) from the global generators
    of PyTorch, so the fit puts its state there, one step at a time; fits in several threads of a process take turns.

    Batches are read in this process (`iterator_train__num_workers=0`): reading a batch from the page cache takes a
    fraction of a training step, and worker processes of a loader cannot start inside those of a grid search.

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

    # Parameters of a module whose weights are loaded right after it is made.
    _pretrained_: ClassVar[dict[str, Any]] = {}
    # Random numbers of the current fit.
    streams_: FitStreams | None = None
    # Clips that the network was trained on since its weights were drawn.
    fitted_clips_: FittedClips | None = None
    # Dimensions of X that the network takes (None is any), and how messages call them.
    _ndim_: int | None = None
    _takes_ = "arrays of shape (clips, ...)"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name_all_parameters(cls)

    def __init__(
        self,
        module: Any,
        *,
        criterion: Any = "auto",
        optimizer: Any = torch.optim.AdamW,
        lr: float = 1e-3,
        max_epochs: int = 30,
        batch_size: int = 32,
        class_weight: Any = None,
        random_state: Any = None,
        train_split: Any = None,
        callbacks: Any = None,
        device: Any = "auto",
        verbose: int = 0,
        iterator_train: Any = ClipLoader,
        iterator_valid: Any = ClipLoader,
        iterator_train__shuffle: bool = True,
        dataset: Any = ClipDataset,
        **kwargs: Any,
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

    def fit(self, X: Any, y: Any = None, **fit_params: Any) -> ClipClassifier:
        """Train the network, from scratch unless `warm_start` is set.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            A feature of a store, lazily read, or an array in memory.
        y : array-like of shape (clips,) or (clips, n_classes)
            Labels: names or integers. If clips have several labels, or none, a matrix that is 1 where a clip has a
            class.
        **fit_params
            `groups`, for a `train_split` that needs them.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If `X`, `y`, the module or the loss cannot be used; the message says what to give instead.
        """
        check_fit_params(fit_params, type(self).__name__)
        if not (self.warm_start and self.initialized_ and self._knows_labels()):
            clips = check_clips(self, X)
            self._learn(clips, check_labels(self, y, clips.shape[0]))
            self.initialize()
        return self.partial_fit(X, y, **fit_params)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any) -> ClipClassifier:
        """Train for `max_epochs` more epochs, starting from the current weights.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            As for `fit`.
        y : array-like of shape (clips,) or (clips, n_classes)
            As for `fit`; after the first call only labels that are in `classes_`.
        classes : array-like, optional
            All labels that will ever occur; needed in the first call if `y` lacks some.
        **fit_params
            As for `fit`.

        Returns
        -------
        self
        """
        check_fit_params(fit_params, type(self).__name__)
        fitting_again = self._knows_labels()
        X = check_clips(self, X, fitted=fitting_again)
        y = check_labels(self, y, X.shape[0])
        if not fitting_again:
            self._learn(X, y, classes)
            self.initialize()
        encoded = self.codec_.encode(y)
        check_validation_is_there(self.callbacks_, self.train_split)
        previous, self.fitted_clips_ = self.fitted_clips_, None
        self.streams_ = self._new_streams(draw_seed(self.random_state))
        try:
            super().partial_fit(X, encoded, **fit_params)
        finally:
            self.streams_ = None
        remember_sources(self, X)
        if self.fitted_clips_ is not None:
            self.fitted_clips_ |= previous
        return self

    def fit_loop(self, *args: Any, **kwargs: Any) -> ClipClassifier:
        if self.streams_ is not None:  # epochs may have been loaded since, by LoadInitState
            self.streams_ = self._new_streams(self.streams_.seed)
        if not hasattr(self, "optimizer_"):
            self._initialize_optimizer()
        return super().fit_loop(*args, **kwargs)

    def run_single_epoch(self, iterator: Any, training: bool, prefix: str, step_fn: Any, **fit_params: Any) -> None:
        if iterator is not None and self.streams_ is not None:
            iterator = (self.streams_.training if training else self.streams_.validation).lent_to(iterator)
        super().run_single_epoch(iterator, training, prefix, step_fn)  # arguments of fit are for train_split only

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        with self._lent("training"):
            step = super().train_step(batch, **fit_params)
        self.history.record_batch("train_acc", self.codec_.accuracy(_logits(step["y_pred"]), batch[1]))
        return step

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        with self._lent("validation"):
            step = super().validation_step(batch, **fit_params)
        self.history.record_batch("valid_acc", self.codec_.accuracy(_logits(step["y_pred"]), batch[1]))
        return step

    def infer(self, x: torch.Tensor, **fit_params: Any) -> Any:
        if not math.isfinite(x.sum()) and not torch.isfinite(x).all():
            raise ValueError(
                "Input X contains NaN or infinity: find the clips with numpy.isfinite, and leave them out."
            )
        return self.module_(to_tensor(x, device=self._device()), **fit_params)

    def get_loss(self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False) -> torch.Tensor:
        logits = _logits(y_pred)
        if logits.shape[1:] != (len(self.codec_),):
            raise ValueError(
                f"The network gives outputs of shape {tuple(logits.shape[1:])} for {len(self.codec_)} classes: it "
                "must give one logit per class. Leave out module__n_classes (it is inferred from y), or take n_classes "
                "as an argument of your module."
            )
        if training and isinstance(self.criterion_, (nn.CrossEntropyLoss, nn.BCEWithLogitsLoss)):
            check_outputs_are_logits(logits, by_value=self._is_first_batch())
        loss = self.criterion_(logits, to_tensor(y_true, device=self._device()))
        if not math.isfinite(loss.item()):
            raise ValueError(f"The loss became {loss.item()} in epoch {len(self.history)}: lower lr.")
        return loss

    def _is_first_batch(self) -> bool:
        return len(self.history) == 1 and len(self.history[-1]["batches"]) == 1

    def notify(self, method_name: str, **kwargs: Any) -> None:
        with self._lent("callbacks"):
            getattr(self, method_name)(self, **kwargs)
            in_labels = None
            for _, callback in self.callbacks_:
                if isinstance(callback, ScoringBase):
                    # A score compares with `predict`, and so needs labels as a user wrote them.
                    in_labels = in_labels or callback_labels(self.codec_, kwargs)
                    getattr(callback, method_name)(self, **in_labels)
                else:
                    getattr(callback, method_name)(self, **kwargs)

    @property
    def _default_callbacks(self) -> list[tuple[str, Any]]:
        # Accuracies are computed from the logits of the losses, without another pass over the clips.
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("train_acc", PassthroughScoring("train_acc", on_train=True, lower_is_better=False)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_acc", PassthroughScoring("valid_acc", lower_is_better=False)),
            ("print_log", PrintLog()),
        ]

    # The parts that a fit is made of

    def initialize(self) -> ClipClassifier:
        """Build the network, the loss and the optimiser, as `fit` does.

        Returns
        -------
        self
        """
        check_module_and_loss(self.module, self.criterion)
        if self.class_weight is not None and "weight" in super().get_params_for("criterion"):
            raise ValueError("Give class_weight or criterion__weight, not both.")
        return super().initialize()

    def initialize_criterion(self) -> ClipClassifier:
        kind = self.criterion
        if isinstance(kind, str):
            if kind != "auto":
                raise ValueError(f"criterion must be 'auto' or a loss such as torch.nn.CrossEntropyLoss, not {kind!r}.")
            kind = self.codec_.criterion if self._knows_labels() else OneLabel.criterion
        self.criterion_ = self.initialized_instance(kind, self.get_params_for("criterion"))
        return self

    def _initialize_module(self, reason: str | None = None) -> ClipClassifier:
        with Stream(draw_seed(self.random_state), 0, device=self._device()).lent():
            return self._initialize_part("module", reason)

    def _initialize_criterion(self, reason: str | None = None) -> ClipClassifier:
        return self._initialize_part("criterion", reason)

    def _initialize_optimizer(self, reason: str | None = None) -> ClipClassifier:
        if not getattr(self, "restored_", False):
            return super()._initialize_optimizer(reason)
        # Making an optimiser imports PyTorch's compiler, for a second: a restored net gets its own in `fit_loop`.
        with self._current_init_context("optimizer"):
            self._register_attribute("optimizer", None, cuda_dependent_attributes=False)
        return self

    def _initialize_part(self, part: str, reason: str | None) -> ClipClassifier:
        # As in skorch, which would look for a device named "auto".
        with self._current_init_context(part):
            if reason and self.verbose and self.initialized_:
                print(reason)
            getattr(self, f"initialize_{part}")()
            for name in self._modules if part == "module" else self._criteria:
                component = getattr(self, f"{name}_")
                if isinstance(component, nn.Module):
                    setattr(self, f"{name}_", self.torch_compile(component.to(self._device()), name=name))
        return self

    def get_params_for(self, prefix: str) -> dict[str, Any]:
        # What the data determine is filled in here and not by set_params: a clone of the fitted net must not keep it.
        params = super().get_params_for(prefix)
        if prefix == "module":
            wanted = inspect.signature(self.module).parameters
            for name, value in self._inferred().items():
                if name in wanted:
                    params.setdefault(name, value)
            if getattr(self, "state_follows_", False):
                params.update(self._pretrained_)
        elif prefix == "criterion":
            for name, weights in getattr(self, "class_weights_", {}).items():
                params.setdefault(name, torch.from_numpy(weights))
        return params

    def get_all_learnable_params(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, parameter in super().get_all_learnable_params():
            if parameter.requires_grad:
                yield name, parameter

    def get_split_datasets(self, X: Any, y: Any = None, **fit_params: Any) -> tuple[Any, Any]:
        training, validation = super().get_split_datasets(X, y, **fit_params)
        if isinstance(validation, Dataset) and validation.y is not None and validation.y is not y:
            # The user's own, from skorch's predefined_split: its labels are in the form of those given to fit.
            labels = check_labels(self, validation.y, len(validation))
            validation = ClipDataset(check_clips(self, validation.X, fitted=True), self.codec_.encode(labels))
        return training, validation

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        kind = "iterator_train" if training else "iterator_valid"
        loader = getattr(self, kind)
        params = {"batch_size": self.batch_size, "collate_fn": as_batch, **self.get_params_for(kind)}
        if params["batch_size"] == -1:
            params["batch_size"] = len(dataset)
        if not training and self._features():
            params.setdefault("transforms", self._features())
        if as_transforms(params.get("transforms")):
            params.setdefault("n_classes", len(self.codec_))
        if isinstance(loader, type) and issubclass(loader, DataLoader):
            params.setdefault("generator", self._generator(training))
        iterator = loader(dataset, **params)
        if training and len(dataset) and len(iterator) == 0:
            warnings.warn(
                f"drop_last drops every batch: {len(dataset)} clips do not fill one batch of {params['batch_size']}, "
                "so nothing is trained. Make batch_size smaller or leave out iterator_train__drop_last.",
                stacklevel=2,
            )
        return iterator

    def _new_streams(self, seed: int) -> FitStreams:
        return FitStreams(seed, 1 + len(self.history), device=self._device())

    def _generator(self, training: bool) -> torch.Generator:
        if self.streams_ is None:  # prediction
            return torch.Generator()
        return (self.streams_.training if training else self.streams_.validation).generator

    def _lent(self, stream: str) -> contextlib.AbstractContextManager[None]:
        """Let everything inside draw from one of the fit's own streams."""
        return contextlib.nullcontext() if self.streams_ is None else getattr(self.streams_, stream).lent()

    # Predicting

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each clip, or all labels that are more probable than not.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips of the shape fitted on.

        Returns
        -------
        ndarray of shape (clips,), or int8 of shape (clips, n_classes)
            Labels; an indicator matrix where the net was fitted on one.
        """
        probabilities = self._probabilities(X)
        return self.codec_.decode(probabilities)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class for each clip.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips of the shape fitted on.

        Returns
        -------
        ndarray of shape (clips, n_classes), float32
            In the order of `classes_`. Rows sum to 1, unless clips have several labels: then each class has its own.
        """
        return self._probabilities(X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy, or the macro average precision where clips have several labels.

        The macro average precision is the mean of `sklearn.metrics.average_precision_score` over the classes that
        occur in `y`; a warning says how many do not.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips of the shape fitted on.
        y : array-like of shape (clips,) or (clips, n_classes)
            Their labels.
        sample_weight : array-like of shape (clips,), optional
            Weight of each clip.

        Returns
        -------
        float
        """
        probabilities = self._probabilities(X)
        labels = check_labels(self, y, len(probabilities))
        if labels.ndim != np.ndim(self.codec_.decode(probabilities[:1])):
            self.codec_.encode(labels)  # says what is wrong
        return self.codec_.score(labels, probabilities, sample_weight)

    def summary(self, X: Any, y: Any = None) -> Any:
        """Return the table of the network's layers, with output shapes and numbers of parameters.

        Parameters
        ----------
        X : StoreArray or ndarray of shape (clips, ...)
            Clips like those to fit on; only their shape is used, nothing is read.
        y : array-like of shape (clips,) or (clips, n_classes), optional
            Labels, from which the number of classes is known; not needed for an array of a store or after `fit`.

        Returns
        -------
        torchinfo.ModelStatistics
            Prints as the table; `total_params` is a number.
        """
        import torchinfo

        net = self
        if not self._knows_labels():
            net = type(self)(**self.get_params(deep=False))
            X = check_clips(net, X)
            y = getattr(X, "y", None) if y is None else y
            net._learn(X, check_labels(net, y, X.shape[0]))
            net.initialize()
        X = check_clips(net, X, fitted=True)
        batch = min(len(X), self.batch_size) if self.batch_size > 0 else len(X)
        device = next(net.module_.parameters()).device
        training = net.module_.training
        shape = net._network_shape(net.input_shape_)
        statistics = torchinfo.summary(net.module_, input_size=(batch, *shape), device=device, verbose=0, depth=4)
        net.module_.train(training)
        return statistics

    @property
    def classes_(self) -> np.ndarray:
        if not self._knows_labels():
            raise AttributeError(f"{type(self).__name__} has classes_ only after fit(X, y).")
        return self.codec_.classes

    def _probabilities(self, X: Any) -> np.ndarray:
        self._check_is_fitted()
        # A scoring callback of skorch passes a data set, or has cached the outputs.
        if not isinstance(X, torch.utils.data.Dataset) and "forward_iter" not in vars(self):
            X = check_clips(self, X, fitted=True)
            warn_source_leak(self, X)
        to_probabilities = self._get_predict_nonlinearity()
        batches = [
            to_probabilities(_logits(outputs)).detach().numpy()
            for outputs in self.forward_iter(X, training=False, device="cpu")
        ]
        probabilities = np.concatenate(batches)
        if not np.isfinite(probabilities).all():
            raise ValueError("The network gives NaN: its training has diverged. Fit again with a lower lr.")
        return probabilities

    def _get_predict_nonlinearity(self) -> Any:
        if isinstance(self.predict_nonlinearity, str) and self.predict_nonlinearity == "auto":
            return self.codec_.probabilities
        return super()._get_predict_nonlinearity()

    # Keeping

    def save_params(self, f_params: Any = None, *, use_safetensors: bool = False, **kwargs: Any) -> None:
        """Save the weights together with the labels that they are for.

        A plain module can load the file too: ``module.load_state_dict(torch.load(file))``.

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
            save_weights(self, f_params, use_safetensors)
        if kwargs:
            super().save_params(use_safetensors=use_safetensors, **kwargs)

    def load_params(
        self,
        f_params: Any = None,
        *,
        f_optimizer: Any = None,
        f_criterion: Any = None,
        f_history: Any = None,
        checkpoint: Any = None,
        use_safetensors: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load weights and labels that `save_params` saved, into a net with the same parameters.

        Parameters
        ----------
        f_params : str, path or file
            The file of the weights. The net need not be fitted or initialised.
        f_optimizer, f_criterion, f_history : str, path or file, optional
            The files of the state of the optimiser and of the loss, and of the history.
        checkpoint : skorch.callbacks.Checkpoint or TrainEndCheckpoint, optional
            Load the files that it saved; files that are given here take precedence.
        use_safetensors : bool, default=False
            Whether the weights are in the safetensors format.
        **kwargs
            `f_NAME` for further modules of a subclass.
        """
        files = {
            "f_params": kwargs.pop("f_module", None) if f_params is None else f_params,
            **{"f_optimizer": f_optimizer, "f_criterion": f_criterion, "f_history": f_history, **kwargs},
        }
        load_files(self, files, checkpoint, use_safetensors)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # skorch looks up the device by its name, and "auto" is none.
        device = state["device"]
        super().__setstate__({**state, "device": _resolve(device)})
        if device == "auto":
            self.device = device

    # Parameters

    def set_params(self, **params: Any) -> ClipClassifier:
        # Loaders and data sets are made in each fit and predict, and the optimiser of a restored net when it is
        # trained: skorch would re-initialise them, and fail.
        made_later = ("iterator_", "dataset", *([] if hasattr(self, "optimizer_") else ["optimizer__"]))
        later = {name: params[name] for name in params if name.startswith(made_later)}
        super().set_params(**{name: value for name, value in params.items() if name not in later})
        if later:
            self._params_to_validate.update(later)
            self.__dict__.update(later)
            if self.initialized_:
                self._validate_params()
        return self

    def _get_param_names(self) -> list[str]:
        return [name for name in super()._get_param_names() if not name.startswith("_")]

    # skorch's own shows the layers too, and scikit-learn prints steps of a pipeline only with its own.
    __repr__ = BaseEstimator.__repr__

    def _get_params_html(self, deep: bool = True, *args: Any, **kwargs: Any) -> Any:
        return super()._get_params_html(False, *args, **kwargs)  # without the parameters of skorch's own callbacks

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self._ndim_ in (2, None)
        tags.input_tags.three_d_array = self._ndim_ in (3, None)
        tags.target_tags.required = True
        tags.classifier_tags.multi_label = True
        tags.non_deterministic = self.random_state is None
        return tags

    # What is learnt from the data before training

    def check_data(self, X: Any, y: Any = None) -> None:
        pass  # checked before anything else, in fit

    def _learn(self, X: Any, y: np.ndarray, classes: Any = None) -> None:
        classes = self.classes if classes is None else classes
        if classes is None and y.ndim == 2:
            names = getattr(X, "categories", ())  # a matrix of the user's own may have other columns
            classes = names if len(names) == y.shape[1] else None
        self.fitted_clips_ = None
        self.codec_: LabelCodec = learn_labels(y, classes)
        self.input_shape_ = tuple(int(size) for size in X.shape[1:])
        if X.ndim == 2:
            self.n_features_in_ = self.input_shape_[0]
        self.class_weights_ = {} if self.class_weight is None else self.codec_.class_weights(self.class_weight, y)

    def _inferred(self) -> dict[str, Any]:
        if not self._knows_labels():
            return {}
        shape = self._network_shape(self.input_shape_)
        n_classes = len(self.codec_)
        return {
            "n_classes": n_classes,
            "num_classes": n_classes,
            "input_shape": shape,
            "input_size": math.prod(shape),
        }

    def _knows_labels(self) -> bool:
        return "codec_" in vars(self)

    def _features(self) -> list[Any]:
        transforms = as_transforms(self.get_params_for("iterator_train").get("transforms"))
        return [transform for transform in transforms if is_feature(transform)]

    def _network_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a clip as the network sees it, after the features among the transforms."""
        clip = np.broadcast_to(np.float32(0), (1, *shape))
        for feature in self._features():
            clip = np.asarray(feature.transform(clip))
        return clip.shape[1:]

    # Checks

    def _device(self) -> str:
        return _resolve(self.device)

    def _check_is_fitted(self) -> None:
        if not (self.initialized_ and self._knows_labels()):
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet: call fit(X, y) first.")


name_all_parameters(ClipClassifier)


def _logits(outputs: Any) -> torch.Tensor:
    # As in skorch, whatever else a module returns is ignored.
    return outputs[0] if isinstance(outputs, tuple) else outputs


def _resolve(device: Any) -> str:
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
