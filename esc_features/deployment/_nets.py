"""Split a fitted network into parameters, fitted attributes and tensors, and put it together again."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..exceptions import ModelError

# What a criterion may allocate beyond the size of the file.
_SPARE_BYTES = 1 << 20


def is_net(value: Any) -> bool:
    """Return whether this is an estimator around a PyTorch module, or the class of one, without importing torch."""
    kind = value if inspect.isclass(value) else type(value)
    return any(base.__module__.startswith("skorch.") for base in kind.__mro__) and hasattr(kind, "initialize_module")


def state_of_net(net: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
    """Return parameters, fitted attributes and the tensors of the module; no tensors if it is not fitted."""
    parameters = net.get_params(deep=False)
    if not net.initialized_:
        return parameters, {}, {}
    from ..models import state_of

    state, fitted = state_of(net)
    fitted["fitted_clips"] = None  # the card summarises it
    for name, tensor in state.items():
        if "bfloat16" in str(tensor.dtype):
            raise ModelError(
                f"The network keeps {name} in bfloat16, which numpy does not have: call net.module_.float() and save "
                "it again."
            )
    return parameters, fitted, {name: tensor.numpy() for name, tensor in state.items()}


def net_from_state(
    kind: Any,
    parameters: Mapping[str, Any],
    fitted: Mapping[str, Any],
    state: Mapping[str, np.ndarray],
    n_bytes: int,
) -> Any:
    """Make a network with its weights; nothing larger than the file of `n_bytes` is allocated."""
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
    from ..models import restore

    try:
        _check_criterion(net, n_bytes)
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        restore(net, tensors, dict(fitted))
    except (RuntimeError, TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"The weights in the model are not those of its {kind.__name__}: {error}") from error
    net.module_.eval()
    return net


def _check_criterion(net, n_bytes):
    """Build the loss on the meta device first, without memory: a forged parameter may make it huge."""
    import torch

    if isinstance(net.criterion, str):
        return
    if not isinstance(net.criterion, type) or not issubclass(net.criterion, torch.nn.Module):
        raise ModelError(f"The criterion of the model's {type(net).__name__} is not a class of PyTorch modules.")
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        criterion = net.criterion(**net.get_params_for("criterion"))
    held = sum(tensor.nbytes for tensor in [*criterion.parameters(), *criterion.buffers()])
    if held > n_bytes + _SPARE_BYTES:
        raise ModelError(f"The criterion would need {held:,} bytes, and the whole file has {n_bytes:,}: it is forged.")
