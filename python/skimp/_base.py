# SPDX-License-Identifier: BSD-3-Clause
"""What all estimators share: from parameters and data to a job, from its model to attributes, and back.

A fitted estimator is its attributes.  What it predicts with is made of them anew at each call, without copying: an
attribute that its user changes counts, as in scikit-learn.
"""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED
from sklearn.utils.validation import check_is_fitted

from skimp import _config, _core, _to_sklearn
from skimp._arrays import COLUMN_ARRAYS, DTYPES, made_up_names, number_columns, read, strings
from skimp._batches import is_chunks
from skimp._data import PART, Data, arranged, is_data, is_dataset, planned, resolve
from skimp._hints import warn_of
from skimp._outputs import check_out
from skimp._params import settings
from skimp._progress import Teller, telling
from skimp._report import MemoryReport, Plan
from skimp._restoring import guard_fits
from skimp._targets import is_target, own_target
from skimp._traced import encoded_names

ORDER_BYTES = 8  # of a row, while what comes of it gets into another order
LABEL_DTYPE = "label_dtype"  # key of the metadata
NUMBER_LABELS = {"bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64", "float32", "float64"}
FORM_ARRAYS = ("sgd_moments", "sgd_scales")  # of dense columns, of sparse ones


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


def noted(meta: dict[str, str], data: Data | None) -> dict[str, str]:
    """Return metadata with the type of a fit's labels, where it is not what a reader of the model would make of them."""
    dtype = None if data is None else data.label_dtype
    name = None if dtype is None else "str" if dtype.kind == "U" else dtype.name
    return {**meta, LABEL_DTYPE: name} if name == "str" or name in NUMBER_LABELS else meta


def plain_data(X: Any, names: Any = None) -> Data:
    """Return an array or CSR or CSC matrix that was checked already as data without a target."""
    if sp.issparse(X):
        own = {"kind": X.format, "shape": X.shape, "values": X.data, "indices": X.indices, "indptr": X.indptr}
    else:
        own = {"kind": "matrix", "values": X, "names": None if names is None else tuple(map(str, names))}
    return Data({"data": {**own, "target": None, "weight": None}}, n_rows=X.shape[0], held=[X])


def is_sparse(job: Any) -> bool:
    """Say whether a job's data is sparse: CSR, CSC, svmlight."""
    return any(kind == "sparse" for _, kind, _ in job.columns())


def _largest(moments: np.ndarray) -> np.ndarray:
    """Return about how large the values of columns are, which is what SGD goes by in sparse data."""
    n, mean, squares = moments[:-1].T
    return np.ascontiguousarray(np.abs(mean) + 3 * np.sqrt(squares / np.maximum(n, 1)), dtype=np.float32)


def in_form(
    meta: dict[str, str], arrays: list[tuple[str, np.ndarray]], sparse: bool | None
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, np.ndarray], ...]]:
    """Return the parts of a model for a table, or for sparse data, whichever it was fitted on.

    What the estimator and the steps have learnt is the same; only what says which columns there are is not.
    """
    if sparse is not None and (meta["data"] == "sparse") != sparse:
        n = int(meta["n_features_in"])
        if any(array.any() for name, array in arrays if name == "column_types"):
            raise ValueError("the model was fitted on columns of text, which sparse data does not have")
        meta = {**meta, "data": "sparse" if sparse else "table"}
        own = np.arange(0 if sparse else n, dtype=np.uint32)
        scales = [("sgd_scales", _largest(array)) for name, array in arrays if sparse and name == "sgd_moments"]
        arrays = [
            (name, own if re.fullmatch(r"\d+\..*\.columns", name) else array)
            for name, array in arrays
            if name not in (*COLUMN_ARRAYS, *FORM_ARRAYS)
        ]
        arrays += scales
        if not sparse:
            arrays += number_columns(made_up_names(n)).items()
    return tuple(meta.items()), tuple(arrays)


