"""Progress of trainings and searches: a bar in a terminal, lines in a log."""

import time
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from octsk.utils.formatting import format_rough_time, format_score
from octsk.utils.untrusted import printable

# Names for the metrics in Keras's logs.
_FIGURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_accuracy": "validation accuracy",
}


class TrainingDisplay:
    """Shows the progress of one training after another, and the remaining time.

    The display is a context manager. In a terminal, it shows a bar that disappears at the
    end. In a file or a pipe, such as the log of continuous integration, it prints a line
    after each epoch. For a search, it prints a line after each trial in both cases.

    Parameters
    ----------
    console : rich.console.Console
        The console on which progress is shown.
    """

    def __init__(self, console: Console):
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, words="")
        self._title, self._words = "", ""
        self._start = 0.0
        self._before: int | None = None
        self._begun = datetime.now()
        self._search: _SearchProgress | None = None

    def __enter__(self):
        self._begun = datetime.now()
        self._bar.start()
        return self

    def __exit__(self, *exception):
        # In versions of rich before 15, a hidden bar would leave an empty line.
        if not self._bar.disable:
            self._bar.stop()

    def watch(self, net, title: str) -> None:
        """Show the next fits of `net` until `leave` is called."""
        # This import is local, because it loads TensorFlow.
        from octsk.training import ProgressCallback

        self._title, self._words = title, "left"
        self._start, self._before = time.monotonic(), None
        description = escape(printable(title))
        self._bar.reset(self._task, total=None, description=description, words="starting")
        net.set_params(callbacks=ProgressCallback(self))

    def leave(self, net) -> None:
        """Stop showing the fits of `net`."""
        net.set_params(callbacks=None)

    def train(self, net, dataset, title: str) -> None:
        """Fit `net` on the training split, using the validation split if there is one."""
        validation = {}
        if dataset.val is not None:
            validation = {"X_val": dataset.val.data, "y_val": dataset.val.target}
        self.watch(net, title)
        net.fit(dataset.train.data, dataset.train.target, **validation)
        self.leave(net)

    def on_event(self, kind: str, *, net, seed, index, total, **what) -> None:
        """Show the progress of `run_benchmark`, and print a line for each training."""
        title = f"{net}, seed {seed}"
        if kind == "fit_start":
            number = f" ({index + 1} of {total})" if total > 1 else ""
            self.watch(what["estimator"], title + number)
        elif kind == "fit_end":
            self.leave(what["estimator"])
        else:
            report = what["report"]
            acc, auc = report.metrics["acc"], report.metrics["auc"]
            self._say(
                f"{title}: ACC {format_score(acc)}, AUC {format_score(auc)} on the test "
                f"split, trained in {format_rough_time(report.fit_seconds)}"
            )

    def on_trials(self, search) -> None:
        """Print a line for each trial of `octsk.tuning.tune`, with the best so far."""
        if self._search is None:
            self._search = _SearchProgress(search, self._begun)
            self._bar.reset(
                self._task, total=search.n_trials, description="trials", words="left"
            )
        for line in self._search.news():
            self._say(line)
        done, best = self._search.n_done, self._search.best_words()
        self._bar.update(self._task, completed=done, words=f"left{best}")

    def steps(self, done: int, total: int) -> None:
        """Advance the bar; called by the Keras callback."""
        self._bar.update(self._task, completed=done, total=total, words=self._words)

    def epoch(self, done: int, total: int, logs: dict[str, float]) -> None:
        """Show the metrics of an epoch; called by the Keras callback."""
        if self._console.is_terminal:
            self._words = (
                f"left; epoch {done}/{total}: accuracy {format_score(logs['accuracy'])}"
            )
            return
        figures = ", ".join(
            f"{name} {format_score(logs[key])}"
            for key, name in _FIGURES.items()
            if key in logs
        )
        if self._before is None:
            # A resumed training begins with a later epoch.
            self._before = done - 1
        seconds = (time.monotonic() - self._start) / (done - self._before) * (total - done)
        left = f"; {format_rough_time(seconds)} left" if done < total else ""
        self._say(f"{self._title}, epoch {done}/{total}: {figures}{left}")

    def _say(self, line: str) -> None:
        self._bar.console.print(
            printable(line), soft_wrap=True, markup=False, highlight=False
        )


class _SearchProgress:
    """Finds the trials of a study that have ended since the last call of `news`.

    Parameters
    ----------
    search : OCTSearchCV
        The running search.
    begun : datetime
        Start of the search. Trials that ended earlier belong to an earlier run.
    """

    def __init__(self, search, begun: datetime):
        from octsk.model_selection import study as studies

        self._studies = studies
        self._search = search
        self._begun = begun
        self._told: set[int] = set()
        self.n_done = self._n_before = 0
        self._best: tuple[float, int] | None = None

    def news(self):
        """Yield a line about trials of earlier runs, and one for each new trial."""
        ended = self._studies.ended_trials(self._search.study_)
        before = [trial for trial in ended if trial.datetime_complete < self._begun]
        if before and not self._told:
            for trial in before:
                self._count(trial)
            self._n_before = self.n_done
            total = self._search.n_trials
            yield f"already done: {self.n_done} of {total} trials{self.best_words()}"
        for trial in ended:
            if trial.number not in self._told:
                self._count(trial)
                yield f"trial {trial.number}: {self._how(trial)}; {self._state()}"

    def best_words(self) -> str:
        """Return the score and number of the best trial so far as text."""
        if self._best is None:
            return ""
        score, number = self._best
        return f", best {format_score(score)} (trial {number})"

    def _count(self, trial):
        self._told.add(trial.number)
        self.n_done += self._studies.counts(trial)
        score = _score(trial)
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, trial.number)

    def _how(self, trial) -> str:
        if (score := _score(trial)) is not None:
            scoring = self._search.scoring
            name = scoring.replace("_", " ") if isinstance(scoring, str) else "score"
            return f"{name} {format_score(score)}"
        if trial.state.name == "PRUNED":
            return f"pruned after epoch {trial.last_step}"
        error = trial.user_attrs.get(self._studies.ERROR, "its process was ended")
        return f"failed: {error}"

    def _state(self) -> str:
        total = self._search.n_trials
        words = f"{self.n_done} of {total}{self.best_words()}"
        new = self.n_done - self._n_before
        if not 0 < self.n_done < total or new < 1:
            return words
        seconds = (datetime.now() - self._begun).total_seconds() / new
        return f"{words}; {format_rough_time(seconds * (total - self.n_done))} left"


def _score(trial) -> float | None:
    # Optuna stores the last score of a pruned trial as its value.
    return trial.values[0] if trial.state.name == "COMPLETE" else None
