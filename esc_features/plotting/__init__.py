"""Pictures of clips, batches, fold scores and training, as scikit-learn's Displays make them.

Each display has class methods that compute it, `plot(ax=...)`, which draws it again, and then `figure_` and `ax_`.
Confusion matrices are scikit-learn's own: ``ConfusionMatrixDisplay.from_predictions(y, cross_val_predict(...))``.
"""

from ._displays import BatchDisplay, FoldScoresDisplay, HistoryDisplay, SpectrogramDisplay, WaveformDisplay

__all__ = ["BatchDisplay", "FoldScoresDisplay", "HistoryDisplay", "SpectrogramDisplay", "WaveformDisplay"]
