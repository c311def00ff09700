import json

import pytest

from analysis.importing import bring_in
from results.errors import InputError
from results.reading import read

TOOL = "torch-pruning"


@pytest.fixture
def rows(tmp_path, log, cells):
    """Return a function that imports texts as logs and returns the rows of trials.csv."""

    def read(*texts):
        bring_in(TOOL, [log(text, f"{i}.txt") for i, text in enumerate(texts)], tmp_path / "out")
        return cells(tmp_path / "out")

    return read


def test_every_cell_of_a_run(torch_pruning, rows):
    (row,) = rows(torch_pruning.text(torch_pruning.run()))
    assert len(row.pop("trial")) == 12
    assert json.loads(row.pop("hyperparameters")) == {"lr": 0.01, "max_sparsity": 1.0, "reg": 0.0005, "sl_lr": 0.02}
    numbers = {name: float(row.pop(name)) for name in ("compression", "mac_speedup")}
    assert numbers == pytest.approx({"compression": 100 / 40.32, "mac_speedup": 100 / 33.09}, rel=1e-12)
    assert row == {
        "protocol": "0",
        "suite": "torch-pruning",
        "status": "done",
        "method": "torch_pruning:group_sl",
        "architecture": "resnet56",
        "dataset": "cifar10",
        "grouping": "coupled",
        "scope": "network",
        "keep": "0.4",
        "seed": "0",
        "dense_epochs": "0",
        "sparsify_epochs": "2",
        "finetune_epochs": "3",
        "dense_test_top1": "0.9312",
        "test_top1": "0.9275",
        "dense_params": "810000",
        "params": "326592",  # 40.32 % of 810,000
        "dense_macs": "40800000",
        "macs": "13500720",  # 33.09 % of 40,800,000
        "device": "cuda",
        "start": "dense",
        "realisation": "compact",
    }


def test_the_epochs(tmp_path, torch_pruning, rows, cells):
    (row,) = rows(torch_pruning.text(torch_pruning.run()))
    trial = row["trial"]
    assert cells(tmp_path / "out", "epochs.csv") == [
        {"trial": trial, "phase": "sparsify", "epoch": "1", "lr": "0.02"},
        {"trial": trial, "phase": "sparsify", "epoch": "2", "lr": "0.002"},
        {"trial": trial, "phase": "finetune", "epoch": "1", "lr": "0.01"},
        {"trial": trial, "phase": "finetune", "epoch": "2", "lr": "0.001"},
        {"trial": trial, "phase": "finetune", "epoch": "3", "lr": "0.0001"},
    ]


def test_the_losses_of_batches_are_averaged(tmp_path, torch_pruning, rows, cells):
    batches = [f"Epoch 1/3, iter {i}0/391, loss={loss}, lr=0.0010" for i, loss in enumerate(("2.5000", "1.5000"))]
    rows(torch_pruning.text(torch_pruning.run(torch_pruning.pruned, [*torch_pruning.tuned[:2], *batches])))
    rows(torch_pruning.text(torch_pruning.run(torch_pruning.pruned, batches, torch_pruning.tuned, verbose="True")))
    assert [row.get("train_loss") for row in cells(tmp_path / "out", "epochs.csv")] == [None, "2.0", None]


def test_what_is_said(tmp_path, torch_pruning, log):
    path = log(torch_pruning.text(torch_pruning.run(), torch_pruning.run(torch_pruning.start)))
    lines = bring_in(TOOL, [path], tmp_path / "out")
    assert lines[0].startswith("keep of imported trials is 1 / the speed-up")
    assert lines[1:] == [
        "2 of 2 runs say no seed: numbered 0, 1, 2, ... in the order given, for each configuration",
        "Torch-Pruning prunes the regularised network of the epoch that was best on the test set",
        f"{path}, line 1: last epoch, 0.9275; the best of all epochs on the test set: 0.9300",
        # 23 settings, 1 + 5 + 6 + 5 messages, and that of the network goes over 4 lines
        f"{path}, line 44: failed: cut before it was pruned",
        f"written: {tmp_path / 'out' / 'epochs.csv'}: 5 epochs",
        f"written: {tmp_path / 'out' / 'trials.csv'}: 2 trials, 1 of them failed",
    ]


def test_the_folder_can_be_analysed(tmp_path, torch_pruning, rows):
    rows(torch_pruning.text(torch_pruning.run()), torch_pruning.text(torch_pruning.run(torch_pruning.start)))
    trials = read(tmp_path / "out")
    assert list(trials["protocol"]) == [0, 0]
    assert sorted(trials["status"]) == ["done", "failed"]
    assert len(read(tmp_path / "out", "epochs")) == 5


