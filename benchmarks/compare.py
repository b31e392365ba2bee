"""What octsk and its neighbours have and have not, each answer got by trying.

Neighbours: scikeras, Keras's own wrapper, skorch, medmnist and AutoKeras, those that are
installed. Each is tried in a process of its own on 48 small images, by a network of a layer
or two. An answer is yes where the trial ran and gave what it should, no where it gave
something else or an error, and then its first line stands with it. A few things are looked
for by the names that a library makes public. A question that does not concern a library has
no answer.
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

# Packages by what their column is called.
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
    """Draw 48 grey images of four classes, each brighter than the one before."""
    rng = np.random.default_rng(0)
    y = np.arange(48) % N_CLASSES
    X = 50 * y[:, None, None] + rng.integers(0, 50, (48, SIDE, SIDE))
    return X.astype(np.uint8), y


# --- A classifier of each library -------------------------------------------------------


# Each function takes the number of epochs, and whether the network ends in logits where the
# library leaves that to its user.


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
    # The class has no parameters for what fit() is to be given.
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
    sys.modules[__name__].Network = Network  # or it could not be pickled
    return NeuralNetClassifier(
        Network,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=epochs,
        verbose=0,
        **settings,
    )


def new_autokeras(epochs=1, logits=False, **settings):
    import autokeras

    # It keeps its trials in files.
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
    """What a question asks about is not there."""


# --- Questions about a classifier -------------------------------------------------------
# Each is a function of what makes one. It returns None for yes, else why not.


def trains(new) -> str | None:
    X, y = _flat_where_needed(new)
    given = new().fit(X, y).predict(X)
    return None if np.shape(given) == y.shape else f"predict gives {np.shape(given)}"


def is_classifier(new) -> str | None:
    from sklearn.base import is_classifier

    return None if is_classifier(new()) else "sklearn.base.is_classifier says no"


def images_as_they_are(new) -> str | None:
    X, y = images()
    given = new().fit(X, y).predict(X)
    return None if np.shape(given) == y.shape else f"predict gives {np.shape(given)}"


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
    return None if isinstance(cv, StratifiedKFold) else f"folds by {type(cv).__name__}"


def votes(new) -> str | None:
    from sklearn.ensemble import VotingClassifier

    X, y = _flat_where_needed(new)
    vote = VotingClassifier([("a", new()), ("b", new())], voting="soft").fit(X, y)
    return None if vote.predict_proba(X).shape == (48, N_CLASSES) else "other shape"


def cloned_whole(new) -> str | None:
    from sklearn.base import clone

    X, y = _flat_where_needed(new)
    n_epochs = _n_epochs(clone(new(epochs=3)).fit(X, y))
    return None if n_epochs == 3 else f"set to 3 epochs, its clone trained {n_epochs}"


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
    return None if (weight == 1).all() else "fit changed the array that it was given"


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
    return None if "groups" in given else "fit takes no groups"


TRAINS = "trains and predicts with these versions"
CLASSIFIER_QUESTIONS: dict[str, Callable[..., str | None]] = {
    TRAINS: trains,
    "scikit-learn takes it for a classifier": is_classifier,
    "its folds are stratified in a cross-validation": stratified,
    "images of shape (n, h, w) as they are": images_as_they_are,
    "probabilities sum to 1 where the network ends in logits": probabilities,
    "AUC as the scorer of a cross-validation": scored_by_auc,
    "a member of a soft VotingClassifier": votes,
    "a clone trains as the original would, as in any search": cloned_whole,
    'class_weight="balanced"': balanced,
    "sample_weight": sample_weight,
    "class_weight leaves the caller's sample_weight alone": weights_stay,
    "random_state: two fits are the same": seeded,
    "pickle": pickled,
    "early stopping that holds out whole patients": patients_held_out,
}


def _is_classifier(classifier) -> bool:
    from sklearn.base import is_classifier

    return is_classifier(classifier)


def _flat_where_needed(new):
    """Give the images, flattened for a library that takes no others."""
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
# What to look for in the public names of those modules.
NAMES = {
    "regression": ("regressor",),
    "finds the network's layers by itself": ("automodel",),
    "a search of its own": ("searchcv", "automodel", "tuner"),
    "image augmentation": ("augment",),
    "explanations of a prediction": ("grad_cam", "gradcam", "occlusion", "saliency"),
    DATA: ("octmnist",),
    "MedMNIST's evaluation": ("evaluator", "medmnist_auc"),
    "intervals of a metric": ("interval",),
    "published results as data": ("published",),
}


def has_name(package: str, words: Sequence[str]) -> str | None:
    """Ask whether a library has a public name with one of the words in it."""
    import importlib

    modules = map(importlib.import_module, MODULES[package])
    names = [name.lower() for m in modules for name in dir(m) if not name.startswith("_")]
    there = any(word in name for name in names for word in words)
    return None if there else f"no public name has {' or '.join(words)} in it"


def has_data_without_torch(package: str) -> str | None:
    """Ask whether a library has MedMNIST's sets where PyTorch is not installed."""
    sys.modules["torch"] = None  # type: ignore[assignment]
    return has_name(package, NAMES[DATA])


# --- The script -------------------------------------------------------------------------


def ask(package: str) -> dict[str, dict[str, Any]]:
    """Put all questions to one library; run in a process of its own."""
    answers = {}
    for question, trial in CLASSIFIER_QUESTIONS.items():
        # Where nothing can be trained, every other trial would fail for that alone.
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
        save(result, chosen.output)  # what there is so far
    show(tables(result))
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Put a result, also one read from its file, into the tables that are shown."""
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
            "What each has", ("", *header), rows, [f"Tried on {result['started'][:10]}."]
        ),
        Table(
            "What stands behind each no of a trial",
            rows=reasons,
            notes=[f"Looked for by name alone: {', '.join(NAMES)}."],
        ),
    ]


if __name__ == "__main__":
    main()
