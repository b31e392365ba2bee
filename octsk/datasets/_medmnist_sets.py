"""Published facts about each MedMNIST data set: classes, counts, hashes and licence.

References
----------
Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023; files at
https://doi.org/10.5281/zenodo.10519652. Class names, counts and MD5 sums are those
that the medmnist package, version 3.0.2, lists for that record.
"""

from dataclasses import dataclass

SIZES = (28, 64, 128, 224)

# The record's page on Zenodo serves each file under this address.
ZENODO = "https://zenodo.org/records/10519652/files"


@dataclass(frozen=True)
class MedMNISTSet:
    """Facts about a data set. All except the MD5 sums are the same for each image size."""

    content: str
    classes: tuple[str, ...]
    n_channels: int
    n_samples: dict[str, int]
    md5: dict[int, str]
    licence: str = "CC BY 4.0"


REGISTRY = {
    "pathmnist": MedMNISTSet(
        content="colorectal cancer histology patches",
        classes=(
            "adipose",
            "background",
            "debris",
            "lymphocytes",
            "mucus",
            "smooth muscle",
            "normal colon mucosa",
            "cancer-associated stroma",
            "colorectal adenocarcinoma epithelium",
        ),
        n_channels=3,
        n_samples={"train": 89996, "val": 10004, "test": 7180},
        md5={
            28: "a8b06965200029087d5bd730944a56c1",
            64: "55aa9c1e0525abe5a6b9d8343a507616",
            128: "ac42d08fb904d92c244187169d1fd1d9",
            224: "2c51a510bcdc9cf8ddb2af93af1eadec",
        },
    ),
    "dermamnist": MedMNISTSet(
        content="dermatoscopic images of pigmented skin lesions",
        classes=(
            "actinic keratoses and intraepithelial carcinoma",
            "basal cell carcinoma",
            "benign keratosis-like lesions",
            "dermatofibroma",
            "melanoma",
            "melanocytic nevi",
            "vascular lesions",
        ),
        n_channels=3,
        n_samples={"train": 7007, "val": 1003, "test": 2005},
        md5={
            28: "0744692d530f8e62ec473284d019b0c7",
            64: "b70a2f5635c6199aeaa28c31d7202e1f",
            128: "2defd784463fa5243564e855ed717de1",
            224: "8974907d8e169bef5f5b96bc506ae45d",
        },
        licence="CC BY-NC 4.0",
    ),
    "octmnist": MedMNISTSet(
        content="optical coherence tomography of the retina",
        classes=(
            "choroidal neovascularization",
            "diabetic macular edema",
            "drusen",
            "normal",
        ),
        n_channels=1,
        n_samples={"train": 97477, "val": 10832, "test": 1000},
        md5={
            28: "c68d92d5b585d8d81f7112f81e2d0842",
            64: "e229e9440236b774d9f0dfef9d07bdaf",
            128: "0a97e76651ace45c5d943ee3f65b63ae",
            224: "abc493b6d529d5de7569faaef2773ba3",
        },
    ),
    "pneumoniamnist": MedMNISTSet(
        content="chest X-rays of children",
        classes=("normal", "pneumonia"),
        n_channels=1,
        n_samples={"train": 4708, "val": 524, "test": 624},
        md5={
            28: "28209eda62fecd6e6a2d98b1501bb15f",
            64: "8f4eceb4ccffa70c672198ea285246c6",
            128: "05b46931834c231683c68f40c47b2971",
            224: "d6a3c71de1b945ea11211b03746c1fe1",
        },
    ),
    "retinamnist": MedMNISTSet(
        content="fundus photographs, graded 0 to 4 for diabetic retinopathy",
        classes=("0", "1", "2", "3", "4"),
        n_channels=3,
        n_samples={"train": 1080, "val": 120, "test": 400},
        md5={
            28: "bd4c0672f1bba3e3a89f0e4e876791e4",
            64: "afda852cc34dcda56f86ad2b2457dbcc",
            128: "e48e916a24454daf90583d4e6efb1a18",
            224: "eae7e3b6f3fcbda4ae613ebdcbe35348",
        },
    ),
    "breastmnist": MedMNISTSet(
        content="breast ultrasound",
        classes=("malignant", "normal, benign"),
        n_channels=1,
        n_samples={"train": 546, "val": 78, "test": 156},
        md5={
            28: "750601b1f35ba3300ea97c75c52ff8f6",
            64: "742edef2a1fd1524b2efff4bd7ba9364",
            128: "363e4b3f8d712e9b5de15470a2aaadf1",
            224: "b56378a6eefa9fed602bb16d192d4c8b",
        },
    ),
    "bloodmnist": MedMNISTSet(
        content="microscopy of single blood cells",
        classes=(
            "basophil",
            "eosinophil",
            "erythroblast",
            "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)",
            "lymphocyte",
            "monocyte",
            "neutrophil",
            "platelet",
        ),
        n_channels=3,
        n_samples={"train": 11959, "val": 1712, "test": 3421},
        md5={
            28: "7053d0359d879ad8a5505303e11de1dc",
            64: "2b94928a2ae4916078ca51e05b6b800b",
            128: "adace1e0ed228fccda1f39692059dd4c",
            224: "b718ff6835fcbdb22ba9eacccd7b2601",
        },
    ),
    "tissuemnist": MedMNISTSet(
        content="microscopy of human kidney cortex cells",
        classes=(
            "Collecting Duct, Connecting Tubule",
            "Distal Convoluted Tubule",
            "Glomerular endothelial cells",
            "Interstitial endothelial cells",
            "Leukocytes",
            "Podocytes",
            "Proximal Tubule Segments",
            "Thick Ascending Limb",
        ),
        n_channels=1,
        n_samples={"train": 165466, "val": 23640, "test": 47280},
        md5={
            28: "ebe78ee8b05294063de985d821c1c34b",
            64: "123ece2eba09d0aa5d698fda57103344",
            128: "61b955355d7425a89687b06cca3ce0c2",
            224: "b077128c4a949f0a4eb01517f9037b9c",
        },
    ),
    "organamnist": MedMNISTSet(
        content="abdominal CT, axial slices of organs",
        classes=(
            "bladder",
            "femur-left",
            "femur-right",
            "heart",
            "kidney-left",
            "kidney-right",
            "liver",
            "lung-left",
            "lung-right",
            "pancreas",
            "spleen",
        ),
        n_channels=1,
        n_samples={"train": 34561, "val": 6491, "test": 17778},
        md5={
            28: "68e3f8846a6bd62f0c9bf841c0d9eacc",
            64: "2dcccc29b88e6da5a01161ef20cda288",
            128: "eeae80d0a227a8d099027e1b3cfd3b60",
            224: "50747347e05c87dd3aaf92c49f9f3170",
        },
    ),
    "organcmnist": MedMNISTSet(
        content="abdominal CT, coronal slices of organs",
        classes=(
            "bladder",
            "femur-left",
            "femur-right",
            "heart",
            "kidney-left",
            "kidney-right",
            "liver",
            "lung-left",
            "lung-right",
            "pancreas",
            "spleen",
        ),
        n_channels=1,
        n_samples={"train": 12975, "val": 2392, "test": 8216},
        md5={
            28: "b9ceb9546e10131b32923c5bbeaea2b1",
            64: "3ce34a8724ea6f548e6db4744d03b6a9",
            128: "773c1f009daa3fe5d9a2a201b2a7ed94",
            224: "050f5e875dc056f6768abf94ec9995d1",
        },
    ),
    "organsmnist": MedMNISTSet(
        content="abdominal CT, sagittal slices of organs",
        classes=(
            "bladder",
            "femur-left",
            "femur-right",
            "heart",
            "kidney-left",
            "kidney-right",
            "liver",
            "lung-left",
            "lung-right",
            "pancreas",
            "spleen",
        ),
        n_channels=1,
        n_samples={"train": 13932, "val": 2452, "test": 8827},
        md5={
            28: "9ab87b696fb54e2a387ebe992d6ed5f1",
            64: "53a6d115339d874c25e309a994ff46d3",
            128: "ded0c5fa01a95dc4978b956f613e9b8e",
            224: "b354719e553fbbb2513d5533f52a4cb1",
        },
    ),
}


def file_name(name: str, size: int) -> str:
    """Return the name of a data set's file in the Zenodo record."""
    return f"{name}.npz" if size == 28 else f"{name}_{size}.npz"


def set_of_file(file: str, md5: str) -> tuple[str, int] | None:
    """Return the name and size of the data set in a file, from its MD5 or else its name."""
    names = {file_name(name, size): (name, size) for name in REGISTRY for size in SIZES}
    sums = {REGISTRY[name].md5[size]: (name, size) for name, size in names.values()}
    return sums.get(md5) or names.get(file)
