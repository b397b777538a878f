# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn on svmlight: load_svmlight_file, then a solver. Writes the coefficients as .npz."""

import argparse
import json
import time

import numpy as np
from sklearn.datasets import load_svmlight_file
from sklearn.linear_model import LogisticRegression, SGDClassifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("model")
    parser.add_argument("--solver", choices=["liblinear", "lbfgs", "sgd"], required=True)
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--alpha", type=float, default=1e-4, help="for sgd")
    arguments = parser.parse_args()

    started = time.monotonic()
    data, target = load_svmlight_file(arguments.train)
    # The loader makes 64-bit indices, which liblinear and SGD refuse.
    data.indices = data.indices.astype(np.int32)
    data.indptr = data.indptr.astype(np.int32)
    read = time.monotonic()
    if arguments.solver == "sgd":
        model = SGDClassifier(loss="log_loss", alpha=arguments.alpha, max_iter=1, tol=None, random_state=0)
    else:
        model = LogisticRegression(solver=arguments.solver, fit_intercept=False, tol=arguments.tol, max_iter=1000)
    model.fit(data, target)
    done = time.monotonic()
    np.savez(arguments.model, coef=model.coef_[0], intercept=np.ravel(model.intercept_)[0])
    n_iter = int(np.max(model.n_iter_))
    print(json.dumps({"read_seconds": read - started, "fit_seconds": done - read, "n_iter": n_iter}))


if __name__ == "__main__":
    main()
