"""The columns of trials.csv, epochs.csv and latency.csv: one pydantic model each, printed as docs/columns.md.

A column has a kind (`Fraction`, `Counts`, ...), which defines its valid cells, and a one-line description. `Identity`
is filled from the spec alone, so that a failed row has it too; `Outcome` holds the results. Add new columns at the end
of their class. None is an empty cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

PROTOCOL = 2  # the newest rules; 0: those of another tool, whose logs were imported
PLAIN = (str, int, float, type(None))  # cells as they are: most of them
MANY = 10**15  # more groups than any network has, and exact in float64


@dataclass(frozen=True)
class CellKind:
    """The valid cells of a column. words: their description in errors and docs. numeric: a column of float64."""

    words: str
    numeric: bool = True


def _finite(value: float) -> float:
    if math.isinf(value):
        raise ValueError("infinite")
    return value


def _whole(value: float) -> int:
    if value != int(_finite(value)):
        raise ValueError("not whole")
    return int(value)


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _exactly_whole(values: Any) -> Any:
    """Convert to a tuple of counts. Raises ValueError for any other type, 3.0 and true included."""
    if not isinstance(values, list | tuple) or any(type(n) is not int for n in values):
        raise ValueError("not a list of whole numbers")
    return tuple(values)


def _stays_inside(name: str) -> str:
    """Return the name of a folder. Raises ValueError for one that leads out of the folder that it is in."""
    parts = name.replace("\\", "/").split("/")
    if not name.isprintable() or parts[0] in ("", ".") or ".." in parts:
        raise ValueError("leads out of the folder of the trials")
    return name


_Finite = Annotated[float, AfterValidator(_finite)]
Text = Annotated[str, CellKind("text", numeric=False)]
Name = Annotated[str, AfterValidator(_stays_inside), CellKind("a name, no path that leads elsewhere", numeric=False)]
Number = Annotated[_Finite, CellKind("a finite number")]
Ratio = Annotated[_Finite, Ge(0), CellKind("a number of at least 0")]
Amount = Annotated[int | float, AfterValidator(_finite), Ge(0), CellKind("a number of at least 0")]
_Integer = Annotated[int, BeforeValidator(lambda value: _whole(float(value)))]
Whole = Annotated[_Integer, CellKind("a whole number")]
Fraction = Annotated[float, Ge(0), Le(1), CellKind("a fraction in [0, 1]")]
Keep = Annotated[float, Gt(0), Le(1), CellKind("a fraction in (0, 1]")]
Loss = Annotated[float, CellKind("a number")]
Flag = Annotated[_Integer, Ge(0), Le(1), CellKind("0 or 1")]
Counts = Annotated[
    tuple[Annotated[int, Ge(0), Le(MANY)], ...],
    BeforeValidator(_exactly_whole),
    BeforeValidator(_from_json),
    CellKind("a JSON list of whole numbers, one per family", numeric=False),
]
Mapping = Annotated[dict[str, Any], BeforeValidator(_from_json), CellKind("a JSON object", numeric=False)]
Status = Annotated[Literal["done", "failed", "skipped"], CellKind("done, failed or skipped", numeric=False)]
Protocol = Annotated[
    _Integer, Ge(0), Le(PROTOCOL), CellKind(f"at most {PROTOCOL}, the newest that this analysis knows")
]


def column(line: str) -> Any:
    """Declare a column that may be empty. line: its description in docs/columns.md."""
    return Field(default=None, description=line)


def needed(line: str) -> Any:
    """Declare a column that every row fills. line: its description in docs/columns.md."""
    return Field(description=line)


class Columns(BaseModel):
    """Rows of one CSV."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    def cells(self) -> dict[str, Any]:
        """Return the row as cells of a CSV: lists and objects as JSON text, None for an empty cell."""
        return {n: v if isinstance(v, PLAIN) else _cell(v) for n, v in self.__dict__.items()}


