"""Which classes a model file may name: ours and those of torch, skorch and scikit-learn; any other must be trusted."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from typing import Any

from ..exceptions import ModelError

_OURS = "esc_features"
# Public module -> module and name of the base that a class of it must have; None: any class that is public there.
_MODULES: dict[str, tuple[str, str] | None] = {
    "esc_features.features": ("sklearn.base", "BaseEstimator"),
    "esc_features.models": None,
    "esc_features.preprocessing": ("sklearn.base", "BaseEstimator"),
    "esc_features.augmentation": ("sklearn.base", "BaseEstimator"),
    "esc_features.model_selection": None,
    "torch.nn": ("torch.nn", "Module"),
    "torch.optim": ("torch.optim", "Optimizer"),
    "torch.optim.lr_scheduler": ("torch.optim.lr_scheduler", "LRScheduler"),
    "torch.utils.data": ("torch.utils.data", "DataLoader"),
    "skorch.dataset": None,
    # Callbacks that read or write files are left out: Checkpoint makes a folder as soon as it is initialised.
    "skorch.callbacks": ("skorch.callbacks", "Callback"),
}
_WITH_FILES = {
    f"skorch.callbacks.{name}"
    for name in ("Checkpoint", "TrainEndCheckpoint", "LoadInitState", "TensorBoard", "MlflowLogger", "WandbLogger")
}
_WITH_FILES |= {f"skorch.callbacks.{name}" for name in ("NeptuneLogger", "SacredLogger")}
# Private, and parts of fitted estimators that hold other estimators.
_FUNCTIONS = {"builtins.print"}  # what callbacks of skorch report through
_PARTS = {"sklearn.calibration._CalibratedClassifier", "sklearn.utils.Bunch"}


def public_name(kind: Any) -> str:
    """The name by which a model file calls a class or function: where a user imports it from."""
    module, name = kind.__module__, kind.__qualname__
    if module == "__main__" or "<" in name:
        place = "a script or notebook" if module == "__main__" else "a function"
        raise ModelError(
            f"{name} is defined in {place}, where nobody who loads the model could find it. Move it to a module that "
            "can be imported, and fit again."
        )
    for known in _MODULES:
        if module.startswith(known.split(".")[0]) and _public(known, name) is kind:
            return f"{known}.{name}"
    if module.split(".")[0] == "sklearn":
        module = ".".join(part for part in module.split(".") if not part.startswith("_"))
    return f"{module}.{name}"


def is_known(name: str) -> bool:
    """Whether a class of this name may be made without anybody's trust. Imports the libraries named above only."""
    if name in _FUNCTIONS:
        return True
    module, _, attribute = name.rpartition(".")
    if module in _MODULES and name not in _WITH_FILES:
        kind = _public(module, attribute)
        base = _MODULES[module]
        return inspect.isclass(kind) and (
            base is None or issubclass(kind, getattr(importlib.import_module(base[0]), base[1]))
        )
    return _is_scikit_learn(name)


def find(name: str, trusted: Iterable[str]) -> Any:
    """Import what a model file names; a name that is neither known nor trusted is never imported."""
    if not (is_known(name) or name in set(trusted)):
        raise ModelError(f"{name} is neither known nor trusted.")
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"The model needs {name}, which cannot be imported: {error}. Install the package it comes from, or put "
            "its folder on PYTHONPATH."
        ) from error
    return found


def _public(module: str, name: str) -> Any:
    imported = importlib.import_module(module)
    offered = getattr(imported, "__all__", None)
    if name.startswith("_") or (offered is not None and name not in offered and module.startswith(_OURS)):
        return None
    found = getattr(imported, name, None)
    # A module of torch also holds what it imported: only what it defines itself counts.
    return found if getattr(found, "__module__", "").split(".")[0] == module.split(".")[0] else None


def _is_scikit_learn(name: str) -> bool:
    import sklearn
    from sklearn.base import BaseEstimator

    library, _, rest = name.partition(".")
    module, _, attribute = rest.partition(".")
    if library != "sklearn" or module not in sklearn.__all__ or not attribute or "." in attribute:
        return False
    if name in _PARTS:
        return True
    kind = getattr(importlib.import_module(f"sklearn.{module}"), attribute, None)
    return inspect.isclass(kind) and issubclass(kind, BaseEstimator) and kind.__module__.startswith("sklearn.")
