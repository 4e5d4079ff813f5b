"""Corrections: a table beside the store, which `extract` takes without computing anything."""

import shutil

import numpy as np
import pandas as pd
import pytest
import requests

from esc_features import extract, load_clips
from esc_features.datasets import apply_corrections
from esc_features.exceptions import ClipTableError
from esc_features.viewer import Viewer
from esc_features.viewer._corrections import Corrections


@pytest.mark.slow
def test_what_is_corrected_on_the_page_is_taken_by_extract(tiny_store, demo_folder, open_viewer, look, tmp_path):
    folder = tmp_path / "demo"
    shutil.copytree(tiny_store.path, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.h5")}
    name = tiny_store.clips["filename"][0]
    viewer = open_viewer(folder)
    page = look(viewer, f"#/clip?filename={name}")
    page.fill("#category", "howling, wolf")
    page.click("text=Save correction")
    page.wait_for_selector("#corrected:has-text('howling, wolf')")
    page.goto(viewer.url + "#/clips")
    page.wait_for_selector(".card b:has-text('→ howling, wolf')")
    page.goto(viewer.url + "#/corrections")
    page.wait_for_selector("#noted tbody tr")
    table = viewer.corrections.path
    assert table == tmp_path / "demo-corrections.csv"
    assert {path: path.read_bytes() for path in folder.rglob("*.h5")} == before
    clips = load_clips(demo_folder)
    clips.attrs["name"] = "demo"
    store = extract(apply_corrections(clips, table), folder, features="waveform,mel,mfcc", verbose=False)
    assert store.y[0] == "howling, wolf"
    np.testing.assert_array_equal(store.y[1:], tiny_store.y[1:])


def test_lines_of_others_stay(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("filename,category\ngone.wav,cat\nlong.wav,dog\n")
    corrections = Corrections(path, has_several_labels=False)
    corrections.change(("long.wav", 3.0, 6.0), "rain")
    path.write_text(path.read_text() + "other.wav,,,sea\n")
    corrections.change(("long.wav", 0.0, np.inf), None)
    table = pd.read_csv(path)
    assert table["filename"].tolist() == ["gone.wav", "long.wav", "other.wav"]
    assert table["start"].tolist()[1] == 3.0


@pytest.mark.parametrize(
    ("text", "message"),
    [("name,category\na,b\n", "has the columns"), ("filename,start,category\na,x,b\n", "line 2"), ("", "none")],
)
def test_a_table_of_something_else_is_refused_and_kept(tmp_path, text, message):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(ClipTableError, match=message):
        Corrections(path, has_several_labels=False)
    assert path.read_text() == text


@pytest.mark.parametrize("body", ['{"row": 0}x', '{"row": "0", "category": "a"}', '{"row": 400, "category": "a"}', "[]",
                                  '{"row": 0, "category": " "}', '{"row": 0, "category": "a\\nb"}'])  # fmt: skip
def test_a_wrong_correction_changes_nothing(tiny_store, tmp_path, body):
    with Viewer(tiny_store.path, corrections=tmp_path / "c.csv") as viewer:
        origin = {"Origin": viewer.url[: viewer.url.index("/", 8)]}
        answer = requests.post(viewer.url + "api/corrections", data=body, headers=origin, timeout=300)
        assert answer.status_code == 400
        assert (
            requests.post(viewer.url + "api/corrections", data='{"row": 0, "category": "a"}', timeout=300).status_code
            == 403
        )
    assert not (tmp_path / "c.csv").exists()


def test_several_labels_are_written_with_semicolons(tmp_path):
    corrections = Corrections(tmp_path / "c.csv", has_several_labels=True)
    corrections.change(("a.wav", 0.0, np.inf), "rain; dog")
    clips = pd.DataFrame({"filename": ["a.wav"], "start": [0.0], "end": [np.inf], "labels": [("sea",)], "target": [-1]})
    assert apply_corrections(clips, corrections.path)["labels"][0] == ("dog", "rain")


def test_corrections_never_go_into_the_store(tiny_store):
    with pytest.raises(ValueError, match="is in the store"):
        Viewer(tiny_store.path, corrections=tiny_store.path / "corrections.csv")
