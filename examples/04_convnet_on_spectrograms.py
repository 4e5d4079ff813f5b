"""
A ConvNet on mel spectrograms
=============================

A spectrogram can be treated as an image, so a network for images applies. It has a fortieth of the parameters of the
previous lesson's LSTM, and is far more accurate.
"""

# %%
# The clips and folds are those of the previous lesson; only the feature changes.

from _common import command_line, four_categories, get_store, save
from sklearn.model_selection import cross_val_score

from esc_features.model_selection import HoldOutFold
from esc_features.models import ConvNetClassifier
from esc_features.plotting import ConfusionDisplay, FoldScoresDisplay, HistoryDisplay

options = command_line(__doc__, epochs=12)
store = get_store(options, "waveform,mel")
rows = four_categories(store)
X, y = store["mel"][rows], store.y[rows]
fold = int(X.folds.min())
held_out = X.folds == fold

# %%
# The network has four convolutions, each of which halves the image, and a linear layer.

convnet = ConvNetClassifier(max_epochs=options.epochs, train_split=HoldOutFold(fold), random_state=0)
convnet.fit(X, y)
print(convnet.summary(X))

# %%
# The curves show whether training was long enough, and when the network began to memorise.

print(f"training accuracy {convnet.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {convnet.score(X[held_out], y[held_out]):.3f} (fold {fold})")
save(HistoryDisplay.from_estimator(convnet, title=f"{store.dataset}, ConvNet").figure_, options, "04_history")

# %%
# Which categories are confused?

display = ConfusionDisplay.from_estimator(
    convnet,
    X,
    y,
    held_out=held_out,
    categories=store.categories,
    title=f"{store.dataset}, ConvNet, fold {fold} held out",
)
save(display.figure_, options, "04_confusion")

# %%
# One fold has few clips, so hold out each fold in turn. The splitter takes the folds from ``X``.

scores = cross_val_score(ConvNetClassifier(max_epochs=options.epochs, random_state=0), X, y, cv=store.cv())
print(f"all folds: held-out accuracy {scores.mean():.3f} ± {scores.std():.3f}")
display = FoldScoresDisplay.from_scores({"ConvNet": scores}, chance=1 / len(set(y)), title=store.dataset)
save(display.figure_, options, "04_fold_scores")
