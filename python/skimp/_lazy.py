# SPDX-License-Identifier: BSD-3-Clause
"""What a transformer makes of files, streams and Datasets: a Dataset whose rows are computed when they are first asked for."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np

from skimp import _core
from skimp._arrays import made_up_names, read, strings
from skimp._base import in_form, is_sparse
from skimp._data import is_dataset, is_own, is_path
from skimp._sources import Source, column_names, role_arrays, source_of, with_arrays
from skimp._targets import target_column
from skimp.dataset import Dataset

DESCRIBED = frozenset(("_path", "_n", "_n_all", "_bytes", "_n_columns", "columns", "target_name", "weight_name", "_has_names"))
OWN = ("_lock", "_given", "_y", "_by", "_model", "_names_out", "_check_report")  # of what is not computed yet


class LazyDataset(Dataset):
    """A Dataset that is made when it is used: one job reads the source, applies the model and writes the store.

    Parameters
    ----------
    estimator : Transformer
        Fitted; what it has learnt until now counts.
    given : path, stream, chunks or Dataset
        The source.
    y : str, array-like or None
        The target: a name, or values; None: that which the model was fitted beside, where the source has it.
    """

    def __init__(self, estimator: Any, given: Any, y: Any = None) -> None:
        self._max_memory = None
        self._carried = dict(estimator.__dict__.get("_skimp_config", {}))
        self._owner = None
        self._bits = self._order = None
        self._repeats = False
        self._finalizer = None
        self._target = self._weight = None
        self._has_read = False
        self._closed = False
        self._target_text = None
        self._by = type(estimator).__name__ if estimator._core_name != "pipeline" else "Pipeline"
        self._given = given
        self._y = y
        self._model = estimator._model(None)
        self._names_out = getattr(estimator, "_library_names", estimator.get_feature_names_out)
        self._check_report = estimator._check_report
        self._lock = threading.Lock()
        if is_dataset(given):
            self._of_dataset(given)

    def _of_dataset(self, given: Dataset) -> None:
        """Take over what is known of a Dataset, or its rows, without computing anything."""
        if self._y is not None and (isinstance(self._y, str) or is_own(given.target, self._y)):
            if isinstance(self._y, str) and self._y not in (given.target_name, given._target_text):
                raise ValueError(f"y: the target of this Dataset is {given.target_name!r}, chosen when it was made")
            self._y = None
        if self._y is not None and given._order is not None:
            raise ValueError("rows that are not in order cannot be given another target: sort them first")
        self._max_memory = given._max_memory
        self._carried = {**self._carried, **given._carried}
        self._target_text = given._target_text
        self._has_names = given._has_names
        self._order, self._repeats = given._order, given._repeats

    # ---- computing ----

    def __getattr__(self, name: str) -> Any:
        """Compute the rows when something is asked of them."""
        if name in DESCRIBED and "_lock" in self.__dict__:
            with self._lock:
                if "_path" not in self.__dict__:
                    self._compute()
            return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _compute(self) -> None:
        self._check_open()
        source = self._source()
        self._convert(source.options, self._write_through)
        self._has_names = source.has_names
        self._describe()
        if self._order is not None:
            self._bits = np.packbits(np.ones(self._n_all, dtype=bool), bitorder="little")
            self._n = len(self._order)
        # The roles of a Dataset are read from it, and not again.
        self._model = self._names_out = self._check_report = None
        if not is_dataset(self._given) or self._y is not None:
            self._given = self._y = None

    def _write_through(self, job: Any, path: str, tell: Any) -> None:
        """Have a job write what the model makes of its data; the names of all columns that come out are known."""
        meta, arrays = self._model.meta(), list(read(self._model).items())
        if "feature_names" not in meta and meta["data"] != "sparse":
            meta["feature_names"] = json.dumps(list(map(str, self._names_out())))
        job.convert_through(_core.Model(*in_form(meta, arrays, is_sparse(job))), path, tell)
        self._check_report(job.report())

    def _source(self) -> Source:
        given = self._given
        if is_dataset(given):
            given._check_open()
            if self._y is None:
                return Source(given._options(), given._has_names, [given])
            return with_arrays(given, role_arrays(self._y, given.weight))
        if self._y is not None:
            return source_of(given, self._y, wanted=self._wanted(self._y), max_memory=self._max_memory)
        target = self._model.meta().get("target")
        column = None if target is None else target_column(target)
        if is_path(given):
            target = target if column in (column_names(given) or ()) else None
            return source_of(given, target, wanted=self._wanted(target), max_memory=self._max_memory)
        source = source_of(given, wanted=self._wanted(target), max_memory=self._max_memory)
        if column in (source.names or ()):
            source.options["target"] = target
        return source

    def _wanted(self, target: Any) -> list[str] | None:
        """Return the columns of the source that are needed; None: that cannot be told by names."""
        columns = read(self._model).get("columns")
        names = [] if columns is None else strings(columns)
        if not names or names == made_up_names(len(names)):
            return None
        return names if not isinstance(target, str) else [*names, target_column(target)]

    # ---- what is known before ----

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and input columns."""
        n_columns = self._known_columns()
        return (len(self), n_columns) if n_columns is not None else super().shape

    def _known_columns(self) -> int | None:
        if "_n_columns" in self.__dict__ or not is_dataset(self._given):
            return None
        meta = self._model.meta()
        has_text = read(self._model).get("column_types", np.zeros(0)).any()
        return None if has_text or meta["data"] == "sparse" else int(meta["n_features"])

    def __len__(self) -> int:
        if "_n" not in self.__dict__ and is_dataset(self._given):
            return len(self._given)
        return super().__len__()

    def _read_roles(self) -> None:
        """Take target and weight of the Dataset that this comes from, where there is one: no row is computed for them."""
        given = self._given
        if not is_dataset(given):
            super()._read_roles()
        elif not self._has_read:
            self._check_open()
            self._target = given.target if self._y is None else np.asarray(self._y)
            self._weight = given.weight
            self._has_read = True

    def __repr__(self) -> str:
        if "_path" in self.__dict__ or self._closed:
            return super().__repr__()
        what = repr(self._given) if isinstance(self._given, (str, Dataset)) else type(self._given).__name__
        return f"<Dataset: {what} through {self._by}; not computed yet>"

    # ---- its life ----

    def _view(self, rows: np.ndarray) -> Dataset:
        _ = self._path
        view = super()._view(rows)
        for name in OWN:
            view.__dict__.pop(name, None)
        return view

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker needs; the rows are computed here, once for all of them."""
        self._check_open()
        _ = self._path
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in OWN} | {"_given": None}


def through(estimator: Any, X: Any, y: Any = None) -> LazyDataset:
    """Return X as a fitted transformer leaves it, to be computed when it is used."""
    if "_skimp" not in vars(estimator) and estimator._core_name != "pipeline":
        raise TypeError(
            f"this {type(estimator).__name__} was fitted in Python, on an array that the library does not take: it "
            "transforms arrays and frames, not files, streams or a Dataset"
        )
    return LazyDataset(estimator, X, y)
