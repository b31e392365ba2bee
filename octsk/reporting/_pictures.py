"""The pictures of a page, as PNG images that are part of it. Need matplotlib."""

import base64
import io
from typing import NamedTuple

import numpy as np

from octsk._images import check_images
from octsk._report import decimals
from octsk.plots import (
    BenchmarkDisplay,
    ConfusionDisplay,
    HistoryDisplay,
    ImageGridDisplay,
    MistakesDisplay,
    PrecisionRecallCurvesDisplay,
    ReliabilityDisplay,
    RocCurvesDisplay,
)
from octsk.plots._drawing import COLOURS, COLUMN

# A column of a page (3.5 inches) gets 700 pixels: sharp on a screen of double density.
_DPI = 200

_N_EXPLAINED = 4


class Picture(NamedTuple):
    """An image with its caption, and in words what it shows.

    `width` is in pixels of CSS; those wider than a column are not to be made smaller.
    """

    caption: str
    alt: str
    source: str
    width: int
    wide: bool


def _picture(drawn, caption, alt) -> Picture:
    figure = getattr(drawn, "figure_", drawn)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    encoded = base64.b64encode(file.getvalue()).decode()
    inches = figure.get_figwidth()
    source = f"data:image/png;base64,{encoded}"
    return Picture(caption, alt, source, round(96 * inches), wide=inches > COLUMN)


def of_results(run) -> list[Picture]:
    """Draw accuracy and AUC of a benchmark run beside published rows, and the training."""
    pictures = []
    for metric, title in [("acc", "Accuracy"), ("auc", "AUC")]:
        values = "; ".join(
            f"{net} {', '.join(decimals(r.metrics[metric]) for r in reports)}"
            for net, reports in run.reports.items()
        )
        chart = BenchmarkDisplay.from_run(run, metric=metric)
        shown = f"{title} of each training, with its interval"
        published = ", above MedMNIST's published rows" if chart.published else ""
        pictures.append(_picture(chart, f"{shown}{published}", f"{title}: {values}."))
    trained = [reports[0] for reports in run.reports.values() if reports[0].history]
    # As many nets as there are colours.
    if shown_nets := trained[: len(COLOURS)]:
        alt = "Loss and accuracy after each epoch: " + "; ".join(
            f"{report.name} ends at loss {decimals(report.history['loss'][-1])} after "
            f"{len(report.history['loss'])} epochs"
            for report in shown_nets
        )
        display = HistoryDisplay.from_reports(shown_nets)
        seed = shown_nets[0].seed
        pictures.append(_picture(display, f"Training with seed {seed}", f"{alt}."))
    return pictures


def images_of(split):
    """Return the images of a split, checked; None where they are none."""
    data = np.asarray(split["data"])
    if data.ndim < 3:
        return None
    try:
        return check_images(data)
    except ValueError:
        return None


def of_data(dataset) -> list[Picture]:
    """Draw some training images."""
    train = dataset["train"]
    if images_of(train) is None:
        return []
    names = train.get("target_names") or dataset.get("target_names")
    grid = ImageGridDisplay.from_dataset(train, class_names=names, random_state=0)
    n = len(grid.images)
    classes = ", ".join(dict.fromkeys(grid.titles))
    caption = f"{n} training images, drawn at random"
    return [_picture(grid, caption, f"{n} training images of the classes {classes}.")]


def of_scores(report) -> list[Picture]:
    """Draw what a report's scores say: confusion, curves, reliability."""
    name = report.name if report.seed is None else f"{report.name}, seed {report.seed}"
    recalls = ", ".join(
        f"{each} {decimals(value)}" for each, value in report.recall.items()
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
            "Reliability: how often a prediction of so much confidence is right",
            "Share of right predictions by confidence; calibration error "
            f"{decimals(report.metrics['ece'])}.",
        ),
    ]


def _areas(display) -> str:
    pairs = zip(display.names, display.values, strict=True)
    return ", ".join(f"{name} {decimals(value)}" for name, value in pairs) or "none defined"


def of_mistakes(report, images) -> list[Picture]:
    """Draw the surest mistakes, if any."""
    display = MistakesDisplay.from_predictions(
        images, report.y_true, report.y_score, class_names=report.class_names
    )
    if not display.titles:
        return []
    titles = "; ".join(title.replace("\n", ", ") for title in display.titles)
    return [_picture(display, display.heading, f"{display.heading}: {titles}.")]


def of_explanations(net, report, images) -> list[Picture]:
    """Draw Grad-CAM of some images of different classes, if `net` is one that has it."""
    # Only octsk's nets; asked so that TensorFlow is not loaded for others.
    if not hasattr(net, "image_shape_"):
        return []
    from octsk.inspection import ExplanationDisplay

    chosen = _some_of_each_class(report.y_true, _N_EXPLAINED)
    try:
        display = ExplanationDisplay.from_estimator(
            net,
            images[chosen],
            net.classes_[report.y_true[chosen]],
            class_names=report.class_names,
        )
    except ValueError:  # no convolution in it
        return []
    titles = "; ".join(title.replace("\n", ", ") for title in display.titles)
    caption = f"Grad-CAM of {len(chosen)} images, drawn at random within classes"
    return [_picture(display, caption, f"Images above their maps: {titles}.")]


def _some_of_each_class(codes, n):
    shuffled = np.random.RandomState(0).permutation(len(codes))
    present = np.unique(codes)
    of_each = -(-n // len(present))
    groups = [shuffled[codes[shuffled] == k][:of_each] for k in present]
    return np.concatenate(groups)[:n]


def of_search(run) -> list[Picture]:
    """Draw the trials of a search."""
    from octsk._tuning_figures import tuning_figures

    best = decimals(run.search.best_score_)
    shares = ", ".join(f"{name} {share:.2f}" for name, share in run.importances().items())
    words = {
        "history": (
            "Score of each trial, and the best so far",
            f"Scores of the trials in their order; the best is {best}.",
        ),
        "importances": (
            "Importance of the parameters",
            f"Share of each parameter in what sets the best trials apart: {shares}.",
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
