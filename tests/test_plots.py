import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import TINY, toy_images
from matplotlib.image import AxesImage
from matplotlib.text import Text
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

import octsk
from octsk import plots
from octsk.metrics import expected_calibration_error, medmnist_auc

NAMES = ["choroidal neovascularization", "diabetic macular edema", "drusen", "normal"]


@pytest.fixture(scope="module")
def scans():
    return octsk.make_oct_phantoms(60, random_state=0)


@pytest.fixture(scope="module")
def scored():
    """True classes of 60 images, and probabilities that favour them."""
    rng = np.random.default_rng(0)
    y_true = np.arange(60) % 4
    return y_true, rng.dirichlet(np.ones(4), 60) * 0.5 + 0.5 * np.eye(4)[
        np.where(rng.random(60) < 0.6, y_true, rng.integers(0, 4, 60))
    ]


class Known(ClassifierMixin, BaseEstimator):
    """A classifier that gives the probabilities it was made with."""

    def __init__(self, y_prob, classes):
        self.y_prob = np.asarray(y_prob)
        self.classes_ = np.asarray(classes)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.y_prob

    def predict(self, X):
        return self.classes_[self.y_prob.argmax(axis=1)]


def shown(axes):
    """The image that an axes shows."""
    [image] = [child for child in axes.get_children() if isinstance(child, AxesImage)]
    return image


def words(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


# -- all of them ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every_display(scans, scored):
    """A display of each kind, with names as long as they come, not yet drawn on."""
    y, prob = scored
    image = scans.data[0]
    history = {"loss": [1.2, 0.9], "accuracy": [0.4, 0.6], "val_loss": [1.1, 1.0]}
    rows = [
        (net, f"corruption {k}", severity, 0.1 * severity)
        for net in ("Small", "Medium", "Residual")
        for k in range(5)
        for severity in range(6)
    ]
    published = [("Google AutoML Vision", 0.73, 0.77)]
    measured = {"Small": [(0.7, 0.67, 0.73), (0.71, 0.68, 0.74)]}
    arguments = {"class_names": NAMES}
    return [
        plots.ImageGridDisplay(scans.data[:7], (NAMES * 2)[:7], heading="phantoms"),
        plots.MistakesDisplay.from_predictions(scans.data, y, prob, **arguments),
        plots.AugmentationDisplay.from_augmenter(octsk.OCTAugmenter(), image),
        plots.PredictionDisplay(image, prob[0], NAMES, true_class=0),
        plots.HistoryDisplay({"Small": history, "Medium": history}),
        plots.BenchmarkDisplay(measured, published, note="Not comparable: " + "word " * 20),
        plots.CorruptionDisplay(rows),
        plots.ConfusionDisplay(np.eye(4, dtype=int), NAMES),
        plots.RocCurvesDisplay.from_predictions(y, prob, **arguments),
        plots.PrecisionRecallCurvesDisplay.from_predictions(y, prob, **arguments),
        plots.ReliabilityDisplay.from_predictions(y, prob),
        plots.OperatingPointDisplay(
            y == 0,
            prob[:, 0],
            0.3,
            intervals={"sensitivity": (0.1, 0.4), "specificity": (0.7, 0.9)},
            title=NAMES[0],
        ),
        plots.AbstentionDisplay(prob.argmax(axis=1) != y, prob.max(axis=1), threshold=0.5),
        octsk.ExplanationDisplay(
            scans.data[:4, ..., None], scans.data[:4] / 255 - 0.2, NAMES, "what it means"
        ),
    ]


def test_points_of_the_abstention_curve():
    wrong = [True, False, True, False, False]
    confidence = np.array([0.4, 0.9, 0.6, 0.6, 0.8])
    display = plots.AbstentionDisplay(wrong, confidence, threshold=0.6)
    # Of all five, of the four without the least confident, and so on; ties stay together.
    np.testing.assert_allclose(display.abstained, [0, 0.2, 0.6, 0.8])
    np.testing.assert_allclose(display.error, [0.4, 0.25, 0, 0])
    assert display.point == pytest.approx((0.2, 0.25))
    assert plots.AbstentionDisplay(wrong, confidence, threshold=np.inf).point is None
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plots.AbstentionDisplay(wrong, confidence[:2])


def test_titles_of_mistakes_name_files():
    X = octsk.make_oct_phantoms(2, random_state=0).data
    prob = [[0.1, 0.9], [0.2, 0.8]]
    files = ["scans/a/one.png", f"{'long' * 9}.png"]
    display = plots.MistakesDisplay.from_predictions(X, [0, 0], prob, image_names=files)
    first, second = (title.split("\n")[0] for title in display.titles)
    assert first == "one.png"
    assert second == "...onglonglonglong.png"
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plots.MistakesDisplay.from_predictions(X, [0, 0], prob, image_names=files[:1])


def test_every_display_is_tried(every_display):
    tried = {type(display).__name__ for display in every_display}
    assert tried == {*plots.__all__, "ExplanationDisplay"}
    assert tried <= set(octsk.__all__)


def test_all_text_is_inside_a_figure_of_one_column(every_display):
    for display in every_display:
        figure = display.plot().figure_
        figure.draw_without_rendering()
        width, height = figure.get_size_inches()
        assert width == 3.5
        inside = figure.get_tightbbox()
        name = type(display).__name__
        assert inside.x0 > -0.02, name
        assert inside.y0 > -0.02, name
        assert inside.x1 < width + 0.02, name
        assert inside.y1 < height + 0.02, name


def test_every_display_draws_where_it_is_told(every_display):
    for display in every_display:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5))
        assert display.plot(ax=right) is display
        assert display.figure_ is figure
        drawn = np.ravel(display.ax_)
        assert left not in drawn
        # All that is new lies in the right half.
        figure.draw_without_rendering()
        assert all(axes.get_position().x0 > 0.45 for axes in drawn)


