"""Coverage of the intervals of sensitivity when validation patients set the threshold.

The script draws studies of two classes like `benchmarks.coverage`, with as many validation
patients as test patients. As in `octsk.evaluate`, the threshold is chosen on the validation
patients for a specificity of 0.9, and the 95 % intervals of the sensitivity are computed by
patient. The script counts how often they contain the sensitivity of the population at the
chosen threshold, and at the threshold at which the specificity of the population is 0.9.
Only scores are drawn. There are no images, and no network is trained.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._common import new_result, save, show
from benchmarks.coverage import DESIGNS, POPULATION, draw, new_study_parser
from benchmarks.coverage import MEASURED_ON as MEASURED_ON
from octsk.evaluation._figures import Resampling
from octsk.evaluation._operating_point import operating_point
from octsk.evaluation._threshold import PointRequest, Scored, choose_threshold
from octsk.utils.tables import Table

SPECIFICITY = 0.9
DESIGN = DESIGNS["two"]
# Where the true sensitivity is taken, and which interval has to contain it.
CHOSEN = "at the threshold that was chosen"
EXACT = "at exactly this specificity"
FIXED = f"{EXACT}, interval of a fixed threshold"


def _scored(n_patients, lead, rng) -> Scored:
    study = draw(DESIGN, lead, n_patients, rng)
    return Scored(study.y == 1, study.score[:, 1], study.groups)


def measure(
    accuracy: float, patients: Sequence[int], studies: int, resamples: int
) -> list[dict[str, Any]]:
    """Simulate studies, and return a row for each size."""
    lead = DESIGN.leads[accuracy]
    population = _scored(POPULATION, lead, np.random.default_rng(0))
    of_sick = np.sort(population.y_score[population.y_true])
    best = choose_threshold(population.y_true, population.y_score, specificity=SPECIFICITY)

    def sensitivity(threshold):
        return 1 - np.searchsorted(of_sick, threshold) / len(of_sick)

    request = PointRequest("1", specificity=SPECIFICITY)
    rows = []
    for n in patients:
        covered: dict[str, list[bool]] = {CHOSEN: [], EXACT: [], FIXED: []}
        for i in range(studies):
            rng = np.random.default_rng([i, n])
            validation, test = (_scored(n, lead, rng) for _ in range(2))
            resampling = Resampling(0.95, resamples, i)
            names = ["0", "1"]
            point = operating_point(request, names, [1], test, validation, resampling)
            fixed, exact = point.intervals["sensitivity"], point.at_goal["interval"]
            for name, (low, high), threshold in (
                (CHOSEN, fixed, point.threshold),
                (EXACT, exact, best),
                (FIXED, fixed, best),
            ):
                covered[name].append(low <= sensitivity(threshold) <= high)
        rows.append(
            {
                "accuracy": accuracy,
                "patients": n,
                "truth": float(sensitivity(best)),
                **{name: float(np.mean(found)) for name, found in covered.items()},
            }
        )
    return rows


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_study_parser(__doc__, patients=[20, 50, 100])
    arguments = parser.parse_args(argv)
    settings = {k: getattr(arguments, k) for k in ("studies", "resamples", "patients")}
    result = new_result("threshold_coverage", settings)
    result["rows"] = [
        row
        for accuracy in DESIGN.leads
        for row in measure(
            accuracy, arguments.patients, arguments.studies, arguments.resamples
        )
    ]
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    cells = [
        (
            f"accuracy {row['accuracy']:.2f}, {row['patients']} patients",
            f"{row['truth']:.3f}",
            *(f"{100 * row[name]:.1f}" for name in (CHOSEN, EXACT, FIXED)),
        )
        for row in result["rows"]
    ]
    error = 100 * (0.95 * 0.05 / result["settings"]["studies"]) ** 0.5
    notes = [
        "Percentage of studies whose 95 % interval contains the sensitivity of the "
        f"population. The standard error is {error:.1f}. There are as many validation "
        "patients as test patients.",
        "A report shows the interval at the threshold that was chosen, which is that of a "
        "fixed threshold, and the interval at exactly the given specificity, which also "
        "contains the variation of the threshold. The last column shows that the former "
        "must not be taken for the latter.",
    ]
    header = ("", f"sensitivity at specificity {SPECIFICITY}", CHOSEN, EXACT, FIXED)
    return [Table("Two classes, one per patient", header, cells, notes)]


if __name__ == "__main__":
    main()
