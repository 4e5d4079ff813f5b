"""The leaderboard as one HTML file, which loads nothing from elsewhere."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from . import _figures
from ._report import (
    confused_sentence,
    difference_rows,
    explanation,
    fold_rows,
    headline,
    plain,
    published_rows,
    score_columns,
    table_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from ._leaderboard import Leaderboard

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --paper: #fff; --line: #ddd; --quiet: #555; --stamp: #fff3cd; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ddd; --paper: #1c1c1e; --line: #444; --quiet: #aaa; --stamp: #4a3a10; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 88rem;
       margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { border-bottom: 2px solid #888; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; } td:first-child { font-weight: 600; }
.texts :is(th, td):nth-last-child(-n+2) { text-align: left; white-space: normal; min-width: 11rem; }
.wide { overflow-x: auto; }
.stamp { background: var(--stamp); border-left: 4px solid #d55e00; padding: .4rem .8rem; margin: .5rem 0;
         font-weight: 600; }
.small, figcaption { color: var(--quiet); font-size: 13px; } figure { margin: 1.5rem 0; }
svg { max-width: 100%; height: auto; border-radius: 6px; }
"""
_CAPTIONS = {
    "leaderboard": "Each method's folds, its mean and its 95 % interval over source recordings.",
    "comparisons": "Paired differences: coloured where the interval excludes zero.",
    "confusion": "Rows: true categories; columns: categories that the best method predicted. Seeds are averaged.",
    "categories": "The share of each category's clips that the best method recognises.",
    "reliability": "How often the best method that gives probabilities is right, by its confidence.",
}


def html_of(board: Leaderboard, drawn: Mapping[str, Figure] | None = None) -> str:
    """Return the whole report, with the given figures, or else new ones."""
    drawn = _figures.draw_figures(board) if drawn is None else drawn
    figures = {name: _inline(name, _figures.picture(figure, name, "svg").decode()) for name, figure in drawn.items()}
    head, first = escape(headline(board)), figures.pop("leaderboard", "")
    sections = [_table_part(board), first, "<h2>By fold</h2>", _table(fold_rows(board))]
    if "comparisons" in figures:
        sections += ["<h2>Differences</h2>", figures.pop("comparisons"), _table(difference_rows(board))]
    sections += ["<h2>The best method</h2>", f"<p>{confused_sentence(board, escape)}</p>", *figures.values()]
    if published_rows(board):
        sections += ["<h2>Published</h2>", _table(published_rows(board), "texts")]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            'img-src data:">',
            f"<title>{head}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{head}</h1>",
            *sections,
            "</body>\n</html>\n",
        ]
    )


def table_html(board: Leaderboard) -> str:
    """Return the table, with what a reader must know, for a notebook."""
    return f"<p><b>{escape(headline(board))}</b></p>{_table_part(board)}"


def _table_part(board: Leaderboard) -> str:
    stamps = "".join(f'<p class="stamp">{escape(plain(stamp))}</p>' for stamp in board.stamps)
    rows, scores = table_rows(board), score_columns(board)  # two tables: one would be too wide
    tables = _table([row[:scores] for row in rows]) + _table([(row[0], *row[scores:]) for row in rows], "texts")
    return f'{stamps}{tables}<p class="small">{escape(explanation(board))}</p>'


def _table(rows: Sequence[tuple[str, ...]], kind: str = "numbers") -> str:
    """Return a table; the last two columns of one of the kind "texts" are sentences."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    table = f'<table class="{kind}">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'
    return f'<div class="wide">{table}</div>'


def _inline(name: str, svg: str) -> str:
    """Return a figure for the middle of a page, without what matplotlib writes before the picture in a file."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(xlink:href="|url\()#', rf"\1#{name}-", svg)
    label = escape(_CAPTIONS[name], quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return f"<figure>{svg}<figcaption>{label}</figcaption></figure>"
