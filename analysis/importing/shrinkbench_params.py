"""What a params.json of ShrinkBench says, in either version: its values are the repr() of Python values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.importing.rows import NAME, dataset_name
from analysis.importing.shrinkbench_files import FOLDER, Experiment, json_object
from analysis.importing.text import literal, number, shown, whole
from results.columns import MANY
from results.errors import InputError

MOST = 10**9  # epochs


def folders_in(path: Path) -> list[Path]:
    """Return the folders of experiments below a folder, sorted. Raises InputError where there is none."""
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; give {FOLDER}")
    folders = [file.parent for file in sorted(path.rglob("params.json"))]
    if not folders:
        raise InputError(f"{path} holds no experiment: no params.json is in it; give {FOLDER}")
    return folders


def experiment_of(folder: Path) -> Experiment | None:
    """Return the experiment in a folder, None where it prunes nothing. Raises InputError on a bad params.json."""
    path = folder / "params.json"
    raw = json_object(path)
    old = "params" not in raw
    params = _Params(path, raw if old else _mapping(_literal(raw, "params", path), "params", path), old)
    if "strategy" not in params.values:  # it trains a network
        return None
    strategy = params.value("strategy")
    train = _mapping(params.value("train_kwargs"), "train_kwargs", path)
    loader = params.value("dl_kwargs", {})
    experiment = Experiment(
        folder=folder,
        old=old,
        dataset=dataset_name(params.name("dataset")),
        model=params.name("model"),
        strategy=None if strategy is None else params.name("strategy"),
        compression=params.number("compression"),
        seed=params.seed(),
        trained=bool(params.value("pretrained", True)) or params.value("resume", None) is not None,
        planned=_epochs(train, path),
        train=train,
        batch_size=loader.get("batch_size") if isinstance(loader, dict) else None,
    )
    if strategy is None and not experiment.dense:
        raise InputError(f"{path}: strategy is None and compression is {experiment.compression:g}, expected 1")
    return experiment


class _Params:
    """The parameters of a file. Only those that are needed are read, so that an odd one elsewhere does no harm."""

    def __init__(self, path: Path, values: dict[str, Any], quoted: bool) -> None:
        self.path = path
        self.values = values
        self.quoted = quoted

    def value(self, name: str, *default: Any) -> Any:
        if name not in self.values and default:
            return default[0]
        if name not in self.values:
            raise InputError(f"{self.path}: there is no {name}; give {FOLDER}")
        value = self.values[name]
        return _literal(self.values, name, self.path) if self.quoted and isinstance(value, str) else value

    def name(self, name: str) -> str:
        value = self.value(name)
        if not isinstance(value, str) or not NAME.fullmatch(value):
            raise InputError(f"{self.path}: {name} is {shown(value)}, expected a name")
        return value

    def number(self, name: str) -> float:
        value = self.value(name)
        try:
            return number(value, 1, MANY)
        except ValueError:
            raise InputError(f"{self.path}: {name} is {shown(value)}, expected a number of at least 1") from None

    def seed(self) -> int | None:
        value = self.value("seed", None)
        try:
            return None if value is None else whole(value, -(2**63), 2**64)
        except ValueError:
            raise InputError(f"{self.path}: seed is {shown(value)}, expected a whole number or None") from None


def _literal(raw: dict[str, Any], name: str, path: Path) -> Any:
    try:
        return literal(str(raw[name]))
    except ValueError:
        raise InputError(f"{path}: {name} is {shown(raw[name])}, expected the repr() of a Python value") from None


def _mapping(value: Any, name: str, path: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}: {name} is {shown(value)}, expected a mapping")
    return {str(key): one for key, one in value.items()}


def _epochs(train: dict[str, Any], path: Path) -> int:
    try:
        return whole(train.get("epochs"), 0, MOST)
    except ValueError:
        found = shown(train.get("epochs"))
        raise InputError(f"{path}: epochs of train_kwargs is {found}, expected a whole number") from None
