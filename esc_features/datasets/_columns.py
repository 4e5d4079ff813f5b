"""The one schema of the clip table: its columns, what identifies a clip, and which names are safe."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Every column of a clip table, in order, with its dtype. A table has `category` or `labels`, not both.
CLIP_COLUMNS: Mapping[str, str] = {
    "filename": "str",
    "fold": "int64",
    "target": "int64",
    "category": "str",
    "labels": "object",
    "src_file": "str",
    "take": "str",
    "start": "float64",
    "end": "float64",
    "path": "str",
}
IDENTITY = ("filename", "start", "end")

# Absolute, a Windows drive, a backslash, a control character, a folder instead of a file, or a part made of
# dots and spaces ('..', which Windows also reads in '.. '). One rule, so that a table means the same everywhere.
_LEAVING = re.compile(r"^/|^.:|\\|[\x00-\x1f\x7f]|(?:^|/)(?: |[ .]{2,})(?:/|$)|(?:^|/)\.?$")


def clip_keys(clips: pd.DataFrame | Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return what identifies each clip of a table: its file name and the seconds at which it starts and ends.

    Nothing may take the file name alone for a clip, because one recording can hold many. Use the keys to look up,
    join or count clips.

    Parameters
    ----------
    clips : DataFrame or mapping of columns
        A clip table; without `start` or `end`, clips are whole recordings.

    Returns
    -------
    list of tuple
        (filename, start, end) of each row; whole recordings start at 0 and end at infinity.

    Examples
    --------
    >>> from esc_features.datasets import clip_keys
    >>> clip_keys({"filename": ["rain.wav", "rain.wav"], "start": [0.0, 3.0], "end": [3.0, 6.0]})
    [('rain.wav', 0.0, 3.0), ('rain.wav', 3.0, 6.0)]
    """
    names = [str(name) for name in clips["filename"]]
    starts = [float(start) for start in clips["start"]] if "start" in clips else [0.0] * len(names)
    ends = [float(end) for end in clips["end"]] if "end" in clips else [math.inf] * len(names)
    return list(zip(names, starts, ends, strict=True))


def clip_name(filename: str, start: float = 0.0, end: float = math.inf) -> str:
    """Write which clip is meant, for people: its file, and the seconds where it is a part of it.

    Parameters
    ----------
    filename : str
        The file's name in the clip table.
    start, end : float, default=0.0, inf
        The stretch of the recording (s).

    Returns
    -------
    str
        "rain.wav", "rain.wav 3-6 s" or "rain.wav from 3 s".

    Examples
    --------
    >>> from esc_features.datasets import clip_name
    >>> clip_name("rain.wav"), clip_name("rain.wav", 3, 4.5), clip_name("rain.wav", 3)
    ('rain.wav', 'rain.wav 3-4.5 s', 'rain.wav from 3 s')
    """
    if end == math.inf:
        return filename if start == 0 else f"{filename} from {_seconds(start)} s"
    return f"{filename} {_seconds(start)}-{_seconds(end)} s"


def _seconds(value: float) -> str:
    text = f"{value:.6f}"
    return text.rstrip("0").rstrip(".")


def leaves_folder(name: str) -> bool:
    """Tell whether a file name could lead out of the folder that it is relative to, on any platform.

    The one rule for names that come from a table or a store: no absolute path, no drive, no ``..``, no backslash, no
    control character.

    Parameters
    ----------
    name : str
        A file's name, with '/' between folders.

    Returns
    -------
    bool

    Examples
    --------
    >>> from esc_features.datasets import leaves_folder
    >>> leaves_folder("fold1/dog.wav"), leaves_folder("../dog.wav")
    (False, True)
    """
    return _LEAVING.search(name) is not None
