import gc
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

import octsk

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def fast_fits():
    """Trace the TensorFlow graph of each kind of network once per process."""
    from octsk.training import _fit_model, _model_pool

    _fit_model._pool = _model_pool.ModelPool(size=48)
    # Python's garbage collector need not visit the modules again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder():
    """Folder of the real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("OCTSK_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder (set OCTSK_TEST_DATA)")
    return folder


@pytest.fixture(params=["octdl_dev", "pneumoniamnist_dev"])
def real_images(request, data_folder):
    """Some real images, and how to split them."""
    scans = octsk.load_medmnist(data_folder / f"{request.param}.npz", split="train")
    few = np.arange(0, len(scans.target), len(scans.target) // 100)
    groups = {} if scans.groups is None else {"groups": scans.groups[few]}
    cv = StratifiedKFold(2) if scans.groups is None else StratifiedGroupKFold(2)
    return scans.data[few], scans.target[few], groups, cv
