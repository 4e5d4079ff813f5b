"""`explain`: which parameter, clip, recording or library makes a file stale."""

import json
import shutil

import h5py
import pytest

from esc_features import MelSpectrogram, extract, load_clips
from esc_features._cli import main
from esc_features.exceptions import StoreError
from esc_features.extraction import explain
from esc_features.extraction._judge import version_differences


@pytest.fixture
def store(tiny_store, tmp_path):
    return shutil.copytree(tiny_store.path, tmp_path / "store")


def reasons(table, state="stale"):
    return sorted(set(table["reason"][table["state"] == state]))


@pytest.mark.slow
def test_nothing_to_do(store, demo_folder):
    for table in (explain(store), explain(store, demo_folder), explain(store, demo_folder, features="mel,mfcc")):
        assert set(table["state"]) == {"fresh"} and set(table["reason"]) == {""}
    assert sorted(set(explain(store)["feature"])) == ["mel", "mfcc", "waveform"]


def test_parameters(store):
    table = explain(store, features={"mel": MelSpectrogram(n_mels=64, sample_rate=22050, fmax=None)})
    assert reasons(table) == [
        "computed_from.sample_rate is 16000 in the store and 22050 now",
        "fmax is 8000 in the store and None now",
        "n_mels is 128 in the store and 64 now",
        "sample_rate is 16000 in the store and 22050 now",
    ]
    assert sorted(set(table["fold"])) == [1, 2, 3, 4, 5]


def test_clips(store, demo_folder):
    clips = load_clips(demo_folder)
    gone = clips["filename"][clips["fold"] == 3].iloc[0]
    clips = clips[clips["filename"] != gone]
    table = explain(store, clips, features="mfcc")
    edited = table[table["state"] == "edited"]
    assert [(fold, reason) for fold, reason in zip(edited["fold"], edited["reason"], strict=True)] == [
        (3, f"1 clip is no longer in the data set: {gone}"),
        (3, "7 of 7 rows are kept"),
    ]
    assert table.attrs["changes"] == "39 kept, 1 gone"


@pytest.mark.slow
def test_recordings(demo_folder, tmp_path):
    data = shutil.copytree(demo_folder, tmp_path / "data")
    extract(load_clips(data, folds=[1, 2]), tmp_path / "store", features="mfcc", verbose=False)
    path = data / "audio" / load_clips(data, folds=[2])["filename"][1]
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    for dataset in (None, load_clips(data, folds=[1, 2])):
        table = explain(tmp_path / "store", dataset)
        assert reasons(table, "edited") == ["7 of 8 rows are kept", f"the audio of {path.name} changed"]
        assert set(table["state"]) == {"fresh", "edited"}
        assert table.attrs["changes"] == "1 of a replaced recording, 15 kept"
    shutil.rmtree(data)  # recordings that are gone say nothing against the store
    assert set(explain(tmp_path / "store")["state"]) == {"fresh"}


def test_versions(store, update_attribute):
    update_attribute(store / "mel/fold4.h5", "versions", soxr="0.3.1")
    table = explain(store, features="mel")
    (reason,) = reasons(table, "drifted")
    assert reason.startswith("soxr was 0.3.1 when it was written")
    assert table["fold"][table["state"] == "drifted"].tolist() == [4]


def test_a_version_that_was_not_recorded_is_another_one(store):
    path = store / "mel/fold4.h5"
    with h5py.File(path, "r+") as file:
        versions = json.loads(file.attrs["versions"])
        del versions["soxr"], file.attrs["versions"]
        text = json.dumps(versions).encode()
        file.attrs.create("versions", text, dtype=h5py.string_dtype("utf-8", len(text)))
    (reason,) = reasons(explain(store, features="mel"), "drifted")
    assert reason.startswith("soxr was not recorded when it was written")


