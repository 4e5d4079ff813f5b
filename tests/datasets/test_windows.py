"""cut_windows and label_windows against plain loops, and what they say of bad input."""

import math

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from esc_features.datasets import check_clips, clip_keys, cut_windows, find_clips, label_windows
from esc_features.exceptions import ClipTableError

RATE = 1000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder with recordings of 10, 2.5 and 0.2 s."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, seconds in (("long", 10), ("middle", 2.5), ("short", 0.2)):
        sf.write(folder / f"{name}.wav", np.full(int(seconds * RATE), 0.1), RATE)
    return folder


def table(folder, names, **columns):
    paths = [str(folder / name) for name in names]
    return check_clips(pd.DataFrame({"filename": names, "path": paths, **columns}))


tenths = st.integers(1, 120).map(lambda number: number / 10)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 99), length=st.none() | st.integers(1, 100), duration=tenths, hop=tenths)
def test_windows_are_those_of_a_plain_loop(recordings, start, length, duration, hop):
    # In tenths of a second, where whole numbers are exact.
    stop = 100 if length is None else start + length
    assume(stop <= 100)
    end = math.inf if length is None else stop / 10
    clips = table(recordings, ["long.wav"], start=[start / 10], end=[end], category=["dog"])
    expected = {"drop": [], "pad": []}
    begin, size, step = start, round(duration * 10), round(hop * 10)
    while begin < stop:
        if begin + size <= stop:
            expected["drop"].append((begin / 10, (begin + size) / 10))
        expected["pad"].append((begin / 10, min(begin + size, stop) / 10))
        if begin + size >= stop:
            break
        begin += step
    for last, wanted in expected.items():
        if not wanted:
            with pytest.raises(ClipTableError, match="No clip is as long as a window"):
                cut_windows(clips, duration, hop, last)
            continue
        windows = cut_windows(clips, duration, hop, last)
        np.testing.assert_allclose(windows[["start", "end"]], wanted, atol=1e-9)
        full = windows["end"] - windows["start"] >= duration
        assert full[:-1].all(), "not a sample less than asked for, whatever the rounding"
        assert full.iloc[-1] or last == "pad"


def test_what_the_table_says_of_a_clip_holds_for_its_windows(recordings):
    clips = table(recordings, ["middle.wav", "long.wav"], category=["b", "a"], fold=[2, 1], src_file=["s", "t"])
    clips.attrs["name"] = "field"
    windows = cut_windows(clips, 1)
    assert windows["filename"].tolist() == ["middle.wav"] * 2 + ["long.wav"] * 10
    assert windows[["filename", "fold", "target", "category", "src_file", "take", "path"]].drop_duplicates().to_numpy(
    ).tolist() == clips.drop(columns=["start", "end"]).to_numpy().tolist()  # fmt: skip
    assert windows.attrs["name"] == "field"
    assert windows.dtypes.equals(clips.dtypes)
    assert windows.equals(check_clips(windows))
    assert len(set(clip_keys(windows))) == 12


def test_clips_of_every_length_in_one_table(recordings):
    clips = table(recordings, ["long.wav", "middle.wav", "short.wav"])
    assert cut_windows(clips, 3)["filename"].unique().tolist() == ["long.wav"]
    padded = cut_windows(clips, 3, last="pad")
    assert clip_keys(padded) == [
        ("long.wav", 0, 3), ("long.wav", 3, 6), ("long.wav", 6, 9), ("long.wav", 9, 10),
        ("middle.wav", 0, 2.5), ("short.wav", 0, 0.2),
    ]  # fmt: skip
    gaps = cut_windows(clips, 1, hop=9.5, last="pad")
    assert clip_keys(gaps) == [("long.wav", 0, 1), ("long.wav", 9.5, 10), ("middle.wav", 0, 1), ("short.wav", 0, 0.2)]


@pytest.mark.parametrize(
    "options",
    [
        *({"duration": duration} for duration in (0, np.nan, np.inf, True, "3")),
        {"duration": 1, "hop": -1},
        {"duration": 1, "last": "keep"},
    ],
)
def test_questions_that_make_no_sense(recordings, options):
    with pytest.raises(ValueError, match=f"{list(options)[-1]} must be "):
        cut_windows(table(recordings, ["long.wav"]), **options)


def test_clips_beyond_the_end(recordings):
    clips = table(recordings, ["middle.wav", "middle.wav", "long.wav"], start=[0, 2.5, 3], end=[2.6, np.inf, np.inf])
    with pytest.raises(ClipTableError, match=r"row 0 \(middle.wav 0-2.6 s, but it has 2.5 s\), row 1 \("):
        cut_windows(clips, 1)
    rounded = clips[:1].assign(end=2.505)
    assert cut_windows(rounded, 2.5)["end"].tolist() == [2.5]


def test_recordings_that_cannot_be_read(recordings):
    (recordings / "text.wav").write_text("no sound")
    with pytest.raises(ClipTableError, match=r"2 of 3 recordings cannot be cut: .*text.wav.*gone.wav.*exist"):
        cut_windows(table(recordings, ["long.wav", "text.wav", "gone.wav"]), 1)


