# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's pipeline on the flights: impute and scale numbers, one-hot text, logistic regression. Pickles it."""

import argparse
import json
import pickle
import sys
import time
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from flights_columns import NUMBERS, TARGET, TEXTS, THRESHOLD  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("model", type=Path)
    parser.add_argument("--solver", default="lbfgs")
    parser.add_argument("--tol", type=float, default=1e-4)
    arguments = parser.parse_args()

    started = time.monotonic()
    frame = pd.read_csv(arguments.train, usecols=[*NUMBERS, *TEXTS, TARGET]).dropna(subset=[TARGET])
    late = frame.pop(TARGET) > THRESHOLD
    read = time.monotonic()
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(
        ColumnTransformer([("numbers", numbers, NUMBERS), ("texts", texts, TEXTS)]),
        LogisticRegression(solver=arguments.solver, tol=arguments.tol, max_iter=1000),
    ).fit(frame, late)
    done = time.monotonic()
    arguments.model.write_bytes(pickle.dumps(model))
    print(json.dumps({"read_seconds": read - started, "fit_seconds": done - read, "n_iter": int(model[-1].n_iter_[0])}))


if __name__ == "__main__":
    main()
