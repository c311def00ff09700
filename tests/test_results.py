"""The results that come with klevel are those of the suites that come with it, whole."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.importing.rows import COLUMNS as IMPORTED
from analysis.importing.rows import EPOCH_COLUMNS as IMPORTED_EPOCHS
from analysis.schema import TRIALS
from runners import suite
from runners.row import COLUMNS
from runners.store import EPOCH_COLUMNS

RESULTS = Path(__file__).parents[1] / "results"
SUITES = sorted(path.parent.name for path in RESULTS.glob("*/trials.csv"))


@pytest.mark.parametrize("name", SUITES)
def test_every_trial_of_the_suite_is_there_and_no_other(name):
    trials = pd.read_csv(RESULTS / name / "trials.csv")
    assert sorted(trials["trial"]) == sorted(spec.id for spec in suite.load(name).trials)
    assert set(pd.read_csv(RESULTS / name / "epochs.csv")["trial"]) == set(trials["trial"])


@pytest.mark.parametrize("name", SUITES)
def test_the_suite_file_beside_the_rows_is_the_one_that_makes_them(name):
    assert suite.load(str(RESULTS / name / "suite.yaml")) == suite.load(name)


@pytest.mark.parametrize("name", [name for name in SUITES if name.startswith("klevel")])
def test_auto_reached_the_k_level_before_projection(name):
    trials = pd.read_csv(RESULTS / name / "trials.csv")
    auto = trials[trials["hyperparameters"].map(lambda text: json.loads(text).get("lam") == "auto")]
    assert len(auto)
    for row in auto.itertuples():
        left, target = json.loads(row.groups_at_convergence), json.loads(row.groups_target)
        assert (left if row.scope == "layer" else [sum(left)]) == target, row.trial
        assert row.projection_drop == 0, row.trial


def test_analysis_spells_the_columns_as_the_runner_writes_them():
    assert IMPORTED == COLUMNS
    assert set(TRIALS) == set(COLUMNS)
    assert IMPORTED_EPOCHS == EPOCH_COLUMNS
