"""The leaderboard as text: for a terminal, in Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._terminal import printable

if TYPE_CHECKING:
    from ._leaderboard import Leaderboard

_LATEX = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
          "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "≈": r"$\approx$",
          "–": "--", "†": r"$\dagger$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}  # fmt: skip
_WIDEST = 60


def plain(text: object) -> str:
    """Return text in which control characters and marks that change the writing direction are spelled out."""
    return printable(text, one_line=True)


def headline(board: Leaderboard) -> str:
    """Return what was evaluated, in one line."""
    facts = board.facts
    return plain(
        f"{facts.dataset}: {facts.clips} clips of {facts.sources} recordings, {len(facts.categories)} categories"
    )


def table_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return the table as text, column names first; the last column is the overlap of the pretraining."""
    main, others = board.metric, board.metrics[1:]
    names = [f"{metric.name} {metric.unit}".rstrip() for metric in board.metrics]
    head = ["method", names[0], "95 % interval", "± folds", "± seeds", "vs best", *names[1:]]
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


def score_columns(board: Leaderboard) -> int:
    """Return how many of these columns are the method and its scores; the others describe what was run."""
    return 5 + len(board.metrics)


def published_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return the published results, column names first; nothing for a data set that is not official."""
    rows = [
        (row.what, str(row.on(board.facts.official or "")), row.pretraining, row.test_folds) for row in board.published
    ]
    return [("published", "accuracy %", "pretraining", "use of the test folds"), *rows] if rows else []


def explanation(board: Leaderboard) -> str:
    """Return what the numbers mean, for the text below a table."""
    facts = board.facts
    splits = ", ".join(facts.splits[:10]) + (", ..." if len(facts.splits) > 10 else "")
    splits += f" (the official folds of {facts.official})" if facts.official else ""
    versions = ", ".join(f"{name} {' and '.join(found)}" for name, found in board.versions.items())
    return plain(
        f"Splits: {splits}. Intervals: 95 %, by bootstrap over the {facts.sources} source recordings. ± is "
        "the standard deviation over folds, and over seeds if there are several. '≈ best' marks methods whose paired "
        "difference from the best has an interval that contains 0. 'tried' counts the settings that were searched on "
        f"inner folds; parameters are those of the last step. {versions}. Protocol {facts.protocol}."
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
    """Return which categories the best method confuses most; "" if clips have several labels."""
    if board.held_out()[0].has_several_labels:
        return ""
    pairs = [
        f"{row.true} mistaken for {row.predicted} ({row.clips:g})"
        for row in board.most_confused().round(1).itertuples()
    ]
    return escape(plain(f"Most confused by {board.best}: {'; '.join(pairs) or 'nothing'}."))


def fold_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return each method's score on each fold, seeds averaged."""
    rows = [("method", *map(plain, board.facts.splits))]
    rows += [(plain(method), *map(board.metric.text, scores)) for method, *scores in board.by_fold.itertuples()]
    return rows


def difference_rows(board: Leaderboard) -> list[tuple[str, ...]]:
    """Return the score of each method (row) minus that of each other (column), with its interval."""
    names = board.table["method"].tolist()
    rows = [("row minus column", *map(plain, names))]
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
    """Return the table in LaTeX, for the package booktabs; published results are a second table."""
    shown = score_columns(board)
    head, *rows = [row[:shown] for row in table_rows(board)]
    known = board.table.set_index("method")["pretraining"]
    pretrained = {name: known[name] for name in known.index if known[name] != "none"}
    rows = [(f"{row[0]}{'†' * (name in pretrained)}", *row[1:]) for name, row in zip(known.index, rows, strict=True)]
    notes = "; ".join(f"{name}: {what}" for name, what in pretrained.items())
    sentences = [f"{headline(board)}.", *(f"{plain(stamp)}." for stamp in board.stamps), explanation(board)]
    if notes:
        sentences.append(plain(f"† pretraining: {notes}."))
    tables = [_latex_table(" ".join(sentences), f"l{'r' * 4}l{'r' * (shown - 6)}", head, rows)]
    if published := published_rows(board):
        columns = r"p{.42\linewidth}rp{.2\linewidth}p{.2\linewidth}"
        tables.append(_latex_table(f"Published for {board.facts.official}.", columns, published[0], published[1:]))
    return "% needs \\usepackage{booktabs}\n" + "\n".join(tables)


def _latex_table(caption: str, columns: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = [" & ".join(map(_escape_latex, row)) + r" \\" for row in (head, *rows)]
    lines = [
        r"\begin{table}", r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_escape_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", first, r"\midrule", *others, r"\bottomrule",
        r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _escape_latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def csv_of(table: pd.DataFrame, stamps: Sequence[str]) -> str:
    """Return a table as CSV, with what a reader must know in a column `note`, so that no row is without it."""
    text = table.apply(lambda column: column if column.dtype.kind in "ifb" else column.map(_csv_cell))
    return text.assign(note=_csv_cell("; ".join(stamps))).to_csv(index=False)


def _csv_cell(value: object) -> str:
    """Return text that a spreadsheet does not interpret as a formula."""
    text = "" if value is None else plain(value)
    return f"'{text}" if text[:1] in "=+-@" and text else text
