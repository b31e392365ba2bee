"""Model cards in Markdown with a YAML header."""

import math
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from octsk._version import __version__
from octsk.evaluation.params import parameter_rows
from octsk.evaluation.wording import format_split, leak_notes
from octsk.metrics import TITLES
from octsk.reporting._checklist import checklist_table
from octsk.reporting._content import (
    check_alone,
    class_counts,
    description,
    is_report,
)
from octsk.utils.formatting import as_word, format_interval, format_score
from octsk.utils.tables import Table, escape_markdown, table_to_markdown

_METRICS = {"acc": "accuracy", "auc": "roc_auc", "balanced_accuracy": "balanced_accuracy"}


def model_card(
    run, net: str | None = None, *, estimator=None, dataset=None, file: str | None = None
) -> str:
    r"""Write the model card of one classifier in the format of the Hugging Face Hub.

    Parameters
    ----------
    run : BenchmarkRun, TuningRun or BenchmarkReport
        A run of `octsk.benchmark` or `octsk.tuning`, or the report of `octsk.evaluate`. A
        report does not describe the training data, and its card says so.
    net : str, default=None
        Name of the net in a benchmark run. If None, it is the first net. It must be None
        for a tuning run, whose card describes the tuned net, and for a report.
    estimator : classifier, default=None
        The evaluated classifier, if `run` is a report. Otherwise, it must be None.
    dataset : Bunch, default=None
        The data set that was passed to `octsk.evaluate`, if `run` is a report. Otherwise,
        it must be None.
    file : str, default=None
        The file from which `octsk.load` loads the estimator, if `run` is a report. If
        None, the estimator is not saved. It must be None for other runs.

    Returns
    -------
    str
        Markdown text with a YAML header, which contains the results of each training. Its
        ``license`` is ``unknown``, to be replaced by the owner of the weights. The
        appendix is a checklist for studies, in which "Author to state" marks items that
        octsk cannot fill in.

    Raises
    ------
    ValueError
        If the run does not contain `net`, or if an argument is not allowed for this kind of
        run.

    See Also
    --------
    html_report : Write the whole run as a web page.

    References
    ----------
    M. Mitchell et al., Model cards for model reporting, FAT* 2019. The sections follow the
    template of Hugging Face. The checklist contains the items of CLAIM (A. S. Tejani et
    al., Radiology: Artificial Intelligence 6(4):e240300, 2024) and TRIPOD+AI (G. S. Collins
    et al., BMJ 385:e078378, 2024).

    Examples
    --------
    >>> import octsk
    >>> from sklearn.utils import Bunch
    >>> train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
    >>> dataset = Bunch(name="oct-phantoms", synthetic=True, train=train, test=test)
    >>> small = octsk.SmallOCTNet(epochs=1, filters=(4,))
    >>> run = octsk.benchmark.run_benchmark({"small": small}, dataset)
    >>> card = octsk.reporting.model_card(run)
    >>> print(card[:40])
    ---
    license: unknown
    library_name: octsk
    >>> "# small: SmallOCTNet on oct-phantoms (SYNTHETIC)" in card
    True
    """
    check_alone(run, estimator=estimator, dataset=dataset, file=file)
    if not is_report(run) and not hasattr(run, "search"):
        facts = _facts_of_benchmark(run, net)
    elif net is not None:
        kind = "report" if is_report(run) else "tuning run"
        raise ValueError(f"net must be None for a {kind}, got {net!r}.")
    elif is_report(run):
        facts = _facts_of_report(run, estimator, dataset, file)
    else:
        facts = _facts_of_search(run)
    n_train_groups = facts.pop("n_train_groups", None)
    table = checklist_table(facts, facts.pop("of_trainings"), n_train_groups)
    return _template().render(facts, checklist=_table(table))


def _facts_of_benchmark(run, net):
    net = next(iter(run.reports)) if net is None else net
    if net not in run.reports:
        raise ValueError(f"net must be one of {list(run.reports)}, got {net!r}.")
    reports, estimator = run.reports[net], run.estimators.get(net)
    first = reports[0]
    return {
        "title": f"{net}: {first.estimator}",
        "search": None,
        "file": f"{first.run_name}.octsk",
        "n_train": run.training["n_train"],
        "environment": first.environment,
        "estimator": first.estimator,
        "params": _params_table(first.shown_params),
        **_facts(estimator, first.data, run.dataset, first.class_names),
        **_training(run.dataset, first.class_names, net, run._trained_on()),
        **_measured(reports),
        "n_train_groups": run.training.get("n_train_groups"),
    }


