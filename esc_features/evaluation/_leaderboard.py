"""The results of an evaluation, ranked, with intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ._bootstrap import Interval, difference, interval, resample_scores
from ._clip_tables import (
    complete_seeds,
    confused_pairs,
    confusion_matrix,
    held_out_by_method,
    need_probabilities,
    only_splits,
    prediction_table,
    recall_table,
)
from ._facts import Facts
from ._held_out import PROBABILITY, HeldOut
from ._metrics import Metric, choose_metrics, confidence_bins
from ._published import Published, landmarks_for, published_for
from ._report import csv_of, latex_of, markdown_of, text_of
from ._result import Result, ResultError
from ._results_folder import ResultsFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Leaderboard:
    """The results of `evaluate`, one per method, fold and seed, and the table that ranks the methods.

    **Scores.** A metric is computed on each fold, averaged over the seeds and then over the folds. Macro F1, mean
    recall and the calibration error are counts, and pool the held-out clips of all folds first (Forman and Scholz,
    "Apples-to-apples in cross-validation studies", 2010). Seeds that lack folds which others have do not count yet.

    **Intervals** are 95 % percentile intervals of the bootstrap over *source recordings* (Davison and Hinkley,
    "Bootstrap methods and their application", 1997, section 3.8; Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, section 13.3): recordings are drawn with replacement, as many as there are, 2000 times, and each
    drawn recording brings all its clips. The interval is from ``q(2.5 %) - b`` to ``q(97.5 %) - b``, where q are
    quantiles of the drawn scores and b is their mean minus the score: clips that are drawn twice lower macro F1 and
    raise the mean average precision and the calibration error, which does not affect the score itself. Intervals say
    how far the score would move with other clips, for the fitted models as they are; the effect of other seeds is in
    `std_over_seeds`. If every clip is right, the lower end is that of Clopper and Pearson with as many trials as there
    are recordings.

    **Comparisons** are paired: the same recordings are drawn for both methods, and the difference is taken draw by
    draw. Methods whose difference from the best has an interval that contains 0 are marked as the same as the best. The
    intervals are not widened for the number of comparisons.

    **Checked** on 500 simulated data sets whose truth is known (300 recordings of one to five clips, ten categories,
    five folds, two methods): the intervals of accuracy, macro F1, log loss and AUC contain the truth in 93 to 96 % of
    them, those of the mean average precision in 89 to 93 % and those of the calibration error in 82 to 90 %, because
    few clips make the error itself look larger. Paired differences contain it in 94 to 96 %, those of the last two
    metrics in 91 %.

    Methods that take a method or a metric by name use the best method and the metric that ranks by default.

    Parameters
    ----------
    results : list of Result
        The results.
    facts : Facts
        What they have in common.
    metrics : str or sequence of str, optional
        Names of metrics, as in `evaluate`; the first one ranks the methods.

    Attributes
    ----------
    results : pandas.DataFrame
        One row per fit: method, split, seed, the metrics (shares from 0 to 1), seconds, parameters, configurations.
    table : pandas.DataFrame
        One row per method, best first: the metric that ranks, the ends of its interval (`low`, `high`), its standard
        deviations over folds (`std_over_folds`, of the folds' means, divided by their number) and over seeds
        (`std_over_seeds`, of the seeds' means, divided by their number less one), `same_as_best`, the other metrics,
        numbers of splits and seeds, seconds per fit, parameters, configurations tried on inner folds, pretraining and
        its known overlap with the data set.
    facts : Facts
        What the table is based on.
    metrics : tuple of Metric
        The metrics of the table.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> print(board.to_markdown().splitlines()[0])
    # demo: 40 clips of 20 recordings, 4 categories
    """

    def __init__(self, results: Sequence[Result], facts: Facts, metrics: str | Sequence[str] | None = None):
        if not results:
            raise ResultError("There are no results yet that a leaderboard could show: evaluate a method first.")
        self._results, self.facts = list(results), facts
        self.metrics = self._choose(metrics)
        self._counted = complete_seeds(self._results)
        self._by_method = held_out_by_method(self._counted)
        self._scores: dict[str, dict[str, np.ndarray]] = {}

    @property
    def metric(self) -> Metric:
        """The metric that ranks."""
        return self.metrics[0]

    @property
    def best(self) -> str:
        """Name of the best method: of those with the most folds, the one with the best score."""
        return self.table["method"].iloc[0]

    @property
    def stamps(self) -> tuple[str, ...]:
        """What a reader of the table must know."""
        every = len(self.facts.splits)
        covered = {name: len(held[0].rows_by_split()) for name, held in self._by_method.items()}
        partial = [f"{name} ({count} of {every} folds)" for name, count in covered.items() if count < every]
        stamps = [*self.facts.stamps, *([f"PARTIAL: {', '.join(partial)}"] if partial else [])]
        mixed = [f"{library} {', '.join(found)}" for library, found in self.versions.items() if len(found) > 1]
        return (*stamps, *([f"MIXED VERSIONS: {'; '.join(mixed)}"] if mixed else []))

    @cached_property
    def versions(self) -> dict[str, list[str]]:
        """Library -> the versions that the results were computed with."""
        found: dict[str, set[str]] = {}
        for result in self._results:
            for library, version in result.versions.items():
                found.setdefault(library, set()).add(version)
        return {library: sorted(versions) for library, versions in sorted(found.items())}

    @property
    def published(self) -> list[Published]:
        """Published results, best first; only for an official data set and its folds, ranked by accuracy."""
        return published_for(self.facts.official) if self.metric.name == "accuracy" else []

    @property
    def landmarks(self) -> list[Published]:
        """The few published results that a figure shows."""
        return landmarks_for(self.facts.official) if self.published else []

    @property
    def calibrated_methods(self) -> list[str]:
        """The methods that give probabilities, best first."""
        return [name for name in self.table["method"] if self._by_method[name][0].kind == PROBABILITY]

    @property
    def chance(self) -> float:
        """The accuracy of always predicting the most frequent category; NaN for other metrics."""
        if self.metric.name != "accuracy":
            return np.nan
        return float(next(iter(self._by_method.values()))[0].true_matrix.mean(axis=0).max())

    @cached_property
    def results(self) -> pd.DataFrame:
        return self._frame(self._results)

    def _frame(self, results: Sequence[Result]) -> pd.DataFrame:
        """Return one row per fit."""
        rows = [
            {
                "method": result.method, "split": result.split, "seed": result.seed,
                **{metric.name: float(metric(result.held_out)[0]) for metric in self.metrics},
                "clips": len(result.held_out), "fit_seconds": result.fit_seconds,
                "predict_seconds": result.predict_seconds,
                "parameters": np.nan if result.parameters is None else result.parameters,
                "configurations": result.configurations, "pretraining": result.pretraining,
                "overlap": result.overlap, "created": result.created,
            }
            for result in results
        ]  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def _fits(self) -> pd.DataFrame:
        """The rows of `results` that count: those of complete seeds."""
        return self._frame(self._counted)

    @property
    def by_fold(self) -> pd.DataFrame:
        """The score of each method (row, best first) on each split (column), averaged over its seeds."""
        return self._by_fold.reindex(index=self.table["method"], columns=list(self.facts.splits))

    @cached_property
    def _by_fold(self) -> pd.DataFrame:
        return self._fits.groupby(["method", "split"])[self.metric.name].mean().unstack()

    @cached_property
    def table(self) -> pd.DataFrame:
        rows = [self._row(name) for name in self._by_method]
        ascending = not self.metric.higher_is_better
        table = pd.DataFrame(rows).sort_values(
            ["splits", self.metric.name], ascending=[False, ascending], kind="stable", ignore_index=True
        )
        best = table["method"].iloc[0]
        same = [name == best or self.compare(best, name).holds_zero for name in table["method"]]
        table.insert(6, "same_as_best", same)
        return table

    def _row(self, name: str) -> dict[str, object]:
        fits, held = self._fits[self._fits["method"] == name], self._by_method[name]
        first, main = fits.iloc[0], self.interval(name)
        by_seed = [float(self.metric(one)[0]) for one in held]
        return {
            "method": name,
            self.metric.name: main.value,
            "low": main.low,
            "high": main.high,
            "std_over_folds": self._by_fold.loc[name].std(ddof=0),
            "std_over_seeds": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else np.nan,
            **{metric.name: self.interval(name, metric.name).value for metric in self.metrics[1:]},
            "splits": len(held[0].rows_by_split()),
            "seeds": len(held),
            "seconds": (fits["fit_seconds"] + fits["predict_seconds"]).mean(),
            **{fact: first[fact] for fact in ("parameters", "configurations", "pretraining", "overlap")},
        }

    def interval(self, method: str | None = None, metric: str | None = None) -> Interval:
        """Return a method's score with its 95 % interval.

        Parameters
        ----------
        method, metric : str, optional
            Their names; by default the best method and the metric that ranks.

        Returns
        -------
        Interval
        """
        chosen = self._metric(metric)
        name = self._known(method)
        sources = self._by_method[name][0].clips["src_file"].nunique()
        return interval(self._resampled(chosen)[name], sources, chosen.is_share)

    def compare(self, method: str, other: str, metric: str | None = None) -> Interval:
        """Return a method's score minus another's, with its 95 % interval, paired on the same clips.

        Parameters
        ----------
        method, other : str
            Names of the two methods.
        metric : str, optional
            Its name; by default the metric that ranks.

        Returns
        -------
        Interval
            On the splits that both were evaluated on; all NaN if there are none.
        """
        chosen = self._metric(metric)
        seeds = {name: self._by_method[self._known(name)] for name in (method, other)}
        one, two = (set(seeds[name][0].clips["split"]) for name in (method, other))
        if one == two:
            scores = self._resampled(chosen)
        elif common := one & two:
            scores = resample_scores({name: only_splits(held, common) for name, held in seeds.items()}, chosen)
        else:
            return Interval(np.nan, np.nan, np.nan)
        return difference(scores[method], scores[other])

    def comparisons(self, metric: str | None = None) -> pd.DataFrame:
        """Return all paired differences.

        Parameters
        ----------
        metric : str, optional
            Its name; by default the metric that ranks.

        Returns
        -------
        pandas.DataFrame
            One row per ordered pair of methods: `method`, `other`, `difference` (the method's score minus the
            other's), `low`, `high`, and `excludes_zero`, whether 0 is outside the interval.
        """
        names = self.table["method"].tolist()
        rows = []
        for method in names:
            for other in names:
                if method != other:
                    found = self.compare(method, other, metric)
                    rows.append((method, other, found.value, found.low, found.high, found.excludes_zero))
        return pd.DataFrame(rows, columns=["method", "other", "difference", "low", "high", "excludes_zero"])

    def with_metrics(self, metrics: str | Sequence[str]) -> Leaderboard:
        """Return the same results with other metrics; nothing is fitted again.

        Parameters
        ----------
        metrics : str or sequence of str
            Names of metrics, as in `evaluate`; the first one ranks the methods.

        Returns
        -------
        Leaderboard
        """
        return Leaderboard(self._results, self.facts, metrics)

    def predictions(self, method: str | None = None, *, probabilities: bool = False) -> pd.DataFrame:
        """Return what a method predicted for each clip when the clip was held out.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best.
        probabilities : bool, default=False
            Add one column per category with its probability.

        Returns
        -------
        pandas.DataFrame
            One row per clip and seed: `filename`, `start`, `end`, `split`, `seed`, `true` and `predicted`. Several
            labels of a clip are separated by semicolons.

        Raises
        ------
        ValueError
            If the method has no results, or gives no probabilities.
        """
        method = self._known(method)
        return prediction_table([result for result in self._results if result.method == method], probabilities)

    def confusions(self, method: str | None = None) -> np.ndarray:
        """Return how many clips of each category (row) were predicted as each category (column).

        Parameters
        ----------
        method : str, optional
            Its name; by default the best.

        Returns
        -------
        ndarray of float64, shape (categories, categories)
            Each clip counts once, whatever the number of seeds and splits that it was held out in.

        Raises
        ------
        ValueError
            If clips have several labels: then no label replaces another.
        """
        return confusion_matrix(self.held_out(method))

    def most_confused(self, method: str | None = None, most: int = 5) -> pd.DataFrame:
        """Return the pairs of categories that a method confuses most.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best.
        most : int, default=5
            Number of pairs, at most.

        Returns
        -------
        pandas.DataFrame
            One row per pair: `true`, `predicted`, and `clips`, how many clips of one were mistaken for the other, on
            average over the seeds.
        """
        return confused_pairs(self.confusions(method), self.facts.categories)[:most]

    def recalls(self, method: str | None = None) -> pd.DataFrame:
        """Return the share of each category's clips that a method recognised.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best.

        Returns
        -------
        pandas.DataFrame
            One row per category, in the order of the class numbers: `category`, `clips`, `recall`, and the ends of its
            95 % interval, `low` and `high`.
        """
        return recall_table(self.held_out(method))

    def plot_roc(self, category: str, *, ax: Axes | None = None) -> Axes:
        """Draw the ROC curve of each method's held-out clips, for one category against all others.

        Seeds and folds are pooled into one curve, although models of different folds may differ in the scale of their
        scores; `macro_auc` scores each fold separately.

        Parameters
        ----------
        category : str
            Name of the category.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there is no such category, or no method gives scores of the categories.
        """
        from ._figures import draw_roc

        return draw_roc(self, category, ax)

    def confidences(self, method: str | None = None) -> tuple[str, np.ndarray, np.ndarray]:
        """Return the confidences of a method and whether it was right, to examine its calibration.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best method that gives probabilities.

        Returns
        -------
        method : str
            Its name.
        confidence : ndarray of float64, shape (statements,)
            Its confidence in each statement. There is one statement per clip and seed, or one per clip, category and
            seed if clips have several labels.
        right : ndarray of float64, shape (statements,)
            1 where the statement was right, else 0.

        Raises
        ------
        ValueError
            If the method gives no probabilities.
        """
        if method is None:
            method = next(iter(self.calibrated_methods), self.best)
        held = HeldOut.concatenate(self.held_out(method))
        need_probabilities(method, held)
        _, confidence, right = confidence_bins(held)
        return method, confidence, right

    def held_out(self, method: str | None = None) -> list[HeldOut]:
        """Return the predictions of a method for all clips.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best.

        Returns
        -------
        list of HeldOut
            One per complete seed.
        """
        return self._by_method[self._known(method)]

    def to_text(self) -> str:
        """Return the table for a terminal."""
        return text_of(self)

    def to_markdown(self) -> str:
        """Return the whole report in Markdown."""
        return markdown_of(self)

    def to_latex(self) -> str:
        """Return the table in LaTeX, for the package booktabs."""
        return latex_of(self)

    def to_csv(self) -> str:
        """Return the table as CSV; what a reader must know is in its column `note`."""
        return csv_of(self.table, self.stamps)

    def to_html(self) -> str:
        """Return the whole report, figures included, as one HTML file that loads nothing from elsewhere."""
        from ._html import html_of

        return html_of(self)

    def _repr_html_(self) -> str:
        from ._html import table_html

        return table_html(self)

    def __repr__(self) -> str:
        return self.to_text()

    def save(self, folder: ResultsFolder | Path | str) -> None:
        """Write the reports into a folder: `leaderboard.html`, `.md`, `.csv`, `.tex` and `.png`, `results.csv`, ...

        Parameters
        ----------
        folder : path-like
            The folder; it is made if it does not exist.

        Raises
        ------
        ValueError
            If the folder cannot be written.
        """
        if not isinstance(folder, ResultsFolder):
            folder = ResultsFolder(Path(folder), trusts_all=True)
            folder.check_writable()
        from ._figures import draw_figures, picture
        from ._html import html_of

        folder.write("leaderboard.json", self.facts.to_json())
        folder.write("leaderboard.md", self.to_markdown().encode())
        folder.write("leaderboard.csv", self.to_csv().encode())
        folder.write("leaderboard.tex", self.to_latex().encode())
        folder.write("results.csv", csv_of(self.results, self.stamps).encode())
        folder.write("comparisons.csv", csv_of(self.comparisons(), self.stamps).encode())
        drawn = draw_figures(self)
        for name, figure in drawn.items():
            folder.write(f"{name}.png", picture(figure, name, "png"))
        folder.write("leaderboard.html", html_of(self, drawn).encode())

    def _known(self, method: str | None) -> str:
        if method is None:
            return self.best
        if method not in self._by_method:
            raise ValueError(f"There are no results of {method!r}. There are {', '.join(self._by_method)}.")
        return method

    def _choose(self, metrics: str | Sequence[str] | None) -> tuple[Metric, ...]:
        return choose_metrics(metrics, self._results[0].held_out.has_several_labels, len(self.facts.categories))

    def _metric(self, name: str | None) -> Metric:
        return self.metric if name is None else self._choose([name])[0]

    def _resampled(self, metric: Metric) -> dict[str, np.ndarray]:
        if metric.name not in self._scores:
            self._scores[metric.name] = resample_scores(self._by_method, metric)
        return self._scores[metric.name]
