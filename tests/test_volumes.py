"""Volumes in the files of devices."""

import hashlib
import hmac
import sys

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless
from test_untrusted import bounds
from volume_files import (
    write_bioptigen,
    write_dicom,
    write_e2e,
    write_topcon,
    write_vol,
)

import octsk
from octsk.datasets import _volume_process, read_to_classify
from octsk.utils.file_kinds import VOLUME_SUFFIXES


def volume_pixels(dtype=np.uint8, n=3, height=20, width=31, top=255):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, top, (n, height, width), endpoint=True).astype(dtype)
    pixels[0, 0, 0] = top
    return pixels


def scaled(pixels, bits):
    return np.rint(pixels * (255 / (2**bits - 1))).astype(np.uint8)


def test_volumes_in_a_folder_of_classes(tmp_path):
    pixels = volume_pixels()
    for name in ("DME", "normal"):
        (tmp_path / name).mkdir()
    write_dicom(tmp_path / "DME" / "p1-left.dcm", pixels)
    pages = [Image.fromarray(page) for page in pixels[:2]]
    pages[0].save(tmp_path / "normal" / "p2.tif", save_all=True, append_images=pages[1:])
    Image.fromarray(pixels[2]).save(tmp_path / "normal" / "p3.png")
    scans = octsk.load_image_folder(tmp_path, size=16, groups=r"(?P<patient>p\d)")
    assert scans.target.tolist() == [0, 0, 0, 1, 1, 1]
    assert scans.groups.tolist() == ["p1", "p1", "p1", "p2", "p2", "p3"]
    names = ["DME/p1-left.dcm#0", "DME/p1-left.dcm#1", "DME/p1-left.dcm#2"]
    names += ["normal/p2.tif#0", "normal/p2.tif#1", "normal/p3.png"]
    assert [str(f) for f in scans.filenames] == [str(tmp_path / name) for name in names]
    np.testing.assert_array_equal(scans.data[:2], scans.data[3:5])
    np.testing.assert_array_equal(scans.data[2], scans.data[5])
    (tmp_path / "DME" / "broken.vol").write_bytes(b"HSF-OCT-103")
    with pytest.raises(ValueError, match=r"broken\.vol cannot be read"):
        octsk.load_image_folder(tmp_path)
    with pytest.warns(UserWarning, match="1 of 7 images are left out"):
        assert len(octsk.load_image_folder(tmp_path, on_error="skip").data) == 6


def test_patients_of_headers(tmp_path):
    for name, who in (("DME", "p1"), ("normal", "p2")):
        (tmp_path / name).mkdir()
        write_dicom(tmp_path / name / "a.dcm", volume_pixels(), PatientID=who)
    scans = octsk.load_image_folder(tmp_path, groups="header")
    assert scans.groups.tolist() == ["p1"] * 3 + ["p2"] * 3
    table = {"file": ["DME/a.dcm", "normal/a.dcm"], "label": ["DME", "normal"]}
    scans = octsk.load_image_table(table, root=tmp_path, group="header")
    assert scans.groups.tolist() == ["p1"] * 3 + ["p2"] * 3
    files = [tmp_path / name for name in table["file"]]
    for groups in (None, "header"):
        found = read_to_classify(files, groups=groups)
        assert found.groups == ["p1"] * 3 + ["p2"] * 3
    assert read_to_classify(files[:1], groups="(?P<patient>D)").groups == ["D"] * 3
    # An image file has no header, and a header may name no patient.
    Image.fromarray(volume_pixels()[0]).save(tmp_path / "DME" / "b.png")
    write_dicom(files[1], volume_pixels(), PatientID="")
    assert read_to_classify(files).groups is None
    message = r"groups finds no patient for 4 of 7 images: \S*b\.png, \S*normal/a\.dcm#0"
    with pytest.raises(ValueError, match=message):
        octsk.load_image_folder(tmp_path, groups="header")
    with pytest.raises(ValueError, match="no patient for 3 of 6 images"):
        read_to_classify(files, groups="header")


def test_dicom_that_is_a_tiff_file_too(tmp_path):
    """The bytes before the data of DICOM may be the start of a TIFF file."""
    path = tmp_path / "both.dcm"
    write_dicom(path, pixels := volume_pixels())
    path.write_bytes(b"II*\0\x08\0\0\0" + path.read_bytes()[8:])
    np.testing.assert_array_equal(octsk.load_volume(path).data, pixels)


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless], ids=str)
def test_dicom(syntax, tmp_path):
    pixels = volume_pixels()
    more = {} if syntax is None else {"syntax": syntax}
    path = write_dicom(tmp_path / "eye.dcm", pixels, **more)
    assert syntax in (None, pydicom.dcmread(path).file_meta.TransferSyntaxUID)
    volume = octsk.load_volume(path)
    np.testing.assert_array_equal(volume.data, pixels)
    assert volume.data.dtype == np.uint8
    assert (volume.laterality, volume.patient_id) == ("L", "P-17")
    assert volume.device == "Topcon Triton"
    assert volume.filename == str(path)
    assert volume.spacing == (0.24, 0.004, 0.011)


