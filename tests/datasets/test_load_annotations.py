"""load_annotations: tables, Raven and Audacity as these programs write them."""

import math

import pytest

from esc_features.datasets import load_annotations
from esc_features.exceptions import ClipTableError


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(table):
    assert list(table.columns) == ["filename", "start", "end", "label", "line"]
    return table[["filename", "start", "end", "label"]].to_numpy().tolist()


def test_table(tmp_path):
    path = write(tmp_path / "a.csv", "file,start,end,label", "x.wav,1,2.5,dog", "", 'x.wav,,,"rain, heavy"')
    found = load_annotations(path, {"filename": "file"})
    assert rows(found) == [["x.wav", 1, 2.5, "dog"], ["x.wav", 0, math.inf, "rain, heavy"]]
    assert found["line"].tolist() == [f"{path}: line 2", f"{path}: line 4"]


def test_table_of_one_recording(tmp_path):
    path = write(tmp_path / "x.tsv", "start\tend\tlabel", "1\t2\tdog")
    assert rows(load_annotations(path)) == [["x", 1, 2, "dog"]]
    assert rows(load_annotations(path, filename="y.flac")) == [["y.flac", 1, 2, "dog"]]


RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation",
    "1\tWaveform 1\t1\t1.25\t2.5\t0.0\t22050.0\trobin",
    "1\tSpectrogram 1\t1\t1.25\t2.5\t2000.0\t8000.0\trobin",
    "2\tSpectrogram 1\t1\t3\t4\t2000.0\t8000.0\twren",
)


def test_raven(tmp_path):
    path = write(tmp_path / "20240501_dawn.Table.1.selections.txt", *RAVEN)
    found = load_annotations(path)
    assert rows(found) == [["20240501_dawn", 1.25, 2.5, "robin"], ["20240501_dawn", 3, 4, "wren"]]
    assert found["line"].tolist() == [f"{path}: line 2", f"{path}: line 4"]
    species = write(tmp_path / "b.txt", *(line.replace("Annotation", "Song type") for line in RAVEN))
    with pytest.raises(ClipTableError, match=r"no column for label; .*in a Raven selection table, columns="):
        load_annotations(species)
    assert rows(load_annotations(species, {"label": "Song type"}, filename="d.wav"))[0] == ["d.wav", 1.25, 2.5, "robin"]


def test_raven_over_several_files_as_birdnet_writes_it(tmp_path):
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon Name"
    path = write(
        tmp_path / "all.selections.txt",
        header + "\tSpecies Code\tConfidence\tBegin File\tFile Offset (s)",
        "1\tSpectrogram 1\t1\t3.0\t6.0\t0\t15000\tEurasian Wren\twinwre4\t0.93\ta.wav\t3.0",
        "2\tSpectrogram 1\t1\t603.0\t606.0\t0\t15000\tRobin\teurrob1\t0.5\tb.wav\t3.0",
    )
    assert rows(load_annotations(path)) == [["a.wav", 3, 6, "Eurasian Wren"], ["b.wav", 3, 6, "Robin"]]


def test_audacity(tmp_path):
    path = write(
        tmp_path / "garden.txt",
        "0.500000\t1.500000\tblackbird",
        "\\\t2000.000000\t8000.000000",
        "3.25\t3.25\tclick of a tongue",
    )
    found = load_annotations(path)
    assert rows(found) == [["garden", 0.5, 1.5, "blackbird"], ["garden", 3.25, 3.25, "click of a tongue"]]
    assert found["line"].tolist() == [f"{path}: line 1", f"{path}: line 3"]


def test_folders_and_lists(tmp_path):
    one = write(tmp_path / "a.txt", "0\t1\tdog")
    two = write(tmp_path / "b.csv", "filename,start,end,label", "c.wav,0,1,cat")
    write(tmp_path / "notes.md", "nothing")
    expected = [["a", 0, 1, "dog"], ["c.wav", 0, 1, "cat"]]
    assert rows(load_annotations(tmp_path)) == rows(load_annotations([one, str(two)])) == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipTableError, match=r"empty holds no .csv, .tsv or .txt file"):
        load_annotations(tmp_path / "empty")


@pytest.mark.parametrize(
    "lines, message",
    [
        (
            ["filename,start,end", "a.wav,0,1"],
            r"no column for label; it has .*Annotations are filename,start,end,l",
        ),
        (["0\t1\tdog", "zero\tone\tdog"], r"line 2 is not an Audacity label \('zero\\tone\\tdog'\)"),
        (["0\t1\tdog", "1\t2\t"], r"Empty cells in label: line 2"),
        (["2\t1\tdog"], r"end before they start: line 1 \('2 to 1 s'\)"),
        (["0\tnan\tdog"], r"End must be a number of seconds, at least 0: line 1 \('nan'\)"),
        (["filename,start,end,label", "../a.wav,0,1,dog"], r"not a file inside the audio folder: line 2"),
        ([RAVEN[0], RAVEN[1].replace("2.5", "x")], r"End must be .*line 2 \('x'\)"),
    ],
)
def test_bad_files(tmp_path, lines, message):
    with pytest.raises(ClipTableError, match=message):
        load_annotations(write(tmp_path / "bad.txt", *lines))


def test_no_file(tmp_path):
    with pytest.raises(ClipTableError, match=r"nowhere.txt cannot be read"):
        load_annotations(tmp_path / "nowhere.txt")
