"""Study checklist of a model card: CLAIM 2024 and TRIPOD+AI, as far as octsk can fill it.

The topics are paraphrased. The numbers are those of the items in the publications:

- A. S. Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM):
  2024 update, Radiology: Artificial Intelligence 6(4):e240300, 2024.
- G. S. Collins et al., TRIPOD+AI statement: updated guidance for reporting clinical
  prediction models that use regression or machine learning methods, BMJ 385:e078378, 2024.
"""

from octsk.evaluation.wording import format_interval_note, of_patients
from octsk.utils.formatting import format_interval, format_score
from octsk.utils.tables import Table

TO_STATE = "Author to state."

# Items of CLAIM 2024, items of TRIPOD+AI, topic, and key of the answer in `_of_training` or
# `_of_evaluation`. The author must answer the other topics.
_TOPICS = (
    ("1", "1", "Title that names the method and the task", None),
    ("2", "2", "Summary in sections", None),
    ("3", "3a-3c", "Background, intended use and role in care", "use"),
    ("4", "4", "Aims and hypotheses", None),
    ("5", "5b", "Retrospective or prospective data, and their dates", None),
    ("6", "-", "Kind of study, such as development or validation", None),
    ("7", "5a", "Source of the data", "source"),
    ("8", "6a-6c", "Sites, who was eligible, and treatments", None),
    ("9", "7", "Preparation of the images", "preparation"),
    ("10", "-", "Selection of a part of the data", "left_out"),
    ("11", "-", "De-identification", None),
    ("12", "11", "Missing data", "missing"),
    ("13", "-", "Devices and scan protocol", None),
    ("14, 15", "8a", "Reference standard, and why it was chosen", "classes"),
    ("16, 17, 18", "8b, 8c", "Who labelled the images, how, and how well they agree", None),
    ("-", "9a-9c", "Predictors", "predictors"),
    ("19, 20", "16", "Split of the data, by image or by patient", "split"),
    ("21", "10", "Sample size and its justification", "size"),
    ("22", "12c, 22", "Model", "model"),
    ("23", "-", "Software", "software"),
    ("24", "-", "Initial weights", "seeds"),
    ("25", "12a-12d", "Training", "training"),
    ("26", "-", "Choice of the final model", "selection"),
    ("27", "-", "Combination of several models", None),
    ("-", "13", "Imbalance of the classes", "imbalance"),
    ("-", "14", "Fairness between groups of patients", "subgroups"),
    ("-", "12g, 15", "Output, and thresholds if there are any", "output"),
    ("28", "12e", "Measures of performance", "metrics"),
    ("29", "12e", "Uncertainty and tests", "uncertainty"),
    ("30", "-", "Robustness", "robustness"),
    ("31", "-", "Explanations", "explanations"),
    ("32", "-", "Test on data from the same source", "internal"),
    ("33", "-", "Test on data from other sources", None),
    ("34", "18d", "Registration of the study", None),
    ("-", "17", "Ethical approval", None),
    ("-", "19", "Involvement of patients and the public", None),
    ("35", "20a, 21", "Numbers of patients and images, and of those excluded", "size"),
    ("36", "20b, 20c", "Characteristics of the patients in each split", None),
    ("37, 38", "23a", "Performance with its uncertainty", "performance"),
    ("-", "23b", "Performance in subgroups or at several sites", "subgroups"),
    ("-", "12f, 24", "Updates of the model", None),
    ("39", "-", "Analysis of errors", "errors"),
    ("40", "26", "Limitations", "limitations"),
    ("41", "25, 27a-27c", "Meaning of the results, and use in practice", None),
    ("42", "18c", "Protocol", None),
    ("43", "18e, 18f", "Availability of data, software and model", "available"),
    ("44", "18a, 18b", "Funding and conflicts of interest", None),
)


def checklist_table(facts, reports, n_train_groups=None) -> Table:
    """Return the checklist of a classifier.

    Parameters
    ----------
    facts : dict
        The variables of the template of the card.
    reports : list of BenchmarkReport
        One report for each training. The list is empty if the classifier has not been
        evaluated.
    n_train_groups : int, default=None
        Number of patients in the training images, if known.

    Returns
    -------
    Table
        A row for each topic.
    """
    known = _of_training(facts, n_train_groups)
    if reports:
        known |= _of_evaluation(facts, reports, n_train_groups)
    rows = [
        (topic, claim, tripod, known.get(key or "") or TO_STATE)
        for claim, tripod, topic, key in _TOPICS
    ]
    return Table(
        "Study checklist", ("topic", "CLAIM", "TRIPOD+AI", "this classifier"), rows
    )


