# SPDX-License-Identifier: BSD-3-Clause
"""Judge a fitted model by one measure for all: the objective over the training data, the log loss over held-out rows.

    python bench/evaluate.py DATA FORM MODEL TRAIN TEST [--skimp PATH]

DATA is what the files are: higgs, rcv, flights. FORM is who wrote the model: skimp, npz, liblinear, vw, pickle. The
objective is scikit-learn's, C sum(loss) + |w|^2 / 2 with C = 1 and the intercept not penalised, computed in float64
from the fitted coefficients, for scaled data in the scaled space. Not timed: it runs after the contest, in a process of
its own.

Where the coefficients alone do not say which column they belong to (flights, one-hot), the losses come from the
probabilities that the model predicts for the training file.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse
from sklearn.datasets import load_svmlight_file

from flights_columns import NUMBERS, TARGET, TEXTS, THRESHOLD

RCV_FEATURES = 47_236
BLOCK = 100_000

Judged = dict[str, float | None]


def load_dense(path: Path) -> np.ndarray:
    """The CSV as float64, label first, from a copy made beside it the first time."""
    copy = path.with_suffix(".npy")
    if not copy.exists() or copy.stat().st_mtime < path.stat().st_mtime:
        partial = path.with_suffix(f".{os.getpid()}.npy")
        np.save(partial, pd.read_csv(path).to_numpy(np.float64))
        partial.replace(copy)
    return np.load(copy, mmap_mode="r")


def load_sparse(path: Path) -> tuple[scipy.sparse.csr_matrix, np.ndarray]:
    copy = path.with_suffix(".csr.npz")
    if not copy.exists() or copy.stat().st_mtime < path.stat().st_mtime:
        data, target = load_svmlight_file(str(path), n_features=RCV_FEATURES, zero_based=False)
        partial = path.with_suffix(f".{os.getpid()}.csr.npz")
        np.savez(partial, data=data.data, indices=data.indices.astype(np.int32), indptr=data.indptr, target=target)
        partial.replace(copy)
    parts = np.load(copy)
    shape = (parts["target"].size, RCV_FEATURES)
    return scipy.sparse.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape), parts["target"]


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    types = {"F64": np.float64, "F32": np.float32, "I64": np.int64, "I32": np.int32, "U8": np.uint8}
    tensors = {}
    for name, about in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__" and about["dtype"] in types:
            begin, end = (8 + size + offset for offset in about["data_offsets"])
            tensors[name] = np.frombuffer(raw[begin:end], types[about["dtype"]]).reshape(about["shape"])
    return tensors


def read_liblinear(path: Path) -> np.ndarray:
    head, _, body = path.read_text().partition("\nw\n")
    fields = dict(line.split(maxsplit=1) for line in head.splitlines())
    if int(fields["nr_feature"]) > RCV_FEATURES or float(fields["bias"]) >= 0:
        raise ValueError(f"{path}: not the model that was asked for")
    coef = np.zeros(RCV_FEATURES)
    weights = np.array(body.split(), np.float64)
    # The weights are those of the label that is named first.
    coef[: weights.size] = weights if fields["label"].split()[0] == "1" else -weights
    return coef


def losses(margin: np.ndarray, positive: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, np.where(positive, -margin, margin))


def judge_dense(form: str, model: Path, train: Path, test: Path) -> Judged:
    if form == "skimp":
        tensors = read_safetensors(model)
        coef, intercept = tensors["coef_"].ravel(), tensors["intercept_"].ravel()[0]
        mean, scale = tensors["0.standard_scaler.mean_"], tensors["0.standard_scaler.scale_"]
    else:
        fitted = np.load(model)
        coef, intercept, mean, scale = (fitted[name] for name in ("coef", "intercept", "mean", "scale"))

    def total(table: np.ndarray) -> float:
        sums = []
        for start in range(0, len(table), BLOCK):
            block = table[start : start + BLOCK]
            sums.append(losses((block[:, 1:] - mean) / scale @ coef + intercept, block[:, 0] > 0).sum())
        return float(np.sum(sums))

    held_out = load_dense(test)
    return {
        "objective": total(load_dense(train)) + 0.5 * float(coef @ coef),
        "log_loss": total(held_out) / len(held_out),
    }


def judge_sparse(form: str, model: Path, train: Path, test: Path) -> Judged:
    intercept = 0.0
    if form == "skimp":
        tensors = read_safetensors(model)
        coef = np.zeros(RCV_FEATURES)
        fitted = tensors["coef_"].ravel()
        coef[: fitted.size] = fitted
        intercept = float(tensors["intercept_"].ravel()[0])
    elif form == "liblinear":
        coef = read_liblinear(model)
    else:
        fitted = np.load(model)
        coef, intercept = fitted["coef"], float(fitted["intercept"])

    def total(path: Path) -> tuple[float, int]:
        data, target = load_sparse(path)
        return float(losses(data @ coef + intercept, target > 0).sum()), target.size

    loss, rows = total(test)
    return {"objective": total(train)[0] + 0.5 * float(coef @ coef), "log_loss": loss / rows}


def judge_vw(model: Path, test: Path) -> Judged:
    """Held-out rows only: its hashed, per-feature-scaled weights have no counterpart in the objective."""
    with tempfile.TemporaryDirectory() as scratch:
        margins = Path(scratch) / "margins"
        call = ["-m", "vowpalwabbit", "--quiet", "-t", "-i", str(model), "-d", str(test), "-p", str(margins)]
        subprocess.run([sys.executable, *call], check=True)
        margin = np.loadtxt(margins)
    with test.open("rb") as lines:
        positive = np.array([line.startswith(b"+") for line in lines])
    return {"objective": None, "log_loss": float(losses(margin, positive).mean())}


def skimp_losses(skimp: str, model: Path) -> Callable[[Path], Iterator[np.ndarray]]:
    def read(path: Path) -> Iterator[np.ndarray]:
        delay = pd.read_csv(path, usecols=[TARGET])[TARGET]
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "predictions.csv"
            subprocess.run([skimp, "predict", str(model), str(path), "--proba", "-o", str(out)], check=True)
            late = pd.read_csv(out).to_numpy()[:, -2:].astype(np.float64)
        if len(late) == len(delay):
            late = late[delay.notna()]
        delay = delay.dropna()
        yield -np.log(np.where(delay > THRESHOLD, late[:, 1], late[:, 0]))

    return read


def pipeline_losses(pipeline: object) -> Callable[[Path], Iterator[np.ndarray]]:
    def read(path: Path) -> Iterator[np.ndarray]:
        for frame in pd.read_csv(path, usecols=[*NUMBERS, *TEXTS, TARGET], chunksize=BLOCK):
            known = frame.dropna(subset=[TARGET])
            yield losses(pipeline.decision_function(known.drop(columns=TARGET)), known[TARGET].to_numpy() > THRESHOLD)

    return read


def judge_flights(form: str, model: Path, train: Path, test: Path, skimp: str) -> Judged:
    if form == "skimp":
        coef, read = read_safetensors(model)["coef_"].ravel(), skimp_losses(skimp, model)
    else:
        pipeline = pickle.loads(model.read_bytes())
        coef, read = pipeline[-1].coef_[0], pipeline_losses(pipeline)
    return {
        "objective": float(sum(part.sum() for part in read(train))) + 0.5 * float(coef @ coef),
        "log_loss": float(np.concatenate(list(read(test))).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["higgs", "rcv", "flights"])
    parser.add_argument("form", choices=["skimp", "npz", "liblinear", "vw", "pickle"])
    parser.add_argument("model", type=Path)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--skimp", default="build/skimp")
    arguments = parser.parse_args()
    model, train, test = arguments.model, arguments.train, arguments.test
    if arguments.form == "vw":
        judged = judge_vw(model, test.with_suffix(".vw"))
    elif arguments.data == "higgs":
        judged = judge_dense(arguments.form, model, train, test)
    elif arguments.data == "rcv":
        judged = judge_sparse(arguments.form, model, train, test)
    else:
        judged = judge_flights(arguments.form, model, train, test, arguments.skimp)
    print(json.dumps(judged))


if __name__ == "__main__":
    main()
