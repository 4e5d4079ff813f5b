"""load_clips: every column of a good table, and a message with lines for every bad one."""

import math
import ntpath
import posixpath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features.datasets import leaves_folder, load_clips
from esc_features.exceptions import ClipTableError

HEADER = "filename,fold,target,category,src_file,take"
ROWS = ["a.wav,1,0,dog,77,A", "b.wav,1,0,dog,77,B", "c.wav,2,1,cat,78,A", "d.wav,2,1,cat,79,A"]


@pytest.fixture
def data(tmp_path):
    """A folder in the layout of ESC-50 with four empty recordings; `data(text)` writes its table."""
    folder = tmp_path / "pets"
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    for name in "abcd":
        (folder / "audio" / f"{name}.wav").touch()

    def write(*lines, encoding="utf-8"):
        (folder / "meta" / "pets.csv").write_bytes("\n".join(lines).encode(encoding))
        return folder

    return write


def test_reads_a_folder_in_the_layout_of_esc50(data):
    folder = data(HEADER, *ROWS)
    clips = load_clips(folder)
    assert list(clips.columns) == ["filename", "fold", "target", "category", "src_file", "take", "start", "end", "path"]
    assert isinstance(clips.index, pd.RangeIndex)
    assert clips.attrs["name"] == "pets"
    assert clips["fold"].dtype == clips["target"].dtype == np.int64
    assert clips.iloc[1].to_dict() == {
        "filename": "b.wav",
        "fold": 1,
        "target": 0,
        "category": "dog",
        "src_file": "77",
        "take": "B",
        "start": 0.0,
        "end": math.inf,
        "path": str(folder / "audio" / "b.wav"),
    }


def test_real_folder_with_the_metadata_of_2000_clips_and_the_audio_of_400(esc10_folder):
    clips = load_clips(esc10_folder)
    names = {path.name for path in (esc10_folder / "audio").iterdir()}
    assert set(clips["filename"]) == names
    if len(names) == 400:
        assert clips.groupby(["category", "fold"]).size().eq(8).all()
        assert clips.equals(load_clips(esc10_folder, esc10=True))
        assert len(load_clips(esc10_folder, categories="dog,rain", folds=[1, 5])) == 32
        with pytest.raises(ClipTableError, match=r"40 of 80 clips .*categories=\['dog'\]"):
            load_clips(esc10_folder, categories=["dog", "cow"])


def test_other_table_with_other_names(data, tmp_path):
    table = tmp_path / "sounds.csv"
    table.write_text("file;split;label\nsub/e.wav;1.0;cow\nf.wav; 2 ;ant\n")
    (tmp_path / "audio" / "sub").mkdir(parents=True)
    for name in ("sub/e.wav", "f.wav"):
        (tmp_path / "audio" / name).touch()
    clips = load_clips(table, tmp_path / "audio", {"filename": "file", "fold": "split", "category": "label"})
    assert clips.attrs["name"] == "sounds"
    assert clips["fold"].tolist() == [1, 2]
    assert clips["target"].tolist() == [1, 0]
    assert clips["src_file"].tolist() == ["sub/e.wav", "f.wav"]
    assert clips["take"].tolist() == ["", ""]
    assert clips["path"].tolist() == [str(tmp_path / "audio" / "sub" / "e.wav"), str(tmp_path / "audio" / "f.wav")]


def test_target_without_category_and_empty_source(data):
    clips = load_clips(data("filename,fold,target,src_file", "a.wav,1,7,", "b.wav,1,7.0,x", "c.wav,2,8,x"))
    assert clips["category"].tolist() == ["7", "7", "8"]
    assert clips["src_file"].tolist() == ["a.wav", "x", "x"]


def test_target_stays_the_same_in_a_subset(data):
    folder = data("filename,fold,category", "a.wav,1,dog", "b.wav,1,cat", "c.wav,2,cow")
    assert load_clips(folder, categories="dog")["target"].tolist() == [2]


