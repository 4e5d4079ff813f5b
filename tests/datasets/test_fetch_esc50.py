"""fetch_esc50 against a real HTTP server on 127.0.0.1, which is sometimes down, slow, broken or hostile."""

import collections
import contextlib
import http.server
import os
import pty
import ssl
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import numpy as np
import pytest

from esc_features.datasets import ESC50_BIBTEX, ESC50_LICENSE, fetch_esc50, fetch_esc50_metadata, load_clips
from esc_features.datasets._download import Mirror
from esc_features.exceptions import ClipTableError, DownloadError

CATEGORIES = ["dog", "rooster", "pig", "cow"]
CERTIFICATE = Path(__file__).with_name("localhost.pem")


def wav(number, samples=500):
    data = np.full(samples, number, dtype="<i2").tobytes()
    size = struct.pack("<I", 36 + len(data))
    form = struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16)
    return b"RIFF" + size + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data)) + data


NAMES = [f"{fold}-{100 + fold}-{take}-{target}.wav" for fold in range(1, 6) for target in range(4) for take in "AB"]
METADATA = "filename,fold,target,category,esc10,src_file,take\n" + "".join(
    f"{name},{fold},{target},{CATEGORIES[int(target)]},{target < '2'},{src},{take}\n"
    for name in NAMES
    for fold, src, take, target in [name.removesuffix(".wav").split("-")]
)
FIRST = "/audio/" + NAMES[0]


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; the first entries of `server.mood[path]` say how to answer the next requests."""

    protocol_version = "HTTP/1.1"
    retry_after = "0"

    def do_GET(self):
        with self.server.lock:
            self.server.requests[self.path] += 1
            moods = self.server.mood.get(self.path, self.server.mood.get("*", []))
            mood = moods if isinstance(moods, str) else (moods.pop(0) if moods else "well")
        body = self.server.files.get(self.path)
        if body is None:
            mood = "404"
        kind, _, detail = mood.partition(" ")
        if kind.isdecimal():
            self.answer(b"<html>no</html>", int(kind), [("Retry-After", self.retry_after)])
        elif kind == "redirect":
            self.answer(b"", 302, [("Location", detail)])
        elif kind == "html":
            self.answer(b"<!DOCTYPE html><title>Log in</title>")
        elif kind == "short":
            self.answer(body[:-7])
        elif kind == "cut":
            self.answer(body[: len(body) // 2], announced=len(body))
        elif kind == "cut_unannounced":
            self.answer(body[: len(body) // 2], announced=None)
        elif kind == "unannounced":
            self.answer(body, announced=None)
        elif kind == "huge":
            self.answer(b"RIFF", announced=10**12)
        elif kind == "endless":
            self.answer(b"RIFF", announced=None)
            while not self.server.over.is_set():
                self.wfile.write(bytes(1 << 20))
        elif kind == "stall":
            self.answer(body[:20], announced=len(body))
            self.server.over.wait(30)
        elif kind == "trickle":
            self.answer(b"", announced=len(body))
            for byte in body:
                if self.server.over.wait(0.01):
                    break
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
        else:
            self.answer(body)

    def answer(self, body, status=200, headers=(), announced=-1):
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        if announced is not None:
            self.send_header("Content-Length", str(len(body) if announced < 0 else announced))
        self.close_connection = announced is None or announced >= 0
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        """A client that hangs up on us is what several tests want."""


@pytest.fixture
def serve(monkeypatch):
    """Start servers; patience is cut to what a test can wait for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ESC50_MIRROR", raising=False)
    monkeypatch.setattr(Mirror, "pauses", (0, 0, 0))
    servers = []

    def start(tls=False):
        server = Server(("127.0.0.1", 0), Handler)
        server.files = {"/audio/" + name: wav(number) for number, name in enumerate(NAMES)}
        server.files["/meta/esc50.csv"] = METADATA.encode()
        server.mood, server.requests = {}, collections.Counter()
        server.lock, server.over = threading.Lock(), threading.Event()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.url = f"http{'s' * tls}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(serve):
    return serve()


