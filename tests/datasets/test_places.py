"""Places that are hostile or only odd: closed folders, pipes, names that a disk writes otherwise."""

import os
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest

from esc_features.datasets import find_clips, load_clips, make_demo
from esc_features.exceptions import ClipTableError, DownloadError

NFC = "é.wav"
NFD = unicodedata.normalize("NFD", NFC)


def write(folder, *names, table=("a.wav",)):
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    for name in names:
        (folder / "audio" / name).touch()
    (folder / "meta/t.csv").write_text("filename,category\n" + "".join(f"{name},dog\n" for name in table))
    return folder


def call_as_nobody(code):
    """Run code as a user without rights: root may read everything."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become somebody else")

    # Once as root, to import what may be in a folder that only root sees.
    script = f"import os\nfrom esc_features.datasets import *\n{code}\nif os.fork() == 0:\n" \
             f" os.setgroups([]); os.setgid(65534); os.setuid(65534)\n {code}\nelse: os.wait()"  # fmt: skip
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60).stderr


@pytest.fixture
def open_path(tmp_path):
    """Let everybody come as far as this folder."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()).resolve():
            return tmp_path
        folder.chmod(folder.stat().st_mode | 0o055)
    raise AssertionError("not a folder of pytest")


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["audio", "meta", "."])
def test_closed_folders(open_path, closed):
    folder = write(open_path / "data", "a.wav")
    (folder / closed).chmod(0o700)
    error = call_as_nobody(f"load_clips({str(folder)!r})")
    assert "ClipTableError" in error and "permission denied. Ask for the right to read it" in error, error
    assert "a.wav" not in error.splitlines()[-1] or "have no file" not in error


@pytest.mark.slow
def test_a_closed_table(open_path):
    folder = write(open_path / "data", "a.wav")
    (folder / "meta/t.csv").chmod(0o600)
    error = call_as_nobody(f"load_clips({str(folder)!r})")
    assert "t.csv cannot be read: Permission denied. Check its name and its permissions." in error, error


def test_a_pipe_as_a_table(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ClipTableError, match=r"pipe.csv is not a regular file"):
        load_clips(tmp_path / "pipe.csv", tmp_path)


@pytest.mark.parametrize("on_disk, in_table", [(NFC, NFD), (NFD, NFC)])
def test_accents_may_be_composed_otherwise(tmp_path, on_disk, in_table):
    clips = load_clips(write(tmp_path / "data", on_disk, table=[in_table]))
    assert Path(clips["path"][0]).is_file()
    assert clips["filename"].tolist() == [in_table], "the table's own name stays what identifies the clip"


def test_both_compositions_are_two_files(tmp_path):
    clips = load_clips(write(tmp_path / "data", NFC, NFD, table=[NFC, NFD]))
    assert [Path(path).name for path in clips["path"]] == [NFC, NFD]


def test_one_file_under_two_compositions_is_one_clip_twice(tmp_path):
    with pytest.raises(ClipTableError, match=r"The same file under two names: .*line 2.*line 3"):
        load_clips(write(tmp_path / "data", NFC, table=[NFC, NFD]))


def test_upper_and_lower_case(tmp_path):
    folder = write(tmp_path / "data", "Dog.WAV", table=["dog.wav"])
    if (folder / "audio/dog.wav").exists():
        pytest.skip("this disk does not tell cases apart")
    with pytest.raises(ClipTableError, match=r"'dog.wav' \(line 2\)\. There is 'Dog.WAV': write upper and lower case"):
        load_clips(folder)


@pytest.mark.slow
def test_a_folder_of_a_data_sets_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "demo", "a.wav")
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path / "home"))
    assert len(find_clips("./demo")) == len(find_clips(tmp_path / "demo")) == 1
    assert capsys.readouterr().out == ""
    assert len(find_clips("demo")) == 120
    assert capsys.readouterr().out == "note: demo means the data set of that name; write ./demo for the folder\n"
    find_clips("demo", verbose=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name, meant", [("esc5", "'esc50'"), ("ESC-10", "'esc10'"), ("dem", "'demo'")])
def test_a_name_that_is_nearly_one(tmp_path, monkeypatch, name, meant):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ClipTableError, match=rf"There is no {name}\. Did you mean .*{meant}.*\? Give demo, esc10"):
        find_clips(name)


def test_a_home_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.delenv("ESC_FEATURES_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"demo cannot be written: Not a directory\. .*ESC_FEATURES_DATA .*--data-home"):
        make_demo()
    with pytest.raises(DownloadError, match=r"ESC-50 cannot be written: Not a directory\. .*data_home="):
        find_clips("esc50", mirror=tmp_path)
