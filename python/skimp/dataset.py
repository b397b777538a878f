# SPDX-License-Identifier: BSD-3-Clause
"""Data parsed once and used many times: a chunk store on disk, and views of its rows."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from skimp import _config, _core
from skimp._columns import Table, texts
from skimp._encoder import Encoder, Encoding, csr_table, encoding_of, joined, narrow, values_of
from skimp._progress import telling
from skimp._sources import Reading, kept_store, source_of

__all__ = ["Dataset"]


def _close(fd: int, owner: int) -> None:
    """Close the store, of which there is no name: with this it is gone."""
    if os.getpid() == owner:
        os.close(fd)


class Dataset:
    """Data parsed once, kept on disk in a compact form, and used many times.

    It stands for X wherever X may be given, and inside scikit-learn's meta-estimators: ``cross_val_score``,
    ``GridSearchCV`` and the like take rows of it by views, which copy nothing.

    Transformers return it too, of files, streams and Datasets: such a one is lazy.  Its rows are computed, and kept on
    disk, when something is first asked of them.

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
    on_missing : {"error", "drop"}, default="error"
        Rows that miss the target, the weight or (where no step imputes it) a value: kept as missing, and an error for the
        estimator that cannot take them; or left out.
    on_bad_row : {"error", "skip"}, default="error"
        Rows of text files with too many or too few values, or text in a column of numbers.
    delimiter : str, default=None
        Of CSV, one character; None: found out.
    header : bool, default=None
        Whether the first row of CSV holds names; None: found out.
    zero_based : bool, default=None
        Whether indices of svmlight begin at 0; None: found out.
    index64 : bool, default=False
        Whether indices of svmlight may need 64 bits.
    hash_bits : int, default=0
        Text columns are hashed into ``2 ** hash_bits`` features, rather than one-hot encoded with a feature for each text;
        `chunks` and `take` are not to be had then.

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

    So do transformers, and return another:

    >>> from skimp.preprocessing import MinMaxScaler
    >>> with skimp.Dataset(X, target=X.sum(axis=1)) as data:
    ...     scaled = MinMaxScaler().fit_transform(data)
    ...     print(scaled.take([0, 5])[0])
    [[0. 0.]
     [1. 1.]]
    """

    _is_skimp_dataset = True
    _encoding: Encoding | None = None  # the features of `chunks`; None: what is in the store

    def __init__(
        self,
        files_or_data: Any,
        *,
        target: Any = None,
        weight: Any = None,
        drop: Sequence[str] | None = None,
        format: str | None = None,
        max_memory: str | int | None = None,
        on_missing: str = "error",
        on_bad_row: str = "error",
        delimiter: str | None = None,
        header: bool | None = None,
        zero_based: bool | None = None,
        index64: bool = False,
        hash_bits: int = 0,
    ) -> None:
        reading = Reading(on_missing, on_bad_row, delimiter, header, zero_based, index64, hash_bits)
        self._max_memory = None if max_memory is None else _config.parse_size(max_memory)
        self._carried: dict[str, Any] = {}
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
        if getattr(type(files_or_data), "_is_skimp_dataset", False):
            raise TypeError("a Dataset is one already: take rows of it by data[rows]")
        kept = kept_store(files_or_data)
        if kept is not None:
            if target is not None or weight is not None or drop:
                raise ValueError(
                    f"{kept!r} is a chunk store: its target, weight and columns were chosen when it was made"
                )
            self._path = kept
        else:
            columns = (target, weight, tuple(drop or ()))
            source = source_of(files_or_data, *columns, format, max_memory=self._max_memory, reading=reading)
            self._has_names = source.has_names
            self._convert(source.options)
        self._describe()

    # ---- making ----

    def _config(self) -> dict[str, Any]:
        return _config.job_options(self._carried, self._max_memory)

    def _convert(self, options: dict[str, Any], write: Callable[[Any, str, Any], object] = _core.Job.convert) -> None:
        """Have a job write what it reads into a store that only this holds.

        The file has no name once it is open here: whatever ends the process, it is gone.
        """
        config = self._config()
        directory = config["spill_dir"] or os.environ.get("TMPDIR") or "/var/tmp"
        _core.spill_check(directory)
        with tempfile.TemporaryDirectory(prefix="skimp-", dir=directory) as own:
            path = os.path.join(own, "data.skimp")
            job = _core.Job({**config, **options})
            with telling(_config.effective(self._carried)["progress"]) as tell:
                write(job, path, tell)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = f"/proc/{os.getpid()}/fd/{fd}"
        self._finalizer = weakref.finalize(self, _close, fd, os.getpid())

    def _describe(self) -> None:
        job = _core.Job({**self._config(), "inputs": (self._path,)})
        plan = job.plan()
        columns = job.columns()
        self._n: int = plan["rows"]
        self._n_all = self._n
        self._bytes = os.stat(self._path).st_size
        is_sparse = [kind for _, kind, _ in columns] == ["sparse"]
        self.columns: list[str] | None = None if is_sparse else [name for name, _, role in columns if role == "feature"]
        self._n_columns: int = plan["features"] if self.columns is None else len(self.columns)
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
        view._encoding = self._encoding
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
            part = slice(at, at + chunk["n_rows"])
            at = part.stop
            labels = np.array([*chunk["labels"], None], dtype=object) if chunk.get("labels") is not None else labels
            if chunk["target"] is not None:
                targets[part] = values_of(chunk["target"])
            if chunk["weight"] is not None:
                weights[part] = values_of(chunk["weight"])
        if self.target_name is not None:
            self._target = labels[targets.astype(np.intp)] if labels is not None else narrow(targets)
        self._weight = weights if self.weight_name is not None else None
        self._has_read = True

    @staticmethod
    def _next_chunk(job: Any, with_texts: bool = False) -> dict[str, Any] | None:
        chunk: dict[str, Any] | None = job.next_chunk(with_texts)
        return chunk

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
                yield csr_table(chunk)
                continue
            columns = [
                (name, values_of(pair), own_texts[i])
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
        encoder: Encoder | None = None
        labels: np.ndarray | None = None
        is_whole = self.target_name is not None and (self._owner or self)._is_whole()
        for chunk in self._chunks():
            if encoder is None:
                encoder = Encoder(chunk, self.columns, self._encoding or encoding_of(chunk, self.columns))
                labels = None if chunk.get("labels") is None else np.array([*chunk["labels"], None], dtype=object)
            y = None if chunk["target"] is None else values_of(chunk["target"])
            if y is not None:
                y = labels[y.astype(np.intp)] if labels is not None else y.astype(np.int64) if is_whole else y.copy()
            yield encoder(chunk), y, None if chunk["weight"] is None else values_of(chunk["weight"]).copy()

    def _own_encoding(self) -> Encoding:
        """Return the features that `chunks` makes of these rows."""
        first = next(self._chunks(), None)
        if first is None:
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
        return self._encoding or encoding_of(first, self.columns)

    def _encoded(self, encoding: Encoding) -> Dataset:
        """Return a view of all rows whose `chunks` have these features."""
        view = self[:]
        view._encoding = encoding
        return view

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
        X, y, weight = (joined([part[k] for part in parts]) for k in range(3))
        if view._order is not None:
            X, y, weight = (None if part is None else part[view._order] for part in (X, y, weight))
        return X, y, weight

    # ---- its life ----

    def __copy__(self) -> Dataset:
        """Return a view of all rows: it keeps the store open, of which there is one."""
        return self[:]

    def __deepcopy__(self, memo: dict[int, Any]) -> Dataset:
        """Return a view of all rows: nothing of a store changes, and a copy of it would need the disk twice."""
        return self[:]

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
