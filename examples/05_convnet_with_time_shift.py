"""
Random time shifts
==================

A dog that barks a moment later is still a dog. Training batches are shifted at random, so the network cannot learn when
things happen in the training clips.
"""

# %%
# The same clips and folds as before.

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
# What a shift does: one clip as it is, and as five epochs may see it. Up to 20 % either way; the gap is silence, at the
# clip's minimum. A clip without pauses shows it best: take the one that is loudest on average.

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
# It is a parameter of the batches for training: predictions never see it, and the store holds each clip once.

plain = ConvNetClassifier(max_epochs=options.epochs, train_split=HoldOutFold(fold), random_state=0)
shifted = clone(plain).set_params(iterator_train__transforms=[TimeShift(0.2)])

# %%
# With and without, everything else being equal.

for name, net in {"without shifts": plain, "with shifts": shifted}.items():
    net.fit(X, y)
    print(f"{name}: training accuracy {net.score(X[~held_out], y[~held_out]):.3f}, ", end="")
    print(f"held-out accuracy {net.score(X[held_out], y[held_out]):.3f} (fold {fold})")

# %%
# Did it help? Shifted clips are harder to memorise, so look at the loss of the held-out ones. This is one fold of
# few clips, though: ``cross_val_score(shifted, X, y, cv=store.cv())`` asks all of them.

figure, axes = plt.subplots(2, 2, figsize=(8.5, 5.6), sharex=True, sharey="col", layout="constrained")
for row, name, net in zip(axes, ["without shifts", "with shifts"], [plain, shifted], strict=True):
    HistoryDisplay.from_estimator(net, ax=row)
    row[0].set_title(name)
figure.suptitle(f"{store.dataset}, ConvNet")
save(figure, options, "05_history")

# %%
# Which sounds are mistaken for which, by the network that was trained with shifts?

display = ConfusionDisplay.from_estimator(
    shifted,
    X,
    y,
    held_out=held_out,
    categories=store.categories,
    title=f"{store.dataset}, ConvNet with shifts, fold {fold} held out",
)
save(display.figure_, options, "05_confusion")
