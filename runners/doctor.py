"""Find what is broken in a results folder, and set it aside, so that a run can go on."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import ValidationError

from results.columns import FILES, Epoch, Latency, Trial
from results.consistency import check_rows
from results.errors import InputError, line
from results.reading import REQUIRED, read_csv, read_machines
from runners.cache import broken
from runners.leases import STALE, Held, files, held
from runners.spec import DenseSpec, TrialSpec, explain
from runners.store import rows_by_trial, set_aside
from runners.suite import recipes
from runners.training import EpochRecord

Check = Callable[[Path], object]
Remedy = Literal["set aside", "remove", "leave"]
PARTS = ("trials", "dense")
MADE_AGAIN = ("row.json", "progress.pt")  # without these a trial begins anew
PARTIAL = re.compile(r"\..+\.(\d+)")  # what `runners.store.write` writes to, before it renames it
LONGEST = 200
# names that spec.py looks up, and one for each that is always there; any other may import a module of a user's own
STANDS_FOR = {"architecture": "lenet5", "dataset": "digits", "grouping": "filter"}


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a file of a results folder, and what helps.

    remedy: `set aside` renames it, `remove` deletes what nothing is in, `leave` is for what a person has to look at.
    """

    path: Path
    what: str
    remedy: Remedy = "set aside"

    def __str__(self) -> str:
        """Return the fault as one line."""
        return line(f"{self.path}: {self.what}")


def examine(root: Path) -> Iterator[Fault]:
    """Yield what is broken in the results folder of a suite, or in each of a folder of them.

    No code of a file is run, and no link that leads out of the folder is followed. What just has not finished is no
    fault. Raises InputError if this is no such folder.
    """
    for suite in _suites(root):
        if _leads_out(suite, root):
            yield Fault(suite, "is a link that leads out of the folder; look at its target by itself", "leave")
        else:
            yield from _Examination(suite).faults()
    yield from (Fault(entry, why, "remove") for entry, why in broken(root))  # of the suites' common cache


def fix(root: Path) -> Iterator[tuple[Fault, str]]:
    """Set aside or remove what `examine` finds, and yield each fault with what was done.

    What is left makes a run do again what was lost. Raises InputError if a run is at work there, OSError if a file
    cannot be renamed.
    """
    for suite in _suites(root):
        if at_work := _at_work(suite / "leases"):
            one = at_work[0]
            raise InputError(
                f"{suite}: process {one.process} of {one.host} is at work here; call again when it has ended"
                f" (if that cannot be seen from here: delete {suite / 'leases' / one.name}.*)"
            )
    for fault in list(examine(root)):
        yield fault, _treat(fault)


def _treat(fault: Fault) -> str:
    """Do what helps, and return what was done."""
    path, trial = fault.path, fault.path.parent
    if fault.remedy == "leave":
        return "left as it is"
    if fault.remedy == "remove":
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return "removed"
    if not (path.exists() or path.is_symlink()):  # with another file of its trial
        return "set aside already"
    done = f"renamed to {set_aside(path).name}"
    if path.suffix == ".csv":
        return f"{done}; klevel run writes it again from the folders of the trials"
    if trial.parent.name != "trials":
        return done
    again = [trial / name for name in MADE_AGAIN if path.name not in MADE_AGAIN and (trial / name).is_file()]
    others = [f", {other.name} to {set_aside(other).name}" for other in again]
    return f"{done}{''.join(others)}; klevel run runs this trial again"


def _suites(root: Path) -> list[Path]:
    """Return the results folders of suites: this one, or those in it. Raises InputError if there is none."""
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; give that of the results of a suite, such as results/quick")
    for folders in ([root], sorted(path for path in root.iterdir() if path.is_dir())):
        found = [f for f in folders if any(os.path.lexists(f / part) for part in (*PARTS, "trials.csv"))]
        if found:
            return found
    raise InputError(
        f"{root}: is no results folder: neither it nor a folder in it holds trials, dense or trials.csv; "
        "give that of a suite, such as results/quick"
    )


def _leads_out(path: Path, root: Path) -> bool:
    """Return whether a path is a link out of a folder, or one that leads nowhere."""
    if not path.is_symlink():
        return False
    try:
        return not path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # nowhere; RuntimeError: in a circle
        return True


def _at_work(leases: Path) -> list[Held]:
    """Return the leases that somebody may still hold: not one that was cut off, and that nobody has touched since."""
    return [one for one in held(leases) if one.host != "?" or time.time() - one.touched <= STALE]


