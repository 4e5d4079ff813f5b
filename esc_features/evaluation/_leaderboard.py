"""The results of an evaluation, as tables and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._files import write_whole
from ._published import published_rows


class Leaderboard:
    """What `evaluate` found: a result for each method, fold and seed, and the table that ranks the methods.

    Parameters
    ----------
    results : list of dict
        The results as they were written.
    facts : dict
        What the table rests on: data set, splits, seeds, versions.

    Attributes
    ----------
    results : pandas.DataFrame
        A row for each fit: method, split, seed, accuracy (0 to 1), seconds, parameters, configurations.
    table : pandas.DataFrame
        A row for each method, best first: mean and standard deviation over folds (in percent, seeds averaged first),
        seconds a fold, parameters, configurations tried on inner folds, pretraining and its known overlap.
    facts : dict
        What the table rests on.

    Examples
    --------
    >>> from esc_features import evaluate
    >>> board = evaluate("stores/demo", ["knn"], out="results", verbose=False)
    >>> print(board.to_markdown().splitlines()[0])
    # demo: 40 clips, 4 categories
    """

    def __init__(self, results: list[dict[str, Any]], facts: dict[str, Any]):
        self._raw, self.facts = results, facts
        hidden = ("filenames", "true", "predicted", "estimator", "chosen")
        self.results = pd.DataFrame([{k: v for k, v in result.items() if k not in hidden} for result in results])
        self.table = _rank(self.results)

    @property
    def best(self) -> str:
        """Name of the method with the highest mean."""
        return self.table["method"][0]

    def predictions(self, method: str | None = None) -> pd.DataFrame:
        """Return what a method said of each clip when the clip was held out.

        Parameters
        ----------
        method : str, optional
            Its name; the best by default.

        Returns
        -------
        pandas.DataFrame
            A row a clip and seed: `filename`, `split`, `seed`, `true`, `predicted`.
        """
        method = method or self.best
        tables = [
            pd.DataFrame({key: result[key] for key in ("filenames", "true", "predicted")}).assign(
                split=result["split"], seed=result["seed"]
            )
            for result in self._raw
            if result["method"] == method
        ]
        if not tables:
            raise ValueError(f"There are no results of {method!r}: there are {', '.join(self.table['method'])}.")
        table = pd.concat(tables, ignore_index=True).rename(columns={"filenames": "filename"})
        return table[["filename", "split", "seed", "true", "predicted"]]

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
            `true`, `predicted`, `clips`: how many clips (over all seeds) of one were taken for the other.
        """
        predictions = self.predictions(method)
        wrong = predictions[predictions["true"] != predictions["predicted"]]
        pairs = wrong.groupby(["true", "predicted"]).size().rename("clips").reset_index()
        return pairs.sort_values(["clips", "true", "predicted"], ascending=[False, True, True], ignore_index=True)[
            :most
        ]

    def to_text(self) -> str:
        """Return the table for a terminal."""
        shown = [*self.facts["stamps"], _text_table(self._rows())]
        return "\n".join([self._headline(), *shown, self._foot()])

    def to_markdown(self) -> str:
        """Return the whole report in Markdown."""
        rows = self._rows()
        lines = [f"# {self._headline()}", "", *(f"**{stamp}**\n" for stamp in self.facts["stamps"])]
        lines += ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows[1:]]
        pairs = self.most_confused()
        confused = "; ".join(f"{row.true} taken for {row.predicted} ({row.clips})" for row in pairs.itertuples())
        return "\n".join([*lines, "", f"Most confused by {self.best}: {confused or 'nothing'}.", "", self._foot(), ""])

    def save(self, folder: Path) -> None:
        """Write `results.csv`, `results.json`, `leaderboard.md`, `leaderboard.png` and `confusion.png`.

        Parameters
        ----------
        folder : Path
            Where to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "results.csv", self.results.to_csv(index=False).encode())
        write_whole(folder / "results.json", json.dumps({"facts": self.facts, "results": self._raw}, indent=1).encode())
        write_whole(folder / "leaderboard.md", self.to_markdown().encode())
        self._save_figures(folder)

    def _save_figures(self, folder: Path) -> None:
        import matplotlib.pyplot as plt
        from sklearn.metrics import ConfusionMatrixDisplay

        from ._leaderboard_display import LeaderboardDisplay

        board = LeaderboardDisplay.from_leaderboard(self)
        board.figure_.savefig(folder / "leaderboard.png", dpi=150)
        predictions, labels = self.predictions(), self.facts["categories"]
        side = max(4.5, 0.32 * len(labels) + 2.5)
        figure, ax = plt.subplots(figsize=(side + 0.5, side), layout="constrained")
        ConfusionMatrixDisplay.from_predictions(
            predictions["true"], predictions["predicted"], labels=labels, xticks_rotation="vertical", ax=ax,
            colorbar=False, cmap="Blues", include_values=len(labels) <= 20,
        )  # fmt: skip
        ax.set_title(f"{self.best} on held-out folds of {self.facts['dataset']}")
        figure.savefig(folder / "confusion.png", dpi=150)
        plt.close(figure)
        plt.close(board.figure_)

    def _headline(self) -> str:
        facts = self.facts
        return f"{facts['dataset']}: {facts['clips']} clips, {len(facts['categories'])} categories"

    def _rows(self) -> list[tuple[str, ...]]:
        splits = self.facts["splits"]
        rows = [("method", "accuracy %", *splits, "seconds a fold", "parameters", "tried", "pretraining", "overlap")]
        for row in self.table.itertuples(index=False):
            mine = self.results[self.results["method"] == row.method]
            by_split = [f"{100 * mine.loc[mine['split'] == split, 'accuracy'].mean():.1f}" for split in splits]
            parameters = "" if np.isnan(row.parameters) else f"{int(row.parameters):,}"
            mean = f"{row.mean_percent:.1f} ± {row.std_percent:.1f}" if len(splits) > 1 else f"{row.mean_percent:.1f}"
            rows.append(
                (row.method, mean, *by_split, f"{row.seconds:.1f}", parameters, str(row.configurations),
                 row.pretraining, row.overlap)
            )  # fmt: skip
        for what, accuracy, pretraining in published_rows(self.facts["dataset"]):
            rows.append((f"published: {what}", f"{accuracy:.1f}", *[""] * (len(splits) + 3), pretraining, ""))
        return rows

    def _foot(self) -> str:
        facts = self.facts
        kind = "the official folds" if facts["official"] else "folds of the data set"
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        return (
            f"Splits: {', '.join(facts['splits'])} ({kind}). Seeds: {', '.join(map(str, facts['seeds']))}. ± is the "
            "standard deviation over folds. 'tried' counts the settings that inner folds chose among; parameters are "
            f"those of the last step. Store {facts['store']}. {versions}."
        )


def _rank(results: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for method, mine in results.groupby("method", sort=False):
        by_split = 100 * mine.groupby("split")["accuracy"].mean()
        rows.append(
            {
                "method": method,
                "mean_percent": by_split.mean(),
                "std_percent": by_split.std(ddof=0),
                "seconds": (mine["fit_seconds"] + mine["predict_seconds"]).mean(),
                "parameters": float(mine["parameters"].iloc[0]) if mine["parameters"].notna().all() else np.nan,
                "configurations": int(mine["configurations"].iloc[0]),
                "pretraining": mine["pretraining"].iloc[0],
                "overlap": mine["overlap"].iloc[0],
            }
        )
    return pd.DataFrame(rows).sort_values("mean_percent", ascending=False, kind="stable", ignore_index=True)


def _text_table(rows: list[tuple[str, ...]]) -> str:
    rows = [row[:-1] for row in rows]  # the overlap is a sentence: it is in the report
    widths = [min(60, max(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell[:60].ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
