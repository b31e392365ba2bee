"""Samplers and pruners for Optuna studies."""

import numpy as np
import optuna


class TrialSeededSampler(optuna.samplers.BaseSampler):
    """Optuna's TPE sampler with a separate seed for each trial.

    A sampler with a single seed starts from the beginning in each process. A continued
    search, or a second process that shares it, would try the same parameters again.

    Parameters
    ----------
    seed : int
        Seed of the search.
    """

    def __init__(self, seed):
        self._seed = seed
        self._sampler = optuna.samplers.TPESampler(seed=seed)

    def before_trial(self, study, trial):
        """Set the seed of the trial."""
        seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
        self._sampler = optuna.samplers.TPESampler(seed=int(seed))

    def infer_relative_search_space(self, study, trial):
        """Return the parameters that are sampled jointly."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(self, study, trial, search_space):
        """Sample several parameters jointly."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(self, study, trial, param_name, param_distribution):
        """Sample one parameter."""
        return self._sampler.sample_independent(
            study, trial, param_name, param_distribution
        )


def make_pruner(pruner, max_epochs):
    """Return an Optuna pruner for None, "median", "hyperband" or a pruner.

    If `max_epochs` is "auto", Hyperband learns it from the first completed trial.
    """
    if pruner is None:
        return optuna.pruners.NopPruner()
    if pruner == "median":
        # The first epochs say little about the last.
        return optuna.pruners.MedianPruner(n_warmup_steps=2)
    if pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=max_epochs)
    return pruner
