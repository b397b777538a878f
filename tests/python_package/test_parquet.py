# SPDX-License-Identifier: BSD-3-Clause
"""Parquet files: what the library reads of them itself is what pyarrow reads; an index of pandas is no column."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import skimp
from skimp import _core, _parquet
from skimp._ahead import Ahead
from skimp._columns import Table
from skimp.dataset import Dataset
from skimp.linear_model import LogisticRegression

N = 5000


@pytest.fixture(scope="module")
def table() -> Any:
    """Columns of every kind of number, some with gaps, and others that pyarrow is to read."""
    random = np.random.default_rng(0)
    gaps = random.random(N) < 0.1
    runs = (np.arange(N) // 700) % 2 == 1
    columns: dict[str, Any] = {
        "few": pa.array(random.integers(0, 40, N) / 8),
        "many": pa.array(random.random(N)),
        "constant": pa.array(np.full(N, 2.5)),
        "empty": pa.array([None] * N, pa.float64()),
        "gaps": pa.array(random.random(N), mask=gaps),
        "long gaps": pa.array(random.random(N), mask=runs),
        "f32": pa.array(random.random(N).astype(np.float32)),
        "text": pa.array(random.choice(["a", "b", "cd"], N)),
        "flag": pa.array(random.random(N) < 0.5),
        "decimal": pa.array(np.round(random.random(N), 2)).cast(pa.decimal128(5, 2)),
    }
    for bits in (8, 16, 32, 64):
        columns[f"i{bits}"] = pa.array(random.integers(-100, 100, N).astype(f"i{bits // 8}"), mask=gaps)
        top = min(np.iinfo(f"u{bits // 8}").max, 2**53)
        columns[f"u{bits}"] = pa.array(random.integers(top - 20, top, N, dtype=np.uint64).astype(f"u{bits // 8}"))
    table = pa.table(columns)
    schema = pa.schema([pa.field(f.name, f.type, f.name not in ("few", "i64")) for f in table.schema])
    return table.set_column(table.schema.get_field_index("i64"), "i64", pa.array(random.integers(0, 9, N))).cast(schema)


def numbers(column: Any) -> np.ndarray:
    """Return a column of the extension module's as doubles, NaN where it has gaps; text by its codes."""
    values, validity = column[1], column[3]
    if isinstance(values, tuple):
        bits, offset = values
        values = np.unpackbits(bits, bitorder="little")[offset:].astype(float)
    values = np.asarray(values, dtype=np.float64).copy()
    if validity is not None:
        bits, offset = validity
        there = np.unpackbits(bits, bitorder="little", count=offset + len(values))[offset:].astype(bool)
        values[~there] = np.nan
    return values


def expected(column: Any) -> np.ndarray:
    if pa.types.is_string(column.type):
        return column.combine_chunks().dictionary_encode().indices.to_numpy().astype(float)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return column.cast(pa.float64()).to_numpy().astype(float)


def same(path: Path, table: Any, n_rows: int, names: list[str] | None = None) -> None:
    names = table.schema.names if names is None else names
    at = 0
    for part in _parquet.parquet_tables(str(path), names, n_rows):
        assert [column[0] for column in part["columns"]] == names
        for name, column in zip(names, part["columns"], strict=True):
            rows = slice(at, at + part["n_rows"])
            found = numbers(column)[: part["n_rows"]]
            if name != "text":  # whose codes are of their batch
                assert np.array_equal(found, expected(table[name])[rows], equal_nan=True), (name, rows)
            else:
                ends = column[2][1]
                texts = [bytes(column[2][0][ends[i] : ends[i + 1]]).decode() for i in range(len(ends) - 1)]
                assert [texts[int(code)] for code in found] == table[name].to_pylist()[rows]
        at += part["n_rows"]
    assert at == table.num_rows


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_every_column_is_what_pyarrow_reads(
    table: Any, compression: str, version: str, dictionary: bool, tmp_path: Path
) -> None:
    path = tmp_path / "t.parquet"
    options = {"compression": compression, "data_page_version": version, "use_dictionary": dictionary}
    pq.write_table(table, path, row_group_size=2100, data_page_size=2000, write_batch_size=100, **options)
    for n_rows in (333, 100_000):
        same(path, table, n_rows)


