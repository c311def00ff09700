"""The number format of training: what it changes, what it leaves alone, and where a device lacks it."""

import re

import pytest
import torch
from torch import nn

from results.columns import Epoch
from results.errors import InputError
from runners import precision, run, training
from runners.executors import Slots
from runners.precision import arithmetic, check, forward_pass
from runners.store import Store
from runners.tasks import RunContext
from runners.training import evaluate

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of this compute capability, as far as `check` can see."""

    def pretend(*capability, hip=None):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
        monkeypatch.setattr(torch.version, "hip", hip)

    return pretend


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps", "meta"])
def test_every_device_has_float32(device):
    check("float32", torch.device(device))


def test_a_cpu_has_bf16_but_no_tf32():
    check("bf16", CPU)
    with pytest.raises(InputError, match=r"^precision = tf32: cpu does not have it; float32 or bf16, or a GPU"):
        check("tf32", CPU)
    with pytest.raises(InputError, match=r"^precision = bf16: meta does not have it; float32, or a GPU"):
        check("bf16", torch.device("meta"))


@pytest.mark.parametrize("chosen", ["tf32", "bf16"])
def test_a_gpu_has_it_from_ampere_on(gpu, chosen):
    for capability in ((8, 0), (8, 9), (9, 0), (10, 0)):
        gpu(*capability)
        check(chosen, CUDA)
    gpu(7, 0)
    with pytest.raises(InputError, match=rf"^precision = {chosen}: Tesla V100 \(cuda\) does not have it; precision: "):
        check(chosen, CUDA)


def test_a_gpu_of_another_maker_has_no_tf32(gpu):
    gpu(9, 4, hip="6.2")
    check("bf16", CUDA)
    with pytest.raises(InputError, match="tf32"):
        check("tf32", CUDA)


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("before", [(False, False), (True, False)])
def test_tf32_is_set_inside_alone_whatever_happens_there(before):
    usual, inside = flags(), []

    def fail():
        inside.append(flags())
        raise ZeroDivisionError

    try:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
        with pytest.raises(ZeroDivisionError), arithmetic("tf32"):
            fail()
        assert inside == [(True, True)]
        assert flags() == before
        for other in ("float32", "bf16"):
            with arithmetic(other):
                assert flags() == before
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = usual


def test_products_are_bf16_and_all_else_float32():
    torch.manual_seed(0)
    network, images, labels = nn.Linear(64, 10), torch.randn(8, 64), torch.arange(8)
    exact = network(images).detach()
    with forward_pass("bf16", CPU):
        logits = network(images)
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert (logits.dtype, loss.dtype) == (torch.bfloat16, torch.float32)
    loss.backward()
    assert network.weight.dtype == network.weight.grad.dtype == torch.float32
    assert 0 < (logits.float() - exact).abs().max() < 0.05
    with forward_pass("float32", CPU):
        assert torch.equal(network(images), exact)


def test_each_pass_has_the_weights_of_its_time():
    """autocast keeps the converted weights until it ends."""
    network, images = nn.Linear(4, 2), torch.randn(3, 4)
    for factor in (1.0, 0.0):
        with torch.no_grad():
            network.weight.mul_(factor)
        with forward_pass("bf16", CPU):
            found = network(images)
    assert torch.equal(found, network.bias.bfloat16().expand(3, 2))


@pytest.mark.filterwarnings("ignore:.*CUDA is not available.*")
def test_a_gpu_is_cast_as_a_gpu():
    context = forward_pass("bf16", CUDA)
    assert isinstance(context, torch.autocast)
    assert (context.device, context.fast_dtype) == ("cuda", torch.bfloat16)


class Watched(nn.Module):
    """Keeps the number formats of what it puts out."""

    def __init__(self):
        super().__init__()
        self.layer, self.seen = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10)), []

    def forward(self, images):
        logits = self.layer(images)
        self.seen.append((self.training, logits.dtype, *flags()))
        return logits


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("float32", (torch.float32, False, False)), ("bf16", (torch.bfloat16, False, False)),
     ("tf32", (torch.float32, True, True))],
)  # fmt: skip
def test_training_and_validation_are_in_the_precision_of_the_recipe(digits, make_spec, chosen, expected):
    network, recipe = Watched(), make_spec(recipe={"precision": chosen}).recipe
    training.train(network, digits, recipe, training.Phase("x", 1, 0.1, 0))
    assert {(mode, *seen) for mode, *seen in network.seen} == {(True, *expected), (False, *expected)}
    assert flags() == (False, False)
    network.seen.clear()
    evaluate(network, digits, digits.test)
    assert set(network.seen) == {(False, torch.float32, False, False)}, "unless another is named"


def test_a_trial_in_bf16_is_another_trial_with_a_dense_network_of_its_own(tmp_path, make_spec):
    specs = [make_spec("wgsef", recipe={"precision": p, "finetune_epochs": 1}) for p in ("float32", "bf16")]
    assert len({spec.id for spec in specs}) == len({spec.dense.id for spec in specs}) == 2
    table = run.run(RunContext(tmp_path, "t", "cpu", 1), specs, Slots(["cpu"])).set_index("trial")
    assert table["status"].tolist() == ["done", "done"]
    assert table["precision"][[s.id for s in specs]].tolist() == ["float32", "bf16"]
    assert (table["compact_error"] < 1e-4).all(), "masked and compact network are compared in float32"
    losses = {}
    for spec in specs:
        store = Store(tmp_path, "t")
        epochs = store._found(spec.id, "epochs", Epoch)
        losses[spec.recipe.precision] = epochs[0].train_loss
        assert {v.dtype for v in store.dense_weights(spec.dense).values() if v.is_floating_point()} == {torch.float32}
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)


def test_a_device_without_it_is_one_line_before_anything_runs(tmp_path, make_spec, performed):
    spec = make_spec(recipe={"precision": "tf32"})
    with pytest.raises(InputError, match=re.escape("precision = tf32: cpu does not have it")):
        run.run(RunContext(tmp_path, "t", "cpu", 1), [spec], Slots(["cpu"]))
    assert performed == []


def test_on_a_cluster_the_node_says_so(tmp_path, make_spec, monkeypatch):
    spec = make_spec(recipe={"precision": "tf32"})
    monkeypatch.setattr(run, "check", lambda precision, device: None)
    row = run.run(RunContext(tmp_path, "t", "cpu", 1), [spec], Slots(["cpu"])).iloc[0]
    assert row["status"] == "failed"
    assert "precision = tf32: cpu does not have it" in row["reason"]


def test_an_unknown_precision_is_refused(make_spec):
    with pytest.raises(ValueError, match="float32"):
        make_spec(recipe={"precision": "float16"})
    assert precision.Precision.__args__ == ("float32", "tf32", "bf16")
