"""Which parameters a net takes: those it names, and those it passes on."""

from __future__ import annotations

import inspect
from inspect import Parameter


def name_all_parameters(kind: type) -> None:
    """Add to the signature of a net's `__init__` what its ``**kwargs`` take, with the defaults.

    scikit-learn prints the parameters that differ from this signature, in text and in notebooks. The signature of the
    class, which `help` and the documentation show, stays as it is written.
    """
    if "__init__" not in vars(kind):
        return
    initialise = vars(kind)["__init__"]
    written = inspect.signature(initialise)
    parameters = dict(written.parameters)
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
        for parent in filter(lambda parent: "__init__" in vars(parent), kind.__mro__[1:]):
            for name, parameter in inspect.signature(vars(parent)["__init__"]).parameters.items():
                if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
                    parameters.setdefault(name, parameter.replace(kind=Parameter.KEYWORD_ONLY))
    in_order = sorted(parameters.values(), key=lambda parameter: parameter.kind)
    kind.__signature__ = written.replace(parameters=list(written.parameters.values())[1:])  # type: ignore[attr-defined]
    initialise.__signature__ = written.replace(parameters=in_order)
