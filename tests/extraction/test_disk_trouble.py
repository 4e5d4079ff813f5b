"""Disks that are full, read-only or not ours: a clear error, nothing lost, and the same command goes on."""

import hashlib
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from esc_features import MFCCStatistics, Waveform, extract, load_clips, open_store
from esc_features.exceptions import StoreError

FEATURES = {"waveform": Waveform(duration=0.5), "mfcc": MFCCStatistics(duration=0.5)}
CLIPS = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight clips of half a second in two folds, and the store that they give: 131 kB of waveforms a fold."""
    import soundfile

    folder = tmp_path_factory.mktemp("data")
    (folder / "audio").mkdir()
    (folder / "meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number in range(CLIPS):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 8000)
        soundfile.write(folder / f"audio/{number}.wav", noise, 16000)
        lines.append(f"{number}.wav,{1 + number % 2},0,noise")
    (folder / "meta/clips.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(autouse=True)
def same_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")


@pytest.fixture
def recipe(tmp_path):
    """The waveforms alone, for the script."""
    path = tmp_path / "recipe.toml"
    path.write_text("[features.waveform]\nclass = 'Waveform'\nduration = 0.5\n")
    return path


@pytest.fixture
def small_disk(tmp_path):
    """A function that makes a file system of so many kilobytes, or gives the one it made more room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = []

    def make(kilobytes):
        how = ["-o", f"remount,size={kilobytes}k", folder] if made else ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]  # fmt: skip  # noqa: E501
        if subprocess.run(["mount", *map(str, how)], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        made.append(kilobytes)
        return folder

    yield make
    if made:
        subprocess.run(["umount", folder], check=True)


def run(data, store, **options):
    return extract(load_clips(data), store, features=FEATURES, n_jobs=1, verbose=False, **options)


def digests(store):
    return {
        str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in store.glob("*/fold*.h5")
    }


def run_apart(program, *arguments, **options):
    """Run a program in a process of its own, whose limits and user can be changed."""
    start = "import os, sys, resource\nfrom esc_features._cli import extract_features as main\n"
    command = [sys.executable, "-c", start + textwrap.dedent(program), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}  # nor can it write then
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, **options)


# The lock, the header of a file, the space reserved for its rows, those of the next files: each is where it can end.
# With 300 kB everything fits.
MORE = [pytest.param(kilobytes, marks=pytest.mark.slow) for kilobytes in (4, 12, 60, 200, 280, 296)]


@pytest.mark.parametrize("kilobytes", [140, *MORE])
def test_full_disk(data, small_disk, tmp_path, kilobytes):
    disk = small_disk(kilobytes)
    with pytest.raises(StoreError, match=r"(?s)[Ss]pace.*run the same command again|Free some space"):
        run(data, disk / "store")
    with pytest.raises(StoreError, match="no finished feature"):
        open_store(disk / "store")
    small_disk(2000)
    store = run(data, disk / "store")
    assert len(store) == CLIPS
    run(data, tmp_path / "wanted")
    assert digests(disk / "store") == digests(tmp_path / "wanted")


def test_no_room_for_the_lock(data, small_disk):
    disk = small_disk(4)
    (disk / "ballast").write_bytes(bytes(4096))
    with pytest.raises(StoreError, match="Free some space"):
        run(data, disk / "store")


def test_a_full_disk_leaves_what_was_published(data, small_disk):
    disk = small_disk(2000)
    extract(load_clips(data), disk / "store", features={"waveform": FEATURES["waveform"]}, verbose=False)
    before = digests(disk / "store")
    used = sum(file.stat().st_blocks * 512 for file in disk.rglob("*")) // 1024
    small_disk(used + 4)
    with pytest.raises(StoreError, match="no space for mfcc/fold1"):
        run(data, disk / "store")
    with pytest.raises(StoreError, match=r"no space for [\d,.]+ MB of files.*Nothing was changed"):
        extract(
            load_clips(data),
            disk / "store",
            features={"waveform": Waveform(duration=0.4)},
            overwrite=True,
            verbose=False,
        )
    assert digests(disk / "store") == before
    assert open_store(disk / "store")["waveform"].to_numpy().any()


LIMITED = """
limit, *arguments = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
sys.exit(main(arguments))
"""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 137_000])  # bytes: not even a header; not the last rows
def test_limit_on_file_sizes(data, recipe, tmp_path, limit):
    arguments = [data, "--recipe", recipe, "--out", tmp_path / "store", "--n-jobs", 1, "--quiet"]
    result = run_apart(LIMITED, limit, *arguments)
    assert result.returncode == 2, result.stderr
    assert "limit on file sizes" in result.stderr and "Traceback" not in result.stderr
    assert result.stderr.count("\n") < 3  # libhdf5, which crashed here, has not met the limit
    assert len(run(data, tmp_path / "store")) == CLIPS


