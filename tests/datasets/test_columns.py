"""What identifies a clip, how it is written, and which table is official."""

import math

import numpy as np
import pandas as pd
import pytest

from esc_features.datasets import CLIP_COLUMNS, clip_keys, clip_name, load_clips, official_name


@pytest.mark.parametrize(
    "clip, written",
    [
        (("rain.wav",), "rain.wav"),
        (("rain.wav", 0.0, math.inf), "rain.wav"),
        (("rain.wav", 3.0, 6.0), "rain.wav 3-6 s"),
        (("rain.wav", 0.0, 2.5), "rain.wav 0-2.5 s"),
        (("rain.wav", 3.25), "rain.wav from 3.25 s"),
        (("rain.wav", 0.3, 0.3 + 3), "rain.wav 0.3-3.3 s"),
        (("rain.wav", 3600, 1e5), "rain.wav 3600-100000 s"),
    ],
)
def test_clip_name(clip, written):
    assert clip_name(*clip) == written


def test_clip_keys_of_tables_with_and_without_windows():
    whole = pd.DataFrame({"filename": np.array(["a", "b"])})
    assert clip_keys(whole) == [("a", 0.0, math.inf), ("b", 0.0, math.inf)]
    parts = whole.assign(start=[0, 1], end=np.array([2.5, np.inf]))
    assert clip_keys(parts) == [("a", 0.0, 2.5), ("b", 1.0, math.inf)]
    assert [type(value) for value in clip_keys(parts)[0]] == [str, float, float]


def test_a_table_has_the_columns_and_dtypes_of_the_schema(demo_folder):
    clips = load_clips(demo_folder)
    assert list(clips.columns) == [column for column in CLIP_COLUMNS if column != "labels"]
    assert {name: str(dtype) for name, dtype in clips.dtypes.items()} == {
        name: dtype for name, dtype in CLIP_COLUMNS.items() if name != "labels"
    }


def test_official_by_content_and_not_by_name(esc10_folder, tmp_path):
    clips = load_clips(esc10_folder)
    if len(clips) != 400:
        pytest.skip("the real ESC-10 is not on this machine")
    (tmp_path / "whatever").symlink_to(esc10_folder)
    assert load_clips(tmp_path / "whatever").attrs["name"] == "esc10"
    assert official_name(clips) == "esc10"
    assert official_name(clips.sample(frac=1, random_state=0)) == "esc10"
    refolded = clips.assign(fold=np.roll(clips["fold"], 1))
    relabelled = clips.assign(target=clips["target"].where(clips.index != 7, 3))
    windows = clips.assign(end=5.0)
    for other in (refolded, relabelled, windows, clips[:-1], clips.drop(columns="fold")):
        assert official_name(other) is None


def test_a_folder_called_esc10_is_not_official(demo_folder, tmp_path):
    (tmp_path / "esc10").symlink_to(demo_folder)
    assert official_name(load_clips(tmp_path / "esc10")) is None
