"""
Transfer from images
====================

A ResNet-18 that was trained on a million photographs detects edges and textures, which spectrograms have, too. Its
layers are kept as they are, and only a new last layer is trained.

``--weights`` takes the name of weights in torchvision (downloaded once), a local file, or ``none`` for random weights.
"""

# %%
# The clips and folds are those of the previous lessons.

from _common import command_line, four_categories, get_store, save

from esc_features.exceptions import DownloadError
from esc_features.model_selection import HoldOutFold
from esc_features.models import ResNetClassifier
from esc_features.plotting import ConfusionDisplay, HistoryDisplay

options = command_line(__doc__, epochs=8, weights="IMAGENET1K_V1")
store = get_store(options, "waveform,mel")
rows = four_categories(store)
X, y = store["mel"][rows], store.y[rows]
fold = int(X.folds.min())
held_out = X.folds == fold

# %%
# The spectrogram is repeated to three channels. The backbone is frozen and always in evaluation mode, so the statistics
# of its batch normalisation do not change either.

resnet = ResNetClassifier(
    weights=options.weights, max_epochs=options.epochs, lr=0.01, train_split=HoldOutFold(fold), random_state=0
)

# %%
# Without a network connection there may be no weights. Frozen random weights would be useless, so in that case this
# lesson trains the whole network from scratch. That shows the steps, but it is not transfer learning.

try:
    if options.weights == "none":
        raise DownloadError("Pretrained weights were not requested.")
    resnet.fit(X, y)
except DownloadError as error:
    print(error)
    print("RANDOM WEIGHTS, trained from scratch: the accuracies below are not those of transfer learning.")
    resnet.set_params(weights=None, freeze=False, lr=3e-4).fit(X, y)

# %%
# A few epochs are enough for one layer. Since the backbone is frozen, its output for a clip never changes: the feature
# ``ResNetEmbedding`` stores it once, and any scikit-learn classifier can then be trained on it within seconds.

print(f"training accuracy {resnet.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {resnet.score(X[held_out], y[held_out]):.3f} (fold {fold})")
save(HistoryDisplay.from_estimator(resnet, title=f"{store.dataset}, ResNet-18").figure_, options, "06_history")

# %%
# Which categories are confused?

display = ConfusionDisplay.from_estimator(
    resnet,
    X,
    y,
    held_out=held_out,
    categories=store.categories,
    title=f"{store.dataset}, ResNet-18, fold {fold} held out",
)
save(display.figure_, options, "06_confusion")
