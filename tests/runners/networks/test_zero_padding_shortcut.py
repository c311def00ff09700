"""The shortcut without parameters: what it computes, and what is left of it when channels go."""

import pytest
import torch
import torch.nn.functional as F

from runners.networks.layers import Change, channel_sources, resize
from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut

IMAGES = torch.randn(2, 4, 7, 6, generator=torch.Generator().manual_seed(0))


def without(channels, n):
    """What is left of n channels."""
    return torch.tensor([i for i in range(n) if i not in channels])


def test_it_takes_every_second_pixel_and_pads_the_channels():
    expected = F.pad(IMAGES[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
    assert torch.equal(ZeroPaddingShortcut(4, 8)(IMAGES), expected)
    assert channel_sources(ZeroPaddingShortcut(4, 8)).tolist() == [-1, -1, 0, 1, 2, 3, -1, -1]
    assert list(ZeroPaddingShortcut(4, 8).state_dict()) == list(ZeroPaddingShortcut(4, 8).parameters()) == []


@pytest.mark.parametrize("inputs", [[], [0], [1, 2], [0, 3], [0, 1, 2]])
@pytest.mark.parametrize("outputs", [[], [0], [1, 7], [0, 1, 6, 7]])
def test_without_channels_it_computes_what_is_left_of_the_same(inputs, outputs):
    images = IMAGES.clone()
    images[:, inputs] = 0
    stay, left = without(inputs, 4), without(outputs, 8)
    shortcut = ZeroPaddingShortcut(4, 8)
    whole = shortcut(images)
    assert resize(shortcut, Change(inputs=stay, outputs=torch.arange(8))) is shortcut
    assert torch.equal(shortcut(images[:, stay]), whole)
    zero = [i for i, source in enumerate(channel_sources(shortcut).tolist()) if source < 0]
    assert zero == sorted([0, 1, *[2 + i for i in inputs], 6, 7])
    resize(shortcut, Change(inputs=torch.arange(len(stay)), outputs=left))
    assert torch.equal(shortcut(images[:, stay]), whole[:, left])
    at_once = resize(ZeroPaddingShortcut(4, 8), Change(inputs=stay, outputs=left))
    assert torch.equal(at_once.source, shortcut.source)


def test_inputs_may_be_removed_more_than_once():
    shortcut = ZeroPaddingShortcut(4, 8)
    for inputs in ([0, 2, 3], [1, 2]):
        resize(shortcut, Change(inputs=torch.tensor(inputs), outputs=torch.arange(8)))
    images = IMAGES.clone()
    images[:, :2] = 0
    assert torch.equal(shortcut(images[:, 2:]), ZeroPaddingShortcut(4, 8)(images))
