"""
Compare two networks on the same patients
=========================================

:func:`octsk.compare` measures the difference between networks that were tested on the same
images. The interval comes from a paired bootstrap over patients, because images of the same
patient are not independent.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.utils import Bunch

import octsk


def scans(n_patients, seed):
    """Draw two scans of each patient, which differ in their noise."""
    eyes = octsk.make_oct_phantoms(n_patients, random_state=seed)
    noise = np.random.default_rng(seed).normal(0, 12, (2 * n_patients, 28, 28))
    data = np.clip(np.repeat(eyes.data, 2, axis=0) + noise, 0, 255).astype(np.uint8)
    groups = np.arange(2 * n_patients) // 2 + 1000 * seed
    return Bunch(data=data, target=np.repeat(eyes.target, 2), groups=groups)


names = octsk.make_oct_phantoms(4, random_state=0).target_names
dataset = Bunch(name="oct-phantoms", size=28, synthetic=True, target_names=names)
dataset.update(train=scans(100, seed=0), val=None, test=scans(80, seed=1))

nets = {
    "Small": octsk.SmallOCTNet(epochs=3, augmentation=None),
    "without dense layer": octsk.SmallOCTNet(epochs=3, augmentation=None, dense_units=()),
    "2 filters": octsk.SmallOCTNet(epochs=3, augmentation=None, filters=(2,)),
}
run = octsk.benchmark.run_benchmark(nets, dataset)
comparison = run.compare("accuracy")
comparison

# %%
# The first network is compared with each of the others. An interval that contains 0 is
# compatible with no difference, but it does not show that there is none.

rows = comparison.rows
fig, ax = plt.subplots(figsize=(6, 2), layout="constrained")
places = np.arange(len(rows))
differences = np.array([row["difference"] for row in rows])
ends = np.array([(row["low"], row["high"]) for row in rows])
ax.errorbar(differences, places, xerr=np.abs(ends.T - differences), fmt="o", capsize=3)
ax.axvline(0, color="grey", linewidth=1)
ax.set(
    yticks=places,
    yticklabels=[f"{row['first']} minus {row['other']}" for row in rows],
    ylim=(len(rows) - 0.5, -0.5),
    xlabel="Difference in accuracy with its 95 % interval (synthetic scans)",
)

# %%
# The table can be written in LaTeX, Markdown or CSV, or as a data frame.

print(comparison.to_latex())
