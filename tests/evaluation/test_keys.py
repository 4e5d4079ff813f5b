"""A result is found again by what was really run: what differs has another description, what is the same has not."""

import functools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from esc_features import MelSpectrogram, MFCCStatistics, StoreArray
from esc_features.evaluation import Method, _fit
from esc_features.evaluation._evaluate import file_name
from esc_features.evaluation._fit import clips_digest, method_key
from esc_features.evaluation._keys import Description, digest_of, versions_of


def say(value):
    return Description(value).text


class Anything(BaseEstimator):
    def __init__(self, value=None, other=None):
        self.value, self.other = value, other


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.builds(Anything, inner, inner),
    ),
    max_leaves=8,
)


def exact(value):
    """A second implementation: nested tuples that are equal where values and all their types are."""
    if isinstance(value, Anything):
        return (Anything, exact(value.value), exact(value.other))
    if isinstance(value, list | tuple):
        return (type(value), *map(exact, value))
    if isinstance(value, dict):
        return (dict, *((exact(key), exact(inner)) for key, inner in value.items()))
    return (type(value), repr(value))


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(values, values)
def test_two_values_share_a_description_only_if_they_are_the_same(one, two):
    assert (say(one) == say(two)) == (exact(one) == exact(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (np.arange(4), np.arange(4).astype(float)),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.arange(100_000), np.arange(100_000)[::-1]),
        (np.array(["a", None], object), np.array(["a", "b"], object)),
        (np.random.RandomState(0), np.random.RandomState(1)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (functools.partial(np.clip, a_min=0), functools.partial(np.clip, a_min=1)),
        (np.abs, np.exp),
        (math.floor, math.ceil),
        (lambda x: x + 1, lambda x: x + 2),
        (StandardScaler, StandardScaler()),
        ({1, 2}, frozenset({1, 2})),
        (slice(1), slice(2)),
    ],
)
def test_other_parameters_are_told_apart(one, two):
    assert say(one) != say(two) and say(Anything(one)) != say(Anything(two))
    assert say(one) == say(one)


def test_networks_and_their_weights_are_told_apart():
    torch = pytest.importorskip("torch")
    one, two = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert say(one) != say(two)
    two.load_state_dict(one.state_dict())
    assert say(one) == say(two)


def test_code_counts_and_what_it_stands_beside_does_not():
    def times(factor):
        return lambda x: factor * x

    def defined_again(factor):
        # Moved, and said in other words.
        return lambda x: factor * x

    def documented():
        return FunctionTransformer(times(2))

    assert say(times(2)) != say(times(3))
    assert say(documented()) == say(FunctionTransformer(times(2)))
    assert say(times(2)).split(" code ")[1][:16] == say(defined_again(2)).split(" code ")[1][:16]


DESCRIBE = """
import sys
from esc_features.evaluation._keys import Description
for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    for name in ("mine", "helpers"):
        sys.modules.pop(name, None)
    import mine
    print(Description(mine.make()).text)
    del sys.path[0]
"""


@pytest.mark.slow
def test_helpers_and_constants_of_the_users_module_count(tmp_path):
    def written(name, constant="3", helper="x + 1", unused="1", comment=""):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helpers.py").write_text(f"def help_me(x):\n    return {helper}\n")
        (folder / "mine.py").write_text(
            f"{comment}\nimport helpers\nfrom sklearn.base import BaseEstimator\n"
            f"FACTOR = {constant}\nUNUSED = {unused}\n"
            "class Mine(BaseEstimator):\n"
            "    def fit(self, X, y):\n        return helpers.help_me(X) * FACTOR\n"
            "def make():\n    return Mine()\n"
        )
        return folder

    def described(*folders):
        environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", DESCRIBE, *folders]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()

    folders = [
        written("first"),
        written("remark", unused="2", comment="# a remark"),
        written("constant", constant="4"),
        written("helper", helper="x + 2"),
    ]
    first, remark, constant, helper = described(*folders)
    assert described(folders[0]) == [first] == [remark], "another process says the same"
    assert len({first, constant, helper}) == 3


