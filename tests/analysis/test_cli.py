import re
import subprocess
import sys

import pytest

from analysis.__main__ import main
from analysis.load import load


def test_a_suite_is_drawn_the_same_each_time(folder, make, capsys):
    results = folder(make.suite(keeps=(0.5,)))
    assert main([str(results)]) == 0
    first = {path: path.read_bytes() for path in results.glob("*/*")}
    output = capsys.readouterr().out
    assert main([str(results), "--only", "speedup_vs_sparsity", "results"]) == 0
    assert first == {path: path.read_bytes() for path in results.glob("*/*")}
    assert len(first) == 3 * 2 + 3 * 2  # figures as PNG and PDF, tables as Markdown and LaTeX
    assert all(path.name.split(".")[1:3] == ["lenet5_caffe", "digits"] for path in first)
    assert all(path.name in output for path in first)
    assert "| 0.5  | group_lasso         |   3 | 91.00 ± 2.48 |" in output


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
    assert names == ["accuracy.md", "accuracy.tex", "accuracy_vs_speedup.png"]


def test_each_setting_has_its_files(folder, make):
    rows = make.suite(seeds=1, keeps=(0.5,)) + make.suite(seeds=1, keeps=(0.5,), dataset="my/data set")
    results = folder(rows)
    assert main([str(results), "--only", "accuracy_vs_speedup", "--format", "png"]) == 0
    names = sorted(path.name for path in results.glob("figures/*"))
    assert names == ["accuracy_vs_speedup.lenet5_caffe." + dataset for dataset in ("digits.png", "my-data-set.png")]


def test_failures_are_counted_and_named_in_one_line(folder, make, capsys):
    failed = make.trial("wgsef", 0.5, 3, status="failed", reason="loss is NaN\nin epoch 3", test_top1="")
    skipped = make.trial("wgsef", 0.5, 4, status="skipped", reason="no such groups", test_top1="")
    rows = [*make.suite(seeds=1, keeps=(0.5,)), failed, skipped]
    assert main([str(folder(rows)), "--only", "results"]) == 0
    output = capsys.readouterr().out
    assert (
        "1 of 8 trials failed: wgsef (filter, lenet5_caffe, digits) keep 0.5 seed 3: loss is NaN in epoch 3" in output
    )
    assert "1 of 8 trials was skipped: wgsef" in output


def test_a_figure_without_its_column_is_skipped_in_one_line(folder, make, capsys):
    columns = [column for column in make.COLUMNS if not column.startswith("speedup")]
    results = folder([row | {"mine": 1} for row in make.suite(seeds=1)], columns=[*columns, "mine"])
    assert main([str(results), "--format", "png"]) == 0
    output = capsys.readouterr().out
    assert "figures/accuracy_vs_speedup skipped: trials.csv has no column speedup_b64\n" in output
    assert "figures/speedup_vs_sparsity skipped: no speedup was measured for lenet5_caffe on digits\n" in output
    assert (results / "figures" / "accuracy_vs_sparsity.lenet5_caffe.digits.png").exists()


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
        ("protocol", "2", "row 2, protocol: '2', expected at most 1, the newest that this analysis knows"),
        ("protocol", "", "row 2, protocol: empty"),
        ("status", "running", "expected done, failed or skipped"),
        ("groups_target", "[1, 2", "expected a JSON list of whole numbers"),
        ("groups_target", '["a"]', "expected a JSON list of whole numbers"),
        ("hyperparameters", "lam=1", "expected a JSON object"),
    ],
)
def test_a_cell_that_cannot_be(folder, make, capsys, column, cell, expected):
    rows = [make.trial(seed=0), make.trial(seed=1) | {column: cell}]
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
    assert "cannot write" in complaint(capsys, [results])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "required: RESULTS_DIR"),
        (["x", "--only", "pie"], "--only 'pie' is unknown; there are accuracy_vs_lam, accuracy_vs_sparsity"),
        (["x", "--format", "gif"], "--format 'gif' is unknown; there are png, pdf"),
        (["x", "--fromat"], "unrecognized arguments: --fromat"),
    ],
)
def test_bad_options(capsys, arguments, expected):
    assert expected in complaint(capsys, arguments)


def test_the_module_runs_and_needs_no_torch(tmp_path):
    code = "import sys; sys.modules['torch'] = None; from analysis.__main__ import main; sys.exit(main([sys.argv[1]]))"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no trials.csv" in done.stderr


def test_a_grouping_that_several_methods_share_has_figures_of_its_own(folder, make):
    rows = make.suite(seeds=1, keeps=(0.5,))
    rows += [make.trial(m, 0.5, grouping="coupled") for m in ("wgsef", "random")]
    results = folder(rows)
    parts = {s.part: s for s in next(load(results).settings()).by_grouping()}
    shared = ["dense", "magnitude"]  # the control, and the reference that is alone with its grouping
    assert sorted(parts["coupled"].trials["method"]) == sorted([*shared, "wgsef", "random"])
    assert sorted(parts["filter"].trials["method"]) == sorted([*shared, "wgsef", "random", "group_lasso", "l1_filter"])
    assert main([str(results), "--only", "accuracy_vs_sparsity", "accuracy", "--format", "png"]) == 0
    assert sorted(path.name for path in results.glob("*/*") if path.suffix != ".tex") == [
        "accuracy.lenet5_caffe.digits.md",
        "accuracy_vs_sparsity.lenet5_caffe.digits.coupled.png",
        "accuracy_vs_sparsity.lenet5_caffe.digits.filter.png",
    ]


def test_one_grouping_is_not_a_part(folder, make):
    whole = next(load(folder(make.suite(seeds=1))).settings())
    assert whole.by_grouping() == [whole]