def test_sizes_of_others_are_left_as_they_are(scans):
    before = plt.rcParams["font.size"]
    plots.ImageGridDisplay.from_dataset(scans)
    assert plt.rcParams["font.size"] == before


def test_an_axes_that_cannot_be_divided_is_refused(scans):
    figure = plt.figure()
    with pytest.raises(ValueError, match="ax must be a subplot"):
        plots.ImageGridDisplay.from_dataset(scans, ax=figure.add_axes([0, 0, 1, 1]))


# -- images -----------------------------------------------------------------------------


def test_grid_shows_images_in_grey_from_0_to_255_with_their_classes(scans):
    dark = Bunch(**scans | {"data": scans.data // 4})
    display = plots.ImageGridDisplay.from_dataset(dark, n_images=5, random_state=0)
    chosen = np.random.RandomState(0).choice(60, size=5, replace=False)
    for axes, i in zip(display.ax_.flat, chosen, strict=False):
        image = shown(axes)
        assert image.get_clim() == (0, 1)
        assert image.get_cmap().name == "gray"
        np.testing.assert_allclose(image.get_array() * 255, dark.data[i])
        assert axes.get_title().replace("\n", " ") == NAMES[dark.target[i]]
    assert words(display.figure_).count("oct-phantoms: synthetic") == 1
    assert not display.ax_[1, 1].images


def test_grid_takes_colour_floats_and_sets_without_names():
    rng = np.random.default_rng(0)
    colour = rng.random((2, 12, 12, 3))
    dataset = {"data": colour, "target": np.array([1, 0])}
    display = plots.ImageGridDisplay.from_dataset(dataset, random_state=0)
    assert shown(display.ax_[0, 0]).get_array().shape == (12, 12, 3)
    assert sorted(display.titles) == ["0", "1"]
    display = plots.ImageGridDisplay.from_dataset(dataset, class_names=["a", "b"])
    assert sorted(display.titles) == ["a", "b"]
    stack = rng.integers(0, 255, (1, 12, 12, 4), dtype=np.uint8)
    display = plots.ImageGridDisplay(stack, ["four maps"]).plot()
    np.testing.assert_allclose(
        shown(display.ax_[0, 0]).get_array() * 255, stack[0].mean(axis=2)
    )


def test_grid_refuses_a_whole_data_set_and_titles_that_do_not_fit(scans):
    with pytest.raises(ValueError, match="dataset must be one split"):
        plots.ImageGridDisplay.from_dataset({"train": scans, "test": None})
    with pytest.raises(
        ValueError, match="titles must hold one title for each of the 60 images, got 1"
    ):
        plots.ImageGridDisplay(scans.data, ["one"])


def test_mistakes_are_the_surest_wrong_ones(scans, scored):
    y, prob = scored
    labels = np.array(["a", "b", "c", "d"])
    display = plots.MistakesDisplay.from_predictions(
        scans.data, labels[y], prob, labels=labels, n_images=5
    )
    wrong = np.flatnonzero(prob.argmax(axis=1) != y)
    surest = wrong[np.argsort(-prob[wrong].max(axis=1))][:5]
    np.testing.assert_array_equal(display.indices, surest)
    i = surest[0]
    expected = f"true: {labels[y[i]]}\npredicted: {labels[prob[i].argmax()]} "
    assert display.titles[0] == f"{expected}({prob[i].max():.0%})"
    assert display.heading == f"{len(wrong)} mistakes among 60 images, the 5 most confident"
    same = plots.MistakesDisplay.from_estimator(
        Known(prob, labels), scans.data, labels[y], n_images=5
    )
    assert same.titles == display.titles


def test_no_mistakes_are_said_to_be_none(scans, scored):
    y, _ = scored
    display = plots.MistakesDisplay.from_predictions(scans.data, y, np.eye(4)[y])
    assert words(display.figure_) == ["0 mistakes among 60 images"]


@pytest.mark.parametrize("param", [{"n_copies": 2}, {"sampling_strategy": "all"}], ids=str)
def test_augmentation_shows_the_original_above_its_variants(scans, param):
    augmenter = octsk.OCTAugmenter.from_preset("demonstration", **param)
    before = augmenter.get_params()
    image = scans.data[3]
    display = plots.AugmentationDisplay.from_augmenter(augmenter, image, random_state=0)
    np.testing.assert_allclose(shown(display.ax_[0, 1]).get_array() * 255, image)
    variants = [shown(axes).get_array() * 255 for axes in display.ax_[1]]
    again = octsk.OCTAugmenter.from_preset("demonstration", random_state=0)
    np.testing.assert_allclose(variants, again.fit_transform(np.stack([image] * 3)))
    assert augmenter.get_params() == before
    assert not hasattr(augmenter, "image_shape_")


@pytest.mark.parametrize("shape", [(3, 28, 28), (28,), (1, 28, 28, 1)])
def test_what_takes_one_image_refuses_others(shape):
    image = np.zeros(shape, dtype=np.uint8)
    with pytest.raises(ValueError, match="image must be one image of shape"):
        plots.AugmentationDisplay.from_augmenter(octsk.OCTAugmenter(), image)
    with pytest.raises(ValueError, match="image must be one image of shape"):
        plots.PredictionDisplay(image, [0.5, 0.5], ["a", "b"])


def test_prediction_shows_both_classes_and_all_probabilities(scans):
    clf = Known([[0.1, 0.6, 0.3]], ["a", "b", "c"])
    display = plots.PredictionDisplay.from_estimator(clf, scans.data[0], "c")
    assert "true: c\npredicted: b" in words(display.figure_)
    bars = display.ax_[1].patches
    np.testing.assert_allclose([bar.get_width() for bar in bars], [0.1, 0.6, 0.3])
    assert {"10%", "60%", "30%"} <= set(words(display.figure_))
    wrong, other = bars[1].get_facecolor(), bars[0].get_facecolor()
    right = plots.PredictionDisplay.from_estimator(clf, scans.data[0], "b").ax_[1].patches
    assert len({wrong, other, right[1].get_facecolor()}) == 3
    unknown = plots.PredictionDisplay.from_estimator(clf, scans.data[0])
    assert "predicted: b" in words(unknown.figure_)
    with pytest.raises(ValueError, match="y_true holds"):
        plots.PredictionDisplay.from_estimator(clf, scans.data[0], "z")


# -- scores -----------------------------------------------------------------------------


def test_confusion_shows_shares_and_numbers():
    display = plots.ConfusionDisplay.from_predictions(
        [0, 0, 0, 1], [0, 0, 1, 1], labels=[0, 1, 2], class_names=["a", "b", "c"]
    )
    texts = [[text.get_text() for text in row] for row in display.text_]
    assert texts[0] == ["67%\n(2)", "33%\n(1)", "0%\n(0)"]
    assert texts[2] == ["-\n(0)"] * 3
    np.testing.assert_allclose(display.confusion_matrix[1], [0, 1, 0])
    assert display.im_.get_clim() == (0, 1)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["a", "b", "c"]


def test_confusion_of_many_classes_shows_shares_alone():
    display = plots.ConfusionDisplay.from_predictions(range(9), range(9))
    assert display.text_[3, 3].get_text() == "100%"


def test_roc_areas_are_scikit_learns_and_their_mean_medmnists(scored):
    y, prob = scored
    display = plots.RocCurvesDisplay.from_predictions(y, prob, class_names=NAMES)
    expected = [roc_auc_score(y == k, prob[:, k]) for k in range(4)]
    np.testing.assert_allclose(display.values, expected)
    legend = display.ax_.get_legend()
    assert legend.get_title().get_text() == f"AUC (mean {medmnist_auc(y, prob):.3f})"
    lines = [curve.line_ for curve in display.curves]
    assert len({line.get_color() for line in lines}) == 4
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in lines}) == 4


