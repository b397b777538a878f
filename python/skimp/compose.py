# SPDX-License-Identifier: BSD-3-Clause
"""Column transformers: scikit-learn's, over skimp's transformers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.compose import ColumnTransformer as _ColumnTransformer
from sklearn.compose import make_column_selector as make_column_selector  # where scikit-learn has it
from sklearn.compose import make_column_transformer as _make_column_transformer
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skimp import _to_sklearn
from skimp._chain import Block, Chain, NotOneJobError, choose, column_block
from skimp._data import is_data
from skimp._one_hot import OneHotEncoder, has_columns
from skimp._outputs import framed
from skimp._restoring import all_or_nothing
from skimp._traced import Traced
from skimp._transformer import role_name
from skimp.pipeline import Pipeline

__all__ = ["ColumnTransformer", "make_column_transformer"]


class ColumnTransformer(_ColumnTransformer):
    """Transform columns by different transformers, and put what comes side by side; scikit-learn's, by its parameters.

    First in a `skimp.pipeline.Pipeline` whose parts are all skimp's it is one job with what comes after it: the data is
    read once, each step works on its own columns, and text is one-hot encoded, whether its part is a `OneHotEncoder`,
    "passthrough" or a `SimpleImputer`.  So files, streams and `skimp.Dataset` may be given, also to `fit` and
    `transform` of this class alone; functions that choose columns are then given a frame without rows.  Parts of a job
    have their columns in the order of the data, and no column is in two of them.  Anything else works on arrays and
    frames, as scikit-learn's.

    Parameters
    ----------
    transformers : list of (str, transformer, columns)
        Transformers of skimp or others, "passthrough" or "drop"; columns by name, place, slice or mask.
    remainder : "drop", "passthrough" or transformer, default="drop"
        What becomes of the other columns.
    sparse_threshold : float, default=0.3
        If fewer values than this share are not zero, and some are sparse already, what comes out is sparse.
    n_jobs : int, default=None
        Processes of joblib.
    transformer_weights : dict, default=None
        What is multiplied by, by the transformers' names.
    verbose : bool, default=False
        Print how long each takes.
    verbose_feature_names_out : bool, str or callable, default=True
        Put the transformers' names before those of the features.

    Attributes
    ----------
    transformers_ : list of (str, transformer, columns)
        Fitted.
    named_transformers_ : Bunch
        The same, by name.
    output_indices_ : dict
        Slices of the columns that come out, by the transformers' names.
    sparse_output_ : bool
        Whether what comes out is sparse.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.compose import ColumnTransformer
    >>> from skimp.preprocessing import MinMaxScaler
    >>> columns = ColumnTransformer([("scale", MinMaxScaler(), [0])], remainder="passthrough")
    >>> columns.fit_transform(np.array([[1.0, 7.0], [3.0, 8.0]]))
    array([[0., 7.],
           [1., 8.]])
    """

    _is_skimp_head = True

    _job: Any  # the Pipeline of this alone that was fitted over files

    # ---- as a part of a job ----

    def _may_be_job(self, X: Any) -> bool:
        return has_columns(X)

    def _blocks(self, columns: list[tuple[str, bool]], X: Any) -> list[Block]:
        """Return the parts as a job can do them."""
        self._validate_transformers()
        if self.transformer_weights:
            raise NotOneJobError("transformer_weights multiply what the parts give, which no step does")
        if self.verbose:
            raise NotOneJobError("verbose=True tells how long each part takes, which a job does not know")
        names = [name for name, _ in columns]
        self._keys = [choose(key, columns, X) for _, _, key in self.transformers]
        given = zip(self.transformers, self._keys, strict=True)
        blocks = [column_block(name, part, key, names) for (name, part, _), key in given]
        chosen = {i for block in blocks for i in block.columns}
        rest = [i for i in range(len(names)) if i not in chosen]
        return [*blocks, *([column_block("remainder", self.remainder, rest, names)] if rest else [])]

    def _take_blocks(self, chain: Chain, traced: Traced, named: bool) -> None:
        """Become what a fit would have made of the parts, which a job has fitted."""
        self.__dict__.pop("_job", None)
        self.__dict__.pop("feature_names_in_", None)
        self.n_features_in_ = len(chain.names)
        if named:
            self.feature_names_in_ = np.array(chain.names, dtype=object)
        self._columns = self.__dict__.pop("_keys")
        self._transformer_to_input_indices = {
            block.name: block.columns for block in chain.blocks if block.name != "remainder"
        }
        self._validate_remainder(None)
        fitted = [
            _fitted(block, chain.names, traced, named)
            for block in chain.blocks
            if block.given != "drop" and block.columns
        ]
        self._update_fitted_transformers(fitted)
        self._set_output_indices(chain, traced)

    def _set_output_indices(self, chain: Chain, traced: Traced) -> None:
        runs = iter(chain.wanted_blocks(traced))
        at = n_numbers = n_texts = 0
        self.output_indices_ = {}
        for block in chain.blocks:
            own = [] if block.given == "drop" else next(runs)
            n = sum(run.n for run in own)
            self.output_indices_[block.name] = slice(at, at + n) if n else slice(0, 0)
            at += n
            n_numbers += sum(run.kind == "number" for run in own)
            n_texts += sum(run.kind == "text" for run in own)
        for name in [*(name for name, _, _ in self.transformers), "remainder"]:
            self.output_indices_.setdefault(name, slice(0, 0))
        is_sparse = any(block.encoder is not None and block.encoder.sparse_output for block in chain.blocks)
        self.sparse_output_ = is_sparse and (n_numbers + n_texts) / at < self.sparse_threshold

    def _tell_unknown(self, n: int) -> None:
        for _, part, _ in self.transformers_:
            encoder = part.steps[-1][1] if isinstance(part, Pipeline) else part
            if isinstance(encoder, OneHotEncoder) and encoder.handle_unknown in ("error", "warn"):
                encoder._tell_unknown(n)
                return

    def _chosen(self, X: Any) -> Any:
        """Return a frame with the columns of the fit: it may have others, and another order."""
        names = getattr(self, "feature_names_in_", None)
        if names is None or not hasattr(X, "columns") or not hasattr(X, "shape"):
            return X
        there = list(map(str, getattr(X, "column_names", X.columns)))
        used = {
            i
            for name, part, _ in self.transformers_
            if not _is_dropped(part)
            for i in self._transformer_to_input_indices[name]
        }
        missing = {str(names[i]) for i in used} - set(there)
        if missing:
            raise ValueError(f"columns are missing: {missing}")
        wanted = [str(name) for name in names]
        if there == wanted or not set(wanted) <= set(there):
            return X
        return X[wanted] if hasattr(X, "iloc") else X.select(wanted)

    # ---- alone ----

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all transformers.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); for transformers that learn from it.  Of files, streams and Datasets the name of the
            target's column, which is left out.
        **params : dict
            As of scikit-learn's ColumnTransformer.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if not is_data(X):
            self.__dict__.pop("_job", None)
            super().fit(X, y, **params)
        else:
            job = Pipeline([("columns", self)]).fit(X, role_name(y))
            self._job = job
        return self

    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit all transformers, and return what they make of X side by side.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like, default=None
            Shape (n_samples,); for transformers that learn from it.
        **params : dict
            As of scikit-learn's ColumnTransformer.

        Returns
        -------
        X_out : ndarray, sparse matrix or frame
            Shape (n_samples, n_features_out).
        """
        if is_data(X):
            return self.fit(X, y).transform(X)
        self.__dict__.pop("_job", None)
        return framed(self, super().fit_transform(X, y, **params), X)

    def transform(self, X: Any, **params: Any) -> Any:
        """Return what the transformers make of X, side by side.

        Parameters
        ----------
        X : array-like, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's ColumnTransformer.

        Returns
        -------
        X_out : ndarray, sparse matrix or frame
            Shape (n_samples, n_features_out).
        """
        check_is_fitted(self)
        if not is_data(X):
            return framed(self, super().transform(X, **params), X)
        if "_job" not in vars(self):
            raise TypeError(
                "this ColumnTransformer was fitted on arrays: it transforms files if it was fitted on files"
            )
        return self._job.transform(X)

    # ---- elsewhere ----

    def to_sklearn(self) -> Any:
        """Return scikit-learn's ColumnTransformer, fitted, which transforms alike.

        Returns
        -------
        transformer : sklearn.compose.ColumnTransformer
            Without anything of skimp.
        """
        check_is_fitted(self)
        return _to_sklearn.columns(self)


