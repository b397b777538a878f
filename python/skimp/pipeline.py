# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines: scikit-learn's, in one job of the library where every step is skimp's."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.pipeline import make_pipeline as _make_pipeline
from sklearn.utils.validation import check_is_fitted

from skimp import _core, _to_sklearn
from skimp._available import available_if
from skimp._base import SkimpEstimator
from skimp._chain import Chain, NotOneJobError, bind, input_columns, is_columns, step_names
from skimp._data import Data, is_data, planned, resolve
from skimp._going_on import holds_sparse, recode
from skimp._hints import warn_of
from skimp._lazy import through
from skimp._model import ALONE, Steps, whole_model
from skimp._outputs import is_lazy, is_once
from skimp._params import settings
from skimp._pipeline_model import FittedPipeline, inputs_of
from skimp._report import MemoryReport, Plan
from skimp._restoring import all_or_nothing
from skimp.dataset import Dataset

__all__ = ["Pipeline", "make_pipeline"]


def _last_has(name: str) -> Any:
    def check(self: Any) -> bool:
        getattr(self._final_estimator, name)
        return True

    return check


def _carrier(chain: Chain) -> SkimpEstimator:
    """Return the estimator whose settings of budget and threads, carried along, hold for the job."""
    return chain.last or next((step for step, _ in reversed(chain.steps)), Steps())


def _is_own(step: Any) -> bool:
    return step in ("passthrough", None) if isinstance(step, (str, type(None))) else _is_skimp(step)


def _is_skimp(step: Any) -> bool:
    return isinstance(step, (SkimpEstimator, Pipeline)) or is_columns(step)


