"""What groups are measured by: batch norm lets filters be rescaled, and gamma and folded do not see that."""

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from methods.groups import Budget
from methods.l1_filter import L1Filter
from runners.networks.architectures import ARCHITECTURES
from runners.networks.graph.structure import structure_of
from runners.networks.groupings import GROUPINGS
from runners.networks.groupings.measures import measured
from tests.runners.user_networks import RESIDUAL

EXAMPLE = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MEASURES = pytest.mark.parametrize("measure", ["gamma", "folded"])
NORMED = pytest.mark.parametrize(
    ("architecture", "grouping"),
    [
        ("resnet20", "filter"),
        ("resnet20", "coupled"),
        ("resnet20_b", "coupled"),
        ("mobilenet_v1", "filter"),
        ("mobilenet_v1", "coupled"),
        ("densenet40", "coupled"),
        ("densenet40", "filter"),
        (RESIDUAL, "depth"),
    ],
)


def unsettled(network):
    """The network in float64, its batch norms in a state that is not the initial one."""
    torch.manual_seed(1)
    for norm in norms_of(network):
        nn.init.uniform_(norm.weight, 0.2, 2)
        with torch.no_grad():
            norm.weight.mul_(torch.randn_like(norm.weight).sign())
        nn.init.normal_(norm.bias)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return network.double().eval()


def norms_of(network):
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.affine]


def build(architecture):
    torch.manual_seed(0)
    return unsettled(ARCHITECTURES[architecture](1, 28, 10))


def divide(architecture, grouping):
    network = build(architecture)
    return network, GROUPINGS[grouping](network, EXAMPLE)


@torch.no_grad()
def rescale(network, seed):
    """Multiply what each batch norm reads by factors in [0.5, 2]: weights, bias and running statistics along."""
    generator = torch.Generator().manual_seed(seed)
    for layer in structure_of(network, EXAMPLE).layers:
        if (norm := layer.norm) is not None:
            factor = 2 ** (2 * torch.rand(norm.num_features, generator=generator, dtype=torch.float64) - 1)
            layer.module.weight.mul_(factor.view(-1, *[1] * (layer.module.weight.dim() - 1)))
            if layer.module.bias is not None:
                layer.module.bias.mul_(factor)
            norm.running_mean.mul_(factor)
            norm.running_var.add_(norm.eps).mul_(factor**2).sub_(norm.eps)


def output(network):
    with torch.no_grad():
        return network(EXAMPLE)


def choice(groups):
    return [m for keep in (0.75, 0.5, 0.25) for m in Budget.of(groups, keep).select(groups.norms())]


@pytest.mark.parametrize("grouping", ["filter", "coupled"])
@pytest.mark.parametrize("architecture", ["resnet20", "resnet20_b", "mobilenet_v1"])
def test_rescaling_filters_changes_what_raw_chooses_and_nothing_else(architecture, grouping):
    network, raw = divide(architecture, grouping)
    free = [measured(raw, network, EXAMPLE, m) for m in ("gamma", "folded")]
    assert not any(f.is_raw for groups in free for f in groups)
    before, norms, chosen = output(network), [g.norms() for g in (raw, *free)], [choice(g) for g in (raw, *free)]
    rescale(network, 0)
    assert (output(network) - before).abs().max() <= 1e-5 * before.abs().max()
    for groups, was, kept in zip(free, norms[1:], chosen[1:], strict=True):
        for now, then in zip(groups.norms(), was, strict=True):
            torch.testing.assert_close(now, then, rtol=1e-9, atol=0)
        assert all(torch.equal(a, b) for a, b in zip(choice(groups), kept, strict=True))
    for now, then in zip(raw.norms(), norms[0], strict=True):
        assert ((now / then).log().abs() > 1e-3).any()
    assert not all(torch.equal(a, b) for a, b in zip(choice(raw), chosen[0], strict=True))


