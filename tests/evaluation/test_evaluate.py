"""The leaderboard: the folds it uses, what it keeps, what it says of itself."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from esc_features import MelSpectrogram, MFCCStatistics, evaluate, open_store
from esc_features._cli import main
from esc_features.evaluation import Method, _evaluate, named_methods
from esc_features.exceptions import StoreError


@pytest.fixture
def copied(tiny_store, tmp_path):
    return open_store(shutil.copytree(tiny_store.path, tmp_path / "store"))


@pytest.fixture
def fitted(monkeypatch):
    """The (method, split) fitted, as they are fitted."""
    seen = []
    original = _evaluate.compute_run

    def compute(run, audio):
        seen.append((run.method.name, run.split))
        original(run, audio)

    monkeypatch.setattr(_evaluate, "compute_run", compute)
    return seen


class TestScores:
    def test_are_cross_validation_over_the_folds(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        X = tiny_store["mfcc"].to_numpy()
        wanted = cross_val_score(KNeighborsClassifier(8), X, tiny_store.target, cv=tiny_store.cv())
        np.testing.assert_allclose(board.results["accuracy"], wanted)
        assert board.table["mean_percent"][0] == pytest.approx(100 * wanted.mean())
        assert board.table["std_percent"][0] == pytest.approx(100 * wanted.std())

    def test_inner_folds_choose_and_never_see_the_reported_one(self, tiny_store, tmp_path):
        seen = []

        class Recorder(DummyClassifier):
            def fit(self, X, y, **kwargs):
                seen.append(set(X.folds.tolist()))
                return super().fit(X, y)

        def make(seed):
            return make_pipeline(MFCCStatistics(), Recorder(random_state=seed))

        method = Method("recorder", make, {"recorder__strategy": ["prior", "uniform"]})
        board = evaluate(tiny_store, [method], folds=[2], out=tmp_path, verbose=False)
        assert all(2 not in folds for folds in seen)
        assert sorted(len(folds) for folds in seen) == [3] * 8 + [4]
        assert board.table["configurations"][0] == 2

    def test_seeds_are_averaged_within_folds(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["forest"], folds=[1], seeds=[0, 1], out=tmp_path, verbose=False)
        assert board.results["seed"].tolist() == [0, 1]
        assert board.table["mean_percent"][0] == pytest.approx(100 * board.results["accuracy"].mean())


class TestKeeping:
    def test_goes_on_where_it_was_stopped(self, tiny_store, tmp_path, fitted):
        evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        evaluate(tiny_store, ["knn", "svm"], folds=[1, 3], out=tmp_path, verbose=False)
        assert fitted == [("knn", "fold1"), ("knn", "fold2"), ("knn", "fold3"), ("svm", "fold1"), ("svm", "fold3")]

    def test_another_setting_is_another_result(self, tiny_store, tmp_path, fitted):
        for neighbors in (3, 5, 3):
            pipeline = make_pipeline(MFCCStatistics(), KNeighborsClassifier(neighbors))
            evaluate(tiny_store, {"mine": pipeline}, folds=[1], out=tmp_path, verbose=False)
        assert len(fitted) == 2

    @pytest.mark.kill
    def test_killed_in_the_middle(self, tiny_store, tmp_path):
        (tmp_path / "killers.py").write_text(
            "import os, signal\n"
            "from sklearn.dummy import DummyClassifier\n"
            "from sklearn.pipeline import make_pipeline\n"
            "from esc_features import MFCCStatistics\n"
            "class Killer(DummyClassifier):\n"
            "    def fit(self, X, y):\n"
            "        if 3 not in X.folds and 'KILL' in os.environ:\n"
            "            os.kill(os.getpid(), signal.SIGKILL)\n"
            "        return super().fit(X, y)\n"
            "pipeline = make_pipeline(MFCCStatistics(), Killer())\n"
        )
        command = [sys.executable, "-m", "esc_features._cli", "evaluate", tiny_store.path, "--methods"]
        command += ["killers:pipeline,knn", "--out", tmp_path / "out"]
        environment = {"PYTHONPATH": str(tmp_path), "PATH": "", "MPLBACKEND": "Agg"}
        killed = subprocess.run(command, env=environment | {"KILL": "1"}, capture_output=True)
        assert killed.returncode == -9
        done = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out/results").glob("*.json")}
        assert len(done) == 2
        subprocess.run(command, env=environment, check=True, capture_output=True)
        files = list((tmp_path / "out/results").glob("*.json"))
        assert len(files) == 10
        assert done == {file.name: file.stat().st_mtime_ns for file in files if file.name in done}

    def test_two_workers_give_the_same(self, tiny_store, tmp_path):
        one = evaluate(tiny_store, ["forest"], folds=[1, 2], out=tmp_path / "1", verbose=False)
        two = evaluate(tiny_store, ["forest"], folds=[1, 2], out=tmp_path / "2", n_jobs=2, verbose=False)
        pd.testing.assert_series_equal(one.results["accuracy"], two.results["accuracy"])


class TestFeatures:
    def test_missing_ones_are_extracted_into_the_store(self, copied, tmp_path):
        pipeline = make_pipeline(MelSpectrogram(n_mels=16), AsTable(), StandardScaler(), KNeighborsClassifier())
        evaluate(copied, {"mine": pipeline}, folds=[1], out=tmp_path / "out", verbose=False)
        added = [name for name in open_store(copied.path) if name not in ("mel", "mfcc", "waveform")]
        assert len(added) == 1 and open_store(copied.path)[added[0]].shape == (40, 16, 157)

    def test_gone_recordings_and_no_waveforms_say_what_to_run(self, copied, monkeypatch, tmp_path):
        monkeypatch.setattr(type(copied), "audio_folder", property(lambda self: "/gone"))
        pipeline = make_pipeline(MFCCStatistics(n_mels=64), KNeighborsClassifier())
        with pytest.raises(StoreError, match="extract_features FOLDER"):
            evaluate(copied, {"mine": pipeline}, out=tmp_path, verbose=False)


class TestReport:
    def test_files_and_stamps(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn", "svm"], folds=[1, 2], out=tmp_path, verbose=False)
        assert {"results.csv", "results.json", "leaderboard.md", "leaderboard.png", "confusion.png"} <= {
            file.name for file in tmp_path.iterdir()
        }
        report = (tmp_path / "leaderboard.md").read_text()
        assert "PARTIAL: fold1, fold2 of 5 folds" in report and "Most confused by" in report
        assert len(pd.read_csv(tmp_path / "results.csv")) == 4
        saved = json.loads((tmp_path / "results.json").read_text())
        assert len(saved["results"]) == 4 and saved["facts"]["versions"]["numpy"] == np.__version__
        assert board.table["mean_percent"].is_monotonic_decreasing

    def test_another_split_is_stamped(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], cv=KFold(2, shuffle=True, random_state=0), out=tmp_path, verbose=False)
        assert "NOT THE OFFICIAL SPLIT: KFold" in board.to_text() and not board.facts["official"]

    def test_a_splitter_that_needs_groups_gets_the_sources(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], cv=GroupKFold(2), out=tmp_path, verbose=False)
        predictions = board.predictions()
        source = dict(zip(tiny_store.clips["filename"], tiny_store.sources, strict=True))
        splits = predictions.groupby(predictions["filename"].map(source))["split"].nunique()
        assert (splits == 1).all() and splits.size < 40

    def test_a_part_of_esc10_is_not_the_official_protocol(self, copied, tmp_path, monkeypatch):
        monkeypatch.setattr(type(copied), "dataset", property(lambda self: "esc10"))
        board = evaluate(copied, ["knn"], out=tmp_path, verbose=False)
        text = board.to_text()
        assert "NOT THE WHOLE OF esc10" in text and "human listeners" in text and "66.7" in text

    def test_predictions_and_confusions(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        predictions = board.predictions()
        assert sorted(predictions["filename"]) == sorted(tiny_store.clips["filename"])
        wrong = (predictions["true"] != predictions["predicted"]).sum()
        assert board.most_confused(most=100)["clips"].sum() == wrong
        with pytest.raises(ValueError, match="no results"):
            board.predictions("svm")


class TestChoosing:
    def test_names_and_mistakes(self, tiny_store, tmp_path):
        assert {"knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet", "birdnet"} <= set(
            named_methods()
        )
        for methods, message in (
            ("kn", "did you mean knn"),
            ([], "No method"),
            ("nowhere:pipeline", "cannot be imported"),
            ({"mine": KNeighborsClassifier()}, "starts with a feature"),
        ):
            with pytest.raises(ValueError, match=message):
                evaluate(tiny_store, methods, out=tmp_path, verbose=False)
        with pytest.raises(ValueError, match="no fold"):
            evaluate(tiny_store, "knn", folds=[7], out=tmp_path, verbose=False)

    def test_every_named_method_is_a_pipeline_on_a_feature(self):
        for name, method in named_methods().items():
            if name not in ("resnet", "efficientnet", "birdnet"):
                assert method.feature.fingerprint() and method.make(1).get_params()

    def test_command_line(self, tiny_store, tmp_path, capsys):
        arguments = ["evaluate", str(tiny_store.path), "--methods", "svm", "--folds", "1", "--out", str(tmp_path)]
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert "svm" in printed and "PARTIAL" in printed and str(tmp_path) in printed
        assert main([*arguments[:2], "--methods", "svn", "--out", str(tmp_path)]) == 2
        assert "did you mean svm" in capsys.readouterr().err


def AsTable():  # noqa: N802
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(_mean)


def _mean(X):
    return X.to_numpy().mean(axis=2)