def test_a_column_can_be_ignored(data):
    folder = data(HEADER, *ROWS)
    assert load_clips(folder, columns={"src_file": None})["src_file"].tolist() == ["a.wav", "b.wav", "c.wav", "d.wav"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_line_ends(data, encoding):
    rows = [row.replace("dog", "köter") + "\r" for row in ROWS]
    clips = load_clips(data(HEADER + "\r", "\r", *rows, ",,,,,", encoding=encoding))
    assert clips["category"].tolist() == ["köter", "köter", "cat", "cat"]


def test_categories_with_any_name(data):
    folder = data("filename,fold,category", 'a.wav,1,"bark, loud"', "b.wav,1,NA", "c.wav,1,nan", "d.wav,1,None")
    assert load_clips(folder)["category"].tolist() == ["bark, loud", "NA", "nan", "None"]
    assert load_clips(folder, categories="bark, loud")["filename"].tolist() == ["a.wav"]
    assert load_clips(folder, categories="NA, nan")["filename"].tolist() == ["b.wav", "c.wav"]


def test_filters(data):
    folder = data(
        HEADER + ",esc10", *(row + flag for row, flag in zip(ROWS, [",True", ",false", ",1", ",0"], strict=True))
    )
    assert load_clips(folder, folds=2)["filename"].tolist() == ["c.wav", "d.wav"]
    assert load_clips(folder, folds=(2, 1), categories=["cat"])["filename"].tolist() == ["c.wav", "d.wav"]
    assert load_clips(folder, esc10=True)["filename"].tolist() == ["a.wav", "c.wav"]
    assert isinstance(load_clips(folder, folds=2).index, pd.RangeIndex)


BAD_TABLES = {
    "empty file": ([""], "is empty. It needs a line of column names"),
    "header only": ([HEADER], "has column names but no clips"),
    "no file name": (["file,fold,category", "a.wav,1,dog"], "no column for filename"),
    "no label": (["filename,fold,label", "a.wav,1,dog"], "no column for target, category or labels; it has.*None"),
    "a column twice": (["filename,fold,fold,target", "a.wav,1,2,0"], "more than one column 'fold'"),
    "too few fields": ([HEADER, ROWS[0], "b.wav,1,0"], "line 3 has 3 fields, but the header has 6"),
    "too many fields": ([HEADER, ROWS[0], ROWS[1] + ",x"], "line 3 has 7 fields"),
    "open quote": ([HEADER, ROWS[0], '"b.wav,1,0,dog,77,B', ROWS[2]], r"line 4 is not CSV .*quotes"),
    "same file twice": ([HEADER, *ROWS, ROWS[1]], r"same clip more than once: line 3 \('b.wav'\), line 6"),
    "same file, written otherwise": ([HEADER, ROWS[0], "./" + ROWS[0]], "same clip more than once: line 2 .*line 3"),
    "fold is a word": ([HEADER, ROWS[0], "b.wav,x,0,dog,77,B"], r"Fold must be a whole number.*line 3 \('x'\)"),
    "fold is a fraction": ([HEADER, "a.wav,1.5,0,dog,77,A"], r"line 2 \('1.5'\)"),
    "fold is missing": ([HEADER, "a.wav,,0,dog,77,A"], r"line 2 \(''\)"),
    "fold is nan": ([HEADER, "a.wav,nan,0,dog,77,A"], r"line 2 \('nan'\)"),
    "fold is infinite": ([HEADER, "a.wav,inf,0,dog,77,A"], r"line 2 \('inf'\)"),
    "fold is negative": ([HEADER, "a.wav,-1,0,dog,77,A"], r"line 2 \('-1'\)"),
    "fold is huge": ([HEADER, f"a.wav,{10**30},0,dog,77,A"], r"Fold must be a whole number"),
    "target is a word": ([HEADER, "a.wav,1,dog,dog,77,A"], r"Target must be a whole number.*line 2 \('dog'\)"),
    "no category": ([HEADER, "a.wav,1,0,,77,A"], r"Empty cells in category: line 2"),
    "two targets": (
        [HEADER, *ROWS[:3], "d.wav,2,0,cat,79,A"],
        r"A category with more than one target: line 4 \('cat = 1'\), line 5",
    ),
    "two categories": (
        ["filename,fold,target,category", "a.wav,1,0,dog", "b.wav,1,0,cat"],
        "A target with more than one cat",
    ),
    "esc10 is a word": ([HEADER + ",esc10", ROWS[0] + ",maybe"], r"esc10 must be True or False: line 2 \('maybe'\)"),
    "missing audio": (
        [HEADER, *ROWS, "e.wav,3,1,cat,80,A"],
        r"1 of 5 clips have no file in .*'e.wav' \(line 6\).*folds=\[1, 2\]",
    ),
    "no audio at all": ([HEADER, "e.wav,3,1,cat,80,A"], "1 of 1 clips have no file in .*right folder"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_table(data, kind):
    lines, message = BAD_TABLES[kind]
    with pytest.raises(ClipTableError, match=message):
        load_clips(data(*lines))


@pytest.mark.parametrize(
    "name",
    [
        "/a.wav",
        "../a.wav",
        "x/../../a.wav",
        "C:/a.wav",
        "C:a.wav",
        "\\a.wav",
        "..\\a.wav",
        "sub\\a.wav",
        "//host/share/a.wav",
    ]
    + ["a\0.wav", "..", ".", "sub/", "sub/.", ".. /a.wav", "..."],
)
def test_file_name_that_escapes(data, name):
    with pytest.raises(ClipTableError, match=r"not a file inside the audio folder: line 3 \("):
        load_clips(data(HEADER, ROWS[0], f"{name},1,0,dog,77,B"))


@pytest.mark.slow
@given(st.text(alphabet="./\\: abC~\0\n-", min_size=1, max_size=12) | st.text(min_size=1, max_size=12))
def test_no_accepted_name_leaves_the_audio_folder(name):
    if not leaves_folder(name):
        assert posixpath.normpath(posixpath.join("/d/audio", name)).startswith("/d/audio/")
        assert ntpath.normpath(ntpath.join("C:\\d\\audio", name)).startswith("C:\\d\\audio\\")
        assert all(part.strip(" .") or part in ("", ".") for part in name.split("/"))
        assert "\\" not in name


@settings(max_examples=25)
@given(st.from_regex(r"([a-z0-9][a-z0-9 .:_-]{0,5}[a-z0-9]/)?[0-9][A-Za-z0-9.+_-]{0,8}\.wav", fullmatch=True))
def test_ordinary_names_are_accepted(name):
    assert leaves_folder(name) == (name[1] == ":")


def test_links_that_leave_the_audio_folder(data, tmp_path):
    folder = data(HEADER, *ROWS, "sub/e.wav,1,0,dog,80,A")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "e.wav").touch()
    (folder / "audio" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(ClipTableError, match=r"lead out of the audio folder .*'sub/e.wav' \(line 6\)"):
        load_clips(folder)
    (folder / "audio" / "sub").unlink()
    (folder / "audio" / "sub").mkdir()
    (folder / "audio" / "sub" / "e.wav").symlink_to(tmp_path / "outside" / "e.wav")
    with pytest.raises(ClipTableError, match=r"'sub/e.wav' \(line 6\)"):
        load_clips(folder)
    (folder / "audio" / "sub" / "e.wav").unlink()
    (folder / "audio" / "sub" / "e.wav").symlink_to("../a.wav")
    assert len(load_clips(folder)) == 5


def test_audio_folder_itself_may_be_a_link(data, tmp_path):
    folder = data(HEADER, *ROWS)
    (folder / "audio").rename(tmp_path / "elsewhere")
    (folder / "audio").symlink_to(tmp_path / "elsewhere")
    assert len(load_clips(folder)) == 4


@pytest.mark.slow
def test_line_numbers_in_a_long_table_with_blank_and_folded_lines(data):
    rows = [f"{i}.wav,1,0,dog,{i},A" for i in range(100_000)]
    rows[10] = '10.wav,1,0,dog,"10\nstill 10",A'
    rows.insert(20, "")
    rows[-1] = rows[-1].replace(",1,0", ",one,0")
    with pytest.raises(ClipTableError, match=r"Fold must be .*line 100003 \('one'\)"):
        load_clips(data(HEADER, *rows))


def test_many_mistakes_are_counted_not_all_listed(data):
    with pytest.raises(ClipTableError, match=r"line 6 \('x'\) and 95 more\."):
        load_clips(data(HEADER, *(f"{i}.wav,x,0,dog,{i},A" for i in range(100))))


def test_mixed_encodings_name_the_line(data):
    folder = data(HEADER, *ROWS)
    table = folder / "meta" / "pets.csv"
    table.write_bytes(table.read_bytes().replace(b",cat,", b",ch\xe4t,") + "\nä.wav,1,0,dog,1,A".encode())
    with pytest.raises(ClipTableError, match=r"line 4 holds a byte that is not utf-8 \(0xe4\). Save the whole"):
        load_clips(folder)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"categories": "dgo"}, "no category 'dgo' here. Did you mean 'dog'.*The categories are cat, dog"),
        ({"categories": []}, "selects no clip"),
        ({"folds": [1, 9]}, r"no fold 9 here. Choose from \[1, 2\]"),
        ({"folds": []}, "selects no clip"),
        ({"folds": ["1"]}, "no fold '1' here"),
        ({"folds": [True]}, "no fold True here"),
        ({"categories": "dog", "folds": 2}, "No clip is left"),
        ({"esc10": True}, "no column 'esc10'"),
        ({"columns": {"file": "filename"}}, "the unknown name 'file'. Use filename, fold"),
        ({"columns": {"fold": "split"}}, r"no column for fold \(mapped to 'split'\)"),
        ({"columns": {"filename": None}}, "no column for filename"),
        ({"audio_dir": "nowhere"}, "There is no folder .*nowhere"),
    ],
)
def test_wrong_question(data, options, message):
    with pytest.raises(ClipTableError, match=message):
        load_clips(data(HEADER, *ROWS), **options)


