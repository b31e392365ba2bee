"""Helpers that know nothing of scans or networks: files, tables, TensorFlow's start."""