def test_values_that_hold_themselves_end():
    circle = []
    circle.append(circle)
    assert "levels up" in say(circle)
    pipeline = make_pipeline(StandardScaler(), Anything(circle))
    assert say(pipeline) == say(pipeline)


def test_what_cannot_be_described_is_like_nothing_else():
    import threading

    lock = threading.Lock()
    assert say(Anything(lock)) != say(Anything(lock))


def test_where_one_part_ends_counts():
    assert digest_of("ab", "c") != digest_of("a", "bc") and digest_of("ab") == digest_of("ab")


def test_versions_are_those_of_what_is_used():
    import sklearn

    found = versions_of(Description(StandardScaler()).packages, ["librosa"])
    assert found["scikit-learn"] == sklearn.__version__ and {"numpy", "python", "esc_features", "librosa"} <= set(found)
    assert "torch" not in found


def test_the_key_of_a_method_is_all_that_it_runs(monkeypatch):
    """Of the pipeline and its feature, what inner folds choose from and in which order, and what it knows before."""

    def make(seed, neighbors=5, feature=None):
        return make_pipeline(feature or MFCCStatistics(), KNeighborsClassifier(neighbors))

    def key(made=make, grid=(("kneighborsclassifier__n_neighbors", [1, 3]),), name="m", **facts):
        return method_key(Method(name, made, dict(grid), **facts))[0]

    keys = [
        key(),
        key(functools.partial(make, neighbors=6)),
        key(functools.partial(make, feature=MFCCStatistics(n_mfcc=12))),
        key(functools.partial(make, feature=MelSpectrogram())),
        key(grid=()),
        key(grid=[("kneighborsclassifier__n_neighbors", [1, 5])]),
        key(grid=[("kneighborsclassifier__n_neighbors", [3, 1])]),
        key(grid=[("kneighborsclassifier__leaf_size", [1, 3])]),
        key(pretraining="birds"),
        key(overlap="birds"),
    ]
    monkeypatch.setattr(_fit, "versions_of", lambda *_: {"numpy": "1.0"})
    keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key(name="other") == key() == keys[-1]


def test_the_same_method_with_another_seed_split_or_name_is_another_file():
    names = [
        file_name(*told)
        for told in [
            ("m", "fold1", 0, "key", "made", "protocol"),
            ("n", "fold1", 0, "key", "made", "protocol"),
            ("m", "fold2", 0, "key", "made", "protocol"),
            ("m", "fold1", 1, "key", "made", "protocol"),
            ("m", "fold1", 0, "other", "made", "protocol"),
            ("m", "fold1", 0, "key", "other", "protocol"),
            ("m", "fold1", 0, "key", "made", "other"),
            ("m", "fold1", 0, "keymade", "", "protocol"),
        ]
    ]
    assert len(set(names)) == len(names)
    assert names[0].startswith("m-fold1-seed0-") and names[0].endswith(".npz")
    # Letters that a disk may not take are told apart by the digest alone.
    odd, other = file_name("a/\u00e4 b", "fold1", 0), file_name("a:\u00e4?b", "fold1", 0)
    assert odd.startswith("a___b-fold1-") and odd != other
    assert len(file_name("x" * 500, "fold1", 0)) < 128


def test_all_that_is_known_of_the_clips_is_in_their_digest():
    names, digests = np.array(["a.wav", "b.wav", "c.wav"]), np.array([1, 2, 3], np.uint64)
    said = {"filenames": names, "sources": names, "folds": [1, 2, 2], "target": [0, 1, 0], "y": ["x", "y", "x"]}

    def digest(audio=digests, rows=slice(None), **changed):
        return clips_digest(StoreArray.from_numpy(np.zeros((3, 2)), **(said | changed))[rows], audio[rows])

    found = [
        digest(),
        digest(filenames=["a.wav", "b.wav", "d.wav"]),
        digest(sources=["a.wav", "a.wav", "c.wav"]),
        digest(folds=[1, 2, 3]),
        digest(target=[0, 1, 1]),
        digest(y=["x", "y", "z"]),
        digest(audio=digests + np.uint64(1)),
        digest(rows=[1, 0, 2]),
        digest(rows=[0, 1]),
    ]
    assert len(set(found)) == len(found) and digest() == found[0]
