"""The table, its reports and its figures: numbers against a second implementation, and text that nobody can forge."""

import csv
import io
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from esc_features import evaluate
from esc_features.evaluation import Facts, HeldOut, Leaderboard, Result, ResultError, load_leaderboard
from esc_features.evaluation._ensemble import average
from esc_features.evaluation._result import pack_result

CATEGORIES = ("dog", "rain", "siren")


def result(method="m", split="fold1", seed=0, quality=1.0, kind="probability", categories=CATEGORIES, **facts):
    """A method that knows `quality` of the truth; clips are the same for all methods of a split."""
    clips = 30
    same = np.random.default_rng(int(split[-1]))
    rng = np.random.default_rng([int(split[-1]), seed, sum(map(ord, method))])
    truth = same.integers(len(categories), size=clips)
    scores = rng.dirichlet(np.ones(len(categories)), clips) + quality * np.eye(len(categories))[truth]
    scores = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    names = [f"{split[-1]}-{row}.wav" for row in range(clips)]
    table = pd.DataFrame({"filename": names, "start": 0.0, "end": np.inf, "src_file": [n[:3] for n in names]})
    if kind == "none":
        held = HeldOut(table, categories, truth, scores.argmax(axis=1), np.empty((clips, 0), np.float32), kind)
    else:
        held = HeldOut(table, categories, truth, scores.argmax(axis=1), scores, kind)
    held = replace(held, clips=held.clips.assign(split=split))
    known = {"protocol": "p", "method_key": "k", "fit_seconds": 2.0, "predict_seconds": 1.0, "parameters": 7}
    known |= {"configurations": 1, "chosen": {}, "pretraining": "none", "overlap": "", "estimator": "m()"}
    known |= {"versions": {"numpy": "2"}, "created": "2026"}
    return Result(method, split, seed, held, **(known | facts))


def facts(categories=CATEGORIES, **changed):
    return Facts(**({"dataset": "noises", "official": None, "clips": 90, "sources": 30, "categories": categories,
                     "splits": ("fold1", "fold2", "fold3"), "protocol": "p"} | changed))  # fmt: skip


def board(methods=("good", "bad"), seeds=(0, 1), metrics=None, **changed):
    qualities = {"good": 0.6, "bad": 0.2, "even": 0.58, "middle": 0.4}
    results = [
        result(method, f"fold{fold}", seed, qualities.get(method, 0.5))
        for method in methods for seed in seeds for fold in (1, 2, 3)
    ]  # fmt: skip
    return Leaderboard(results, facts(**changed), metrics)


def accuracies(method, seeds):
    """A second implementation, by seed (row) and fold (column)."""
    quality = {"good": 0.6, "bad": 0.2}[method]
    held = [[result(method, f"fold{fold}", seed, quality).held_out for fold in (1, 2, 3)] for seed in seeds]
    return np.array([[(one.truth == one.scores.argmax(axis=1)).mean() for one in row] for row in held])


