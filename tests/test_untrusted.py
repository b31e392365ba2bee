"""Files from strangers: refused in bounded memory, nothing run, nothing else read."""

import io
import json
import pickle
import re
import resource
import signal
import struct
import sys
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from PIL import Image

import octsk
from octsk import SmallOCTNet
from octsk.architectures import residual
from octsk.benchmark.record import read_record
from octsk.datasets import _npz_images, load_image_files, load_medmnist
from octsk.evaluation import BenchmarkReport
from octsk.model_selection import read_search_space
from octsk.utils import untrusted as _untrusted
from octsk.utils.tables import Table, tables_to_text
from octsk.utils.untrusted import check_h5, printable

# What reading a refused file may take, beyond what the process has already: the greatest
# limit is that of a member of an archive, 256 MiB.
MEMORY = 2**30
SECONDS = 60


@contextmanager
def bounds():
    """Limit the memory that is added and the time that is taken inside."""

    def too_slow(signum, frame):
        pytest.fail(f"not refused within {SECONDS} s")

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits memory by Linux")
pytestmark = needs_linux


def refuse(read, path, message):
    """See that a file is refused in these words, which name it."""
    with bounds(), pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)
    # A refusal of the machine's is none of ours.
    assert "MemoryError" not in str(caught.value)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


# --- Zip archives ----------------------------------------------------------------------