class _Examination:
    """The examination of the results folder of one suite."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._at_work = _at_work(root / "leases")

    def faults(self) -> Iterator[Fault]:
        """Yield all of them."""
        yield from self._files(self._root, _SUITE)
        for part, checks in (("dense", _DENSE), ("trials", _TRIAL)):
            for folder in self._folders(self._root / part):
                if self._is_link(folder):
                    yield Fault(folder, "is a link that leads out of the folder")
                elif folder.is_dir():
                    yield from self._files(folder, checks)
                elif folder == self._root / part:
                    yield Fault(folder, "is no folder")
        yield from self._dead_leases()

    def _folders(self, part: Path) -> list[Path]:
        """Return the folders in one, or itself if it is none."""
        if not os.path.lexists(part):
            return []
        if self._is_link(part) or not part.is_dir():
            return [part]
        return sorted(path for path in part.iterdir() if path.is_dir() or path.is_symlink())

    def _is_link(self, path: Path) -> bool:
        return _leads_out(path, self._root)

    def _files(self, folder: Path, checks: Mapping[str, Check]) -> Iterator[Fault]:
        for name, check in checks.items():
            path = folder / name
            if self._is_link(path):
                yield Fault(path, "is a link that leads out of the folder")
            elif os.path.lexists(path):
                yield from _faults_of(path, check)
        for path in sorted(folder.glob(".*")):
            partial = PARTIAL.fullmatch(path.name)
            if partial and self._is_left_behind(int(partial[1])):
                yield Fault(path, "was being written by a process that has ended", "remove")

    def _is_left_behind(self, process: int) -> bool:
        """Return whether a process has ended, as far as it can be told: others may work here from other machines."""
        if any(one.host != platform.node() for one in self._at_work):
            return False
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except PermissionError:
            pass
        return False

    def _dead_leases(self) -> Iterator[Fault]:
        folder = self._root / "leases"
        if self._is_link(folder):
            yield Fault(folder, "is a link that leads out of the folder")
        elif folder.is_dir():
            live = {one.name for one in self._at_work}
            for path in files(folder):
                if path.stem not in live and not path.is_dir():
                    yield Fault(path, "is the lease of a process that has ended", "remove")


def _faults_of(path: Path, check: Check) -> Iterator[Fault]:
    """Yield why a file cannot be used, if it cannot."""
    try:
        if not path.is_file():  # whose reading may fail, or never end
            raise InputError("is no file")
        if path.stat().st_size == 0:
            raise InputError("is empty")
        check(path)
    except FileNotFoundError:  # a run is at work, and has moved it
        pass
    except OSError as error:  # which says nothing about what is in it
        yield Fault(path, f"cannot be read: {error.strerror or error}", "leave")
    except Exception as error:  # torch may raise anything for a corrupt file
        what = " ".join(str(error).split()) or type(error).__name__
        what = what.removeprefix(str(path)).removeprefix(path.name).lstrip(":, ")
        yield Fault(path, what if len(what) <= LONGEST else f"{what[:LONGEST]}...")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({error})") from None


def _row(path: Path) -> None:
    try:
        row = Trial.model_validate(_json(path))
    except ValidationError as error:
        raise InputError(f"is no row of this version of klevel ({explain(error, 'columns')})") from None
    _named(row.trial, path, "the row")


def _named(trial: str, path: Path, what: str) -> None:
    if trial != path.parent.name:
        raise InputError(f"is {what} of {trial}, in the folder of another")


def _records(model: type[Epoch | Latency]) -> Check:
    def check(path: Path) -> None:
        content = _json(path)
        if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
            raise InputError("is no list of records")
        for number, record in enumerate(content, start=1):
            try:
                model.model_validate({**record, "trial": path.parent.name})
            except ValidationError as error:
                raise InputError(f"is not of this version of klevel ({explain(error, f'record {number}')})") from None

    return check


def _trial_spec(path: Path) -> None:
    """Check that a spec is that of its folder, without importing what it names."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"is not YAML ({error})") from None
    if not isinstance(content, dict):
        raise InputError("is no mapping")
    own = {k: v for k in STANDS_FOR if isinstance(v := content.get(k), str) and (":" in v or "/" in v)}
    try:
        spec = TrialSpec.model_validate(content | {k: STANDS_FOR[k] for k in own})
    except ValidationError as error:
        raise InputError(f"is no trial of this version of klevel ({explain(error, 'spec')})") from None
    _named(spec.model_copy(update=own).id, path, "the spec")


def _dense_record(path: Path) -> None:
    content = _json(path)
    try:
        spec = DenseSpec.model_validate(content["spec"])
        [float(content[name]) for name in ("val_top1", "test_top1")]
        for record in content["epochs"]:
            EpochRecord(**record)
            Epoch.model_validate({**record, "trial": spec.id})
    except ValidationError as error:
        raise InputError(f"is not of this version of klevel ({explain(error, 'record')})") from None
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"is no record of a dense network ({type(error).__name__}: {error})") from None
    _named(spec.id, path, "the record")


def _table(path: Path) -> None:
    model = FILES[path.stem]
    rows_by_trial(path, path.stem, model)
    rows = read_csv(path, model, REQUIRED[path.stem])
    if model is Trial and len(rows):
        check_rows(rows, path, REQUIRED["trials"])


def _read_through(path: Path) -> None:
    """Read a file to its end. Raises OSError if that fails: then nothing is known of what is in it."""
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def _tensors(**kinds: type) -> Check:
    """Return a check of a file of torch: that it is whole, and a mapping with entries of these kinds."""

    def check(path: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:  # torch itself compares no checksum
                torn = archive.testzip()
            content = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            _read_through(path)
            raise InputError(f"is no file of tensors, or was cut off ({type(error).__name__})") from None
        if torn is not None:
            raise InputError(f"is damaged: the checksum of {torn} is another")
        if not isinstance(content, Mapping):
            raise InputError("is no mapping")
        wrong = [name for name, kind in kinds.items() if not isinstance(content.get(name), kind)]
        if wrong:
            raise InputError(f"is not of this version of klevel ({', '.join(wrong)}: not as expected)")

    return check


_SUITE: dict[str, Check] = {"suite.yaml": recipes, "environment.json": read_machines}
_SUITE |= {f"{name}.csv": _table for name in FILES}
_DENSE: dict[str, Check] = {
    "record.json": _dense_record,
    "network.pt": _tensors(),
    "progress.pt": _tensors(identity=dict),
}
_TRIAL: dict[str, Check] = {
    "trial.yaml": _trial_spec,
    "row.json": _row,
    "epochs.json": _records(Epoch),
    "latency.json": _records(Latency),
    "progress.pt": _tensors(identity=dict),
    "checkpoint.pt": _tensors(state=Mapping, masks=list),
    "compact.pt": _tensors(state=Mapping, kept=Mapping),
}
