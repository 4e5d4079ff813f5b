"""The results of an evaluation, ranked, with what chance could have done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._suggest import did_you_mean
from ._bootstrap import Interval, difference, interval, resample_scores
from ._facts import Facts
from ._held_out import PROBABILITY, HeldOut
from ._metrics import METRICS, Metric, choose_metrics, confidence_bins, recall_of
from ._published import Published, landmarks_for, published_for
from ._report import csv_of, latex_of, markdown_of, text_of
from ._result import Result, ResultError
from ._results_folder import ResultsFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Leaderboard:
    """What `evaluate` found: a result per method, fold and seed, and the table that ranks the methods.

    **Scores.** A metric is computed on each fold, averaged over the seeds and then over the folds. Macro F1, mean
    recall and the calibration error are counts, and pool the held-out clips of all folds first (Forman and Scholz,
    "Apples-to-apples in cross-validation studies", 2010). Seeds that lack folds which others have do not count yet.

    **Intervals** are 95 % percentile intervals of the bootstrap over *source recordings* (Davison and Hinkley,
    "Bootstrap methods and their application", 1997, section 3.8; Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, section 13.3): recordings are drawn with replacement, as many as there are, 2000 times; each
    drawn recording brings all its clips. They say how far the score would move with other clips, for the fitted models
    as they are; what other seeds do is in `std_over_seeds`. Where every clip is right, the lower end is that of Clopper
    and Pearson with as many trials as there are recordings.

    **Comparisons** are paired: the same recordings are drawn for both methods, and the difference is taken draw by
    draw. Methods whose difference to the best has an interval that holds 0 are marked as the same as the best. The
    intervals are not widened for the number of comparisons.

    Parameters
    ----------
    results : list of Result
        The results.
    facts : Facts
        What they have in common.
    metrics : str or sequence of str, optional
        Names of metrics, the first of which ranks: "accuracy", "top5", "macro_recall", "macro_f1", "map", "macro_auc",
        "log_loss", "ece".

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
        What the table rests on.
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
            raise ResultError("There are no results yet that a leaderboard could show: evaluate some method first.")
        self._results, self.facts = list(results), facts
        has_several_labels = self._results[0].held_out.has_several_labels
        self.metrics = choose_metrics(metrics, has_several_labels, len(facts.categories))
        self._by_method = _complete_seeds(self._results)
        self._scores: dict[str, dict[str, np.ndarray]] = {}

    @property
    def metric(self) -> Metric:
        """The metric that ranks."""
        return self.metrics[0]

    @property
    def best(self) -> str:
        """Name of the method that stands first."""
        return self.table["method"].iloc[0]

    @property
    def stamps(self) -> tuple[str, ...]:
        """What a reader of the table must be told."""
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
        """What was published for this data set, best first; nothing unless it is the official one and its folds."""
        own_split = any(stamp.startswith("NOT THE OFFICIAL") for stamp in self.facts.stamps)
        return [] if own_split or self.metric.name != "accuracy" else published_for(self.facts.official)

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
        """The accuracy of always saying the most frequent category; NaN for other metrics."""
        if self.metric.name != "accuracy":
            return np.nan
        return float(next(iter(self._by_method.values()))[0].true_matrix.mean(axis=0).max())

    @cached_property
    def results(self) -> pd.DataFrame:
        offered = [metric for metric in METRICS.values() if metric.name in {chosen.name for chosen in self.metrics}]
        rows = []
        for result in self._results:
            scores = {metric.name: float(metric(result.held_out)[0]) for metric in offered}
            rows.append(
                {
                    "method": result.method, "split": result.split, "seed": result.seed, **scores,
                    "clips": len(result.held_out), "fit_seconds": result.fit_seconds,
                    "predict_seconds": result.predict_seconds, "parameters": result.parameters,
                    "configurations": result.configurations, "pretraining": result.pretraining,
                    "overlap": result.overlap, "created": result.created,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

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
        mine = [result for result in self._results if result.method == name]
        own = self.results[self.results["method"] == name]
        held = self._by_method[name]
        main = self.interval(name)
        by_fold = own.groupby("split")[self.metric.name].mean()
        by_seed = [float(self.metric(one)[0]) for one in held]
        return {
            "method": name,
            self.metric.name: main.value,
            "low": main.low,
            "high": main.high,
            "std_over_folds": by_fold.std(ddof=0),
            "std_over_seeds": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else np.nan,
            **{metric.name: self.interval(name, metric.name).value for metric in self.metrics[1:]},
            "splits": len(held[0].rows_by_split()),
            "seeds": len(held),
            "seconds": (own["fit_seconds"] + own["predict_seconds"]).mean(),
            "parameters": mine[0].parameters if mine[0].parameters is not None else np.nan,
            "configurations": mine[0].configurations,
            "pretraining": mine[0].pretraining,
            "overlap": mine[0].overlap,
        }

    def interval(self, method: str | None = None, metric: str | None = None) -> Interval:
        """Return a method's score and its 95 % interval.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.
        metric : str, optional
            Name of a metric; by default the one that ranks.

        Returns
        -------
        Interval
        """
        chosen = self._metric(metric)
        scores = self._resampled(chosen)[self._known(method)]
        sources = len({source for held in self._by_method[self._known(method)] for source in held.clips["src_file"]})
        return interval(scores, sources, chosen.is_share)

    def compare(self, method: str, other: str, metric: str | None = None) -> Interval:
        """Return by how much a method's score is above another's, with its 95 % interval, paired on the same clips.

        Parameters
        ----------
        method, other : str
            Their names.
        metric : str, optional
            Name of a metric; by default the one that ranks.

        Returns
        -------
        Interval
            Of the difference, on the splits that both were evaluated on; all NaN where there are none.
        """
        chosen = self._metric(metric)
        one, two = self._by_method[self._known(method)], self._by_method[self._known(other)]
        if set(one[0].clips["split"]) == set(two[0].clips["split"]):
            scores = self._resampled(chosen)
        else:
            common = set(one[0].clips["split"]) & set(two[0].clips["split"])
            if not common:
                return Interval(np.nan, np.nan, np.nan)
            shared = {method: _only(one, common), other: _only(two, common)}
            scores = resample_scores(shared, chosen)
        return difference(scores[method], scores[other])

    def comparisons(self, metric: str | None = None) -> pd.DataFrame:
        """Return all paired differences.

        Parameters
        ----------
        metric : str, optional
            Name of a metric; by default the one that ranks.

        Returns
        -------
        pandas.DataFrame
            One row per ordered pair: `method`, `other`, `difference` (the method's score less the other's), `low`,
            `high`, `told_apart`: whether the interval leaves out 0.
        """
        names = self.table["method"].tolist()
        rows = []
        for method in names:
            for other in names:
                if method != other:
                    found = self.compare(method, other, metric)
                    told_apart = not (found.holds_zero or np.isnan(found.value))
                    rows.append((method, other, found.value, found.low, found.high, told_apart))
        return pd.DataFrame(rows, columns=["method", "other", "difference", "low", "high", "told_apart"])

    def with_metrics(self, metrics: str | Sequence[str]) -> Leaderboard:
        """Return the same results ranked by other metrics; nothing is fitted again.

        Parameters
        ----------
        metrics : str or sequence of str
            Names of metrics; the first ranks.

        Returns
        -------
        Leaderboard
        """
        return Leaderboard(self._results, self.facts, metrics)

    def predictions(self, method: str | None = None, *, probabilities: bool = False) -> pd.DataFrame:
        """Return what a method said of each clip when the clip was held out.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.
        probabilities : bool, default=False
            Add one column per category, with its probability.

        Returns
        -------
        pandas.DataFrame
            One row per clip and seed: `filename`, `start`, `end`, `split`, `seed`, `true`, `predicted`. Several labels
            of a clip have semicolons between them.
        """
        method = self._known(method)
        parts = []
        for result in self._results:
            if result.method == method:
                held = result.held_out
                part = held.clips[["filename", "start", "end", "split"]].assign(seed=result.seed)
                part = part.assign(true=held.names(held.truth), predicted=held.names(held.predicted))
                if probabilities:
                    _need_probabilities(method, held)
                    part = part.join(pd.DataFrame(held.scores, part.index, list(held.categories)))
                parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def confusions(self, method: str | None = None) -> np.ndarray:
        """Return how many clips of each category (row) were mistaken for each (column).

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.

        Returns
        -------
        ndarray of float64, shape (categories, categories)
            Each clip counts once, whatever the number of seeds and splits that it was held out in.

        Raises
        ------
        ValueError
            If clips have several labels: no label is there in place of another.
        """
        held = HeldOut.concatenate(self._by_method[self._known(method)])
        if held.has_several_labels:
            raise ValueError("Clips of several labels have no confusions: look at `recalls` and `most_confused`.")
        times = held.clips.groupby(["filename", "start", "end"])["split"].transform("size").to_numpy()
        return held.true_matrix.T @ (held.predicted_matrix / times[:, None])

    def most_confused(self, method: str | None = None, most: int = 5) -> pd.DataFrame:
        """Return the pairs of categories that a method confuses most.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.
        most : int, default=5
            How many pairs.

        Returns
        -------
        pandas.DataFrame
            `true`, `predicted`, `clips`: how many clips of one were mistaken for the other; seeds are averaged.
        """
        counts = self.confusions(method)
        np.fill_diagonal(counts, 0)
        true, predicted = np.nonzero(counts)
        names = np.array(self.facts.categories, dtype=object)
        pairs = pd.DataFrame({"true": names[true], "predicted": names[predicted], "clips": counts[true, predicted]})
        return pairs.sort_values(["clips", "true", "predicted"], ascending=[False, True, True], ignore_index=True)[
            :most
        ]

    def recalls(self, method: str | None = None) -> pd.DataFrame:
        """Return the share of each category's clips that a method recognised.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.

        Returns
        -------
        pandas.DataFrame
            One row per category, in the order of the class numbers: `category`, `clips`, `recall`, `low`, `high`.
        """
        name = self._known(method)
        held = self._by_method[name]
        clips = held[0].true_matrix.sum(axis=0).astype(int)
        rows = []
        for number, category in enumerate(self.facts.categories):
            found = Interval(np.nan, np.nan, np.nan)
            if clips[number]:
                of_category = [part[np.flatnonzero(part.true_matrix[:, number])] for part in held]
                scores = resample_scores({name: of_category}, recall_of(number, category))[name]
                found = interval(scores, of_category[0].clips["src_file"].nunique(), is_share=True)
            rows.append((category, clips[number], found.value, found.low, found.high))
        return pd.DataFrame(rows, columns=["category", "clips", "recall", "low", "high"])

    def plot_roc(self, category: str, *, ax: Axes | None = None) -> Axes:
        """Draw how well each method tells a category from all others: the ROC curves of its held-out clips.

        Seeds and folds are drawn as one curve, although models of different folds may differ in what they call much:
        `macro_auc` scores each fold by itself.

        Parameters
        ----------
        category : str
            Its name.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If there is no such category, or no method that scores categories.
        """
        from sklearn.metrics import RocCurveDisplay

        if category not in self.facts.categories:
            hint = did_you_mean(category, self.facts.categories)
            raise ValueError(f"There is no category {category!r}.{hint}")
        number = self.facts.categories.index(category)
        for name in self.table["method"]:
            held = HeldOut.concatenate(self._by_method[name])
            if held.offers("scores"):
                true, scores = held.true_matrix[:, number], held.scores[:, number]
                last = RocCurveDisplay.from_predictions(true, scores, name=name, ax=ax, plot_chance_level=ax is None)
                ax = last.ax_
        if ax is None:
            raise ValueError("No method here gives scores of the categories, which a ROC curve is made of.")
        ax.set_title(f"{category} against all others, held-out folds of {self.facts.official or self.facts.dataset}")
        return ax

    def confidences(self, method: str | None = None) -> tuple[str, np.ndarray, np.ndarray]:
        """Return how sure a method was of what it said, and whether it was right, for calibration.

        Parameters
        ----------
        method : str, optional
            Its name; by default the best that gives probabilities.

        Returns
        -------
        (str, ndarray of shape (statements,), ndarray of shape (statements,))
            Its name, the probabilities, and 1 where it was right, else 0; one statement per clip and seed, or per clip,
            category and seed where clips have several labels.
        """
        if method is None:
            method = next(iter(self.calibrated_methods), self.best)
        held = HeldOut.concatenate(self.held_out(method))
        _need_probabilities(method, held)
        _, confidence, right = confidence_bins(held)
        return method, confidence, right

    def held_out(self, method: str | None = None) -> list[HeldOut]:
        """Return what a method said of all clips, one `HeldOut` per complete seed.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.

        Returns
        -------
        list of HeldOut
        """
        return self._by_method[self._known(method)]

    def to_text(self) -> str:
        """Return the table for a terminal."""
        return text_of(self)

    def to_markdown(self) -> str:
        """Return the whole report in Markdown."""
        return markdown_of(self)

    def to_latex(self) -> str:
        """Return the table in LaTeX, for the packages booktabs and threeparttable."""
        return latex_of(self)

    def to_csv(self) -> str:
        """Return the table as CSV; what a reader must be told is in its column `note`."""
        return csv_of(self.table, self.stamps)

    def to_html(self) -> str:
        """Return the whole report, figures included, as one HTML file that asks for nothing from elsewhere."""
        from ._html import html_of

        return html_of(self)

    def _repr_html_(self) -> str:
        from ._html import table_html

        return table_html(self)

    def __repr__(self) -> str:
        return self.to_text()

    def save(self, folder: ResultsFolder | Path | str) -> None:
        """Write the reports: `leaderboard.md`, `.csv`, `.tex`, `.html` and `.png`, `results.csv`, `confusion.png`, ...

        Parameters
        ----------
        folder : path-like
            Where to.
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

    def _metric(self, name: str | None) -> Metric:
        if name is None:
            return self.metric
        return choose_metrics([name], self._results[0].held_out.has_several_labels, len(self.facts.categories))[0]

    def _resampled(self, metric: Metric) -> dict[str, np.ndarray]:
        if metric.name not in self._scores:
            self._scores[metric.name] = resample_scores(self._by_method, metric)
        return self._scores[metric.name]


def load_leaderboard(folder, metrics: str | Sequence[str] | None = None, *, trust_results: bool = True) -> Leaderboard:
    """Return the leaderboard that `evaluate` keeps in a folder, as far as its results have come.

    Parameters
    ----------
    folder : path-like
        Folder of the results: `evaluation` in the folder of a store, or what was given as `out`.
    metrics : str or sequence of str, optional
        Names of metrics, the first of which ranks.
    trust_results : bool, default=True
        Whether results that this user did not make on this machine count. `evaluate` does not believe those inside a
        store unless it is told to; here the folder was asked for by name.

    Returns
    -------
    Leaderboard

    Raises
    ------
    ValueError
        If there is no leaderboard in the folder, or it is damaged.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> from esc_features.evaluation import load_leaderboard
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> load_leaderboard("results", "macro_f1").best
    'knn'
    """
    opened = ResultsFolder(Path(folder), trust_results)
    facts_file = opened.path / "leaderboard.json"
    try:
        facts = Facts.from_json(facts_file.read_bytes(), str(facts_file))
    except FileNotFoundError as error:
        raise ResultError(
            f"There is no leaderboard in {opened.path}: `esc_features evaluate STORE` makes one in STORE/evaluation."
        ) from error
    return Leaderboard(choose_results(opened.read_all(), facts.protocol, {}), facts, metrics)


def choose_results(results: Iterable[Result], protocol: str, keys: Mapping[str, str]) -> list[Result]:
    """Return those of a protocol, and of each method only what is of one key: the one given, else the newest."""
    mine = [result for result in results if result.protocol == protocol]
    newest = {result.method: result.method_key for result in sorted(mine, key=lambda result: result.created)}
    return [result for result in mine if result.method_key == {**newest, **keys}[result.method]]


def _complete_seeds(results: Iterable[Result]) -> dict[str, list[HeldOut]]:
    """Return method -> its seeds that have all splits which any of its seeds has."""
    found: dict[str, dict[int, dict[str, HeldOut]]] = {}
    for result in results:
        found.setdefault(result.method, {}).setdefault(result.seed, {})[result.split] = result.held_out
    complete = {}
    for method, seeds in found.items():
        fullest = max((set(splits) for splits in seeds.values()), key=len)
        full = [splits for _, splits in sorted(seeds.items()) if set(splits) == fullest]
        complete[method] = [HeldOut.concatenate(splits[name] for name in sorted(fullest)) for splits in full]
    return complete


def _only(seeds: list[HeldOut], splits: set[str]) -> list[HeldOut]:
    return [held[np.flatnonzero(held.clips["split"].isin(splits))] for held in seeds]


def _need_probabilities(method: str, held: HeldOut) -> None:
    if held.kind != PROBABILITY:
        raise ValueError(f"{method!r} gives no probabilities: its estimator has no predict_proba.")