def zeros_by_deflate(n_mebibytes):
    """Return a whole deflate stream of so many MiB of zeros, 1 kB each."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return once * n_mebibytes + packer.flush()


def add_bomb(archive, name, n_mebibytes):
    """Add a member of zeros without unpacked zeros anywhere."""
    archive.writestr(name, zeros_by_deflate(n_mebibytes))
    info = archive.filelist[-1]
    info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, n_mebibytes * 2**20


def npy(header):
    """Return a NumPy file of that header."""
    text = header.encode() + b" " * (117 - len(header)) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def of_shape(shape, descr="|u1"):
    return npy(str({"descr": descr, "fortran_order": False, "shape": shape}))


NPZ = {
    "bomb": (None, "images would unpack to 2,147,483,648 bytes"),
    "shape of a trillion": ([("images.npy", of_shape((10**12,)) + b"few")], "claims"),
    "shape beyond all": ([("images.npy", of_shape((10**40, 10**40)))], "claims"),
    "negative shape": ([("images.npy", of_shape((-1, -4)) + b"four")], "claims"),
    "shape of texts": ([("images.npy", of_shape(("a",)))], "not a NumPy array"),
    "wide type": ([("images.npy", of_shape((1,), "<U500000000"))], "claims"),
    "nested header": ([("images.npy", npy("(" * 90 + ")" * 27))], "not a NumPy array"),
    "long header": (
        [("images.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xffabc")],
        "not a NumPy array",
    ),
    "code as header": ([("images.npy", npy("__import__('os')"))], "not a NumPy array"),
    "twice": (
        [("images.npy", of_shape((1, 1, 1)) + b"1"), ("images", b"2")],
        "images occurs twice",
    ),
    "elsewhere": ([("../../images.npy", of_shape((1, 1, 1)) + b"1")], "has neither"),
    "at the root": ([("/images.npy", of_shape((1, 1, 1)) + b"1")], "has neither"),
}


@pytest.mark.parametrize(("members", "message"), NPZ.values(), ids=NPZ)
def test_npz(members, message, tmp_path):
    path = tmp_path / "hostile.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in members or []:
            archive.writestr(name, contents)
        if members is None:
            add_bomb(archive, "images.npy", 2048)
    refuse(_npz_images.load_npz_images, path, message)
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.npz"]


def test_name_in_npz_that_is_no_text(tmp_path):
    path = tmp_path / "hostile.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("imagé.npy", of_shape((1, 1, 1)) + b"1")
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    refuse(_npz_images.load_npz_images, path, "is not a whole npz file .*codec")


def test_pickle_in_npz(tmp_path):
    path, trace = tmp_path / "hostile.npz", tmp_path / "it ran"
    np.savez(path, images=np.array([Touch(trace)]), test_images=np.zeros((1, 2, 2)))
    refuse(_npz_images.load_npz_images, path, "images holds Python objects")
    path.write_bytes(pickle.dumps(Touch(trace)))
    refuse(load_medmnist, path, "not a whole npz file")
    assert not trace.exists()
    np.load(path, allow_pickle=True)
    assert trace.exists(), "a test that could not fail"


# --- Words from outside ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("scan\x1b[2J.png", r"scan\x1b[2J.png"),
        ("\x00\t\r\n\x7f", r"\x00\t\r\n\x7f"),
        ("\x9b31m \x85", r"\x9b31m \x85"),  # an 8-bit terminal's ESC [
        ("gpj.\u202egnp \u2066x\u2069 \u200f", r"gpj.\u202egnp \u2066x\u2069 \u200f"),
        ("a\u2028b", r"a\u2028b"),
        ("M\udcfcller \ud800", r"M\udcfcller \ud800"),
        (
            "Müller ± 網膜 \u200d \N{NO-BREAK SPACE}",
            "Müller ± 網膜 \u200d \N{NO-BREAK SPACE}",
        ),
        (Path("a"), "a"),
    ],
)
def test_printable(words, shown):
    assert printable(words) == shown
    assert printable(shown) == shown
    printable(words).encode("utf-8")


def test_tables_hold_no_control_characters():
    table = Table("\x1b[2J", ("a", "\x9b"), [("\u202eb", "c\nd")], ["e\x07", "f\ng"])
    lines = tables_to_text([table]).splitlines()
    assert [line.split() for line in lines] == [
        [r"\x1b[2J"],
        ["a", r"\x9b"],
        [r"\u202eb", r"c\nd"],
        [r"e\x07"],
        ["f", "g"],
    ]


# --- HDF5 ------------------------------------------------------------------------------


def link_elsewhere(group):
    group["linked"] = h5py.ExternalLink("/etc/hostname", "/")


def link_softly(group):
    group["linked"] = h5py.SoftLink("/linked")


def link_into_itself(group):
    group["linked"] = group
    add_huge_array(group)


def add_huge_array(group):
    group.create_dataset("huge", (10**6, 10**6), "f4")


def add_sparse_array(group):
    group.create_dataset("huge", (10**6, 10**6), "f4", chunks=(1000, 1000))


def add_packed_array(group):
    group.create_dataset("huge", data=np.zeros((10**4, 10**3)), compression="gzip")


def add_array_of_a_file(group):
    group.create_dataset("huge", (12,), "u1", external=[("/etc/hostname", 0, 12)])


def add_array_of_arrays(group):
    layout = h5py.VirtualLayout((12,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "data", (12,))
    group.create_virtual_dataset("huge", layout)


def add_references(group):
    group.create_dataset("huge", data=group.ref, dtype=h5py.ref_dtype)


def add_texts(group):
    group.create_dataset("huge", data=["a" * 1000] * 9, dtype=h5py.string_dtype())


def add_emptiness(group):
    group["huge"] = h5py.Empty("f4")


H5 = {
    link_elsewhere: "'/group/linked' is a link to another",
    link_softly: "'/group/linked' is a link to another",
    link_into_itself: r"'/group/huge' of shape \(1000000, 1000000\)",
    add_huge_array: r"claim more than the [\d,]+ bytes of the file, at '/group/huge'",
    add_sparse_array: r"claim more than the [\d,]+ bytes of the file, at '/group/huge'",
    add_packed_array: "'/group/huge' is compressed",
    add_array_of_a_file: "'/group/huge' takes its numbers from other",
    add_array_of_arrays: "'/group/huge' takes its numbers from other",
    add_references: "'/group/huge' contains object instead of plain numbers",
    add_texts: "'/group/huge' contains object instead of plain numbers",
    add_emptiness: "'/group/huge' is not an array",
}


@pytest.mark.parametrize(
    ("spoil", "message"), H5.items(), ids=lambda a: getattr(a, "__name__", "")
)
def test_h5(spoil, message, saved, tmp_path):
    path = tmp_path / "hostile.h5"
    with h5py.File(path, "w") as file:
        spoil(file.create_group("group"))
    refuse(SmallOCTNet.from_h5, path, message)
    path = with_model(saved, tmp_path, weights=path.read_bytes())
    refuse(octsk.load, path, message)


def test_number_of_entries_in_h5_is_bounded(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "many.h5", "w") as file:
        array = file.create_group("a").create_dataset("0", data=np.zeros(99))
        for i in range(1, 9):
            file["a"][f"{i}"] = array
        file.create_group("b")
        size = 10**6
        monkeypatch.setattr(_untrusted, "_MAX_H5_ENTRIES", 11)
        assert check_h5(file, size) == 9 * 99
        monkeypatch.setattr(_untrusted, "_MAX_H5_ENTRIES", 10)
        with pytest.raises(ValueError, match="more than 10 groups and arrays"):
            check_h5(file, size)


def test_names_in_h5_that_are_numbers(tmp_path):
    path = tmp_path / "hostile.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [1.5]
    refuse(
        SmallOCTNet.from_h5, path, "'layer_names' of '/' contains float64 instead of names"
    )


def test_names_in_h5_that_are_one_array_again_and_again(tmp_path):
    path = tmp_path / "hostile.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        layer = file.create_group("dense")
        layer["kernel"] = np.zeros((500, 500), np.float32)
        layer.attrs["weight_names"] = [b"kernel"] * 800
    refuse(SmallOCTNet.from_h5, path, "its names refer to more arrays than it contains")


@pytest.mark.parametrize("size", [2**30, 2**32 - 1])
def test_name_in_h5_that_claims_gigabytes(size, saved, tmp_path):
    path = tmp_path / "hostile.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"one name"]
        file.create_group("one name").attrs["weight_names"] = np.array([b"k"])
    data = path.read_bytes()
    # Length, place in the file and index of a name; the only one of this length.
    [place] = re.finditer(rb"\x08\0\0\0.{6}\0\0\x01\0\0\0", data, re.DOTALL)
    path.write_bytes(
        data[: place.start()] + size.to_bytes(4, "little") + data[place.start() + 4 :]
    )
    refuse(SmallOCTNet.from_h5, path, "it cannot be read: OSError: .*allocation failed")


def add_attribute(file, name, text):
    array = file["layers/conv2d/vars/0"]
    array.attrs.create(name, text, dtype=h5py.string_dtype())


def test_attribute_in_weights_that_claims_gigabytes(saved, tmp_path):
    inner = members_of(members_of(saved.read_bytes())["model.keras"])
    buffer = io.BytesIO(inner["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        add_attribute(file, "dtype", "eighteen or so big")
    data = buffer.getvalue()
    [place] = re.finditer(rb"\x12\0\0\0.{6}\0\0\x01\0\0\0", data, re.DOTALL)
    claim = (2**32 - 1).to_bytes(4, "little")
    data = data[: place.start()] + claim + data[place.start() + 4 :]
    refuse(octsk.load, with_model(saved, tmp_path, weights=data), "has attributes, unlike")


def test_each_reader_knows_the_others_files(saved, tmp_path):
    with pytest.raises(ValueError, match=r"it is a model that octsk saved; octsk\.load"):
        SmallOCTNet.from_h5(saved)
    path = tmp_path / "net.h5"
    h5py.File(path, "w").close()
    with pytest.raises(ValueError, match="it is an HDF5 file; from_h5 of a net"):
        octsk.load(path)


# --- Models ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the file of an honest model."""
    path = tmp_path_factory.mktemp("saved") / "net.octsk"
    SmallOCTNet(**TINY).fit(*toy_images()).save(path)
    return path


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, contents in members.items():
            if contents is None:
                add_bomb(archive, name, 2048)
            else:
                archive.writestr(name, contents)
    return buffer.getvalue()


