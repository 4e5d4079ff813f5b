"""Parts of a model that belong to scikit-learn: written by skops, and audited before they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..exceptions import ModelError
from ._archive import check_arrays, read_archive

# skops does not trust trees, because scikit-learn does not check where their nodes point; `_check_tree` does.
# A calibration is two numbers, and the optimisers of perceptrons are plain Python that predicting does not call.
_CHECKED_HERE = frozenset(
    {
        "sklearn.tree._tree.Tree",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    }
)


def part_of(value: Any, where: str) -> bytes:
    """Return what skops writes for an object."""
    import skops.io

    try:
        content = skops.io.dumps(value)
    except Exception as error:  # skops raises what the objects raise
        raise ModelError(
            f"{where}, a {type(value).__name__}, cannot be saved without pickle: {error}. Leave it out, or use a class "
            "or function of a module that can be imported."
        ) from error
    for name in _untrusted(content, where):
        if name.startswith("__main__") or "<" in name:
            raise ModelError(
                f"{where} needs {name}, which is defined in a script, a notebook or a function, where nobody who loads "
                "the model could find it. Move it to a module that can be imported, and fit again."
            )
    return content


def untrusted_in(content: bytes, where: str) -> set[str]:
    """Return the names that loading a part would import and that a user must trust; the part is not loaded."""
    entries = read_archive(content, where)
    if "schema.json" not in entries:
        raise ModelError(f"{where} was not written by skops.")
    check_arrays(entries, where)
    return _untrusted(content, where) - _CHECKED_HERE


def load_part(content: bytes, where: str, granted: Iterable[str]) -> Any:
    """Load the object of a part; call `untrusted_in` first."""
    import skops.io

    try:
        value = skops.io.loads(content, trusted=sorted({*granted, *_CHECKED_HERE}))
    except Exception as error:  # any kind, depending on the estimator
        raise ModelError(
            f"{where} cannot be made: {type(error).__name__}: {error}. It may need another version of scikit-learn: "
            "the model's card names the one it was saved with."
        ) from error
    _check_inside(value, where, set())
    return value


def _untrusted(content, where):
    import skops.io

    try:
        return set(skops.io.get_untrusted_types(data=content))
    except (Exception, RecursionError) as error:
        raise ModelError(f"{where} is damaged: {type(error).__name__}: {error}.") from error


def _check_inside(value, where, seen):
    """Check what compiled code would use unchecked: the nodes of trees, the arrays of support vector machines."""
    if id(value) in seen or value is None or isinstance(value, (str, bytes, int, float, type)):
        return
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            for item in value.ravel():
                _check_inside(item, where, seen)
        return
    if isinstance(value, dict):
        inside = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        inside = list(value)
    else:
        _check_known(value, where)
        inside = list(getattr(value, "__dict__", {}).values())
    for item in inside:
        _check_inside(item, where, seen)


def _check_known(value, where):
    from sklearn.svm._base import BaseLibSVM
    from sklearn.tree import BaseDecisionTree
    from sklearn.tree._tree import Tree

    if isinstance(value, Tree):
        _check_tree(value, where)
    elif isinstance(value, BaseDecisionTree) and hasattr(value, "tree_") and hasattr(value, "n_features_in_"):
        if value.tree_.n_features != value.n_features_in_:
            raise ModelError(f"{where}: a tree was grown on another number of features than it claims.")
    elif isinstance(value, BaseLibSVM) and hasattr(value, "support_vectors_"):
        _check_machine(value, where)


def _check_tree(tree, where):
    children = np.stack([tree.children_left, tree.children_right])
    inner = tree.children_left != -1
    numbers = np.arange(tree.node_count)
    ordered = (children[:, inner] > numbers[inner]).all() and (children[:, inner] < tree.node_count).all()
    leaves = (children[:, ~inner] == -1).all()
    features = ((tree.feature[inner] >= 0) & (tree.feature[inner] < tree.n_features)).all()
    if tree.node_count < 1 or not (ordered and leaves and features) or len(tree.value) != tree.node_count:
        raise ModelError(f"{where} holds a decision tree whose nodes point outside it: the file is forged or damaged.")


def _check_machine(machine, where):
    vectors, counts = machine.support_vectors_, np.asarray(machine._n_support)
    dual, intercept = np.asarray(machine._dual_coef_), np.asarray(machine._intercept_)
    classes = len(counts)
    fine = vectors.ndim == 2 and dual.ndim == 2 and counts.dtype == np.int32 and (counts >= 0).all()
    fine = fine and vectors.dtype == np.float64 and vectors.flags.c_contiguous and not machine._sparse
    fine = fine and counts.sum() == len(vectors) == dual.shape[1] and dual.shape[0] == max(1, classes - 1)
    fine = fine and len(intercept) == max(1, classes * (classes - 1) // 2) and len(machine.support_) == len(vectors)
    fine = fine and vectors.shape[1] == machine.n_features_in_
    for name in ("_probA", "_probB"):
        fine = fine and len(getattr(machine, name)) in (0, len(intercept))
    if not fine:
        raise ModelError(f"{where} holds a support vector machine whose arrays do not fit together: forged or damaged.")
