"""Texts of the web page of a run."""

NOT_CLINICAL = (
    "For research and teaching. Not for clinical use: the results do not show how well a "
    "classifier works for other scanners, patients or diseases than those of this data set."
)

ON_MISTAKES = (
    "Look at confident mistakes first. They often point to wrong labels, poor scans, or "
    "features that the classifier has not learned."
)

ON_MAPS = (
    "These maps show which image regions drive the predictions. Grad-CAM weights the last "
    "feature maps of the net. Occlusion covers a part of the image at a time, and shows "
    "whether this lowers the probability (orange) or raises it (blue). Where the two "
    "disagree, trust occlusion. The maps help to understand what a net has learned. They "
    "do not locate lesions."
)

ON_POINTS = (
    "Sensitivity is the proportion of positives that are called positive, specificity the "
    "proportion of negatives that are called negative. Predictive values also depend on "
    "how frequent positives are, which differs between a data set and a clinic."
)

ON_ABSTENTION = (
    "A classifier may leave doubtful images to a human reader. Because the threshold is "
    "chosen on validation images, the error of the other images is only close to the "
    "requested error and may exceed it."
)

ON_LABELS = (
    "The images are ranked by how improbable their labels are to classifiers that were "
    "not trained on them. An improbable label may still be right: an expert has to decide."
)

ON_TRAINING = (
    "It is not known whether the classifier was trained on some of these images, or chosen "
    "by its results on them. If it was, the results are too optimistic."
)

ON_NO_TEST = (
    "The data set has no test split, so there are no predictions for images that were not "
    "used in the search. Run octsk evaluate with --output to evaluate the saved net on "
    "other images and to write a page about them."
)

ON_CHECKS = (
    "The checks look for patients and identical images in two splits, identical images "
    "with different labels, classes that are missing in a split, and constant images."
)

# Origin of the results in the table of ranks.
ON_RANK = "measured, ranked among published results"
