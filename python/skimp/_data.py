# SPDX-License-Identifier: BSD-3-Clause
"""What `fit`, `predict`, `score` and `transform` are given, as jobs take it: arrays where they lie, files by name.

Nothing here copies X.  A label that is text is turned into a code of as few bytes as will do, by parts of the array.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d, validate_data

PART = 1 << 16  # rows looked at together
MOST_EXACT = 1 << 53  # integers up to here are doubles


@dataclass
class Data:
    """A data set for a job.

    Attributes
    ----------
    options : dict
        What it adds to the options of a job: ``data`` (arrays), or ``inputs``, ``target``, ``weight`` (files).
    n_rows : int or None
        Number of rows where it is known beforehand.
    labels : ndarray or None
        Of text labels and large integers, the classes in ascending order (the job knows them by their place or text).
    label_dtype : dtype or None
        Type that ``classes_`` is to have.
    """

    options: dict[str, Any]
    n_rows: int | None = None
    labels: np.ndarray | None = None
    label_dtype: np.dtype | None = None
    held: list[Any] = field(default_factory=list)


def is_path(X: Any) -> bool:
    """Say whether this names files: a str or path."""
    return isinstance(X, (str, os.PathLike))


def _paths(X: str | os.PathLike[str]) -> tuple[str, ...]:
    name = os.fspath(X)
    if os.path.exists(name) or not glob.has_magic(name):
        return (name,)
    found = tuple(sorted(glob.glob(name)))
    if not found:
        raise FileNotFoundError(f"no file matches {name!r}")
    return found


def _file_data(X: str | os.PathLike[str], y: Any, sample_weight: Any) -> Data:
    for name, value in [("y", y), ("sample_weight", sample_weight)]:
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name}: with data from a file, the name of a column is expected, not {type(value).__name__}")
    return Data({"inputs": _paths(X), "target": y, "weight": sample_weight})


# ---- labels ------------------------------------------------------------------------------------------------------------


def _parts(y: np.ndarray) -> Any:
    return (y[i : i + PART] for i in range(0, len(y), PART))


def _check_labels(y: np.ndarray) -> None:
    """Raise what `check_classification_targets` raises, looking at a part at a time."""
    if len(y) <= PART or y.dtype.kind not in "fbiuUS":
        check_classification_targets(y)
    elif y.dtype.kind == "f":
        for part in _parts(y):
            if not np.isfinite(part).all() or (part != np.floor(part)).any():
                check_classification_targets(y)


def _classes(y: np.ndarray) -> np.ndarray:
    found: np.ndarray | None = None
    for part in _parts(y):
        classes = np.unique(part)
        found = classes if found is None else np.union1d(found, classes)
    return found if found is not None else y


def _codes(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    n = len(classes)
    codes = np.empty(len(y), dtype=np.int8 if n <= 1 << 7 else np.int16 if n <= 1 << 15 else np.int32)
    for i in range(0, len(y), PART):
        codes[i : i + PART] = np.searchsorted(classes, y[i : i + PART])
    return codes


def texts(values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return strings as UTF-8 bytes one after the other, and where each begins and ends."""
    encoded = [str(value).encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded) or b"\0", dtype=np.uint8), offsets


def _label_column(y: np.ndarray) -> tuple[tuple[Any, ...], np.ndarray | None]:
    """Return the target of a classifier as a column, and the classes where the job does not know them as they are."""
    _check_labels(y)
    is_text = y.dtype.kind in "OUST"
    if not is_text and (y.dtype.kind == "b" or y.dtype.itemsize < 8 or y.dtype.kind == "f"):
        return ("y", y, None), None
    if not is_text and (len(y) == 0 or (y.max() <= MOST_EXACT and y.min() >= -MOST_EXACT)):
        return ("y", y, None), None
    classes = _classes(y)
    if is_text and all(isinstance(label, str) for label in classes.tolist()):
        return ("y", _codes(y, classes), texts(classes)), classes
    return ("y", _codes(y, classes), None), classes


# ---- arrays ------------------------------------------------------------------------------------------------------------


def _names(estimator: Any) -> tuple[str, ...] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def _array_options(X: Any, names: tuple[str, ...] | None) -> tuple[dict[str, Any], list[Any]]:
    if sp.issparse(X):
        kind = X.format
        options = {"kind": kind, "shape": X.shape, "values": X.data, "indices": X.indices, "indptr": X.indptr}
        return options, [X]
    return {"kind": "matrix", "values": X, "names": names}, [X]


def array_data(
    estimator: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    reset: bool,
    y_kind: str | None = None,
    allow_nan: bool = False,
    min_rows: int = 1,
    sparse: bool = True,
) -> Data:
    """Check arrays as scikit-learn does, with its messages, and return them as data.

    Parameters
    ----------
    y_kind : {"labels", "numbers", None}
        What the estimator learns to tell; None: there is no target.
    """
    X = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=["csr", "csc"] if sparse else False,
        accept_large_sparse=True,
        dtype="numeric",
        copy=False,
        ensure_all_finite="allow-nan" if allow_nan else True,
        ensure_min_samples=min_rows,
    )
    options, held = _array_options(X, _names(estimator))
    data = Data({}, n_rows=X.shape[0], held=held)
    target = weight = None
    if y_kind is not None:
        if y is None:
            raise ValueError(
                f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        if y_kind == "labels":
            data.label_dtype = y.dtype
            target, data.labels = _label_column(y)
        else:
            if y.dtype.kind not in "biuf":
                y = y.astype(np.float64)
            if y.dtype.kind == "f" and not np.isfinite(y.sum()) and not np.isfinite(y).all():
                what = "NaN" if np.isnan(y).any() else "infinity or a value too large"
                raise ValueError(f"Input y contains {what}.")
            target = ("y", y, None)
        held.append(target)
    if sample_weight is not None:
        weight = ("sample_weight", _check_sample_weight(sample_weight, X, dtype=np.float64), None)
        held.append(weight)
    data.options = {"data": {**options, "target": target, "weight": weight}}
    return data


def resolve(estimator: Any, X: Any, y: Any = None, sample_weight: Any = None, **checks: Any) -> Data:
    """Return what was given as data for a job: files by name, or arrays."""
    if is_path(X):
        return _file_data(X, y, sample_weight)
    if isinstance(y, (str, Path)) and not is_path(X):
        raise TypeError("y: the name of a column is for data from a file or a frame")
    return array_data(estimator, X, y, sample_weight, **checks)
