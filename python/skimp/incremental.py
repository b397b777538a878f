# SPDX-License-Identifier: BSD-3-Clause
"""Any estimator that has `partial_fit`, on data of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier, is_regressor
from sklearn.metrics import check_scoring, r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skimp import _config, _to_sklearn
from skimp._available import available_if
from skimp._batches import holds_text, is_called
from skimp._chunks import Chunk, chunks, row_bytes
from skimp._data import is_data, is_path
from skimp._encoder import Encoding
from skimp._passes import Passes, in_chunks
from skimp._restoring import all_or_nothing
from skimp._report import Plan
from skimp.dataset import Dataset

__all__ = ["Incremental"]

LARGEST_CHUNK = 32 << 20  # bytes: more does not make a step better, and caches are smaller
SHARE = 16  # of the budget for a chunk: it is read, mixed, and what the estimator makes of it are copies
FEWEST_ROWS = 256
PREDICTED = 1 << 16  # rows predicted at once


def _has(name: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        getattr(self.estimator_ if hasattr(self, "estimator_") else self.estimator, name)
        return True

    return check


class Incremental(MetaEstimatorMixin, BaseEstimator):
    """Fit an estimator chunk by chunk, by its `partial_fit`.

    The data may be larger than memory: files, streams, frames, arrays or a `skimp.Dataset`.  Chunks are as large as the
    memory budget allows; what the estimator itself takes is its own.

    A function that returns an iterator of chunks ``X``, ``(X, y)`` or ``(X, y, sample_weight)`` is called once for each
    pass, and nothing that it gives is kept: shuffled, its rows are mixed within a window of four chunks.  It is called
    once more before the first pass for the classes of a classifier, unless y is given, and with early stopping after each
    pass for the score.  (Where chunks have columns of text, its rows are kept on disk instead.)

    Parameters
    ----------
    estimator : estimator
        Anything with `partial_fit`: ``MLPClassifier``, ``MiniBatchKMeans``, ``MiniBatchNMF``, ``Birch``, …
    n_passes : int, default=1
        Over all rows, at most.
    shuffle : bool, default=True
        Mix the rows anew in each pass: the order of blocks, and the rows within a chunk.
    chunk_rows : int, default=None
        Rows of a chunk; None: as many as the budget allows.
    early_stopping : bool, default=False
        Keep rows out, score the estimator on them after each pass, and stop when it gets no better.
    validation_fraction : float, default=0.1
        Share of the rows that early stopping keeps out.
    n_iter_no_change : int, default=5
        Passes without a better score after which to stop.
    tol : float, default=1e-3
        By how much a score must be better to count.
    scoring : str or callable, default=None
        For the score; None: the estimator's own.
    random_state : int, RandomState or None, default=None
        Of the shuffling and of the rows that are kept out; None is 0, so that a fit can be repeated.

    Attributes
    ----------
    estimator_ : estimator
        Fitted.
    n_passes_ : int
        Passes made.
    validation_scores_ : list of float
        After each pass, with early stopping.
    classes_ : ndarray of shape (n_classes,)
        The classes, of a classifier.
    n_features_in_ : int
        Number of columns that the estimator has seen.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where the estimator has seen them.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> import skimp
    >>> X, y = load_iris(return_X_y=True)
    >>> skimp.Incremental(GaussianNB(), chunk_rows=50).fit(X, y).score(X, y) > 0.9
    True
    """

    _encoding: Encoding | None = None  # of what was fitted from a store
    _target_name: str | None = None
    _parameter_constraints: dict[str, list[Any]] = {
        "estimator": [HasMethods(["partial_fit"])],
        "n_passes": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "chunk_rows": [None, Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [None, str, callable],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        n_passes: int = 1,
        shuffle: bool = True,
        chunk_rows: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-3,
        scoring: Any = None,
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.n_passes = n_passes
        self.shuffle = shuffle
        self.chunk_rows = chunk_rows
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.random_state = random_state

    # ---- fitting ----

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the estimator, from the beginning.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._validate_params()
        self._encoding: Encoding | None = None
        self._target_name: str | None = None
        if is_called(X):
            passes = Passes(X, y, sample_weight)
            if passes.is_numbers:
                return self._fit_passes(passes)
        if (is_data(X) or holds_text(X)) and not isinstance(X, Dataset):
            with Dataset(X, target=y, weight=sample_weight) as data:
                return self._fit(data, None, None)
        return self._fit(X, y, sample_weight)

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        random = check_random_state(0 if self.random_state is None else self.random_state)
        if not isinstance(X, Dataset) and not hasattr(X, "shape"):
            X = np.asarray(X)
        if isinstance(X, Dataset):
            self._encoding = X._own_encoding()
            self._target_name = X._target_text or X.target_name
            X = X._encoded(self._encoding)
        target = X.target if isinstance(X, Dataset) and y is None else y
        target = None if target is None else np.asarray(target)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        self.estimator_ = clone(self.estimator)
        given = {}
        if is_classifier(self.estimator_):
            self.classes_ = given["classes"] = np.unique(np.asarray(target))
        rows = np.arange(X.shape[0])
        kept_out = rows[:0]
        if self.early_stopping:
            is_out = random.random_sample(len(rows)) < self.validation_fraction
            rows, kept_out = rows[~is_out], rows[is_out]
            if len(rows) == 0 or len(kept_out) == 0:
                raise ValueError(f"{X.shape[0]} rows are too few to keep a share of {self.validation_fraction} of them out")
        n_rows = self._rows_at_once(X)
        mixing = random if self.shuffle else None
        self._run(
            given,
            lambda: chunks(X, y, sample_weight, rows, n_rows, mixing),
            lambda: chunks(X, y, sample_weight, kept_out, n_rows, None),
        )
        return self._describe(X)

    def _fit_passes(self, passes: Passes) -> Self:
        """Fit over a function of chunks: a call for each pass, one before for the classes, one after each for its score."""
        random = check_random_state(0 if self.random_state is None else self.random_state)
        self.estimator_ = clone(self.estimator)
        given = {}
        if is_classifier(self.estimator_):
            labels = passes.target
            if labels is None:
                found = [np.unique(y) for _, y, _ in passes.rows() if y is not None]
                if not found:
                    raise ValueError(f"{type(self.estimator_).__name__} requires y: the function's chunks are (X, y)")
                labels = np.concatenate(found)
            self.classes_ = given["classes"] = np.unique(labels)
        share = self.validation_fraction if self.early_stopping else 0.0
        seed = random.randint(np.iinfo(np.int32).max)
        n_rows = self._rows_at_once(passes.sample)
        mixing = random if self.shuffle else None
        self._run(
            given,
            lambda: in_chunks(passes.chosen(share, seed, False), n_rows, mixing),
            lambda: in_chunks(passes.chosen(share, seed, True), n_rows, None),
        )
        return self._describe(passes.sample)

    def _run(
        self, given: dict[str, Any], trained: Callable[[], Iterator[Chunk]], kept_out: Callable[[], Iterator[Chunk]]
    ) -> None:
        """Learn from the rows pass by pass, and stop early where that is wanted."""
        self.validation_scores_: list[float] = []
        best, worse = -np.inf, 0
        for self.n_passes_ in range(1, self.n_passes + 1):
            n_rows = 0
            for own_X, own_y, own_weight in trained():
                n_rows += own_X.shape[0]
                weight = {} if own_weight is None else {"sample_weight": own_weight}
                if own_y is None:
                    self.estimator_.partial_fit(own_X, **weight)
                else:
                    self.estimator_.partial_fit(own_X, own_y, **given, **weight)
            if n_rows == 0:
                raise ValueError("no rows are left to learn from")
            if self.early_stopping:
                score = self._score_chunks(kept_out())
                self.validation_scores_.append(score)
                worse = 0 if score > best + self.tol else worse + 1
                best = max(best, score)
                if worse >= self.n_iter_no_change:
                    break

    def _describe(self, X: Any) -> Self:
        if self._encoding is not None and self._encoding.columns is not None:
            self.n_features_in_ = len(self._encoding.columns)
            self.encoded_feature_names_ = np.array(self._encoding.feature_names(), dtype=object)
            if X._has_names:
                self.feature_names_in_ = np.array(self._encoding.columns, dtype=object)
            return self
        self.n_features_in_ = getattr(self.estimator_, "n_features_in_", X.shape[1])
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        return self

    def _plan(self, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
        kind, size = type(self.estimator).__name__, self._chunk_bytes() / (1 << 20)
        raise TypeError(
            f"there is no plan of Incremental({kind}()): what {kind} takes is its own.  A chunk has at most {size:.1f} MiB "
            f"(or {FEWEST_ROWS} rows, or chunk_rows where that is given), and reading files keeps to the budget"
        )

    def _chunk_bytes(self) -> int:
        return min(LARGEST_CHUNK, _config.budget_bytes(self.__dict__.get("_skimp_config", {})) // SHARE)

    def _rows_at_once(self, X: Any) -> int:
        if self.chunk_rows is not None:
            return self.chunk_rows
        return max(FEWEST_ROWS, int(self._chunk_bytes() / max(row_bytes(X), 1)))

    def _score_chunks(self, rows: Iterator[Chunk]) -> float:
        """Return the score of some rows: r2 of all of them, other scores as the mean over chunks."""
        scorer = check_scoring(self.estimator_, scoring=self.scoring)
        whole = is_regressor(self.estimator_) and self.scoring is None
        total = weight = 0.0
        truth, found, weights = [], [], []
        for own_X, own_y, own_weight in rows:
            given = {} if own_weight is None else {"sample_weight": own_weight}
            own_weight = np.ones(own_X.shape[0]) if own_weight is None else own_weight
            if whole:
                truth.append(own_y)
                found.append(self.estimator_.predict(own_X))
                weights.append(own_weight)
                continue
            total += own_weight.sum() * scorer(self.estimator_, own_X, own_y, **given)
            weight += own_weight.sum()
        if whole and truth:
            return float(r2_score(np.concatenate(truth), np.concatenate(found), sample_weight=np.concatenate(weights)))
        if weight == 0:
            raise ValueError("no rows are kept out for a score: too few, or without weight")
        return float(total / weight)

    # ---- using ----

    def _is_encoded(self, X: Any) -> bool:
        """Say whether rows of X are to be taken from a store: there is no array of them, or of the features in `fit`."""
        if is_data(X) or holds_text(X):
            return True
        known = None if self._encoding is None else self._encoding.columns
        return known is not None and hasattr(X, "columns") and tuple(map(str, X.columns)) != known

    def _by_parts(self, method: str, X: Any) -> Any:
        check_is_fitted(self, "estimator_")
        call = getattr(self.estimator_, method)
        if not self._is_encoded(X):
            return call(X)
        if is_called(X):
            passes = Passes(X)
            if passes.is_numbers:
                return np.concatenate([call(part) for part, _, _ in in_chunks(passes.rows(), PREDICTED, None)])
        if not isinstance(X, Dataset):
            with Dataset(X) as data:
                return self._by_parts(method, data)
        if self._encoding is not None:
            X = X._encoded(self._encoding)
        parts = [call(part) for part, _, _ in chunks(X, None, None, np.arange(len(X)), PREDICTED, None)]
        return np.concatenate(parts)

    @available_if(_has("predict"))
    def predict(self, X: Any) -> Any:
        """Return the estimator's prediction for each row.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        labels : ndarray
            As the estimator gives them.
        """
        return self._by_parts("predict", X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Return the estimator's probabilities of each row.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return self._by_parts("predict_proba", X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the estimator's scores of each row.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        scores : ndarray
            As the estimator gives them.
        """
        return self._by_parts("decision_function", X)

    @available_if(_has("transform"))
    def transform(self, X: Any) -> Any:
        """Return the rows as the estimator transforms them.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        X_out : ndarray
            As the estimator gives them.
        """
        return self._by_parts("transform", X)

    def _fit_and(self, method: str, X: Any, y: Any, sample_weight: Any) -> Any:
        """Fit, and use what was fitted on the same rows; of what can be read once, or is read in parts, they are kept."""
        if (is_data(X) or holds_text(X)) and not isinstance(X, Dataset) and not is_called(X):
            with Dataset(X, target=y, weight=sample_weight) as data:
                return getattr(self.fit(data), method)(data)
        return getattr(self.fit(X, y, sample_weight), method)(X)

    @available_if(_has("transform"))
    def fit_transform(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the estimator, and return the rows as it transforms them.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y, sample_weight : array-like or str, default=None
            As of `fit`.

        Returns
        -------
        X_out : ndarray
            As `transform` gives them, once all is learnt.
        """
        return self._fit_and("transform", X, y, sample_weight)

    @available_if(_has("fit_predict"))
    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Fit the estimator, and return its prediction for each row: of clusterers, the cluster.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y, sample_weight : array-like or str, default=None
            As of `fit`.

        Returns
        -------
        labels : ndarray
            As `predict` gives them, once all is learnt.
        """
        return self._fit_and("predict", X, y, sample_weight)

    @available_if(_has("score"))
    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the estimator's score.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        score : float
            Of the estimator: accuracy, R², ….
        """
        check_is_fitted(self, "estimator_")
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        if not self._is_encoded(X):
            return float(self.estimator_.score(X, y, **given))
        if is_called(X):
            passes = Passes(X, y, sample_weight)
            if passes.is_numbers:
                return self._score_chunks(in_chunks(passes.rows(), PREDICTED, None))
        if not isinstance(X, Dataset):
            y = self._target_name if y is None and is_path(X) else y
            with Dataset(X, target=y, weight=sample_weight) as data:
                return self.score(data)
        if self._encoding is not None:
            X = X._encoded(self._encoding)
        return self._score_chunks(chunks(X, y, sample_weight, np.arange(len(X)), PREDICTED, None))

    def to_sklearn(self) -> Any:
        """Return the estimator that was fitted, of skimp's the plain one of scikit-learn.

        Returns
        -------
        estimator : estimator
            Without anything of skimp: it predicts alike on arrays.  Where the fit had columns of text, a Pipeline of an
            encoder of its texts and the estimator, which predicts alike on frames.
        """
        check_is_fitted(self, "estimator_")
        own = self.estimator_.to_sklearn() if hasattr(self.estimator_, "to_sklearn") else self.estimator_
        if self._encoding is None or all(known is None for known in self._encoding.texts):
            return own
        encode = _to_sklearn.before(self._encoding, hasattr(self, "feature_names_in_"))
        return Pipeline([("encode", encode), (type(own).__name__.lower(), own)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.estimator_type = inner.estimator_type
        tags.classifier_tags = inner.classifier_tags
        tags.regressor_tags = inner.regressor_tags
        tags.transformer_tags = inner.transformer_tags
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.non_deterministic = inner.non_deterministic
        return tags
