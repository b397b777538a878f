# SPDX-License-Identifier: BSD-3-Clause
"""What all estimators share: from parameters and data to a job, from its model to attributes, and back.

A fitted estimator is its attributes.  What it predicts with is made of them anew at each call, without copying: an
attribute that its user changes counts, as in scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skimp import _config, _core
from skimp._data import Data, resolve
from skimp._params import settings
from skimp._report import MemoryReport, Plan

DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "I64": np.int64,
    "U64": np.uint64,
    "I32": np.int32,
    "U32": np.uint32,
    "U8": np.uint8,
}


class Fitted:
    """The library's side of a fitted estimator: metadata, and the arrays that are no attributes.

    Attributes
    ----------
    meta : dict
        Of the model file.
    shapes : list of (name, dtype, shape)
        Of all its arrays, in the file's order.
    arrays : dict
        Those that are no attributes of the estimator.
    """

    def __init__(self, meta: dict[str, str], shapes: list[tuple[str, str, tuple[int, ...]]], arrays: dict[str, np.ndarray]) -> None:
        self.meta = meta
        self.shapes = shapes
        self.arrays = arrays


def strings(array: np.ndarray) -> list[str]:
    """Return the strings of an array of bytes that are each ended by NUL."""
    return array.tobytes().decode().split("\0")[:-1]


class SkimpEstimator(BaseEstimator):
    """Base class of skimp's estimators.

    Subclasses say by `_core_name` which estimator of the library they are, by `_attributes` which of its arrays are
    attributes, and by `_y_kind` what they learn to tell.
    """

    _core_name: ClassVar[str]
    _attributes: ClassVar[tuple[str, ...]] = ()
    _y_kind: ClassVar[str | None] = None
    _allow_nan: ClassVar[bool] = False

    _skimp: Fitted
    memory_report_: MemoryReport

    # ---- settings that travel ----

    def __sklearn_clone__(self) -> Self:
        copy = super().__sklearn_clone__()
        carried = {**self.__dict__.get("_skimp_config", {}), **_config.current_context()}
        if carried:
            copy._skimp_config = carried
        return copy

    def __getstate__(self) -> Any:
        state = super().__getstate__()
        if hasattr(self, "_skimp"):
            # A saved model goes without; an unfitted estimator is on its way to a worker.
            return {key: value for key, value in state.items() if key != "_skimp_config"}
        carried = {**state.get("_skimp_config", {}), **_config.current_context()}
        carried.pop("progress", None)
        return {**state, "_skimp_config": carried} if carried else state

    def _job_config(self) -> dict[str, Any]:
        config = _config.effective(self.__dict__.get("_skimp_config", {}))
        return {
            "max_memory": config["max_memory"] or 0,
            "n_threads": config["n_threads"] or 0,
            "spill_dir": config["spill_dir"],
        }

    # ---- jobs ----

    def _job_params(self) -> dict[str, Any]:
        """Return the parameters as the library takes them."""
        return self.get_params(deep=False)

    def _job(self, data: Data) -> Any:
        return _core.Job(
            {"estimator": self._core_name, "params": settings(self._job_params()), **self._job_config(), **data.options}
        )

    def _resolve(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Data:
        return resolve(
            self, X, y, sample_weight, reset=reset, y_kind=self._y_kind if reset else None, allow_nan=self._allow_nan
        )

    def _plan(self, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
        return Plan(self._job(self._resolve(X, y, sample_weight, reset=True)).plan())

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        data = self._resolve(X, y, sample_weight, reset=True)
        job = self._job(data)
        plan = job.plan()
        model = job.fit(None)
        report = job.report()
        self.memory_report_ = MemoryReport(plan, report)
        self._take(model, data)
        for text in report["warnings"]:
            warnings.warn(text, ConvergenceWarning if "converge" in text else UserWarning, stacklevel=3)

    # ---- models ----

    def _take(self, model: Any, data: Data | None) -> None:
        """Take the arrays of a fitted model over as attributes."""
        own: dict[str, np.ndarray] = {}
        shapes = model.arrays()
        for i, (name, dtype, shape) in enumerate(shapes):
            array = np.empty(shape, dtype=DTYPES[dtype])
            model.copy(i, array)
            if name in self._attributes:
                self._set_attribute(name, array)
            else:
                own[name] = array
        self._skimp = Fitted(model.meta(), shapes, own)
        if "classes_" in own:
            self.classes_ = self._labels(own["classes_"], data)
        if not hasattr(self, "n_features_in_"):
            self._set_columns(own)

    def _set_columns(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the names and number of the input columns: those of a file, which `validate_data` has not seen."""
        if "columns" in arrays:
            names = strings(arrays["columns"])
            self.feature_names_in_ = np.array(names, dtype=object)
            self.n_features_in_ = len(names)
        else:
            self.n_features_in_ = int(self._skimp.meta["n_features"])

    @staticmethod
    def _labels(array: np.ndarray, data: Data | None) -> np.ndarray:
        if array.dtype == np.uint8:
            labels = np.array(strings(array), dtype=object)
            dtype = data.label_dtype if data is not None else None
            return labels.astype(dtype) if dtype is not None and dtype.kind == "U" else labels
        if data is not None and data.labels is not None:
            return data.labels[array.astype(np.intp)]
        if data is not None and data.label_dtype is not None:
            return array.astype(data.label_dtype)
        is_whole = np.isfinite(array).all() and (array == np.floor(array)).all()
        return array.astype(np.int64) if is_whole else array

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        setattr(self, name, array)

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        return getattr(self, name)

    def _model(self) -> Any:
        """Return the library's model, made of the attributes as they are now."""
        arrays = []
        for name, dtype, shape in self._skimp.shapes:
            array = self._skimp.arrays.get(name)
            if array is None:
                array = np.ascontiguousarray(self._get_attribute(name, shape), dtype=DTYPES[dtype]).reshape(shape)
            arrays.append((name, array))
        return _core.Model(tuple(self._skimp.meta.items()), tuple(arrays))

    def _apply(self, X: Any, kind: str) -> np.ndarray:
        """Return what the model makes of X: rows by outputs."""
        check_is_fitted(self)
        data = self._resolve(X, None, None, reset=False)
        model = self._model()
        job = _core.Job({**self._job_config(), **data.options})
        return job.apply(model, kind)