class Identity(Columns):
    """The identity of a trial, filled from its spec alone."""

    protocol: Protocol = needed("Version of the rules of the comparison, see docs/protocol.md; 0: another tool's.")
    suite: Text | None = column("Name of the suite that ran it.")
    trial: Name = needed("Hash of the spec of the trial: its name everywhere.")
    method: Text = needed("Name of the method.")
    hyperparameters: Mapping | None = column("Configuration of the method, its own training settings included.")
    architecture: Text = needed("Name of the architecture.")
    dataset: Text = needed("Name of the dataset.")
    grouping: Text = needed("Name of the grouping, see docs/groupings.md.")
    scope: Text | None = column("`layer`: k groups of each family; `network`: k of all together.")
    keep: Keep = needed("Fraction of the groups that survives.")
    seed: Whole = needed("Seed of initial weights, data order and choices.")
    dense_epochs: Whole | None = column("Epochs of the shared dense network.")
    sparsify_epochs: Whole | None = column("Epochs under the method.")
    finetune_epochs: Whole | None = column("Epochs of the survivors.")
    start: Text | None = column("Network that sparsify starts from: `dense` or `scratch`.")
    train_images: Whole | None = column(
        "Images trained on, as the recipe limits them; empty: the whole training split."
    )
    optimizer: Text | None = column("Optimiser: `sgd`, `adam` or `adamw`.")
    lr: Ratio | None = column("Highest learning rate.")
    finetune_lr: Ratio | None = column("Highest learning rate of fine-tuning; empty: the same.")
    momentum: Ratio | None = column("Momentum of SGD.")
    weight_decay: Ratio | None = column("Weight decay.")
    batch_size: Whole | None = column("Images of a training step.")
    schedule: Text | None = column("Schedule of the learning rate.")
    schedule_over: Text | None = column("Whether each `phase` has a schedule of its own, or the `trial` has one.")
    warmup: Ratio | None = column("Epochs of linear warm-up.")
    label_smoothing: Fraction | None = column("Label smoothing.")
    augmentation: Text | None = column("Augmentations of the training images, joined by +.")
    normalisation: Text | None = column("Source of the mean and standard deviation of images: `dataset` or `imagenet`.")
    dense_weights: Text | None = column("Name of the file that the dense network came from; empty: trained here.")
    round_to: Whole | None = column("Kept channels of a layer are a multiple of this.")
    shrink: Text | None = column("`on` where zero groups are removed in training once the choice is final, or `off`.")
    precision: Text | None = column("Number format of training.")
    measure: Text | None = column("Norm of a group: `raw`, `gamma` or `folded`, see docs/groupings.md.")
    equal: Text | None = column(
        "Training cost in which a start from scratch equals the others: `epochs`, or `macs` where these are known."
    )
    own_code: Text | None = column("Hashes of the source of a dataset and an architecture of one's own; empty: none.")
    own_grouping_code: Text | None = column("Hash of the source of a grouping of one's own; empty: it is klevel's.")


class Outcome(Columns):
    """The results of a trial."""

    status: Status = needed("`done`, `failed` or `skipped`.")
    reason: Text | None = column("Reason why the trial is not done.")
    dense_val_top1: Fraction | None = column("Validation accuracy of the dense network.")
    dense_test_top1: Fraction | None = column("Test accuracy of the dense network.")
    val_top1: Fraction | None = column("Validation accuracy at the end.")
    test_top1: Fraction | None = column("Test accuracy at the end.")
    test_top5: Fraction | None = column("Top-5 test accuracy.")
    projection_drop: Number | None = column("Validation accuracy before less after the projection.")
    groups: Counts | None = column("Groups of each family; empty for a dense control that could not be divided.")
    groups_target: Counts | None = column("k of each family; one number where the scope is network.")
    groups_at_convergence: Counts | None = column("Non-zero groups of each family before the projection.")
    groups_kept: Counts | None = column("Non-zero groups of each family after it.")
    group_sparsity: Fraction | None = column("Share of removed groups.")
    dense_params: Amount | None = column("Parameters of the dense network.")
    params: Amount | None = column("Parameters of the compact network.")
    compression: Ratio | None = column("dense_params / params.")
    dense_macs: Amount | None = column(
        "Multiply-adds of one image through the dense network; empty where those of an operator are not known."
    )
    macs: Amount | None = column("Multiply-adds of one image through the compact network.")
    mac_speedup: Ratio | None = column("dense_macs / macs.")
    compact_error: Ratio | None = column("Largest difference of an output between masked and compact network.")
    speedup_b1: Ratio | None = column("Dense time / compact time at batch 1, measured.")
    speedup_b64: Ratio | None = column("Dense time / compact time at batch 64, measured.")
    dense_file_mb: Ratio | None = column("Size of the dense state dict in MB (1e6 bytes).")
    file_mb: Ratio | None = column("Size of the compact state dict in MB.")
    dense_peak_mb: Ratio | None = column("Peak memory of a forward pass of the dense network in MB.")
    peak_mb: Ratio | None = column("Peak memory of a forward pass of the compact network in MB.")
    train_seconds: Ratio | None = column("Seconds of all epochs, those of the shared dense network too.")
    device: Text | None = column("Device that the times were taken on.")
    threads: Whole | None = column("CPU threads of the trial.")
    torch: Text | None = column("Version of torch.")
    commit: Text | None = column("Commit of klevel.")
    realisation: Text | None = column("How zeros were used: `compact`, `masked`, or a sparse format.")
    classes: Whole | None = column("Classes of the dataset.")
    k_reached: Flag | None = column("1 where training alone left exactly k groups; empty where nothing trains.")
    groups_above: Whole | None = column("Groups that training left above k, in all families.")
    trained_epochs: Amount | None = column("Epochs trained, all phases.")
    train_macs: Amount | None = column("Multiply-adds of all training steps, three forward passes each.")
    images: Whole | None = column("Images that were trained on.")
    method_code: Text | None = column("Hash of the source of the method, and of what it inherits from.")
    groups_removed: Counts | None = column(
        "Zero groups of each family of which no value is left in the compact network."
    )
    left_in_place: Text | None = column("Why zeros that could be removed are left in place; empty where none are.")


