"""Clip tables that change: the store is that of the final table, whatever happened on the way."""

import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from esc_features import Waveform, extract, load_clips, open_store
from esc_features._cli import main
from esc_features.audio import file_digest
from esc_features.datasets import clip_keys, cut_windows
from esc_features.exceptions import ExtractionError, StoreError
from esc_features.extraction import _judge, _publish, _sinks, _stored, explain, verify
from esc_features.features import MFCCStatistics
from esc_features.storage import _clip_table, read_header

RATE = 8000
FEATURES = {
    "waveform": Waveform(RATE, 0.05),
    "mfcc": MFCCStatistics(sample_rate=RATE, duration=0.05, n_fft=128, hop_length=64, n_mels=8, n_mfcc=4),
}


def write(path, seed, seconds=0.25):
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, int(RATE * seconds)), RATE)


def clip(folder, recording, window, fold=1, category="dog", src_file=None):
    name = f"{recording}.wav"
    return {
        "filename": name,
        "start": window * 0.05,
        "end": (window + 1) * 0.05,
        "fold": fold,
        "category": category,
        "src_file": src_file or name,
        "path": str(folder / name),
    }


def table_of(rows):
    table = pd.DataFrame(rows)
    table["target"] = table["category"].factorize(sort=True)[0]
    table.attrs["name"] = "edited"
    return table


