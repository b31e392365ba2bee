"""Detection of doubtful labels by confident learning."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

from octsk.plots import ImageGridDisplay
from octsk.plots.drawing import check_names, file_title
from octsk.utils.columns import check_column, check_groups
from octsk.utils.formatting import format_score
from octsk.utils.tables import Table, Tabular
from octsk.utils.validation import check_images


class LabelIssues(Tabular):
    """Ranking of images by how doubtful their labels are.

    `find_label_issues` returns it. It prints as a table of the most doubtful images.

    Attributes
    ----------
    ranking : ndarray of shape (n,)
        Indices of the images, the most doubtful first.
    quality : ndarray of shape (n,)
        Probability of the given label minus that of the most probable other class, from
        -1 (doubtful) to 1, in the original order of the images.
    is_issue : ndarray of shape (n,), bool
        Whether the label of each image is likely to be wrong according to confident
        learning.
    given, suggested : ndarray of shape (n,)
        Given label and most probable other class of each image.
    probabilities : ndarray of shape (n, n_classes)
        Probabilities from networks that were not trained on the image.
    classes : ndarray of shape (n_classes,)
        Classes of the columns.
    class_names : list of str
        Human-readable names of the classes.
    filenames : list of str or None
        Names of the images.
    """

    # Maximum number of rows of the table.
    _N_SHOWN = 20

    def __init__(self, codes, probabilities, classes, class_names, filenames):
        n = len(codes)
        own = probabilities[np.arange(n), codes]
        others = probabilities.copy()
        others[np.arange(n), codes] = -np.inf
        best = others.argmax(axis=1)
        self.quality = own - others[np.arange(n), best]
        self.ranking = np.argsort(self.quality, kind="stable")
        self.is_issue = _off_diagonal(codes, probabilities)
        self.given, self.suggested = classes[codes], classes[best]
        self.probabilities, self.classes = probabilities, classes
        self.class_names, self.filenames = class_names, filenames
        self._codes, self._best = codes, best

    def plot(self, X: ArrayLike, *, n_images: int = 12, ax=None) -> ImageGridDisplay:
        r"""Show the images whose labels are most doubtful.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            The images that were passed to `find_label_issues`.
        n_images : int, default=12
            Maximum number of images to show.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        ImageGridDisplay
            The display. The title of each image is its file or number, its label and the
            suggested class, with their probabilities.

        Raises
        ------
        ValueError
            If `X` has another number of images than there are labels.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.naive_bayes import GaussianNB
        >>> X, y = octsk.make_oct_phantoms(60, random_state=0, return_X_y=True)
        >>> issues = octsk.find_label_issues(GaussianNB(), X.reshape(60, -1), y)
        >>> issues.plot(X, n_images=4).titles[0].count("\n")
        2
        """
        images = check_images(X)
        if len(images) != len(self.quality):
            raise ValueError(
                f"X must hold the {len(self.quality)} images whose labels were ranked, got "
                f"{len(images)}."
            )
        records = self._records()[:n_images]
        titles = [
            f"{file_title(_name(one))}\nlabel: {one['given']} "
            f"({one['probability_given']:.0%})\nsuggested: {one['suggested']} "
            f"({one['probability_suggested']:.0%})"
            for one in records
        ]
        heading = f"{len(records)} most doubtful of {len(images)} labels"
        return ImageGridDisplay(
            images[self.ranking[:n_images]], titles, heading=heading
        ).plot(ax)

    def _records(self):
        return [
            {
                "image": int(i),
                "file": self.filenames[i] if self.filenames else None,
                "given": self.class_names[self._codes[i]],
                "suggested": self.class_names[self._best[i]],
                "probability_given": float(self.probabilities[i, self._codes[i]]),
                "probability_suggested": float(self.probabilities[i, self._best[i]]),
                "quality": float(self.quality[i]),
                "is_issue": bool(self.is_issue[i]),
            }
            for i in self.ranking
        ]

    def _tables(self):
        records = self._records()
        rows = [
            (
                _name(one),
                one["given"],
                one["suggested"],
                format_score(one["probability_given"]),
                format_score(one["probability_suggested"]),
                "yes" if one["is_issue"] else "",
            )
            for one in records[: self._N_SHOWN]
        ]
        header = ("", "given label", "suggested", "probability given", "suggested")
        notes = [
            f"{int(self.is_issue.sum())} of {len(self.quality)} labels are likely to be "
            "wrong (issue: yes). A network is not an expert: have the images checked by an "
            "expert before you change a label."
        ]
        if len(records) > self._N_SHOWN:
            notes.append(f"The {self._N_SHOWN} most doubtful of {len(records)} images.")
        return [Table("Labels in doubt", (*header, "issue"), rows, notes)]


def find_label_issues(
    estimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    cv=5,
    class_names=None,
    filenames=None,
) -> LabelIssues:
    """Rank images by how doubtful their labels are.

    The probabilities of each image are predicted by a network that was trained without the
    image and, if `groups` is given, without the other images of the same patient. Images
    whose label is much less probable than another class come first. Confident learning
    [1]_ determines which of them are likely to be mislabelled: the probability of another
    class is at least as high as its mean over the images with that label.

    Parameters
    ----------
    estimator : object
        Classifier with ``predict_proba``. It is cloned, and the clones are fitted.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, n_features)
        Images.
    y : array-like of shape (n,)
        Labels of the images.
    groups : array-like of shape (n,), default=None
        Patient of each image.
    cv : int, cross-validation splitter or None, default=5
        Number of stratified folds, or a scikit-learn splitter in which each image is in
        exactly one test set. None means 5 folds.
    class_names : sequence of str, default=None
        Human-readable names of the classes, in sorted order of the labels.
    filenames : sequence of n str, default=None
        Name of each image, for tables and titles.

    Returns
    -------
    LabelIssues
        The ranking.

    Raises
    ------
    ValueError
        If labels or groups are missing, their number differs from that of the images, or
        a class has fewer images than there are folds.

    See Also
    --------
    octsk.inspection.LabelIssues : The result, whose method `plot` shows the images.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang, I. L. Chuang, Confident learning: estimating
       uncertainty in dataset labels, Journal of Artificial Intelligence Research
       70:1373-1411, 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> y[0] = 2  # the true class is 0
    >>> issues = find_label_issues(LogisticRegression(max_iter=500), X, y)
    >>> print(issues.ranking[0], issues.suggested[0])
    0 0
    """
    labels = check_column(y)
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must contain two classes or more, got {classes.tolist()}.")
    names = check_names(class_names, classes)
    if filenames is not None and len(filenames) != len(labels):
        raise ValueError(
            f"filenames must hold a name for each of the {len(labels)} images, got "
            f"{len(filenames)}."
        )
    if groups is not None:
        groups = check_groups(groups, len(labels))
    cv = 5 if cv is None else cv
    if isinstance(cv, Integral):
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        cv = kind(cv, shuffle=True, random_state=0)
    probabilities = cross_val_predict(
        estimator, X, labels, groups=groups, cv=cv, method="predict_proba"
    )
    named = None if filenames is None else [str(name) for name in filenames]
    return LabelIssues(codes, np.asarray(probabilities, float), classes, names, named)


def _name(record) -> str:
    return record["file"] or f"image {record['image']}"


def _off_diagonal(codes, probabilities) -> np.ndarray:
    """Return whether the confident joint assigns each sample to another class."""
    n_classes = probabilities.shape[1]
    thresholds = [probabilities[codes == k, k].mean() for k in range(n_classes)]
    # As in Northcutt et al. (2021), a sample that reaches the thresholds of several classes
    # is assigned to the most probable of them, and one that reaches none is not counted.
    reached = np.where(probabilities >= thresholds, probabilities, -np.inf)
    counted = np.isfinite(reached).any(axis=1)
    return counted & (reached.argmax(axis=1) != codes)
