"""Features by name, from TOML, and of a user's own transformer."""

import json
import pickle

import numpy as np
import pytest
import soundfile
from sklearn.preprocessing import Normalizer

import esc_features.features as features_package
from esc_features.audio import WaveformSpec
from esc_features.features import MelSpectrogram, MFCCStatistics, Waveform, as_feature, make_features, rebuild_feature

OWN = '''
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class Peaks(TransformerMixin, BaseEstimator):
    """The largest sample of each of a few stretches."""

    def __init__(self, n_stretches=4, sample_rate=8000, duration=1.0):
        self.n_stretches = n_stretches
        self.sample_rate = sample_rate
        self.duration = duration

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        assert X.dtype == np.float32 and X.shape[1] == 8000
        return X.reshape(len(X), self.n_stretches, -1).max(axis=2)


class Mixing(Peaks):
    def transform(self, X):
        return X.mean(axis=0)


def not_a_class():
    pass
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_features.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    import own_features

    return own_features


@pytest.fixture
def recipe(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    "features, expected",
    [
        (None, {"waveform": Waveform, "mel": MelSpectrogram}),
        ("mel", {"mel": MelSpectrogram}),
        (" mfcc, waveform,", {"mfcc": MFCCStatistics, "waveform": Waveform}),
        (["mel", "mfcc"], {"mel": MelSpectrogram, "mfcc": MFCCStatistics}),
        ("MelSpectrogram", {"MelSpectrogram": MelSpectrogram}),
        (MelSpectrogram(), {"mel": MelSpectrogram}),
        ([Waveform(), "mel"], {"waveform": Waveform, "mel": MelSpectrogram}),
        ({"a": "mel", "b-2": Waveform()}, {"a": MelSpectrogram, "b-2": Waveform}),
    ],
)
def test_names_and_instances(features, expected):
    made = make_features(features)
    assert list(made) == list(expected)
    assert {name: type(feature) for name, feature in made.items()} == expected


def test_recipe(recipe, own):
    path = recipe(
        '[features.mel64]\nclass = "MelSpectrogram"\nn_mels = 64\nreference = 1.0\n'
        '[features.peaks]\nclass = "own_features:Peaks"\nn_stretches = 2\n'
    )
    made = make_features(recipe=path, trusted=["own_features"])
    assert list(made) == ["mel64", "peaks"]
    assert made["mel64"].fingerprint() == MelSpectrogram(n_mels=64, reference=1.0).fingerprint()
    assert made["peaks"].fingerprint() == as_feature(own.Peaks(2)).fingerprint()
    assert list(make_features("waveform,mel64", path, ["own_features"])) == ["waveform", "mel64"]


@pytest.mark.parametrize(
    "features, message",
    [
        ("mell", "There is no feature 'mell'. Did you mean 'mel'. The features are waveform, mel, mfcc"),
        ("", "No feature was named"),
        ([], "No feature was named"),
        ({"../up": "mel"}, "letters, digits, - and _, not '../up'"),
        ({"": "mel"}, "becomes a folder"),
        ([MelSpectrogram(), MelSpectrogram(n_mels=64)], "Two features are called 'mel'"),
        ("mel,mel", "Two features are called 'mel'"),
    ],
)
def test_mistakes_in_names(features, message):
    with pytest.raises(ValueError, match=message):
        make_features(features)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "must hold tables"),
        ("[feature.mel]\nclass='MelSpectrogram'", "it has feature"),
        ("features = 3", "must hold tables"),
        ("[features.a]\nn_mels=3", "needs a line such as class"),
        ("[features.a]\nclass=3", "needs a line such as class"),
        ("[features.a]\nclass='MelSpektrogram'", "no class 'MelSpektrogram'. Did you mean 'MelSpectrogram'"),
        (
            "[features.a]\nclass='MelSpectrogram'\nn_mel=3",
            "no parameter 'n_mel'. Did you mean 'n_mels'. Its parameters are sample_rate",
        ),
        ("[features.a]\nclass='MelSpectrogram'\nfmax=9000", r"\[features.a\] of .*: fmax=9000 Hz is above"),
        ("[features.a]\nclass='own_features:Nothing'", "'own_features:Nothing' cannot be imported"),
        ("[features.a]\nclass='no_such_module:Thing'", "cannot be imported"),
        ("[features.a]\nclass='own_features:not_a_class'", "is not a class"),
        ("[features.'a b']\nclass='Waveform'", "becomes a folder"),
        ("[features.a", "is not a TOML file"),
    ],
)
def test_mistakes_in_recipes(recipe, own, text, message):
    with pytest.raises(ValueError, match=message):
        make_features(recipe=recipe(text), trusted=["own_features", "no_such_module"])


def test_missing_recipe(tmp_path):
    with pytest.raises(ValueError, match="There is no recipe file"):
        make_features(recipe=tmp_path / "none.toml")


def test_a_users_own_transformer(own, tmp_path):
    feature = as_feature(own.Peaks())
    assert feature.output_shape() == (4,) and feature.dtype == "float32" and feature.name == "peaks"
    assert feature.waveform() == WaveformSpec(8000, 1.0)
    sounds = np.random.default_rng(0).uniform(-1, 1, (3, 8000)).astype(np.float32)
    expected = sounds.reshape(3, 4, -1).max(axis=2)
    np.testing.assert_array_equal(feature.compute(sounds), expected)
    soundfile.write(tmp_path / "a.wav", sounds[0], 8000, subtype="FLOAT")
    np.testing.assert_array_equal(feature.transform([tmp_path / "a.wav"]), expected[:1])
    assert feature.description()["class"] == "own_features.Peaks"
    assert as_feature(own.Peaks(5)).fingerprint() != feature.fingerprint()
    assert pickle.loads(pickle.dumps(feature)).fingerprint() == feature.fingerprint()
    assert as_feature(feature) is feature


def test_a_transformer_that_mixes_clips_is_refused(own):
    with pytest.raises(ValueError, match="its first axis must have length 1"):
        as_feature(own.Mixing()).compute(np.zeros((2, 8000), np.float32))


def test_a_transformer_without_rate_gets_the_default():
    feature = as_feature(Normalizer())
    assert feature.waveform() == Waveform().waveform()


@pytest.mark.parametrize(
    "thing, message", [(object(), "is not a feature"), (MelSpectrogram, r"MelSpectrogram\(\)"), (3, "not a feature")]
)
def test_what_is_no_transformer(thing, message):
    with pytest.raises(TypeError, match=message):
        as_feature(thing)


def test_everything_public_can_be_reached():
    for name in features_package.__all__:
        assert getattr(features_package, name) is not None
        assert name in dir(features_package)
    with pytest.raises(AttributeError, match="no attribute 'Mell'"):
        features_package.Mell  # noqa: B018


class TestTrust:
    """Nothing that a recipe or a store names is imported unless the user names its module."""

    @pytest.fixture
    def trap(self, tmp_path, monkeypatch):
        (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)

    @pytest.mark.parametrize("trusted", [(), ["trapdoor"], ["tra"], "own_features", [""]])
    def test_a_recipe_alone_imports_nothing(self, recipe, trap, trusted):
        with pytest.raises(ValueError, match=r"\[features.a\] of .*'trap:Thing' is not imported .* --trust trap "):
            make_features(recipe=recipe("[features.a]\nclass='trap:Thing'"), trusted=trusted)

    def test_a_program_is_not_started(self, recipe):
        text = "[features.a]\nclass='subprocess:Popen'\nargs=['touch', 'started']"
        with pytest.raises(ValueError, match="--trust subprocess"):
            make_features(recipe=recipe(text))
        with pytest.raises(ValueError, match=r"'subprocess:Popen' is not a transformer"):
            make_features(recipe=recipe(text), trusted=["subprocess"])

    def test_an_estimator_that_transforms_nothing_is_not_made(self, recipe):
        with pytest.raises(ValueError, match=r"'sklearn.svm:SVC' is not a transformer"):
            make_features(recipe=recipe("[features.a]\nclass='sklearn.svm:SVC'"), trusted=["sklearn"])

    @pytest.mark.parametrize("trusted", [["own_features"], "own_features"])
    def test_a_module_that_is_trusted(self, recipe, own, trusted):
        path = recipe("[features.a]\nclass='own_features:Peaks'\nn_stretches=2")
        assert make_features(recipe=path, trusted=trusted)["a"].transformer.n_stretches == 2

    def test_a_package_covers_its_modules(self, recipe):
        path = recipe("[features.a]\nclass='sklearn.preprocessing:Normalizer'")
        assert isinstance(make_features(recipe=path, trusted=["sklearn"])["a"].transformer, Normalizer)


class TestRebuilding:
    """A feature of its description: the way back of `description`."""

    @pytest.mark.parametrize(
        "feature",
        [
            Waveform(),
            Waveform(8000, 2.5, "int16"),
            MelSpectrogram(n_mels=64, fmax=None, reference=0.5, top_db=None),
            MFCCStatistics(n_mfcc=20, dtype="float16"),
        ],
    )
    def test_ours(self, feature):
        again = rebuild_feature(json.loads(json.dumps(feature.description())))
        assert again.fingerprint() == feature.fingerprint()
        assert repr(again) == repr(feature)

    def test_of_a_user(self, own):
        description = as_feature(own.Peaks(3)).description()
        with pytest.raises(ValueError, match=r"not imported .*--trust own_features"):
            rebuild_feature(description)
        again = rebuild_feature(description, trusted=["own_features"])
        assert again.fingerprint() == as_feature(own.Peaks(3)).fingerprint()

    def test_estimators_among_the_parameters_need_trust_too(self):
        outer = {"class": "sklearn.preprocessing.Normalizer", "version": 1, "parameters": {}}
        inner = {**outer, "class": "subprocess.Popen"}
        with pytest.raises(ValueError, match=r"'subprocess:Popen' is not imported"):
            rebuild_feature({**outer, "parameters": {"norm": inner}}, trusted=["sklearn"])

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"class": "esc_features.features.Mell"}, "not a feature of this version"),
            ({"class": "esc_features.features._recipe.os"}, "not a feature of this version"),
            ({"class": ""}, "not imported"),
            ({"parameters": {"nonsense": 1}}, "cannot be made by this version"),
            ({"parameters": {"n_mels": 0}}, "n_mels must be a whole number"),
        ],
    )
    def test_what_cannot_be_made(self, change, message):
        with pytest.raises(ValueError, match=message):
            rebuild_feature(MelSpectrogram().description() | change)


def test_libraries_of_a_users_transformer_are_known(own, monkeypatch):
    assert as_feature(own.Peaks()).libraries == ()
    monkeypatch.setattr(own.Peaks, "libraries", ("hypothesis",), raising=False)
    assert as_feature(own.Peaks()).libraries == ("hypothesis",)


def test_names_of_a_users_numbers_are_its_own(own):
    assert list(as_feature(Normalizer().fit(np.zeros((1, 3)))).get_feature_names_out()) == ["x0", "x1", "x2"]
    assert not hasattr(as_feature(own.Peaks()), "get_feature_names_out")
