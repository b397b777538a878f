# SPDX-License-Identifier: BSD-3-Clause
"""
A regularisation path by warm start
===================================

Coefficients of an l1-penalised logistic regression from strong to weak penalty, each fit beginning at the last one.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from skimp.linear_model import LogisticRegression
from skimp.preprocessing import StandardScaler

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
penalties = np.logspace(-2, 1, 25)


def path(warm_start):
    """Return coefficients and passes over the data for each penalty."""
    model = LogisticRegression(l1_ratio=1, warm_start=warm_start, tol=1e-6)
    coefs, passes = [], []
    for C in penalties:
        model.set_params(C=C).fit(X, y)
        coefs.append(model.coef_[0])
        passes.append(model.memory_report_.passes)
    return np.array(coefs), np.array(passes)


cold, cold_passes = path(warm_start=False)
warm, warm_passes = path(warm_start=True)
print(f"passes over the data: {cold_passes.sum():.0f} cold, {warm_passes.sum():.0f} warm")
print(f"largest difference of a coefficient: {np.abs(cold - warm).max():.1g}")

# %%
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.plot(penalties, warm, linewidth=1)
ax.axhline(0, color="0.7", linewidth=1, zorder=0)
ax.set(xscale="log", xlabel="C", ylabel="coefficient")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
