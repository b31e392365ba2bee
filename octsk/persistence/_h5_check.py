"""Check of a Keras 2 ``.h5`` file in a separate process with limited memory and time.

HDF5 1.14 allocates as much memory as the stored length of a name claims, which may be 4 GB
for each name, before it notices that the file is shorter.
"""

import json
import os
import subprocess
import sys

from octsk.utils.processes import run_reader

# These limits are generous: the names of 10,000 layers take a megabyte.
_MAX_BYTES = 512 * 2**20
_MAX_SECONDS = 60


def read_h5_names(path):
    """Return the locations of the arrays in a Keras 2 ``.h5`` file after checking it.

    Parameters
    ----------
    path : Path
        Whole-model or weights-only file.

    Returns
    -------
    list of (str, str, str)
        For each array, the name of the group that contains the layers, the name of the
        layer, and the name of the array in the layer. The arrays are in layer order.

    Raises
    ------
    ValueError
        If the file contains anything except plain arrays and names, or if reading it
        exceeds the limits of memory and time.
    """
    try:
        done = run_reader(__file__, os.fspath(path), timeout=_MAX_SECONDS)
    except subprocess.TimeoutExpired:
        raise ValueError(f"its names cannot be read in {_MAX_SECONDS} seconds") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        said = said.removeprefix("ValueError: ")
        raise ValueError(f"it cannot be read: {said or 'the process that reads it died'}")
    return [tuple(place) for place in json.loads(done.stdout)]


def look_through(path):
    """Implement `read_h5_names` in this process and without limits."""
    import h5py

    from octsk.utils.untrusted import check_h5

    with h5py.File(path, "r") as file:
        check_h5(file, os.path.getsize(path))
        # The weights are in a group if the file contains a whole model, else at its root.
        root = file.get("model_weights", file)
        places = [
            (root.name, layer, name)
            for layer in _names(root, "layer_names")
            for name in _names(root[layer], "weight_names")
        ]
    # Without this check, a small file that repeats a name could fill the memory.
    if len(set(places)) < len(places):
        raise ValueError("its names refer to more arrays than it contains")
    return places


def _limit_memory():
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_BYTES, _MAX_BYTES))


def _names(group, attribute):
    """Read a list of names, which Keras 2 splits over numbered attributes if it is long."""
    if attribute in group.attrs:
        parts = [_texts(group, attribute)]
    else:
        numbered = [a for a in group.attrs if a.startswith(attribute)]
        if not numbered and "layers" in group:
            raise ValueError(
                "it contains weights in the layout of Keras 3 instead of Keras 2: create a "
                "net with the same layers by initialize(X, y), and pass the file to "
                "model_.load_weights of that net"
            )
        if not numbered:
            raise ValueError(
                f"its {group.name!r} has no attribute {attribute!r}, which Keras writes; "
                f"it contains {list(group)[:8]}"
            )
        parts = [_texts(group, f"{attribute}{i}") for i in range(len(numbered))]
    return [n.decode() if isinstance(n, bytes) else str(n) for part in parts for n in part]


def _texts(group, attribute):
    import h5py

    about = group.attrs.get_id(attribute)
    # An empty list of names has no string type.
    if h5py.check_string_dtype(about.dtype) is None and about.shape != (0,):
        raise ValueError(
            f"{attribute!r} of {group.name!r} contains {about.dtype} instead of names"
        )
    return group.attrs[attribute]


if __name__ == "__main__":
    _limit_memory()
    print(json.dumps(look_through(sys.argv[1])))
