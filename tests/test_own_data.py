"""A user's own images in the commands: octsk import, octsk check and --data."""

import csv
import html
import io
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


@pytest.mark.parametrize("command", ["train", "tune", "benchmark", "check", "import"])
def test_a_table_in_another_encoding_is_refused_before_training(scans, command):
    table = scans / "scans.csv"
    table.write_bytes(table.read_bytes().replace(b",a,", b",dr\xfcse,"))
    words = ["--data", table] if command in ("train", "tune", "benchmark") else [table]
    if command in ("train", "import"):
        words += ["-o", "m.octsk"]
    result = octsk_command(command, *words, code=1)
    error = " ".join(result.stderr.split())
    assert "column 'label' contains dr\\udcfcse" in error
    assert "save it in UTF-8" in error
    assert not Path("m.octsk").exists()


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
        (["import", "scans", "-o", "s.npz"], "patients of its images are not"),
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
    assert "No problems were found" in clean.output
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
    assert (
        "The residual net is trained, which is the default for your own data"
        in result.output
    )
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
    said = "Trained on 24 images of 8 patients, measured on 24 images of 8 patients."
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


def predicted(*words):
    return list(csv.DictReader(io.StringIO(octsk_command("predict", *words).stdout)))


@pytest.fixture
def model(scans):
    options = ("--net", "small", "--epochs", 1, "--no-gate")
    octsk_command("train", "--data", scans / "scans.csv", *options, "-o", "m.octsk")
    return "m.octsk"


def test_predict_rows_of_scans_and_patients(scans, model):
    """A folder of classes and a CSV file name the patients, a folder by --groups."""
    kermany = ("--groups", "kermany")
    rows = predicted(model, scans, *kermany)
    assert list(rows[0])[:4] == ["image", "patient", "label", "class"]
    files = sorted(scans.rglob("*.jpeg"))
    assert [row["image"] for row in rows] == list(map(str, files))
    assert [row["patient"] for row in rows] == [file.name.split("-")[1] for file in files]
    of_table = predicted(model, scans / "scans.csv")
    assert sorted(row["image"] for row in of_table) == list(map(str, files))
    assert all(row["true"] == Path(row["image"]).parent.name for row in of_table)

    net = octsk.load(model)
    proba = net.predict_proba(octsk.load_image_files(files))
    patients = np.array([row["patient"] for row in rows])
    by_patient = predicted(model, scans, *kermany, "--level", "patient")
    assert len(by_patient) == len({*patients}) == 20
    highest = predicted(
        *(model, scans, *kermany, "--level", "patient", "--aggregate", "max")
    )
    for row, other in zip(by_patient, highest, strict=True):
        own = proba[patients == row["patient"]]
        found, of_max = ([float(one[f"p_{k}"]) for k in "abcd"] for one in (row, other))
        assert row["scans"] == str(len(own)) == "3"
        np.testing.assert_allclose(found, own.mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(of_max, own.max(axis=0) / own.max(axis=0).sum(), 1e-4)
        assert row["class"] == "abcd"[int(own.mean(axis=0).argmax())]


def test_predict_takes_what_an_npz_file_knows(scans, model, folder):
    octsk_command("import", scans, "--groups", "kermany", "-o", "scans.npz")
    test = octsk.load_medmnist("scans.npz").test
    rows = predicted(model, "scans.npz")
    assert [row["image"] for row in rows] == test.filenames.tolist()
    assert [row["patient"] for row in rows] == test.groups.tolist()
    assert [row["true"] for row in rows] == ["abcd"[label] for label in test.target]
    by_patient = predicted(model, "scans.npz", "--level", "patient")
    assert [row["patient"] for row in by_patient] == list(dict.fromkeys(test.groups))


def test_predict_compares_the_names_of_classes(scans, model, folder):
    octsk_command("import", scans, "--groups", "kermany", "-o", "scans.npz")
    dataset = octsk.load_medmnist("scans.npz")
    # The same classes in another order: the true class is told by its name.
    dataset.target_names = ["d", "c", "b", "a"]
    for part in (dataset.train, dataset.val, dataset.test):
        part.target = 3 - part.target
    octsk.save_medmnist(dataset, "turned.npz")
    result = octsk_command("predict", model, "turned.npz")
    assert "warning" not in result.stderr
    assert predicted(model, "turned.npz") == predicted(model, "scans.npz")
    dataset.target_names = ["w", "x", "y", "z"]
    octsk.save_medmnist(dataset, "others.npz")
    result = octsk_command("predict", model, "others.npz")
    assert "have the classes w, x, y, z, but the net has a, b, c, d" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scans", "--level", "patient"], "--level patient requires the patient of each"),
        (["scans", "--groups", r"(?P<patient>x)-"], "groups finds no patient for 60 of 60"),
        (["scans.npz", "--groups", "kermany"], "--groups is for image files and CSV files"),
        (["scans/nofile.csv"], "has no column 'file'"),
    ],
)
def test_predict_without_patients(scans, model, words, message):
    octsk_command("import", scans, "--groups", "kermany", "-o", "scans.npz")
    (scans / "nofile.csv").write_text("path\na.png\n")
    [line] = octsk_command("predict", model, *words, code=1).stderr.splitlines()
    assert message in line