class Pipeline(FittedPipeline):
    """A chain of transformers and an estimator, as scikit-learn's.

    Where every step is skimp's, `fit` reads the data once and runs as one job: text becomes a chunk store, whose chunks
    go through the steps on their way to the estimator, so that no transformed copy of the data is ever made; files,
    streams and `skimp.Dataset` may be given.  With any other step it is scikit-learn's Pipeline.

    Steps work on the columns of numbers; columns of text of frames and files are one-hot encoded for what comes after
    them.  A `skimp.compose.ColumnTransformer` or `skimp.preprocessing.OneHotEncoder` as the first step says otherwise.

    Parameters
    ----------
    steps : list of (str, estimator)
        Transformers, and an estimator or transformer at the end.
    transform_input : list of str, default=None
        As in scikit-learn; where it is given, the steps run one after the other.
    memory : str or joblib.Memory, default=None
        As in scikit-learn; where it is given, the steps run one after the other.
    verbose : bool, default=False
        Print how long each step takes; if so, the steps run one after the other.

    Attributes
    ----------
    named_steps : Bunch
        The steps by name.
    classes_ : ndarray of shape (n_classes,)
        The classes, of a classifier.
    n_features_in_ : int
        Number of input columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where they have any.
    encoded_feature_names_ : ndarray of shape (n_features,)
        Names of the features that the last step is given, or gives if it is a transformer: those of ``coef_``.
    memory_report_ : MemoryReport
        Planned and actual memory, of a fit in one job.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skimp.linear_model import LogisticRegression
    >>> from skimp.pipeline import Pipeline
    >>> from skimp.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())]).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.97
    >>> model["scale"].mean_.round(2)
    array([5.84, 3.06, 3.76, 1.2 ])
    """

    # ---- which way ----

    def _weight(self, X: Any, params: dict[str, Any]) -> tuple[bool, Any]:
        """Return whether these are parameters that a job takes, and the weights among them.

        Weights count for all steps of a job, and here only for the last: so arrays with weights go step by step.
        """
        own = f"{self.steps[-1][0]}__sample_weight"
        weight = next(iter(params.values()), None)
        return set(params) <= {own} and (weight is None or is_data(X) or len(self._stages()) == 1), weight

    def _need_one_job(self, X: Any, why: object = None) -> None:
        if not is_data(X):
            return
        others = [] if why is not None else [name for name, step in self.steps if not _is_own(step)]
        what = f"steps of skimp only, which {', '.join(others)} is not" if others else "memory=None and verbose=False"
        if why is not None or not (others or self._has_no_settings()):
            what = (
                f"steps that are one job: {why}"
                if why is not None
                else "transformers of skimp, and a ColumnTransformer only first"
            )
        raise TypeError(f"a Pipeline over files, streams or a Dataset needs {what}")

    # ---- jobs ----

    def _resolve(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Data:
        stages = self._stages()
        if reset:
            self._inputs = inputs_of(stages[0])
        elif is_columns(stages[0]):
            X = stages[0]._chosen(X)
        kind = getattr(stages[-1], "_y_kind", None) if reset else None
        allow_nan = is_columns(stages[0]) or stages[0]._allow_nan
        return resolve(self._inputs, X, y, sample_weight, reset=reset, y_kind=kind, allow_nan=allow_nan, encode=True)

    def _data(self, chain: Chain, X: Any, y: Any, sample_weight: Any) -> Data:
        """Return data for a fit, whose columns are known to the chain's head.

        Raises
        ------
        NotOneJobError
            What the head does is no job.
        """
        if chain.head is not None and not chain.head._may_be_job(X):
            raise NotOneJobError("arrays of text are encoded by scikit-learn")
        data = self._resolve(X, y, sample_weight, reset=True)
        if chain.head is not None:
            bind(chain, input_columns(data), X)
        return data

    def _job(self, chain: Chain, data: Data, going_on: dict[str, Any] | None = None) -> Any:
        steps, last = [step for step, _ in chain.steps], chain.last
        params = settings(last._job_params()) if last is not None else ()
        for name, step in zip(step_names(steps), steps, strict=True):
            params += settings(step._job_params(), f"{name}__")
        options = {
            "steps": chain.step_options(),
            "params": params,
            **_carrier(chain)._job_config(),
            **data.options,
            **(going_on or {}),
        }
        if last is not None or not steps:
            options["estimator"] = ALONE if last is None else last._core_name
        if chain.dropped:
            options["drop"] = (*options.get("drop", ()), *chain.dropped)
        return _core.Job(options)

    def _plan(self, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
        chain = self._chain()
        if chain is None:
            raise TypeError("a plan is made of a Pipeline whose steps are all skimp's")
        try:
            data = self._data(chain, X, y, sample_weight)
        except NotOneJobError as why:
            raise TypeError(f"a plan is made of a Pipeline that is one job: {why}") from None
        return Plan(planned(self._job(chain, data), data))

    @all_or_nothing
    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps and the estimator.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.  Chunks are X, (X, y) or (X, y, sample_weight): those of an iterator are kept, in
            memory or on disk; a function that returns an iterator is called once a pass, and nothing is kept.
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        **params : dict
            ``<last step>__sample_weight``, and what scikit-learn's Pipeline takes.

        Returns
        -------
        self : estimator
            Fitted.
        """
        if not self._fit_job(X, y, params):
            super().fit(X, y, **params)
        return self

    def _fit_job(self, X: Any, y: Any, params: dict[str, Any]) -> bool:
        """Fit all steps in one job, and say whether they are one."""
        takes, weight = self._weight(X, params)
        chain = self._chain() if takes else None
        before = self._before(chain)
        self._forget()
        try:
            data = None if chain is None else self._data(chain, X, y, weight)
        except NotOneJobError as why:
            self._need_one_job(X, why)
            data = None
        if chain is None or data is None:
            self._need_one_job(X)
            self._forget()
            return False
        job = self._job(chain, data, self._warm(chain, data, before))
        with _carrier(chain)._telling() as tell:
            model = job.fit(tell)
        report = job.report()
        self._take(model, data, chain)
        self.memory_report_ = MemoryReport(planned(job, data), report)
        warn_of(report["warnings"], lambda text: "without any value" in text)
        return True

    def _before(self, chain: Chain | None) -> tuple[Any, ...] | None:
        """Return what the last step has learnt already, if it goes on from that (`warm_start`)."""
        if (
            chain is None
            or chain.last is None
            or not getattr(chain.last, "warm_start", False)
            or "_skimp" not in vars(self)
        ):
            return None
        return self._skimp, self._named_stages(), self._order

    def _warm(self, chain: Chain, data: Data, before: tuple[Any, ...] | None) -> dict[str, Any] | None:
        """Return from which model the last step goes on; the steps before it are fitted anew."""
        if before is None or chain.last is None:
            return None
        if chain.last._y_kind == "labels":
            recode(data, chain.last.classes_)
        fitted, stages, order = before
        return {"start": whole_model(fitted, stages, holds_sparse(chain.last, data), order)}

    def _forget(self) -> None:
        for name in ("_skimp", "_inputs", "_order", "_job_steps", "memory_report_"):
            self.__dict__.pop(name, None)

    # ---- the model of all steps ----

    def _whole(self, params: dict[str, Any]) -> Any:
        """Return the last step with the model of all steps, which predicts in one pass; None: there is none."""
        chain = self._chain()
        if params or "_skimp" not in vars(self) or chain is None:
            return None
        whole: Any = object.__new__(Steps if chain.last is None else type(chain.last))
        vars(whole).update(vars(self._stages()[-1]))
        for name in ("_model", "_resolve", "_check_report"):
            setattr(whole, name, getattr(self, name))
        if chain.last is None:
            whole._order = self._order
            whole.get_feature_names_out = self.get_feature_names_out
            whole._library_names = self._library_names
        return whole

    def _use(self, method: str, X: Any, params: dict[str, Any]) -> Any:
        whole = self._whole({name: value for name, value in params.items() if name != "out"})
        if whole is not None:
            return getattr(whole, method)(X, **params)
        self._need_one_job(X)
        return getattr(super(), method)(X, **params)

    # ---- using ----

    @available_if(_last_has("predict"))
    def predict(self, X: Any, **params: Any) -> np.ndarray:
        """Return the estimator's prediction for each row, after the steps.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's Pipeline; with any, the steps run one after the other.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Or values, of a regressor.
        """
        found: np.ndarray = self._use("predict", X, params)
        return found

    @available_if(_last_has("predict_proba"))
    def predict_proba(self, X: Any, **params: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's Pipeline; with any, the steps run one after the other.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        found: np.ndarray = self._use("predict_proba", X, params)
        return found

    @available_if(_last_has("predict_log_proba"))
    def predict_log_proba(self, X: Any, **params: Any) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's Pipeline; with any, the steps run one after the other.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        found: np.ndarray = self._use("predict_log_proba", X, params)
        return found

    @available_if(_last_has("decision_function"))
    def decision_function(self, X: Any, **params: Any) -> np.ndarray:
        """Return the confidence scores of rows.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's Pipeline; with any, the steps run one after the other.

        Returns
        -------
        scores : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes one score, for the second of them.
        """
        found: np.ndarray = self._use("decision_function", X, params)
        return found

    @available_if(_last_has("score"))
    def score(self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any) -> float:
        """Return the estimator's score.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the column of the fit, or
            the target that the data have.
        sample_weight : array-like, default=None
            Shape (n_samples,).
        **params : dict
            As of scikit-learn's Pipeline.

        Returns
        -------
        score : float
            Mean accuracy of a classifier, R² of a regressor.
        """
        whole = self._whole(params)
        if whole is not None:
            return float(whole.score(X, y, sample_weight))
        self._need_one_job(X)
        return float(super().score(X, y, sample_weight, **params))

    @available_if(_last_has("transform"))
    @all_or_nothing
    def fit_transform(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit the steps, and return X as they transform it.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        **params : dict
            As of `fit`.

        Returns
        -------
        X_out : ndarray, sparse matrix or frame
            Shape (n_samples, n_features_out).
        """
        if is_data(X) and is_once(X):
            X, y = Dataset(X, target=y), None
        if self._fit_job(X, y, params):
            whole = self._whole({}) if y is not None else None
            return through(whole, X, y) if whole is not None and is_lazy(whole, X) else self.transform(X)
        return super().fit_transform(X, y, **params)

    @available_if(_last_has("transform"))
    def transform(self, X: Any, **params: Any) -> Any:
        """Return X as the steps transform it.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).
        **params : dict
            As of scikit-learn's Pipeline; with any, the steps run one after the other.

        Returns
        -------
        X_out : ndarray, sparse matrix or frame
            Shape (n_samples, n_features_out).
        """
        whole = self._whole(params) if is_data(X) or self._has_text() else None
        if whole is not None:
            return whole.transform(X)
        self._need_one_job(X)
        return super().transform(X, **params)

    # ---- elsewhere ----

    def to_sklearn(self) -> Any:
        """Return scikit-learn's Pipeline of fitted steps, with the same predictions.

        Returns
        -------
        pipeline : sklearn.pipeline.Pipeline
            Without anything of skimp.
        """
        check_is_fitted(self)
        return _to_sklearn.pipeline(self)


def make_pipeline(*steps: Any, memory: Any = None, transform_input: Any = None, verbose: bool = False) -> Pipeline:
    """Return a Pipeline of these steps, named after their classes.

    Parameters
    ----------
    *steps : estimator
        Transformers, and an estimator at the end.
    memory : str or joblib.Memory, default=None
        As of `Pipeline`.
    transform_input : list of str, default=None
        As of `Pipeline`.
    verbose : bool, default=False
        As of `Pipeline`.

    Returns
    -------
    pipeline : Pipeline
        Not fitted.

    Examples
    --------
    >>> from skimp.linear_model import Ridge
    >>> from skimp.pipeline import make_pipeline
    >>> from skimp.preprocessing import StandardScaler
    >>> [name for name, _ in make_pipeline(StandardScaler(), Ridge()).steps]
    ['standardscaler', 'ridge']
    """
    named = _make_pipeline(*steps).steps
    return Pipeline(named, memory=memory, transform_input=transform_input, verbose=verbose)
