"""What the page says of the trials: how many, which failed, of what recipe, where, and how to run them again."""

import pytest

from analysis import report
from analysis.frame import load
from analysis.wording import NOTHING, TIMES
from results.reading import REQUIRED


def test_the_summary_counts(show, make):
    said = show([*make.suite(), make.trial(status="failed", reason="boom", test_top1="", trial="x")]).entries
    expected = {
        "Trials": "49: 48 done, 1 failed, 0 skipped",
        "Settings": "LeNet-5 (Caffe) on digits",
        "Methods": "Dense, Group lasso, L1 filters, Magnitude, Random, WGSEF",
        "Seeds": "3: 0, 1, 2",
        "Protocol": "1 (epoch splits were not tuned, see docs/protocol.md)",
        "Timed on": "cpu, 2 threads",
    }
    assert expected.items() <= said.items()
    page = show([make.trial(status="skipped", reason="not for mlp", test_top1="")])
    assert (page.entries["Seeds"], page.entries["Timed on"]) == ("1: 0", "nothing: no trial is done")
    assert "none leads" in page.section("result")


def test_trials_show_accuracy_in_percent_and_hyperparameters_in_words(show, make):
    row = make.trial(hyperparameters='{"ramp": 0.5, "lam": "auto", "flag": true}', test_top1=0.98765, compression="")
    page = show([row, make.trial("dense")])
    assert {"98.77", "flag=true, lam=auto, ramp=0.5", "50.00", "1.50"} <= {*page.texts("td")}
    heads = page.texts("th")
    assert heads.index("status") == heads.index("trial") - 1
    assert "suite" not in heads
    assert f"MAC speedup ({TIMES})" not in heads, "it is empty"


def test_columns_that_are_missing_are_left_out(show, make):
    needed = list(REQUIRED["trials"])
    page = show(make.suite(), columns=needed)
    assert page.texts("h1") == ["results"], "the folder, as no suite is named"
    assert page.entries["Timed on"] == "an unknown device"
    assert f"{NOTHING} {NOTHING}" in page.section("environment")
    assert "./run_all.sh results --results again" in page.section("commands")
    failed = [make.trial(status="failed", test_top1="")]
    assert "no reason given" in show(failed, columns=needed).section("undone")


def test_failures_stand_under_their_full_reasons_the_most_frequent_first(show, make):
    long = "ValueError: " + "too long " * 60 + "to be cut\n  in line 2"
    rows = [make.trial("dense"), make.trial(status="failed", reason="rare", test_top1="")]
    rows += [make.trial("random", seed=i, status="failed", reason=long, test_top1="") for i in range(12)]
    rows += [make.trial("magnitude", status="skipped", reason="no groups", test_top1="", trial="abc123")]
    page = show(rows)
    assert [e["text"] for e in page.all("pre", class_="reason")] == [long, "rare", "no groups"]
    folds = [e for e in page.all("details") if "section" in e["inside"]]
    assert [e["text"].split("\n")[0] for e in folds] == ["12 trials", "1 trial", "1 trial"]
    assert ["open" in e for e in folds] == [False, True, True], "many are folded"
    assert f"magnitude {NOTHING} lenet5_caffe digits filter layer 0.5 0" in " ".join(folds[2]["text"].split())
    assert "abc123" in folds[2]["text"]
    assert "No trial failed" in show([make.trial()]).section("undone")


