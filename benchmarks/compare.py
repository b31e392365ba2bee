"""Features of octsk and related libraries, determined by tests.

The libraries are scikeras, Keras's own wrapper, skorch, medmnist and AutoKeras, as far as
they are installed. Each is tested in its own process on 48 small images with a network of
one or two layers. The answer is yes if the test ran with the expected result, and no
otherwise, together with the first line of the error. Some features are only detected by
searching the public names of a library. Features that do not apply to a library have no
answer.
"""

import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from benchmarks._apart import run_apart
from benchmarks._common import new_parser, new_result, save, show
from octsk.utils.tables import Table

# Column titles and packages.
LIBRARIES = {
    "octsk": "octsk",
    "scikeras": "scikeras",
    "Keras's wrapper": "keras",
    "skorch": "skorch",
    "medmnist": "medmnist",
    "AutoKeras": "autokeras",
}
SIDE, N_CLASSES = 8, 4


def images() -> tuple[np.ndarray, np.ndarray]:
    """Draw 48 grey images of four classes of increasing brightness."""
    rng = np.random.default_rng(0)
    y = np.arange(48) % N_CLASSES
    X = 50 * y[:, None, None] + rng.integers(0, 50, (48, SIDE, SIDE))
    return X.astype(np.uint8), y


# --- A classifier of each library -------------------------------------------------------


# Each function takes the number of epochs and whether the network returns logits, if the
# library lets users choose this.


def new_octsk(epochs=1, logits=False, **settings):
    import octsk

    return octsk.SmallOCTNet(
        filters=(2,), dense_units=(), epochs=epochs, augmentation=None, **settings
    )


def new_scikeras(epochs=1, logits=False, **settings):
    from keras.losses import SparseCategoricalCrossentropy
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        keras_network,
        model__input_shape=(SIDE, SIDE),
        model__logits=logits,
        loss=SparseCategoricalCrossentropy(from_logits=logits),
        epochs=epochs,
        verbose=0,
        **settings,
    )


def new_keras(epochs=1, logits=False, **settings):
    from keras.wrappers import SKLearnClassifier

    classifier = SKLearnClassifier(
        compiled_network, model_kwargs={"logits": logits}, **settings
    )
    # The class has no parameters for the arguments of fit().
    classifier.fit_kwargs = {"epochs": epochs, "verbose": 0}
    return classifier


def compiled_network(X, y, logits):
    from keras.losses import CategoricalCrossentropy

    model = keras_network(X.shape[1:], logits)
    model.compile(loss=CategoricalCrossentropy(from_logits=logits))
    return model


def keras_network(input_shape, logits):
    import keras

    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(N_CLASSES, activation=None if logits else "softmax"),
        ]
    )


def new_skorch(epochs=1, logits=False, **settings):
    import torch
    from skorch import NeuralNetClassifier

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dense = torch.nn.Linear(SIDE * SIDE, N_CLASSES)

        def forward(self, X):
            return self.dense(X.flatten(1).float() / 255)

    Network.__qualname__ = "Network"
    sys.modules[__name__].Network = Network  # needed for pickling
    return NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=epochs,
        verbose=0,
        **settings,
    )


def new_autokeras(epochs=1, logits=False, **settings):
    import autokeras

    # It stores its trials in files.
    folder = tempfile.mkdtemp()
    return autokeras.ImageClassifier(
        max_trials=1, overwrite=True, directory=folder, **settings
    )


CLASSIFIERS: dict[str, Callable[..., Any]] = {
    "octsk": new_octsk,
    "scikeras": new_scikeras,
    "keras": new_keras,
    "skorch": new_skorch,
    "autokeras": new_autokeras,
}


class NotConcernedError(Exception):
    """The question does not apply to the library."""


# --- Questions about a classifier -------------------------------------------------------
# Each function takes a factory of classifiers. It returns None if the answer is yes, and
# otherwise the reason why it is no.


def trains(new) -> str | None:
    X, y = _flat_where_needed(new)
    given = new().fit(X, y).predict(X)
    return None if np.shape(given) == y.shape else f"predict returns {np.shape(given)}"


def is_classifier(new) -> str | None:
    from sklearn.base import is_classifier

    return None if is_classifier(new()) else "sklearn.base.is_classifier returns False"


def images_as_they_are(new) -> str | None:
    X, y = images()
    given = new().fit(X, y).predict(X)
    return None if np.shape(given) == y.shape else f"predict returns {np.shape(given)}"