def with_model(saved, folder, *, config=None, weights=None, **more):
    """Write a model file whose network has another description or other weights."""
    outer = members_of(saved.read_bytes())
    inner = members_of(outer["model.keras"])
    if config is not None:
        inner["config.json"] = config
    if weights is not None:
        inner["model.weights.h5"] = weights
    outer["model.keras"] = zip_of(inner | more)
    path = folder / "hostile.octsk"
    path.write_bytes(zip_of(outer))
    return path


def with_layer(saved, layer):
    """Return the description of a network that has another last layer."""
    config = config_of(saved)
    config["config"]["layers"].append(layer)
    return json.dumps(config)


def config_of(saved):
    return json.loads(
        members_of(members_of(saved.read_bytes())["model.keras"])["config.json"]
    )


def layer(name, module="keras.layers", **config):
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def function(name, module):
    return layer("Activation", activation=layer("function", module) | {"config": name})


def test_honest_model_passes_the_same_way(saved, tmp_path):
    path = with_model(saved, tmp_path, config=json.dumps(config_of(saved)))
    with bounds():
        loaded = octsk.load(path)
    X, _ = toy_images()
    expected = octsk.load(saved).predict_proba(X)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)


FOREIGN = {
    "lambda layer": layer("Lambda", function={"class_name": "__lambda__", "config": {}}),
    "lambda": layer("Activation", activation=layer("__lambda__", "builtins", value="x")),
    "saved model": layer("TFSMLayer", filepath="/etc"),
    "torch pickle": layer("TorchModuleWrapper", module="gAM="),
    "vocabulary file": layer("StringLookup", vocabulary="/etc/hostname"),
    "wrapped": layer("TimeDistributed", layer=layer("Lambda", function="x")),
    "not by its module": layer("Lambda", module=None, function="x"),
    "not by its own module": layer("Lambda", module="keras.src.layers.core.lambda_layer"),
    "class of Python": layer("Popen", "subprocess", args="touch it"),
    "class of another package": layer("ImageConverter", "keras_hub.layers"),
    "function of Python": function("system", "os"),
    "function that fetches": function("get_file", "keras.utils"),
    "type of TensorFlow": layer("__typespec__", "tensorflow"),
    "array": layer("__numpy__", None, value="a", dtype="U1000000000"),
    # The registered class would be harmless, but Keras looks at the mark first.
    "mark behind another name": layer("__typespec__", "keras.layers")
    | {"registered_name": "octsk>FusedBatchNormalization"},
    "number for a name": layer(3),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_foreign_classes(foreign, saved, tmp_path, monkeypatch):
    monkeypatch.delattr(keras.saving, "load_model")
    monkeypatch.delattr(keras.saving, "deserialize_keras_object")
    path = with_model(saved, tmp_path, config=with_layer(saved, foreign))
    refuse(octsk.load, path, "it names .*, which is not one of Keras's harmless classes")


def test_foreign_classes_beside_the_layers(saved, tmp_path):
    config = config_of(saved)
    config["compile_config"]["loss"] = layer("function", "os") | {"config": "system"}
    path = with_model(saved, tmp_path, config=json.dumps(config))
    refuse(octsk.load, path, "it names os.function")


@pytest.mark.parametrize(
    "config",
    [
        lambda config: config["config"]["layers"][-1]["config"].update(units=10**9),
        lambda config: config["config"]["layers"].extend(
            layer("Dense", units=10**5) for _ in range(3)
        ),
        lambda config: config["config"]["layers"].extend(
            [
                layer("RepeatVector", n=10**5),
                layer("Flatten"),
                layer("Reshape", target_shape=[1, 1, 3 * 10**5]),
                layer("UpSampling2D", size=[10**3, 1]),
                layer("Reshape", target_shape=[1, 1, 3 * 10**8]),
                layer("Normalization", axis=-1, mean=0.0, variance=1.0),
            ]
        ),
    ],
)
def test_networks_larger_than_their_weights(config, saved, tmp_path):
    changed = config_of(saved)
    config(changed)
    path = with_model(saved, tmp_path, config=json.dumps(changed))
    refuse(octsk.load, path, r"has [\d,]+ weights and constants, but the file contains")


def test_refused_networks_are_not_allocated_later(saved, tmp_path):
    config = config_of(saved)
    config["config"]["layers"][-1]["config"]["units"] = 10**9
    path = with_model(saved, tmp_path, config=json.dumps(config))
    refuse(octsk.load, path, r"has [\d,]+ weights and constants, but the file contains")
    octsk.load(saved)
    with bounds():
        # Keras initializes the variables that wait for it when it leaves a scope.
        with keras.StatelessScope():
            variable = keras.Variable("ones", shape=(2,))
        residual((28, 28, 1), 4)
    np.testing.assert_array_equal(variable, [1, 1])


def test_normalization_by_given_numbers_is_honest(saved, tmp_path):
    config = config_of(saved)
    config["config"]["layers"].insert(1, layer("Normalization", mean=0.5, variance=0.25))
    loaded = octsk.load(with_model(saved, tmp_path, config=json.dumps(config)))
    X = toy_images()[0][:2]
    told = loaded.model_.layers[0](X[..., None] / np.float32(255)).numpy()
    np.testing.assert_allclose(told, (X[..., None] / 255 - 0.5) / 0.5, rtol=1e-5)


DEEP = b'{"a":' + b"[" * 10**6

MODELS = {
    "bomb of weights": ({"model.weights.h5": None}, "its model.weights.h5 would unpack"),
    "bomb of text": ({"config.json": None}, "its config.json would unpack"),
    "long text": ({"config.json": b" " * 3 * 2**20}, "its config.json is larger than"),
    "deep text": ({"config.json": DEEP}, "nested too deeply"),
    "assets": ({"assets/vocabulary.txt": b"x"}, "contains .* instead of"),
    "weights in another format": ({"model.weights.npz": b"x"}, "contains .* instead of"),
    "elsewhere": ({"../../it was here": b"x"}, "contains .* instead of"),
}


@pytest.mark.parametrize(("members", "message"), MODELS.values(), ids=MODELS)
def test_keras_files(members, message, saved, tmp_path):
    refuse(octsk.load, with_model(saved, tmp_path, **members), message)


def rewrite(saved, folder, members):
    path = folder / "hostile.octsk"
    path.write_bytes(zip_of(members_of(saved.read_bytes()) | members))
    return path


OUTER = {
    "bomb": ({"model.keras": None}, "its model.keras would unpack"),
    "bomb of text": ({"estimator.json": None}, "its estimator.json would unpack"),
    "long text": ({"estimator.json": b" " * 9 * 2**20}, "estimator.json is larger than"),
    "deep text": ({"estimator.json": DEEP}, "nested too deeply"),
    "elsewhere": ({"../../it was here": b"x"}, "contains .* instead of"),
    "at the root": ({"/tmp/it was here": b"x"}, "contains .* instead of"),
}


@pytest.mark.parametrize(("members", "message"), OUTER.values(), ids=OUTER)
def test_model_files(members, message, saved, tmp_path):
    refuse(octsk.load, rewrite(saved, tmp_path, members), message)
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.octsk"]


def test_members_that_are_there_twice(saved, tmp_path):
    path = rewrite(saved, tmp_path, {})
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("estimator.json", "{}")
    refuse(octsk.load, path, "contains .* instead of")


def test_member_that_is_a_link(saved, tmp_path):
    path = tmp_path / "hostile.octsk"
    members = members_of(saved.read_bytes())
    info = zipfile.ZipInfo("model.keras")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("estimator.json", members["estimator.json"])
        archive.writestr(info, "/etc/hostname")
    refuse(octsk.load, path, "BadZipFile")


def described(saved, change):
    state = json.loads(members_of(saved.read_bytes())["estimator.json"])
    change(state)
    return {"estimator.json": json.dumps(state)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["classes"].update(dtype="<U500000000"), "are too large"),
        (lambda s: s["classes"].update(dtype="V1000000000"), "are too large"),
        (lambda s: s.update({"class": "Popen"}), "contains a Popen; import this class"),
        (
            lambda s: s["params"].update(optimizer={"optimizer": layer("Popen", "os")}),
            "it names os.Popen",
        ),
        (
            lambda s: s["params"].update(
                optimizer={
                    "optimizer": layer("SGD", "keras.optimizers")
                    | {"config": {"learning_rate": layer("Lambda", None)}}
                }
            ),
            "it names None.Lambda",
        ),
    ],
)
def test_descriptions(change, message, saved, tmp_path):
    refuse(octsk.load, rewrite(saved, tmp_path, described(saved, change)), message)


