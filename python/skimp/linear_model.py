# SPDX-License-Identifier: BSD-3-Clause
"""Linear models, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

import os
from typing import Any, Self, overload

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import check_is_fitted

from skimp._available import available_if
from skimp._base import Fitted, SkimpEstimator, exchange, is_in_place
from skimp._data import Data, resolve
from skimp._going_on import class_list, fitted_model, given_model, recode

__all__ = ["LinearRegression", "LogisticRegression", "Ridge", "SGDClassifier", "SGDRegressor"]


class _Linear(SkimpEstimator):
    """A predictor with `coef_` and `intercept_`."""

    coef_: np.ndarray
    intercept_: np.ndarray | float

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.  Chunks are X, (X, y) or (X, y, sample_weight): those of an iterator are kept, in
            memory or on disk; a function that returns an iterator is called once a pass, and nothing is kept.
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        self._fit(X, y, sample_weight)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def densify(self) -> Self:
        """Make `coef_` an array again, after `sparsify`.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if not isinstance(self.coef_, np.ndarray):
            self.coef_ = self.coef_.toarray()
        return self

    def sparsify(self) -> Self:
        """Make `coef_` a sparse matrix: smaller when most coefficients are zero.

        Returns
        -------
        self : estimator
            Fitted.
        """
        from scipy.sparse import csr_matrix

        self.coef_ = csr_matrix(self.coef_)
        return self

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        value = super()._get_attribute(name, shape)
        if name == "coef_" and not isinstance(value, np.ndarray):
            value = value.toarray()
        return value


class _WarmStart(SkimpEstimator):
    """A linear model whose `fit` may begin at what it has learnt: a mix-in."""

    warm_start: bool

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        data = self._resolve(X, y, sample_weight, reset=True)
        self._fit_job(data, self._warm(data))

    def _warm(self, data: Data) -> dict[str, Any] | None:
        """Return from which model a fit goes on: with `warm_start`, where there is one."""
        if not self.warm_start or getattr(self, "coef_", None) is None or not hasattr(self, "_skimp"):
            return None
        if self._y_kind == "labels":
            recode(data, self.classes_)
        return {"start": fitted_model(self, data)}


