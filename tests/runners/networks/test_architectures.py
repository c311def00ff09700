"""Networks: their shapes over the registry, and the sizes that the literature gives for them."""

import copy
import math

import pytest
import torch
import torch_pruning
from torch import nn

from results.errors import InputError
from runners.measurement import count_macs, count_parameters
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.architectures.vit import Attention, VisionTransformer

SHAPES = [(1, 28, 10), (1, 32, 10), (3, 32, 100), (3, 32, 2)]
EVERY = pytest.mark.parametrize("name", ARCHITECTURES)
SHAPED = pytest.mark.parametrize("shape", SHAPES, ids=str)


def build(name, shape=(1, 28, 10)):
    try:
        return ARCHITECTURES[name](*shape)
    except InputError as error:
        pytest.skip(str(error))


@EVERY
@SHAPED
def test_one_output_per_class(name, shape):
    channels, size, classes = shape
    network = build(name, shape).eval()
    with torch.no_grad():
        output = network(torch.randn(2, channels, size, size))
    assert output.shape == (2, classes)
    assert output.isfinite().all()


@EVERY
def test_the_seed_decides_the_weights(name):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(nn.utils.parameters_to_vector(build(name).parameters()))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@EVERY
def test_every_parameter_is_trained(name):
    network = build(name)
    network(torch.randn(2, 1, 28, 28)).logsumexp(1).sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def residual(blocks, shortcut=0):
    """Multiply-adds of a residual network: every stage costs the same, but for the first layer of the later ones.

    shortcut: multiply-adds of the first shortcut with parameters; the second halves the pixels and doubles the widths.
    """
    layer = 16 * 16 * 9 * 32 * 32
    return 3 * 16 * 9 * 32 * 32 + 3 * 2 * blocks * layer - 2 * layer // 2 + 64 * 10 + 2 * shortcut


def transformer(size, patch, classes):
    """Multiply-adds of DeiT-Ti without class token: 12 x (qkv, proj, two layers of the MLP, two products), the ends."""
    patches, width = (size // patch) ** 2, 192
    block = patches * width * width * (3 + 1 + 4 + 4) + 2 * patches * patches * width
    return 12 * block + patches * 3 * patch * patch * width + width * classes


PROJECTION = 16 * 32 * 16 * 16  # the 1x1 convolution of the first shortcut of option B


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "macs"),
    [
        # 20 5x5 filters on 24x24 places, 50 of 20 maps on 8x8, 800 x 500, 500 x 10
        ("lenet5_caffe", (1, 28, 10), 431_080, 20 * 25 * 24 * 24 + 50 * 20 * 25 * 8 * 8 + 800 * 500 + 500 * 10),
        ("lenet5", (1, 28, 10), 61_706, 6 * 25 * 28 * 28 + 16 * 6 * 25 * 10 * 10 + 400 * 120 + 120 * 84 + 84 * 10),
        ("mlp", (1, 28, 10), 266_610, 784 * 300 + 300 * 100 + 100 * 10),
        # He et al. 2016, table 6: 0.27M, 0.46M, 0.85M, 1.7M
        ("resnet20", (3, 32, 10), 269_722, residual(3)),
        ("resnet32", (3, 32, 10), 464_154, residual(5)),
        ("resnet56", (3, 32, 10), 853_018, residual(9)),
        ("resnet110", (3, 32, 10), 1_727_962, residual(18)),
        # the two projections: 16 x 32 + 64 and 32 x 64 + 128 parameters more
        ("resnet20_b", (3, 32, 10), 269_722 + 2_752, residual(3, PROJECTION)),
        ("resnet32_b", (3, 32, 10), 464_154 + 2_752, residual(5, PROJECTION)),
        ("resnet56_b", (3, 32, 10), 853_018 + 2_752, residual(9, PROJECTION)),
        ("resnet110_b", (3, 32, 10), 1_727_962 + 2_752, residual(18, PROJECTION)),
        ("vit_tiny", (3, 32, 10), 5_362_378, transformer(32, 4, 10)),
    ],
)
def test_published_sizes(name, shape, parameters, macs):
    channels, size, _ = shape
    network = ARCHITECTURES[name](*shape)
    assert count_parameters(network) == parameters
    assert count_macs(network, torch.randn(3, channels, size, size)) == macs


# multiply-adds that other counters gave, which add those of batch norms and some of ReLU and pooling
ALL_OPERATIONS = 0.012
DIGITS = 0.5e-4  # of a number with five of them


