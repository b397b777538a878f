# SPDX-License-Identifier: BSD-3-Clause
"""What transformers share."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from skimp import _core
from skimp._base import SkimpEstimator, float_type, like
from skimp._data import Data
from skimp._params import settings

FLOATS = (np.float64, np.float32, np.float16)


class Transformer(TransformerMixin, SkimpEstimator):
    """An estimator that changes columns.

    It is fitted as the only step of a job that has no estimator, so its arrays are under ``0.<name>.`` in the model.
    """

    _prefix: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_core_name"):
            cls._prefix = f"0.{cls._core_name}."

    def _job(self, data: Data, going_on: dict[str, Any] | None = None) -> Any:
        own = {"steps": (self._core_name,), "params": settings(self._job_params(), f"{self._core_name}__")}
        return _core.Job({**own, **self._job_config(), **data.options, **(going_on or {})})

    def _n_outputs(self) -> int:
        """Return the number of columns that come out."""
        return self.n_features_in_

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.
        y : None
            Ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._fit(X, None, None)
        return self

    def transform(self, X: Any) -> Any:
        """Return X transformed, as the kind of thing that it is and of the same float type (float64 of integers).

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : ndarray, sparse matrix or frame
            Shape (n_samples, n_features_out).
        """
        check_is_fitted(self)
        data = self._resolve(X, None, None, reset=False)
        return like(self._apply_data(data, "transform", float_type(data)), X)

    def _inverse_input(self, X: Any, sparse: bool) -> Any:
        """Return a copy of what is to be transformed back."""
        check_is_fitted(self)
        return check_array(
            X,
            accept_sparse=("csr", "csc") if sparse else False,
            copy=True,
            dtype=FLOATS,
            force_writeable=True,
            ensure_all_finite="allow-nan",
        )
