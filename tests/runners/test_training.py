"""The one training loop: its schedule, its steps, what acts on it, and how it counts correct answers."""

import copy
import math

import pytest
import torch
from torch import nn

from runners import training
from runners.data import Data, Split
from runners.spec import Recipe
from runners.training import (
    Diverged,
    NoHooks,
    Phase,
    Restore,
    evaluate,
    learning_rate,
    make_optimizer,
    recalibrate,
    train,
)

EPOCHS = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 0, "batch_size": 8}
PLAIN = {"schedule": "constant", "momentum": 0.0, "weight_decay": 0.0, "lr": 0.1}
CLASSES = 6


def recipe(**changes):
    return Recipe.model_validate(EPOCHS | changes)


def make_data(n=20, blank=False):
    """n images of 2x2 pixels in three splits alike; blank: all pixels 0."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (n, 1, 2, 2), generator=generator).byte() * (not blank)
    split = Split(pixels, torch.arange(n) % CLASSES)
    return Data(split, split, split, torch.zeros(1, 1, 1), torch.full((1, 1, 1), 255.0), CLASSES)


def make_network(bias=True):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, CLASSES, bias=bias))


class Recorder(NoHooks):
    def __init__(self):
        self.steps = []

    def after_step(self, lr, progress):
        self.steps.append((lr, progress))

    def diagnostics(self):
        return {"lam": float(len(self.steps))}


@pytest.mark.parametrize(
    ("schedule", "warmup", "values"),
    [
        ("constant", 0.0, {0.0: 2.0, 0.5: 2.0, 0.99: 2.0}),
        ("cosine", 0.0, {0.0: 2.0, 0.25: 1 + math.sqrt(0.5), 0.5: 1.0, 1.0: 0.0}),
        ("step", 0.0, {0.0: 2.0, 0.49: 2.0, 0.5: 0.2, 0.74: 0.2, 0.75: 0.02, 0.99: 0.02}),
        ("cosine", 0.2, {0.0: 2 * 0.01 / 0.21, 0.1: 2 * 0.11 / 0.21, 0.2: 2.0, 0.6: 1.0}),
        ("constant", 0.5, {0.0: 2 * 0.01 / 0.51, 0.5: 2.0, 0.9: 2.0}),
    ],
)
def test_learning_rate(schedule, warmup, values):
    chosen = recipe(schedule=schedule, warmup=warmup)
    assert {p: learning_rate(chosen, 2.0, p) for p in values} == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weight_decay_is_left_off_what_decays_by_itself(optimizer):
    """On blank images the gradient of the weights is zero: what moves them is the decay alone."""
    chosen, moved = recipe(**PLAIN | {"weight_decay": 0.5}, optimizer=optimizer), {}
    for free in (False, True):
        network = make_network(bias=False)
        before = network[1].weight.clone()
        train(network, make_data(8, blank=True), chosen, Phase("x", 1, 0.1, 0), undecayed=[network[1].weight] * free)
        moved[free] = (network[1].weight / before).detach()
    assert torch.equal(moved[True], torch.ones(CLASSES, 4))
    assert torch.allclose(moved[False], torch.full((CLASSES, 4), 1 - 0.1 * 0.5))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_optimiser_has_every_parameter_once(optimizer):
    network = make_network()
    made = make_optimizer(network, recipe(optimizer=optimizer), [network[1].bias])
    held = [(id(p), g["weight_decay"]) for g in made.param_groups for p in g["params"]]
    assert held == [(id(network[1].weight), 5e-4), (id(network[1].bias), 0.0)]
    assert type(made).__name__.lower() == optimizer


def test_the_penalty_reaches_the_loss_that_is_minimised_and_not_the_one_reported():
    networks, reported = [], []
    for strength in (0.0, 3.0):
        network = make_network()
        hooks = NoHooks()
        hooks.penalty = lambda network=network, strength=strength: strength * network[1].weight.sum()
        history = train(network, make_data(8), recipe(**PLAIN), Phase("x", 1, 0.1, 0), hooks)
        networks.append(network)
        reported.append(history[0].train_loss)
    plain, penalised = (n[1].weight.detach() for n in networks)
    assert torch.allclose(penalised, plain - 0.1 * 3.0, atol=1e-6), "its gradient is 3, the rate 0.1, one step"
    assert reported[0] == reported[1]


def test_the_loss_is_the_mean_over_the_images_with_label_smoothing():
    network, loaded = make_network(), make_data(20)
    chosen = recipe(**PLAIN, label_smoothing=0.2)
    images = loaded.normalise(loaded.train.images)
    expected = nn.functional.cross_entropy(network(images), loaded.train.labels, label_smoothing=0.2).detach()
    history = train(network, loaded, chosen, Phase("x", 1, 1e-9, 0))
    assert history[0].train_loss == pytest.approx(float(expected), rel=1e-5), "20 images in batches of 8, 8 and 4"


def test_hooks_hear_the_rate_and_the_progress_of_each_step():
    chosen, hooks = recipe(schedule="cosine", warmup=0.25), Recorder()
    history = train(make_network(), make_data(20), chosen, Phase("sparsify", 2, 0.3, 0), hooks, count=lambda: [4])
    assert [p for _, p in hooks.steps] == pytest.approx([i / 6 for i in range(1, 7)])
    assert [lr for lr, _ in hooks.steps] == pytest.approx([learning_rate(chosen, 0.3, i / 6) for i in range(6)])
    assert [(e.phase, e.epoch, e.nonzero_groups, e.lam) for e in history] == [
        ("sparsify", 1, [4], 3.0),
        ("sparsify", 2, [4], 6.0),
    ]
    assert [e.lr for e in history] == [hooks.steps[2][0], hooks.steps[5][0]]


def test_progress_ends_at_one_where_a_last_image_joins_the_batch_before():
    hooks = Recorder()
    train(make_network(), make_data(17), recipe(), Phase("x", 2, 0.1, 0), hooks)
    assert [p for _, p in hooks.steps] == pytest.approx([0.25, 0.5, 0.75, 1.0]), "17 images in batches of 8 and 9"


def test_batch_norm_is_trained_and_estimated_again_whatever_the_last_batch(monkeypatch):
    monkeypatch.setattr(training, "EVALUATION_BATCH", 8)
    network = nn.Sequential(make_network(), nn.BatchNorm1d(CLASSES))
    train(network, make_data(17), recipe(), Phase("x", 1, 0.1, 0))
    recalibrate(network, make_data(17))
    assert network[1].num_batches_tracked == 2


def test_epochs_are_reported_as_they_end():
    heard = []
    history = train(make_network(), make_data(), recipe(), Phase("x", 3, 0.1, 0), report=heard.append)
    assert heard == history
    assert [e.lam for e in history] == [None] * 3
    assert train(make_network(), make_data(), recipe(), Phase("x", 0, 0.1, 0)) == []


def test_restore_acts_after_each_step():
    calls = []
    train(make_network(), make_data(20), recipe(), Phase("x", 2, 0.1, 0), Restore(lambda: calls.append(1)))
    assert len(calls) == 6


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_phase(value):
    network = make_network()
    with torch.no_grad():
        network[1].weight[0] = value
    with pytest.raises(Diverged, match=r"in epoch 1 of phase sparsify$"):
        train(network, make_data(), recipe(), Phase("sparsify", 3, 0.1, 0))


def test_a_rate_that_is_too_high_diverges():
    with pytest.raises(Diverged):
        train(make_network(), make_data(), recipe(weight_decay=1.0), Phase("x", 20, 1e6, 0))


@pytest.mark.parametrize("augmentation", [(), ("flip", "crop")])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_same_seed_gives_the_same_weights_to_the_bit(optimizer, augmentation):
    def weights(seed):
        network = make_network()
        chosen = recipe(optimizer=optimizer, augmentation=augmentation)
        torch.manual_seed(torch.seed())  # the state of torch's own generator is of no account
        train(network, make_data(), chosen, Phase("x", 2, 0.1, seed))
        return network[1].weight.detach()

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


class Answers(nn.Module):
    """Puts the classes in the order (c, c+1, ...), c the pixel of the image."""

    def forward(self, images):
        first = (images[:, 0, 0, 0] * 255).round().long()
        return -((torch.arange(CLASSES)[None] - first[:, None]) % CLASSES).float()


@pytest.mark.parametrize("batch", [7, 19, 20, 1000])
def test_accuracy_is_correct_over_seen_whatever_the_last_batch(monkeypatch, batch):
    monkeypatch.setattr(training, "EVALUATION_BATCH", batch)
    loaded = make_data(20)
    pixels = loaded.val.labels.clone()
    pixels[:2] = (pixels[:2] - 1) % CLASSES  # the right class comes second
    pixels[-3:] = (pixels[-3:] + 1) % CLASSES  # the right class comes last, that is sixth
    split = Split(pixels.view(-1, 1, 1, 1).expand(-1, 1, 2, 2).byte(), loaded.val.labels)
    accuracy = evaluate(Answers(), loaded, split)
    assert (accuracy.top1, accuracy.top5) == (15 / 20, 17 / 20)


def test_top5_of_less_than_five_classes_is_one():
    loaded = make_data(9)
    split = Split(loaded.val.images, loaded.val.labels % 3)
    few = Data(split, split, split, loaded.mean, loaded.std, 3)
    assert evaluate(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), few, split).top5 == 1.0


def test_evaluation_leaves_no_gradient_and_counts_without_dropout():
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), make_network()[1]).train()
    results = {evaluate(network, make_data(), make_data().val).top1 for _ in range(3)}
    assert len(results) == 1
    assert network[2].weight.grad is None


def test_training_goes_on_in_training_mode_after_each_evaluation():
    modes, network = [], make_network()
    network.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    train(network, make_data(20), recipe(), Phase("x", 2, 0.1, 0))
    assert modes == [True, True, True, False] * 2


def test_weights_that_the_last_step_makes_infinite_are_seen():
    network = make_network()

    class Explode(NoHooks):
        def after_step(self, lr, progress):
            if progress == 1:
                network[1].bias.data.fill_(float("inf"))

    with pytest.raises(Diverged, match="a weight is not finite after epoch 1"):
        train(network, make_data(), recipe(), Phase("x", 1, 0.1, 0), Explode())


@pytest.mark.parametrize("precision", ["float32", "tf32"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_no_step_reads_anything_back_from_its_device(precision, optimizer):
    """On the device meta no value can be read: on a GPU each such read would wait for all that is queued."""
    meta, loaded = torch.device("meta"), make_data(20)
    split = loaded.train.to(meta)
    loaded = Data(split, split, split, loaded.mean.to(meta), loaded.std.to(meta), CLASSES)
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, CLASSES)).to(meta)
    chosen = recipe(optimizer=optimizer, precision=precision, label_smoothing=0.1)
    made, losses = make_optimizer(network, chosen, []), torch.zeros((), dtype=torch.float64, device=meta)
    for batch in loaded.shuffled(8, torch.Generator(), ("crop", "flip", "cutout")):
        loss = training._step(network, made, batch, 0.1, chosen, NoHooks())
        losses.add_(loss, alpha=len(batch[1]))
        assert loss.device == meta


def test_statistics_of_batch_norms_are_estimated_again(digits):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(10))
    network(digits.example(4))
    network[1].running_mean.fill_(100.0)
    before = {n: p.clone() for n, p in network.named_parameters()}
    recalibrate(network, digits)
    seen = network[0](digits.normalise(digits.train.images)).mean((0, 2, 3))
    torch.testing.assert_close(network[1].running_mean, seen, rtol=0.1, atol=0.05)
    assert network[1].momentum == 0.1, "as it was"
    assert all(torch.equal(p, before[n]) for n, p in network.named_parameters())
    again = copy.deepcopy(network)
    recalibrate(again, digits)
    assert torch.equal(again[1].running_var, network[1].running_var), "the same images each time"