def test_the_library_reads_what_it_can(table: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    file = _parquet._open(str(path), table.schema.names)
    others = {name for name in table.schema.names if not _parquet._is_plain(file, name)}
    assert others == {"text", "flag", "decimal"}
    pq.write_table(table, path, compression="gzip")
    assert not _parquet._is_plain(_parquet._open(str(path), ["many"]), "many")
    delta = {"use_dictionary": False, "column_encoding": {"i64": "DELTA_BINARY_PACKED"}}
    pq.write_table(table.select(["i64", "many"]), path, **delta)
    assert not _parquet._is_plain(_parquet._open(str(path), ["i64"]), "i64")
    same(path, table.select(["i64", "many"]), 999)
    nested = pa.table({"many": table["many"], "list": pa.array([[1.0]] * N)})
    pq.write_table(nested, path)
    same(path, nested.select(["many"]), 999, ["many"])
    with pytest.raises(ValueError, match=r"has no column 'other'"):
        next(_parquet.parquet_tables(str(path), ["other"], 100))


@pytest.mark.parametrize("threads", ["1", "2"])
def test_columns_that_wait(table: Any, threads: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(_parquet, "GROUP_BYTES", 30_000)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=2100, data_page_size=2000, write_batch_size=100)
    file = _parquet._open(str(path), table.schema.names)
    assert len(_parquet._groups(file, table.schema.names, _parquet._most_held())) > 2
    for n_rows in (777, 100_000):
        same(path, table, n_rows)


SMALL = """
import gc, sys
import pyarrow, pyarrow.parquet
import skimp
from skimp.linear_model import LogisticRegression

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024

model = LogisticRegression(max_iter=3, tol=1e-9)
model.fit(sys.argv[1], "y")
with skimp.config_context(max_memory=sys.argv[3]):
    gc.collect()
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    model.fit(sys.argv[2], "y")
    print(status("VmHWM") - before, model.coef_.tobytes().hex())
"""


def test_one_large_row_group_in_a_small_budget(tmp_path: Path) -> None:
    """What columns hold while they are read is taken from the budget, and the model is the same."""
    n = 200_000
    X = np.random.default_rng(0).normal(size=(n, 8))
    small, large = tmp_path / "small.parquet", tmp_path / "large.parquet"
    own = pa.table({**{f"x{j}": X[:, j] for j in range(8)}, "y": (X[:, 0] > 0).astype(np.int64)})
    pq.write_table(own.slice(0, 1000), small)
    pq.write_table(own, large, row_group_size=n)
    models = set()
    for budget, most in (("16MB", 16_000_000), ("1GiB", 1 << 30)):
        run = [sys.executable, "-c", SMALL, str(small), str(large), budget]
        growth, coef = subprocess.run(run, check=True, capture_output=True, text=True, timeout=120).stdout.split()
        assert int(growth) <= most, (budget, growth)
        models.add(coef)
    assert len(models) == 1


def test_share_of_the_budget() -> None:
    for budget, most in ((8_000_000, 1_000_000), (48 << 20, 6 << 20), (64 << 20, 64 << 20), (1 << 40, 64 << 20)):
        with skimp.config_context(max_memory=budget):
            assert _parquet._most_held() == most


def test_model_is_that_of_the_table(table: Any, tmp_path: Path) -> None:
    wanted = ["few", "many", "f32", "text", "i64", "u8"]
    y = (np.asarray(table["few"]) > 2).astype(np.int64)
    own = table.select(wanted).append_column("y", pa.array(y))
    pq.write_table(own, tmp_path / "t.parquet", row_group_size=900)
    from_table = LogisticRegression(max_iter=30, tol=1e-2).fit(own, "y")
    from_file = LogisticRegression(max_iter=30, tol=1e-2).fit(tmp_path / "t.parquet", "y")
    assert np.array_equal(from_table.coef_, from_file.coef_)
    assert from_file.encoded_feature_names_.tolist() == from_table.encoded_feature_names_.tolist()


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    X = np.random.default_rng(0).integers(0, 50, N) / 7
    pq.write_table(pa.table({"a": X, "y": X > 3}), path)
    start = pq.read_metadata(path).row_group(0).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"column 'a'.*the Parquet data is damaged"):
        LogisticRegression().fit(path, "y")


