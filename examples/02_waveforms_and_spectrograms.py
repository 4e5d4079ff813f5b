"""
Waveforms and mel spectrograms
==============================

What a recording looks like, as samples over time and as a mel spectrogram, before anything is trained on it.
"""

# %%
# Four categories of the data set, as in the course that these examples follow. ``X[rows]`` reads nothing: it is a view
# of the store that remembers which rows it stands for.

import matplotlib.pyplot as plt
import numpy as np
from _common import command_line, four_categories, get_store, save

from esc_features.plotting import BatchDisplay, SpectrogramDisplay, WaveformDisplay

options = command_line(__doc__)
store = get_store(options, "waveform,mel")
rows = four_categories(store)
waveforms, mels = store["waveform"][rows], store["mel"][rows]
print(waveforms)
print(mels)

# %%
# The folds are dealt out evenly, and a category in a fold has clips of several source recordings.

table = mels.clips.groupby(["category", "fold"]).agg(clips=("filename", "size"), sources=("src_file", "nunique"))
print(table.unstack().to_string())

# %%
# One clip of each category: the waveform above, all on one amplitude scale, and the spectrogram below. Each column of a
# spectrogram is the power in 128 bands of frequency at that moment. The bands lie on the mel scale, like our hearing:
# close together in the low frequencies, far apart in the high ones.

categories, first = np.unique(mels.y, return_index=True)
figure, axes = plt.subplots(
    2, len(first), figsize=(3.1 * len(first), 4.6), sharex="col", sharey="row", layout="constrained"
)
for (above, below), clip in zip(axes.T, first.tolist(), strict=True):
    WaveformDisplay.from_store(waveforms, clip, ax=above)
    SpectrogramDisplay.from_store(mels, clip, ax=below, colorbar=clip == first[-1], vmin=-80, vmax=0)
    above.set(title=mels.y[clip], xlabel="")
    below.set(title="")
    if clip != first[0]:
        above.set(ylabel="")
        below.set(ylabel="")
figure.suptitle(store.dataset)
save(figure, options, "02_waveforms_and_spectrograms")

# %%
# A dozen at random, as a network gets to see them. Which of them can you tell apart by eye?

batch = BatchDisplay.from_store(mels, 12, random_state=0)
save(batch.figure_, options, "02_batch")

# %%
# Reading is by batch, out of the page cache: what was asked for and no more.

sample = mels.take(range(8))
print(f"read: {sample.nbytes / 1e6:.1f} of the {store['mel'].nbytes / 1e6:.1f} MB in the store")
