"""No dead end: whatever `verify` finds, the one command that it prints mends, and computes only what is wrong."""

import contextlib
import hashlib
import os
import shlex
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from esc_features import MelSpectrogram, Waveform, extract, load_clips, open_store
from esc_features._cli import main
from esc_features.exceptions import StoreError
from esc_features.extraction import _sinks, repair, verify
from esc_features.storage import read_header

FEATURES = {
    "waveform": Waveform(sample_rate=8000, duration=0.1),
    "mel": MelSpectrogram(sample_rate=8000, duration=0.1, n_fft=256, hop_length=128, n_mels=8, fmax=4000),
}
CLIPS, FOLDS = 8, (1, 2)
FILES = [f"{feature}/fold{fold}.h5" for feature in FEATURES for fold in FOLDS]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight short clips in two folds."""
    import soundfile

    folder = tmp_path_factory.mktemp("repair") / "data"
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number in range(CLIPS):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 800)
        soundfile.write(folder / f"audio/{number}.wav", noise, 8000)
        lines.append(f"{number}.wav,{1 + number % 2},{number // 4},kind{number // 4}")
    (folder / "meta/clips.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def whole(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1500000000")
        yield extract(load_clips(data), data.parent / "whole", features=FEATURES, verbose=False).path


@pytest.fixture
def store(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "store")


@pytest.fixture
def computed(monkeypatch):
    """The (feature, fold, row) computed."""
    rows, take = [], _sinks.InPlace.take

    def noted(self, row):
        output = self._outputs[row.output]
        rows.append((output.name, output.header.path.name[:5], row.row))
        take(self, row)

    monkeypatch.setattr(_sinks.InPlace, "take", noted)
    return rows


def digests(store):
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in store.glob("*/f*")}


def follow(store, **options):
    """Do what `verify` says; whether it had anything to say."""
    table = verify(store, **options)
    command = table.attrs["command"]
    assert bool(command) == bool(len(table))
    if command:
        assert main([*shlex.split(command)[1:], "--quiet"]) == 0, command
    return bool(command)


def flip(path, offset, mask=1):
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


def flip_anywhere(store, name, where, mask):
    path = store / name
    if path.is_file() and path.stat().st_size:
        flip(path, int(where * path.stat().st_size), mask)


def cut(store, name, where, _):
    if (store / name).is_file():
        os.truncate(store / name, int(where * (store / name).stat().st_size))


def remove(store, name, *_):
    (store / name).unlink(missing_ok=True)


def begin_again(store, name, *_):
    if (store / name).exists():
        (store / name).rename(store / (name + ".partial"))


def replace_by_other(store, name, where, _):
    other = store / FILES[int(where * len(FILES))]
    if other.is_file():
        (store / name).write_bytes(other.read_bytes())


def empty(store, name, *_):
    (store / name).write_bytes(b"")


DAMAGE = [flip_anywhere, flip_anywhere, flip_anywhere, cut, remove, begin_again, replace_by_other, empty]


def tells_its_parameters(store, name):
    for file in store.glob(f"{name}/*"):
        with contextlib.suppress(StoreError):
            if read_header(file).facts.feature == name:
                return True
    return False


damages = st.tuples(
    st.sampled_from(DAMAGE), st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(1, 255)
)


@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(damages, min_size=1, max_size=3))
def test_any_damage_is_mended_by_the_command_that_verify_prints(whole, data, tmp_path_factory, damages):
    folder = tmp_path_factory.mktemp("damaged")
    store = shutil.copytree(whole, folder / "store")
    try:
        for damage, *arguments in damages:
            damage(store, *arguments)
        try:
            told = [name for name in FEATURES if tells_its_parameters(store, name)]
            noticed = follow(store)
        except StoreError as error:  # nothing is left of it, or of a feature's name
            assert "There is no store" in str(error) and "extract_features" in str(error)
            return
        assert not len(verify(store))
        if noticed and {file.parent.name for file in store.glob("*/fold*.h5")} == {*FEATURES}:
            opened, wanted = open_store(store), open_store(whole)
            # Of a feature of which nothing can be read, only the name is left.
            for name in told:
                np.testing.assert_array_equal(opened[name].to_numpy(), wanted[name].to_numpy())
            assert opened.y.tolist() == wanted.y.tolist() and opened.folds.tolist() == wanted.folds.tolist()
    finally:
        shutil.rmtree(folder)


class TestComputesOnlyWhatIsWrong:
    def test_a_damaged_row(self, store, whole, computed, capsys):
        header = read_header(store / "mel/fold2.h5")
        flip(header.path, header.data.offset_of(3))
        assert main(["verify", str(store)]) == 1
        assert f"To repair this: esc_features repair {shlex.quote(str(store))}\n" in capsys.readouterr().out
        assert follow(store)
        assert computed == [("mel", "fold2", 3)] and digests(store) == digests(whole)

    def test_a_damaged_stored_waveform_and_what_is_computed_of_it(self, store, whole, computed):
        for name in FEATURES:
            header = read_header(store / name / "fold1.h5")
            flip(header.path, header.data.offset_of(1))
        assert follow(store)
        assert sorted(computed) == [("mel", "fold1", 1), ("waveform", "fold1", 1)] and digests(store) == digests(whole)

    @pytest.mark.parametrize("column", ["done", "crc32", "audio_digest"])
    def test_a_damaged_column(self, store, whole, computed, column):
        header = read_header(store / "mel/fold1.h5")
        flip(header.path, header.columns[column].offset_of(2))
        assert follow(store)
        assert computed == [("mel", "fold1", 2)] and digests(store) == digests(whole)

    def test_a_damaged_checksum_of_the_names(self, store, whole, computed, update_attribute):
        update_attribute(store / "mel/fold1.h5", "checksums", filename=1)
        assert follow(store)
        assert computed == [("mel", "fold1", row) for row in range(4)] and digests(store) == digests(whole)

    def test_a_damaged_label(self, store, whole, computed):
        with h5py.File(store / "clips.h5") as file:
            offset = file["clips/target"].id.get_offset()
        flip(store / "clips.h5", offset)
        assert follow(store)
        assert computed == [] and digests(store) == digests(whole)

    def test_swapped_files(self, store, whole, computed):
        (store / "mel/fold1.h5").rename(store / "mel/other")
        (store / "mel/fold2.h5").rename(store / "mel/fold1.h5")
        (store / "mel/other").rename(store / "mel/fold2.h5")
        assert follow(store)
        assert digests(store) == digests(whole) and computed == []

    def test_a_file_of_another_feature(self, store, whole):
        """One of each is in the folder, whose name decides."""
        shutil.copy(store / "waveform/fold1.h5", store / "mel/fold1.h5")
        assert follow(store)
        assert digests(store) == digests(whole)

    @pytest.mark.slow
    def test_a_recording_that_changed(self, data, tmp_path, computed):
        moved = shutil.copytree(data, tmp_path / "data")
        store = extract(load_clips(moved), tmp_path / "store", features=FEATURES, verbose=False).path
        recording = moved / "audio/4.wav"
        recording.write_bytes(recording.read_bytes()[:-2] + b"\1\1")
        computed.clear()
        assert follow(store, recompute=CLIPS)
        assert sorted(computed) == [("mel", "fold1", 2), ("waveform", "fold1", 2)]
        assert not len(verify(store, recompute=CLIPS))

    def test_a_whole_row_that_is_not_what_is_extracted_now(self, store, whole, computed):
        header = read_header(store / "mel/fold1.h5")
        from esc_features.storage import row_crc32

        row = np.full(header.data.shape, 3, header.data.dtype)
        with header.path.open("r+b") as file:
            file.seek(header.data.offset)
            file.write(row.tobytes())
            file.seek(header.columns["crc32"].offset)
            file.write(np.array(row_crc32(row), "<u4").tobytes())
        assert follow(store, recompute=CLIPS)
        assert {name for name, *_ in computed} == {"mel"} and digests(store) == digests(whole)


class TestWhatTheStoreDoesNotTell:
    def test_the_clips_of_a_fold_come_from_the_data_set(self, store, data, whole):
        for name in FEATURES:
            (store / name / "fold2.h5").write_bytes(b"")
        assert shlex.split(verify(store).attrs["command"])[2:] == [str(store)]  # the table tells
        with h5py.File(store / "clips.h5") as file:
            offset = file["clips/filename"].id.get_offset()
        flip(store / "clips.h5", offset)
        command = verify(store).attrs["command"]
        assert shlex.split(command)[2:] == [str(store), str(data)]
        with pytest.raises(StoreError, match=r"which clips fold 1, 2 has.*repair .* DATASET"):
            repair(store, verbose=False)
        assert follow(store) and digests(store) == digests(whole)

    @pytest.mark.slow
    def test_a_feature_of_which_nothing_can_be_read_is_named(self, data, tmp_path):
        extract(load_clips(data), tmp_path / "store", features="waveform,mfcc", verbose=False)
        for fold in FOLDS:
            (tmp_path / f"store/mfcc/fold{fold}.h5").write_bytes(b"")
        with pytest.raises(StoreError, match="--features mfcc"):
            repair(tmp_path / "store", verbose=False)
        found = verify(tmp_path / "store")
        assert "--features mfcc" in found.attrs["command"]
        assert found[["file", "clip"]].values.tolist() == [["mfcc/fold1.h5", ""], ["mfcc/fold2.h5", ""], ["mfcc", ""]]
        assert follow(tmp_path / "store") and not len(verify(tmp_path / "store"))

    @pytest.mark.slow
    def test_another_setting_is_never_put_in_the_place_of_a_users_class(self, store, data, tmp_path, monkeypatch):
        (tmp_path / "module_of_repair.py").write_text(
            "from sklearn.base import BaseEstimator, TransformerMixin\n"
            "class Power(TransformerMixin, BaseEstimator):\n"
            "    def __init__(self, power=2):\n"
            "        self.power = power\n"
            "    def transform(self, X):\n"
            "        return (abs(X) ** self.power).mean(axis=1, keepdims=True)\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        recipe = tmp_path / "recipe.toml"
        recipe.write_text("[features.power]\nclass = 'module_of_repair:Power'\n")
        extract(load_clips(data), store, recipe=recipe, trusted=["module_of_repair"], verbose=False)
        (store / "power/fold1.h5").unlink()
        with pytest.raises(StoreError, match="--recipe RECIPE"):
            repair(store, verbose=False)
        recipe.write_text("[features.power]\nclass = 'module_of_repair:Power'\npower = 3\n")
        command = verify(store, trusted=["module_of_repair"]).attrs["command"]
        assert shlex.split(command)[2:] == [str(store), "--trust", "module_of_repair"]
        assert follow(store, recipe=recipe, trusted=["module_of_repair"])
        opened = open_store(store)
        assert len(opened["power"]) == CLIPS and opened.features["power"]["parameters"] == {"power": 2}


class TestNoCommandSendsToTheNext:
    def test_a_renamed_data_folder_with_a_new_fold(self, data, tmp_path, computed):
        extract(load_clips(data, folds=[1]), tmp_path / "store", features=FEATURES, verbose=False)
        renamed = shutil.copytree(data, tmp_path / "renamed")
        computed.clear()
        store = extract(load_clips(renamed), tmp_path / "store", features=FEATURES, verbose=False)
        assert len(store) == CLIPS and {fold for _, fold, _ in computed} == {"fold2"}

    def test_a_store_of_two_names(self, data, tmp_path, computed):
        clips = load_clips(data)
        for fold, name in ((1, "esc50"), (2, "ESC-50")):
            part = clips[clips["fold"] == fold].reset_index(drop=True)
            part.attrs["name"] = name
            extract(part, tmp_path / name, features=FEATURES, verbose=False)
        for feature in FEATURES:
            shutil.copy(tmp_path / f"ESC-50/{feature}/fold2.h5", tmp_path / f"esc50/{feature}")
        assert "not in the data set any more, and not read: mel/fold2.h5" in repr(open_store(tmp_path / "esc50"))
        computed.clear()
        assert len(extract(clips, tmp_path / "esc50", features=FEATURES, verbose=False)) == CLIPS
        assert computed == []

    def test_a_clip_that_is_removed_after_it_failed(self, data, tmp_path, computed):
        broken = shutil.copytree(data, tmp_path / "data")
        (broken / "audio/2.wav").write_bytes(b"RIFF")
        with pytest.raises(StoreError, match=r"2\.wav"):
            extract(load_clips(broken), tmp_path / "store", features=FEATURES, verbose=False)
        table = broken / "meta/clips.csv"
        table.write_text("\n".join(line for line in table.read_text().split("\n") if not line.startswith("2.wav")))
        (broken / "audio/2.wav").unlink()
        computed.clear()
        assert len(extract(load_clips(broken), tmp_path / "store", features=FEATURES, verbose=False)) == CLIPS - 1
        assert computed == []