class _LinearClassifier(ClassifierMixin, _Linear):
    _y_kind = "labels"

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the confidence scores of rows.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes one score, for the second of them.
        """
        scores = self._apply(X, "decision")
        return scores.reshape(-1) if scores.shape[1] == 1 else scores

    @overload
    def predict(self, X: Any, *, out: None = None) -> np.ndarray: ...

    @overload
    def predict(self, X: Any, *, out: str | os.PathLike[str]) -> None: ...

    def predict(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the class of each row.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        out : path, default=None
            A CSV file to write instead, with one column `prediction`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or None
            None with `out`.
        """
        if out is not None:
            self._write(X, out, proba=False)
            return None
        check_is_fitted(self)
        dtype = "int64" if self.classes_.dtype.itemsize == 8 else "int32"
        row_bytes = 0 if is_in_place(self.classes_, dtype) else self.classes_.dtype.itemsize
        return exchange(self._apply(X, "label", dtype, row_bytes).reshape(-1), self.classes_)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean accuracy.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the column of the fit, or
            the target that the data have.
        sample_weight : array-like, default=None
            Shape (n_samples,).

        Returns
        -------
        score : float
            Share of the rows whose class is predicted.
        """
        if isinstance(y, str) or (y is None and self._holds_target(X)):
            if sample_weight is None:
                return self._score_file(X, y, "accuracy")
            X, y = self._target_in(X, y)
        return float(super().score(X, y, sample_weight))


class _LinearRegressor(RegressorMixin, _Linear):
    _y_kind = "numbers"

    @overload
    def predict(self, X: Any, *, out: None = None) -> np.ndarray: ...

    @overload
    def predict(self, X: Any, *, out: str | os.PathLike[str]) -> None: ...

    def predict(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the prediction for each row.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        out : path, default=None
            A CSV file to write instead, with one column `prediction`.

        Returns
        -------
        values : ndarray of shape (n_samples,) or None
            None with `out`.
        """
        if out is not None:
            self._write(X, out, proba=False)
            return None
        return self._apply(X, "label").reshape(-1)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the column of the fit, or
            the target that the data have.
        sample_weight : array-like, default=None
            Shape (n_samples,).

        Returns
        -------
        score : float
            R²: 1 is perfect, 0 what predicting the mean gives.
        """
        if isinstance(y, str) or (y is None and self._holds_target(X)):
            if sample_weight is None:
                return self._score_file(X, y, "r2")
            X, y = self._target_in(X, y)
        return float(super().score(X, y, sample_weight))


class LogisticRegression(_WarmStart, _LinearClassifier):
    """Logistic regression, binary or multinomial, with l2, l1 or elastic-net penalty.

    The optimum is scikit-learn's, to `tol` or further; which solver is named chooses nothing but speed (``"liblinear"``
    penalises the intercept, as there).

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", None}, default="deprecated"
        Deprecated as in scikit-learn: use `l1_ratio` and `C`.
    C : float, default=1.0
        Inverse of the strength of the penalty; ``inf`` is none.
    l1_ratio : float, default=0.0
        Share of the l1 penalty: 0 is ridge, 1 is lasso.
    dual : bool, default=False
        liblinear's dual formulation; the same optimum.
    tol : float, default=1e-4
        Largest absolute gradient of the mean objective at the end.
    fit_intercept : bool, default=True
        Add a constant to the decision function.
    intercept_scaling : float, default=1
        liblinear: the constant that the penalised intercept multiplies.
    class_weight : dict or "balanced", default=None
        Weights of the classes.
    random_state : int, default=None
        Accepted; the solvers are not random.
    solver : str, default="lbfgs"
        scikit-learn's names.
    max_iter : int, default=100
        Outer iterations, at most.
    verbose : int, default=0
        Accepted; see ``progress`` of `skimp.config_context`.
    warm_start : bool, default=False
        Begin at the coefficients of the last fit: the optimum is the same, and is found in fewer passes.
    n_jobs : int, default=None
        Accepted; see ``n_threads`` of `skimp.config_context`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; of two classes those of the second.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    n_iter_ : ndarray of shape (1,)
        Outer iterations.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    See Also
    --------
    SGDClassifier : Fewer passes, and no exact optimum.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skimp.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=200).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.97
    >>> model.predict(X[:3])
    array([0, 0, 0])

    A fit inside a budget says what it was planned to take, and took:

    >>> import skimp
    >>> with skimp.config_context(max_memory="16MB"):
    ...     report = LogisticRegression(max_iter=200).fit(X, y).memory_report_
    >>> report.charged_peak_bytes <= report.plan.peak_bytes <= 16_000_000
    True
    """

    _core_name = "logistic_regression"
    _attributes = ("coef_", "intercept_", "n_iter_")

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-4,
        fit_intercept: bool = True,
        intercept_scaling: float = 1,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "lbfgs",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    @overload
    def predict_proba(self, X: Any, *, out: None = None) -> np.ndarray: ...

    @overload
    def predict_proba(self, X: Any, *, out: str | os.PathLike[str]) -> None: ...

    def predict_proba(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        out : path, default=None
            A CSV file to write instead: `prediction`, and `probability_<class>` for each class.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes) or None
            In the order of `classes_`; None with `out`.
        """
        if out is not None:
            self._write(X, out, proba=True)
            return None
        return self._apply(X, "probability")

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        proba = self._apply(X, "probability")
        np.log(proba, out=proba)
        return proba


class _Closed(_LinearRegressor):
    """A regressor whose solution is computed, with numbers where scikit-learn has numbers."""

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        super()._set_attribute(name, array.item() if name in ("intercept_", "rank_") else array)