# Where no space can be reserved, the disk is full in the middle of the work.
IN_THE_MIDDLE = """
from esc_features import Waveform
from esc_features.extraction import _publish
import esc_features.extraction._extract

class Fills(Waveform):
    seen = 0
    def compute(self, waveforms):
        Fills.seen += 1
        if Fills.seen == 6:
            resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, resource.RLIM_INFINITY))
        return super().compute(waveforms)

Fills.__module__ = "elsewhere"
sys.modules["elsewhere"] = sys.modules["__main__"]
try:
    from esc_features import extract, load_clips
    extract(load_clips(sys.argv[1]), sys.argv[2], features={"fills": Fills(duration=0.5)}, n_jobs=1)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_no_space_in_the_middle(data, tmp_path):
    store = tmp_path / "store"
    result = run_apart(IN_THE_MIDDLE, data, store)
    assert "StoreError There is no space for fills/fold2" in result.stdout, result.stdout + result.stderr
    assert "What was computed is kept" in result.stdout
    assert sorted(file.name for file in store.glob("fills/*")) == ["fold1.h5", "fold2.h5.partial"]
    again = run_apart(IN_THE_MIDDLE.replace("Fills.seen == 6", "False"), data, store)
    assert "fills/fold1: 4 clips, already there" in again.stdout and len(open_store(store)["fills"]) == CLIPS


# Everything that is needed is imported before root becomes nobody, who may not see where Python is installed.
NOBODY = """
import esc_features
data, recipe, folder = sys.argv[1:]
def run(name, *more):
    print(name, main([data, "--recipe", recipe, "--out", os.path.join(folder, name), "--quiet", *more]), flush=True)
run("store")
run("other")
os.chmod(os.path.join(folder, "store"), 0o755)
os.chmod(os.path.join(folder, "other"), 0o777)
os.chmod(os.path.join(folder, "other", ".lock"), 0o666)
os.setgid(65534), os.setuid(65534)
run("new")
run("store")
with open(recipe, "w") as file:
    file.write("[features.waveform]\\nclass = 'Waveform'\\nduration = 0.25\\n")
run("other", "--overwrite")
print(esc_features.open_store(os.path.join(folder, "store"))["waveform"].to_numpy().shape)
"""


@pytest.mark.slow
def test_no_permission(data, recipe, tmp_path):
    if not hasattr(os, "getuid") or os.getuid() != 0:
        pytest.skip("needs root, to be somebody else")
    for folder in [*data.parents, *tmp_path.parents]:
        if folder.owner() == "root" and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o755)
    for folder in (data, tmp_path):
        folder.chmod(0o755)
    recipe.chmod(0o666)
    result = run_apart(NOBODY, data, recipe, tmp_path)
    # new: no folder can be made; store: not even the lock; other: the lock, but no file of the feature.
    printed = f"store 0\nother 0\nnew 2\nstore 2\nother 2\n({CLIPS}, 8000)\n"
    assert result.stdout == printed, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    new, store, other = result.stderr.splitlines()
    assert "new cannot be written (Permission denied)" in new and "--out" in new
    assert "store cannot be written (Permission denied; " in store and "/.lock belongs to the user root)" in store
    assert "fold1.h5" in other and "Permission denied" in other
    assert digests(tmp_path / "store") == digests(tmp_path / "other")


def test_read_only_file_system(data, small_disk):
    disk = small_disk(2000)
    run(data, disk / "store")
    before = digests(disk / "store")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert open_store(disk / "store")["waveform"].to_numpy().any()
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\).*--out"):
        run(data, disk / "store")
    with pytest.raises(StoreError, match="cannot be written"):
        run(data, disk / "new")
    assert digests(disk / "store") == before


def test_something_else_under_the_name_of_a_file(data, tmp_path):
    store = tmp_path / "store"
    (store / "waveform/fold1.h5").mkdir(parents=True)
    with pytest.raises(StoreError, match="refused"):
        run(data, store)
    with pytest.raises(StoreError, match="cannot be written"):
        run(data, store, overwrite=True)
    (store / "waveform/fold1.h5").rmdir()
    assert len(run(data, store)) == CLIPS


def test_a_file_where_the_store_is_to_be(data, tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        run(data, tmp_path / "store")


@pytest.mark.slow
def test_links_in_a_strangers_store_lead_nowhere(data, tmp_path):
    """Nothing outside the store is emptied or written, whatever lies in it."""
    run(data, tmp_path / "wanted")
    precious = tmp_path / "precious"
    for name in (".lock", "waveform/fold1.h5.partial", "waveform/fold1.h5"):
        store = tmp_path / f"store of {name.replace('/', ' ')}"
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        precious.write_bytes((tmp_path / "wanted/waveform/fold1.h5").read_bytes())
        before = precious.read_bytes()
        (store / name).symlink_to(precious)
        if name == ".lock":
            with pytest.raises(StoreError, match="cannot be written"):
                run(data, store)
        else:
            assert len(run(data, store)) == CLIPS
        assert precious.read_bytes() == before