class TestTable:
    def test_means_and_deviations_over_folds_and_over_seeds(self):
        table = board(seeds=(0, 1, 2)).table.set_index("method")
        for method in ("good", "bad"):
            scores = accuracies(method, (0, 1, 2))
            assert scores.std() > 0
            assert table.loc[method, "accuracy"] == pytest.approx(scores.mean(axis=0).mean())
            assert table.loc[method, "std_over_folds"] == pytest.approx(scores.mean(axis=0).std(ddof=0))
            assert table.loc[method, "std_over_seeds"] == pytest.approx(scores.mean(axis=1).std(ddof=1))
            assert table.loc[method, "low"] < scores.mean() < table.loc[method, "high"]
        assert np.isnan(board(seeds=(0,)).table["std_over_seeds"]).all()

    @pytest.mark.slow
    def test_best_is_highest_or_lowest_as_the_metric_has_it(self):
        assert board().best == "good" and board(metrics="log_loss").best == "good"
        assert board().table["method"].tolist() == board(metrics="log_loss").table["method"].tolist()
        losses = board(metrics="log_loss").table["log_loss"]
        assert losses.is_monotonic_increasing

    def test_those_that_cannot_be_told_from_the_best_are_marked(self):
        table = board(methods=("good", "even", "bad")).table
        assert set(table["method"][:2]) == {"good", "even"}
        assert table["same_as_best"].tolist() == [True, True, False]

    def test_a_method_that_lacks_folds_stands_below_and_is_compared_on_those_it_has(self):
        results = [result("good", f"fold{fold}", 0, 0.5) for fold in (1, 2, 3)]
        results += [result("part", f"fold{fold}", 0, 3.0) for fold in (1, 2)]
        partial = Leaderboard(results, facts())
        assert partial.table["method"].tolist() == ["good", "part"]
        assert "PARTIAL: part (2 of 3 folds)" in partial.to_text()
        wanted = [
            (r.held_out.truth == r.held_out.predicted).mean() * (1 if r.method == "part" else -1) / 2
            for r in results if r.split != "fold3"
        ]  # fmt: skip
        assert partial.compare("part", "good").value == pytest.approx(sum(wanted))

    def test_a_seed_that_lacks_folds_waits(self):
        results = [result("good", f"fold{fold}", 0) for fold in (1, 2, 3)] + [result("good", "fold1", 1)]
        results[-1] = replace(results[-1], fit_seconds=1000.0)
        waiting, without = Leaderboard(results, facts()), Leaderboard(results[:3], facts())
        assert waiting.table["seeds"][0] == 1 and len(waiting.results) == 4
        pd.testing.assert_frame_equal(waiting.table, without.table)
        pd.testing.assert_frame_equal(waiting.by_fold, without.by_fold)

    def test_comparisons_are_antisymmetric_and_name_what_is_told_apart(self):
        pairs = board(methods=("good", "even", "bad")).comparisons().set_index(["method", "other"])
        one, two = pairs.loc["good", "bad"], pairs.loc["bad", "good"]
        assert (one["difference"], one["low"], one["high"]) == pytest.approx(
            (-two["difference"], -two["high"], -two["low"])
        )
        assert one["excludes_zero"] and not pairs.loc[("good", "even"), "excludes_zero"]

    def test_a_method_without_probabilities_has_no_log_loss(self):
        results = [result("svm", f"fold{fold}", kind="none") for fold in (1, 2, 3)]
        table = Leaderboard(results, facts()).table
        assert np.isnan(table["log_loss"][0]) and table["accuracy"][0] > 0
        results += [result("good", f"fold{fold}") for fold in (1, 2, 3)]
        ranked = Leaderboard(results, facts(), "log_loss")
        assert ranked.table["method"].tolist() == ["good", "svm"]
        assert ranked.table["same_as_best"].tolist() == [True, False]
        assert not ranked.comparisons()["excludes_zero"].any()
        assert "–" in Leaderboard(results, facts()).to_text()

    def test_says_what_a_fit_takes_and_is_made_of(self):
        results = [
            result("m", f"fold{fold}", seed, fit_seconds=10.0 * fold, predict_seconds=seed, configurations=4)
            for fold in (1, 2, 3) for seed in (0, 1)
        ]  # fmt: skip
        (row,) = Leaderboard(results, facts()).table.itertuples()
        assert (row.splits, row.seeds, row.parameters, row.configurations) == (3, 2, 7, 4)
        assert row.seconds == pytest.approx(20.5)
        unknown = Leaderboard([replace(one, parameters=None) for one in results], facts())
        assert np.isnan(unknown.table["parameters"][0])

    def test_chance_is_always_to_say_the_most_frequent_category(self):
        made = board(seeds=(0, 1))
        true = made.predictions("good")["true"]
        assert made.chance == pytest.approx(true.value_counts(normalize=True).max()) != pytest.approx(1 / 3)
        assert np.isnan(made.with_metrics("log_loss").chance)

    def test_calibration_is_that_of_the_best_method_with_probabilities(self):
        results = [result("svm", f"fold{fold}", 0, 9.0, "none") for fold in (1, 2, 3)]
        results += [
            result(name, f"fold{fold}", 0, quality)
            for name, quality in (("low", 0.1), ("high", 3.0)) for fold in (1, 2, 3)
        ]  # fmt: skip
        made = Leaderboard(results, facts())
        assert made.best == "svm" and made.calibrated_methods == ["high", "low"]
        name, sure, right = made.confidences()
        held = HeldOut.concatenate(made.held_out("high"))
        np.testing.assert_array_equal(sure, held.scores.max(axis=1))
        np.testing.assert_array_equal(right, held.truth == held.predicted)
        assert name == "high" and made.confidences("low")[0] == "low"

    def test_nothing_is_no_leaderboard(self):
        with pytest.raises(ResultError, match="no results"):
            Leaderboard([], facts())


