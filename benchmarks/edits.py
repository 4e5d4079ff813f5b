"""The cost of an edit of the clip table, compared with a whole extraction: 1 % of the clips added, or relabelled."""

import shutil
import time

from ._measure import child, compare, interleave

_COMMAND = """
import sys
from esc_features._cli import extract_features
sys.exit(extract_features([sys.argv[1], "--out", sys.argv[2], "--n-jobs", "2", "--quiet"]))
"""


def run(material):
    results = []
    for clips in (material.clips,) if material.quick else (material.clips, material.many_clips):
        for is_fresh in (False, True):
            folder = material.scratch / f"edits-{len(clips)}-{is_fresh}"
            times = interleave(_contestants(clips, folder, is_fresh), 2 if material.quick else 3)
            name = f"edits of {len(clips)} clips" + (", in a new process" if is_fresh else "")
            results += compare(name, times, "whole extraction", 1, "s")
            shutil.rmtree(folder)
    return results


def _contestants(clips, folder, is_fresh):
    def extract(table, name):
        if is_fresh:
            table.to_csv(folder / f"{name}.csv", index=False)
            return child(_COMMAND, folder / f"{name}.csv", folder / name)["seconds"]
        from esc_features import extract

        start = time.perf_counter()
        extract(table, folder / name, n_jobs=2, verbose=False)
        return time.perf_counter() - start

    def whole():
        shutil.rmtree(folder / "whole", ignore_errors=True)
        return extract(clips, "whole")

    def edit(before):
        extract(before, "edited")  # brings what an earlier edit left back to the state before
        return extract(clips, "edited")

    folder.mkdir()
    one_percent = max(1, len(clips) // 100)
    spread = clips[clips["target"] != clips["target"].iloc[0]].iloc[:: len(clips) // one_percent].index
    relabelled = clips.copy()
    for column in ("category", "target"):
        relabelled.loc[spread, column] = clips[column].iloc[0]
    return {
        "whole extraction": whole,
        "1 % added, all in one fold": lambda: edit(clips.drop(clips.index[clips["fold"] == 1][:one_percent])),
        "1 % added, in all folds": lambda: edit(clips.drop(spread)),
        "1 % relabelled": lambda: edit(relabelled),
        "nothing changed": lambda: edit(clips),
    }