quarters = st.integers(0, 40).map(lambda number: number / 4)
stretches = st.tuples(quarters, st.integers(0, 40).map(lambda number: number / 4))
annotated = st.lists(st.tuples(st.sampled_from("ab"), stretches, st.sampled_from("xyz")), max_size=8)
shares = st.sampled_from([0.01, 0.25, 0.5, 0.75, 1.0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*label no window")
@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), stretches), min_size=1, max_size=8), annotated, shares)
def test_labels_are_those_of_a_plain_loop(windows, annotations, min_overlap):
    windows = sorted({(name, start, start + length + 0.25) for name, (start, length) in windows}, key=hash)
    annotations = [(name, start, start + length, label) for name, (start, length), label in annotations]
    expected = []
    for name, start, end in windows:
        labels = set()
        for other, begin, stop, label in annotations:
            overlap = min(end, stop) - max(start, begin)
            long_enough = overlap > 0 and overlap >= min_overlap * min(end - start, stop - begin)
            point = begin == stop and start <= begin < end
            if name == other and (long_enough or point):
                labels.add(label)
        expected.append(tuple(sorted(labels)))
    clips = pd.DataFrame(windows, columns=["filename", "start", "end"]).assign(path="/x", category="c")
    annotations = pd.DataFrame(annotations, columns=["filename", "start", "end", "label"])
    annotations = annotations[annotations["filename"].isin(clips["filename"])]
    labelled = label_windows(clips, annotations, min_overlap)
    assert labelled["labels"].tolist() == expected
    assert clip_keys(labelled) == windows
    assert "category" not in labelled and (labelled["target"] == -1).all()
    assert labelled.equals(check_clips(labelled))


def test_a_point_in_time_belongs_to_the_window_that_starts_there():
    clips = pd.DataFrame({"filename": "a", "start": [0, 1, 2], "end": [1, 2, 3], "path": "/x"})
    points = pd.DataFrame({"filename": "a", "start": [0.0, 2.0], "end": [0.0, 2.0], "label": ["first", "third"]})
    assert label_windows(clips, points)["labels"].tolist() == [("first",), (), ("third",)]


def test_whole_recordings_and_annotations_without_an_end():
    clips = pd.DataFrame({"filename": ["a.wav", "b.wav"], "path": "/x"})
    annotations = pd.DataFrame({"filename": ["a", "b"], "start": [1.0, 0], "end": [2.0, np.inf], "label": ["x", "y"]})
    assert label_windows(clips, annotations)["labels"].tolist() == [("x",), ("y",)]


@pytest.mark.parametrize("written", ["site1/rain.wav", "site1/rain", "rain.wav", "rain", "./site1/rain.wav"])
def test_a_recording_may_be_named_in_short(written):
    clips = pd.DataFrame({"filename": ["site1/rain.wav", "site1/dog.wav", "site2/dog.wav"], "path": "/x"})
    annotations = pd.DataFrame({"filename": [written], "start": [0], "end": [1], "label": ["x"]})
    assert label_windows(clips, annotations)["labels"].tolist() == [("x",), (), ()]


@pytest.mark.parametrize(
    "annotation, options, error, message",
    [
        (("dgo.wav", 0, 1, "x"), {}, ClipTableError, r"row 1 \('dgo.wav'\)\. .*Correct or remove .*mean 'dog.wav'"),
        (("dog", 0, 1, "x"), {}, ClipTableError, r"'dog' could be dog.flac or dog.wav: write the full name"),
        (("dog.wav", 2, 1, "x"), {}, ClipTableError, r"end before they start: row 1 \('2 to 1 s'\)"),
        (
            ("dog.wav", np.nan, 1, "x"),
            {},
            ClipTableError,
            r"Start must be a number of seconds, at least 0: row 1 \(None\)",
        ),
        (("dog.wav", -1, 1, "x"), {}, ClipTableError, r"Start must be .*row 1 \(-1"),
        (("dog.wav", 0, 1, ""), {}, ClipTableError, r"Empty cells in label: row 1"),
        (
            ("dog.wav", 0, 1, "brak"),
            {"categories": ["bark"]},
            ClipTableError,
            r"row 1 \('brak'\)\. Did you mean 'b",
        ),
        (("dog.wav", 0, 1, "x"), {"min_overlap": 0}, ValueError, "min_overlap must be a number above 0"),
        (("dog.wav", 0, 1, "x"), {"min_overlap": 1.1}, ValueError, "min_overlap must be a number above 0"),
    ],
)
def test_bad_annotations(annotation, options, error, message):
    clips = pd.DataFrame({"filename": ["dog.wav", "dog.flac"], "path": "/x"})
    good = ("dog.wav", 0, 1, "bark")
    annotations = pd.DataFrame([good, annotation], columns=["filename", "start", "end", "label"])
    with pytest.raises(error, match=message):
        label_windows(clips, annotations, **options)


def test_annotations_that_label_no_window_are_named(recwarn):
    windows = pd.DataFrame({"filename": "a", "start": [0, 3], "end": [3, 6], "path": "/x"})
    annotations = pd.DataFrame({"filename": "a", "start": [1, 5000], "end": [2, 5001.5], "label": "wren"})
    assert label_windows(windows, annotations[:1])["labels"].tolist() == [("wren",), ()]
    assert len(recwarn) == 0
    with pytest.warns(UserWarning, match=r"1 of 2 annotations label no window: .*row 1 \(a 5000-5001.5 s\)"):
        label_windows(windows, annotations)


def test_categories_that_no_window_has_are_remembered():
    clips = pd.DataFrame({"filename": ["a"], "path": "/x"})
    annotations = pd.DataFrame({"filename": ["a"], "start": [0], "end": [1], "label": ["wren"]})
    labelled = label_windows(clips, annotations, categories=iter(["wren", "robin"]))
    assert labelled.attrs["categories"] == ["robin", "wren"]
    assert check_clips(labelled).attrs["categories"] == ["robin", "wren"]
    assert "categories" not in label_windows(clips, annotations).attrs
    assert "categories" not in find_clips(labelled, categories="wren").attrs
