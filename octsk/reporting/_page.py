"""A run as a web page in one file: what it says, section by section."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader

from octsk._report import TITLES, data_words, decimals, published_tables
from octsk._tables import Table
from octsk._version import __version__
from octsk.plots._drawing import unseen_figures
from octsk.reporting import _pictures
from octsk.reporting._content import SPLITS, class_counts, description, parameter_rows
from octsk.reporting._pictures import Picture

_NOT_CLINICAL = (
    "For research and teaching. Not for clinical use: nothing here says how a classifier "
    "does on other scanners, other patients or other diseases than those of this data set."
)


_ON_MISTAKES = (
    "What is wrong and said with confidence is where to look first: for a wrong label, a "
    "poor scan, or what has not been learned."
)

_ON_MAPS = (
    "Grad-CAM shows which parts of an image raise the class that the net predicts. It is "
    "for finding out what a net has learned, not for finding lesions."
)


class Section(NamedTuple):
    """A part of the page; all its figures come from one source."""

    title: str
    source: str = ""
    words: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    sections: Sequence["Section"] = ()


def html_report(run) -> str:
    """Write a run as a web page that needs no other file.

    The page holds settings, data, versions and seeds, the tables, published rows apart
    from measured ones, and pictures: results, training, the surest mistakes, and what
    octsk's nets looked at. It asks for nothing from a network and runs no script.

    Parameters
    ----------
    run : octsk.benchmark.BenchmarkRun or octsk.tuning.TuningRun
        The run. Pictures of images need the data set that `run_benchmark` and `tune` keep
        in it.

    Returns
    -------
    str
        The page, HTML. Without matplotlib (``octsk[plot]``) it has no pictures and says
        so.

    See Also
    --------
    model_card : What is to be known of one net.
    octsk.benchmark.BenchmarkRun.save : Writes the page beside the other files.

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
    # Missing matplotlib shows with the first picture.
    try:
        with unseen_figures():
            sections, no_pictures = _sections(run, draw=True), ""
    except ImportError as error:
        sections, no_pictures = _sections(run, draw=False), str(error)
    if hasattr(run, "search"):
        name, data = type(run.search.estimator).__name__, run._split()
        title = f"Tuning of {name}"
    else:
        title, data = f"Benchmark of {', '.join(run.reports)}", run.first.data
    return _template().render(
        title=title,
        subtitle=data_words(data),
        synthetic=bool(data["synthetic"]),
        not_clinical=_NOT_CLINICAL,
        no_pictures=no_pictures,
        sections=sections,
        version=__version__,
    )


@cache
def _template():
    loader = PackageLoader("octsk.reporting")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html")


def _sections(run, *, draw) -> list[Section]:
    if not hasattr(run, "search"):
        return _benchmark_sections(run, draw)
    search = _search_section(run, draw)
    if run.benchmark is None:
        versions = _versions_section(run.to_dict()["environment"])
        return [search, _search_data(run, draw), versions]
    return [search, *_benchmark_sections(run.benchmark, draw)]


# --------------------------------------------------------------------------------------
# A benchmark
# --------------------------------------------------------------------------------------


def _benchmark_sections(run, draw) -> list[Section]:
    data = run.first.data
    results = Section(
        "Results",
        _measured_words(data),
        tables=[run._measured_table(), *([_seeds_table(run)] if run.seeds[1:] else [])],
        pictures=_pictures.of_results(run) if draw else (),
    )
    published = Section(
        "Published results",
        "published",
        tables=published_tables(data, run.first.not_comparable),
    )
    return [
        results,
        published,
        _data_section(run, draw),
        *(_net_section(run, net, draw) for net in run.reports),
        _settings_section(run),
        _versions_section(run.first.environment),
    ]


