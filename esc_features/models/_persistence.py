"""What a fitted net has learnt, as tensors and JSON, without pickle."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from skorch.history import History

from ..lazy import FittedClips
from ._labels import codec_from

if TYPE_CHECKING:
    from ._clip_classifier import ClipClassifier

# Where save_params notes the labels: in the metadata of the state dict, which a plain module ignores.
_NOTE = "esc_features"
# What a module may hold besides its state, for instance tables of a transform.
_SPARE_BYTES = 1 << 20
_NOTE_OF_0_1 = "esc_features.about"


def state_of(net: ClipClassifier) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return what a fitted net has learnt.

    From this and the net's parameters (`get_params`), `restore` makes the same net, also in another process or with
    other library versions.

    Parameters
    ----------
    net : ClipClassifier
        A fitted net.

    Returns
    -------
    tensors : dict of str to torch.Tensor
        The state of the network, contiguous and in main memory, as a plain module's `load_state_dict` takes it.
    config : dict
        Labels, shape of a clip, class weights, and the clips that it was fitted on; can be written as JSON.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the net is not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> from esc_features.models import ConvNetClassifier, restore, state_of
    >>> X, y = np.zeros((4, 16, 16), np.float32), ["cow", "dog"] * 2
    >>> net = ConvNetClassifier(max_epochs=1).fit(X, y)
    >>> tensors, config = state_of(net)
    >>> again = restore(ConvNetClassifier(), tensors, config)
    >>> bool((again.predict_proba(X) == net.predict_proba(X)).all())
    True
    """
    net._check_is_fitted()
    state = net.module_.state_dict()
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}, _learnt(net)


