"""Data sets as they are unzipped: small ones with the real file names and columns, under any folder name."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from esc_features import extract, open_store
from esc_features._cli import main
from esc_features.datasets import check_clips, find_clips, load_clips
from esc_features.exceptions import ClipTableError


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sound(path, seconds=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    sf.write(path, rng.uniform(-0.1, 0.1, int(8000 * seconds)), 8000)
    return path


@pytest.fixture
def urbansound(tmp_path):
    folder = tmp_path / "anything"
    write(
        folder / "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class",
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark",
        "100263-2-0-117.wav,100263,58.5,62.5,1,5,2,children_playing",
        "7061-6-0-0.wav,7061,0.1,0.2,1,10,6,gun_shot",
    )
    for name in ("fold5/100032-3-0-0.wav", "fold5/100263-2-0-117.wav", "fold10/7061-6-0-0.wav"):
        sound(folder / "audio" / name)
    (folder / "audio/fold5/.DS_Store").touch()
    return folder


@pytest.fixture
def fsd50k(tmp_path):
    folder = tmp_path / "fsd"
    write(
        folder / "FSD50K.ground_truth/dev.csv",
        "fname,labels,mids,split",
        '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train',
        '16399,"Rain,Water",/m/06mb1,val',
    )
    write(folder / "FSD50K.ground_truth/eval.csv", "fname,labels,mids", '37199,"Music","/m/04rlf"')
    write(folder / "FSD50K.ground_truth/vocabulary.csv", "0,Music,/m/04rlf")
    sound(folder / "FSD50K.dev_audio/64760.wav")
    sound(folder / "FSD50K.dev_audio/16399.wav", 0.5)
    sound(folder / "FSD50K.eval_audio/37199.wav")
    return folder


def test_urbansound8k(urbansound):
    clips = load_clips(urbansound)
    assert clips["filename"].tolist()[::2] == ["fold5/100032-3-0-0.wav", "fold10/7061-6-0-0.wav"]
    assert clips["path"][2] == str(urbansound / "audio/fold10/7061-6-0-0.wav")
    assert clips["fold"].tolist() == [5, 5, 10]
    assert clips["category"].tolist() == ["dog_bark", "children_playing", "gun_shot"]
    assert clips["target"].tolist() == [3, 2, 6]
    assert clips["src_file"].tolist() == ["100032", "100263", "7061"]
    assert clips["start"].eq(0).all() and np.isinf(clips["end"]).all(), "theirs are places in the original recording"
    assert clips.attrs["name"] == "urbansound8k"
    assert load_clips(urbansound, folds=10)["category"].tolist() == ["gun_shot"]


def test_urbansound8k_with_another_table(urbansound):
    write(urbansound / "metadata/UrbanSound8K.csv", "file,fold", "a.wav,1")
    with pytest.raises(ClipTableError, match=r"UrbanSound8K.csv: there is no column for filename \(mapped to 'slice_f"):
        load_clips(urbansound)


def test_fsd50k(fsd50k):
    clips = load_clips(fsd50k)
    assert clips["filename"].tolist() == [
        "FSD50K.dev_audio/64760.wav", "FSD50K.dev_audio/16399.wav", "FSD50K.eval_audio/37199.wav"
    ]  # fmt: skip
    assert clips["labels"].tolist() == [("Electric_guitar", "Guitar", "Music"), ("Rain", "Water"), ("Music",)]
    assert clips["fold"].tolist() == [1, 2, 3]
    assert clips.attrs["name"] == "fsd50k"


def test_fsd50k_in_part(fsd50k):
    shutil.rmtree(fsd50k / "FSD50K.eval_audio")
    assert load_clips(fsd50k)["fold"].tolist() == [1, 2]
    (fsd50k / "FSD50K.dev_audio/16399.wav").unlink()
    with pytest.raises(ClipTableError, match=r"1 of 2 clips .*16399.wav' \(line 3 of dev.csv\)\. Select .*folds=\[1\]"):
        load_clips(fsd50k)


def test_a_folder_for_each_category(tmp_path):
    for name in ("dog/1.wav", "dog/2.FLAC", "rain/1.wav", "rain/notes.txt", ".git/x.wav", "rain/._1.wav"):
        sound(tmp_path / "pets" / name) if not name.endswith(("txt", "FLAC")) else (tmp_path / "pets" / name).touch()
    clips = load_clips(tmp_path / "pets")
    assert clips["filename"].tolist() == ["dog/1.wav", "dog/2.FLAC", "rain/1.wav"]
    assert clips["category"].tolist() == ["dog", "dog", "rain"]
    assert clips["fold"].tolist() == [1, 1, 1]
    assert clips.attrs["name"] == "pets"
    unlabelled = load_clips(tmp_path / "pets", columns={"category": None})
    assert unlabelled["labels"].tolist() == [(), (), ()]
    sound(tmp_path / "pets/3.wav")
    with pytest.raises(ClipTableError, match=r"recordings in folders, .* and 1 beside them: 3.wav\. Put each"):
        load_clips(tmp_path / "pets")


def test_recordings_without_labels(tmp_path):
    for name in ("b.wav", "a.wav"):
        sound(tmp_path / name)
    (tmp_path / "readme.txt").touch()
    clips = load_clips(tmp_path)
    assert clips["filename"].tolist() == ["a.wav", "b.wav"]
    assert clips["labels"].tolist() == [(), ()]
    store = extract(tmp_path, tmp_path / "store", features="mfcc", n_jobs=1, verbose=False)
    assert (store.y.shape, store.y.dtype, store.categories) == ((2, 0), np.int8, [])
    assert store.clips["labels"].tolist() == store["mfcc"].clips["labels"].tolist() == [(), ()]


def test_a_flat_table_finds_the_recordings_beside_it(tmp_path):
    sound(tmp_path / "data/audio/x.wav")
    columns = {"filename": "file", "category": "label"}
    table = write(tmp_path / "data/table.csv", "file,label", "x.wav,dog")
    assert load_clips(table, columns=columns)["path"].tolist() == [str(tmp_path / "data/audio/x.wav")]
    sound(tmp_path / "data/x.wav")
    assert load_clips(table, columns=columns)["path"].tolist() == [str(tmp_path / "data/x.wav")]
    nested = write(tmp_path / "data/tables/table.csv", "file,label", "x.wav,dog")
    assert load_clips(nested, columns=columns)["path"].tolist() == [str(tmp_path / "data/audio/x.wav")]
    with pytest.raises(ClipTableError, match=r"no column for filename; it has 'file', 'label'"):
        load_clips(table, tmp_path)


def test_a_table_with_paths_and_urls(tmp_path):
    here = sound(tmp_path / "sounds/x.wav")
    table = write(
        tmp_path / "table.csv",
        "filename,category,path",
        f"a.wav,dog,{here}",
        "b.wav,dog,sounds/x.wav",
        "c.wav,rain,https://host/c.wav",
    )
    assert load_clips(table)["path"].tolist() == [str(here), str(here), "https://host/c.wav"]
    write(tmp_path / "table.csv", "filename,category,path", "a.wav,dog,nowhere.wav")
    with pytest.raises(ClipTableError, match=r"1 of 1 clips have no file in their place: 'a.wav' \(line 2\)"):
        load_clips(table)


def test_recordings_of_a_server(tmp_path):
    table = write(tmp_path / "table.csv", "filename,category", "old dogs/#1.wav,dog")
    clips = load_clips(table, "https://host/audio/")
    assert clips["path"].tolist() == ["https://host/audio/old%20dogs/%231.wav"]
    assert load_clips(table, "s3://bucket/a")["path"].tolist() == ["s3://bucket/a/old dogs/#1.wav"]


@pytest.mark.parametrize("layout", ["urbansound", "folders"])
def test_extracted_without_a_line_of_python(layout, urbansound, tmp_path):
    folder = urbansound
    if layout == "folders":
        folder = tmp_path / "folders"
        for name in ("dog/1.wav", "dog/2.wav", "rain/3.wav", "rain/4.wav"):
            sound(folder / name)
    store = extract(folder, tmp_path / "store", features="mfcc", n_jobs=1, verbose=False)
    assert len(store["mfcc"]) == len(load_clips(folder))


def test_the_same_checks_for_a_dataframe(tmp_path):
    good = pd.DataFrame({"filename": ["a.wav", "b.wav"], "fold": [1, 2], "category": ["dog", "cat"], "path": "/x"})
    for change, message in [
        ({"fold": [1, 1.5]}, r"Fold must be a whole number of at least 0: row 1 \(1.5\)"),
        ({"fold": [1, np.nan]}, r"Fold must be .*row 1 \(None\)"),
        ({"fold": [1, True]}, r"Fold must be .*row 1 \(True\)"),
        ({"target": [0, np.nan]}, r"Target must be .*row 1 \(None\)"),
        ({"target": [0, 0]}, r"A target with more than one category: row 0 \('dog = 0'\), row 1 \('cat = 0'\)"),
        ({"category": ["dog", None]}, r"Empty cells in category: row 1"),
        ({"filename": ["a.wav", "/data/b.wav"]}, r"not a file inside the audio folder: row 1 \('/data/b.wav'\)"),
        ({"filename": ["a.wav", "a.wav"]}, r"The same clip more than once: row 0 \('a.wav'\), row 1"),
        ({"start": [0, np.nan]}, r"Start must be a number of seconds, at least 0: row 1 \(None\).* write 0\."),
        ({"end": [np.nan, 1]}, r"End must be a number of seconds, at least 0: row 0 \(None\).* write inf\."),
        ({"start": [3, 1], "end": [2, 2]}, r"End must be after start: row 0 \('3 to 2 s'\)"),
        ({"start": [np.inf, 1]}, r"Start must be .*row 0 \(inf\)"),
        ({"path": [None, "/x"]}, r"Empty cells in path: row 0"),
    ]:
        bad = good.assign(**change)
        with pytest.raises(ClipTableError, match=message):
            check_clips(bad)
        with pytest.raises(ClipTableError, match=message):
            extract(bad, tmp_path / "store", features="mfcc", verbose=False)
    with pytest.raises(ClipTableError, match=r"has no column 'path', .*load_clips\(table, audio_dir=\.\.\.\) adds it"):
        check_clips(good.drop(columns="path"))
    numbers = good.assign(src_file=[77, 78], fold=[1.0, 2.0], take=[np.nan, 2])
    numbers.index = [5, 5]
    checked = check_clips(numbers)
    assert checked["src_file"].tolist() == ["77", "78"]
    assert checked["fold"].tolist() == [1, 2] and checked["fold"].dtype == np.int64
    assert checked["take"].tolist() == ["", "2"]
    assert checked.equals(check_clips(checked))


def test_a_dataframe_finds_its_recordings(tmp_path):
    sound(tmp_path / "a.wav")
    frame = pd.DataFrame({"filename": ["a.wav"], "category": ["dog"]})
    assert load_clips(frame, tmp_path)["path"].tolist() == [str(tmp_path / "a.wav")]
    assert find_clips(frame, audio_dir=tmp_path).equals(load_clips(frame, tmp_path))
    with pytest.raises(ClipTableError, match=r"Name the folder of the recordings with audio_dir="):
        load_clips(frame)


@pytest.mark.parametrize(
    "rows, message",
    [
        (["a.wav,0,3,1", "a.wav,2,5,2"], r"overlap but are in different folds: line 2 \('a.wav'\), line 3"),
        (["a.wav,,,1", "a.wav,2,5,2"], r"overlap but are in different folds"),
        (["a.wav,0,9,1", "a.wav,1,2,1", "a.wav,5,6,2"], r"overlap but are in different folds: line 2 .* line 4"),
        (["a.wav,0,3,1", "a.wav,0.0,3.0,1"], r"The same clip more than once"),
        (
            ["a.wav,0,nan,1"],
            r"End must be a number of seconds, at least 0: line 2 \('nan'\)\. .*leave the cell empty\.",
        ),
    ],
)
def test_stretches_that_contradict_each_other(tmp_path, rows, message):
    sound(tmp_path / "a.wav")
    table = write(tmp_path / "table.csv", "filename,start,end,fold", *rows)
    with pytest.raises(ClipTableError, match=message):
        load_clips(table)


def test_stretches_beyond_the_end_are_named_before_anything_is_computed(tmp_path):
    sound(tmp_path / "a.wav", 5)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    table = write(tmp_path / "t.csv", "filename,start,end", "broken.wav,0,9", "a.wav,0,3", "a.wav,3,5.02", "a.wav,6,")
    with pytest.raises(
        ClipTableError, match=r"t.csv: line 4 \(a.wav 3-5.02 s, but it has 5 s\), .*line 5 \(a.wav from 6"
    ):
        load_clips(table)
    write(table, "filename,start,end", "broken.wav,0,9", "a.wav,0,3", "a.wav,3,5.01", "a.wav,4,")
    assert len(load_clips(table)) == 4


def test_stretches_that_do_not(tmp_path):
    sound(tmp_path / "a.wav", 5)
    table = write(tmp_path / "t.csv", "filename,start,end,fold", "a.wav,0,3,1", "a.wav,3,5,2", "a.wav,1,2,1")
    assert load_clips(table)["fold"].tolist() == [1, 2, 1]


def test_overlaps_that_differ_in_source(tmp_path):
    sound(tmp_path / "a.wav")
    table = write(tmp_path / "t.csv", "filename,start,end,src_file", "a.wav,0,3,x", "a.wav,2,5,y")
    with pytest.raises(ClipTableError, match=r"in different source recordings \(src_file\)"):
        load_clips(table)


def test_options_of_the_command_line(tmp_path):
    for number in range(6):
        sound(tmp_path / f"sounds/{number}.wav")
    rows = [f"{number}.wav,{'dog' if number % 2 else 'rain'},s{number // 2}" for number in range(6)]
    table = write(tmp_path / "t.csv", "file,label,from", *rows)
    corrections = write(tmp_path / "corrections.csv", "filename,category", "0.wav,dog")
    arguments = [
        str(table), "--audio", str(tmp_path / "sounds"), "--columns", "filename=file,category=label,src_file=from",
        "--folds-by", "source:3", "--corrections", str(corrections), "--features", "mfcc",
    ]  # fmt: skip
    store = tmp_path / "store"
    assert main(["extract", *arguments, "--out", str(store), "--quiet"]) == 0
    clips = open_store(store).clips.sort_values("filename")
    assert clips["category"].tolist() == ["dog", "dog", "rain", "dog", "rain", "dog"]
    assert clips.groupby("src_file")["fold"].nunique().eq(1).all() and clips["fold"].nunique() == 3
    assert main(["explain", str(store), *arguments]) == 0


@pytest.mark.parametrize("columns", ["file", "=file", ","])
def test_columns_that_are_no_pairs(capsys, columns):
    with pytest.raises(SystemExit):
        main(["extract", "demo", "--columns", columns])
    assert "must be pairs such as filename=file,category=label." in capsys.readouterr().err