def probabilities(new) -> str | None:
    X, y = _flat_where_needed(new)
    sums = new(logits=True).fit(X, y).predict_proba(X).sum(axis=1)
    return None if np.allclose(sums, 1, atol=1e-3) else f"a row sums to {sums[0]:.2f}"


def scored_by_auc(new) -> str | None:
    from sklearn.model_selection import cross_val_score

    X, y = _flat_where_needed(new)
    scores = cross_val_score(new(), X, y, scoring="roc_auc_ovr", cv=2, error_score="raise")
    return None if np.isfinite(scores).all() else f"scores {scores}"


def stratified(new) -> str | None:
    from sklearn.model_selection import StratifiedKFold, check_cv

    _, y = images()
    cv = check_cv(3, y, classifier=_is_classifier(new()))
    return None if isinstance(cv, StratifiedKFold) else f"it uses {type(cv).__name__}"


def votes(new) -> str | None:
    from sklearn.ensemble import VotingClassifier

    X, y = _flat_where_needed(new)
    vote = VotingClassifier([("a", new()), ("b", new())], voting="soft").fit(X, y)
    return None if vote.predict_proba(X).shape == (48, N_CLASSES) else "other shape"


def cloned_whole(new) -> str | None:
    from sklearn.base import clone

    X, y = _flat_where_needed(new)
    n_epochs = _n_epochs(clone(new(epochs=3)).fit(X, y))
    return None if n_epochs == 3 else f"with 3 epochs, the clone trained for {n_epochs}"


def balanced(new) -> str | None:
    X, y = _flat_where_needed(new)
    new(class_weight="balanced").fit(X, y)
    return None


def sample_weight(new) -> str | None:
    X, y = _flat_where_needed(new)
    new().fit(X, y, sample_weight=np.ones(len(y)))
    return None


def weights_stay(new) -> str | None:
    X, y = _flat_where_needed(new)
    weight = np.ones(len(y))
    try:
        classifier = new(class_weight={0: 2.0, 1: 1.0, 2: 1.0, 3: 1.0})
        classifier.fit(X, y, sample_weight=weight)
    except (TypeError, ValueError) as error:
        raise NotConcernedError from error
    return None if (weight == 1).all() else "fit modifies the array that it is given"


def seeded(new) -> str | None:
    X, y = _flat_where_needed(new)
    one, other = (new(random_state=0).fit(X, y).predict_proba(X) for _ in range(2))
    return None if np.array_equal(one, other) else "two fits differ"


def pickled(new) -> str | None:
    import pickle

    X, y = _flat_where_needed(new)
    fitted = new().fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    return None if np.array_equal(again.predict(X), fitted.predict(X)) else "it differs"


def patients_held_out(new) -> str | None:
    import inspect

    given = inspect.signature(new().fit).parameters
    return None if "groups" in given else "fit has no parameter groups"


TRAINS = "training and prediction work with these versions"
CLASSIFIER_QUESTIONS: dict[str, Callable[..., str | None]] = {
    TRAINS: trains,
    "recognized as a classifier by scikit-learn": is_classifier,
    "stratified cross-validation by default": stratified,
    "accepts images of shape (n, h, w)": images_as_they_are,
    "probabilities sum to 1 if the network returns logits": probabilities,
    "cross-validation with AUC scoring": scored_by_auc,
    "works in a soft VotingClassifier": votes,
    "clones keep all settings, as searches require": cloned_whole,
    'class_weight="balanced"': balanced,
    "sample_weight": sample_weight,
    "class_weight does not modify the caller's sample_weight": weights_stay,
    "reproducible fits with random_state": seeded,
    "pickle": pickled,
    "early stopping on held-out patients": patients_held_out,
}


def _is_classifier(classifier) -> bool:
    from sklearn.base import is_classifier

    return is_classifier(classifier)


def _flat_where_needed(new):
    """Return the images, flattened for a library that requires it."""
    X, y = images()
    return (X.reshape(len(X), -1) if new is new_keras else X), y


def _n_epochs(classifier) -> int:
    history = getattr(classifier, "history_", None)
    if history is None:
        return len(classifier.history)
    history = getattr(history, "history", history)
    return len(history["loss"] if isinstance(history, dict) else history)


# --- Questions about a library ----------------------------------------------------------

