"""WGSEF-DC in a training loop of one's own: a network that ends with exactly a quarter of its filters and neurons.

    .venv/bin/python -m docs.own_loop          (from the root of the repository)

The lines marked # klevel are all that WGSEF-DC needs.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

from methods import WGSEFDC  # klevel
from runners.networks.pruning import Budget, groups_of, project, realise  # klevel

torch.manual_seed(0)
torch.set_num_threads(1)  # more of them only wait for each other on a network this small
digits = load_digits()
images, labels = torch.tensor(digits.images[:, None], dtype=torch.float32) / 16, torch.tensor(digits.target)
train, test = torch.arange(len(labels)).split(1500)

network = nn.Sequential(
    nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
    nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10),
)  # fmt: skip
optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
groups = groups_of(network, images[:1], "filter")  # klevel
pruner = WGSEFDC(groups, Budget.of(groups, keep=0.25))  # klevel
pruner.attach(optimizer)  # klevel: how far it goes depends on momentum, and on Adam's second moments

epochs, batch = 13, 64
steps = epochs * -(-len(train) // batch)
step = 0
for epoch in range(epochs):
    for chosen in train[torch.randperm(len(train))].split(batch):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
        optimizer.step()
        step += 1
        pruner.after_step(lr=0.05, progress=step / steps)  # klevel
    print(f"epoch {epoch + 1:2d}: {groups.nonzero()} groups left of {groups.sizes}")


def accuracy(model: nn.Module) -> float:
    """Return the accuracy on the test images."""
    with torch.no_grad():
        return (model.eval()(images[test]).argmax(1) == labels[test]).double().mean().item()


masks = project(groups, pruner.budget)  # exactly k, which WGSEF-DC has reached by itself
small = realise(network, groups, masks, "filter", images[:2]).network
for name, model in (("zeros in place", network), ("groups removed", small)):
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{name}: {100 * accuracy(model):.1f} % of the test images right, {parameters:,} parameters")
print(f"target {pruner.budget.targets(groups)}, reached {groups.nonzero()}")
