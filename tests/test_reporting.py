"""Runs as web pages and model cards: what they say, safe from what they are given."""

import dataclasses
import re
from html.parser import HTMLParser
from itertools import pairwise

import keras
import numpy as np
import pytest
import yaml
from browser import CHROMIUM, Browser
from helpers import TINY, toy_images
from markdown_it import MarkdownIt
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

import octsk
from octsk import OCTSearchCV, SmallOCTNet
from octsk.benchmark import run_benchmark
from octsk.reporting import html_report, model_card
from octsk.reporting._checklist import _TOPICS
from octsk.tuning import tune
from octsk.utils.untrusted import printable

HOSTILE = (
    '<script>alert("data")</script> & `co` | *x* [l](javascript:1)\n# $\\frac$ \x1b[2J'
)
CLASSES = ["<img src=x onerror=alert(1)>", "$\\frac", "a\"b'c"]


def images(seed=0, **facts):
    X, y = toy_images(n=48, seed=seed)
    return Bunch(data=X, target=y, **facts)


def dataset(**facts):
    facts = {"name": "toys", "size": 12, "synthetic": False, "sha256": "5ha", **facts}
    splits = {name: images(k, **facts) for k, name in enumerate(("train", "val", "test"))}
    return Bunch(**splits, **facts)


def official():
    """Noise whose first pixel is its class, by the look of it OCTMNIST."""
    target = np.repeat(np.arange(4), 250)
    facts = dict(name="octmnist", size=28, synthetic=False, official=True, sha256="5ha")
    splits = []
    for seed in range(2):
        data = np.random.default_rng(seed).integers(0, 2, (1000, 28, 28), np.uint8)
        data[:, 0, 0] = target
        splits.append(Bunch(data=data, target=target, **facts))
    about = "octmnist: scans\nLicence CC BY 4.0; Cite: Yang et al., 2023"
    return Bunch(train=splits[0], val=None, test=splits[1], DESCR=about, **facts)


class Flat(GaussianNB):
    def fit(self, X, y):
        return super().fit(X.reshape(len(X), -1), y)

    def predict_proba(self, X):
        return super().predict_proba(X.reshape(len(X), -1))


class Bagged(Flat):
    """Has an estimator for a parameter, and no use for it."""

    def __init__(self, base=None):
        super().__init__()
        self.base = base


