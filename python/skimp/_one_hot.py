# SPDX-License-Identifier: BSD-3-Clause
"""One-hot encoding of text: scikit-learn's encoder, fitted by the library where the data is a file or a stream."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.preprocessing import OneHotEncoder as _OneHotEncoder
from sklearn.utils.validation import check_is_fitted

from skimp import _to_sklearn
from skimp._chain import Block, Chain, NotOneJobError
from skimp._data import is_data
from skimp._outputs import framed
from skimp._restoring import all_or_nothing
from skimp._traced import Traced
from skimp._transformer import role_name


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType" or value != value


def has_columns(X: Any) -> bool:
    """Say whether columns of text can be told from others: of frames, Arrow and files; or all are numbers."""
    return is_data(X) or hasattr(X, "columns") or getattr(getattr(X, "dtype", None), "kind", "O") in "biuf"


def known_values(columns: list[tuple[list[str], bool]], missing: Any = np.nan) -> np.ndarray:
    """Return rows that show all categories of text columns; (texts in order, whether missing is one more) of each."""
    n_rows = max(len(texts) + has_missing for texts, has_missing in columns)
    values = np.empty((n_rows, len(columns)), dtype=object)
    for j, (texts, has_missing) in enumerate(columns):
        column = [*texts, *([missing] if has_missing else [])]
        values[:, j] = column + column[:1] * (n_rows - len(column))
    return values


class OneHotEncoder(_OneHotEncoder):
    """Encode each text or category as a column that is 1 where it occurs.

    In a `skimp.pipeline.Pipeline` or `skimp.compose.ColumnTransformer` over text columns it is part of the job: no
    encoded copy of the data is made, and files, streams and `skimp.Dataset` may be given.  Alone over arrays and frames
    it is scikit-learn's encoder, which encodes numbers too.

    Parameters
    ----------
    categories : "auto" or list of array-like, default="auto"
        Those of each column.  Of a job: only "auto".
    drop : {"first", "if_binary"} or array-like, default=None
        Categories that get no column.  Of a job: only None.
    sparse_output : bool, default=True
        `transform` returns CSR.
    dtype : number type, default=np.float64
        Of what comes out.
    handle_unknown : {"error", "ignore", "infrequent_if_exist", "warn"}, default="error"
        What `transform` does with categories that were not in the fit.
    min_frequency : int or float, default=None
        Rarer categories share a column.  Of a job: only None.
    max_categories : int, default=None
        Most columns of each.  Of a job: only None.
    feature_name_combiner : "concat" or callable, default="concat"
        Makes names of the columns that come out.

    Attributes
    ----------
    categories_ : list of ndarray
        Of each column, ascending; a missing value last.
    drop_idx_ : ndarray of shape (n_features,) or None
        Places of the categories that get no column.
    infrequent_categories_ : list of ndarray
        Those that share a column.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.

    Examples
    --------
    >>> from skimp.preprocessing import OneHotEncoder
    >>> encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit([["a"], ["b"]])
    >>> encoder.transform([["b"], ["c"]])
    array([[0., 1.],
           [0., 0.]])
    """

    _is_skimp_head = True
    _encodes_text = True

    _job: Any  # the Pipeline of this encoder alone that was fitted over files
    _of_job: bool

    # ---- as a part of a job ----

    def _check_job(self) -> None:
        """Raise why a job cannot do what the parameters ask for."""
        plain = {"categories": "auto", "drop": None, "min_frequency": None, "max_categories": None}
        for name, value in plain.items():
            given = getattr(self, name)
            if not (given is value or (isinstance(given, str) and given == value)):
                raise NotOneJobError(f"{name}={given!r} of a OneHotEncoder is for arrays and frames alone")

    def _may_be_job(self, X: Any) -> bool:
        return has_columns(X)

    def _chosen(self, X: Any) -> Any:
        return X

    def _blocks(self, columns: list[tuple[str, bool]], X: Any) -> list[Block]:
        self._check_job()
        return [Block("the OneHotEncoder", self, list(range(len(columns))), [], self)]

    def _take_blocks(self, chain: Chain, traced: Traced, named: bool) -> None:
        self._set_known([traced.categories(i) for i in range(len(traced.texts))], traced.texts if named else None)

    def _set_known(self, columns: list[tuple[list[str], bool]], names: list[str] | None) -> None:
        """Take over the categories that a job has found."""
        self.__dict__.pop("_job", None)
        super().fit(known_values(columns))
        self._of_job = True
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)

    def _tell_unknown(self, n: int) -> None:
        """Raise or warn that so many values of rows that a job has encoded were unknown."""
        text = f"Found unknown categories in {n} values during transform"
        if self.handle_unknown == "error":
            raise ValueError(text)
        if self.handle_unknown == "warn":
            warnings.warn(f"{text}. These unknown categories will be encoded as all zeros", UserWarning, stacklevel=6)

    def _check_X(self, X: Any, ensure_all_finite: Any = True) -> Any:
        columns, n_rows, n_columns = super()._check_X(X, ensure_all_finite=ensure_all_finite)
        if getattr(self, "_of_job", False):  # a missing value is one category, however it is written
            columns = [self._one_missing(column) for column in columns]
        return columns, n_rows, n_columns

    @staticmethod
    def _one_missing(column: np.ndarray) -> np.ndarray:
        if column.dtype.kind != "O":
            return column
        missing = np.fromiter(map(_is_missing, column), dtype=bool, count=len(column))
        if missing.any():
            column = column.copy()
            column[missing] = np.nan
        return column

    # ---- elsewhere ----

    def to_sklearn(self) -> Any:
        """Return scikit-learn's encoder, fitted; after a filler of missing values where a job has fitted it.

        Returns
        -------
        encoder : estimator
            Without anything of skimp.
        """
        check_is_fitted(self)
        return _to_sklearn.encoder(self)

    # ---- alone ----

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the categories.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).  Of files, streams and Datasets all columns are to be text.
        y : str, default=None
            Name of the target's column, which is left out; anything else is ignored.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._of_job = False
        self.__dict__.pop("_job", None)
        if is_data(X):
            from skimp.pipeline import Pipeline

            job = Pipeline([("encode", self)]).fit(X, role_name(y))
            self._job = job
        else:
            super().fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Return X encoded.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : CSR matrix or ndarray
            Shape (n_samples, n_encoded_features); an array with ``sparse_output=False``.
        """
        check_is_fitted(self)
        if not is_data(X):
            return framed(self, super().transform(X), X)
        if "_job" not in vars(self):
            raise TypeError("this OneHotEncoder was fitted on arrays: it encodes files if it was fitted on files")
        return self._job.transform(X)
