"""
Search for better settings
==========================

:class:`octsk.OCTSearchCV` tunes a network with Optuna. This example tries five settings by
cross-validation and keeps the images of each patient together. The scans are phantoms,
which are synthetic. For illustration, each patient has two of them.
"""

import matplotlib.pyplot as plt
import numpy as np
from optuna.distributions import FloatDistribution
from sklearn.model_selection import StratifiedGroupKFold

import octsk

scans = octsk.make_oct_phantoms(400, random_state=0)
patients = np.arange(400) // 2

search = octsk.OCTSearchCV(
    octsk.SmallOCTNet(epochs=6, augmentation=None, random_state=0),
    {
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "optimizer": ["adam", "nadam"],
    },
    n_trials=5,
    cv=StratifiedGroupKFold(2),
    random_state=0,
)
search.fit(scans.data, scans.target, groups=patients)
print(search.best_params_, round(search.best_score_, 3))

# %%
# The results have scikit-learn's format.

results = search.cv_results_
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for optimizer, marker in (("adam", "o"), ("nadam", "s")):
    chosen = results["param_optimizer"] == optimizer
    rates = results["param_learning_rate"][chosen].astype(float)
    ax.plot(rates, results["mean_test_score"][chosen], marker, label=optimizer)
ax.set(xscale="log", xlim=(1e-4, 1e-2), xlabel="learning rate", title="phantoms")
ax.set_ylabel("balanced accuracy")
_ = ax.legend()

# %%
# The best network is trained on all images.

search.best_estimator_
