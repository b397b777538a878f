# SPDX-License-Identifier: BSD-3-Clause
"""Makes tests/logistic_expected.h: the objectives that scikit-learn reaches on the problems of test_logistic_regression.c.

    python tests/make_logistic_expected.py > tests/logistic_expected.h

The problems are made of a hash of integers, here and there alike, so that only the objectives need to be kept.
"""

import sys
import warnings

import numpy as np
import sklearn
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

MASK = (1 << 64) - 1


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform(*key: int) -> float:
    """In [-1, 1), from three small integers; exact in double."""
    a, b, c = key
    return (mix((a << 48) ^ (b << 24) ^ c) >> 11) * 2.0**-52 - 1.0


def problem(n_rows: int, n_dense: int, n_codes: int, n_sparse: int, n_classes: int, seed: int):
    width = n_dense + n_codes + n_sparse
    x = np.zeros((n_rows, width))
    y = np.zeros(n_rows, int)
    weight = np.zeros(n_rows)
    for i in range(n_rows):
        for j in range(n_dense):
            value = uniform(seed, i, j) * (1 + j % 3) + 0.5 * (j % 2)
            x[i, j] = np.float32(value) if j % 2 == 0 else value
        if n_codes:
            code = mix((seed << 48) ^ (i << 24) ^ 1000) % (n_codes + 1)  # n_codes: unknown
            if code < n_codes:
                x[i, n_dense + code] = 1.0
        for k in range(5 if n_sparse else 0):
            j = (mix((seed << 48) ^ (i << 24) ^ (2000 + k)) % (n_sparse // 5)) * 5 + k
            x[i, n_dense + n_codes + j] = np.float32(uniform(seed, i, 3000 + k))
        best, y[i] = -1e300, 0
        for c in range(n_classes):
            score = 0.75 * uniform(seed, i, 4000 + c)
            for j in range(min(n_dense, 4)):
                score += x[i, j] * uniform(seed, 5000 + c, j)
            if score > best:
                best, y[i] = score, c
        weight[i] = 0.5 + abs(uniform(seed, i, 6000)) * 2
    return x, np.unique(y, return_inverse=True)[1], weight  # only classes that occur


def objective(model, x, y, weight, C, l1_ratio, intercept_scaling):
    m = x @ model.coef_.T + model.intercept_
    if m.shape[1] == 1:
        m = np.hstack([0 * m, m])
    loss = weight @ (logsumexp(m, axis=1) - m[np.arange(len(y)), y])
    if np.isinf(C):
        return loss
    w = model.coef_.ravel()
    if intercept_scaling is not None:
        w = np.append(w, model.intercept_ / intercept_scaling)
    return C * loss + (1 - l1_ratio) / 2 * w @ w + l1_ratio * np.abs(w).sum()


# name: rows, dense, codes, sparse, classes, weighted; C, l1_ratio, intercept, intercept_scaling of liblinear
CASES = {
    "plain": (600, 5, 0, 0, 2, False, 1.0, 0.0, True, None),
    "strong": (600, 5, 0, 0, 2, False, 0.01, 0.0, True, None),
    "weak": (600, 5, 4, 0, 2, False, 1e4, 0.0, True, None),
    "unpenalised": (600, 5, 0, 0, 2, False, np.inf, 0.0, True, None),
    "no_intercept": (600, 5, 4, 10, 2, False, 1.0, 0.0, False, None),
    "weighted": (600, 5, 4, 10, 2, True, 1.0, 0.0, True, None),
    "liblinear": (600, 5, 4, 0, 2, False, 1.0, 0.0, True, 2.0),
    "liblinear_l1": (600, 5, 4, 0, 2, False, 0.5, 1.0, True, 0.5),
    "lasso": (600, 6, 4, 10, 2, False, 0.2, 1.0, True, None),
    "elastic": (600, 6, 4, 10, 2, True, 0.2, 0.5, True, None),
    "three": (600, 5, 4, 0, 3, False, 1.0, 0.0, True, None),
    "three_weighted": (600, 5, 0, 10, 3, True, 0.3, 0.0, False, None),
    "three_unpenalised": (600, 4, 0, 0, 3, False, np.inf, 0.0, True, None),
    "three_lasso": (600, 5, 4, 0, 3, False, 0.2, 1.0, True, None),
    "wide": (600, 5, 40, 1000, 2, False, 1.0, 0.0, True, None),
    "wide_weighted": (600, 5, 40, 1000, 2, True, 10.0, 0.0, False, None),
    "wide_lasso": (600, 5, 40, 1000, 2, False, 1.0, 1.0, True, None),
    "wide_elastic": (600, 5, 40, 1000, 2, True, 0.5, 0.3, True, None),
    "wide_three": (600, 5, 40, 1000, 3, False, 1.0, 0.0, True, None),
    "wide_three_lasso": (600, 5, 40, 1000, 3, False, 0.7, 1.0, True, None),
    "many_classes": (600, 6, 0, 0, 60, False, 1.0, 0.0, True, None),
    "bordered": (1500, 5, 600, 0, 2, False, 1.0, 0.0, True, None),
    "bordered_weighted": (1500, 5, 600, 0, 2, True, 10.0, 0.0, False, None),
    "bordered_elastic": (1500, 5, 600, 0, 2, False, 0.5, 0.5, True, None),
}


def main():
    print("/* SPDX-License-Identifier: BSD-3-Clause */")
    print(f"/* Made by make_logistic_expected.py with scikit-learn {sklearn.__version__}. */")
    print("static const struct expected {\n    const char *name;")
    print("    unsigned rows, dense, codes, sparse, classes, weighted;")
    print("    double C, l1_ratio;\n    int fit_intercept;\n    double intercept_scaling; /* 0: not liblinear */")
    print("    double objective;\n} expected[] = {")
    warnings.simplefilter("ignore")
    for seed, (name, case) in enumerate(CASES.items(), 1):
        rows, dense, codes, sparse, classes, weighted, C, l1_ratio, fit_intercept, scaling = case
        x, y, weight = problem(rows, dense, codes, sparse, classes, seed)
        weight = weight if weighted else np.ones(rows)
        tries = []
        if scaling is not None:
            # liblinear penalises a constant column's coefficient: the same problem for the other solvers without an intercept.
            wide = np.hstack([x, np.full((rows, 1), scaling)])
            solvers = ["saga"] if l1_ratio else ["newton-cholesky"]
            for solver in solvers:
                model = LogisticRegression(C=C, l1_ratio=l1_ratio, fit_intercept=False, solver=solver, tol=1e-13, max_iter=200000)
                model.fit(wide, y, sample_weight=weight)
                model.intercept_ = model.coef_[:, -1] * scaling
                model.coef_ = model.coef_[:, :-1]
                tries.append(objective(model, x, y, weight, C, l1_ratio, scaling))
        else:
            solvers = ["saga"] if l1_ratio and np.isfinite(C) else ["newton-cholesky", "lbfgs"]
            for solver in solvers:
                model = LogisticRegression(
                    C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept, solver=solver, tol=1e-13, max_iter=200000, random_state=0
                )
                model.fit(x, y, sample_weight=weight)
                tries.append(objective(model, x, y, weight, C, l1_ratio, None))
        print(name, tries, file=sys.stderr)
        C_text = "INFINITY" if np.isinf(C) else repr(C)
        print(
            f'    {{ "{name}", {rows}, {dense}, {codes}, {sparse}, {classes}, {int(weighted)}, {C_text}, {l1_ratio}, '
            f"{int(fit_intercept)}, {scaling or 0.0}, {min(tries):.17g} }},"
        )
    print("};")


main()
