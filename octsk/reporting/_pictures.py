"""Plots of a report page, embedded as PNG images."""

import base64
import io
from typing import NamedTuple

import numpy as np

from octsk.augmentation import OCTAugmenter
from octsk.plots import (
    AbstentionDisplay,
    AugmentationDisplay,
    BenchmarkDisplay,
    ConfusionDisplay,
    CorruptionDisplay,
    HistoryDisplay,
    ImageGridDisplay,
    MistakesDisplay,
    OperatingPointDisplay,
    PrecisionRecallCurvesDisplay,
    PredictionDisplay,
    ReliabilityDisplay,
    RocCurvesDisplay,
)
from octsk.plots.drawing import COLOURS, COLUMN
from octsk.reporting._content import SPLITS
from octsk.utils.formatting import format_score
from octsk.utils.untrusted import printable
from octsk.utils.validation import check_images

# A column of the page, 3.5 inches wide, then has 700 pixels, enough for screens with twice
# the usual density.
_DPI = 200

_N_EXPLAINED = 4

# Seed of all random choices, so that the same run always shows the same images.
_SEED = 0


class Picture(NamedTuple):
    """Image with its caption and alternative text.

    `width` is in CSS pixels. `wide` images do not fit into a column and are not scaled
    down. `origin` is the origin of the results, if it differs from that of the section.
    """

    caption: str
    alt: str
    source: str
    width: int
    wide: bool
    origin: str = ""


def _picture(drawn, caption, alt, origin="") -> Picture:
    figure = getattr(drawn, "figure_", drawn)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    encoded = base64.b64encode(file.getvalue()).decode()
    inches = figure.get_figwidth()
    source = f"data:image/png;base64,{encoded}"
    wide = inches > COLUMN
    return Picture(caption, alt, source, round(96 * inches), wide, origin)


def of_results(run) -> list[Picture]:
    """Draw accuracy and AUC of a benchmark run above published rows, and the training."""
    pictures = []
    for metric, title in [("acc", "Accuracy"), ("auc", "AUC")]:
        values = "; ".join(
            f"{net} {', '.join(format_score(r.metrics[metric]) for r in reports)}"
            for net, reports in run.reports.items()
        )
        chart = BenchmarkDisplay.from_run(run, metric=metric)
        caption, origin = f"{title} of each training, with its interval", ""
        if chart.published:
            caption += ", above MedMNIST's published rows"
            origin = "measured by this run, and published"
        pictures.append(_picture(chart, caption, f"{title}: {values}.", origin))
    return pictures + of_training([reports[0] for reports in run.reports.values()])


def of_training(reports) -> list[Picture]:
    """Draw the training histories of those classifiers that have one."""
    # Show at most as many nets as there are colours.
    shown = [report for report in reports if report.history][: len(COLOURS)]
    if not shown:
        return []
    alt = "Loss and accuracy after each epoch: " + "; ".join(
        f"{report.name} ends at loss {format_score(report.history['loss'][-1])} after "
        f"{len(report.history['loss'])} epochs"
        for report in shown
    )
    seed = "" if shown[0].seed is None else f" with seed {shown[0].seed}"
    return [_picture(HistoryDisplay.from_reports(shown), f"Training{seed}", f"{alt}.")]


def of_corruptions(run) -> list[Picture]:
    """Draw errors on corrupted images by corruption and severity."""
    display = CorruptionDisplay.from_table(run.corruptions())
    caption = "Balanced error by severity; severity 0 means the original images"
    if len(run.seeds) > 1:
        caption += ". Lines show means over the seeds, bars the range"
    alt = (
        f"Lines of {', '.join(display.nets)} over severities 0 to 5 of "
        f"{', '.join(display.corruptions).replace('_', ' ')}."
    )
    return [_picture(display, caption, alt)]


def of_label_issues(issues, images) -> list[Picture]:
    """Draw the images whose labels are most doubtful."""
    grid = issues.plot(images)
    caption = "The most doubtful labels, with the probabilities of label and suggestion"
    alt = f"{len(grid.images)} images with their labels and the suggested classes."
    return [_picture(grid, caption, alt)]


def images_of(split):
    """Return the checked images of a split, or None if there are none."""
    data = np.asarray(split.get("data", ()))
    if data.ndim < 3:
        return None
    try:
        return check_images(data)
    except ValueError:
        return None


