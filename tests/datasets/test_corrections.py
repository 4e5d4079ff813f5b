"""apply_corrections: exactly the clips that are named, by identity."""

import numpy as np
import pandas as pd
import pytest

from esc_features.datasets import apply_corrections, check_clips, load_clips
from esc_features.exceptions import ClipTableError


@pytest.fixture
def clips():
    return check_clips(
        pd.DataFrame(
            {
                "filename": ["a.wav", "a.wav", "b.wav", "c.wav"],
                "start": [0, 3, 0, 0],
                "end": [3, 6, np.inf, np.inf],
                "category": ["dog", "dog", "rain", "cow"],
                "path": "/x",
            }
        )
    )


def write(tmp_path, *lines):
    path = tmp_path / "corrections.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_by_identity(clips, tmp_path):
    clips.attrs["name"] = "farm"
    path = write(tmp_path, "filename,start,end,category", "a.wav,3,6,rain", "./c.wav,,,wind")
    corrected = apply_corrections(clips, path)
    assert corrected["category"].tolist() == ["dog", "rain", "rain", "wind"]
    assert corrected["target"].tolist() == [1, 2, 2, 3]
    assert clips["category"].tolist() == ["dog", "dog", "rain", "cow"], "the table itself is left alone"
    assert corrected.attrs["name"] == "farm"
    assert corrected.dtypes.equals(clips.dtypes)
    shuffled = apply_corrections(clips[::-1], path)
    assert shuffled.sort_index().equals(corrected)


def test_labels(tmp_path):
    clips = check_clips(pd.DataFrame({"filename": ["a", "b"], "labels": [("dog",), ()], "path": "/x"}))
    path = write(tmp_path, "filename,labels", "b,wind;dog", "a,")
    assert apply_corrections(clips, path)["labels"].tolist() == [(), ("dog", "wind")]
    clips.attrs["categories"] = ["bird", "dog"]
    assert apply_corrections(clips, path).attrs["categories"] == ["bird", "dog", "wind"]


def test_before_anything_is_chosen(demo_folder, tmp_path):
    whole = load_clips(demo_folder)
    dog = whole["filename"][whole["category"] == "dog"].iloc[0]
    path = write(tmp_path, "filename,category", f"{dog},rain")
    rain = load_clips(demo_folder, categories="rain", corrections=path)
    assert dog in set(rain["filename"])
    assert rain["target"].nunique() == 1


@pytest.mark.parametrize(
    "lines, message",
    [
        (
            ["filename,label", "b.wav,dog"],
            r"no column category; it has 'filename', 'label'. Corrections have the columns filename,c",
        ),
        (["filename,category", "b.wav,"], r"Empty cells in category: line 2"),
        (["filename,category", "b.wav,cow", "d.wav,cow"], r"not in the data set: line 3 \('d.wav'\)\. .*Did you mean"),
        (["filename,category", "a.wav,cow"], r"line 2 \('a.wav'\)\..*has the clips a.wav 0-3 s, a.wav 3-6 s\."),
        (["filename,start,end,category", "a.wav,0,4,cow"], r"line 2 \('a.wav 0-4 s'\)"),
        (["filename,category", "b.wav,cow", "b.wav,dog"], r"more than once: line 2 \('b.wav'\), line 3"),
        (["filename,start,end,category", "a.wav,3,1,cow"], r"End must be after start: line 2 \('3 to 1 s'\)"),
        (["filename,category", "../b.wav,cow"], r"not a file inside"),
    ],
)
def test_bad_corrections(clips, tmp_path, lines, message):
    with pytest.raises(ClipTableError, match=message):
        apply_corrections(clips, write(tmp_path, *lines))


def test_no_file(clips, tmp_path):
    with pytest.raises(ClipTableError, match=r"The table .*nowhere.csv cannot be read: No such file"):
        apply_corrections(clips, tmp_path / "nowhere.csv")
