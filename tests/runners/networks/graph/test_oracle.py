"""The channels of networks, beside those of another tool: torch-pruning's dependency graph (Fang et al. 2023)."""

import pytest
import torch
import torch_pruning
from torch import nn

from runners.networks.architectures import ARCHITECTURES
from runners.networks.graph.structure import structure_of

# without attention and padded shortcuts, of which torch-pruning knows less
NAMES = ["lenet5", "vgg16", "resnet20_b", "resnet18", "mobilenet_v1", "mobilenet_v2", "densenet40"]


def theirs(graph, network, layer):
    """The modules in which torch-pruning removes something with the first output of a layer."""
    names = {id(m): n for n, m in network.named_modules()}
    linear = isinstance(layer, nn.Linear)
    function = torch_pruning.prune_linear_out_channels if linear else torch_pruning.prune_conv_out_channels
    group = graph.get_pruning_group(layer, function, idxs=[0])
    return {names[id(item.dep.target.module)] for item in group if id(item.dep.target.module) in names}


def ours(structure, layer):
    """The modules with a tensor that has the channel of the first output of a layer."""
    channels = structure.channels.all
    label = structure.labels.ranges[f"{layer.name}.weight", 0].first
    ranges = structure.range_of[channels == channels[label]].unique().tolist()
    return {structure.ranges[i].tensor.rpartition(".")[0] for i in ranges}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_modules_depend_on_each_layer(name):
    torch.manual_seed(0)
    network, example = ARCHITECTURES[name](3, 32, 10).eval(), torch.randn(1, 3, 32, 32)
    structure = structure_of(network, example)
    graph = torch_pruning.DependencyGraph().build_dependency(network, example_inputs=example)
    hidden = [x for x in structure.layers if x.name not in structure.outputs]
    assert len(hidden) > 2
    for layer in hidden:
        assert ours(structure, layer) == theirs(graph, network, layer.module), layer.name
