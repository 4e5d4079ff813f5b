"""Predict with an average of the weights that training went through."""

from skorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAveraging(Callback):
    """Keep an exponential moving average of the weights, and predict with it once training ends.

    The average follows every optimiser step, batch-norm statistics included. It takes the place of the trained
    weights at the end of ``fit``; scores on a validation split during training are those of the trained weights.

    Parameters
    ----------
    decay : float, default=0.97
        Weight of the average so far at each step, in [0, 1). The first steps use a smaller one,
        ``(1 + step) / (10 + step)``, so that the random initial weights are forgotten in a short training too.

    References
    ----------
    B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM Journal on
    Control and Optimization 30(4), 1992.

    Examples
    --------
    >>> from esc_features.models import ConvNetClassifier, WeightAveraging
    >>> model = ConvNetClassifier(callbacks=[WeightAveraging(decay=0.99)])
    """

    def __init__(self, decay=0.97):
        self.decay = decay

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {self.decay!r}; 0.97 is the default.")
        self.average_ = AveragedModel(net.module_, multi_avg_fn=self._step, use_buffers=True)

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if training:
            self.average_.update_parameters(net.module_)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        if self.average_.n_averaged > 0:
            net.module_.load_state_dict(self.average_.module.state_dict())
        del self.average_  # a second copy of the weights would travel in every pickle

    def _step(self, averaged, current, n_averaged):
        step = int(n_averaged)
        get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))(averaged, current, n_averaged)
