"""A viewer of the demo's store, and a real browser that looks at it."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra view is not installed")
pytest.importorskip("uvicorn", reason="the extra view is not installed")

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# No sound card is needed; a page may play before it was clicked; nothing is looked up on the way.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync",
           "--disable-component-update", "--disable-quic", "--autoplay-policy=no-user-gesture-required",
           "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]  # fmt: skip
PATIENCE = 300_000  # ms until a page that does not answer counts as broken: a busy machine may be slow


@pytest.fixture(scope="package")
def viewer(tiny_store):
    from esc_features.viewer import Viewer

    with Viewer(tiny_store.path) as running:
        yield running


@pytest.fixture(scope="session")
def serve():
    """A function that runs `esc_features view` on a store, in a process of its own, while its block runs."""

    @contextmanager
    def serving(store):
        command = [sys.executable, "-m", "esc_features", "view", str(store), "--no-browser"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process.stdout.readline().strip(), process
            finally:
                process.kill()

    return serving


@pytest.fixture(scope="package")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium: install it, or set CHROMIUM to its program")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS, timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture
def open_viewer():
    """A function that runs a viewer of a store until the test has ended, and its pages are closed."""
    from esc_features.viewer import Viewer

    with ExitStack() as stack:
        yield lambda store, **options: stack.enter_context(Viewer(store, **options))


@pytest.fixture
def look(browser, open_viewer):
    """A function that opens a view of a viewer; afterwards, nothing may have gone wrong in the page or left it."""
    contexts, problems, asked = [], [], []

    def open_view(viewer, view="", **options):
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(viewer.url + view)
        settled(page)
        return page

    open_view.problems, open_view.asked = problems, asked
    yield open_view
    for context in contexts:
        context.close()
    assert not problems
    assert all(url.startswith(("http://127.0.0.1:", "blob:", "data:", "file:")) for url in asked)


def settled(page, view=None):
    """Wait until the view that the address names is shown."""
    if view is not None:
        page.wait_for_function("view => view ? location.hash.startsWith(view) : !location.hash", arg=view)
    page.wait_for_function(
        "() => document.querySelector('main').getAttribute('aria-busy') === 'false'"
        " && (document.querySelector('main').dataset.shown ?? '') === location.hash"
    )


@pytest.fixture(name="settled")
def settled_fixture():
    return settled