def test_gate_is_saved_and_applied(scans, folder):
    options = ("--net", "small", "--epochs", 1, "--groups", "kermany")
    words = ("train", "--data", scans, *options)
    result = octsk_command(*words, "-o", "none.octsk")
    assert "it requires a val split of 20 images or more" in result.output
    assert octsk.load("none.octsk").gate_ is None
    more = write_scans(folder / "more", 240)
    words = ("train", "--data", more, *options)
    octsk_command(*words, "-o", "m.octsk")
    octsk_command(*words, "--no-gate", "-o", "without.octsk")
    assert octsk.load("without.octsk").gate_ is None
    files = sorted(more.rglob("*.jpeg"))[:9]
    (folder / "odd").mkdir()
    for file in files:
        image = np.asarray(Image.open(file))
        Image.fromarray(255 - image).save(folder / "odd" / f"a-odd-{file.name}")
    result = octsk_command("predict", "m.octsk", *files, *sorted(Path("odd").iterdir()))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0])[:3] == ["image", "unfamiliar", "label"]
    images = octsk.load_image_files([row["image"] for row in rows])
    refused = octsk.load("m.octsk").gate_.predict(images) < 0
    assert [row["unfamiliar"] == "yes" for row in rows] == refused.tolist()
    assert refused[9:].all()
    assert refused[:9].sum() < 5
    assert f"UNFAMILIAR IMAGES: {refused.sum()} of 18 images" in result.stderr
    by_patient = predicted(
        "m.octsk", "odd", "--groups", "-(?P<patient>odd)-", "--level", "patient"
    )
    assert [row["unfamiliar"] for row in by_patient] == ["9"]
    document = json.loads(octsk_command("predict", "m.octsk", "odd", "--json").stdout)
    assert document["n_unfamiliar"] == 9
    assert document["predictions"][0]["unfamiliar"] is True
    plain = predicted("without.octsk", *files)
    assert "unfamiliar" not in plain[0]

    source = ("--data", more, "--groups", "kermany")
    octsk_command("evaluate", "m.octsk", *source, "-o", "report")
    report = json.loads((folder / "report" / "report.json").read_text())
    n = report["n_unfamiliar"]
    assert n == sum(report["unfamiliar"])
    assert f"{n} of {report['n_samples']} images" in report["remarks"][-1]
    assert report["remarks"][-1] in html.unescape(
        (folder / "report" / "report.html").read_text()
    )
    with open(folder / "report" / "scores.csv", newline="") as file:
        marks = [row["unfamiliar"] == "yes" for row in csv.DictReader(file)]
    assert marks == report["unfamiliar"]


def test_evaluate_notes_images_that_are_also_in_training(scans, model, folder):
    leaky(scans, folder)
    result = octsk_command("evaluate", model, "--data", "leak.npz", "-o", "report")
    noted = " ".join(result.stdout.split())
    assert "NOT INDEPENDENT: the test and the train split share images" in noted
    assert "of the patients in the test split have images in the train split" in noted
    page = " ".join((folder / "report" / "report.html").read_text().split())
    assert "the test and the train split share images" in page
    leak = octsk.load_medmnist("leak.npz")
    report = octsk.evaluate(
        octsk.load(model), leak.test.data, leak.test.target, dataset=leak
    )
    assert report.data["shared_images"] == {"train": len(leak.test.data)}


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
