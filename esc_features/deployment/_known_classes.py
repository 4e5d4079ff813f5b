"""Which classes a model file may name: ours and those of torch, skorch and scikit-learn; others must be trusted."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterable
from typing import Any

from ..exceptions import ModelError

_OURS = "esc_features"
# Public module -> module and name of the base that its classes must have; None: any class that is public there.
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
_CALLBACKS_WITH_FILES = (
    *("Checkpoint", "TrainEndCheckpoint", "LoadInitState", "TensorBoard"),
    *("MlflowLogger", "WandbLogger", "NeptuneLogger", "SacredLogger"),
)
_WITH_FILES = {f"skorch.callbacks.{name}" for name in _CALLBACKS_WITH_FILES}
_FUNCTIONS = {"builtins.print"}  # the default of skorch's callbacks for their reports
# Not estimators themselves, but parts of fitted ones that contain other estimators.
_PARTS = {"sklearn.calibration._CalibratedClassifier", "sklearn.utils.Bunch"}


def public_name(kind: Any) -> str:
    """Return the name by which a model file refers to a class or function: where a user imports it from."""
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
    """Return whether a class of this name may be used without trust; only the libraries named above are imported."""
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


def is_trusted(name: str, trusted: Iterable[str]) -> bool:
    """Return whether a user trusts a class or function, by its name or that of a module that it is in."""
    return any(name == each or name.startswith(f"{each}.") for each in trusted)


def find(name: str, granted: Collection[str]) -> Any:
    """Import what a model file names; a name that is neither known nor trusted is never imported."""
    if not (is_known(name) or name in granted):
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
    # A module of torch also has names that it imported; only what the library defines counts.
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