def of_data(part, split, estimators=None) -> list[Picture]:
    """Draw some images of a split, and augmented variants of the first of them."""
    if images_of(part) is None:
        return []
    grid = ImageGridDisplay.from_dataset(part, random_state=_SEED)
    n = len(grid.images)
    classes = ", ".join(dict.fromkeys(grid.titles))
    caption = f"{n} {SPLITS[split]} images, drawn at random (seed {_SEED})"
    alt = f"{n} {SPLITS[split]} images of the classes {classes}."
    variants = _of_augmentation(grid.images[0], estimators or {})
    return [_picture(grid, caption, alt), *variants]


def _of_augmentation(image, estimators) -> list[Picture]:
    """Draw variants of an image, once for all nets with the same augmentation."""
    named: dict[str, tuple[OCTAugmenter, list[str]]] = {}
    for name, net in estimators.items():
        # Only octsk's nets have an augmenter.
        augmenter = net._augmenter() if hasattr(net, "image_shape_") else None
        if augmenter is not None:
            named.setdefault(str(augmenter.get_params()), (augmenter, []))[1].append(name)
    return [
        _picture(
            AugmentationDisplay.from_augmenter(augmenter, image, random_state=_SEED),
            "Augmentation: the first of these images, above random variants of it "
            f"(seed {_SEED}), as in the training of {', '.join(names)}",
            f"An image above three variants of it, made by {augmenter}.",
        )
        for augmenter, names in named.values()
    ]


def of_scores(report) -> list[Picture]:
    """Draw the confusion matrix, the curves and the reliability of a report."""
    name = report.name if report.seed is None else f"{report.name}, seed {report.seed}"
    recalls = ", ".join(
        f"{each} {format_score(value)}" for each, value in report.recall.items()
    )
    curves = {
        "ROC curve of each class against the rest": RocCurvesDisplay,
        "Precision and recall of each class": PrecisionRecallCurvesDisplay,
    }
    displays = {caption: cls.from_report(report) for caption, cls in curves.items()}
    return [
        _picture(
            ConfusionDisplay.from_report(report),
            f"Confusion of {name}",
            f"Confusion matrix; recall: {recalls}.",
        ),
        *(
            _picture(display, caption, f"{caption}; areas: {_areas(display)}.")
            for caption, display in displays.items()
        ),
        _picture(
            ReliabilityDisplay.from_report(report),
            "Reliability: proportion of correct predictions by confidence",
            "Proportion of correct predictions by confidence; calibration error "
            f"{format_score(report.metrics['ece'])}.",
        ),
    ]


def _areas(display) -> str:
    pairs = zip(display.names, display.values, strict=True)
    return (
        ", ".join(f"{name} {format_score(value)}" for name, value in pairs)
        or "none defined"
    )


def of_calibration(report) -> list[Picture]:
    """Draw the reliability of the scores of patients."""
    error = format_score(report.metrics["ece"])
    return [
        _picture(
            ReliabilityDisplay.from_report(report),
            "Reliability by patient: proportion of correct predictions by confidence",
            f"Proportion of correct predictions by confidence; calibration error {error}.",
        )
    ]


def of_operating_point(report) -> list[Picture]:
    """Draw the operating points of a report by image and by group, if it has any."""
    pictures = []
    for one, unit in [(report, "image"), (report.by_group, "patient")]:
        point = None if one is None else one.operating_point
        if point is None or not 0 < point.y_true.sum() < len(point.y_true):
            continue
        rates = ", ".join(
            f"{name} {format_score(point.figures[name])}"
            for name in ("sensitivity", "specificity")
        )
        caption = f"Operating point by {unit}, with its intervals"
        alt = f"ROC curve by {unit}; at the threshold: {rates}."
        pictures.append(_picture(OperatingPointDisplay.from_report(one), caption, alt))
    return pictures


def of_abstention(report) -> list[Picture]:
    """Draw the error of the kept predictions against the rate of abstention."""
    row = report.abstention.rows[0]
    return [
        _picture(
            AbstentionDisplay.from_report(report),
            "Error of the predictions that are kept, if the least confident are left out",
            f"Error by abstention; at the threshold: {row['abstained']:.0%} abstained, "
            f"error of the others {format_score(row['error'])}.",
        )
    ]


