"""Downloading ESC-50 clip by clip."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from .._files import write_whole
from .._suggest import list_some
from ..exceptions import ClipTableError, DownloadError
from ._columns import CLIP_COLUMNS
from ._files import data_home as home_of
from ._files import is_whole_wav, wav_problem
from ._official import OFFICIAL_DATASETS
from ._raw import parse_table
from ._table import Choice, finish, read_clips

if TYPE_CHECKING:
    from ._download import Mirror

ESC50_URL = "https://raw.githubusercontent.com/karolpiczak/ESC-50/master"

ESC50_LICENSE = f"""\
ESC-50 is licensed under Creative Commons Attribution-NonCommercial ({OFFICIAL_DATASETS["esc50"].licence}),
its ESC-10 subset under Creative Commons Attribution ({OFFICIAL_DATASETS["esc10"].licence}).
The clips derive from recordings on Freesound.org: the attribution of each is in the LICENSE file of
https://github.com/karolpiczak/ESC-50."""

ESC50_BIBTEX = """\
@inproceedings{piczak2015dataset,
  title = {{ESC}: {Dataset} for {Environmental Sound Classification}},
  author = {Piczak, Karol J.},
  booktitle = {Proceedings of the 23rd {Annual ACM Conference} on {Multimedia}},
  year = {2015},
  location = {Brisbane, Australia},
  publisher = {ACM Press},
  pages = {1015--1018},
  doi = {10.1145/2733373.2806390}
}"""

_METADATA = "meta/esc50.csv"
_MOST_BYTES = 16 * 2**20
# Only files with official names are written: {fold}-{Freesound id}-{take}-{target}.wav.
_OFFICIAL_NAME = re.compile(r"[0-9][0-9A-Za-z_-]*\.wav")
# If this many files fail in a row, the network is down, and not just a file missing.
_FAILURES_IN_A_ROW = 16


def fetch_esc50(
    categories: str | Iterable[str] | None = None,
    esc10: bool = False,
    folds: int | Iterable[int] | None = None,
    data_home: str | os.PathLike | None = None,
    mirror: str | os.PathLike | None = None,
    *,
    folds_by: str | None = None,
    corrections: str | os.PathLike | pd.DataFrame | None = None,
    verbose: bool = True,
) -> pd.DataFrame:
    """Download clips of ESC-50, skipping those that are already on disk.

    Use it instead of the 600 MB archive if a few categories are enough: the metadata are downloaded first, the subset
    is selected from them, and its WAV files are fetched eight at a time. Run it again after an interruption: finished
    downloads are kept, and once all clips are there, no network is needed.

    Parameters
    ----------
    categories : str or iterable of str, optional
        The categories to fetch, ``"dog,cow"`` or ``["dog", "cow"]``; all 50 by default.
    esc10 : bool, default=False
        Fetch only the clips of ESC-10.
    folds : int or iterable of int, optional
        Fetch only these official folds, 1 to 5.
    data_home : path, optional
        Folder for data sets; ``$ESC_FEATURES_DATA`` or the user's cache folder by default. The clips are written to
        ``ESC-50/audio/`` in it and the metadata to ``ESC-50/meta/``, the layout of the official archive.
    mirror : str or path, optional
        Where to fetch from: a URL or a local folder that has ``meta/esc50.csv`` and ``audio/``; ``$ESC50_MIRROR`` or
        GitHub by default. Plain http is used only if the mirror is given as ``http://``.
    folds_by, corrections : optional
        As in `load_clips`.
    verbose : bool, default=True
        Show a progress bar if stderr is a terminal.

    Returns
    -------
    pandas.DataFrame
        The clip table, as returned by `load_clips`; ``clips.attrs["name"]`` is ``"esc10"`` or ``"esc50"``.

    Raises
    ------
    DownloadError
        If files could not be fetched; the message says which, what is kept and what to do next. The other files are
        downloaded nevertheless.
    ClipTableError
        If a category or fold does not exist.

    Notes
    -----
    ESC-50 is licensed under CC BY-NC 3.0 and its ESC-10 subset under CC BY 3.0; see
    ``esc_features.datasets.ESC50_LICENSE``, and ``ESC50_BIBTEX`` for the citation.

    References
    ----------
    .. [1] K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", Proc. 23rd ACM International
       Conference on Multimedia, 2015, pp. 1015-1018, https://doi.org/10.1145/2733373.2806390

    Examples
    --------
    >>> from esc_features.datasets import fetch_esc50
    >>> clips = fetch_esc50(categories="dog,cow", folds=[1, 2])  # doctest: +SKIP
    >>> len(clips)  # doctest: +SKIP
    32
    """
    from ._download import Mirror  # imports requests, which is slow

    place = Mirror(os.fspath(mirror or os.environ.get("ESC50_MIRROR") or ESC50_URL))
    folder = home_of(data_home) / "ESC-50"
    with _writable(folder):
        clips = Choice(categories, folds, esc10, folds_by, corrections).of(_metadata(place, folder))
        _download_missing(place, folder, clips["filename"], verbose)
    paths = str(folder / "audio") + os.sep + clips["filename"]
    return finish(clips, paths, "esc10" if esc10 else "esc50")


