"""Descriptions of what was run, by which results are found again; two different pipelines never share one."""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
import uuid
from collections.abc import Iterable
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

_LIBRARY_FOLDERS = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
_LIBRARY_FOLDERS += [Path(__file__).absolute().parents[1]]
_NOT_CODE = {"__doc__", "__module__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__",
             "__static_attributes__", "__abstractmethods__", "_abc_impl", "__qualname__"}  # fmt: skip


class Description:
    """The description of a value: all its parameters, the user's own code, and packages by name.

    Parameters
    ----------
    value : object
        An estimator, or anything that is a parameter of one.

    Attributes
    ----------
    text : str
        The description.
    packages : set of str
        Top-level packages of all classes and functions in it.
    """

    def __init__(self, value: Any):
        self.packages: set[str] = set()
        self._open: list[Any] = []
        self._seen: list[Any] = []
        self.text = self._describe(value)

    def _describe(self, value: Any) -> str:
        if value is None or isinstance(value, bool | int | float | complex | str | bytes) or value is Ellipsis:
            return f"{type(value).__name__} {value!r}"
        for depth, outer in enumerate(self._open):
            if outer is value:
                return f"<the value {len(self._open) - depth} levels up>"
        self._open.append(value)
        try:
            return self._describe_nested(value)
        finally:
            self._open.pop()

    def _describe_nested(self, value: Any) -> str:
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, list | tuple):
            return f"{self._class(type(value))}[{self._all(value)}]"
        if isinstance(value, dict):
            return f"{self._class(type(value))}{{{self._pairs(value.items())}}}"
        if isinstance(value, set | frozenset):
            return f"{type(value).__name__}{{{', '.join(sorted(map(self._describe, value)))}}}"
        if isinstance(value, types.FunctionType | types.MethodType):
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, functools.partial):
            return f"partial({self._all([value.func, value.args, value.keywords])})"
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value))
        if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
            return "tensor " + self._array(value.detach().cpu().numpy())
        if hasattr(value, "get_params"):
            return f"{self._class(type(value))}({self._pairs(sorted(value.get_params(deep=False).items()))})"
        return self._reduced(value)

    def _all(self, values: Iterable) -> str:
        return ", ".join(map(self._describe, values))

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> str:
        return ", ".join(f"{self._describe(key)}: {self._describe(value)}" for key, value in pairs)

    def _array(self, array: np.ndarray) -> str:
        if array.dtype.hasobject:
            return f"array {array.shape} [{self._all(array.ravel().tolist())}]"
        return f"array {array.dtype.str} {array.shape} {_digest(np.ascontiguousarray(array).tobytes())}"

    def _reduced(self, value: Any) -> str:
        """Describe any object by where it is found, or by what pickle would store; an object with neither is unique."""
        if place := _place_of(value):
            self.packages.add(place.partition(".")[0])
            return place
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            return f"{self._class(type(value))} {uuid.uuid4().hex}"
        if isinstance(reduced, str):
            return f"{self._class(type(value))} {reduced}"
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        parts = [make, arguments, state, list(items or ()), list(pairs or ())]
        return f"{self._class(type(value))}<{self._all(parts)}>"

    def _class(self, kind: type) -> str:
        name = self._named(kind)
        for base in kind.__mro__:
            if self._is_new_user_code(base):
                members = {key: member for key, member in vars(base).items() if key not in _NOT_CODE}
                name += " code {" + ", ".join(f"{key}: {self._member(members[key])}" for key in sorted(members)) + "}"
        return name

    def _member(self, member: Any) -> str:
        """Describe what belongs to the user's code; a long description is replaced by its digest."""
        if isinstance(member, staticmethod | classmethod):
            member = member.__func__
        if isinstance(member, property):
            return self._all([member.fget, member.fset])
        text = self._describe(member)
        return text if len(text) < 10_000 else _digest(text.encode())

    def _function(self, function: Any) -> str:
        bound = [function.__self__] if isinstance(function, types.MethodType) else []
        function = getattr(function, "__func__", function)
        name = self._named(function) + self._all(bound)
        if not self._is_new_user_code(function):
            return name
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        known = function.__globals__
        used = sorted({word for word in _names_in(function.__code__) if word in known})
        parts = [function.__defaults__, function.__kwdefaults__, cells]
        code = _digest(_code_text(function.__code__).encode())
        return f"{name} code {code} ({self._all(parts)}) uses {{{', '.join(self._global(known[u], u) for u in used)}}}"

    def _global(self, value: Any, name: str) -> str:
        return f"{name}: {self._member(value)}"

    def _module(self, module: types.ModuleType) -> str:
        self.packages.add(module.__name__.partition(".")[0])
        if not self._is_new_user_code(module):
            return f"module {module.__name__}"
        own = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        return f"module {module.__name__} {{{', '.join(self._global(own[name], name) for name in sorted(own))}}}"

    def _named(self, thing: Any) -> str:
        module = getattr(thing, "__module__", None) or "builtins"
        self.packages.add(module.partition(".")[0])
        return f"{module}.{thing.__qualname__}"

    def _is_new_user_code(self, thing: Any) -> bool:
        """Return whether a class, function or module is the user's own and was not described yet."""
        module = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
        if any(thing is seen for seen in self._seen) or not _is_users(module or "builtins"):
            return False
        self._seen.append(thing)
        return True


def _is_filled(cell) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _place_of(value: Any) -> str:
    """Return the module and name at which a compiled function or a ufunc is found; "" if it is not."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    modules = ["numpy", "scipy.special"] if isinstance(value, np.ufunc) else [getattr(value, "__module__", None)]
    for module in modules:
        if isinstance(name, str) and isinstance(module, str) and getattr(sys.modules.get(module), name, None) is value:
            return f"{module}.{name}"
    return ""


def _is_users(module: str) -> bool:
    top = module.partition(".")[0]
    if (top in sys.stdlib_module_names and top != "__main__") or top.startswith("_cython_"):
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return top not in sys.builtin_module_names and top != "builtins"
    path = Path(file).absolute()
    installed = {"site-packages", "dist-packages"}.intersection(path.parts)
    return not installed and not any(path.is_relative_to(folder) for folder in _LIBRARY_FOLDERS)


def _names_in(code: types.CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names_in, inner))


def _code_text(code: types.CodeType) -> str:
    """Return the content of code without its place in the file, so that moving a function changes nothing."""
    constants = [_constant_text(constant) for constant in code.co_consts]
    return repr((code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars,
                 code.co_argcount, code.co_kwonlyargcount, code.co_flags))  # fmt: skip


def _constant_text(constant: Any) -> str:
    if isinstance(constant, types.CodeType):
        return _code_text(constant)
    if isinstance(constant, frozenset):
        return f"frozenset {sorted(map(repr, constant))}"
    return f"{type(constant).__name__} {constant!r}"


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def versions_of(packages: Iterable[str], distributions: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of Python, of this package, of numpy, and of the distributions of these packages."""
    from .. import __version__

    names = {"numpy", *distributions}.union(*(_distributions().get(package, []) for package in packages))
    found = {name: metadata.version(name) for name in sorted(names, key=str.lower) if name != "esc_features"}
    return {"python": sys.version.split()[0], "esc_features": __version__, **found}


def digest_of(*parts: str | bytes) -> str:
    """Return a digest of these parts, 16 hexadecimal digits; the boundaries between parts count."""
    digest = blake2b(digest_size=8)
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
