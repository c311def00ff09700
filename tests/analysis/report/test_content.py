"""What the page says of the trials: how many, which failed, of what recipe, where, and how to run them again."""

from pathlib import Path

import pytest

from analysis import report
from analysis.load import load
from analysis.table import NOTHING
from results.reading import REQUIRED


def entries(page):
    """All that the page lists as names and values, as a dict."""
    names, values = ([one["text"] for one in page.all(tag)] for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def test_the_summary_counts(show, make):
    rows = [*make.suite(), make.trial(status="failed", reason="boom", test_top1="", trial="x")]
    said = entries(show(rows))
    assert said["Trials"] == "49: 48 done, 1 failed, 0 skipped"
    assert said["Settings"] == "lenet5_caffe on digits"
    assert said["Methods"] == "dense, group_lasso, l1_filter, magnitude, random, wgsef"
    assert said["Seeds"] == "3: 0 to 2"
    assert said["Protocol"] == "1 (epoch splits were not tuned, see docs/protocol.md)"
    assert said["Timed on"] == "cpu, 2 threads"


def test_one_seed_and_nothing_done_are_no_obstacle(show, make):
    page = show([make.trial(status="skipped", reason="not for mlp", test_top1="")])
    assert entries(page)["Seeds"] == "1: 0"
    assert entries(page)["Timed on"] == "nothing: no trial is done"


def test_notes_are_told(results, make, read):
    made = results(make.suite())
    made.notes = ("3 trials stand in several of the folders",)
    assert made.notes[0] in read(report.page(made, [], Path())).section("summary")


def test_trials_show_accuracy_in_percent_and_hyperparameters_in_words(show, make):
    row = make.trial(hyperparameters='{"ramp": 0.5, "lam": "auto", "flag": true}', test_top1=0.98765, compression="")
    page = show([row, make.trial("dense")])
    cells = [e["text"] for e in page.all("td") + page.all("th") if "section" in e["inside"]]
    assert {"98.77", "flag=true, lam=auto, ramp=0.5", "50.0", "1.50"} <= set(cells)
    heads = [e["text"] for e in page.all("th", scope="col")]
    assert heads[0] == "method"
    assert heads.index("status") == heads.index("trial") - 1
    assert "suite" not in heads


def test_columns_that_are_missing_are_left_out(show, make):
    needed = list(REQUIRED["trials"])
    page = show(make.suite(), columns=needed)
    assert [e["text"] for e in page.all("th", scope="col")][-2:] == ["status", "trial"]
    assert page.all("h1")[0]["text"] == "results", "the folder, where no suite is named"
    assert entries(page)["Timed on"] == "an unknown device"
    assert "device" in page.section("environment")
    assert "./run_all.sh results --results again" in page.section("commands")
    failed = [make.trial(status="failed", test_top1="")]
    assert "no reason given" in show(failed, columns=needed).section("undone")


def test_failures_stand_under_their_full_reasons_the_most_frequent_first(show, make):
    long = "ValueError: " + "too long " * 60 + "to be cut\n  in line 2"
    rows = [make.trial("dense")]
    rows += [make.trial(seed=i, status="failed", reason="rare", test_top1="") for i in range(1)]
    rows += [make.trial("random", seed=i, status="failed", reason=long, test_top1="") for i in range(12)]
    rows += [make.trial("magnitude", status="skipped", reason="no groups", test_top1="", trial="abc123")]
    page = show(rows)
    assert [e["text"] for e in page.all("pre", class_="reason")] == [long, "rare", "no groups"]
    counts = [e["text"] for e in page.all("summary") if "div" in e["inside"] and "section" in e["inside"]]
    assert counts == ["12 trials", "1 trial", "1 trial"]
    folds = ["open" in e for e in page.all("details") if "section" in e["inside"]]
    assert folds == [False, True, True], "many are folded"
    assert "magnitude, lenet5_caffe on digits, filter groups, keep 0.5, seed 0 abc123" in page.section("undone")
    assert "No trial failed" in show([make.trial()]).section("undone")


def test_the_recipe_is_that_of_the_suite_where_the_runner_wrote_it(show, make):
    yaml = "suite: quick\n\ngrid:\n  keep: [0.5]  # half & more\n"
    page = show(make.suite(), files={"suite.yaml": yaml})
    assert page.all("pre")[0]["text"] == yaml.rstrip()
    assert "read off" not in page.section("recipe")


def test_otherwise_the_recipe_is_read_off_the_rows(show, make):
    rows = [*make.suite(seeds=30, test_top1=0.9), make.trial(hyperparameters='{"lam": 0.1}', trial="a")]
    page = show(rows)
    said = entries(page)
    assert "read off the rows" in page.section("recipe")
    assert said["keep"] == "0.1, 0.25, 0.5", "without that of the dense network"
    assert said["seed"] == "30 values, 0, 1, 2 to 29"
    assert (said["dense_epochs"], said["finetune_epochs"], said["start"]) == ("8", "3", "dense")
    assert said["method"].endswith("wgsef: lam=0.1")
    assert "train_images" not in said


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1, 2]", b'{"cores": 2}', b"{broken", b"[" * 100_000])
def test_an_environment_that_cannot_be_read_is_told_in_a_line(show, make, content):
    (line,) = show(make.suite(), files={"environment.json": content}).all("p", class_="complaint")
    assert "results/environment.json" in line["text"]


def test_a_suite_that_cannot_be_read_is_told_and_replaced(show, make):
    page = show(make.suite(), files={"suite.yaml": b"\xff\xfe"})
    assert "results/suite.yaml cannot be read" in page.all("p", class_="complaint")[0]["text"]
    assert "read off the rows" in page.section("recipe")


def test_the_environment_counts_what_the_trials_ran_on(show, make):
    rows = [make.trial(seed=i, device="cuda" if i else "cpu", trial=str(i)) for i in range(4)]
    extra = {"torch": "2.6.0", "commit": ["aaaa", "bbbb", "bbbb", None]}
    files = {"environment.json": '[{"python": "3.11.7", "cores": 2}]'}
    page = show(rows, files=files, extra=extra)
    section = page.section("environment")
    for text in ("cpu22.6.0aaaa1", "cuda22.6.0bbbb2", f"cuda22.6.0{NOTHING}1"):
        assert text in section
    assert (entries(page)["python"], entries(page)["cores"]) == ("3.11.7", "2")


def blocks(page):
    return [e["text"].splitlines() for e in page.all("code") if "pre" in e["inside"] and "div" in e["inside"]][-2:]


def name(results):
    return "/".join(results.folders[0].resolve().parts[-2:])


def test_one_commit_is_checked_out(results, make, read):
    made = results(make.suite(), extra={"commit": "e7834c8a39"})
    run, draw = blocks(read(report.page(made, [], Path())))
    assert run == ["git checkout e7834c8a39", "./run_all.sh test --results again", "git checkout -"]
    assert draw == [f".venv/bin/python -m analysis {name(made)}"]


def test_the_suite_of_the_folder_is_kept_from_the_checkout(results, make, read):
    made = results(make.suite(), files={"suite.yaml": "suite: test"}, extra={"commit": "e7834c8a39"})
    assert blocks(read(report.page(made, [], Path())))[0] == [
        f"cp {name(made)}/suite.yaml again.yaml",
        "git checkout e7834c8a39",
        "./run_all.sh again.yaml --results again",
        "git checkout -",
    ]


@pytest.mark.parametrize("commits", [["e7834c8a39+"], ["aaaa", "bbbb"], [None]])
def test_no_commit_is_checked_out_that_is_not_the_one(show, make, commits):
    rows = [make.trial(seed=seed) for seed in range(4)]
    page = show(rows, extra={"commit": commits * (4 // len(commits))}, files={"suite.yaml": "suite: test"})
    ((run,), _) = blocks(page)
    assert run.startswith("./run_all.sh ")
    assert run.endswith("/results/suite.yaml --results again")
    said = {1: "changes that were not committed" if commits[0] else "name no commit", 2: "aaaa (2) and bbbb (2)"}
    assert said[len(commits)] in page.section("commands")


def test_names_are_quoted_for_the_shell(show, make):
    page = show([make.trial(suite="a; rm -rf $HOME")])
    assert "./run_all.sh 'a; rm -rf $HOME' --results again" in page.section("commands")


def test_what_was_imported_is_said_to_be(show, make):
    page = show([make.trial(protocol=0, suite="torch-pruning")])
    assert "imported from logs of torch-pruning" in page.section("commands")
    assert "Imported from logs of torch-pruning" in page.section("recipe")
    assert "run_all" not in page.section("commands")
    assert "0 (the rules of another tool)" in page.section("summary")


def test_several_folders_are_told_apart(folder, make, read, tmp_path):
    first = folder([make.trial(suite="one", trial="a")]).rename(tmp_path / "one")
    second = folder([make.trial(suite="two", trial="b")]).rename(tmp_path / "two")
    third = folder([make.trial(suite="two", trial="b")]).rename(tmp_path / "three")
    page = read(report.page(load(first, second, third), [], tmp_path))
    assert page.all("h1")[0]["text"] == "one and two"
    where = tmp_path.name
    assert [e["text"] for e in page.all("h3") if e["id"].startswith("recipe")] == [
        f"{where}/one",
        f"{where}/two",
        f"{where}/three",
    ]
    assert "counts from another" in page.section("recipe")
    assert f"analysis {where}/one {where}/two {where}/three" in page.section("commands")
    assert "suite" in [e["text"] for e in page.all("th", scope="col")]
