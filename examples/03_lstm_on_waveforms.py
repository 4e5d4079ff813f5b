"""
An LSTM on waveforms
====================

The obvious first try: give the samples to a recurrent network and let it find out the rest.
"""

# %%
# Four categories; one fold is held out, the others are for training.

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
# The course's network takes the 80,000 samples of a clip as one step of the sequence. ``HoldOutFold`` keeps a fold out
# of the training, to look at after every epoch; nothing is chosen by it.

lstm = RNNClassifier(max_epochs=options.epochs, train_split=HoldOutFold(fold), random_state=0)
lstm.fit(X, y)
print(lstm.summary(X))

# %%
# It memorises the training clips and knows little about others: a dog that barks half a second later is another
# sequence of numbers altogether.

print(f"whole clip as one step: training accuracy {lstm.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {lstm.score(X[held_out], y[held_out]):.3f} (fold {fold})")
save(HistoryDisplay.from_estimator(lstm, title=f"{store.dataset}, LSTM").figure_, options, "03_history")

# %%
# The same in confusion matrices.

display = ConfusionDisplay.from_estimator(lstm, X, y, held_out=held_out, categories=store.categories)
save(display.figure_, options, "03_confusion")

# %%
# A sequence of 100 ms steps is what an LSTM is made for, and the network is almost fifty times smaller. It is a fair
# try, but raw samples stay hard for it: the next example shows what a spectrogram does.

steps = RNNClassifier(
    max_epochs=options.epochs, module__frame_length=1600, train_split=HoldOutFold(fold), random_state=0
)
steps.fit(X, y)
print(f"steps of 100 ms: training accuracy {steps.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {steps.score(X[held_out], y[held_out]):.3f} (fold {fold})")
