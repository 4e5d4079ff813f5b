"""`esc_features predict`: resumable to the last bit, names what is broken, writes for other programs."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import warnings
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import soundfile

from esc_features import merge_detections, open_store, predict_windows, save_model
from esc_features._cli import main
from esc_features.deployment import predict_to_file
from esc_features.deployment._journal import Journal
from esc_features.deployment._predict_windows import Chunk
from esc_features.exceptions import ModelError


@pytest.fixture(scope="module")
def model(small_net, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.esc"
    save_model(small_net, path)
    return path


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """Three recordings, of 40, 25 and 1 s."""
    folder = tmp_path_factory.mktemp("field")
    rng = np.random.default_rng(2)
    for name, seconds in (("a.wav", 40), ("b.flac", 25), ("c.wav", 1)):
        soundfile.write(folder / name, rng.normal(0, 0.1, 16000 * seconds), 16000, subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def windows(small_net, field):
    """What `predict_windows` says of them."""
    return predict_windows(small_net, field, hop=0.25)


@pytest.mark.slow
def test_windows_are_those_of_predict_windows(model, windows, field, tmp_path, capsys):
    assert main(["predict", str(model), str(field), "--hop", "0.25", "--out", str(tmp_path / "w.csv")]) == 0
    read = pd.read_csv(tmp_path / "w.csv")
    pd.testing.assert_frame_equal(read, windows, check_dtype=False, atol=1e-5, check_names=False)
    said = capsys.readouterr()
    assert "3 recordings, 261 windows" in said.out
    assert "x real time" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["w.csv"]
    predict_to_file(model, field, tmp_path / "w.parquet", hop=0.25)
    read = pd.read_parquet(tmp_path / "w.parquet")
    pd.testing.assert_frame_equal(read, windows, check_dtype=False, check_names=False)
    assert read["cat"].dtype == np.float32


@pytest.mark.slow
def test_a_dask_cluster_writes_the_same_file(model, field, tmp_path, capsys):
    pytest.importorskip("distributed")
    arguments = ["predict", str(model), str(field), "--hop", "0.25", "--out"]
    assert main([*arguments, str(tmp_path / "there.csv"), "--dask", "local:1"]) == 0
    assert "3 recordings, 261 windows" in capsys.readouterr().out
    assert main([*arguments, str(tmp_path / "here.csv")]) == 0
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("e.parquet", "e.selections.txt")]


@pytest.mark.parametrize("name", ["e.csv", "e.txt", *SLOW])
def test_events_are_those_of_merge_detections(model, windows, field, tmp_path, name):
    summary = predict_to_file(model, field, tmp_path / name, hop=0.25, threshold=0.505, gap=0.5)
    expected = merge_detections(windows, 0.505, 0.5)
    assert summary.events == len(expected) > 3
    assert summary.recordings == 3
    assert all(path.stat().st_size for path in summary.files)
    if name == "e.csv":
        pd.testing.assert_frame_equal(pd.read_csv(tmp_path / name), expected, check_dtype=False, atol=1e-5)


def test_without_a_file_events_are_printed(model, small_net, field, capsys):
    assert main(["predict", str(model), str(field / "c.wav"), "--quiet", "--threshold", "0"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[1:4] for line in lines] == [["0.00", "1.00", "cat"], ["0.00", "1.00", "dog"]]


def test_a_broken_recording_is_named_and_the_exit_status_is_1(model, field, tmp_path, capsys):
    (tmp_path / "cut.wav").write_bytes((field / "a.wav").read_bytes()[:9999])
    arguments = [str(field / "c.wav"), str(tmp_path / "cut.wav"), str(tmp_path / "none.wav"), str(field / "b.flac")]
    assert main(["predict", str(model), *arguments, "--out", str(tmp_path / "w.csv"), "--quiet"]) == 1
    said = capsys.readouterr()
    assert "cut.wav' is cut short" in said.err
    assert "none.wav' does not exist" in said.err
    assert said.out == ""
    assert pd.read_csv(tmp_path / "w.csv")["filename"].unique().tolist() == [arguments[0], arguments[3]]


def test_what_cannot_be_used_says_so_before_anything_is_predicted(model, field, tmp_path, capsys):
    for arguments, said in (
        ([str(model), str(field), "--out", str(tmp_path / "w.doc")], "ends in none of"),
        ([str(model), str(field), "--out", str(tmp_path / "no" / "w.csv")], "its folder does not exist"),
        ([str(model), str(field), "--out", str(tmp_path / "w.csv"), "--hop", "0"], "hop must be"),
        ([str(tmp_path / "none.esc"), str(field), "--out", str(tmp_path / "w.csv")], "There is no model file"),
        ([str(model), str(tmp_path / "*.wav"), "--out", str(tmp_path / "w.csv")], "No file matches"),
    ):
        assert main(["predict", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "link.csv").symlink_to(tmp_path / "elsewhere")
    assert main(["predict", str(model), str(field), "--out", str(tmp_path / "link.csv")]) == 2
    assert "is a link" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["link.csv"]


CHILD = """
import sys
from esc_features.deployment import predict_to_file
predict_to_file(sys.argv[1], sys.argv[2], sys.argv[3], hop=0.05, n_jobs=2)
"""


@pytest.mark.kill
@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_writes_the_same_bytes(model, field, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed.csv", tmp_path / "killed.csv"
    predict_to_file(model, field, undisturbed, hop=0.05)
    partial = tmp_path / "killed.csv.partial"
    sizes = []
    for lines in (3, 12, 22):
        run = subprocess.Popen([sys.executable, "-c", CHILD, model, field, killed])
        while run.poll() is None and (not partial.exists() or partial.read_bytes().count(b"\n") < lines):
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not killed.exists()
        sizes.append(partial.stat().st_size)
    assert sizes == sorted(sizes)
    subprocess.run([sys.executable, "-c", CHILD, model, field, killed], check=True)
    assert killed.read_bytes() == undisturbed.read_bytes()
    assert not partial.exists()


def interrupted(model, field, out, after, monkeypatch):
    """Run until so many chunks are kept; return the numbers of those that were computed."""
    from esc_features.deployment import _predict_to_file as module

    computed = []
    predict_chunks = module.predict_chunks

    def stop(*arguments, **options):
        for chunk in predict_chunks(*arguments, **options):
            if len(computed) == after:
                raise KeyboardInterrupt
            computed.append(chunk.number)
            yield chunk

    monkeypatch.setattr(module, "predict_chunks", stop)
    with contextlib.suppress(KeyboardInterrupt), warnings.catch_warnings(action="ignore"):  # joblib tells of the rest
        predict_to_file(model, field, out, hop=0.1)
    monkeypatch.undo()
    return computed


@pytest.mark.slow
def test_what_was_predicted_is_not_predicted_again(model, field, tmp_path, monkeypatch):
    out = tmp_path / "w.csv"
    predict_to_file(model, field, tmp_path / "whole.csv", hop=0.1)
    assert interrupted(model, field, out, 4, monkeypatch) == [0, 1, 2, 3]
    assert interrupted(model, field, out, 5, monkeypatch) == [4, 5, 6, 7, 8]
    # A line that was cut off, as by a full disk.
    partial = tmp_path / "w.csv.partial"
    partial.write_bytes(partial.read_bytes()[:-30])
    numbers = interrupted(model, field, out, 1000, monkeypatch)
    assert numbers[0] == 8
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.slow
def test_another_run_begins_anew(model, field, tmp_path, monkeypatch):
    out, copy = tmp_path / "w.csv", tmp_path / "field"
    copy.mkdir()
    for file in field.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert interrupted(model, copy, out, 4, monkeypatch) == [0, 1, 2, 3]
    os.utime(copy / "c.wav", (1, 1))
    assert interrupted(model, copy, out, 2, monkeypatch) == [0, 1]
    (tmp_path / "other.esc").write_bytes(model.read_bytes() + b"\n")
    assert interrupted(model, copy, out, 1, monkeypatch) == [2]


@pytest.mark.slow
def test_a_recording_that_breaks_before_a_kill_stays_broken_after_it(model, field, tmp_path, monkeypatch):
    nan = np.random.default_rng(0).normal(0, 0.1, 16000 * 30).astype("f4")
    nan[16000 * 5] = np.nan
    soundfile.write(tmp_path / "nan.wav", nan, 16000, subtype="FLOAT")
    files = [tmp_path / "nan.wav", field / "b.flac"]
    interrupted(model, files, tmp_path / "w.csv", 3, monkeypatch)
    summary = predict_to_file(model, files, tmp_path / "w.csv", hop=0.1)
    assert list(summary.failures) == [str(files[0])]
    written = pd.read_csv(tmp_path / "w.csv")
    assert written["filename"].unique().tolist() == [str(files[1])]
    assert (summary.recordings, summary.windows) == (1, len(written))


def test_two_runs_do_not_write_one_file(model, field, tmp_path):
    journal = Journal(tmp_path / "w.csv.partial", "run", 2)
    with pytest.raises(ModelError, match="Another program is writing"):
        predict_to_file(model, field, tmp_path / "w.csv")
    journal.close()


def test_a_journal_drops_what_is_damaged_and_what_follows_it(tmp_path):
    path = tmp_path / "j"
    journal = Journal(path, "run", 3)
    for number in range(3):
        probabilities = np.full((2, 3), number / 7, np.float32)
        journal.write(
            Chunk(number, 2, [0, 1], [0.1, 1 / 3], [1.0, 2.0], probabilities=probabilities, failures={5: "ä"})
        )
    journal.close()
    journal = Journal(path, "run", 3)
    assert journal.done == {0, 1, 2}
    chunk = list(journal.chunks())[1]
    assert (chunk.segment, chunk.start, chunk.failures) == ([0, 1], [0.1, 1 / 3], {5: "ä"})
    np.testing.assert_array_equal(chunk.probabilities, np.full((2, 3), 1 / 7, np.float32))
    journal.close()
    content = bytearray(path.read_bytes())
    content[content.index(b'{"chunk":1') + 20] ^= 1
    path.write_bytes(content)
    journal = Journal(path, "run", 3)
    assert journal.done == {0}
    journal.close()
    journal = Journal(path, "other run", 3)
    assert journal.done == set()
    journal.close()


@pytest.mark.slow
def test_recordings_may_be_urls(model, field, tmp_path, monkeypatch):
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=field)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        summary = predict_to_file(model, [f"{url}/c.wav", f"{url}/none.wav"], tmp_path / "w.csv")
        server.shutdown()
    assert summary.recordings == 1
    assert list(summary.failures) == [f"{url}/none.wav"]
    assert pd.read_csv(tmp_path / "w.csv")["filename"].unique().tolist() == [f"{url}/c.wav"]


@pytest.mark.slow
def test_show_prints_the_card_of_a_model_and_the_features_of_a_store(model, tiny_store, capsys):
    assert main(["show", str(model)]) == 0
    assert "**Recognises** 2 categories" in capsys.readouterr().out
    assert main(["show", str(tiny_store.path)]) == 0
    assert capsys.readouterr().out.strip() == str(open_store(tiny_store.path))
    assert main(["show", str(model.parent / "none.esc")]) == 2
