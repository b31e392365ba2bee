"""Coverage of the bootstrap intervals in simulated studies with few patients.

The script draws studies in which the true value of each metric is known, computes the 95 %
interval of each metric by patient, and counts how often it contains the true value. The
percentile intervals of the same resamples are shown for comparison. Each patient has 1 to
10 images, which are correlated: half of the variance of the scores is between patients.
Only scores are drawn. There are no images, and no network is trained.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks._common import at_least, new_parser, new_result, save, show
from octsk.metrics._bootstrap import _resampled
from octsk.metrics._intervals import Scale, ends, estimate
from octsk.metrics._resampled import resampled_accuracy
from octsk.utils.tables import Table

# In a second network, for comparison, the lead of the true class is this much smaller.
BEHIND = 0.4
# Probability of the second class above which an image counts as positive.
THRESHOLD = 0.3
# The data on which the result was measured, for the documentation.
MEASURED_ON = "simulated scores, without images"
# Number of patients of the population whose metrics are the true values.
POPULATION = 100_000


class Design(NamedTuple):
    """Design of a simulated study.

    Attributes
    ----------
    title : str
        Title of the table of this design.
    n_classes : int
        Number of classes, which all have the same size.
    mixed : bool
        Whether the images of a patient may belong to several classes.
    leads : dict of float
        Lead of the score of the true class over the other scores, by the resulting
        accuracy.
    """

    title: str
    n_classes: int
    mixed: bool
    leads: dict[float, float]


_TWO, _FOUR = {0.7: 1.05, 0.85: 2.07, 0.97: 3.76}, {0.7: 2.1, 0.85: 3.05, 0.97: 4.55}
DESIGNS = {
    "two": Design("Two classes, one per patient", 2, False, _TWO),
    "four": Design("Four classes, one per patient", 4, False, _FOUR),
    "mixed": Design("Four classes, several per patient", 4, True, _FOUR),
}


class Study(NamedTuple):
    """Patient and class of each image, and the probabilities of two networks."""

    groups: np.ndarray
    y: np.ndarray
    score: np.ndarray
    other: np.ndarray


def draw(design: Design, lead: float, n_patients: int, rng) -> Study:
    """Draw a study in which every class occurs."""
    k = design.n_classes
    groups = np.repeat(np.arange(n_patients), rng.integers(1, 11, size=n_patients))
    while True:
        y = rng.integers(k, size=len(groups) if design.mixed else n_patients)
        if len(np.unique(y)) == k:
            break
    y = y if design.mixed else y[groups]
    of_patient = rng.normal(size=(n_patients, k))[groups]

    def probabilities(lead):
        logits = of_patient + rng.normal(size=of_patient.shape) + lead * np.eye(k)[y]
        odds = np.exp(logits)
        return odds / odds.sum(axis=1, keepdims=True)

    return Study(groups, y, probabilities(lead), probabilities(lead - BEHIND))


def figures(study: Study) -> Iterator[tuple[str, Callable, np.ndarray, np.ndarray, Any]]:
    """Yield the name, function of counts, classes, groups and kind of each metric."""
    groups, y, score, other = study
    names = {
        "acc": "accuracy",
        "balanced_accuracy": "balanced accuracy",
        "auc": "AUC",
        "log_loss": "log-loss",
    }
    found = {metric: _resampled(metric, y, score, None) for metric in names}
    for metric, (of_counts, codes, kind) in found.items():
        yield names[metric], of_counts, codes, groups, (kind.by_class, kind.scale)
    rate = found["acc"][2]
    sick = y == 1
    hits = resampled_accuracy(y[sick], score[sick, 1:2] + 0.5 - THRESHOLD)
    of_sick = np.unique(groups[sick], return_inverse=True)[1]
    yield "sensitivity", hits, y[sick], of_sick, (False, rate.scale)
    ours, theirs = found["acc"][0], resampled_accuracy(y, other)
    yield (
        "difference of accuracies",
        lambda counts: ours(counts) - theirs(counts),
        y,
        groups,
        (False, Scale(-1, 1)),
    )


def true_figures(design: Design, lead: float) -> dict[str, float]:
    """Return the metrics of a large population."""
    study = draw(design, lead, POPULATION, np.random.default_rng(0))
    return {
        name: float(of_counts(np.ones((1, len(codes))))[0])
        for name, of_counts, codes, *_ in figures(study)
    }


def missed(study: Study, truth: dict[str, float], n_resamples: int, seed: int):
    """Yield, for each metric, whether the truth lies below or above the two intervals."""
    for name, of_counts, codes, groups, (by_class, scale) in figures(study):
        if groups.max() < 1:
            # A single patient with the disease is not enough for an interval.
            continue
        values = []

        def recorded(counts, of_counts=of_counts, values=values):
            values.append(of_counts(counts))
            return values[-1]

        found = estimate(
            recorded,
            codes,
            groups,
            n_resamples,
            np.random.RandomState(seed),
            by_class=by_class,
            scale=scale,
        )
        ours = ends(found, 0.95)
        # The first value is the metric of the study itself.
        percentiles = np.quantile(np.concatenate(values[1:]), [0.025, 0.975])
        for method, (low, high) in (("octsk", ours), ("percentiles", percentiles)):
            yield name, method, truth[name] < low, truth[name] > high, high - low


def measure(
    design: str, accuracy: float, patients: Sequence[int], studies: int, resamples: int
) -> Iterator[dict[str, Any]]:
    """Simulate studies of one design, and yield a row for each size and metric."""
    kind = DESIGNS[design]
    lead = kind.leads[accuracy]
    truth = true_figures(kind, lead)
    for n in patients:
        seen: dict[tuple[str, str], list] = {}
        for i in range(studies):
            study = draw(kind, lead, n, np.random.default_rng([i, n]))
            for name, method, *answer in missed(study, truth, resamples, i):
                seen.setdefault((name, method), []).append(answer)
        yield from (
            {
                "design": design,
                "accuracy": accuracy,
                "patients": n,
                "figure": name,
                "truth": truth[name],
                "method": method,
                "studies": len(answers),
                "below": float(np.mean([low for low, _, _ in answers])),
                "above": float(np.mean([high for _, high, _ in answers])),
                "width": float(np.median([width for _, _, width in answers])),
            }
            for (name, method), answers in seen.items()
        )


def new_study_parser(description, *, patients: Sequence[int]) -> ArgumentParser:
    """Create an argument parser with options for the number and size of studies."""
    parser = new_parser(description)
    parser.add_argument(
        "--studies",
        type=at_least(2),
        default=1000,
        help="studies of each design and size (default %(default)s)",
    )
    parser.add_argument(
        "--resamples",
        type=at_least(2),
        default=300,
        help="resamples of each study (default %(default)s)",
    )
    parser.add_argument(
        "--patients",
        type=at_least(2),
        nargs="+",
        default=patients,
        help="numbers of patients of a study (default %(default)s)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_study_parser(__doc__, patients=[10, 20, 50, 100, 200])
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    arguments = parser.parse_args(argv)
    names = ("studies", "resamples", "patients", "designs")
    settings = {name: getattr(arguments, name) for name in names}
    result = new_result("coverage", settings)
    result["rows"] = [
        row
        for design in arguments.designs
        for accuracy in DESIGNS[design].leads
        for row in measure(
            design, accuracy, arguments.patients, arguments.studies, arguments.resamples
        )
    ]
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    designs = dict.fromkeys(row["design"] for row in result["rows"])
    return [_table(result, design) for design in designs]


def _table(result, design) -> Table:
    rows = [row for row in result["rows"] if row["design"] == design]
    accuracies = list(dict.fromkeys(row["accuracy"] for row in rows))
    covered = {
        (row["figure"], row["patients"], row["accuracy"], row["method"]): 100
        * (1 - row["below"] - row["above"])
        for row in rows
    }
    cells = [
        (
            f"{figure}, {n} patients",
            *(
                f"{covered[figure, n, accuracy, 'octsk']:.1f} "
                f"({covered[figure, n, accuracy, 'percentiles']:.1f})"
                for accuracy in accuracies
            ),
        )
        for figure, n in dict.fromkeys((row["figure"], row["patients"]) for row in rows)
    ]
    error = 100 * (0.95 * 0.05 / result["settings"]["studies"]) ** 0.5
    notes = [
        "Percentage of studies whose 95 % interval contains the true value, with that of "
        f"percentile intervals in parentheses. The standard error is {error:.1f}.",
        "All classes have the same size. Sensitivity is that of the second class at a "
        f"threshold of {THRESHOLD}. The difference is that to a less accurate network.",
    ]
    header = ("", *(f"accuracy {accuracy:.2f}" for accuracy in accuracies))
    return Table(DESIGNS[design].title, header, cells, notes)


if __name__ == "__main__":
    main()
