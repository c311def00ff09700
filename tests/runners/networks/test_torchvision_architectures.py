"""The networks of torchvision: every one of them without memory for its weights, a few for real."""

import pytest
import torch

from results.errors import InputError
from runners.measurement import count_macs, count_parameters
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.architectures.torchvision_models import PREFIX
from runners.vision import torchvision

NAMES = sorted(torchvision.models.list_models(module=torchvision.models))
EVERY = pytest.mark.parametrize("name", NAMES)

# parameters that torchvision's table counts, but not its own output in the middle of the network
AUXILIARY = {"inception_v3": 3_326_696}


@pytest.fixture
def weightless(monkeypatch):
    """Networks are built on the device meta; RegNet's widths are computed with tensors, so these are kept real."""
    widths = torchvision.models.regnet.BlockParams.from_init_params

    def real(*arguments, **options):
        with torch.device("cpu"):
            return widths(*arguments, **options)

    monkeypatch.setattr(torchvision.models.regnet.BlockParams, "from_init_params", real)
    with torch.device("meta"):
        yield


@EVERY
def test_every_classification_network_has_its_published_size(name, weightless):
    """torchvision's table of weights gives the parameters, and the multiply-adds in G rounded to three places."""
    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    size = resolution(PREFIX + name)
    network = ARCHITECTURES[PREFIX + name](3, size, 1000)
    assert count_parameters(network) == published["num_params"] - AUXILIARY.get(name, 0)
    example = torch.empty(1, 3, size, size)
    assert count_macs(network, example) / 1e9 == pytest.approx(published["_ops"], abs=6e-4, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 224), ("inception_v3", 299), ("efficientnet_b3", 300), ("swin_v2_t", 256), ("vit_h_14", 518)],
)
def test_the_resolution_is_that_of_the_published_weights(name, size):
    assert resolution(PREFIX + name) == size
    assert ARCHITECTURES.help(PREFIX + name) == f"{name} of torchvision, at {size}x{size}."


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "resnet18"])
def test_small_ones_run(name):
    torch.manual_seed(0)
    network = ARCHITECTURES[PREFIX + name](3, 224, 10).eval()
    with torch.no_grad():
        output = network(torch.randn(2, 3, 224, 224))
    assert output.shape == (2, 10)
    assert output.isfinite().all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_no_network_has_a_second_output_in_training(name, weightless):
    size = resolution(PREFIX + name)
    network = ARCHITECTURES[PREFIX + name](3, size, 7).train()
    assert network(torch.empty(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("shape", [(1, 224, 10), (3, 32, 10)], ids=str)
def test_images_of_another_shape_give_one_line(shape):
    channels, size, _ = shape
    expected = f"^torchvision/resnet18 takes images of 3x224x224, not {channels}x{size}x{size}$"
    with pytest.raises(InputError, match=expected):
        ARCHITECTURES["torchvision/resnet18"](*shape)


def test_an_unknown_name_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"^unknown architecture; did you mean torchvision/resnet18\? known: torchvi"):
        ARCHITECTURES.check("torchvision/resnet81")
    with pytest.raises(InputError, match=r"^unknown architecture; "):
        ARCHITECTURES.check("torchvision/fasterrcnn_resnet50_fpn")
    assert "torchvision/resnet18" in ARCHITECTURES
    assert "torchvision/nonsense" not in ARCHITECTURES


def test_the_list_has_one_line_for_all_of_them():
    line = ARCHITECTURES.lines()["torchvision/NAME"]
    assert line.startswith("every classification network of torchvision, at its own resolution: alexnet, ")
    assert set(line.partition(": ")[2].split(", ")) == set(NAMES)
    assert not [n for n in ARCHITECTURES if n.startswith(PREFIX)]