MODULES = {
    "octsk": ["octsk", "octsk.classifiers", "octsk.benchmark", "octsk.metrics"],
    "scikeras": ["scikeras.wrappers"],
    "keras": ["keras.wrappers"],
    "skorch": ["skorch", "skorch.callbacks", "skorch.helper"],
    "medmnist": ["medmnist", "medmnist.evaluator"],
    "autokeras": ["autokeras"],
}
DATA = "MedMNIST's data sets"
# Words to look for in the public names of these modules.
NAMES = {
    "regression": ("regressor",),
    "neural architecture search": ("automodel",),
    "hyperparameter search": ("searchcv", "automodel", "tuner"),
    "image augmentation": ("augment",),
    "explanations of predictions": ("grad_cam", "gradcam", "occlusion", "saliency"),
    DATA: ("octmnist",),
    "MedMNIST's evaluation": ("evaluator", "medmnist_auc"),
    "confidence intervals of metrics": ("interval",),
    "published results": ("published",),
}


def has_name(package: str, words: Sequence[str]) -> str | None:
    """Check whether a public name of the library contains one of the words."""
    import importlib

    modules = map(importlib.import_module, MODULES[package])
    names = [name.lower() for m in modules for name in dir(m) if not name.startswith("_")]
    there = any(word in name for name in names for word in words)
    return None if there else f"no public name contains {' or '.join(words)}"


def has_data_without_torch(package: str) -> str | None:
    """Check whether the library provides MedMNIST's data sets without PyTorch."""
    sys.modules["torch"] = None  # type: ignore[assignment]
    return has_name(package, NAMES[DATA])


# --- The script -------------------------------------------------------------------------


def ask(package: str) -> dict[str, dict[str, Any]]:
    """Answer all questions for one library; runs in its own process."""
    answers = {}
    for question, trial in CLASSIFIER_QUESTIONS.items():
        # If training fails, so does every other test.
        if package in CLASSIFIERS and answers.get(TRAINS, {"yes": True})["yes"]:
            answers[question] = _answer(trial, CLASSIFIERS[package])
    for question, words in NAMES.items():
        answers[question] = _answer(has_name, package, words)
    return {question: answer for question, answer in answers.items() if answer}


def ask_without_torch(package: str) -> dict[str, Any] | None:
    return _answer(has_data_without_torch, package)


def _answer(trial, *arguments) -> dict[str, Any] | None:
    try:
        reason = trial(*arguments)
    except NotConcernedError:
        return None
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = textwrap.shorten(f"{type(error).__name__}: {lines[0]}", 160)
    return {"yes": reason is None, "reason": reason}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--libraries",
        nargs="+",
        choices=list(LIBRARIES.values()),
        default=list(LIBRARIES.values()),
        help="default: all",
    )
    chosen = parser.parse_args(argv)
    result = new_result("compare", {}) | {"versions": {}, "answers": {}}
    for package in chosen.libraries:
        try:
            result["versions"][package] = version(package)
        except PackageNotFoundError:
            print(f"{package} is not installed", file=sys.stderr)
            continue
        answers = run_apart(f"{__spec__.name}:ask", package=package)
        if answers[DATA]["yes"]:
            answers[f"{DATA}, without PyTorch"] = run_apart(
                f"{__spec__.name}:ask_without_torch", package=package
            )
        result["answers"][package] = answers
        save(result, chosen.output)  # intermediate results
    show(tables(result))
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Convert a result, possibly read from its file, to tables."""
    titles = {package: title for title, package in LIBRARIES.items()}
    tried = list(result["answers"])
    questions = dict.fromkeys(q for answers in result["answers"].values() for q in answers)
    words = {True: "yes", False: "no"}
    rows = [
        (
            question,
            *(
                words[result["answers"][package][question]["yes"]]
                if question in result["answers"][package]
                else "-"
                for package in tried
            ),
        )
        for question in questions
    ]
    header = [f"{titles[package]} {result['versions'][package]}" for package in tried]
    reasons = [
        (titles[package], question, answer["reason"])
        for package in tried
        for question, answer in result["answers"][package].items()
        if not answer["yes"] and question not in NAMES
    ]
    return [
        Table(
            "Features of each library",
            ("", *header),
            rows,
            [f"Tested on {result['started'][:10]}."],
        ),
        Table(
            "Reasons for each no",
            rows=reasons,
            notes=[f"Only checked by searching for public names: {', '.join(NAMES)}."],
        ),
    ]


if __name__ == "__main__":
    main()
