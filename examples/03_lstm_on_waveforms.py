"""
An LSTM on waveforms
====================

The obvious first attempt: give raw samples to a recurrent network, and let it work out the rest.
"""

# %%
# Take four categories. One fold is held out, and the others are the training set.

from _common import command_line, four_categories, get_store, save

from esc_features.model_selection import HoldOutFold
from esc_features.models import RNNClassifier
from esc_features.plotting import ConfusionDisplay, HistoryDisplay

options = command_line(__doc__, epochs=20)
store = get_store(options, "waveform,mel")
rows = four_categories(store)
X, y = store["waveform"][rows], store.y[rows]
fold = int(X.folds.min())
held_out = X.folds == fold

# %%
# The course's network takes the 80,000 samples of a clip as a single step of the sequence. ``HoldOutFold`` excludes a
# fold from training and scores it after every epoch. The scores are only displayed; they are used for no choice.

lstm = RNNClassifier(max_epochs=options.epochs, train_split=HoldOutFold(fold), random_state=0)
lstm.fit(X, y)
print(lstm.summary(X))

# %%
# It memorises the training clips and does not generalise: if a dog barks half a second later, the samples are entirely
# different.

print(f"whole clip as one step: training accuracy {lstm.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {lstm.score(X[held_out], y[held_out]):.3f} (fold {fold})")
save(HistoryDisplay.from_estimator(lstm, title=f"{store.dataset}, LSTM").figure_, options, "03_history")

# %%
# The confusion matrices of the training clips and the held-out clips show the same.

display = ConfusionDisplay.from_estimator(lstm, X, y, held_out=held_out, categories=store.categories)
save(display.figure_, options, "03_confusion")

# %%
# An LSTM is made for sequences, so give it steps of 100 ms. This network is almost fifty times smaller. It is a fairer
# attempt, but raw samples remain difficult. The next lesson uses spectrograms instead.

steps = RNNClassifier(
    max_epochs=options.epochs, module__frame_length=1600, train_split=HoldOutFold(fold), random_state=0
)
steps.fit(X, y)
print(f"steps of 100 ms: training accuracy {steps.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {steps.score(X[held_out], y[held_out]):.3f} (fold {fold})")