def _is_dropped(part: Any) -> bool:
    return isinstance(part, str) and part == "drop"


def _fitted(block: Block, names: list[str], traced: Traced, named: bool) -> Any:
    """Return what fitting a part would have given."""
    own = [names[i] for i in block.columns]
    texts = [traced.texts.index(name) for name in own if name in traced.texts]
    shown = own if named else None
    known = [traced.categories(i) for i in texts]
    if block.encoder is not None:
        block.encoder._set_known(known, shown)
        return block.given
    if not isinstance(block.given, str) and not texts:
        return block.given
    if not texts:
        return passed(len(own), shown)
    if not isinstance(block.given, str):
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        encoder._set_known(known, shown)
        return Pipeline([("fill", block.given), ("encode", encoder)])
    parts: list[tuple[str, Any, list[int]]] = []
    for i, name in enumerate(own):
        if name in traced.texts:
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            encoder._set_known([traced.categories(traced.texts.index(name))], [name] if named else None)
            parts.append((f"encode{i}", encoder, [i]))
        else:
            parts.append((f"pass{i}", passed(1, [name] if named else None), [i]))
    return _to_sklearn.side_by_side(ColumnTransformer, parts, own, named)


def passed(n: int, names: list[str] | None) -> FunctionTransformer:
    """Return what scikit-learn makes of "passthrough"."""
    passed = FunctionTransformer(accept_sparse=True, check_inverse=False, feature_names_out="one-to-one")
    passed.fit(np.zeros((1, n)))
    if names is not None:
        passed.feature_names_in_ = np.array(names, dtype=object)
    return passed


def make_column_transformer(*transformers: Any, **options: Any) -> ColumnTransformer:
    """Return a ColumnTransformer of these transformers, named after their classes.

    Parameters
    ----------
    *transformers : tuple of (transformer, columns)
        As of ColumnTransformer, without names.
    **options : dict
        `remainder` and the other parameters of ColumnTransformer.

    Returns
    -------
    transformer : ColumnTransformer
        Not fitted.

    Examples
    --------
    >>> from skimp.compose import make_column_transformer
    >>> from skimp.preprocessing import MaxAbsScaler, MinMaxScaler
    >>> columns = make_column_transformer((MinMaxScaler(), [0]), (MaxAbsScaler(), [1]))
    >>> [name for name, _, _ in columns.transformers]
    ['minmaxscaler', 'maxabsscaler']
    """
    made = _make_column_transformer(*transformers, **options)
    return ColumnTransformer(**made.get_params(deep=False))
