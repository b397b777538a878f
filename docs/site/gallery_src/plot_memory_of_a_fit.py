# SPDX-License-Identifier: BSD-3-Clause
"""
The memory of a fit
===================

The same logistic regression on the same file, by scikit-learn and by skimp in three budgets: what the process grew by.
"""

# %%
# A file of 100,000 rows, made here.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

import skimp
from skimp.linear_model import LogisticRegression

random = np.random.default_rng(0)
X = random.normal(size=(100_000, 20)).round(4)
y = (X @ random.normal(size=20) + random.logistic(size=len(X)) > 0).astype(int)
directory = tempfile.TemporaryDirectory()
path = Path(directory.name) / "train.csv"
pd.DataFrame(X, columns=[f"x{i}" for i in range(20)]).assign(label=y).to_csv(path, index=False)


# %%
# The kernel keeps a high-water mark of the resident set, which can be set back.
def growth(call):
    """Return by how many MiB the resident set grows at most during a call."""

    def status(key):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024

    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def theirs():
    """Fit with scikit-learn."""
    frame = pd.read_csv(path)
    TheirLogisticRegression().fit(frame.drop(columns="label"), frame["label"])


def ours(budget):
    """Fit with skimp."""
    with skimp.config_context(max_memory=budget):
        LogisticRegression().fit(path, "label")


bars = {"scikit-learn": growth(theirs)} | {f"skimp, {size}": growth(lambda: ours(size)) for size in ("256MB", "32MB", "8MB")}

# %%
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.barh(list(bars), list(bars.values()), color=["0.6", "C0", "C0", "C0"])
ax.invert_yaxis()
ax.bar_label(ax.containers[0], fmt="%.1f", padding=3)
ax.set_xlabel("growth of the resident set, MiB")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
directory.cleanup()