class TestClips:
    def test_confusions_count_a_clip_once_whatever_the_number_of_seeds(self):
        one, three = board(seeds=(0,)), board(seeds=(0, 1, 2))
        said = one.predictions("bad")
        wanted = reference.confusion_matrix(said["true"], said["predicted"], labels=list(CATEGORIES))
        np.testing.assert_allclose(one.confusions("bad"), wanted)
        assert three.confusions("bad").sum() == pytest.approx(90)
        np.testing.assert_allclose(three.confusions("bad").sum(axis=1), wanted.sum(axis=1))

    def test_most_confused(self):
        wrong = board(seeds=(0,)).predictions("bad")
        wrong = wrong[wrong["true"] != wrong["predicted"]]
        pairs = board(seeds=(0,)).most_confused("bad", most=100)
        assert pairs["clips"].sum() == len(wrong) and pairs["clips"].is_monotonic_decreasing
        counts = wrong.groupby(["true", "predicted"]).size()
        assert all(counts[row.true, row.predicted] == row.clips for row in pairs.itertuples())

    def test_recalls(self):
        said = board(seeds=(0,)).predictions("bad")
        found = board(seeds=(0,)).recalls("bad")
        wanted = reference.recall_score(said["true"], said["predicted"], labels=list(CATEGORIES), average=None)
        np.testing.assert_allclose(found["recall"], wanted)
        assert found["category"].tolist() == list(CATEGORIES) and (found["low"] < found["recall"]).all()

    def test_predictions_with_probabilities(self):
        said = board().predictions("good", probabilities=True)
        assert len(said) == 180 and np.allclose(said[list(CATEGORIES)].sum(axis=1), 1, atol=1e-5)
        assert (said[list(CATEGORIES)].idxmax(axis=1) == said["predicted"]).all()
        with pytest.raises(ValueError, match=r"There are no results of 'svm'. There are good, bad"):
            board().predictions("svm")
        with pytest.raises(ValueError, match="gives no probabilities"):
            Leaderboard([result(kind="none")], facts()).predictions(probabilities=True)


def test_roc_of_a_category():
    made = board(seeds=(0,))
    said = made.predictions("bad", probabilities=True)
    ax = made.plot_roc("rain")
    wanted = reference.roc_auc_score(said["true"] == "rain", said["rain"])
    assert f"bad (AUC = {wanted:.2f})" in [line.get_label() for line in ax.lines]
    with pytest.raises(ValueError, match="Did you mean 'rain'"):
        made.plot_roc("rian")


class TestEnsembles:
    def test_are_the_mean_of_probabilities(self):
        parts = [result("good", chosen={"C": 1}), result("bad", quality=0.3, versions={"numpy": "2", "torch": "3"})]
        mean = average("good+bad", parts)
        wanted = np.mean([part.held_out.scores for part in parts], axis=0)
        np.testing.assert_allclose(mean.held_out.scores, wanted, rtol=1e-6)
        assert mean.held_out.predicted.tolist() == wanted.argmax(axis=1).tolist()
        assert (mean.fit_seconds, mean.predict_seconds, mean.parameters, mean.configurations) == (4.0, 2.0, 14, 2)
        assert (mean.method, mean.members, mean.chosen) == ("good+bad", ["good", "bad"], {})
        assert mean.versions == {"numpy": "2", "torch": "3"} and mean.estimator == "the mean of good, bad"

    def test_say_what_their_members_were_pretrained_on(self):
        parts = [result("a", pretraining="birds", overlap="unknown"), result("b")]
        assert (average("a+b", parts).pretraining, average("a+b", parts).overlap) == ("birds", "unknown")

    def test_need_probabilities_of_the_same_clips(self):
        with pytest.raises(ValueError, match="'svm' gives no probabilities"):
            average("m+svm", [result(), result("svm", kind="none")])
        with pytest.raises(ValueError, match="different clips"):
            average("m+n", [result(), result("n", split="fold2")])

    @pytest.mark.slow
    def test_of_stored_results(self, tiny_store, tmp_path):
        evaluate(tiny_store, "knn", folds=[1, 2], out=tmp_path, verbose=False)  # one member is read, one is new
        found = evaluate(tiny_store, "knn+forest,knn", folds=[1, 2], out=tmp_path, verbose=False)
        assert set(found.table["method"]) == {"knn+forest", "knn", "forest"}
        said = [found.predictions(name, probabilities=True) for name in ("knn", "forest", "knn+forest")]
        one, two, both = (table.set_index("filename")[tiny_store.categories] for table in said)
        np.testing.assert_allclose(both, (one + two.loc[one.index]) / 2, atol=1e-6)
        assert "knn+forest" in set(load_leaderboard(tmp_path).table["method"])

    def test_a_method_whose_name_has_a_plus_sign_comes_first(self):
        from esc_features.evaluation._methods import choose_methods

        (shift,) = choose_methods("convnet+shift", None)
        assert not hasattr(shift, "members")
        (both,) = choose_methods("convnet+shift+knn", None)
        assert [member.name for member in both.members] == ["convnet+shift", "knn"]
        (both,) = choose_methods(["knn+convnet+shift"], None)
        assert [member.name for member in both.members] == ["knn", "convnet+shift"]