def test_reader_checks_its_arguments(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.arange(10.0)}), path, compression="none", use_dictionary=False)
    chunk = pq.read_metadata(path).row_group(0).column(0)
    where = ("a", chunk.data_page_offset, chunk.total_compressed_size, chunk.total_uncompressed_size)
    with pytest.raises(OSError, match="cannot be opened"):
        _core.Parquet(str(tmp_path / "none"), 1, 0)
    with pytest.raises(ValueError, match="1 to 2"):
        _core.Parquet(str(path), 0, 0)
    with pytest.raises(MemoryError):
        _core.Parquet(str(path), 1 << 20, 1 << 20)
    reader = _core.Parquet(str(path), 1, 0)
    out = np.empty(10)
    bits = np.empty(2, dtype=np.uint8)
    with pytest.raises(RuntimeError, match="no row group"):
        reader.read(10, (out,), (bits,))
    for bad in ((*where, "int8", "SNAPPY", True), (*where, "float64", "LZ4", True), where, "a"):
        with pytest.raises((TypeError, ValueError)):
            reader.group((bad,))
    with pytest.raises(TypeError):
        reader.group(())
    reader.group(((*where, "float64", "UNCOMPRESSED", True),))
    for arrays, validity in (((out[:9],), (bits,)), ((out,), (bits[:1],)), ((), ()), ((out,), (None,))):
        with pytest.raises((TypeError, ValueError)):
            reader.read(10, arrays, validity)
    frozen = out.copy()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        reader.read(10, (frozen,), (bits,))
    assert reader.read(10, (out,), (bits,)) == (0,)
    assert np.array_equal(out, np.arange(10.0))


# ---- ahead -----------------------------------------------------------------------------------------------------------


def test_ahead_is_one_ahead_and_in_order() -> None:
    made: list[int] = []

    def items() -> Any:
        for i in range(50):
            made.append(i)
            yield i

    ahead = Ahead(items())
    for i in range(50):
        assert next(ahead) == i
        assert len(made) <= i + 2
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(ahead)
    ahead.close()


def test_ahead_raises_what_was_raised_and_ends_its_thread() -> None:
    closed = threading.Event()

    def items() -> Any:
        try:
            yield 1
            raise KeyError("third")
        finally:
            closed.set()

    ahead = Ahead(items())
    assert next(ahead) == 1
    for _ in range(2):
        with pytest.raises(KeyError, match="third"):
            next(ahead)
    ahead.close()
    assert closed.is_set()
    before = threading.active_count()
    endless = Ahead(iter(lambda: 0, 1))
    assert next(endless) == 0
    endless.close()
    assert threading.active_count() == before


def test_reading_that_is_given_up_leaves_no_thread(table: Any, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    before = threading.active_count()
    parts = _parquet.parquet_tables(str(tmp_path / "t.parquet"), table.schema.names, 50)
    next(parts)
    assert threading.active_count() > before
    parts.close()
    assert threading.active_count() == before
    n_open = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        next(_parquet.parquet_tables(str(tmp_path / "t.parquet"), table.schema.names, 50))
    assert len(os.listdir("/proc/self/fd")) == n_open


# ---- an index --------------------------------------------------------------------------------------------------------

INDEXES = {
    "texts": lambda n: pd.Index([f"r{i}" for i in range(n)]),
    "named": lambda n: pd.Index(np.arange(n)[::-1], name="id"),
    "two": lambda n: pd.MultiIndex.from_arrays([np.arange(n), np.arange(n) % 3], names=["id", None]),
    "range": lambda n: pd.RangeIndex(n),
}


@pytest.mark.parametrize("index", INDEXES)
def test_an_index_of_pandas_is_no_column(index: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.random(200), "b": random.random(200)}, index=INDEXES[index](200))
    frame["y"] = (frame.a > 0.5).astype(int)
    frame.to_parquet(tmp_path / "f.parquet")
    arrow = pa.Table.from_pandas(frame, preserve_index=True if index != "range" else None)
    with pa.OSFile(str(tmp_path / "f.arrow"), "wb") as sink, pa.ipc.new_file(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    expected = LogisticRegression().fit(frame.reset_index(drop=True), "y")
    sources = {
        "parquet": tmp_path / "f.parquet",
        "arrow": tmp_path / "f.arrow",
        "table": arrow,
        "batches": arrow.to_reader(),
        "dataset": pyarrow.dataset.dataset(tmp_path / "f.parquet"),
    }
    for what, X in sources.items():
        found = LogisticRegression().fit(X, "y")
        assert found.feature_names_in_.tolist() == ["a", "b"], what
        assert np.allclose(found.coef_, expected.coef_, rtol=1e-6), what  # of doubles, which a store keeps as floats
        if what != "batches":
            assert np.array_equal(found.predict(X), expected.predict(frame[["a", "b"]])), what
    with Dataset(tmp_path / "f.parquet", target="y") as data:
        assert data.columns == ["a", "b"]
    chunk: Table = arrow.drop_columns(["y"])
    found = LogisticRegression().fit(iter([(chunk, frame.y.to_numpy())]))
    assert found.feature_names_in_.tolist() == ["a", "b"]
