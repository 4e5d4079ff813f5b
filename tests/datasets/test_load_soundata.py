"""load_soundata over soundata's own loaders, with small data sets as they are unpacked."""

import json

import numpy as np
import pytest
import soundfile as sf

from esc_features.datasets import check_clips, label_windows, load_soundata
from esc_features.exceptions import ClipTableError

soundata = pytest.importorskip("soundata", reason="needs the extra soundata")
pytestmark = pytest.mark.slow  # to import one of its loaders


def prepare(name, folder, clips):
    """Return a data set of soundata with an index of `clips` ({id: {part: file}}) and short recordings."""
    index = {"version": "1.0", "clips": {clip: {part: [file, ""] for part, file in files.items()}
                                         for clip, files in clips.items()}}  # fmt: skip
    path = folder / "index.json"
    path.write_text(json.dumps(index))
    for files in clips.values():
        recording = folder / files["audio"]
        recording.parent.mkdir(parents=True, exist_ok=True)
        sf.write(recording, np.zeros(4000), 8000)
    dataset = soundata.initialize(name, data_home=str(folder))
    dataset.index_path = str(path)
    return dataset


@pytest.fixture
def urbansound(tmp_path):
    names = {"100032-3-0-0": 5, "100263-2-0-117": 5, "7061-6-0-0": 10}
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100263-2-0-117.wav,100263,58.5,62.5,1,5,2,children_playing\n"
        "7061-6-0-0.wav,7061,0.1,0.2,1,10,6,gun_shot\n"
    )
    return prepare(
        "urbansound8k", tmp_path, {name: {"audio": f"audio/fold{fold}/{name}.wav"} for name, fold in names.items()}
    )


def test_one_tag_each_and_folds(urbansound, tmp_path):
    clips = load_soundata(urbansound)
    assert clips["filename"].tolist()[0] == "audio/fold5/100032-3-0-0.wav"
    assert clips["path"].tolist()[0] == str(tmp_path / "audio/fold5/100032-3-0-0.wav")
    assert clips["category"].tolist() == ["dog_bark", "children_playing", "gun_shot"]
    assert clips["target"].tolist() == [3, 2, 6]
    assert clips["fold"].tolist() == [5, 5, 10]
    assert clips["src_file"].tolist() == ["100032", "100263", "7061"]
    assert clips.attrs["name"] == "urbansound8k"
    assert clips.equals(check_clips(clips))
    assert load_soundata(urbansound, folds=10)["category"].tolist() == ["gun_shot"]


def test_only_what_is_there(urbansound, tmp_path):
    (tmp_path / "audio/fold10/7061-6-0-0.wav").unlink()
    assert len(load_soundata(urbansound)) == 2
    for path in (tmp_path / "audio/fold5").iterdir():
        path.unlink()
    with pytest.raises(ClipTableError, match=r"None of the 3 recordings of urbansound8k is in .*data_home="):
        load_soundata(urbansound)


def test_events_and_splits(tmp_path):
    events = {"a": "0.5\t1.0\tsiren\n1.0\t2.0\tdog_bark\n1.5\t2\tsiren\n", "b": "0\t1\tjackhammer\n"}
    clips = {}
    for name, split in (("a", "train"), ("b", "test")):
        (tmp_path / f"annotations/{split}").mkdir(parents=True)
        (tmp_path / f"annotations/{split}/{name}.txt").write_text(events[name])
        clips[name] = {
            "audio": f"audio/{split}/{name}.wav", "jams": f"annotations/{split}/{name}.jams",
            "txt": f"annotations/{split}/{name}.txt",
        }  # fmt: skip
    dataset = prepare("urbansed", tmp_path, clips)
    table = load_soundata(dataset)
    assert table["labels"].tolist() == [("dog_bark", "siren"), ("jackhammer",)]
    assert table["fold"].tolist() == [1, 2], "train, then test"
    assert label_windows(table, tmp_path / "annotations/train", 0.1)["labels"].tolist() == [("dog_bark", "siren"), ()]


def test_a_flag_is_two_categories(tmp_path):
    (tmp_path / "ff1010bird_metadata_2018.csv").write_text("itemid,datasetid,hasbird\n7,ff1010bird,1\n9,ff1010bird,0\n")
    clips = load_soundata(prepare("freefield1010", tmp_path, {name: {"audio": f"wav/{name}.wav"} for name in "79"}))
    assert clips["category"].tolist() == ["bird", "no_bird"]
    assert clips["target"].tolist() == [0, 1], "numbered by name, because the data set has no numbers"


def test_unknown_or_not_there(tmp_path):
    with pytest.raises(ClipTableError, match=r"no loader 'urbansound'\. Did you mean 'urbansound8k'\? Choose from "):
        load_soundata("urbansound")
    with pytest.raises(ClipTableError, match=r"soundata has no urbansound8k in .*nowhere. Run .*download\(\)"):
        load_soundata("urbansound8k", tmp_path / "nowhere")
