"""make_demo: the layout, the seed, what is left alone, and that it can be learned but not by heart."""

import hashlib
import json

import numpy as np
import pytest
import soundfile as sf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features.datasets import _demo, load_clips, make_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    return folder, make_demo(folder)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_layout(demo):
    folder, clips = demo
    assert clips.attrs["name"] == "demo"
    assert clips.equals(load_clips(folder))
    assert (
        (folder / "meta" / "esc50.csv").read_text().startswith("filename,fold,target,category,esc10,src_file,take\n1-")
    )
    assert clips.groupby(["category", "fold"]).size().eq(4).all()
    assert clips["fold"].nunique() == 5
    assert clips.groupby("category")["target"].unique().map(len).eq(1).all()
    info = sf.info(clips["path"][0])
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (44100, 1, 220500, "PCM_16")
    assert all(np.abs(sf.read(path)[0]).max() > 0.05 for path in clips["path"])


@pytest.mark.slow
def test_sources_are_shared_within_a_fold_only(demo):
    _, clips = demo
    sizes = clips.groupby("src_file").size()
    assert sizes.max() == 2
    assert (sizes == 2).sum() == 30
    assert clips.groupby("src_file")["fold"].nunique().max() == 1
    assert not clips.duplicated(["src_file", "take"]).any()


@pytest.mark.slow
def test_same_seed_same_bits_other_seed_other_bits(demo, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 4)):
        make_demo(tmp_path / name, clips_per_category=5, seed=seed)
    one, two, three = (digests(tmp_path / name / "audio") for name in ("one", "two", "three"))
    assert one == two
    assert len(set(one.values())) == 30
    assert set(one) == set(three)
    assert not set(one.values()) & set(three.values())
    assert len(set(digests(demo[0] / "audio").values())) == 120


def test_complete_folder_is_left_alone_and_a_broken_one_completed(tmp_path):
    folder = tmp_path / "demo"
    make_demo(folder, n_categories=2, clips_per_category=5)
    before = digests(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    make_demo(folder, n_categories=2, clips_per_category=5)
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}

    first, second, *_ = sorted((folder / "audio").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:1000])
    (folder / "meta" / "esc50.csv").unlink()
    make_demo(folder, n_categories=2, clips_per_category=5)
    assert digests(folder) == before


@pytest.mark.slow
def test_folder_of_another_version_is_made_again(tmp_path):
    folder = tmp_path / "demo"
    make_demo(folder, n_categories=2, clips_per_category=5)
    before = digests(folder)
    label = json.loads((folder / "demo.json").read_text())
    (folder / "demo.json").write_text(json.dumps(label | {"esc_features demo": 0}))
    victim = next((folder / "audio").iterdir())
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    make_demo(folder, n_categories=2, clips_per_category=5)
    assert digests(folder) == before


def test_other_folders_are_refused_and_untouched(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="is not empty and not a demo"):
        make_demo(tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter1.tex"]
    with pytest.raises(FileExistsError, match="not empty and not a demo"):
        make_demo(tmp_path / "thesis" / "chapter1.tex")
    make_demo(tmp_path / "demo", n_categories=2, clips_per_category=5)
    with pytest.raises(FileExistsError, match=r"made with .*'seed': 0.*'seed': 1.*Name another folder"):
        make_demo(tmp_path / "demo", n_categories=2, clips_per_category=5, seed=1)


# Of each second of the first clip of each kind, its loudness and the centre of its spectrum (Hz): a change that makes
# other samples needs another `_demo._VERSION`.
SOUNDS = {
    "dog": (
        [0.0024, 0.0355, 0.0362, 0.0026, 0.036],
        [124, 6015, 6014, 105, 5732],
    ),
    "chirping_birds": (
        [0.0112, 0.0961, 0.0851, 0.082, 0.0765],
        [559, 3752, 3748, 3737, 3725],
    ),
    "rain": (
        [0.0148, 0.0137, 0.0143, 0.0154, 0.0143],
        [1500, 1346, 1348, 1488, 1406],
    ),
    "siren": (
        [0.4239, 0.4082, 0.3954, 0.4246, 0.406],
        [1068, 1105, 1138, 1082, 1076],
    ),
    "clock_tick": (
        [0.0181, 0.0262, 0.018, 0.0258, 0.0187],
        [6220, 6140, 5725, 5974, 6082],
    ),
    "engine": (
        [0.0316, 0.0327, 0.0321, 0.0317, 0.0323],
        [557, 922, 513, 1184, 537],
    ),
}


@pytest.mark.parametrize("category", SOUNDS)
def test_the_sounds_are_those_of_this_version(category):
    row = next(row for row in _demo._rows(6, 20) if row["category"] == category)
    seconds = _demo._clip(row, n_categories=6, seed=0).reshape(5, 44100)
    power = np.abs(np.fft.rfft(seconds)) ** 2
    loudness, centres = SOUNDS[category]
    np.testing.assert_allclose(np.sqrt(np.mean(seconds**2, axis=1)), loudness, rtol=0.003, atol=6e-5)
    np.testing.assert_allclose(power @ np.arange(power.shape[1]) / power.sum(axis=1), centres, rtol=0.003)


def test_default_folder_is_under_the_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tmp_path))
    clips = make_demo(n_categories=2, clips_per_category=5, seed=7)
    assert clips["path"][0].startswith(str(tmp_path / "demo-2x5-seed7" / "audio"))
    assert clips.attrs["name"] == "demo"


@pytest.mark.parametrize(
    "options",
    [
        {"n_categories": 1},
        {"n_categories": 7},
        {"clips_per_category": 4},
        {"seed": -1},
        {"seed": 0.5},
        {"n_categories": True},
    ],
)
def test_bad_numbers(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        make_demo(tmp_path / "demo", **options)
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_can_be_learned_but_not_perfectly(demo):
    _, clips = demo
    X = []
    for path in clips["path"]:
        frames = sf.read(path)[0][: 213 * 1024].reshape(213, 1024)
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(1024)))[:, 1:] ** 2
        edges = np.unique(np.geomspace(1, 512, 25).astype(int))[:-1] - 1
        bands = 10 * np.log10(np.add.reduceat(spectrum, edges, axis=1) + 1e-8)
        X.append(np.r_[bands.mean(0), bands.std(0)])
    model = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2))
    accuracy = cross_val_score(model, np.array(X), clips["category"], groups=clips["fold"], cv=LeaveOneGroupOut())
    assert 3 / 6 < accuracy.mean() < 0.97, accuracy
