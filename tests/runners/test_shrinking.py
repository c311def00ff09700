"""Training on a smaller network: the same losses and the same survivors as with zeros in place, for fewer products."""

import pytest
import torch
from torch import nn

from methods import METHODS
from runners import shrinking
from runners.networks.compaction import IN_PLACE, Realised
from runners.networks.compaction.origins import origins, tensors_of
from runners.networks.groupings import GROUPINGS
from runners.shrinking import Smaller
from runners.spec import Recipe
from runners.store import Store, read_json
from runners.tasks import RunContext, perform
from runners.training import make_optimizer
from tests.runners.conftest import TINY
from tests.runners.user_networks import network_for

TRAINS = [name for name, method in METHODS.items() if method.trains]
SETTLES = [name for name in TRAINS if "settled" in {n for c in METHODS[name].mro()[:-2] for n in vars(c)}]
OPTIMIZERS = {"sgd": {}, "adamw": {"optimizer": "adamw", "lr": 1e-3}}
RECIPE = {"sparsify_epochs": 2, "finetune_epochs": 1, "train_images": 80}
# every pair of values occurs; methods that never settle train the whole network, whatever the grouping
CASES = [(m, g, list(OPTIMIZERS)[(i + j) % 2]) for i, m in enumerate(SETTLES) for j, g in enumerate(GROUPINGS)]
CASES += [(m, "filter", o) for m in TRAINS if m not in SETTLES for o in OPTIMIZERS]


@pytest.fixture(autouse=True)
def free(monkeypatch):
    """To remove groups costs nothing, so that it pays in so few steps."""
    monkeypatch.setitem(shrinking.COST, "cpu", 0)


def test_the_methods_whose_choice_gets_final_are_known():
    assert {"gmp", "wgsef_dc", "wgsef_split"} <= set(SETTLES)


@pytest.mark.parametrize(("method", "grouping", "optimizer"), CASES)
def test_a_smaller_network_has_the_same_losses_and_survivors(tmp_path, make_spec, method, grouping, optimizer):
    told = {}
    for shrink in (True, False):
        recipe = RECIPE | OPTIMIZERS[optimizer] | {"shrink": shrink}
        spec = make_spec(method, keep=0.3, grouping=grouping, architecture=network_for(grouping), recipe=recipe)
        store = Store(tmp_path, "t")
        for task in [spec.dense] * (store.dense_record(spec.dense) is None) + [spec]:
            assert (perform(RunContext(tmp_path, "t", "cpu", 1), task, lambda news: None).reason or "").count(":") == 0
        epochs = read_json(store.trial(spec) / "epochs.json")
        told[shrink] = store.row(spec), epochs, torch.load(store.trial(spec) / "compact.pt", weights_only=True)
    (row, epochs, small), (other, others, whole) = told[True], told[False]
    assert row.groups_at_convergence == other.groups_at_convergence
    assert all(torch.equal(kept, whole["kept"][name]) for name, kept in small["kept"].items())
    losses = [[e["train_loss"] for e in each] for each in (epochs, others)]
    torch.testing.assert_close(*map(torch.tensor, losses), rtol=1e-4, atol=1e-5)
    for name, value in small["state"].items():
        torch.testing.assert_close(value, whole["state"][name], rtol=1e-2, atol=1e-3)
    removed = sum(row.groups_removed)
    if method in SETTLES and grouping not in IN_PLACE and removed and row.macs < row.dense_macs:
        last = [[e["train_macs"] for e in each if e["phase"] == "sparsify"][-1] for each in (epochs, others)]
        assert last[0] < last[1] == row.dense_macs
        assert row.train_macs < other.train_macs
    else:
        assert row.train_macs == other.train_macs


def test_it_is_not_done_where_it_would_not_pay(tmp_path, make_spec, monkeypatch):
    monkeypatch.setitem(shrinking.COST, "cpu", 1e12)
    spec = make_spec("gmp", keep=0.3, recipe=RECIPE)
    store = Store(tmp_path, "t")
    for task in (spec.dense, spec):
        perform(RunContext(tmp_path, "t", "cpu", 1), task, lambda news: None)
    macs = {e["train_macs"] for e in read_json(store.trial(spec) / "epochs.json") if e["phase"] == "sparsify"}
    assert macs == {store.row(spec).dense_macs}


@pytest.fixture(params=GROUPINGS)
def pruned(request, prune):
    """A network with zeros in place, and the network for training without them."""
    network, _, _, _, realised = prune(network_for(request.param), request.param, keep=0.3)
    smaller = Smaller.of(network, realised)
    assert smaller is not None
    return network, smaller


def test_values_and_what_the_optimiser_knows_of_them_keep_their_places(pruned):
    network, smaller = pruned
    before = make_optimizer(network, Recipe(**TINY), [])
    sum(p.square().sum() for p in network.parameters()).backward()
    before.step()
    after = make_optimizer(smaller.network, Recipe(**TINY), [])
    smaller.take_over(before, network, after)
    whole = tensors_of(network)
    for name, parameter in smaller.network.named_parameters():
        origin = smaller.origins[name]
        momentum = before.state[whole[origin.name]]["momentum_buffer"]
        assert torch.equal(after.state[parameter]["momentum_buffer"], momentum.take(origin.positions))


@torch.no_grad()
def test_values_are_written_back_to_their_places(pruned):
    network, smaller = pruned
    before = {name: tensor.clone() for name, tensor in tensors_of(network).items()}
    for tensor in tensors_of(smaller.network).values():
        tensor += 1
    smaller.write_back(network)
    for name, tensor in tensors_of(network).items():
        written = torch.zeros(tensor.numel())
        for origin in smaller.origins.values():
            if origin.name == name:
                written[origin.positions.flatten()] = 1
        assert torch.equal(tensor, before[name] + written.view(tensor.shape))


def test_a_parameter_that_is_no_part_of_one_makes_no_smaller_network():
    network, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.extra = nn.Parameter(torch.ones(3))
    assert origins(network, Realised(other, "compact", lambda: None)) is None
