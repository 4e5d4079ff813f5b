"""A fitted network as parameters, fitted attributes and tensors, and back."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..exceptions import ModelError

_FITTED = ("classes_inferred_", "input_shape_", "n_features_in_", "class_weights_")
# What a module or criterion may hold beyond its file: the weights of its classes, and such.
_SPARE_BYTES = 1 << 20


def is_net(value: Any) -> bool:
    """Whether this is an estimator around a PyTorch module, or the class of one; does not import torch."""
    kind = value if inspect.isclass(value) else type(value)
    return any(base.__module__.startswith("skorch.") for base in kind.__mro__) and hasattr(kind, "initialize_module")


def state_of_net(net: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
    """Return parameters, fitted attributes and the tensors of the module; no tensors where it is not fitted."""
    parameters = net.get_params(deep=False)
    if not net.initialized_:
        return parameters, {}, {}
    fitted = {name: getattr(net, name) for name in _FITTED if hasattr(net, name)}
    tensors = {}
    for name, tensor in net.module_.state_dict().items():
        if tensor.dtype.itemsize == 2 and "bfloat16" in str(tensor.dtype):
            raise ModelError(f"The network keeps {name} in bfloat16, which numpy has not: call net.module_.float().")
        tensors[name] = tensor.detach().cpu().contiguous().numpy()
    return parameters, fitted, tensors


def net_from_state(
    kind: Any,
    parameters: Mapping[str, Any],
    fitted: Mapping[str, Any],
    state: Mapping[str, np.ndarray],
    n_bytes: int,
) -> Any:
    """Make the network anew and give it its weights; nothing larger than the file of `n_bytes` is allocated."""
    import torch

    parameters = dict(parameters)
    if str(parameters.get("device")).startswith("cuda") and not torch.cuda.is_available():
        parameters["device"] = "auto"
    try:
        net = kind(**parameters)
    except TypeError as error:
        raise ModelError(f"{kind.__name__} cannot be made with the parameters of the model: {error}.") from error
    if not fitted:
        return net
    if set(fitted) - set(_FITTED) or not {"classes_inferred_", "input_shape_"} <= set(fitted):
        raise ModelError(f"The model lacks what {kind.__name__} learnt, or has more: {sorted(fitted)}.")
    vars(net).update(fitted)
    weights = parameters.get("weights")
    if weights is not None:
        net.weights = None  # what a backbone starts from: the file has the result, nothing is fetched
    try:
        _check_size(net, "module", state, n_bytes)
        _check_size(net, "criterion", None, n_bytes)
        with torch.random.fork_rng(devices=[]):
            net.initialize()
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        net.module_.load_state_dict(tensors)
        net.module_.eval()
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"The weights in the model are not those of its {kind.__name__}: {error}") from error
    if weights is not None:
        net.weights = weights
    return net


def _check_size(net, part, state, n_bytes):
    """Build a part without memory first: a file may lie about how large it is."""
    import torch

    made, arguments = getattr(net, part), net.get_params_for(part)
    if not isinstance(made, type) or not issubclass(made, torch.nn.Module):
        raise ModelError(f"The {part} of the model's {type(net).__name__} is no class of a PyTorch module.")
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        module = made(**arguments)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    held = sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])
    if held > n_bytes + _SPARE_BYTES:
        raise ModelError(f"The {part} would need {held:,} bytes, and the whole file has {n_bytes:,}: it is forged.")
    if state is not None:
        stored = {name: tuple(value.shape) for name, value in state.items()}
        if shapes != stored:
            differing = sorted(name for name in shapes.keys() | stored.keys() if shapes.get(name) != stored.get(name))
            raise ModelError(
                f"The weights in the model are not those of its {made.__name__}: {', '.join(differing[:3])} "
                f"{'differ' if len(differing) > 1 else 'differs'} in name or shape."
            )
