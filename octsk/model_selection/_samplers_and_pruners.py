"""Samplers and pruners of a study."""

import numpy as np
import optuna


class TrialSeededSampler(optuna.samplers.BaseSampler):
    """TPE sampler of Optuna with a seed for each trial.

    A sampler with one seed begins anew with each process: a continued search, or a
    second process at the same one, would try what has been tried already.

    Parameters
    ----------
    seed : int
        Seed of the search.
    """

    def __init__(self, seed):
        self._seed = seed
        self._sampler = optuna.samplers.TPESampler(seed=seed)

    def before_trial(self, study, trial):
        """Take up the trial's own random numbers."""
        seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
        self._sampler = optuna.samplers.TPESampler(seed=int(seed))

    def infer_relative_search_space(self, study, trial):
        """Return what is drawn together."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        """Draw parameters together."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        """Draw one parameter by itself."""
        return self._sampler.sample_independent(
            study, trial, param_name, param_distribution
        )


def make_pruner(pruner, max_epochs):
    """Return an Optuna pruner for None, "median", "hyperband" or a pruner.

    With `max_epochs` "auto" Hyperband waits for the first completed trial to know them.
    """
    if pruner is None:
        return optuna.pruners.NopPruner()
    if pruner == "median":
        # The first epoch says little of the last.
        return optuna.pruners.MedianPruner(n_warmup_steps=2)
    if pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=max_epochs)
    return pruner
