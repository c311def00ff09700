"""Datasets of image files, made here in small: found, whole, labelled, and loaded as a trial needs them."""

import dataclasses

import pytest
import torch

from runners import data
from runners.datasets import DATASETS, Folders, imagenet, imagenette, tiny_imagenet
from tests.runners.pictures import assert_one_line, numbers, paint

WNIDS = ("n01440764", "n02102040", "n02979186")
PER_CLASS, TESTS_PER_CLASS = 10, 2
LAYOUTS = {
    "imagenet": (imagenet, "IMAGENET"),
    "imagenette": (imagenette, "IMAGENETTE"),
    "tiny_imagenet": (tiny_imagenet, "TINY"),
}
EVERY = pytest.mark.parametrize("name", LAYOUTS)
FOLDERS = pytest.mark.parametrize("name", ["imagenet", "imagenette"])


def layout_of(name):
    return getattr(*LAYOUTS[name])


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The folder of the data, empty, where layouts have three classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KLEVEL_DATA", str(tmp_path / "kept"))
    monkeypatch.delenv("KLEVEL_WORKERS", raising=False)
    small = {"classes": 3, "train_images": 3 * PER_CLASS, "test_images": 3 * TESTS_PER_CLASS}
    for name, (module, constant) in LAYOUTS.items():
        monkeypatch.setattr(module, constant, dataclasses.replace(layout_of(name), **small))
    data._source_dataset.cache_clear()
    yield tmp_path / "kept"
    data._source_dataset.cache_clear()


def put(root, name, folder=None):
    """Write a dataset as it is published: image i of class c has number 30 c + i, or 30 c + 20 + i for testing."""
    folder, tiny = root / (folder or layout_of(name).folders[0]), name == "tiny_imagenet"
    annotations = []
    for label, wnid in enumerate(WNIDS):
        for i in range(PER_CLASS):
            inside = folder / "train" / wnid / ("images" if tiny else "")
            paint(inside / f"{wnid}_{i}.JPEG", 30 * label + i, (64, 64) if tiny else (48 + i, 40))
        for i in range(TESTS_PER_CLASS):
            file = f"val_{9 - 3 * i - label}.JPEG"  # in tiny_imagenet, classes are mixed up
            inside = folder / "val" / ("images" if tiny else wnid)
            paint(inside / file, 30 * label + 20 + i, (64, 64) if tiny else (40, 48))
            annotations.append(f"{file}\t{wnid}\t0\t32\t44\t62\n")
    if tiny:
        (folder / "val" / "val_annotations.txt").write_text("".join(sorted(annotations)))
    return folder


@FOLDERS
@pytest.mark.parametrize("place", ["kept", "data"])
def test_folders_are_read_in_the_order_of_their_classes(kept, name, place):
    folder = put(kept.parent / place, name)
    (folder / "train" / WNIDS[0] / "._x.JPEG").write_text("what other systems leave")
    (folder / "train" / "notes.txt").write_text("no class")
    published = DATASETS[name]()
    assert isinstance(published, Folders)
    assert (published.classes, published.size, published.fault()) == (3, 224, None)
    assert published.train_labels == [0] * 10 + [1] * 10 + [2] * 10
    assert published.test_labels == [0, 0, 1, 1, 2, 2]
    assert [file.split("/")[-2:] for file in published.train_files[::10]] == [[w, f"{w}_0.JPEG"] for w in WNIDS]
    assert published.test_files == sorted(published.test_files)


def test_imagenette_is_taken_in_the_best_of_its_resolutions(kept):
    for folder in ("imagenette2-160", "imagenette2", "imagenette2-320"):
        put(kept, "imagenette", folder)
        assert f"/{folder}/" in DATASETS["imagenette"]().train_files[0]


@EVERY
def test_a_dataset_without_one_of_its_folders_is_not_there(kept, name):
    (kept / layout_of(name).folders[0] / "train").mkdir(parents=True)
    assert_one_line(DATASETS[name], f"{name} is not there: get {layout_of(name).source}", "KLEVEL_DATA=DIR", str(kept))


@EVERY
def test_a_dataset_that_is_not_whole_gives_one_line(kept, name):
    train, source = put(kept, name) / "train", layout_of(name).source
    next((train / WNIDS[1]).rglob("*.JPEG")).unlink()
    assert_one_line(DATASETS[name], f"{train}: 29 images, must be 30; unpack it again from {source}")
    (train / "n09999999").mkdir()
    assert_one_line(DATASETS[name], f"{train}: 4 folders of classes, must be 3; unpack it again from {source}")


@FOLDERS
def test_classes_are_the_same_in_training_and_test(kept, name):
    folder = put(kept, name)
    (folder / "val" / WNIDS[2]).rename(folder / "val" / "n09999999")
    assert_one_line(DATASETS[name], f"{folder}: train and val differ in their classes")


def test_a_test_set_that_nobody_sorted_into_classes_gives_one_line(kept):
    val = put(kept, "imagenet") / "val"
    for wnid in WNIDS:
        (val / wnid).rename(kept / wnid)
    paint(val / "ILSVRC2012_val_00000001.JPEG", 0)
    assert_one_line(DATASETS["imagenet"], f"{val}: 0 folders of classes, must be 3", "sorted into train/WNID and val/")


