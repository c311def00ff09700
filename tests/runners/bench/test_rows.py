"""What is measured: the same rows each time, with the targets; no time is looked at."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from results.performance import Row
from runners.bench import GROUPS, Form, Group, loop, measure, peers, proximal, scaling, shrinking, start
from runners.bench.settings import COLOURED, Setting

TINY = Form(repeats=1, batch=20, images=40, of_trial=40, weights=(50,), norms=100, epochs=(1, 1))
FULL = replace(TINY, full=True)


@pytest.fixture
def small(monkeypatch, seconds):
    """Networks that take moments, and commands that are not run."""
    monkeypatch.setattr(proximal, "NETWORKS", {"mlp": 0.1})
    monkeypatch.setattr(proximal, "LARGE", {"lenet5_caffe": 0.1})
    monkeypatch.setattr(loop, "LOOPS", {"mlp": (("crop",), 1.03)})
    monkeypatch.setattr(shrinking, "SMALL", shrinking.Shrunk("mlp", "filter", 0.1, 0.7, 40))
    monkeypatch.setattr(shrinking, "LARGE", (shrinking.Shrunk("lenet5_caffe", "coupled", 0.25, 0.6, 40),))
    monkeypatch.setattr(shrinking, "FINETUNED", shrinking.Shrunk("lenet5_caffe", "filter", 0.25, 0.15, 0))
    monkeypatch.setattr(peers, "ARCHITECTURE", "resnet20_b")
    monkeypatch.setattr(peers, "MANY", COLOURED)
    monkeypatch.setattr(start, "call", lambda command, codes=(0,): None)


ROWS = {"prox": 6, "weights": 6, "factors": 4, "loop": 2, "start": 3, "peers": 9}
ROWS["shrinking"] = 8
SHORT = {"prox": 3, "loop": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", GROUPS)
def test_every_group_has_its_rows(name, small):
    if name == "peers":
        pytest.importorskip("torch_pruning")
    rows = measure(FULL, [GROUPS[name]])
    assert not [row.reason for row in rows if row.reason]
    assert len({row.name for row in rows}) == len(rows) == ROWS[name]
    assert {row.group for row in rows} == {name}
    assert all(row.value > 0 and row.low <= row.value <= row.high and row.repeats >= 1 for row in rows)
    assert any(row.target for row in rows)


@pytest.mark.parametrize("name", SHORT)
def test_the_short_form_has_fewer(name, small):
    assert len(measure(TINY, [GROUPS[name]])) == SHORT[name]


def test_nothing_is_left_of_the_way_torch_is_set_up(seconds):
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    measure(TINY, [GROUPS["factors"]])
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_weights_move_and_come_back():
    weights = torch.randn(100)
    start, moving = weights.clone(), proximal.Moving([weights])
    seen = []
    for _ in range(2 * (proximal.SNAPSHOTS - 1)):
        moving.next()
        seen.append(weights.clone())
    assert torch.equal(seen[0], start)
    assert len({tuple(w.tolist()) for w in seen}) == proximal.SNAPSHOTS
    assert float((seen[1] - seen[0]).norm()) == pytest.approx(proximal.MOVED * float(start.norm()), rel=0.5)
    moving.next()
    assert torch.equal(weights, start)


def test_a_group_that_fails_says_why_and_the_others_are_measured():
    def broken(form):
        yield Row("broken", "one", "a / b", value=1.0)
        raise ValueError("of a cause")

    def absent(form):
        raise ModuleNotFoundError("no", name="a_package")
        yield

    def works(form):
        yield Row("works", "two", "a / b", value=2.0, target=1.0)

    groups = [Group(f.__name__, "A line.", f) for f in (broken, absent, works)]
    heard = []
    one, why, missing, last = measure(TINY, groups, heard.append)
    assert heard == [one, why, missing, last]
    assert (why.reason, why.failed) == ("ValueError: of a cause", True)
    assert (missing.reason, missing.failed) == ("needs a_package, which is not installed", False)
    assert [row.met for row in (one, why, missing, last)] == [None, None, None, False]


@pytest.fixture(scope="module")
def resnet():
    """A ResNet-20 that is to be pruned."""
    return Setting.of("resnet20_b", 4)


@pytest.mark.slow
def test_masks_of_others_are_those_of_klevel(resnet):
    masked = peers._chosen(resnet)[0].eval()
    with torch.no_grad():
        expected = masked(resnet.images)
        for made in (peers.by_torch(resnet), peers.by_shrinkbench(resnet), peers.by_klevel(resnet)):
            assert torch.allclose(made.eval()(resnet.images), expected, atol=1e-4)


@pytest.mark.slow
def test_masked_weights_stay_at_zero_in_training(resnet):
    for make in (peers.by_torch, peers.by_shrinkbench):
        network = make(resnet)
        network.train()(resnet.images).square().sum().backward()
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        weights = [getattr(m, "weight_orig", None) if make is peers.by_torch else m.weight for m in layers]
        assert all(bool((w.grad[w == 0] == 0).all()) for w in weights)


@pytest.mark.slow
def test_torch_pruning_leaves_half_of_every_layer(resnet):
    pytest.importorskip("torch_pruning")
    ours, theirs = (
        [m.out_channels for m in make(resnet).modules() if isinstance(m, nn.Conv2d)]
        for make in (peers.by_klevel, peers.by_torch_pruning)
    )
    assert ours == theirs


@pytest.mark.slow
def test_costs_are_measured_at_every_size(seconds, tmp_path):
    drawn = []
    sizes = scaling.Sizes(groups=(10, 100), networks=("resnet20",), trials=(20, 40), repeats=1)

    def draw(folder, output):
        assert (folder / "trials.csv").is_file()
        output.mkdir()
        drawn.append(output.name)

    costs = scaling.measure(sizes, draw)
    found = {(cost.group, cost.what): [] for cost in costs}
    for cost in costs:
        found[cost.group, cost.what].append(cost.size)
    assert {group for group, _ in found} == {"prox", "network", "suite"}
    assert all(found["prox", name] == [10, 100] for name in ("wgsef", "wgsef_dc", "group_lasso", "torch.sort"))
    assert all(len(found["network", what]) == 1 for what in ("divide", "remove"))
    assert all(found["suite", what] == [20, 40] for what in ("plan", "collect", "draw"))
    assert drawn == ["first", "drawn", "drawn"]
