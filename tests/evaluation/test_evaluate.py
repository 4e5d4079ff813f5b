"""`evaluate`: the folds it uses, what it keeps and finds again, what it says of itself."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from esc_features import MelSpectrogram, MFCCStatistics, evaluate, open_store
from esc_features._cli import main
from esc_features.datasets import official_name
from esc_features.evaluation import Method, _evaluate, _figures, load_leaderboard, named_methods
from esc_features.evaluation._methods import choose_methods
from esc_features.exceptions import SourceLeakWarning, StoreError
from esc_features.features import BirdNETEmbedding

EMBEDDINGS = ("resnet", "efficientnet", "birdnet")


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Two seconds per evaluation; test_leaderboard.py looks at them."""
    monkeypatch.setattr(_figures, "draw_figures", lambda board: {})


@pytest.fixture
def copied(tiny_store, tmp_path):
    return open_store(shutil.copytree(tiny_store.path, tmp_path / "store"))


@pytest.fixture
def fitted(monkeypatch):
    """The (method, split, seed) fitted, as they are fitted."""
    seen = []
    original = _evaluate.fit_and_predict

    def compute(fit, audio, categories):
        seen.append((fit.method.name, fit.split.name, fit.seed))
        return original(fit, audio, categories)

    monkeypatch.setattr(_evaluate, "fit_and_predict", compute)
    return seen


def neighbors(count):
    return make_pipeline(MFCCStatistics(), KNeighborsClassifier(count))


