"""One trial from spec to row, for every method and grouping there is; and what happens where one fails."""

import dataclasses
import json
import os

import pytest
import torch
import yaml

from methods import METHODS
from results.columns import VARYING, Trial, names
from results.errors import Untraceable
from runners import dense, tasks, trial
from runners.executors import Slots
from runners.networks import compaction
from runners.networks.comparison import Difference, Reference
from runners.networks.groupings import GROUPINGS
from runners.row import code_columns
from runners.run import run
from runners.spec import TrialSpec
from runners.store import Store
from runners.tasks import RunContext, perform
from tests.runners.user_networks import network_for

# The columns of DESIGN.md, in its order. New ones go behind them; these stay as they are.
DESIGN = (
    "protocol suite trial status reason method hyperparameters architecture dataset grouping scope keep seed "
    "dense_epochs sparsify_epochs finetune_epochs dense_val_top1 dense_test_top1 val_top1 test_top1 test_top5 "
    "projection_drop groups groups_target groups_at_convergence groups_kept group_sparsity dense_params params "
    "compression dense_macs macs mac_speedup compact_error speedup_b1 speedup_b64 dense_file_mb file_mb "
    "dense_peak_mb peak_mb train_seconds device threads torch commit start train_images realisation"
)
FRACTIONS = ("dense_val_top1", "dense_test_top1", "val_top1", "test_top1", "test_top5", "group_sparsity")
PAIRS = [(m, g) for m in METHODS for g in GROUPINGS]


def silent(event):
    """Listen to nothing."""


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    return RunContext(tmp_path_factory.mktemp("results"), "t", "cpu", 1)


@pytest.fixture(scope="module")
def finished(context, make_spec):
    """Return the row of a trial that was done, and its folder; the dense network is trained where it is missing."""

    def of(spec):
        store = Store(context.results, context.suite)
        if store.dense_record(spec.dense) is None:
            assert perform(context, spec.dense, silent).reason is None
        assert perform(context, spec, silent).status != "failed"
        return store.row(spec), store.trial(spec)

    return of


def test_the_columns_are_those_of_the_design():
    assert set(DESIGN.split()) <= set(names(Trial))
    assert set(VARYING) < set(names(Trial))


@pytest.mark.parametrize(("method", "grouping"), PAIRS)
def test_every_method_runs_to_a_row(method, grouping, finished, make_spec):
    spec = make_spec(method, keep=0.3, grouping=grouping, architecture=network_for(grouping))
    if reason := METHODS[method].skip(spec):
        pytest.skip(reason)
    row, folder = finished(spec)
    assert list(row.cells()) == names(Trial)
    unsaid = {"reason", "commit", "finetune_lr", "augmentation", "dense_weights"}  # by so plain a recipe
    unsaid |= {"own_code", "own_grouping_code"} - {c for c, code in code_columns(spec).items() if code}
    unsaid |= {"left_in_place"} if METHODS[method].prunes else {"left_in_place", "groups_removed"}
    unsaid |= set() if METHODS[method].trains else {"k_reached", "groups_above"}
    assert {c for c, v in row.cells().items() if v is None} - {"commit"} == unsaid - {"commit"}
    assert (row.status, row.reason, row.trial, row.suite) == ("done", None, spec.id, "t")
    assert all(0 <= getattr(row, c) <= 1 for c in FRACTIONS)
    assert row.test_top1 <= row.test_top5
    assert abs(row.projection_drop) <= 1
    check_groups(row, 0.3 if METHODS[method].prunes else 1.0)
    check_costs(row)
    assert row.dense_epochs + row.sparsify_epochs + row.finetune_epochs == spec.recipe.total_epochs
    assert (row.threads, row.device, row.train_images) == (1, "cpu", 40)
    check_files(spec, row, folder)


