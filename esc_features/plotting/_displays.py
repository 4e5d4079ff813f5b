"""Pictures of clips, batches, fold scores and training, as scikit-learn's Displays make them.

Each display has class methods that compute it, `plot(ax=...)`, which draws it again, and then `figure_` and `ax_`.
Confusion matrices are scikit-learn's own: ``ConfusionMatrixDisplay.from_predictions(y, cross_val_predict(...))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..store import Store, StoreArray

__all__ = ["BatchDisplay", "FoldScoresDisplay", "HistoryDisplay", "SpectrogramDisplay", "WaveformDisplay"]

# Told apart by all common kinds of colour vision (Okabe and Ito), and of different lightness in print.
_BLUE, _VERMILION, _GREY = "#0072B2", "#D55E00", "#555555"
_COLORMAP = "magma"


class WaveformDisplay:
    """The samples of one clip over time.

    Look at a waveform to see silence, clipping and padding. Made by `from_store`, or directly of any samples.

    Parameters
    ----------
    waveform : array-like of shape (samples,)
        Floats with full scale 1, or 16-bit integers.
    sample_rate : float
        Samples a second, Hz.
    title : str, optional
        Written above.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    line_ : matplotlib.lines.Line2D
        The line drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.plotting import WaveformDisplay
    >>> tone = np.sin(2 * np.pi * 440 / 16000 * np.arange(16000))
    >>> display = WaveformDisplay(tone, sample_rate=16000, title="440 Hz").plot()
    >>> display.ax_.get_xlabel()
    'Time (s)'
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, waveform, *, sample_rate: float, title: str | None = None):
        waveform = np.asarray(waveform)
        _check_dimensions(waveform, 1, "a waveform, (samples,)")
        self.waveform = waveform / np.float32(32768) if waveform.dtype == np.int16 else waveform
        self.sample_rate = sample_rate
        self.title = title

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clip: int | str = 0,
        *,
        feature: str = "waveform",
        ax: Axes | None = None,
        **line_kwargs: Any,
    ) -> WaveformDisplay:
        """Draw one clip of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or an array of waveforms of one.
        clip : int or str, default=0
            Its row or its file name.
        feature : str, default="waveform"
            Which feature of a store.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_kwargs
            Passed on to matplotlib's ``plot``.

        Returns
        -------
        WaveformDisplay

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import WaveformDisplay
        >>> display = WaveformDisplay.from_store(open_store("stores/demo"), 7)
        >>> display.ax_.get_ylabel()
        'Amplitude'
        """
        array, row = _find_clip(store, feature, clip)
        display = cls(array[row], sample_rate=_parameter(array, "sample_rate"), title=_title(array, row))
        return display.plot(ax, **line_kwargs)

    def plot(self, ax: Axes | None = None, **line_kwargs: Any) -> WaveformDisplay:
        """Draw the waveform.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        **line_kwargs
            Passed on to matplotlib's ``plot``.

        Returns
        -------
        self
        """
        self.ax_ = _axes(ax, figsize=(7, 2.4))
        self.figure_ = self.ax_.figure
        times = np.arange(len(self.waveform)) / self.sample_rate
        style = {"color": _BLUE, "linewidth": 0.5, **line_kwargs}
        (self.line_,) = self.ax_.plot(times, self.waveform, **style)
        peak = max(1e-3, 1.05 * float(np.abs(self.waveform).max(initial=0)))
        self.ax_.set(
            xlabel="Time (s)",
            ylabel="Amplitude",
            xlim=(0, len(self.waveform) / self.sample_rate),
            ylim=(-peak, peak),
            title=self.title or "",
        )
        return self