def test_the_recipe_is_that_of_the_suite_or_is_read_off_the_rows(show, make):
    yaml = "suite: quick\n\ngrid:\n  keep: [0.5]  # half & more\n"
    page = show(make.suite(), files={"suite.yaml": yaml})
    assert page.all("pre")[0]["text"] == yaml.rstrip()
    assert "read off" not in page.section("recipe")
    rows = [*make.suite(seeds=30, keeps=(0.5, 0.25), test_top1=0.9), make.trial(hyperparameters='{"lam": 0.1}')]
    page = show(rows, files={"suite.yaml": ""})
    said = page.entries
    assert "read off the rows" in page.section("recipe")
    assert said["keep"] == "0.25, 0.5", "without that of the dense network"
    assert said["seed"].endswith("22, 23 and 6 more")
    assert (said["dense_epochs"], said["finetune_epochs"], said["start"]) == ("8", "3", "dense")
    assert said["method wgsef"] == f"lam=0.1, {NOTHING}"
    assert "train_images" not in said


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1, 2]", b'{"cores": 2}', b"{broken", b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_told_in_a_line(show, make, content):
    page = show(make.suite(), files={"environment.json": content, "suite.yaml": b"\xff\xfe"})
    suite, environment = page.texts("p", class_="complaint")
    assert "results/suite.yaml cannot be read" in suite
    assert "results/environment.json" in environment
    assert "read off the rows" in page.section("recipe")


def test_the_environment_counts_what_the_trials_ran_on(show, make):
    commits = ["aaaa", "bbbb", "bbbb", ""]
    rows = [make.trial(seed=i, device="cuda" if i else "cpu", torch="2.6", commit=one) for i, one in enumerate(commits)]
    page = show(rows, files={"environment.json": '[{"python": "3.11.7", "cores": 2}]'})
    counts = ("cpu 2 2.6 aaaa 1", "cuda 2 2.6 bbbb 2", f"cuda 2 2.6 {NOTHING} 1")
    assert all(count in page.section("environment") for count in counts)
    assert (page.entries["python"], page.entries["cores"]) == ("3.11.7", "2")


@pytest.mark.parametrize(
    ("commits", "files", "commands", "said"),
    [
        (["e7834c8a39"], {}, ["git checkout e7834c8a39", "./run_all.sh test --results again", "git checkout -"], "of"),
        (
            ["e7834c8a39"],
            {"suite.yaml": "suite: test"},
            ["cp results/suite.yaml again.yaml", "git checkout e7834c8a39", "./run_all.sh again.yaml --results again",
             "git checkout -"],
            "of commit e7834c8a39",
        ),
        (["e7834c8a39+"], {}, ["./run_all.sh test --results again"], "changes that were not committed"),
        (["aaaa", "bbbb"], {}, ["./run_all.sh test --results again"], "aaaa (2), bbbb (2), so none is checked out"),
        ([""], {"suite.yaml": "suite: test"}, ["./run_all.sh results/suite.yaml --results again"], "name no commit"),
    ],
)  # fmt: skip
def test_the_one_commit_is_checked_out_and_no_other(show, make, commits, files, commands, said):
    page = show([make.trial(seed=i, commit=commits[i % len(commits)]) for i in range(4)], files=files)
    run, draw = [e["text"].splitlines() for e in page.all("code") if e["inside"][-2:] == ["div", "pre"]][-2:]
    assert run == commands
    assert draw == [".venv/bin/python -m analysis results"]
    assert said in page.section("commands")


def test_what_was_imported_is_said_to_be(show, make):
    page = show([make.trial(protocol=0, suite="torch-pruning")])
    assert "imported from logs of torch-pruning" in page.section("commands")
    assert "Imported from logs of torch-pruning" in page.section("recipe")
    assert "run_all" not in page.section("commands")
    assert "0 (the rules of another tool)" in page.section("summary")


def test_several_folders_are_told_apart(make, read, tmp_path):
    suites = {"one": "one", "two": "two", "three": "two"}
    folders = [make.write(tmp_path / name, [make.trial(suite=of, trial=of)]) for name, of in suites.items()]
    frame = load(*folders)
    page = read(report.page(frame, []))
    assert page.texts("h1") == ["one, two"]
    names = [f"{tmp_path.name}/{name}" for name in suites]
    assert [" ".join(e["text"].split()) for e in page.all("h3") if e["id"].startswith("recipe")] == names
    assert "counts from another" in page.section("recipe")
    assert f"analysis {' '.join(names)}" in page.section("commands")
    assert "suite" in page.texts("th")
    assert frame.source.notes[0] in page.section("summary")
