"""The results that come with klevel are those of the suites that come with it, whole."""

import json
from pathlib import Path

import pandas as pd
import pytest

from results.columns import PROTOCOL
from runners import spec, suite

RESULTS = Path(__file__).parents[1] / "results" / "reference"
SUITES = sorted(path.parent.name for path in RESULTS.glob("*/trials.csv"))


def _of(protocol):
    """Return the suites of which all rows follow these rules: the suites of today make those of the newest alone."""
    return [name for name in SUITES if set(pd.read_csv(RESULTS / name / "trials.csv")["protocol"]) == {protocol}]


NEWEST = _of(PROTOCOL)


@pytest.mark.parametrize("name", NEWEST)
def test_every_trial_of_the_suite_is_there_and_no_other(name):
    trials = pd.read_csv(RESULTS / name / "trials.csv")
    assert sorted(trials["trial"]) == sorted(spec.id for spec in suite.load(name).trials)


@pytest.mark.parametrize("name", SUITES)
def test_every_trial_has_its_epochs_and_the_suite_lies_beside(name):
    trials = pd.read_csv(RESULTS / name / "trials.csv")
    assert (RESULTS / name / "suite.yaml").is_file()
    assert set(pd.read_csv(RESULTS / name / "epochs.csv")["trial"]) == set(trials["trial"])


@pytest.mark.parametrize("name", NEWEST)
def test_the_suite_file_beside_the_rows_is_the_one_that_makes_them(name):
    assert suite.load(str(RESULTS / name / "suite.yaml")) == suite.load(name)


@pytest.mark.parametrize("name", [name for name in _of(1) if name.startswith("klevel")])
def test_auto_reached_the_k_level_before_projection(name):
    trials = pd.read_csv(RESULTS / name / "trials.csv")
    auto = trials[trials["hyperparameters"].map(lambda text: json.loads(text).get("lam") == "auto")]
    assert len(auto)
    for row in auto.itertuples():
        left, target = json.loads(row.groups_at_convergence), json.loads(row.groups_target)
        assert (left if row.scope == "layer" else [sum(left)]) == target, row.trial
        assert row.projection_drop == 0, row.trial


def test_the_rules_that_are_read_are_those_that_are_run():
    assert spec.PROTOCOL == PROTOCOL
