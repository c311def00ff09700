"""Export the compact network of a trial: weights, a plan of kept indices, and ONNX."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from results.errors import InputError, NotExported
from runners.data import Data
from runners.dense import build, data_of
from runners.finished import Finished, read
from runners.measurement import count_parameters
from runners.networks import sparse
from runners.networks.comparison import difference
from runners.networks.export import onnx_file
from runners.networks.export.deployed import FORMAT, ONNX, PLAN, WEIGHTS, load
from runners.networks.export.writing import NetworkPair, plan_with_origins, write
from runners.trial import EXAMPLES, rebuild

FILES = frozenset((WEIGHTS, PLAN, ONNX))
# columns of the row that are copied to the plan
PROVENANCE = ("suite", "trial", "method", "dataset", "grouping", "scope", "keep", "seed", "realisation", "test_top1")


@dataclass(frozen=True)
class Exported:
    """The outcome of an export. onnx_error: largest difference of ONNX Runtime from torch; None without an ONNX file.

    note: reason why there is no ONNX file. failed: whether the export to ONNX failed.
    """

    parameters: int
    onnx_error: float | None
    note: str | None
    failed: bool


def export(trial: Path, folder: Path) -> Exported:
    """Write the compact network of a trial to a folder, and check that it loads back unchanged.

    trial: folder of the trial. folder: new, empty, or an earlier export, which is replaced once all files are written.
    Raises InputError if the trial is not done, the folder holds other files, or a plan cannot describe the network;
    NotExported if the written network has other outputs.
    """
    folder = folder.resolve()
    _check_free(folder)
    finished = read(trial)
    data = data_of(finished.spec, torch.device("cpu"))
    example = data.example(EXAMPLES)
    pair = pair_of(finished, data)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
        here = Path(place)
        write(pair, plan_of(finished, pair, data), here)
        if not difference(load(here), pair.compact, example) == 0:
            raise NotExported(f"{trial}: the network that was written is not the one that was read")
        error, note, failed = _write_onnx(sparse.densified(pair.compact), example, here / ONNX)
        _move(here, folder)
    return Exported(count_parameters(pair.compact), error, note, failed)


def pair_of(finished: Finished, data: Data) -> NetworkPair:
    """Rebuild the masked and the compact network of a trial, on the CPU."""
    masked = build(finished.spec.dense, data)
    masked.load_state_dict(finished.masked)
    compact = rebuild(finished.spec, masked, finished.compact, data.example(EXAMPLES))
    return NetworkPair(masked.eval(), compact.eval())


def plan_of(finished: Finished, pair: NetworkPair, data: Data) -> dict[str, Any]:
    """Return the content of `plan.json`: see `runners.networks.export.deployed.read_plan`."""
    spec = finished.spec
    architecture = {"name": spec.architecture, "channels": data.channels, "size": data.size, "classes": data.classes}
    normalisation = {"mean": data.mean.flatten().tolist(), "std": data.std.flatten().tolist()}
    return {
        "format": FORMAT,
        "trial": {column: finished.row.get(column) for column in PROVENANCE},
        "architecture": architecture,
        "input": list(data.example(1).shape[1:]),
        "normalisation": normalisation,
        **plan_with_origins(pair, finished.masks, spec.grouping, data.example(EXAMPLES), spec.recipe.round_to),
    }


def _write_onnx(network: nn.Module, example: Tensor, path: Path) -> tuple[float | None, str | None, bool]:
    """Write an ONNX file; return the largest difference, or the reason without a file, and whether it failed."""
    if absent := onnx_file.missing():
        return None, f"no {ONNX}: it needs pip install {' '.join(absent)}", False
    try:
        return onnx_file.write(network, example, path), None, False
    except NotExported as error:
        path.unlink(missing_ok=True)
        return None, f"no {ONNX}: {error}", True


def _check_free(folder: Path) -> None:
    """Raise InputError if the folder holds files of anything but an export."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; a folder is needed")
    names = {p.name for p in folder.iterdir()} if folder.exists() else set()
    if names and not (PLAN in names and names <= FILES):
        other = min(names - FILES or names)
        raise InputError(f"{folder}: is not empty and no earlier export (it holds {other}); choose another")


def _move(here: Path, folder: Path) -> None:
    """Move the written files into place. The plan, which marks a complete export, is removed first and moved last."""
    folder.mkdir(exist_ok=True)
    for name in (PLAN, ONNX):
        (folder / name).unlink(missing_ok=True)
    for name in (WEIGHTS, ONNX, PLAN):
        if (here / name).exists():
            shutil.move(here / name, folder / name)  # the folder may be on another disk
