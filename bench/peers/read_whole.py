# SPDX-License-Identifier: BSD-3-Clause
"""Read one file whole with one library, as its manual says to, and nothing else."""

import argparse


def read_pandas(path: str) -> int:
    import pandas as pd

    return len(pd.read_csv(path))


def read_pyarrow(path: str) -> int:
    from pyarrow import csv

    return csv.read_csv(path).num_rows


def read_polars(path: str) -> int:
    import polars as pl

    return pl.read_csv(path).height


def read_duckdb(path: str) -> int:
    import duckdb

    connection = duckdb.connect()
    connection.execute("CREATE TABLE whole AS SELECT * FROM read_csv(?)", [path])
    return connection.execute("SELECT count(*) FROM whole").fetchone()[0]


def read_svmlight(path: str) -> int:
    from sklearn.datasets import load_svmlight_file

    return load_svmlight_file(path)[0].shape[0]


READERS = {
    "pandas": read_pandas,
    "pyarrow": read_pyarrow,
    "polars": read_polars,
    "duckdb": read_duckdb,
    "scikit-learn": read_svmlight,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=list(READERS))
    parser.add_argument("path")
    arguments = parser.parse_args()
    print(f'{{"rows": {READERS[arguments.library](arguments.path)}}}')


if __name__ == "__main__":
    main()
