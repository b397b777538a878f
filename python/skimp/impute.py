# SPDX-License-Identifier: BSD-3-Clause
"""Imputation, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

import math
import numbers
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.impute import MissingIndicator
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from skimp._arrays import strings
from skimp._base import Fitted, float_type, like, plain_data
from skimp._data import MOST_EXACT, PART, Data, is_data
from skimp._outputs import framed, is_arrow_frame
from skimp._transformer import FLOATS, Transformer, role_name

__all__ = ["SimpleImputer"]

STRATEGIES = ("mean", "median", "most_frequent", "constant")


def _is_nan(value: Any) -> bool:
    return isinstance(value, numbers.Real) and math.isnan(value)


def _is_na(value: Any) -> bool:
    """Say whether this is pandas' NA, without importing pandas."""
    return type(value).__name__ == "NAType"


def _mask(column: np.ndarray, missing: Any) -> np.ndarray:
    """Return where the values of an array are missing."""
    if _is_na(missing) or (_is_nan(missing) and column.dtype.kind == "O"):
        nothing = (lambda value: _is_na(value) or _is_nan(value)) if _is_na(missing) else _is_nan
        return np.fromiter(map(nothing, column), dtype=bool, count=len(column))
    if _is_nan(missing):
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(column.shape, dtype=bool)
    if missing is None:
        return np.fromiter((value is None for value in column), dtype=bool, count=len(column))
    return np.asarray(column == missing, dtype=bool)


def _smallest(values: list[Any]) -> Any:
    try:
        return min(values)
    except TypeError:
        return min(values, key=lambda value: (str(type(value)), str(value)))


def _most_frequent(column: np.ndarray) -> Any:
    counts: Counter[Any] = Counter()
    try:
        for i in range(0, len(column), PART):
            counts.update(column[i : i + PART].tolist())
    except TypeError:
        odd = next(value for value in column if not isinstance(value, Hashable))
        raise TypeError(f"argument must be a string or a number, not {type(odd).__name__!r}") from None
    most = max(counts.values())
    return _smallest([value for value, n in counts.items() if n == most])