@pytest.mark.parametrize(
    ("name", "parameters", "rounding", "macs", "tolerance"),
    [
        # github.com/chenyaofo/pytorch-cifar-models, table for CIFAR-10: millions of parameters and of multiply-adds
        ("resnet20_b", 0.27e6, 5e3, 40.81e6, 2 * DIGITS),
        ("resnet32_b", 0.47e6, 5e3, 69.12e6, 2 * DIGITS),
        ("resnet56_b", 0.86e6, 5e3, 125.75e6, DIGITS),
        ("vgg16", 15.25e6, 5e3, 313.73e6, DIGITS),
        # Lin et al. 2020, HRank, tables 2 and 3: 125.49M (0.85M) and 252.89M (1.72M, rounded down)
        ("resnet56", 0.85e6, 5e3, 125.49e6, DIGITS),
        ("resnet110", 1.72e6, 1e4, 252.89e6, DIGITS),
        # Sun et al. 2024, NeuralFuse, table 7: all operations
        ("resnet18", 11_173_962, 0, 557.14e6, ALL_OPERATIONS),
        ("resnet50", 23_520_842, 0, 1.31e9, ALL_OPERATIONS),
        ("vgg19", 20_040_522, 0, 399.47e6, ALL_OPERATIONS),
        # Liu et al. 2017, Network Slimming, table 1: 20.04M and 7.97e8, 1.02M and 5.33e8, an add and a multiply as two
        ("vgg19", 20.04e6, 5e3, 7.97e8 / 2, ALL_OPERATIONS),
        ("densenet40", 1.02e6, 5e3, 5.33e8 / 2, ALL_OPERATIONS),
        # Huang et al. 2017, table 2, gives 1.0M
        ("densenet40", 1.0e6, 5e4, None, None),
        # kuangliu/pytorch-cifar, as its forks count with thop: all operations
        ("mobilenet_v1", 3_217_226, 0, 47.18e6, 0.02),
        ("mobilenet_v2", 2_296_922, 0, 94.61e6, 0.04),
    ],
)
def test_sizes_on_cifar10_are_those_of_the_literature(name, parameters, rounding, macs, tolerance):
    network = ARCHITECTURES[name](3, 32, 10)
    assert count_parameters(network) == pytest.approx(parameters, rel=0, abs=rounding)
    if macs is not None:
        assert count_macs(network, torch.randn(1, 3, 32, 32)) == pytest.approx(macs, rel=tolerance)


@pytest.mark.parametrize("name", ["resnet20", "resnet56", "vgg16", "vgg19", "densenet40", "vit_tiny", "resnet18"])
def test_the_help_gives_the_parameters_of_cifar10(name):
    assert f"{count_parameters(ARCHITECTURES[name](3, 32, 10)):,} parameters" in ARCHITECTURES.help(name)


def test_the_transformer_at_the_size_of_deit_ti_has_its_published_size():
    """Touvron et al. 2021, table 1: 5M parameters; 5,717,416 in timm, of which 2 x 192 are the class token's."""
    network = VisionTransformer(16, 192, 12, 3, channels=3, size=224, classes=1000)
    assert count_parameters(network) == 5_717_416 - 2 * 192
    assert count_macs(network, torch.randn(1, 3, 224, 224)) == transformer(224, 16, 1000)


def products(attention, x):
    """Multiply-adds of the two products of matrices in an attention: its queries by keys, the result by values."""
    return 2 * attention.heads * x.shape[1] ** 2 * attention.head_dim


@EVERY
@SHAPED
def test_multiply_adds_are_those_of_the_layers(name, shape):
    """outputs x what each is summed over, for convolutions and linear layers, and the products of attention."""
    channels, size, _ = shape
    network, counted = build(name, shape), []

    def count(module, _, output):
        counted.append(output[0].numel() * math.prod(module.weight.shape[1:]))

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
        if isinstance(module, Attention):
            module.register_forward_hook(lambda m, inputs, _: counted.append(products(m, inputs[0])))
    macs = count_macs(network, torch.randn(1, channels, size, size))
    assert macs == sum(counted)


def biases(layer, output):
    """Additions of biases as torch-pruning counts them: one an output, but for linear layers one a neuron."""
    return 0 if layer.bias is None else layer.bias.numel() if isinstance(layer, nn.Linear) else output.numel()


