# SPDX-License-Identifier: BSD-3-Clause
"""Which classes there are: by scikit-learn's module and name, and by the library's name."""

from __future__ import annotations

import importlib
from typing import Any

# Adding a class to a module's __all__ is all that it takes; a new module is a line here.
MODULES = ("linear_model", "preprocessing", "impute")


def estimators() -> dict[str, type[Any]]:
    """Return the classes of the library's estimators, by the library's names."""
    found: dict[str, type[Any]] = {}
    for name in MODULES:
        module = importlib.import_module(f"skimp.{name}")
        for item in module.__all__:
            estimator = getattr(module, item)
            if isinstance(estimator, type) and "_core_name" in vars(estimator):
                found[vars(estimator)["_core_name"]] = estimator
    return found


def ours(estimator: Any) -> type[Any] | None:
    """Return skimp's class for an object of scikit-learn's, or None."""
    package, _, rest = type(estimator).__module__.partition(".")
    if package != "sklearn":
        return None
    module = rest.split(".")[0]
    for candidate in estimators().values():
        if candidate.__name__ == type(estimator).__name__ and candidate.__module__ == f"skimp.{module}":
            return candidate
    return None


def theirs(estimator: type[Any]) -> type[Any]:
    """Return scikit-learn's class of the same module and name."""
    for base in estimator.__mro__:
        if base.__name__ == estimator.__name__ and base.__module__.startswith("sklearn."):
            return base
    module = importlib.import_module(estimator.__module__.replace("skimp", "sklearn", 1))
    found: type[Any] = getattr(module, estimator.__name__)
    return found
