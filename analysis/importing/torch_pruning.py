"""Torch-Pruning: the logs of https://github.com/VainF/Torch-Pruning, benchmarks/main.py.

The logger appends, so that a file may hold several runs; each begins with the line `mode: prune`.
"""

import re
from collections import defaultdict
from pathlib import Path

from analysis.importing.base import Cells, Importer, LogFile, Run, number

LOG = "a log of Torch-Pruning's benchmarks/main.py --mode prune, such as run/cifar10/prune/NAME/NAME.txt"
NOTES = ["Torch-Pruning prunes the regularised network of the epoch that was best on the test set"]
ANSI = re.compile(r"\x1b\[[0-9;?]*[@-~]")
LINE = re.compile(r"\[[^\]]*\](?:: | \S+ [A-Z]+: )\s*(.*)")  # with the prefix of the console, or that of the file
NAMES = {name: name for name in ("method", "dataset", "global_pruning", "seed", "device")}
NAMES |= {"architecture": "model", "asked": "speed_up"}
NAMES |= {"finetune_epochs": "total_epochs", "sparsify_epochs": "sl_total_epochs"}
# where a run was kept, what it said and where it ran makes no other experiment of it
APART = {"seed", "output_dir", "restore", "sl_restore", "logger", "verbose", "device"}
# what may tell two curves of a method apart, the last four if it regularises; the speed-up is no more than keep is
HYPERPARAMETERS = ("lr", "max_sparsity", "soft_rank", "reg", "delta_reg", "sl_lr", "sl_reg_warmup")
REGULARISED = ("regularizing", "loading sparsity model", "loading the sparse model")
NEEDED = {"Params": "compression", "FLOPs": "mac_speedup", "Acc": "test_top1"}  # lines, and columns of them
FRACTION = r"0(?:\.\d+)?|1(?:\.0+)?"
NUMBERS = re.compile(
    r"(?:Params|(?:FLOPs|MACs)(?=.*X)): (?P<dense>\d{1,9}\.\d\d) M => (?P<left>\d{1,9}\.\d\d) M "
    r"\((?P<percent>(?!0\.00)\d\d?\.\d\d|100\.00)%(?:, (?P<times>[1-9]\d{,8}\.\d\d)X ?)?\)"
    rf"|Acc: (?P<before>{FRACTION}) => (?P<after>{FRACTION})"
    r"|Epoch (?P<epoch>\d{1,9})/(?P<total>\d+), (?:iter \d+/\d+, loss=(?P<loss>-?(?:nan|inf|\d[\d.e+-]*)), lr=\S+"
    rf"|Acc=(?P<accuracy>{FRACTION}), Val Loss=\S+, lr=(?P<lr>\d[\d.e-]*))",
    re.ASCII,
)
EXAMPLES = {  # of lines that begin so
    "Params:": "Params: 0.86 M => 0.41 M (48.19%)",
    "FLOPs:|MACs:": "FLOPs: 127.12 M => 59.57 M (46.86%, 2.13X )",  # only the name of multiply-adds was changed
    "Acc:": "Acc: 0.9353 => 0.8875",
    "Epoch [^,]*, iter": "Epoch 0/100, iter 10/391, loss=2.3026, lr=0.0100",
    "Epoch ": "Epoch 0/100, Acc=0.7719, Val Loss=0.7377, lr=0.0100",
}


def read(path: Path) -> list[Run | str]:
    """Return the runs in a log, and a line for each that does not prune."""
    source = LogFile(path, LOG)
    lines = source.text().split("\n")
    runs: list[dict[int, str]] = []
    for count, line in enumerate(lines, start=1):
        match = LINE.fullmatch(ANSI.sub("", line).strip())  # of the network, in many lines, only the first has a prefix
        if match and match[1].startswith("mode: "):
            runs.append({})
        if match and runs:
            runs[-1][count] = match[1]
    if not runs:
        raise source.error(f": none of its {len(lines)} lines is '[...] NAME INFO: mode: prune'")
    return [_run(source, messages, len(lines)) for messages in runs]


