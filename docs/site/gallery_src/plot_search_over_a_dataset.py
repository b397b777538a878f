# SPDX-License-Identifier: BSD-3-Clause
"""
A search over a Dataset
=======================

A file is parsed once into a ``skimp.Dataset``; scikit-learn's grid search takes views of its rows, and copies nothing.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold

import skimp
from skimp.linear_model import LogisticRegression

directory = tempfile.TemporaryDirectory()
path = Path(directory.name) / "train.csv"
random = np.random.default_rng(0)
X = random.normal(size=(20_000, 120)).round(2)
y = (X[:, :5] @ [2, -2, 1, -1, 0.5] + 3 * random.logistic(size=len(X)) > 0).astype(int)
header = ",".join([*(f"x{i}" for i in range(X.shape[1])), "label"])
np.savetxt(path, np.column_stack([X, y]), fmt="%g", delimiter=",", header=header, comments="")

# %%
# Two lines are all that differs from a search over arrays.
data = skimp.Dataset(path, target="label", max_memory="16MB")
data

# %%
# Most of the columns say nothing: the stronger the l1 penalty, the fewer of them are used, up to where it hurts.
search = GridSearchCV(
    LogisticRegression(l1_ratio=1),
    {"C": np.logspace(-2.6, -0.5, 9)},
    scoring="neg_log_loss",
    cv=StratifiedKFold(5, shuffle=True, random_state=0),
)
search.fit(data, data.target)
used = np.count_nonzero(search.best_estimator_.coef_)
print(f"best: C={search.best_params_['C']:.2g}, which uses {used} of {data.shape[1]} columns")

# %%
found = search.cv_results_
C = found["param_C"].astype(float)
fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.errorbar(
    C, -found["mean_test_score"], found["std_test_score"] / np.sqrt(5), fmt="o-", color="C0", capsize=3
)
ax.axvline(search.best_params_["C"], color="0.7", linewidth=1, zorder=0)
ax.set(xscale="log", xlabel="C", ylabel="log loss, held out")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
data.close()
directory.cleanup()
