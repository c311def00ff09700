"""The log of Torch-Pruning's benchmarks/main.py as runs: its lines, and the numbers in them.

Source: https://github.com/VainF/Torch-Pruning, benchmarks/main.py and benchmarks/engine/utils/utils.py. The logger
appends, so that a file may hold several runs; each begins with the line `mode: prune`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from analysis.importing.text import contents, number, shown, whole
from results.errors import InputError

T = TypeVar("T")
ANSI = re.compile(r"\x1b\[[0-9;?]*[@-~]")
PREFIX = re.compile(r"\[[^\]]*\](?:: | \S+ [A-Z]+: )")  # that of the console, and that of the file
SETTING = re.compile(r"(\w+): (.*)")
LOG = "a log of Torch-Pruning's benchmarks/main.py --mode prune, such as run/cifar10/prune/NAME/NAME.txt"
REGULARISED = ("regularizing", "loading sparsity model", "loading the sparse model")
MOST = 10**9  # epochs, and millions of parameters or multiply-adds


class Change(NamedTuple):
    """What pruning made of the parameters, or of the multiply-adds: how many there were, and dense over left."""

    dense: int
    ratio: float

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """How many there were, and are left by the ratio; Nones where the log, in units of 10,000, is too coarse."""
        left = round(self.dense / self.ratio)
        fine = left > 0 and abs(self.dense / left / self.ratio - 1) < 0.005
        return (self.dense, left) if fine else (None, None)


class Epoch(NamedTuple):
    """What is logged at the end of an epoch; the accuracy is a fraction, on the test set."""

    accuracy: float
    lr: float


@dataclass
class Run:
    """What one run logged. A setting is there with its line; epochs count from 0, as in the log."""

    path: Path
    line: int
    mode: str
    settings: dict[str, tuple[int, str]] = field(default_factory=dict)
    begun: bool = False  # settings come first: nothing later is one
    regularised: bool = False
    params: Change | None = None
    macs: Change | None = None
    accuracy: tuple[float, float] | None = None  # of the dense network, and right after pruning
    epochs: dict[str, dict[int, Epoch]] = field(default_factory=lambda: {"sparsify": {}, "finetune": {}})
    losses: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The file, and the line where the run begins."""
        return f"{self.path}, line {self.line}"

    @property
    def phase(self) -> str:
        """The phase of an epoch that is logged now."""
        return "sparsify" if self.params is None else "finetune"

    def setting(self, name: str, read: Callable[[str], T], expected: str) -> T:
        """Return a setting. Raises InputError where the log lacks it, or where `read` does not take it."""
        if name not in self.settings:
            raise InputError(f"{self.where}: the run has no line '{name}: ...'; give {LOG}")
        line, text = self.settings[name]
        try:
            return read(text)
        except ValueError:
            raise InputError(f"{self.path}, line {line}: {name} is {shown(text)}, expected {expected}") from None


@dataclass(frozen=True)
class Form:
    """A line that is read: how it begins, how it goes on, an example, and what takes its numbers (or ValueError)."""

    begins: re.Pattern[str]
    pattern: re.Pattern[str]
    example: str
    take: Callable[[Run, re.Match[str]], None]


def runs_of(path: Path) -> list[Run]:
    """Return the runs of a log, of any mode, in their order.

    Raises InputError where the file is no such log, or where a line is not what it begins like. A last line without
    its end is left out where it cannot be read: the run was cut while it was written.
    """
    runs: list[Run] = []
    lines = contents(path, LOG).split("\n")
    for count, line in enumerate(lines, start=1):
        plain = ANSI.sub("", line).strip()
        prefix = PREFIX.match(plain)
        if not prefix:  # the network is printed in many lines, only the first of which has a prefix
            continue
        message = plain[prefix.end() :].strip()
        if message.startswith("mode: "):
            runs.append(Run(path, count, message.removeprefix("mode: ")))
        elif runs and runs[-1].mode == "prune":
            try:
                _take(runs[-1], count, message)
            except InputError:
                if count < len(lines):
                    raise
    if not runs:
        raise InputError(f"{path}: none of its {len(lines)} lines is '[...] NAME INFO: mode: prune'; give {LOG}")
    return runs


