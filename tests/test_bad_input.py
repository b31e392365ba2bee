"""Every row of the table of odd and bad input; see `bad_input.py`."""

import shlex
import warnings
from contextlib import nullcontext
from functools import cached_property

import h5py
import numpy as np
import pytest
from bad_input import TABLE, TAKES_IMAGES, Ends, Fails, flipped, frame, truncated
from helpers import TINY, toy_images
from PIL import Image
from sklearn.exceptions import DataConversionWarning, FitFailedWarning
from typer.testing import CliRunner

import octsk
from octsk.benchmark import run_benchmark
from octsk.cli import _app as cli
from octsk.cli import _inputs
from octsk.evaluation import BenchmarkReport
from octsk.model_selection import read_search_space


class World:
    """What the calls of the table use: images, a fitted net, files."""

    Net = octsk.SmallOCTNet
    Augmenter = octsk.OCTAugmenter
    load = staticmethod(octsk.load)
    load_medmnist = staticmethod(octsk.load_medmnist)
    load_image_files = staticmethod(octsk.load_image_files)
    read_search_space = staticmethod(read_search_space)
    from_json = BenchmarkReport.from_json

    def __init__(self, folder):
        self.folder = folder
        self.X, self.y = toy_images(40)
        self.huge = np.zeros((1, 4000, 4000), np.uint8)
        # Untrained, which is soon made and predicts as well.
        self.net = octsk.SmallOCTNet(**TINY).initialize(self.X, self.y)
        self.proba = self.net.predict_proba(self.X)
        self.labels = self.net.predict(self.X)
        self.varied = octsk.OCTAugmenter(random_state=0).fit_transform(self.X)
        np.save(folder / "X.npy", self.X)
        self.mapped = np.load(folder / "X.npy", mmap_mode="r")
        self.text = folder / "notes.txt"
        self.text.write_text("Seen on Monday.\n")

    def fit(self, X="own", y="own", **params):
        fit_params = {
            name: params.pop(name)
            for name in ("sample_weight", "X_val", "y_val", "groups")
            if name in params
        }
        y = self.y if isinstance(y, str) and y == "own" else y
        X = self.X if isinstance(X, str) and X == "own" else X
        return octsk.SmallOCTNet(**{**TINY, **params}).fit(X, y, **fit_params)

    @cached_property
    def trained(self):
        return self.fit().predict_proba(self.X)

    def copy(self):
        return octsk.load(self.model)

    @cached_property
    def framed(self):
        return octsk.SmallOCTNet(**TINY).initialize(frame(self.X), self.y)

    def evaluate(self, estimator=None, *, X="own", y=None, **params):
        return octsk.evaluate(
            self.net if estimator is None else estimator,
            self.X if isinstance(X, str) and X == "own" else X,
            self.y if y is None else y,
            **{"n_resamples": 10, **params},
        )

    @cached_property
    def report(self):
        return self.evaluate()

    def search(self, X="own", y="own", **params):
        X = {"own": self.X, "nan": self.X * np.nan, "other": self.X[::-1]}[X]
        y = {"own": self.y, "short": self.y[1:], "one": self.y * 0}[y]
        return octsk.OCTSearchCV(
            octsk.SmallOCTNet(**TINY),
            **{
                "param_distributions": {"epochs": [1]},
                "n_trials": 1,
                "cv": 2,
                "error_score": "raise",
                **params,
            },
        ).fit(X, y)

    def space(self, text):
        path = self.folder / "space.json"
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        return read_search_space(path)

    @cached_property
    def model(self):
        self.net.save(self.folder / "model.octsk")
        return self.folder / "model.octsk"

    @cached_property
    def keras(self):
        self.net.model_.save(self.folder / "model.keras")
        return self.folder / "model.keras"

    @cached_property
    def h5(self):
        with h5py.File(self.h5_of_keras3, "r") as own:
            root = own["model_weights"]
            with h5py.File(self.folder / "model.h5", "w") as file:
                for name in root:
                    own.copy(root[name], file)
                    names = root[name].attrs.get("weight_names", [])
                    file[name].attrs["weight_names"] = np.array(names, "S")
                # Keras 2's names have one width.
                file.attrs["layer_names"] = np.array(root.attrs["layer_names"], "S")
        return self.folder / "model.h5"

    @cached_property
    def h5_of_keras3(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.net.model_.save(self.folder / "keras3.h5")
        return self.folder / "keras3.h5"

    @cached_property
    def other_h5(self):
        with h5py.File(self.folder / "other.h5", "w") as file:
            file["x"] = self.X
        return self.folder / "other.h5"

    def from_h5(self, path, **params):
        tiny = {name: TINY[name] for name in ("filters", "dense_units")}
        return octsk.SmallOCTNet.from_h5(
            path, **{"image_shape": (12, 12, 1), **tiny, **params}
        )

    @cached_property
    def npz(self):
        return self.pack(name="whole.npz")

    def pack(self, name="packed.npz", **arrays):
        """Write a file in MedMNIST's layout, with other arrays or None in it."""
        own = {
            f"{split}_{kind}": array
            for split in ("train", "val", "test")
            for kind, array in (("images", self.X), ("labels", self.y))
        }
        arrays = {k: v for k, v in {**own, **arrays}.items() if v is not None}
        np.savez_compressed(self.folder / name, **arrays)
        return self.folder / name

    def fetch(self, name="octmnist", **params):
        return octsk.fetch_medmnist(
            name, **{"data_home": self.folder / "home", "mirror": "http://[::]", **params}
        )

    @cached_property
    def broken_home(self):
        (self.folder / "broken").mkdir()
        (self.folder / "broken" / "octmnist.npz").write_text("Seen on Monday.\n")
        return self.folder / "broken"

    def picture(self, mode, colour, size=(30, 30), suffix="tif"):
        path = self.folder / f"{mode}-{size[0]}.{suffix}"
        Image.new(mode, size, colour).save(path)
        return path

    @cached_property
    def scan(self):
        Image.fromarray(np.tile(self.X[0], (9, 9))).save(self.folder / "scan.png")
        return self.folder / "scan.png"

    @cached_property
    def jpeg(self):
        Image.fromarray(np.tile(self.X[0], (9, 9))).save(self.folder / "scan.jpeg")
        return self.folder / "scan.jpeg"

    @cached_property
    def gif(self):
        Image.fromarray(self.X[0]).save(self.folder / "scan.gif")
        return self.folder / "scan.gif"

    @cached_property
    def pages(self):
        first, second, *_ = (Image.fromarray(image) for image in self.X)
        first.save(self.folder / "pages.tif", save_all=True, append_images=[second])
        return self.folder / "pages.tif"

    @cached_property
    def modes(self):
        grey = Image.fromarray(self.X[0])
        deep = Image.fromarray(self.X[0].astype(np.uint16) * 257)
        images = [grey, grey.convert("RGB"), grey.convert("RGBA"), deep, grey.convert("P")]
        paths = [self.folder / f"mode{i}.png" for i in range(len(images))]
        for image, path in zip(images, paths, strict=True):
            image.save(path)
        return paths

    def phantoms(self, n_samples=8, **params):
        return octsk.make_oct_phantoms(
            **{"n_samples": n_samples, "random_state": 0, **params}
        )

    def corrupt(self, images="own", name="shot_noise", severity=3):
        images = self.X if isinstance(images, str) and images == "own" else images
        return octsk.corrupt(images, name, severity)

    def run_benchmark(self, dataset, nets=None, **params):
        nets = {"small": octsk.SmallOCTNet(**TINY)} if nets is None else nets
        return run_benchmark(nets, dataset, **params)

    @cached_property
    def json(self):
        self.report.to_json(self.folder / "report.json")
        return self.folder / "report.json"

    @cached_property
    def other_json(self):
        (self.folder / "other.json").write_text('{"lr": [1, 2]}')
        return self.folder / "other.json"

    # --- The command line --------------------------------------------------------------

    @cached_property
    def desk(self):
        """A folder with what the commands are given."""
        desk = self.folder / "desk"
        for name in ("scans", "empty", "broken"):
            (desk / name).mkdir(parents=True)
        scans = octsk.make_oct_phantoms(40, random_state=0)
        net = octsk.SmallOCTNet(**TINY).initialize(scans.data, scans.target)
        net.save(desk / "small.octsk")
        Image.fromarray(scans.data[0]).save(desk / "scans" / "a.png")
        for name in ("notes.txt", "broken/octmnist.npz"):
            (desk / name).write_text("Seen on Monday.\n")
        (desk / "other.json").write_text('{"lr": [1, 2]}')

        def pack(name, *splits, images=scans.data, labels=scans.target):
            # Shifted, since the same image in two splits is warned of.
            arrays = {
                f"{split}_images": np.roll(images, k, axis=2)
                for k, split in enumerate(splits)
            }
            arrays |= {f"{split}_labels": labels for split in splits}
            np.savez_compressed(desk / name, **arrays)

        pack("clinic.npz", "train", "val", "test")
        pack("train.npz", "train")
        pack("test.npz", "test")
        pack("one.npz", "train", labels=scans.target * 0)
        pack("more.npz", "test", labels=np.where(scans.target == 3, 9, scans.target))
        pack("large.npz", "test", images=np.repeat(scans.data, 2, axis=1))
        np.savez(desk / "arrays.npz", scans=scans.data)
        for name in ("clinic.npz", "small.octsk"):
            truncated(desk / name).rename(desk / f"cut{(desk / name).suffix}")
        return desk

    def octsk(self, command, words):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.desk)
            patch.setenv("OCTSK_DATA", str(self.desk / "home"))
            patch.setattr(_inputs, "PHANTOMS", {"train": 40, "val": 40, "test": 40})
            return CliRunner().invoke(cli.app, [command, *shlex.split(words)])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("bad"))