def like(taken: Any, X: Any) -> Any:
    """Return what a job transformed as the kind of thing that X is: an array, or CSR or CSC of its class.

    Parameters
    ----------
    taken : Block or tuple
        What `Job.apply` has returned.
    """
    if not isinstance(taken, tuple):
        return np.asarray(taken)
    values, indices, indptr, n_columns = taken
    parts = (np.asarray(values), np.asarray(indices), np.asarray(indptr))
    csr = (sp.csr_array if isinstance(X, sp.sparray) else sp.csr_matrix)(parts, shape=(len(parts[2]) - 1, n_columns))
    return csr.tocsc() if getattr(X, "format", "csr") == "csc" else csr


def float_type(data: Data) -> str:
    """Return the type of what is made of numbers: float32 where they all are (or half as wide), else float64."""
    arrays = data.options.get("data", {})
    columns = [column[1:] for column in arrays.get("columns", ())]
    values = [column[0] for column in columns] if columns else [arrays.get("values")]
    kinds = {np.asarray(value).dtype for value in values if value is not None}
    return "float32" if kinds and kinds <= {np.dtype(np.float32), np.dtype(np.float16)} else "float64"


def index_type(data: Data) -> str:
    """Return the type of indices of CSR that hold what may be made of sparse data: int32 where they can."""
    arrays = data.options.get("data", {})
    indices = arrays.get("indices")
    if indices is None:
        return "int64"
    most = np.iinfo(np.int32).max
    is_narrow = 2 * max(len(indices), arrays["shape"][1]) <= most
    return "int32" if is_narrow and indices.dtype.itemsize <= 4 else "int64"


def is_in_place(values: np.ndarray, dtype: Any) -> bool:
    """Say whether values take the memory of what they are exchanged for."""
    return values.dtype.kind in "iuf" and values.dtype.itemsize == np.dtype(dtype).itemsize


