"""The schema of the clip table: its columns, what identifies a clip, and which file names are safe."""

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

# An absolute path, a Windows drive, a backslash, a control character, a folder instead of a file, or a part made of
# dots and spaces ('..', as which Windows also reads '.. '). The rule is the same on all platforms.
_LEAVING = re.compile(r"^/|^.:|\\|[\x00-\x1f\x7f]|(?:^|/)(?: |[ .]{2,})(?:/|$)|(?:^|/)\.?$")


def clip_keys(clips: pd.DataFrame | Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return what identifies each clip of a table: its file name, start and end.

    Use the keys to look up, join or count clips. The file name alone does not identify a clip, because a recording can
    hold many.

    Parameters
    ----------
    clips : DataFrame or mapping of columns
        A clip table. Without `start` and `end`, clips are whole recordings.

    Returns
    -------
    list of tuple
        (filename, start, end) of each row, in seconds; whole recordings start at 0 and end at infinity.

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
    """Return the name of a clip for messages: its file, and the times if it is a segment of it.

    Parameters
    ----------
    filename : str
        The name of the file in the clip table.
    start, end : float, default=0.0, inf
        The segment of the recording, in seconds.

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
    """Return whether a file name could lead out of the folder that it is relative to, on any platform.

    All names from tables and stores are checked by this rule: no absolute path, no drive, no ``..``, no backslash and
    no control character.

    Parameters
    ----------
    name : str
        A file name, with '/' between folders.

    Returns
    -------
    bool
        True if the name is not safe.

    Examples
    --------
    >>> from esc_features.datasets import leaves_folder
    >>> leaves_folder("fold1/dog.wav"), leaves_folder("../dog.wav")
    (False, True)
    """
    return _LEAVING.search(name) is not None
