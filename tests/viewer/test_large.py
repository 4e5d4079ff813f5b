"""100,000 clips: what is read, and what is kept."""

import os
import time

import psutil
import pytest
import requests

from benchmarks._data import synthetic_store
from esc_features.viewer import Viewer

pytestmark = pytest.mark.slow


def test_100_000_clips_open_as_few_do(tmp_path, look):
    viewer = Viewer(synthetic_store(tmp_path / "big", 100_000))
    with viewer:
        page = look(viewer)
        assert page.inner_text("h2") == "100,000 clips"
        page.wait_for_function(
            "() => [...document.images].slice(0, 6).every((one) => one.complete && one.naturalWidth)"
        )
        page.goto(viewer.url + "#/clips?page=1667")
        page.wait_for_selector("text=Page 1,667 of 1,667")
        asking = requests.Session()

        def turn(number):
            clips = asking.get(viewer.url + "api/clips", params={"page": number}, timeout=60).json()["clips"]
            for clip in clips[::12]:
                assert asking.get(f"{viewer.url}thumbnail/{clip['row']}", timeout=60).content[1:4] == b"PNG"
            return len(clips)

        process = psutil.Process(os.getpid())
        [turn(number) for number in range(1, 10)]
        before = process.memory_full_info().uss
        start = time.perf_counter()
        assert sum(turn(number) for number in range(100, 120)) == 1200
        print(f"{(time.perf_counter() - start) * 50:.1f} ms for a page and 5 thumbnails")
        assert process.memory_full_info().uss - before < 20e6
