"""
Random time shifts
==================

A dog that barks a moment later is still a dog. Here training batches are shifted in time at random, so that the network
cannot learn when events happen in the training clips.
"""

# %%
# The clips and folds are those of the previous lesson.

import matplotlib.pyplot as plt
import numpy as np
import torch
from _common import command_line, four_categories, get_store, save
from sklearn.base import clone

from esc_features.augmentation import TimeShift
from esc_features.model_selection import HoldOutFold
from esc_features.models import ConvNetClassifier
from esc_features.plotting import BatchDisplay, ConfusionDisplay, HistoryDisplay

options = command_line(__doc__, epochs=15)
store = get_store(options, "waveform,mel")
rows = four_categories(store)
X, y = store["mel"][rows], store.y[rows]
fold = int(X.folds.min())
held_out = X.folds == fold

# %%
# This is what a shift does: one clip as it is, and as the network may see it in five epochs. The shift is up to 20 % in
# either direction, and the gap is filled with the minimum of the clip, which is silence. A clip without pauses shows
# this best, so take the one that is loudest on average.

loudest = int(np.argmax([spectrogram.mean() for spectrogram in X]))
clip = torch.from_numpy(X[loudest])
copies, _ = TimeShift(0.2)(clip.repeat(5, 1, 1), generator=torch.Generator().manual_seed(3))
settings = {name: X.parameters[name] for name in ("sample_rate", "hop_length", "fmin", "fmax")}
pictures = torch.cat([clip[None], copies]).numpy()
titles = [y[loudest], *(f"{y[loudest]}, epoch {epoch}" for epoch in range(1, 6))]
save(
    BatchDisplay(pictures, titles, **settings, title=f"{store.dataset}, {X.filenames[loudest]}")
    .plot(columns=3)
    .figure_,
    options,
    "05_shifted",
)

# %%
# Transforms are a parameter of the training batches: predictions are not affected, and the store holds each clip once.

plain = ConvNetClassifier(max_epochs=options.epochs, train_split=HoldOutFold(fold), random_state=0)
shifted = clone(plain).set_params(iterator_train__transforms=[TimeShift(0.2)])

# %%
# Train with and without shifts, everything else being equal.

for name, net in {"without shifts": plain, "with shifts": shifted}.items():
    net.fit(X, y)
    print(f"{name}: training accuracy {net.score(X[~held_out], y[~held_out]):.3f}, ", end="")
    print(f"held-out accuracy {net.score(X[held_out], y[held_out]):.3f} (fold {fold})")

# %%
# Did it help? Shifted clips are harder to memorise, so compare the losses on the held-out clips. But this is only one
# fold with few clips: ``cross_val_score(shifted, X, y, cv=store.cv())`` scores all folds.

figure, axes = plt.subplots(2, 2, figsize=(8.5, 5.6), sharex=True, sharey="col", layout="constrained")
for row, name, net in zip(axes, ["without shifts", "with shifts"], [plain, shifted], strict=True):
    HistoryDisplay.from_estimator(net, ax=row)
    row[0].set_title(name)
figure.suptitle(f"{store.dataset}, ConvNet")
save(figure, options, "05_history")

# %%
# Which categories does the network confuse that was trained with shifts?

display = ConfusionDisplay.from_estimator(
    shifted,
    X,
    y,
    held_out=held_out,
    categories=store.categories,
    title=f"{store.dataset}, ConvNet with shifts, fold {fold} held out",
)
save(display.figure_, options, "05_confusion")
