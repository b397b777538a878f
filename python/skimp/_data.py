# SPDX-License-Identifier: BSD-3-Clause
"""What `fit`, `predict`, `score` and `transform` are given, as jobs take it.

That is arrays where they lie, files by name, and the rest in batches.  Nothing here copies X.  A label that is text is
turned into a code of as few bytes as will do, by parts of the array.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from skimp._batches import Batches, file_parts, is_polars, is_stream, mapped_file, parts_again, parts_of
from skimp._columns import (
    has_text,
    in_place,
    is_pandas,
    native,
    pandas_names,
    pandas_table,
    refuse_times,
    table_names,
    table_shape,
    texts,
)
from skimp._paths import arrow_format, is_path, paths_of
from skimp._targets import target_column

__all__ = ["PART", "Data", "arranged", "array_data", "is_data", "is_path", "planned", "resolve"]

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
    has_source : bool
        Rows come from a source whose memory is its own.
    has_names : bool
        The data's columns have names of their own.
    order : ndarray or None
        Of rows that the job gives in another order: which of them each is.
    """

    options: dict[str, Any]
    n_rows: int | None = None
    labels: np.ndarray | None = None
    label_dtype: np.dtype | None = None
    has_names: bool = True
    has_source: bool = False
    order: np.ndarray | None = None
    held: list[Any] = field(default_factory=list)


def planned(job: Any, data: Data) -> dict[str, Any]:
    """Return the plan of a job over data."""
    return {**job.plan(), "has_source": data.has_source}


def is_dataset(X: Any) -> bool:
    """Say whether this is a `skimp.Dataset`."""
    return getattr(type(X), "_is_skimp_dataset", False)


def is_data(X: Any) -> bool:
    """Say whether no array can be had of this: files, streams, chunks, a Dataset."""
    return is_path(X) or is_dataset(X) or is_stream(X)


def arranged(result: Any, order: np.ndarray) -> Any:
    """Return what `Job.apply` returned with its rows in another order."""
    if not isinstance(result, tuple):
        rows = np.asarray(result)
        if len(rows) != len(order):  # some come more than once
            return rows[order]
        for column in rows.T:
            column[:] = column[order]
        return rows
    values, indices, indptr, n_columns = result
    parts = (np.asarray(values), np.asarray(indices), np.asarray(indptr))
    rows = sp.csr_array(parts, shape=(len(parts[2]) - 1, n_columns))[order]
    return rows.data, rows.indices, rows.indptr, n_columns


# ---- labels ----------------------------------------------------------------------------------------------------------


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


def _label_column(y: np.ndarray) -> tuple[tuple[Any, ...], np.ndarray | None]:
    """Return the target of a classifier as a column, and the classes where the job does not know them as they are."""
    _check_labels(y)
    is_text = y.dtype.kind in "OUST"
    if not is_text and (y.dtype.kind == "b" or y.dtype.itemsize < 8 or y.dtype.kind == "f"):
        return ("y", y, None), None
    if not is_text and (len(y) == 0 or (y.max() < MOST_EXACT and y.min() > -MOST_EXACT)):
        return ("y", y, None), None
    classes = _classes(y)
    if is_text and all(isinstance(label, str) for label in classes.tolist()):
        return ("y", _codes(y, classes), texts(classes)), classes
    return ("y", _codes(y, classes), None), classes


# ---- arrays ----------------------------------------------------------------------------------------------------------


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
    refuse_times(X)
    X = native(X)
    options, held = _array_options(X, _names(estimator))
    data = Data({}, n_rows=X.shape[0], held=held)
    target = None if y_kind is None else _target(estimator, data, y, y_kind, X)
    weight = _weight(sample_weight, X)
    held.append((target, weight))
    data.options = {"data": {**options, "target": target, "weight": weight}}
    return data


# ---- targets and weights beside the rows -----------------------------------------------------------------------------