class LinearRegression(_Closed):
    """Ordinary least squares.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    copy_X : bool, default=True
        Accepted; X is never changed.
    tol : float, default=1e-6
        Directions with singular values below this share of the largest count as none.
    n_jobs : int, default=None
        Accepted; see ``n_threads`` of `skimp.config_context`.
    positive : bool, default=False
        Force the coefficients to be positive or zero.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    rank_ : int
        Rank of X.
    singular_ : ndarray of shape (n_features,)
        Singular values of X, centred where there is an intercept.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    See Also
    --------
    Ridge : With a penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.linear_model import LinearRegression
    >>> X = np.array([[1.0, 1.0], [1.0, 2.0], [2.0, 2.0], [2.0, 3.0]])
    >>> model = LinearRegression().fit(X, X @ [1, 2] + 3)
    >>> model.coef_.round(6)
    array([1., 2.])
    >>> model.predict([[3.0, 5.0]]).round(6)
    array([16.])
    """

    _core_name = "linear_regression"
    _attributes = ("coef_", "intercept_", "rank_", "singular_")

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        tol: float = 1e-6,
        n_jobs: int | None = None,
        positive: bool = False,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive


class Ridge(_Closed):
    """Least squares with an l2 penalty.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty.
    fit_intercept : bool, default=True
        Whether to fit an intercept, which is not penalised.
    copy_X : bool, default=True
        Accepted; X is never changed.
    max_iter : int, default=None
        Iterations of conjugate gradients on wide data, at most.
    tol : float, default=1e-4
        Precision asked for.
    solver : str, default="auto"
        scikit-learn's names; all find the same solution.
    positive : bool, default=False
        Force the coefficients to be positive or zero.
    random_state : int, default=None
        Accepted; nothing here is random.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : float
        Intercept.
    n_iter_ : ndarray of shape (1,)
        Iterations.
    solver_ : str
        The solver that was named; of "auto" "cholesky".
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    See Also
    --------
    LinearRegression : Without a penalty.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.linear_model import Ridge
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> model = Ridge(alpha=1.0).fit(X, X.sum(axis=1))
    >>> round(model.score(X, X.sum(axis=1)), 3)
    1.0
    """

    _core_name = "ridge"
    _attributes = ("coef_", "intercept_", "n_iter_")

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    def _take_part(self, own: dict[str, np.ndarray], fitted: Fitted, data: Data | None = None) -> None:
        super()._take_part(own, fitted, data)
        self.solver_ = "cholesky" if self.solver == "auto" else self.solver



def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss not in ("log_loss", "modified_huber"):
        raise AttributeError(f"probability estimates are not available for loss={estimator.loss!r}")
    return True


