import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from octsk.datasets import list_image_files, load_image_files


@pytest.fixture
def save(tmp_path):
    """Write an array or a Pillow image under a name; gives the path."""

    def save(image, name="scan.png", **options):
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def gradient(height, width):
    """Grey levels rising from left to right."""
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def test_kermany_jpegs_are_close_to_reference_tiles(data_folder):
    # The reference was made by bicubic resizing from the same squares.
    dev = np.load(data_folder / "oct_labelled_dev.npz")
    reference = dev["images"][dev["kind"] == "kermany_jpeg"].astype(float)
    images = load_image_files(data_folder / "oct2017_samples").astype(float)
    distance = np.abs(images[:, None] - reference[None]).mean(axis=(2, 3))
    nearest = distance.argmin(axis=1)
    assert sorted(nearest) == list(range(17))
    assert distance.min(axis=1).max() < 2
    assert np.sort(distance, axis=1)[:, 1].min() > 5


def test_closer_to_octmnist_than_bicubic(data_folder):
    tiles = np.load(data_folder / "octmnist_tiles_unlabelled.npz")["images"].astype(float)
    path = data_folder / "oct2017_samples" / "CNV-73307a.jpeg"
    distance = np.abs(tiles - load_image_files(path)).mean(axis=(1, 2))
    assert distance.min() == pytest.approx(1.75, abs=0.02)
    with Image.open(path) as scan:
        bicubic = scan.crop((8, 0, 504, 496)).resize((28, 28), Image.Resampling.BICUBIC)
    assert np.abs(tiles[distance.argmin()] - np.asarray(bicubic)).mean() > 2.5


def test_middle_square_is_taken(save):
    wide = np.zeros((60, 100), np.uint8)
    wide[:, 20:80] = 200
    assert (load_image_files(save(wide)) == 200).all()
    assert (load_image_files(save(wide.T.copy())) == 200).all()


def test_images_are_padded_or_squashed_instead(save):
    wide = np.full((20, 60), 200, np.uint8)
    padded = load_image_files(save(wide), size=30, fit="pad")[0]
    assert (padded[10:20] == 200).all()
    assert not padded[:10].any()
    assert not padded[20:].any()
    np.testing.assert_array_equal(
        load_image_files(save(wide.T.copy()), size=30, fit="pad")[0], padded.T
    )
    assert (load_image_files(save(wide), size=30, fit="squash") == 200).all()
    line = save(np.full((1, 4000), 200, np.uint8))
    assert load_image_files(line, size=30, fit="pad").any(axis=(1, 2)).all()
    deep = save(np.full((20, 60), 65535, np.uint16))
    deep_padded = load_image_files(deep, size=30, fit="pad")[0]
    np.testing.assert_array_equal(deep_padded, np.where(padded, 255, 0))


def test_any_number_of_threads_gives_the_same_images(save):
    files = [save(gradient(20, 20 + i), f"{i}.png") for i in range(9)]
    files.insert(4, save(gradient(9, 9), "broken.png"))
    files[4].write_bytes(b"broken")
    with pytest.warns(UserWarning, match="1 of 10 images are left out"):
        one = load_image_files(files, n_jobs=1, on_error="skip")
    with pytest.warns(UserWarning, match="1 of 10 images are left out"):
        several = load_image_files(files, n_jobs=3, on_error="skip", verbose=1)
    np.testing.assert_array_equal(several, one)
    assert len(one) == 9


def test_resizing_is_antialiased(save):
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))
    image = load_image_files(save(stripes))
    np.testing.assert_allclose(image[0, 2:-2, 2:-2], 127.5, atol=4)


def test_enlarges_small_images(save):
    assert load_image_files(save(gradient(10, 10)), size=64).shape == (1, 64, 64)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.jpeg", "a.tif", "a.tiff", "a.bmp"])