class SpectrogramDisplay:
    """The mel spectrogram of one clip, with frequency in Hz, time in seconds and a colour bar in dB.

    The frequency axis is Slaney's mel scale, on which the bands are equally high: tick labels are true frequencies,
    and what is drawn over it is given in Hz. Made by `from_store`, or directly of any mel spectrogram.

    Parameters
    ----------
    spectrogram : array-like of shape (n_mels, frames)
        In dB; the lowest band first.
    sample_rate, hop_length : float, int
        Of the waveform, Hz, and the samples from one frame to the next.
    fmin : float, default=0.0
        Lowest frequency of the mel filters, Hz.
    fmax : float, optional
        Highest frequency of the mel filters, Hz; half the sample rate by default.
    reference : str or float, default="max"
        What 0 dB is, as in `MelSpectrogram`; for the colour bar's label.
    title : str, optional
        Written above.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    mesh_ : matplotlib.collections.QuadMesh
        The image, a quadrilateral a band and frame.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        None where `plot` was told to leave it out.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features import MelSpectrogram
    >>> from esc_features.plotting import SpectrogramDisplay
    >>> tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(80000))
    >>> mel = MelSpectrogram().transform([tone])[0]
    >>> display = SpectrogramDisplay(mel, sample_rate=16000, hop_length=512, fmax=8000).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['0', '500', '1000', '2000', '4000', '8000']
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        spectrogram,
        *,
        sample_rate: float,
        hop_length: int,
        fmin: float = 0.0,
        fmax: float | None = None,
        reference: str | float = "max",
        title: str | None = None,
    ):
        self.spectrogram = np.asarray(spectrogram)
        _check_dimensions(self.spectrogram, 2, "a mel spectrogram, (bands, frames)")
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.fmin = fmin
        self.fmax = sample_rate / 2 if fmax is None else fmax
        self.reference = reference
        self.title = title

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clip: int | str = 0,
        *,
        feature: str = "mel",
        ax: Axes | None = None,
        colorbar: bool = True,
        **mesh_kwargs: Any,
    ) -> SpectrogramDisplay:
        """Draw one clip of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or an array of mel spectrograms of one.
        clip : int or str, default=0
            Its row or its file name.
        feature : str, default="mel"
            Which feature of a store.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        colorbar : bool, default=True
            Draw the colour bar.
        **mesh_kwargs
            Passed on to matplotlib's ``pcolormesh``.

        Returns
        -------
        SpectrogramDisplay

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import SpectrogramDisplay
        >>> display = SpectrogramDisplay.from_store(open_store("stores/demo"), 7, cmap="viridis")
        >>> display.figure_.savefig("clip7.png")
        """
        array, row = _find_clip(store, feature, clip)
        display = cls(array[row], **_spectrogram_settings(array), title=_title(array, row))
        return display.plot(ax, colorbar=colorbar, **mesh_kwargs)

    def plot(self, ax: Axes | None = None, *, colorbar: bool = True, **mesh_kwargs: Any) -> SpectrogramDisplay:
        """Draw the spectrogram.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        colorbar : bool, default=True
            Draw the colour bar.
        **mesh_kwargs
            Passed on to matplotlib's ``pcolormesh``.

        Returns
        -------
        self
        """
        self.ax_ = _axes(ax, figsize=(7, 3.4))
        self.figure_ = self.ax_.figure
        bands, frames = self.spectrogram.shape
        style = {"cmap": _COLORMAP, "rasterized": True, **mesh_kwargs}
        self.ax_.set_yscale("function", functions=(_hz_to_mel, _mel_to_hz))
        self.mesh_ = self.ax_.pcolormesh(
            _frame_edges(frames, self.hop_length, self.sample_rate),
            _band_edges(bands, self.fmin, self.fmax),
            self.spectrogram,
            **style,
        )
        ticks = _frequency_ticks(self.fmin, self.fmax)
        self.ax_.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        self.ax_.set_yticks([], minor=True)
        self.ax_.set(xlabel="Time (s)", ylabel="Frequency (Hz)", ylim=(self.fmin, self.fmax), title=self.title or "")
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(self.mesh_, ax=self.ax_, pad=0.02)
            self.colorbar_.set_label(_decibel_label(self.reference))
        return self


class BatchDisplay:
    """A grid of labelled spectrograms, all in the same colours.

    Look at a batch before training on it: what is told apart, what looks alike, what an augmentation does.

    Parameters
    ----------
    spectrograms : array-like of shape (clips, n_mels, frames)
        In dB; the lowest band first.
    labels : sequence of str, optional
        Written above each; its number by default.
    sample_rate, hop_length, fmin, fmax, reference
        As in `SpectrogramDisplay`.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes, shape (clips,)
        Where the clips were drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    displays_ : list of SpectrogramDisplay
        One a clip.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.plotting import BatchDisplay
    >>> batch = np.random.default_rng(0).uniform(-80, 0, (3, 64, 40))
    >>> display = BatchDisplay(batch, ["dog", "cow", "rain"], sample_rate=16000, hop_length=512).plot()
    >>> [ax.get_title() for ax in display.ax_]
    ['dog', 'cow', 'rain']
    """

    ax_: np.ndarray
    figure_: Figure

    def __init__(
        self,
        spectrograms,
        labels: Sequence[str] | None = None,
        *,
        sample_rate: float,
        hop_length: int,
        fmin: float = 0.0,
        fmax: float | None = None,
        reference: str | float = "max",
    ):
        self.spectrograms = np.asarray(spectrograms)
        _check_dimensions(self.spectrograms, 3, "a batch of mel spectrograms, (clips, bands, frames)")
        self.labels = [str(i) for i in range(len(self.spectrograms))] if labels is None else [str(i) for i in labels]
        if len(self.labels) != len(self.spectrograms):
            raise ValueError(f"{len(self.labels)} labels were given for {len(self.spectrograms)} spectrograms.")
        self.settings: dict[str, Any] = {
            "sample_rate": sample_rate,
            "hop_length": hop_length,
            "fmin": fmin,
            "fmax": fmax,
            "reference": reference,
        }

    @classmethod
    def from_store(
        cls,
        store: Store | StoreArray,
        clips: int | Sequence[int] = 12,
        *,
        feature: str = "mel",
        random_state: int | np.random.RandomState | None = None,
        ax: Sequence[Axes] | None = None,
        columns: int = 4,
        **mesh_kwargs: Any,
    ) -> BatchDisplay:
        """Draw some clips of a store.

        Parameters
        ----------
        store : Store or StoreArray
            A store, or an array of mel spectrograms of one.
        clips : int or sequence of int, default=12
            Rows, or how many to draw at random.
        feature : str, default="mel"
            Which feature of a store.
        random_state : int or RandomState, optional
            Seed of the choice.
        ax : sequence of matplotlib Axes, optional
            Where to draw, one a clip; a new figure by default.
        columns : int, default=4
            Of the grid in a new figure.
        **mesh_kwargs
            Passed on to matplotlib's ``pcolormesh``.

        Returns
        -------
        BatchDisplay

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.plotting import BatchDisplay
        >>> display = BatchDisplay.from_store(open_store("stores/demo"), 8, random_state=0)
        >>> len(display.ax_)
        8
        """
        from sklearn.utils import check_random_state

        array = _array(store, feature)
        if isinstance(clips, int | np.integer):
            clips = check_random_state(random_state).permutation(len(array))[:clips]
        chosen = array[np.asarray(clips)]
        display = cls(chosen.to_numpy(), chosen.y, **_spectrogram_settings(array))
        return display.plot(ax, columns=columns, **mesh_kwargs)

    def plot(self, ax: Sequence[Axes] | None = None, *, columns: int = 4, **mesh_kwargs: Any) -> BatchDisplay:
        """Draw the grid.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            Where to draw, one a clip; a new figure by default.
        columns : int, default=4
            Of the grid in a new figure.
        **mesh_kwargs
            Passed on to matplotlib's ``pcolormesh``.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt

        clips = len(self.spectrograms)
        columns = min(columns, clips)
        if ax is None:
            rows = -(-clips // columns)
            figsize = (0.9 + 2.3 * columns, 0.6 + 1.7 * rows)
            _, grid = plt.subplots(rows, columns, figsize=figsize, layout="constrained", squeeze=False)
            for unused in grid.flat[clips:]:
                unused.set_visible(False)
            ax = grid.flat[:clips]
        self.ax_ = _given_axes(ax, clips)
        self.figure_ = self.ax_[0].figure
        limits = {"vmin": self.spectrograms.min(), "vmax": self.spectrograms.max(), **mesh_kwargs}
        self.displays_ = [
            SpectrogramDisplay(spectrogram, **self.settings, title=label).plot(axis, colorbar=False, **limits)
            for spectrogram, label, axis in zip(self.spectrograms, self.labels, self.ax_, strict=True)
        ]
        for number, axis in enumerate(self.ax_):
            axis.title.set_fontsize("medium")
            if number % columns:
                axis.set(ylabel="", yticklabels=[])
            if number + columns < clips:
                axis.set(xlabel="", xticklabels=[])
        bar = self.figure_.colorbar(self.displays_[0].mesh_, ax=list(self.ax_), pad=0.02, aspect=30)
        bar.set_label(_decibel_label(self.settings["reference"]))
        return self


class FoldScoresDisplay:
    """The scores of each fold, of one or several estimators, with their mean and standard deviation.

    Five folds are few, and they differ: a mean without its folds hides more than it says. Made by `from_scores` or
    `from_cross_validate`. The standard deviation is that of the folds shown, as ``numpy.std`` computes it.

    Parameters
    ----------
    scores : mapping of str to array-like of shape (folds,)
        Name of each estimator -> its scores. NaN, a fold that was not run, is left out.
    folds : sequence, optional
        Name of each fold; 1, 2, ... by default.
    metric : str, default="Accuracy"
        What the scores are; labels the axis.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it was drawn; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from esc_features.plotting import FoldScoresDisplay
    >>> scores = {"k-NN": [0.575, 0.725, 0.663, 0.725, 0.638], "SVM": [0.6, 0.75, 0.65, 0.75, 0.638]}
    >>> display = FoldScoresDisplay.from_scores(scores, chance=0.1)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['k-NN', 'SVM']
    """

    ax_: Axes
    figure_: Figure

    def __init__(self, scores: Mapping[str, Any], folds: Iterable | None = None, *, metric: str = "Accuracy"):
        self.scores = {name: np.asarray(values, float) for name, values in scores.items()}
        if not self.scores:
            raise ValueError("There are no scores to show: give the scores of at least one estimator.")
        lengths = {values.shape for values in self.scores.values()}
        count = max(len(values) if values.ndim else 0 for values in self.scores.values())
        self.folds = list(range(1, count + 1)) if folds is None else list(folds)
        if lengths != {(len(self.folds),)} or not self.folds:
            shapes = {name: values.shape for name, values in self.scores.items()}
            raise ValueError(f"Each estimator needs a score a fold ({len(self.folds)} folds); their shapes: {shapes}.")
        self.metric = metric

    @classmethod
    def from_scores(
        cls,
        scores: Mapping[str, Any] | Sequence[float] | np.ndarray,
        folds: Iterable | None = None,
        *,
        metric: str = "Accuracy",
        ax: Axes | None = None,
        chance: float | None = None,
    ) -> FoldScoresDisplay:
        """Draw what ``cross_val_score`` returned.

        Parameters
        ----------
        scores : mapping of str to array-like, or array-like of shape (folds,)
            Name of each estimator -> its scores; or the scores of only one.
        folds : sequence, optional
            Name of each fold; 1, 2, ... by default.
        metric : str, default="Accuracy"
            Labels the axis.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        chance : float, optional
            Score of guessing, drawn as a dotted line.

        Returns
        -------
        FoldScoresDisplay
        """
        if not isinstance(scores, Mapping):
            scores = {"": scores}
        return cls(scores, folds, metric=metric).plot(ax, chance=chance)

    @classmethod
    def from_cross_validate(
        cls,
        results: Mapping[str, Any],
        folds: Iterable | None = None,
        *,
        key: str = "test_score",
        metric: str = "Accuracy",
        ax: Axes | None = None,
        chance: float | None = None,
    ) -> FoldScoresDisplay:
        """Draw what ``cross_validate`` returned.

        Parameters
        ----------
        results : mapping
            Name of each estimator -> what ``cross_validate`` returned for it; or what it returned for only one.
        folds : sequence, optional
            Name of each fold; 1, 2, ... by default.
        key : str, default="test_score"
            Which of the scores in there, such as "train_score" or "test_balanced_accuracy".
        metric : str, default="Accuracy"
            Labels the axis.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        chance : float, optional
            Score of guessing, drawn as a dotted line.

        Returns
        -------
        FoldScoresDisplay

        Examples
        --------
        >>> from esc_features.plotting import FoldScoresDisplay
        >>> result = {"fit_time": [1.0, 1.1], "score_time": [0.1, 0.1], "test_score": [0.8, 0.9]}
        >>> FoldScoresDisplay.from_cross_validate({"forest": result}).scores
        {'forest': array([0.8, 0.9])}
        """
        if "fit_time" in results:
            results = {"": results}
        for name, result in results.items():
            if key not in result:
                raise ValueError(f"The result of {name or 'the estimator'} has no {key!r}; it has {', '.join(result)}.")
        return cls({name: result[key] for name, result in results.items()}, folds, metric=metric).plot(
            ax, chance=chance
        )

    def plot(self, ax: Axes | None = None, *, chance: float | None = None) -> FoldScoresDisplay:
        """Draw a row an estimator: its folds as numbered dots, its mean as a line, ± one standard deviation as a bar.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        chance : float, optional
            Score of guessing, drawn as a dotted line.

        Returns
        -------
        self
        """
        longest = max(len(name) for name in self.scores)
        self.ax_ = _axes(ax, figsize=(6.5 + 0.06 * longest, 1.3 + 0.85 * len(self.scores)))
        self.figure_ = self.ax_.figure
        offsets = np.linspace(-0.3, 0.3, len(self.folds)) if len(self.folds) > 1 else [0.0]
        for row, scores in enumerate(self.scores.values()):
            mean, deviation = np.nanmean(scores), np.nanstd(scores)
            self.ax_.barh(row, 2 * deviation, 0.86, mean - deviation, color=_BLUE, alpha=0.15, linewidth=0)
            self.ax_.plot([mean, mean], [row - 0.43, row + 0.43], color=_BLUE, linewidth=2.5)
            self.ax_.scatter(scores, row + np.asarray(offsets), s=95, color="white", edgecolors=_GREY, zorder=3)
            for fold, score, offset in zip(self.folds, scores, offsets, strict=True):
                if np.isfinite(score):
                    place = (score, row + offset)
                    self.ax_.annotate(
                        str(fold), place, ha="center", va="center_baseline", fontsize=7, color="black", zorder=4
                    )
            self.ax_.annotate(
                f"{mean:.3f} ± {deviation:.3f}",
                (1.02, row),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        if chance is not None:
            self.ax_.axvline(chance, color=_VERMILION, linestyle=":", linewidth=1.5)
            self.ax_.annotate(
                "chance",
                (chance, 1),
                (3, -4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=_VERMILION,
                rotation=90,
                va="top",
                fontsize=8,
            )
        self.ax_.set_yticks(range(len(self.scores)), labels=list(self.scores))
        self.ax_.set(xlabel=self.metric, ylim=(len(self.scores) - 0.45, -0.55))
        self.ax_.tick_params("y", length=0)
        self.ax_.grid(axis="x", alpha=0.3)
        self.ax_.set_axisbelow(True)
        self.ax_.set_title("Dots: folds. Line and bar: mean ± standard deviation.", fontsize="small", loc="left")
        return self


class HistoryDisplay:
    """Loss and accuracy of a network after each epoch of its training.

    Tells whether training was long enough and where it began to learn by heart. Held-out curves are there where the
    estimator had a ``train_split``, such as `HoldOutFold`.

    Parameters
    ----------
    losses, accuracies : mapping of str to array-like of shape (epochs,)
        Name of each curve -> its values; either may be empty.

    Attributes
    ----------
    ax_ : ndarray of matplotlib.axes.Axes
        Of the losses and of the accuracies, where there are any; after `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.

    Examples
    --------
    >>> from esc_features.plotting import HistoryDisplay
    >>> display = HistoryDisplay({"training": [1.2, 0.7, 0.5], "held out": [1.3, 1.0, 0.9]}, {}).plot()
    >>> display.ax_[0].get_ylabel()
    'Loss'
    """

    ax_: np.ndarray
    figure_: Figure

    def __init__(self, losses: Mapping[str, Any], accuracies: Mapping[str, Any]):
        self.losses = {name: np.asarray(values, float) for name, values in losses.items()}
        self.accuracies = {name: np.asarray(values, float) for name, values in accuracies.items()}
        if not (self.losses or self.accuracies):
            raise ValueError("There is neither a loss nor an accuracy to show.")

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Sequence[Axes] | None = None) -> HistoryDisplay:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : skorch.NeuralNet
            Fitted; or a fitted pipeline that ends with one, or a fitted search whose best estimator is one.
        ax : sequence of matplotlib Axes, optional
            Where to draw, one for each of loss and accuracy that there is; a new figure by default.

        Returns
        -------
        HistoryDisplay

        Examples
        --------
        >>> from esc_features import open_store
        >>> from esc_features.models import ConvNetClassifier
        >>> from esc_features.plotting import HistoryDisplay
        >>> store = open_store("stores/demo")
        >>> net = ConvNetClassifier(max_epochs=2, random_state=0).fit(store["mel"], store.y)
        >>> HistoryDisplay.from_estimator(net).accuracies.keys()
        dict_keys(['training'])
        """
        net = getattr(estimator, "best_estimator_", estimator)
        net = net.steps[-1][1] if hasattr(net, "steps") else net
        history = getattr(net, "history_", None)
        if not history:
            raise ValueError(
                f"{type(net).__name__} has no training history: give a fitted network of esc_features.models or "
                "skorch, or a fitted pipeline that ends with one."
            )
        return cls(_curves(history, ("_loss",)), _curves(history, ("_acc", "_accuracy"))).plot(ax)

    def plot(self, ax: Sequence[Axes] | None = None) -> HistoryDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : sequence of matplotlib Axes, optional
            Where to draw, one for each of loss and accuracy that there is; a new figure by default.

        Returns
        -------
        self
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        panels = [(label, curves) for label, curves in self._panels() if curves]
        if ax is None:
            _, ax = plt.subplots(1, len(panels), figsize=(0.5 + 4 * len(panels), 3.2), layout="constrained")
        self.ax_ = _given_axes(ax, len(panels))
        self.figure_ = self.ax_[0].figure
        for axis, (label, curves) in zip(self.ax_, panels, strict=True):
            for (name, values), (color, marker) in zip(curves.items(), _curve_styles(curves), strict=True):
                epochs = np.arange(1, len(values) + 1)
                spaced = max(1, len(values) // 20)
                axis.plot(epochs, values, label=name, color=color, marker=marker, markersize=4, markevery=spaced)
            top = 1.03 if label == "Accuracy" else 1.08 * max(np.nanmax(values) for values in curves.values())
            axis.set(xlabel="Epoch", ylabel=label, ylim=(0, top))
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axis.grid(alpha=0.3)
            axis.legend()
        return self

    def _panels(self):
        return ("Loss", self.losses), ("Accuracy", self.accuracies)


def _curve_styles(curves):
    own = {"training": (_BLUE, "o"), "held out": (_VERMILION, "s")}
    spare = iter([("#009E73", "^"), ("#CC79A7", "v"), ("#000000", "D"), ("#E69F00", "P")] * len(curves))
    return [own[name] if name in own else next(spare) for name in curves]


def _curves(history, endings: tuple[str, ...]) -> dict[str, list[float]]:
    names = {"train": "training", "valid": "held out"}
    curves = {}
    for key in history[0]:
        for ending in endings:
            if key.endswith(ending) and all(key in epoch for epoch in history):
                kind = key.removesuffix(ending)
                curves[names.get(kind, kind)] = [epoch[key] for epoch in history]
    return curves


def _axes(ax, figsize):
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax
    return plt.subplots(figsize=figsize, layout="constrained")[1]


def _given_axes(ax, wanted: int) -> np.ndarray:
    axes = np.empty(wanted, object)
    given = np.ravel(np.asarray(ax, object))
    if len(given) != wanted:
        raise ValueError(f"{wanted} axes are needed, {len(given)} were given; without ax a new figure is made.")
    axes[:] = given
    return axes


def _check_dimensions(array: np.ndarray, wanted: int, what: str) -> None:
    if array.ndim != wanted or array.size == 0:
        raise ValueError(f"This shows {what}; it was given an array of shape {array.shape}.")


def _array(store, feature: str):
    return store if hasattr(store, "take") else store[feature]


def _find_clip(store, feature: str, clip):
    array = _array(store, feature)
    if not isinstance(clip, str):
        return array, clip
    rows = np.flatnonzero(array.filenames == clip)
    if not len(rows):
        raise ValueError(f"There is no clip {clip!r} in {array!r}; its file names are in .filenames.")
    return array, int(rows[0])


def _title(array, row: int) -> str:
    return f"{array.y[row]} ({array.filenames[row]})"


def _parameter(array, name: str):
    if name in array.parameters:
        return array.parameters[name]
    raise ValueError(
        f"{array!r} does not know its {name}. Take an array of a store, or make the display itself: it takes "
        f"the numbers and {name}=."
    )


def _spectrogram_settings(array) -> dict[str, Any]:
    _check_dimensions(np.empty((1, *array.shape[1:])), 3, "mel spectrograms, (clips, bands, frames)")
    settings = {name: _parameter(array, name) for name in ("sample_rate", "hop_length")}
    return settings | {key: array.parameters[key] for key in ("fmin", "fmax", "reference") if key in array.parameters}


def _decibel_label(reference) -> str:
    return "dB (clip's loudest = 0)" if reference == "max" else f"dB (power {reference:g} = 0)"


def _frame_edges(frames: int, hop_length: int, sample_rate: float) -> np.ndarray:
    """Frames are centred on multiples of the hop; the first has no time before the clip."""
    edges = (np.arange(frames + 1) - 0.5) * hop_length / sample_rate
    edges[0] = 0
    return edges


def _band_edges(bands: int, fmin: float, fmax: float) -> np.ndarray:
    """Halfway between the centres of neighbouring filters; the first filter begins at fmin, the last ends at fmax."""
    lowest, highest = _hz_to_mel([fmin, fmax])
    centres = np.linspace(lowest, highest, bands + 2)[1:-1]
    between = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[fmin], _mel_to_hz(between), [fmax]])


def _frequency_ticks(fmin: float, fmax: float) -> list[float]:
    from matplotlib.ticker import MaxNLocator

    doubled = [0.0, *(500.0 * 2**power for power in range(10))]
    ticks = [tick for tick in doubled if fmin <= tick <= fmax]
    if len(ticks) < 4:
        ticks = [tick for tick in MaxNLocator(5).tick_values(fmin, fmax).tolist() if fmin <= tick <= fmax]
    return ticks


def _hz_to_mel(frequencies):
    from ..features import _spectra

    return np.vectorize(_spectra._hz_to_mel, otypes=[float])(frequencies)


def _mel_to_hz(mels):
    from ..features import _spectra

    return _spectra._mel_to_hz(np.asarray(mels))