def test_an_older_version(torch_pruning, rows):
    """It had no number of epochs of its own for the regularising, called it differently, and said MACs."""
    learned = ["regularizing...", *torch_pruning.learned[1:4]]
    pruned = [line.replace("FLOPs", "MACs") for line in torch_pruning.pruned[1:]]
    run = torch_pruning.run(learned, pruned, torch_pruning.tuned[1:], sl_total_epochs=None, sl_lr=None)
    (row,) = rows(torch_pruning.text(run))
    assert (row["status"], row["sparsify_epochs"], row["macs"], row["test_top1"]) == (
        "done",
        "3",
        "13500720",
        "0.9275",
    )


def test_a_method_that_does_not_regularise(torch_pruning, rows):
    run = torch_pruning.run(torch_pruning.pruned, torch_pruning.tuned, method="l1", global_pruning="False")
    (row,) = rows(torch_pruning.text(run))
    assert (row["method"], row["scope"], row["sparsify_epochs"]) == ("torch_pruning:l1", "layer", "0")
    assert json.loads(row["hyperparameters"]) == {"lr": 0.01, "max_sparsity": 1.0}


def test_a_network_that_was_regularised_before(torch_pruning, rows):
    run = torch_pruning.run(torch_pruning.learned[-1:], torch_pruning.pruned, torch_pruning.tuned, sl_restore="True")
    assert rows(torch_pruning.text(run))[0]["sparsify_epochs"] == "2"


def test_no_fine_tuning(torch_pruning, rows):
    run = torch_pruning.run(torch_pruning.pruned, ["Finetuning...", "Best Acc=-1.0000"], total_epochs="0")
    (row,) = rows(torch_pruning.text(run))
    assert (row["status"], row["test_top1"], row["finetune_epochs"]) == ("done", "0.1234", "0")


@pytest.mark.parametrize(
    ("params", "ratio", "dense", "left"),
    [
        ("138.36 M => 2.35 M (1.70%)", 138.36 / 2.35, 138360000, 2350000),  # 1.70 could be 1.695, or 1.705
        ("0.86 M => 0.86 M (100.00%)", 1, 860000, 860000),
        ("0.01 M => 0.00 M (0.05%)", 2000, 10000, 5),
        ("0.00 M => 0.00 M (25.00%)", 4, None, None),  # LeNet-300 and the like: below 5,000
    ],
)
def test_the_ratio_is_as_exact_as_the_log(torch_pruning, rows, params, ratio, dense, left):
    pruned = [*torch_pruning.pruned[:2], f"Params: {params}", *torch_pruning.pruned[3:]]
    (row,) = rows(torch_pruning.text(torch_pruning.run(pruned, torch_pruning.tuned)))
    assert float(row["compression"]) == pytest.approx(ratio, rel=1e-12)
    assert [row.get(name) for name in ("dense_params", "params")] == [dense and str(dense), left and str(left)]


@pytest.mark.parametrize(
    ("flops", "speedup", "macs"),
    [
        ("40.00 M => 2.00 M (5.01%, 19.97X )", 19.97, 2003005),  # of numbers above 10 the factor says more
        ("4089.18 M => 1000.00 M (24.45%, 4.09X )", 4.08918, 1000000000),
    ],
)
def test_the_speedup_is_as_exact_as_the_log(torch_pruning, rows, flops, speedup, macs):
    pruned = [line if "FLOPs" not in line else f"FLOPs: {flops}" for line in torch_pruning.pruned]
    (row,) = rows(torch_pruning.text(torch_pruning.run(pruned, torch_pruning.tuned)))
    assert (float(row["mac_speedup"]), int(row["macs"])) == (pytest.approx(speedup, rel=1e-12), macs)


def test_a_console_with_colours_and_other_line_ends(torch_pruning, log, tmp_path, cells):
    run = torch_pruning.run()
    bring_in(TOOL, [log(torch_pruning.text(run))], tmp_path / "file")
    console = "".join(f"\x1b[32m[01/03 18:46:45 cifar10-x]: \x1b[0m{line}\n".replace("\n", "\r\n") for line in run)
    bring_in(TOOL, [log(console, "console.txt")], tmp_path / "console")
    for name in ("trials.csv", "epochs.csv"):
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "console" / name).read_bytes()


