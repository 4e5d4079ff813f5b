"""Windows become events, and events files of other programs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features import load_annotations, merge_detections
from esc_features.deployment import write_detections


def windows(probabilities, hop=1.0, duration=1.0, filename="a.wav"):
    start = np.arange(len(probabilities)) * hop
    return pd.DataFrame({"filename": filename, "start": start, "end": start + duration, "dog": probabilities})


def events(frame, **options):
    return list(merge_detections(frame, **options)[["start", "end"]].itertuples(index=False, name=None))


def test_probable_windows_that_touch_are_one_event():
    frame = windows([0.9, 0.8, 0.1, 0.6, 0.1, 0.1, 0.7])
    assert events(frame) == [(0, 2), (3, 4), (6, 7)]
    assert events(frame, gap=1) == [(0, 4), (6, 7)]
    assert events(frame, gap=2) == [(0, 7)]
    assert events(frame, threshold=0.75) == [(0, 2)]
    assert events(frame, threshold=0.95) == []
    assert merge_detections(frame)["score"].tolist() == pytest.approx([0.9, 0.6, 0.7])


def test_windows_that_overlap_are_one_event():
    assert events(windows([0.9, 0.1, 0.9, 0.1, 0.1, 0.9], hop=0.5, duration=1.0)) == [(0, 2), (2.5, 3.5)]
    assert events(windows([0.9] * 30, hop=0.1, duration=0.1)) == [(0, pytest.approx(3.0))]


def test_recordings_and_categories_are_apart_and_in_order():
    frame = pd.concat([windows([0.1, 0.9], filename="b.wav"), windows([0.9, 0.9], filename="a.wav")], ignore_index=True)
    frame["cat"] = [0.8, 0.2, 0.1, 0.6]
    found = merge_detections(frame)
    assert found[["filename", "start", "end", "label"]].to_numpy().tolist() == [
        ["b.wav", 0, 1, "cat"],
        ["b.wav", 1, 2, "dog"],
        ["a.wav", 0, 2, "dog"],
        ["a.wav", 1, 2, "cat"],
    ]
    only = merge_detections(frame, threshold={"cat": 0.7})
    assert only[["filename", "label"]].to_numpy().tolist() == [["b.wav", "cat"]]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 8), st.floats(0, 1)), min_size=1, max_size=20),
    st.integers(0, 5),
)
def test_events_are_the_connected_windows(rows, gap):
    frame = pd.DataFrame([{"filename": "a", "start": float(s), "end": float(s + d), "dog": p} for s, d, p in rows])
    probable = [(s, s + d) for s, d, p in rows if p >= 0.5]
    expected = []
    for start, end in sorted(probable):  # the textbook merge of intervals
        if expected and start <= expected[-1][1] + gap:
            expected[-1][1] = max(expected[-1][1], end)
        else:
            expected.append([start, end])
    assert events(frame, gap=gap) == [tuple(event) for event in expected]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="no column start, end"):
        merge_detections(pd.DataFrame({"filename": ["a"]}))
    with pytest.raises(ValueError, match="gap must be"):
        merge_detections(windows([1.0]), gap=-1)
    with pytest.raises(ValueError, match="threshold names 'cow', but the categories of windows are dog"):
        merge_detections(windows([1.0]), threshold={"cow": 0.5})


EVENTS = pd.DataFrame(
    {
        "filename": ["x/one.wav", "x/one.wav", "y/one.wav", "two.flac"],
        "start": [0.0, 2.5, 1.0, 3600.25],
        "end": [1.5, 7.5, 2.0, 3605.25],
        "label": ["dog", "sea waves", "dog", "tab\tand\nline"],
        "score": np.float32([0.9, 0.5, 0.75, 1.0]),
    }
)


@pytest.mark.parametrize(("name", "read"), [("e.csv", pd.read_csv), ("e.parquet", pd.read_parquet)])
def test_tables_come_back(tmp_path, name, read):
    assert write_detections(EVENTS, tmp_path / name) == [tmp_path / name]
    pd.testing.assert_frame_equal(read(tmp_path / name), EVENTS, check_dtype=False, atol=1e-5)


def test_times_of_recordings_of_many_hours_are_kept(tmp_path):
    times = np.array([12345.678, 360000.125, 0.1])
    frame = pd.DataFrame(
        {"filename": "a.wav", "start": times, "end": times + 1.005, "dog": np.float32([0.1, 1 / 3, 1])}
    )
    write_detections(frame, tmp_path / "w.csv")
    read = pd.read_csv(tmp_path / "w.csv")
    np.testing.assert_allclose(read[["start", "end"]], frame[["start", "end"]], rtol=0, atol=1e-6)
    assert (tmp_path / "w.csv").read_text().splitlines()[2] == "a.wav,360000.125,360001.13,0.333333"


def test_raven_reads_a_selection_table(tmp_path):
    write_detections(EVENTS, tmp_path / "e.selections.txt")
    table = pd.read_csv(tmp_path / "e.selections.txt", sep="\t")
    assert list(table.columns)[:5] == ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)"]
    assert table["Selection"].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(table["Begin Time (s)"], EVENTS["start"])
    np.testing.assert_allclose(table["End Time (s)"], EVENTS["end"])
    assert table["Begin File"].tolist() == EVENTS["filename"].tolist()
    assert table["Annotation"].tolist() == ["dog", "sea waves", "dog", "tab and line"]


def test_audacity_gets_a_file_for_each_recording(tmp_path):
    one = EVENTS[EVENTS["filename"] == "x/one.wav"]
    assert write_detections(one, tmp_path / "labels.txt") == [tmp_path / "labels.txt"]
    assert (tmp_path / "labels.txt").read_text() == "0.000000\t1.500000\tdog\n2.500000\t7.500000\tsea waves\n"
    written = write_detections(EVENTS, tmp_path / "all.txt")
    assert written == [tmp_path / "all" / name for name in ("one.txt", "one-2.txt", "two.txt")]
    assert written[1].read_text() == "1.000000\t2.000000\tdog\n"
    assert written[2].read_text() == "3600.250000\t3605.250000\ttab and line\n"


@pytest.mark.parametrize("name", ["e.csv", "e.selections.txt", "e.txt"])
def test_what_is_written_is_read_as_annotations(tmp_path, name):
    events = EVENTS.iloc[[0, 1]].assign(filename="one.wav") if name == "e.txt" else EVENTS.iloc[[0, 1, 2]]
    write_detections(events, tmp_path / name)
    read = load_annotations(tmp_path / name, filename="one.wav" if name == "e.txt" else None)
    columns = ["filename", "start", "end", "label"]
    pd.testing.assert_frame_equal(
        read[columns].reset_index(drop=True), events[columns].reset_index(drop=True), check_dtype=False
    )


def test_a_kind_that_is_not_known_and_windows_as_events_are_refused(tmp_path):
    with pytest.raises(ValueError, match="ends in none of"):
        write_detections(EVENTS, tmp_path / "e.xlsx")
    for name in ("e.txt", "e.selections.txt"):
        with pytest.raises(ValueError, match="these are windows"):
            write_detections(windows([1.0]), tmp_path / name)
    (tmp_path / "link.csv").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="is a link"):
        write_detections(EVENTS, tmp_path / "link.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["link.csv"]