def of_mistakes(report, images) -> list[Picture]:
    """Draw the most confident mistakes, if there are any."""
    display = MistakesDisplay.from_predictions(
        images,
        report.y_true,
        report.y_score,
        class_names=report.class_names,
        image_names=report.filenames,
    )
    if not display.titles:
        return []
    titles = "; ".join(title.replace("\n", ", ") for title in display.titles)
    caption = f"{display.heading}. {_image_words(report, display.indices)}"
    return [_picture(display, caption, f"{display.heading}: {titles}.")]


def of_prediction(report, images) -> list[Picture]:
    """Draw one random image with its true class and the predicted probabilities."""
    i = np.random.RandomState(_SEED).randint(len(images))
    display = PredictionDisplay(
        images[i], report.y_score[i], report.class_names, true_class=report.y_true[i]
    ).plot()
    true, predicted = (
        report.class_names[k] for k in (report.y_true[i], display.predicted_class)
    )
    shares = ", ".join(
        f"{name} {share:.0%}"
        for name, share in zip(report.class_names, report.y_score[i], strict=True)
    )
    caption = f"{_image_words(report, [i])}, drawn at random (seed {_SEED})"
    alt = f"True class {true}, predicted {predicted}; probabilities: {shares}."
    return [_picture(display, caption, alt)]


def _image_words(report, indices) -> str:
    split = SPLITS[report.data["split"]].capitalize()
    plural = "s" if len(indices) > 1 else ""
    if report.filenames is None:
        words = [str(report.image_numbers[i]) for i in indices]
    else:
        words = [printable(report.filenames[i]) for i in indices]
    return f"{split} image{plural} {', '.join(words)}"


def of_explanations(net, report, images) -> list[Picture]:
    """Draw Grad-CAM and occlusion maps of some images, if `net` is a network of octsk."""
    # This test does not import TensorFlow, which other classifiers may not need.
    if not hasattr(net, "image_shape_") or len(net.classes_) != len(report.class_names):
        return []
    from octsk.inspection import ExplanationDisplay, has_convolutions

    chosen = _some_of_each_class(report.y_true, _N_EXPLAINED)
    drawn = f"{_image_words(report, chosen)}, drawn at random within classes (seed {_SEED})"
    methods = {"occlusion": "Occlusion"}
    if has_convolutions(net):
        methods = {"grad_cam": "Grad-CAM"} | methods
    pictures = []
    for method, name in methods.items():
        display = ExplanationDisplay.from_estimator(
            net,
            images[chosen],
            net.classes_[report.y_true[chosen]],
            method=method,
            class_names=report.class_names,
        )
        titles = "; ".join(title.replace("\n", ", ") for title in display.titles)
        alt = f"Images above their maps by {name}: {titles}."
        pictures.append(_picture(display, f"{name}. {drawn}", alt))
    return pictures


def _some_of_each_class(codes, n):
    shuffled = np.random.RandomState(_SEED).permutation(len(codes))
    present = np.unique(codes)
    of_each = -(-n // len(present))
    groups = [shuffled[codes[shuffled] == k][:of_each] for k in present]
    return np.concatenate(groups)[:n]


def of_search(run) -> list[Picture]:
    """Draw the trials of a search."""
    from octsk.reporting.tuning_figures import tuning_figures

    best = format_score(run.search.best_score_)
    shares = ", ".join(f"{name} {share:.2f}" for name, share in run.importances().items())
    words = {
        "history": (
            "Score of each trial, and the best so far",
            f"Scores of the trials in their order; the best is {best}.",
        ),
        "importances": (
            "Importance of the parameters",
            f"Importance of each parameter for the score: {shares}.",
        ),
        "parallel": (
            "Each completed trial as a line through its values",
            f"Parallel coordinates of the trials; the best has {_params_words(run)}.",
        ),
        "pareto": (
            "Score against cost, and the Pareto front",
            f"Score of each trial against its {run.search.cost}.",
        ),
    }
    figures = tuning_figures(run)
    return [_picture(figures[name], *words[name]) for name in words if name in figures]


def _params_words(run) -> str:
    return ", ".join(f"{name} {value}" for name, value in run.search.best_params_.items())
