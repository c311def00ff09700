"""Find trials in results folders by their id, and read their files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import ValidationError
from torch import Tensor

from results.errors import InputError, helps
from runners.spec import TrialSpec, explain

ID = re.compile("[0-9a-f]{1,12}")
SHOWN = 3
OF_MASKED, OF_COMPACT = ("state", "masks"), ("state", "kept")  # what their files hold


@dataclass(frozen=True)
class Finished:
    """A done trial: its spec, its row, the masked network, and the fine-tuned compact network.

    masked: state dict, on the CPU. masks: one tensor a family, True for kept groups.
    compact: what `runners.trial.rebuild` makes the compact network of, the content of `compact.pt`.
    """

    spec: TrialSpec
    row: Mapping[str, Any]
    masked: dict[str, Tensor]
    masks: list[Tensor]
    compact: Mapping[str, Any]


def find(trial: str, results: Path) -> Path:
    """Return the folder of a trial, given by path, by id, or by the beginning of an id in any suite of `results`.

    Raises InputError if there is no such trial, or more than one.
    """
    if (Path(trial) / "trial.yaml").is_file():
        return Path(trial)
    if not ID.fullmatch(trial):
        raise InputError(f"{trial}: neither the folder of a trial nor an id, 12 characters of 0-9a-f; {_hint(results)}")
    found = sorted(f.parent for f in results.glob(f"*/trials/{trial}*/trial.yaml"))
    if len(found) > 1:
        shown = [str(f) for f in found[:SHOWN]] + ([f"{len(found) - SHOWN} more"] if len(found) > SHOWN else [])
        raise InputError(f"{trial}: may be any of {', '.join(shown)}; give one of these folders, or more of the id")
    if not found:
        raise InputError(f"{trial}: {_why_not(trial, results)}; {_hint(results)}")
    return found[0]


def read(folder: Path) -> Finished:
    """Read the files of a trial. Raises InputError if it is not done, or a file is missing or damaged."""
    spec = _spec(folder / "trial.yaml")
    row = _row(folder)
    masked, compact = tensors(folder / "checkpoint.pt", *OF_MASKED), tensors(folder / "compact.pt", *OF_COMPACT)
    return Finished(spec, row, masked["state"], masked["masks"], compact)


def _why_not(trial: str, results: Path) -> str:
    """Return why a trial was not found: it is unknown, or only its networks are missing, which are not in git."""
    for table in sorted(results.glob("*/trials.csv")):
        known = re.search(rf",({trial}[0-9a-f]*),", table.read_text(encoding="utf-8"))
        if known:
            suite = table.parent.name
            return f"{table} has it, but its networks are not here; klevel run {suite} makes them"
    return f"no such trial in {results}"


def _hint(results: Path) -> str:
    return f"column trial of {results}/SUITE/trials.csv lists them"


def _spec(path: Path) -> TrialSpec:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no mapping")
        return TrialSpec.model_validate(content)
    except ValidationError as error:
        raise explain(error, str(path)) from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{path}: not the trial of this version of klevel; {_helps(path.parent)}") from None


def _row(folder: Path) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads((folder / "row.json").read_text(encoding="utf-8"))
        status, reason = row["status"], row["reason"]
    except FileNotFoundError:
        raise InputError(f"{folder}: this trial has not finished; klevel run goes on with it") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{folder / 'row.json'}: not the row of a trial; {_helps(folder)}") from None
    if status != "done":
        raise InputError(f"{folder}: this trial {'was ' * (status == 'skipped')}{status}, it has no network: {reason}")
    return row


def tensors(path: Path, *parts: str) -> dict[str, Any]:
    """Return the content of a file of a trial. Raises InputError if it cannot be read, or lacks one of the parts."""
    try:
        content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise InputError(f"{path}: is not there any more; delete its folder and run the trial again") from None
    except Exception as error:  # torch may raise anything for a corrupt file
        raise InputError(f"{path}: not readable; {_helps(path.parent)}") from error
    if not isinstance(content, dict) or not set(parts) <= set(content):
        raise InputError(f"{path}: not of this version of klevel; {_helps(path.parent)}")
    return content


def _helps(folder: Path) -> str:
    """Return what to do about a broken file of a trial."""
    return f"{helps(folder.parent.parent)}, and klevel run runs this trial again"
