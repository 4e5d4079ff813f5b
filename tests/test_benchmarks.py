"""The benchmarks start as the README says, and lean on nothing private of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def private_imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("esc_features"):
            for name in [*node.module.split("."), *(alias.name for alias in node.names)]:
                if name.startswith("_") and name != "_cli":
                    yield f"{path.name}:{node.lineno} imports {name}"


def test_they_import_public_names_only():
    # The file format has a face for the inside, `esc_features.storage`; the program is `_cli`. What is easily confused
    # is made of the sounds of the demo.
    files = sorted(set(BENCHMARKS.glob("*.py")) - {BENCHMARKS / "confusable.py"})
    assert [each for path in files for each in private_imports(path)] == []


@pytest.mark.slow
def test_a_folder_for_scratch_is_made(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "startup", "--quick"]
    command += ["--scratch", tmp_path / "new/scratch", "--out", tmp_path / "new/out"]
    run = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert list((tmp_path / "new/scratch").iterdir()) == []
    assert (tmp_path / "new/out/results.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"), [(["speed"], "no benchmark speed"), (["--audio", "no/such"], "no/such")]
)
def test_says_what_is_wrong(arguments, message, monkeypatch, capsys):
    from benchmarks.__main__ import main

    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in capsys.readouterr().err


def test_the_error_of_a_paired_gain_is_that_of_a_simulation_with_lucky_runs_and_hard_recordings():
    from benchmarks import recipes

    random = np.random.default_rng(0)
    runs, sources = np.repeat(np.arange(20), 40), np.tile(np.repeat(np.arange(20), 2), 20)
    gains, errors = [], []
    for _ in range(120):
        shift = 0.10 + 0.1 * random.standard_normal(20)[runs] + 0.1 * random.standard_normal(20)[sources]
        gain, error = recipes.paired(
            random.random(len(runs)) < 0.5 + shift, random.random(len(runs)) < 0.5, runs, sources
        )
        gains.append(gain)
        errors.append(error)
    assert np.mean(gains) == pytest.approx(0.10, abs=0.015)
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.2)
