"""The figures of one classifier on one set of images."""