def files_in(home):
    return sorted(path.name for path in (home / "ESC-50" / "audio").iterdir())


def test_fetches_the_subset_and_nothing_else_and_nothing_twice(server, tmp_path):
    clips = fetch_esc50(["dog", "cow"], folds=[1, 2], data_home=tmp_path, mirror=server.url)
    assert len(clips) == 8
    assert clips.attrs["name"] == "esc50"
    assert files_in(tmp_path) == sorted(clips["filename"])
    assert all(Path(path).read_bytes() == server.files[f"/audio/{Path(path).name}"] for path in clips["path"])
    assert set(server.requests.values()) == {1}
    assert len(server.requests) == 9
    assert clips.equals(load_clips(tmp_path / "ESC-50", categories="dog,cow", folds=[1, 2]))

    server.mood["*"] = "500"
    assert clips.equals(fetch_esc50(["dog", "cow"], folds=[1, 2], data_home=tmp_path, mirror=server.url))
    server.mood.clear()
    assert len(fetch_esc50(esc10=True, data_home=tmp_path, mirror=server.url)) == 20
    assert set(server.requests.values()) == {1}
    assert fetch_esc50(esc10=True, data_home=tmp_path, mirror=server.url).attrs["name"] == "esc10"


def test_corrections_are_made_before_clips_are_chosen(server, tmp_path):
    (tmp_path / "mine.csv").write_text(f"filename,category\n{NAMES[0]},cow\n")
    options = {"folds": 1, "data_home": tmp_path, "mirror": server.url}
    clips = fetch_esc50("cow", corrections=tmp_path / "mine.csv", **options)
    assert clips["filename"].tolist() == [NAMES[0], *fetch_esc50("cow", **options)["filename"]]


def test_environment_names_mirror_and_home(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ESC50_MIRROR", server.url + "/")
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path))
    assert len(fetch_esc50("dog", folds=1)) == 2
    assert len(files_in(tmp_path)) == 2


@pytest.mark.parametrize("as_url", [False, True])
def test_local_folder_as_mirror(server, tmp_path, as_url):
    fetch_esc50("dog", data_home=tmp_path / "a", mirror=server.url)
    folder = tmp_path / "a" / "ESC-50"
    clips = fetch_esc50("dog", data_home=tmp_path / "b", mirror=folder.as_uri() if as_url else folder)
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b") == sorted(clips["filename"])
    with pytest.raises(DownloadError, match=r"10 clips could not be fetched from .*No such file"):
        fetch_esc50("cow", data_home=tmp_path / "b", mirror=folder)


@pytest.mark.parametrize(
    "moods",
    ["503 408 425", "429 500 502", "504 cut cut_unannounced", pytest.param("stall stall", marks=pytest.mark.slow)],
)
def test_passing_trouble_is_overcome(server, tmp_path, monkeypatch, moods):
    monkeypatch.setattr(Mirror, "stall_timeout", 0.3 if "stall" in moods else 20)
    server.mood[FIRST] = moods.split()
    server.mood["/meta/esc50.csv"] = ["503"]
    clips = fetch_esc50("dog", folds=[1], data_home=tmp_path, mirror=server.url)
    assert server.requests[FIRST] == len(moods.split()) + 1
    assert server.requests["/meta/esc50.csv"] == 2
    assert Path(clips["path"][0]).read_bytes() == server.files[FIRST]


