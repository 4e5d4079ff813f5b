"""Two extractors on one store; readers of a store that is being rebuilt."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from esc_features import MelSpectrogram, extract, load_clips, open_store
from esc_features.exceptions import StoreError, StoreLockedError
from esc_features.extraction._lock import store_lock
from esc_features.extraction._run import Run
from esc_features.extraction._sinks import RowWriter

HOLD = """
import sys
from esc_features.extraction._lock import store_lock
from pathlib import Path
with store_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def clips(demo_folder):
    clips = load_clips(demo_folder, folds=[1, 2])
    clips.attrs["name"] = "demo"
    return clips.groupby("fold").head(3).reset_index(drop=True)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "store"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_second_extractor_is_told_who_holds_the_store(clips, holder, tmp_path):
    with pytest.raises(StoreLockedError) as refusal:
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
    host = re.escape(os.uname().nodename)
    assert re.search(rf"process {holder.pid} on {host} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d", str(refusal.value))
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [".lock"]
    command = [sys.executable, "-m", "esc_features", "extract", "demo", "--out", tmp_path / "store"]
    # From the same lock also for the script, before anything is computed.
    data = ["--data-home", tmp_path / "data", "--folds", "1", "--categories", "dog", "--quiet"]
    result = subprocess.run([*command, *data], capture_output=True, text=True, timeout=120)
    assert result.returncode == 2 and f"process {holder.pid}" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.kill
def test_the_lock_of_a_dead_process_does_not_block(clips, holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "store/.lock").read_text())["pid"] == holder.pid
    assert len(extract(clips, tmp_path / "store", features="mfcc", verbose=False)) == len(clips)


def test_the_lock_is_given_back_after_an_error(clips, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "the disk is broken")

    with monkeypatch.context() as patch:
        patch.setattr(RowWriter, "write", fail)
        with pytest.raises(StoreError, match="the disk is broken"):
            extract(clips, tmp_path / "store", features="mfcc", verbose=False)
    extract(clips, tmp_path / "store", features="mfcc", verbose=False)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"pid": 1}', "\xff" * 100, '{"pid": 1, "host": "\\u001b[2J", "since": ""}']
)
def test_an_unreadable_lock_file_still_locks(tmp_path, content):
    with store_lock(tmp_path):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(StoreLockedError, match="another process"), store_lock(tmp_path):
            pass
    with store_lock(tmp_path):
        pass


def test_a_worker_of_a_killed_run_stops_when_the_next_takes_over(tmp_path):
    with store_lock(tmp_path) as claim:
        claim = pickle.loads(pickle.dumps(claim))
        with claim.watch() as check:
            check()
    with claim.watch() as check:
        check()  # nobody has taken over: what it computes is kept
        with store_lock(tmp_path), pytest.raises(StoreError, match="no longer holds"):
            check()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_whose_store_was_taken_over_stops(clips, tmp_path, monkeypatch, n_jobs):
    write, written = RowWriter.write, []

    def take_over(self, row, *rest):
        assert tmp_path in self.header.path.parents  # no thread of another run is left
        written.append(row)
        (tmp_path / "store/.lock").write_text("another run")
        write(self, row, *rest)

    monkeypatch.setattr(RowWriter, "write", take_over)
    with pytest.raises(StoreError, match="no longer holds"):
        extract(clips, tmp_path / "store", features="mfcc", n_jobs=n_jobs, verbose=False)
    assert len(written) <= n_jobs


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_no_thread_works_on_after_an_interruption_or_error(clips, tmp_path, monkeypatch, error):
    """In a notebook the process lives on: nothing may write into the store while the next run does."""
    write, writing, failed = RowWriter.write, threading.Event(), threading.Event()

    def fail_in_one(self, row, *rest):
        if self.header.facts.fold == 1:
            writing.wait(60)
            failed.set()
            raise error
        writing.set()
        failed.wait(60)
        write(self, row, *rest)

    monkeypatch.setattr(RowWriter, "write", fail_in_one)
    runs, stop = [], Run.stop
    monkeypatch.setattr(Run, "stop", lambda self: (stop(self), runs.append(self._threads._number)))
    with pytest.raises((KeyboardInterrupt, StoreError)):
        extract(clips, tmp_path / "store", features="mfcc", n_jobs=2, verbose=False)
    assert runs == [0]
    assert (tmp_path / "store/.lock").read_bytes() == b""


