"""Saving, loading and exporting of networks, including Keras 2 ``.h5`` files."""

from octsk.persistence._encoding import decode_params, encode_params
from octsk.persistence._mixin import PersistenceMixin
from octsk.persistence._octsk_file import load, load_network

__all__ = ["PersistenceMixin", "decode_params", "encode_params", "load", "load_network"]
