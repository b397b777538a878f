# SPDX-License-Identifier: BSD-3-Clause
"""Makes tests/sklearn_expected.h: what scikit-learn gives in the tests of least squares and transformers.

    python tests/make_expected.py > tests/sklearn_expected.h

The problems are made of a hash of integers, here and in tests/expected_data.h alike, so only results are kept.
"""

import numpy as np
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

MASK = (1 << 64) - 1


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform(a: int, b: int, c: int) -> float:
    """In [-1, 1), from three small integers; exact in double."""
    return (mix((a << 48) ^ (b << 24) ^ c) >> 11) * 2.0**-52 - 1.0


def regression(seed: int, n: int, p: int):
    x = np.array([[uniform(seed, i, j) * (1 + j % 3) + j for j in range(p)] for i in range(n)])
    y = np.zeros(n)
    for i in range(n):
        y[i] = 3.0 + 0.25 * uniform(seed, i, 8000)
        for j in range(p):
            y[i] += x[i, j] * uniform(seed, 7000, j)
    weight = np.array([0.5 + abs(uniform(seed, i, 9000)) for i in range(n)])
    return x, y, weight


def collinear(seed: int, n: int):
    """Columns 0-2 free, 3 twice column 0, 4 constant, 5 the sum of columns 1 and 2."""
    x, y, weight = regression(seed, n, 6)
    x[:, 3] = 2 * x[:, 0]
    x[:, 4] = 7.5
    x[:, 5] = x[:, 1] + x[:, 2]
    return x, y, weight


def holes(seed: int, n: int, p: int):
    """Column 0 has an offset of 1e9, 1 few values, 2 is constant, 3 many zeros; a tenth is missing."""
    x = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            u = uniform(seed, i, j)
            v = np.floor(u * 4) if j == 1 else 5.25 if j == 2 else (u if u > 0 else 0.0) if j == 3 else u * (j + 1)
            x[i, j] = v + (1e9 if j == 0 else 0.0)
            if j != 2 and mix((seed << 48) ^ (i << 24) ^ (j + 500)) % 10 == 0:
                x[i, j] = np.nan
    return x


def show(name: str, values) -> None:
    values = np.atleast_1d(np.asarray(values, float)).ravel()
    text = ", ".join("(double)NAN" if np.isnan(v) else repr(float(v)) for v in values)
    print(f"static const double {name}[] = {{ {text} }};")


def linear(name: str, model, x, y, weight=None) -> None:
    model.fit(x, y, sample_weight=weight)
    show(f"expected_{name}", np.append(model.coef_, model.intercept_))
    if hasattr(model, "singular_"):
        show(f"expected_{name}_singular", np.append(model.rank_, model.singular_))


def main() -> None:
    print("/* SPDX-License-Identifier: BSD-3-Clause */")
    print(f"/* Made by tests/make_expected.py with scikit-learn {sklearn.__version__}: do not edit. */")
    print("#ifndef SKLEARN_EXPECTED_H\n#define SKLEARN_EXPECTED_H\n#include <math.h>")
    x, y, weight = regression(1, 100, 6)
    linear("linear", LinearRegression(), x, y)
    linear("linear_weighted", LinearRegression(), x, y, weight)
    linear("linear_through_zero", LinearRegression(fit_intercept=False), x, y)
    linear("linear_positive", LinearRegression(positive=True), x, y)
    linear("ridge", Ridge(alpha=20.0), x, y)
    linear("ridge_weighted", Ridge(alpha=20.0), x, y, weight)
    linear("ridge_through_zero", Ridge(alpha=20.0, fit_intercept=False), x, y)
    linear("ridge_positive", Ridge(alpha=20.0, positive=True, tol=1e-14), x, y)
    x, y, weight = collinear(2, 80)
    linear("collinear", LinearRegression(), x, y)
    linear("collinear_weighted", LinearRegression(), x, y, weight)
    linear("collinear_ridge", Ridge(alpha=1.0), x, y)
    x, y, _ = regression(3, 5, 9)  # fewer rows than columns
    linear("few_rows", LinearRegression(), x, y)
    linear("few_rows_ridge", Ridge(alpha=0.5), x, y)

    x = holes(4, 200, 6)
    scaler = StandardScaler().fit(x)
    show("expected_standard_mean", scaler.mean_)
    show("expected_standard_var", scaler.var_)
    show("expected_standard_scale", scaler.scale_)
    show("expected_standard_seen", scaler.n_samples_seen_)
    show("expected_standard_rows", scaler.transform(x)[:5])
    scaler = MinMaxScaler(feature_range=(-1, 2.5)).fit(x)
    show("expected_min_max_min", scaler.min_)
    show("expected_min_max_scale", scaler.scale_)
    show("expected_min_max_data_min", scaler.data_min_)
    show("expected_min_max_data_max", scaler.data_max_)
    show("expected_min_max_data_range", scaler.data_range_)
    show("expected_min_max_rows", scaler.transform(x)[:5])
    scaler = MaxAbsScaler().fit(x)
    show("expected_max_abs", scaler.max_abs_)
    show("expected_max_abs_rows", scaler.transform(x)[:5])
    for strategy in "mean", "median", "most_frequent":
        imputer = SimpleImputer(strategy=strategy).fit(x)
        show(f"expected_imputer_{strategy}", imputer.statistics_)
    imputer = SimpleImputer(missing_values=5.25, keep_empty_features=True).fit(np.nan_to_num(x, nan=0.5))
    show("expected_imputer_of_number", imputer.statistics_)
    print("#endif")


if __name__ == "__main__":
    main()
