# SPDX-License-Identifier: BSD-3-Clause
"""Pipelines: scikit-learn's, in one job of the library where every step is skimp's."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline as _Pipeline
from sklearn.pipeline import make_pipeline as _make_pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skimp import _core
from skimp._arrays import made_up_names, read
from skimp._base import Fitted, SkimpEstimator
from skimp._data import Data, is_data, planned, resolve
from skimp._model import one_step, part, step_names, whole_model
from skimp._params import settings
from skimp._report import MemoryReport, Plan
from skimp._transformer import Transformer

__all__ = ["Pipeline", "make_pipeline"]


def _last_has(name: str) -> Any:
    def check(self: Any) -> bool:
        getattr(self._final_estimator, name)
        return True

    return check


class Pipeline(_Pipeline):
    """A chain of transformers and an estimator, as scikit-learn's.

    Where every step is skimp's, `fit` reads the data once and runs as one job: text becomes a chunk store, whose chunks
    go through the steps on their way to the estimator, so that no transformed copy of the data is ever made; files,
    streams and `skimp.Dataset` may be given.  With any other step it is scikit-learn's Pipeline.

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

    _skimp: Fitted
    memory_report_: MemoryReport

    # ---- which way ----

    def _stages(self) -> list[Any]:
        return [step for _, step in self.steps if step is not None and step != "passthrough"]

    def _is_one_job(self) -> bool:
        stages = self._stages()
        if not stages or self.memory is not None or self.verbose or self.transform_input is not None:
            return False
        return all(isinstance(stage, Transformer) for stage in stages[:-1]) and isinstance(stages[-1], SkimpEstimator)

    def _weight(self, X: Any, params: dict[str, Any]) -> tuple[bool, Any]:
        """Return whether these are parameters that a job takes, and the weights among them.

        Weights count for all steps of a job, and here only for the last: so arrays with weights go step by step.
        """
        own = f"{self.steps[-1][0]}__sample_weight"
        weight = next(iter(params.values()), None)
        return set(params) <= {own} and (weight is None or is_data(X) or len(self._stages()) == 1), weight

    def _need_one_job(self, X: Any) -> None:
        if is_data(X):
            others = [name for name, step in self.steps if not isinstance(step, SkimpEstimator) and step != "passthrough"]
            what = f"steps of skimp only, which {', '.join(others)} is not" if others else "memory=None and verbose=False"
            raise TypeError(f"a Pipeline over files, streams or a Dataset needs {what}")

    # ---- jobs ----

    def _resolve(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Data:
        stages = self._stages()
        kind = stages[-1]._y_kind if reset else None
        return resolve(stages[0], X, y, sample_weight, reset=reset, y_kind=kind, allow_nan=stages[0]._allow_nan)

    def _job(self, data: Data) -> Any:
        stages = self._stages()
        is_model = not isinstance(stages[-1], Transformer)
        steps = stages[:-1] if is_model else stages
        names = step_names(steps)
        params = settings(stages[-1]._job_params()) if is_model else ()
        for name, step in zip(names, steps, strict=True):
            params += settings(step._job_params(), f"{name}__")
        options = {"steps": tuple(names), "params": params, **stages[-1]._job_config(), **data.options}
        return _core.Job({"estimator": stages[-1]._core_name, **options} if is_model else options)

    def _plan(self, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
        if not self._is_one_job():
            raise TypeError("a plan is made of a Pipeline whose steps are all skimp's")
        data = self._resolve(X, y, sample_weight, reset=True)
        return Plan(planned(self._job(data), data))

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit the steps and the estimator.

        Parameters
        ----------
        X : array-like, sparse matrix, frame, path, stream or Dataset
            Shape (n_samples, n_features).  A path is a CSV, svmlight, NPY, Parquet, Arrow or chunk-store
            file, or a glob of such.
        y : array-like or str, default=None
            Shape (n_samples,); or the name of the target's column; None: the target that the data have.
        **params : dict
            ``<last step>__sample_weight``, and what scikit-learn's Pipeline takes.

        Returns
        -------
        self : estimator
            Fitted.
        """
        takes, weight = self._weight(X, params)
        self.__dict__.pop("_skimp", None)
        if not (takes and self._is_one_job()):
            self._need_one_job(X)
            return super().fit(X, y, **params)
        data = self._resolve(X, y, weight, reset=True)
        job = self._job(data)
        plan = planned(job, data)
        with self._stages()[-1]._telling() as tell:
            model = job.fit(tell)
        report = job.report()
        self._take(model, data)
        self.memory_report_ = MemoryReport(plan, report)
        for text in report["warnings"]:
            warnings.warn(text, ConvergenceWarning if "converge" in text else UserWarning, stacklevel=2)
        return self

    # ---- models ----

    def _take(self, model: Any, data: Data | None) -> None:
        """Give each step what is its own of a model."""
        whole, arrays = Fitted(model.meta(), model.arrays(), {}), read(model)
        stages = self._stages()
        is_model = not isinstance(stages[-1], Transformer)
        steps = stages[:-1] if is_model else stages
        names = step_names(steps)
        taken: set[str] = set()
        inputs = stages[0]
        inputs._skimp = whole
        if not hasattr(inputs, "n_features_in_"):
            inputs._set_columns(arrays, data)
        columns = list(map(str, getattr(inputs, "feature_names_in_", ()))) or None
        n = inputs.n_features_in_
        for i, (name, step) in enumerate(zip(names, steps, strict=True)):
            prefix = f"{i}.{name}."
            own = {key: array for key, array in arrays.items() if key.startswith(prefix)}
            named = columns if columns is not None and len(columns) == n else made_up_names(n)
            alone = {step._prefix + key.removeprefix(prefix): array for key, array in own.items()}
            alone[f"{step._prefix}columns"] = np.arange(0 if whole.meta["data"] == "sparse" else n, dtype=np.uint32)
            about = {"estimator": "pipeline", "params": "{}", "steps": one_step(whole, i, step._core_name)}
            step._take_part(alone, part(whole, alone, about, named))
            step.n_features_in_ = n
            taken |= {key for key in own if key.removeprefix(prefix) in step._attributes}
            if columns is not None:
                columns = list(map(str, step.get_feature_names_out(np.array(named, dtype=object))))
            n = step._n_outputs()
        if is_model:
            self._take_last(stages[-1], whole, arrays, data, columns)
            taken |= {key for key in arrays if key in stages[-1]._attributes}
        self._skimp = Fitted(whole.meta, whole.shapes, {key: array for key, array in arrays.items() if key not in taken})

    def _take_last(
        self, last: Any, whole: Fitted, arrays: dict[str, np.ndarray], data: Data | None, columns: list[str] | None
    ) -> None:
        n = int(whole.meta["n_features"])
        own = {key: array for key, array in arrays.items() if key in last._attributes or key == "classes_"}
        named = columns if columns is not None and len(columns) == n else made_up_names(n)
        last._take_part(own, part(whole, own, {"steps": "[]"}, named), data)
        last.n_features_in_ = n

    def _model(self, sparse: bool | None = None) -> Any:
        """Return the library's model, made of the steps' attributes as they are now."""
        stages = self._stages()
        is_model = not isinstance(stages[-1], Transformer)
        steps = stages[:-1] if is_model else stages
        named = [(f"{i}.{name}.", step) for i, (name, step) in enumerate(zip(step_names(steps), steps, strict=True))]
        return whole_model(self._skimp, [*named, ("", stages[-1])] if is_model else named, sparse)

    def _whole(self, params: dict[str, Any]) -> Any:
        """Return the last step with the model of all steps, which predicts in one pass; None: the steps are no such model."""
        if params or "_skimp" not in vars(self) or not self._is_one_job():
            return None
        last = self._stages()[-1]
        whole = object.__new__(type(last))
        vars(whole).update(vars(last))
        whole._model = self._model
        whole._resolve = self._resolve
        return whole

    def _use(self, method: str, X: Any, params: dict[str, Any]) -> Any:
        whole = self._whole(params)
        if whole is not None:
            return getattr(whole, method)(X)
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
        return self._use("predict", X, params)

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
        return self._use("predict_proba", X, params)

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
        return self._use("predict_log_proba", X, params)

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
        return self._use("decision_function", X, params)

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
            return whole.score(X, y, sample_weight)
        self._need_one_job(X)
        return super().score(X, y, sample_weight, **params)

    @available_if(_last_has("transform"))
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
        if self._weight(X, params)[0] and self._is_one_job():
            return self.fit(X, y, **params).transform(X)
        self._need_one_job(X)
        self.__dict__.pop("_skimp", None)
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
        whole = self._whole(params) if is_data(X) else None
        if whole is not None:
            return Transformer.transform(whole, X)
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
        if "_skimp" in vars(self) and any(self._skimp.arrays.get("column_types", ())):
            raise ValueError("to_sklearn(): scikit-learn's steps cannot follow what the library does with text columns")
        steps = [(name, step.to_sklearn() if hasattr(step, "to_sklearn") else step) for name, step in self.steps]
        return _Pipeline(steps, transform_input=self.transform_input, memory=self.memory, verbose=self.verbose)


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
