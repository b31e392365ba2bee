"""Self-contained web page of a run."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from octsk._version import __version__
from octsk.evaluation import describe_split, subgroup_tables
from octsk.evaluation.params import parameter_rows
from octsk.evaluation.wording import format_split, published_tables
from octsk.metrics import TITLES
from octsk.plots.drawing import COLOURS, unseen_figures
from octsk.reporting import _pictures, _words
from octsk.reporting._content import (
    SPLITS,
    check_alone,
    class_counts,
    description,
    is_report,
)
from octsk.reporting._pictures import Picture
from octsk.utils.formatting import format_score
from octsk.utils.json import jsonable
from octsk.utils.tables import Table, escape_html


class Section(NamedTuple):
    """Section of the page, whose results have the same source."""

    title: str
    source: str = ""
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    sections: Sequence["Section"] = ()


def html_report(run, *, estimator=None, dataset=None) -> str:
    """Write a run as a self-contained web page.

    The page contains the settings, data, versions and seeds, all tables, and plots of the
    results, the training, a prediction and the most confident mistakes. If measured, it
    shows errors on corrupted images. For octsk's nets, it also shows augmented images and
    the image regions that drive predictions. Published and measured results are in separate
    tables. The page neither loads anything from a network nor runs scripts.

    Parameters
    ----------
    run : BenchmarkRun, TuningRun, BenchmarkReport or LabelIssues
        A run of `octsk.benchmark` or `octsk.tuning`, the report of `octsk.evaluate`, or the
        result of `octsk.find_label_issues`. Images are only shown if the run contains its
        data set, as after `run_benchmark` and `tune`.
    estimator : classifier, default=None
        The evaluated classifier, if `run` is a report, to explain its predictions.
        Otherwise, it must be None.
    dataset : Bunch, default=None
        The data set that was passed to `octsk.evaluate`, if `run` is a report, to describe
        it and show its images, or the split whose labels were ranked, if `run` is the
        result of `octsk.find_label_issues`. Otherwise, it must be None.

    Returns
    -------
    str
        The page as HTML.

    Raises
    ------
    ValueError
        If `estimator` or `dataset` is given and `run` is not a report, or if `dataset` is
        another split or has another number of images than were evaluated.

    See Also
    --------
    model_card : Describe one net of the run.
    octsk.benchmark.BenchmarkRun.save : Write the page together with other files.

    Examples
    --------
    >>> import octsk
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.utils import Bunch
    >>> train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
    >>> dataset = Bunch(name="oct-phantoms", synthetic=True, train=train, test=test)
    >>> run = octsk.benchmark.run_benchmark({"<guess>": DummyClassifier()}, dataset)
    >>> page = octsk.reporting.html_report(run)
    >>> "SYNTHETIC DATA" in page, "<guess>" in page, "&lt;guess&gt;" in page
    (True, False, True)
    """
    has_data = _is_ranking(run)
    check_alone(run, estimator=estimator, dataset=None if has_data else dataset)
    title, data = _title_and_data(run, dataset)
    with unseen_figures():
        if _is_ranking(run):
            sections = [_labels_section(run, data, dataset)]
        else:
            sections = _sections(run, estimator, dataset)
    return _template().render(
        title=title,
        subtitle=format_split(data),
        synthetic=bool(data["synthetic"]),
        not_clinical=_words.NOT_CLINICAL,
        sections=sections,
        version=__version__,
        colours=COLOURS,
    )


def _is_ranking(run) -> bool:
    """Return whether this is the result of find_label_issues, without importing Keras."""
    return hasattr(run, "ranking")


def _title_and_data(run, dataset):
    if _is_ranking(run):
        known = dataset or {}
        split = known.get("split") or "train"
        return "Labels in doubt", {**describe_split(known, split), "split": split}
    if is_report(run):
        return f"Evaluation of {run.name}", run.data
    if hasattr(run, "search"):
        return f"Tuning of {type(run.search.estimator).__name__}", run._split()
    return f"Benchmark of {', '.join(run.reports)}", run.first.data


@cache
def _template():
    loader = PackageLoader("octsk.reporting")
    environment = Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Texts also become printable.
        finalize=lambda words: (
            words if isinstance(words, Markup) else Markup(escape_html(words))
        ),
    )
    return environment.get_template("page.html")


def _sections(run, estimator, dataset) -> list[Section]:
    if is_report(run):
        return _evaluation_sections(run, estimator, dataset)
    if not hasattr(run, "search"):
        return _benchmark_sections(run)
    search = _search_section(run)
    if run.benchmark is None:
        versions = _versions_section(run.to_dict()["environment"])
        checks = _checks_section(run.data.get("findings"))
        return [search, _search_data(run), *checks, _search_settings(run), versions]
    return [search, *_benchmark_sections(run.benchmark)]


# --------------------------------------------------------------------------------------
# One report
# --------------------------------------------------------------------------------------


def _evaluation_sections(report, estimator, dataset) -> list[Section]:
    # Like `evaluate`, accept the whole data set or the split itself.
    part = (dataset or {}).get(report.data["split"], dataset) or {}
    images = _pictures.images_of(part)
    split = part.get("split", report.data["split"])
    if split != report.data["split"]:
        raise ValueError(
            f"dataset must hold the {report.data['split']} split, which was evaluated, got "
            f"the {split} split."
        )
    if images is not None and report.left_out and len(images) > report.n_samples:
        images = images[report.image_index]
    if images is not None and len(images) != report.n_samples:
        raise ValueError(
            f"dataset must hold the {report.n_samples} images that were evaluated, got "
            f"{len(images)}."
        )
    rows = [*_data_rows(report.data), *_measured_rows(report)]
    # The report contains the names of the classes, which the data set may not.
    named = {**part, "target": report.y_true, "target_names": report.class_names}
    if images is not None:
        named["data"] = images
    seed = "not known" if report.seed is None else report.seed
    nets = None if estimator is None else {report.name: estimator}
    results = _report_section("Results", [_words.ON_TRAINING], report, estimator, images)
    training = _pictures.of_training([report])
    return [
        results._replace(pictures=[*results.pictures, *training]),
        _published_section(report),
        Section(
            "Data",
            words=description(dataset),
            tables=[Table("Data set", rows=rows)],
            pictures=_pictures.of_data(named, report.data["split"], nets),
        ),
        _settings_of([report], f"Seed of the training: {seed}."),
        _versions_section(report.environment),
    ]


def _report_section(title, words, report, estimator, images) -> Section:
    """Describe one classifier; `images` are the evaluated ones, or None."""
    parts = [
        *_study_sections(report),
        Section(
            "Rank among published results", _words.ON_RANK, tables=report._rank_table()
        ),
    ]
    if images is not None:
        mistakes = _pictures.of_mistakes(report, images)
        none = f"All {report.n_samples} images were predicted correctly."
        maps = _pictures.of_explanations(estimator, report, images)
        parts += [
            Section("One prediction", pictures=_pictures.of_prediction(report, images)),
            Section(
                "Most confident mistakes", words=[_words.ON_MISTAKES], pictures=mistakes
            ),
            Section("Explanations", words=[_words.ON_MAPS], pictures=maps),
        ]
        words = words if mistakes else [*words, none]
    return Section(
        title,
        _measured_words(report.data),
        words=words,
        tables=[report._metrics_table(), report._classes_table()],
        pictures=_pictures.of_scores(report),
        sections=[part for part in parts if part.tables or part.pictures],
    )


def _study_sections(report) -> list[Section]:
    """Describe a report by patient, at its operating point and in subgroups."""
    by_group, point = report.by_group, report.operating_point
    measured = _measured_words(report.data)
    sections = []
    if by_group is not None:
        table = by_group._classes_table()
        pictures = _pictures.of_calibration(by_group)
        about = ("By patient", measured, by_group.remarks, [table], pictures)
        sections.append(Section(*about))
    if point is not None:
        other = by_group and by_group.operating_point
        sections.append(
            Section(
                "Operating point",
                measured,
                words=[_words.ON_POINTS],
                tables=[point.table(report.confidence_level, other)],
                pictures=_pictures.of_operating_point(report),
            )
        )
    if report.subgroups:
        tables = subgroup_tables(report.subgroups, report.confidence_level)
        sections.append(Section("Subgroups", measured, tables=tables))
    if report.abstention is not None:
        tables = report.abstention._tables()
        pictures = _pictures.of_abstention(report)
        about = ("Abstention", measured, [_words.ON_ABSTENTION], tables, pictures)
        sections.append(Section(*about))
    return sections


def _published_section(report) -> Section:
    tables = published_tables(report.data, report.not_comparable)
    origin = "" if report.not_comparable else "published"
    return Section("Published results", origin, tables=tables)


def _labels_section(issues, data, dataset) -> Section:
    images = _pictures.images_of(dataset or {})
    pictures = [] if images is None else _pictures.of_label_issues(issues, images)
    words = _measured_words(data)
    return Section("Ranking", words, [_words.ON_LABELS], issues._tables(), pictures)


# --------------------------------------------------------------------------------------
# A benchmark
# --------------------------------------------------------------------------------------


def _benchmark_sections(run) -> list[Section]:
    seeds = ", ".join(map(str, run.seeds))
    results = Section(
        "Results",
        _measured_words(run.first.data),
        tables=[
            run._measured_table(),
            *run._points_table(),
            *run._abstention_table(),
            *([_seeds_table(run)] if run.seeds[1:] else []),
        ],
        pictures=_pictures.of_results(run),
    )
    return [
        results,
        *_comparison_sections(run),
        *_corruption_sections(run),
        _published_section(run.first),
        _data_section(run),
        *_checks_section(run.training.get("findings")),
        *(_net_section(run, net) for net in run.reports),
        _settings_of(
            [reports[0] for reports in run.reports.values()],
            f"Seeds: {seeds}. Each is the random_state of a training.",
        ),
        _versions_section(run.first.environment),
    ]


def _comparison_sections(run) -> list[Section]:
    tables = run._comparison_tables()
    if not tables:
        return []
    return [
        Section("Comparison of the nets", _measured_words(run.first.data), tables=tables)
    ]


def _corruption_sections(run) -> list[Section]:
    tables = run._corruption_tables()
    if not tables:
        return []
    return [
        Section(
            "Corrupted images",
            _measured_words(run.first.data),
            tables=tables,
            pictures=_pictures.of_corruptions(run),
        )
    ]


def _net_section(run, net) -> Section:
    report, *others = run.reports[net]
    words = []
    if others:
        words.append(f"One of {len(others) + 1} trainings, with seed {report.seed}.")
    images = _pictures.images_of((run.dataset or {}).get("test") or {})
    return _report_section(
        f"{net} in detail", words, report, run.estimators.get(net), images
    )


def _measured_words(data) -> str:
    return "measured on SYNTHETIC images" if data["synthetic"] else "measured by this run"


def _seeds_table(run) -> Table:
    shown = ("acc", "auc", "balanced_accuracy", "log_loss", "ece")
    rows = [
        (net, str(report.seed), *(format_score(report.metrics[name]) for name in shown))
        for net, reports in run.reports.items()
        for report in reports
    ]
    header = ("net", "seed", *(TITLES[name] for name in shown))
    return Table("Each training", header, rows)


def _data_section(run) -> Section:
    data, training = run.first.data, run.training
    rows = [
        *_data_rows(data),
        ("training images", f"{training['n_train']:,}"),
        ("validation images", f"{training['n_val']:,}"),
        *_measured_rows(run.first),
    ]
    if training["sha256"]:
        rows.append(("SHA-256 of the training arrays", training["sha256"]))
    tables, pictures = [Table("Data set", rows=rows)], []
    if run.dataset is not None:
        names, trained_on = run.first.class_names, run._trained_on()
        tables.append(class_counts(run.dataset, names, trained_on))
        pictures = _training_pictures(run.dataset, run.estimators)
    return Section("Data", words=description(run.dataset), tables=tables, pictures=pictures)


def _checks_section(findings) -> list[Section]:
    """List the problems that the checks found. Runs of older versions have no checks."""
    if findings is None:
        return []
    words = findings or ["No problems were found."]
    return [Section("Checks of the data", words=[_words.ON_CHECKS, *words])]


def _training_pictures(dataset, nets) -> list[Picture]:
    train = dataset["train"]
    names = {"target_names": dataset.get("target_names")}
    own = {name: value for name, value in train.items() if value is not None}
    return _pictures.of_data({**names, **own}, "train", nets)


def _measured_rows(report) -> list[tuple[str, str]]:
    return [
        (f"{SPLITS[report.data['split']]} images", f"{report.n_samples:,}"),
        ("SHA-256 of the evaluated arrays", report.data["arrays_sha256"]),
    ]


def _data_rows(data) -> list[tuple[str, str]]:
    return [
        ("name", data["name"] or "not named"),
        ("image size", f"{data['size']} pixels" if data["size"] else "not known"),
        ("SHA-256 of the file", data["sha256"] or "not read from a file"),
    ]


def _settings_section(words, names, estimators, params) -> Section:
    rows = [("estimator", *estimators), *parameter_rows(params)]
    table = Table("Parameters", ("parameter", *names), rows)
    return Section("Settings", words=[words], tables=[table])


def _settings_of(reports, words) -> Section:
    return _settings_section(
        words,
        [report.name for report in reports],
        [report.estimator for report in reports],
        [report.shown_params for report in reports],
    )


def _versions_section(environment) -> Section:
    rows = [(name.replace("_", " "), str(value)) for name, value in environment.items()]
    return Section("Versions and machine", tables=[Table("Environment", rows=rows)])


# --------------------------------------------------------------------------------------
# A search
# --------------------------------------------------------------------------------------


def _search_section(run) -> Section:
    unmeasured = [_words.ON_NO_TEST] if run.benchmark is None else []
    return Section(
        "Search",
        _measured_words(run.data),
        words=unmeasured,
        tables=[run._search_table(), run._params_table(), run._trials_table()],
        pictures=_pictures.of_search(run),
    )


def _search_settings(run) -> Section:
    params = run.shown_params
    seeds = jsonable([params.get("random_state"), run.search.random_state])
    words = "Seed of the training: {}; of the search: {}.".format(*seeds)
    return _settings_section(words, ["tuned"], [type(run.estimator).__name__], [params])


def _search_data(run) -> Section:
    data, patients = run.data, run.data["n_groups"]
    nets = {"the tuned net": run.estimator}
    rows = [
        *_data_rows(data),
        ("training images", f"{data['n_train']:,}"),
        ("training patients", "not known" if patients is None else f"{patients:,}"),
    ]
    return Section(
        "Data",
        words=description(run.dataset),
        tables=[
            Table("Data set", rows=rows),
            class_counts(run.dataset, run.class_names, run._trained_on()),
        ],
        pictures=_training_pictures(run.dataset, nets),
    )
