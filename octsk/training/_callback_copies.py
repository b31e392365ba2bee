"""Copies of callbacks that have a state of their own but share external objects."""

import copy
import random
import types
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import keras
import numpy as np

_SEQUENCES = (list, deque)
_MAPPINGS = (dict, defaultdict, Counter, OrderedDict)
_FLAT = (np.ndarray, bytearray, set)
_GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)


def fresh(value, memo=None):
    """Return copies of callbacks that share only external objects with the originals.

    A callback is copied with its lists, tuples, dicts, sets, arrays, random generators and
    the callbacks that it holds, at any depth. All other objects are shared, since a copy
    of a lock, a file, a logger or an Optuna trial would be useless. A class that defines
    ``__deepcopy__`` is copied by that method.

    Parameters
    ----------
    value : object
        A callback, a container of callbacks, or an object in a callback.
    memo : dict, default=None
        The copies made so far by the `id` of the originals, as in :func:`copy.deepcopy`.

    Returns
    -------
    object
        The copy, or `value` itself if it is shared.
    """
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, keras.callbacks.Callback):
        return _fresh_callback(value, memo)
    if isinstance(value, types.MethodType):
        # A callback may hold one of its own methods.
        owner = value.__self__
        if isinstance(owner, keras.callbacks.Callback):
            return types.MethodType(value.__func__, fresh(owner, memo))
    # Subclasses are excluded: a memory-mapped array, for example, is a file.
    elif type(value) in _GENERATORS:
        memo[id(value)] = copy.deepcopy(value)
    elif type(value) in _FLAT:
        memo[id(value)] = copy.copy(value)
    elif type(value) in _MAPPINGS:
        copied = memo[id(value)] = copy.copy(value)
        for key, item in value.items():
            copied[key] = fresh(item, memo)
    elif type(value) in _SEQUENCES:
        copied = memo[id(value)] = copy.copy(value)
        for i, item in enumerate(value):
            copied[i] = fresh(item, memo)
    elif isinstance(value, tuple):
        items = [fresh(item, memo) for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            make = getattr(value, "_make", tuple)  # of a named tuple
            memo[id(value)] = make(items)
    return memo.get(id(value), value)


def _fresh_callback(callback, memo):
    cls: Any = type(callback)
    if hasattr(cls, "__deepcopy__"):
        return copy.deepcopy(callback, memo)
    copied = memo[id(callback)] = cls.__new__(cls)
    # Unlike copy.copy, this keeps the attributes that a class omits from its pickles. The
    # second part of the state contains the attributes that a class declares as slots.
    state = object.__getstate__(callback)
    for attributes in state if isinstance(state, tuple) else (state,):
        for name, value in (attributes or {}).items():
            object.__setattr__(copied, name, fresh(value, memo))
    return copied
