"""OCT volumes in the formats of devices, written as their layouts are described."""

import io

import numpy as np
import pydicom
from oct_converter.readers.binary_structs import (
    boct_binary,
    e2e_binary,
    fda_binary,
    fds_binary,
)
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    OphthalmicTomographyImageStorage,
    RLELossless,
)


def write_dicom(path, pixels, *, bits=None, syntax=ExplicitVRLittleEndian, **elements):
    """Write an ophthalmic tomography image of pixels of shape (n, h, w) or (h, w)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = OphthalmicTomographyImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = OphthalmicTomographyImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.PatientID, dataset.ImageLaterality = "P-17", "L"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Topcon", "Triton"
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.004, 0.011], 0.24
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    elif syntax == JPEG2000Lossless:
        frames = []
        for frame in pixels:
            Image.fromarray(frame).save(buffer := io.BytesIO(), "JPEG2000", no_jp2=True)
            frames.append(buffer.getvalue())
        dataset.PixelData = encapsulate(frames)
        dataset["PixelData"].is_undefined_length = True
        meta.TransferSyntaxUID = JPEG2000Lossless
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_vol(path, reflectivity, *, eye=b"OD", n=None):
    """Write Heidelberg's raw export of float32 values of shape (n, h, w)."""
    scans, height, width = reflectivity.shape
    head = bytearray(2048)
    head[:12] = b"HSF-OCT-103\0"
    sizes = np.array([width, scans if n is None else n, height], "<i4")
    head[12:24] = sizes.tobytes()
    head[24:48] = np.array([0.011, 0.24, 0.0039], "<f8").tobytes()
    head[48:56] = np.array([5, 3], "<i4").tobytes()  # the fundus image
    head[84:86] = eye
    head[100:104] = np.array([256], "<i4").tobytes()
    head[140:144] = b"P-17"
    scan = b"".join(bytes(256) + one.astype("<f4").tobytes() for one in reflectivity)
    path.write_bytes(bytes(head) + bytes(15) + scan)
    return path


def zeros(structure):
    """Return values for all fields of a structure, as if its bytes were 0."""
    parsed = structure.parse(bytes(4096))
    return {key: value for key, value in parsed.items() if not key.startswith("_")}


def write_topcon(path, pixels, *, bits=16, spacing=True):
    """Write a Topcon file: .fds with one chunk, or .fda with another, as the path says."""
    n, height, width = pixels.shape
    is_fds = path.suffix == ".fds"
    structs = fds_binary if is_fds else fda_binary
    header = structs.oct_header if is_fds else structs.oct_header_2
    size = {"width": width, "height": height, "number_slices": n, "bits_per_pixel": bits}
    chunks = {
        b"@IMG_SCAN_03" if is_fds else b"@IMG_MOT_COMP_03": header.build(
            zeros(header) | size
        )
        + pixels.astype("<u2").tobytes(),
        b"@PATIENT_INFO_02": structs.patient_info_02_header.build(
            zeros(structs.patient_info_02_header) | {"patient_id": "P-17"}
        ),
        b"@CAPTURE_INFO_02": structs.capture_info_02_header.build(
            zeros(structs.capture_info_02_header)
            | {"eye": 1, "cap_date": [2024, 5, 1, 9, 30, 0]}
        ),
        b"@HW_INFO_03": structs.hw_info_03_header.build(
            zeros(structs.hw_info_03_header) | {"model_name": "3DOCT-2000"}
        ),
    }
    if spacing:
        chunks[b"@PARAM_SCAN_04"] = structs.param_scan_04_header.build(
            zeros(structs.param_scan_04_header)
            | {"x_dimension_mm": 6.0, "y_dimension_mm": 3.0, "z_resolution_um": 2.5}
        )
    body = b"".join(
        bytes([len(name)]) + name + len(data).to_bytes(4, "little") + data
        for name, data in chunks.items()
    )
    path.write_bytes(b"FOCTFDA" + bytes(8) + body + b"\0")
    return path


