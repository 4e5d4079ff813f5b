"""The package as pip installs it, used from another folder: all of its files are there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="scripts have other names there")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that pip has installed the package into, from a copy of the source: building writes into it."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(ROOT / "esc_features", source / "esc_features", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder / "site")]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, str(source)], capture_output=True, text=True
    )
    if "No module named" in done.stderr:
        pytest.skip(f"pip or setuptools is missing here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_all_files_are_installed(installed):
    here = {path.relative_to(ROOT) for path in (ROOT / "esc_features").rglob("*") if path.is_file()}
    wanted = {path for path in here if "__pycache__" not in path.parts}
    assert {path for path in wanted if not (installed / path).is_file()} == set()


def test_the_script_extracts_in_another_folder(installed, demo_folder, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    script = [sys.executable, str(installed / "bin/extract_features")]
    arguments = [str(demo_folder), "--features", "mfcc", "--folds", "1", "--out", "mine", "--quiet"]
    done = subprocess.run([*script, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "mine/mfcc/fold1.h5").is_file() and [path.name for path in tmp_path.iterdir()] == ["mine"]
    code = "import esc_features; print(esc_features.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert Path(found.stdout.strip()) == installed / "esc_features/__init__.py"
