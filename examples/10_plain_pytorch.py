"""
Plain PyTorch, and why a store is faster
========================================

This lesson compares a ``Dataset`` that decodes each clip when it is needed, as in most tutorials, with the same data
from the store, and measures how long both take. A plain training loop follows.
"""

# %%
# The clips are those of the other lessons.

import time

import librosa
import torch
from _common import command_line, four_categories, get_store
from torch.utils.data import DataLoader, Dataset, Subset

from esc_features.datasets import category_numbers
from esc_features.models import ConvNet

options = command_line(__doc__, epochs=4)
store = get_store(options, "waveform,mel")
rows = four_categories(store)
clips = store.clips.iloc[rows]
parameters = store["mel"].parameters
frames = {name: parameters[name] for name in ("n_fft", "hop_length", "n_mels")}

# %%
# A plain data set returns (audio, class number, name) of one clip. ``__getitem__`` does all the work, in every epoch.


class Clips(Dataset):
    def __init__(self, clips, sample_rate, transform=None):
        self.paths, self.names = clips["path"].tolist(), clips["category"].tolist()
        self.numbers = category_numbers(clips)
        self.sample_rate, self.transform = sample_rate, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        audio, _ = librosa.load(self.paths[index], sr=self.sample_rate)
        if self.transform is not None:
            audio = self.transform(audio)
        return torch.from_numpy(audio), self.numbers[self.names[index]], self.names[index]


def mel_spectrogram(audio):
    power = librosa.feature.melspectrogram(y=audio, sr=parameters["sample_rate"], **frames)
    return librosa.power_to_db(power, ref=power.max())


plain = Clips(clips, parameters["sample_rate"])
audio, number, name = plain[0]
print(f"plain: {tuple(audio.shape)} {audio.dtype}, {number}, {name}")

# %%
# The store's data set returns the same tuple with the same samples. Only the class numbers may differ: here they are
# positions in ``store.categories``, of which we use four.

stored = Subset(store.torch("waveform"), rows.tolist())
same, number, name = stored[0]
print(f"store: {tuple(same.shape)} {same.dtype}, {number}, {name}")
print(f"largest difference between the samples: {(audio - same).abs().max():.1g}")

# %%
# How long does it take to read every clip once, as a spectrogram, in batches of 16 and without worker processes?


def seconds_per_epoch(dataset):
    begun = time.perf_counter()
    for _ in DataLoader(dataset, batch_size=16):
        pass
    return time.perf_counter() - begun


slow = seconds_per_epoch(Clips(clips, parameters["sample_rate"], mel_spectrogram))
fast = seconds_per_epoch(Subset(store.torch("mel"), rows.tolist()))
print(f"decoded and transformed each time: {slow:.2f} s; from the store: {fast:.3f} s; {slow / fast:.0f} times as fast")

# %%
# The plain data set decodes, resamples and transforms every clip in every epoch, in every fold of a cross-validation
# and for every setting of a search. For the store this was done once, and what remains is to copy rows from a memory
# map. With ``DataLoader(num_workers=2)`` the plain data set uses more cores for the same work, and sends each batch
# through a pipe.

# %%
# A training loop without an estimator: the network is a module, the batches are tensors, and the class numbers are
# ready for the loss function.

fold = int(store.folds[rows].min())
training = rows[store.folds[rows] != fold].tolist()
held_out = rows[store.folds[rows] == fold].tolist()
dataset = store.torch("mel")
torch.manual_seed(0)
net = ConvNet(n_classes=len(store.categories), input_shape=store["mel"].shape[1:])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(1, options.epochs + 1):
    net.train()
    for spectrograms, numbers, _ in DataLoader(Subset(dataset, training), batch_size=16, shuffle=True):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(spectrograms), numbers)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss of the last batch {loss.item():.3f}")

# %%
# Normalisation layers behave differently during training, so call ``eval`` first.

net.eval()
with torch.no_grad():
    for kind, part in (("training", training), ("held-out", held_out)):
        right = sum(int((net(x).argmax(1) == y).sum()) for x, y, _ in DataLoader(Subset(dataset, part), batch_size=64))
        print(f"{kind} accuracy {right / len(part):.3f}")
# sphinx_gallery_thumbnail_path = "images/dogs.png"
