"""The dense network of a seed: its weights are the same for every method, and of one build alone."""

import pytest
import torch
from torch import nn

from results.errors import InputError
from runners import dense
from runners.networks.architectures import ARCHITECTURES


def user(name):
    return f"tests.runners.user_networks:{name}"


def test_methods_of_a_seed_start_with_the_same_weights_and_see_the_same_order(make_spec, digits):
    built = [dense.build(make_spec(m, keep=k).dense, digits) for m, k in (("random", 0.1), ("dense", 1.0))]
    states = [torch.cat([p.flatten() for p in network.parameters()]) for network in built]
    assert torch.equal(*states)
    other = dense.build(make_spec(seed=1).dense, digits)
    assert not torch.equal(states[0], torch.cat([p.flatten() for p in other.parameters()]))
    assert len({dense.data_seed(s, p) for s in range(5) for p in range(3)}) == 15


@pytest.mark.parametrize("name", ["numpy_init", "random_init", "lazy"])
def test_a_seed_determines_weights_that_torch_does_not_draw(name, make_spec, digits):
    specs = [make_spec(architecture=user(name), seed=seed).dense for seed in (0, 0, 1, 2**32)]
    weights = [torch.cat([p.flatten() for p in dense.build(s, digits).parameters()]) for s in specs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_trial_never_trains_the_network_of_another(make_spec, digits):
    spec = make_spec(architecture=user("cached")).dense
    first = dense.build(spec, digits)
    before = {n: v.clone() for n, v in first.state_dict().items()}
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert all(torch.equal(v, before[n]) for n, v in dense.build(spec, digits).state_dict().items())


def test_a_network_that_cannot_be_copied_is_refused_in_one_line(make_spec, digits, monkeypatch):
    def computed(channels, size, classes):
        network = nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))
        network[1].scale = 2 * network[1].weight
        return network

    monkeypatch.setitem(dense.ARCHITECTURES._entries, "computed", computed)
    with pytest.raises(InputError, match=r"^architecture computed: cannot be copied \(Only Tensors"):
        dense.build(make_spec(architecture="computed").dense, digits)


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        (lambda *sizes: 1 / 0, "architecture mine: raises ZeroDivisionError: division by zero"),
        (lambda *sizes: [], "architecture mine: returns list, must return an nn.Module"),
        (lambda: None, "architecture mine: raises TypeError: "),
    ],
)
def test_an_architecture_that_cannot_be_built_is_one_line_that_names_it(make_spec, digits, monkeypatch, builder, said):
    monkeypatch.setitem(ARCHITECTURES._entries, "mine", builder)
    with pytest.raises(InputError, match=f"^{said}"):
        dense.build(make_spec(architecture="mine").dense, digits)