def test_runs_of_a_file_and_of_several_are_numbered_alike(torch_pruning, rows):
    best = ["Finetuning...", *(f"Epoch {i}/3, Acc=0.95, Val Loss=0.2, lr=0.01" for i in range(3))]
    first, second = torch_pruning.run(), torch_pruning.run(torch_pruning.pruned, best, output_dir="elsewhere")
    together = rows(torch_pruning.text(first, second))
    assert sorted((row["seed"], row["test_top1"]) for row in together) == [("0", "0.9275"), ("1", "0.95")]
    assert rows(torch_pruning.text(first), torch_pruning.text(second)) == together
    assert len({row["trial"] for row in together}) == 2


def test_configurations_are_numbered_apart(torch_pruning, rows):
    runs = [torch_pruning.run(speed_up=speed) for speed in ("2.0", "3.0", "2.0")]
    found = rows(torch_pruning.text(*runs))
    assert sorted(row["seed"] for row in found) == ["0", "0", "1"]
    assert len({row["trial"] for row in found}) == 3


def test_known_seeds_stay_and_are_not_given_away(torch_pruning, rows):
    runs = [torch_pruning.run(seed=seed) for seed in ("None", "0", "7", "7", "None")]
    found = rows(torch_pruning.text(*runs))
    assert sorted(row["seed"] for row in found) == ["0", "1", "2", "7", "7"]
    assert len({row["trial"] for row in found}) == 5


def test_a_log_that_is_given_twice_counts_once(torch_pruning, log, tmp_path, cells):
    path = log(torch_pruning.text(torch_pruning.run()))
    bring_in(TOOL, [path, path.parent / "." / path.name], tmp_path / "out")
    assert len(cells(tmp_path / "out")) == 1


@pytest.mark.parametrize(
    ("length", "reason", "dense"),
    [
        (23, "cut before it was pruned", None),  # settings alone
        (25, "cut after 0 of 2 epochs of regularising", None),
        (26, "cut after 1 of 2 epochs of regularising", None),
        (30, "cut before it was pruned", None),
        (32, "cut before the pruned network was evaluated", None),
        (34, "cut after 0 of 3 epochs of fine-tuning", "0.9312"),
        (38, "cut after 2 of 3 epochs of fine-tuning", "0.9312"),
    ],
)
def test_a_run_that_was_cut_is_a_failed_trial(torch_pruning, rows, length, reason, dense):
    found = rows(torch_pruning.text(torch_pruning.run()[:length]), torch_pruning.text(torch_pruning.run(seed="5")))
    (failed,) = (row for row in found if row["status"] == "failed")
    assert (failed["reason"], failed["keep"], failed.get("dense_test_top1")) == (reason, "0.4", dense)
    assert "test_top1" not in failed


def test_a_last_line_that_was_cut(torch_pruning, rows):
    text = torch_pruning.text(torch_pruning.run()[:38])
    assert rows(text[: text.rindex("Acc=") + 4])[0]["reason"] == "cut after 1 of 3 epochs of fine-tuning"


def test_other_modes_in_the_same_file_are_left_out(torch_pruning, log, tmp_path, cells):
    other = ["mode: pretrain", "total_epochs: many", "Epoch 0/200, Acc=0.5, Val Loss=1.0, lr=0.1", "Params: 0.86 M"]
    path = log(torch_pruning.text(other, torch_pruning.run()))
    assert f"{path}, line 1: mode 'pretrain' holds no pruning; left out" in bring_in(TOOL, [path], tmp_path / "out")
    assert len(cells(tmp_path / "out")) == 1


def complaint(paths, output):
    with pytest.raises(InputError) as caught:
        bring_in(TOOL, paths, output)
    assert "\n" not in str(caught.value)
    assert not output.exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "none of its 1 lines is '[...] NAME INFO: mode: prune'; give a log of Torch-Pruning's"),
        (b"epoch,loss\n1,0.5\n", "none of its 3 lines is"),
        (b"mode: prune\nmodel: resnet56\n", "none of its 3 lines is"),
        (b"text\n\x89PNG\xff\xfe\n", "line 2: not text in UTF-8; give a log"),
    ],
)
def test_a_file_that_is_no_such_log(torch_pruning, log, tmp_path, content, expected):
    good, bad = log(torch_pruning.text(torch_pruning.run())), log(content, "bad.txt")
    message = complaint([good, bad], tmp_path / "out")
    assert message.startswith(str(bad))
    assert expected in message