def _net_section(run, net, draw) -> Section:
    report, *others = run.reports[net]
    words = []
    if others:
        words.append(f"One of {len(others) + 1} trainings, with seed {report.seed}.")
    images = None if run.dataset is None else _pictures.images_of(run.dataset["test"])
    parts = []
    if draw and images is not None:
        mistakes = _pictures.of_mistakes(report, images)
        parts.append(Section("Surest mistakes", words=[_ON_MISTAKES], pictures=mistakes))
        if not mistakes:
            words.append(f"None of the {report.n_samples} images was mistaken.")
        maps = _pictures.of_explanations(run.estimators.get(net), report, images)
        parts.append(Section("What moved the net", words=[_ON_MAPS], pictures=maps))
    return Section(
        f"{net} in detail",
        _measured_words(report.data),
        words=words,
        tables=[report._metrics_table(), report._classes_table(), *report._rank_table()],
        pictures=_pictures.of_scores(report) if draw else (),
        sections=[part for part in parts if part.pictures],
    )


def _measured_words(data) -> str:
    return "measured on SYNTHETIC images" if data["synthetic"] else "measured by this run"


def _seeds_table(run) -> Table:
    shown = ("acc", "auc", "balanced_accuracy", "log_loss", "ece")
    rows = [
        (net, str(report.seed), *(decimals(report.metrics[name]) for name in shown))
        for net, reports in run.reports.items()
        for report in reports
    ]
    header = ("net", "seed", *(TITLES[name] for name in shown))
    return Table("Each training", header, rows)


def _data_section(run, draw) -> Section:
    data, training = run.first.data, run.training
    rows = [
        *_data_rows(data),
        ("training images", f"{training['n_train']:,}"),
        ("validation images", f"{training['n_val']:,}"),
        (f"{SPLITS[data['split']]} images", f"{run.first.n_samples:,}"),
        ("SHA-256 of the arrays measured on", data["arrays_sha256"]),
    ]
    if training["sha256"]:
        rows.append(("SHA-256 of the arrays trained on", training["sha256"]))
    tables, pictures = [Table("Data set", rows=rows)], []
    if run.dataset is not None:
        tables.append(class_counts(run.dataset, run.first.class_names))
        pictures = _pictures.of_data(run.dataset) if draw else []
    return Section("Data", words=description(run.dataset), tables=tables, pictures=pictures)


def _data_rows(data) -> list[tuple[str, str]]:
    return [
        ("name", data["name"] or "not named"),
        ("image size", f"{data['size']} pixels" if data["size"] else "not told"),
        ("SHA-256 of the file", data["sha256"] or "read from no file"),
    ]


def _settings_section(run) -> Section:
    firsts = [reports[0] for reports in run.reports.values()]
    rows = [
        ("estimator", *(report.estimator for report in firsts)),
        *parameter_rows([report.params for report in firsts]),
    ]
    seeds = ", ".join(map(str, run.seeds))
    words = [f"Seeds: {seeds}. Each is the random_state of a training."]
    table = Table("Parameters", ("parameter", *run.reports), rows)
    return Section("Settings", words=words, tables=[table])


def _versions_section(environment) -> Section:
    rows = [(name.replace("_", " "), str(value)) for name, value in environment.items()]
    return Section("Versions and machine", tables=[Table("Where it ran", rows=rows)])


# --------------------------------------------------------------------------------------
# A search
# --------------------------------------------------------------------------------------


def _search_section(run, draw) -> Section:
    return Section(
        "Search",
        _measured_words(run.data),
        tables=[run._search_table(), run._params_table(), run._trials_table()],
        pictures=_pictures.of_search(run) if draw else (),
    )


def _search_data(run, draw) -> Section:
    data, patients = run.data, run.data["n_groups"]
    rows = [
        *_data_rows(data),
        ("training images", f"{data['n_train']:,}"),
        ("patients in them", "not known" if patients is None else f"{patients:,}"),
    ]
    return Section(
        "Data",
        words=description(run.dataset),
        tables=[Table("Data set", rows=rows), class_counts(run.dataset, run.class_names)],
        pictures=_pictures.of_data(run.dataset) if draw else (),
    )
