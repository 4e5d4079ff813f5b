"""Classify waveforms with a recurrent network."""

from __future__ import annotations

from ._clip_classifier import ClipClassifier
from ._rnn import RNN


class RNNClassifier(ClipClassifier):
    """Classify waveforms with `RNN`, the course's LSTM.

    A baseline that shows why spectrograms are computed: a network that sees raw samples memorises the
    training clips. `module__frame_length=400` cuts the waveform into steps of 25 ms at 16 kHz.

    Parameters
    ----------
    module : type, default=RNN
        The network; its class, not an instance.
    lr : float, default=1e-3
        Learning rate of AdamW.
    max_epochs : int, default=10
        Passes over the training clips.
    batch_size : int, default=32
        Clips per batch.
    **kwargs
        Any other parameter of `ClipClassifier`: `module__hidden_size=32`, `module__frame_length=400`,
        `random_state=0`, `class_weight="balanced"`, `train_split=HoldOutFold()`, ...

    See Also
    --------
    ClipClassifier : What all estimators have in common, attributes included.

    Examples
    --------
    >>> from esc_features import open_store
    >>> from esc_features.models import RNNClassifier
    >>> store = open_store("stores/demo")
    >>> model = RNNClassifier(max_epochs=2, random_state=0).fit(store["waveform"], store.y)
    >>> model.predict_proba(store["waveform"][:3]).shape
    (3, 4)
    """

    _ndim_ = 2
    _takes_ = "waveforms (clips, samples)"

    def __init__(self, module=RNN, *, lr=1e-3, max_epochs=10, batch_size=32, **kwargs):
        super().__init__(module, lr=lr, max_epochs=max_epochs, batch_size=batch_size, **kwargs)
