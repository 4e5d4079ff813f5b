"""An exported site opens from disk, plays, and asks no one for anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from esc_features import evaluate, extract, make_demo
from esc_features.viewer import Viewer, export_site


@pytest.fixture(scope="module")
def site(tiny_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "site"
    command = [sys.executable, "-m", "esc_features", "view", str(tiny_store.path), "--export", str(folder)]
    run = subprocess.run([*command, "--where", "category=dog"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.mark.slow
def test_opens_from_disk_and_plays(site, browser, tiny_store):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.set_default_timeout(300_000)
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto((site / "index.html").as_uri())
    assert page.locator(".card").count() == (tiny_store.y == "dog").sum()
    page.focus(".card")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelectorAll('audio')[1].currentTime > 0.05")
    assert page.evaluate("document.querySelector('img').naturalWidth") == 157
    name = tiny_store.clips["filename"][tiny_store.y == "dog"].iloc[0]
    page.fill("#text", name)
    assert page.locator("li:visible").count() == 1
    context.close()
    assert not problems
    assert all(url.startswith(site.as_uri()) for url in asked)
    assert len(asked) > 5


@pytest.mark.slow
def test_what_is_there_stays(site, tiny_store, tmp_path):
    viewer = Viewer(tiny_store.path)
    with pytest.raises(ValueError, match="not empty"):
        export_site(viewer, site)
    with pytest.raises(ValueError, match="No clip matches"):
        export_site(viewer, tmp_path / "none", "text=cat")
    with pytest.raises(ValueError, match="40 clips match, more than 39"):
        export_site(viewer, tmp_path / "many", most=39)
    assert not list(tmp_path.iterdir())
    viewer.close()


@pytest.mark.slow
def test_says_what_was_predicted_and_which_recording_is_gone(tmp_path):
    clips = make_demo(tmp_path / "demo", n_categories=2, clips_per_category=10)
    store = extract(clips, tmp_path / "store", features="mfcc", verbose=False)
    board = evaluate(store, "knn", verbose=False)
    gone = clips["filename"][3]
    Path(clips["path"][3]).unlink()
    (tmp_path / "site").mkdir()
    with Viewer(store.path) as viewer:
        page = export_site(viewer, tmp_path / "site", "method=knn").read_text(encoding="utf-8")
    cards = page.split("<li>")[1:]
    assert len(cards) == 20
    for clip in board.predictions("knn").itertuples():
        (card,) = (card for card in cards if clip.filename in card)
        kind, mark = ("correct", "✓") if clip.true == clip.predicted else ("wrong", "✗")
        assert f'<span class="tag {kind}">{mark} knn: {clip.predicted} ' in card
        assert ("No sound." in card, "<img" in card, "<audio" in card) == (
            (True, False, False) if clip.filename == gone else (False, True, True)
        )
