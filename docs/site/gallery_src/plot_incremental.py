# SPDX-License-Identifier: BSD-3-Clause
"""
A neural network, chunk by chunk
================================

``skimp.Incremental`` fits any estimator that has ``partial_fit`` on data that need not be in memory: here
scikit-learn's ``MLPClassifier`` on a file.
"""

# %%
# A spiral of two classes, in a file.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.neural_network import MLPClassifier

import skimp

directory = tempfile.TemporaryDirectory()
path = Path(directory.name) / "spiral.csv"
random = np.random.default_rng(0)
label = random.integers(0, 2, size=50_000)
turn = random.uniform(0.5, 3, size=len(label))
angle = np.pi * (turn + label)
X = turn[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
X += random.normal(scale=0.15, size=X.shape)
np.savetxt(path, np.column_stack([X, label]), fmt="%.3f", delimiter=",", header="x,y,label", comments="")

# %%
# Each pass goes over the rows in another order. Some rows are kept out, to see when it gets no better.
network = MLPClassifier(hidden_layer_sizes=(32, 32), learning_rate_init=0.005, random_state=0)
with skimp.config_context(max_memory="64MB"):
    model = skimp.Incremental(
        network, n_passes=20, chunk_rows=5_000, early_stopping=True, n_iter_no_change=3, tol=1e-3
    ).fit(path, "label")
print(f"{model.n_passes_} passes; accuracy on rows kept out: {model.validation_scores_[-1]:.3f}")

# %%
grid = np.linspace(-3.6, 3.6, 200)
points = np.stack(np.meshgrid(grid, grid), axis=-1)
proba = model.predict_proba(points.reshape(-1, 2))[:, 1].reshape(len(grid), -1)

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.plot(1 + np.arange(model.n_passes_), model.validation_scores_, "o-", color="C0")
left.set(xlabel="pass", ylabel="accuracy on rows kept out")
left.spines[["top", "right"]].set_visible(False)
right.contourf(grid, grid, proba, levels=20, cmap="RdBu_r", vmin=0, vmax=1)
right.scatter(*X[:600].T, c=label[:600], cmap="RdBu_r", s=6, edgecolors="white", linewidths=0.3)
right.set(aspect="equal", xticks=[], yticks=[])
plt.show()
directory.cleanup()
