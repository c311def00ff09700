"""What a column of a results CSV may hold, and how one cell of it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

PROTOCOL = 2  # the newest rules that this analysis knows; 0: those of another tool, whose logs were imported
REQUIRED = ("protocol", "trial", "status", "method", "architecture", "dataset", "grouping", "keep", "seed", "test_top1")
MANY = 10**15  # more groups than any network has, and few enough to divide by


class InputError(Exception):
    """Input that cannot be used. Its message is one line: what, where, and what would be right."""


@dataclass(frozen=True)
class Kind:
    """A kind of cell. `read` turns text into a value, or raises ValueError; an empty cell is missing."""

    expected: str
    read: Callable[[str], Any]
    numeric: bool = False


def _number(text: str, low: float = -math.inf, high: float = math.inf) -> float:
    value = float(text)
    if math.isinf(value) or value < low or value > high:
        raise ValueError(text)
    return value


def _whole(text: str) -> float:
    value = _number(text)
    if value != int(value):
        raise ValueError(text)
    return value


def _keep(text: str) -> float:
    if _number(text) == 0:
        raise ValueError(text)
    return _number(text, 0, 1)


def _protocol(text: str) -> float:
    if _whole(text) not in range(PROTOCOL + 1):
        raise ValueError(text)
    return float(text)


def _status(text: str) -> str:
    if text not in ("done", "failed", "skipped"):
        raise ValueError(text)
    return text


def _counts(text: str) -> tuple[int, ...]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(type(n) is int and 0 <= n <= MANY for n in value):
        raise ValueError(text)
    return tuple(value)


def _mapping(text: str) -> str:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return json.dumps(value, sort_keys=True)


TEXT = Kind("text", str)
NUMBER = Kind("a finite number", _number, numeric=True)
RATIO = Kind("a number of at least 0", lambda text: _number(text, 0), numeric=True)
WHOLE = Kind("a whole number", _whole, numeric=True)
FRACTION = Kind("a fraction in [0, 1]", lambda text: _number(text, 0, 1), numeric=True)
KEEP = Kind("a fraction in (0, 1]", _keep, numeric=True)
LOSS = Kind("a number", float, numeric=True)
COUNTS = Kind("a JSON list of whole numbers, one per family", _counts)
MAPPING = Kind("a JSON object", _mapping)
STATUS = Kind("done, failed or skipped", _status)
VERSION = Kind(f"at most {PROTOCOL}, the newest that this analysis knows", _protocol, numeric=True)


def _columns(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


TRIALS: dict[str, Kind] = (
    _columns(VERSION, "protocol")
    | _columns(STATUS, "status")
    | _columns(TEXT, "suite trial reason method architecture dataset grouping scope device torch commit")
    | _columns(TEXT, "start realisation")
    | _columns(MAPPING, "hyperparameters")
    | _columns(KEEP, "keep")
    | _columns(WHOLE, "seed dense_epochs sparsify_epochs finetune_epochs threads train_images")
    | _columns(FRACTION, "dense_val_top1 dense_test_top1 val_top1 test_top1 test_top5 group_sparsity")
    | _columns(COUNTS, "groups groups_target groups_at_convergence groups_kept")
    | _columns(RATIO, "dense_params params compression dense_macs macs mac_speedup compact_error")
    | _columns(RATIO, "speedup_b1 speedup_b64 dense_file_mb file_mb dense_peak_mb peak_mb train_seconds")
    | _columns(NUMBER, "projection_drop")
    | _columns(TEXT, "optimizer schedule schedule_over augmentation normalisation dense_weights precision")
    | _columns(TEXT, "measure equal")
    | _columns(RATIO, "lr finetune_lr momentum weight_decay warmup trained_epochs train_macs")
    | _columns(FRACTION, "label_smoothing k_reached")
    | _columns(WHOLE, "batch_size round_to classes groups_above")
)
EPOCHS: dict[str, Kind] = (
    _columns(TEXT, "trial phase")
    | _columns(WHOLE, "epoch")
    | _columns(COUNTS, "nonzero_groups")
    | _columns(FRACTION, "val_top1")
    | _columns(LOSS, "train_loss")
    | _columns(RATIO, "lam lr seconds regulariser")
)
LATENCY: dict[str, Kind] = (
    _columns(TEXT, "trial network backend device")
    | _columns(WHOLE, "batch threads repeats")
    | _columns(RATIO, "median_ms iqr_ms")
)


def parse(texts: pd.Series, kind: Kind, where: str) -> pd.Series:
    """Return a column of text as values of `kind`, NaN or None where a cell is empty.

    Raises InputError, which names `where`, the row (1 is the first below the header) and what was expected.
    """
    missing = float("nan") if kind.numeric else None
    values: list[Any] = []
    for row, raw in enumerate(texts, start=1):
        text = str(raw).strip()
        if not text or (kind.numeric and text.lower() == "nan"):
            values.append(missing)
            continue
        try:
            values.append(kind.read(text))
        except (ValueError, OverflowError):
            shown = text if len(text) <= 40 else text[:37] + "..."
            raise InputError(f"{where}, row {row}, {texts.name}: {shown!r}, expected {kind.expected}") from None
    return pd.Series(values, index=texts.index, name=texts.name, dtype="float64" if kind.numeric else "object")