class Page(HTMLParser):
    """The elements of a page, each with its attributes and the text right in it."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data

    def of(self, *tags):
        return [element for element in self.elements if element[0] in tags]

    def text(self):
        return "\n".join(text for tag, _, text in self.elements if tag != "style")


@pytest.fixture(scope="module")
def hostile():
    nets = {HOSTILE: SmallOCTNet(**TINY)}
    return run_benchmark(nets, dataset(name=HOSTILE, target_names=CLASSES), seeds=[3, 4])


@pytest.mark.pictures
def test_page_is_whole_and_shows_names_as_text(hostile):
    html = html_report(hostile)
    page = Page(html)
    assert not page.of("script", "iframe", "object")
    assert {attrs["src"].split(",")[0] for _, attrs, _ in page.of("img")} == {
        "data:image/png;base64"
    }
    # The sections, and an icon that keeps a browser from asking for one.
    links = [attrs["href"] for _, attrs, _ in page.of("a", "link")]
    assert all(link.startswith(("#section-", "data:,")) for link in links)
    assert not re.search(r"https?://|@import|url\(", html)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)
    assert 'alert("data")' in page.text()
    assert CLASSES[0] in page.text()
    assert not any("onerror" in attrs for _, attrs, _ in page.elements)
    # Two charts, training, samples, variants, confusion, two curves, reliability, a
    # prediction, mistakes, maps of two kinds.
    alts = [attrs["alt"] for _, attrs, _ in page.of("img")]
    assert len(alts) == 13
    assert all(alts)
    captions = "\n".join(text for _, _, text in page.of("figcaption"))
    name = printable(" ".join(HOSTILE.split()))
    assert f"random variants of it (seed 0), as in the training of {name}" in captions
    assert (
        len(re.findall(r"^Test image \d+, drawn at random \(seed 0\)", captions, re.M)) == 1
    )
    assert re.search(r"^\d+ mistakes? among .*\. Test images? [\d, ]+$", captions, re.M)
    # The same images are explained in both ways.
    maps = re.findall(
        r"^(Grad-CAM|Occlusion)\. Test images ([\d, ]+), drawn", captions, re.M
    )
    assert [method for method, _ in maps] == ["Grad-CAM", "Occlusion"]
    assert len({indices for _, indices in maps}) == 1
    levels = [int(tag[1]) for tag, _, _ in page.of("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    text = page.text()
    report = hostile.first
    for figure in (report.metrics["acc"], report.metrics["ece"], *report.recall.values()):
        assert f"{figure:.3f}" in text
    facts = ("5ha", report.data["arrays_sha256"], "Seeds: 3, 4", "tensorflow", "filters")
    for fact in facts:
        assert fact in text
    assert "SYNTHETIC" not in text
    assert "licence and authors of the data are not known" in text


def test_published_rows_stand_apart():
    run = run_benchmark({"flat": Flat()}, official())
    html, sources = html_report(run), {}
    for section in html.split("<section")[1:]:
        title = re.search("<h2>(.*)</h2>", section)[1]
        sources[title] = set(re.findall('class="source">(.*?)<', section))
        assert ("ResNet-18 (28)" in section) == (title == "Published results")
    assert sources["Published results"] == {"published"}
    assert sources["Results"] == {"measured by this run"}
    assert sources["flat in detail"] == {
        "measured by this run",
        "measured, ranked among published results",
    }
    before, _, rank = html.partition("Rank in MedMNIST")
    assert 'class="source">measured, ranked' in rank.partition("<table")[0]
    assert before.rpartition("<h3>")[2].startswith("Rank among published results</h3>")
    assert "Licence CC BY 4.0; Cite: Yang et al., 2023" in html


def test_synthetic_images_are_shouted_and_have_no_published_rows():
    train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
    run = run_benchmark(
        {"flat": Flat()}, Bunch(name="octmnist", synthetic=True, train=train, test=test)
    )
    html = html_report(run)
    assert "SYNTHETIC DATA." in html
    assert "ResNet" not in html
    assert set(re.findall('class="source">(.*?)<', html)) == {
        "measured on SYNTHETIC images"
    }


@pytest.mark.pictures
@pytest.mark.slow
def test_chart_with_published_rows_says_that_it_has_them():
    run = run_benchmark({"flat": Flat()}, official())
    captions = re.findall("<figcaption>(.*?)</figcaption>", html_report(run), re.S)
    charts = [caption for caption in captions if "published rows" in caption]
    assert len(charts) == 2
    for caption in captions:
        assert ("measured by this run, and published<" in caption) == (caption in charts)


def evaluated(hostile):
    """A report of the net, the net, and what it was measured on."""
    net, data = hostile.estimators[HOSTILE], dataset(name=HOSTILE, target_names=CLASSES)
    report = octsk.evaluate(net, data.val.data, data.val.target, dataset=data, split="val")
    return report, net, data


@pytest.mark.parametrize("whole", [True, False])
def test_evaluation_has_a_page_of_what_is_known(hostile, whole):
    report, net, data = evaluated(hostile)
    html = html_report(report, estimator=net, dataset=data if whole else data.val)
    titles = re.findall("<h2>(.*)</h2>", html)
    assert titles == [
        *("Results", "Published results", "Data", "Settings", "Versions and machine")
    ]
    text = Page(html).text()
    for figure in (*report.metrics.values(), *report.recall.values()):
        assert f"{figure:.3f}" in text
    assert "validation images" in text
    assert "Seed of the training: not known." in text
    assert (
        "or chosen by its results on them. If it was, the results are too optimistic."
        in text
    )
    assert "training images" not in text
    other = Bunch(**{**data.test, "split": "test"})
    with pytest.raises(ValueError, match=r"must hold the val split, .* got the test split"):
        html_report(report, estimator=net, dataset=other)
    # Of a report alone, without its classifier and its images.
    assert re.findall("<h2>(.*)</h2>", html_report(report)) == titles


def test_evaluation_has_a_card_of_what_is_known(hostile):
    report, net, data = evaluated(hostile)
    card = model_card(report, estimator=net, dataset=data.val, file="my_net-#1.octsk")
    _, header, body = card.split("---\n", 2)
    [result] = yaml.safe_load(header)["model-index"][0]["results"]
    assert result["dataset"]["split"] == "val"
    assert 'octsk.load("my_net-#1.octsk")' in body
    assert "octsk does not know on which data the classifier was trained: add this" in body
    assert "or chosen by its\nresults on them." in body
    assert "It was evaluated on one data set." in body
    assert "first seed" not in body
    assert "| not known |" in body
    with pytest.raises(ValueError, match="needs the estimator that is in it"):
        model_card(report, file="tiny.octsk")
    few = dataclasses.replace(report, interval_caveat="Few patients: 3 in all.")
    words = " ".join(model_card(few, estimator=net, dataset=data.val).split())
    assert "intervals of this test set. Few patients: 3 in all. ### Results" in words
    assert "Few patients: 3 in all." in html_report(few)
    alone = model_card(report)
    assert "octsk.load" not in alone
    assert "5ha" in alone


def test_only_a_report_takes_a_classifier_and_data(hostile):
    report, net, data = evaluated(hostile)
    with pytest.raises(ValueError, match="estimator is only allowed with the report of"):
        html_report(hostile, estimator=net)
    with pytest.raises(ValueError, match="file is only allowed with the report of"):
        model_card(hostile, file="x.octsk")
    with pytest.raises(ValueError, match="net must be None for a report"):
        model_card(report, "tiny")
    with pytest.raises(ValueError, match="the 48 images that were evaluated, got 47"):
        html_report(report, dataset={"data": data.val.data[1:]})


def test_card_of_another_librarys_classifier_does_not_call_it_octsks():
    card = model_card(run_benchmark({"flat": Flat()}, dataset()))
    _, header, _ = card.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert "library_name" not in facts
    assert not {"keras", "octsk"} & set(facts["tags"])
    assert "Flat, a classifier with scikit-learn's interface" in card
    for untrue in ("Keras network", "octsk.load", ".octsk"):
        assert untrue not in card
    assert "It was trained and evaluated on one data set." in card


def test_resumed_run_has_page_and_card_without_its_classifiers():
    run = run_benchmark({"flat": Flat()}, dataset())
    run.estimators.clear()
    assert "flat in detail" in html_report(run)
    assert "| var\\_smoothing | 1e-09 |" in model_card(run)


@pytest.mark.pictures
@pytest.mark.slow
def test_features_that_are_no_images_and_nothing_mistaken():
    X = np.eye(3)[np.arange(30) % 3] * 1000
    split = Bunch(data=X, target=np.arange(30) % 3)
    test = Bunch(data=X + 1, target=split.target)
    run = run_benchmark({"bayes": GaussianNB()}, Bunch(train=split, test=test))
    captions = html_report(run).count("<figcaption")
    assert captions == 6  # no training, no images
    perfect = run_benchmark({"flat": Flat()}, dataset())
    assert perfect.first.metrics["acc"] == 1
    assert "All 48 images were predicted correctly." in html_report(perfect)


def test_model_card_is_yaml_and_markdown(hostile):
    card = model_card(hostile, HOSTILE)
    _, header, body = card.split("---\n", 2)
    facts = yaml.safe_load(header)
    assert facts["library_name"] == "octsk"
    assert facts["metrics"] == ["accuracy", "roc_auc", "balanced_accuracy"]
    for report, model in zip(hostile.reports[HOSTILE], facts["model-index"], strict=True):
        [result] = model["results"]
        assert result["dataset"]["name"] == HOSTILE
        values = {metric["type"]: metric["value"] for metric in result["metrics"]}
        assert values["accuracy"] == report.metrics["acc"]
    page = Page(MarkdownIt("commonmark").enable("table").render(body))
    assert not page.of("script", "a", "em")
    assert not [attrs for _, attrs, _ in page.of("img") if attrs]
    assert 'alert("data")' in page.text()
    assert CLASSES[0] in page.text()
    rows = len(page.of("tr"))
    n_params = len(hostile.estimators[HOSTILE].get_params()) - 1
    assert rows == (1 + len(CLASSES)) + (1 + n_params) + (1 + 2) + (1 + len(_TOPICS))
    [code] = page.of("code")[:1]
    assert "unknown" in code[2]
    titles = [text.strip() for _, _, text in page.of("h2")]
    for title in ("Uses", "Bias, risks and limitations", "Training details", "Evaluation"):
        assert title in titles
    assert "Not for clinical use." in page.text()
    assert "Recall of each class, first seed: " in page.text()


def body_of(card):
    return card.split("---\n", 2)[2]


@pytest.mark.parametrize("seeds", [[3], [3, 4]])
def test_lines_of_the_card_do_not_run_together(seeds):
    run = run_benchmark({"my net": SmallOCTNet(**TINY)}, dataset(), seeds=seeds)
    file = "- File: my-net-seed3.octsk" + (", of the first seed" if seeds[1:] else "")
    lines = body_of(model_card(run)).splitlines()
    assert lines.count(file) == 1
    assert lines[lines.index(file) + 1].startswith("- Licence: octsk is licensed under")
    titles = [i for i, line in enumerate(lines) if line.startswith("#")]
    assert all(lines[i - 1] == lines[i + 1] == "" for i in titles[1:])


def rows_of(page, parameter):
    """What a page says of a parameter of each classifier."""
    row = re.search(f'<th scope="row">{parameter}</th>(.*?)</tr>', page)[1]
    return re.findall("<td>(.*?)</td>", row)


def schedule():
    return keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)


NETS = {
    "adam": dict(optimizer="adam"),
    "sgd": dict(optimizer="sgd", weight_decay=0.2),
    "adamw": dict(optimizer="adamw", epochs="auto"),
    "object": lambda: dict(optimizer=keras.optimizers.RMSprop(0.03, use_ema=True)),
    "scheduled": lambda: dict(optimizer=keras.optimizers.SGD(schedule())),
    "given": dict(optimizer="adam", learning_rate=0.5),
}


def test_settings_are_those_that_the_training_had():
    nets = {
        name: SmallOCTNet(**{**TINY, **(given() if callable(given) else given)})
        for name, given in NETS.items()
    }
    nets["pipeline"] = make_pipeline(SmallOCTNet(**TINY))
    data = dataset()
    few = Bunch(**{**data, "train": Bunch(data=data.train.data[:3], target=np.arange(3))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("octsk.training._fit_estimator._AUTO_EPOCHS", 3)
        run = run_benchmark(nets, few)
    page = html_report(run)
    rates = [
        *("0.001", "0.01", "0.001", "0.03"),
        "ExponentialDecay, a schedule",
        "0.5",
        "-",
    ]
    assert rows_of(page, "learning_rate") == rates
    decays = [*("0.0", "0.2", "0.004"), *["0.0"] * 3, "-"]
    assert rows_of(page, "weight_decay") == decays
    assert rows_of(page, "epochs") == ["1", "1", "auto (2)", *["1"] * 3, "-"]
    assert rows_of(page, "ema_momentum") == [*["None"] * 3, "0.99", "None", "None", "-"]
    nested = rows_of(page, "smalloctnet__learning_rate")
    assert nested == ["-"] * 6 + ["0.001"]
    card = model_card(run, "adamw")
    assert "| learning\\_rate | 0.001 |" in card
    assert "| epochs | auto (2) |" in card
    # The record keeps what was given.
    assert run.reports["adam"][0].params["learning_rate"] is None


def test_images_that_do_not_train_are_not_counted_as_trained_on():
    data = dataset()
    nets = {
        "all": SmallOCTNet(**TINY),
        "two": SmallOCTNet(**TINY, class_weight={0: 1, 1: 0, 2: 1}),
    }
    run = run_benchmark(nets, data)
    assert [sum(run.reports[net][0].trained_on.values()) for net in nets] == [48, 32]
    assert "Trained on 48 images (two on 32; the others had no weight" in str(run)
    page = html_report(run)
    assert rows_of(page, "1") == ["16", "16", "16", "0"]
    assert "trained two" in page
    assert "trained all" not in page
    card = model_card(run, "two")
    assert "The classifier was trained on 32 of these images." in card
    assert "was trained on 32 of these" not in model_card(run, "all")
    held_out = run_benchmark(
        {"stops": SmallOCTNet(**TINY, early_stopping=True)}, Bunch(**{**data, "val": None})
    )
    assert "Trained on 48 images (stops on 43, " in str(held_out)
    assert "Trained on 48 images, measured on 48 images." in str(
        run_benchmark({"f": Flat()}, data)
    )


def test_patients_on_both_sides_are_on_page_and_card():
    data = dataset()
    data.train.groups, data.test.groups = np.arange(48) // 4, 10 + np.arange(48) // 4
    with pytest.warns(UserWarning, match="train and test share 2"):
        run = run_benchmark({"flat": Flat()}, data)
    note = "NOT INDEPENDENT: 2 of the patients in the test split have images in the train"
    page = html_report(run)
    assert note in page.split("<h2>Results</h2>")[1].partition("<section")[0]
    # In the details of the net, too.
    assert page.count(note) == 2
    assert f"**{note}" in model_card(run)
    assert f"**{note}" in model_card(run.first)
    assert note in html_report(run.first)


def test_what_the_card_says_to_load_can_be_loaded(tmp_path):
    run = run_benchmark({"my net": SmallOCTNet(**TINY)}, dataset(), output_dir=tmp_path)
    card = (tmp_path / "models" / "my-net.md").read_text(encoding="utf-8")
    file = re.search(r'octsk.load\("(.*)"\)', card)[1]
    net = octsk.load(tmp_path / "models" / file)
    data = dataset().test.data
    np.testing.assert_array_equal(
        net.predict_proba(data), run.estimators["my net"].predict_proba(data)
    )
    with pytest.raises(ValueError, match="net must be one of"):
        model_card(run, "yours")


SEARCH = OCTSearchCV(SmallOCTNet(**TINY), {"dropout": [0.0, 0.3]}, n_trials=2, cv=2)


@pytest.mark.slow
def test_tuning_run_has_page_and_card(tmp_path):
    run = tune(SEARCH, dataset(), output_dir=tmp_path / "run")
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    titles = re.findall("<h2>(.*)</h2>", html)
    assert titles[:2] == ["Search", "Results"]
    assert {"default in detail", "tuned in detail"} < set(titles)
    assert f"{run.search.best_score_:.3f}" in html
    card = (tmp_path / "run" / "model_card.md").read_text(encoding="utf-8")
    assert 'octsk.load("model.octsk")' in card
    assert "best of 2 trials by balanced accuracy in 2 folds" in card
    with pytest.raises(ValueError, match="net must be None"):
        model_card(run, "tuned")


def test_a_parameter_that_has_parameters_is_named_in_a_word():
    card = model_card(
        run_benchmark({"bagged": Bagged(GaussianNB(var_smoothing=0.5))}, dataset())
    )
    assert "| base | GaussianNB |" in card
    assert "| base\\_\\_var\\_smoothing | 0.5 |" in card


def test_tuning_without_test_split():
    tree = DecisionTreeClassifier(random_state=0)
    X, y = toy_images(48)
    train = Bunch(data=X.reshape(48, -1), target=y)
    search = OCTSearchCV(tree, {"max_depth": [1, 2, 3]}, n_trials=3, cv=2)
    run = tune(search, Bunch(train=train, name="rows", size=None, synthetic=True))
    html = html_report(run)
    titles = ["Search", "Data", "Checks of the data", "Settings", "Versions and machine"]
    assert re.findall("<h2>(.*)</h2>", html) == titles
    assert "no test split, so there are no predictions" in html
    assert "Seed of the training: 0; of the search: None." in html
    assert "SYNTHETIC DATA." in html
    card = model_card(run)
    assert "The classifier was not evaluated" in card
    assert "model-index" not in card


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


def page_of(kind, hostile):
    if kind == "evaluation":
        report, net, data = evaluated(hostile)
        pages = [html_report(report, estimator=net, dataset=data) for _ in range(2)]
        # The same images are drawn each time.
        assert pages[0] == pages[1]
        # Four of scores, a prediction, mistakes, two of maps, samples, variants, training.
        assert pages[0].count("<img") == 11
        return pages[0]
    if kind == "benchmark":
        return html_report(hostile)
    html = html_report(tune(SEARCH, dataset(), seeds=[0, 1]))
    # Both were augmented alike: one picture is enough.
    assert html.count("random variants of it") == 1
    assert "as in the training of default, tuned" in html
    return html


# Texts smaller than 12 pixels, or of less contrast than 4.5 with what is behind them
# (WCAG 2.1, success criterion 1.4.3).
ILLEGIBLE = """
(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = parts(colour).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    const colour = getComputedStyle(node).backgroundColor;
    const [, , , opacity = 1] = parts(colour);
    return opacity < 1 && node.parentElement ? ground(node.parentElement) : colour;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const [low, high] = [light(style.color), light(ground(node))].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5 || parseFloat(style.fontSize) < 12)
      found.push([walker.currentNode.data.trim(), contrast, style.fontSize]);
  }
  return found;
})()
"""


@pytest.mark.pictures
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["benchmark", "tuning", "evaluation"])
def test_page_in_a_browser(kind, hostile, browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page_of(kind, hostile), encoding="utf-8")
    grounds = set()
    for width, dark in [(1280, False), (400, False), (1280, True), (400, True)]:
        browser.open(path, width=width, dark=dark)
        assert browser.complaints() == []
        requests = [url for url in browser.requests() if not url.startswith("data:")]
        assert requests == [path.as_uri()]
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate(
            "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        )
        assert browser.evaluate(ILLEGIBLE) == []
        ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.add((dark, ground))
    assert len(grounds) == 2, "dark and light have the same ground"
    # On paper it is light, and what a screen would scroll to is there: 680 pixels are
    # about the width of a page without its margins.
    browser.open(path, width=680, dark=True, media="print")
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert browser.evaluate(
        "[...document.querySelectorAll('.scroll')]"
        ".every(table => table.scrollWidth <= table.clientWidth)"
    )


# -- checklist ----------------------------------------------------------------------------


def _checklist(card):
    """Rows of the checklist of a card by topic."""
    rows = card.partition("## Appendix: study checklist")[2].splitlines()
    cells = [line.strip("| ").split(" | ") for line in rows if line.startswith("|")]
    return {topic: (claim, tripod, words) for topic, claim, tripod, words in cells[2:]}


def _numbers(items):
    """Item numbers, without letters, of "12a-12d, 22"."""
    parts = [part for cell in items for part in cell.split(", ") if part != "-"]
    return [int(re.match("[0-9]+", part)[0]) for part in parts]


def test_checklist_has_every_item_of_both_publications():
    rows = _checklist(model_card(_run_with_patients()))
    assert sorted(_numbers(claim for claim, _, _ in rows.values())) == list(range(1, 45))
    assert set(_numbers(tripod for _, tripod, _ in rows.values())) == set(range(1, 28))


def _run_with_patients(known=True):
    X, y = toy_images(48)
    patients = np.arange(48) // 2
    train, test = (
        Bunch(data=data, target=y, groups=patients + shift if known else None)
        for data, shift in ((X, 0), (X[:, ::-1], 100))
    )
    dataset = Bunch(name="toys", size=12, synthetic=False, train=train, val=None, test=test)
    return run_benchmark({"guess": DummyClassifier()}, dataset, seeds=[3])


def test_checklist_says_what_the_run_knows_and_what_it_does_not():
    rows = _checklist(model_card(_run_with_patients()))
    words = {topic: cell for topic, (_, _, cell) in rows.items()}
    sizes = "Trained on 48 images of 24 patients, measured on 48 images of 24 patients."
    assert sizes in words["Numbers of patients and images, and of those excluded"]
    assert words["Split of the data, by image or by patient"].startswith("By patient")
    assert words["Initial weights"] == "Random, with seed 3."
    assert "over patients" in words["Uncertainty and tests"]
    for topic in ("Ethical approval", "Devices and scan protocol", "Robustness"):
        assert words[topic] == "Author to state."
    unknown = _checklist(model_card(_run_with_patients(known=False)))
    split = unknown["Split of the data, by image or by patient"][2]
    assert "patients are not known" in split
    assert split.endswith("Author to state.")
    X, y = toy_images(48)
    report = octsk.evaluate(DummyClassifier().fit(X, y), X, y, n_resamples=10)
    alone = _checklist(model_card(report))
    assert (
        "Training data: Author to state." in alone["Sample size and its justification"][2]
    )
    assert (
        alone["Training"][2] == alone["Choice of the final model"][2] == "Author to state."
    )
