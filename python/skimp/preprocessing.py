# SPDX-License-Identifier: BSD-3-Clause
"""Scalers and an encoder, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import Tags
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.sparsefuncs import inplace_column_scale
from sklearn.utils.validation import check_is_fitted

from skimp._one_hot import OneHotEncoder
from skimp._going_on import fitted_model
from skimp._transformer import Transformer, role_name

__all__ = ["MaxAbsScaler", "MinMaxScaler", "OneHotEncoder", "StandardScaler"]


class _Scaler(OneToOneFeatureMixin, Transformer):
    _allow_nan = True

    n_samples_seen_: int | np.ndarray

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        if name == "n_samples_seen_" and (array == array.flat[0]).all():
            self.n_samples_seen_ = array.flat[0]
        else:
            super()._set_attribute(name, array)

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        if name == "n_samples_seen_":
            return np.broadcast_to(self.n_samples_seen_, shape)
        return super()._get_attribute(name, shape)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X what it adds to the rows seen so far.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._go_on(X, y, None)
        return self

    def _go_on(self, X: Any, y: Any, sample_weight: Any) -> None:
        is_first = not hasattr(self, "n_samples_seen_")
        data = self._resolve(X, role_name(y), sample_weight, reset=is_first)
        self._fit_job(data, None if is_first else {"start": fitted_model(self, data)})

    def _take_part(self, own: dict[str, np.ndarray], *args: Any) -> None:
        super()._take_part(own, *args)
        for name in self._attributes:
            if name not in self.__dict__:
                setattr(self, name, None)  # what the parameters do without

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that come out: those of the columns, and of text columns one a category.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns that go in; by default those of the fit, else ``x0``, ``x1``, ….

        Returns
        -------
        names : ndarray of str
            One a feature.
        """
        names: np.ndarray = super().get_feature_names_out(input_features)
        return self.encoded_feature_names_ if self._has_text() else names

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _times(X: Any, factors: np.ndarray) -> Any:
    """Multiply the columns of an array or sparse matrix, in place."""
    if sp.issparse(X):
        inplace_column_scale(X, factors)
    else:
        X *= factors.astype(X.dtype, copy=False)
    return X


