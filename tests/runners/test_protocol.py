"""The rules of protocol 2, seen in whole trials: collapse, budgets, equal multiply-adds, one cycle of the rate."""

import json

import pytest

from methods import METHODS
from methods.groups import Budget
from runners import trial
from runners.store import Store
from runners.tasks import RunContext, perform
from runners.trial import _verdict


def test_a_network_near_chance_has_collapsed():
    assert _verdict(0.12, 10) == ("done", None), "MARGIN is lifted for these tests"


@pytest.mark.parametrize(
    ("accuracy", "classes", "status"), [(0.1499, 10, "failed"), (0.1501, 10, "done"), (0.5, 2, "failed")]
)
def test_chance_and_five_points_are_needed(monkeypatch, accuracy, classes, status):
    monkeypatch.setattr(trial, "MARGIN", 0.05)
    found, reason = _verdict(accuracy, classes)
    assert found == status
    assert (reason is None) == (status == "done")
    assert status == "done" or reason.startswith("collapsed: test accuracy")


def test_the_dense_control_does_not_collapse():
    assert _verdict(0.0, 10, prunes=False) == ("done", None)


def test_a_collapsed_trial_keeps_what_was_measured(tmp_path, make_spec, monkeypatch):
    monkeypatch.setattr(trial, "MARGIN", 0.95)
    spec = make_spec("gmp")
    context = RunContext(tmp_path, "t", "cpu", 1)
    assert perform(context, spec.dense, lambda news: None).reason is None
    assert perform(context, spec, lambda news: None).reason.startswith("collapsed")
    row = Store(tmp_path, "t").row(spec)
    assert (row.status, row.classes) == ("failed", 10)
    assert row.test_top1 is not None
    assert row.speedup_b1 is not None


def test_a_method_with_a_budget_of_its_own_is_refused(tmp_path, make_spec, monkeypatch):
    class Greedy(METHODS["magnitude"]):
        name = "greedy"

        def __init__(self, groups, budget):
            super().__init__(groups, Budget.of(groups, 1.0))

    monkeypatch.setitem(METHODS, "greedy", Greedy)
    spec = make_spec("greedy", keep=0.5)
    context = RunContext(tmp_path, "t", "cpu", 1)
    perform(context, spec.dense, lambda news: None)
    assert "sets a budget of its own" in perform(context, spec, lambda news: None).reason


def test_equal_multiply_adds_are_more_epochs_of_the_small_network_at_most_four_times(tmp_path, make_spec):
    context, rows = RunContext(tmp_path, "t", "cpu", 1), {}
    for equal, keep in (("epochs", 0.1), ("macs", 0.1), ("macs", 0.9)):
        spec = make_spec("random", start="scratch", equal=equal, keep=keep)
        perform(context, spec.dense, lambda news: None)
        assert perform(context, spec, lambda news: None).reason is None
        rows[equal, keep] = Store(tmp_path, "t").row(spec)
    total = rows["epochs", 0.1].trained_epochs
    assert total == rows["epochs", 0.1].finetune_epochs == rows["macs", 0.1].finetune_epochs, "nominal"
    assert rows["macs", 0.1].trained_epochs == 4 * total
    assert total <= rows["macs", 0.9].trained_epochs < 2 * total
    each = rows["macs", 0.1]
    assert each.train_macs == 3 * each.train_images * each.macs * each.trained_epochs


def test_one_cycle_of_the_rate_goes_over_both_phases(tmp_path, make_spec):
    context, rates = RunContext(tmp_path, "t", "cpu", 1), {}
    for over in ("phase", "trial"):
        spec = make_spec("gmp", {"sparsify_epochs": 3, "finetune_epochs": 3}, schedule_over=over)
        perform(context, spec.dense, lambda news: None)
        assert perform(context, spec, lambda news: None).reason is None
        epochs = json.loads((Store(tmp_path, "t").trial(spec) / "epochs.json").read_text())
        rates[over] = [e["lr"] for e in epochs]
    assert rates["trial"] == sorted(rates["trial"], reverse=True)
    assert rates["phase"] != sorted(rates["phase"], reverse=True)