def test_tiny_imagenet_is_one_tensor_with_the_labels_of_its_annotations(kept):
    put(kept, "tiny_imagenet")
    published = DATASETS["tiny_imagenet"]()
    assert published.fault() is None
    assert (published.train_images.shape, published.test_images.shape) == ((30, 3, 64, 64), (6, 3, 64, 64))
    assert numbers(published.train_images) == [30 * c + i for c in range(3) for i in range(10)]
    assert published.train_labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert [n // 30 for n in numbers(published.test_images)] == published.test_labels.tolist()
    assert published.test_labels.tolist() == [2, 1, 0, 2, 1, 0]


def test_tiny_imagenet_is_decoded_once(kept):
    folder = put(kept, "tiny_imagenet")
    first = DATASETS["tiny_imagenet"]()
    for file in folder.rglob("*.JPEG"):
        file.write_bytes(b"")
    second = DATASETS["tiny_imagenet"]()
    for name, value in vars(first).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(vars(second)[name]))
    assert [p.name for p in folder.iterdir() if p.is_file()] == ["klevel.pt"]
    (folder / "klevel.pt").write_bytes(b"half of it")
    assert_one_line(DATASETS["tiny_imagenet"], f"{folder / 'klevel.pt'}: not readable, delete it")


def test_tiny_imagenet_needs_no_place_to_write(kept, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("disk full")

    folder = put(kept, "tiny_imagenet")
    monkeypatch.setattr(torch, "save", refuse)
    assert len(DATASETS["tiny_imagenet"]().train_images) == 30
    assert not (folder / "klevel.pt").exists()


def test_bad_files_of_tiny_imagenet_are_named(kept):
    folder = put(kept, "tiny_imagenet")
    file = folder / "val" / "images" / "val_9.JPEG"
    paint(file, 1, (64, 32))
    assert_one_line(DATASETS["tiny_imagenet"], f"{file}: 64x32 pixels, must be 64x64")
    file.write_bytes(b"")
    assert_one_line(DATASETS["tiny_imagenet"], f"{file}: not a readable image")
    annotations = folder / "val" / "val_annotations.txt"
    for text in ("val_9.JPEG\tn09999999\n", "val_9.JPEG\n", "é"):
        annotations.write_text(text)
        assert_one_line(DATASETS["tiny_imagenet"], f"{annotations}: not readable, unpack it again")
    assert not (folder / "klevel.pt").exists()


@FOLDERS
def test_a_trial_sees_folders_as_it_sees_tensors(kept, name):
    put(kept, name)
    loaded = data.load(name, train_images=20, size=32)
    assert [len(s) for s in (loaded.train, loaded.val, loaded.test)] == [20, 3, 6]
    assert sorted(loaded.train.labels.bincount().tolist()) == [6, 7, 7]
    assert (loaded.channels, loaded.size, loaded.classes, loaded.device.type) == (3, 32, 3, "cpu")
    assert loaded.example(2).shape == (2, 3, 32, 32)
    assert [(x.shape, x.dtype, y.tolist()) for x, y in loaded.batches(loaded.test, 4)] == [
        ((4, 3, 32, 32), torch.float32, [0, 0, 1, 1]),
        ((2, 3, 32, 32), torch.float32, [2, 2]),
    ]
    assert data.load(name).size == 224, "its own resolution where the architecture asks for none"


@pytest.mark.parametrize("normalisation", ["dataset", "imagenet"])
def test_folders_are_normalised_by_the_moments_of_imagenet(kept, normalisation):
    put(kept, "imagenette")
    loaded = data.load("imagenette", size=16, normalisation=normalisation)
    for found, expected in ((loaded.mean, data.IMAGENET[0]), (loaded.std, data.IMAGENET[1])):
        assert torch.allclose(found.flatten() / 255, torch.tensor(expected))
    assert torch.allclose(loaded.example(2), (loaded.val.head(2).float() - loaded.mean) / loaded.std)


def test_the_validation_split_is_fixed_and_apart_from_training(kept):
    put(kept, "imagenet")
    first, second = data.load("imagenet"), data.load("imagenet", 20)
    assert first.val.files == second.val.files
    assert set(second.train.files) < set(first.train.files)
    assert sorted([*first.train.files, *first.val.files]) == DATASETS["imagenet"]().train_files
    assert first.val.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"train_labels": [0]}, "30 files have 1 labels"),
        ({"classes": 2}, "labels are in 0..2, must be in 0..1"),
        ({"test_files": [], "test_labels": []}, "a split has no images"),
    ],
)
def test_files_and_labels_that_do_not_fit_give_one_line(kept, monkeypatch, changes, fault):
    put(kept, "imagenette")
    wrong = dataclasses.replace(DATASETS["imagenette"](), **changes)
    monkeypatch.setitem(DATASETS._entries, "wrong", lambda: wrong)
    assert_one_line(lambda: data.load("wrong"), f"dataset wrong: {fault}")