def _of_training(facts, n_train_groups) -> dict[str, str | None]:
    """Return the answers that follow from the classifier and its training."""
    data, n_train, shape = facts["data"], facts["n_train"], facts["shape"]
    file = f", SHA-256 {data['sha256']}" if data["sha256"] else ""
    known: dict[str, str | None] = {
        "use": f"Research and teaching; not for clinical use. Background: {TO_STATE}",
        "source": f"{facts['data_name']}{file}. Origin of the images: {TO_STATE}",
        "missing": "Images without a label or with an unknown patient are not accepted.",
        "classes": f"Classes: {', '.join(map(str, facts['class_names']))}. How they were "
        f"established: {TO_STATE}",
        "output": "One probability for each class; the most probable class is predicted.",
        "software": ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in facts["environment"].items()
        ),
        "limitations": f"See Bias, risks and limitations. Limits of the study: {TO_STATE}",
        "model": f"{facts['estimator']}; all settings are under Training procedure.",
        "selection": facts["search"],
    }
    if shape:
        size = " x ".join(map(str, shape))
        known["preparation"] = (
            f"Images of {size} with values from 0 to 1. Steps before this: {TO_STATE}"
        )
        known["predictors"] = f"The pixels of one image of {size}."
    if facts["n_parameters"] is not None:
        known["model"] = f"{facts['n_parameters']:,} parameters. {known['model']}"
    if n_train is not None:
        known["training"] = "See Training procedure, with all settings."
        known["size"] = (
            f"Trained on {n_train:,} images{of_patients(n_train_groups)}. "
            f"Justification, and exclusions before octsk: {TO_STATE}"
        )
    if facts["counts"]:
        known["imbalance"] = "Images of each class are under Training data."
    if facts["is_octsks"]:
        known["explanations"] = (
            "The report page shows Grad-CAM and occlusion for some test images."
        )
    if facts["is_octsks"] and facts["file"]:
        known["available"] = (
            f"Software: octsk {facts['version']}, BSD 3-Clause. Model: {facts['file']}. "
            f"Where model and data are available: {TO_STATE}"
        )
    return known


def _of_evaluation(facts, reports, n_train_groups) -> dict[str, str | None]:
    """Return the answers that follow from the evaluation on the test images."""
    first = reports[0]
    size = f"{first.n_samples:,} images{of_patients(first.n_groups)}"
    if facts["n_train"] is None:
        size = f"Measured on {size}. Training data: {TO_STATE}"
    else:
        trained = f"{facts['n_train']:,} images{of_patients(n_train_groups)}"
        size = (
            f"Trained on {trained}, measured on {size}. Justification, and exclusions "
            f"before octsk: {TO_STATE}"
        )
    seeds = [str(report.seed) for report in reports if report.seed is not None]
    metric_words = [
        f"{title} {format_score(first.metrics[name])} "
        f"{format_interval(first.intervals[name])}"
        for name, title in (("acc", "ACC"), ("auc", "AUC"))
    ]
    point = first.operating_point
    if point is not None:
        metric_words += [
            f"{name} {format_score(point.figures[name])} "
            f"{format_interval(point.intervals[name])}"
            for name in ("sensitivity", "specificity")
        ]
    others = f"; {len(reports) - 1} more trainings under Results" if reports[1:] else ""
    left_out = ", ".join(f"{n} of {name}" for name, n in first.left_out.items())
    known: dict[str, str | None] = {}
    if point is not None:
        known["output"] = _point_words(point)
    return known | {
        "size": size,
        "left_out": f"Images left out of the test: {left_out}." if left_out else None,
        "split": _split_words(facts, first, n_train_groups),
        "seeds": f"Random, with seed {', '.join(seeds)}." if seeds else None,
        "selection": facts["search"]
        or (
            None
            if facts["n_train"] is None
            else "All trainings are reported; none was chosen by its test results."
        ),
        "metrics": "Accuracy, AUC, balanced accuracy, recall of each class, log-loss, "
        "calibration error.",
        "uncertainty": format_interval_note(first),
        "robustness": "Measured on corrupted images; see the report page."
        if first.corruptions
        else None,
        "subgroups": _subgroup_words(first.subgroups),
        "internal": f"{facts['measured']}.",
        "performance": f"{', '.join(metric_words)}{others}.",
        "errors": "Confusion matrix and most confident mistakes are on the report page.",
    }


def _point_words(point) -> str:
    return (
        "One probability for each class; the most probable class is predicted. An image is "
        f"called positive ({', '.join(point.positive)}) if the sum of the probabilities of "
        f"these classes is at least {point.threshold:.4g}, {point.threshold_from}."
    )


def _subgroup_words(subgroups) -> str | None:
    if not subgroups:
        return None
    columns = ", ".join(found["by"] for found in subgroups)
    return f"Figures by {columns}, with the largest gaps, are in the report."


def _split_words(facts, report, n_train_groups) -> str | None:
    if facts["leaks"]:
        return " ".join(facts["leaks"])
    if facts["n_train"] is None:
        return None
    if n_train_groups is None or report.n_groups is None:
        return (
            "The splits of the data set were used; patients are not known. Level: "
            f"{TO_STATE}"
        )
    return "By patient: no patient of the test images is in another split of the data set."
