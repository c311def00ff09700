"""The files of a ShrinkBench experiment, in the two versions that exist of them.

Source: https://github.com/JJGO/shrinkbench, experiment/prune.py, experiment/train.py and experiment/base.py. The
older version keeps finetuning.csv and has `pre` and `post` in metrics.json, the newer one logs.csv.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from analysis.importing.text import contents, number, shown
from results.columns import MANY
from results.errors import InputError

FOLDER = "a folder of ShrinkBench's experiments, with a params.json in each"
DENSE_AT_LEAST = 0.95  # of the weights are not zero in a network that nobody pruned; biases may begin with 0


class Unusable(Exception):
    """Raised where an experiment failed or was cut; its message is the reason that the row gives."""


class Epoch(NamedTuple):
    """One epoch of fine-tuning; accuracies are fractions, on the test set."""

    accuracy: float
    accuracy5: float | None
    loss: float | None


@dataclass(frozen=True)
class Experiment:
    """One experiment, as its params.json has it, and what the files beside it say.

    planned: the epochs of fine-tuning asked for. trained: whether it began with a trained network.
    """

    folder: Path
    old: bool
    dataset: str
    model: str
    strategy: str | None
    compression: float
    seed: int | None
    trained: bool
    planned: int
    train: dict[str, Any]
    batch_size: Any

    @property
    def dense(self) -> bool:
        """Whether nothing was to be pruned."""
        return self.compression == 1

    @property
    def epochs(self) -> int:
        """How many epochs of fine-tuning there are: the newer version has none where nothing is pruned."""
        return 0 if self.dense and not self.old else self.planned

    @property
    def lr(self) -> float | None:
        """The learning rate, the same in every epoch; None where it is no number."""
        try:
            return number(self.train.get("lr"), 0, MANY)
        except ValueError:
            return None

    @property
    def hyperparameters(self) -> dict[str, float | str]:
        """What may tell two curves of a strategy apart."""
        optimiser = self.train.get("optim")
        found = {"lr": self.lr, "optim": optimiser if isinstance(optimiser, str) else None}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def configuration(self) -> dict[str, str]:
        """What makes it the same experiment as another, but for the seed."""
        names = ("dataset", "model", "strategy", "compression", "trained", "planned", "batch_size")
        train = {f"train_kwargs.{name}": repr(value) for name, value in self.train.items()}
        return train | {name: repr(getattr(self, name)) for name in names}

    def sizes(self) -> dict[str, Any]:
        """Return the cells that say how large the network is. Raises Unusable."""
        metrics = self._metrics()
        size = _measured(metrics, "size", 1, MANY)
        left = _measured(metrics, "size_nz", 1, size)
        if self.dense and left < DENSE_AT_LEAST * size:
            raise Unusable("compression 1, but many weights are zero: it goes on with a pruned network")
        left = size if self.dense else left
        return _counted(size, left, ("dense_params", "params", "compression")) | self._macs(metrics)

    def _macs(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the multiply-adds, those of zeros left out; nothing where the log has -1, for not counted."""
        try:
            macs = number(metrics.get("flops"), 1, MANY)
            left = macs if self.dense else number(metrics.get("flops_nz"), 1, macs)
        except ValueError:
            return {}
        return _counted(macs, left, ("dense_macs", "macs", "mac_speedup"))

    def accuracies(self) -> dict[str, Any]:
        """Return those of the last epoch, as cells; without any epoch, those right after pruning. Raises Unusable."""
        if not self.epochs:
            metrics = self._metrics()
            return {"test_top1": _measured(metrics, "val_acc1", 0, 1), "test_top5": _fraction(metrics.get("val_acc5"))}
        tuned = self.tuned()
        if len(tuned) < self.epochs:
            raise Unusable(f"cut after {len(tuned)} of {self.epochs} epochs of fine-tuning")
        return {"test_top1": tuned[-1].accuracy, "test_top5": tuned[-1].accuracy5}

    def tuned(self) -> list[Epoch]:
        """Return the epochs of fine-tuning. Raises Unusable where their file is absent or cannot be read."""
        if not self.epochs:
            return []
        path = self.folder / ("finetuning.csv" if self.old else "logs.csv")
        if not path.is_file():
            raise Unusable(f"no {path.name}")
        try:
            rows = list(csv.DictReader(io.StringIO(contents(path, FOLDER), newline="")))
        except (InputError, csv.Error):
            raise Unusable(f"{path.name} cannot be read as CSV") from None
        # what was measured right after pruning is a row as well: the one in which nothing was trained
        return [_epoch(row, n, path.name) for n, row in enumerate(rows, start=1) if row.get("train_acc1")]

    def _metrics(self) -> dict[str, Any]:
        """Return what was measured last: after fine-tuning, or right after pruning. Raises Unusable."""
        path = self.folder / "metrics.json"
        if not path.is_file():
            raise Unusable("no metrics.json")
        try:
            metrics = json_object(path)
        except InputError:
            raise Unusable("metrics.json cannot be read as a JSON object") from None
        last = metrics.get("post", metrics.get("pre", metrics))
        if not isinstance(last, dict):
            raise Unusable("metrics.json has no metrics")
        return last


def json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raises InputError, which names file and line."""
    text = contents(path, FOLDER)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON: {error.msg}; give {FOLDER}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not JSON that can be read; give {FOLDER}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: {shown(found)}, expected a JSON object; give {FOLDER}")
    return found


def _counted(dense: float, left: float, columns: tuple[str, str, str]) -> dict[str, Any]:
    whole = round(dense), round(left)  # with nonzero weights a layer counts in parts
    return dict(zip(columns, (*whole, whole[0] / whole[1]), strict=True))


def _measured(metrics: dict[str, Any], name: str, low: float, high: float) -> float:
    try:
        return number(metrics.get(name), low, high)
    except ValueError:
        expected = f"expected a number in [{low:g}, {high:g}]"
        raise Unusable(f"metrics.json: {name} is {shown(metrics.get(name))}, {expected}") from None


def _fraction(value: Any) -> float | None:
    try:
        return number(value, 0, 1)
    except ValueError:
        return None


def _epoch(row: dict[str, Any], count: int, file: str) -> Epoch:
    accuracy, loss = row.get("val_acc1"), row.get("train_loss")
    try:
        return Epoch(number(accuracy, 0, 1), _fraction(row.get("val_acc5")), float(loss) if loss else None)
    except ValueError:
        found = f"val_acc1 is {shown(accuracy)} and train_loss is {shown(loss)}"
        raise Unusable(f"{file}, row {count}: {found}, expected a fraction and a number") from None