class SimpleImputer(Transformer):
    """Fill missing values in, column by column.

    Numbers are imputed by the library, whatever their amount; arrays of objects (text), and with a callable `strategy`
    all arrays, a column at a time in Python.

    Parameters
    ----------
    missing_values : int, float, str, np.nan, None or pandas.NA, default=np.nan
        What stands for a missing value.
    strategy : {"mean", "median", "most_frequent", "constant"} or callable, default="mean"
        What is filled in; a callable is given the values of a column that are there.
    fill_value : str or number, default=None
        The constant; None is 0, and of text "missing_value".
    copy : bool, default=True
        Accepted; X is never changed.
    add_indicator : bool, default=False
        Add columns that say where values were missing.
    keep_empty_features : bool, default=False
        Keep columns without any value.

    Attributes
    ----------
    statistics_ : ndarray of shape (n_features,)
        What is filled in; NaN: the column is left out.
    indicator_ : MissingIndicator or None
        scikit-learn's, of the columns that missed values in the fit.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that come out: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for; of what was fitted by the library.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.impute import SimpleImputer
    >>> SimpleImputer().fit_transform([[7.0, 2.0], [4.0, np.nan], [10.0, 5.0]])
    array([[ 7. ,  2. ],
           [ 4. ,  3.5],
           [10. ,  5. ]])
    """

    _core_name = "simple_imputer"
    _attributes = ("statistics_",)
    _allow_nan = True
    _fills_texts = False  # what a job has learnt of text columns

    statistics_: np.ndarray
    indicator_: Any
    _fit_dtype: np.dtype
    _fill_dtype: np.dtype

    def __init__(
        self,
        *,
        missing_values: Any = np.nan,
        strategy: str | Callable[[np.ndarray], Any] = "mean",
        fill_value: Any = None,
        copy: bool = True,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
    ) -> None:
        self.missing_values = missing_values
        self.strategy = strategy
        self.fill_value = fill_value
        self.copy = copy
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = _is_nan(self.missing_values) or _is_na(self.missing_values)
        return tags

    def _is_silent(self, text: str) -> bool:
        return "without any value" in text  # `transform` says it

    # ---- what is given ----

    def _job_params(self) -> dict[str, Any]:
        params = super()._job_params()
        if _is_na(self.missing_values) or self.missing_values is None:
            params["missing_values"] = np.nan
        return params

    def _dtype(self, X: Any, in_fit: bool) -> Any:
        """Return the types that X may have."""
        if not in_fit and self._fit_dtype.kind == "O":
            return self._fit_dtype
        if self.strategy not in ("most_frequent", "constant"):
            return FLOATS
        is_text = isinstance(X, list) and any(isinstance(value, str) for row in X for value in row)
        return object if is_text else None

    def _checked(self, X: Any, in_fit: bool) -> Any:
        """Return X as an array or sparse matrix, which scikit-learn would take too."""
        may_miss = _is_nan(self.missing_values) or _is_na(self.missing_values)
        try:
            X = validate_data(
                self,
                X,
                reset=in_fit,
                accept_sparse=("csr", "csc"),
                dtype=self._dtype(X, in_fit),
                ensure_all_finite="allow-nan" if may_miss else True,
            )
        except ValueError as error:
            if "could not convert" not in str(error):
                raise
            raise ValueError(f"Cannot use {self.strategy} strategy with non-numeric data:\n{error}") from None
        if in_fit:
            self._fit_dtype = X.dtype
        is_number = isinstance(self.missing_values, numbers.Real)
        if not _is_na(self.missing_values) and X.dtype.kind in "fiu" and not is_number:
            raise ValueError(
                "'X' and 'missing_values' types are expected to be both numerical. "
                f"Got X.dtype={X.dtype} and  type(missing_values)={type(self.missing_values)}."
            )
        if X.dtype.kind not in "iufO":
            raise ValueError(
                f"SimpleImputer does not support data with dtype {X.dtype}. Please provide either a numeric array (with"
                " a floating point or integer dtype) or categorical data represented either as an array with integer "
                "dtype or an array of string values with an object dtype."
            )
        if sp.issparse(X) and not may_miss and self.missing_values == 0:
            raise ValueError(
                "Imputation not possible when missing_values == 0 and input is sparse. Provide a dense array instead."
            )
        if self.strategy == "constant":
            self._check_fill(X.dtype, in_fit)
        return X

    def _check_fill(self, dtype: np.dtype, in_fit: bool) -> None:
        if in_fit and self.fill_value is not None:
            kind: Any = type(self.fill_value)
            text = (
                f"fill_value={self.fill_value!r} (of type {kind!r}) cannot be cast to the input data that is {dtype!r}. "
                "If fill_value is a Python scalar, instead pass  a numpy scalar (e.g. fill_value=np.uint8(0) if your data "
                "is of type np.uint8). Make sure that both dtypes are of the same kind."
            )
        else:
            kind = dtype if in_fit else self._fill_dtype
            text = (
                f"The dtype of the filling value (i.e. {kind!r}) cannot be cast to the input data that is {dtype!r}. "
                "Make sure that the dtypes of the input data are of the same kind between fit and transform."
            )
        if not np.can_cast(kind, dtype, casting="same_kind"):
            raise ValueError(text)

    def _is_plain(self, X: Any) -> bool:
        """Say whether the library imputes X: numbers that doubles hold."""
        if X.dtype.kind == "O" or self.strategy not in STRATEGIES:
            return False
        values = X.data if sp.issparse(X) else X
        is_wide = X.dtype.kind in "iu" and X.dtype.itemsize == 8 and values.size > 0
        return not is_wide or (int(values.max()) <= MOST_EXACT and int(values.min()) >= -MOST_EXACT)

    # ---- fit ----

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what is to be filled in.

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
        self.__dict__.pop("_skimp", None)
        self.__dict__.pop("_fills_texts", None)
        if is_data(X) and not is_arrow_frame(X):
            self._fit_dtype = self._fill_dtype = np.dtype(np.float64)
            self._fit(X, role_name(y), None)
            return self
        if self.strategy not in STRATEGIES and not callable(self.strategy):
            raise ValueError(f"strategy={self.strategy!r}: one of {', '.join(STRATEGIES)}, or a callable, is expected")
        X = self._checked(X, in_fit=True)
        self._fill_dtype = X.dtype
        if self._is_plain(X):
            self._fit_job(plain_data(X, getattr(self, "feature_names_in_", None)))
            if self.strategy == "constant" and not sp.issparse(X):
                self.statistics_ = self.statistics_.astype(object)
        else:
            self._fit_columns(X)
        return self

    def _take_part(self, own: dict[str, np.ndarray], fitted: Fitted, data: Data | None = None) -> None:
        super()._take_part(own, fitted, data)
        if not hasattr(self, "_fit_dtype"):
            self._fit_dtype = self._fill_dtype = np.dtype(np.float64)
        features = own.get(f"{self._prefix}indicator_.features_")
        self._set_indicator(features, len(self.statistics_))

    def _take_texts(self, own: dict[str, np.ndarray]) -> None:
        """Take over what a job has learnt of text columns; with that, Python fills texts in."""
        known = own["statistics_known"].astype(bool)
        self.statistics_ = np.array(strings(own["statistics_"]), dtype=object)
        self.statistics_[~known] = np.nan
        self._fit_dtype = self._fill_dtype = np.dtype(object)
        self._fills_texts = True
        self._set_indicator(own.get("indicator_.features_"), len(known))

    def _set_indicator(self, features: np.ndarray | None, n: int) -> None:
        if features is None:
            self.indicator_ = None
            return
        self.indicator_ = MissingIndicator(missing_values=self.missing_values, error_on_new=False)
        self.indicator_.features_ = features
        self.indicator_.n_features_in_ = self.indicator_._n_features = n
        self.indicator_._precomputed = True

    def _columns(self, X: Any) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the values of each column that are not implicit zeros, and the number of those that are."""
        if not sp.issparse(X):
            yield from ((X[:, j], 0) for j in range(X.shape[1]))
            return
        X = X.tocsc()
        for j in range(X.shape[1]):
            column = X.data[X.indptr[j] : X.indptr[j + 1]]
            yield column, X.shape[0] - len(column)

    def _fit_columns(self, X: Any) -> None:
        is_object = X.dtype.kind == "O"
        constant = self.fill_value if self.fill_value is not None else "missing_value" if is_object else 0
        statistics: list[Any] = []
        features: list[int] = []
        for j, (column, n_zeros) in enumerate(self._columns(X)):
            missing = _mask(column, self.missing_values)
            there = column[~missing]
            if missing.any():
                features.append(j)
            if sp.issparse(X):
                there = there[there != 0]
            is_empty = len(there) + n_zeros == 0
            if self.strategy == "constant":
                statistics.append(np.nan if is_empty and not self.keep_empty_features else constant)
            elif callable(self.strategy):
                is_kept = sp.issparse(X) and len(there) == 0 and self.keep_empty_features
                statistics.append(0 if is_kept else self.strategy(there))
            elif is_empty:
                statistics.append(0 if self.keep_empty_features else np.nan)
            else:
                statistics.append(_most_frequent(there))
        is_kept_as_is = (is_object and not callable(self.strategy)) or self.strategy == "constant"
        self.statistics_ = np.empty(len(statistics), dtype=object if is_kept_as_is else np.float64)
        self.statistics_[:] = statistics
        self._set_indicator(np.array(features, dtype=np.intp) if self.add_indicator else None, X.shape[1])

    # ---- transform ----

    def transform(self, X: Any) -> Any:
        """Return X with missing values filled in, of the same type; CSR and CSC stay what they are.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : ndarray, sparse matrix, frame or Dataset
            Shape (n_samples, n_features_out); of a path, a stream or a Dataset a `skimp.Dataset`, computed when it is used.
        """
        check_is_fitted(self)
        if (is_data(X) and not is_arrow_frame(X)) or self._has_text():
            return super().transform(X)
        return framed(self, self._transform_array(self._checked(X, in_fit=False)), X)

    def _transform_array(self, X: Any) -> Any:
        left_out = self._left_out()
        if left_out.any() and not self.keep_empty_features:
            which = getattr(self, "feature_names_in_", np.arange(X.shape[1]))[left_out]
            warnings.warn(
                f"Skipping features without any observed values: {which}. At least one non-missing value is needed"
                f" for imputation with strategy='{self.strategy}'.",
                stacklevel=3,
            )
        if not hasattr(self, "_skimp") or not self._is_plain(X):
            return self._transform_columns(X, left_out)
        data = plain_data(X, getattr(self, "feature_names_in_", None))
        return self._as_given(like(self._apply_data(data, "transform", float_type(data)), X), X.dtype)

    @staticmethod
    def _as_given(result: Any, dtype: np.dtype) -> Any:
        """Return numbers in the type that they came in: in place, where that is as wide."""
        if sp.issparse(result) or result.dtype.itemsize != dtype.itemsize:
            return result.astype(dtype, copy=False)
        own = result.view(dtype)
        for i in range(0, len(result) if own.dtype != result.dtype else 0, PART):
            own[i : i + PART] = result[i : i + PART].astype(dtype)
        return own

    def _missing(self, column: np.ndarray) -> np.ndarray:
        """Return where values are missing; where a job has learnt of text, however that is written."""
        if self._fills_texts and column.dtype.kind == "O":
            return np.fromiter((value is None or _is_na(value) or _is_nan(value) for value in column), dtype=bool, count=len(column))
        return _mask(column, self.missing_values)

    def _left_out(self) -> np.ndarray:
        """Return which columns have nothing to be filled in, and go no further."""
        return _mask(self.statistics_, np.nan)

    def _transform_columns(self, X: Any, left_out: np.ndarray) -> Any:
        is_kept = np.ones(len(left_out), dtype=bool) if self.keep_empty_features else ~left_out
        fills = self.statistics_[is_kept].astype(self._fill_dtype, copy=False)
        marked = self.indicator_.features_ if self.add_indicator else np.zeros(0, dtype=np.intp)
        if sp.issparse(X):
            return self._transform_sparse(X, is_kept, fills, marked)
        out = np.empty((X.shape[0], len(fills) + len(marked)), dtype=X.dtype)
        for k, j in enumerate(np.flatnonzero(is_kept)):
            column = X[:, j]
            out[:, k] = column
            out[self._missing(column), k] = fills[k]
        for k, j in enumerate(marked):
            out[:, len(fills) + k] = self._missing(X[:, j])
        return out

    def _transform_sparse(self, X: Any, is_kept: np.ndarray, fills: np.ndarray, marked: np.ndarray) -> Any:
        columns = X.tocsc(copy=True)
        missing = _mask(columns.data, self.missing_values)
        marks = type(columns)((missing, columns.indices, columns.indptr), shape=columns.shape)[:, marked]
        marks.eliminate_zeros()
        of_column = np.repeat(np.cumsum(is_kept) - 1, np.diff(columns.indptr))
        columns.data[missing] = fills[of_column[missing]]
        out = sp.hstack((columns[:, np.flatnonzero(is_kept)], marks), format=X.format, dtype=X.dtype)
        return out

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the data as they were before; only with `add_indicator`, and only in columns that have an indicator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features + n_features_missing_indicator)
            What `transform` has made.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features)
            With missing values.
        """
        check_is_fitted(self)
        if not self.add_indicator:
            raise ValueError(
                "'inverse_transform' works only when 'SimpleImputer' is instantiated with 'add_indicator=True'. Got "
                f"'add_indicator={self.add_indicator}' instead."
            )
        n_kept = X.shape[1] - len(self.indicator_.features_)
        original = np.zeros((X.shape[0], len(self.statistics_)))
        was_missing = np.zeros(original.shape, dtype=bool)
        was_missing[:, self.indicator_.features_] = np.asarray(X[:, n_kept:]).astype(bool)
        there = np.flatnonzero(~was_missing.all(axis=0))[:n_kept]
        original[:, there] = X[:, : len(there)]
        original[was_missing] = self.missing_values
        return original

    # ---- names ----

    def _left_out_columns(self) -> np.ndarray | None:
        return None if self.keep_empty_features else self._left_out()

    def _added_names(self, names: list[str]) -> list[str]:
        features = () if self.indicator_ is None else self.indicator_.features_
        return [f"missingindicator_{names[i]}" for i in features]

    def _n_outputs(self) -> int:
        n = len(self.statistics_) if self.keep_empty_features else int((~self._left_out()).sum())
        return n + (len(self.indicator_.features_) if self.indicator_ is not None else 0)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that come out.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns that go in; by default those of the fit, else ``x0``, ``x1``, ….

        Returns
        -------
        names : ndarray of str
            One a column.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if self._has_text():
            return self.encoded_feature_names_
        kept = names if self.keep_empty_features else names[~self._left_out()]
        return kept if self.indicator_ is None else np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def _sklearn_state(self) -> dict[str, Any]:
        return {"_fit_dtype": self._fit_dtype, "_fill_dtype": self._fill_dtype}
