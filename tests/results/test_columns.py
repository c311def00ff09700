"""The contract of the CSVs: what is written can be read, and the documentation says what the models do."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.columns import FILES, Identity, Outcome, Published, Trial, kind, markdown, names
from results.errors import InputError
from results.reading import parse

EVERY = [(model, name) for model in (*FILES.values(), Published) for name in names(model)]
PLAIN = {"trial": "a", "method": "m", "architecture": "n", "dataset": "d", "grouping": "filter"}
PLAIN |= {"protocol": 2, "keep": 0.5, "seed": 0, "status": "done"}
BAD = {
    "a fraction in [0, 1]": ("1.01", "-0.1", "x", "inf"),
    "a fraction in (0, 1]": ("0", "1.5"),
    "a number of at least 0": ("-1", "inf", "1e999", "x"),
    "a finite number": ("inf", "-1e999", "x"),
    "a whole number": ("0.5", "inf", "x", "1e999"),
    "0 or 1": ("2", "0.5", "-1"),
    "a number": ("x",),
    "a JSON list of whole numbers, one per family": (
        "[1.0]",
        "[true]",
        "[-1]",
        "3",
        "{}",
        "[",
        "[1e999]",
        f"[{10**16}]",
    ),
    "a JSON object": ("[]", "1", "{", '"a"'),
    "done, failed or skipped": ("Done", "other"),
    "at most 2, the newest that this analysis knows": ("3", "-1", "1.5"),
    "text": (),
    "a name, no path that leads elsewhere": ("..", "../a", "/a", "a/../../b", "..\\a", "."),
}


def test_the_documentation_is_that_of_the_models():
    text = (Path(__file__).parents[2] / "docs" / "columns.md").read_text(encoding="utf-8")
    assert text == markdown(), "python -m results > docs/columns.md"


def test_a_column_is_either_what_a_trial_is_or_what_was_found():
    assert names(Trial) == [*names(Identity), *names(Outcome)]
    assert not set(names(Identity)) & set(names(Outcome))


@pytest.mark.parametrize(("model", "name"), EVERY)
def test_every_column_says_in_a_line_what_it_is(model, name):
    line = model.model_fields[name].description
    assert line[-1] == "."
    assert "\n" not in line


@pytest.mark.parametrize(("model", "name"), EVERY)
def test_what_no_cell_may_hold_is_refused_with_its_place(model, name):
    words = kind(model, name).words
    for text in BAD[words]:
        with pytest.raises(InputError) as error:
            parse(pd.Series(["", text], name=name), model, "a.csv")
        assert str(error.value) == f"a.csv, row 2, {name}: {text!r}, expected {words}"


@pytest.mark.parametrize(("model", "name"), EVERY)
def test_an_empty_cell_is_missing(model, name):
    (value,) = parse(pd.Series([" "], name=name), model, "a.csv")
    assert pd.isna(value)


@given(
    st.lists(st.integers(0, 10**15), max_size=4),
    st.floats(0, 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(st.text(), st.integers() | st.text() | st.booleans(), max_size=3),
)
def test_what_is_written_is_what_is_read(groups, accuracy, drop, hyperparameters):
    row = Trial(**PLAIN, groups=groups, test_top1=accuracy, projection_drop=drop, hyperparameters=hyperparameters)
    cells = row.cells()
    read = {n: parse(pd.Series([str(cells[n])], name=n), Trial, "a.csv")[0] for n in cells if cells[n] is not None}
    assert read["groups"] == tuple(groups)
    assert (read["test_top1"], read["projection_drop"]) == (accuracy, drop)
    assert json.loads(read["hyperparameters"]) == hyperparameters
    assert Trial.model_validate(row.model_dump(mode="json")) == row


@pytest.mark.parametrize(("name", "value"), [("test_top1", 1.5), ("groups", [0.5]), ("status", "fine"), ("macs", -1)])
def test_no_row_takes_what_its_column_does_not_hold(name, value):
    row = Trial(**PLAIN)
    with pytest.raises(ValueError, match=name):
        setattr(row, name, value)


def test_whole_numbers_are_written_as_such():
    cells = Trial(**PLAIN, dense_params=431080, macs=2_000_000, train_macs=10**14).cells()
    assert [str(cells[n]) for n in ("dense_params", "macs", "train_macs")] == ["431080", "2000000", "100000000000000"]
