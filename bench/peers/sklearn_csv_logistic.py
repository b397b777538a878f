# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn on a dense CSV: read with pandas, scale, logistic regression. Writes the coefficients as .npz."""

import argparse
import json
import time

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("model")
    parser.add_argument("--solver", default="lbfgs")
    parser.add_argument("--tol", type=float, default=1e-6)
    arguments = parser.parse_args()

    started = time.monotonic()
    frame = pd.read_csv(arguments.train)
    target = frame.pop("label").to_numpy()
    read = time.monotonic()
    scaler = StandardScaler().set_output(transform="default")
    scaled = scaler.fit_transform(frame)
    model = LogisticRegression(solver=arguments.solver, tol=arguments.tol, max_iter=1000).fit(scaled, target)
    done = time.monotonic()
    np.savez(
        arguments.model, coef=model.coef_[0], intercept=model.intercept_[0], mean=scaler.mean_, scale=scaler.scale_
    )
    print(json.dumps({"read_seconds": read - started, "fit_seconds": done - read, "n_iter": int(model.n_iter_[0])}))


if __name__ == "__main__":
    main()
