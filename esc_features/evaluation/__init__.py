"""Which known methods do how well on a store: by the official folds, without a leak, in one command."""

from ._evaluate import evaluate
from ._leaderboard import Leaderboard
from ._leaderboard_display import LeaderboardDisplay
from ._methods import Method, named_methods

__all__ = ["Leaderboard", "LeaderboardDisplay", "Method", "evaluate", "named_methods"]
