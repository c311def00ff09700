"""The networks of timm: without memory for their weights, a few small ones for real, and none where timm is missing."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from results.errors import InputError
from runners.__main__ import main
from runners.measurement import count_parameters
from runners.networks.architectures import ARCHITECTURES, resolution
from runners.networks.architectures.timm_models import NEEDED, PREFIX
from runners.vision import torchvision

assert torchvision, "timm imports it, and it has to be imported with care"
timm = pytest.importorskip("timm")

HELP = "any network of timm (pip install 'klevel[timm]'), at its own resolution; timm.list_models() has their names"
SUITE = """suite: s
recipe: {dense_epochs: 1, sparsify_epochs: 1, finetune_epochs: 1, batch_size: 20, lr: 0.1}
grid: {dataset: [digits], architecture: [timm/resnet18], keep: [0.5], seed: [0], method: [random]}
"""
ROOT = Path(__file__).parents[3]


@pytest.fixture
def without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("resnet50", 224),
        ("tf_efficientnet_b3", 300),
        ("mobilevit_xxs", 256),
        ("swin_tiny_patch4_window7_224", 224),
        ("vit_base_patch16_384", 384),
        ("test_vit", 160),
    ],
)
def test_the_resolution_is_that_of_the_default_configuration(name, size):
    assert PREFIX + name in ARCHITECTURES
    assert resolution(PREFIX + name) == size
    assert ARCHITECTURES.help(PREFIX + name) == f"{name} of timm, at {size}x{size}."


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet50", 25_557_032), ("vit_tiny_patch16_224", 5_717_416), ("convnext_tiny", 28_589_128)],
)
def test_networks_have_their_published_sizes(name, parameters):
    with torch.device("meta"):
        assert count_parameters(ARCHITECTURES[PREFIX + name](3, 224, 1000)) == parameters


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"])
def test_small_ones_run_on_any_number_of_channels(name, channels):
    torch.manual_seed(0)
    size = resolution(PREFIX + name)
    network = ARCHITECTURES[PREFIX + name](channels, size, 10).eval()
    with torch.no_grad():
        output = network(torch.randn(2, channels, size, size))
    assert output.shape == (2, 10)
    assert output.isfinite().all()


def test_weights_are_random_and_nothing_is_downloaded(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a download")

    for module, function in ((timm.models._builder, "load_pretrained"), (torch.hub, "load_state_dict_from_url")):
        monkeypatch.setattr(module, function, refuse)
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(ARCHITECTURES["timm/test_resnet"](3, 160, 10).conv1[0].weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_images_of_another_size_give_one_line():
    with pytest.raises(InputError, match=r"^timm/resnet18 takes images of 224x224, not 32x32$"):
        ARCHITECTURES["timm/resnet18"](3, 32, 10)


def test_what_has_no_square_images_gives_one_line(monkeypatch):
    oblong = timm.models.PretrainedCfg(input_size=(3, 64, 32))
    monkeypatch.setattr(timm.models, "get_pretrained_cfg", lambda name: oblong)
    with pytest.raises(InputError, match=r"^timm/resnet18 takes images of 64x32, and klevel has square ones alone$"):
        ARCHITECTURES.check("timm/resnet18")


def test_what_is_no_classifier_gives_one_line(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda name, **options: _Features())
    with pytest.raises(InputError, match=r"^timm/resnet18 computes features, it has no output per class$"):
        ARCHITECTURES["timm/resnet18"](3, 224, 10)


class _Features(torch.nn.Module):
    num_classes = 0


def test_what_timm_cannot_build_gives_one_line(monkeypatch):
    def create(name, **options):
        raise RuntimeError("not\nso")

    monkeypatch.setattr(timm, "create_model", create)
    expected = r"^timm cannot build timm/resnet18 for 1 channels and 10 classes \(RuntimeError: not so\)$"
    with pytest.raises(InputError, match=expected):
        ARCHITECTURES["timm/resnet18"](1, 224, 10)


def test_an_unknown_name_gets_the_nearest_ones_and_not_all_of_them():
    with pytest.raises(InputError) as raised:
        ARCHITECTURES.check("timm/resnet50.a1_in1k")
    message = str(raised.value)
    assert message.startswith("unknown architecture; did you mean timm/resnet50")
    assert message.endswith(f"? known: {HELP}")
    with pytest.raises(InputError) as raised:
        ARCHITECTURES.check("timm/#")
    assert str(raised.value) == f"unknown architecture; known: {HELP}"
    assert "timm/nonsense" not in ARCHITECTURES


def test_the_list_has_a_line_for_all_of_them_and_needs_no_timm(without_timm):
    assert ARCHITECTURES.lines()["timm/NAME"] == HELP


@pytest.mark.slow
def test_no_other_name_imports_timm():
    code = "import sys; from runners.networks.architectures import ARCHITECTURES as a; "
    code += "a.lines(), a['vgg16'], a['torchvision/resnet18'], 'nonsense' in a; assert 'timm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_without_timm_one_line_says_how_to_get_it(without_timm, tmp_path, capsys):
    for ask in (ARCHITECTURES.check, resolution):
        with pytest.raises(InputError) as raised:
            ask("timm/resnet18")
        assert str(raised.value) == NEEDED
    suite = tmp_path / "s.yaml"
    suite.write_text(SUITE)
    assert main(["run", str(suite), "--dry-run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "timm/NAME needs the package timm: pip install 'klevel[timm]'" in line
