"""The script `extract_features`, as a person starts it."""

import shutil
import subprocess
import sys

import pytest

from esc_features import open_store
from esc_features._cli import extract_features as main


def run(*arguments):
    command = [sys.executable, "-m", "esc_features", "extract", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_demo_is_the_main_job(tmp_path):
    result = run("demo", "--data-home", tmp_path / "data", "--out", tmp_path / "store", "--n-jobs", 2)
    assert result.returncode == 0, result.stderr
    assert "mel/fold5: 24 clips" in result.stdout and "120 clips, 6 categories" in result.stdout
    assert "120/120" in result.stderr and "clip/s" in result.stderr
    assert len(open_store(tmp_path / "store")) == 120


@pytest.mark.slow
def test_a_folder_with_choices(demo_folder, tmp_path):
    categories = sorted(open_csv(demo_folder)["category"].unique())[:2]
    (tmp_path / "recipe.toml").write_text("[features.mel32]\nclass = 'MelSpectrogram'\nn_mels = 32\n")
    result = run(
        demo_folder, "--features", "mfcc,mel32", "--recipe", tmp_path / "recipe.toml",
        "--categories", ",".join(categories), "--folds", "1,3", "--out", tmp_path / "store", "--quiet",
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    store = open_store(tmp_path / "store")
    assert store.categories == categories or sorted(store.categories) == categories
    assert set(store.folds) == {1, 3} and set(store) == {"mfcc", "mel32"} and store["mel32"].shape[1] == 32


@pytest.mark.slow
def test_status_1_with_a_table_of_failures(demo_folder, tmp_path):
    shutil.copytree(demo_folder, tmp_path / "data")
    broken = sorted((tmp_path / "data/audio").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:1000])
    result = run(tmp_path / "data", "--features", "waveform", "--out", tmp_path / "store", "--quiet")
    assert result.returncode == 1
    assert broken.name in result.stderr and "run the same command again" in result.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["no/such/folder"], "no/such/folder"),
        (["DEMO", "--features", "mell"], "mel"),
        (["DEMO", "--categories", "dgo"], "dog"),
        (["DEMO", "--folds", "9"], "9"),
        (["DEMO", "--folds", "one"], "--folds"),
        (["DEMO", "--n-jobs", "0"], "n_jobs"),
        (["DEMO", "--recipe", "no.toml"], "no.toml"),
        (["DEMO", "--no-such-option"], "no-such-option"),
        ([], "dataset"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_status_2_says_what_is_wrong(demo_folder, tmp_path, capsys, arguments, message):
    arguments = [str(demo_folder) if argument == "DEMO" else argument for argument in arguments]
    try:
        status = main([*arguments, "--out", str(tmp_path / "store")])
    except SystemExit as exit_:
        status = exit_.code
    assert status == 2
    assert message in capsys.readouterr().err


def open_csv(folder):
    import pandas as pd

    return pd.read_csv(next((folder / "meta").glob("*.csv")))
