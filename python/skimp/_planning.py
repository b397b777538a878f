# SPDX-License-Identifier: BSD-3-Clause
"""Plans before a fit."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from skimp._report import Plan


def plan(estimator: Any, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
    """Say what fitting an estimator would take: memory, passes, disk, time.

    Of files a few samples are read, of arrays nothing is copied.

    Parameters
    ----------
    estimator : estimator
        An estimator or Pipeline of skimp; it is not changed.
    X : array-like, sparse matrix, frame, path, stream or Dataset
        What `fit` would be given.
    y : array-like or str, default=None
        What `fit` would be given.
    sample_weight : array-like or str, default=None
        What `fit` would be given.

    Returns
    -------
    plan : Plan
        Its `peak_bytes` is an upper bound of the growth of the resident set during the fit.  Where the budget is too small
        for the fit, `minimum_bytes` is over `budget_bytes`, and `fit` will refuse.

    Raises
    ------
    BudgetError
        The budget is too small even to plan; its `minimum_bytes` would be enough for the fit.

    Examples
    --------
    >>> import numpy as np
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> X = np.zeros((1000, 4))
    >>> plan = skimp.plan(Ridge(), X, X[:, 0])
    >>> plan.exact, plan.rows, plan.features
    (True, 1000, 4)
    >>> plan.peak_bytes <= plan.budget_bytes
    True
    """
    if not hasattr(estimator, "_plan"):
        raise TypeError(f"{type(estimator).__name__} is no estimator of skimp: skimp.from_sklearn makes one of it")
    found: Plan = clone(estimator)._plan(X, y, sample_weight)
    return found
