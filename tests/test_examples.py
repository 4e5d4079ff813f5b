"""Each example runs by itself from the command line and leaves its figures; here on a few clips and for one epoch."""

import base64
import importlib.util
import io
import itertools
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import soundfile

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FAST = {
    "01_extract_and_cross_validate": [],
    "02_waveforms_and_spectrograms": [],
    "03_lstm_on_waveforms": ["--epochs", "1"],
    "04_convnet_on_spectrograms": ["--epochs", "1"],
    "05_convnet_with_time_shift": ["--epochs", "1"],
    "06_transfer_with_resnet18": ["--epochs", "1", "--weights", "none"],
    "07_grid_search_with_nested_folds": ["--epochs", "1"],
    "08_train_once_predict_a_wav": ["--epochs", "1"],
    "09_leaderboard": ["--methods", "knn"],
    "10_plain_pytorch": ["--epochs", "1"],
    "11_long_recordings": ["--minutes", "1"],
}
FIGURES = {
    "01": {"fold_scores", "confusion"},
    "02": {"waveforms_and_spectrograms", "overview", "batch"},
    "03": {"history", "confusion"},
    "04": {"history", "confusion", "fold_scores"},
    "05": {"shifted", "history", "confusion"},
    "06": {"history", "confusion"},
    "07": {"fold_scores", "confusion"},
    "08": {"confusion", "prediction"},
    "09": {"leaderboard"},
    "10": set(),
    "11": {"leaderboard", "heard"},
}


@pytest.fixture(scope="module")
def small_store(tmp_path_factory, demo_folder):
    from esc_features import extract

    out = tmp_path_factory.mktemp("examples") / "store"
    return extract(demo_folder, out, features="waveform,mel,mfcc", folds=[1, 2, 3], verbose=False).path


@pytest.fixture
def run_example(tmp_path, monkeypatch, capsys):
    """A function that runs an example as a script in `tmp_path` and returns what it prints.

    In this process, which has the libraries loaded already; `test_runs_from_the_command_line` starts one of its own.
    """

    def run(name, *arguments):
        script = str(EXAMPLES / f"{name}.py")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        try:
            runpy.run_path(script, run_name="__main__")
        finally:
            plt.close("all")
        return capsys.readouterr().out

    return run


def figures_in(folder):
    return {path.stem for path in folder.glob("figures/*.png") if path.read_bytes()[1:4] == b"PNG"}


@pytest.mark.parametrize("name", FAST)
def test_runs_and_saves_its_figures(name, small_store, run_example, tmp_path):
    said = run_example(name, small_store, *FAST[name])
    number = name[:2]
    assert figures_in(tmp_path) == {f"{number}_{figure}" for figure in FIGURES[number]}
    if "03" <= number <= "08":
        assert "training accuracy" in said
        assert "held-out accuracy" in said
    if number == "06":
        assert "RANDOM WEIGHTS" in said
    if number == "08":
        assert "largest difference from the probabilities with the store: 0\n" in said
    if number == "11":
        assert re.search(r"clips: \d relabelled, \d+ kept", said)
        assert re.search(r"clips: 19 new, \d+ kept", said)
    if number == "10":
        assert "largest difference between the samples: 0\n" in said


@pytest.fixture(scope="module")
def fifty_categories(tmp_path_factory, demo_folder):
    """A store with as many categories as ESC-50 has, one clip per category and fold: the demo's clips, relabelled."""
    import pandas as pd

    from esc_features import extract

    folder = tmp_path_factory.mktemp("fifty")
    (folder / "audio").mkdir()
    rows = []
    recordings = itertools.cycle(sorted((demo_folder / "audio").iterdir()))
    for fold, target in itertools.product(range(1, 6), range(50)):
        name = f"{fold}-{1000 + len(rows)}-A-{target}.wav"
        os.link(next(recordings), folder / "audio" / name)
        rows.append({"filename": name, "fold": fold, "target": target, "category": f"category_{target}"})
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    from esc_features import load_clips

    clips = load_clips(folder / "clips.csv", folder / "audio")
    return extract(clips, folder / "store", features="waveform,mel,mfcc", n_jobs=2, verbose=False).path


@pytest.mark.parametrize("name", ["01_extract_and_cross_validate", "04_convnet_on_spectrograms", "09_leaderboard"])
def test_runs_on_fifty_categories_too(name, fifty_categories, run_example, tmp_path):
    run_example(name, fifty_categories, *FAST[name])
    assert figures_in(tmp_path) == {f"{name[:2]}_{figure}" for figure in FIGURES[name[:2]]}


def test_runs_as_a_notebook(small_store, tmp_path):
    # A kernel's own arguments stand where a script's would.
    cells = (EXAMPLES / "02_waveforms_and_spectrograms.py").read_text()
    kernel = (
        f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); sys.argv = ['ipykernel_launcher.py', '-f', 'k.json']\n"
        "sys.modules['ipykernel'] = sys\n"
        "import _common, esc_features\n"
        f"_common.extract = lambda *_, **__: esc_features.open_store({str(small_store)!r})\n"
        f"exec(compile({cells!r}, 'cells', 'exec'), {{'__name__': '__main__', '__doc__': ''}})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "MPLBACKEND": "Agg"}
    run = subprocess.run([sys.executable, "-c", kernel], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert figures_in(tmp_path) == {f"02_{figure}" for figure in FIGURES["02"]}


def test_there_is_a_test_of_every_example():
    assert sorted(FAST) == sorted(path.stem for path in EXAMPLES.glob("[0-9]*.py"))


def test_runs_from_the_command_line(demo_folder, tmp_path):
    command = [sys.executable, EXAMPLES / "02_waveforms_and_spectrograms.py", demo_folder]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "MPLBACKEND": "Agg"}
    subprocess.run([*command, "--out", "here", "--figures", "there"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "here" / "mel" / "fold1.h5").exists()
    assert (tmp_path / "there" / "02_batch.png").exists()


@pytest.fixture
def common(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = importlib.util.spec_from_file_location("_common", EXAMPLES / "_common.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def four_categories(common):
    return common.four_categories


def test_players_hold_the_samples_and_escape_names(common):
    samples = np.linspace(-0.5, 0.5, 800, dtype=np.float32)
    page = common.Players({"<b>dog": samples}, 16000)._repr_html_()
    assert "<b>" not in page
    data = re.search(r'src="data:audio/wav;base64,([^"]+)"', page)[1]
    played, sample_rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    assert sample_rate == 16000
    np.testing.assert_allclose(played, samples, atol=2**-15)


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ("rain cow dog vacuum_cleaner siren chirping_birds", "dog cow chirping_birds vacuum_cleaner"),
        ("rooster dog rain sea_waves siren", "dog rooster rain sea_waves"),
        ("dog rain", "dog rain"),
    ],
)
def test_takes_the_categories_of_the_course_where_they_are(four_categories, capsys, there, chosen):
    categories = there.split()
    store = SimpleNamespace(categories=categories, y=np.array(categories * 2), dataset="some")
    assert sorted(store.y[four_categories(store)]) == sorted(chosen.split() * 2)
    said = capsys.readouterr().out
    assert chosen.replace(" ", ", ") in said
    assert ("the course has" in said) is (chosen != "dog cow chirping_birds vacuum_cleaner")
