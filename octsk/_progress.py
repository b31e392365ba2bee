"""How far a training is: a bar on a terminal, a line an epoch elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# What Keras calls its figures, and their names here.
_FIGURES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "val_accuracy": "validation accuracy",
}


class TrainingDisplay:
    """Shows the trainings of nets, one after the other, and the time each has left.

    A context manager. A terminal gets a bar, which goes when the display ends; a file or
    a pipe, the log of continuous integration for instance, a line after each epoch.

    Parameters
    ----------
    console : rich.console.Console
        Where to show it.
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

    def __enter__(self):
        self._bar.start()
        return self

    def __exit__(self, *exception):
        self._bar.stop()

    def watch(self, net, title: str) -> None:
        """Show the next fit of `net` until `leave`."""
        # Here, since it loads TensorFlow.
        from octsk._training import ProgressCallback

        self._title, self._words = title, "left"
        self._start = time.monotonic()
        self._bar.reset(self._task, total=None, description=title, words="starting")
        net.set_params(callbacks=ProgressCallback(self))

    def leave(self, net) -> None:
        """Look at `net` no longer."""
        net.set_params(callbacks=None)

    def train(self, net, dataset, title: str) -> None:
        """Fit `net` on the training split, watched on the validation split if any."""
        validation = {}
        if dataset.val is not None:
            validation = {"X_val": dataset.val.data, "y_val": dataset.val.target}
        self.watch(net, title)
        net.fit(dataset.train.data, dataset.train.target, **validation)
        self.leave(net)

    def on_event(self, kind: str, *, net, seed, index, total, **what) -> None:
        """Follow `run_benchmark`, and print a line on each training that stays."""
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
                f"{title}: ACC {acc:.3f}, AUC {auc:.3f} on the test split, "
                f"trained in {report.fit_seconds:.0f} s"
            )

    def steps(self, done: int, total: int) -> None:
        """Move the bar on; the callback calls it."""
        self._bar.update(self._task, completed=done, total=total, words=self._words)

    def epoch(self, done: int, total: int, logs: dict[str, float]) -> None:
        """Say how an epoch went; the callback calls it."""
        if self._console.is_terminal:
            self._words = f"left; epoch {done}/{total}: accuracy {logs['accuracy']:.3f}"
            return
        figures = ", ".join(
            f"{name} {logs[key]:.3f}" for key, name in _FIGURES.items() if key in logs
        )
        seconds = (time.monotonic() - self._start) / done * (total - done)
        left = f"; {seconds:.0f} s left" if done < total else ""
        self._say(f"{self._title}, epoch {done}/{total}: {figures}{left}")

    def _say(self, line: str) -> None:
        self._bar.console.print(line, soft_wrap=True, markup=False, highlight=False)