def contents(store):
    return {
        str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(store.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


@pytest.fixture(autouse=True)
def same_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    for recording in "abcdefgh":
        write(folder / f"{recording}.wav", ord(recording))
    return folder


@pytest.fixture
def rows(folder):
    """24 windows of eight recordings in four folds."""
    return [
        clip(folder, recording, window, fold=number % 4 + 1, category=["dog", "rain"][number % 2])
        for number, recording in enumerate("abcdefgh")
        for window in range(3)
    ]


@pytest.fixture
def computed(monkeypatch):
    """The (feature, fold, row) that are computed."""
    seen = []
    take = _sinks.InPlace.take

    def noted(self, row):
        output = self._outputs[row.output]
        seen.append((output.name, output.header.facts.fold, row.row))
        take(self, row)

    monkeypatch.setattr(_sinks.InPlace, "take", noted)
    return seen


@pytest.fixture
def opened(monkeypatch):
    """The recordings that are opened to be decoded."""
    import esc_features.audio._recording_reader as module

    seen = []
    original = module.OpenRecording
    monkeypatch.setattr(
        module, "OpenRecording", lambda path, *rest: (seen.append(Path(path).name), original(path, *rest))[1]
    )
    return seen


def run(rows, store, **options):
    options = {"features": FEATURES, "n_jobs": 1, "verbose": False} | options
    return extract(table_of(rows) if isinstance(rows, list) else rows, store, **options)


class TestOneLine:
    @pytest.mark.slow
    def test_says_what_changed_and_explain_says_it_before(self, rows, folder, tmp_path, computed, capsys):
        store = tmp_path / "store"
        run(rows, store)
        del rows[4:6]
        rows[0] |= {"category": "rain"}
        rows[9] |= {"fold": 3}
        rows[12] |= {"src_file": "tape"}
        write(folder / "h.wav", 99)
        rows += [clip(folder, "a", 3), clip(folder, "a", 4)]
        line = (
            "2 new, 3 of a replaced recording, 1 relabelled, 1 moved to another fold, 1 of another source, 16 kept, "
            "2 gone"
        )
        table = explain(store, table_of(rows), features=FEATURES)
        assert table.attrs["changes"] == line
        computed.clear()
        run(rows, store, verbose=True)
        assert f"clips: {line}\n" in capsys.readouterr().out
        assert len(computed) == 2 * 5
        assert explain(store, table_of(rows)).attrs["changes"] == ""
        run(rows, tmp_path / "fresh")
        assert contents(store) == contents(tmp_path / "fresh")

    def test_a_first_extraction_and_one_without_a_change_say_nothing(self, rows, tmp_path, capsys):
        run(rows, tmp_path / "store", verbose=True)
        run(rows, tmp_path / "store", verbose=True)
        assert "clips:" not in capsys.readouterr().out

    @pytest.mark.slow
    def test_of_the_command(self, rows, tmp_path, capsys):
        table = tmp_path / "clips.csv"
        table_of(rows[:-1]).to_csv(table, index=False)
        run(load_clips(table), tmp_path / "store", features={"waveform": Waveform(RATE, 0.05)})
        table_of(rows).to_csv(table, index=False)
        capsys.readouterr()
        assert main(["explain", str(tmp_path / "store"), str(table)]) == 1
        printed = capsys.readouterr().out
        assert "clips: 1 new, 23 kept\n" in printed
        assert "waveform, fold 4: edited: 1 clip is not in the store: h.wav 0.1-0.15 s" in printed
        corrections = tmp_path / "corrections.csv"
        corrections.write_text("filename,start,end,category\na.wav,0,0.05,rain\n")
        run(load_clips(table), tmp_path / "store", features={"waveform": Waveform(RATE, 0.05)})
        capsys.readouterr()
        assert main(["explain", str(tmp_path / "store"), str(table), "--corrections", str(corrections)]) == 1
        assert "clips: 1 relabelled, 23 kept\n" in capsys.readouterr().out


class TestCosts:
    @pytest.mark.parametrize(
        "edit",
        [
            "relabel",
            "drop",
            *(pytest.param(edit, marks=pytest.mark.slow) for edit in ("refold", "another source", "reorder")),
        ],
    )
    def test_what_people_say_decodes_and_computes_nothing(self, rows, tmp_path, edit, opened, computed):
        run(rows, tmp_path / "store")
        if edit == "relabel":
            rows = [row | {"category": "whale" if row["filename"] == "a.wav" else row["category"]} for row in rows]
        elif edit == "refold":
            rows = [row | {"fold": number % 3 + 1} for number, row in enumerate(rows)]
        elif edit == "another source":
            rows = [row | {"src_file": "tape"} for row in rows]
        elif edit == "drop":
            rows = rows[::2]
        else:
            rows = rows[::-1]
        opened.clear()
        computed.clear()
        store = run(rows, tmp_path / "store")
        assert opened == computed == []
        run(rows, tmp_path / "fresh")
        assert contents(store.path) == contents(tmp_path / "fresh")

    @pytest.mark.parametrize("edit", ["relabel", "add", "nothing"])
    def test_the_table_is_written_once_and_each_header_read_once_to_plan(self, rows, tmp_path, monkeypatch, edit):
        run(rows[:-1] if edit == "add" else rows, tmp_path / "store")
        rows[0] |= {"category": "whale"} if edit == "relabel" else {}
        read, looked_at = _judge.read_header, []
        monkeypatch.setattr(_judge, "read_header", lambda path: (looked_at.append(path), read(path))[1])
        write, written = _clip_table.write_whole, []
        monkeypatch.setattr(_clip_table, "write_whole", lambda path, *rest: (written.append(path), write(path, *rest)))
        run(rows, tmp_path / "store")
        assert written == [tmp_path / "store/clips.h5"] * (edit != "nothing")
        assert sorted(looked_at) == sorted((tmp_path / "store").glob("*/fold*.h5"))

    @pytest.mark.slow
    def test_a_new_window_opens_its_recording_once(self, rows, folder, tmp_path, opened):
        run(rows, tmp_path / "store")
        opened.clear()
        run([*rows, clip(folder, "c", 3, fold=3), clip(folder, "c", 4, fold=3)], tmp_path / "store")
        assert opened == ["c.wav"]

    @pytest.mark.slow
    def test_windows_of_a_recording_are_one_open_file_and_its_digest_is_read_once(self, tmp_path, opened, monkeypatch):
        from esc_features.extraction import _plan

        write(tmp_path / "long.wav", 1, seconds=20)
        clips = cut_windows(load_clips(_csv(tmp_path, "filename\nlong.wav\n")), duration=0.1, hop=0.05)
        assert len(clips) > 256
        run(clips, tmp_path / "store")
        assert len(opened) == -(-len(clips) // 256)
        digested, digest = [], _plan._digest
        monkeypatch.setattr(_plan, "_digest", lambda path: (digested.append(path), digest(path))[1])
        run(clips, tmp_path / "store")
        assert digested == [str(tmp_path / "long.wav")]

    @pytest.mark.slow
    def test_libraries_that_changed_do_not_keep_rows_from_another_fold(
        self, rows, folder, tmp_path, opened, update_attribute
    ):
        store = run(rows, tmp_path / "store")
        for path in store.path.glob("*/fold*.h5"):
            update_attribute(path, "versions", soxr="0.3.1")
        before = store["mfcc"].to_numpy()
        moved = [row | {"fold": 3 - row["fold"]} if row["fold"] < 3 else row for row in rows]
        opened.clear()
        run(moved, store.path)
        assert opened == []
        # A new clip cannot be put beside rows of other libraries: its file is computed as a whole.
        store = run([*moved, clip(folder, "a", 3, fold=1)], store.path)
        assert set(opened) == {"a.wav", "b.wav", "f.wav"} and len(before) + 1 == len(store)

    @pytest.mark.slow
    def test_a_damaged_row_of_other_libraries_is_not_replaced_alone(self, rows, tmp_path, computed, update_attribute):
        store = run(rows, tmp_path / "store").path
        for path in store.glob("*/fold*.h5"):
            update_attribute(path, "versions", soxr="0.3.1")
        with h5py.File(store / "mfcc/fold1.h5", "r+") as file:
            file["data"][2] += 1
        computed.clear()
        run(rows[::-1], store)
        assert computed == [("mfcc", 1, row) for row in range(6)]
        versions = {path: read_header(path).facts.versions["soxr"] for path in store.glob("*/fold*.h5")}
        assert versions.pop(store / "mfcc/fold1.h5") != "0.3.1" and set(versions.values()) == {"0.3.1"}


class TestFeaturesThatWereNotAskedFor:
    @pytest.mark.slow
    def test_of_another_recording_are_refused_before_anything_is_computed(self, rows, folder, tmp_path, computed):
        store, only = tmp_path / "store", {"mfcc": FEATURES["mfcc"]}
        run(rows, store, features={"waveform": FEATURES["waveform"]})
        before = contents(store)
        write(folder / "h.wav", 99)
        computed.clear()
        command = f"extract_features DATASET --features mfcc,waveform --out {store}"
        with pytest.raises(StoreError, match=f"^h.wav changed since 'waveform' of .* {command},"):
            run(rows, store, features=only)
        assert computed == [] and contents(store) == before
        run(rows, store)
        run(rows, tmp_path / "fresh")
        assert contents(store) == contents(tmp_path / "fresh")

    @pytest.mark.slow
    def test_lack_new_clips_which_is_said_once(self, rows, folder, tmp_path, capsys):
        store, only = tmp_path / "store", {"mfcc": FEATURES["mfcc"]}
        run(rows, store)
        rows.append(clip(folder, "a", 3))
        run(rows, store, features=only, verbose=True)
        command = f"extract_features DATASET --features mfcc,waveform --out {store}"
        assert f"note: 'waveform' lacks 1 of the clips: {command} updates all features\n" in capsys.readouterr().out
        assert set(open_store(store)) == {"mfcc"}
        run(rows, store, verbose=True)
        assert "lacks" not in capsys.readouterr().out and set(open_store(store)) == {"mfcc", "waveform"}


def _csv(folder, text):
    path = folder / "clips.csv"
    path.write_text(text)
    return path


class TestWhatIsChosen:
    @pytest.mark.slow
    def test_speaks_for_the_chosen_clips_only(self, rows, tmp_path, computed):
        table = _csv(tmp_path, "")
        table_of(rows).to_csv(table, index=False)
        run(load_clips(table), tmp_path / "store")
        for row in rows:
            row["category"] = {"dog": "rain", "rain": "dog"}[row["category"]]
        table_of(rows[3:]).to_csv(table, index=False)
        before = open_store(tmp_path / "store").y
        computed.clear()
        store = run(load_clips(table, folds=[1, 2]), tmp_path / "store")
        assert len(store) == 24 and computed == []
        first = (store.folds <= 2) & (store.column("filename") != "a.wav")
        assert first.sum() == 9 and (store.y[first] != before[first]).all()
        np.testing.assert_array_equal(store.y[~first], before[~first])
        assert len(run(load_clips(table), tmp_path / "store")) == 21

    @pytest.mark.slow
    def test_categories_come_one_after_the_other(self, rows, tmp_path, computed):
        table = _csv(tmp_path, "")
        table_of(rows).to_csv(table, index=False)
        assert len(run(load_clips(table, categories="dog"), tmp_path / "store")) == 12
        assert len(run(load_clips(table, categories="rain"), tmp_path / "store")) == 24
        computed.clear()
        run(load_clips(table), tmp_path / "store")
        assert computed == []
        run(load_clips(table), tmp_path / "fresh")
        assert contents(tmp_path / "store") == contents(tmp_path / "fresh")

    @pytest.mark.slow
    def test_of_clips_with_several_labels(self, rows, tmp_path):
        labels = ["rain;dog", "", "dog", "wind", "rain"]
        for number, row in enumerate(rows):
            row["category"] = labels[number % len(labels)]
        table = _csv(tmp_path, "")
        table_of(rows).rename(columns={"category": "labels"}).drop(columns="target").to_csv(table, index=False)
        run(load_clips(table, folds=[2, 4]), tmp_path / "store")
        store = run(load_clips(table, folds=[1, 3]), tmp_path / "store")
        run(load_clips(table), tmp_path / "fresh")
        assert contents(tmp_path / "store") == contents(tmp_path / "fresh")
        assert store.categories == ["dog", "rain", "wind"] and store.y.sum(axis=0).tolist() == [10, 9, 5]
        table_of([row | {"category": "dog"} for row in rows]).to_csv(table, index=False)
        with pytest.raises(StoreError, match=r"several labels and those of this table do not.*without --categories"):
            run(load_clips(table, folds=[1]), tmp_path / "store")

    def test_labels_stay_in_the_order_of_the_store_and_then_of_the_table(self, rows, tmp_path):
        def part(rows, categories):
            table = table_of(rows).assign(labels=[(categories[0],)] * len(rows)).drop(columns=["category", "target"])
            table.attrs |= {"categories": categories, "chosen": True}
            return table

        run(part(rows[:1], ["wind", "dog"]), tmp_path / "store")
        store = run(part(rows[1:2], ["snow", "rain", "dog"]), tmp_path / "store")
        assert store.categories == ["wind", "dog", "snow", "rain"]

    def test_numbers_of_categories_that_contradict_each_other_are_refused(self, rows, tmp_path):
        run(rows, tmp_path / "store")
        before = contents(tmp_path / "store")
        table = _csv(tmp_path, "")
        table_of([row | {"category": row["category"].replace("dog", "sea")} for row in rows]).to_csv(table, index=False)
        with pytest.raises(StoreError, match="without --categories and --folds"):
            run(load_clips(table, categories="rain"), tmp_path / "store")
        assert contents(tmp_path / "store") == before

    @pytest.mark.slow
    def test_a_damaged_table_is_not_replaced_by_a_part_of_the_clips(self, rows, tmp_path):
        table = _csv(tmp_path, "")
        table_of(rows).to_csv(table, index=False)
        run(load_clips(table), tmp_path / "store")
        (tmp_path / "store/clips.h5").write_bytes(b"")
        before = contents(tmp_path / "store")
        with pytest.raises(StoreError, match=r"clips.h5 is damaged or missing.*without --categories and --folds"):
            run(load_clips(table, categories="dog"), tmp_path / "store")
        assert contents(tmp_path / "store") == before
        assert len(run(load_clips(table), tmp_path / "store")) == 24

    def test_the_store_of_another_data_set_is_not_emptied(self, rows, folder, tmp_path):
        run(rows[:12], tmp_path / "store")
        before = contents(tmp_path / "store")
        with pytest.raises(StoreError, match=r"None of the 12 clips .* another data set.*--out"):
            run(rows[12:], tmp_path / "store")
        assert contents(tmp_path / "store") == before


class TestNothingIsLost:
    @pytest.mark.slow
    def test_a_new_clip_that_fails_leaves_a_store_with_all_other_edits(self, rows, folder, tmp_path):
        run(rows, tmp_path / "store")
        (folder / "bad.wav").write_bytes(b"RIFF")
        edited = [*rows[1:], clip(folder, "bad", 0)]
        edited[0] |= {"category": "rain"}
        with pytest.raises(ExtractionError, match=r"bad\.wav"):
            run(edited, tmp_path / "store")
        store = open_store(tmp_path / "store")
        assert clip_keys(store.clips) == clip_keys(table_of(rows[1:]).sort_values("fold", kind="stable"))
        assert store.y[0] == "rain"
        run(edited[:-1], tmp_path / "store")
        run(edited[:-1], tmp_path / "fresh")
        assert contents(tmp_path / "store") == contents(tmp_path / "fresh")

    @pytest.mark.slow
    def test_a_kill_between_any_two_names_leaves_a_store_that_can_be_opened(self, rows, tmp_path, monkeypatch):
        rows = [rows[0], rows[1], rows[3], rows[4]]
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)
        base = run(rows, tmp_path / "base").path
        swapped = [rows[0], rows[1] | {"fold": 2}, rows[2] | {"fold": 1}, rows[3]]
        run(swapped, tmp_path / "fresh")
        for point in range(100):
            store = shutil.copytree(base, tmp_path / f"store{point}")
            with monkeypatch.context() as patch:
                interrupt_at(patch, point, (Path, "replace"))
                ended = False
                with suppress(Interrupted):
                    run(swapped, store)
                    ended = True
            opened = open_store(store)
            assert set(opened) == set(FEATURES) and len(opened) >= 2, point
            run(swapped, store)
            assert contents(store) == contents(tmp_path / "fresh")
            if ended:
                break
        assert 8 <= point < 50

    def test_clips_that_move_into_any_of_the_files_are_left_out_meanwhile(self, rows, tmp_path):
        folds = [table_of(rows[:1]), table_of(rows[3:5])]
        wanted = [_judge.WantedFile("mfcc", FEATURES["mfcc"], n, clips, tmp_path, {}) for n, clips in enumerate(folds)]
        moving = _publish.moving_clips([_publish.BegunFile(file, None, None) for file in wanted])
        assert moving == set(clip_keys(table_of([rows[0], *rows[3:5]])))

    def test_a_disk_without_room_is_refused_before_anything_is_touched(self, rows, folder, tmp_path, monkeypatch):
        run(rows, tmp_path / "store")
        before = contents(tmp_path / "store")
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(_publish.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(StoreError, match=r"no space for [\d,.]+ MB of files.*Nothing was changed"):
            run([*rows[1:], clip(folder, "a", 4)], tmp_path / "store")
        assert contents(tmp_path / "store") == before

    @pytest.mark.slow
    def test_readers_go_on(self, rows, tmp_path):
        X = run(rows, tmp_path / "store")["mfcc"]
        before = X.to_numpy()
        run(rows[::-2], tmp_path / "store")
        np.testing.assert_array_equal(X.to_numpy(), before)

    def test_recordings_of_a_store_of_format_1_are_where_they_are_said_to_be(self, tmp_path):
        golden = Path(__file__).parents[1] / "storage/golden/format1"
        clips = _stored.stored_clips(*_stored.find_store(golden), audio=tmp_path)
        assert clips["path"].tolist() == [str(tmp_path / name) for name in clips["filename"]]

    def test_a_store_of_format_1_is_carried_over(self, tmp_path, capsys):
        golden = Path(__file__).parents[1] / "storage/golden/format1"
        store = shutil.copytree(golden, tmp_path / "store")
        before = open_store(store)
        clips = before.clips
        clips.loc[0, "category"] = "another"
        clips["target"] = clips["category"].factorize(sort=True)[0]
        name = next(iter(before))
        feature = before.feature(name)
        kept = {path: path.read_bytes() for path in store.glob("*/fold*.h5")}
        after = extract(clips, store, features={name: feature})
        assert f"clips: 1 relabelled, {len(clips) - 1} kept" in capsys.readouterr().out
        assert after.dataset == before.dataset
        assert after.y[0] == "another" and {path: path.read_bytes() for path in store.glob("*/fold*.h5")} == kept
        clips["fold"] = clips["fold"].max() + 1 - clips["fold"]
        after = extract(clips, store, features={name: feature}, verbose=False)
        order = [clip_keys(before.clips).index(key) for key in clip_keys(after.clips)]
        np.testing.assert_array_equal(after[name].to_numpy(), before_values(golden, name)[order])


@pytest.mark.parametrize("features", [("waveform", "mfcc"), ("waveform",)])
def test_the_temporary_files_of_a_killed_run_leave_with_their_fold_and_feature(tmp_path, features):
    write(tmp_path / "a.wav", 1)
    rows = [clip(tmp_path, "a", window, window + 1) for window in range(3)]
    store = tmp_path / "store"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_at(patch, 0, (_publish, "_rename"))
        run(rows[:2], store)
    begun = sorted(store.glob("*/*.new"))
    assert {path.name for path in begun} == {"fold1.h5.partial.new", "fold2.h5.partial.new"}
    begun[-1].with_name(".fold2.h5.partial.new.part").touch()  # a kill a moment earlier
    others = tmp_path / "another_store/mel/fold1.h5.partial.new"
    others.parent.mkdir(parents=True)
    others.touch()
    (store / "mel").symlink_to(others.parent)
    extract(table_of(rows[2:]), store, features={name: FEATURES[name] for name in features}, verbose=False)
    assert others.exists()
    (store / "mel").unlink()
    assert set(store.glob("*/*")) == {store / name / "fold3.h5" for name in features}


def before_values(store, name):
    return open_store(store)[name].to_numpy()


class Interrupted(BaseException):
    """What a kill is for the process that it hits: nothing after it is done."""


class Edits(RuleBasedStateMachine):
    """Any edits, interruptions and extractions end in the store of the final table."""

    folder: Path
    material: Path

    @initialize()
    def begin(self):
        self.home = Path(self.folder) / os.urandom(6).hex()
        self.audio = self.home / "audio"
        self.audio.mkdir(parents=True)
        self.store = self.home / "store"
        self.rows, self.seed, self.recordings, self.values = [], 0, {}, {}
        for recording in "ab":
            self.record(recording)
        self.rows = [clip(self.audio, recording, window, window % 2 + 1) for recording in "ab" for window in range(3)]
        self.record("d")
        self.anchor = clip(self.audio, "d", 0)  # of another data set nothing is in common

    def record(self, recording):
        self.seed += 1
        write(self.audio / f"{recording}.wav", self.seed)
        kept = shutil.copy(self.audio / f"{recording}.wav", self.home / f"{self.seed}.wav")
        self.recordings[file_digest(kept)] = str(kept)

    @rule(recording=st.sampled_from("abc"), window=st.integers(0, 4), fold=st.integers(1, 3), at=st.integers(0, 20))
    def add(self, recording, window, fold, at):
        new = clip(self.audio, recording, window, fold)
        if not (self.audio / new["filename"]).exists():
            self.record(recording)
        if all((row["filename"], row["start"]) != (new["filename"], new["start"]) for row in self.rows):
            self.rows.insert(at % (len(self.rows) + 1), new)

    @precondition(lambda self: len(self.rows) > 1)
    @rule(at=st.integers(0, 20))
    def drop(self, at):
        self.rows.pop(at % len(self.rows))

    @rule(at=st.integers(0, 20), column=st.sampled_from(["fold", "category", "src_file"]), value=st.integers(1, 3))
    def say_otherwise(self, at, column, value):
        self.rows[at % len(self.rows)][column] = value if column == "fold" else f"{column} {value}"

    @rule(recording=st.sampled_from("ab"))
    def replace_recording(self, recording):
        self.record(recording)

    @rule(order=st.randoms(use_true_random=False))
    def reorder(self, order):
        order.shuffle(self.rows)

    @rule(point=st.integers(0, 25))
    def interrupted(self, point):
        self.extract(point)

    @rule()
    def whole(self):
        self.extract(None)

    def teardown(self):
        if not hasattr(self, "rows"):
            return
        self.extract(None)
        fresh = self.home / f"fresh{os.urandom(4).hex()}"
        run([self.anchor, *self.rows], fresh)
        assert contents(self.store) == contents(fresh)
        assert verify(self.store).empty
        shutil.rmtree(self.home)

    def extract(self, point):
        with pytest.MonkeyPatch.context() as patch:
            if point is not None:
                interrupt_at(patch, point)
            with suppress(Interrupted):
                run([self.anchor, *self.rows], self.store)
                self.was_whole = True

    @invariant()
    def the_store_can_be_opened_at_any_instant(self):
        """With all its features, and each clip as it was or as it is."""
        if not getattr(self, "was_whole", False):
            return
        opened = open_store(self.store)
        assert set(opened) == set(FEATURES)
        for name, feature in FEATURES.items():
            X = opened[name].to_numpy()
            for row, (key, digest) in enumerate(
                zip(clip_keys(opened.clips), opened.column("audio_digest"), strict=True)
            ):
                np.testing.assert_array_equal(X[row], self.value(name, feature, key, digest))

    def value(self, name, feature, key, digest):
        known = self.values.get((name, key, digest))
        if known is None:
            _, start, end = key
            place = pd.DataFrame({"path": [self.recordings[digest]], "start": [start], "end": [end]})
            known = self.values[name, key, digest] = np.asarray(feature.transform(place))[0]
        return known


STEPS = (_sinks.RowWriter, "write"), (Path, "replace"), (Path, "unlink")


def interrupt_at(patch, point, *steps):
    """Raise at the n-th step that changes the disk: a row, a file that gets its name or goes, the clip table."""
    left = [point]

    def counted(function):
        def step(*args, **kwargs):
            if left[0] <= 0:
                raise Interrupted
            left[0] -= 1
            return function(*args, **kwargs)

        return step

    for owner, name in steps or STEPS:
        patch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.slow
def test_any_edits_and_interruptions_end_in_the_store_of_the_final_table(tmp_path_factory, monkeypatch):
    Edits.folder = tmp_path_factory.mktemp("edits")
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what the process sees is the same, ten times as fast
    run_state_machine_as_test(
        Edits,
        settings=settings(
            max_examples=10, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
