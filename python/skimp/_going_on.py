# SPDX-License-Identifier: BSD-3-Clause
"""Fits that go on from what an estimator has learnt: `partial_fit`, `warm_start`, and coefficients that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from skimp import _core
from skimp._base import SkimpEstimator, is_sparse
from skimp._columns import texts
from skimp._data import MOST_EXACT, PART, Data


def holds_sparse(estimator: SkimpEstimator, data: Data) -> bool:
    """Say whether data is sparse: whatever it is, by its columns."""
    own = data.options.get("data")
    if own is not None:
        return own["kind"] in ("csr", "csc")
    return is_sparse(_core.Job({**estimator._job_config(), **data.options}))


def fitted_model(estimator: SkimpEstimator, data: Data) -> Any:
    """Return the library's model of what the estimator has learnt, as a fit on this data can go on from it."""
    return estimator._model(holds_sparse(estimator, data))


def class_list(classes: np.ndarray) -> np.ndarray:
    """Return classes as a job takes them: numbers, or texts each ended by NUL; else their places."""
    if _are_texts(classes):
        return texts(f"{label}\0" for label in classes.tolist())[0]
    if has_places(classes):
        return np.arange(len(classes), dtype=np.float64)
    return np.ascontiguousarray(classes, dtype=np.float64)


def has_places(classes: np.ndarray) -> bool:
    """Say whether a job knows these classes by their places: they are neither texts nor numbers that doubles hold."""
    if classes.dtype.kind in "OUST":
        return not _are_texts(classes)
    return classes.dtype.kind in "iu" and bool(np.abs(classes.astype(np.float64)).max() >= MOST_EXACT)


def _are_texts(classes: np.ndarray) -> bool:
    return all(isinstance(label, str) for label in classes.tolist())


def recode(data: Data, classes: np.ndarray) -> None:
    """Give a target's labels as the job knows these classes, which y need not show all."""
    own = data.options.get("data", {})
    target = own.get("target")
    if target is None or (not has_places(classes) and (data.labels is None or target[2] is not None)):
        return  # numbers, and texts, which the job finds by themselves
    values = target[1] if data.labels is None else data.labels
    places = _places(values, classes)
    if data.labels is not None:
        places = places[target[1]]
    by_place = has_places(classes)
    own["target"] = ("y", places if by_place else classes[places], None)
    data.labels = classes if by_place else None


def _places(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return where labels are among the classes, which are ascending."""
    places = np.empty(len(labels), dtype=np.int32)
    for i in range(0, len(labels), PART):
        part = labels[i : i + PART]
        at = np.minimum(np.searchsorted(classes, part), len(classes) - 1)
        strange = part[classes[at] != part]
        if len(strange):
            raise ValueError(f"classes should include all valid labels that can be in y: {strange[0]} is none of them")
        places[i : i + PART] = at
    return places


def _shown_classes(data: Data) -> np.ndarray | None:
    """Return the classes of a target as the job knows them."""
    target = data.options["data"]["target"]
    if data.labels is not None:
        return class_list(data.labels) if target[2] is not None else np.arange(len(data.labels), dtype=np.float64)
    found: np.ndarray = np.empty(0)
    for i in range(0, len(target[1]), PART):
        found = np.union1d(found, target[1][i : i + PART].astype(np.float64))
    return found


def _n_classes(classes: np.ndarray) -> int:
    return int((classes == 0).sum()) if classes.dtype == np.uint8 else len(classes)


def given_model(estimator: SkimpEstimator, data: Data, coef: Any, intercept: Any) -> Any:
    """Return the library's model of linear coefficients that a fit is to begin at (None: zeros).

    The messages are scikit-learn's.
    """
    own = data.options.get("data")
    if own is None or own["kind"] not in ("matrix", "csr", "csc"):
        raise TypeError("coef_init and intercept_init are for data in arrays")
    sparse = own["kind"] != "matrix"
    n_features = own["shape"][1] if sparse else own["values"].shape[1]
    classes = _shown_classes(data) if estimator._y_kind == "labels" else None
    n_classes = 1 if classes is None else _n_classes(classes)
    k = n_classes if n_classes > 2 else 1
    coef = np.zeros((k, n_features)) if coef is None else np.asarray(coef, dtype=np.float64)
    intercept = np.zeros(k) if intercept is None else np.asarray(intercept, dtype=np.float64)
    if (coef.shape != (k, n_features)) if k > 1 else (coef.size != n_features):
        raise ValueError(f"Provided {'coef_' if k > 1 else 'coef_init'} does not match dataset.")
    if (intercept.shape != (k,)) if k > 1 else (intercept.shape not in ((1,), ())):
        raise ValueError("Provided intercept_init does not match dataset.")
    arrays = {
        "coef_": np.ascontiguousarray(coef).reshape((k, n_features) if classes is not None else n_features),
        "intercept_": np.ascontiguousarray(intercept).reshape(k),
        "t_": np.ones(1),
    }
    if classes is not None:
        arrays["classes_"] = classes
    if not sparse:
        names = own.get("names") or tuple(f"x{i}" for i in range(n_features))
        arrays["columns"] = texts(f"{name}\0" for name in names)[0]
        arrays["column_types"] = np.zeros(n_features, dtype=np.uint8)
    meta = {
        "skimp_version": _core.version,
        "estimator": estimator._core_name,
        "params": "{}",
        "steps": "[]",
        "data": "sparse" if sparse else "table",
        "hash_bits": "0",
        "n_features": str(n_features),
        "n_features_in": str(n_features),
    }
    return _core.Model(tuple(meta.items()), tuple(arrays.items()))