def fetch_esc50_metadata(
    data_home: str | os.PathLike | None = None, mirror: str | os.PathLike | None = None
) -> pd.DataFrame:
    """Download the table of all ESC-50 clips, without any audio.

    Use it to look at the data set before downloading recordings. The table has about 90 kB, and `fetch_esc50` reuses
    it.

    Parameters
    ----------
    data_home, mirror : optional
        As in `fetch_esc50`.

    Returns
    -------
    pandas.DataFrame
        One row per clip: ``filename`` (str), ``fold`` (int64), ``target`` (int64), ``category`` (str), ``esc10``
        (bool), ``src_file`` (str, the recording on Freesound) and ``take`` (str).

    Raises
    ------
    DownloadError
        If the table could not be fetched; the message says what to do next.

    Examples
    --------
    >>> from esc_features.datasets import fetch_esc50_metadata
    >>> table = fetch_esc50_metadata()  # doctest: +SKIP
    >>> table.loc[table["esc10"], "category"].nunique()  # doctest: +SKIP
    10
    """
    from ._download import Mirror

    place = Mirror(os.fspath(mirror or os.environ.get("ESC50_MIRROR") or ESC50_URL))
    folder = home_of(data_home) / "ESC-50"
    with _writable(folder):
        table = _metadata(place, folder)
    columns = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    return table[columns].astype({column: CLIP_COLUMNS[column] for column in columns if column in CLIP_COLUMNS})


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Make the folders of the data set, and turn errors of writing them into DownloadError."""
    try:
        for part in ("meta", "audio"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        yield
    except DownloadError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{folder} cannot be written: {error.strerror or error}. Make room there, or name another folder with "
            "data_home= (--data-home) or ESC_FEATURES_DATA, then run the same again: finished downloads are kept."
        ) from error


def _metadata(place: Mirror, folder: Path) -> pd.DataFrame:
    """Return the metadata of all clips, downloaded unless there is a valid copy."""
    present = folder / _METADATA
    try:
        return _checked_metadata(present.read_bytes(), str(present))
    except (OSError, ClipTableError):
        pass

    def problem(content: bytes) -> str | None:
        try:
            _checked_metadata(content, "the downloaded table")
        except ClipTableError as error:
            return f"not the metadata of ESC-50 ({error})"
        return None

    try:
        content = place.get(_METADATA, _MOST_BYTES, problem)
    except DownloadError as error:
        raise DownloadError(
            f"{_METADATA} cannot be fetched from {place}: {error}. Nothing was changed in {folder}. "
            f"{_advice(place, [error])}"
        ) from error
    write_whole(present, content)
    return _checked_metadata(content, str(present))


def _checked_metadata(content: bytes, where: str) -> pd.DataFrame:
    raw = parse_table(content, where)
    if absent := [column for column in ("filename", "fold", "target", "category", "esc10") if column not in raw.header]:
        raw.refuse_header(absent)
    table = read_clips(raw)
    strange = [name for name in table["filename"] if not _OFFICIAL_NAME.fullmatch(name)]
    if strange:
        raise ClipTableError(f"{where}: these are not names of ESC-50 clips: {list_some(map(repr, strange))}.")
    return table


def _download_missing(place: Mirror, folder: Path, names: Iterable[str], verbose: bool) -> None:
    from tqdm.auto import tqdm

    from ._download import Failed

    wanted = list(names)
    missing = [name for name in wanted if not is_whole_wav(folder / "audio" / name)]
    if not missing:
        return

    def fetch(name: str) -> None:
        content = place.get(f"audio/{name}", _MOST_BYTES, lambda body: wav_problem(body[:16], len(body)))
        write_whole(folder / "audio" / name, content)

    failures: dict[str, DownloadError] = {}
    in_a_row = 0
    with (
        ThreadPoolExecutor(place.connections) as pool,
        tqdm(total=len(missing), desc="ESC-50", unit="clip", disable=None if verbose else True) as bar,
    ):
        futures = {pool.submit(fetch, name): name for name in missing}
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                except DownloadError as error:
                    failures[futures[future]] = error
                    in_a_row += isinstance(error, Failed)
                    if in_a_row == _FAILURES_IN_A_ROW:
                        break
                else:
                    in_a_row = 0
                    bar.update()
        finally:
            place.stop.set()
            pool.shutdown(cancel_futures=True)
    if failures:
        named = list_some(f"{name} ({failures[name]})" for name in sorted(failures))
        gave_up = f", then gave up: {in_a_row} in a row" if in_a_row == _FAILURES_IN_A_ROW else ""
        whole = sum(is_whole_wav(folder / "audio" / name) for name in wanted)
        raise DownloadError(
            f"{len(failures)} clips could not be fetched from {place}: {named}{gave_up}. {whole} of the {len(wanted)} "
            f"requested clips are complete in {folder / 'audio'} and will not be fetched again. "
            f"{_advice(place, failures.values())}"
        )


def _advice(place: Mirror, errors: Iterable[DownloadError]) -> str:
    """Return what to do next: waiting helps only if the server did not answer."""
    from ._download import Failed

    if any(isinstance(error, Failed) for error in errors):
        first = "Run the same again when the network is back"
    else:
        first = (
            f"Waiting will not help: check whether {place} has meta/esc50.csv and audio/, and whether the login page "
            "of a network answers instead; then run the same again"
        )
    return (
        f"{first}, name another place with mirror= (--mirror) or ESC50_MIRROR, or unpack "
        "https://github.com/karolpiczak/ESC-50/archive/master.zip by hand and use load_clips(<its folder>) "
        "(on the command line: extract_features <its folder>)."
    )
