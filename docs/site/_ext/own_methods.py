# SPDX-License-Identifier: BSD-3-Clause
"""Which methods a page of the reference describes: skimp's own, not those that scikit-learn gives."""

from __future__ import annotations

import importlib


class OwnMethods:
    """A function that Sphinx can keep in its cache."""

    def __call__(self, fullname: str) -> dict[str, list[str]]:
        """Return the names of a class's methods: what skimp documents, and what it has from scikit-learn."""
        module, name = fullname.rsplit(".", 1)
        kind = getattr(importlib.import_module(module), name)
        found: dict[str, list[str]] = {"documented": [], "inherited": []}
        if issubclass(kind, BaseException):
            return found
        for method in sorted(dir(kind), key=lambda method: (method != "fit", method)):
            # `available_if` is a descriptor that gives a function, which knows where it was written
            value = getattr(kind, method)
            if method.startswith("_") or isinstance(value, property) or not callable(value):
                continue
            is_own = getattr(value, "__module__", "").startswith("skimp")
            found["documented" if is_own else "inherited"].append(method)
        return found