def check_groups(row, keep):
    sizes, target, found, kept = (
        list(v) for v in (row.groups, row.groups_target, row.groups_at_convergence, row.groups_kept)
    )
    if row.method == "group_lasso":  # knows no k and may leave fewer, which then is what the row says it kept
        assert all(n <= k for n, k in zip([sum(kept)] if row.scope == "network" else kept, target, strict=True))
    elif row.scope == "network":
        assert [sum(kept)] == target == [max(1, round(keep * sum(sizes)))]
    else:
        rows = [m // 4 if row.grouping == "n_of_m" else 1 for m in sizes]
        assert kept == target == [r * max(1, round(keep * m / r)) for m, r in zip(sizes, rows, strict=True)]
    assert all(0 <= n <= m for n, m in zip(found, sizes, strict=True))
    assert row.group_sparsity == pytest.approx(1 - sum(kept) / sum(sizes))


def check_costs(row):
    assert 0 <= row.compact_error <= 1e-4
    if row.architecture == "lenet5":
        assert (row.dense_params, row.dense_macs) == (61_706, 416_520)
    assert row.compression == row.dense_params / row.params
    assert row.mac_speedup == row.dense_macs / row.macs
    if row.realisation == "masked":
        assert (row.params, row.macs, row.mac_speedup, row.compression) == (row.dense_params, row.dense_macs, 1, 1)
        assert row.file_mb == row.dense_file_mb
    elif row.method != "dense":
        assert row.params < row.dense_params
        assert row.macs < row.dense_macs
        assert row.file_mb < row.dense_file_mb
        assert row.peak_mb < row.dense_peak_mb or row.grouping == "shape", "columns take room"


def check_files(spec, row, folder):
    assert {"trial.yaml", "row.json", "checkpoint.pt", "compact.pt", "log.txt"} <= {p.name for p in folder.iterdir()}
    assert TrialSpec.model_validate(yaml.safe_load((folder / "trial.yaml").read_text())) == spec
    assert "done: test" in (folder / "log.txt").read_text()
    compact = torch.load(folder / "compact.pt", weights_only=True)
    assert compact["realisation"] == row.realisation
    chosen, kept = [len(indices) for indices in compact["kept"].values()], list(row.groups_kept)
    assert chosen == kept or (row.method == "group_lasso" and all(n >= k for n, k in zip(chosen, kept, strict=True)))
    stored = [v for n, v in compact["state"].items() if v.is_floating_point() and "running" not in n]
    assert sum(v.numel() for v in stored) == row.params
    epochs = json.loads((folder / "epochs.json").read_text())
    phases = {p: sum(e["phase"] == p for e in epochs) for p in ("dense", "sparsify", "finetune")}
    assert list(phases.values()) == [row.dense_epochs, row.sparsify_epochs, row.finetune_epochs]
    assert all(len(e["nonzero_groups"]) == len(row.groups) for e in epochs)
    assert len(json.loads((folder / "latency.json").read_text())) == 4


@pytest.mark.parametrize("grouping", ["filter", "channel", "neuron", "coupled", "depth"])
def test_what_is_removed_leaves_no_zero_behind(grouping, finished, make_spec):
    assert finished(make_spec(grouping=grouping, architecture=network_for(grouping)))[0].realisation == "compact"


def test_a_grouping_that_does_not_apply_is_a_row_with_its_reason(context, make_spec):
    spec = make_spec(grouping="depth")
    assert perform(context, spec.dense, silent).reason is None
    assert perform(context, spec, silent).status == "skipped"
    row = Store(context.results, context.suite).row(spec)
    assert (row.status, row.reason) == ("skipped", "the grouping found nothing to divide in this network")
    assert row.test_top1 is None


def test_zeros_are_still_there_after_fine_tuning(finished, make_spec):
    row, folder = finished(make_spec(grouping="element", keep=0.2))
    state = torch.load(folder / "compact.pt", weights_only=True)["state"]
    weights = [v for n, v in state.items() if n.endswith("weight")][:-1]
    assert [int((w != 0).sum()) for w in weights] == list(row.groups_kept)


@pytest.mark.parametrize("grouping", ["element", "kernel", "block", "n_of_m"])
def test_sparse_layers_where_they_are_faster(context, finished, make_spec, monkeypatch, grouping):
    monkeypatch.setattr(compaction, "CLOCK", lambda functions: {n: 1.0 if n == "masked" else 0.1 for n in functions})
    spec = make_spec("random", grouping=grouping, keep=0.25)
    row, folder = finished(spec)
    assert set(row.realisation.split("+")) & {"csr", "bsr"}
    assert 0 < row.compact_error <= 1e-4
    assert row.params < 0.5 * row.dense_params
    assert row.macs < row.dense_macs
    kept = torch.load(folder / "compact.pt", weights_only=True)
    assert kept["sparse"], "which layers they are is kept, so that nothing is timed again"
    monkeypatch.undo()
    again = trial.measure_again(spec, dense.TaskContext(Store(context.results, "t"), torch.device("cpu")))
    assert (again.params, again.macs, again.realisation) == (row.params, row.macs, row.realisation)


@pytest.mark.parametrize("method", [m for m, cls in METHODS.items() if cls.prunes])
def test_scope_network_keeps_exactly_k_in_all(method, finished, make_spec):
    row, _ = finished(make_spec(method, scope="network", keep=0.3))
    sizes, target, kept = (list(v) for v in (row.groups, row.groups_target, row.groups_kept))
    assert target == [round(0.3 * sum(sizes))] == [sum(kept)]
    assert min(kept) >= 1


@pytest.mark.parametrize("method", METHODS)
def test_the_same_trial_gives_the_same_row(method, finished, make_spec):
    rows = [finished(make_spec(method, keep=0.4))[0].cells() for _ in range(2)]
    first, second = ({c: v for c, v in row.items() if c not in VARYING} for row in rows)
    assert first == second


def user(name):
    return f"tests.runners.user_networks:{name}"


@pytest.mark.parametrize("method", ["dense", "magnitude"])
@pytest.mark.parametrize("name", ["view", "view_of_gradient", "batch_norm", "numpy_init", "cached", "lazy"])
def test_networks_that_torch_trains_are_done(name, method, finished, make_spec):
    images = {"train_images": 41, "batch_size": 20}  # the last of the three batches is a single image
    row, _ = finished(make_spec(method, recipe=images, architecture=user(name)))
    assert (row.status, row.reason) == ("done", None)
    assert (row.macs < row.dense_macs) == (method != "dense")


def test_the_gate_is_relative_to_the_largest_output(finished, make_spec):
    row, _ = finished(make_spec(architecture=user("loud"), recipe={"lr": 1e-9}))
    assert row.status == "done"
    assert row.compact_error > 1e-4, "float32 rounds no better"


def test_a_network_that_no_seed_determines_is_refused_in_one_line(fresh, make_spec):
    spec = make_spec(architecture=user("entropy_init"))
    (status, reason) = outcome(fresh, [spec])[spec.id]
    assert status == "failed"
    assert reason.endswith(
        "user_networks:entropy_init: two builds of one seed differ (first difference: 0.weight);"
        " seed its randomness by torch, numpy or random"
    )


def test_the_builds_of_a_seed_are_compared_once_a_dense_network(context, make_spec, monkeypatch):
    built, real = [], dense.build
    for module in (dense, trial):
        monkeypatch.setattr(module, "build", lambda *given: built.append(given) or real(*given))
    spec = make_spec(seed=7)
    assert perform(context, spec.dense, silent).reason is None
    assert len(built) == 2
    assert perform(context, spec, silent).reason is None
    assert len(built) == 3


GROUPS = ("groups", "groups_target", "groups_at_convergence", "groups_kept", "group_sparsity")


def test_the_dense_control_is_done_where_nothing_can_be_divided(context, finished, make_spec):
    row, folder = finished(make_spec("dense", architecture=user("linear")))
    assert (row.status, row.realisation, row.compact_error, row.mac_speedup) == ("done", "compact", 0, 1)
    assert [getattr(row, c) for c in GROUPS] == [None] * 5
    assert "not divided, as nothing is to be pruned: the grouping found" in (folder / "log.txt").read_text()
    other, _ = finished(make_spec(architecture=user("linear")))
    assert other.status == "skipped"
    store = dense.TaskContext(Store(context.results, "t"), torch.device("cpu"))
    again = trial.measure_again(make_spec("dense", architecture=user("linear")), store)
    assert (again.params, again.macs) == (row.params, row.macs)


def test_the_dense_control_is_not_compacted(finished, make_spec, monkeypatch):
    monkeypatch.setattr(trial, "realise", lambda *_: pytest.fail("it has no zeros"))
    assert finished(make_spec("dense", seed=8))[0].realisation == "compact"


@pytest.mark.parametrize("error", [Untraceable("no graph"), KeyError(1)])
def test_the_dense_control_is_the_same_divided_or_not(fresh, finished, make_spec, monkeypatch, error):
    def fails(network, example):
        raise error

    spec = make_spec("dense")
    divided, _ = finished(spec)
    monkeypatch.setitem(GROUPINGS._entries, "filter", fails)
    found = outcome(fresh, [spec, make_spec()])
    assert found[spec.id] == ("done", None)
    assert found[make_spec().id][0] != "done"
    row = Store(fresh.results, "t").row(spec)
    assert row.model_copy(update={c: getattr(divided, c) for c in (*GROUPS, *VARYING)}) == divided


@pytest.mark.parametrize("changes", [{}, {"start": "scratch", "equal": "macs"}])
def test_multiply_adds_that_are_not_known_are_empty_cells(changes, finished, make_spec):
    row, folder = finished(make_spec("random", architecture=user("bilinear"), **changes))
    assert row.status == "done"
    assert [row.dense_macs, row.macs, row.mac_speedup, row.train_macs] == [None] * 4
    assert row.trained_epochs == row.dense_epochs + row.finetune_epochs
    assert "for those of aten::_trilinear are not known" in (folder / "log.txt").read_text()


def test_a_start_from_scratch_goes_through_no_dense_epoch(finished, make_spec):
    row, folder = finished(make_spec("random", start="scratch"))
    assert (row.dense_epochs, row.sparsify_epochs, row.finetune_epochs, row.start) == (0, 0, 2, "scratch")
    assert {e["phase"] for e in json.loads((folder / "epochs.json").read_text())} == {"finetune"}


@pytest.mark.slow
def test_measuring_again_changes_what_is_measured_alone(context, finished, make_spec):
    for grouping in GROUPINGS:
        spec = make_spec(grouping=grouping, keep=0.35, architecture=network_for(grouping))
        row, folder = finished(spec)
        weights = (folder / "compact.pt").read_bytes()
        store = Store(context.results, context.suite)
        again = trial.measure_again(spec, dense.TaskContext(store, torch.device("cpu")))
        varying = {c: getattr(row, c) for c in ("speedup_b1", "speedup_b64")}
        assert again.model_copy(update=varying) == row
        assert store.row(spec) == again
        assert (folder / "compact.pt").read_bytes() == weights


def test_the_listener_hears_of_every_epoch(context, make_spec):
    heard = []
    context, spec = dataclasses.replace(context, cache="off"), make_spec("wgsef", keep=0.15)
    perform(context, spec.dense, heard.append)
    perform(context, spec, heard.append)
    assert [n.epoch.phase for n in heard] == ["dense", "sparsify", "finetune"]
    assert [n.task for n in heard] == [spec.dense, spec, spec]
    assert {n.process for n in heard} == {os.getpid()}


@pytest.fixture
def fresh(tmp_path):
    return RunContext(tmp_path, "t", "cpu", 1)


def outcome(context, trials):
    table = run(context, trials, Slots(["cpu"]))
    return {r["trial"]: (r["status"], r["reason"]) for r in table.to_dict("records")}


def assert_failed(context, specs, bad, reason):
    """Only `bad` failed; the others have their accuracy; the reason is one line, the log says where it came from."""
    found = outcome(context, specs)
    assert {i for i, (status, _) in found.items() if status != "done"} == {bad.id}
    assert found[bad.id][0] == "failed"
    assert reason in found[bad.id][1]
    assert "\n" not in found[bad.id][1]
    store = Store(context.results, context.suite)
    assert store.row(bad).test_top1 is None
    assert all(store.row(s).test_top1 is not None for s in specs if s != bad)
    assert "Traceback" in (store.trial(bad) / "log.txt").read_text()


def test_a_trial_that_diverges_is_a_row_that_says_so(fresh, make_spec):
    bad = make_spec(recipe={"finetune_lr": 1e30, "batch_size": 5})
    assert_failed(fresh, [make_spec("random"), bad, make_spec("dense")], bad, "Diverged: the loss is")


def test_networks_that_differ_are_a_failure(fresh, make_spec, monkeypatch):
    bad = make_spec(architecture="mlp")
    apart = Difference(0.5, 1e-4)
    for name in ("compare", "compare_in_float64"):
        real = getattr(Reference, name)
        monkeypatch.setattr(trial.Reference, name, lambda r, m, real=real: real(r, m) if len(m) > 6 else apart)
    assert_failed(fresh, [make_spec("random"), bad], bad, "Mismatch: masked and compact network differ by 0.5")


@pytest.mark.parametrize("error", [float("nan"), 1.01e-4])
def test_the_gate_lets_no_difference_above_the_tolerance_through(monkeypatch, error, prune):
    network, _, _, example, realised = prune("mlp", "filter")
    for name in ("compare", "compare_in_float64"):
        monkeypatch.setattr(Reference, name, lambda *_: Difference(error, 1e-4))
    with pytest.raises(trial.Mismatch, match=r"^masked and compact network differ by .*, more than 0\.0001$"):
        trial._check(network, realised.network, example)


def test_the_gate_judges_rounding_in_float64(monkeypatch, prune):
    network, _, _, example, realised = prune("mlp", "filter")
    monkeypatch.setattr(Reference, "compare", lambda *_: Difference(2.9e-4, 1e-4))
    assert trial._check(network, realised.network, example) == 2.9e-4


def test_a_method_that_raises_is_a_failure_with_its_words_in_one_line(fresh, make_spec, monkeypatch):
    class Broken(METHODS["magnitude"]):
        name = "broken"

        def scores(self):
            raise IndexError("no such\n  group")

    monkeypatch.setitem(METHODS, "broken", Broken)
    bad = make_spec("broken")
    assert_failed(fresh, [bad, make_spec()], bad, "IndexError: no such group")


def test_a_dense_network_that_fails_takes_its_trials_along_and_no_others(fresh, make_spec, monkeypatch):
    real = tasks.train_dense

    def train_dense(spec, context):
        if spec.seed == 1:
            raise RuntimeError("no memory")
        real(spec, context)

    monkeypatch.setattr(tasks, "train_dense", train_dense)
    specs = [make_spec(m, seed=s) for m in ("random", "dense") for s in (0, 1)]
    found = outcome(fresh, specs)
    lost = "its dense network failed: RuntimeError: no memory"
    assert [found[s.id] for s in specs if s.seed == 1] == [("failed", lost)] * 2
    assert [found[s.id][0] for s in specs if s.seed == 0] == ["done"] * 2


def test_a_method_that_skips_is_a_row_with_its_reason(fresh, make_spec, monkeypatch):
    class Picky(METHODS["magnitude"]):
        name = "picky"

        @classmethod
        def skip(cls, trial):
            return "not below a half" if trial.keep < 0.5 else None

    monkeypatch.setitem(METHODS, "picky", Picky)
    specs = [make_spec("picky", keep=k) for k in (0.25, 0.5)]
    found = outcome(fresh, specs)
    assert found[specs[0].id] == ("skipped", "not below a half")
    assert found[specs[1].id][0] == "done"
    assert not (Store(fresh.results, "t").trial(specs[0]) / "compact.pt").exists()