def test_a_length_that_is_not_announced_is_fine(server, tmp_path):
    server.mood["*"] = "unannounced"
    assert len(fetch_esc50("dog", folds=[1], data_home=tmp_path, mirror=server.url)) == 2
    assert set(server.requests.values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize(
    "mood, message, requests",
    [
        ("404", "404 Not Found", 1),
        ("403", "403 Forbidden", 1),
        ("503", "503 Service Unavailable, after 4 attempts", 4),
        ("cut", r"cut short \(.*522 bytes read, 522 more expected\)\), after 4 attempts", 4),
        ("cut_unannounced", "its WAV header states 1044 bytes, but there are 522, after 4", 4),
        ("stall", r"no answer in time \(stalled\), after 4 attempts", 4),
        ("trickle", "bytes after 0.3 s, too slow, after 4", 4),
        ("short", "its WAV header states 1044 bytes, but there are 1037", 1),
        ("html", "not a WAV file: it starts with b'<!DOCTYPE html", 1),
        ("huge", "more than 16777216 bytes", 1),
        ("endless", "more than 16777216 bytes", 1),
        ("redirect /audio/loop.wav", "404 Not Found", 1),
        ("redirect file:///etc/passwd", "redirected to 'file:///etc/passwd', which is not https or http", 1),
        ("redirect ftp://127.0.0.1/x.wav", "redirected to 'ftp:", 1),
        ("redirect http://[bad/x.wav", "Invalid IPv6 URL", 1),
        ("redirect " + FIRST, "redirected more than five times", 5),
    ],
)
def test_lasting_trouble_is_reported_and_the_others_completed(server, tmp_path, monkeypatch, mood, message, requests):
    if mood in ("stall", "trickle"):
        monkeypatch.setattr(Mirror, "stall_timeout", 0.2)
        monkeypatch.setattr(Mirror, "whole_timeout", 0.3)
    server.mood[FIRST] = mood
    with pytest.raises(
        DownloadError, match=rf"1 clips could not be fetched from {server.url}: {NAMES[0]} \(.*{message}"
    ) as info:
        fetch_esc50("dog", data_home=tmp_path, mirror=server.url)
    assert f"9 of the 10 requested clips are complete in {tmp_path}" in str(info.value)
    assert "mirror=" in str(info.value)
    assert "load_clips(" in str(info.value)
    assert server.requests[FIRST] == requests
    assert len(files_in(tmp_path)) == 9, "nothing of the failed file, and no temporary file"

    server.mood.clear()
    assert len(fetch_esc50("dog", data_home=tmp_path, mirror=server.url)) == 10
    assert max(count for path, count in server.requests.items() if path not in (FIRST, "/audio/loop.wav")) == 1


def test_a_redirect_within_http_is_followed(server, tmp_path):
    server.files["/moved.wav"] = wav(77)
    server.mood[FIRST] = f"redirect {server.url}/moved.wav"
    clips = fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    assert Path(clips["path"][0]).read_bytes() == wav(77)


def test_https_is_never_left(serve, tmp_path, monkeypatch):
    secure, plain = serve(tls=True), serve()
    with pytest.raises(DownloadError, match=r"meta/esc50.csv cannot be fetched .*CERTIFICATE_VERIFY_FAILED"):
        fetch_esc50("dog", data_home=tmp_path, mirror=secure.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    secure.mood[FIRST] = f"redirect {plain.url}{FIRST}"
    with pytest.raises(DownloadError, match=rf"{NAMES[0]} \(redirected to 'http://.*which is not https\)"):
        fetch_esc50("dog", data_home=tmp_path, mirror=secure.url)
    assert not plain.requests
    assert len(files_in(tmp_path)) == 9


def test_broken_files_are_replaced_and_whole_ones_are_not(server, tmp_path):
    fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    audio = tmp_path / "ESC-50" / "audio"
    (audio / NAMES[0]).write_bytes(wav(0)[:-1])
    (audio / NAMES[1]).write_bytes(wav(99))
    fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    assert (audio / NAMES[0]).read_bytes() == server.files[FIRST]
    assert (audio / NAMES[1]).read_bytes() == wav(99)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"<!DOCTYPE html><title>Log in</title>", "no column for filename, fold, target, category, esc10"),
        (METADATA.replace("fold", "split", 1).encode(), "no column for fold"),
        (METADATA[:-8].encode(), r"line 41 has \d fields"),
        (METADATA.replace(NAMES[3], "../../evil.wav").encode(), "not a file inside the audio folder"),
        (METADATA.replace(NAMES[3], "sub/evil.wav").encode(), "not names of ESC-50 clips: 'sub/evil.wav'"),
        (METADATA.replace(NAMES[3], ".bashrc").encode(), "not names of ESC-50 clips: '.bashrc'"),
        (METADATA.replace(NAMES[3], "CON.wav").encode(), "not names of ESC-50 clips: 'CON.wav'"),
    ],
)
def test_bad_metadata_is_refused(server, tmp_path, content, message):
    server.files["/meta/esc50.csv"] = content
    with pytest.raises(
        DownloadError, match=rf"meta/esc50.csv cannot be fetched .*not the metadata of ESC-50 .*{message}"
    ):
        fetch_esc50("dog", data_home=tmp_path, mirror=server.url)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert list(server.requests) == ["/meta/esc50.csv"]


