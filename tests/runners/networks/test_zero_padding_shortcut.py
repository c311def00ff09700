"""The shortcut without parameters: what it computes, and what is left of it when channels go."""

import pytest
import torch
import torch.nn.functional as F

from runners.networks.layers.zero_padding_shortcut import ZeroPaddingShortcut

IMAGES = torch.randn(2, 4, 7, 6, generator=torch.Generator().manual_seed(0))


def test_it_takes_every_second_pixel_and_pads_the_channels():
    expected = F.pad(IMAGES[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
    assert torch.equal(ZeroPaddingShortcut(4, 8)(IMAGES), expected)
    assert ZeroPaddingShortcut(4, 8).zero_outputs().tolist() == [True] * 2 + [False] * 4 + [True] * 2
    assert list(ZeroPaddingShortcut(4, 8).state_dict()) == list(ZeroPaddingShortcut(4, 8).parameters()) == []


@pytest.mark.parametrize("inputs", [[], [0], [1, 2], [0, 3], [0, 1, 2]])
@pytest.mark.parametrize("outputs", [[], [0], [1, 7], [0, 1, 6, 7]])
def test_without_channels_it_computes_what_is_left_of_the_same(inputs, outputs):
    images = IMAGES.clone()
    images[:, inputs] = 0
    stay = [i for i in range(4) if i not in inputs]
    shortcut = ZeroPaddingShortcut(4, 8)
    whole = shortcut(images)
    shortcut.remove_inputs(inputs)
    assert torch.equal(shortcut(images[:, stay]), whole)
    assert [i for i in range(8) if shortcut.zero_outputs()[i]] == [0, 1, *[2 + i for i in inputs], 6, 7]
    shortcut.remove_outputs(outputs)
    assert torch.equal(shortcut(images[:, stay]), whole[:, [i for i in range(8) if i not in outputs]])


def test_inputs_may_be_removed_more_than_once():
    shortcut = ZeroPaddingShortcut(4, 8)
    for channels in ([1], [0]):
        shortcut.remove_inputs(channels)
    images = IMAGES.clone()
    images[:, :2] = 0
    assert torch.equal(shortcut(images[:, 2:]), ZeroPaddingShortcut(4, 8)(images))
