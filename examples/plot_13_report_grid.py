"""
The report's grid
=================

Two nets, Adam or Nadam, two numbers of epochs each, with and without augmentation: the
report's 16 candidates are one call. Here the epochs are cut short and the images are few
phantoms, so that the scores say nothing of what is best. On real images leave the epochs
as they are; ``n_jobs`` starts several processes.
"""

import matplotlib.pyplot as plt

import octsk

X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
search = octsk.report_grid_search(cv=2, random_state=0, refit=False)
for candidates in search.param_grid:
    candidates["net__epochs"] = [1, 2]
search.fit(X, y)

# %%
# What it found is in scikit-learn's own format. Each line is a candidate, from the score
# in one fold to that in the other.

results = search.cv_results_
names = [
    f"{type(p['net']).__name__}, {p['net__optimizer']}, epochs: {p['net__epochs']}, "
    + ("augmented" if p["net__augmentation"] else "as they are")
    for p in results["params"]
]
folds = [results["split0_test_score"], results["split1_test_score"]]
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.plot(folds, [range(16)] * 2, "o-", color="#0072B2")
ax.axvline(1 / 4, color="0.6", linestyle=":", label="chance")
ax.set_yticks(range(16), names)
ax.invert_yaxis()
ax.set(xlabel="balanced accuracy in each fold", title="64 SYNTHETIC phantoms")
_ = ax.legend()