def test_huge_parameters_build_nothing(saved, tmp_path):
    sizes = {"list": [10**9], "tuple": True}
    change = described(saved, lambda s: s["params"].update(filters=sizes))
    with bounds():
        loaded = octsk.load(rewrite(saved, tmp_path, change))
    assert loaded.filters == (10**9,)


# --- Texts -----------------------------------------------------------------------------

TEXTS = {
    "deep": (DEEP, "nested too deeply"),
    "deep objects": (b'{"a":' * 10**5 + b"1" + b"}" * 10**5, "nested too deeply"),
    "long": (bytes(65 * 2**20), "larger than"),
    "long number": (b'{"a": ' + b"1" * 10**5 + b"}", "4300 digits"),
    "no text": (bytes(range(256)), "JSON"),
}


@pytest.mark.parametrize(
    "read", [BenchmarkReport.from_json, read_record, read_search_space]
)
@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_texts(read, text, message, tmp_path):
    path = tmp_path / "hostile.json"
    path.write_bytes(text)
    refuse(read, path, message)


# --- Images ----------------------------------------------------------------------------


def chunk(kind, data):
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )


def png(width, height, *more):
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(100)))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more)
    return start + data + chunk(b"IEND", b"")


def jpeg(width, height):
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    size = struct.pack(">H", len(frame) + 2)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    return b"\xff\xd8\xff\xc0" + size + frame + scan + b"\xff\xd9"


