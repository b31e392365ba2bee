from ._download import DownloadError as DownloadError
from ._image_files import list_image_files as list_image_files
from ._image_files import load_image_files as load_image_files
from ._medmnist import fetch_medmnist as fetch_medmnist
from ._medmnist import fetch_octmnist as fetch_octmnist
from ._medmnist import get_data_home as get_data_home
from ._medmnist import load_medmnist as load_medmnist
from ._phantoms import make_oct_phantoms as make_oct_phantoms
