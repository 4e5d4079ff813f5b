"""The leaderboard as text: for a terminal, in Markdown, LaTeX and CSV."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ._leaderboard import Leaderboard

_LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
          "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≈": r"$\approx$",
          "–": "--"}  # fmt: skip
_WIDEST = 60


def plain(text: object) -> str:
    """Return text in which control characters and marks that turn the direction of writing are spelled out."""
    return "".join(
        letter if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"\\u{ord(letter):04x}"
        for letter in str(text)
    )


def headline(board: Leaderboard) -> str:
    """Return what was evaluated, in a line."""
    facts = board.facts
    return plain(
        f"{facts.dataset}: {facts.clips} clips of {facts.sources} recordings, {len(facts.categories)} categories"
    )


def table_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return the table in words, column names first; the last column is the overlap of the pretraining."""
    main, others = board.metric, board.metrics[1:]
    unit = " %" if main.is_share else ""
    head = ["method", f"{main.name}{unit}", "95 % interval", "± folds", "± seeds", "vs best"]
    head += [f"{metric.name}{' %' if metric.is_share else ''}" for metric in others]
    rows = [tuple(map(plain, (*head, "seconds per fold", "parameters", "tried", "pretraining", "overlap")))]
    for number, row in board.table.iterrows():
        same = "best" if number == 0 else "≈ best" if row["same_as_best"] else ""
        cells = [row["method"], main.text(row[main.name]), f"{main.text(row['low'])} to {main.text(row['high'])}"]
        cells += [main.text(row["std_over_folds"]), main.text(row["std_over_seeds"]), same]
        cells += [metric.text(row[metric.name]) for metric in others]
        parameters = "" if np.isnan(row["parameters"]) else f"{int(row['parameters']):,}"
        seconds = "–" if np.isnan(row["seconds"]) else f"{row['seconds']:.1f}"
        cells += [seconds, parameters, str(row["configurations"]), row["pretraining"], row["overlap"]]
        rows.append(tuple(map(plain, cells)))
    return rows


def published_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return what was published, column names first; empty beside any other data set."""
    rows = [
        (row.what, f"{row.on(board.facts.official or ''):g}", row.pretraining, row.test_folds)
        for row in board.published
    ]
    return [("published", "accuracy %", "pretraining", "its test folds were"), *rows] if rows else []


def explanation(board: Leaderboard) -> str:
    """Return what the numbers mean, for below a table."""
    facts = board.facts
    kind = f"the official folds of {facts.official}" if board.published else "of the data set"
    splits = ", ".join(facts.splits[:10]) + (", ..." if len(facts.splits) > 10 else "")
    versions = ", ".join(f"{name} {' and '.join(found)}" for name, found in board.versions.items())
    return plain(
        f"Splits: {splits} ({kind}). Intervals: 95 %, by bootstrap over the {facts.sources} source recordings. ± is "
        "the standard deviation over folds, and over seeds where there are several. '≈ best' marks methods whose "
        "paired difference to the best has an interval that holds 0. 'tried' counts the settings that inner folds "
        f"chose among; parameters are those of the last step. {versions}. Protocol {facts.protocol}."
    )


def text_of(board: Leaderboard) -> str:
    """Return the table for a terminal."""
    rows = [row[:-1] for row in table_rows(board)]  # the overlap is a sentence: it is in the report
    published = [(f"published: {row[0]}", row[1]) for row in published_rows(board)[1:]]
    stamps = list(map(plain, board.stamps))
    parts = [headline(board), *stamps, _aligned(rows), *([_aligned(published)] if published else [])]
    return "\n".join([*parts, explanation(board)])


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [min(_WIDEST, max(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    cut = [[cell if len(cell) <= _WIDEST else cell[: _WIDEST - 3] + "..." for cell in row] for row in rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cut
    )


def markdown_of(board: Leaderboard) -> str:
    """Return the whole report in Markdown."""
    lines = [f"# {_escape_markdown(headline(board))}", ""]
    lines += [f"**{_escape_markdown(plain(stamp))}**\n" for stamp in board.stamps]
    lines += [_markdown_table(table_rows(board)), "", _escape_markdown(explanation(board)), ""]
    lines += ["## By fold", "", _markdown_table(fold_rows(board)), ""]
    if len(board.table) > 1:
        lines += ["## Differences", "", _markdown_table(difference_rows(board)), ""]
    lines += [confused_sentence(board, _escape_markdown), ""]
    if published_rows(board):
        lines += ["## Published", "", _markdown_table(published_rows(board)), ""]
    return "\n".join(lines)


def confused_sentence(board: Leaderboard, escape) -> str:
    """Return which categories the best method confuses most; nothing where clips have several labels."""
    if board.held_out()[0].has_several_labels:
        return ""
    pairs = [
        f"{row.true} mistaken for {row.predicted} ({row.clips:g})"
        for row in board.most_confused().round(1).itertuples()
    ]
    return escape(plain(f"Most confused by {board.best}: {'; '.join(pairs) or 'nothing'}."))


def fold_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return each method's score on each fold, seeds averaged."""
    by_fold = board.results.groupby(["method", "split"])[board.metric.name].mean()
    rows = [("method", *map(plain, board.facts.splits))]
    for method in board.table["method"]:
        scores = [by_fold.get((method, split), np.nan) for split in board.facts.splits]
        rows.append((plain(method), *("" if np.isnan(one) else board.metric.text(one) for one in scores)))
    return rows


def difference_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return by how much each method (row) is above each other (column), with the interval; bold where told apart."""
    names = board.table["method"].tolist()
    rows = [("above", *map(plain, names))]
    text = board.metric.text
    for method in names:
        cells = []
        for other in names:
            found = board.compare(method, other)
            cells.append("" if method == other else f"{text(found.value)} ({text(found.low)} to {text(found.high)})")
        rows.append((plain(method), *cells))
    return rows


def _markdown_table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(map(_escape_markdown, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _escape_markdown(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|!#~" else letter for letter in text)


def latex_of(board: Leaderboard) -> str:
    """Return the table in LaTeX; `\\usepackage{booktabs}` is what it needs."""
    rows = [(*row[:6], *row[6 : 5 + len(board.metrics)], row[-2]) for row in table_rows(board)]
    rows += [(row[0], row[1], *[""] * (len(rows[0]) - 3), row[2]) for row in published_rows(board)[1:]]
    body = [" & ".join(_escape_latex(cell) for cell in row) + r" \\" for row in rows]
    measured = len(board.table) + 1
    stamps = " ".join(f"{plain(stamp)}." for stamp in board.stamps)
    caption = _escape_latex(f"{headline(board)}. {stamps} {explanation(board)}".replace("  ", " "))
    published = [r"\midrule", *body[measured:]] if body[measured:] else []
    lines = [
        r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(rows[0]) - 2)}l}}", r"\toprule", body[0], r"\midrule", *body[1:measured],
        *published, r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def csv_of(table: pd.DataFrame, stamps: Sequence[str]) -> str:
    """Return a table as CSV, with what a reader must be told in a column of its own, so that no row goes without."""
    text = table.apply(lambda column: column if column.dtype.kind in "ifb" else column.map(_csv_cell))
    return text.assign(note=_csv_cell("; ".join(stamps))).to_csv(index=False)


def _csv_cell(value: object) -> str:
    """Return text that a spreadsheet does not take for a formula."""
    text = "" if value is None else plain(value)
    return f"'{text}" if text[:1] in "=+-@" and text else text
