"""Classify spectrograms with the strong from-scratch network."""

from __future__ import annotations

from sklearn.pipeline import Pipeline, make_pipeline
from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import OneCycleLR

from ..augmentation import Gain, Mixup, RandomCrop, SpecAugment, TimeShift
from ..features import MelSpectrogram
from ..preprocessing import Standardizer
from ._clip_classifier import ClipClassifier
from ._deep_conv_net import DeepConvNet
from ._weight_averaging import WeightAveraging

# In standard deviations: a gain of 0.2 is about 6 dB, and 0 fills masks with each band's mean. 25 frames are a second.
_TRANSFORMS = (
    TimeShift(0.5, fill="wrap"),
    RandomCrop(0.5, min_length=25),
    Gain(0.2),
    Mixup(0.4),
    SpecAugment(fill=0.0),
)
_PRESETS = {"fast": {"max_epochs": 100}, "best": {"max_epochs": 250}}


class DeepConvNetClassifier(ClipClassifier):
    """Classify log-mel spectrograms with `DeepConvNet` and a recipe for few training clips.

    The learning rate goes up to `lr` and down to almost zero over the whole fit (one cycle), batches are shifted,
    cropped, masked and mixed, and a moving average of the weights is what predicts. There is no selection: the last
    epoch is the result. It expects standardised spectrograms; `pipeline` puts it behind the feature and the
    `Standardizer` that it was tuned with.

    Parameters
    ----------
    module : type, default=DeepConvNet
        The network; its class, not an instance.
    lr : float, default=3e-3
        Highest learning rate of the cycle.
    max_epochs : int, default=100
        Passes over the training clips, over which the cycle is stretched.
    batch_size : int, default=32
        Clips per batch.
    optimizer__weight_decay : float, default=0.05
        Weight decay of AdamW.
    iterator_train__transforms : sequence of callable
        Changes of training batches, by default circular time shift, `RandomCrop` to half of each clip (but at least 25
        frames, a second), gain, mixup and masks. They assume standardised spectrograms: 0 is a band's mean, 1 its
        standard deviation.
    **kwargs
        Any other parameter of `ClipClassifier`: `random_state=0`, `module__width=32`,
        `callbacks__weight_averaging=None`, `callbacks__weight_averaging__decay=0.99`,
        `callbacks__one_cycle__pct_start=0.1`, ...

    Notes
    -----
    "fast" trains 100 epochs and "best" 250. A clip took 3 ms of one core with AVX-512 bfloat16, so the 1600 training
    clips of an ESC-50 fold take 8 min ("fast") or 20 min ("best") of one core; two were 1.8 times as fast as one.

    Large buffers are given back to the system and taken again in each step. With glibc, the environment variables
    ``MALLOC_MMAP_THRESHOLD_=8000000000 MALLOC_TRIM_THRESHOLD_=8000000000`` keep them, which saved a fifth of the time.

    Examples
    --------
    >>> from esc_features.models import DeepConvNetClassifier
    >>> model = DeepConvNetClassifier.pipeline("fast", random_state=0)
    >>> [name for name, step in model.steps]
    ['melspectrogram', 'standardizer', 'deepconvnetclassifier']

    With a store: ``cross_val_score(model, store.audio, store.y, cv=store.cv())``.
    """

    _ndim_ = 3
    _takes_ = "spectrograms (clips, bands, frames)"

    def __init__(
        self,
        module=DeepConvNet,
        *,
        lr=3e-3,
        max_epochs=100,
        batch_size=32,
        optimizer__weight_decay=0.05,
        iterator_train__transforms=_TRANSFORMS,
        **kwargs,
    ):
        super().__init__(
            module,
            lr=lr,
            max_epochs=max_epochs,
            batch_size=batch_size,
            optimizer__weight_decay=optimizer__weight_decay,
            iterator_train__transforms=iterator_train__transforms,
            **kwargs,
        )

    @classmethod
    def preset(cls, name: str = "fast", **params) -> DeepConvNetClassifier:
        """Make the estimator with a documented set of parameters.

        Parameters
        ----------
        name : {"fast", "best"}, default="fast"
            "fast" trains 100 epochs, "best" 250.
        **params
            Parameters to set otherwise, for instance `random_state=0`.

        Returns
        -------
        DeepConvNetClassifier

        Raises
        ------
        ValueError
            If there is no preset of this name.
        """
        if name not in _PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {', '.join(map(repr, _PRESETS))}.")
        return cls(**{**_PRESETS[name], **params})

    @classmethod
    def pipeline(cls, name: str = "fast", **params) -> Pipeline:
        """Make the pipeline of feature, standardisation and preset, from recordings to labels.

        Parameters
        ----------
        name : {"fast", "best"}, default="fast"
            As for `preset`.
        **params
            Parameters of the classifier to set otherwise.

        Returns
        -------
        sklearn.pipeline.Pipeline
            To fit on `store.audio`, or on waveforms or paths of audio files.
        """
        return make_pipeline(cls.feature(), Standardizer(), cls.preset(name, **params))

    @staticmethod
    def feature() -> MelSpectrogram:
        """Make the feature that the presets were tuned with.

        64 bands at 22.05 kHz, a frame every 40 ms, in decibels of a fixed reference, so that loud and quiet clips stay
        apart. ``extract(..., features={"mel64": DeepConvNetClassifier.feature()})`` stores it.

        Returns
        -------
        MelSpectrogram
        """
        return MelSpectrogram(
            sample_rate=22050, n_fft=2048, hop_length=882, n_mels=64, fmin=20, fmax=11025, reference=1.0, top_db=None
        )

    @property
    def _default_callbacks(self):
        return [
            *super()._default_callbacks,
            ("one_cycle", _OneCycle()),
            ("weight_averaging", WeightAveraging()),
        ]


class _OneCycle(LRScheduler):
    """Stretch one cycle, with the net's `lr` as its top, over all batches of a fit."""

    def __init__(self, pct_start=0.3):
        super().__init__(OneCycleLR, step_every="batch", pct_start=pct_start)

    def on_train_begin(self, net, **kwargs):
        self.lr_scheduler_ = None

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        # Only here is it known how many clips a train_split leaves, and so how many batches there will be.
        if self.lr_scheduler_ is None:
            batches = len(net.get_iterator(dataset_train, training=True))
            self.lr_scheduler_ = OneCycleLR(
                net.optimizer_, max_lr=net.lr, total_steps=max(net.max_epochs * batches, 1), **self.kwargs
            )

    def on_train_end(self, net, **kwargs):
        self.lr_scheduler_ = None  # it holds the optimiser, which a pickle would then carry twice
