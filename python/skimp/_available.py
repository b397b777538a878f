# SPDX-License-Identifier: BSD-3-Clause
"""Methods that are there under a condition, with their types: scikit-learn's decorator says none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metaestimators import available_if as _available_if

Method = TypeVar("Method", bound=Callable[..., Any])


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """Return a decorator for methods that an object has if `check` says so of it, as scikit-learn's of this name."""
    decorator: Callable[[Method], Method] = _available_if(check)
    return decorator
