"""Several folders as one, and rows that contradict themselves."""

import string

import pytest

from analysis.load import load
from results.errors import InputError

EPOCHS = ["trial", "phase", "epoch", "val_top1"]


@pytest.fixture
def put(tmp_path, make):
    """Return a function that writes rows of trials, and of epochs, into a folder of this name."""

    def of(name, rows, epochs=(), **options):
        folder = make.write(tmp_path / name, rows, **options)
        return make.write(folder, epochs, columns=EPOCHS, name="epochs.csv") if epochs else folder

    return of


def test_folders_are_read_together_with_their_epochs(put, make):
    a = put("a", [make.trial(seed=0, trial="x")], [{"trial": "x", "epoch": 1, "val_top1": 0.1}])
    b = put("b", [make.trial(seed=1, trial="y")], [{"trial": "y", "epoch": 1, "val_top1": 0.2}])
    c = put("c", [make.trial(seed=2, trial="z")])
    results = load(a, b, c)
    assert results.folders == (a, b, c)
    assert sorted(results.trials["trial"]) == ["x", "y", "z"]
    assert dict(zip(results.frame("epochs")["trial"], results.frame("epochs")["val_top1"], strict=True)) == {
        "x": 0.1,
        "y": 0.2,
    }
    assert not results.notes
    (setting,) = results.settings()
    assert len(setting.trials) == 3


def test_a_trial_in_two_folders_counts_once_from_the_first_that_has_it_done(put, make):
    failed = make.trial(trial="x", status="failed", reason="out of memory", test_top1="")
    a = put("a", [failed, make.trial(trial="y", test_top1=0.5)], [{"trial": "x", "epoch": 1, "val_top1": 0.1}])
    b = put(
        "b",
        [make.trial(trial="x", test_top1=0.7), make.trial(trial="y", test_top1=0.6)],
        [{"trial": "x", "epoch": 1, "val_top1": 0.9}, {"trial": "y", "epoch": 1, "val_top1": 0.8}],
    )
    results = load(a, b)
    assert dict(zip(results.trials["trial"], results.trials["test_top1"], strict=True)) == {"x": 0.7, "y": 0.5}
    assert list(results.frame("epochs")["val_top1"]) == [0.9], "and its epochs from there too"
    assert results.notes == ("2 trials stand in several of the folders; each counts once",)


def test_the_same_folder_twice_is_one(put, make):
    a = put("a", [make.trial(trial="x")])
    results = load(a, a)
    assert (results.folders, len(results.trials), results.notes) == ((a,), 1, ())


def test_one_bad_folder_of_several_is_named(put, make, tmp_path):
    with pytest.raises(InputError, match=r"nowhere is not a folder"):
        load(put("a", [make.trial()]), tmp_path / "nowhere")


def test_folders_of_different_columns_are_read_together(put, make):
    a = put("a", [make.trial(trial="x", compression=2)])
    columns = [c for c in make.COLUMNS if c not in ("compression", "device")]
    b = put("b", [make.trial(trial="y")], columns=columns)
    trials = load(a, b).trials.set_index("trial")
    assert trials["compression"]["x"] == 2
    assert trials["compression"].isna()["y"]
    assert trials["device"]["y"] is None
    assert load(a, b).lacks(("compression",)) is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"dense_params": 1000, "params": 250, "compression": 4}, None),
        ({"dense_params": 1000, "params": 250, "compression": 4.03}, None),
        ({"dense_params": 1000, "params": 250, "compression": 5}, "compression: 5, but dense_params / params is 4"),
        ({"dense_macs": 900, "macs": 300, "mac_speedup": 2}, "mac_speedup: 2, but dense_macs / macs is 3"),
        ({"dense_macs": 900, "macs": 0, "mac_speedup": 2}, None),
        ({"dense_params": "", "params": 250, "compression": 5}, None),
        ({"groups": "[20, 50]", "groups_kept": "[5, 30]", "group_sparsity": 0.5}, None),
        ({"groups": "[20, 50]", "groups_kept": "[10, 30]", "group_sparsity": 0.5}, "1 - groups_kept / groups is 0.42"),
        ({"groups": "[]", "groups_kept": "[]", "group_sparsity": 0.5}, None),
    ],
)
def test_numbers_of_a_row_that_contradict_each_other(put, make, cells, expected):
    folder = put("a", [make.trial(seed=0), make.trial(seed=1, **cells)])
    if expected is None:
        assert len(load(folder).trials) == 2
        return
    with pytest.raises(InputError) as error:
        load(folder)
    assert "row 2, " in str(error.value)
    assert expected in str(error.value)
    assert "changed by hand" in str(error.value)


def test_names_of_files_stay_distinct_and_short(folder, make):
    names = ["nets:small", "nets/small", "nets.small", "nets-small", "Nets-small", "n" * 230, "n" * 229 + "m"]
    names.append("网" * 80)
    found = load(folder([make.trial(architecture=name, trial=str(i)) for i, name in enumerate(names)]))
    slugs = [setting.slug for setting in found.settings()]
    assert len({slug.lower() for slug in slugs}) == len(names)
    assert all(len(slug) < 100 for slug in slugs)
    assert "nets-small.digits" in slugs, "a plain name is itself"
    assert all(set(slug) <= set(f"{string.ascii_letters}{string.digits}._+-") for slug in slugs)
