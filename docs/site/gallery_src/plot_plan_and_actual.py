# SPDX-License-Identifier: BSD-3-Clause
"""
Planned and actual
==================

What a fit is planned to take, by what it is for, before it begins; and what it took.
"""

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import skimp
from skimp.linear_model import LogisticRegression

random = np.random.default_rng(0)
X = random.normal(size=(500_000, 40)).astype(np.float32)
y = (X @ random.normal(size=40) + random.logistic(size=len(X)) > 0).astype(np.int8)

# %%
# The plan of an array is exact: nothing has to be assumed of it.
plan = skimp.plan(LogisticRegression(), X, y)
plan

# %%
# The kernel's high-water mark is of the whole life of a process, and making X took more than the fit will: so the
# mark is set back first.
Path("/proc/self/clear_refs").write_text("5")
model = LogisticRegression().fit(X, y)
model.memory_report_

# %%
# X itself, of 76 MiB, is not in there: it is yours, and is read where it lies.
actual = model.memory_report_.memory
tags = [tag for tag, size in plan.memory.items() if max(size, actual[tag]) > 1 << 14]
place = np.arange(len(tags))
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.barh(place - 0.2, [plan.memory[tag] / 2**20 for tag in tags], height=0.38, label="planned", color="0.7")
ax.barh(place + 0.2, [actual[tag] / 2**20 for tag in tags], height=0.38, label="actual", color="C0")
ax.set_yticks(place, tags)
ax.invert_yaxis()
ax.set_xlabel("MiB")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
ax.tick_params(left=False)
plt.show()
