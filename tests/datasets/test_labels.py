"""Clips with several labels, one, or none: every way that tables write them."""

import numpy as np
import pandas as pd
import pytest

from esc_features.datasets import check_clips, load_clips
from esc_features.exceptions import ClipTableError


def read(tmp_path, *rows, header="filename,labels"):
    for name in "abc":
        (tmp_path / f"{name}.wav").touch()
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return load_clips(path)


@pytest.mark.parametrize(
    "rows",
    [
        ["a.wav,rain;dog", "b.wav,dog", "c.wav,"],
        ["a.wav, dog ; rain;;dog", "b.wav,dog;", "c.wav,;"],
        ['a.wav,"rain,dog"', "b.wav,dog", "c.wav,"],
        ["a.wav,\"['rain', 'dog']\"", "b.wav,['dog']", "c.wav,[]"],
        ["a.wav,\"('rain', 'dog')\"", "b.wav,\"('dog',)\"", "c.wav,()"],
        ['a.wav,"[""rain"",""dog""]"', 'b.wav,"[""dog""]"', "c.wav,"],
    ],
)
def test_written_labels(tmp_path, rows):
    clips = read(tmp_path, *rows)
    assert clips["labels"].tolist() == [("dog", "rain"), ("dog",), ()]
    assert clips["target"].tolist() == [-1, -1, -1]
    assert "category" not in clips


@pytest.mark.parametrize(
    "labels",
    [
        [("rain", "dog"), ("dog",), ()],
        [["rain", "dog", "dog"], ["dog"], None],
        [{"rain", "dog"}, {"dog"}, set()],
        [np.array(["rain", "dog"]), np.array(["dog"]), np.array([])],
        ["rain;dog", "dog", np.nan],
    ],
)
def test_labels_of_a_dataframe(labels):
    frame = pd.DataFrame({"filename": list("abc"), "path": "/x"})
    frame["labels"] = pd.Series(labels, dtype=object)
    assert check_clips(frame)["labels"].tolist() == [("dog", "rain"), ("dog",), ()]


def test_a_semicolon_anywhere_leaves_commas_alone(tmp_path):
    clips = read(tmp_path, 'a.wav,"Speech, male;dog"', 'b.wav,"Speech, male"', "c.wav,")
    assert clips["labels"].tolist() == [("Speech, male", "dog"), ("Speech, male",), ()]


@pytest.mark.parametrize("cell", ["[dog", "[dog]", "[1, 2]", "[[]]", "(open('x'))"])
def test_what_is_no_list_of_labels(tmp_path, cell):
    if not cell.endswith(("]", ")")):
        assert read(tmp_path, f'a.wav,"{cell}"')["labels"].tolist() == [(cell,)]
        return
    with pytest.raises(ClipTableError, match=r"Cells in labels that are not labels: line 2 .*'dog;rain'"):
        read(tmp_path, f'a.wav,"{cell}"')


def test_category_or_labels(tmp_path):
    with pytest.raises(ClipTableError, match=r"a column for labels and one for category\. Ignore one"):
        read(tmp_path, "a.wav,dog,dog", header="filename,labels,category")


def test_categories_of_labelled_clips(tmp_path):
    read(tmp_path, "a.wav,rain;dog", "b.wav,cow", "c.wav,")
    clips = load_clips(tmp_path / "table.csv", categories="dog,cow")
    assert clips["labels"].tolist() == [("dog",), ("cow",)], "only what was asked for is a category"
    with pytest.raises(
        ClipTableError, match=r"no category 'dgo' here\. Did you mean 'dog'\? The categories are cow, dog, rain"
    ):
        load_clips(tmp_path / "table.csv", categories="dgo")


def test_a_written_table_reads_the_same(tmp_path):
    clips = read(tmp_path, "a.wav,rain;dog", "b.wav,dog", "c.wav,")
    clips.to_csv(tmp_path / "again.csv", index=False)
    again = load_clips(tmp_path / "again.csv")
    assert again.equals(clips)


def test_recordings_without_labels(tmp_path):
    clips = read(tmp_path, "a.wav,3", "b.wav,", header="filename,end")
    assert clips["labels"].tolist() == [(), ()]
    assert clips["end"].tolist() == [3, np.inf]
    with pytest.raises(ClipTableError, match=r"no column for target, category or labels; .*\{'category': None\}"):
        read(tmp_path, "a.wav,3", header="filename,something")
    assert load_clips(tmp_path / "table.csv", columns={"category": None})["labels"].tolist() == [()]
