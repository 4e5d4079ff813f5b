"""
Waveforms and mel spectrograms
==============================

What recordings sound and look like, as waveforms and as mel spectrograms, before anything is trained on them.
"""

# %%
# ESC-50 has 770 MB, but its table only 90 kB. Look at the table first, to see which categories there are and what
# ESC-10 is. The demo needs no download.

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
# Take four categories of the data set, as in the course that these lessons follow. ``X[rows]`` reads nothing: it is a
# view of these rows of the store.

store = get_store(options, "waveform,mel")
rows = four_categories(store)
waveforms, mels = store["waveform"][rows], store["mel"][rows]
print(waveforms)
print(mels)

# %%
# The clips are spread evenly over the folds, and each category has clips of several source recordings in each fold.

table = mels.clips.groupby(["category", "fold"]).agg(clips=("filename", "size"), sources=("src_file", "nunique"))
print(table.unstack().to_string())

# %%
# A network needs numbers, not names. ``target`` numbers the categories of the whole data set, so four of them have
# gaps, but a loss function needs 0 to n - 1.

numbers = category_numbers(mels.y)
print(numbers)

# %%
# Listen first: your ears do easily what the networks of the next lessons have to learn.

categories, first = np.unique(mels.y, return_index=True)
Players({mels.y[clip]: waveforms[clip] for clip in first.tolist()}, waveforms.sample_rate)

# %%
# One clip of each category: above, the waveforms on a common amplitude scale; below, the spectrograms. Each column of a
# spectrogram holds the power in 128 frequency bands at one moment. The bands follow the mel scale, which imitates
# hearing: they are narrow at low frequencies and wide at high ones.

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
# An overview with one row per category and one clip per fold. What do the clips of a row have in common?

clips = mels.clips.reset_index(drop=True)
chosen = clips.groupby(["category", "fold"]).head(1).sort_values(["category", "fold"]).index
overview = BatchDisplay.from_store(mels, chosen, columns=len(np.unique(mels.folds)))
save(overview.figure_, options, "02_overview")

# %%
# Twelve random clips, as a network sees them. Which categories can you tell apart by eye?

batch = BatchDisplay.from_store(mels, 12, random_state=0)
save(batch.figure_, options, "02_batch")

# %%
# Only the rows that you take are read, from a memory map.

sample = mels.take(range(8))
print(f"read: {sample.nbytes / 1e6:.1f} of the {store['mel'].nbytes / 1e6:.1f} MB in the store")

# %%
# ``map`` applies a function to each batch when it is read. The result is just as lazy, and nothing is written. Here the
# mean of each spectrogram is removed; networks and searches accept the result like ``store["mel"]``.


def centred(batch):
    return batch - batch.mean(axis=(1, 2), keepdims=True)


print(mels.map(centred))
print(f"mean of the first clip: {mels[0].mean():.1f} dB, centred {abs(mels.map(centred)[0].mean()):.1f} dB")