def test_precision_and_recall_are_scikit_learns(scored):
    y, prob = scored
    display = plots.PrecisionRecallCurvesDisplay.from_predictions(y, prob)
    expected = [average_precision_score(y == k, prob[:, k]) for k in range(4)]
    np.testing.assert_allclose(display.values, expected)


@pytest.mark.parametrize(
    "curves", [plots.RocCurvesDisplay, plots.PrecisionRecallCurvesDisplay]
)
def test_of_two_classes_the_second_has_a_curve(curves):
    y, score = [0, 0, 1, 1], np.array([0.1, 0.6, 0.4, 0.9])
    one = curves.from_predictions(y, score, class_names=["normal", "sick"])
    two = curves.from_predictions(
        np.array(["n", "s"])[y], np.column_stack([1 - score, score]), labels=["n", "s"]
    )
    assert one.names == ["sick"]
    assert two.names == ["s"]
    assert one.values == two.values


def test_a_class_without_images_is_named_and_not_drawn(scored):
    y, prob = scored
    y = np.where(y == 2, 0, y)
    display = plots.RocCurvesDisplay.from_predictions(y, prob, class_names=NAMES)
    assert display.names == [NAMES[0], NAMES[1], NAMES[3]]
    assert "drusen: not defined" in words(display.figure_)