class TestLoading:
    def write(self, folder, *results, facts=None):
        (folder / "results").mkdir(exist_ok=True)
        (folder / "leaderboard.json").write_bytes((facts or globals()["facts"]()).to_json())
        for number, one in enumerate(results):
            (folder / "results" / f"{number}.npz").write_bytes(pack_result(one, None))

    def test_only_results_of_its_protocol_and_of_the_newest_run_of_a_method(self, tmp_path):
        self.write(
            tmp_path,
            result(method_key="old", created="2025", quality=0.1),
            result(method_key="new", created="2026", quality=5.0),
            result(split="fold2", method_key="old", created="2025"),
            result("other", protocol="another"),
        )
        loaded = load_leaderboard(tmp_path)
        assert loaded.results[["method", "split"]].values.tolist() == [["m", "fold1"]]
        assert loaded.results["accuracy"][0] == 1.0

    def test_a_file_that_was_copied_counts_once(self, tmp_path):
        self.write(tmp_path, result(), result(split="fold2"), result())
        assert load_leaderboard(tmp_path).results["created"].tolist() == ["2026", "2026"]

    def test_a_damaged_file_is_named_and_left_out(self, tmp_path, caplog):
        self.write(tmp_path, result(), result(split="fold2"))
        (tmp_path / "results" / "1.npz").write_bytes(b"PK")
        with caplog.at_level(logging.WARNING, logger="esc_features"):
            assert len(load_leaderboard(tmp_path).results) == 1
        assert "1.npz is damaged" in caplog.text

    def test_nothing_there_or_no_leaderboard(self, tmp_path):
        with pytest.raises(ResultError, match="esc_features evaluate STORE"):
            load_leaderboard(tmp_path)
        for content in (b"", b"[]", b'{"dataset": 3}', b"[" * 100_000):
            (tmp_path / "leaderboard.json").write_bytes(content)
            with pytest.raises(ResultError, match="Evaluate again"):
                load_leaderboard(tmp_path)

    def test_links_among_results_are_not_followed(self, tmp_path):
        self.write(tmp_path, result())
        outside = tmp_path / "outside.npz"
        outside.write_bytes(pack_result(result(split="fold2"), None))
        (tmp_path / "results" / "link.npz").symlink_to(outside)
        assert len(load_leaderboard(tmp_path).results) == 1


HOSTILE = "<script>alert(1)</script>|`x`\x1b[31m\u202e$\\input{a}"