def test_formats(save, name):
    image = load_image_files(save(gradient(56, 56), name))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    expected = gradient(56, 56).reshape(28, 2, 28, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(image[0], expected, atol=6)


# -- depths ------------------------------------------------------------------------

RAMP = np.tile(np.arange(28), (28, 1))


def deep(highest):
    """Pixels from 0 to `highest`, and what is expected of them."""
    pixels = (RAMP * highest // 27).astype(np.uint16)
    return pixels, lambda bits: np.rint(pixels * (255 / (2**bits - 1)))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize(
    ("highest", "bits"),
    [(16383, 14), (4095, 12), (4000, 12), (1024, 12), (1023, 10), (255, 8), (256, 10)],
)
def test_depth_is_told_from_the_highest_pixel_with_a_warning(save, highest, bits, name):
    pixels, expected = deep(highest)
    path = save(pixels, name)
    with pytest.warns(UserWarning, match=f"none is above {highest:,}: .*as {bits}-bit"):
        [image] = load_image_files(path)
    np.testing.assert_array_equal(image, expected(bits))
    for bit_depth in (bits, 16):
        [image] = load_image_files(path, bit_depth=bit_depth)
        np.testing.assert_array_equal(image, expected(bit_depth))


def test_one_depth_for_all_images_of_a_call(save, tmp_path):
    bright, expected = deep(4095)
    dark, expected_dark = deep(900)
    save(bright, "bright.png")
    save(dark, "dark.tif")
    eight = save(gradient(28, 28), "eight.png")
    with pytest.warns(UserWarning, match=r"2 of 3 images have 16-bit .* above 4,095"):
        images = load_image_files(tmp_path)
    np.testing.assert_array_equal(images[0], expected(12))
    np.testing.assert_array_equal(images[1], expected_dark(12))
    np.testing.assert_array_equal(images[2:], load_image_files(eight))
    with pytest.warns(UserWarning, match="12-bit"):
        colour = load_image_files(tmp_path, channels=3)
    np.testing.assert_array_equal(colour, np.stack([images] * 3, axis=-1))


def test_16_bit_images_that_use_their_range_decide_for_all(save):
    dark, expected = deep(900)
    bright, _ = deep(65535)
    with pytest.warns(UserWarning, match="1 of 2 .* above 900, .* the former become dark"):
        images = load_image_files([save(dark, "dark.png"), save(bright, "bright.png")])
    np.testing.assert_array_equal(images[0], expected(16))


def with_chunk(path, kind, data):
    """Put a chunk behind the header of a PNG file."""
    content = path.read_bytes()
    chunk = len(data).to_bytes(4, "big") + kind + data
    chunk += zlib.crc32(kind + data).to_bytes(4, "big")
    path.write_bytes(content[:33] + chunk + content[33:])
    return path


@pytest.mark.parametrize(("highest", "bits"), [(900, 12), (4095, 12), (65520, 16)])
def test_depth_that_a_png_file_tells(save, highest, bits):
    # Scaled to 16 bits, as the last one, its pixels use the whole range.
    pixels, expected = deep(highest)
    path = with_chunk(save(pixels), b"sBIT", bytes([12]))
    for source in (path, path.read_bytes(), Image.open(path)):
        [image] = load_image_files(source)
        np.testing.assert_array_equal(image, expected(bits))


@pytest.mark.parametrize("told", [0, 17, 255])
def test_depth_that_cannot_be_is_not_believed(save, told):
    pixels, expected = deep(4000)
    path = with_chunk(save(pixels), b"sBIT", bytes([told]))
    with pytest.warns(UserWarning, match="12-bit"):
        [image] = load_image_files(path)
    np.testing.assert_array_equal(image, expected(12))


def test_depth_that_a_tiff_file_tells(save):
    pixels, expected = deep(900)
    [image] = load_image_files(save(pixels, "a.tif", tiffinfo={281: 4095}))
    np.testing.assert_array_equal(image, expected(12))
    [image] = load_image_files(save(pixels, "b.tif", tiffinfo={281: 65535}))
    np.testing.assert_array_equal(image, expected(16))


def test_tiff_file_of_12_bit_samples(tmp_path):
    # Two pixels, 0x123 and 0xFFF, by hand: Pillow writes no such files.
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 122), (277, 1)]
    tags += [(278, 1), (279, 3)]
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    file = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(file + b"\x12\x3f\xff")
    [[[left]]] = load_image_files(tmp_path / "a.tif", size=1)
    assert left == round(0x123 * 255 / 4095)


def test_16_bit_tiff_file_with_white_as_0(save):
    with pytest.raises(ValueError, match=r"a\.tif .*0 is white in its 16-bit pixels"):
        load_image_files(save(deep(65535)[0], "a.tif", tiffinfo={262: 0}))


