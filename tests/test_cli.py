"""The program and its commands: what a person who mistypes is told, and that no command waits for another's imports."""

import importlib
import os
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

import esc_features
from esc_features._cli import COMMANDS, extract_features, main

ROOT = Path(esc_features.__file__).resolve().parents[1]


def status_of(call, arguments):
    try:
        return call(arguments)
    except SystemExit as exit_:
        return exit_.code


def test_help_lists_every_command(capsys):
    assert status_of(main, ["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said and what in said for name, what in COMMANDS.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_says_what_it_does(command, capsys):
    assert status_of(main, [command, "--help"]) == 0
    said = capsys.readouterr().out
    module = importlib.import_module(f"esc_features._commands.{command}")
    assert said.startswith(f"usage: esc_features {command}")
    assert module.__doc__.startswith(f"`esc_features {command}`")


def test_there_is_a_command_for_every_file():
    files = {path.stem for path in (ROOT / "esc_features/_commands").glob("[a-z]*.py")}
    assert files == set(COMMANDS)


def test_version(capsys):
    assert status_of(main, ["--version"]) == 0
    assert capsys.readouterr().out == f"{esc_features.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["shwo"], "There is no 'shwo'. Did you mean 'show'"),
        (["show"], "STORE"),
        (["verify", "x", "--quik"], "There is no argument --quik. Did you mean '--quick'"),
        (["evaluate", "x", "--seeds", "one"], "'one' must be numbers separated by commas, such as 1,3."),
        (["evaluate", "x", "--n-jobs", "many"], "'many' must be a whole number, such as 2."),
        (["show", "no/such\x1b"], "There is no store at"),
        (["explain", "no/such"], "There is no store at"),
        (["verify", "no/such"], "There is no store at"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_status_2_says_what_is_wrong(arguments, message, capsys):
    assert status_of(main, arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "\x1b" not in said


def test_extract_is_extract_features(capsys):
    for call, arguments, program in [
        (extract_features, ["no/such"], "extract_features: "),
        (main, ["extract", "no/such"], "esc_features extract: "),
    ]:
        assert status_of(call, arguments) == 2
        assert capsys.readouterr().err.startswith(program)


@pytest.mark.slow
def test_an_ascii_terminal_stops_no_command(tiny_store, tmp_path):
    (tmp_path / "größe").symlink_to(tiny_store.path)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "esc_features", "verify", "größe", "--quick"]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "gr\\xf6\\xdfe (structure): no problems\n"), run.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows end otherwise")
def test_output_that_nobody_reads_ends_a_command_quietly(tiny_store):
    read, write = os.pipe()
    os.close(read)
    # argparse itself ignores what it could not print.
    for arguments, statuses in [(["verify", str(tiny_store.path), "--quick"], {141}), (["--help"], {0, 141})]:
        command = [sys.executable, "-m", "esc_features", *arguments]
        run = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
        assert run.returncode in statuses
        assert run.stderr == ""
    os.close(write)


def test_a_command_imports_nothing_of_the_others_and_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from esc_features._cli import COMMANDS, main\n"
        "for name in ['evaluate', *COMMANDS]:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit: pass\n"
        "    heavy = {'numpy', 'pandas', 'sklearn', 'torch', 'librosa', 'h5py', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
        "    others = {each for each in sys.modules if each.startswith('esc_features._commands.')}\n"
        "    first = globals().setdefault('first', others)\n"
        "assert first == {f'esc_features._commands.{word}' for word in ('evaluate', '_options')}, first\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_the_scripts_run_as_installed_from_another_folder(tiny_store, tmp_path):
    """What `pip install` put beside this Python, with names of folders relative to where one is."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    scripts = dict(line.split(" = ") for line in config["options.entry_points"]["console_scripts"].strip().splitlines())
    assert set(scripts) == {"extract_features", "esc_features"}
    (tmp_path / "store").symlink_to(tiny_store.path)
    for arguments, status, said in [
        (["esc_features", "verify", "store", "--quick"], 0, "store (structure): no problems\n"),
        (["extract_features", "no/such", "--out", "other"], 2, "extract_features: "),
    ]:
        script = Path(sys.executable).with_name(arguments[0])
        assert script.exists(), "Install the package for its scripts: pip install -e ."
        run = subprocess.run([script, *arguments[1:]], cwd=tmp_path, capture_output=True, text=True)
        assert (run.returncode, (run.stdout or run.stderr)[: len(said)]) == (status, said), run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_the_version_is_written_once():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: esc_features.__version__"
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text()).get("project", {})
