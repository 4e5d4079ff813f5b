"""Figures of clips, batches, confusions, scores and training, with the API of scikit-learn's Displays.

Each display has class methods that compute and draw it, and `plot(ax=...)`, which draws it again and sets `figure_`
and `ax_`.
"""

from ._batch_display import BatchDisplay
from ._category_scores_display import CategoryScoresDisplay
from ._clip_display import ClipDisplay
from ._comparison_display import ComparisonDisplay
from ._confusion_display import ConfusionDisplay
from ._fold_scores_display import FoldScoresDisplay
from ._history_display import HistoryDisplay
from ._leaderboard_display import LeaderboardDisplay
from ._reliability_display import ReliabilityDisplay
from ._spectrogram_display import SpectrogramDisplay
from ._style import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from ._waveform_display import WaveformDisplay

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "VERMILION",
    "BatchDisplay",
    "CategoryScoresDisplay",
    "ClipDisplay",
    "ComparisonDisplay",
    "ConfusionDisplay",
    "FoldScoresDisplay",
    "HistoryDisplay",
    "LeaderboardDisplay",
    "ReliabilityDisplay",
    "SpectrogramDisplay",
    "WaveformDisplay",
]
