# SPDX-License-Identifier: BSD-3-Clause
"""Model files, which the command reads and writes too."""

from __future__ import annotations

import os
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skimp import _core
from skimp._base import SkimpEstimator
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
    if "_skimp" not in vars(estimator):
        raise TypeError("a Pipeline with steps that are not skimp's, or that were fitted one after the other, is no model file")
    estimator._model().save(os.fspath(path))


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