def _need_target(estimator: Any) -> None:
    raise ValueError(f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None.")


def _target(estimator: Any, data: Data, y: Any, y_kind: str, X: Any = None) -> tuple[Any, ...]:
    """Return targets of all rows as a column, and note in `data` what classes are to be."""
    if y is None:
        _need_target(estimator)
    y = native(column_or_1d(y, warn=True))
    if X is not None:
        check_consistent_length(X, y)
    if y_kind == "labels":
        data.label_dtype = y.dtype
        target, data.labels = _label_column(y)
        return target
    if y.dtype.kind not in "biuf":
        y = y.astype(np.float64)
    if y.dtype.kind == "f" and not np.isfinite(y.sum()) and not np.isfinite(y).all():
        what = "NaN" if np.isnan(y).any() else "infinity or a value too large"
        raise ValueError(f"Input y contains {what}.")
    return ("y", y, None)


def _weight(sample_weight: Any, X: Any) -> tuple[Any, ...] | None:
    return (
        None
        if sample_weight is None
        else ("sample_weight", _check_sample_weight(sample_weight, X, dtype=np.float64), None)
    )


def _forget_columns(estimator: Any) -> None:
    """What columns there are is set anew, from the model: those of files, and of frames of which one is the target."""
    for name in ("n_features_in_", "feature_names_in_"):
        estimator.__dict__.pop(name, None)


def _model_columns(estimator: Any) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else list(map(str, names))


# ---- frames ----------------------------------------------------------------------------------------------------------


def _without_roles(estimator: Any, X: Any) -> Any:
    """Return a frame without the target of the fit, where it has that, in the order of the fit if it is all the rest."""
    names = _model_columns(estimator)
    target = getattr(getattr(estimator, "_skimp", None), "meta", {}).get("target")
    if names is None or target is None:
        return X
    role = target_column(target)
    there = list(map(str, X.columns))
    if role in names or role not in there:
        return X
    kept = [column for column, name in zip(X.columns, there, strict=True) if name != role]
    return X[names if set(names) == set(there) - {role} else kept]


def _pandas_data(estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_kind: str | None) -> Data:
    """Return a pandas frame as data: its columns where they lie where that can be, else in batches of some rows."""
    names_target, names_weight = isinstance(y, str), isinstance(sample_weight, str)
    if not reset and not names_target:
        X = _without_roles(estimator, X)
    n_rows, n_columns = X.shape
    for n, what in ((n_rows, "sample(s)"), (n_columns, "feature(s)")):
        if n == 0:
            raise ValueError(f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is required.")
    if names_target or names_weight:
        if reset:
            _forget_columns(estimator)
    else:
        _check_feature_names(estimator, X.iloc[:0], reset=reset)
        _check_n_features(estimator, X.iloc[:0], reset=reset)
    data = Data({}, n_rows=n_rows, held=[X])
    has_target = y_kind is not None or names_target
    target = None if not has_target or names_target else _target(estimator, data, y, y_kind or "", X)
    weight = None if names_weight else _weight(sample_weight, X)
    if in_place(X):
        own = {**pandas_table(X, pandas_names(X)), "target": target, "weight": weight}
    else:
        parts, n = parts_of(X)
        own = Batches(parts, n, target, weight).options()
    data.options = {"data": own}
    if names_target:
        data.options["target"] = y
        data.label_dtype = np.dtype(bool) if y in X.columns and X[y].dtype == bool else None
    if names_weight:
        data.options["weight"] = sample_weight
    return data


# ---- streams and files -----------------------------------------------------------------------------------------------


def _check_names(estimator: Any, table: dict[str, Any], reset: bool) -> None:
    """Check the columns of a stream as scikit-learn checks those of a frame."""
    names = table_names(table)
    shape = np.empty((0, table_shape(table)[1]))
    if names is None:
        _check_feature_names(estimator, shape, reset=reset)
    else:
        import pyarrow as pa

        _check_feature_names(estimator, pa.table({name: pa.array([], pa.float64()) for name in names}), reset=reset)
    _check_n_features(estimator, shape, reset=reset)


def _batch_data(
    estimator: Any,
    parts: Any,
    n_rows: int,
    y: Any,
    sample_weight: Any,
    *,
    reset: bool,
    y_kind: str | None,
    held: Any,
    again: Any = None,
    target_name: str | None = None,
) -> Data:
    """Return rows that come in batches as data; again: what gives them once more; target_name: what y is called."""
    data = Data({}, n_rows=n_rows or None, held=[held])
    names_target, names_weight = isinstance(y, str), isinstance(sample_weight, str)
    is_wanted = y_kind is not None
    target = _target(estimator, data, y, y_kind or "") if is_wanted and y is not None and not names_target else None
    if target is not None and target_name is not None:
        target = (target_name, *target[1:])
    weight = None
    if sample_weight is not None and not names_weight:
        weight = ("sample_weight", np.asarray(sample_weight, dtype=np.float64), None)
    batches = Batches(parts, n_rows, target, weight, again)
    data.has_names = table_names(batches.table) is not None
    data.has_source = True
    if is_wanted and y is None and not batches.has_target:
        _need_target(estimator)
    if batches.y is not None and target is None and is_wanted:
        _check_part(batches.y, data, y_kind)
    if reset:
        _forget_columns(estimator)
    if not names_target and not names_weight and estimator is not None:
        if reset:
            _check_names(estimator, batches.table, reset=True)
        elif names_known(estimator, batches.table):
            _check_names(estimator, batches.table, reset=False)
    data.options = {"data": batches.options()}
    if names_target:
        data.options["target"] = y
    if names_weight:
        data.options["weight"] = sample_weight
    return data


def names_known(estimator: Any, table: dict[str, Any]) -> bool:
    """Say whether the names of the columns tell if they are the model's; else the library says what is missing."""
    names, known = table_names(table), _model_columns(estimator)
    return names is None or known is None or not set(known) <= set(names)


def _check_part(y: np.ndarray, data: Data, y_kind: str | None) -> None:
    """Look at the first targets of a stream."""
    if y_kind == "labels":
        check_classification_targets(y)
        data.label_dtype = y.dtype if y.dtype.kind in "biu" else None
    elif y.dtype.kind not in "biuf":
        raise ValueError(f"targets of a regression are numbers, not {y.dtype}")


def _file_data(estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_kind: str | None) -> Data:
    paths = paths_of(X)
    kind = arrow_format(paths)
    if kind is not None:
        wanted = None if reset or estimator is None else _model_columns(estimator)
        parts, n_rows = file_parts(paths, kind, wanted=wanted if not isinstance(y, str) else None)
        return _batch_data(estimator, parts, n_rows, y, sample_weight, reset=reset, y_kind=y_kind, held=paths)
    given = [value for value in (y, sample_weight) if value is not None and not isinstance(value, str)]
    if given and (y_kind is not None or given[-1] is sample_weight):
        from skimp.dataset import Dataset

        target, weight = (value if isinstance(value, str) else None for value in (y, sample_weight))
        data = Dataset(X, target=target, weight=weight)
        return _dataset_data(estimator, data, y, sample_weight, reset=reset, y_kind=y_kind)
    if reset and estimator is not None:
        _forget_columns(estimator)
    roles = {"target": y if isinstance(y, str) else None}
    roles["weight"] = sample_weight if isinstance(sample_weight, str) else None
    return Data({"inputs": paths, **roles}, has_names=not all(path.endswith(".npy") for path in paths))


# ---- Datasets --------------------------------------------------------------------------------------------------------


def is_own(own: np.ndarray | None, given: Any) -> bool:
    """Say whether this is the Dataset's own column, as a meta-estimator has indexed it."""
    if given is own:
        return True
    given = np.asarray(given)
    if own is None or given.shape != own.shape:
        return False
    return all(np.array_equal(own[i : i + PART], given[i : i + PART]) for i in range(0, len(own), PART))


def _dataset_parts(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    reset: bool,
    y_kind: str | None,
    target_name: str | None = None,
) -> Data:
    """Return a Dataset with another target or weight: in batches, to be stored once more."""
    parts = ((table, None, None) for table in X._tables())
    own: dict[str, Any] = {"reset": reset, "y_kind": y_kind, "target_name": target_name}
    return _batch_data(estimator, parts, len(X), y, sample_weight, **own, held=X)


def _dataset_data(estimator: Any, X: Any, y: Any, sample_weight: Any, *, reset: bool, y_kind: str | None) -> Data:
    data = Data(X._options(), n_rows=len(X), has_names=X._has_names, order=X._order, held=[X])
    if isinstance(y, str) and y not in (X.target_name, X._target_text):
        raise ValueError(f"y: the target of this Dataset is {X.target_name!r}, chosen when it was made, not {y!r}")
    if isinstance(sample_weight, str) and sample_weight != X.weight_name:
        raise ValueError(f"sample_weight: that of this Dataset is {X.weight_name!r}, not {sample_weight!r}")
    if y_kind is None:
        if sample_weight is not None and not isinstance(sample_weight, str) and not is_own(X.weight, sample_weight):
            return _dataset_parts(estimator, X, None, sample_weight, reset=reset, y_kind=None)
        if X._target_text is not None:
            data.options["target"] = X._target_text  # for a score
        return data
    if y is None and X.target_name is None:
        _need_target(estimator)
    if reset and estimator is not None:
        _forget_columns(estimator)
    own_target = y is None or isinstance(y, str) or is_own(X.target, y)
    own_weight = sample_weight is None or isinstance(sample_weight, str) or is_own(X.weight, sample_weight)
    if own_target and own_weight and not X._repeats:
        if y is not None and not isinstance(y, str) and np.asarray(y).dtype.kind in "biu":
            data.label_dtype = np.asarray(y).dtype
        return data
    if X._repeats:
        raise ValueError("this Dataset has rows more than once: give such rows a sample_weight instead")
    name = (X._target_text or X.target_name) if own_target else None
    y = X.target if own_target else y
    sample_weight = X.weight if own_weight else sample_weight
    return _dataset_parts(estimator, X, y, sample_weight, reset=reset, y_kind=y_kind, target_name=name)


# ---- all of them -----------------------------------------------------------------------------------------------------


def resolve(
    estimator: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    reset: bool,
    y_kind: str | None = None,
    allow_nan: bool = False,
    encode: bool | None = None,
    **checks: Any,
) -> Data:
    """Return what was given as data for a job: files by name, arrays, or batches.

    Parameters
    ----------
    reset : bool
        It is for a fit: columns are learnt, not checked.
    y_kind : {"labels", "numbers", None}
        What the estimator learns to tell; None: there is no target.
    encode : bool, default=None
        Text of frames is one-hot encoded; None: for those that learn to tell something, and models of text.
    """
    own: dict[str, Any] = {"reset": reset, "y_kind": y_kind}
    if is_path(X):
        return _file_data(estimator, X, y, sample_weight, **own)
    if is_dataset(X):
        return _dataset_data(estimator, X, y, sample_weight, **own)
    if mapped_file(X) and not isinstance(y, str):
        parts, n_rows = parts_of(X)
        return _batch_data(estimator, parts, n_rows, y, sample_weight, **own, held=X)
    if is_polars(X) or is_stream(X):
        parts, n_rows = parts_of(X, None if reset or isinstance(y, str) else _model_columns(estimator))
        return _batch_data(estimator, parts, n_rows, y, sample_weight, **own, held=X, again=parts_again(X))
    if is_pandas(X) and not hasattr(X, "sparse") and _takes_frame(X, reset, y_kind, encode, isinstance(y, str)):
        return _pandas_data(estimator, X, y, sample_weight, **own)
    if isinstance(X, (list, tuple)) and len(X) > 0 and all(is_path(part) for part in X):
        raise TypeError("X is a list of texts: several files are given as skimp.Dataset([...]), or as one glob")
    if isinstance(y, (str, os.PathLike)):
        raise TypeError("y: the name of a column is for data from a file or a frame")
    return array_data(estimator, X, y, sample_weight, reset=reset, y_kind=y_kind, allow_nan=allow_nan, **checks)


def _takes_frame(X: Any, reset: bool, y_kind: str | None, encode: bool | None, names_target: bool) -> bool:
    """A transformer of numbers has scikit-learn's words for a frame of text, but not where a target is named, as of a file."""
    if encode is None:
        encode = y_kind is not None or not reset
    return encode or names_target or not has_text(X)
