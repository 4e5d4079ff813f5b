"""The transformers that a store describes: made again, unless they contradict their rows or are too large."""

import json
import shutil
import tracemalloc

import h5py
import numpy as np
import pytest

from esc_features import MelSpectrogram, Waveform, load_clips, open_store
from esc_features.exceptions import StoreError
from esc_features.extraction import repair, verify
from esc_features.features import rebuild_feature


def test_it_computes_what_the_store_holds(tiny_store, demo_folder):
    paths = load_clips(demo_folder).set_index("filename")["path"]
    for name in ("waveform", "mel", "mfcc"):
        feature = tiny_store.feature(name)
        assert feature.fingerprint() == tiny_store._opened.facts[name].fingerprint
        rows = feature.transform(paths[tiny_store[name].filenames[[0, 21]]].tolist())
        np.testing.assert_array_equal(rows, tiny_store[name].take([0, 21]))
    with pytest.raises(StoreError, match="has no feature 'mell'"):
        tiny_store.feature("mell")


def test_a_class_of_somebody_else_is_not_imported(write_store, tmp_path):
    store = open_store(write_store(tmp_path / "store"))
    with pytest.raises(ValueError, match="not imported just because a file names it"):
        store.feature("mel")


TOO_LARGE = {
    "filter bank": {"n_mels": 1 << 15, "n_fft": 80_000},
    "waveform": {"duration": 10_000_000},
    "output": {"n_mels": 4096, "hop_length": 1},
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_description_that_would_fill_the_memory(what):
    description = MelSpectrogram().description()
    description["parameters"] |= TOO_LARGE[what]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"the {what} of one clip would take .* GB"):
            rebuild_feature(description)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_hour_of_waveform_is_not_too_large():
    assert rebuild_feature(Waveform(48000, 3600).description()).output_shape() == (48000 * 3600,)


@pytest.fixture
def forged(tiny_store, tmp_path):
    """A function that changes parameters in the description of mel in all files of a copied store."""
    from esc_features.features import fingerprint_of

    def forge(**parameters):
        store = shutil.copytree(tiny_store.path, tmp_path / "store")
        for path in (store / "mel").glob("fold*.h5"):
            with h5py.File(path, "r+") as file:
                description = json.loads(file.attrs["description"])
                description["parameters"] |= parameters
                for name, text in (
                    ("description", json.dumps(description)),
                    ("fingerprint", fingerprint_of(description)),
                ):
                    del file.attrs[name]
                    file.attrs.create(name, text.encode(), dtype=h5py.string_dtype("utf-8", len(text)))
        return store

    return forge


def test_a_store_that_would_fill_the_memory(forged):
    store = forged(duration=1e6)
    opened = open_store(store)
    assert opened["mel"].take([0]).shape == (1, 128, 157)  # its rows can be read as ever
    with pytest.raises(ValueError, match="GB"):
        opened.feature("mel")
    problems = verify(store, recompute=1)
    assert set(problems["file"]) == {f"mel/fold{fold}.h5" for fold in range(1, 6)}
    assert problems["problem"].str.contains("cannot be extracted again.*GB").all()
    with pytest.raises(StoreError, match=r"'mel' cannot be computed again: .*GB"):
        repair(store, verbose=False)


def test_a_description_of_other_rows(forged):
    store = forged(n_mels=64)
    with pytest.raises(StoreError, match=r"rows have the shape \(64, 157\), but its rows have the shape \(128, 157\)"):
        open_store(store).feature("mel")
    with pytest.raises(StoreError, match="parameters and the shape of its rows contradict"):
        repair(store, verbose=False)
