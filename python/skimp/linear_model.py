# SPDX-License-Identifier: BSD-3-Clause
"""Linear models, by scikit-learn's names, parameters and attributes, inside a memory budget."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skimp._base import SkimpEstimator, exchange
from skimp._data import is_data

__all__ = ["LinearRegression", "LogisticRegression", "Ridge", "SGDClassifier", "SGDRegressor"]


class _Linear(SkimpEstimator):
    """A predictor with `coef_` and `intercept_`."""

    coef_: np.ndarray
    intercept_: np.ndarray | float

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a CSV, svmlight, NPY or chunk-store file, or a glob of such.
        y : array or str
            Shape (n_samples,); or the name of the target's column.
        sample_weight : array or str, default=None
            Shape (n_samples,); or the name of the weights' column.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def densify(self) -> Self:
        """Make `coef_` an array again, after `sparsify`."""
        if not isinstance(self.coef_, np.ndarray):
            self.coef_ = self.coef_.toarray()
        return self

    def sparsify(self) -> Self:
        """Make `coef_` a sparse matrix: smaller when most coefficients are zero."""
        from scipy.sparse import csr_matrix

        self.coef_ = csr_matrix(self.coef_)
        return self

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        value = super()._get_attribute(name, shape)
        if name == "coef_" and not isinstance(value, np.ndarray):
            value = value.toarray()
        return value


class _LinearClassifier(ClassifierMixin, _Linear):
    _y_kind = "labels"

    classes_: np.ndarray

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the confidence scores of rows: shape (n_samples,) of two classes, else (n_samples, n_classes)."""
        scores = self._apply(X, "decision")
        return scores.reshape(-1) if scores.shape[1] == 1 else scores

    def predict(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the class of each row.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        out : path, default=None
            A CSV file to write instead, with one column `prediction`.

        Returns
        -------
        ndarray of shape (n_samples,), or None with `out`
        """
        if out is not None:
            return self._write(X, out, proba=False)
        check_is_fitted(self)
        dtype = "int64" if self.classes_.dtype.itemsize == 8 else "int32"
        return exchange(self._apply(X, "label", dtype).reshape(-1), self.classes_)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the mean accuracy.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        y : array or str
            Shape (n_samples,); or the name of the target's column in the file (by default that of the fit).
        sample_weight : array, default=None
            Shape (n_samples,).
        """
        if is_data(X) and (y is None or isinstance(y, str)) and sample_weight is None:
            return self._score_file(X, y, "accuracy")
        return super().score(X, y, sample_weight)


class _LinearRegressor(RegressorMixin, _Linear):
    _y_kind = "numbers"

    def predict(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the prediction for each row.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        out : path, default=None
            A CSV file to write instead, with one column `prediction`.

        Returns
        -------
        ndarray of shape (n_samples,), or None with `out`
        """
        if out is not None:
            return self._write(X, out, proba=False)
        return self._apply(X, "label").reshape(-1)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        y : array or str
            Shape (n_samples,); or the name of the target's column in the file (by default that of the fit).
        sample_weight : array, default=None
            Shape (n_samples,).
        """
        if is_data(X) and (y is None or isinstance(y, str)) and sample_weight is None:
            return self._score_file(X, y, "r2")
        return super().score(X, y, sample_weight)


class LogisticRegression(_LinearClassifier):
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
    random_state, verbose, warm_start, n_jobs
        Accepted; the solvers are not random.
    solver : str, default="lbfgs"
        scikit-learn's names.
    max_iter : int, default=100
        Outer iterations, at most.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    n_iter_ : ndarray of shape (1,)
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Where X has names.
    memory_report_ : MemoryReport
        Planned and actual memory, by what it was for.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skimp.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> LogisticRegression(max_iter=200).fit(X, y).score(X, y)
    0.97...
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

    def predict_proba(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the probability of each class, in the order of `classes_`: shape (n_samples, n_classes).

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        out : path, default=None
            A CSV file to write instead: `prediction`, and `probability_<class>` for each class.
        """
        return self._write(X, out, proba=True) if out is not None else self._apply(X, "probability")

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class."""
        proba = self.predict_proba(X)
        return np.log(proba, out=proba)


class LinearRegression(_LinearRegressor):
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
        Accepted; see `skimp.config_context`.
    positive : bool, default=False
        Force the coefficients to be positive or zero.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
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


class Ridge(_LinearRegressor):
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
    intercept_ : float
    n_iter_ : None
    solver_ : str
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
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


def _has_probabilities(estimator: Any) -> bool:
    if estimator.loss not in ("log_loss", "modified_huber"):
        raise AttributeError(f"probability estimates are not available for loss={estimator.loss!r}")
    return True


class SGDClassifier(_LinearClassifier):
    """Linear classifiers fitted by stochastic gradient descent.

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
    verbose, n_jobs
        Accepted.
    epsilon : float, default=0.1
        Of the losses huber, epsilon_insensitive and squared_epsilon_insensitive.
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
    classes_, coef_, intercept_, n_features_in_, feature_names_in_, memory_report_
        As of `LogisticRegression`.
    n_iter_ : int
        Epochs.
    t_ : float
        Updates.
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

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, *, out: str | os.PathLike[str] | None = None) -> np.ndarray | None:
        """Return the probability of each class; for ``loss="log_loss"`` and ``"modified_huber"``.

        Parameters
        ----------
        X : array, sparse matrix or path
            Shape (n_samples, n_features); or the name of a file.
        out : path, default=None
            A CSV file to write instead: `prediction`, and `probability_<class>` for each class.
        """
        return self._write(X, out, proba=True) if out is not None else self._apply(X, "probability")

    @available_if(_has_probabilities)
    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class."""
        proba = self.predict_proba(X)
        return np.log(proba, out=proba)


class SGDRegressor(_LinearRegressor):
    """Linear regression fitted by stochastic gradient descent.

    Parameters
    ----------
    loss : str, default="squared_error"
        ``"squared_error"``, ``"huber"``, ``"epsilon_insensitive"`` or ``"squared_epsilon_insensitive"``.
    penalty, alpha, l1_ratio, fit_intercept, max_iter, tol, shuffle, verbose, epsilon, random_state, eta0, \
early_stopping, validation_fraction, n_iter_no_change, warm_start, average
        As of `SGDClassifier`.
    learning_rate : str, default="invscaling"
        As of `SGDClassifier`.
    power_t : float, default=0.25
        Exponent of ``"invscaling"``.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : ndarray of shape (1,)
    n_iter_ : int
    t_ : float
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
    memory_report_ : MemoryReport
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