class TestScores:
    @pytest.mark.slow
    def test_are_cross_validation_over_the_folds(self, tiny_store, tmp_path):
        started = time.perf_counter()
        board = evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        seconds = board.results[["fit_seconds", "predict_seconds"]].sum().sum()
        assert 0 < seconds <= time.perf_counter() - started
        X = tiny_store["mfcc"].to_numpy()
        wanted = cross_val_score(KNeighborsClassifier(8), X, tiny_store.target, cv=tiny_store.cv())
        np.testing.assert_allclose(board.results["accuracy"], wanted)
        assert board.table["accuracy"][0] == pytest.approx(wanted.mean())
        assert board.table["std_over_folds"][0] == pytest.approx(wanted.std())

    @pytest.mark.slow
    def test_probabilities_are_those_of_cross_validation(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        X = tiny_store["mfcc"].to_numpy()
        wanted = cross_val_predict(
            KNeighborsClassifier(8), X, tiny_store.target, cv=tiny_store.cv(), method="predict_proba"
        )
        found = board.predictions(probabilities=True).set_index("filename")
        found = found.loc[tiny_store.clips["filename"], tiny_store.categories]
        np.testing.assert_allclose(found.to_numpy(), wanted, atol=1e-6)

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

    @pytest.mark.slow
    def test_every_seed_reaches_the_forest_and_stands_for_itself(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["forest"], folds=[3], seeds=[0, 7], out=tmp_path, verbose=False)
        X, y = tiny_store["mfcc"].to_numpy(), tiny_store.target
        for row in board.results.itertuples():
            test = tiny_store.folds == int(row.split[-1])
            forest = RandomForestClassifier(500, random_state=20150420 + row.seed).fit(X[~test], y[~test])
            assert row.accuracy == pytest.approx(forest.score(X[test], y[test]))
        said = board.predictions(probabilities=True).set_index(["seed", "filename"]).sort_index()
        assert not np.array_equal(said.loc[0, tiny_store.categories], said.loc[7, tiny_store.categories])

    def test_the_seed_of_a_nested_step_of_the_users_pipeline_is_set(self, tiny_store, tmp_path):
        pipeline = make_pipeline(MFCCStatistics(), DummyClassifier(strategy="uniform", random_state=99))
        board = evaluate(tiny_store, {"guess": pipeline}, folds=[1], seeds=[0, 1], out=tmp_path, verbose=False)
        test = tiny_store.folds == 1
        for seed, said in board.predictions().groupby("seed"):
            guess = DummyClassifier(strategy="uniform", random_state=seed).fit(test[~test], tiny_store.target[~test])
            names = np.array(tiny_store.categories)[
                np.searchsorted(np.unique(tiny_store.target), guess.predict(test[test]))
            ]
            assert said["predicted"].tolist() == names.tolist()


class TestKeeping:
    def test_goes_on_where_it_was_stopped(self, tiny_store, tmp_path, fitted):
        evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        board = evaluate(tiny_store, ["knn", "svm"], folds=[1, 3], out=tmp_path, verbose=False)
        assert [fit[:2] for fit in fitted] == [
            ("knn", "fold1"), ("knn", "fold2"), ("knn", "fold3"), ("svm", "fold1"), ("svm", "fold3"),
        ]  # fmt: skip
        assert board.table.set_index("method")["splits"].to_dict() == {"knn": 3, "svm": 2}

    def test_another_setting_is_another_result(self, tiny_store, tmp_path, fitted):
        for count in (3, 5, 3):
            board = evaluate(tiny_store, {"mine": neighbors(count)}, folds=[1], out=tmp_path, verbose=False)
            X, test = tiny_store["mfcc"].to_numpy(), tiny_store.folds == 1
            model = KNeighborsClassifier(count).fit(X[~test], tiny_store.target[~test])
            assert board.results["accuracy"].tolist() == [model.score(X[test], tiny_store.target[test])]
        assert len(fitted) == 2

    @pytest.mark.slow
    def test_pipelines_that_print_alike_do_not_share_a_result(self, tiny_store, tmp_path, fitted):
        """scikit-learn shortens what it prints beyond 700 characters, in the middle."""

        def longest(middle):
            scalers = [StandardScaler(copy=True) for _ in range(60)]
            scalers[30] = StandardScaler(with_mean=middle)
            return make_pipeline(MFCCStatistics(), *scalers, KNeighborsClassifier())

        assert repr(longest(True)) == repr(longest(False))
        for middle in (True, False):
            evaluate(tiny_store, {"mine": longest(middle)}, folds=[1], out=tmp_path, verbose=False)
        assert len(fitted) == 2

    def test_other_labels_folds_or_audio_are_another_result(self, tiny_store, tmp_path, fitted, monkeypatch):
        evaluate(tiny_store, ["knn"], folds=[1], out=tmp_path, verbose=False)
        changed = tiny_store.column("audio_digest").copy()
        changed[tiny_store.folds == 2] += 1
        original = type(tiny_store).column
        monkeypatch.setattr(
            type(tiny_store), "column", lambda self, name: changed if name == "audio_digest" else original(self, name)
        )
        board = evaluate(tiny_store, ["knn"], folds=[1], out=tmp_path, verbose=False)
        assert len(fitted) == 2 and len(board.results) == 1

    def test_other_training_clips_are_another_result(self, tiny_store, tmp_path, fitted):
        """Splits of one name, with the same test clips, but fitted on fewer clips."""

        class Fewer:
            def __init__(self, dropped):
                self.dropped = dropped

            def split(self, X, y=None, groups=None):
                test = np.flatnonzero(X.folds == 1)
                yield np.flatnonzero((X.folds != 1) & (X.folds != self.dropped)), test

        for dropped in (0, 5):
            evaluate(tiny_store, ["knn"], cv=Fewer(dropped), out=tmp_path, verbose=False)
        assert len(fitted) == 2

    @pytest.mark.slow
    def test_versions_are_part_of_the_key(self, tiny_store, tmp_path, fitted, monkeypatch):
        from esc_features.evaluation import _keys

        original = _keys.metadata.version
        for version in ("1.0", "1.1"):
            monkeypatch.setattr(
                _keys.metadata, "version", lambda name, v=version: v if name == "scikit-learn" else original(name)
            )
            board = evaluate(tiny_store, ["knn"], folds=[1], out=tmp_path, verbose=False)
        assert len(fitted) == 2 and board.versions["scikit-learn"] == ["1.1"]
        monkeypatch.undo()
        board = evaluate(tiny_store, ["svm"], folds=[1], out=tmp_path, verbose=False)
        assert "MIXED VERSIONS: scikit-learn 1.1" in board.to_text()

    @pytest.mark.slow
    def test_an_edited_method_of_the_users_is_fitted_again(self, tiny_store, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

        def said(depth):
            (tmp_path / "edited_method.py").write_text(
                "from sklearn.tree import DecisionTreeClassifier\n"
                "from sklearn.pipeline import make_pipeline\n"
                "from esc_features import MFCCStatistics\n"
                "class Tree(DecisionTreeClassifier):\n"
                "    def fit(self, X, y):\n"
                f"        self.max_depth = {depth}\n"
                "        return super().fit(X.to_numpy(), y)\n"
                "    def predict(self, X):\n"
                "        return super().predict(X.to_numpy())\n"
                "    def predict_proba(self, X):\n"
                "        return super().predict_proba(X.to_numpy())\n"
                "def method():\n"
                "    return make_pipeline(MFCCStatistics(), Tree(random_state=0))\n"
            )
            sys.modules.pop("edited_method", None)  # as in another run
            board = evaluate(tiny_store, "edited_method:method", folds=[1], out=tmp_path / "out", verbose=False)
            return board.predictions()["predicted"].tolist()

        first, second = said(1), said(9)
        assert len(set(first)) <= 2 < len(set(second)) and said(1) == first

    @pytest.mark.slow
    def test_reports_are_cumulative(self, tiny_store, tmp_path):
        evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        board = evaluate(tiny_store, ["svm"], out=tmp_path, verbose=False)
        assert set(board.table["method"]) == {"knn", "svm"}
        assert set(load_leaderboard(tmp_path).table["method"]) == {"knn", "svm"}
        assert "knn" in (tmp_path / "leaderboard.md").read_text()

    @pytest.mark.slow
    def test_an_interrupted_run_leaves_a_leaderboard_of_what_is_there(self, tiny_store, tmp_path, monkeypatch):
        original = _evaluate.fit_and_predict

        def compute(fit, audio, categories):
            if fit.method.name == "svm":
                raise KeyboardInterrupt
            return original(fit, audio, categories)

        monkeypatch.setattr(_evaluate, "fit_and_predict", compute)
        with pytest.raises(KeyboardInterrupt):
            evaluate(tiny_store, ["knn", "svm"], out=tmp_path, verbose=False)
        board = load_leaderboard(tmp_path)
        assert board.table["method"].tolist() == ["knn"] and (tmp_path / "leaderboard.md").exists()

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
        path = f"{tmp_path}:{Path(__file__).parents[2]}"
        environment = {"PYTHONPATH": path, "PATH": "", "MPLBACKEND": "Agg"}
        killed = subprocess.run(command, env=environment | {"KILL": "1"}, capture_output=True)
        assert killed.returncode == -9
        done = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out/results").glob("*.npz")}
        assert len(done) == 2 and len(load_leaderboard(tmp_path / "out").results) == 2
        subprocess.run(command, env=environment, check=True, capture_output=True)
        files = list((tmp_path / "out/results").glob("*.npz"))
        assert len(files) == 10
        assert done == {file.name: file.stat().st_mtime_ns for file in files if file.name in done}

    @pytest.mark.slow
    def test_two_workers_give_the_same(self, tiny_store, tmp_path):
        one = evaluate(tiny_store, ["forest"], folds=[1, 2], out=tmp_path / "1", verbose=False)
        two = evaluate(tiny_store, ["forest"], folds=[1, 2], out=tmp_path / "2", n_jobs=2, verbose=False)
        first, second = (board.predictions(probabilities=True) for board in (one, two))
        pd.testing.assert_frame_equal(first, second)

    @pytest.mark.slow
    def test_workers_are_other_processes(self, tiny_store, tmp_path):
        def say_where(statistics, folder=str(tmp_path)):
            Path(folder, f"{os.getpid()}.pid").touch()
            return statistics

        method = make_pipeline(MFCCStatistics(), FunctionTransformer(say_where), KNeighborsClassifier())
        for n_jobs, here in ((2, False), (1, True)):
            evaluate(tiny_store, {f"in {n_jobs}": method}, folds=[1, 2], out=tmp_path, n_jobs=n_jobs, verbose=False)
            assert list(tmp_path.glob("*.pid")) and (tmp_path / f"{os.getpid()}.pid").exists() == here

    def test_a_damaged_result_is_named_and_computed_anew(self, tiny_store, tmp_path, fitted, caplog):
        evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        file = next((tmp_path / "results").glob("knn-fold1*"))
        content = file.read_bytes()
        file.write_bytes(content[:-100])
        with caplog.at_level(logging.WARNING, logger="esc_features"):
            board = evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        assert file.name in caplog.text and "computed again" in caplog.text
        assert [fit[1] for fit in fitted] == ["fold1", "fold2", "fold1"] and len(board.results) == 2

    @pytest.mark.slow
    def test_a_result_under_another_name_is_not_believed(self, tiny_store, tmp_path, fitted):
        evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        one, two = sorted((tmp_path / "results").glob("knn-fold*"))
        shutil.copy(one, two)
        board = evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        assert len(fitted) == 3 and set(board.results["split"]) == {"fold1", "fold2"}


class TestPlaces:
    @pytest.mark.slow
    def test_results_that_came_with_a_store_are_not_believed_unless_asked(
        self, copied, tmp_path, fitted, monkeypatch, caplog
    ):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "author"))
        evaluate(copied, ["knn"], folds=[1], verbose=False)
        evaluate(copied, ["knn"], folds=[1], verbose=False)
        assert len(fitted) == 1
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "reader"))
        evaluate(copied, ["knn"], folds=[1], verbose=False, trust_results=True)
        assert len(fitted) == 1
        with caplog.at_level(logging.WARNING, logger="esc_features"):
            board = evaluate(copied, ["svm"], folds=[1], verbose=False)
        assert board.table["method"].tolist() == ["svm"] and "--trust-results" in caplog.text
        evaluate(copied, ["knn"], folds=[1], verbose=False)
        assert len(fitted) == 3

    def test_nothing_is_written_through_links(self, copied, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("mine")
        folder = copied.path / "evaluation"
        folder.symlink_to(outside)
        with pytest.raises(ValueError, match=r"is a link.*--out"):
            evaluate(copied, ["knn"], folds=[1], verbose=False)
        folder.unlink()
        folder.mkdir()
        (folder / "results").symlink_to(outside)
        with pytest.raises(ValueError, match="is a link"):
            evaluate(copied, ["knn"], folds=[1], verbose=False)
        (folder / "results").unlink()
        names = ("leaderboard.md", "results.csv", "leaderboard.html", "leaderboard.json", "leaderboard.tex")
        for name in names:
            (folder / name).symlink_to(outside / "precious")
        evaluate(copied, ["knn"], folds=[1], verbose=False)
        assert (outside / "precious").read_text() == "mine" and [f.name for f in outside.iterdir()] == ["precious"]
        assert not any((folder / name).is_symlink() for name in names)

    def test_where_nothing_can_be_written_it_says_so_before_computing(self, tiny_store, tmp_path, fitted):
        (tmp_path / "file").write_text("")
        with pytest.raises(ValueError, match=r"cannot be written.*--out"):
            evaluate(tiny_store, ["knn"], out=tmp_path / "file" / "results", verbose=False)
        assert fitted == []


class TestFeatures:
    @pytest.mark.slow
    def test_missing_ones_are_extracted_into_the_store(self, copied, tmp_path):
        pipeline = make_pipeline(MelSpectrogram(n_mels=16), AsTable(), StandardScaler(), KNeighborsClassifier())
        evaluate(copied, {"mine": pipeline}, folds=[1], out=tmp_path / "out", verbose=False)
        added = [name for name in open_store(copied.path) if name not in ("mel", "mfcc", "waveform")]
        assert len(added) == 1 and open_store(copied.path)[added[0]].shape == (40, 16, 157)

    @pytest.mark.slow
    def test_of_all_clips_also_where_a_part_is_evaluated(self, copied, tmp_path):
        """What the store says of its clips stays, bit for bit."""
        before = (copied.path / "clips.h5").read_bytes()
        part = copied[copied.folds != 5]
        pipeline = make_pipeline(MelSpectrogram(n_mels=16), AsTable(), KNeighborsClassifier())
        board = evaluate(part, {"mine": pipeline}, folds=[1], out=tmp_path / "out", verbose=False)
        assert board.facts.clips == len(part) == 32 and len(board.facts.splits) == 4
        assert len(open_store(copied.path)) == 40 and (copied.path / "clips.h5").read_bytes() == before

    @pytest.mark.parametrize("path", ["/gone/away.wav", ""])  # a path that leaves the folder is ""
    def test_gone_recordings_and_no_waveforms_say_what_to_run(self, copied, monkeypatch, tmp_path, path):
        clips = copied.clips.assign(path=path)
        monkeypatch.setattr(type(copied), "clips", property(lambda self: clips))
        pipeline = make_pipeline(MFCCStatistics(n_mels=64), KNeighborsClassifier())
        with pytest.raises(StoreError, match=r"1-.*wav is not in .*extract_features FOLDER"):
            evaluate(copied, {"mine": pipeline}, out=tmp_path, verbose=False)


class TestStamps:
    def test_partial(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], folds=[1, 2], out=tmp_path, verbose=False)
        for text in (board.to_text(), board.to_markdown(), board.to_csv(), board.to_latex(), board.to_html()):
            assert "PARTIAL: knn (2 of 5 folds)" in text

    def test_another_split_is_stamped_and_its_leak_warned_of(self, tiny_store, tmp_path):
        cv = KFold(2, shuffle=True, random_state=0)
        with pytest.warns(SourceLeakWarning, match="come from recordings"):
            board = evaluate(tiny_store, ["knn"], cv=cv, out=tmp_path, verbose=False)
        leaking = 0
        for train, test in cv.split(tiny_store.audio):
            known = set(tiny_store.sources[train])
            leaking += sum(source in known for source in tiny_store.sources[test])
        assert leaking > 0
        assert f"LEAK: {leaking} of 40 test clips" in board.to_text()
        assert "NOT THE OFFICIAL SPLIT: KFold" in board.to_text()

    def test_a_splitter_that_needs_groups_gets_the_sources(self, tiny_store, tmp_path):
        board = evaluate(tiny_store, ["knn"], cv=GroupKFold(2), out=tmp_path, verbose=False)
        predictions = board.predictions()
        source = dict(zip(tiny_store.clips["filename"], tiny_store.sources, strict=True))
        splits = predictions.groupby(predictions["filename"].map(source))["split"].nunique()
        assert (splits == 1).all() and splits.size < 40 and "LEAK" not in board.to_text()

    @pytest.mark.slow
    def test_boards_of_the_folds_and_of_a_splitter_do_not_mix(self, tiny_store, tmp_path):
        evaluate(tiny_store, ["knn"], out=tmp_path, verbose=False)
        board = evaluate(tiny_store, ["svm"], cv=GroupKFold(2), out=tmp_path, verbose=False)
        assert board.table["method"].tolist() == ["svm"]

    @pytest.mark.slow
    def test_a_part_of_esc10_says_so_everywhere_and_has_no_published_rows(self, copied, tmp_path, monkeypatch):
        monkeypatch.setattr(type(copied), "dataset", property(lambda self: "esc10"))
        board = evaluate(copied, ["knn"], out=tmp_path, verbose=False)
        for text in (board.to_text(), board.to_markdown(), board.to_csv(), board.to_latex(), board.to_html()):
            assert "SUBSET: 4 of 10 categories" in text
            assert "human listeners" not in text
        assert all(pd.read_csv(tmp_path / "results.csv")["note"] == "SUBSET: 4 of 10 categories")

    @pytest.mark.slow
    def test_published_rows_stand_beside_the_official_data_set_whatever_its_name(self, copied, tmp_path, monkeypatch):
        """The content decides; that the digest knows the real ESC-10 is tested with the data sets."""
        from esc_features.evaluation import _facts

        assert official_name(copied.clips) is None
        monkeypatch.setattr(_facts, "official_name", lambda clips: "esc10")
        board = evaluate(copied, ["knn"], out=tmp_path, verbose=False)
        text = board.to_text()
        assert "human listeners" in text and "66.7" in text and "SUBSET" not in text
        assert "human listeners" not in board.with_metrics("macro_f1").to_text()
        board = evaluate(copied, ["knn"], cv=GroupKFold(2), out=tmp_path, verbose=False)
        assert "human listeners" not in board.to_text()


