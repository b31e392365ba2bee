"""A user's own images in the commands: octsk import, octsk check and --data."""

import json
import re
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import octsk
from docs._parts.blocks import run
from octsk.cli import _app as cli

PAGE = Path(__file__).parent.parent / "docs" / "user_guide" / "your_own_scans.md"

# The commands show them as lines of their own.
pytestmark = pytest.mark.filterwarnings("default::UserWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OCTSK_DATA", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def octsk_command(*words, code=0):
    result = CliRunner().invoke(cli.app, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


def write_scans(root, n=60, classes="abcd", split=""):
    """Write phantoms as JPEG files of three scans a patient, and a table of them."""
    scans = octsk.make_oct_phantoms(n, random_state=len(split))
    lines = ["file,label,patient,seen"]
    for i, (image, label) in enumerate(zip(scans.data, scans.target, strict=True)):
        name = f"{classes[label]}-{split}{i // 3}-{i % 3}.jpeg"
        file = root / split / classes[label] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize((96, 62)).save(file)
        lines.append(f"{file.relative_to(root)},{classes[label]},{split}{i // 3},{split}")
    (root / "scans.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def scans(folder):
    return write_scans(folder / "scans")


@pytest.mark.parametrize(
    "words",
    [
        "import scans --groups kermany --overwrite -o {image}",
        "import scans/scans.csv --overwrite -o {image}",
        "train --data scans --groups kermany --overwrite -o {image}",
        "train --data scans/scans.csv --overwrite -o {image}",
        "tune --data scans --groups kermany --storage {image}",
    ],
)
def test_no_output_replaces_an_image_that_was_read(scans, words):
    image = next(scans.rglob("*.jpeg")).relative_to(scans.parent)
    before = image.read_bytes()
    result = octsk_command(*words.format(image=image).split(), code=1)
    assert f"is the input {image}, which is never replaced" in result.stderr
    assert image.read_bytes() == before


def test_no_output_replaces_the_table_of_octdl(scans):
    table = scans / "OCTDL_labels.csv"
    rows = [f"{f.stem},{f.parent.name},{f.stem[2:-2]}" for f in scans.rglob("*.jpeg")]
    table.write_text("\n".join(["file_name,disease,patient_id", *rows]))
    words = ("import", scans, "--groups", "octdl", "--overwrite", "-o", table)
    assert f"is the input {table}" in octsk_command(*words, code=1).stderr


def test_options_of_tables_are_refused_for_folders(scans):
    words = ("import", scans, "--groups", "kermany", "-o", "o.npz", "--label", "diagnosis")
    assert "--label and --split require a CSV file" in octsk_command(*words, code=2).stderr


@pytest.mark.parametrize("of_table", [False, True])
def test_import_writes_one_file_with_all_that_is_known(scans, of_table):
    source = scans / "scans.csv" if of_table else scans
    options = [] if of_table else ["--groups", "kermany"]
    result = octsk_command("import", source, *options, "-o", "out/scans.npz", "--size", 32)
    assert "split by patient, 20% for testing and 10% for validation" in result.output
    dataset = octsk.load_medmnist("out/scans.npz")
    assert dataset.target_names == ["a", "b", "c", "d"]
    held = {name: set(dataset[name].groups) for name in ("train", "val", "test")}
    assert len(set.union(*held.values())) == sum(map(len, held.values())) == 20
    for part in (dataset.train, dataset.val, dataset.test):
        assert part.data.shape[1:] == (32, 32)
        for file, group, label in zip(
            part.filenames, part.groups, part.target, strict=True
        ):
            assert (scans / file).is_file()
            assert file.startswith(f"{'abcd'[label]}/{'abcd'[label]}-{group}-")
    for name in ("train", "val", "test"):
        assert str(len(dataset[name].data)) in result.stdout


def test_import_in_json_and_of_what_cannot_be_read(scans):
    words = ("import", scans, "--groups", "kermany", "-o", "scans.npz", "--json")
    document = json.loads(octsk_command(*words).stdout)
    assert document["classes"] == ["a", "b", "c", "d"]
    assert sum(part["images"] for part in document["splits"].values()) == 60
    assert sum(part["patients"] for part in document["splits"].values()) == 20
    assert "--overwrite" in octsk_command(*words, code=1).stderr
    (scans / "a" / "a-99-1.jpeg").write_bytes(b"broken")
    assert "a-99-1.jpeg" in octsk_command(*words, "--overwrite", code=1).stderr
    again = octsk_command(*words, "--overwrite", "--on-error", "skip")
    assert "1 of 61 images are left out" in again.stderr


def test_shares_and_seed_of_import(scans):
    words = ("import", scans, "--groups", "kermany", "--json", "--overwrite", "-o")
    options = ("--test", "0.5", "--val", "0", "--fit", "pad", "--color")
    document = json.loads(octsk_command(*words, "a.npz", *options, "--seed", 1).stdout)
    assert document["fit"] == "pad"
    assert "val" not in document["splits"]
    assert document["splits"]["test"]["images"] == pytest.approx(30, abs=6)
    assert octsk.load_medmnist("a.npz").train.data.shape[1:] == (28, 28, 3)
    octsk_command(*words, "b.npz", *options, "--seed", 2)
    test = [set(octsk.load_medmnist(f"{name}.npz").test.groups) for name in "ab"]
    assert test[0] != test[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["import", "scans", "-o", "s.npz"], "patients of its images, which must not be"),
        (["import", "nothing", "-o", "s.npz"], "nothing: No such file"),
        (["import", "scans/a/a-0-0.jpeg", "-o", "s.npz"], "it is a JPEG image"),
        (["import", "scans", "--groups", "x", "-o", "s.npz"], "a group named patient"),
        (["import", "scans/scans.csv", "--label", "x", "-o", "s.npz"], "no column 'x'"),
        (["check", "scans"], "has no splits to check"),
        (["train", "--data", "scans", "-o", "m"], "--groups: kermany, octdl"),
    ],
)
def test_what_cannot_be_imported(scans, words, message):
    file = scans / "a" / "a-0-0.jpeg"
    if not file.exists():
        Image.new("L", (9, 9)).save(file)
    result = octsk_command(*words, code=1)
    [line] = result.stderr.splitlines()
    assert message in line
    assert not (scans.parent / "s.npz").exists()


def test_files_alone_have_groups_and_a_fit(scans):
    octsk_command("import", scans, "--groups", "kermany", "-o", "scans.npz")
    for words in (["--data", "scans.npz", "--groups", "kermany"], ["--fit", "pad"]):
        result = octsk_command("train", *words, "-o", "m", code=2)
        assert "can only be used with a folder or a CSV file" in result.stderr


def leaky(scans, folder):
    """Write an npz file with the patients of the test split in training, too."""
    octsk_command("import", scans, "--groups", "kermany", "-o", "scans.npz")
    dataset = octsk.load_medmnist("scans.npz")
    for key in ("data", "target", "groups", "filenames"):
        dataset.train[key] = np.concatenate([dataset.train[key], dataset.test[key]])
    octsk.save_medmnist(dataset, "leak.npz")
    return dataset


def test_check_prints_what_it_finds(scans, folder):
    dataset = leaky(scans, folder)
    clean = octsk_command("check", "scans.npz", "--strict")
    assert "Nothing was found" in clean.output
    n, images = len(set(dataset.test.groups)), len(dataset.test.data)
    found = octsk_command("check", "leak.npz")
    assert f"train and test share {n} groups (patients)" in found.stdout
    assert f"{images} images of test are also in train" in found.stdout
    assert not found.stderr
    octsk_command("check", "leak.npz", "--strict", code=1)
    document = json.loads(octsk_command("check", "leak.npz", "--json").stdout)
    assert len(document["findings"]) == 2
    octsk_command("check", scans, "--groups", "kermany", "--near-duplicates")


def test_leaks_are_told_once_and_noted_with_the_figures(scans, folder):
    leaky(scans, folder)
    net = ("--epochs", 1, "--net", "small")
    result = octsk_command("benchmark", "--data", "leak.npz", *net, "-o", "run")
    assert result.stderr.count("warning") == 2
    assert result.stderr.count("of the same patients (groups) in several splits") == 1
    assert result.stderr.count("images of test are also in train") == 1
    noted = " ".join(result.stdout.split())
    assert "NOT INDEPENDENT: the test and the train split share images" in noted
    page = (folder / "run" / "report.html").read_text()
    assert "Checks of the data" in page
    assert "images of test are also in train" in page
    findings = json.loads((folder / "run" / "run.json").read_text())["training"]["findings"]
    assert len(findings) == 2
    trained = octsk_command("train", "--data", "leak.npz", *net, "-o", "m.octsk")
    assert trained.stderr.count("warning") == 2


@pytest.mark.parametrize(
    "words", [("train", "-o", "m"), ("benchmark", "-o", "r"), ("tune", "-o", "r")]
)
def test_strict_commands_refuse_leaks(scans, folder, words):
    leaky(scans, folder)
    result = octsk_command(*words, "--data", "leak.npz", "--strict", code=1)
    assert "(--strict) does not accept: train and test share" in result.stderr
    assert not (folder / "m").exists()
    assert not (folder / "r").exists()


def test_data_may_be_a_folder_or_a_table(scans, folder):
    options = ("--data", scans, "--groups", "kermany", "--epochs", 1, "--size", 28)
    result = octsk_command("train", *options, "-o", "default.octsk")
    assert "The residual net is trained, the default for your own data" in result.output
    assert isinstance(octsk.load("default.octsk"), octsk.ResidualOCTNet)
    octsk_command("train", *options, "--net", "small", "-o", "m.octsk")
    of_folder = octsk_command(
        "evaluate", "m.octsk", "--data", scans, "--groups", "kermany", "--json"
    )
    of_table = octsk_command("evaluate", "m.octsk", "--data", scans / "scans.csv", "--json")
    reports = [json.loads(one.stdout) for one in (of_folder, of_table)]
    assert reports[0]["metrics"] == pytest.approx(reports[1]["metrics"])
    assert 6 <= reports[0]["n_samples"] <= 20
    files = (min((scans / "a").iterdir()), "--json")
    shown = [
        json.loads(octsk_command("predict", "m.octsk", *files, "--fit", fit).stdout)
        for fit in ("crop", "pad")
    ]
    probabilities = [one["predictions"][0]["probabilities"] for one in shown]
    images = [octsk.load_image_files(files[0], fit=fit) for fit in ("crop", "pad")]
    net = octsk.load("m.octsk")
    expected = [net.predict_proba(image)[0].tolist() for image in images]
    assert probabilities == [pytest.approx(one, abs=1e-5) for one in expected]
    assert images[0].tolist() != images[1].tolist()
    (scans / "scans.csv").unlink()
    whole = octsk_command("evaluate", "m.octsk", "--data", scans, "--json")
    assert "all of its images are evaluated" in whole.stderr
    assert json.loads(whole.stdout)["n_samples"] == 60
    words = ("evaluate", "m.octsk", "--data", scans, "--split", "val")
    assert "patients of its images" in octsk_command(*words, code=1).stderr


def test_splits_of_a_folder_stay(folder):
    root = folder / "splits"
    for split in ("train", "test"):
        write_scans(root, 24, split=split)
    (root / "scans.csv").unlink()
    result = octsk_command("import", root, "-o", "s.npz", "--json")
    splits = json.loads(result.stdout)["splits"]
    assert {name: part["images"] for name, part in splits.items()} == dict(
        train=24, test=24
    )
    assert splits["train"]["patients"] is None


def test_a_folder_with_splits_is_trained_on(folder):
    for split in ("train", "test"):
        write_scans(folder / "splits", 24, split=split)
    (folder / "splits" / "scans.csv").unlink()
    words = ("splits", "--groups", r"-(?P<patient>\w+)-", "--net", "small", "--epochs", 1)
    result = octsk_command("benchmark", "--data", *words, "-o", "run")
    said = "Trained on 24 images of 8 patients, measured on 24 of 8 patients."
    assert said in " ".join(result.stdout.split())


def test_real_scans_come_back_through_the_commands(data_folder, folder):
    original = octsk.load_medmnist(data_folder / "octdl_dev.npz")
    root = folder / "octdl"
    for part in ("train", "val", "test"):
        scans = original[part]
        for i, image in enumerate(scans.data):
            label, who = scans.target[i], scans.groups[i]
            file = root / part / f"class{label}" / f"c{label}-{who}-{i:04}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        octsk_command("import", root, "--groups", "kermany", "-o", "octdl.npz")
    loaded = octsk.load_medmnist("octdl.npz")
    assert loaded.target_names == [f"class{i}" for i in range(4)]
    for part in ("train", "val", "test"):
        rows = np.argsort(
            [
                f"{label} {name}"
                for label, name in zip(
                    original[part].target,
                    [f"{who}-{i:04}" for i, who in enumerate(original[part].groups)],
                    strict=True,
                )
            ]
        )
        np.testing.assert_array_equal(loaded[part].data, original[part].data[rows])
        np.testing.assert_array_equal(loaded[part].target, original[part].target[rows])
        np.testing.assert_array_equal(
            loaded[part].groups, original[part].groups[rows].astype(str)
        )


def test_the_commands_of_the_page_do_what_its_python_does(folder):
    run(PAGE)
    [block] = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    lines = [shlex.split(line) for line in block.splitlines()]
    assert [line[1] for line in lines] == ["import", "check", "train", "evaluate"]
    (folder / "scans.octsk").unlink()
    for _, command, *words in lines:
        octsk_command(command, *words, *(["--epochs", 1] if command == "train" else []))
    assert (folder / "report" / "report.json").is_file()


def test_info_shows_and_clears_the_decoded_images(scans, folder, monkeypatch):
    from octsk.cli import info

    monkeypatch.setattr(info, "start_tensorflow", lambda: None)
    home = folder / "home"
    octsk.load_image_folder(scans, cache=True, size=64, data_home=home)
    kept = octsk_command("info", "--data-home", home).stdout
    assert re.search(r"^decoded images +0\.2 MB$", kept, re.M)
    cleared = octsk_command("info", "--data-home", home, "--clear-cache").stdout
    assert re.search(r"^decoded images +0\.0 MB \(0\.2 MB were removed\)$", cleared, re.M)
    assert not (home / "image_cache").exists()
