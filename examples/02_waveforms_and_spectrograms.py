"""
Waveforms and mel spectrograms
==============================

What a recording sounds and looks like, as samples over time and as a mel spectrogram, before anything is trained on it.
"""

# %%
# ESC-50 is 770 MB, its table 90 kB. Look at the table first: which categories there are, and what ESC-10 is. The demo
# has nothing to download.

import matplotlib.pyplot as plt
import numpy as np
from _common import Players, command_line, four_categories, get_store, save

from esc_features.datasets import category_numbers, fetch_esc50_metadata
from esc_features.plotting import BatchDisplay, SpectrogramDisplay, WaveformDisplay

options = command_line(__doc__)
if options.dataset in ("esc10", "esc50"):
    metadata = fetch_esc50_metadata()
    print(metadata.head().to_string())
    print(f"{len(metadata)} clips, {metadata['category'].nunique()} categories, {metadata['esc10'].sum()} in ESC-10")

# %%
# Four categories of the data set, as in the course that these examples follow. ``X[rows]`` reads nothing: it is a view
# of the store that remembers which rows it stands for.

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
# A network knows numbers, not names. ``target`` is the number in the whole data set, so that of four categories has
# gaps; a loss wants 0 to n - 1.

numbers = category_numbers(mels.y)
print(numbers)

# %%
# Listen first. Nothing below is easier than what your ears do now.

categories, first = np.unique(mels.y, return_index=True)
Players({mels.y[clip]: waveforms[clip] for clip in first.tolist()}, waveforms.sample_rate)

# %%
# One clip of each category: the waveform above, all on one amplitude scale, and the spectrogram below. Each column of a
# spectrogram is the power in 128 bands of frequency at that moment. The bands lie on the mel scale, like our hearing:
# close together in the low frequencies, far apart in the high ones.

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
# An overview: one row per category, one clip of each fold. What do the clips of a row have in common?

clips = mels.clips.reset_index(drop=True)
chosen = clips.groupby(["category", "fold"]).head(1).sort_values(["category", "fold"]).index
overview = BatchDisplay.from_store(mels, chosen, columns=len(np.unique(mels.folds)))
save(overview.figure_, options, "02_overview")

# %%
# A dozen at random, as a network gets to see them. Which of them can you tell apart by eye?

batch = BatchDisplay.from_store(mels, 12, random_state=0)
save(batch.figure_, options, "02_batch")

# %%
# Reading is by batch, out of the page cache: what was asked for and no more.

sample = mels.take(range(8))
print(f"read: {sample.nbytes / 1e6:.1f} of the {store['mel'].nbytes / 1e6:.1f} MB in the store")

# %%
# ``map`` puts a function between the store and whoever reads: the result is as lazy as before, and nothing is written.
# Here, each spectrogram loses its mean; networks and searches take it like ``store["mel"]``.


def centred(batch):
    return batch - batch.mean(axis=(1, 2), keepdims=True)


print(mels.map(centred))
print(f"mean of the first clip: {mels[0].mean():.1f} dB, centred {abs(mels.map(centred)[0].mean()):.1f} dB")
