"""Store.torch: what a plain DataLoader and a plain loss get."""

import librosa
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from esc_features import extract, load_clips


def test_a_clip_is_its_row_its_number_and_its_category(tiny_store):
    clips = tiny_store.torch("mel")
    assert len(clips) == 40
    for row in (0, 17, 39):
        spectrogram, number, name = clips[row]
        np.testing.assert_array_equal(spectrogram.numpy(), tiny_store["mel"][row])
        assert (spectrogram.dtype, name) == (torch.float32, tiny_store.y[row])
        assert tiny_store.categories[number] == name


def test_numbers_of_a_part_of_a_data_set_have_no_gaps(demo_folder, tmp_path):
    clips = load_clips(demo_folder, categories="dog,siren")
    store = extract(clips, tmp_path / "store", features="mfcc", verbose=False)
    assert set(store.target) == {0, 3}
    batch, numbers, names = next(iter(DataLoader(store.torch("mfcc"), batch_size=20)))
    assert set(numbers.tolist()) == {0, 1}
    assert [store.categories[number] for number in numbers] == list(names)
    loss = torch.nn.functional.cross_entropy(torch.zeros(20, 2), numbers)
    assert float(loss) == pytest.approx(np.log(2))
    assert batch.shape == (20, 26)


def test_several_labels_are_a_row_of_ones(demo_folder, tmp_path):
    clips = load_clips(demo_folder).iloc[:6].drop(columns=["category", "target"])
    clips["labels"] = ["dog;rain", "rain", "", "dog", "cat", "cat;dog"]
    store = extract(clips, tmp_path / "store", features="mfcc", verbose=False)
    for row, (_, labels, names) in enumerate(store.torch("mfcc")):
        np.testing.assert_array_equal(labels.numpy(), store.y[row])
        assert labels.dtype == torch.float32
        assert names == ";".join(np.array(store.categories)[store.y[row] == 1])
        if row == len(store) - 1:
            break


def test_transform_changes_the_tensor_alone(tiny_store):
    (plain, *rest), (changed, *same) = tiny_store.torch("mfcc")[3], tiny_store.torch("mfcc", transform=torch.neg)[3]
    torch.testing.assert_close(changed, -plain)
    assert rest == same


@pytest.mark.slow
def test_workers_and_random_split_give_what_librosa_reads(demo_folder, tiny_store):
    clips = load_clips(demo_folder).set_index("filename")
    parts = torch.utils.data.random_split(tiny_store.torch("waveform"), [30, 10], torch.Generator().manual_seed(0))
    seen = []
    for part in parts:
        for waveforms, numbers, names in DataLoader(part, batch_size=8, shuffle=True, num_workers=2):
            for waveform, number, name in zip(waveforms.numpy(), numbers.tolist(), names, strict=True):
                assert tiny_store.categories[number] == name
                seen.append((waveform.tobytes(), name))
    wanted = [
        (librosa.load(clips["path"][name], sr=16000)[0].tobytes(), clips["category"][name])
        for name in tiny_store["waveform"].filenames
    ]
    assert sorted(seen) == sorted(wanted)
