"""Extraction on a Dask cluster of real worker processes, one of them on a host with neither store nor recordings."""

import hashlib
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import joblib
import numpy as np
import pytest

from esc_features import MelSpectrogram, Waveform, extract, load_clips, open_store
from esc_features._cli import extract_features
from esc_features.exceptions import ExtractionError, StoreError
from esc_features.extraction import _cluster, _run

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

FEATURES = {
    "waveform": Waveform(sample_rate=8000, duration=0.1),
    "mel": MelSpectrogram(sample_rate=8000, duration=0.1, n_fft=256, hop_length=128, n_mels=8, fmax=4000),
}
CLIPS = 96

# A feature of a user that ends its worker, once or always, and one that is slow.
MODULE = """
import os, signal, time
from esc_features.features import Feature

class Deadly(Feature):
    name = "deadly"
    def __init__(self, flag="", sample_rate=8000, duration=0.1, dtype="float32"):
        self.flag, self.sample_rate, self.duration, self.dtype = flag, sample_rate, duration, dtype
    def output_shape(self):
        return (800,)
    def compute(self, waveforms):
        if not self.flag or not os.path.exists(self.flag):
            if self.flag:
                open(self.flag, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return waveforms.astype(self.dtype)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Short clips in two folds, and a module of a user."""
    import soundfile

    folder = tmp_path_factory.mktemp("cluster") / "data"
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number in range(CLIPS):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 800)
        soundfile.write(folder / f"audio/{number}.wav", noise, 8000)
        lines.append(f"{number}.wav,{1 + number % 2},0,noise")
    (folder / "meta/clips.csv").write_text("\n".join(lines))
    (folder / "module_of_cluster.py").write_text(MODULE)
    return folder


@pytest.fixture(autouse=True)
def same_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")


