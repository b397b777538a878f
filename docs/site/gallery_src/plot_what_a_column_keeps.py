# SPDX-License-Identifier: BSD-3-Clause
"""
What a column keeps in the store
================================

Text is parsed once into a chunk store, where a column keeps the digits that it needs and no more. Features with more
digits than a float32 holds are rounded to it where that moves nothing by more than a two-millionth of the column's
spread; targets and weights never are.
"""

# %%
# Columns of different kinds, each in a file of its own; ``skimp convert`` makes stores of them.
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

random = np.random.default_rng(0)
n = 200_000
columns = {
    "0 or 1": random.integers(0, 2, size=n),
    "whole, to 100": random.integers(0, 100, size=n),
    "whole, to 10,000": random.integers(0, 10_000, size=n),
    "price: 2 decimals": (random.gamma(2, 20, size=n)).round(2),
    "measurement: 4 decimals": random.normal(size=n).round(4),
    "all the digits of a double": random.normal(size=n),
    "text: 20 carriers": np.array([f"carrier_{i:02d}" for i in range(20)])[random.integers(0, 20, size=n)],
    "text: 3,000 shops": np.array([f"shop_{i:04d}" for i in range(3000)])[random.integers(0, 3000, size=n)],
}

# %%
text, kept = [], []
with tempfile.TemporaryDirectory() as directory:
    for values in columns.values():
        path = Path(directory) / "column.csv"
        path.write_text("\n".join(["column", *map(str, values.tolist())]) + "\n")
        subprocess.run(["skimp", "convert", path, "--quiet", "-o", path.with_suffix(".skimp")], check=True)
        text.append(path.stat().st_size / n)
        kept.append(path.with_suffix(".skimp").stat().st_size / n)

# %%
# A frame takes 8 bytes for each number, and a byte or two for each text only if it is made a category.
place = np.arange(len(columns))
fig, ax = plt.subplots(figsize=(7.5, 4), layout="constrained")
ax.barh(place - 0.2, text, height=0.38, label="in the CSV file", color="0.75")
ax.barh(place + 0.2, kept, height=0.38, label="in the chunk store", color="C0")
ax.axvline(8, color="0.5", linewidth=1, linestyle=":", zorder=0)
ax.annotate("float64", (8, -0.75), (3, 0), textcoords="offset points", color="0.4", va="center")
ax.bar_label(ax.containers[1], fmt="%.1f", padding=3, fontsize=8)
ax.set_yticks(place, list(columns))
ax.set_ylim(len(columns) - 0.4, -1)
ax.set_xlabel("bytes a value")
ax.legend(frameon=False, loc="lower right")
ax.spines[["top", "right"]].set_visible(False)
ax.tick_params(left=False)
plt.show()
