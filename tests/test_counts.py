"""What the package does not do twice, or at all: reads, copies, opened files, system calls and imports, counted.

Speed itself is measured by `python -m benchmarks`; these are the reasons for it that can be counted on any machine.
"""

import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from esc_features import MelSpectrogram, audio, cut_windows, extract, load_clips, open_store
from esc_features.audio import _decoding, _source
from esc_features.extraction import _run, _sinks
from esc_features.extraction._compute import Facts
from esc_features.storage import _clip_table, _cold_rows, _fold_file
from esc_features.store import StoreArray, _opening

IO = Path("/proc/self/io")
needs_proc = pytest.mark.skipif(not IO.exists(), reason="the system does not count what a process reads")


def done_so_far(what):
    """`rchar`, bytes read by system calls; `syscr`, their number."""
    return int(dict(line.split(": ") for line in IO.read_text().splitlines())[what])


def count(monkeypatch, owner, name):
    """Count the calls of a function, which does its work as ever; return the list of their arguments."""
    calls, original = [], getattr(owner, name)

    def counted(*args, **kwargs):
        calls.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return calls


@pytest.fixture
def rows():
    return np.array([3, 17, 0, 39, 22, 8, 17])


class TestBatch:
    def test_hints_its_own_bytes_and_once(self, tiny_store, monkeypatch, rows):
        X = open_store(tiny_store.path)["mel"]
        hints = count(monkeypatch, _cold_rows, "will_need")
        X.take(rows)
        ranges = [length for _, ranges in hints for _, length in ranges]
        assert sum(ranges) == len(set(rows.tolist())) * X[:1].nbytes
        del hints[:]
        X.take(rows[::-1])
        assert hints == []

    def test_neighbours_are_one_hint(self, tiny_store, monkeypatch):
        X = open_store(tiny_store.path)["mel"]
        hints = count(monkeypatch, _cold_rows, "will_need")
        X.to_numpy()
        assert [len(ranges) for _, ranges in hints] == [1] * 5
        assert sum(length for _, ranges in hints for _, length in ranges) == X.nbytes

    def test_hints_again_after_waiting_for_the_disk(self, tiny_store, monkeypatch, rows):
        X = open_store(tiny_store.path)["mel"]
        X.take(rows)
        waits = iter([0, 1, 1, 1])
        monkeypatch.setattr("esc_features.store._stored_rows.waits_for_disk", lambda: next(waits))
        hints = count(monkeypatch, _cold_rows, "will_need")
        X.take(rows)
        assert hints == []
        X.take(rows)
        assert sum(len(ranges) for _, ranges in hints) > 0

    @needs_proc
    def test_warm_makes_no_read_call(self, tiny_store, rows):
        X = tiny_store["mel"]
        X.take(rows)

        def reads_of(batches):
            before = done_so_far("syscr")
            for _ in range(batches):
                X.take(rows)
            return done_so_far("syscr") - before

        assert reads_of(20) == reads_of(0)

    @pytest.mark.parametrize("rows", [np.array([3, 17, 0, 39]), np.array([1, 2, 5, 0])], ids=["folds", "one fold"])
    def test_copies_only_into_out(self, tiny_store, rows):
        X = tiny_store["mel"]
        out = np.empty((4, *X.shape[1:]), X.dtype)
        X.take(rows, out=out)
        tracemalloc.start()
        try:
            given = X.take(rows, out=out)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert given is out
        assert peak < X[:1].nbytes / 4

    def test_training_reads_each_clip_once_an_epoch_and_never_the_array(self, tiny_store, monkeypatch):
        from esc_features.models._clip_loader import ClipDataset, ClipLoader

        X = tiny_store["mel"]
        whole = count(monkeypatch, StoreArray, "__array__")
        singles = count(monkeypatch, StoreArray, "__getitem__")
        batches = count(monkeypatch, StoreArray, "take")
        for _ in ClipLoader(ClipDataset(X, tiny_store.target), batch_size=16, shuffle=True):
            pass
        assert whole == singles == []
        assert [len(rows) for _, rows in batches] == [16, 16, 8]
        assert sorted(np.concatenate([rows for _, rows in batches]).tolist()) == list(range(40))