def test_colours_of_which_the_upper_bits_are_unused(save):
    # Pillow keeps the upper 8 of 16 bits, which of 12-bit colours are 4.
    def colours(path, highest):
        row = struct.pack(">B9H", 0, *[highest] * 9)
        header = struct.pack(">IIBBBBB", 3, 3, 16, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
        for kind, data in [
            (b"IHDR", header),
            (b"IDAT", zlib.compress(row * 3)),
            (b"IEND", b""),
        ]:
            with path.open("ab") as file:
                file.write(struct.pack(">I", len(data)) + kind + data)
                file.write(struct.pack(">I", zlib.crc32(kind + data)))
        return path

    path = save(gradient(3, 3))
    assert (load_image_files(colours(path, 0xFFFF), channels=3) == 255).all()
    assert (load_image_files(colours(path, 0x4000), channels=3) == 0x40).all()
    colours(path, 0x0FFF)
    with pytest.raises(ValueError, match="use at most 12 of them"):
        load_image_files(path, channels=3)
    assert (load_image_files(path, channels=3, bit_depth=16) == 0x0F).all()


def test_black_images_of_16_bits_need_no_warning(save):
    assert not load_image_files(save(np.zeros((9, 9), np.uint16))).any()


def test_dark_images_beside_deeper_ones_are_told(tmp_path):
    for name, highest in {"deep": 40_000, "shallow": 4_000, "blank": 0}.items():
        pixels = np.full((9, 9), highest, np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    words = "1 of 3 images have 16-bit pixels, of which none is above 4,000, while others"
    with pytest.warns(UserWarning, match=words):
        load_image_files(tmp_path)
    load_image_files(tmp_path, bit_depth=16)


def test_bit_depth_that_does_not_fit(save):
    path = save(deep(4095)[0])
    with pytest.raises(ValueError, match=r"bit_depth=10 does not fit .* up to 4,095"):
        load_image_files(path, bit_depth=10)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_is_scaled_not_clipped(save, name):
    values = np.linspace(0, 65535, 28).round().astype(np.uint16)
    image = load_image_files(save(np.tile(values, (28, 1)), name))
    np.testing.assert_array_equal(image[0, 0], np.round(values / 257))


def test_big_endian_16_bit(save):
    image = Image.frombytes("I;16B", (2, 2), b"\xff\xff" * 4)
    assert (load_image_files(save(image, "a.tif")) == 255).all()


@pytest.mark.parametrize(
    ("mode", "colour", "grey"),
    [
        ("RGB", (200, 100, 50), 124),  # ITU-R 601-2: .299 R + .587 G + .114 B
        ("1", 1, 255),
        ("LA", (200, 255), 200),
        ("LA", (200, 0), 0),
        ("RGBA", (200, 200, 200, 128), 100),
    ],
)
def test_modes_become_grey(save, mode, colour, grey):
    image = load_image_files(save(Image.new(mode, (40, 40), colour)))
    np.testing.assert_allclose(image, grey, atol=1)


def test_palette_shows_its_colours_and_its_transparency(save):
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    opaque = load_image_files(save(image), channels=3)
    assert (opaque == (200, 100, 50)).all()
    clear = load_image_files(save(image, "clear.png", transparency=1), channels=3)
    assert (clear == 0).all()


def test_cmyk_jpeg(save):
    image = save(Image.new("CMYK", (40, 40), (0, 0, 0, 255)), "a.jpg")
    assert (load_image_files(image) < 5).all()


def test_channels_3(save):
    colour = load_image_files(save(Image.new("RGB", (40, 40), (10, 20, 30))), channels=3)
    assert colour.shape == (1, 28, 28, 3)
    assert (colour == (10, 20, 30)).all()
    grey = load_image_files(save(gradient(40, 40)), channels=3)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_exif_orientation_is_respected(save):
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    plain = load_image_files(save(gradient(56, 56)))
    turned = load_image_files(save(gradient(56, 56), "turned.png", exif=exif))
    np.testing.assert_array_equal(turned[0], plain[0, ::-1, ::-1])


def test_folder_in_order_of_names(save, tmp_path):
    for level, name in [(30, "c.BMP"), (10, "a.png"), (20, "b.jpg"), (99, ".hidden.png")]:
        save(np.full((30, 30), level, np.uint8), name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "sub.png").mkdir()
    images = load_image_files(tmp_path)
    assert images[:, 0, 0].tolist() == [10, 20, 30]
    assert [file.name for file in list_image_files(tmp_path)] == ["a.png", "b.jpg", "c.BMP"]


def test_sequences_keep_their_order(save):
    black = save(np.zeros((30, 30), np.uint8), "z.png")
    white = save(np.full((30, 30), 255, np.uint8), "a.png")
    assert load_image_files([black, str(white)])[:, 0, 0].tolist() == [0, 255]
    assert load_image_files(iter([white, black]))[:, 0, 0].tolist() == [255, 0]


def test_missing_file_is_named(tmp_path):
    for read in (load_image_files, list_image_files):
        with pytest.raises(FileNotFoundError, match=r"No such file .*absent\.png'"):
            read(tmp_path / "absent.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp"])
def test_truncated_file_is_named(save, name):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100)).astype(np.uint8)
    path = save(noise, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=name):
        load_image_files(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", b"GIF89a" * 9])
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "odd.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"odd\.png is not an image in PNG, JPEG"):
        load_image_files(path)


def test_one_bad_file_among_good_is_named(save, tmp_path):
    good = save(gradient(40, 40), "good.png")
    bad = tmp_path / "bad.png"
    bad.write_text("text")
    with pytest.raises(ValueError, match=r"bad\.png"):
        load_image_files([good, bad])


def test_all_files_that_cannot_be_read_are_named_in_one_error(save, tmp_path):
    for i in range(8):
        save(np.random.default_rng(i).integers(0, 256, (40, 40), np.uint8), f"{i}.png")
    for i in (3, 5):
        path = tmp_path / f"{i}.png"
        path.write_bytes(path.read_bytes()[:200])
    paths = [*list_image_files(tmp_path), tmp_path / "absent.png", tmp_path]
    with pytest.raises(ValueError, match="4 of 10 image files cannot be read") as caught:
        load_image_files(paths)
    words = ("3.png", "5.png", "absent.png: No such file", f"{tmp_path} is a folder")
    assert all(word in str(caught.value) for word in words)
    with pytest.warns(UserWarning, match=r"4 of 10 images are left out: .*3\.png.*5\.png"):
        images, files = load_image_files(paths, on_error="skip", return_files=True)
    assert [file.stem for file in files] == list("012467")
    np.testing.assert_array_equal(images, load_image_files(files))


def test_many_files_that_cannot_be_read_are_counted(tmp_path):
    for i in range(25):
        (tmp_path / f"{i:02}.png").write_text("no image")
    with pytest.raises(ValueError, match=r"25 of 25 image .*; and 15 more$") as caught:
        load_image_files(tmp_path)
    assert "09.png" in str(caught.value)
    assert "10.png" not in str(caught.value)


def test_files_that_are_all_missing(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for read in (load_image_files, list_image_files):
        with pytest.raises(FileNotFoundError, match=r"2 of 2 .*a\.png.*b\.png"):
            read(paths)


def test_skipping_everything_is_an_error(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(ValueError, match=r"a\.png is not an image"):
        load_image_files(tmp_path, on_error="skip")


def test_file_that_may_not_be_read_is_one_of_them(save, monkeypatch):
    good, bad = save(gradient(9, 9), "good.png"), save(gradient(9, 9), "bad.png")
    opened = Image.open

    def refuse(path, **options):
        if path == bad:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, **options)

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(PermissionError, match=r"bad\.png"):
        load_image_files([good, bad])
    with pytest.warns(UserWarning, match=r"bad\.png: Permission denied"):
        assert len(load_image_files([good, bad], on_error="skip")) == 1


@pytest.mark.skipif(os.name == "nt", reason="names of files are text on Windows")
def test_names_of_any_bytes(save, tmp_path):
    path = os.fsencode(tmp_path) + b"/M\xfcller\x1b[2J.png"
    os.rename(save(gradient(9, 9)), path)
    [file] = list_image_files(tmp_path)
    assert os.fsencode(file) == path
    images, files = load_image_files(tmp_path, return_files=True)
    assert (len(images), files) == (1, [file])
    file.write_text("no image")
    with pytest.raises(ValueError, match=r"M\\udcfcller\\x1b\[2J\.png is not an image"):
        load_image_files(tmp_path)


def in_memory(path):
    """Give an image in each way in which it can be in memory."""
    data = path.read_bytes()
    with Image.open(path) as image:
        array = np.asarray(image)
    yield from (data, bytearray(data), memoryview(data), io.BytesIO(data))
    yield from (Image.open(path), Image.fromarray(array), array, array[..., np.newaxis])
    yield from (array.astype(">i4"), array / 255, array / np.float32(255))
    with path.open("rb") as file:
        yield file
        assert not file.closed


def test_images_in_memory(save):
    path = save(gradient(56, 56))
    expected = load_image_files(path)
    for source in in_memory(path):
        np.testing.assert_array_equal(load_image_files(source), expected)
        # Again: it is neither used up nor closed.
        images, files = load_image_files([source, path], return_files=True)
        np.testing.assert_array_equal(images, np.concatenate([expected] * 2))
        assert files[0] is source
        assert files[1] == path


def test_arrays_of_several_images_and_of_colours(save):
    stack = np.stack([gradient(28, 28), 255 - gradient(28, 28)])
    np.testing.assert_array_equal(load_image_files(stack), stack)
    np.testing.assert_array_equal(load_image_files(list(stack)), stack)
    colour = np.stack([stack] * 3, axis=-1)
    np.testing.assert_array_equal(load_image_files(colour, channels=3), colour)
    np.testing.assert_array_equal(load_image_files(colour[0], channels=3), colour[:1])
    deep_stack = stack.astype(np.uint16) * 16
    with pytest.warns(UserWarning, match="12-bit"):
        images = load_image_files(deep_stack)
    np.testing.assert_array_equal(images, np.rint(deep_stack * (255 / 4095)))
    assert load_image_files(stack > 99).max() == 255


def test_upload_that_cannot_seek(save):
    class Upload(io.RawIOBase):
        """A pipe, such as the body of a request."""

        def __init__(self, data):
            self.data = io.BytesIO(data)

        def read(self, n=-1):
            return self.data.read(n)

    path = save(gradient(56, 56))
    image = load_image_files(Upload(path.read_bytes()))
    np.testing.assert_array_equal(image, load_image_files(path))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"no image", "image 1 is not an image in PNG"),
        (np.full((9, 9), 300.0), "array of float64 from 300.0 to 300.0 is not an image"),
        (np.full((9, 9), np.nan), "array of float64 from nan to nan is not an image"),
        (np.full((9, 9), -1), "from -1 to -1 is not an image"),
        (np.full((9, 9, 3), 300), "from 300 to 300 is not an image"),
        (np.zeros((0, 9)), r"array of shape \(0, 9\) is not an image"),
        (Image.new("F", (9, 9)), "no defined range"),
        (io.StringIO("text"), "open it in binary mode"),
    ],
)
def test_what_is_no_image_in_memory(source, words):
    with pytest.raises(ValueError, match=words):
        load_image_files([gradient(9, 9), source])


