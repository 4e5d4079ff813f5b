"""What the server answers, and whom."""

import io
import shutil
import signal
import socket
import wave

import numpy as np
import pytest
import requests

from esc_features import open_store
from esc_features.exceptions import AudioError
from esc_features.viewer import Viewer


def ask(viewer, path, **parameters):
    answer = requests.get(viewer.url + path, params=parameters, timeout=300)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(viewer, **parameters):
    return [clip["row"] for clip in ask(viewer, "api/clips", **parameters)["clips"]]


class TestClips:
    def test_says_what_the_store_holds(self, viewer, tiny_store):
        about = ask(viewer, "api/store")
        assert (about["dataset"], about["clips"], about["pictures"]) == ("demo", 40, ["mel"])
        assert about["counts"]["category"] == [[name, 10] for name in tiny_store.categories]

    @pytest.mark.parametrize(
        ("parameters", "wanted"),
        [
            ({"category": "dog"}, lambda store: store.y == "dog"),
            ({"category": ["dog", "rain"], "fold": "2"}, lambda s: np.isin(s.y, ["dog", "rain"]) & (s.folds == 2)),
            ({"text": "DOG"}, lambda store: store.y == "dog"),
            ({"note": "silent"}, lambda store: np.zeros(len(store), bool)),
        ],
    )
    def test_filters_as_the_columns_say(self, viewer, tiny_store, parameters, wanted):
        assert rows(viewer, **parameters) == np.flatnonzero(wanted(tiny_store)).tolist()

    def test_keeps_the_clips_of_a_source(self, viewer, tiny_store):
        source = tiny_store.sources[7]
        assert rows(viewer, source=source) == np.flatnonzero(tiny_store.sources == source).tolist()

    def test_sorts_both_ways(self, viewer, tiny_store):
        names = tiny_store.clips["filename"]
        assert names.iloc[rows(viewer, sort="filename")].tolist() == sorted(names)
        assert names.iloc[rows(viewer, sort="filename", descending="1")].tolist() == sorted(names, reverse=True)

    def test_the_page_beyond_the_last_is_the_last(self, viewer):
        assert ask(viewer, "api/clips", page="99")["page"] == 1

    @pytest.mark.parametrize(
        "parameters",
        [{"category": "cat"}, {"sort": "colour"}, {"page": "x"}, {"page": "99999999999999"}, {"method": "none"}],
    )
    def test_a_wrong_question_is_answered_with_a_sentence(self, viewer, parameters):
        answer = requests.get(viewer.url + "api/clips", params=parameters, timeout=300)
        assert answer.status_code == 400
        assert answer.json()["error"].endswith(".")


class TestClip:
    def test_tells_all_that_is_known(self, viewer, tiny_store):
        name = tiny_store.clips["filename"][3]
        clip = ask(viewer, "api/clip", filename=name)
        assert (clip["row"], clip["labels"], clip["fold"]) == (3, [tiny_store.y[3]], tiny_store.folds[3])
        assert clip["measured"]["original_sample_rate"] == tiny_store.clips["original_sample_rate"][3]
        others = np.flatnonzero(tiny_store.sources == tiny_store.sources[3])
        assert [other["row"] for other in clip["siblings"]] == [row for row in others if row != 3]

    def test_ticks_stand_where_matplotlib_draws_them(self, viewer, tiny_store):
        from esc_features.plotting import SpectrogramDisplay

        axes = ask(viewer, "api/clip", filename=tiny_store.clips["filename"][0])["axes"]
        drawn = SpectrogramDisplay.from_store(tiny_store, 0).ax_
        for tick in axes["ticks"]:
            _, y = drawn.transAxes.inverted().transform(drawn.transData.transform((0, float(tick["text"]))))
            assert tick["position"] == pytest.approx(y, abs=1e-6)

    def test_plays_the_stored_waveform(self, viewer, tiny_store):
        content = requests.get(viewer.url + "sound/5", timeout=300).content
        with wave.open(io.BytesIO(content)) as sound:
            assert sound.getframerate() == tiny_store["waveform"].sample_rate
            played = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
        np.testing.assert_allclose(played, np.clip(tiny_store["waveform"][5], -1, 1), atol=1e-4)

    def test_a_player_may_jump(self, viewer):
        whole = requests.get(viewer.url + "sound/5", timeout=300).content
        part = requests.get(viewer.url + "sound/5", headers={"Range": "bytes=1000-1999"}, timeout=300)
        assert (part.status_code, part.content) == (206, whole[1000:2000])
        assert (
            requests.get(viewer.url + "sound/5", headers={"Range": f"bytes={10**9}-"}, timeout=300).status_code == 416
        )

    def test_an_unknown_clip_is_named(self, viewer):
        answer = requests.get(viewer.url + "api/clip", params={"filename": "cat.wav"}, timeout=300)
        assert "no clip 'cat.wav'" in answer.json()["error"]

    def test_a_thumbnail_is_the_spectrogram(self, viewer, tiny_store):
        from matplotlib import image

        picture = image.imread(io.BytesIO(requests.get(viewer.url + "picture/2", timeout=300).content), format="png")
        values = tiny_store["mel"][2]
        brightness = picture[::-1, :, :3].sum(axis=2)
        assert picture.shape[:2] == values.shape
        assert np.corrcoef(brightness.ravel(), values.ravel())[0, 1] > 0.95


