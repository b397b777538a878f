# SPDX-License-Identifier: BSD-3-Clause
"""A fit that fails leaves an estimator as it was: what it had learnt before still predicts, a fresh one is not fitted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from sklearn.utils.metaestimators import _BaseComposition

F = TypeVar("F", bound=Callable[..., Any])

FITS = ("fit", "partial_fit", "fit_transform")


def _parts(estimator: Any) -> list[Any]:
    """Return an estimator and the steps in it, which a fit changes too."""
    if not isinstance(estimator, _BaseComposition):
        return [estimator]
    inner = estimator.get_params(deep=True).values()
    return [estimator, *(part for part in inner if hasattr(part, "get_params") and not isinstance(part, type))]


def all_or_nothing(fit: F) -> F:
    """Return a method that fits, and gives back all attributes where that raises.

    A fit sets attributes, and changes none of the things that they are: so the references are all that is kept.
    """

    @functools.wraps(fit)
    def fit_or_restore(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = [(part, dict(vars(part))) for part in _parts(self) if hasattr(part, "__dict__")]
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            for part, attributes in before:
                part.__dict__ = attributes
            raise

    return cast(F, fit_or_restore)


def guard_fits(cls: type) -> None:
    """Make the methods that fit, of those that a class has itself, restore what they found when they fail."""
    for name in FITS:
        fit = vars(cls).get(name)
        if callable(fit) and hasattr(fit, "__code__"):
            setattr(cls, name, all_or_nothing(fit))