class _SGD(_WarmStart):
    """What is learnt step by step: a mix-in."""

    coef_: np.ndarray
    early_stopping: bool
    n_iter_: int
    t_: float

    def fit(
        self, X: Any, y: Any = None, coef_init: Any = None, intercept_init: Any = None, sample_weight: Any = None
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.  Chunks are X, (X, y) or (X, y, sample_weight): those of an iterator are kept, in
            memory or on disk; a function that returns an iterator is called once a
            pass, and nothing is kept (with ``shuffle``, it is called once and its chunks are kept).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        coef_init : array-like, default=None
            Coefficients to begin at; for data in arrays.
        intercept_init : array-like, default=None
            Intercepts to begin at; for data in arrays.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        data = self._resolve(X, y, sample_weight, reset=True)
        going_on = self._warm(data)
        if coef_init is not None or intercept_init is not None:
            own = (self.coef_, self.intercept_) if going_on is not None else (None, None)
            coef = own[0] if coef_init is None else coef_init
            intercept = own[1] if intercept_init is None else intercept_init
            going_on = {"start": given_model(self, data, coef, intercept)}
        self._fit_job(data, going_on)
        return self

    def _check_partial(self) -> None:
        if self.early_stopping:
            raise ValueError("early_stopping should be False with partial_fit")

    def _go_on(self, X: Any, y: Any, sample_weight: Any, is_first: bool, classes: np.ndarray | None) -> None:
        """One epoch, from where the last one has ended."""
        kind = self._y_kind
        data = resolve(self, X, y, sample_weight, reset=is_first, y_kind=kind)
        going_on: dict[str, Any] = {"partial": True}
        if classes is not None:
            recode(data, classes)
        if getattr(self, "coef_", None) is not None and hasattr(self, "_skimp"):
            going_on["start"] = fitted_model(self, data)
        elif classes is not None:
            going_on["classes"] = class_list(classes)
        self._fit_job(data, going_on)

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        super()._set_attribute(name, array.item() if name in ("n_iter_", "t_") else array)


class SGDClassifier(_SGD, _LinearClassifier):  # type: ignore[misc]  # `fit` is scikit-learn's: other arguments
    """Linear classifiers fitted by stochastic gradient descent.

    It takes its own path to scikit-learn's objective: columns need no scaling, and few passes are enough.

    Parameters
    ----------
    loss : str, default="hinge"
        ``"hinge"`` is a linear support vector machine, ``"log_loss"`` logistic regression; also ``"modified_huber"``,
        ``"squared_hinge"``, ``"perceptron"`` and the regression losses.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
        Penalty on the coefficients.
    alpha : float, default=0.0001
        Strength of the penalty; also sets the steps of ``learning_rate="optimal"``.
    l1_ratio : float, default=0.15
        Share of l1 in ``"elasticnet"``.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is not penalised.
    max_iter : int, default=1000
        Passes over the data, at most.
    tol : float, default=1e-3
        An epoch must improve the loss by this; None: `max_iter` epochs.
    shuffle : bool, default=True
        Visit rows in a random order.
    verbose : int, default=0
        Accepted; see ``progress`` of `skimp.config_context`.
    epsilon : float, default=0.1
        Of the losses huber, epsilon_insensitive and squared_epsilon_insensitive.
    n_jobs : int, default=None
        Accepted; see ``n_threads`` of `skimp.config_context`.
    random_state : int, default=None
        Seed of the order of rows; None is 0.
    learning_rate : str, default="optimal"
        ``"constant"``, ``"optimal"``, ``"invscaling"``, ``"adaptive"``, ``"pa1"``, ``"pa2"``.
    eta0 : float, default=0.01
        First step.
    power_t : float, default=0.5
        Exponent of ``"invscaling"``.
    early_stopping : bool, default=False
        Stop by the score on rows kept from training.
    validation_fraction : float, default=0.1
        Share of these rows.
    n_iter_no_change : int, default=5
        Epochs without progress after which it stops.
    class_weight : dict or "balanced", default=None
        Weights of the classes.
    warm_start : bool, default=False
        Start from the last solution.
    average : bool or int, default=False
        True: coefficients averaged over all steps; an int: from that step on.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; of two classes those of the second.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    n_iter_ : int
        Epochs.
    t_ : float
        Updates, and one.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    See Also
    --------
    LogisticRegression : The exact optimum.
    skimp.Incremental : The same for any estimator that has ``partial_fit``.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skimp.linear_model import SGDClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> SGDClassifier(loss="log_loss").fit(X, y).score(X, y) > 0.95
    True

    Rows may come in parts:

    >>> model = SGDClassifier(loss="log_loss")
    >>> for rows in (slice(0, 300), slice(300, None)):
    ...     model = model.partial_fit(X[rows], y[rows], classes=[0, 1])
    >>> model.score(X, y) > 0.9
    True
    """

    _core_name = "sgd_classifier"
    _attributes = ("coef_", "intercept_", "n_iter_", "t_")

    def __init__(
        self,
        loss: str = "hinge",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        n_jobs: int | None = None,
        random_state: Any = None,
        learning_rate: str = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Any = None,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some rows: one epoch, which goes on where the last one has ended.

        Parts of a data set, one after the other, come to what one epoch over all of it comes to, whatever the scale of
        its columns: their means and spreads are those of all rows so far.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        classes : array-like, default=None
            All classes that y may ever have; for the first call.
        sample_weight : array-like or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if not hasattr(self, "classes_"):
            self._check_partial()
            if self.class_weight == "balanced":
                raise ValueError(
                    "class_weight 'balanced' is not supported for partial_fit. In order to use 'balanced' weights, use "
                    "compute_class_weight('balanced', classes=classes, y=y). In place of y you can use a large enough "
                    "sample of the full training set target to properly estimate the class frequency distributions. "
                    "Pass the resulting weights as the class_weight parameter."
                )
        _check_partial_fit_first_call(self, classes)
        known = self.classes_
        self._go_on(X, y, sample_weight, not hasattr(self, "n_features_in_"), known)
        self.classes_ = known
        return self

    @overload
    def predict_proba(self, X: Any, *, out: None = None) -> np.ndarray: ...

    @overload
    def predict_proba(self, X: Any, *, out: str | os.PathLike[str]) -> None: ...

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the probability of each class; for ``loss="log_loss"`` and ``"modified_huber"``.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        out : path, default=None
            A CSV file to write instead: `prediction`, and `probability_<class>` for each class.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes) or None
            In the order of `classes_`; None with `out`.
        """
        if out is not None:
            self._write(X, out, proba=True)
            return None
        return self._apply(X, "probability")

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class; for ``loss="log_loss"`` and ``"modified_huber"``.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        proba = self._apply(X, "probability")
        np.log(proba, out=proba)
        return proba


class SGDRegressor(_SGD, _LinearRegressor):  # type: ignore[misc]  # as above
    """Linear regression fitted by stochastic gradient descent.

    It takes its own path to scikit-learn's objective: columns need no scaling, and few passes are enough.

    Parameters
    ----------
    loss : str, default="squared_error"
        ``"squared_error"``, ``"huber"``, ``"epsilon_insensitive"`` or ``"squared_epsilon_insensitive"``.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
        Penalty on the coefficients.
    alpha : float, default=0.0001
        Strength of the penalty; also sets the steps of ``learning_rate="optimal"``.
    l1_ratio : float, default=0.15
        Share of l1 in ``"elasticnet"``.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is not penalised.
    max_iter : int, default=1000
        Passes over the data, at most.
    tol : float, default=1e-3
        An epoch must improve the loss by this; None: `max_iter` epochs.
    shuffle : bool, default=True
        Visit rows in a random order.
    verbose : int, default=0
        Accepted; see ``progress`` of `skimp.config_context`.
    epsilon : float, default=0.1
        Of the losses huber, epsilon_insensitive and squared_epsilon_insensitive.
    random_state : int, default=None
        Seed of the order of rows; None is 0.
    learning_rate : str, default="invscaling"
        ``"constant"``, ``"optimal"``, ``"invscaling"``, ``"adaptive"``, ``"pa1"``, ``"pa2"``.
    eta0 : float, default=0.01
        First step.
    power_t : float, default=0.25
        Exponent of ``"invscaling"``.
    early_stopping : bool, default=False
        Stop by the score on rows kept from training.
    validation_fraction : float, default=0.1
        Share of these rows.
    n_iter_no_change : int, default=5
        Epochs without progress after which it stops.
    warm_start : bool, default=False
        Start from the last solution.
    average : bool or int, default=False
        True: coefficients averaged over all steps; an int: from that step on.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Coefficients.
    intercept_ : ndarray of shape (1,)
        Intercept.
    n_iter_ : int
        Epochs.
    t_ : float
        Updates, and one.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``).
    memory_report_ : MemoryReport
        Planned and actual memory of the last fit, by what it was for.

    See Also
    --------
    Ridge : The exact optimum of the squared error.

    Examples
    --------
    >>> import numpy as np
    >>> from skimp.linear_model import SGDRegressor
    >>> random = np.random.default_rng(0)
    >>> X = random.normal(size=(1000, 3))
    >>> SGDRegressor().fit(X, X @ [1.0, 2.0, 3.0]).score(X, X @ [1.0, 2.0, 3.0]) > 0.99
    True
    """

    _core_name = "sgd_regressor"
    _attributes = ("coef_", "intercept_", "n_iter_", "t_")

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float = 0.15,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: bool = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        random_state: Any = None,
        learning_rate: str = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from some rows: one epoch, which goes on where the last one has ended.

        Parts of a data set, one after the other, come to what one epoch over all of it comes to, whatever the scale of
        its columns: their means and spreads are those of all rows so far.

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
        is_first = getattr(self, "coef_", None) is None
        if is_first:
            self._check_partial()
        self._go_on(X, y, sample_weight, is_first, None)
        return self
