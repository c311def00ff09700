"""ShrinkBench: the folders of https://github.com/JJGO/shrinkbench, experiment/prune.py, in its two versions.

The older version keeps finetuning.csv and has `pre` and `post` in metrics.json, the newer one logs.csv. The values in
params.json are the repr() of Python values.
"""

import ast
import re
import warnings
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from analysis.importing.base import Cells, Importer, LogFile, Run, number
from results.columns import MANY
from results.errors import InputError

LOGS = "a folder of ShrinkBench's experiments, with a params.json in each"
NOTES = [
    "ShrinkBench divides what is correct by batches x batch size: an accuracy is too low where the last batch is not "
    "full, by 1.1 % of its value for 10,000 images in batches of 128",
    "ShrinkBench masks weights, so nothing got faster: macs and mac_speedup leave out what is zero",
    "train_loss is as logged: ShrinkBench has that of one batch (old version), or divides it by the batch size (new)",
]
EPOCHS = "epochs of train_kwargs"
NAMES = {"method": "strategy", "architecture": "model", "dataset": "dataset", "asked": "compression", "seed": "seed"}
NAMES |= {"finetune_epochs": EPOCHS}
DENSE_AT_LEAST = 0.95  # of the weights are not zero in a network that nobody pruned; biases may begin with 0
PATH_OBJECT = re.compile(r"""\b(?:Pure)?(?:Posix|Windows)Path\(('[^']*'|"[^"]*")\)""")


def read(path: Path) -> list[Run | str]:
    """Return the experiments below a folder. One of compression 1 is a dense network."""
    folders = [file.parent for file in sorted(path.rglob("params.json"))]
    if not folders:
        problem = " holds no experiment: no params.json is in it" if path.is_dir() else " is not a folder"
        raise LogFile(path, LOGS).error(problem)
    return [_run(folder) for folder in folders]


def _run(folder: Path) -> Run | str:
    source = LogFile(folder / "params.json", LOGS)
    given = {name: _literal(value) for name, value in source.content().items()}
    old = "params" not in given
    given = given if old else _mapping(source, given, "params")
    if "strategy" not in given:
        return f"{folder}: the experiment holds no pruning"
    train, dense = _mapping(source, given, "train_kwargs"), number(given.get("compression")) == 1
    strategy = "dense" if dense and given["strategy"] is None else given["strategy"]
    settings = given | {"strategy": strategy, EPOCHS: train.get("epochs")}
    run = source.run(NAMES, settings, ": there is no {}", {})
    run.where = str(folder)
    trained = bool(given.get("pretrained", True)) or given.get("resume") is not None
    told = {name: given[name] for name in ("model", "strategy")} | {"dataset": run.dataset, "compression": run.asked}
    loader = given.get("dl_kwargs")
    batch_size = loader.get("batch_size") if isinstance(loader, dict) else None
    told |= {"trained": trained, "planned": run.finetune_epochs, "batch_size": batch_size}
    told |= {f"train_kwargs.{name}": value for name, value in train.items()}
    run.configuration = {name: repr(value) for name, value in told.items()}
    run.finetune_epochs *= old or not dense  # the newer version trains no network that it does not prune
    lr = number(train.get("lr"), 0, MANY)
    chosen = {} if dense else {"lr": lr, "optim": train.get("optim")}
    run.hyperparameters = {name: value for name, value in chosen.items() if isinstance(value, float | str)}
    run.cells = {"method": "dense" if dense else f"shrinkbench:{strategy}", "realisation": "masked"}
    run.cells |= {"grouping": "channel" if "Channel" in strategy and not dense else "element"}
    run.cells |= {"scope": "layer" if strategy.startswith("Layer") and not dense else "network"}
    run.cells |= {"start": "dense" if dense or trained else "scratch"}
    cut = _add_epochs(run, folder / ("finetuning.csv" if old else "logs.csv"), lr)
    run.reason = _add_sizes(run, folder / "metrics.json") or cut
    return run


def _mapping(source: LogFile, values: Cells, name: str) -> Cells:
    if isinstance(values.get(name), dict):
        return dict(values[name])
    raise source.error(f": {name} is {shown(values.get(name))}, expected a mapping")


def _literal(value: Any) -> Any:
    """Return the Python literal that a text is, without running anything, or what is given; paths become text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in someone's path is not ours to complain about
            return ast.literal_eval(PATH_OBJECT.sub(r"\1", value))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _beside(path: Path, words: str) -> tuple[Any, str | None]:
    """Return the content of a file, and None or the reason why it cannot be used."""
    try:
        return LogFile(path, LOGS).content(), None
    except InputError:
        return {}, f"{path.name} cannot be read as {words}" if path.is_file() else f"no {path.name}"


def _add_sizes(run: Run, path: Path) -> str | None:
    """Add how large the network is; without fine-tuning also how accurate. Return why that is not known, or None."""
    metrics, reason = _beside(path, "a JSON object")
    metrics = metrics.get("post", metrics.get("pre", metrics))
    if reason or not isinstance(metrics, dict):
        return reason or "metrics.json has no metrics"
    dense, most = run.asked == 1, number(metrics.get("size"), 1, MANY) or 0
    limits = {"size": (1, MANY), "size_nz": (1, most)} | ({} if run.finetune_epochs else {"val_acc1": (0, 1)})
    for name, (low, high) in limits.items():
        if number(metrics.get(name), low, high) is None:
            return f"metrics.json: {name} is {shown(metrics.get(name))}, expected a number in [{low:g}, {high:g}]"
    size, left = float(metrics["size"]), float(metrics["size_nz"])
    if dense and left < DENSE_AT_LEAST * size:
        return "compression 1, but many weights are zero: it goes on with a pruned network"
    macs, rest = (number(metrics.get(name), 1, MANY) for name in ("flops", "flops_nz"))  # -1 if they were not counted
    left, rest = (size, macs) if dense else (left, rest)
    run.cells |= {"dense_params": round(size), "params": round(left), "compression": round(size) / round(left)}
    if macs and rest and rest <= macs:
        run.cells |= {"dense_macs": round(macs), "macs": round(rest), "mac_speedup": round(macs) / round(rest)}
    if not run.finetune_epochs:
        run.cells |= {"test_top1": float(metrics["val_acc1"]), "test_top5": number(metrics.get("val_acc5"), 0, 1)}
    return None


def _add_epochs(run: Run, path: Path, lr: float | None) -> str | None:
    """Add the epochs of fine-tuning, those in which something was trained. Return why they lack, or None."""
    rows, reason = _beside(path, "CSV") if run.finetune_epochs else ([], None)
    for count, row in enumerate(rows, start=1):
        if not row.get("train_acc1"):
            continue
        top1, loss = row.get("val_acc1"), row.get("train_loss")
        epoch = {"lr": lr, "train_loss": number(loss), "test_top1": number(top1, 0, 1)}
        if epoch["test_top1"] is None or (loss and epoch["train_loss"] is None):
            found = f"val_acc1 is {shown(top1)} and train_loss is {shown(loss)}"
            return f"{path.name}, row {count}: {found}, expected a fraction and a number"
        run.epochs["finetune"].append(epoch | {"test_top5": number(row.get("val_acc5"), 0, 1)})
    tuned, planned = len(run.epochs["finetune"]), run.finetune_epochs
    return reason or (f"cut after {tuned} of {planned} epochs of fine-tuning" if tuned < planned else None)


IMPORTER = Importer("shrinkbench", LOGS, NOTES, read)