@pytest.mark.parametrize("rest", [b"", b"[x] y INFO: Params: 0.86 M\n"])
def test_a_log_that_holds_no_pruning(torch_pruning, log, tmp_path, cells, rest):
    bad = log(b"[x] y INFO: mode: test\n" + rest, "bad.txt")
    line = f"{bad}, line 1: mode 'test' holds no pruning; "
    assert complaint([bad], tmp_path / "out").startswith(f"{line}give a log")
    notes = bring_in(TOOL, [log(torch_pruning.text(torch_pruning.run())), bad], tmp_path / "out")
    assert f"{line}left out" in notes
    assert len(cells(tmp_path / "out")) == 1


@pytest.mark.parametrize(("name", "problem"), [("nowhere.txt", "No such file or directory"), ("", "Is a directory")])
def test_what_is_no_file(tmp_path, name, problem):
    path = tmp_path / name
    assert complaint([path], tmp_path / "out").startswith(f"{path} cannot be opened: {problem}; give a log")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"total_epochs": "many"}, "line 6: total_epochs is 'many', expected a whole number"),
        ({"total_epochs": "-1"}, "line 6: total_epochs is '-1', expected a whole number"),
        ({"sl_total_epochs": "1e3"}, "line 18: sl_total_epochs is '1e3', expected a whole number"),
        ({"seed": "first"}, "line 16: seed is 'first', expected a whole number or None"),
        ({"global_pruning": "yes"}, "line 17: global_pruning is 'yes', expected True or False"),
        ({"model": "res net"}, "line 2: model is 'res net', expected a name"),
        ({"speed_up": "fast"}, "line 12: speed_up is 'fast', expected a number of at least 1"),
        ({"global_pruning": None}, "global_pruning is None, expected True or False"),
        ({"method": None}, "line 1: the run has no line 'method: ...'; give a log"),
        ({"total_epochs": None}, "line 1: the run has no line 'total_epochs: ...'"),
    ],
)
def test_a_bad_setting(torch_pruning, log, tmp_path, changed, expected):
    assert expected in complaint([log(torch_pruning.text(torch_pruning.run(**changed)))], tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Params: 0.86 M => many M (40.32%)", "expected a line such as 'Params: 0.86 M => 0.41 M (48.19%)'"),
        ("Params: 0.86 M => 0.90 M (104.65%)", "expected a line such as 'Params"),
        ("Params: 0.86 M => 0.00 M (0.00%)", "expected a line such as 'Params"),
        ("Params: 1e999 M => 0.00 M (1.00%)", "expected a line such as 'Params"),
        ("FLOPs: 40.80 M => 13.50 M", "expected a line such as 'FLOPs: 127.12 M => 59.57 M (46.86%, 2.13X )'"),
        ("MACs: 40.80 M => 13.50 M (33.09%, nanX )", "expected a line such as 'FLOPs"),
        ("Acc: 93.12 => 12.34", "expected a line such as 'Acc: 0.9353 => 0.8875'"),
        ("Epoch 0/100, Acc=nan, Val Loss=0.7, lr=0.01", "expected a line such as 'Epoch 0/100, Acc=0.7719"),
        ("Epoch 5/3, Acc=0.9, Val Loss=0.7, lr=0.01", "expected a line such as 'Epoch 0/100"),
        ("Epoch 0/3, iter 0/391, loss=much, lr=0.01", "expected a line such as 'Epoch 0/100, iter 10/391"),
    ],
)
def test_a_number_that_cannot_be(torch_pruning, log, tmp_path, line, expected):
    path = log(torch_pruning.text(torch_pruning.run([line], torch_pruning.pruned, torch_pruning.tuned)))
    message = complaint([path], tmp_path / "out")
    assert message.startswith(f"{path}, line 24: '{line[:10]}")
    assert expected in message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Params", "line 1: the run has no line 'Params: ... => ...'; give a log"),
        ("FLOPs", "line 1: the run has no line 'FLOPs: ... => ...'"),
        ("Acc", "line 1: the run has no line 'Acc: ... => ...'"),
    ],
)
def test_a_log_without_a_line_that_is_needed(torch_pruning, log, tmp_path, word, expected):
    pruned = [line for line in torch_pruning.pruned[2:] if not line.startswith(word)]
    run = torch_pruning.run(torch_pruning.start, ["Pruning...", "ResNet("], pruned, torch_pruning.tuned)
    assert expected in complaint([log(torch_pruning.text(run))], tmp_path / "out")
