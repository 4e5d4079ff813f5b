"""How others got caching of features wrong, one test each; the numbers are those of stores.md, section 4."""

import io
import os
import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esc_features import MelSpectrogram, MFCCStatistics, Waveform, extract, load_clips, open_store
from esc_features.exceptions import StoreError
from esc_features.extraction import _sinks, explain
from esc_features.features import Feature


class Scale(Feature):
    """A feature whose parameter can be anything."""

    name = "scale"

    def __init__(self, how=1, sample_rate=16000, duration=5.0, dtype="float32"):
        self.how, self.sample_rate, self.duration, self.dtype = how, sample_rate, duration, dtype

    def output_shape(self):
        return (1,)

    def compute(self, waveforms):
        return np.full((len(waveforms), 1), len(repr(self.how)), self.dtype)


class Offset(Scale):
    """Another class with the same parameters."""


@pytest.fixture
def clips(demo_folder):
    clips = load_clips(demo_folder, folds=[1])
    clips.attrs["name"] = "demo"
    return clips.head(3)


@pytest.fixture
def computed(monkeypatch):
    """The (feature, row) written, as they are written."""
    written, take = [], _sinks.InPlace.take
    monkeypatch.setattr(
        _sinks.InPlace,
        "take",
        lambda self, row: (written.append((self._outputs[row.output].name, row.row)), take(self, row)),
    )
    return written


def run(clips, store, feature, **options):
    return extract(clips, store, features={"scale": feature}, verbose=False, n_jobs=1, **options)


class TestOneKeyWithoutTheFunction:
    """1. The key ignores the function and its parameters."""

    def test_another_class_is_another_feature(self, clips, tmp_path):
        run(clips, tmp_path / "store", Scale())
        with pytest.raises(StoreError, match=r"class is .*Scale' in the store and .*Offset' now"):
            run(clips, tmp_path / "store", Offset())
        assert open_store(tmp_path / "store").audio.precomputed(Offset()) is None

    def test_another_version_of_the_algorithm_is_another_feature(self, clips, tmp_path, monkeypatch):
        store = run(clips, tmp_path / "store", Scale())
        assert store.audio.precomputed(Scale()) is not None
        monkeypatch.setattr(Scale, "version", 2)
        assert store.audio.precomputed(Scale()) is None
        with pytest.raises(StoreError, match="version is 1 in the store and 2 now"):
            run(clips, tmp_path / "store", Scale())


class TestTwoParametersOfSomeTypes:
    """2. The key ignores parameters of some types: bool, None, list."""

    @pytest.mark.parametrize(
        "one, other",
        [
            (True, False),
            (None, 0),
            (None, "None"),
            *(
                pytest.param(*pair, marks=pytest.mark.slow)
                for pair in ((True, 1), (1, "1"), ([1, 2], [2, 1]), ([1], [True]), ({"a": 1}, {"a": None}))
            ),
        ],
        ids=repr,
    )
    def test_every_type_counts(self, clips, tmp_path, one, other):
        run(clips, tmp_path / "store", Scale(one))
        with pytest.raises(StoreError, match="what would be extracted"):
            run(clips, tmp_path / "store", Scale(other))
        reasons = set(explain(tmp_path / "store", clips, features={"scale": Scale(other)})["reason"])
        assert any(reason.startswith("how") for reason in reasons)

    values = st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("a1", max_size=2),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=4,
    )

    @pytest.mark.slow
    @settings(max_examples=300, deadline=None)
    @given(one=values, other=values)
    def test_the_same_parameters_are_the_same_digest_and_the_other_way_round(self, one, other):
        same = canonical(one) == canonical(other)
        assert (Scale(one).fingerprint() == Scale(other).fingerprint()) == same


