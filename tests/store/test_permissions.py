"""Stores of other users: they may be read, or not even that."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root, to become somebody else"
)

# First as root, to import what may be in a folder that only root sees.
SCRIPT = """
import os, sys
from esc_features._cli import main
store, whole = sys.argv[1:]
main(["show", store]), main(["verify", store, "--quick"]), main(["explain", store])
main(["evaluate", whole, "--methods", "svm", "--folds", "1", "--quiet"])
os.truncate(1, 0)
os.setgroups([]), os.setgid(65534), os.setuid(65534)
os.dup2(1, 2)
for command, *options in (["show"], ["verify", "--quick"], ["explain"], ["evaluate", "--methods", "svm"]):
    print("status", main([command, store, *options]), flush=True)
"""
CLOSED = "Ask its owner for the right to read it."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "shown", "statuses"), [("mel", 0, (2, 2)), ("mel/fold1.h5", 0, (1, 1)), ("clips.h5", 2, (2, 2))]
)
def test_a_closed_part_is_named_by_every_command(tiny_store, tmp_path, part, shown, statuses):
    # Not in pytest's folder: another pytest of this user closes it again.
    with tempfile.TemporaryDirectory() as folder, (tmp_path / "output").open("a") as output:
        Path(folder).chmod(0o755)
        store = shutil.copytree(tiny_store.path, Path(folder) / "store")
        whole = shutil.copytree(store, Path(folder) / "whole")
        (store / part).chmod(0)
        subprocess.run([sys.executable, "-c", SCRIPT, store, whole], stdout=output, check=True, timeout=120)
    said = (tmp_path / "output").read_text()
    assert [int(line[7:]) for line in said.splitlines() if line.startswith("status")] == [shown, *statuses, 2], said
    assert said.count(f"{part} cannot be read") >= 2, said
    assert said.count(CLOSED) == 3 + (part == "clips.h5") and "Errno" not in said, said
    assert ("evaluation (Permission denied). Name another folder with --out" in said) == (part != "clips.h5"), said
