# SPDX-License-Identifier: BSD-3-Clause
"""Data parsed once and used many times: a chunk store on disk, and views of its rows."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from skimp import _config, _core
from skimp._batches import Batches, file_parts, is_polars, is_stream, label_column, mapped_file, parts_of
from skimp._columns import Table, is_pandas, table_names, texts
from skimp._paths import arrow_format, is_path, paths_of

__all__ = ["Dataset"]

MOST_DENSE = 4096  # encoded columns of a chunk that is an array


def _close(fd: int, owner: int) -> None:
    """Close the store, of which there is no name: with this it is gone."""
    if os.getpid() == owner:
        os.close(fd)


class Dataset:
    """Data parsed once, kept on disk in a compact form, and used many times.

    It stands for X wherever X may be given, and inside scikit-learn's meta-estimators: ``cross_val_score``,
    ``GridSearchCV`` and the like take rows of it by views, which copy nothing.

    Parameters
    ----------
    files_or_data : path, list of paths, frame, array, stream or iterator of chunks
        What `fit` takes; besides several files, which are one data set.
    target : str or array-like, default=None
        The column to be learnt, or a comparison such as ``"delay>15"``; or its values.
    weight : str or array-like, default=None
        The column of sample weights; or their values.
    drop : sequence of str, default=None
        Columns that are left out.
    format : str, default=None
        ``"csv"``, ``"tsv"``, ``"svmlight"``, ``"npy"``, ``"parquet"``, ``"arrow"``; None: by name and first bytes.
    max_memory : str or int, default=None
        Budget for parsing and for `chunks`; None: that of `skimp.config_context`.

    Attributes
    ----------
    shape : tuple of int
        Rows, and input columns (before text is encoded).
    ndim : int
        Two, as of an array.
    columns : list of str or None
        Names of the input columns; None: sparse data.
    target : ndarray of shape (n_samples,) or None
        The targets, in the order of the rows; read when they are first asked for.
    weight : ndarray of shape (n_samples,) or None
        The sample weights; read when they are first asked for.
    target_name : str or None
        Name of the target's column.
    weight_name : str or None
        Name of the weights' column.

    Examples
    --------
    >>> import numpy as np
    >>> import skimp
    >>> from skimp.linear_model import Ridge
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> with skimp.Dataset(X, target=X.sum(axis=1)) as data:
    ...     print(data.shape, data[:4].shape)
    ...     Ridge(alpha=1e-9).fit(data).predict(data[4:]).round(3)
    (6, 2) (4, 2)
    array([17., 21.])

    scikit-learn's tools take it, with its target:

    >>> from sklearn.model_selection import cross_val_score
    >>> with skimp.Dataset(X, target=X.sum(axis=1)) as data:
    ...     cross_val_score(Ridge(alpha=1e-9), data, data.target, cv=2).round(3)
    array([1., 1.])
    """

    _is_skimp_dataset = True

    def __init__(
        self,
        files_or_data: Any,
        *,
        target: Any = None,
        weight: Any = None,
        drop: Sequence[str] | None = None,
        format: str | None = None,
        max_memory: str | int | None = None,
    ) -> None:
        self._max_memory = None if max_memory is None else _config.parse_size(max_memory)
        self._owner: Dataset | None = None
        self._bits: np.ndarray | None = None
        self._order: np.ndarray | None = None
        self._repeats = False
        self._finalizer: Any = None
        self._target: np.ndarray | None = None
        self._weight: np.ndarray | None = None
        self._has_read = False
        self._has_names = True
        self._closed = False
        self._target_text = target if isinstance(target, str) else None
        kept = self._kept_store(files_or_data)
        if kept is not None:
            if target is not None or weight is not None or drop:
                raise ValueError(
                    f"{kept!r} is a chunk store: its target, weight and columns were chosen when it was made"
                )
            self._path = kept
        else:
            self._convert(self._source(files_or_data, target, weight, tuple(drop or ()), format))
        self._describe()

    # ---- making ----

    @staticmethod
    def _kept_store(given: Any) -> str | None:
        if not is_path(given):
            return None
        paths = paths_of(given)
        is_store = len(paths) == 1 and os.path.isfile(paths[0]) and _core.file_kind(paths[0]) == "store"
        return paths[0] if is_store else None

    def _config(self) -> dict[str, Any]:
        config = _config.effective({} if self._max_memory is None else {"max_memory": self._max_memory})
        memory = self._max_memory if self._max_memory is not None else config["max_memory"]
        return {"max_memory": memory or 0, "n_threads": config["n_threads"] or 0, "spill_dir": config["spill_dir"]}

    def _source(
        self, given: Any, target: Any, weight: Any, drop: tuple[str, ...], format: str | None
    ) -> dict[str, Any]:
        """Return what a job reads."""
        by_name = {
            "target": target if isinstance(target, str) else None,
            "weight": weight if isinstance(weight, str) else None,
            "drop": drop,
        }
        arrays = (
            None if target is None or isinstance(target, str) else label_column("y", np.asarray(target)),
            None
            if weight is None or isinstance(weight, str)
            else ("sample_weight", np.asarray(weight, dtype=np.float64), None),
        )
        if getattr(type(given), "_is_skimp_dataset", False):
            raise TypeError("a Dataset is one already: take rows of it by data[rows]")
        is_list = isinstance(given, (list, tuple)) and len(given) > 0 and all(is_path(item) for item in given)
        if is_path(given) or is_list:
            paths = tuple(os.fspath(item) for item in given) if is_list else paths_of(given)
            kind = arrow_format(paths, format)
            if kind is not None:
                batches = Batches(*file_parts(paths, kind, frozenset(drop)), *arrays)
                return {**by_name, "drop": (), "data": batches.options()}
            if arrays != (None, None):
                with Dataset(list(paths), drop=drop, format=format, max_memory=self._max_memory) as plain:
                    self._convert({**by_name, "drop": (), "data": _with_arrays(plain, arrays)})
                return {}
            self._has_names = format != "npy" and not all(path.endswith(".npy") for path in paths)
            return {**by_name, "inputs": paths, "format": format}
        if is_pandas(given) or is_polars(given) or mapped_file(given) or is_stream(given):
            batches = Batches(*parts_of(given), *arrays)
            self._has_names = table_names(batches.table) is not None
            return {**by_name, "data": batches.options()}
        if not sp.issparse(given):
            given = np.asarray(given)
        elif given.format not in ("csr", "csc"):
            given = given.tocsr()
        self._has_names = False
        own: dict[str, Any] = {"kind": "matrix", "values": given, "names": None}
        if sp.issparse(given):
            own = {"kind": given.format, "shape": given.shape, "values": given.data}
            own |= {"indices": given.indices, "indptr": given.indptr}
        return {**by_name, "data": {**own, "target": arrays[0], "weight": arrays[1]}}

    def _convert(self, options: dict[str, Any]) -> None:
        """Parse into a file that has no name once it is open here: whatever ends the process, it is gone."""
        if not options:
            return
        config = self._config()
        directory = config["spill_dir"] or os.environ.get("TMPDIR") or "/var/tmp"
        with tempfile.TemporaryDirectory(prefix="skimp-", dir=directory) as own:
            path = os.path.join(own, "data.skimp")
            progress = _config.effective({})["progress"]
            _core.Job({**config, **options}).convert(path, progress if callable(progress) else None)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = f"/proc/{os.getpid()}/fd/{fd}"
        self._finalizer = weakref.finalize(self, _close, fd, os.getpid())

    def _describe(self) -> None:
        job = _core.Job({**self._config(), "inputs": (self._path,)})
        plan = job.plan()
        columns = job.columns()
        self._n_all = self._n = plan["rows"]
        self._bytes = os.stat(self._path).st_size
        is_sparse = [kind for _, kind, _ in columns] == ["sparse"]
        self.columns: list[str] | None = None if is_sparse else [name for name, _, role in columns if role == "feature"]
        self._n_columns = plan["features"] if self.columns is None else len(self.columns)
        named = {role: name for name, _, role in columns}
        self.target_name: str | None = named.get("target")
        self.weight_name: str | None = named.get("weight")
        if is_sparse:
            first = self._next_chunk(_core.Job({**self._config(), "inputs": (self._path,)}))
            self.target_name = None if first is None or first["target"] is None else "label"
            self.weight_name = None if first is None or first["weight"] is None else "weight"

    # ---- what it is ----

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and input columns."""
        return self._n, self._n_columns

    def __len__(self) -> int:
        return self._n

    @property
    def ndim(self) -> int:
        """Two, as of an array."""
        return 2

    def __repr__(self) -> str:
        root = self._owner or self
        if root._closed:
            return "<Dataset: closed>"
        of = f" of {root._n:,}" if self._owner is not None else ""
        target = f", target {self.target_name!r}" if self.target_name is not None else ""
        size = f"{self._bytes / (1 << 20):.1f} MiB" if self._bytes >= 1 << 20 else f"{self._bytes / 1024:.0f} KiB"
        return f"<Dataset: {self._n:,}{of} rows × {self._n_columns:,} columns{target}; {size} on disk>"

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError(
            "a Dataset is no array: it may not fit into memory; take its rows by `chunks()` or `take(rows)`"
        )

    def _check_open(self) -> None:
        if (self._owner or self)._closed:
            raise ValueError("the Dataset is closed")

    # ---- rows ----

    def __getitem__(self, rows: Any) -> Dataset:
        """Return a view of some rows: by a slice, a boolean mask or an array of numbers."""
        self._check_open()
        if isinstance(rows, tuple):
            if len(rows) != 2 or rows[1] is not Ellipsis:
                raise IndexError("of a Dataset rows are taken: drop columns when it is made")
            rows = rows[0]
        if isinstance(rows, slice):
            chosen = np.arange(self._n)[rows]
        elif isinstance(rows, (int, np.integer)):
            raise TypeError("one row of a Dataset is no array: take a slice, a mask or an array of rows")
        else:
            chosen = np.asarray(rows)
            if chosen.dtype == bool:
                if chosen.shape != (self._n,):
                    raise IndexError(f"a mask of shape {chosen.shape} for {self._n} rows")
                chosen = np.flatnonzero(chosen)
            elif chosen.size == 0:
                chosen = chosen.astype(np.intp)
            elif chosen.dtype.kind not in "iu" or chosen.ndim != 1:
                raise IndexError("rows are a slice, a boolean mask or an array of numbers")
        if chosen.size and (chosen.min() < -self._n or chosen.max() >= self._n):
            raise IndexError(f"row {int(chosen.max() if chosen.max() >= self._n else chosen.min())} of {self._n}")
        chosen = np.where(chosen < 0, chosen + self._n, chosen) if chosen.size and chosen.min() < 0 else chosen
        mine = self._rows()
        return self._view(chosen if mine is None else mine[chosen])

    def _view(self, rows: np.ndarray) -> Dataset:
        """Return a view of rows by their numbers in the store."""
        root = self._owner or self
        view = object.__new__(Dataset)
        view.__dict__.update(root.__dict__)
        view._owner = root
        view._finalizer = None
        view._n = len(rows)
        is_set = np.zeros(root._n_all, dtype=bool)
        is_set[rows] = True
        view._bits = np.packbits(is_set, bitorder="little")
        steps = rows[1:] > rows[:-1] if len(rows) > 1 else np.ones(0, dtype=bool)
        view._order = None if steps.all() else np.unique(rows, return_inverse=True)[1]
        view._repeats = view._order is not None and int(is_set.sum()) < len(rows)
        view._target = view._weight = None
        view._has_read = False
        return view

    def _rows(self) -> np.ndarray | None:
        """Return the numbers of the rows in the store; None: all in order."""
        if self._bits is None:
            return None
        rows = np.flatnonzero(np.unpackbits(self._bits, bitorder="little", count=self._n_all))
        return rows if self._order is None else rows[self._order]

    def _options(self) -> dict[str, Any]:
        """Return what a job reads these rows by."""
        self._check_open()
        options: dict[str, Any] = {"inputs": (self._path,)}
        return options if self._bits is None else {**options, "rows": self._bits, "n_rows": self._n_all}

    # ---- values ----

    @property
    def target(self) -> np.ndarray | None:
        """The targets as an array, in the order of the rows; None: there is no target."""
        self._read_roles()
        return self._target

    @property
    def weight(self) -> np.ndarray | None:
        """The sample weights as an array; None: there are none."""
        self._read_roles()
        return self._weight

    def _read_roles(self) -> None:
        if self._has_read or (self.target_name is None and self.weight_name is None):
            return
        root = self._owner
        if root is not None:
            rows = self._rows()
            self._target = None if root.target is None else root.target[rows]
            self._weight = None if root.weight is None else root.weight[rows]
            self._has_read = True
            return
        labels: np.ndarray | None = None
        targets, weights = np.empty(self._n), np.empty(self._n if self.weight_name is not None else 0)
        at = 0
        for chunk in self._chunks():
            rows = slice(at, at + chunk["n_rows"])
            at = rows.stop
            labels = np.array([*chunk["labels"], None], dtype=object) if chunk.get("labels") is not None else labels
            if chunk["target"] is not None:
                targets[rows] = _values(chunk["target"])
            if chunk["weight"] is not None:
                weights[rows] = _values(chunk["weight"])
        if self.target_name is not None:
            self._target = labels[targets.astype(np.intp)] if labels is not None else _narrow(targets)
        self._weight = weights if self.weight_name is not None else None
        self._has_read = True

    @staticmethod
    def _next_chunk(job: Any, with_texts: bool = False) -> dict[str, Any] | None:
        return job.next_chunk(with_texts)

    def _chunks(self) -> Iterator[dict[str, Any]]:
        """Yield the chunks of the rows in the store's order; the first one has the texts."""
        if self._n == 0:
            return
        job = _core.Job({**self._config(), **self._options()})
        chunk = self._next_chunk(job, True)
        while chunk is not None:
            yield chunk
            chunk = self._next_chunk(job)

    def _tables(self) -> Iterator[Table]:
        """Yield the rows as tables, text as codes; a view's rows in its own order only where that is the store's."""
        if self._order is not None:
            raise ValueError("rows that are not in order cannot be given another target or weight: sort them first")
        own_texts: list[Any] = []
        for chunk in self._chunks():
            if "texts" in chunk:
                own_texts = [None if given is None else texts(given) for given in chunk["texts"]]
            if "indptr" in chunk:
                yield _csr_table(chunk)
                continue
            columns = [
                (name, _values(pair), own_texts[i])
                for i, (name, pair) in enumerate(zip(self.columns or [], chunk["columns"], strict=True))
            ]
            yield {"kind": "columns", "n_rows": chunk["n_rows"], "columns": tuple(columns)}

    def chunks(self) -> Iterator[tuple[Any, np.ndarray | None, np.ndarray | None]]:
        """Yield (X, y, weight), some rows at a time, in the order of the store.

        X is an array of doubles, of sparse data CSR; text is one-hot encoded, a column for each text of the whole
        Dataset (CSR where those are thousands).  y and weight are arrays, or None.

        Yields
        ------
        X : ndarray or csr_array
            Shape (rows of this chunk, encoded columns).
        y : ndarray or None
            Targets.
        weight : ndarray or None
            Sample weights.
        """
        encoder: _Encoder | None = None
        labels: np.ndarray | None = None
        is_whole = self.target_name is not None and (self._owner or self)._is_whole()
        for chunk in self._chunks():
            if encoder is None:
                encoder = _Encoder(chunk)
                labels = None if chunk.get("labels") is None else np.array([*chunk["labels"], None], dtype=object)
            y = None if chunk["target"] is None else _values(chunk["target"])
            if y is not None:
                y = labels[y.astype(np.intp)] if labels is not None else y.astype(np.int64) if is_whole else y.copy()
            yield encoder(chunk), y, None if chunk["weight"] is None else _values(chunk["weight"]).copy()

    def _is_whole(self) -> bool:
        target = self.target
        return target is not None and target.dtype.kind == "i"

    def take(self, rows: Any) -> tuple[Any, np.ndarray | None, np.ndarray | None]:
        """Return (X, y, weight) of some rows as arrays, in the order that is asked for.

        Parameters
        ----------
        rows : slice, mask or array of int
            As of ``data[rows]``.

        Returns
        -------
        X : ndarray or csr_array
            As `chunks` yields it.
        y : ndarray or None
            Targets.
        weight : ndarray or None
            Sample weights.
        """
        view = self[rows]
        parts = list(view.chunks())
        if not parts:
            raise ValueError("no rows to take")
        X = (
            sp.vstack([part[0] for part in parts], format="csr")
            if sp.issparse(parts[0][0])
            else np.concatenate([p[0] for p in parts])
        )
        y, weight = (None if parts[0][k] is None else np.concatenate([part[k] for part in parts]) for k in (1, 2))
        if view._order is not None:
            X, y, weight = (None if part is None else part[view._order] for part in (X, y, weight))
        return X, y, weight

    # ---- its life ----

    def close(self) -> None:
        """Give the disk back; views of it end with it."""
        if self._owner is None:
            self._closed = True
            if self._finalizer is not None:
                self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a worker needs: the store's place, which is there while its owner lives."""
        self._check_open()
        state = {
            **self.__dict__,
            "_owner": None,
            "_finalizer": None,
            "_target": None,
            "_weight": None,
            "_has_read": False,
        }
        if self._owner is not None:
            state["_root"] = self._owner.__getstate__()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        root = state.pop("_root", None)
        self.__dict__.update(state)
        if root is not None:
            self._owner = object.__new__(Dataset)
            self._owner.__setstate__(root)


