"""Which row lands where: for any pattern of failures, resumes, kills and features that share a recording."""

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esc_features import MelSpectrogram, Waveform, extract, load_clips
from esc_features.exceptions import ExtractionError
from esc_features.storage import read_column, read_header

CLIPS, RATE = 23, 8000
MODULE = """
import json, os
import numpy as np
from esc_features.features import Feature

class Picky(Feature):
    '''The mean of each part of a clip, but not of the clips whose first sample stands in a file.'''
    name = "picky"
    def __init__(self, key="a", sample_rate=8000, duration=0.02, dtype="float32"):
        self.key, self.sample_rate, self.duration, self.dtype = key, sample_rate, duration, dtype
    def output_shape(self):
        return (4,)
    def compute(self, waveforms):
        with open(os.environ["PICKY"]) as file:
            refused = json.load(file)[self.key]
        number = int(round(float(waveforms[0, 0]) * 64))
        if number in refused:
            raise RuntimeError(f"not {number}")
        return waveforms.reshape(len(waveforms), 4, -1).mean(axis=2).astype(self.dtype)
"""


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Clips whose first sample is their number, and a feature that refuses some of them."""
    folder = tmp_path_factory.mktemp("rows")
    (folder / "data/audio").mkdir(parents=True)
    (folder / "data/meta").mkdir()
    lines = ["filename,fold,target,category"]
    for number in range(CLIPS):
        samples = np.random.default_rng(number).uniform(-0.4, 0.4, 320)
        samples[0] = number / 64
        soundfile.write(folder / f"data/audio/{number}.wav", samples, RATE)
        lines.append(f"{number}.wav,1,0,noise")
    (folder / "data/meta/clips.csv").write_text("\n".join(lines))
    (folder / "picky_feature.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PICKY", str(folder / "picky.json"))
        yield folder


def plainly(folder, samples):
    """What each row of `Picky` is, without any of our code."""
    rows = []
    for number in range(CLIPS):
        wave, _ = soundfile.read(folder / f"data/audio/{number}.wav", dtype="float32")
        rows.append(wave[:samples].reshape(4, -1).mean(axis=1))
    return np.array(rows, np.float32)


refused = st.sets(st.integers(0, CLIPS - 1), max_size=12)
runs = st.lists(st.tuples(refused, refused, st.sampled_from([1, 2])), min_size=1, max_size=3)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=runs)
def test_any_pattern_of_failures_and_resumes(material, tmp_path_factory, runs):
    import json

    from picky_feature import Picky

    features = {"long": Picky("a", duration=0.04), "short": Picky("b", duration=0.02)}
    wanted = {"long": plainly(material, 320), "short": plainly(material, 160)}
    clips = load_clips(material / "data")
    store = tmp_path_factory.mktemp("store")
    done = {name: set() for name in features}
    for not_long, not_short, n_jobs in runs:
        (material / "picky.json").write_text(json.dumps({"a": sorted(not_long), "b": sorted(not_short)}))
        for name, refuses in (("long", not_long), ("short", not_short)):
            done[name] |= set(range(CLIPS)) - refuses
        try:
            extract(clips, store, features=features, n_jobs=n_jobs, verbose=False)
        except ExtractionError as error:
            failed = set(zip(error.failures["feature"], error.failures["filename"], strict=True))
            assert failed == {(name, f"{number}.wav") for name in features for number in set(range(CLIPS)) - done[name]}
        for name in features:
            path = store / name / ("fold1.h5" if len(done[name]) == CLIPS else "fold1.h5.partial")
            header = read_header(path)
            assert set(np.flatnonzero(read_column(header, "done")).tolist()) == done[name]
            raw = np.fromfile(path, np.float32, CLIPS * 4, offset=header.data.offset).reshape(CLIPS, 4)
            rows = sorted(done[name])
            np.testing.assert_array_equal(raw[rows], wanted[name][rows])
    (material / "picky.json").write_text('{"a": [], "b": []}')
    opened = extract(clips, store, features=features, verbose=False)
    for name in features:
        np.testing.assert_allclose(opened[name].to_numpy(), wanted[name], atol=1e-7)


def test_features_of_one_rate_and_other_durations_share_a_recording(material, tmp_path):
    features = {
        "long": Waveform(RATE, 0.04),
        "short": Waveform(RATE, 0.01),
        "slow": Waveform(4000, 0.04),
        "mel": MelSpectrogram(RATE, 0.02, n_fft=64, hop_length=32, n_mels=4, fmax=4000),
    }
    clips = load_clips(material / "data")
    store = extract(clips, tmp_path / "store", features=features, verbose=False)
    for name, feature in features.items():
        np.testing.assert_array_equal(store[name].to_numpy(), feature.transform(clips["path"].tolist()))