class Trial(Outcome, Identity):
    """One row of trials.csv: a trial with any status."""


class Epoch(Columns):
    """One row of epochs.csv: an epoch of a trial. The epochs of the shared dense network are repeated in each trial."""

    trial: Name = needed("The trial.")
    phase: Text | None = column("`dense`, `sparsify` or `finetune`.")
    epoch: Whole | None = column("Number of the epoch in its phase, from 1.")
    train_loss: Loss | None = column("Mean training loss of the epoch, without the regulariser.")
    val_top1: Fraction | None = column("Validation accuracy after the epoch.")
    nonzero_groups: Counts | None = column("Non-zero groups of each family after the epoch.")
    lam: Ratio | None = column("Strength of the regulariser after the epoch.")
    lr: Ratio | None = column("Learning rate of the last step.")
    seconds: Ratio | None = column("Seconds of training, evaluation apart.")
    regulariser: Ratio | None = column("Value of the regulariser after the epoch.")
    train_macs: Amount | None = column("Multiply-adds of an image in the network that was trained, mean of the steps.")


class Latency(Columns):
    """One row of latency.csv: the time of one network at one batch size. Dense and compact are timed in turn."""

    trial: Name = needed("The trial.")
    network: Text | None = column("`dense` or `compact`.")
    backend: Text | None = column("Library that ran the network: `torch`.")
    device: Text | None = column("The device.")
    batch: Whole | None = column("Images of one pass.")
    threads: Whole | None = column("CPU threads.")
    median_ms: Ratio | None = column("Median time of a pass in ms.")
    iqr_ms: Ratio | None = column("Interquartile range of the times in ms.")
    repeats: Whole | None = column("Passes timed.")


class Published(Columns):
    """One row of published.csv: a number from the literature."""

    method: Text = needed("Name of the method, as in trials.csv.")
    architecture: Text = needed("Name of the architecture.")
    dataset: Text = needed("Name of the dataset.")
    dense_top1: Fraction | None = column("Test accuracy of the dense network.")
    top1: Fraction | None = column("Test accuracy of the pruned network.")
    mac_speedup: Ratio | None = column("Dense multiply-adds / compact multiply-adds.")
    compression: Ratio | None = column("Dense parameters / compact parameters.")
    group_sparsity: Fraction | None = column("Share of removed groups.")
    source: Text | None = column("Publication, with table or section.")
    selection: Text | None = column("Epoch that the accuracy is from; empty: not reported.")
    note: Text | None = column("Remarks.")


FILES: dict[str, type[Columns]] = {"trials": Trial, "epochs": Epoch, "latency": Latency}
# the files of a results folder that hold its evidence
EVIDENCE = (*(f"{name}.csv" for name in FILES), "suite.yaml", "environment.json")
# columns that may differ between two runs of one trial on one machine
VARYING = ("speedup_b1", "speedup_b64", "train_seconds", "commit")


def names(model: type[Columns]) -> list[str]:
    """Return the names of the columns, in order."""
    return list(model.model_fields)


def kind(model: type[Columns], name: str) -> CellKind:
    """Return the kind of a column."""
    return next(m for m in _metadata(model, name) if isinstance(m, CellKind))


@cache
def reader(model: type[Columns], name: str) -> TypeAdapter[Any]:
    """Return the validator of a non-empty cell, which raises pydantic's ValidationError, a ValueError."""
    return TypeAdapter(_filled(model, name))


def _filled(model: type[Columns], name: str) -> Any:
    """Return the type of a non-empty cell."""
    field = model.model_fields[name]
    if field.is_required():
        return Annotated[field.annotation, *field.metadata]
    return next(part for part in get_args(field.annotation) if part is not type(None))


def _metadata(model: type[Columns], name: str) -> Iterable[Any]:
    return getattr(_filled(model, name), "__metadata__", ())


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def markdown() -> str:
    """Return the text of docs/columns.md."""
    parts = [
        "# Columns of the results\n",
        "Printed from `results/columns.py` by `python -m results`; a test holds the two together. "
        "Accuracies are fractions in [0, 1]; an empty cell "
        "is a value that is not known. Readers go by name: the order may change, and old files lack newer columns.\n",
    ]
    for title, model in _sections():
        parts.append(f"## {title}\n")
        parts.append(f"{(model.__doc__ or '').strip()}\n")
        parts.append("| column | a cell is | |\n|---|---|---|")
        rows = names(model)
        parts.append(
            "\n".join(f"| `{n}` | {kind(model, n).words} | {model.model_fields[n].description} |" for n in rows)
        )
        parts.append("")
    return "\n".join(parts)


def _sections() -> list[tuple[str, type[Columns]]]:
    return [
        ("trials.csv: identity", Identity),
        ("trials.csv: results", Outcome),
        ("epochs.csv", Epoch),
        ("latency.csv", Latency),
        ("published.csv", Published),
    ]
