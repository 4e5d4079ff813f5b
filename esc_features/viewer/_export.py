"""Export clips as a site without a server, which opens from disk and makes no request to another host."""

from __future__ import annotations

import os
import shutil
import urllib.parse
import uuid
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..exceptions import AudioError
from ._collection import Query

if TYPE_CHECKING:
    from ._viewer import Viewer

_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; "
    "media-src 'self' file:; base-uri 'none'; form-action 'none'"
)


def export_site(viewer: Viewer, folder: str | os.PathLike, where: str = "", most: int = 200) -> Path:
    """Write selected clips as a static site, for a lecture or the supplement of a paper.

    The page opens from disk or from any web server, shows and plays the clips, and makes no request to another host.

    Parameters
    ----------
    viewer : Viewer
        A viewer of the store.
    folder : path-like
        The folder to write: a new or empty one.
    where : str, default=""
        The clips, as in the address of a view: "category=dog&fold=1". All by default.
    most : int, default=200
        Largest number of clips: a page with more would be slow and large.

    Returns
    -------
    Path
        The page, `index.html` in the folder.

    Raises
    ------
    ValueError
        If no clip matches, too many do, or the folder is not empty.

    Examples
    --------
    >>> from esc_features.viewer import Viewer, export_site
    >>> with Viewer("stores/demo") as viewer:
    ...     export_site(viewer, "site", where="category=dog&fold=1").name
    'index.html'
    """
    folder = Path(folder).expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty. Name a new folder, or empty it.")
    parameters = urllib.parse.parse_qs(where.rpartition("?")[2])
    query = Query.of(parameters)
    rows = viewer.rows(query).tolist()
    if not rows:
        raise ValueError(f"No clip matches {where!r}, so there is nothing to export. Correct --where.")
    if len(rows) > most:
        raise ValueError(f"{len(rows)} clips match, more than {most}. Select fewer with --where, or raise --most.")
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        for name in ("pictures", "sounds"):
            (part / name).mkdir(parents=True)
        clips = viewer.cards(query, rows)
        cards = [_write_clip(viewer, clip, number, part) for number, clip in enumerate(clips, 1)]
        for name in ("style.css", "site.js", "icon.svg"):
            shutil.copyfile(_STATIC / name, part / name)
        (part / "index.html").write_text(_page(viewer, cards), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder / "index.html"


def _write_clip(viewer: Viewer, clip: dict[str, Any], number: int, folder: Path) -> str:
    """Write picture and sound, and return the card. Files are numbered: no name of a store becomes a path."""
    row, stem, problem = clip["row"], f"{number:05d}", ""
    try:
        (folder / "sounds" / f"{stem}.wav").write_bytes(viewer.sounds.of(row).to_wav())
    except AudioError as error:
        problem = str(error)
    try:
        (folder / "pictures" / f"{stem}.png").write_bytes(viewer.spectrograms.png(row))
    except AudioError:
        return _card(clip, stem, problem, has_picture=False)
    return _card(clip, stem, problem, has_picture=True)


def _card(clip: dict[str, Any], stem: str, problem: str, has_picture: bool) -> str:
    labels = escape(", ".join(clip["labels"]) or "no label")
    name = escape(clip["name"])
    spoken = f'aria-label="{labels}, {name}"'
    tags = [
        f"fold {clip['fold']}",
        f"source {clip['source']}",
        *(note for note in clip["notes"] if note != "resampled"),
    ]
    picture = f'<img src="pictures/{stem}.png" alt="Spectrogram of {labels}, {name}">' if has_picture else ""
    sound = f'<audio controls preload="none" src="sounds/{stem}.wav" {spoken}></audio>'
    if problem:
        sound = '<p class="quiet">No sound.</p>'
    return (
        f'<li><article class="card" tabindex="0" {spoken}>{picture}<div class="text"><b>{labels}</b>'
        f'<span class="name">{name}</span><span class="tags">'
        + "".join(f'<span class="tag">{escape(tag)}</span>' for tag in tags)
        + "".join(map(_prediction, clip["predictions"]))
        + f"</span>{sound}</div></article></li>"
    )


def _prediction(one: dict[str, Any]) -> str:
    mark, kind = ("\u2713", "correct") if one["correct"] else ("\u2717", "wrong")
    sure = "" if one["confidence"] is None else f" {one['confidence']:.0%}"
    return f'<span class="tag {kind}">{mark} {escape(one["method"])}: {escape(one["predicted"])}{sure}</span>'


def _page(viewer: Viewer, cards: list[str]) -> str:
    title = escape(f"{viewer.store.dataset}, {len(cards)} clips")
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<title>{title}</title>\n<link rel="icon" href="icon.svg"><link rel="stylesheet" href="style.css">',
            '<script defer src="site.js"></script>\n</head>\n<body>',
            f'<header><h1>{title}</h1></header>\n<main><form class="bar" role="search" hidden>',
            '<input type="search" id="text" placeholder="Category, file or source" '
            'aria-label="Text in category, file or source"><span class="quiet" id="shown" role="status"></span></form>',
            '<ul class="grid wide" aria-label="Clips">',
            *cards,
            "</ul></main>\n</body>\n</html>\n",
        ]
    )