def _facts_of_report(report, estimator, dataset, file):
    if file is not None and estimator is None:
        raise ValueError(f"file={file!r} needs the estimator that is in it; got None.")
    return {
        "title": report.estimator,
        "search": None,
        "file": file,
        "n_train": None,
        "environment": report.environment,
        "estimator": report.estimator,
        "params": _params_table(report.shown_params),
        **_facts(estimator, report.data, dataset, report.class_names),
        "counts": None,
        "n_trained": None,
        **_measured([report]),
    }


def _facts_of_search(run):
    reports = [] if run.benchmark is None else run.benchmark.reports["tuned"]
    trials = len(run.search.study_.trials)
    estimator = type(run.estimator).__name__
    return {
        "title": f"tuned: {estimator}",
        "search": (
            f"Its settings are the best of {trials} trials by "
            f"{run.metric_words().replace('_', ' ')} in "
            f"{run.search.n_splits_} folds of the training images: "
            f"{format_score(run.search.best_score_)}. This score is too optimistic, "
            "because the settings were chosen by it."
        ),
        "file": "model.octsk",
        "n_train": run.data["n_train"],
        "environment": run.to_dict()["environment"],
        "estimator": estimator,
        "params": _params_table(run.shown_params),
        **_facts(run.estimator, run._split(), run.dataset, run.class_names),
        **_training(run.dataset, run.class_names, "tuned", run._trained_on()),
        **_measured(reports[:1]),
        "n_train_groups": run.data["n_groups"],
    }


def _facts(estimator, data, dataset, class_names):
    name = data["name"] or "unnamed data"
    network = getattr(estimator, "model_", None)
    return {
        # Whether octsk can save the classifier. The other facts apply to any classifier.
        "is_octsks": hasattr(estimator, "image_shape_"),
        "has_gate": getattr(estimator, "gate_", None) is not None,
        "class_names": class_names or estimator.classes_.tolist(),
        "shape": getattr(estimator, "image_shape_", None),
        "n_parameters": None if network is None else network.count_params(),
        "data": data,
        "data_name": f"{name} (SYNTHETIC)" if data["synthetic"] else name,
        "data_tag": as_word(data["name"]).lower(),
        "about": description(dataset),
        "version": __version__,
    }


def _training(dataset, class_names, net, trained_on):
    """Return the number of images of each class, and of training images if known."""
    own = {name: counts for name, counts in trained_on.items() if name == net}
    counts = None if dataset is None else _table(class_counts(dataset, class_names, own))
    return {"counts": counts, "n_trained": sum(own[net].values()) if own else None}


def _params_table(params):
    return _table(Table("", ("parameter", "value"), parameter_rows([params])))


def _measured(reports):
    """Return the metrics of each training and the recalls of the first one."""
    if not reports:
        lists = ("of_trainings", "reports", "recall", "leaks", "studies")
        return {"results": None, "seconds": None, **{name: [] for name in lists}}
    first = reports[0]
    rows = [
        ("not known" if report.seed is None else str(report.seed), *_figures(report))
        for report in reports
    ]
    return {
        "of_trainings": reports,
        "reports": [
            {
                "name": report.run_name,
                "split": report.data["split"],
                "metrics": [
                    (kind, TITLES[name], report.metrics[name])
                    for name, kind in _METRICS.items()
                    if not math.isnan(report.metrics[name])
                ],
            }
            for report in reports
        ],
        "results": _table(Table("", ("seed", *TITLES.values()), rows)),
        "studies": [
            (table.title, _table(table), table.notes) for table in first._study_tables()
        ],
        "leaks": leak_notes(first),
        "brackets": f"{first.confidence_level:.0%} bootstrap intervals of this test set. "
        + (first.interval_caveat or ""),
        "measured": f"{first.n_samples} images: {format_split(first.data)}",
        "seconds": first.fit_seconds,
        "recall": [f"{name} {format_score(value)}" for name, value in first.recall.items()],
    }


def _figures(report):
    return [
        f"{format_score(report.metrics[name])} {format_interval(report.intervals[name])}"
        if name in report.intervals
        else format_score(report.metrics[name])
        for name in TITLES
    ]


def _table(table) -> Markup:
    return Markup(table_to_markdown(table))


@cache
def _template():
    environment = Environment(
        loader=PackageLoader("octsk.reporting"),
        undefined=StrictUndefined,
        finalize=_escape,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("card.md")


def _escape(value):
    """Escape a value for one line of Markdown."""
    if isinstance(value, Markup):  # JSON in the header, which is already quoted
        return value
    return escape_markdown(value)
