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
    (tmp_path / "sub").mkdir()
    images = load_image_files(tmp_path)
    assert images[:, 0, 0].tolist() == [10, 20, 30]
    assert [file.name for file in list_image_files(tmp_path)] == ["a.png", "b.jpg", "c.BMP"]


def test_sequences_keep_their_order(save):
    black = save(np.zeros((30, 30), np.uint8), "z.png")
    white = save(np.full((30, 30), 255, np.uint8), "a.png")
    assert load_image_files([black, str(white)])[:, 0, 0].tolist() == [0, 255]
    assert load_image_files(iter([white, black]))[:, 0, 0].tolist() == [255, 0]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        load_image_files(tmp_path / "absent.png")


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


def test_several_pages_are_refused(save):
    page = Image.new("L", (40, 40))
    path = save(page, "stack.tif", save_all=True, append_images=[page, page])
    with pytest.raises(ValueError, match=r"stack\.tif.*3 pages"):
        load_image_files(path)


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
    with pytest.raises(ValueError, match="no file at all"):
        load_image_files([])
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"no image file in .*\.png"):
        load_image_files(tmp_path)


def test_folder_inside_a_sequence(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        load_image_files([tmp_path])


@pytest.mark.parametrize("paths", [3, None, [3], np.zeros((2, 28, 28))])
def test_what_is_no_path(paths):
    with pytest.raises(TypeError, match="paths must be"):
        load_image_files(paths)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("size", 0), ("size", 28.5), ("size", "28"), ("size", True), ("channels", 2)],
)
def test_bad_arguments(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be"):
        load_image_files(Path("unused.png"), **{argument: value})