def test_images_in_memory_have_no_list_of_files(save):
    with pytest.raises(TypeError, match="images in memory, which have no file"):
        list_image_files(save(gradient(9, 9)).read_bytes())


def test_folder_of_class_folders_is_seen(save, tmp_path):
    for name, n in [("CNV", 2), ("DME", 1)]:
        for i in range(n):
            (tmp_path / "train" / name).mkdir(parents=True, exist_ok=True)
            save(gradient(9, 9), f"train/{name}/{i}.jpeg")
    (tmp_path / "train" / "notes").mkdir()
    with pytest.raises(
        ValueError, match=r"no image .* subfolders .*: CNV \(2\), DME \(1\)\. "
    ):
        load_image_files(tmp_path / "train")
    words = r"subfolders contain images: train \(3\)\. .*load_image_folder"
    with pytest.raises(ValueError, match=words):
        load_image_files(tmp_path)


def test_another_kind_of_file_is_named(save):
    gif = save(gradient(9, 9), "a.gif")
    gif = gif.rename(gif.with_suffix(".png"))
    with pytest.raises(
        ValueError, match=r"a\.png is not .*: it is a GIF image; save it as"
    ):
        load_image_files(gif)


def test_several_pages_are_b_scans(save):
    pages = [Image.new("L", (40, 40), grey) for grey in (10, 20, 30)]
    path = save(pages[0], "stack.tif", save_all=True, append_images=pages[1:])
    assert load_image_files(path)[:, 0, 0].tolist() == [10, 20, 30]
    # Those of a file in memory are not.
    with pytest.raises(ValueError, match="3 pages; save each as a file of its own"):
        load_image_files(path.read_bytes())


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_range_are_refused(save, mode):
    with pytest.raises(ValueError, match=r"deep\.tif.*no defined range"):
        load_image_files(save(Image.new(mode, (40, 40)), "deep.tif"))


def test_decompression_bomb(save, monkeypatch):
    path = save(gradient(40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match=r"scan\.png.*bomb"):
        load_image_files(path)


def test_nothing_to_load(tmp_path):
    with pytest.raises(ValueError, match="paths is empty"):
        load_image_files([])
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"no image file in .*\.png"):
        load_image_files(tmp_path)


def test_folder_inside_a_sequence(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        load_image_files([tmp_path])


@pytest.mark.parametrize("paths", [3, None, [3], [None], np.zeros(5), [np.zeros(5)]])
def test_what_is_no_path(paths):
    with pytest.raises(TypeError, match="paths must be"):
        load_image_files(paths)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("size", value) for value in (0, 28.5, "28", True)),
        ("channels", 2),
        *(("bit_depth", value) for value in (0, 17, "12", 12.5)),
        ("on_error", "ignore"),
        ("fit", "stretch"),
        *(("n_jobs", value) for value in (0, 1.5, "2")),
    ],
)
def test_bad_arguments(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be"):
        load_image_files(Path("unused.png"), **{argument: value})