class TestOpening:
    def test_leaves_no_file_open_and_a_batch_opens_each_fold_once(self, tiny_store, rows):
        if not Path("/proc/self/fd").exists():
            pytest.skip("open files cannot be listed")
        before = opened(tiny_store.path)
        X = open_store(tiny_store.path)["mel"]
        assert opened(tiny_store.path) == before
        X.take(rows)
        X.take(rows)
        added = opened(tiny_store.path) - before
        assert set(added.values()) == {1} and len(added) == len(set(X.folds[rows]))

    def test_reads_each_header_once(self, tiny_store, monkeypatch):
        headers = count(monkeypatch, _opening, "read_header")
        open_store(tiny_store.path)
        assert len(headers) == len({path for path, *_ in headers}) == 15

    def test_reads_the_names_of_clips_once_for_all_features(self, tiny_store, monkeypatch):
        """Features that state the same checksums of their clips as one that was compared are not compared again."""
        stored = count(monkeypatch, _fold_file, "read_stored")
        open_store(tiny_store.path)
        assert Counter(name for _, name, _ in stored if name == "filename") == {"filename": 5}

    def test_checks_each_column_of_the_table_once(self, tiny_store, monkeypatch):
        table = (tiny_store.path / "clips.h5").read_bytes()
        checked = count(monkeypatch, _clip_table.zlib, "crc32")
        open_store(tiny_store.path)
        columns = [raw for (raw,) in checked if isinstance(raw, memoryview) and raw.obj == table]
        assert len(columns) == len({bytes(raw) for raw in columns}) == 5  # filename, start, end, fold, categories

    @needs_proc
    def test_reads_no_rows(self, write_store, tmp_path):
        def bytes_read(shape):
            folder = write_store(tmp_path / str(shape), shape=shape)
            before = done_so_far("rchar")
            open_store(folder)
            return done_so_far("rchar") - before

        small, large = bytes_read((2,)), bytes_read((128, 157))
        assert large < small + 128 * 157


def opened(folder):
    links = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115
        except OSError:
            continue
    return Counter(link for link in links if link.startswith(str(folder)))


class TestExtraction:
    @pytest.fixture
    def clips(self, demo_folder):
        clips = load_clips(demo_folder)
        return clips[clips["fold"] <= 2].reset_index(drop=True)

    def test_decodes_a_clip_once_for_all_features(self, clips, tmp_path, monkeypatch):
        opened = count(monkeypatch, _source, "_open")
        resampled = count(monkeypatch, audio.WaveformSpec, "waveform_of")
        extract(clips, tmp_path / "store", features="waveform,mel", n_jobs=1, verbose=False)
        assert sorted(path for path, *_ in opened) == sorted(clips["path"])
        assert len(resampled) == len(clips)

    def test_digests_a_long_recording_once_for_all_its_windows(self, tmp_path, monkeypatch):
        soundfile.write(tmp_path / "hours.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 80000), 8000)
        windows = cut_windows(load_clips(tmp_path), 1, hop=0.5)
        monkeypatch.setattr(_source, "_WHOLE", 0)
        monkeypatch.setattr(_source, "_SETTLED", -(10**15))
        monkeypatch.setattr(_run, "_MOST_CLIPS", 4)
        blocks = count(monkeypatch, _run, "write_block")
        digests = count(monkeypatch, _source, "_digest")
        decoded = count(monkeypatch, _decoding.LibsndfileSamples, "_decode")
        extract(windows, tmp_path / "store", features={"mel": MelSpectrogram(duration=1)}, n_jobs=1, verbose=False)
        samples = sum(number for _, _, number in decoded)
        assert (len(windows), len(blocks), len(digests)) == (19, 5, 1)
        assert samples == 80000 + 4 * 4000  # each once, but for what two blocks share

    def test_another_feature_decodes_nothing(self, clips, tmp_path, monkeypatch):
        extract(clips, tmp_path / "store", features="waveform", n_jobs=1, verbose=False)
        decoded = count(monkeypatch, audio, "read_recording")
        computed = count(monkeypatch, MelSpectrogram, "compute")
        extract(clips, tmp_path / "store", features="waveform,mel", n_jobs=1, verbose=False)
        assert decoded == [] and len(computed) == len(clips)

    def test_writes_a_run_of_rows_at_once(self, clips, tmp_path, monkeypatch):
        writes = count(monkeypatch, _sinks, "write_at")
        extract(clips, tmp_path / "store", features="waveform", n_jobs=1, verbose=False)
        runs = sum(-(-number // _sinks.ROWS_PER_WRITE) for number in clips["fold"].value_counts())
        columns = 1 + len(Facts._fields) + 2  # the rows, the facts, the checksum and the mark
        assert len(writes) == runs * columns

    def test_again_computes_and_writes_nothing(self, clips, tmp_path, monkeypatch):
        extract(clips, tmp_path / "store", features="waveform,mel", n_jobs=1, verbose=False)
        opened = count(monkeypatch, _source, "_open")
        writes = count(monkeypatch, _sinks, "write_at")
        extract(clips, tmp_path / "store", features="waveform,mel", n_jobs=1, verbose=False)
        assert len(opened) == len(clips) and writes == []


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import esc_features", {"numpy", "scipy", "pandas", "sklearn", "h5py", "joblib", "torch", "librosa"}),
        (
            "from esc_features._cli import extract_features as main\ntry: main(['--help'])\nexcept SystemExit: pass",
            {"scipy", "pandas", "sklearn", "h5py", "joblib", "torch", "librosa"},
        ),
        ("import esc_features.store", {"scipy", "pandas", "sklearn", "torch", "librosa"}),
        ("import esc_features.extraction._compute", {"pandas", "torch", "librosa", "matplotlib"}),
    ],
    ids=["package", "help", "store", "worker"],
)
def test_imports(code, absent):
    code += "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert absent & set(json.loads(done.stdout.splitlines()[-1])) == set()
