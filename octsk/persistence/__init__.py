"""Saved networks: the files of octsk, Keras 2 ``.h5`` files, and exports."""

from octsk.persistence._encoding import decode_params, encode_params
from octsk.persistence._mixin import PersistenceMixin
from octsk.persistence._octsk_file import load, load_network

__all__ = ["PersistenceMixin", "decode_params", "encode_params", "load", "load_network"]
