"""Networks of others with random weights that are as after training, so that a wrong removal shows in the outputs.

No batch norm, bias or layer scale is at its first value: nothing is zero by accident.
"""

from typing import Any

import torch
from torch import Tensor, nn

from runners.networks.architectures import ARCHITECTURES, resolution


@torch.no_grad()
def built(name: str, classes: int) -> tuple[nn.Module, Tensor]:
    """Return a network as it is after some training, and two random images."""
    torch.manual_seed(0)
    size = resolution(name) or 224
    network = ARCHITECTURES[name](3, size, classes).eval()
    for norm in norms_of(network):
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
        for key, parameter in norm.named_parameters(recurse=False):
            parameter.uniform_(0.5, 1.5) if key == "weight" else parameter.normal_(0, 0.1)
    for key, parameter in network.named_parameters():
        if parameter.numel() and parameter.min() == parameter.max():  # no batch norm has such a one any more
            _vary(key.rpartition(".")[2], parameter)
    images = _images(2, size)
    standardise(network, images)
    return network, images


def _images(n: int, size: int) -> Tensor:
    """Random images with large structures: in plain noise, the averages of all images are the same."""
    coarse = nn.functional.interpolate(torch.randn(n, 3, 5, 5), size=size, mode="bilinear")
    return coarse + torch.randn(n, 3, size, size)


def _vary(name: str, parameter: Tensor) -> None:
    """Give a constant parameter random values: scales and factors about 1, biases and embeddings about 0."""
    if parameter.min() != 0:
        if parameter.numel() > 1:  # one value (a slope, a temperature) may stay
            parameter.uniform_(0.5, 1.5)
    elif parameter.dim() > 1 or "bias" in name or "beta" in name:
        parameter.normal_(0, 0.02)
    else:
        parameter.uniform_(0.5, 1.5)


def _tells(outputs: Tensor) -> bool:
    """Whether outputs are of a usual size, and depend on the image: else an error might not show in them."""
    return 1e-4 <= float(outputs.abs().max()) <= 1e4 and spread(outputs) > 0.05  # NaN is not


def spread(outputs: Tensor) -> float:
    """Return the largest difference between the outputs of two images, relative to the largest output."""
    return float((outputs[0] - outputs[1]).abs().max() / outputs.abs().max())


def standardise(network: nn.Module, images: Tensor) -> None:
    """Where its outputs would not tell of an error, give every batch norm the moments of what it reads, zeros included.

    All other layers get outputs of standard deviation 1.
    """
    if _tells(network(images)):
        return
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(_scale_to_one) for layer in layers]
    for norm in norms_of(network):
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches, which is one
        norm.train()
    network(_images(4, images.shape[-1]))
    for norm in norms_of(network.eval()):
        norm.running_var.clamp_(min=1e-2)  # or rounding errors of a constant channel would grow
    for hook in hooks:
        hook.remove()


def norms_of(network: nn.Module) -> list[Any]:
    """Return all batch norms."""
    return [m for m in network.modules() if isinstance(getattr(m, "running_mean", None), Tensor)]


def _scale_to_one(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    factor = 1 / output.std().clamp(1e-6, 1e6)
    for parameter in layer.parameters(recurse=False):
        parameter.mul_(factor)
    return output * factor