class TestReadersDuringARebuild:
    @pytest.fixture
    def rebuild(self, clips, tmp_path):
        def rebuild(**parameters):
            features = {"mel": MelSpectrogram(n_mels=16, **parameters)}
            return extract(clips, tmp_path / "store", features=features, overwrite=True, verbose=False)

        return rebuild

    def test_keep_what_they_opened(self, rebuild, tmp_path):
        rebuild()
        X = open_store(tmp_path / "store")["mel"]
        before = X.to_numpy()
        names = X.filenames
        rebuild(fmin=300)
        np.testing.assert_array_equal(X.to_numpy(), before)
        np.testing.assert_array_equal(X[[2, 0]].take([1, 0]), before[[0, 2]])
        assert not np.array_equal(open_store(tmp_path / "store")["mel"].to_numpy(), before)
        np.testing.assert_array_equal(X.filenames, names)

    def test_are_told_where_they_had_not_read_yet(self, rebuild, tmp_path):
        """Never the rows of the new file under the parameters of the old one."""
        rebuild()
        X = open_store(tmp_path / "store")["mel"]
        columns = open_store(tmp_path / "store")["mel"]
        travelled = pickle.dumps(X)
        rebuild(fmin=300)
        for read in (X.to_numpy, lambda: X[0], lambda: columns.clips, lambda: pickle.loads(travelled).to_numpy()):
            with pytest.raises(StoreError, match=r"was rebuilt since.*open_store"):
                read()

    def test_do_not_mind_a_file_that_is_the_same(self, rebuild, tmp_path):
        rebuild()
        X = open_store(tmp_path / "store")["mel"]
        path = tmp_path / "store/mel/fold1.h5"
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
        os.utime(path.with_name("fold2.h5"), (1, 1))
        np.testing.assert_array_equal(X.to_numpy(), open_store(tmp_path / "store")["mel"].to_numpy())
        assert len(X.clips) == len(X)

    def test_are_told_when_a_file_is_gone_or_cut(self, rebuild, tmp_path):
        rebuild()
        path = tmp_path / "store/mel/fold1.h5"
        X, mapped = open_store(tmp_path / "store")["mel"], open_store(tmp_path / "store")["mel"]
        mapped.to_numpy()
        content = path.read_bytes()
        os.truncate(path, 5000)  # by somebody else: our own files are never changed in place
        for reader in (mapped, X):
            with pytest.raises(StoreError, match=r"cut short|can be opened|refused"):
                reader.to_numpy()
        path.unlink()
        with pytest.raises(StoreError, match="is gone"):
            X.to_numpy()
        path.write_bytes(content)
        assert X.to_numpy().any()

    @pytest.mark.slow
    def test_a_killed_rebuild_is_gone_on_with(self, rebuild, clips, tmp_path, monkeypatch):
        rebuild()
        before = open_store(tmp_path / "store")["mel"].to_numpy()
        written, write = [], RowWriter.write

        def stop_at(count):
            def write_some(self, row, *rest):
                if len(written) == count:
                    raise OSError(28, "No space left on device")
                written.append(row)
                write(self, row, *rest)
                self.flush()

            return write_some

        with monkeypatch.context() as patch:
            patch.setattr(RowWriter, "write", stop_at(4))
            with pytest.raises(StoreError, match="no space"):
                features = {"mel": MelSpectrogram(n_mels=16, fmin=300)}
                extract(clips, tmp_path / "store", features=features, overwrite=True, n_jobs=1, verbose=False)
        kept = open_store(tmp_path / "store") if (tmp_path / "store/mel/fold1.h5.partial").exists() else None
        assert kept is None or np.array_equal(kept["mel"].to_numpy(), before)
        with pytest.raises(StoreError, match="fmin is 0 in the store and 300 now"):
            extract(clips, tmp_path / "store", features=features, verbose=False)
        monkeypatch.setattr(RowWriter, "write", stop_at(-1))
        written.clear()
        store = extract(clips, tmp_path / "store", features=features, overwrite=True, n_jobs=1, verbose=False)
        assert len(written) == len(clips) - 4
        wanted = extract(clips, tmp_path / "wanted", features=features, verbose=False)
        np.testing.assert_array_equal(store["mel"].to_numpy(), wanted["mel"].to_numpy())

    @pytest.mark.slow
    def test_a_killed_rebuild_with_other_libraries_is_gone_on_with(
        self, rebuild, clips, tmp_path, monkeypatch, update_attribute
    ):
        import h5py

        rebuild()
        path = tmp_path / "store/mel/fold1.h5"
        partial = shutil.copy(path, path.with_name("fold1.h5.partial"))
        with h5py.File(partial, "r+") as file:
            file["clips/done"][1] = 0
        update_attribute(path, "versions", soxr="0.3.1")
        written, write = [], RowWriter.write
        monkeypatch.setattr(RowWriter, "write", lambda self, row, *rest: (written.append(row), write(self, row, *rest)))
        extract(clips, tmp_path / "store", features={"mel": MelSpectrogram(n_mels=16)}, verbose=False)
        assert written == []  # good enough, until it is asked for
        rebuild()
        assert written == [1] and not partial.exists()