# The rows, by the end of their names, that come with a warning: of another library, or
# octsk's own where what was given may be meant in two ways.
WARNINGS = {
    ": np.matrix": (PendingDeprecationWarning, "the matrix subclass is not the recomm"),
    "`fit`: images: one image, (h, w)": (UserWarning, "X has shape .* flattened images"),
    ": one image of 16 x 16, (h, w)": (UserWarning, "X has shape .* flattened images"),
    ": images with NaN, and `error_score=nan`": (FitFailedWarning, "2 of 2 fits of trial"),
    ": as many classes as images": (UserWarning, "The number of unique classes is greate"),
    ": labels: a column, (n, 1)": (DataConversionWarning, "A column-vector y was passed"),
    ": one file among many that is broken": (UserWarning, "1 of 2 images are left out"),
    ": a class that is missing from a fold": (UserWarning, "y_pred contains classes not"),
}


def rows():
    for to, cases in [*TAKES_IMAGES.items(), *TABLE.items()]:
        for case in cases:
            name = f"{to}: {case.given}"
            end = next((end for end in WARNINGS if name.endswith(end)), None)
            marks = [pytest.mark.slow] if case.slow else []
            yield pytest.param(case, WARNINGS.get(end), id=name, marks=marks)


@pytest.mark.parametrize(("case", "warning"), list(rows()))
def test_what_happens(case, warning, world):
    with pytest.warns(warning[0], match=warning[1]) if warning else nullcontext():
        check_what_happens(case, world)


