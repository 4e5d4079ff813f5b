"""Recordings at URLs: the same samples, digest and messages as of files, and no short clip from a bad connection."""

import http.server
import socket
import subprocess
import sys
import threading
from collections import Counter

import numpy as np
import pytest
import soundfile

from esc_features import MelSpectrogram
from esc_features.audio import OpenRecording, RecordingReader, _remote, file_digest, read_recording, recording_duration
from esc_features.exceptions import AudioError

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

RATE = 8000
SOUND = np.random.default_rng(9).uniform(-0.5, 0.5, 5 * RATE)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves a folder; the first folder of the address says what goes wrong."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET(body=False)

    def do_GET(self, body=True):
        fault, name = self.path.strip("/").split("/")
        self.server.requests[self.command, fault] += 1
        path = self.server.folder / name
        attempt = self.server.requests[self.command, fault]
        if fault == "busy" or (fault == "busy-once" and attempt == 1):
            return self.answer(503, b"try later", body)
        if fault == "forbidden":
            return self.answer(403, b"no", body)
        if not path.is_file():
            return self.answer(404, b"<!DOCTYPE html>not found", body)
        content = path.read_bytes()
        if fault == "login":
            content = b"<!DOCTYPE html><html>Please log in.</html>"
        if fault == "partly":  # the server itself has a file that is cut
            content = content[: len(content) // 2]
        if fault == "ranges" and "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last or len(content)) + 1]
            return self.answer(206, content, body)
        if fault == "cut" or (fault == "cut-once" and attempt == 1):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return None
        if fault == "chunked-cut":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1000\r\n" + content[:2000])
            self.close_connection = True
            return None
        if fault == "silent":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000])
            self.wfile.flush()
            self.server.released.wait(20)
            return None
        return self.answer(200, content, body)

    def answer(self, status, content, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    soundfile.write(folder / "a.wav", SOUND, RATE)
    soundfile.write(folder / "a.flac", SOUND, RATE)
    (folder / "empty.wav").touch()
    return folder


@pytest.fixture(scope="module")
def server(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.folder, server.requests, server.released = folder, Counter(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def url(server, monkeypatch):
    monkeypatch.setattr(_remote, "_WAITS", (0.0, 0.0))
    server.requests.clear()
    return lambda fault, name="a.wav": f"http://127.0.0.1:{server.server_address[1]}/{fault}/{name}"


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
@pytest.mark.parametrize("way", ["good", "ranges", "busy-once", "cut-once"])
def test_a_url_is_read_as_the_file(url, folder, name, way):
    there, here = read_recording(url(way, name), 1.0, 3.0), read_recording(folder / name, 1.0, 3.0)
    np.testing.assert_array_equal(there.mono, here.mono)
    assert (there.digest, there.samples, there.notes) == (here.digest, here.samples, here.notes)
    assert file_digest(url("good", name)) == here.digest
    assert recording_duration(url("good", name)) == 5.0


@pytest.mark.parametrize(
    "fault, name, message",
    [
        ("cut", "a.wav", "cannot be downloaded: .*ayload"),
        ("chunked-cut", "a.flac", "cannot be downloaded: .*ayload"),
        ("busy", "a.wav", "cannot be downloaded: 503"),
        ("forbidden", "a.wav", "cannot be downloaded: 403"),
        ("good", "none.wav", "does not exist"),
        ("good", "empty.wav", "is an empty file"),
        ("partly", "a.wav", "is cut short: its header promises"),
        ("partly", "a.flac", "is cut short or damaged"),
        ("login", "a.wav", "is a web page, not audio"),
    ],
)
def test_faults_are_failures_by_name(url, fault, name, message):
    with pytest.raises(AudioError, match=message) as error:
        MelSpectrogram().transform([url(fault, name)])
    assert repr(url(fault, name)) in str(error.value)


def test_only_what_may_pass_is_asked_for_again(url, server):
    for fault, requests in (("busy", 3), ("forbidden", 1), ("cut", 3)):
        with pytest.raises(AudioError):
            read_recording(url(fault))
        assert server.requests["GET", fault] == requests


def test_a_server_that_falls_silent_is_not_waited_for(url, monkeypatch):
    monkeypatch.setattr(_remote, "_SILENCE", 0.2)
    monkeypatch.setattr(_remote, "_WAITS", ())
    with pytest.raises(AudioError, match=r"cannot be downloaded: .*imeout"):
        read_recording(url("silent"))


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _remote._WAITS, waits = (), _remote._WAITS
    try:
        with pytest.raises(AudioError, match=r"cannot be downloaded: .*onnect"):
            read_recording(f"http://127.0.0.1:{port}/a.wav")
    finally:
        _remote._WAITS = waits


def test_a_recording_is_downloaded_once_for_all_its_stretches(url, server):
    with RecordingReader() as recordings:
        for start in (0, 1, 2):
            recordings.read(url("good"), start, start + 2)
    assert server.requests["GET", "good"] == 1


def test_nothing_stays_in_the_temporary_folder(url, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("esc_features.audio._source._WHOLE", 0)
    with OpenRecording(url("good")) as recording:
        assert list(tmp_path.iterdir()) == []
        assert len(recording.read(4, 5).mono) == RATE
    with pytest.raises(AudioError):
        OpenRecording(url("cut"))
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_of_urls(folder):
    import fsspec

    here = read_recording(folder / "a.wav")
    fsspec.filesystem("memory").pipe_file("/sounds/a.wav", (folder / "a.wav").read_bytes())
    for url in ("memory://sounds/a.wav", f"file://{folder}/a.wav"):
        there = read_recording(url)
        np.testing.assert_array_equal(there.mono, here.mono)
        assert there.digest == here.digest
    with pytest.raises(AudioError, match="does not exist"):
        read_recording("memory://sounds/none.wav")
    with pytest.raises(AudioError, match="is a folder"):
        read_recording(f"file://{folder}")
    with pytest.raises(AudioError, match=r"cannot be opened: .*nonsense"):
        read_recording("nonsense://a.wav")


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(AudioError, match=r'pip install "esc_features\[remote\]"'):
        read_recording("http://127.0.0.1/a.wav")


def test_files_do_not_need_fsspec(folder):
    code = (
        "import sys; from esc_features.audio import read_recording as r; r(sys.argv[1]); print('fsspec' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, folder / "a.wav"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