@EVERY
def test_sizes_are_those_that_torch_pruning_counts(name):
    """Its counts of convolutions and linear layers, less the biases that it adds; other modules it counts on top."""
    network, extra, example = build(name), [], torch.randn(1, 1, 28, 28)
    _, parameters, operations, _ = torch_pruning.utils.count_ops_and_params(network, example, layer_wise=True)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers:
        layer.register_forward_hook(lambda m, _, output: extra.append(-biases(m, output)))
    for module in network.modules():
        if isinstance(module, Attention):  # matrices that are no module's
            module.register_forward_hook(lambda m, inputs, _: extra.append(products(m, inputs[0])))
    assert parameters == count_parameters(network)
    assert count_macs(network, example) == sum(operations[layer] for layer in layers) + sum(extra)


@pytest.mark.filterwarnings("ignore:Unwrapped parameters detected")  # the transformer's positions
@EVERY
def test_networks_can_be_traced_pruned_and_deployed(name):
    network, example = build(name).eval(), torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        expected = network(example)
        graph = torch.fx.symbolic_trace(network)
        assert torch.equal(graph(example), expected)
        traced = torch.jit.trace(network, example[:1], check_trace=False)
        torch.testing.assert_close(traced(example), expected, rtol=1e-4, atol=1e-5)
    dependencies = torch_pruning.DependencyGraph().build_dependency(network, example_inputs=example[:1])
    layers = {m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    assert layers <= set(dependencies.module2node)


@pytest.mark.parametrize("removed", [0, 2])
def test_a_head_can_be_removed_from_an_attention(removed):
    """What is left is what the whole does with the head's columns of the projection at zero."""
    torch.manual_seed(0)
    whole, x = Attention(12, 3), torch.randn(2, 5, 12)
    small = copy.deepcopy(whole)
    kept = torch.tensor([c for c in range(12) if c // whole.head_dim != removed])
    rows = torch.cat([kept, 12 + kept, 24 + kept])
    small.qkv.weight, small.qkv.bias = nn.Parameter(whole.qkv.weight[rows]), nn.Parameter(whole.qkv.bias[rows])
    small.proj.weight = nn.Parameter(whole.proj.weight[:, kept])
    small.heads -= 1
    with torch.no_grad():
        whole.proj.weight[:, removed * whole.head_dim : (removed + 1) * whole.head_dim] = 0
    torch.testing.assert_close(small(x), whole(x))


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs, x = Attention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True), torch.randn(2, 5, 12)
    theirs.in_proj_weight, theirs.in_proj_bias = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj.weight, theirs.out_proj.bias = ours.proj.weight, ours.proj.bias
    torch.testing.assert_close(ours(x), theirs(x, x, x)[0])


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("vit_tiny", 30, r"^the patches of 4x4 pixels do not fill images of 30x30$"),
        ("vgg16", 8, r"^VGG takes images of 16x16 or more, not 8x8$"),
        ("vgg19", 15, r"^VGG takes images of 16x16 or more, not 15x15$"),
    ],
)
def test_sizes_that_do_not_fit_give_one_line(name, size, message):
    with pytest.raises(InputError, match=message):
        ARCHITECTURES[name](3, size, 10)


@EVERY
def test_networks_for_small_images_take_the_size_of_the_data(name):
    assert resolution(name) is None


@pytest.mark.parametrize("name", [n for n in ARCHITECTURES if not n.startswith(("lenet", "mlp"))])
def test_larger_images_work_as_well(name):
    with torch.no_grad():
        assert build(name, (3, 64, 200)).eval()(torch.randn(1, 3, 64, 64)).shape == (1, 200)


@EVERY
def test_help_is_one_line(name):
    assert ARCHITECTURES.help(name)
    assert "\n" not in ARCHITECTURES.help(name)


def test_the_registry_knows_the_nearest_name_and_refuses_a_second_entry():
    with pytest.raises(InputError, match=r"^unknown architecture; did you mean lenet5\? known: "):
        ARCHITECTURES["lenet_5"]
    with pytest.raises(ValueError, match="architecture mlp is registered twice"):
        ARCHITECTURES.register("mlp")(lambda channels, size, classes: nn.Identity())
    assert list(ARCHITECTURES) == sorted(ARCHITECTURES)
    assert len(ARCHITECTURES) == len(list(ARCHITECTURES))
    assert "mlp" in ARCHITECTURES
    assert "nonsense" not in ARCHITECTURES
