"""
The report's grid search
========================

:func:`octsk.report_grid_search` creates a search over the report's 16 candidates: two
networks, each with Adam or Nadam, two numbers of epochs, and with or without augmentation.
This example uses few epochs and few phantoms, so its scores do not show which candidate is
best. On real images, keep the epochs unchanged, and use ``n_jobs`` to start several
processes.
"""

import matplotlib.pyplot as plt

import octsk

X, y = octsk.make_oct_phantoms(32, random_state=0, return_X_y=True)
search = octsk.report_grid_search(cv=2, random_state=0, refit=False)
for candidates in search.param_grid:
    candidates["net__epochs"] = [1, 2]
_ = search.fit(X, y)

# %%
# The results have scikit-learn's format. Each line connects the scores of a candidate in
# the two folds.

results = search.cv_results_
names = [
    f"{type(p['net']).__name__}, {p['net__optimizer']}, epochs: {p['net__epochs']}, "
    + ("augmented" if p["net__augmentation"] else "not augmented")
    for p in results["params"]
]
folds = [results["split0_test_score"], results["split1_test_score"]]
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.plot(folds, [range(16)] * 2, "o-", color="#0072B2")
ax.axvline(1 / 4, color="0.6", linestyle=":", label="chance")
ax.set_yticks(range(16), names)
ax.invert_yaxis()
ax.set(xlabel="balanced accuracy in each fold", title="32 SYNTHETIC phantoms")
_ = ax.legend()
