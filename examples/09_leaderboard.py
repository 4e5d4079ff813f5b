"""
Rank the built-in methods
=========================

Each official fold in turn is held out: every method is fitted on the other folds and scored once on this one. All
choices are made on inner folds of the training set. The results are shown beside published ones, as a table and as a
figure.

Run it on ``path/to/ESC-50`` or ``esc10`` with ``--methods knn,svm,forest,rnn,convnet,convnet+shift,deepconvnet``; by
default it runs the fast ones. ``esc_features evaluate STORE`` does the same from the command line.
"""

# %%
# Extract the features that the methods need.

from _common import command_line, get_store, save

from esc_features import evaluate
from esc_features.evaluation import LeaderboardDisplay

options = command_line(__doc__, methods="knn,svm,forest", jobs=1)
store = get_store(options, "waveform,mel,mfcc", categories=None)

# %%
# Each result is written as soon as it is known, so you can stop this and run it again to continue.

board = evaluate(store, options.methods, n_jobs=options.jobs)
print(board.to_text())

# %%
# The pairs of categories that the best method confuses most often.

print(board.most_confused().to_string(index=False))

# %%
# Dots are folds, bars are the means with their 95 % intervals, and dashed lines are published results.

save(LeaderboardDisplay.from_leaderboard(board).figure_, options, "09_leaderboard")
