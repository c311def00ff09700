"""The face for a network and a loop of one's own: groups, exactly k, the smaller network, its export."""

import copy

import pytest
import torch
from torch import nn

from results.errors import InputError
from runners.networks.pruning import Budget, compare_outputs, export, groups_of, load, project, realise


def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6 * 16, 5)).eval()


@pytest.fixture
def images():
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_exactly_k_groups_are_left_by_norm_or_by_scores(images):
    masked = network()
    groups = groups_of(masked, images, "coupled")
    masks = project(groups, Budget.of(groups, 0.5), [torch.arange(f.size).double() for f in groups])
    assert [m.nonzero().flatten().tolist() for m in masks] == [[4, 5, 6, 7], [3, 4, 5]]
    assert groups.nonzero() == [4, 3]
    norms = [n.clone() for n in groups_of(network(), images, "coupled").norms()]
    masks = project(groups_of(network(), images, "coupled"), Budget.of(groups, 0.5))
    assert all(bool(n[m].min() > n[~m].max()) for n, m in zip(norms, masks, strict=True))


def test_an_export_loads_into_a_network_of_the_same_code(tmp_path, images):
    masked = network()
    groups = groups_of(masked, images, "coupled")
    masks = project(groups, Budget.of(groups, 0.5))
    small = realise(masked, groups, masks, "coupled", images)
    assert [int(r.sum()) for r in small.removed] == [4, 3]
    assert small.reason is None
    export(masked, small.network, masks, "coupled", images, tmp_path / "small")
    untrained = copy.deepcopy(network())
    found = load(tmp_path / "small", untrained)
    assert untrained[0].out_channels == 8, "the network that is given stays as it is"
    assert compare_outputs(small.network, found, images).largest == 0
    assert compare_outputs(masked, found, images).ok
    with pytest.raises(InputError, match="names no architecture; give load the network that was pruned"):
        load(tmp_path / "small")
