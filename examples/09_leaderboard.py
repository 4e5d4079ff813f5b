"""
Rank the known methods, honestly
================================

Every method is fitted on all official folds but one and scored once on that one, in turn; all choices are made on inner
folds of the training folds. The result stands beside published results, and ends as a figure.

Run it on ``path/to/ESC-50`` or ``esc10`` with ``--methods knn,svm,forest,rnn,convnet,convnet+shift,deepconvnet``; the
default takes the quick ones. ``esc_features evaluate STORE`` is the same from the command line.
"""

# %%
# Extract what the methods need. ``evaluate`` would do so as well, from where the recordings were.

from _common import command_line, get_store, save

from esc_features import evaluate
from esc_features.evaluation import LeaderboardDisplay

options = command_line(__doc__, methods="knn,svm,forest", jobs=1)
store = get_store(options, "waveform,mel,mfcc", categories=None)

# %%
# Each result is written as soon as it is known: stop this and run it again, and it goes on.

board = evaluate(store, options.methods, n_jobs=options.jobs)
print(board.to_text())

# %%
# Which pairs of categories the best method confuses.

print(board.most_confused().to_string(index=False))

# %%
# A dot is a fold, a bar the mean, a dashed line a published result.

save(LeaderboardDisplay.from_leaderboard(board).figure_, options, "09_leaderboard")
