"""klevel bench: what it prints and writes, its exit codes, and one line for whatever is wrong."""

import pandas as pd
import pytest

from results.performance import Cost, Row, read
from runners.__main__ import main
from runners.bench import GROUPS, Group, report, scaling

MET = Row("one", "quick", "a / b", value=0.5, low=0.4, high=0.6, repeats=5, target=1.0)
FREE = Row("one", "free", "c / d", value=123.456, low=100.0, high=200.0, repeats=5)
MISSED = Row("two", "slow", "seconds of e", "s", 4.0, 3.5, 5.0, 5, 3.0)


@pytest.fixture
def groups(monkeypatch):
    """Make these the groups of rows: name -> rows."""

    def make(**found):
        made = {name: Group(name, "A line.", lambda form, each=each: iter(each)) for name, each in found.items()}
        monkeypatch.setattr(report, "GROUPS", made)

    return make


def test_a_table_and_a_csv_with_the_machine(groups, tmp_path, capsys):
    groups(one=[MET, FREE])
    out = tmp_path / "bench.csv"
    assert main(["bench", "--out", str(out)]) == 0
    said = capsys.readouterr()
    *_, quick, free, last = said.out.splitlines()
    assert quick.split() == ["one", "quick", "0.5", "0.4", "to", "0.6", "5", "1"]
    assert free.split()[:2] == ["free", "123"]
    assert last == f"1 of 1 targets are met -> {out}"
    assert said.err.splitlines()[0] == "one, quick: 0.5 0.4 to 0.6 5 1 "
    found = read(out)
    assert list(found["name"]) == ["quick", "free"]
    assert list(found["value"]) == [0.5, 123.5]
    assert list(found["met"]) == ["yes", ""]
    assert {"threads", "processor", "cores", "torch", "commit", "python"} <= {*found.columns}


def test_a_missed_target_gives_code_1(groups, tmp_path, capsys):
    groups(one=[MET], two=[MISSED])
    assert main(["bench", "--out", str(tmp_path / "b.csv")]) == 1
    assert capsys.readouterr().out.splitlines()[-2].split()[-1] == "missed"


def test_what_is_not_installed_is_said_and_is_no_failure(groups, tmp_path, capsys):
    groups(one=[Row("one", "the rest", "x", reason="needs y, which is not installed")])
    out = tmp_path / "b.csv"
    assert main(["bench", "--out", str(out)]) == 0
    assert "needs y, which is not installed" in capsys.readouterr().out
    assert pd.isna(read(out)["value"][0])


def test_a_failure_gives_code_1_and_is_named(groups, tmp_path, capsys):
    groups(one=[Row("one", "the rest", "x", reason="ValueError: z", failed=True)])
    assert main(["bench", "--out", str(tmp_path / "b.csv")]) == 1
    assert "failed: one" in capsys.readouterr().out


def test_one_group_leaves_the_rows_of_the_others(groups, tmp_path):
    out = tmp_path / "bench.csv"
    groups(one=[MET, FREE], two=[MISSED])
    main(["bench", "--out", str(out)])
    groups(one=[FREE], two=[MISSED])
    main(["bench", "one", "--out", str(out)])
    assert list(read(out)["name"]) == ["free", "slow"]
    main(["bench", "two", "--out", str(out)])
    assert list(read(out)["name"]) == ["free", "slow"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "nowhere/bench.csv"], "there is no folder nowhere"),
        (["--out", "bench.txt"], "a file NAME.csv is needed"),
        (["lop", "--out", "b.csv"], "no such group of rows; did you mean loop? known: loop"),
        (["--docs"], "README.md: no such document"),
    ],
)
def test_wrong_input_is_one_line(arguments, said, groups, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    groups(loop=[MET])
    assert main(["bench", *arguments]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert said in err[0]


def test_costs_against_size_are_written_beside(groups, tmp_path, monkeypatch, capsys):
    groups(one=[MET])
    cost = Cost("suite", "plan", "trials", 100, 0.25, 0.2, 0.3, 5)

    def measured(sizes, draw, listen):
        listen(cost)
        return [cost]

    monkeypatch.setattr(scaling, "measure", measured)
    assert main(["bench", "--scaling", "--out", str(tmp_path / "bench.csv")]) == 0
    assert read(tmp_path / "scaling.csv")["seconds"][0] == 0.25
    assert "suite, plan, 100 trials: 0.25 s" in capsys.readouterr().err


def test_the_help_names_every_group(capsys):
    assert main(["bench", "--help"]) == 0
    assert f"Only rows of {', '.join(GROUPS)}." in " ".join(capsys.readouterr().out.split())