def _take(run: Run, count: int, message: str) -> None:
    form = next((form for form in FORMS if form.begins.match(message)), None)
    if form is None:
        _take_word(run, count, message)
        return
    run.begun = True
    match = form.pattern.fullmatch(message)
    try:
        if match is None:
            raise ValueError(message)
        form.take(run, match)
    except ValueError:
        where = f"{run.path}, line {count}"
        raise InputError(f"{where}: {shown(message)}, expected a line such as '{form.example}'") from None


def _take_word(run: Run, count: int, message: str) -> None:
    setting = SETTING.fullmatch(message)
    if setting and not run.begun:
        run.settings[setting[1]] = (count, setting[2])
        return
    run.begun = True
    run.regularised |= message.lower().startswith(REGULARISED)
    if message.startswith("Finetuning") and run.params is None:
        raise InputError(f"{run.path}, line {count}: fine-tuning, but no line 'Params: ... => ...' before; give {LOG}")


def _change(dense: str, left: str, percent: str, times: str | None = None) -> Change:
    """Return a change from its numbers, all printed with two decimals: the ratio is taken where that matters least."""
    before, after = number(dense, 0, MOST), number(left, 0, MOST)
    share = number(percent, 0.01, 100)
    exact = [(0.005 / share, 100 / share)]  # how wrong it may be, and what it is
    if times is not None:
        factor = number(times, 1, MOST)
        exact.append((0.005 / factor, factor))
    if before >= after > 0:
        exact.append((0.005 / before + 0.005 / after, before / after))
    return Change(round(before * 1e6), min(exact)[1])


def _take_params(run: Run, match: re.Match[str]) -> None:
    run.params = _change(*match.groups())


def _take_macs(run: Run, match: re.Match[str]) -> None:
    run.macs = _change(*match.groups())


def _take_accuracy(run: Run, match: re.Match[str]) -> None:
    run.accuracy = number(match[1], 0, 1), number(match[2], 0, 1)


def _take_batch(run: Run, match: re.Match[str]) -> None:
    run.losses.setdefault((run.phase, whole(match[1], 0, MOST)), []).append(float(match[2]))


def _take_epoch(run: Run, match: re.Match[str]) -> None:
    epoch = whole(match[1], 0, whole(match[2], 1, MOST) - 1)
    run.epochs[run.phase][epoch] = Epoch(number(match[3], 0, 1), number(match[4], 0, MOST))


def _form(begins: str, pattern: str, example: str, take: Callable[[Run, re.Match[str]], None]) -> Form:
    return Form(re.compile(begins), re.compile(pattern, re.ASCII), example, take)


FORMS = [
    _form(
        "Params:",
        r"Params: (\S+) M => (\S+) M \((\d+\.\d\d)%\)",
        "Params: 0.86 M => 0.41 M (48.19%)",
        _take_params,
    ),
    _form(
        "FLOPs:|MACs:",  # the same count of multiply-adds: only its name was changed
        r"(?:FLOPs|MACs): (\S+) M => (\S+) M \((\d+\.\d\d)%, (\S+)X ?\)",
        "FLOPs: 127.12 M => 59.57 M (46.86%, 2.13X )",
        _take_macs,
    ),
    _form("Acc:", r"Acc: (\S+) => (\S+)", "Acc: 0.9353 => 0.8875", _take_accuracy),
    _form(
        r"Epoch [^,]*, iter",
        r"Epoch (\d+)/\d+, iter \d+/\d+, loss=([^\s,]+), lr=\S+",
        "Epoch 0/100, iter 10/391, loss=2.3026, lr=0.0100",
        _take_batch,
    ),
    _form(
        "Epoch ",
        r"Epoch (\d+)/(\d+), Acc=([^\s,]+), Val Loss=[^\s,]+, lr=(\S+)",
        "Epoch 0/100, Acc=0.7719, Val Loss=0.7377, lr=0.0100",
        _take_epoch,
    ),
]
