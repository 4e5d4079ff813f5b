"""Ensembles of stored results: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ._held_out import PROBABILITY
from ._method import Ensemble
from ._result import Result


def average(name: str, members: Sequence[Result]) -> Result:
    """Return the mean of the members' probabilities for the same clips, as a result of its own.

    No weights are learnt, so nothing can leak from the held-out clips.

    Raises
    ------
    ValueError
        If a member gives no probabilities, or the members predicted different clips.
    """
    first = members[0]
    for member in members:
        if member.held_out.kind != PROBABILITY:
            raise _no_mean(name, member.method)
        if _rows(member) != _rows(first):
            raise ValueError(
                f"{first.method!r} and {member.method!r} predicted different clips: evaluate both on the same ones."
            )
    scores = np.stack([member.held_out.scores for member in members]).mean(axis=0, dtype=np.float64)
    several = first.held_out.has_several_labels
    predicted = np.asarray((scores > 0.5).astype(np.int8) if several else scores.argmax(axis=1))
    known = [member.parameters for member in members if member.parameters is not None]
    pretrained = sorted({member.pretraining for member in members} - {"none"})
    return replace(
        first,
        method=name,
        held_out=replace(first.held_out, scores=np.asarray(scores, np.float32), predicted=predicted),
        fit_seconds=round(sum(member.fit_seconds for member in members), 3),
        predict_seconds=round(sum(member.predict_seconds for member in members), 3),
        parameters=sum(known) if len(known) == len(members) else None,
        configurations=sum(member.configurations for member in members),
        chosen={},
        pretraining="; ".join(pretrained) or "none",
        overlap="; ".join(sorted({member.overlap for member in members} - {""})),
        estimator="the mean of " + ", ".join(member.method for member in members),
        versions={library: version for member in members for library, version in member.versions.items()},
        members=[member.method for member in members],
    )


def check_members(ensemble: Ensemble) -> None:
    """Raise ValueError, before anything is fitted, if a member of an ensemble cannot give probabilities."""
    for member in ensemble.members:
        if not hasattr(member.make(0), "predict_proba"):
            raise _no_mean(ensemble.name, member.name)


def _no_mean(ensemble: str, member: str) -> ValueError:
    return ValueError(
        f"{member!r} gives no probabilities, so {ensemble!r} has no mean: leave it out, or add predict_proba to it."
    )


def _rows(result: Result) -> list[tuple]:
    """Return identity and split of each clip, as tuples: columns of a stored and of a new result differ in dtype."""
    return list(result.held_out.clips[["filename", "start", "end", "split"]].itertuples(index=False, name=None))
