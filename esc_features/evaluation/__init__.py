"""Compare methods on a store by its folds: results, intervals, comparisons and reports."""

from ..plotting import LeaderboardDisplay
from ._bootstrap import Interval
from ._compare import compare
from ._evaluate import evaluate
from ._facts import Facts
from ._fit import fit_method
from ._held_out import HeldOut
from ._leaderboard import Leaderboard
from ._load import load_leaderboard
from ._method import Ensemble, Method
from ._methods import named_methods
from ._metrics import METRICS, Metric
from ._result import Result, ResultError
from ._train import TrainedMethod, train

__all__ = [
    "METRICS",
    "Ensemble",
    "Facts",
    "HeldOut",
    "Interval",
    "Leaderboard",
    "LeaderboardDisplay",
    "Method",
    "Metric",
    "Result",
    "ResultError",
    "TrainedMethod",
    "compare",
    "evaluate",
    "fit_method",
    "load_leaderboard",
    "named_methods",
    "train",
]
