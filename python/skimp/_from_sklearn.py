# SPDX-License-Identifier: BSD-3-Clause
"""From scikit-learn's unfitted estimators to skimp's."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer as TheirColumnTransformer
from sklearn.pipeline import Pipeline as TheirPipeline

from skimp import _registry
from skimp._base import SkimpEstimator
from skimp.compose import ColumnTransformer
from skimp.pipeline import Pipeline


def _convert(estimator: Any, place: str, left: list[str]) -> Any:
    if isinstance(estimator, (str, type(None), SkimpEstimator, Pipeline, ColumnTransformer)):
        return estimator if isinstance(estimator, (str, type(None))) else clone(estimator)
    if type(estimator) is TheirPipeline:
        steps = [(name, _convert(step, f"{place}{name}", left)) for name, step in estimator.steps]
        return Pipeline(steps, **_others(estimator, "steps"))
    if type(estimator) is TheirColumnTransformer:
        parts = [(name, _convert(part, f"{place}{name}", left), columns) for name, part, columns in estimator.transformers]
        return ColumnTransformer(parts, **_others(estimator, "transformers"))
    own = _registry.ours(estimator)
    if own is None:
        left.append(f"{place or 'the estimator'} ({type(estimator).__name__})")
        return clone(estimator)
    return own(**estimator.get_params(deep=False))


def _others(estimator: Any, parts: str) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params(deep=False).items() if name != parts}


def from_sklearn(estimator: BaseEstimator) -> Any:
    """Turn an estimator, Pipeline or ColumnTransformer of scikit-learn into skimp's.

    Parameters
    ----------
    estimator : estimator
        Of scikit-learn; what was fitted of it is not taken over.

    Returns
    -------
    estimator : estimator
        Unfitted, with the same parameters.  Parts that skimp does not have stay scikit-learn's, and a warning names
        them.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> import skimp
    >>> skimp.from_sklearn(LogisticRegression(C=10))
    LogisticRegression(C=10)
    >>> type(skimp.from_sklearn(LogisticRegression())).__module__
    'skimp.linear_model'
    """
    left: list[str] = []
    own = _convert(estimator, "", left)
    if left:
        warnings.warn(f"skimp does not have, and leaves as they are: {', '.join(left)}", UserWarning, stacklevel=2)
    return own
