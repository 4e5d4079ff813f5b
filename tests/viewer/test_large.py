"""100,000 clips: what is read, and what is kept."""

from pathlib import Path

import pytest
import requests

from benchmarks._data import synthetic_store
from esc_features.viewer import Viewer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return synthetic_store(tmp_path_factory.mktemp("large") / "store", 100_000)


def test_100_000_clips_are_paged_through(large, open_viewer, look):
    viewer = open_viewer(large)
    page = look(viewer)
    assert page.inner_text("h2") == "100,000 clips"
    page.wait_for_function("() => [...document.images].slice(0, 6).every((one) => one.complete && one.naturalWidth)")
    page.goto(viewer.url + "#/clips?page=1667")
    page.wait_for_selector("text=Page 1,667 of 1,667")
    assert page.locator(".card").count() == 40


def test_a_row_is_read_when_it_is_looked_at(large, monkeypatch):
    viewer = Viewer(large)
    source, read = type(viewer.store["mel"]._source), []
    gather = source.gather
    monkeypatch.setattr(source, "gather", lambda self, rows, out: read.extend(rows) or gather(self, rows, out))
    with viewer:
        for path in ("api/store", "api/clips?page=1667", "api/clips?text=99&sort=filename"):
            assert requests.get(viewer.url + path, timeout=300).status_code == 200
        assert not read
        requests.get(viewer.url + "thumbnail/99999", timeout=300)
    assert read == [99_999]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory without mapped files is counted on Linux")
def test_memory_does_not_grow_with_what_was_looked_at(large, serve):
    """In a process of its own, and without the pages of mapped files, which the system takes back when it wants."""
    with serve(large) as (url, process), requests.Session() as asking:

        def used():
            status = Path(f"/proc/{process.pid}/status").read_text()
            return int(status.partition("RssAnon:")[2].split()[0]) * 1024

        def look_at(pages):
            for number in pages:
                clips = asking.get(f"{url}api/clips", params={"page": number}, timeout=300).json()["clips"]
                for clip in clips:
                    assert asking.get(f"{url}thumbnail/{clip['row']}", timeout=300).content[1:4] == b"PNG"

        look_at(range(1, 6))
        before = used()
        look_at(range(100, 1600, 150))
        assert used() - before < 24e6  # 600 rows of 80 kB would be 48 MB
