"""An exported site opens from disk, plays, and asks no one for anything."""

import subprocess
import sys

import pytest

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
