import itertools
import re
import subprocess
import sys

import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.frame import load
from analysis.importing import IMPORTERS
from analysis.output import CODE, CONTRACT, FORMATS, known
from analysis.plot.style import LOOKS
from results.reading import REQUIRED


@pytest.mark.slow
def test_a_suite_is_drawn_the_same_each_time(folder, make, capsys):
    results = folder(make.suite(keeps=(0.5,)))
    assert main([str(results)]) == 0
    first = {path: path.read_bytes() for path in results.glob("**/*.*")}
    output = capsys.readouterr().out
    (results / ".drawn.json").unlink()  # what remembers that this was drawn
    assert main([str(results)]) == 0
    assert first == {path: path.read_bytes() for path in results.glob("**/*.*")}
    names = {path.name for path in first}
    assert {"accuracy_vs_speedup.lenet5_caffe.digits.png", "accuracy_vs_speedup.lenet5_caffe.digits.pdf"} <= names
    assert {f"results.lenet5_caffe.digits.{suffix}" for suffix in ("md", "tex", "csv")} <= names
    assert "report.html" in names
    assert all(path.name in output for path in first if path.name not in ("trials.csv", ".drawn.json"))
    assert "| 0.5    | Group lasso               |   3 | 91.00 ± 1.00 |" in output


@pytest.mark.slow
def test_one_process_makes_what_several_make(folder, make, monkeypatch):
    results = folder(make.suite(keeps=(0.5, 0.1)))
    only = ["--only", "accuracy_vs_speedup", "speedup_vs_sparsity", "results", "accuracy", "k_level", "ranks"]
    contents = []
    for cores in (1, 2):
        monkeypatch.setattr("analysis.output.joblib.cpu_count", lambda cores=cores: cores)
        monkeypatch.setattr("analysis.output.FEW", 1)
        assert main([str(results), *only]) == 0
        contents.append({path: path.read_bytes() for path in results.glob("*/*")})
    assert len(contents[0]) >= 4 * 3 + 2 * 2
    assert contents[0] == contents[1]


@pytest.mark.parametrize(("style", "width"), [("paper", 990), ("talk", 1200), ("web", 660)])
def test_a_style_changes_the_size(folder, make, style, width):
    results = folder(make.suite(seeds=1))
    only = ["--only", "accuracy_vs_speedup", "--format", "png,svg"]
    assert main([str(results), *only, "--style", style]) == 0
    png = (results / "figures" / "accuracy_vs_speedup.lenet5_caffe.digits.png").read_bytes()
    assert int.from_bytes(png[16:20], "big") == width
    assert (results / "figures" / "accuracy_vs_speedup.lenet5_caffe.digits.svg").read_text().startswith("<?xml")