def check_what_happens(case, world):
    happens = case.happens
    if isinstance(happens, Fails):
        with pytest.raises(happens.error) as caught:
            case.call(world)
        assert happens.words in str(caught.value)
    elif isinstance(happens, Ends):
        result = case.call(world)
        assert result.exit_code == happens.code, result.output
        line = result.stderr.splitlines()[-1]
        assert line.startswith("octsk: error: ")
        assert happens.words in line
    else:
        assert happens.check(world, case.call(world))


def flips(path, n):
    """Yield copies of a file that each have one flipped bit, all over the file."""
    for where in np.linspace(0, 1, n, endpoint=False):
        yield flipped(path, where)


@pytest.mark.slow
def test_flipped_bits_in_npz_files_are_found_or_harmless(world):
    n_found = 0
    for path in flips(world.npz, 300):
        try:
            data = octsk.load_medmnist(path)
        except ValueError as error:
            n_found += str(path) in str(error)
            continue
        # Not in an array: in a date, or in the name of a split, which then is missing.
        parts = [data[split] for split in ("train", "val", "test") if data[split]]
        assert len(parts) >= 2
        for part in parts:
            assert np.array_equal(part.data, world.X)
            assert np.array_equal(part.target, world.y)
    assert n_found > 200


@pytest.mark.slow
def test_flipped_bits_in_models_are_found_or_harmless(world):
    n_found = 0
    for path in flips(world.model, 60):
        try:
            net = octsk.load(path)
        except ValueError as error:
            n_found += str(path) in str(error)
        else:
            assert np.array_equal(net.predict_proba(world.X), world.proba)
    assert n_found > 40


@pytest.mark.slow
def test_flipped_bits_in_h5_files_do_no_worse_than_other_weights(world):
    for path in flips(world.h5, 40):
        try:
            net = world.from_h5(path)
        except ValueError:
            continue
        assert np.isfinite(net.predict_proba(world.X)).all()


def test_table_has_no_row_twice():
    ids = [row.id for row in rows()]
    assert len(ids) == len(set(ids))
    for end in WARNINGS:
        assert any(name.endswith(end) for name in ids)