def slices_of(family, parameter):
    """The slices along the first dim of a parameter that belong to each group: sets of indices."""
    found = []
    for j in range(family.size):
        marks = [m._replace(parameter=torch.ones_like(m.parameter)) for m in family.parts if m.parameter is parameter]
        for mark in marks:
            mark.scale_((torch.arange(family.size) != j).double())
        gone = torch.stack([m.parameter.flatten(1)[:, 0] if m.parameter.dim() > 1 else m.parameter for m in marks])
        found.append((gone == 0).any(0).nonzero().flatten().tolist())
    return found


def naive(network, family, measure, p):
    """Norms of a family by a loop over everything, with what reads what taken from the names of the layers."""
    readers = {
        id(layer.norm): layer.module for layer in structure_of(network, EXAMPLE).layers if layer.norm is not None
    }
    own = {id(m.parameter): m.parameter for m in family.parts}
    norms = [n for n in norms_of(network) if id(n.weight) in own]
    powers, covered = [0.0] * family.size, set()
    for norm in norms:
        layer = readers.get(id(norm))
        covered |= {id(t) for t in (norm.weight, norm.bias, *(layer.parameters() if layer else ()))}
        for j, channels in enumerate(slices_of(family, norm.weight)):
            for c in channels:
                value = norm.weight[c].abs().item()
                if measure == "folded":
                    value /= (norm.running_var[c].item() + norm.eps) ** 0.5
                    value *= layer.weight[c].norm(p).item() if layer else 1
                powers[j] += value**p
    if measure == "folded":
        for parameter in (t for i, t in own.items() if i not in covered):
            for j, rows in enumerate(slices_of(family, parameter)):
                powers[j] += sum(parameter[c].norm(p).item() ** p for c in rows)
    return [power ** (1 / p) for power in powers]


@NORMED
@MEASURES
@torch.no_grad()
def test_norms_are_those_of_a_loop(architecture, grouping, measure):
    network, raw = divide(architecture, grouping)
    families = list(measured(raw, network, EXAMPLE, measure))
    for family in [*families[:3], *families[-2:]]:
        if not family.is_raw:
            for p in (1, 2):
                assert family.norms(p).tolist() == pytest.approx(naive(network, family, measure, p), rel=1e-9)


@NORMED
@MEASURES
@torch.no_grad()
def test_what_is_removed_stays_the_same_and_what_is_scaled_is_measured(architecture, grouping, measure):
    network, raw = divide(architecture, grouping)
    groups = measured(raw, network, EXAMPLE, measure)
    for family, plain in zip(groups, raw, strict=True):
        assert family.members is plain.members
        assert all(getattr(family, n) == getattr(plain, n) for n in ("name", "rows", "floor", "shape", "elements"))
        assert family.nonzero() == plain.nonzero()
    assert [id(p) for p in groups.parameters()] == [id(p) for p in raw.parameters()]
    norms = groups.norms()
    before = {n: p.clone() for n, p in network.named_parameters()}
    groups.scale_([torch.full(f.shape, 0.5, dtype=torch.float64) for f in groups])
    for now, then in zip(groups.norms(), norms, strict=True):
        torch.testing.assert_close(now, then / 2, rtol=1e-9, atol=0)
    unread = {id(layer.module.weight) for layer in structure_of(network, EXAMPLE).layers if layer.norm is not None}
    own = {id(m.parameter) for f in groups if not f.is_raw for m in f.parts}
    for name, parameter in network.named_parameters():
        if id(parameter) in unread & own:
            assert torch.equal(parameter, before[name]), name
    groups.scale_([torch.zeros(f.shape) for f in groups])
    assert groups.nonzero() == [0] * len(groups)
    assert all(not n.any() for n in groups.norms())


@MEASURES
@pytest.mark.parametrize(
    ("architecture", "grouping"),
    [("lenet5", "filter"), ("vit_tiny", "coupled"), ("resnet20", "channel"), ("resnet20", "element")],
)
def test_families_without_a_norm_stay_raw(architecture, grouping, measure):
    network, raw = divide(architecture, grouping)
    groups = measured(raw, network, EXAMPLE, measure)
    assert groups.is_raw
    assert all(torch.equal(a, b) for a, b in zip(groups.norms(), raw.norms(), strict=True))


