# SPDX-License-Identifier: BSD-3-Clause
"""What transformers share."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from skimp import _core
from skimp._base import Fitted, SkimpEstimator, float_type, like
from skimp._data import Data
from skimp._lazy import through
from skimp._outputs import framed, is_lazy, is_once
from skimp._params import settings
from skimp._traced import Traced
from skimp.dataset import Dataset

FLOATS = (np.float64, np.float32, np.float16)


def role_name(y: Any) -> str | None:
    """Return the name of a target's column; None: y is something else, which transformers ignore."""
    return y if isinstance(y, str) else None


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

    def _left_out_columns(self) -> np.ndarray | None:
        """Return which of its columns go no further; None: none does."""
        return None

    def _added_names(self, names: list[str]) -> list[str]:
        """Return the names of columns that it adds; names: of those that go in."""
        return []

    def _has_text(self) -> bool:
        """Say whether it was fitted on text columns too, which the library one-hot encodes."""
        return any(getattr(self, "_skimp", Fitted({}, [], {})).arrays.get("column_types", ()))

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the features that come out: a column of numbers, or a text of a column (``carrier_AA``)."""
        if not hasattr(self, "_skimp"):
            raise AttributeError(f"this {type(self).__name__} has no names of encoded features")
        if "columns" not in self._skimp.arrays:
            return np.asarray(self.get_feature_names_out())
        traced = Traced(self._skimp.meta, self._skimp.arrays)
        traced.advance(self, traced.inputs(self._prefix))
        return np.array(traced.feature_names(), dtype=object)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._fit(X, role_name(y), None)
        return self

    def transform(self, X: Any) -> Any:
        """Return X transformed, as the kind of thing that it is and of the same float type (float64 of integers).

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : ndarray, sparse matrix, frame or Dataset
            Shape (n_samples, n_features_out).  Of a path, a stream or a Dataset a `skimp.Dataset`, whose rows are
            computed when they are used; its text columns stay text, and target and weight are those of X.
        """
        check_is_fitted(self)
        if is_lazy(self, X):
            return through(self, X)
        data = self._resolve(X, None, None, reset=False)
        return framed(self, like(self._apply_data(data, "transform", float_type(data)), X), X)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Learn from X, and return it transformed.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  What can be read only once is kept on disk.
        y : array-like or str, default=None
            The target: of a path, a stream or a Dataset it goes with what is returned.
        **fit_params : dict
            As of `fit`.

        Returns
        -------
        X_out : ndarray, sparse matrix, frame or Dataset
            Shape (n_samples, n_features_out).
        """
        if not is_lazy(self, X):
            return super().fit_transform(X, y, **fit_params)
        if is_once(X):
            X, y = Dataset(X, target=y), None
        return through(self.fit(X, y, **fit_params), X, y)

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
