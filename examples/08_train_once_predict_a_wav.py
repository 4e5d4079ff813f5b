"""
Train once, predict a new recording
===================================

A model trained from the store is saved together with its feature. It takes WAV files as they are, and computes their
spectrograms exactly like those that it was trained on.

``--wav`` is a recording of your own, of any length and sample rate.
"""

# %%
# Take four categories, and hold out one fold to measure how good the model is.

import matplotlib.pyplot as plt
import numpy as np
import soundfile
from _common import command_line, four_categories, get_store, save
from sklearn.pipeline import make_pipeline

from esc_features import MelSpectrogram, load_model, save_model
from esc_features.models import ConvNetClassifier
from esc_features.plotting import BLUE, VERMILION, ConfusionDisplay, SpectrogramDisplay
from esc_features.preprocessing import Standardizer

options = command_line(__doc__, epochs=20, wav="")
store = get_store(options, "waveform,mel")
rows = four_categories(store)
X, y = store.audio[rows], store.y[rows]
fold = int(X.folds.min())
held_out = X.folds == fold

# %%
# The pipeline starts with the feature. For recordings of the store it reads the stored spectrograms.

model = make_pipeline(MelSpectrogram(), Standardizer(), ConvNetClassifier(max_epochs=options.epochs, random_state=0))
model.fit(X[~held_out], y[~held_out])
print(f"training accuracy {model.score(X[~held_out], y[~held_out]):.3f}, ", end="")
print(f"held-out accuracy {model.score(X[held_out], y[held_out]):.3f} (fold {fold})")
display = ConfusionDisplay.from_estimator(model, X, y, held_out=held_out, categories=store.categories)
save(display.figure_, options, "08_confusion")

# %%
# One file holds everything: the feature's parameters, the standardisation, the network and the names of the categories.
# It contains no pickle, so it is safe to load a file from someone else.

path = options.figures / "08_model.esc"
save_model(model, path)
loaded = load_model(path)
print(f"model: {path}, {path.stat().st_size / 1e6:.1f} MB")

# %%
# Now predict a new recording. If you gave none, a clip of the held-out fold is written to a WAV file.

wav = options.wav
if not wav:
    clip = int(np.flatnonzero(held_out)[0])
    wav = str(options.figures / "08_new_recording.wav")
    waveforms = store["waveform"][rows]
    soundfile.write(wav, waveforms[clip], waveforms.parameters["sample_rate"], subtype="FLOAT")
    print(f"{wav} is {X.filenames[clip]}: {y[clip]}")

# %%
# The recording is decoded, resampled, cut or padded, transformed and classified in one call.

(answer,), (probabilities,) = loaded.predict([wav]), loaded.predict_proba([wav])
print(f"{wav}: {answer} ({probabilities.max():.0%})")
if not options.wav:
    difference = np.abs(probabilities - model.predict_proba(X[[clip]])[0]).max()
    print(f"largest difference from the probabilities with the store: {difference:.1g}")

# %%
# The spectrogram of the recording, and the predicted probabilities.

feature = loaded[0]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2), width_ratios=(2, 1), layout="constrained")
SpectrogramDisplay(
    feature.transform([wav])[0], sample_rate=feature.sample_rate, hop_length=feature.hop_length, fmax=feature.fmax
).plot(left)
left.set_title("the new recording")
right.barh(loaded.classes_, probabilities, color=np.where(loaded.classes_ == answer, VERMILION, BLUE))
right.set(xlabel="Probability", xlim=(0, 1))
right.invert_yaxis()
save(figure, options, "08_prediction")