def bmp(width, height):
    return struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", 54, 0, 54, 40, width, height, 1, 8, 0, 0, 0, 0, 0, 0
    )


def tiff(*tags):
    start = b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return start + entries + bytes(4)


def saved_as(kind, **options):
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, kind, **options)
    return buffer.getvalue()


SIZE = r"60000 x 60000 pixels|decompression bomb"
EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    b"(it ran) (w) file closefile\nshowpage\n%%EOF\n"
)
IMAGES = {
    "png": (png(60000, 60000), SIZE),
    # Of so many pixels Pillow would warn and read on.
    "png of 100 million pixels": (png(10000, 10000), "10000 x 10000 pixels"),
    "jpeg": (jpeg(60000, 60000), SIZE),
    "bmp": (bmp(60000, 60000), SIZE),
    "tiff": (
        tiff((256, 60000), (257, 60000), (258, 8), (262, 1), (273, 8), (279, 9)),
        SIZE,
    ),
    "png with a long text": (
        png(4, 4, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**24)))),
        "cannot be read as an image",
    ),
    "postscript": (EPS, "not an image in PNG, JPEG, TIFF, BMP format"),
    "gif": (saved_as("GIF"), "not an image in PNG, JPEG, TIFF, BMP format"),
    "ico": (saved_as("ICO"), "not an image in PNG, JPEG, TIFF, BMP format"),
    "pdf": (saved_as("PDF"), "not an image in PNG, JPEG, TIFF, BMP format"),
}


@pytest.mark.parametrize(("contents", "message"), IMAGES.values(), ids=IMAGES)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images(contents, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.png"
    path.write_bytes(contents)
    refuse(load_image_files, path, message)
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.png"]


def test_limit_of_pixels_holds_where_pillows_is_lifted(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "hostile.png"
    path.write_bytes(png(60000, 60000))
    refuse(load_image_files, path, "60000 x 60000 pixels")
