"""Samplers and pruners for Optuna studies."""

import numpy as np
import optuna


class TrialSeededSampler(optuna.samplers.BaseSampler):
    """Optuna's TPE sampler with a separate seed for each trial.

    A sampler with a single seed restarts its random numbers in each process. A continued
    search, or a second process that shares it, would thus try the same parameters again.

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
    """Return the Optuna pruner for the parameter `pruner` of a search.

    If `max_epochs` is "auto", Hyperband derives it from the first completed trial.
    """
    if pruner is None:
        return optuna.pruners.NopPruner()
    if pruner == "median":
        # The scores after the first two epochs say little about the final score.
        return optuna.pruners.MedianPruner(n_warmup_steps=2)
    if pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=max_epochs)
    return pruner
