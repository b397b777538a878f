# SPDX-License-Identifier: BSD-3-Clause
"""
Planned and actual
==================

What a fit is planned to take, by what it is for, before the data is read; and what it took.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

import skimp
from skimp.linear_model import LogisticRegression

random = np.random.default_rng(0)
X = random.normal(size=(500_000, 40)).astype(np.float32)
y = (X @ random.normal(size=40) + random.logistic(size=len(X)) > 0).astype(np.int8)

# %%
plan = skimp.plan(LogisticRegression(), X, y)
plan

# %%
model = LogisticRegression().fit(X, y)
model.memory_report_

# %%
tags = [tag for tag, size in plan.memory.items() if max(size, model.memory_report_.memory[tag]) > 1 << 12]
place = np.arange(len(tags))
fig, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
ax.barh(place - 0.2, [plan.memory[tag] / 2**20 for tag in tags], height=0.4, label="planned", color="0.7")
ax.barh(place + 0.2, [model.memory_report_.memory[tag] / 2**20 for tag in tags], height=0.4, label="actual", color="C0")
ax.set_yticks(place, tags)
ax.invert_yaxis()
ax.set_xlabel("MiB")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