def test_several_folders_are_drawn_together(make, tmp_path, capsys):
    a = make.write(tmp_path / "a", make.suite(seeds=1, suite="a"))
    b = make.write(tmp_path / "b", [*make.suite(seeds=1, suite="b", architecture="mlp"), make.trial(trial="x", seed=9)])
    assert main([str(a), str(b), "--only", "accuracy"]) == 0
    assert sorted(path.name for path in (tmp_path / "a+b" / "tables").glob("*.md")) == [
        "accuracy.lenet5_caffe.digits.md",
        "accuracy.mlp.digits.md",
    ]
    assert main([str(a), str(b), "--only", "accuracy", "--output", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out" / "tables").glob("*.md"))) == 2
    assert sorted(path.name for path in a.iterdir()) == ["trials.csv"]


@pytest.mark.slow
def test_a_folder_with_few_columns_joins_one_with_all(make, tmp_path):
    a = make.write(tmp_path / "a", make.suite())
    b = make.write(tmp_path / "b", make.suite(seeds=1, suite="b"), columns=REQUIRED["trials"])
    for folders in ((a, b), (b, a)):
        assert main([*map(str, folders), "--output", str(tmp_path / "out"), "--format", "svg"]) == 0
    assert len(list((tmp_path / "out" / "figures").glob("*.svg"))) > 5


def test_files_of_an_earlier_run_are_named_and_stay(folder, make, capsys):
    results = folder([make.trial("dense", seed=0), *(make.trial(keep=keep) for keep in (0.5, 0.1))])
    old = results / "figures" / "accuracy_vs_speedup.vgg16.cifar10.png"
    old.parent.mkdir()
    old.write_text("old")
    mine = results / "figures" / "my_own_sketch.png"
    mine.write_text("mine")
    assert main([str(results), "--only", "accuracy_vs_speedup"]) == 0
    output = capsys.readouterr().out
    assert "older, not made this time: " in output
    assert old.name in output
    assert mine.name not in output
    assert (old.read_text(), mine.read_text()) == ("old", "mine")


def test_files_are_stamped_with_no_time_and_embed_their_fonts(folder, make):
    results = folder(make.suite(seeds=1, keeps=(0.5,)))
    assert main([str(results), "--only", "accuracy_vs_sparsity", "--format", "pdf"]) == 0
    pdf = (results / "figures" / "accuracy_vs_sparsity.lenet5_caffe.digits.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/CIDFontType2" in pdf  # what fonttype 42 becomes: TrueType, and no Type 3
    assert b"/Type3" not in pdf


def test_only_some_and_in_one_format(folder, make):
    results = folder(make.suite(seeds=1, keeps=(0.5,)))
    assert main([str(results), "--only", "accuracy_vs_speedup", "accuracy", "--format", "png"]) == 0
    names = sorted(path.name.split(".")[0] + path.suffix for path in results.glob("*/*"))
    assert names == [
        "accuracy.csv",
        "accuracy.md",
        "accuracy.tex",
        "accuracy_vs_speedup.png",
        "accuracy_vs_speedup.txt",
    ]


def test_each_setting_has_its_files(folder, make):
    rows = make.suite(seeds=1, keeps=(0.5,)) + make.suite(seeds=1, keeps=(0.5,), dataset="my/data set")
    results = folder(rows)
    assert main([str(results), "--only", "accuracy_vs_speedup", "--format", "png"]) == 0
    names = sorted(path.name for path in results.glob("figures/*.png"))
    assert names == [
        "accuracy_vs_speedup.lenet5_caffe." + dataset for dataset in ("digits.png", "my-data-set-26a730.png")
    ]


def test_failures_are_counted_and_named_in_one_line(folder, make, capsys):
    failed = make.trial("wgsef", 0.5, 3, status="failed", reason="loss is NaN\nin epoch 3", test_top1="")
    skipped = make.trial("wgsef", 0.5, 4, status="skipped", reason="no such groups", test_top1="")
    rows = [*make.suite(seeds=1, keeps=(0.5,)), failed, skipped]
    assert main([str(folder(rows)), "--only", "results"]) == 0
    output = capsys.readouterr().out
    assert (
        "1 of 8 trials failed: wgsef (filter, lenet5_caffe, digits) keep 0.5 seed 3: loss is NaN in epoch 3" in output
    )
    assert "1 of 8 trials skipped: wgsef" in output


@pytest.mark.slow
def test_a_figure_without_its_column_is_skipped_in_one_line(folder, make, capsys):
    columns = [column for column in make.COLUMNS if not column.startswith("speedup")]
    results = folder([row | {"mine": 1} for row in make.suite(seeds=1)], columns=[*columns, "mine"])
    assert main([str(results), "--format", "png"]) == 0
    output = capsys.readouterr().out
    assert "figures/accuracy_vs_speedup skipped: trials.csv has no column speedup_b64\n" in output
    assert "figures/speedup_vs_sparsity skipped: no pruned trial of LeNet-5 (Caffe) on digits has" in output
    assert (results / "figures" / "accuracy_vs_sparsity.lenet5_caffe.digits.png").exists()


@pytest.mark.parametrize("only", [["results", "accuracy"], ["results,accuracy"], ["results", "--only", "accuracy"]])
def test_names_follow_one_another_or_a_comma_or_the_option_again(folder, make, only):
    results = folder(make.suite(seeds=1, keeps=(0.5,)))
    assert main(["--only", *only, str(results)]) == 0
    assert {path.name.split(".")[0] for path in results.glob("*/*")} == {"results", "accuracy"}


def table_of(results):
    """The methods and keeps in the table of results."""
    (file,) = results.glob("tables/results.*.csv")
    return set(zip(*(pd.read_csv(file)[c] for c in ("method", "keep")), strict=True))


DENSE = ("dense", 1.0)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--methods", "wgsef,random", "--keep", "0.5,0.1"], itertools.product(("wgsef", "random"), (0.5, 0.1))),
        (["--methods", "wgsef", "--methods", "random", "--keep", "0.5"], [("wgsef", 0.5), ("random", 0.5)]),
        (["--methods", "wgsef", "--keep", "0.5", "--keep", ".25"], [("wgsef", 0.5), ("wgsef", 0.25)]),
        (["--where", "grouping=element", "--where", "keep=0.5"], [("magnitude", 0.5)]),
        (["--where", "method=wgsef", "--where", "keep=0.5", "--where", "keep=0.1"], [("wgsef", 0.5), ("wgsef", 0.1)]),
    ],
)
def test_what_is_drawn_can_be_chosen_and_the_dense_control_stays(folder, make, options, shown):
    results = folder(make.suite(seeds=1))
    assert main([str(results), "--only", "results", *options]) == 0
    assert table_of(results) == {DENSE, *shown}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--methods", "wgsf"], "--methods wgsf: no trial has it; did you mean wgsef? known: dense, "),
        (["--keep", "0.3"], "--keep 0.3: no trial has it; known: 0.1, 0.25, 0.5"),
        (["--where", "sed=0"], "--where sed: no such column of trials.csv here; did you mean seed? known: "),
        (["--where", "seed=7"], "--where seed=7: no trial has it; known: 0, 1, 2"),
        (["--where", "seed=x"], "--where seed=x: expected a whole number"),
        (["--where", "dataset=digit"], "--where dataset=digit: no trial has it; did you mean digits? known: digits"),
        (
            ["--methods", "magnitude", "--where", "grouping=filter", "--keep", ".5"],
            "no trial is left by --methods magnitude --keep .5 --where grouping=filter",
        ),
        (["--label", "wgsf=Ours"], "--label wgsf: no such method in these results; did you mean wgsef?"),
    ],
)
def test_a_choice_of_what_is_not_there(folder, make, capsys, options, expected):
    results = folder(make.suite())
    assert expected in complaint(capsys, [results, *options])
    assert sorted(path.name for path in results.iterdir()) == ["trials.csv"]


