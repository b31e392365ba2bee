"""
The report's grid
=================

Two nets, Adam or Nadam, two numbers of epochs each, with and without augmentation: the
report's 16 candidates are one call. Here the images are few phantoms and the epochs are cut
short, so the scores say nothing; the time that each candidate takes does. On real images,
leave the epochs alone and set ``n_jobs``.
"""

import matplotlib.pyplot as plt

import octsk

X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
search = octsk.report_grid_search(cv=2, random_state=0, refit=False)
for candidates in search.param_grid:
    candidates["net__epochs"] = [1, 2]
search.fit(X, y)

results = search.cv_results_
fig, ax = plt.subplots(figsize=(7, 4))
for net, marker in [("SmallOCTNet", "o"), ("MediumOCTNet", "s")]:
    for augmentation, color in [(True, "#0072B2"), (None, "#E69F00")]:
        rows = [
            row
            for row, params in enumerate(results["params"])
            if type(params["net"]).__name__ == net
            and params["net__augmentation"] is augmentation
        ]
        ax.plot(
            results["mean_fit_time"][rows],
            results["mean_test_score"][rows],
            marker,
            color=color,
            label=f"{net}, {'augmented' if augmentation else 'as they are'}",
        )
ax.set(
    xscale="log",
    xlabel="time of a fit (s)",
    ylabel="balanced accuracy, mean of 2 folds",
    title="64 SYNTHETIC phantoms, 1 or 2 epochs",
)
ax.legend(fontsize=8)