def test_reliability_has_the_bins_and_the_error_of_the_metric(scored):
    y, prob = scored
    display = plots.ReliabilityDisplay.from_predictions(y, prob, n_bins=10)
    assert display.error == expected_calibration_error(y, prob, 10)
    counts = [bar.get_height() for bar in display.ax_[1].patches]
    assert sum(counts) == 60
    filled = np.array(counts) > 0
    assert filled.sum() == len(display.prob_true)
    # The error once more, from what is drawn.
    gaps = np.abs(display.prob_true - display.prob_pred) * np.array(counts)[filled]
    assert gaps.sum() / 60 == pytest.approx(display.error)


def test_reliability_where_all_are_right():
    display = plots.ReliabilityDisplay.from_predictions([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    np.testing.assert_allclose(display.prob_true, 1)


@pytest.mark.parametrize(
    "scores",
    [
        plots.RocCurvesDisplay,
        plots.PrecisionRecallCurvesDisplay,
        plots.ReliabilityDisplay,
        plots.ConfusionDisplay,
    ],
)
def test_estimator_report_and_predictions_give_the_same(scores, scans):
    guess = DummyClassifier(strategy="stratified", random_state=0)
    guess.fit(scans.data, scans.target)
    report = octsk.evaluate(guess, scans.data, scans.target, dataset=scans)
    figures = [
        scores.from_report(report).figure_,
        scores.from_estimator(
            guess, scans.data, scans.target, class_names=scans.target_names
        ).figure_,
    ]
    assert words(figures[0]) == words(figures[1])


def test_scores_refuse_what_does_not_fit(scored):
    y, prob = scored
    with pytest.raises(NotFittedError):
        plots.RocCurvesDisplay.from_estimator(octsk.SmallOCTNet(), None, y)
    with pytest.raises(ValueError, match="class_names must be 4 names"):
        plots.RocCurvesDisplay.from_predictions(y, prob, class_names=["a", "b"])
    with pytest.raises(ValueError, match="y_true must have shape"):
        plots.RocCurvesDisplay.from_predictions(y[:3], prob)
    with pytest.raises(ValueError, match="y_prob must hold probabilities"):
        plots.ReliabilityDisplay.from_predictions(y, 5 * prob)


# -- runs -------------------------------------------------------------------------------


def test_history_of_a_net_and_of_a_pipeline():
    X, y = toy_images()
    net = octsk.SmallOCTNet(**TINY).fit(X[:48], y[:48], X_val=X[48:], y_val=y[48:])
    for estimator in (net, make_pipeline(None, net)):
        display = plots.HistoryDisplay.from_estimator(estimator, name="tiny")
        assert list(display.histories) == ["tiny"]
        loss, accuracy = display.ax_
        assert [line.get_ydata()[0] for line in loss.lines] == [
            *net.history_["loss"],
            *net.history_["val_loss"],
        ]
        assert len(accuracy.lines) == 2
        # One epoch has one tick, at a whole number.
        assert all(tick == round(tick) for tick in loss.get_xticks())


def test_history_refuses_what_has_none():
    with pytest.raises(NotFittedError):
        plots.HistoryDisplay.from_estimator(octsk.SmallOCTNet())
    with pytest.raises(TypeError, match="a network with a history_"):
        plots.HistoryDisplay.from_estimator(DummyClassifier().fit([[0]], [0]))


def test_corruptions_are_drawn_from_the_clean_images_on():
    rows = [
        {"net": net, "corruption": kind, "severity": s, "balanced_error": 0.1 * s + add}
        for net, add in [("Small", 0.2), ("Medium", 0.1)]
        for kind, severities in [("none", [0]), ("blur", [2, 1]), ("noise", [1, 2])]
        for s in severities
    ]
    display = plots.CorruptionDisplay.from_table(rows)
    assert display.corruptions == ["blur", "noise"]
    blur, noise = display.ax_.ravel()
    for axes in (blur, noise):
        small, medium = axes.containers
        assert small.lines[0].get_xdata().tolist() == [0, 1, 2]
        np.testing.assert_allclose(small.lines[0].get_ydata(), [0.2, 0.3, 0.4])
        np.testing.assert_allclose(medium.lines[0].get_ydata(), [0.1, 0.2, 0.3])


def test_corruptions_of_several_seeds_are_their_mean_and_range():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(
        [("Small", "blur", 1, error) for error in (0.2, 0.3, 0.7)],
        columns=["net", "corruption", "severity", "balanced_error"],
    )
    [line] = plots.CorruptionDisplay.from_table(table).ax_[0, 0].containers
    np.testing.assert_allclose(line.lines[0].get_ydata(), [0.4])
    np.testing.assert_allclose(line.lines[2][0].get_segments()[0][:, 1], [0.2, 0.7])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("Small", "blur", 1)], "table must hold rows of net, corruption, severity"),
        ([{"net": "Small"}], "table must hold rows of net, corruption, severity"),
        ([("Small", "none", 0, 0.2)], "at least one row of severity 1 or more"),
        ([], "at least one row of severity 1 or more"),
    ],
)
def test_corruptions_refuse_other_tables(rows, message):
    with pytest.raises(ValueError, match=message):
        plots.CorruptionDisplay.from_table(rows)


def test_benchmark_refuses_other_metrics():
    with pytest.raises(ValueError, match="metric must be 'acc' or 'auc', got 'f1'"):
        plots.BenchmarkDisplay({}, metric="f1")