def test_broken_present_metadata_is_replaced_by_good_only(server, tmp_path):
    fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    present = tmp_path / "ESC-50" / "meta" / "esc50.csv"
    present.write_text("broken")
    server.mood["/meta/esc50.csv"] = ["html"]
    with pytest.raises(DownloadError, match="not the metadata"):
        fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    assert present.read_text() == "broken"
    fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    assert present.read_text() == METADATA


def test_offline(serve, tmp_path):
    server = serve()
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=r"esc50.csv cannot be .*no connection .*ESC50_MIRROR.*extract_features"):
        fetch_esc50("dog", data_home=tmp_path, mirror=server.url)


@pytest.mark.slow
def test_gives_up_when_the_network_is_gone(server, tmp_path):
    server.mood = {"*": "503", "/meta/esc50.csv": []}
    with pytest.raises(DownloadError, match=r"and 11 more, then gave up: 16 in a row. 0 of the 40 requested clips"):
        fetch_esc50(data_home=tmp_path, mirror=server.url)


@pytest.mark.slow
def test_missing_files_alone_are_not_a_lost_network(server, tmp_path):
    server.mood = {"/audio/" + name: "404" for name in NAMES[:30]}
    with pytest.raises(DownloadError, match=r"30 clips could not be fetched .* 10 of the 40 requested clips"):
        fetch_esc50(data_home=tmp_path, mirror=server.url)