def _values(pair: tuple[str, bytes]) -> np.ndarray:
    return np.frombuffer(pair[1], dtype=pair[0])


def _narrow(values: np.ndarray) -> np.ndarray:
    is_whole = np.isfinite(values).all() and bool((values == np.floor(values)).all())
    return values.astype(np.int64) if is_whole else values


def _csr_table(chunk: dict[str, Any]) -> Table:
    indices, indptr = _values(chunk["indices"]), _values(chunk["indptr"])
    values = None if chunk["values"] is None else _values(chunk["values"])
    shape = (chunk["n_rows"], chunk["n_columns"])
    return {"kind": "csr", "shape": shape, "values": values, "indices": indices, "indptr": indptr}


def _with_arrays(data: Dataset, arrays: tuple[Any, Any]) -> dict[str, Any]:
    parts = ((table, None, None) for table in data._tables())
    return Batches(parts, len(data), *arrays).options()


class _Encoder:
    """Makes arrays of chunks: numbers as doubles, text one-hot, its texts in ascending order."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.n_columns = first["n_columns"]
        self.ranks: list[np.ndarray | None] = []
        self.first: list[int] = []
        at = 0
        for given in first["texts"]:
            self.first.append(at)
            if given is None:
                self.ranks.append(None)
                at += 1
            else:
                rank = np.empty(len(given), dtype=np.int64)
                rank[sorted(range(len(given)), key=lambda k, given=given: given[k].encode())] = np.arange(len(given))
                self.ranks.append(rank)
                at += len(given)
        self.n_encoded = at

    def __call__(self, chunk: dict[str, Any]) -> Any:
        n = chunk["n_rows"]
        if "indptr" in chunk:
            table = _csr_table(chunk)
            values = np.ones(len(table["indices"])) if table["values"] is None else table["values"].astype(np.float64)
            return sp.csr_array((values, table["indices"].copy(), table["indptr"].copy()), shape=table["shape"])
        rows = np.arange(n)
        if self.n_encoded <= MOST_DENSE:
            X = np.zeros((n, self.n_encoded))
            for pair, rank, first in zip(chunk["columns"], self.ranks, self.first, strict=True):
                values = _values(pair)
                if rank is None:
                    X[:, first] = values
                else:
                    known = values >= 0
                    X[rows[known], first + rank[values[known]]] = 1
            return X
        parts = []
        for pair, rank, first in zip(chunk["columns"], self.ranks, self.first, strict=True):
            values = _values(pair)
            known = values >= 0 if rank is not None else np.ones(n, dtype=bool)
            places = first + (rank[values[known]] if rank is not None else np.zeros(n, dtype=np.int64))
            parts.append((np.ones(len(places)) if rank is not None else values, rows[known], places))
        data, row, column = (np.concatenate(part) for part in zip(*parts, strict=True))
        return sp.coo_array((data, (row, column)), shape=(n, self.n_encoded)).tocsr()