def write_e2e(path, volumes, *, cycle=False):
    """Write a Heidelberg .e2e file of volumes of uint16 pixels, right and left eyes."""
    chunks = []
    for series, pixels in enumerate(volumes):
        chunks.append(
            (
                series,
                0,
                3,
                0,
                e2e_binary.pre_data.build({"unknown": 0, "laterality": "RL"[series % 2]}),
            )
        )
        for number, image in enumerate(pixels):
            height, width = image.shape
            data = e2e_binary.image_structure.build(
                {"size": 2 * image.size, "type": 0, "unknown": 0}
                | {"height": height, "width": width}
            )
            data += image.astype("<u2").tobytes()
            chunks.append((series, 2 * number, 1073741824, 1, data))
    patient = zeros(e2e_binary.patient_id_structure) | {"patient_id": "P-17"}
    chunks.append((0, 0, 9, 0, e2e_binary.patient_id_structure.build(patient)))
    scan = zeros(e2e_binary.bscan_metadata) | {"scaley": 0.0039}
    scan["acquisitionTime"] = 133_500_000_000_000_000
    chunks.append((0, 0, 10004, 0, e2e_binary.bscan_metadata.build(scan)))

    def directory(**values):
        structure = e2e_binary.main_directory_structure
        return structure.build(zeros(structure) | {"magic2": "MDbMDir"} | values)

    first = 36 + 52
    place = first + 52 + 44 * len(chunks)
    entries, bodies = b"", b""
    for series, slice_id, kind, ind, data in chunks:
        ids = {"series_id": series, "slice_id": slice_id, "type": kind}
        ids |= {"patient_db_id": 7, "study_id": 1, "size": len(data)}
        entry = zeros(e2e_binary.sub_directory_structure) | ids | {"start": place}
        entries += e2e_binary.sub_directory_structure.build(entry)
        chunk = zeros(e2e_binary.chunk_structure) | ids | {"ind": ind}
        bodies += e2e_binary.chunk_structure.build(chunk) + data
        place = first + 52 + 44 * len(chunks) + len(bodies)
    head = e2e_binary.header_structure.build(
        zeros(e2e_binary.header_structure) | {"magic1": "CMDb"}
    )
    path.write_bytes(
        head
        + directory(current=first)
        + directory(num_entries=len(chunks), prev=first if cycle else 0)
        + entries
        + bodies
    )
    return path


def write_bioptigen(path, pixels):
    """Write a Bioptigen .OCT file of uint16 B-scans of shape (n, h, w)."""
    n, height, width = pixels.shape
    header = boct_binary.bioptigen_oct_header_struct

    def field(key, value):
        text = key.encode()
        return (
            len(text).to_bytes(4, "little")
            + text
            + len(value).to_bytes(4, "little")
            + value
        )

    def number(key, value):
        return field(key, value.to_bytes(4, "little"))

    def real(key):
        return field(key, bytes(8))

    head = bytes(6) + field("FRAMEHEADER", b"")
    head += (
        number("FRAMECOUNT", n) + number("LINECOUNT", width) + number("LINELENGTH", height)
    )
    head += number("SAMPLEFORMAT", 0) + field("DESCRIPTION", b"eye")
    head += real("XMIN") + real("XMAX") + field("XCAPTION", b"x")
    head += real("YMIN") + real("YMAX") + field("YCAPTION", b"y")
    head += number("SCANTYPE", 1)
    for key in ("SCANDEPTH", "SCANLENGTH", "AZSCANLENGTH", "ELSCANLENGTH"):
        head += real(key)
    head += real("OBJECTDISTANCE") + real("SCANANGLE")
    head += number("SCANS", n) + number("FRAMES", 1) + number("DOPPLERFLAG", 0)
    head += field("CONFIG", b"") + bytes(4)
    header.parse(head)
    time = np.array([2024, 5, 3, 1, 9, 30, 0, 0], "<u2").tobytes()
    body = b""
    for image in pixels:
        body += field("FRAMEDATA", b"") + field("FRAMEDATETIME", time)
        body += real("FRAMETIMESTAMP") + number("FRAMELINES", width)
        body += field("FRAMESAMPLES", image.T.astype("<u2").tobytes()) + bytes(4)
    path.write_bytes(head + body)
    return path