def test_two_at_once_end_with_whole_files(server, tmp_path):
    tables = []
    threads = [
        threading.Thread(target=lambda: tables.append(fetch_esc50(data_home=tmp_path, mirror=server.url)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tables) == 2
    assert files_in(tmp_path) == sorted(NAMES)
    assert all(Path(path).read_bytes() == server.files[f"/audio/{Path(path).name}"] for path in tables[0]["path"])


def test_wrong_questions(server, tmp_path):
    with pytest.raises(ClipTableError, match=r"no category 'dgo' here\. Did you mean 'dog'"):
        fetch_esc50("dgo", data_home=tmp_path, mirror=server.url)
    with pytest.raises(ClipTableError, match="no category 'cow'"):
        fetch_esc50("cow", esc10=True, data_home=tmp_path, mirror=server.url)
    assert files_in(tmp_path) == []
    for place in ("ftp://127.0.0.1", "nowhere/at/all"):
        with pytest.raises(DownloadError, match=r"is neither an https:// or http:// address nor a folder"):
            fetch_esc50("dog", data_home=tmp_path, mirror=place)


def test_unwritable_home(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"ESC-50 cannot be written: .*data_home= .*ESC_FEATURES_DATA"):
        fetch_esc50("dog", data_home=tmp_path / "file", mirror=server.url)


def test_credentials_of_the_mirror_are_not_printed(server, tmp_path):
    server.mood[FIRST] = "404"
    with pytest.raises(DownloadError) as info:
        fetch_esc50("dog", data_home=tmp_path, mirror=server.url.replace("//", "//me:secret@"))
    assert "secret" not in str(info.value)


def test_no_bar_where_there_is_no_terminal(server, tmp_path, capsys):
    fetch_esc50("dog", data_home=tmp_path, mirror=server.url)
    assert capsys.readouterr() == ("", "")


def test_licence_and_citation():
    assert "CC BY-NC 3.0" in ESC50_LICENSE
    assert "10.1145/2733373.2806390" in ESC50_BIBTEX


@pytest.mark.slow
@pytest.mark.parametrize("mood, waiting", [("503", True), ("stall", True), ("404", False), ("html", False)])
def test_waiting_is_advised_only_where_it_helps(server, tmp_path, monkeypatch, mood, waiting):
    monkeypatch.setattr(Mirror, "stall_timeout", 0.2)
    server.mood[FIRST] = mood
    with pytest.raises(DownloadError) as clip:
        fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)
    server.mood = {"/meta/esc50.csv": mood}
    with pytest.raises(DownloadError) as metadata:
        fetch_esc50_metadata(tmp_path / "other", mirror=server.url)
    for message in (str(clip.value), str(metadata.value)):
        assert ("when the network is back" in message) == waiting
        assert ("Waiting will not help: check whether" in message and "login page" in message) != waiting
        assert message.endswith("extract_features <its folder>).")


def test_metadata_alone(server, tmp_path):
    table = fetch_esc50_metadata(tmp_path, mirror=server.url)
    assert list(server.requests) == ["/meta/esc50.csv"]
    assert list(table.columns) == ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    assert table["filename"].tolist() == NAMES
    assert table["esc10"].sum() == 20 and table["esc10"].dtype == bool
    assert files_in(tmp_path) == []
    assert fetch_esc50("dog", folds=1, data_home=tmp_path, mirror=server.url)["filename"].isin(table["filename"]).all()
    assert server.requests["/meta/esc50.csv"] == 1


@pytest.mark.parametrize("announced, seconds", [("7", 7), ("0", 0), ("1000", 60), ("soon", 0), ("-1", 0), ("1.5", 0)])
def test_the_server_says_when_to_ask_again(server, tmp_path, monkeypatch, announced, seconds):
    waits = []

    class Patience(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            return False

    monkeypatch.setattr(Handler, "retry_after", announced)
    mirror = Mirror(server.url)
    mirror.stop = Patience()
    server.mood[FIRST] = ["503"]
    assert mirror.get(FIRST[1:], 10_000, lambda body: None) == server.files[FIRST]
    assert waits == [seconds]


def test_only_failures_in_a_row_mean_that_the_network_is_gone(server, tmp_path, monkeypatch):
    """Thirty of forty clips fail, in tens, and every fourth arrives: no row of sixteen."""
    monkeypatch.setattr(Mirror, "connections", 1)
    server.mood = {"/audio/" + name: "503" for number, name in enumerate(NAMES) if number % 4}
    with pytest.raises(DownloadError, match=r"30 clips could not be fetched") as info:
        fetch_esc50(data_home=tmp_path, mirror=server.url)
    assert "gave up" not in str(info.value)
    assert len(files_in(tmp_path)) == 10


@pytest.mark.slow
@pytest.mark.parametrize("verbose", [True, False])
def test_not_verbose_shows_no_bar_on_a_terminal_either(server, tmp_path, verbose):
    terminal, stderr = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    call = f"from esc_features import fetch_esc50 as f; f('dog', folds=1, verbose={verbose})"
    environment = os.environ | {"ESC50_MIRROR": server.url, "ESC_FEATURES_DATA": str(tmp_path)}
    subprocess.run([sys.executable, "-c", call], stderr=stderr, env=environment, timeout=120, check=True)
    os.close(stderr)
    written = b""
    with contextlib.suppress(OSError):  # the other end is closed and all is read
        while piece := os.read(terminal, 1 << 16):
            written += piece
    os.close(terminal)
    assert (b"ESC-50" in written) == verbose, written
    assert verbose or not written