class TestSeveralLabels:
    @pytest.fixture
    def labelled(self, tiny_store, monkeypatch):
        """The demo, where some clips have a second label and some have none."""
        categories = tiny_store.categories
        matrix = (tiny_store.y[:, None] == np.array(categories)).astype(np.int8)
        matrix[::3, 0] = 1
        matrix[5::10] = 0
        by_name = dict(zip(tiny_store.clips["filename"], matrix, strict=True))
        rows = property(lambda array: np.array([by_name[name] for name in array.filenames]))
        monkeypatch.setattr(type(tiny_store["mfcc"]), "y", rows)
        monkeypatch.setattr(type(tiny_store), "categories", property(lambda store: categories))
        return tiny_store

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "alone"),
        [
            ("knn", KNeighborsClassifier(8)),
            ("forest", RandomForestClassifier(500, random_state=20150420)),
            ("svm", OneVsRestClassifier(SVC(kernel="linear", C=0.1))),
        ],
    )
    def test_are_learnt_by_every_kind_of_method(self, labelled, tmp_path, name, alone):
        board = evaluate(labelled, [name], folds=[1], out=tmp_path, verbose=False)
        X, y, test = labelled["mfcc"].to_numpy(), labelled.y, labelled.folds == 1
        alone.fit(X[~test], y[~test])
        (held,) = board.held_out()
        assert held.truth.tolist() == y[test].tolist()
        assert held.predicted.tolist() == alone.predict(X[test]).tolist()
        if name == "svm":
            scores = alone.decision_function(X[test])
        else:
            scores = np.stack([chances[:, 1] for chances in alone.predict_proba(X[test])], axis=1)
        np.testing.assert_allclose(held.scores, scores, atol=1e-5)
        assert board.metric.name == "map" and 0 < board.table["map"][0] <= 1

    @pytest.mark.slow
    def test_a_grid_reaches_the_classifiers_inside(self, labelled, tmp_path):
        def make(seed):
            return make_pipeline(MFCCStatistics(), StandardScaler(), LogisticRegression())

        method = Method("lines", make, {"logisticregression__C": [1e-6, 1.0]})
        board = evaluate(labelled, [method], folds=[1], out=tmp_path, verbose=False)
        (chosen,) = [result.chosen for result in board._results]
        assert list(chosen) == ["logisticregression__estimator__C"]


