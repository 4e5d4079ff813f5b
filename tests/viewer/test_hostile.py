"""A store that a stranger made does no harm: its names are text, and its paths open nothing else."""

import numpy as np
import pandas as pd
import pytest
import requests
import soundfile

from esc_features import extract
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


def test_every_name_is_text(hostile, look, settled, tmp_path):
    with Viewer(hostile.path) as viewer:
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
        answer = requests.get(viewer.url + "sound/0", timeout=30)
        assert answer.status_code == 404
        assert "root:" not in answer.text
        assert requests.get(viewer.url + "thumbnail/0", timeout=30).status_code == 200


def test_a_secret_recording_elsewhere_is_not_played(hostile, tmp_path):
    soundfile.write(tmp_path / "secret.wav", np.zeros(8000), 8000)
    viewer = Viewer(hostile.path)
    viewer.collection._columns["path"] = np.array([str(tmp_path / "secret.wav")] * 4, object)
    with viewer:
        assert requests.get(viewer.url + "sound/0", timeout=30).status_code == 404
