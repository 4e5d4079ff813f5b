"""The exported model says the same as the one it is of, without this package and without PyTorch."""

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, open_store, save_model
from esc_features.deployment import _export_onnx, export_onnx, load_model
from esc_features.exceptions import ModelError
from esc_features.models import ConvNetClassifier, DeepConvNetClassifier, ResNetClassifier, RNNClassifier
from esc_features.preprocessing import Standardizer

# Not imported here: that takes a second, and the fast tests need neither.
missing = [name for name in ("onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason="the extra onnx is not installed")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "onnx"


def session_of(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path)


def mel(**parameters):
    return MelSpectrogram(**{"duration": 0.5, "n_mels": 32, **parameters})


def net(kind=ConvNetClassifier, **parameters):
    return kind(**{"max_epochs": 8, "lr": 3e-3, "random_state": 0, "device": "cpu", **parameters})


@pytest.fixture(scope="module")
def tones():
    """Tones and noises that fade, and their names: something that can be learnt, with quiet parts."""
    rng, times = np.random.default_rng(0), np.arange(8000) / 16000
    fading = np.exp(-times * rng.uniform(1, 25, (24, 1)))
    tones = np.sin(2 * np.pi * rng.uniform(200, 4000, (24, 1)) * times)
    waveforms = np.where(np.arange(24)[:, np.newaxis] % 3 == 0, rng.normal(0, 0.3, (24, 8000)), tones) * fading
    return waveforms.astype("f4"), np.array(["noise", "tone", "tone"] * 8)


@pytest.fixture(scope="module")
def recording(tones, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "tones.wav"
    soundfile.write(path, tones[0].ravel().clip(-1, 1), 16000, subtype="FLOAT")
    return path


MODELS = {
    "convnet": lambda: (mel(), Standardizer(), net(module__dropout=0.5)),
    "deepconvnet": lambda: (
        mel(sample_rate=16000, top_db=None, reference=1.0),
        Standardizer(),
        net(DeepConvNetClassifier, max_epochs=8),
    ),
    "resnet": lambda: (mel(), net(ResNetClassifier, weights=None, max_epochs=1)),
    "rnn": lambda: (Waveform(duration=0.5), net(RNNClassifier, module__frame_length=300)),
    "odd frames": lambda: (mel(n_fft=401, hop_length=160, fmin=50, fmax=None), Standardizer("global"), net()),
    "mfcc": lambda: (MFCCStatistics(16000, 0.5, hop_length=500), StandardScaler(), LogisticRegression()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_exported_model_says_the_same(tones, recording, tmp_path, name):
    waveforms, labels = tones
    model = make_pipeline(*MODELS[name]()).fit(waveforms, labels)
    facts = export_onnx(model, tmp_path / "m.onnx", recordings=recording)
    assert facts["clips"] == 24
    assert facts["largest_difference"] <= 1e-4
    assert facts["any_length"] == (name in ("deepconvnet", "resnet"))
    session = session_of(tmp_path / "m.onnx")
    expected = model.predict_proba(waveforms)
    assert np.ptp(expected) > 0.1
    for batch in (1, 2, 7, 24):
        (probabilities,) = session.run(None, {"waveforms": waveforms[:batch]})
        np.testing.assert_allclose(probabilities, expected[:batch], atol=1e-4)
    if facts["any_length"]:
        assert session.run(None, {"waveforms": np.tile(waveforms[:2], 3)})[0].shape == (2, 2)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["categories"]) == ["noise", "tone"]
    assert (about["sample_rate"], about["duration"]) == ("16000", "0.5")


@pytest.mark.slow
def test_several_labels_are_probabilities_by_themselves(tones, recording, tmp_path):
    waveforms, labels = tones
    several = np.stack([labels == "tone", labels == "noise", np.arange(24) % 2 == 0], axis=1).astype(np.int8)
    model = make_pipeline(mel(), net()).fit(waveforms, several)
    card = save_model(model, tmp_path / "m.esc", categories=["tone", "noise", "even"])
    assert card.several_labels
    export_onnx(load_model(tmp_path / "m.esc"), tmp_path / "m.onnx", recordings=recording)
    session = session_of(tmp_path / "m.onnx")
    (probabilities,) = session.run(None, {"waveforms": waveforms})
    np.testing.assert_allclose(probabilities, model.predict_proba(waveforms), atol=1e-4)
    assert json.loads(session.get_modelmeta().custom_metadata_map["categories"]) == ["tone", "noise", "even"]


@pytest.mark.slow
def test_a_model_that_is_not_the_same_is_refused_and_nothing_is_written(tones, recording, tmp_path, monkeypatch):
    from esc_features.deployment import _layers

    class Deaf(_layers.Decibels):
        def forward(self, power):
            return super().forward(power) * 0.2

    monkeypatch.setattr(_layers, "Decibels", Deaf)
    model = make_pipeline(mel(), net()).fit(*tones)
    with pytest.raises(ModelError, match="The exported model is not the same: probabilities differ by up to"):
        export_onnx(model, tmp_path / "m.onnx", recordings=recording)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_says_so(tones, recording, tmp_path):
    model = make_pipeline(MFCCStatistics(16000, 0.5), KNeighborsClassifier(2)).fit(*tones)
    with pytest.raises(ModelError, match=r"KNeighborsClassifier cannot be exported to ONNX\. Use steps that can"):
        export_onnx(model, tmp_path / "m.onnx", recordings=recording)
    with pytest.raises(ValueError, match="give either store= or recordings="):
        export_onnx(model, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_it_is_checked_on_windows_spread_over_the_recordings(tones, recording):
    samples = tones[0].ravel().clip(-1, 1)
    np.testing.assert_array_equal(_export_onnx._from_recordings(recording, 16000, 0.1), samples.reshape(120, 1600))
    many = _export_onnx._from_recordings(recording, 16000, 0.01)
    assert len(many) == 256
    np.testing.assert_array_equal(many[[0, -1]], samples.reshape(1200, 160)[[0, -1]])


@pytest.mark.slow
def test_it_is_checked_on_the_clips_of_a_store(tiny_store, tmp_path):
    store = open_store(tiny_store.path, byte_limit=10**6)  # waveforms of 256 clips at 44.1 kHz exceed the default
    model = make_pipeline(MFCCStatistics(16000), StandardScaler(), LogisticRegression()).fit(store.audio, store.y)
    assert export_onnx(model, tmp_path / "m.onnx", store=store)["clips"] == 40


@pytest.fixture(scope="module")
def exported(small_net, waveforms, tmp_path_factory):
    """A model of noise for the examples, with its waveforms as files."""
    folder = tmp_path_factory.mktemp("exported")
    for number, waveform in enumerate(waveforms[:3]):
        soundfile.write(folder / f"{number}.wav", waveform, 16000, subtype="FLOAT")
    export_onnx(small_net, folder / "model.onnx", recordings=folder / "0.wav")
    return folder


@pytest.mark.slow
def test_twenty_lines_of_onnxruntime_need_neither_this_package_nor_torch(exported, small_net, waveforms):
    code = (
        "import runpy, sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('torch', 'esc_features', 'librosa', 'sklearn'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "runpy.run_path(sys.argv.pop(1))\n"
    )
    files = [str(exported / f"{number}.wav") for number in range(3)]
    command = [sys.executable, "-c", code, EXAMPLES / "predict.py", exported / "model.onnx", *files]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    probabilities = small_net.predict_proba(waveforms[:3])
    said = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[0] for line in said] == files
    assert [line[1] for line in said] == small_net.predict(waveforms[:3]).tolist()
    np.testing.assert_allclose([float(line[2]) for line in said], probabilities.max(axis=1), atol=2e-4)
    lines = (EXAMPLES / "predict.py").read_text().split('"""')[2].strip().splitlines()
    assert len(lines) <= 22


def ask_page(address, chromium, recordings):
    """What the page says of each recording, its last line of text, and what it asked for."""
    from playwright.sync_api import sync_playwright

    heard, requests = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(300_000)  # a busy machine may be slow
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        for recording in recordings:
            page.evaluate("delete document.body.dataset.probabilities")
            page.set_input_files("#recording", recording)
            page.wait_for_selector("body[data-probabilities]")
            heard.append(json.loads(page.evaluate("document.body.dataset.probabilities")))
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=Path(folder) / "onnx_page.png")
        status = page.inner_text("#status")
        browser.close()
    return heard, status, requests


@pytest.mark.slow
def test_a_browser_page_says_the_same(exported, small_net, waveforms, tmp_path):
    pytest.importorskip("playwright", reason="playwright is not installed")
    runtime = Path(os.environ.get("ONNXRUNTIME_WEB", "/tmp/onnxruntime-web/node_modules/onnxruntime-web/dist"))
    chromium = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    if not (runtime / "ort.wasm.min.mjs").exists():
        pytest.skip("onnxruntime-web is not there: npm install onnxruntime-web, and ONNXRUNTIME_WEB=.../dist")
    if not chromium.exists():
        pytest.skip("there is no Chromium: set CHROMIUM to its program")
    (tmp_path / "ort").symlink_to(runtime)
    (tmp_path / "index.html").write_bytes((EXAMPLES / "index.html").read_bytes())
    (tmp_path / "model.onnx").write_bytes((exported / "model.onnx").read_bytes())

    class Quiet(SimpleHTTPRequestHandler):
        def guess_type(self, path):
            return "text/javascript" if str(path).endswith(".mjs") else super().guess_type(path)

        def log_message(self, *_):
            pass

    recordings = [exported / f"{number}.wav" for number in range(3)]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/index.html"
        # In a thread of its own, because Playwright allows one browser per thread, and that of other tests may be open.
        with ThreadPoolExecutor(1) as thread:
            heard, status, requests = thread.submit(ask_page, address, chromium, recordings).result()
        server.shutdown()
    np.testing.assert_allclose(heard, small_net.predict_proba(waveforms[:3]), atol=1e-4)
    assert status.startswith(small_net.predict(waveforms[[2]])[0])
    assert all(url.startswith(("http://127.0.0.1", "blob:")) for url in requests)
