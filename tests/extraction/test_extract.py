"""The extractor: what it writes, what it finds again, and that nothing but the missing is computed."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.parallel import ThreadingBackend

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, extract, load_clips, open_store
from esc_features.exceptions import ExtractionError, StoreError
from esc_features.extraction import _judge, _run, _sinks


@pytest.fixture
def clips(demo_folder):
    """Ten clips of the demo, two a fold."""
    clips = load_clips(demo_folder)
    clips = clips.groupby("fold").head(2).reset_index(drop=True)
    clips.attrs["name"] = "demo"
    return clips


@pytest.fixture
def same_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")


@pytest.fixture
def computed(monkeypatch):
    """A list of the (feature, row) written, as they are written."""
    written = []
    original = _sinks.InPlace.take

    def take(self, row):
        written.append((self._outputs[row.output].name, row.row))
        original(self, row)

    monkeypatch.setattr(_sinks.InPlace, "take", take)
    return written


@pytest.fixture
def decoded(monkeypatch):
    """A list of the recordings decoded, as they are read."""
    from esc_features.audio import RecordingReader

    paths = []
    original = RecordingReader.read

    def read(self, path, *args, **kwargs):
        paths.append(path)
        return original(self, path, *args, **kwargs)

    monkeypatch.setattr(RecordingReader, "read", read)
    return paths


def digests(store: Path) -> dict[str, str]:
    return {
        str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(store.rglob("fold*"))
    }


def copied_audio(clips: pd.DataFrame, folder: Path) -> pd.DataFrame:
    (folder / "audio").mkdir()
    return clips.assign(path=[shutil.copy(path, folder / "audio") for path in clips["path"]])


def change(path: str) -> Path:
    recording = Path(path)
    recording.write_bytes(recording.read_bytes()[:-2] + b"\x01\x02")
    return recording


class TestFiles:
    @pytest.mark.slow
    def test_hold_what_the_transformers_give(self, clips, tmp_path):
        store = extract(clips, tmp_path / "store", features="waveform,mel,mfcc", verbose=False)
        paths = clips.sort_values("fold", kind="stable")["path"].tolist()
        for name, feature in (("waveform", Waveform()), ("mel", MelSpectrogram()), ("mfcc", MFCCStatistics())):
            np.testing.assert_array_equal(store[name].to_numpy(), feature.transform(paths))

    def test_any_hdf5_tool_reads_them(self, clips, tmp_path, same_time):
        extract(clips, tmp_path / "store", features="mel", verbose=False)
        in_fold = clips[clips["fold"] == 2]
        with h5py.File(tmp_path / "store/mel/fold2.h5") as file:
            np.testing.assert_array_equal(file["data"][:], MelSpectrogram().transform(in_fold["path"].tolist()))
            assert file["clips/filename"].asstr()[:].tolist() == in_fold["filename"].tolist()
            assert file["clips/original_sample_rate"][:].tolist() == [44100] * len(in_fold)
            assert file["clips/done"][:].all()
            assert file.attrs["fold"] == 2
            assert json.loads(file.attrs["description"])["parameters"]["n_mels"] == 128
            assert {"numpy", "scipy", "soxr", "soundfile"} <= set(json.loads(file.attrs["versions"]))
            data = file["data"]
            assert data.chunks is None and data.compression is None and data.id.get_offset() % 4096 == 0
        with h5py.File(tmp_path / "store/clips.h5") as file:
            in_order = clips.sort_values("fold", kind="stable")
            for column in ("filename", "category", "src_file"):
                assert file[f"clips/{column}"].asstr()[:].tolist() == in_order[column].tolist()
            assert file["clips/fold"][:].tolist() == in_order["fold"].tolist()
        for path in (tmp_path / "store").glob("**/*.h5"):
            with h5py.File(path) as file:
                assert file.attrs["created"] == b"2017-07-14T02:40:00Z"  # SOURCE_DATE_EPOCH of these tests

    def test_relabelling_computes_and_decodes_nothing(self, clips, tmp_path, decoded, capsys):
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        before = {path: path.read_bytes() for path in (tmp_path / "store/mfcc").iterdir()}
        clips = clips.assign(category=clips["category"].where(clips.index != 3, "whale"))
        clips["target"] = clips["category"].factorize(sort=True)[0]
        clips.loc[3, "src_file"] = "another"
        decoded.clear()
        capsys.readouterr()
        store = extract(clips, tmp_path / "store", features="mfcc")
        assert decoded == [] and "relabelled" in capsys.readouterr().out
        assert {path: path.read_bytes() for path in (tmp_path / "store/mfcc").iterdir()} == before
        row = store["mfcc"].filenames.tolist().index(clips["filename"][3])
        assert store.y[row] == store["mfcc"].y[row] == "whale" and store.sources[row] == "another"
        assert "whale" in store.categories

    @pytest.mark.slow
    def test_are_the_same_bits_for_every_engine_and_order(self, clips, tmp_path, same_time):
        extract(clips, tmp_path / "one", n_jobs=1, verbose=False)
        extract(clips.assign(), tmp_path / "threads", n_jobs=3, verbose=False)
        with joblib.parallel_config(backend="loky"):
            extract(clips, tmp_path / "loky", n_jobs=2, verbose=False)
        extract(clips, tmp_path / "apart", features="waveform", verbose=False)
        extract(clips, tmp_path / "apart", features="mel", verbose=False)
        wanted = digests(tmp_path / "one")
        assert len(wanted) == 10
        for other in ("threads", "loky", "apart"):
            assert digests(tmp_path / other) == wanted

    @pytest.mark.parametrize(("attrs", "name"), [({"name": "demo"}, "demo"), ({}, "dataset")])
    def test_are_in_a_folder_named_after_the_data_set_by_default(self, clips, tmp_path, monkeypatch, attrs, name):
        monkeypatch.chdir(tmp_path)
        clips.attrs = attrs
        store = extract(clips[:1], features=Waveform(8000, 0.1), verbose=False)
        assert store.path == tmp_path / "stores" / name and store.dataset == name

    def test_dtypes_on_request(self, clips, tmp_path):
        features = {"half": MelSpectrogram(dtype="float16"), "pcm": Waveform(dtype="int16")}
        store = extract(clips, tmp_path / "store", features=features, verbose=False)
        assert store["half"].dtype == np.float16 and store["pcm"].dtype == np.int16
        assert store["pcm"].to_numpy().any()

    def test_notes_say_what_was_done(self, demo_folder, tmp_path, capsys):
        import soundfile

        folder = tmp_path / "data"
        (folder / "audio").mkdir(parents=True)
        rng = np.random.default_rng(0)
        for number, (seconds, channels, rate) in enumerate([(5, 1, 16000), (2, 2, 22050), (9, 1, 16000)]):
            noise = rng.uniform(-0.5, 0.5, (int(seconds * rate), channels))
            soundfile.write(folder / f"audio/{number}.wav", noise, rate)
        table = pd.DataFrame({"filename": ["0.wav", "1.wav", "2.wav"], "fold": [1, 1, 2], "target": 0, "category": "x"})
        table.to_csv(folder / "clips.csv", index=False)
        clips = load_clips(folder / "clips.csv", folder / "audio")
        notes = extract(clips, tmp_path / "store", features="waveform").clips["notes"].tolist()
        assert notes[0] == ""
        assert all(word in notes[1] for word in ("mixed", "resampled", "padded"))
        assert "cut" in notes[2]
        printed = capsys.readouterr().out
        assert "waveform/fold2: 1 clips, 0.3 MB; 1 of them longer than 5 s, and cut" in printed
        assert printed.count("and cut") == 1


class TestAgain:
    def test_computes_only_what_is_missing(self, clips, tmp_path, computed, capsys):
        extract(clips, tmp_path / "store", features="mel", verbose=False)
        computed.clear()
        extract(clips, tmp_path / "store", features="mel,mfcc", n_jobs=1)
        assert {name for name, _ in computed} == {"mfcc"} and len(computed) == 10
        printed = capsys.readouterr().out
        assert "mel/fold3: 2 clips, already there" in printed and "5 fresh, 5 missing" in printed

    @pytest.mark.slow
    @pytest.mark.parametrize("features", ["waveform,mel", "mel"])
    def test_reads_stored_waveforms_instead_of_the_recordings(self, clips, tmp_path, decoded, features):
        extract(clips, tmp_path / "store", features={"sound": Waveform(), "other": Waveform(8000)}, verbose=False)
        whole = extract(clips, tmp_path / "whole", features="mel", verbose=False)
        decoded.clear()
        store = extract(clips, tmp_path / "store", features=features, n_jobs=1, verbose=False)
        assert not decoded
        np.testing.assert_array_equal(store["mel"].to_numpy(), whole["mel"].to_numpy())
        pd.testing.assert_frame_equal(store.clips, whole.clips)

    @pytest.mark.slow
    def test_looks_at_each_file_once_where_nothing_is_to_do(self, clips, tmp_path, monkeypatch):
        extract(clips, tmp_path / "store", features="waveform,mel", verbose=False)
        read, looked_at = _judge.read_header, []
        monkeypatch.setattr(_judge, "read_header", lambda path: (looked_at.append(path), read(path))[1])
        extract(clips, tmp_path / "store", features="waveform,mel", verbose=False)
        assert sorted(looked_at) == sorted((tmp_path / "store").glob("*/fold*.h5"))

    @pytest.mark.slow
    def test_decodes_where_the_stored_waveforms_are_of_other_audio(self, clips, tmp_path, decoded):
        clips = copied_audio(clips, tmp_path)
        extract(clips, tmp_path / "store", features="waveform", verbose=False)
        change(clips["path"][3])
        decoded.clear()
        with pytest.raises(StoreError, match=r"changed since 'waveform'.*--features mel,waveform --out"):
            extract(clips, tmp_path / "store", features="mel", n_jobs=1, verbose=False)
        assert decoded == []
        store = extract(clips, tmp_path / "store", features="mel,waveform", n_jobs=1, verbose=False)
        assert decoded == clips["path"][clips["fold"] == clips["fold"][3]].tolist()
        assert set(store) == {"mel", "waveform"}

    @pytest.mark.slow
    def test_decodes_where_other_libraries_made_the_stored_waveforms(self, clips, tmp_path, decoded, update_attribute):
        extract(clips, tmp_path / "store", features="waveform", verbose=False)
        update_attribute(tmp_path / "store/waveform/fold2.h5", "versions", soxr="0.3.1")
        decoded.clear()
        extract(clips, tmp_path / "store", features="mel", n_jobs=1, verbose=False)
        assert decoded == clips["path"][clips["fold"] == 2].tolist()

    def test_other_libraries_are_noted_and_nothing_is_computed(
        self, clips, tmp_path, computed, capsys, update_attribute
    ):
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        update_attribute(tmp_path / "store/mfcc/fold2.h5", "versions", soxr="0.3.1")
        computed.clear()
        extract(clips, tmp_path / "store", features="mfcc")
        assert "note: mfcc: soxr was 0.3.1 when it was written" in capsys.readouterr().out and computed == []

    @pytest.mark.slow
    def test_a_damaged_stored_waveform_is_decoded_again(self, clips, tmp_path, decoded):
        extract(clips, tmp_path / "store", features="waveform", verbose=False)
        wanted = extract(clips, tmp_path / "wanted", features="mel", verbose=False)
        with h5py.File(tmp_path / "store/waveform/fold2.h5", "r+") as file:
            file["data"][1, 5] += 0.25
        decoded.clear()
        store = extract(clips, tmp_path / "store", features="mel", n_jobs=1, verbose=False)
        assert decoded == [clips["path"][clips["fold"] == 2].iloc[1]]
        np.testing.assert_array_equal(store["mel"].to_numpy(), wanted["mel"].to_numpy())

    def test_resumes_a_partial_file_and_redoes_a_torn_row(self, clips, tmp_path, computed, same_time):
        out = tmp_path / "store"
        extract(clips, tmp_path / "wanted", features="mel", verbose=False)
        extract(clips, out, features="mel", verbose=False)
        partial = out / "mel/fold1.h5.partial"
        (out / "mel/fold1.h5").rename(partial)
        with h5py.File(partial, "r+") as file:
            file["data"][1, 0, 0] += 1  # done, but not what its checksum says: a power cut
        computed.clear()
        extract(clips, out, features="mel", verbose=False)
        assert computed == [("mel", 1)]
        assert digests(out) == digests(tmp_path / "wanted")

    @pytest.mark.slow
    def test_another_setting_is_refused_and_loses_nothing(self, clips, tmp_path):
        out = tmp_path / "store"
        extract(clips, out, features="mel", verbose=False)
        before = digests(out)
        with pytest.raises(StoreError, match="n_mels is 128 in the store and 64 now") as refusal:
            extract(clips, out, features={"mel": MelSpectrogram(n_mels=64)}, verbose=False)
        assert "--overwrite" in str(refusal.value)
        assert digests(out) == before
        store = extract(clips, out, features={"mel": MelSpectrogram(n_mels=64)}, overwrite=True, verbose=False)
        assert store["mel"].shape == (10, 64, 157)

    def test_a_replaced_recording_is_computed_again_and_no_other(self, clips, tmp_path, computed, capsys):
        clips = copied_audio(clips, tmp_path)
        extract(clips, tmp_path / "store", features="mel", verbose=False)
        change(clips["path"][3])
        computed.clear()
        store = extract(clips, tmp_path / "store", features="mel")
        assert computed == [("mel", 1)] and "1 of a replaced recording, 9 kept" in capsys.readouterr().out
        row = store["mel"].filenames.tolist().index(clips["filename"][3])
        np.testing.assert_array_equal(store["mel"][row], MelSpectrogram().transform([clips["path"][3]])[0])

    def test_a_file_that_was_begun_with_another_setting_is_refused(self, clips, tmp_path, computed, update_attribute):
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        path = tmp_path / "store/mfcc/fold2.h5"
        partial = path.rename(path.with_name("fold2.h5.partial"))
        with pytest.raises(
            StoreError, match=r"mfcc/fold2: it was begun, and n_mfcc is 13 in the store and 9 now"
        ) as refusal:
            extract(clips, tmp_path / "store", features={"mfcc": MFCCStatistics(n_mfcc=9)}, verbose=False)
        assert str(refusal.value).startswith("5 files of the store ")
        update_attribute(partial, "versions", soxr="0.3.1")
        with pytest.raises(StoreError, match=r"^1 file of the store .*\n.*begun, and soxr was 0.3.1"):
            extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        computed.clear()
        extract(clips, tmp_path / "store", features="mfcc", overwrite=True, verbose=False)
        assert computed == [("mfcc", 0), ("mfcc", 1)] and not partial.exists()

    def test_more_folds_are_added(self, clips, tmp_path, computed):
        out = tmp_path / "store"
        assert np.unique(extract(clips, out, features="mel", folds=[1, 2], verbose=False).folds).tolist() == [1, 2]
        computed.clear()
        store = extract(clips, out, features="mel", verbose=False)
        assert len(computed) == 6 and np.unique(store.folds).tolist() == [1, 2, 3, 4, 5]


class TestFailures:
    def test_a_broken_clip_stops_its_fold_only_and_is_named(self, clips, tmp_path, computed, capsys):
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"<html>no sound</html>")
        good = clips["path"][0]
        clips.loc[0, "path"] = str(broken)
        fold = clips["fold"][0]
        with pytest.raises(ExtractionError, match=r"broken\.wav") as failure:
            extract(clips, tmp_path / "store", features="waveform,mel")
        assert f"mel/fold{clips['fold'][0]}: NOT published, 1 of 2 clips failed" in capsys.readouterr().out
        table = failure.value.failures
        assert table["filename"].unique().tolist() == [clips["filename"][0]]
        assert sorted(table["feature"]) == ["mel", "waveform"] and (table["fold"] == fold).all()
        assert all(error in str(failure.value) for error in table["error"])  # to its end, which says what to do
        published = sorted(file.name for file in (tmp_path / "store/mel").glob("*.h5"))
        assert len(published) == 4 and f"fold{fold}.h5" not in published
        with pytest.raises(StoreError, match=f"lacks fold {fold}"):
            open_store(tmp_path / "store")
        clips.loc[0, "path"] = good
        computed.clear()
        extract(clips, tmp_path / "store", features="waveform,mel", verbose=False)
        assert computed == [("waveform", 0), ("mel", 0)]

    def test_a_feature_that_raises_or_is_not_finite_is_a_failure(self, clips, tmp_path, monkeypatch):
        (tmp_path / "users_features.py").write_text(
            "import numpy as np\n"
            "from esc_features.features import Feature\n"
            "class Fails(Feature):\n"
            "    name = 'fails'\n"
            "    def __init__(self, how='raise', sample_rate=16000, duration=5.0, dtype='float32'):\n"
            "        self.how, self.sample_rate, self.duration, self.dtype = how, sample_rate, duration, dtype\n"
            "    def output_shape(self):\n"
            "        return (1,)\n"
            "    def compute(self, waveforms):\n"
            "        if self.how == 'raise':\n"
            "            raise RuntimeError('no luck')\n"
            "        return np.full((len(waveforms), 1), np.nan, 'float32')\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        import users_features

        with pytest.raises(ExtractionError, match="no luck"):
            extract(clips, tmp_path / "a", features=[users_features.Fails()], verbose=False)
        with pytest.raises(ExtractionError, match="not finite"):
            extract(clips, tmp_path / "b", features=[users_features.Fails("nan")], verbose=False)


class TestUsersFeature:
    def test_a_plain_transformer_in_a_module_is_a_feature(self, clips, tmp_path, monkeypatch):
        (tmp_path / "plain_transformer.py").write_text(
            "from sklearn.base import BaseEstimator, TransformerMixin\n"
            "class Energy(TransformerMixin, BaseEstimator):\n"
            "    def __init__(self, power=2):\n"
            "        self.power = power\n"
            "    def fit(self, X, y=None):\n"
            "        return self\n"
            "    def transform(self, X):\n"
            "        return (abs(X) ** self.power).mean(axis=1, keepdims=True)\n"
        )
        (tmp_path / "recipe.toml").write_text("[features.energy]\nclass = 'plain_transformer:Energy'\npower = 3\n")
        monkeypatch.syspath_prepend(tmp_path)
        store = extract(
            clips, tmp_path / "store", recipe=tmp_path / "recipe.toml", trusted=["plain_transformer"], verbose=False
        )
        waveforms = Waveform().transform(clips.sort_values("fold", kind="stable")["path"].tolist())
        wanted = (np.abs(waveforms) ** 3).mean(axis=1, keepdims=True)
        np.testing.assert_allclose(store["energy"].to_numpy(), wanted, rtol=1e-6)


class ForeignBackend(ThreadingBackend):
    supports_sharedmem = supports_return_generator = False


class TestWorkers:
    @pytest.mark.slow
    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_import_neither_torch_nor_librosa(self, demo_folder, tmp_path, n_jobs):
        program = (
            "import sys\n"
            "from esc_features._cli import extract_features as main\n"
            f"code = main([{str(demo_folder)!r}, '--out', {str(tmp_path / 'store')!r}, '--quiet', "
            f"'--n-jobs', '{n_jobs}', '--folds', '1,2'])\n"
            "print(code, sorted({'torch', 'librosa', 'skorch', 'matplotlib'} & set(sys.modules)))\n"
        )
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert result.stdout.split("\n")[-2] == "0 []"

    @pytest.mark.parametrize("host", ["this one", "another"])
    def test_run_under_any_backend_of_joblib(self, clips, tmp_path, same_time, monkeypatch, host):
        """One that joblib does not know, whose workers may be anywhere."""
        extract(clips, tmp_path / "one", features="mfcc", verbose=False)
        joblib.register_parallel_backend("foreign", ForeignBackend)
        if host == "another":
            monkeypatch.setattr(_run, "this_host", lambda: "another")
            monkeypatch.setattr(_sinks, "write_block", None)
        with joblib.parallel_config("foreign", n_jobs=2):
            extract(clips, tmp_path / "foreign", features="mfcc", verbose=False)
        assert digests(tmp_path / "foreign") == digests(tmp_path / "one")

    @pytest.mark.slow
    def test_dask_runs_the_same_code(self, clips, tmp_path, same_time):
        from dask.distributed import Client

        extract(clips, tmp_path / "one", n_jobs=1, verbose=False)
        with (
            Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None),
            joblib.parallel_config(backend="dask"),
        ):
            extract(clips, tmp_path / "dask", verbose=False)
        assert digests(tmp_path / "dask") == digests(tmp_path / "one")

    def test_a_parameter_without_meaning_is_said_before_anything_starts(self, clips, tmp_path):
        with pytest.raises(ValueError, match="n_mels"):
            extract(clips, tmp_path / "store", features=[MelSpectrogram(n_mels=0)], verbose=False)
        assert not (tmp_path / "store").exists()

    def test_no_workers_is_an_error(self, clips, tmp_path):
        with pytest.raises(ValueError, match="n_jobs"):
            extract(clips, tmp_path / "store", n_jobs=0, verbose=False)
