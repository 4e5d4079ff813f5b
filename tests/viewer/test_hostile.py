"""A store that a stranger made does no harm: its names are text, and its paths open nothing else."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
import requests
import soundfile

from esc_features import extract, open_store
from esc_features.viewer import Viewer, export_site

EVIL = '<script>window.harm = 1</script>"\'><img src=x onerror="window.harm = 2">'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    names = ["a<b>&\"'.wav", "#?%2e%2e.wav", "javascript:alert(1).wav", "x onerror=1 .wav"]
    for name in names:
        soundfile.write(folder / name, rng.normal(0, 0.1, 8000), 8000)
    clips = pd.DataFrame(
        {"filename": names, "fold": [1, 1, 2, 2], "category": [EVIL, EVIL, "\u202egnp.evil", "{{7*7}}"]}
    )
    clips["src_file"] = EVIL
    clips["path"] = [str(folder / name) for name in names]
    return extract(clips, folder / "store", features="mel,mfcc", verbose=False)


@pytest.mark.slow
def test_every_name_is_text(hostile, open_viewer, look, settled, tmp_path):
    viewer = open_viewer(hostile.path)
    page = look(viewer)
    assert page.locator(".card b").first.inner_text() == EVIL
    for number in range(4):
        page.goto(viewer.url + "#/clips")
        settled(page, "#/clips")
        page.locator(".card").nth(number).click()
        settled(page, "#/clip?")
        assert page.inner_text("table.facts td >> nth=0") == hostile.clips["filename"][number]
    page.goto(viewer.url + "#/map")
    settled(page, "#/map")
    page.goto(viewer.url + "#/clips?text=<script>harm=1</script>&source=" + EVIL)
    settled(page)
    assert page.evaluate("window.harm") is None
    assert page.locator("main script, main img[src=x]").count() == 0
    export_site(viewer, tmp_path / "site")
    page.goto((tmp_path / "site/index.html").as_uri())
    assert page.locator(".card b").first.inner_text() == EVIL
    assert page.evaluate("window.harm") is None
    assert page.locator("script").count() == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:9/a.wav", "file:///etc/passwd", "", "/dev/zero"])
def test_no_path_of_the_store_opens_another_file(hostile, path, monkeypatch):
    viewer = Viewer(hostile.path)
    viewer.collection._columns["path"] = np.array([path] * 4, object)
    with viewer:
        answer = requests.get(viewer.url + "sound/0", timeout=300)
        assert answer.status_code == 404
        assert "root:" not in answer.text
        assert requests.get(viewer.url + "thumbnail/0", timeout=300).status_code == 200


@pytest.mark.parametrize("folder", ["//evil.example/share", "http://evil.example", "\\\\evil.example\\share"])
def test_no_folder_of_the_store_is_asked_elsewhere(hostile, folder):
    viewer = Viewer(hostile.path)
    viewer.sounds._facts = dataclasses.replace(viewer.sounds._facts, audio_folder=folder)
    viewer.collection._columns["path"] = np.array(["a.wav"] * 4, object)
    with viewer:
        answer = requests.get(viewer.url + "sound/0", timeout=300)
    assert answer.status_code == 404 and "not a file on this machine" in answer.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"sample_rate": 1e999, "n_mels": 1e999},
        {"sample_rate": 1e-300},
        {"hop_length": -1},
        {"hop_length": 10**400},
        {"fmax": {"a": 1}},
    ],
)
def test_wrong_parameters_only_spoil_the_axes(hostile, tmp_path, update_attribute, parameters):
    store = tmp_path / "store"
    shutil.copytree(hostile.path, store)
    for path in (store / "mel").glob("*.h5"):
        description = open_store(hostile.path).features["mel"]
        update_attribute(path, "description", parameters=description["parameters"] | parameters)
    with Viewer(store) as viewer:
        name = hostile.clips["filename"][0]
        clip = requests.get(viewer.url + "api/clip", params={"filename": name}, timeout=300)
        assert clip.status_code == 200 and clip.json()["axes"]["unit"] == "row"
        assert requests.get(viewer.url + "picture/0", timeout=300).content[1:4] == b"PNG"


@pytest.mark.slow
def test_rows_that_are_too_large_are_not_read(write_store, tmp_path):
    """A sparse file of a few kB can hold rows of any size."""
    write_store(tmp_path / "store", features=["mel"], shape=(20_000, 500), clips=1, folds=(1,))
    write_store(tmp_path / "store", features=["vector"], shape=(20_000,), clips=1, folds=(1,))
    viewer = Viewer(tmp_path / "store")
    assert viewer.vectors.features == [] and viewer.spectrograms._arrays == {}
    viewer.close()


@pytest.mark.parametrize("body", ["[" * 60_000, '{"row": 0, "category": "\\ud800"}', "\x00", '{"row": 1e999}'])
def test_what_is_no_json_is_a_sentence(hostile, body):
    with Viewer(hostile.path) as viewer:
        origin = {"Origin": viewer.url[: viewer.url.index("/", 8)]}
        answer = requests.post(viewer.url + "api/corrections", data=body, headers=origin, timeout=300)
        assert answer.status_code == 400 and answer.json()["error"]
        assert not viewer.corrections.path.exists()


def test_a_secret_recording_elsewhere_is_not_played(hostile, tmp_path):
    soundfile.write(tmp_path / "secret.wav", np.zeros(8000), 8000)
    viewer = Viewer(hostile.path)
    viewer.collection._columns["path"] = np.array([str(tmp_path / "secret.wav")] * 4, object)
    with viewer:
        assert requests.get(viewer.url + "sound/0", timeout=300).status_code == 404