def _run(source: LogFile, messages: dict[int, str], last: int) -> Run | str:
    start, mode = next(iter(messages.items()))
    where = f"{source.path}, line {start}"
    if messages.pop(start) != "mode: prune":
        return f"{where}: mode {mode.removeprefix('mode: ')[:40]!r} holds no pruning"
    numbers = {line: _numbers(source, line, message, last) for line, message in messages.items()}
    settings, lines = {}, {}
    for line, message in messages.items():
        name, colon, text = message.partition(": ")
        if not colon or not name.isidentifier() or numbers[line]:
            break  # settings come first: nothing later is one
        settings[name], lines[name] = text, line
    regularised = any(message.lower().startswith(REGULARISED) for message in messages.values())
    planned = settings.get("sl_total_epochs", settings.get("total_epochs"))  # older versions have one number of both
    given = {"global_pruning": None} | settings | {"sl_total_epochs": planned if regularised else 0}
    run = source.run(NAMES, given, f", line {start}: the run has no line '{{}}: ...'", lines)
    run.where = where
    run.configuration = {name: text for name, text in settings.items() if name not in APART}
    chosen = {name: settings[name] for name in HYPERPARAMETERS[: 7 if regularised else 3] if name in settings}
    values = {name: number(text, -1e15, 1e15) for name, text in chosen.items()}
    run.hyperparameters = chosen | {name: value for name, value in values.items() if value is not None}
    run.cells = {"method": f"torch_pruning:{run.method}", "grouping": "coupled", "start": "dense"}
    run.cells |= {"realisation": "compact", "scope": "network" if run.global_pruning == "True" else "layer"}
    run.reason = _follow(run, list(numbers.values()))
    absent = next((word for word, name in NEEDED.items() if name not in run.cells), None)
    if absent and any(message.startswith("Finetuning") for message in messages.values()):
        raise source.error(f", line {start}: the run has no line '{absent}: ... => ...'")
    return run


def _follow(run: Run, logged: list[dict[str, float]]) -> str | None:
    """Add the cells and epochs that are logged; return the reason if the run was cut."""
    losses: dict[tuple[str, float], list[float]] = defaultdict(list)
    ends: dict[str, dict[float, Cells]] = {"sparsify": {}, "finetune": {}}
    for found in logged:
        phase = "finetune" if "compression" in run.cells else "sparsify"
        match found:
            case {"dense": _}:
                run.cells |= _sizes(**found)
            case {"before": dense, "after": pruned}:
                run.cells |= {"dense_test_top1": dense, "test_top1": pruned}
            case {"epoch": epoch, "loss": loss}:
                losses[phase, epoch].append(loss)
            case {"epoch": epoch, "accuracy": accuracy, "lr": lr}:
                ends[phase][epoch] = {"lr": lr, "test_top1": accuracy}
    for phase, epochs in ends.items():
        for epoch, end in sorted(epochs.items()):
            batches = losses[phase, epoch]
            run.epochs[phase].append(end | {"train_loss": sum(batches) / len(batches) if batches else None})
    learned, tuned = len(ends["sparsify"]), len(ends["finetune"])
    if "compression" not in run.cells:
        early = f"cut after {learned} of {run.sparsify_epochs} epochs of regularising"
        return early if learned < run.sparsify_epochs else "cut before it was pruned"
    if not run.cells.keys() >= set(NEEDED.values()):
        return "cut before the pruned network was evaluated"
    done = max(ends["finetune"], default=-1) + 1 >= run.finetune_epochs
    return None if done else f"cut after {tuned} of {run.finetune_epochs} epochs of fine-tuning"


def _numbers(source: LogFile, line: int, message: str, last: int) -> dict[str, float]:
    """Return the numbers in a line by name. Raises InputError if it does not go on as it begins."""
    match = NUMBERS.fullmatch(message)
    found = {name: float(text) for name, text in match.groupdict().items() if text} if match else {}
    if found and found.get("epoch", 0) < found.get("total", 1):
        return found
    example = next((example for begins, example in EXAMPLES.items() if re.match(begins, message)), None)
    if example and line < last:  # the last has no end: the run was cut while it was written
        raise source.error(f", line {line}: {message!r:.60}, expected a line such as '{example}'")
    return {}


def _sizes(dense: float, left: float, percent: float, times: float | None = None) -> Cells:
    """Return cells: the ratio by the number that rounding changes least, and counts if millions are not too coarse."""
    ratios = {0.005 / percent: 100 / percent}  # by how wrong they may be
    if times:
        ratios[0.005 / times] = times
    if dense >= left > 0:
        ratios[0.005 / dense + 0.005 / left] = dense / left
    ratio, count = ratios[min(ratios)], round(dense * 1e6)
    rest = round(count / ratio)
    fine = rest > 0 and abs(count / rest / ratio - 1) < 0.005
    columns = ("mac_speedup", "dense_macs", "macs") if times else ("compression", "dense_params", "params")
    return dict(zip(columns, (ratio, count, rest) if fine else (ratio, None, None), strict=True))


IMPORTER = Importer("torch-pruning", LOG, NOTES, read)
