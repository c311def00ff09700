"""Pairs of an architecture and a grouping: all, but of the deeper twins of a network each with one, in turn."""

import itertools

import pytest

from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS

# more of the same blocks: what is tested of them depends on the depth alone, and takes long
DEEPER = ("resnet32", "resnet32_b", "resnet56", "resnet56_b", "resnet110", "resnet110_b", "vgg19")
EACH = [(a, g) for a in ARCHITECTURES if a not in DEEPER for g in GROUPINGS]
PAIRS = pytest.mark.parametrize(
    ("architecture", "grouping"), [*EACH, *zip(DEEPER, itertools.cycle(GROUPINGS), strict=False)]
)