def test_esc10_without_a_marked_clip(data):
    with pytest.raises(ClipTableError, match="No clip of the table is marked"):
        load_clips(data(HEADER + ",esc10", ROWS[0] + ",False"), esc10=True)


def test_wrong_place(data, tmp_path):
    folder = data(HEADER, *ROWS)
    with pytest.raises(ClipTableError, match=r"There is no .*nowhere. Give the folder"):
        load_clips(tmp_path / "nowhere")
    with pytest.raises(
        ClipTableError, match=r"is not a known data set: it holds pets.csv. If 'pets.csv' is its clip table"
    ):
        load_clips(folder / "meta")
    (tmp_path / "pets.csv").write_bytes((folder / "meta" / "pets.csv").read_bytes())
    with pytest.raises(ClipTableError, match=r"The recordings of the table .*pets.csv are not beside it .*--audio"):
        load_clips(tmp_path / "pets.csv")
    (folder / "meta" / "second.csv").touch()
    with pytest.raises(ClipTableError, match=r"has 2 tables meta/\*.csv: pets.csv, second.csv;"):
        load_clips(folder)
    (folder / "meta" / "second.csv").unlink()
    (folder / "meta" / "._pets.csv").touch()
    assert len(load_clips(folder)) == 4


def test_what_was_found_missing_can_be_asked_for(data):
    folder = data(HEADER + ",esc10", *(row + ",True" for row in ROWS), "e.wav,1,2,cow,80,A,False")
    assert len(load_clips(folder)) == 4, "the audio is exactly that of the ESC-10 clips"
    with pytest.raises(ClipTableError, match=r"1 of 3 clips .*categories=\['dog'\]"):
        load_clips(folder, categories="dog,cow")
    (folder / "audio" / "d.wav").unlink()
    with pytest.raises(ClipTableError, match=r"2 of 5 clips .*Select a complete part, categories=\['dog'\],"):
        load_clips(folder)
    with pytest.raises(ClipTableError, match=r"1 of 1 clips"):
        load_clips(folder, categories="cow")
    folder = data(
        HEADER + ",esc10", *(row + ",True" for row in ROWS), "e.wav,1,2,cow,80,A,False", "f.wav,1,2,cow,81,A,0"
    )
    for name in ("d.wav", "f.wav"):
        (folder / "audio" / name).touch()
    with pytest.raises(ClipTableError, match=r"1 of 6 clips .* esc10=True or "):
        load_clips(folder)