def test_what_is_not_there(store, demo_folder):
    (store / "mel/fold2.h5").unlink()
    (store / "mel/fold3.h5").rename(store / "mel/fold3.h5.partial")
    wanted = {"mel": MelSpectrogram(), "mel_again": MelSpectrogram(), "mel50": MelSpectrogram(fmin=50)}
    table = explain(store, demo_folder, features=wanted)
    by_place = {(row.feature, row.fold): (row.state, row.reason) for row in table.itertuples()}
    assert by_place["mel", 1] == ("fresh", "")
    assert by_place["mel", 2][0] == "missing"
    assert by_place["mel", 3] == ("partial", "8 of 8 clips are done")
    assert by_place["mel_again", 1] == ("missing", "it is in the store under the name 'mel'")
    assert "the most similar is 'mel', where fmin is 0 in the store and 50 now" in by_place["mel50", 1][1]


def test_a_file_that_cannot_be_read(store):
    (store / "mel/fold2.h5").write_bytes(b"nothing")
    (reason,) = reasons(explain(store, features="mel"))
    assert "can be opened" in reason


@pytest.mark.slow
def test_folds_that_are_gone_and_clips_that_nothing_tells(store, demo_folder):
    clips = load_clips(demo_folder)
    extract(clips[clips["fold"] < 5], store, features="mfcc", verbose=False)
    for dataset in (None, clips[clips["fold"] < 5]):
        table = explain(store, dataset)
        assert table["state"].value_counts().to_dict() == {"fresh": 12, "gone": 2}
        assert reasons(table, "gone") == ["this fold is no longer in the data set"]
    (store / "clips.h5").unlink()
    (store / "mel/fold4.h5").rename(store / "mel/fold9.h5")
    table = explain(store)
    assert reasons(table, "stale") == ["it says that it belongs to another fold"]
    assert table["fold"][table["state"] == "stale"].tolist() == [9]
    assert set(table["reason"][table["state"] == "unknown"]) == {
        "nothing in the store states which clips it has: name the data set"
    }


def test_a_users_class_is_not_imported(store, tmp_path, monkeypatch, update_attribute):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    update_attribute(store / "mel/fold1.h5", "description", **{"class": "trap.Class"})
    assert explain(store)["state"].value_counts().to_dict() == {"fresh": 14, "stale": 1}  # its other files tell
    for path in store.glob("mel/fold*.h5"):
        update_attribute(path, "description", **{"class": "trap.Class"})
    (reason,) = reasons(explain(store), "unknown")
    assert "--trust trap" in reason


def test_script(store, demo_folder, tmp_path, capsys):
    assert main(["explain", str(store), str(demo_folder)]) == 0
    assert "mel, fold 1, 2, 3, 4, 5: fresh" in capsys.readouterr().out
    (tmp_path / "recipe.toml").write_text("[features.mel]\nclass = 'MelSpectrogram'\nn_mels = 64\n")
    assert main(["explain", str(store), "--recipe", str(tmp_path / "recipe.toml")]) == 1
    assert "mel, fold 1, 2, 3, 4, 5: stale: n_mels is 128 in the store and 64 now" in capsys.readouterr().out
    assert main(["explain", str(tmp_path)]) == 2
    with pytest.raises(StoreError):
        explain(tmp_path)


def test_it_agrees_with_the_extractor(store, demo_folder):
    """What is called stale is refused by `extract`, with the same words; what is called fresh is left alone."""
    wanted = {"mel": MelSpectrogram(n_mels=64)}
    clips = load_clips(demo_folder)
    (reason,) = reasons(explain(store, clips, features=wanted))
    with pytest.raises(StoreError, match=reason):
        extract(clips, store, features=wanted, verbose=False)


def test_a_library_that_a_file_does_not_name_may_have_changed_too():
    said = version_differences({"numpy": "2.0", "old": "1"}, {"numpy": "2.0", "scipy": "1.14", "soxr": "0.5"})
    assert said == [
        "scipy was not recorded when it was written and is 1.14 now",
        "soxr was not recorded when it was written and is 0.5 now",
    ]
    assert version_differences({"numpy": "2.0"}, {"numpy": "2.1"}) == [
        "numpy was 2.0 when it was written and is 2.1 now"
    ]