class StandardScaler(_Scaler):
    """Remove the mean and scale to unit variance; missing values stay missing.

    Parameters
    ----------
    copy : bool, default=True
        Accepted; X is never changed.
    with_mean : bool, default=True
        Remove the mean (not possible on sparse data).
    with_std : bool, default=True
        Scale to unit variance.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,) or None
        Means; None without `with_mean` and `with_std`.
    var_ : ndarray of shape (n_features,) or None
        Variances; None without `with_std`.
    scale_ : ndarray of shape (n_features,) or None
        What is divided by; None without `with_std`.
    n_samples_seen_ : int or ndarray of shape (n_features,)
        Rows with a value; an array where the columns differ.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that come out: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    Examples
    --------
    >>> from skimp.preprocessing import StandardScaler
    >>> StandardScaler().fit_transform([[0.0], [2.0]])
    array([[-1.],
           [ 1.]])
    """

    # `copy` is no more than a way to work.
    __metadata_request__transform = {"copy": UNUSED}
    __metadata_request__inverse_transform = {"copy": UNUSED}

    _core_name = "standard_scaler"
    _attributes = ("mean_", "var_", "scale_", "n_samples_seen_")

    def __init__(self, *, copy: bool = True, with_mean: bool = True, with_std: bool = True) -> None:
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn means and variances.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._check_centre(X)
        self._fit(X, role_name(y), sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from X what it adds to the means and variances of the rows seen so far.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._check_centre(X)
        self._go_on(X, y, sample_weight)
        return self

    def _check_centre(self, X: Any) -> None:
        if sp.issparse(X) and self.with_mean:
            raise ValueError(
                "Cannot center sparse matrices: pass `with_mean=False` instead. "
                "See docstring for motivation and alternatives."
            )

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return X, centred and scaled.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        copy : bool, default=None
            Accepted; X is never changed.

        Returns
        -------
        X_out : ndarray, sparse matrix, frame or Dataset
            Shape (n_samples, n_features); of a path, a stream or a Dataset a `skimp.Dataset`, computed when it is used.
        """
        check_is_fitted(self)
        self._check_centre(X)
        return super().transform(X)

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """Return X scaled and moved back.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            What `transform` has made.
        copy : bool, default=None
            Accepted; X is never changed.

        Returns
        -------
        X_out : ndarray or sparse matrix of shape (n_samples, n_features)
            What it was before.
        """
        X = self._inverse_input(X, sparse=True)
        if sp.issparse(X) and self.with_mean:
            raise ValueError(
                "Cannot uncenter sparse matrices: pass `with_mean=False` instead "
                "See docstring for motivation and alternatives."
            )
        if self.with_std:
            X = _times(X, self.scale_)
        if self.with_mean:
            X += self.mean_.astype(X.dtype, copy=False)
        return X

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not self.with_mean
        return tags


class MinMaxScaler(_Scaler):
    """Scale each column to a range.

    Parameters
    ----------
    feature_range : tuple (min, max), default=(0, 1)
        The range.
    copy : bool, default=True
        Accepted; X is never changed.
    clip : bool, default=False
        Cut values of other data to the range.

    Attributes
    ----------
    min_ : ndarray of shape (n_features,)
        What is added after scaling.
    scale_ : ndarray of shape (n_features,)
        What is multiplied by.
    data_min_ : ndarray of shape (n_features,)
        Smallest values.
    data_max_ : ndarray of shape (n_features,)
        Largest values.
    data_range_ : ndarray of shape (n_features,)
        ``data_max_ - data_min_``.
    n_samples_seen_ : int
        Rows.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that come out: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    Examples
    --------
    >>> from skimp.preprocessing import MinMaxScaler
    >>> MinMaxScaler().fit_transform([[1.0], [2.0], [5.0]])
    array([[0.  ],
           [0.25],
           [1.  ]])
    """

    _core_name = "min_max_scaler"
    _attributes = ("min_", "scale_", "data_min_", "data_max_", "data_range_", "n_samples_seen_")

    def __init__(self, feature_range: tuple[float, float] = (0, 1), *, copy: bool = True, clip: bool = False) -> None:
        self.feature_range = feature_range
        self.copy = copy
        self.clip = clip

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the range of each column.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if sp.issparse(X):
            raise TypeError("MinMaxScaler does not support sparse input. Consider using MaxAbsScaler instead.")
        return super().fit(X, y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X what it adds to the ranges of the rows seen so far.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if sp.issparse(X):
            raise TypeError("MinMaxScaler does not support sparse input. Consider using MaxAbsScaler instead.")
        return super().partial_fit(X, y)

    def transform(self, X: Any) -> Any:
        """Return X, scaled to the range.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : ndarray, frame or Dataset
            Shape (n_samples, n_features); of a path, a stream or a Dataset a `skimp.Dataset`, computed when it is used.
        """
        check_is_fitted(self)
        if sp.issparse(X):
            raise TypeError(
                "Sparse data was passed for X, but dense data is required. "
                "Use '.toarray()' to convert to a dense numpy array."
            )
        return super().transform(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return X scaled and moved back.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            What `transform` has made.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features)
            What it was before.
        """
        out: np.ndarray = self._inverse_input(X, sparse=False)
        out -= self.min_.astype(out.dtype, copy=False)
        out /= self.scale_.astype(out.dtype, copy=False)
        return out


class MaxAbsScaler(_Scaler):
    """Scale each column by its largest absolute value; zeros stay zeros, and sparse data sparse.

    Parameters
    ----------
    copy : bool, default=True
        Accepted; X is never changed.
    clip : bool, default=False
        Cut values of other data to [-1, 1].

    Attributes
    ----------
    max_abs_ : ndarray of shape (n_features,)
        Largest absolute values.
    scale_ : ndarray of shape (n_features,)
        What is divided by: these, and 1 where they are 0.
    n_samples_seen_ : int
        Rows.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that come out: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    Examples
    --------
    >>> from skimp.preprocessing import MaxAbsScaler
    >>> MaxAbsScaler().fit_transform([[1.0], [-4.0], [2.0]])
    array([[ 0.25],
           [-1.  ],
           [ 0.5 ]])
    """

    _core_name = "max_abs_scaler"
    _attributes = ("max_abs_", "scale_", "n_samples_seen_")

    def __init__(self, *, copy: bool = True, clip: bool = False) -> None:
        self.copy = copy
        self.clip = clip

    def inverse_transform(self, X: Any) -> Any:
        """Return X scaled back.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            What `transform` has made.

        Returns
        -------
        X_out : ndarray or sparse matrix of shape (n_samples, n_features)
            What it was before.
        """
        return _times(self._inverse_input(X, sparse=True), self.scale_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
