"""Saved networks: octsk's own files, Keras 2 ``.h5`` files and exports."""
