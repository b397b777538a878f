# SPDX-License-Identifier: BSD-3-Clause
"""
The memory of a fit
===================

The same logistic regression on files of more and more rows, by scikit-learn and by skimp: what the process grew by.
"""

# %%
# Files of numbers, made here.
import ctypes
import gc
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression

import skimp
from skimp.linear_model import LogisticRegression

directory = tempfile.TemporaryDirectory()
random = np.random.default_rng(0)
coef = random.normal(size=20)


def make(n_rows):
    """Write a CSV file."""
    X = random.normal(size=(n_rows, 20)).round(3)
    y = (X @ coef + random.logistic(size=n_rows) > 0).astype(int)
    path = Path(directory.name) / f"{n_rows}.csv"
    header = ",".join([*(f"x{i}" for i in range(20)), "label"])
    np.savetxt(path, np.column_stack([X, y]), fmt="%g", delimiter=",", header=header, comments="")
    return path


rows = [25_000, 50_000, 100_000, 200_000]
paths = [make(n) for n in rows]


# %%
# The kernel keeps a high-water mark of the resident set, which can be set back.
def growth(call):
    """Return by how many MiB the resident set grows at most during a call."""

    def status(key):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what Python has freed goes back to the kernel
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    call()
    return status("VmHWM") - before


def theirs(path):
    """Fit with scikit-learn."""
    frame = pd.read_csv(path)
    TheirLogisticRegression().fit(frame.drop(columns="label"), frame["label"])


def ours(path):
    """Fit with skimp."""
    with skimp.config_context(max_memory="8MB"):
        LogisticRegression().fit(path, "label")


theirs(paths[0]), ours(paths[0])  # first uses load code
our_growth = [growth(lambda path=path: ours(path)) for path in paths]
their_growth = [growth(lambda path=path: theirs(path)) for path in paths]

# %%
# What scikit-learn takes is proportional to the rows; what skimp takes is not.
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.plot(rows, their_growth, "o-", color="0.5")
ax.plot(rows, our_growth, "o-", color="C0")
ax.axhline(8e6 / 2**20, color="C0", linewidth=1, linestyle=":")
beside = {"textcoords": "offset points", "ha": "right"}
ax.annotate("pandas and scikit-learn", (rows[-2], their_growth[-2]), (-8, 8), color="0.3", **beside)
ax.annotate("skimp, max_memory=8MB", (rows[-1], 8e6 / 2**20), (0, 5), color="C0", **beside)
ax.set(xlabel="rows", ylabel="growth of the\nresident set, MiB", ylim=0)
ax.xaxis.set_major_formatter("{x:,.0f}")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
directory.cleanup()
