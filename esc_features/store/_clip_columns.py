"""The table of everything that is known about the clips of a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..storage import DatasetFacts, recording_path

if TYPE_CHECKING:
    import pandas as pd

_MEASURED = ("original_sample_rate", "original_channels", "original_samples")


def clip_table(column: Callable[[str], np.ndarray], facts: DatasetFacts) -> pd.DataFrame:
    """Return the table of the clips, given a function that returns its columns."""
    import pandas as pd

    table: dict = {name: column(name) for name in ("filename", "start", "end", "fold")}
    if facts.several_labels:
        names = np.array(facts.categories, dtype=object)
        table["labels"] = [tuple(names[row]) for row in column("labels").astype(bool)]
    else:
        table |= {name: column(name) for name in ("target", "category")}
    table["src_file"] = column("src_file")
    if facts.created:  # arrays in memory have no further columns
        from ..audio import describe_notes

        table |= {name: column(name) for name in ("take", *_MEASURED)}
        notes = column("notes")
        texts = {note: describe_notes(note) for note in np.unique(notes).tolist()}
        table["notes"] = [texts[note] for note in notes.tolist()]
        table["path"] = [recording_path(path, facts.audio_folder) for path in column("path").tolist()]
    return pd.DataFrame(table)