def test_raw_is_what_there_was():
    network, raw = divide("resnet20", "coupled")
    assert measured(raw, network, EXAMPLE, "raw") is raw


@torch.no_grad()
def test_norms_follow_the_training():
    network, raw = divide("resnet20", "filter")
    gamma, folded = (measured(raw, network, EXAMPLE, m) for m in ("gamma", "folded"))
    before = [g.families[0].norms() for g in (gamma, folded)]
    network.train()(EXAMPLE)
    assert torch.equal(gamma.families[0].norms(), before[0])
    assert not torch.equal(folded.families[0].norms(), before[1]), "the running variance has moved"
    network.bn1.weight.mul_(2)
    torch.testing.assert_close(gamma.families[0].norms(), before[0] * 2)


def test_gamma_of_a_filter_is_the_scale_of_its_norm():
    network, raw = divide("resnet20", "filter")
    first = measured(raw, network, EXAMPLE, "gamma").families[0]
    assert first.norms().tolist() == network.bn1.weight.abs().tolist()
    assert [m.parameter is network.bn1.weight for m in first.measured] == [True]


def test_neurons_with_batch_norm():
    hidden = (nn.Linear(784, 6), nn.BatchNorm1d(6), nn.ReLU())
    network = unsettled(nn.Sequential(nn.Flatten(), *hidden, nn.Linear(6, 10)))
    family = measured(GROUPINGS["filter"](network, EXAMPLE), network, EXAMPLE, "folded").families[0]
    layer, norm = network[1], network[2]
    expected = norm.weight.abs() * layer.weight.norm(dim=1) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(family.norms(), expected.detach())


def test_where_no_variance_is_kept_the_scale_counts_alone():
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(4 * 26 * 26, 10)).double()
    nn.init.normal_(norm.weight)
    family = measured(GROUPINGS["filter"](network, EXAMPLE), network, EXAMPLE, "folded").families[0]
    torch.testing.assert_close(family.norms(), norm.weight.detach().abs())


@MEASURES
def test_a_norm_without_scales_measures_nothing(measure):
    norm = nn.BatchNorm2d(4, affine=False)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(4 * 26 * 26, 10)).double()
    assert measured(GROUPINGS["filter"](network, EXAMPLE), network, EXAMPLE, measure).is_raw


class Shared(nn.Module):
    """Two convolutions before one batch norm."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
        self.norm, self.out = nn.BatchNorm2d(4), nn.Linear(4 * 26 * 26, 10)

    def forward(self, x):
        return self.out((self.norm(self.first(x)) + self.norm(self.second(x))).flatten(1))


def test_a_norm_that_two_layers_share_follows_no_single_one():
    network = unsettled(Shared())
    raw = GROUPINGS["coupled"](network, EXAMPLE)
    family = measured(raw, network, EXAMPLE, "folded").families[0]
    expected = network.norm.weight.abs() / (network.norm.running_var + network.norm.eps).sqrt()
    torch.testing.assert_close(family.norms(), expected.detach())


@MEASURES
def test_l1_filter_takes_a_family_in_its_measure(measure):
    network, raw = divide("resnet20", "coupled")
    groups = measured(raw, network, EXAMPLE, measure)
    for score, family in zip(L1Filter(groups, Budget.of(groups, 0.5)).scores(), groups, strict=True):
        assert torch.equal(score, family.norms(p=1))


def test_l1_filter_of_raw_families_takes_the_weights_alone():
    network, raw = divide("resnet20", "filter")
    scores = L1Filter(raw, Budget.of(raw, 0.5)).scores()
    torch.testing.assert_close(scores[0], network.conv1.weight.detach().abs().sum((1, 2, 3)))
