"""
Grid search over model and feature, with nested folds
=====================================================

How many mel bands, and which learning rate? Settings are compared on inner folds of the training set. The reported fold
has no influence on the choice; otherwise its score would be too good.
"""

# %%
# Spectrograms with 32 and with 64 bands are added to the waveforms in the store, and the search reads them from there.
# A spectrogram that is not in the store would be computed from the stored waveforms, and a message would say so.

import numpy as np
import pandas as pd
from _common import command_line, four_categories, get_store, save
from sklearn.model_selection import GridSearchCV, ParameterGrid, cross_validate
from sklearn.pipeline import make_pipeline

from esc_features import MelSpectrogram, Waveform
from esc_features.models import ConvNetClassifier
from esc_features.plotting import ConfusionDisplay, FoldScoresDisplay
from esc_features.preprocessing import Standardizer

options = command_line(__doc__, epochs=8, n_jobs=1)
features = {f"mel{bands}": MelSpectrogram(n_mels=bands, hop_length=1024) for bands in (32, 64)}
store = get_store(options, {"waveform": Waveform(), **features})
rows = four_categories(store)
X, y = store.audio[rows], store.y[rows]

# %%
# A pipeline that starts with a feature is fitted on the recordings of the store, so the feature's parameters are
# parameters of the model. The standardisation is fitted on the training folds only.

model = make_pipeline(
    MelSpectrogram(hop_length=1024), Standardizer(), ConvNetClassifier(max_epochs=options.epochs, random_state=0)
)
grid = {"melspectrogram__n_mels": [32, 64], "convnetclassifier__lr": [1e-3, 3e-3]}

# %%
# The outer and the inner loop use the same splitter, which takes the folds from the clips that it is given. The outer
# loop holds out each fold in turn, and the inner one, for the search, each of the remaining folds.

search = GridSearchCV(model, grid, cv=store.cv(), n_jobs=options.n_jobs, error_score="raise")
nested = cross_validate(
    search,
    X,
    y,
    cv=store.cv(),
    error_score="raise",
    return_train_score=True,
    return_estimator=True,
    return_indices=True,
)

# %%
# The settings chosen without each fold, their accuracy on the inner folds, and the accuracy on the fold itself.

folds = np.unique(X.folds)
chosen = pd.DataFrame([search.best_params_ for search in nested["estimator"]], index=pd.Index(folds, name="fold"))
chosen["inside"] = [search.best_score_ for search in nested["estimator"]]
chosen["held out"] = nested["test_score"]
print(chosen.rename(columns=lambda name: name.split("__")[-1]).round(3).to_string())
print(f"training accuracy {nested['train_score'].mean():.3f}, ", end="")
print(f"held-out accuracy {nested['test_score'].mean():.3f} ± {nested['test_score'].std():.3f}; ", end="")
print(f"{len(ParameterGrid(grid))} settings were compared in each fold")

# %%
# Inner and outer accuracy, side by side. The inner accuracy was maximised, so it may be too optimistic.

display = FoldScoresDisplay.from_scores(
    {"inside, best setting": chosen["inside"], "held out": chosen["held out"]},
    folds,
    chance=1 / len(set(y)),
    title=store.dataset,
)
save(display.figure_, options, "07_fold_scores")

# %%
# Confusion matrices: of all clips, each predicted by the model that was chosen and trained without its fold, and of the
# training clips.

predictions = {"training": ([], []), "held out": ([], [])}
for search, training, held_out in zip(
    nested["estimator"], nested["indices"]["train"], nested["indices"]["test"], strict=True
):
    for kind, clips in (("training", training), ("held out", held_out)):
        predictions[kind][0].extend(y[clips])
        predictions[kind][1].extend(search.predict(X[clips]))
display = ConfusionDisplay.from_predictions(
    predictions, categories=store.categories, title=f"{store.dataset}, the ConvNet chosen without each fold"
)
save(display.figure_, options, "07_confusion")