class TestReports:
    @pytest.fixture
    def hostile(self):
        categories = (HOSTILE, "=cmd()", "rain")
        results = [
            result(method, f"fold{fold}", 0, quality, categories=categories, overlap=HOSTILE)
            for fold in (1, 2, 3) for method, quality in ((HOSTILE, 0.3), ("@sum", 0.2))
        ]  # fmt: skip
        return Leaderboard(results, facts(categories, dataset=HOSTILE, stamps=(HOSTILE,)))

    @pytest.mark.slow
    def test_nothing_in_a_name_reaches_a_terminal_a_page_or_a_formula(self, hostile):
        for text in (hostile.to_text(), hostile.to_markdown(), hostile.to_latex(), hostile.to_csv()):
            assert "\x1b" not in text and "\u202e" not in text
        page = hostile.to_html()
        assert "\x1b" not in page and "\u202e" not in page and "<script" not in page
        assert "<script" not in hostile.to_markdown() and "<script" not in hostile._repr_html_()
        assert r"\input{a}" not in hostile.to_latex()
        cells = [cell for row in csv.reader(io.StringIO(hostile.to_csv())) for cell in row]
        assert not any(cell[:1] in "=+@" for cell in cells if cell)

    @pytest.mark.slow
    def test_html_asks_for_nothing_from_elsewhere(self):
        page = board(methods=("good", "middle", "bad")).to_html()
        assert page.count("<svg") == 5 and "default-src 'none'" in page
        headings = ["By fold", "Differences", "The best method"]
        assert re.findall("<h2>(.*?)</h2>", page) == headings and page.count("<table") == 4
        assert not re.findall(r"""(?:src|href)=["'](?!#)""", page.replace('href="data:image/png', ""))
        assert not re.search(r"url\((?!#)", page) and "@import" not in page
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))

    def test_latex_is_a_table_that_latex_takes(self, tmp_path):
        text = board().to_latex()
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {row.count("&") - row.count(r"\&") for row in rows} == {rows[0].count("&")}
        assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1 and "%" not in text.replace(r"\%", "")[60:]
        if latex := shutil.which("pdflatex"):
            document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}\end{{document}}"
            (tmp_path / "a.tex").write_text(document)
            subprocess.run([latex, "-halt-on-error", "a.tex"], cwd=tmp_path, check=True, capture_output=True)

    def test_markdown_and_csv_say_what_the_table_says(self):
        made = board()
        table = pd.read_csv(io.StringIO(made.to_csv()))
        pd.testing.assert_series_equal(table["accuracy"], made.table["accuracy"])
        for row in made.table.itertuples():
            line = next(line for line in made.to_markdown().splitlines() if line.startswith(f"| {row.method} "))
            assert f"{100 * row.accuracy:.1f}" in line and f"{100 * row.low:.1f} to {100 * row.high:.1f}" in line

    @pytest.mark.slow
    def test_saved_files_and_figures(self, tmp_path):
        outside = tmp_path / "precious"
        outside.write_text("mine")
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "leaderboard.png").symlink_to(outside)
        board(methods=("good", "middle", "bad")).save(folder)
        assert outside.read_text() == "mine"
        names = {"leaderboard.json", "leaderboard.md", "leaderboard.csv", "leaderboard.tex", "leaderboard.html",
                 "results.csv", "comparisons.csv", "leaderboard.png", "comparisons.png", "confusion.png",
                 "categories.png", "reliability.png"}  # fmt: skip
        assert names <= {file.name for file in folder.iterdir()}
        for file in folder.glob("*.png"):
            assert file.read_bytes().startswith(b"\x89PNG") and not file.is_symlink()

    @pytest.mark.slow
    def test_no_figure_is_left_open(self):
        import matplotlib.pyplot as plt

        before = plt.get_fignums()
        board().to_html()
        assert plt.get_fignums() == before


@pytest.mark.slow
def test_several_labels(tmp_path):
    rng = np.random.default_rng(0)
    truth = (rng.random((40, 3)) < 0.4).astype(np.int8)
    results = []
    for method, noise in (("good", 0.3), ("bad", 1.0)):
        scores = np.clip(truth * 0.6 + noise * rng.random((40, 3)), 0, 1).astype(np.float32)
        clips = pd.DataFrame({"filename": [f"{n}.wav" for n in range(40)], "start": 0.0, "end": np.inf})
        clips["src_file"], clips["split"] = clips["filename"], "fold1"
        held = HeldOut(clips, CATEGORIES, truth, (scores > 0.5).astype(np.int8), scores, "probability")
        results.append(replace(result(method), held_out=held))
    made = Leaderboard(results, facts(splits=("fold1",)))
    wanted = reference.average_precision_score(truth, results[0].held_out.scores, average="macro")
    assert made.best == "good" and made.table["map"][0] == pytest.approx(wanted)
    made.save(tmp_path)
    assert not (tmp_path / "confusion.png").exists() and (tmp_path / "reliability.png").exists()
    assert "mAP" in made.to_html() or "map %" in made.to_html()
    with pytest.raises(ValueError, match="no confusions"):
        made.confusions()


@pytest.mark.slow
def test_figures_leave_a_notebook_as_it_was(tmp_path):
    """The backend of a notebook turns interactive mode on when it starts, and shows figures only with it."""
    (tmp_path / "like_a_notebook.py").write_text(
        "import matplotlib\nfrom matplotlib.backends.backend_agg import FigureCanvas\nmatplotlib.interactive(True)\n"
    )
    program = (
        "import matplotlib, test_leaderboard\nfrom esc_features.evaluation._figures import draw_figures\n"
        "assert draw_figures(test_leaderboard.board()) and matplotlib.is_interactive()"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent), *sys.path])
    environment = os.environ | {"MPLBACKEND": "module://like_a_notebook", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