def complaint(capsys, arguments):
    """Run with a bad input; return the one line of complaint."""
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"error: [^\n]+\n", error)
    return error


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert "nowhere is not a folder" in complaint(capsys, [tmp_path / "nowhere"])


def test_a_folder_without_trials(tmp_path, capsys):
    assert "holds no trials.csv" in complaint(capsys, [tmp_path])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty; expected a header"),
        (b"\x89PNG\xff\xfe\n", "cannot be read as CSV in UTF-8"),
        (b"method,keep\nwgsef,0.5\n", "lacks the columns protocol, trial, status, architecture"),
        (b'a,b\n1,"2\n', "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_results_csv(tmp_path, capsys, content, expected):
    (tmp_path / "trials.csv").write_bytes(content)
    assert expected in complaint(capsys, [tmp_path])


def test_a_header_without_rows(folder, capsys):
    assert "holds no trials; run the suite first" in complaint(capsys, [folder([])])


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("test_top1", "abc", "row 2, test_top1: 'abc', expected a fraction in [0, 1]"),
        ("test_top1", "93.2", "row 2, test_top1: '93.2', expected a fraction in [0, 1]"),
        ("test_top1", -0.1, "expected a fraction in [0, 1]"),
        ("test_top1", "", "row 2, test_top1: empty"),
        ("method", "", "row 2, method: empty, every row needs it"),
        ("speedup_b64", "fast", "row 2, speedup_b64: 'fast', expected a number of at least 0"),
        ("speedup_b64", "inf", "expected a number of at least 0"),
        ("keep", "0", "row 2, keep: '0', expected a fraction in (0, 1]"),
        ("seed", "0.5", "expected a whole number"),
        ("protocol", "3", "row 2, protocol: '3', expected at most 2, the newest that this analysis knows"),
        ("protocol", "-1", "row 2, protocol: '-1', expected at most 2"),
        ("compression", "3", "compression: 3, but dense_params / params is 2; one of them was changed by hand"),
        ("protocol", "", "row 2, protocol: empty"),
        ("status", "running", "expected done, failed or skipped"),
        ("groups_target", "[1, 2", "expected a JSON list of whole numbers"),
        ("groups_target", '["a"]', "expected a JSON list of whole numbers"),
        ("hyperparameters", "lam=1", "expected a JSON object"),
    ],
)
def test_a_cell_that_cannot_be(folder, make, capsys, column, cell, expected):
    rows = [make.trial(seed=0), make.trial(seed=1, dense_params=200, params=100) | {column: cell}]
    assert expected in complaint(capsys, [folder(rows)])


