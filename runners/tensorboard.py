"""Write the epochs of a run as scalars for TensorBoard, where it is installed."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

from results.errors import InputError
from runners.spec import DenseSpec, TrialSpec
from runners.tasks import EpochEvent

NEEDED = "--tensorboard needs tensorboard: pip install '.[tensorboard]'"


class Scalars:
    """The scalars of each task, in a folder of its id. The step is the epoch, through sparsify and fine-tuning."""

    def __init__(self, folder: Path) -> None:
        """folder: where to; made with the first epoch. Raises InputError if TensorBoard is not installed."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(NEEDED) from None
        self._writer: Any = SummaryWriter
        self._folder = folder
        self._open: dict[str, Any] = {}

    def epoch(self, event: EpochEvent) -> None:
        """Write an epoch; a fault of the disk loses it."""
        task, epoch = event.task, event.epoch
        step = epoch.epoch
        if isinstance(task, TrialSpec) and epoch.phase == "finetune":
            step += task.epochs.sparsify
        values: dict[str, float | None] = {"loss": epoch.train_loss, "accuracy": epoch.val_top1, "lr": epoch.lr}
        values |= {"lam": epoch.lam, "regulariser": epoch.regulariser}
        values["groups above zero"] = sum(epoch.nonzero_groups) if epoch.nonzero_groups else None
        with contextlib.suppress(OSError):
            writer = self._of(task, step)
            for name, value in values.items():
                if value is not None:
                    writer.add_scalar(name, value, step)
            writer.flush()

    def _of(self, task: DenseSpec | TrialSpec, step: int) -> Any:
        """Return the writer of a task; one that begins anew loses what it had."""
        if task.id not in self._open:
            folder = self._folder / task.id
            if step == 1:
                shutil.rmtree(folder, ignore_errors=True)
            self._open[task.id] = self._writer(str(folder))
        return self._open[task.id]

    def ended(self, task_id: str) -> None:
        """Close what is open of a task."""
        if (writer := self._open.pop(task_id, None)) is not None:
            with contextlib.suppress(OSError):
                writer.close()

    def close(self) -> None:
        """Close what is open."""
        for task_id in list(self._open):
            self.ended(task_id)