def exchange(label: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values[label]: in the memory of label where the values are as wide, a part at a time."""
    if not is_in_place(values, label.dtype):
        return np.asarray(values[label])
    out = label.view(values.dtype)
    for i in range(0, len(label), PART):
        out[i : i + PART] = values[label[i : i + PART]]
    return out


class SkimpEstimator(BaseEstimator):
    """Base class of skimp's estimators.

    Subclasses say by `_core_name` which estimator of the library they are, by `_attributes` which of its arrays are
    attributes, and by `_y_kind` what they learn to tell.
    """

    # `out` names a file: nothing that a meta-estimator would route.
    __metadata_request__predict = {"out": UNUSED}
    __metadata_request__predict_proba = {"out": UNUSED}

    _core_name: ClassVar[str]
    _attributes: ClassVar[tuple[str, ...]] = ()
    _y_kind: ClassVar[str | None] = None
    _allow_nan: ClassVar[bool] = False
    _prefix: ClassVar[str] = ""  # of the arrays of a model that are the estimator's own

    _skimp: Fitted
    memory_report_: MemoryReport

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        guard_fits(cls)

    # ---- settings that travel ----

    def __sklearn_clone__(self) -> Self:
        copy: Self = super().__sklearn_clone__()
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
        return _config.job_options(self.__dict__.get("_skimp_config", {}))

    def _telling(self) -> AbstractContextManager[Teller | None]:
        """Return a context with who is told of progress."""
        return telling(_config.effective(self.__dict__.get("_skimp_config", {}))["progress"])

    # ---- jobs ----

    def _job_params(self) -> dict[str, Any]:
        """Return the parameters as the library takes them."""
        params: dict[str, Any] = self.get_params(deep=False)
        return params

    def _job(self, data: Data, going_on: dict[str, Any] | None = None) -> Any:
        """Return a job that fits; `going_on` says from which model, if it is to go on from one."""
        own = {"estimator": self._core_name, "params": settings(self._job_params())}
        return _core.Job({**own, **self._job_config(), **data.options, **(going_on or {})})

    def _resolve(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> Data:
        return resolve(
            self, X, y, sample_weight, reset=reset, y_kind=self._y_kind if reset else None, allow_nan=self._allow_nan
        )

    def _plan(self, X: Any, y: Any = None, sample_weight: Any = None) -> Plan:
        data = self._resolve(X, y, sample_weight, reset=True)
        return Plan(planned(self._job(data), data))

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> None:
        self._fit_job(self._resolve(X, y, sample_weight, reset=True))

    def _fit_job(self, data: Data, going_on: dict[str, Any] | None = None) -> None:
        job = self._job(data, going_on)
        with self._telling() as tell:
            model = job.fit(tell)
        report = job.report()
        self.memory_report_ = MemoryReport(planned(job, data), report)
        self._take(model, data)
        warn_of(report["warnings"], self._is_silent)

    def _is_silent(self, text: str) -> bool:
        """Say whether scikit-learn's class does not warn of this in `fit`."""
        return False

    # ---- models ----

    def _take(self, model: Any, data: Data | None) -> None:
        """Take the arrays of a fitted model over as attributes."""
        own = read(model)
        self._take_part(own, Fitted(noted(model.meta(), data), model.arrays(), own), data)
        if not hasattr(self, "n_features_in_"):
            self._set_columns(own, data)

    def _own(self, name: str) -> str | None:
        """Return the attribute that an array of the model is; None: it is none."""
        attribute = name.removeprefix(self._prefix)
        return attribute if name.startswith(self._prefix) and attribute in self._attributes else None

    def _take_part(self, own: dict[str, np.ndarray], fitted: Fitted, data: Data | None = None) -> None:
        """Take over the arrays that are attributes, by their names in a model of this estimator alone; the rest stays in `fitted`."""
        self._skimp = fitted
        for name, array in list(own.items()):
            attribute = self._own(name)
            if attribute is not None:
                self._set_attribute(attribute, array)
                fitted.arrays.pop(name, None)
        if "classes_" in own:
            self.classes_ = self._labels(own["classes_"], data, fitted.meta.get(LABEL_DTYPE))

    def _set_columns(self, arrays: dict[str, np.ndarray], data: Data | None = None) -> None:
        """Set the names and number of the input columns: those of a file, which `validate_data` has not seen."""
        if "columns" in arrays and self._skimp.meta["data"] != "sparse":
            names = strings(arrays["columns"])
            self.n_features_in_ = len(names)
            if data is None or data.has_names:
                self.feature_names_in_ = np.array(names, dtype=object)
        else:
            self.n_features_in_ = int(self._skimp.meta["n_features_in"])

    @property
    def encoded_feature_names_(self) -> np.ndarray:
        """Names of the features that `coef_` is over: a column of numbers, or a text of a column (``carrier_AA``)."""
        if not hasattr(self, "_skimp"):
            raise AttributeError(f"this {type(self).__name__} has no names of encoded features")
        return np.array(encoded_names(self._skimp.meta, self._skimp.arrays), dtype=object)

    @staticmethod
    def _labels(array: np.ndarray, data: Data | None, note: str | None) -> np.ndarray:
        if array.dtype == np.uint8:
            labels = np.array(strings(array), dtype=object)
            if data is None and note == "str":
                return labels.astype(np.str_)
            dtype = data.label_dtype if data is not None else None
            # A part of the data may show the shorter of the labels alone.
            return labels.astype(np.promote_types(dtype, labels.astype(str).dtype)) if dtype is not None and dtype.kind == "U" else labels
        if data is not None and data.labels is not None:
            return data.labels[array.astype(np.intp)]
        if data is not None and data.label_dtype is not None:
            return array.astype(data.label_dtype)
        if data is None and note in NUMBER_LABELS:
            noted_as = array.astype(note)
            if (noted_as == array).all():
                return noted_as
        is_whole = np.isfinite(array).all() and (array == np.floor(array)).all()
        return array.astype(np.int64) if is_whole else array

    def _set_attribute(self, name: str, array: np.ndarray) -> None:
        setattr(self, name, array)

    def _get_attribute(self, name: str, shape: tuple[int, ...]) -> Any:
        return getattr(self, name)

    def _model(self, sparse: bool | None = None) -> Any:
        """Return the library's model, made of the attributes as they are now: for a table, or for sparse data (None: as fitted)."""
        arrays = []
        for name, dtype, shape in self._skimp.shapes:
            array = self._skimp.arrays.get(name)
            attribute = self._own(name)
            if array is None and attribute is not None:
                array = np.ascontiguousarray(self._get_attribute(attribute, shape), dtype=DTYPES[dtype]).reshape(shape)
            if array is None:
                raise RuntimeError(f"the model's array {name!r} is neither kept nor an attribute")
            arrays.append((name, array))
        return _core.Model(*in_form(self._skimp.meta, arrays, sparse))

    def _sklearn_state(self) -> dict[str, Any]:
        """Return what scikit-learn's own class keeps besides attributes that end in an underscore."""
        return {}

    def to_sklearn(self) -> Any:
        """Return scikit-learn's own estimator, fitted, with the same predictions.

        Returns
        -------
        estimator : estimator
            Of the class of the same name; where text columns were encoded, a Pipeline that encodes them first.
        """
        check_is_fitted(self)
        return _to_sklearn.to_sklearn(self)

    # ---- what a model makes of data ----

    def _apply_data(self, data: Data, kind: str, dtype: str = "float64", row_bytes: int = 0) -> Any:
        """Return what the model makes of data, as `Job.apply` gives it.

        Parameters
        ----------
        row_bytes : int, default=0
            What will be made of each row besides, which counts in the plan.
        """
        job = _core.Job({**self._job_config(), **data.options})
        if data.order is not None:
            row_bytes += ORDER_BYTES
        with self._telling() as tell:
            result = job.apply(self._model(is_sparse(job)), kind, dtype, index_type(data), tell, row_bytes)
        self._check_report(job.report())
        return result if data.order is None else arranged(result, data.order)

    def _check_report(self, report: dict[str, Any]) -> None:
        """Raise or warn of what a model has found in data."""

    def _apply(self, X: Any, kind: str, dtype: str = "float64", row_bytes: int = 0) -> np.ndarray:
        """Return what the model makes of X: rows by outputs."""
        check_is_fitted(self)
        return np.asarray(self._apply_data(self._resolve(X, None, None, reset=False), kind, dtype, row_bytes))

    def _write(self, X: Any, out: str | os.PathLike[str], proba: bool) -> None:
        """Write what the model predicts to a CSV file."""
        check_is_fitted(self)
        check_out(out, X)
        data = self._resolve(X, None, None, reset=False)
        if data.order is not None:
            raise ValueError("out: rows of a Dataset that are not in its order are not written: sort them first")
        job = _core.Job({**self._job_config(), **data.options})
        with self._telling() as tell:
            job.predict(self._model(is_sparse(job)), os.fspath(out), proba, tell)
        self._check_report(job.report())

    def _holds_target(self, X: Any) -> bool:
        """Say whether the targets to score by are in X: in files and streams, and in a frame that has the model's."""
        return is_data(X) or own_target(X, getattr(self, "_skimp", Fitted({}, [], {})).meta) is not None

    def _target_in(self, X: Any, y: str | None) -> tuple[Any, Any]:
        """Return data that has its target as a Dataset, and the target: y names it, or it is that of the fit."""
        check_is_fitted(self)
        if not is_dataset(X):
            from skimp.dataset import Dataset

            X = Dataset(X, target=self._skimp.meta.get("target") if y is None and not is_chunks(X) else y)
        elif y is not None and y not in (X.target_name, X._target_text):
            raise ValueError(f"y: the target of this Dataset is {X.target_name!r}, chosen when it was made, not {y!r}")
        if X.target is None:
            raise ValueError("y: the data have no target to score by")
        return X, X.target

    def _score_file(self, X: Any, y: str | None, metric: str) -> float:
        """Return a metric of the model over files: y names their target, or it is that which the model was fitted on."""
        check_is_fitted(self)
        data = self._resolve(X, own_target(X, self._skimp.meta) if y is None else y, None, reset=False)
        if y is None and is_dataset(X) and not is_target(X, self._skimp.meta):
            data.options["target"] = X.target_name
        job = _core.Job({**self._job_config(), **data.options})
        with self._telling() as tell:
            job.score(self._model(is_sparse(job)), tell)
        self._check_report(job.report())
        return float(job.report()["metrics"][metric])