class TestChoosing:
    def test_names_and_mistakes(self, tiny_store, tmp_path):
        assert {"knn", "svm", "forest", "rnn", "convnet", "convnet+shift", "deepconvnet", "birdnet"} <= set(
            named_methods()
        )
        for methods, message in (
            ("kn", "Did you mean 'knn'"),
            ([], "No method"),
            ("nowhere:pipeline", "cannot be imported"),
            ({"mine": KNeighborsClassifier()}, "starts with a feature"),
            (["knn", "knn"], "Two methods are called"),
            ("knn+svn", "There is no method"),
        ):
            with pytest.raises(ValueError, match=message):
                evaluate(tiny_store, methods, out=tmp_path, verbose=False)
        with pytest.raises(ValueError, match="no fold 7"):
            evaluate(tiny_store, "knn", folds=[7], out=tmp_path, verbose=False)
        with pytest.raises(ValueError, match="Did you mean 'accuracy'"):
            evaluate(tiny_store, "knn", metrics="acuracy", out=tmp_path, verbose=False)
        with pytest.raises(ValueError, match="a list of integers"):
            evaluate(tiny_store, "knn", seeds=[0.5], out=tmp_path, verbose=False)

    def test_an_ensemble_without_probabilities_is_refused_before_fitting(self, tiny_store, tmp_path, fitted):
        with pytest.raises(ValueError, match=r"'svm' gives no probabilities, so .* has no mean"):
            evaluate(tiny_store, "knn+svm", out=tmp_path, verbose=False)
        assert fitted == []

    def test_a_method_on_an_embedding_has_the_embedding_of_its_name(self):
        assert [named_methods()[name].feature.name for name in EMBEDDINGS] == list(EMBEDDINGS)

    def test_every_named_method_is_a_pipeline_on_a_feature(self):
        for name, method in named_methods().items():
            if name not in EMBEDDINGS:
                assert method.feature.fingerprint() and method.make(1).get_params()

    def test_a_pipeline_of_the_users_knows_what_its_embedding_was_pretrained_on(self):
        heads = {"mine": make_pipeline(BirdNETEmbedding(), LogisticRegression()), "bare": neighbors(3)}
        mine, bare = choose_methods(heads, None)
        known = named_methods()["birdnet"]
        assert (mine.pretraining, mine.overlap) == (known.pretraining, known.overlap) != ("not stated", "")
        assert (bare.pretraining, bare.overlap) == ("not stated", "")

    def test_seeds_of_named_networks_and_forests_differ(self):
        for name in ("forest", "rnn", "convnet", "convnet+shift", "deepconvnet"):
            made = [named_methods()[name].make(seed).get_params() for seed in (0, 1)]
            seeds = [{v for k, v in parameters.items() if k.endswith("random_state")} for parameters in made]
            assert seeds[0] != seeds[1], name

    def test_command_line(self, tiny_store, tmp_path, capsys):
        arguments = ["evaluate", str(tiny_store.path), "--methods", "svm", "--folds", "1", "--out", str(tmp_path)]
        assert main(arguments) == 0
        printed = capsys.readouterr().out
        assert "svm" in printed and "PARTIAL" in printed and str(tmp_path) in printed
        assert main([*arguments[:2], "--methods", "svn", "--out", str(tmp_path)]) == 2
        assert "Did you mean 'svm'" in capsys.readouterr().err

    def test_a_data_set_in_place_of_a_store_says_what_to_run(self, demo_folder, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for dataset in (demo_folder, "esc10"):
            with pytest.raises(StoreError, match=r"is a data set.*extract_features .* --out stores/"):
                evaluate(dataset, verbose=False)
        with pytest.raises(StoreError, match="There is no store at"):
            evaluate(tmp_path / "nowhere", verbose=False)

    def test_facts_are_plain_json(self, tiny_store, tmp_path):
        evaluate(tiny_store, ["knn"], folds=[1], out=tmp_path, verbose=False)
        facts = json.loads((tmp_path / "leaderboard.json").read_text())
        assert facts["clips"] == 40 and facts["categories"] == tiny_store.categories


def AsTable():  # noqa: N802
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(_mean)


def _mean(X):
    return X.to_numpy().mean(axis=2)


def test_quiet_prints_the_leaderboard_alone(tiny_store, tmp_path, capsys):
    from esc_features._cli import main

    assert main(["evaluate", str(tiny_store.path), "--methods", "knn", "--quiet", "--out", str(tmp_path)]) == 0
    printed, progress = capsys.readouterr()
    assert "knn" in printed and "Report" not in printed and not progress