def canonical(value):
    """A value with its type, where a whole float is an integer and nothing else is anything else."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    if isinstance(value, list):
        return "list", [canonical(item) for item in value]
    if isinstance(value, dict):
        return "dict", {key: canonical(item) for key, item in value.items()}
    return "number", value


class TestThreeWhatDoesNotMatter:
    """3. The key includes what does not matter: path, time, worker count, captured self."""

    def test_moved_and_touched_recordings_more_workers_and_other_options(self, clips, tmp_path, computed):
        run(clips, tmp_path / "store", Scale())
        computed.clear()
        moved = clips.copy()
        (tmp_path / "moved").mkdir()
        moved["path"] = [shutil.copyfile(path, tmp_path / "moved" / name) for path, name in zip(clips["path"], clips["filename"], strict=True)]  # fmt: skip  # noqa: E501
        for path in moved["path"]:
            os.utime(path, (1, 1))
        feature = Scale()
        feature.remark = "something on the instance that is no parameter"
        extract(moved, tmp_path / "store", features={"scale": feature}, verbose=True, n_jobs=2)
        (tmp_path / "store").rename(tmp_path / "store2")
        run(moved, tmp_path / "store2", Scale(how=1.0, duration=5))
        assert computed == []
        assert open_store(tmp_path / "store2").audio.precomputed(Scale()) is not None

    def test_the_name_in_the_store_does_not_decide(self, clips, tmp_path):
        store = extract(clips, tmp_path / "store", features={"any_name": MFCCStatistics()}, verbose=False)
        assert store.audio.precomputed(MFCCStatistics()).shape == store["any_name"].shape


class TestFourWhatCannotBeHashed:
    """4. Unhashable input gives a random key, and a silent recomputation every time."""

    @pytest.mark.parametrize("value", [object(), len, lambda x: x, {1, 2}, np.zeros(2), float("nan"), io.BytesIO()])
    def test_is_an_error_before_anything_is_written(self, clips, tmp_path, value):
        with pytest.raises(ValueError, match="cannot be described"):
            run(clips, tmp_path / "store", Scale(value))
        assert not list(tmp_path.glob("store/*/*"))

    def test_a_class_that_cannot_be_found_again_is_an_error(self, clips, tmp_path):
        class Local(Scale):
            pass

        with pytest.raises(ValueError, match="defined in a function"):
            run(clips, tmp_path / "store", Local())


class TestFiveNoKeyAtAll:
    """5. No key: the options are in the name of a folder, or nowhere."""

    def test_a_file_knows_its_parameters_wherever_it_lies(self, clips, tmp_path):
        extract(clips, tmp_path / "store", features={"mel": MelSpectrogram(n_mels=32)}, verbose=False)
        (tmp_path / "store/mel").rename(tmp_path / "store/mel64")
        store = open_store(tmp_path / "store")
        assert store.features["mel64"]["parameters"]["n_mels"] == 32
        assert store.audio.precomputed(MelSpectrogram(n_mels=64)) is None
        with pytest.raises(StoreError, match="n_mels is 32 in the store and 64 now"):
            extract(clips, tmp_path / "store", features={"mel64": MelSpectrogram(n_mels=64)}, verbose=False)

    def test_other_waveforms_are_never_taken_for_those_of_a_feature(self, clips, tmp_path):
        features = {"waveform": Waveform(duration=2), "mel": MelSpectrogram()}
        extract(clips, tmp_path / "store", features={"waveform": features["waveform"]}, verbose=False)
        store = extract(clips, tmp_path / "store", features=features, verbose=False)
        np.testing.assert_array_equal(store["mel"].to_numpy(), MelSpectrogram().transform(clips["path"].tolist()))
        derived = store.audio.derive(MelSpectrogram(fmin=30))
        np.testing.assert_array_equal(
            derived.to_numpy(), MelSpectrogram(fmin=30).transform(store.clips["path"].tolist())
        )


class TestSixVersionsOfLibraries:
    """6. Nobody records the versions of decoder and resampler, although their defaults changed under users."""

    def test_are_recorded_said_and_kept_apart(self, clips, tmp_path, capsys, computed, update_attribute):
        extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        path = tmp_path / "store/mfcc/fold1.h5"

        update_attribute(path, "versions", soxr="0.3.1")
        computed.clear()
        extract(clips, tmp_path / "store", features="mfcc")
        assert computed == [] and "soxr was 0.3.1" in capsys.readouterr().out
        # Rows of two versions must not meet in one file.
        path.rename(path.with_name("fold1.h5.partial"))
        with h5py.File(path.with_name("fold1.h5.partial"), "r+") as file:
            file["clips/done"][0] = 0
        with pytest.raises(StoreError, match=r"begun, and soxr was 0\.3\.1"):
            extract(clips, tmp_path / "store", features="mfcc", verbose=False)
        extract(clips, tmp_path / "store", features="mfcc", verbose=False, overwrite=True)
        assert len(computed) == len(clips)
