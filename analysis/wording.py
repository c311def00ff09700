"""The one table of words: how names and columns are said to people. CSVs keep the code names."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
FROM_SCRATCH = "from scratch"
SCRATCH_B = f"{FROM_SCRATCH}, equal macs"  # as Liu et al. 2019 call it
OLD_RULES = "Protocol 1: epoch splits not tuned, see docs/protocol.md"

# methods, architectures and datasets
NAMES = {
    "dense": "Dense", "random": "Random", "wgsef": "WGSEF", "wgsef_dc": "WGSEF-DC", "wgsef_split": "WGSEF-Split",
    "group_lasso": "Group lasso", "l1_filter": "L1 filters", "magnitude": "Magnitude", "gmp": "GMP",
    "mlp": "MLP", "lenet5": "LeNet-5", "lenet5_caffe": "LeNet-5 (Caffe)", "vgg16": "VGG-16", "resnet18": "ResNet-18",
    "resnet20": "ResNet-20", "resnet32": "ResNet-32", "resnet44": "ResNet-44", "resnet50": "ResNet-50",
    "resnet56": "ResNet-56", "resnet110": "ResNet-110",
    "digits": "digits", "mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100", "imagenet": "ImageNet", "tiny_imagenet": "Tiny ImageNet",
}  # fmt: skip
GROUPINGS = {"n_of_m": "N:M", "element": "single-weight"}

# a column with its value, {}; of any other column the value stands behind the name
CONDITIONS = {
    "grouping": "{} groups", "scope": "{} scope", "start": "from {}", "epochs": "{} epochs",
    "train_images": "{} images", "threads": "{} threads", "device": "{}", "backend": "{}", "optimizer": "{}",
    "precision": "{}", "finetune_lr": "fine-tuning lr {}", "schedule": "{} schedule",
    "schedule_over": "one schedule per {}", "warmup": "warm-up {}", "dense_weights": "dense network {}",
    "round_to": "rounded to {}", "shrink": "shrinking {}", "measure": "groups measured {}",
    "dense_epochs": "{} dense epochs", "sparsify_epochs": "{} sparsify epochs",
    "finetune_epochs": "{} fine-tuning epochs",
    "own_code": "source {}", "own_grouping_code": "source of groups {}",
}  # fmt: skip
EMPTY = {
    "finetune_lr": "no fine-tuning lr",
    "augmentation": "no augmentation",
    "dense_weights": "dense network trained here",
    "shrink": "no shrinking",
    "own_code": "source unknown",
    "own_grouping_code": "source of groups unknown",
}
# what stands beside an axis
AXES = {
    "test_top1": "Test top-1 accuracy (%)",
    "group_sparsity": "Group sparsity (%)",
    "compression": "Compression (parameters, dense / compact)",
    "mac_speedup": "Theoretical speedup (multiply-adds)",
    "speedup_b1": "Measured speedup, batch 1",
    "speedup_b64": "Measured speedup, batch 64",
    "projection_drop": "Validation drop (points)",
    "lam": "Strength lam",
    "keep": "Keep",
    "cost": "Train time / dense",
    "train_seconds": "Train time (s)",
    "epoch_ratio": "Epoch time / ordinary",
    "median_ms": "Time (ms)",
}


def name(code: str) -> str:
    """Return the name of a method, an architecture, or a dataset for people; one that is unknown stays."""
    return NAMES.get(code, code)


def line_name(line: str, labels: Mapping[str, str] | None = None) -> str:
    """Return a line such as `wgsef_dc (element, lam=1)` for people; `labels` says what the user calls a method."""
    code, _, bracket = line.partition(" (")
    said = (labels or {}).get(code) or name(code)
    first = re.match(r"\w*", bracket)[0]  # type: ignore[index]
    return f"{said} ({GROUPINGS.get(first, first)}{bracket[len(first) :]}" if bracket else said


def setting_name(architecture: str, dataset: str) -> str:
    """Return an architecture on a dataset for people."""
    return f"{name(architecture)} on {name(dataset)}"


def grouping_name(grouping: str) -> str:
    """Return a grouping for people, such as `filter groups`."""
    return f"{GROUPINGS.get(grouping, grouping)} groups"


def condition(column: str, value: Any) -> str:
    """Return a column with its value in words, such as `lr 0.02`."""
    if value is None or value != value:
        return EMPTY.get(column, f"{column} unknown")
    said = f"{value:,.0f}" if column == "train_images" else plain(value)
    text = CONDITIONS.get(column, column.replace("_", " ") + " {}").format(said)
    return text.removesuffix("s") if text in ("1 threads", "1 epochs") else text


def plain(value: Any) -> str:
    """Return the value of a cell or of a hyperparameter as text."""
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


def sentences(lines: Sequence[str]) -> str:
    """Return lines as the sentences of a caption; those that end as one stay, and empty ones go."""
    return " ".join(line if line.endswith((".", ":", ",")) else f"{line}." for line in lines if line)


def wrapped(text: str, letters: int, indent: str = "") -> str:
    """Return text in lines of so many letters, broken between words alone, not after a hyphen."""
    lines = textwrap.wrap(text, letters, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def listed(names: Sequence[str], most: int = 5, joined: str = ", ", last: str = " and ") -> str:
    """Return names joined by commas, at most so many of them and the number of the others."""
    more = f"{last}{len(names) - most} more" if len(names) > most else ""
    return joined.join(names[:most]) + more
