"""Every public name is documented, in the form of numpydoc, and its examples run."""

import doctest
import enum
import importlib
import inspect
import pkgutil

import pytest
from numpydoc.validate import validate

import esc_features

# Where public names live, also those that need an extra; `storage` and `lazy` are for other rooms.
MODULES = ["", *sorted(info.name for info in pkgutil.iter_modules(esc_features.__path__) if info.name[0] != "_")]
MODULES.remove("storage")
MODULES.remove("lazy")

CHECKS = {
    "GL03": "two blank lines in a row",
    "GL06": "an unknown section",
    "GL07": "sections in the wrong order",
    "GL08": "no docstring",
    "SS03": "the summary does not end with a period",
    "SS05": "the summary is not imperative",
    "SS06": "the summary is longer than a line",
    "PR01": "a parameter is not documented",
    "PR02": "a documented parameter does not exist",
    "PR03": "parameters in the wrong order",
    "RT01": "no Returns section",
}


def public_names():
    for module_name in MODULES:
        module = importlib.import_module(f"esc_features.{module_name}".rstrip("."))
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        ]
        for name in names:
            if name != "__version__" and callable(getattr(module, name, None)):
                yield f"{module.__name__}.{name}"


def modules_with_examples():
    def fail(name):
        raise ImportError(f"{name} cannot be imported, so its examples would not run.")

    for info in pkgutil.walk_packages(esc_features.__path__, "esc_features.", onerror=fail):
        if not info.ispkg and not info.name.endswith("__main__"):
            yield info.name


@pytest.mark.parametrize("name", sorted(set(public_names())))
def test_numpydoc(name):
    # The parameters of an enumeration are Python's own.
    unchecked = {"PR01"} if inspect.isclass(ours(name)) and issubclass(ours(name), enum.Enum) else set()
    errors = validate(name)["errors"]
    wrong = [f"{code}: {text}" for code, text in errors if code in CHECKS and code not in unchecked]
    assert not wrong


def ours(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def names_with_examples():
    for name in public_names():
        value = ours(name)
        if not (inspect.isclass(value) and issubclass(value, Exception)):  # an exception is its message
            yield name


@pytest.mark.parametrize("name", sorted(set(names_with_examples())))
def test_public_classes_and_functions_have_an_example(name):
    assert ">>>" in (ours(name).__doc__ or "")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(modules_with_examples()))
def test_examples_run(name, tiny_store, tmp_path, monkeypatch):
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores/demo").symlink_to(tiny_store.path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESC_FEATURES_DATA", str(tiny_store.path.parents[1]))
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    results = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert results.failed == 0
