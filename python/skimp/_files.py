# SPDX-License-Identifier: BSD-3-Clause
"""Model files, which the command reads and writes too."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skimp import _core
from skimp._base import SkimpEstimator
from skimp._going_on import has_places
from skimp._model import estimator_of
from skimp.pipeline import Pipeline


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator or Pipeline to a model file, which the ``skimp`` command and `load` read.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator or Pipeline of skimp.
    path : path
        The file; one that is there is replaced once the new one is whole.  By convention ``.safetensors``.

    Raises
    ------
    ValueError
        The classes are integers of 2**53 and more, or neither numbers nor texts: a model file does not hold such labels.

    See Also
    --------
    load : Read it again.

    Examples
    --------
    >>> import os, tempfile
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> model = Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "model.safetensors")
    ...     skimp.save(model, path)
    ...     again = skimp.load(path)
    >>> again.predict([[3.0]]) == model.predict([[3.0]])
    array([ True])
    """
    if not isinstance(estimator, (SkimpEstimator, Pipeline)):
        raise TypeError(f"{type(estimator).__name__} is no estimator of skimp: skimp.from_sklearn makes one of it")
    check_is_fitted(estimator)
    if "_skimp" not in vars(estimator) and not isinstance(estimator, Pipeline):
        kind = type(estimator).__name__
        raise TypeError(
            f"this {kind} was fitted in Python, column by column, on an array of objects or in another way that the library "
            "does not know, and is no model file: fit it on a file, a stream or a skimp.Dataset, where its "
            "parameters allow that, or pickle it"
        )
    if "_skimp" not in vars(estimator):
        raise TypeError("a Pipeline with steps that are not skimp's, or that were fitted one after the other, is no model file")
    _check_classes(estimator)
    estimator._model().save(os.fspath(path))


def _check_classes(estimator: Any) -> None:
    """Raise an error where a model file cannot hold the classes, and would have their places instead."""
    classes = getattr(estimator, "classes_", None)
    if classes is not None and has_places(np.asarray(classes)):
        raise ValueError(
            f"a model file holds labels that are texts, or numbers below 2^53: {classes[-1]!r} is neither. Fit with the "
            "labels as texts (y.astype(str)), or keep the estimator with pickle or joblib"
        )


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model file, of `save` or of the ``skimp`` command.

    Parameters
    ----------
    path : path
        The file.  Its bytes are not believed: no code is run, and a damaged file is an error.

    Returns
    -------
    estimator : estimator
        Fitted; of a model with steps a `skimp.pipeline.Pipeline`.

    See Also
    --------
    save : Write such a file.

    Examples
    --------
    >>> import os, tempfile
    >>> import skimp
    >>> from skimp.preprocessing import MinMaxScaler
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = os.path.join(directory, "model.safetensors")
    ...     skimp.save(MinMaxScaler().fit([[0.0], [4.0]]), path)
    ...     skimp.load(path).transform([[1.0]])
    array([[0.25]])
    """
    return estimator_of(_core.Model.load(os.fspath(path)), Pipeline)
