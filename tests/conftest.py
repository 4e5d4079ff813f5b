"""Data sets and stores that the tests share: made once a session, read by many, written by none."""

import functools
import gc
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Batches as small as those of the tests only wait for a second thread, and so do the workers of pytest-xdist.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A program that writes the real ESC-10 into a folder; a machine need not have it.
ESC10_MAKER = Path(os.environ.get("ESC10_MAKER") or Path(__file__).parents[2] / "shared/esc10/make_wavs")

# A regular expression, because parsing every module of the tests would take longer than many of them.
IMPORTS_TORCH = re.compile(
    r"^ *(from|import) (torch|skorch|esc_features\.(models|augment)|esc_features import [^#\n]*\b(models|augment))",
    re.M,
)


gc.disable()  # while modules are imported, of which nothing is garbage: enabled again before the first test


def pytest_collection_finish():
    """Leave what was imported to the end of the process out of each search for garbage, which then takes no time."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(config, items):
    """Mark tests of modules that import torch, and those of the real ESC-10; leave hunts to those who ask for them."""
    for item in items:
        if _imports_torch(item.path):
            item.add_marker("torch")
        if "esc10_folder" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")  # to make its recordings takes seconds
    if "hunt" not in config.option.markexpr:
        hunts = [item for item in items if item.get_closest_marker("hunt")]
        items[:] = [item for item in items if item not in hunts]
        config.hook.pytest_deselected(items=hunts)


@functools.cache
def _imports_torch(path):
    return bool(IMPORTS_TORCH.search(path.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory):
    """The synthesised data set, in the layout of ESC-50."""
    from esc_features import make_demo

    folder = tmp_path_factory.mktemp("data") / "demo"
    make_demo(folder, n_categories=4, clips_per_category=10)
    return folder


@pytest.fixture(scope="session")
def esc10_folder(tmp_path_factory, demo_folder):
    """The real ESC-10 where this machine has it, and the synthesised data set where not."""
    if not ESC10_MAKER.exists():
        return demo_folder
    folder = tmp_path_factory.mktemp("esc10") / "esc10"
    subprocess.run([sys.executable, ESC10_MAKER, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="session")
def update_attribute():
    """A function that changes entries of a JSON attribute of a file of a store: another version, another class."""
    import h5py

    def update(path, name, **entries):
        with h5py.File(path, "r+") as file:
            text = json.dumps(json.loads(file.attrs[name]) | entries).encode()
            del file.attrs[name]
            file.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", len(text)))

    return update


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory, demo_folder):
    """A store of the demo: waveform, mel and mfcc, 40 clips in five folds."""
    from esc_features import extract, load_clips

    clips = load_clips(demo_folder)
    clips.attrs["name"] = "demo"
    return extract(
        clips, tmp_path_factory.mktemp("stores") / "demo", features="waveform,mel,mfcc", n_jobs=2, verbose=False
    )


@pytest.fixture(scope="session")
def write_store():
    """A function that writes a small store of random rows, published file by file, without computing any feature."""
    import numpy as np
    import pandas as pd

    from esc_features.storage import FeatureFacts, create_file, read_header, row_crc32, write_clip_table

    def write(folder, features=("mel",), folds=(1, 2), clips=4, shape=(3, 5), dtype="<f4", done=True, seed=0):
        rng = np.random.default_rng(seed)
        tables = []
        for fold in folds:
            names = [f"{fold}-{number}-A-0.wav" for number in range(clips)]
            table = pd.DataFrame(
                {"filename": names, "fold": fold, "target": np.arange(clips) % 2, "src_file": names, "take": "A"}
            )
            table["category"] = table["target"].map({0: "dog", 1: "rain"})
            table["path"] = "/nowhere/" + table["filename"]
            tables.append(table)
            for name in features:
                (folder / name).mkdir(parents=True, exist_ok=True)
                path = folder / name / f"fold{fold}.h5"
                parameters = {"sample_rate": 16000, "duration": 5, "seed": seed}
                description = {"class": "a.Class", "version": 1, "parameters": parameters, "computed_from": None}
                created = "2017-07-14T02:40:00Z"
                facts = FeatureFacts(name, fold, description, f"{name} {seed}", {"numpy": np.__version__}, created)
                create_file(path, shape, dtype, table, facts)
                header = read_header(path)
                rows = (rng.standard_normal((clips, *shape)) * 100).astype(dtype)
                measured = {
                    "original_sample_rate": 44100,
                    "original_channels": 1,
                    "original_samples": 220500,
                    "audio_digest": 1,
                    "notes": 2,
                }
                columns = header.columns
                with path.open("r+b") as file:
                    for row, values in enumerate(rows):
                        file.seek(header.data.offset_of(row))
                        file.write(values.tobytes())
                        for column, value in {**measured, "crc32": row_crc32(values), "done": int(done)}.items():
                            file.seek(columns[column].offset_of(row))
                            file.write(np.array(value, columns[column].dtype).tobytes())
        write_clip_table(folder, pd.concat(tables, ignore_index=True), "random", "2017-07-14T02:40:00Z")
        return folder

    return write