@pytest.fixture(scope="module")
def without_waveforms(tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores") / "mel"
    shutil.copytree(tiny_store.path, folder, ignore=shutil.ignore_patterns("waveform", "mfcc"))
    return folder


class TestRecordings:
    """A store without waveforms plays what it was extracted from, and nothing else."""

    def test_plays_the_recording(self, without_waveforms, tiny_store):
        import soundfile

        viewer = Viewer(without_waveforms)
        samples, rate = soundfile.read(tiny_store.clips["path"][4], dtype="float32")
        heard = viewer.sounds.of(4)
        assert (heard.sample_rate, heard.origin) == (rate, "the recording")
        np.testing.assert_array_equal(heard.samples, samples)
        viewer.close()

    def test_another_file_of_that_name_stays_closed(self, without_waveforms, demo_folder, tmp_path):
        import soundfile

        for path in (demo_folder / "audio").iterdir():
            soundfile.write(tmp_path / path.name, np.zeros(8000), 8000)
        viewer = Viewer(without_waveforms, audio=tmp_path)
        with pytest.raises(AudioError, match="not the recording that was extracted"):
            viewer.sounds.of(0)
        assert "not the recording" in viewer.about()["silent_because"]
        assert viewer.spectrograms.png(0)[1:4] == b"PNG"
        viewer.close()

    def test_recordings_that_moved_are_found_where_they_are_said_to_be(self, without_waveforms, demo_folder, tmp_path):
        moved = tmp_path / "moved"
        shutil.copytree(demo_folder / "audio", moved)
        viewer = Viewer(without_waveforms, audio=moved)
        assert viewer.about()["silent_because"] == ""
        viewer.close()


class TestSafety:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "evil.example"}, 421),
            ({"Host": "127.0.0.1"}, 421),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({}, 200),
        ],
    )
    def test_only_its_own_page_is_answered(self, viewer, headers, status):
        answer = requests.get(viewer.url + "api/store", headers=headers, timeout=300)
        assert answer.status_code == status
        assert ("demo" in answer.text) == (status == 200)

    def test_localhost_is_this_machine_too(self, viewer):
        assert requests.get(viewer.url.replace("127.0.0.1", "localhost"), timeout=300).status_code == 200

    @pytest.mark.parametrize("path", ["", "api/store", "static/app.js", "sound/1"])
    def test_nothing_without_the_token(self, viewer, path):
        address = f"http://127.0.0.1:{viewer.port}/"
        for start in (address, f"{address}x/", f"{address}{viewer.url.rstrip('/')[-22:-1]}/"):
            assert requests.get(start + path, timeout=300).status_code == 403

    @pytest.mark.parametrize(
        "path",
        [
            "static/../_server.py", "static/%2e%2e/_server.py", "static/..%2f_server.py", "static//etc/passwd",
            "sound/../../etc/passwd", "sound/-1", "sound/40", "sound/%2fetc%2fpasswd", "thumbnail/1e3",
            "../../etc/passwd",
        ],
    )  # fmt: skip
    def test_no_path_leads_out(self, viewer, path):
        # requests would tidy the path up: it is sent as it stands.
        with socket.create_connection(("127.0.0.1", viewer.port)) as connection:
            target = f"/{viewer.url.split('/')[3]}/{path}"
            connection.sendall(
                f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{viewer.port}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.split()[1] in (b"400", b"403", b"404")
        assert b"root:" not in answer
        assert b"import" not in answer

    def test_every_answer_has_the_policy(self, viewer):
        for path in ("", "api/store", "static/app.js", "nowhere", "sound/0"):
            headers = requests.get(viewer.url + path, timeout=300).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"

    def test_answers_do_not_wait_for_the_acknowledgement_of_their_header(self, viewer):
        # What asyncio looks at before it sets TCP_NODELAY; without it each answer took 40 ms.
        assert viewer._socket.proto == socket.IPPROTO_TCP

    def test_listens_to_this_machine_alone(self, viewer):
        assert viewer._socket.getsockname()[0] == "127.0.0.1"

    def test_the_page_has_no_inline_script_or_style(self):
        from esc_features.viewer._server import STATIC

        page = (STATIC / "index.html").read_text()
        assert "<style" not in page
        assert page.count("<script") == page.count('<script type="module" src=') == 1
        for script in STATIC.glob("*.js"):
            text = script.read_text()
            assert not [word for word in ("innerHTML", "insertAdjacentHTML", "eval(", "document.write") if word in text]


def test_a_port_that_is_taken_is_named(viewer, tiny_store):
    with pytest.raises(ValueError, match=f"Port {viewer.port} cannot be used"):
        Viewer(tiny_store.path, viewer.port)


@pytest.mark.slow
def test_the_command_prints_the_address_and_ends_with_ctrl_c(tiny_store, serve):
    with serve(tiny_store.path) as (url, process):
        assert requests.get(url + "api/store", timeout=300).json()["clips"] == 40
        process.send_signal(signal.SIGINT)
        _, problems = process.communicate()
    assert process.returncode in (0, 130)
    assert "Traceback" not in problems


def test_looking_writes_nothing(tiny_store):
    before = {path: path.stat().st_mtime_ns for path in tiny_store.path.rglob("*")}
    viewer = Viewer(open_store(tiny_store.path))
    viewer.about(), viewer.clip(0), viewer.spectrograms.thumbnail(0)
    viewer.close()
    assert {path: path.stat().st_mtime_ns for path in tiny_store.path.rglob("*")} == before