def test_a_row_that_stands_twice(folder, make, capsys):
    assert "row 2: the trial a stands twice" in complaint(capsys, [folder([make.trial(trial="a")] * 2)])


def test_a_bad_epochs_file_is_not_read_unless_needed(folder, make):
    results = folder(make.suite(seeds=1))
    (results / "epochs.csv").write_text("")
    assert main([str(results), "--only", "accuracy"]) == 0


def test_only_failures(folder, make, capsys):
    results = folder([make.trial(status="failed", reason="out of memory", test_top1="")])
    assert "no trial is done, so there is nothing to draw" in complaint(capsys, [results])
    assert sorted(path.name for path in results.iterdir()) == ["trials.csv"]


def test_a_folder_that_cannot_be_written(folder, make, capsys):
    results = folder(make.suite(seeds=1))
    (results / "tables").write_text("in the way")
    assert f"cannot use {results / 'tables'}: File exists" in complaint(capsys, [results])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Missing argument 'RESULTS_DIR'; see python -m analysis draw --help"),
        (["x", "--only", "pie"], "--only 'pie' is unknown; there are accuracy, area, at_speedup"),
        (["x", "--format", "gif"], "--format 'gif' is unknown; there are png, pdf, svg"),
        (["x", "--style", "poster"], "--style 'poster' is unknown; there are paper, talk, web"),
        (["compare", "x"], "Missing argument 'B'; see python -m analysis compare --help"),
        (["compare", "x", "y"], "x is not a folder"),
        (["import"], "Missing argument 'TOOL'"),
        (["import", "tensorflow", "x"], "import 'tensorflow' is unknown; there are shrinkbench, torch-pruning"),
        (["import", "torch-pruning", "no.txt"], "no.txt"),
        (["x", "--fromat"], "No such option: --fromat"),
        (["x", "--keep", "2"], "--keep 2: expected a fraction in (0, 1]"),
        (["x", "--keep", "half"], "--keep half: expected a fraction in (0, 1]"),
        (["x", "--where", "seed"], "--where seed: COLUMN=VALUE is needed"),
        (["x", "--label", "wgsef="], "--label wgsef=: METHOD=TEXT is needed"),
    ],
)
def test_bad_options(capsys, arguments, expected):
    assert expected in complaint(capsys, arguments)


WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("torch", "torchvision", "runners", "methods"):
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocked())
from analysis.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_the_module_needs_no_torch(folder, make):
    results = folder(make.suite(keeps=(0.5, 0.25)))
    arguments = [str(results), "--only", "accuracy_vs_speedup", "results", "ranks", "differences"]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (results / "figures" / "differences.png").exists()


def test_a_grouping_that_several_methods_share_has_figures_of_its_own(folder, make):
    rows = make.suite(seeds=1, keeps=(0.5,))
    rows += [make.trial(m, 0.5, grouping="coupled") for m in ("wgsef", "random")]
    results = folder(rows)
    parts = {s.part: s for s in next(load(results).settings()).parts()}
    shared = ["dense", "magnitude"]  # the control, and the reference that is alone with its grouping
    assert sorted(parts["coupled"].trials["method"]) == sorted([*shared, "wgsef", "random"])
    assert sorted(parts["filter"].trials["method"]) == sorted([*shared, "wgsef", "random", "group_lasso", "l1_filter"])
    assert main([str(results), "--only", "accuracy_vs_sparsity", "accuracy", "--format", "png"]) == 0
    assert sorted(path.name for path in results.glob("*/*") if path.suffix in (".md", ".png")) == [
        "accuracy.lenet5_caffe.digits.coupled.md",
        "accuracy.lenet5_caffe.digits.filter.md",
        "accuracy_vs_sparsity.lenet5_caffe.digits.coupled.png",
        "accuracy_vs_sparsity.lenet5_caffe.digits.filter.png",
    ]