def test_dicom_of_one_frame_and_12_bits_without_a_suffix(tmp_path):
    pixels = volume_pixels(np.uint16, top=4095)[0]
    volume = octsk.load_volume(write_dicom(tmp_path / "IM0001", pixels, bits=12))
    np.testing.assert_array_equal(volume.data, scaled(pixels, 12)[np.newaxis])
    # As the caller says.
    brighter = octsk.load_volume(write_dicom(tmp_path / "a", pixels, bits=16), bit_depth=12)
    np.testing.assert_array_equal(brighter.data, volume.data)


def test_dicom_without_names(tmp_path):
    empty = {"PatientID": "", "ImageLaterality": "B", "Manufacturer": ""}
    path = write_dicom(
        tmp_path / "eye.dcm",
        volume_pixels(),
        **empty,
        ManufacturerModelName="",
        SharedFunctionalGroupsSequence=[],
    )
    volume = octsk.load_volume(path, salt="a")
    assert volume.patient_id is volume.laterality is volume.device is None
    assert volume.spacing == (None, None, None)


def test_dicom_with_black_as_its_highest_value(tmp_path):
    pixels = volume_pixels(np.uint16, top=1023)
    path = write_dicom(
        tmp_path / "eye.dcm", pixels, bits=10, PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_array_equal(octsk.load_volume(path).data, scaled(1023 - pixels, 10))


def test_dicom_in_colour(tmp_path):
    grey = volume_pixels()
    colours = np.repeat(grey[..., np.newaxis], 3, axis=3)
    path = write_dicom(tmp_path / "eye.dcm", grey, SamplesPerPixel=3)
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", 0
    dataset.PixelData = colours.tobytes()
    dataset.save_as(path)
    np.testing.assert_array_equal(octsk.load_volume(path).data, grey)


def test_salt(tmp_path):
    path = write_dicom(tmp_path / "eye.dcm", volume_pixels())
    found = octsk.load_volume(path, salt="clinic").patient_id
    expected = hmac.new(b"clinic", b"P-17", hashlib.sha256).hexdigest()
    assert found == expected[:16]
    assert octsk.load_volume(path, salt=b"clinic").patient_id == found
    assert octsk.load_volume(path, salt="other").patient_id != found
    with pytest.raises(TypeError, match="salt must be text or bytes; got int"):
        octsk.load_volume(path, salt=1)


def test_vol(tmp_path):
    raw = np.linspace(0, 1, 3 * 20 * 31, dtype=np.float32).reshape(3, 20, 31)
    expected = np.rint(255 * raw**0.25)
    raw[1, 2, 3], expected[1, 2, 3] = np.finfo(np.float32).max, 0  # outside the scan
    raw[1, 2, 4], expected[1, 2, 4] = np.nan, 0
    volume = octsk.load_volume(write_vol(tmp_path / "eye.vol", raw, eye=b"OS"))
    np.testing.assert_array_equal(volume.data, expected)
    assert (volume.laterality, volume.patient_id) == ("L", "P-17")
    assert volume.spacing == (0.24, 0.0039, 0.011)
    assert volume.device == "Heidelberg Spectralis"


@pytest.mark.parametrize("suffix", [".fds", ".fda"])
def test_topcon(suffix, tmp_path, capfd):
    pixels = volume_pixels(np.uint16, top=65535)
    volume = octsk.load_volume(write_topcon(tmp_path / f"eye{suffix}", pixels))
    np.testing.assert_array_equal(volume.data, scaled(pixels, 16))
    assert (volume.laterality, volume.patient_id) == ("L", "P-17")
    assert volume.device == "Topcon 3DOCT-2000"
    assert volume.spacing == pytest.approx((1.0, 0.0025, 6 / 31))
    # Where it is not there, oct-converter says so on the standard output.
    path = write_topcon(tmp_path / f"other{suffix}", pixels, spacing=False)
    assert octsk.load_volume(path).spacing == (None, None, None)
    assert capfd.readouterr() == ("", "")


def test_e2e_of_both_eyes(tmp_path):
    eyes = [np.full((n, 20, 31), 0xFC00, np.uint16) for n in (2, 3)]
    eyes[1][:, :10] = 0
    path = write_e2e(tmp_path / "both.E2E", eyes)
    with pytest.raises(
        ValueError, match=r"both\.E2E contains 2 volumes \(0: 2 B-scans, eye R; 1: 3 B-sc"
    ):
        octsk.load_volume(path)
    right, left = octsk.load_volume(path, volume="all", salt="a")
    assert (right.data == 255).all()
    assert right.data.shape == (2, 20, 31)
    assert (left.data[:, :10] == 0).all()
    assert (left.data[:, 10:] == 255).all()
    assert (right.laterality, left.laterality) == ("R", "L")
    assert right.patient_id == left.patient_id != "P-17"
    assert left.spacing == pytest.approx((None, 0.0039, None))
    np.testing.assert_array_equal(octsk.load_volume(path, volume=1).data, left.data)
    with pytest.raises(ValueError, match="contains 2 volumes"):
        octsk.load_volume(path, volume=2)
    with pytest.raises(ValueError, match="volume must be None, 'all' or a number"):
        octsk.load_volume(path, volume=-1)


def test_bioptigen(tmp_path):
    pixels = volume_pixels(np.uint16, top=1000)
    path = write_bioptigen(tmp_path / "eye_OD.OCT", pixels)
    with pytest.warns(UserWarning, match=r"eye_OD\.OCT does not state.*10-bit pixels") as w:
        volume = octsk.load_volume(path)
    assert w[0].filename == __file__
    np.testing.assert_array_equal(volume.data, scaled(pixels, 10))
    assert (volume.laterality, volume.patient_id) == ("R", None)


def test_zeiss(tmp_path):
    pixels = volume_pixels(n=5, height=1024, width=20)
    path = tmp_path / "P17_Macular Cube 20x5_OS_sn2.img"
    path.write_bytes(pixels.swapaxes(1, 2).tobytes())
    volume = octsk.load_volume(path)
    np.testing.assert_array_equal(volume.data, pixels)
    assert (volume.laterality, volume.patient_id) == ("L", "P17")
    path = path.rename(tmp_path / "cube.img")
    with pytest.raises(ValueError, match=r"cube\.img cannot.*not 0 B-scans of 512 A-scans"):
        octsk.load_volume(path)


def test_pages_of_a_tiff(tmp_path):
    pixels = volume_pixels(np.uint16, top=4000)
    pages = [Image.fromarray(page) for page in pixels]
    pages[0].save(tmp_path / "eye.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match="read as 12-bit pixels"):
        volume = octsk.load_volume(tmp_path / "eye.tif")
    np.testing.assert_array_equal(volume.data, scaled(pixels, 12))
    pages[1] = pages[1].resize((5, 5))
    pages[0].save(tmp_path / "odd.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"odd\.tif cannot.*page 1 differs from page 0"):
        octsk.load_volume(tmp_path / "odd.tif")


# -- files that are refused ------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".txt", *VOLUME_SUFFIXES])
def test_any_content(suffix, tmp_path):
    path = tmp_path / f"odd{suffix}"
    for content in (b"Seen on Monday.\n", b"\1\2\3" * 500, bytes(3000)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"odd\{suffix} (cannot|is not)") as caught:
            octsk.load_volume(path)
        assert "\n" not in str(caught.value)


def cut(path, share=0.7):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize(
    "name", ["a.dcm", "a.vol", "a.fds", "a.fda", "a.e2e", "a.OCT", "a.tif"]
)
def test_cut_off(name, tmp_path, capfd):
    path, pixels = tmp_path / name, volume_pixels(np.uint16, top=60000)
    writers = {
        ".dcm": write_dicom,
        ".vol": lambda path, pixels: write_vol(path, pixels / 65535),
        ".e2e": lambda path, pixels: write_e2e(path, [pixels]),
        ".OCT": write_bioptigen,
        ".tif": lambda path, pixels: Image.fromarray(pixels[0]).save(path),
    }
    writers.get(path.suffix, write_topcon)(path, pixels)
    with pytest.raises(ValueError, match=rf"{name} cannot be read as"):
        octsk.load_volume(cut(path))
    assert capfd.readouterr() == ("", "")


def test_claims_without_pixels(tmp_path):
    pixels = volume_pixels()
    claims = {
        "frames.dcm": {"NumberOfFrames": 2**31 - 1},
        "rows.dcm": {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 10_000},
        "none.dcm": {"NumberOfFrames": -1},
    }
    for name, elements in claims.items():
        write_dicom(tmp_path / name, pixels, syntax=RLELossless, **elements)
        with bounds(), pytest.raises(ValueError, match=rf"{name} cannot.*it claims"):
            octsk.load_volume(tmp_path / name)
    raw = np.zeros((1, 2, 2), np.float32)
    for n in (2**31 - 1, -1, 2):
        write_vol(tmp_path / "a.vol", raw, n=n)
        with bounds(), pytest.raises(ValueError, match=r"a\.vol cannot.*it claims"):
            octsk.load_volume(tmp_path / "a.vol")


def test_deflated_dicom(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 8, 8), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    with pytest.raises(ValueError, match=r"a\.dcm cannot.*is deflated"):
        octsk.load_volume(path)


@pytest.mark.parametrize(
    ("elements", "words"),
    [
        ({"PixelRepresentation": 1, "top": 40000}, "negative pixels"),
        ({"SamplesPerPixel": 3}, "Planar Configuration"),
        ({"TransferSyntaxUID": "1.2.840.10008.1.2.4.80"}, "JPEG-LS"),
    ],
)
def test_dicom_pixels_without_a_place_in_8_bits(elements, words, tmp_path):
    top = elements.pop("top", 100)
    path = write_dicom(tmp_path / "a.dcm", volume_pixels(np.uint16, top=top))
    dataset = pydicom.dcmread(path)
    for name, value in elements.items():
        setattr(dataset.file_meta if name == "TransferSyntaxUID" else dataset, name, value)
    if "TransferSyntaxUID" in elements:
        dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8"] * 3)
    dataset.save_as(path)
    with pytest.raises(ValueError, match=rf"a\.dcm cannot be read.*({words})"):
        octsk.load_volume(path)


def test_a_circle_of_directories_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(_volume_process, "_SECONDS", 4)
    path = write_e2e(tmp_path / "a.e2e", [volume_pixels(np.uint16)], cycle=True)
    with bounds(), pytest.raises(ValueError, match=r"a\.e2e cannot.*(4 seconds|memory)"):
        octsk.load_volume(path)


def test_claims_of_memory(tmp_path):
    pixels = volume_pixels(np.uint16, top=60000)
    path = write_bioptigen(tmp_path / "a.OCT", pixels)
    content = path.read_bytes()
    line = b"LINELENGTH\4\0\0\0"
    place = content.index(line) + len(line)
    path.write_bytes(content[:place] + (2**31).to_bytes(4, "little") + content[place + 4 :])
    with bounds(), pytest.raises(ValueError, match=r"a\.OCT cannot be read as"):
        octsk.load_volume(path)


@pytest.mark.parametrize(("package", "name"), [("pydicom", "a.dcm")])
def test_missing_extra(package, name, tmp_path, monkeypatch):
    path = write_dicom(tmp_path / name, volume_pixels())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "octsk\[devices\]"'):
        octsk.load_volume(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"eye\.dcm"):
        octsk.load_volume(tmp_path / "eye.dcm")
    with pytest.raises(IsADirectoryError, match="is a folder, not an OCT volume"):
        octsk.load_volume(tmp_path)
    with pytest.raises(ValueError, match="bit_depth must be None or 1 to 16"):
        octsk.load_volume(tmp_path, bit_depth=17)


# -- B-scans as images -----------------------------------------------------------------


def square_pixels(n=3, seed=0):
    """B-scans that are no larger than the images made of them, and so stay as they are."""
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def test_images_of_volumes(tmp_path):
    first, second = square_pixels(3, 0), square_pixels(2, 1)
    write_dicom(tmp_path / "b.dcm", first)
    write_dicom(tmp_path / "c.dcm", second)
    Image.fromarray(second[0]).save(tmp_path / "a.png")
    images, sources = octsk.load_image_files(tmp_path, return_files=True)
    np.testing.assert_array_equal(images, np.concatenate([second[:1], first, second]))
    assert sources[0] == tmp_path / "a.png"
    assert [(one.file.name, one.volume, one.frame) for one in sources[1:]] == [
        *(("b.dcm", None, i) for i in range(3)),
        *(("c.dcm", None, i) for i in range(2)),
    ]
    cut(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match=r"b\.dcm cannot be read as a DICOM file"):
        octsk.load_image_files(tmp_path)
    with pytest.warns(UserWarning, match=r"1 of 4 images are left out: .*b\.dcm cannot"):
        images = octsk.load_image_files(tmp_path, on_error="skip")
    np.testing.assert_array_equal(images, np.concatenate([second[:1], second]))


def test_a_table_of_volumes(tmp_path):
    pixels = [square_pixels(3, 0), square_pixels(2, 1)]
    for name, one in zip("ab", pixels, strict=True):
        write_dicom(tmp_path / f"{name}.dcm", one)
    table = tmp_path / "table.csv"
    table.write_text("file,label,patient\na.dcm,DME,17\nb.dcm,NORMAL,8\n")
    scans = octsk.load_image_table(table, group="patient")
    np.testing.assert_array_equal(scans.data, np.concatenate(pixels))
    assert scans.target.tolist() == [0, 0, 0, 1, 1]
    assert scans.groups.tolist() == ["17"] * 3 + ["8"] * 2
    assert scans.filenames.tolist() == [
        *(f"{tmp_path / 'a.dcm'}#{i}" for i in range(3)),
        *(f"{tmp_path / 'b.dcm'}#{i}" for i in range(2)),
    ]
