"""Export a model to ONNX, from waveform to probabilities."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._files import write_whole
from ..exceptions import ModelError
from ..lazy import take_rows
from ._archive import check_replaceable
from ._features_of import categories_of, clip_of, features_in, has_several_labels, probabilities_of
from ._predict_windows import read_chunks
from ._segments import segments_of

if TYPE_CHECKING:
    from ..store import Store

# Largest accepted difference of a probability.
_TOLERANCE = 1e-4
_MOST_CLIPS = 256


def export_onnx(
    model: Any, path: str | os.PathLike, *, store: Store | None = None, recordings: Any = None
) -> dict[str, float]:
    """Export a fitted pipeline to ONNX, including its feature, and check that it gives the same probabilities.

    The file takes waveforms of shape (clips, samples), float32, at the sample rate in its metadata, in batches of any
    size and, if the network allows, of any length. It returns probabilities of shape (clips, categories).
    ``onnxruntime`` runs it without this package and without PyTorch, also on phones and in web pages. The export needs
    ``pip install "esc_features[onnx]"``.

    Parameters
    ----------
    model : estimator
        A fitted pipeline of `Waveform`, `MelSpectrogram` or `MFCCStatistics`, then `Standardizer` or StandardScaler,
        then a network of `ClipClassifier` or LogisticRegression.
    path : path-like
        The file, such as ``dogs.onnx``.
    store : Store, optional
        Check on its clips (up to 256, evenly spread); it must have their recordings or stored waveforms.
    recordings : as for `predict_windows`, optional
        Check on the windows of these recordings instead.

    Returns
    -------
    dict of str to float
        ``clips``, the number of clips that it was checked on; ``largest_difference``, that of a probability;
        ``any_length``, 1 if clips of other lengths are accepted, else 0.

    Raises
    ------
    ModelError
        If a step cannot be exported, or the exported model's probabilities differ by more than 1e-4, or its decisions
        differ; then nothing is written.
    ValueError
        If not exactly one of `store` and `recordings` is given.
    ImportError
        If the extra is not installed.

    Examples
    --------
    >>> from esc_features import load_model, open_store
    >>> from esc_features.deployment import export_onnx
    >>> export_onnx(load_model("dogs.esc"), "dogs.onnx", store=open_store("stores/esc50"))  # doctest: +SKIP
    {'clips': 256, 'largest_difference': 3.2e-06, 'any_length': 0}
    """
    path = Path(path)
    check_replaceable(path)
    if (store is None) == (recordings is None):
        raise ValueError("An export is checked on clips: give either store= or recordings=.")
    _check_installed()
    rate, duration = clip_of(model)
    waveforms = _from_store(model, store) if recordings is None else _from_recordings(recordings, rate, duration)
    from ._layers import layers_of

    layers = layers_of(copy.deepcopy(model)).cpu()
    any_length = _takes_any_length(layers, waveforms.shape[1], features_in(model)[0])
    content = _exported(layers, waveforms.shape[1], any_length, _metadata(model, rate, duration))
    largest = _check(content, model, waveforms)
    write_whole(path, content)
    return {"clips": len(waveforms), "largest_difference": largest, "any_length": int(any_length)}


def _exported(layers, samples, any_length, metadata) -> bytes:
    import torch

    batch = torch.export.Dim("clips", min=1, max=1 << 20)
    length = torch.export.Dim("samples", min=samples // 2, max=1 << 24)
    shapes = {0: batch, 1: length} if any_length else {0: batch}
    with warnings.catch_warnings(action="ignore"), _quiet(), torch.no_grad():
        program = torch.onnx.export(
            layers,
            (torch.zeros(2, samples),),
            input_names=["waveforms"],
            output_names=["probabilities"],
            dynamic_shapes=(shapes,),
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "with dynamo=True an export returns its program"
    exported = program.model_proto
    for name, value in metadata.items():
        exported.metadata_props.add(key=name, value=value)
    return exported.SerializeToString()


def _takes_any_length(layers, samples, feature) -> bool:
    """Return whether the network takes clips of another length: three times the length is tried."""
    import torch

    # The statistics count samples; a recurrent network of one step per clip would see other steps.
    if type(feature).__name__ == "MFCCStatistics" or any(isinstance(m, torch.nn.RNNBase) for m in layers.modules()):
        return False
    try:
        with torch.no_grad():
            layers(torch.zeros(1, 3 * samples))
    except (RuntimeError, ValueError):
        return False
    return True


def _check(content: bytes, model, waveforms) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    exported = np.concatenate(
        [session.run(None, {"waveforms": batch})[0] for batch in np.split(waveforms, _uneven(len(waveforms)))]
    )
    expected = probabilities_of(model, waveforms)
    difference = np.abs(exported - expected)
    several = has_several_labels(model)
    decisions = (lambda p: p >= 0.5) if several else (lambda p: p.argmax(axis=1))
    # If two probabilities are equal except for rounding, either decision is right.
    margin = np.abs(expected - 0.5) if several else np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0]
    otherwise = int(((decisions(exported) != decisions(expected)) & (margin > 1e-6)).sum())
    if not (difference.max() <= _TOLERANCE) or otherwise:
        worst = int(difference.max(axis=1).argmax())
        raise ModelError(
            f"The exported model is not the same: probabilities differ by up to {difference.max():.2g} (clip {worst} "
            f"of {len(waveforms)}), and {otherwise} decisions differ. Nothing was written. A feature with top_db=80 is "
            "less sensitive to rounding than one without."
        )
    return float(difference.max())


def _uneven(count: int) -> list[int]:
    """Return where to cut clips into batches of different sizes."""
    return [cut for cut in (1, 4, 36, 68, 132) if cut < count]


def _from_store(model, store):
    from ..features import Waveform

    rate, duration = clip_of(model)
    rows = np.unique(np.linspace(0, len(store) - 1, min(len(store), _MOST_CLIPS)).astype(int))
    waveforms = take_rows(Waveform(rate, duration).transform(store.audio[rows]), np.arange(len(rows)))
    return np.ascontiguousarray(waveforms, dtype=np.float32)


def _from_recordings(recordings, rate, duration):
    from ..audio import WaveformSpec

    spec, waveforms = WaveformSpec(rate, duration), []
    failures: dict[int, str] = {}
    for chunk in read_chunks(segments_of(recordings), duration, duration):
        waveforms += [spec.waveform_of(recording)[0] for recording in chunk.recordings]
        failures |= chunk.failures
    if failures:
        raise ModelError(
            "Give recordings that can be read: the export is checked on them. " + " ".join(failures.values())
        )
    chosen = np.unique(np.linspace(0, len(waveforms) - 1, min(len(waveforms), _MOST_CLIPS)).astype(int))
    return np.stack([waveforms[number] for number in chosen])


def _metadata(model, rate, duration) -> dict[str, str]:
    return {
        "categories": json.dumps(categories_of(model)),
        "sample_rate": str(rate),
        "duration": str(duration),
        "several_labels": json.dumps(has_several_labels(model)),
        "card": str(getattr(model, "card_", "")),
    }


def _check_installed():
    for name in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(name)
        except ImportError as error:
            raise ImportError(f'export_onnx needs {name}: pip install "esc_features[onnx]".', name=name) from error


@contextlib.contextmanager
def _quiet():
    """Silence the exporter, which reports its steps on standard output and through loggers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
