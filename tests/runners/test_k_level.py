"""The k-level, seen in whole trials: what a method that promises it has left before any projection."""

import pytest

from runners.networks.groupings import GROUPINGS
from runners.store import Store
from runners.tasks import RunContext, perform
from tests.runners.user_networks import network_for

METHODS = ["gmp", "wgsef_dc", "wgsef_split", "group_lasso_k"]
SCOPES = ["layer", "network"]
RECIPES = {"sgd": {}, "adamw": {"optimizer": "adamw", "lr": 1e-3, "schedule": "constant"}}
# Every pair of values of two of the four occurs, and not every four of them.
CASES = [
    (method, grouping, SCOPES[(i + j) % 2], list(RECIPES)[(i // 2 + j) % 2])
    for i, method in enumerate(METHODS)
    for j, grouping in enumerate(GROUPINGS)
]


@pytest.mark.parametrize(("method", "grouping", "scope", "recipe"), CASES)
def test_a_schedule_reaches_its_k_without_tuning(tmp_path, make_spec, method, grouping, scope, recipe):
    network = network_for(grouping)
    spec = make_spec(method, grouping=grouping, scope=scope, keep=0.1, recipe=RECIPES[recipe], architecture=network)
    context = RunContext(tmp_path, "t", "cpu", 1)
    outcomes = [perform(context, s, lambda news: None).reason for s in (spec.dense, spec)]
    assert outcomes[0] is None
    assert outcomes[1] is None or outcomes[1].startswith("collapsed"), "so few steps teach a network little"
    row = Store(tmp_path, "t").row(spec)
    left = list(row.groups_at_convergence)
    assert (left if row.scope == "layer" else [sum(left)]) == list(row.groups_target)
    assert row.groups_kept == row.groups_at_convergence
    assert row.projection_drop == 0
    assert (row.k_reached, row.groups_above) == (1, 0)