@pytest.fixture(scope="module")
def cluster_client(data):
    paths = os.pathsep.join([str(data), *filter(None, sys.path)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", paths)
        patch.syspath_prepend(data)
        with (
            distributed.LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.fixture
def client(cluster_client):
    """Two worker processes of this machine. Where a test killed some, new ones come; Dask may fail to start one."""
    with suppress(TimeoutError):
        cluster_client.wait_for_workers(2, timeout=60)
    return cluster_client


@pytest.fixture(scope="module")
def wanted(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1500000000")
        return digests(extract(load_clips(data), data.parent / "wanted", features=FEATURES, verbose=False).path)


def digests(store):
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in store.glob("*/f*")}


def run(client, data, store, features=FEATURES, **options):
    with joblib.parallel_config("dask", client=client):
        return extract(load_clips(data), store, features=features, verbose=False, **options)


@pytest.fixture
def travelled(monkeypatch):
    """The number of rows that came back from workers."""
    rows, write = [], _run.write_returned
    monkeypatch.setattr(
        _run,
        "write_returned",
        lambda block, done: (rows.extend(len(part.rows) for part in done.returned), write(block, done)),
    )
    return rows


@pytest.mark.slow
def test_workers_of_this_machine_write_in_place(client, data, tmp_path, wanted, travelled):
    run(client, data, tmp_path / "store")
    assert digests(tmp_path / "store") == wanted and travelled == []


def test_workers_of_another_system_return_their_rows(client, data, tmp_path, wanted, travelled, monkeypatch):
    monkeypatch.setattr(_cluster, "this_host", lambda: "another one")
    run(client, data, tmp_path / "store")
    assert digests(tmp_path / "store") == wanted and sum(travelled) == CLIPS * len(FEATURES)


def test_what_comes_back_never_piles_up(client, data, tmp_path, monkeypatch):
    """However slow the parent is, at most two blocks a thread are computed or wait."""
    monkeypatch.setattr(_cluster, "this_host", lambda: "another one")
    monkeypatch.setattr(_run, "BLOCK_CLIPS", 4)
    write, most = _run.write_returned, []

    def slow(block, done):
        most.append(len(client.futures))
        write(block, done)

    monkeypatch.setattr(_run, "write_returned", slow)
    run(client, data, tmp_path / "store")
    assert len(most) == CLIPS // 4 and max(most) <= 2 * 2


def test_a_relative_folder_is_that_of_the_caller(client, data, tmp_path, wanted, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(client, data, "store")
    assert digests(tmp_path / "store") == wanted


def test_failures_are_those_of_a_local_run(client, data, tmp_path):
    clips = load_clips(data)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    clips.loc[3, "path"] = str(broken)
    with joblib.parallel_config("dask", client=client), pytest.raises(ExtractionError) as failure:
        extract(clips, tmp_path / "store", features=FEATURES, verbose=False)
    assert failure.value.failures["filename"].tolist() == ["3.wav"] * 2
    assert (tmp_path / "store/mel/fold1.h5").exists() and not (tmp_path / "store/mel/fold2.h5").exists()


class TestVersions:
    def test_are_compared_before_anything_is_computed(self, client, data, tmp_path, monkeypatch):
        found = _run.make_plan

        def pretend(*args, **kwargs):
            plan = found(*args, **kwargs)
            for file in plan.files:
                file.wanted.versions.update(soxr="0.0.1", no_such_library="3")
            return plan

        monkeypatch.setattr(_run, "make_plan", pretend)
        with pytest.raises(
            StoreError, match=r"[12] of the workers.*numbers(?s:.*)no no_such_library, soxr .* not 0\.0\.1"
        ):
            run(client, data, tmp_path / "store")
        assert not list((tmp_path / "store").glob("*/fold*.h5"))

    def test_a_worker_that_leaves_while_it_is_asked_is_left_out(self, client, data, tmp_path, wanted, monkeypatch):
        flag, version = str(tmp_path / "flag"), _cluster.metadata.version

        def leave(name):
            try:
                os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return version(name)
            os._exit(1)

        monkeypatch.setattr(
            _cluster, "metadata", SimpleNamespace(version=leave, PackageNotFoundError=PackageNotFoundError)
        )
        run(client, data, tmp_path / "store")
        assert (tmp_path / "flag").exists() and digests(tmp_path / "store") == wanted

    def test_of_a_worker_that_joins_late(self):
        assert _cluster._differences((("soxr", "0.0.1"),))[0].endswith("and not 0.0.1")
        with pytest.raises(StoreError, match="joined the cluster cannot be used"):
            _cluster._compute(None, "", (("soxr", "0.0.1"),))


class TestDeaths:
    def test_a_killed_worker_costs_its_block_only(self, client, data, tmp_path, wanted):
        import module_of_cluster

        features = FEATURES | {"deadly": module_of_cluster.Deadly(str(tmp_path / "flag"))}
        store = run(client, data, tmp_path / "store", features)
        assert (tmp_path / "flag").exists()
        np.testing.assert_array_equal(store["deadly"].to_numpy(), store["waveform"].to_numpy())
        assert {name: digest for name, digest in digests(store.path).items() if "deadly" not in name} == wanted

    @pytest.mark.slow
    def test_a_block_that_brings_workers_down_is_a_failure_of_its_clips(self, client, data, tmp_path):
        import module_of_cluster

        clips = load_clips(data).head(3)
        with (
            joblib.parallel_config("dask", client=client),
            pytest.raises(ExtractionError, match="Several workers") as error,
        ):
            extract(clips, tmp_path / "store", features=[module_of_cluster.Deadly()], verbose=False)
        assert sorted(error.value.failures["filename"]) == ["0.wav", "1.wav", "2.wav"]

    def test_a_result_that_was_lost_with_its_worker_is_computed_again(self, data, tmp_path, wanted, monkeypatch):
        """It was there when the parent began to write another one."""
        monkeypatch.setattr(_cluster, "this_host", lambda: "another one")
        monkeypatch.setattr(_run, "BLOCK_CLIPS", 8)
        write, written = _run.write_returned, []

        def lose(block, done):
            write(block, done)
            written.append(block)
            if len(written) in (1, 3):  # the first one waits until several are there, and then they are lost
                wait_for(lambda: {state.status for state in client.futures.values()} == {"finished"})
            if len(written) == 3:
                cluster.scale(0)
                wait_for(lambda: "lost" in {state.status for state in client.futures.values()})
                cluster.scale(1)

        monkeypatch.setattr(_run, "write_returned", lose)
        with (
            distributed.LocalCluster(1, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            run(client, data, tmp_path / "store")
        assert digests(tmp_path / "store") == wanted and len(written) == CLIPS // 8

    def test_a_cluster_that_gives_up_keeps_what_was_computed(self, client, data, tmp_path, wanted, monkeypatch):
        monkeypatch.setattr(_cluster, "this_host", lambda: "another one")
        monkeypatch.setattr(_run, "BLOCK_CLIPS", 8)
        write, written = _run.write_returned, []

        def give_up(block, done):
            write(block, done)
            written.append(block)
            if len(written) == 2:
                client.cancel([distributed.Future(key) for key in client.futures], force=True)

        monkeypatch.setattr(_run, "write_returned", give_up)
        with pytest.raises(StoreError, match=r"or somebody cancelled it.*run the same command again"):
            run(client, data, tmp_path / "store")
        run(client, data, tmp_path / "store")
        assert digests(tmp_path / "store") == wanted and len(written) == CLIPS // 8

    @pytest.mark.slow
    def test_no_worker_is_left(self, data, tmp_path, monkeypatch):
        monkeypatch.setattr(_cluster, "_PATIENCE", 2)
        with (
            distributed.LocalCluster(1, processes=True, dashboard_address=None) as cluster,
            distributed.Client(cluster) as client,
        ):
            cluster.scale(0)
            wait_for(lambda: not client.nthreads())
            with pytest.raises(StoreError, match=r"No worker of the Dask cluster is left.*run the same command again"):
                run(client, data, tmp_path / "store")
        assert len(run_here(data, tmp_path / "store")) == CLIPS


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def run_here(data, store):
    return extract(load_clips(data), store, features=FEATURES, verbose=False)


@pytest.mark.slow
def test_a_cluster_that_grows_and_shrinks(data, tmp_path, wanted, monkeypatch):
    """Nobody is there when the run begins, and those who come go again as they please."""
    monkeypatch.setattr(_run, "BLOCK_CLIPS", 8)
    with (
        distributed.LocalCluster(0, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        cluster.adapt(minimum=0, maximum=2, interval="200ms", target_duration="100ms", wait_count=1)
        run(client, data, tmp_path / "store")
        assert digests(tmp_path / "store") == wanted
        wait_for(lambda: not client.nthreads())


class TestCommand:
    @pytest.mark.slow
    def test_local_processes(self, data, tmp_path, wanted, capsys):
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            "[features.waveform]\nclass = 'Waveform'\nsample_rate = 8000\nduration = 0.1\n"
            "[features.mel]\nclass = 'MelSpectrogram'\nsample_rate = 8000\nduration = 0.1\nn_fft = 256\n"
            "hop_length = 128\nn_mels = 8\nfmax = 4000\n"
        )
        arguments = [str(data), "--recipe", str(recipe), "--out", str(tmp_path / "store"), "--dask", "local:1"]
        assert extract_features(arguments) == 0
        assert digests(tmp_path / "store") == wanted
        assert "96 clips" in capsys.readouterr().out

    @pytest.mark.slow
    @pytest.mark.parametrize("address", ["local:x", "local:0", "tcp://127.0.0.1:1"])
    def test_an_address_that_is_none(self, data, tmp_path, capsys, monkeypatch, address):
        import dask.config

        with dask.config.set({"distributed.comm.timeouts.connect": 1}):
            assert extract_features([str(data), "--out", str(tmp_path / "store"), "--dask", address]) == 2
        assert address in capsys.readouterr().err and not (tmp_path / "store").exists()


WORKER = """
import os, subprocess, sys
hidden, address = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", hidden], check=True)
arguments = ["-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
os.execv(sys.executable, [sys.executable, *arguments])
"""


def command(*words):
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)


@pytest.fixture
def second_host():
    """The address of this host on a cable to another one, and what starts a program there."""
    name, net = f"esc{os.getpid() % 10000}", f"10.{200 + os.getpid() // 250 % 50}.{os.getpid() % 250}"
    here, there = f"{net}.1", f"{net}.2"
    try:
        command("ip", "netns", "add", name)
        command("ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b")
        command("ip", "link", "set", f"{name}b", "netns", name)
        command("ip", "addr", "add", f"{here}/24", "dev", f"{name}a")
        command("ip", "link", "set", f"{name}a", "up")
        for words in (f"addr add {there}/24 dev {name}b", f"link set {name}b up", "link set lo up"):
            command("ip", "netns", "exec", name, "ip", *words.split())
        command("ip", "netns", "exec", name, "unshare", "-m", "true")
    except (OSError, subprocess.CalledProcessError) as error:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        pytest.skip(f"network namespaces are not permitted here: {getattr(error, 'stderr', error)}")
    started = []

    def start(program, *arguments):
        inside = ["ip", "netns", "exec", name, "unshare", "-m", "--propagation", "private"]
        words = [*inside, sys.executable, "-c", program, *map(str, arguments)]
        started.append(
            subprocess.Popen(words, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        )
        return started[-1]

    yield here, start
    for process in started:
        process.kill()
        process.wait()
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        pass


@pytest.fixture
def served(data):
    """The recordings by HTTP on all addresses of this host: the port."""
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), partial(Quiet, directory=str(data / "audio")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.mark.kill
def test_a_second_host_without_the_disk_that_vanishes(data, second_host, served, tmp_path_factory, wanted, travelled):
    """Its rows come back over the cable, recordings come by HTTP; when it is gone, the first host does the rest."""
    here, start = second_host
    clips = load_clips(data)
    clips["path"] = [f"http://{here}:{served}/{name}" for name in clips["filename"]]
    store = data.parent / "over two hosts"
    with (
        distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None, host=here) as cluster,
        distributed.Client(cluster) as client,
        pytest.MonkeyPatch.context() as patch,
        joblib.parallel_config("dask", client=client),
    ):
        other = start(WORKER, tmp_path_factory.getbasetemp(), cluster.scheduler_address)
        client.wait_for_workers(2, timeout=60)
        write, blocks_of = _run.write_returned, []

        def kill_the_second_host(block, done):
            blocks_of.append("other" if done.returned else "this")
            if done.returned:
                other.kill()
            write(block, done)

        patch.setattr(_run, "write_returned", kill_the_second_host)
        patch.setattr(_run, "BLOCK_CLIPS", 4)
        extract(clips, store, features=FEATURES, verbose=False)
    # One block, and perhaps one more that had arrived by then.
    assert blocks_of.count("other") in (1, 2) and blocks_of.count("this") > 2
    assert other.wait(10) == -signal.SIGKILL
    local = open_store(data.parent / "wanted")
    for name in FEATURES:
        np.testing.assert_array_equal(open_store(store)[name].to_numpy(), local[name].to_numpy())
