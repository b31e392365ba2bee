"""Result of tuning a classifier on a data set, as tables and files."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    StratifiedGroupKFold,
)

from octsk.augmentation import OCTAugmenter
from octsk.benchmark import BenchmarkRun
from octsk.evaluation import display_names, trained_on
from octsk.evaluation.params import parameter_rows, resolve, resolved_params
from octsk.evaluation.wording import format_split, synthetic_banner
from octsk.model_selection import OCTSearchCV, search_space
from octsk.utils.environment import environment
from octsk.utils.files import atomic_folder, atomic_write, write_text
from octsk.utils.formatting import format_score, format_time, format_value, shorten
from octsk.utils.json import jsonable, write_json
from octsk.utils.tables import Table, Tabular

TUNING_FORMAT = 1

DEFAULT, TUNED = "default", "tuned"

# Numbers of rows and parameters in the table of the best trials. trials.csv contains all.
_N_TOP, _N_COLUMNS = 10, 4

# Minimum number of completed trials for estimating the importance of parameters.
_FEW = 4

# Names for states of trials that differ from Optuna's.
_STATES = {"COMPLETE": "completed", "FAIL": "failed"}


@dataclass(eq=False, repr=False)
class TuningRun(Tabular):
    """Results of a search on a data set and of the tuned classifier.

    `tune` returns such an object. ``print`` shows its tables, as does a notebook.

    Attributes
    ----------
    search : OCTSearchCV
        The finished search, including its `study_`.
    estimator : estimator
        The classifier with the best parameters, fitted on the training split.
    benchmark : BenchmarkRun or None
        The results of the original and the tuned classifier (``"default"`` and
        ``"tuned"``) on the test split, or None if there is no test split.
    data : dict
        ``name``, ``size``, ``synthetic`` and ``sha256`` of the data set, the number of
        images in the search (``n_train``), the number of their patients (``n_groups``,
        None if unknown), and warnings about the data set (``findings``).
    class_names : list of str or None
        Names of the classes in the data set.
    dataset : Bunch or None
        The data set, whose images are shown on the HTML page.

    Examples
    --------
    >>> import octsk
    >>> from octsk.tuning import tune
    >>> from sklearn.utils import Bunch
    >>> train, test = (octsk.make_oct_phantoms(48, random_state=k) for k in range(2))
    >>> phantoms = Bunch(name="oct-phantoms", synthetic=True, train=train, test=test)
    >>> search = octsk.OCTSearchCV(
    ...     octsk.SmallOCTNet(epochs=1, filters=(4,), random_state=0),
    ...     {"learning_rate": [0.001, 0.01]},
    ...     n_trials=2, cv=2, random_state=0,
    ... )
    >>> run = tune(search, phantoms)
    >>> run
    <TuningRun of SmallOCTNet on oct-phantoms (SYNTHETIC), train split, 28 px: 2 trials>
    >>> list(run.benchmark.reports)
    ['default', 'tuned']
    """

    search: OCTSearchCV
    estimator: Any
    benchmark: BenchmarkRun | None
    data: dict[str, Any]
    class_names: list[str] | None = None
    dataset: Mapping | None = None

    def __repr__(self):
        name = type(self.search.estimator).__name__
        n = len(self.search.study_.trials)
        return f"<TuningRun of {name} on {format_split(self._split())}: {n} trials>"

    def importances(self) -> dict[str, float]:
        """Return the importance of each parameter, computed by Optuna.

        Returns
        -------
        dict of str to float
            The importances in decreasing order, which sum to 1. Parameters with only one
            possible value are left out. With fewer than four completed trials, the dict is
            empty. With a few dozen trials, importances are hints rather than measurements.
        """
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        n, varied = len(self._completed()), self._varied()
        if n < _FEW or not varied:
            return {}
        # The evaluator compares the best trials with all trials. Use at least five best
        # trials if there are enough, but not more than half of the trials.
        evaluator = PedAnovaImportanceEvaluator(target_quantile=min(0.5, max(0.1, 5 / n)))
        with warnings.catch_warnings():
            # Optuna warns that the evaluator assumes low values to be good, which is why
            # the score is negated.
            warnings.simplefilter("ignore")
            return get_param_importances(
                self.search.study_,
                evaluator=evaluator,
                params=varied,
                target=lambda t: -t.values[0],
            )

    def trials(self) -> list[dict[str, Any]]:
        """List all trials of the study, including pruned and failed ones.

        Returns
        -------
        list of dict
            For each trial, its number (``trial``), its ``state`` ("completed", "pruned",
            "failed" or "running"), the mean and standard deviation of its scores over the
            folds (``score`` and ``std``), the means of its cost and fit time over the folds
            (``cost`` and ``fit_seconds``), and its ``params``. Undefined values are None.
        """
        results, metric = self.search.cv_results_, self.search._metric()
        rows = {number: row for row, number in enumerate(results["trial"])}
        columns = {
            "score": results[f"mean_test_{metric}"],
            "std": results[f"std_test_{metric}"],
            "cost": results.get("cost"),
            "fit_seconds": results["mean_fit_time"],
        }
        listed = []
        for trial in self.search.study_.get_trials(deepcopy=False):
            row = rows.get(trial.number)
            figures = {
                name: None if row is None or values is None else float(values[row])
                for name, values in columns.items()
            }
            params = trial.params if row is None else results["params"][row]
            state = _STATES.get(trial.state.name, trial.state.name.lower())
            listed.append(
                {"trial": trial.number, "state": state, **figures, "params": dict(params)}
            )
        return listed

    def _records(self) -> list[dict[str, Any]]:
        """Return a row for each trial, with None replaced by the value that it means."""
        trials = self.trials()
        params = sorted({name for trial in trials for name in trial["params"]})
        records = []
        for trial in trials:
            shown = self._shown(trial.pop("params"))
            records.append(trial | {name: jsonable(shown.get(name)) for name in params})
        return records

    def _document_tables(self) -> list[Table]:
        rows = parameter_rows([self.shown_params])
        return [*self._tables(), Table("Settings", ("parameter", TUNED), rows)]

    def to_dict(self) -> dict[str, Any]:
        """Return the search and its results as plain Python values for JSON."""
        search = self.search
        return jsonable(
            {
                "octsk_tuning": TUNING_FORMAT,
                "data": self.data,
                "estimator": type(search.estimator).__name__,
                "default_params": search.estimator.get_params(),
                "scoring": self.metric_words(),
                "n_folds": search.n_splits_,
                "random_state": search.random_state,
                "pruner": search.pruner,
                "cost": search.cost,
                "study_name": search.study_.study_name,
                "best_params": search.best_params_,
                "best_score": search.best_score_,
                "importances": self.importances(),
                "trials": self.trials(),
                "environment": environment(),
            }
        )

    def save(self, folder: str | os.PathLike) -> Path:
        """Write the run to a new folder atomically.

        The folder contains these files:

        ``report.html``
            A page with all results and figures; see `octsk.reporting.html_report`.
        ``report.txt``
            The tables.
        ``tuning.json``
            The data, settings, best parameters and importances.
        ``trials.csv``
            All trials.
        ``search_space.json``
            The search space, for `octsk.model_selection.read_search_space`.
        ``history.png``, ``importances.png``, ``parallel.png``, ``pareto.png``
            Plots of the trials; the last one only with a `cost`.
        ``model.octsk``, ``model_card.md``
            The tuned net, for `octsk.load`, and its model card. They are not written for
            classifiers of other libraries.
        ``benchmark/``
            The results of the default and the tuned net on the test split, in the files
            that `BenchmarkRun.save` writes, without a separate page.

        Parameters
        ----------
        folder : path-like
            The folder, which must be empty or not exist yet.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If `folder` already contains files, or is a file.
        """
        from octsk.reporting import html_report

        with atomic_folder(folder) as new:
            self._save_model(new)
            write_json(new / "tuning.json", self.to_dict())
            write_json(new / "search_space.json", _space_entries(self.search))
            self.to_figures_csv(new / "trials.csv")
            self._save_figures(new)
            if self.benchmark is not None:
                self.benchmark._save_results(new / "benchmark")
            write_text(new / "report.txt", self.to_text() + "\n")
            write_text(new / "report.html", html_report(self))
        return Path(folder)

    @property
    def shown_params(self) -> dict[str, Any]:
        """Parameters of the tuned estimator, with None and "auto" replaced by values."""
        params = jsonable(self.estimator.get_params())
        return resolve(params, resolved_params(self.estimator))

    def metric_words(self) -> str:
        """Return the name of the score by which trials are ranked."""
        scoring = self.search.scoring
        return scoring if isinstance(scoring, str) else self.search._metric()

    def _save_model(self, folder) -> None:
        from octsk.classifiers import BaseOCTNet
        from octsk.reporting import model_card

        if isinstance(self.estimator, BaseOCTNet):
            names = self.class_names
            classes = self.estimator.classes_
            self.estimator.save(
                folder / "model.octsk",
                class_names=names and [names[label] for label in classes],
            )
            write_text(folder / "model_card.md", model_card(self))

    def _save_figures(self, folder) -> None:
        from octsk.reporting.tuning_figures import tuning_figures

        for name, figure in tuning_figures(self).items():
            with atomic_write(folder / f"{name}.png") as temporary:
                figure.savefig(temporary, dpi=150)

    def _completed(self):
        # Trials that another process completed after the end of the search have no score.
        return [
            trial
            for trial in self.trials()
            if trial["state"] == "completed" and trial["score"] is not None
        ]

    def _varied(self):
        """Return the names of the parameters with more than one possible value."""
        drawn_from = self.search.study_.best_trials[0].distributions
        return [name for name, one in drawn_from.items() if not one.single()]

    def _trained_on(self):
        names = display_names(self.estimator, self.estimator.classes_, self.class_names)
        counts = trained_on(self.estimator, names)
        return {} if counts is None else {TUNED: counts}

    def _split(self):
        return self.data | {"split": "train"}

    def _tables(self) -> list[Table]:
        banner = synthetic_banner(self.data)
        measured = [] if self.benchmark is None else self.benchmark._tables()
        return [
            *banner,
            self._search_table(),
            self._params_table(),
            self._trials_table(),
            *measured[len(banner) :],
        ]

    def _search_table(self) -> Table:
        search = self.search
        trials = self.trials()
        states = [trial["state"] for trial in trials]
        counts = [f"{states.count(s)} {s}" for s in dict.fromkeys(states)]
        best = next(
            t
            for t in trials
            if t["trial"] == search.cv_results_["trial"][search.best_index_]
        )
        patients = self.data["n_groups"]
        together = "" if patients is None else f", {patients} patients"
        if isinstance(search.cv, _GROUPED):
            together += " kept together"
        rows = [
            ("estimator", type(search.estimator).__name__),
            (
                "judged by",
                f"{_words(self.metric_words())} in {search.n_splits_} folds of "
                f"{self.data['n_train']} images{together}",
            ),
            ("trials", f"{len(trials)}: {', '.join(counts)}"),
            ("best", f"{_score_words(best)} (trial {best['trial']})"),
        ]
        note = (
            "± is the standard deviation over the folds. The score of the best of many "
            "trials is too optimistic, since the trial was chosen by this score."
        )
        return Table(f"Search on {format_split(self._split())}", rows=rows, notes=[note])

    def _default(self, name):
        """Return the value of a parameter before the search."""
        params = {"": self.search.estimator, **self.search.estimator.get_params()}
        if name in params:
            return params[name]
        # With augmentation=True, a net uses the augmenter of its own preset.
        net, _, parameter = name.rpartition("augmentation__")
        augmenter = OCTAugmenter.from_preset(params[net.removesuffix("__")]._preset)
        return augmenter.get_params()[parameter]

    def _shown(self, params):
        """Return the parameters of a trial, with None replaced by the value it means."""
        if not any(value is None for value in params.values()):
            return params
        tried = clone(self.search.estimator).set_params(**clone(params, safe=False))
        return resolve(params, resolved_params(tried))

    def _params_table(self) -> Table:
        importances, best = self.importances(), self.search.best_params_
        # The values that None and "auto" mean. Some are only known after training.
        default = resolved_params(self.search.estimator)
        if self.benchmark is not None:
            default = self.benchmark.reports[DEFAULT][0].resolved_params
        shown = resolve(best, resolved_params(self.estimator))
        rows = []
        for name in sorted(best, key=lambda name: -importances.get(name, 0)):
            share = importances.get(name)
            rows.append(
                (
                    name,
                    _value_words(shown[name]),
                    _value_words(resolve({name: self._default(name)}, default)[name]),
                    "-" if share is None else f"{share:.2f}",
                )
            )
        n = len(self._completed())
        note = (
            "The importance (Optuna's PED-ANOVA) tells how strongly a parameter sets the "
            f"best trials apart. With {n} trials, it is a hint rather than a measurement."
        )
        header = ("parameter", "best", "default", "importance")
        return Table("Best parameters", header, rows, [note])

    def _trials_table(self) -> Table:
        best = sorted(self._completed(), key=lambda trial: -trial["score"])[:_N_TOP]
        params = list(self.importances() or self._varied())[:_N_COLUMNS]
        with_cost = self.search.cost is not None
        header = ["trial", _words(self.metric_words()), *["cost"][:with_cost], "fit"]
        rows = [
            (
                str(trial["trial"]),
                _score_words(trial),
                *[_value_words(trial["cost"])][:with_cost],
                format_time(trial["fit_seconds"]),
                *(_value_words(shown.get(name)) for name in params),
            )
            for trial, shown in ((t, self._shown(t["params"])) for t in best)
        ]
        names = [name.rpartition("__")[2] for name in params]
        title = "Best trial" if len(rows) == 1 else f"Best {len(rows)} trials"
        return Table(title, [*header, *names], rows)


def _words(name) -> str:
    return name.replace("_", " ")


def _score_words(trial) -> str:
    return f"{format_score(trial['score'])} ± {format_score(trial['std'])}"


def _value_words(value) -> str:
    return shorten(format_value(jsonable(value)), 48)


# Splitters that never put a group into both training and test images.
_GROUPED = (GroupKFold, GroupShuffleSplit, LeaveOneGroupOut, StratifiedGroupKFold)


def _space_entries(search) -> dict[str, Any]:
    """Return the space of a search in the format that `read_search_space` reads."""
    space = search.param_distributions
    if space is None:
        space = search_space(search.estimator)
    entries = {}
    for name, given in space.items():
        values = getattr(given, "choices", given)
        if hasattr(given, "low"):
            kind = "int" if isinstance(given.low, int) else "float"
            entries[name] = {
                "type": kind,
                **{key: getattr(given, key) for key in ("low", "high", "log", "step")},
            }
        else:
            entries[name] = jsonable(list(values))
    return entries
