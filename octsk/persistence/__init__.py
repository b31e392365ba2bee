"""Saving, loading and exporting of networks, including Keras 2 ``.h5`` files."""

from octsk.persistence._files import decode_params, encode_params, load, load_network
from octsk.persistence._mixin import PersistenceMixin

__all__ = ["PersistenceMixin", "decode_params", "encode_params", "load", "load_network"]
