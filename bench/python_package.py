# SPDX-License-Identifier: BSD-3-Clause
"""The Python package beside scikit-learn: time and growth of the resident set of a fit, in a process for each.

    python bench/python_package.py [--data-dir DIR] [--repeat N] [--case NAME ...]

It wants the package installed, and the data of `bench/run.py`.  Each run loads its data, fits a small model (imports and
first uses are not what is measured), and then fits; growth is the kernel's high-water mark during the fit over the resident
set before it.  Rounds alternate; time is the median, growth the highest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path

MIB = 1 << 20

COMMON = """
import json, os, sys, time
import numpy as np
def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) << 10
def measured(fit):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before, begun = status("VmRSS"), time.perf_counter()
    model = fit()
    seconds = time.perf_counter() - begun
    return model, seconds, status("VmHWM") - before
"""

ARRAY = """
X = np.load(data + "/higgs.npy", mmap_mode="r")
X, y = np.array(X[:, 1:], dtype=np.float32), np.array(X[:, 0], dtype=np.int8)
size = X.nbytes + y.nbytes
small = X[:500], y[:500]
"""
CSR = """
import scipy.sparse as sp
loaded = np.load(data + "/rcv.csr.npz")
y = loaded["y"].astype(np.int8) if "y" in loaded else loaded["target"].astype(np.int8)
X = sp.csr_matrix((loaded["data"], loaded["indices"], loaded["indptr"]))
size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes + y.nbytes
small = X[:500], y[:500]
"""
OBJECTIVE = """
def objective(model):
    total = 0.0
    for i in range(0, X.shape[0], 100_000):
        z = np.asarray(X[i : i + 100_000] @ model.coef_[0] + model.intercept_[0], dtype=np.float64)
        s = np.where(y[i : i + 100_000] == model.classes_[1], 1.0, -1.0)
        total += np.logaddexp(0, -s * z).sum()
    return total + 0.5 * (model.coef_.astype(np.float64) ** 2).sum()
"""
FIT = """
make(LogisticRegression()).fit(*small)
model, seconds, growth = measured(lambda: make(LogisticRegression()).fit(X, y))
print(json.dumps({"seconds": seconds, "growth": growth, "size": size, "objective": objective(model)}))
"""
FILE = """
import skimp
from sklearn.datasets import load_iris
from skimp.linear_model import LogisticRegression
LogisticRegression().fit(*load_iris(return_X_y=True))
IMPORTS
with skimp.config_context(max_memory="BUDGET"):
    model, seconds, growth = measured(lambda: LogisticRegression(FIT_PARAMETERS).fit(data + "/FILE", TARGET))
print(json.dumps({"seconds": seconds, "growth": growth, "size": os.path.getsize(data + "/FILE")}))
"""


def fitting(data: str, package: str) -> str:
    """Return a program that fits arrays with a package."""
    make = "make = lambda model: model\n"
    return COMMON + data + OBJECTIVE + f"from {package}.linear_model import LogisticRegression\n" + make + FIT


def of_file(name: str, target: str, parameters: str, budget: str = "64MiB", imports: str = "") -> str:
    """Return a program that fits a file with skimp in a budget."""
    code = FILE.replace("FILE", name).replace("TARGET", target).replace("FIT_PARAMETERS", parameters)
    return COMMON + code.replace("IMPORTS", imports).replace("BUDGET", budget)


FIRST = """
import time
begun = time.perf_counter()
from sklearn.datasets import load_iris
from PACKAGE.linear_model import LogisticRegression
LogisticRegression().fit(*load_iris(return_X_y=True))
print('{"seconds": %f, "growth": 0, "size": 0}' % (time.perf_counter() - begun))
"""

CASES: dict[str, dict[str, str]] = {
    "array": {"skimp": fitting(ARRAY, "skimp"), "scikit-learn": fitting(ARRAY, "sklearn")},
    "csr": {"skimp": fitting(CSR, "skimp"), "scikit-learn": fitting(CSR, "sklearn")},
    "files": {
        "csv": of_file("higgs.csv", "'label'", "tol=1e-6"),
        "svm": of_file("rcv.svm", "None", "tol=1e-6, fit_intercept=False"),
        "parquet": of_file("higgs.parquet", "'label'", "tol=1e-6", "64MiB", "import pyarrow.parquet"),
    },
    "first": {"skimp": FIRST.replace("PACKAGE", "skimp"), "scikit-learn": FIRST.replace("PACKAGE", "sklearn")},
}


def run(code: str, data: Path) -> dict[str, float]:
    """Run a program; return what it says."""
    program = f"data = {str(data)!r}\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def make_parquet(data: Path) -> None:
    """Make the Parquet file of the CSV."""
    if not (data / "higgs.parquet").exists():
        from pyarrow import csv, parquet

        parquet.write_table(csv.read_csv(data / "higgs.csv"), data / "higgs.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("build/bench-data"))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", nargs="+", choices=[*CASES], default=[*CASES])
    arguments = parser.parse_args()
    for case in arguments.case:
        if case == "files":
            make_parquet(arguments.data_dir)
        runs: dict[str, list[dict[str, float]]] = {who: [] for who in CASES[case]}
        for _ in range(arguments.repeat):
            for who, code in CASES[case].items():
                runs[who].append(run(code, arguments.data_dir))
                time.sleep(0.2)
        print(f"\n{case:<14}{'seconds':>9}{'x':>8}{'growth MiB':>12}{'of data':>9}{'objective':>20}")
        first = None
        for who, found in runs.items():
            seconds = statistics.median(one["seconds"] for one in found)
            first = first or seconds
            growth = max(one["growth"] for one in found)
            share = f"{growth / found[0]['size']:.1%}" if found[0]["size"] else ""
            objective = f"{found[0]['objective']:.6f}" if "objective" in found[0] else ""
            print(f"{who:<14}{seconds:>9.2f}{seconds / first:>8.2f}{growth / MIB:>12.1f}{share:>9}{objective:>20}")


if __name__ == "__main__":
    main()