def restore(net: ClipClassifier, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> ClipClassifier:
    """Give an unfitted net what another one has learnt.

    No weights are downloaded, and no network is built whose shapes differ from those of the tensors.

    Parameters
    ----------
    net : ClipClassifier
        An unfitted net with the parameters of the one that the state comes from; it is changed in place.
    tensors, config : dict
        What `state_of` returned.

    Returns
    -------
    ClipClassifier
        `net`, fitted.

    Raises
    ------
    ValueError
        If the state is of another network.

    Examples
    --------
    See `state_of`.

    >>> from esc_features.models import restore
    """
    known = dict(vars(net))
    try:
        _learn_again(net, config)
        _check_shapes(net, tensors)
        net.restored_ = True
        with _without_pretrained_weights(net):
            net.initialize()
        del net.restored_
        net.module_.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        net.__dict__.clear()
        net.__dict__.update(known)
        raise ValueError(
            f"This is not the state of a {type(net).__name__} with these parameters: {error}. Restore it into a net "
            "with the parameters that it was saved with."
        ) from error
    return net


def save_weights(net: ClipClassifier, file: Any, use_safetensors: bool) -> None:
    """Write the state of the network with a note of its labels, for PyTorch or as safetensors."""
    net._check_is_fitted()
    state = net.module_.state_dict()
    note = json.dumps(_learnt(net))
    if use_safetensors:
        from safetensors.torch import save

        _write(file, save({name: value.contiguous() for name, value in state.items()}, metadata={_NOTE: note}))
    else:
        state._metadata[_NOTE] = note
        torch.save(state, file)


def load_weights(net: ClipClassifier, file: Any, use_safetensors: bool) -> None:
    """Read what `save_weights` wrote; or the plain state of a module, into a net that is fitted or initialised."""
    if use_safetensors:
        from safetensors.torch import load

        data = _read(file)
        state = load(data)
        note = _safetensors_metadata(data).get(_NOTE)
    else:
        state = torch.load(file, map_location="cpu", weights_only=True)
        note = getattr(state, "_metadata", {}).pop(_NOTE, None)
    if _NOTE_OF_0_1 in state:
        note = _from_0_1(json.loads(state.pop(_NOTE_OF_0_1).numpy().tobytes()))
    if note is None and not net.initialized_:
        raise NotFittedError(f"{file} has weights but no labels: call fit or initialize before loading it.")
    if note is not None:
        _prepare(net, json.loads(note))
    net.module_.load_state_dict(state)


def load_files(net: ClipClassifier, files: dict[str, Any], checkpoint: Any, use_safetensors: bool) -> None:
    """Load what `save_params` or a checkpoint of skorch saved; a file that `files` names takes precedence."""
    if checkpoint is not None:
        checkpoint = getattr(checkpoint, "checkpoint_", checkpoint)  # TrainEndCheckpoint has one inside
        use_safetensors = use_safetensors or checkpoint.use_safetensors
        files = {**_files_of(checkpoint, net), **{name: file for name, file in files.items() if file is not None}}
    files.pop("f_pickle", None)
    weights, history = files.pop("f_params", None), files.pop("f_history", None)
    if weights is not None:
        load_weights(net, weights, use_safetensors)
    if history is not None:
        net.history_ = History.from_file(history)
    for name, file in files.items():
        if file is not None:
            part = net._get_module(
                f"{name.removeprefix('f_')}_",
                msg="There is no {name} to load into: fit or initialize the net first.",
            )
            part.load_state_dict(torch.load(file, map_location=net._device(), weights_only=True))


def _files_of(checkpoint: Any, net: ClipClassifier) -> dict[str, Any]:
    history = net.history_
    if checkpoint.f_history is not None:
        # The saved history tells which epoch is the best, and so which files are meant.
        net.history_ = History.from_file(checkpoint.f_history_)
    try:
        files = checkpoint.get_formatted_files(net)
    finally:
        net.history_ = history
    return {**files, "f_history": checkpoint.f_history_}


@contextlib.contextmanager
def _without_pretrained_weights(net: ClipClassifier) -> Iterator[None]:
    """Build networks without pretrained weights, because other weights are loaded into them."""
    net.state_follows_ = True
    try:
        yield
    finally:
        del net.state_follows_


def _learnt(net: ClipClassifier) -> dict[str, Any]:
    fitted = net.fitted_clips_
    return {
        "labels": net.codec_.describe(),
        "input_shape": list(net.input_shape_),
        "class_weights": {name: weights.tolist() for name, weights in net.class_weights_.items()},
        "fitted_clips": None if fitted is None else _describe_clips(fitted),
    }


def _learn_again(net: ClipClassifier, config: dict[str, Any]) -> None:
    net.codec_ = codec_from(config["labels"])
    net.input_shape_ = tuple(int(size) for size in config["input_shape"])
    if len(net.input_shape_) == 1:
        net.n_features_in_ = net.input_shape_[0]
    net.class_weights_ = {name: np.asarray(w, np.float32) for name, w in config["class_weights"].items()}
    clips = config.get("fitted_clips")
    net.fitted_clips_ = None if clips is None else _clips_from(clips)


def _prepare(net: ClipClassifier, config: dict[str, Any]) -> None:
    """Give a net the labels and shapes of a state; if it has them already, its network and optimiser stay."""
    same = net.initialized_ and net._knows_labels() and _learnt(net)["labels"] == config["labels"]
    same = same and list(net.input_shape_) == config["input_shape"]
    _learn_again(net, config)
    if not same:
        with _without_pretrained_weights(net):
            net.initialize()


def _check_shapes(net: ClipClassifier, tensors: dict[str, torch.Tensor]) -> None:
    """Raise ValueError unless the network would have these shapes; it is built on the meta device, without memory."""
    if not (isinstance(net.module, type) and issubclass(net.module, torch.nn.Module)):
        raise ValueError(f"module={net.module!r} is not a subclass of torch.nn.Module")
    with _without_pretrained_weights(net):
        try:
            with torch.device("meta"), torch.random.fork_rng(devices=[]):
                module = net.module(**net.get_params_for("module"))
        except NotImplementedError:  # a user's module that computes in its constructor
            return
    held = sum(value.nbytes for value in [*module.parameters(), *module.buffers()])
    if held > sum(value.nbytes for value in tensors.values()) + _SPARE_BYTES:
        raise ValueError(f"the network would need {held:,} bytes, far more than the tensors have: it is forged")
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        verb = "differs" if len(wrong) == 1 else "differ"
        raise ValueError(f"{', '.join(wrong[:3])} {verb} in name or shape")


def _describe_clips(fitted: FittedClips) -> dict[str, Any]:
    # JSON has no infinity: an end at the end of the recording is null.
    clips = [(name, start, None if math.isinf(end) else end) for name, start, end in sorted(fitted.clips)]
    return {
        "dataset": fitted.dataset,
        "clips": [list(clip) for clip in clips],
        "sources": sorted(fitted.sources),
        "folds": sorted(fitted.folds),
    }


def _clips_from(described: dict[str, Any]) -> FittedClips:
    clips = frozenset(
        (str(name), float(start), math.inf if end is None else float(end)) for name, start, end in described["clips"]
    )
    return FittedClips(
        str(described["dataset"]), clips, frozenset(described["sources"]), frozenset(map(int, described["folds"]))
    )


def _from_0_1(about: dict[str, Any]) -> str:
    classes = np.asarray(about["classes"])
    labels = {"kind": "one label", "classes": classes.tolist(), "dtype": classes.dtype.str}
    return json.dumps({"labels": labels, "input_shape": about["shape"], "class_weights": {}})


def _safetensors_metadata(data: bytes) -> dict[str, str]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {})


def _write(file: Any, data: bytes) -> None:
    if hasattr(file, "write"):
        file.write(data)
    else:
        Path(file).write_bytes(data)


def _read(file: Any) -> bytes:
    return file.read() if hasattr(file, "read") else Path(file).read_bytes()