def test_one_grouping_is_not_a_part(folder, make):
    (part,) = next(load(folder(make.suite(seeds=1))).settings()).parts()
    assert (part.part, part.slug) == ("", "lenet5_caffe.digits")


def test_what_changed_between_two_folders(make, tmp_path, capsys):
    a = make.write(tmp_path / "a", make.suite(keeps=(0.5,)))
    b = make.write(tmp_path / "b", make.suite(keeps=(0.5,)))
    assert main(["compare", str(a), str(b)]) == 0
    assert "6 of 6" in capsys.readouterr().out


LOG = """
INFO: mode: prune
INFO: model: resnet56
INFO: dataset: cifar10
INFO: total_epochs: 1
INFO: method: l1
INFO: speed_up: 2.0
INFO: seed: 3
INFO: global_pruning: False
INFO: Pruning...
INFO: Params: 0.80 M => 0.40 M (50.00%)
INFO: FLOPs: 100.00 M => 50.00 M (50.00%, 2.00X )
INFO: Acc: 0.9000 => 0.5000
INFO: Finetuning...
INFO: Epoch 0/1, Acc=0.8500, Val Loss=0.5000, lr=0.0100
INFO: Best Acc=0.8500
"""


@pytest.mark.slow
def test_an_imported_log_joins_the_figures(make, tmp_path, capsys):
    log = tmp_path / "l1.txt"
    log.write_text("\n".join(f"[01/03 15:55:55] l1-resnet56 {line}" for line in LOG.strip().splitlines()) + "\n")
    assert main(["import", "torch-pruning", str(log), "--output", str(tmp_path / "theirs")]) == 0
    ours = make.write(tmp_path / "ours", make.suite(architecture="resnet56", dataset="cifar10", mac_speedup=2))
    capsys.readouterr()
    together = [str(tmp_path / "theirs"), str(ours), "--output", str(tmp_path / "both")]
    assert main([*together, "--only", "results", "accuracy_vs_mac_speedup"]) == 0
    assert re.search(r"torch_pruning:l1 [^|]*\|   1 \|\s+85.00 ", capsys.readouterr().out)
    assert list((tmp_path / "both" / "figures").glob("accuracy_vs_mac_speedup.resnet56.cifar10*.png"))


@pytest.mark.parametrize(("arguments", "lines"), [([], known()), (["import"], IMPORTERS)])
def test_help_lists_every_name_with_its_line(arguments, lines, capsys):
    assert main([*arguments, "--help"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    for name, one in lines.items():
        assert f" {name} {one.description}" in output


def test_usage_is_that_of_the_module(capsys):
    for arguments, usage in ((["-h"], "draw"), (["draw", "-h"], "draw"), (["compare", "-h"], "compare")):
        assert main(arguments) == 0
        assert capsys.readouterr().out.startswith(f"Usage: python -m analysis {usage} [OPTIONS] ")


def test_help_names_every_style_and_format(capsys):
    main(["--help"])
    output = " ".join(capsys.readouterr().out.split())
    assert ", ".join(FORMATS) in output
    assert all(name in output for name in LOOKS)


@pytest.mark.slow
def test_nothing_is_drawn_again_that_would_not_change(tmp_path, make, capsys):
    rows = make.suite(seeds=2)
    folder = make.write(tmp_path / "r", rows)

    def said(*options):
        assert main([str(folder), "--only", "accuracy", "results", "--format", "svg", *options]) == 0
        return capsys.readouterr().out

    def unchanged(*options):
        return said(*options).startswith("nothing changed: ")

    assert not unchanged()
    assert unchanged()
    assert not unchanged("--style", "talk")
    assert not unchanged(), "the look is that of the last time"
    (folder / "tables" / "results.lenet5_caffe.digits.md").unlink()
    assert not unchanged(), "a file is gone"
    make.write(folder, [rows[0] | {"test_top1": 0.5}, *rows[1:]])
    assert not unchanged(), "a row is another"
    assert unchanged()
    assert not unchanged("--methods", "wgsef"), "other trials are shown"
    assert unchanged("--methods", "wgsef")
    assert not unchanged()
    (folder / ".drawn.json").write_text("[]")
    assert not unchanged()


def test_what_runs_write_is_no_code_of_the_drawing():
    assert CONTRACT / "columns.py" in CODE
    assert not any(CONTRACT in path.parents and path.parent != CONTRACT for path in CODE)
