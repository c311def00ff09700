"""A suite: a YAML file with a recipe and a grid, expanded to validated trials."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from methods import METHODS
from results.errors import InputError, nearest
from runners.plain_yaml import value_of
from runners.spec import TUNED, Recipe, TrialSpec, check_method, explain
from runners.suite_files import locate, name_of, parse

AXES = ("dataset", "architecture", "grouping", "scope", "measure", "keep", "seed")
KEYS, GRID_KEYS = ("suite", "recipe", "grid"), (*AXES, "method", "recipe")
DEFAULTS: dict[str, list[Any]] = {"grouping": ["filter"], "scope": ["layer"], "measure": ["raw"]}
OWN = ("start", "equal", *TUNED)  # keys of a trial, other than axes, that an entry of a method may set
ENTRY_KEYS = ("grouping", "scope", "measure", *OWN)


@dataclass(frozen=True)
class Suite:
    """The name of a suite, also that of its results folder, and its trials in the order of the grid, without repeats.

    text: a suite file that makes these trials: the file that was read, with any overrides in it.
    """

    name: str
    trials: tuple[TrialSpec, ...]
    text: str = field(default="", compare=False)


def load(suite: str, overrides: Sequence[str] = ()) -> Suite:
    """Read a suite, by name or path, with `key=value` overrides of grid or recipe keys; values are YAML.

    Raises InputError, in one line: the file, the key path, the value and the allowed values.
    """
    path = locate(suite)
    content = _mapping(parse(path), path.name, KEYS)
    name = name_of(content, path)
    changes = _overrides(overrides)
    trials: dict[str, TrialSpec] = {}
    for where, grid in _grids(content, path.name):
        for trial in _expand(grid, content.get("recipe"), changes, where, path.name):
            trials.setdefault(trial.id, trial)
    text = _overridden(content, changes, overrides) if changes else path.read_text(encoding="utf-8")
    return Suite(name, tuple(trials.values()), text)


def sharded(trials: Sequence[TrialSpec], i: int, n: int) -> tuple[TrialSpec, ...]:
    """Return the i-th of n parts of the trials, of one size but for one; those of a dense network stay together."""
    first: dict[str, int] = {}
    order = sorted(range(len(trials)), key=lambda t: (first.setdefault(trials[t].dense.id, t), t))
    part = order[len(trials) * (i - 1) // n : len(trials) * i // n]
    return tuple(trials[t] for t in sorted(part))


def recipes(path: Path) -> list[Recipe]:
    """Return the recipe of each grid of a suite file. Imports nothing that the grids name. Raises InputError."""
    content = _mapping(parse(path), path.name, KEYS)
    grids = [(where, _mapping(grid, where, GRID_KEYS)) for where, grid in _grids(content, path.name)]
    return [_recipe(content.get("recipe"), grid.get("recipe"), {}, where, path.name) for where, grid in grids]


def _grids(content: Mapping[str, Any], file: str) -> Iterator[tuple[str, Any]]:
    """Yield every grid of a suite, after its place. Raises InputError if there is none."""
    grids = content.get("grid")
    if grids == []:
        raise InputError(f"{file}: grid: is empty; a mapping or a list of mappings is needed")
    if isinstance(grids, list):
        yield from ((f"{file}: grid[{i}]", grid) for i, grid in enumerate(grids))
    else:
        yield f"{file}: grid", grids


class _Dumper(yaml.SafeDumper):
    """safe_dump without YAML aliases: a repeated list is written again, not referenced."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _mapping(content: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InputError(f"{where}: a mapping with {', '.join(known)} is needed, this is {type(content).__name__}")
    for key in content:
        if key not in known:
            raise InputError(f"{where}: {key}: unknown key; {nearest(key, known)}")
    return content


def _overrides(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse key=value pairs. Raises InputError for a key that neither a grid nor a recipe has."""
    changes = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        known = [*AXES, "method", *Recipe.model_fields]
        if not equals or key not in known:
            raise InputError(f"--set {assignment}: key=value is needed; {nearest(key, known)}")
        try:
            changes[key] = value_of(value)
        except ValueError:
            raise InputError(f"--set {assignment}: the value is not YAML") from None
    return changes


def _overridden(content: dict[str, Any], changes: dict[str, Any], overrides: Sequence[str]) -> str:
    """Return the text of the suite file with the overrides applied, after a comment that lists them."""
    of_recipe = {key: value for key, value in changes.items() if key in Recipe.model_fields}
    of_grid = {key: value for key, value in changes.items() if key not in of_recipe}
    grids = content["grid"] if isinstance(content["grid"], list) else [content["grid"]]
    changed = []
    for grid in grids:
        own = {key: value for key, value in (grid.get("recipe") or {}).items() if key not in of_recipe}
        changed.append({k: v for k, v in grid.items() if k != "recipe"} | of_grid | ({"recipe": own} if own else {}))
    suite = content | {"recipe": (content.get("recipe") or {}) | of_recipe, "grid": changed}
    options = " ".join(f"--set {shlex.quote(' '.join(change.split()))}" for change in overrides)
    return f"# With {options}\n" + yaml.dump(suite, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _expand(grid: Any, recipe: Any, changes: dict[str, Any], where: str, file: str) -> Iterator[TrialSpec]:
    """Yield the trials of all combinations of a grid."""
    grid = _mapping(grid, where, GRID_KEYS)
    chosen = _recipe(recipe, grid.get("recipe"), changes, where, file)
    axes = {key: _axis(key, DEFAULTS | grid | changes, where) for key in (*AXES, "method")}
    for i, entry in enumerate(axes.pop("method")):
        place = f"{where}.method[{i}]"
        for method in _entries(entry, place):
            own = {k: [v] for k, v in method.items() if k in AXES}
            hyper = {k: v for k, v in method.items() if k not in (*ENTRY_KEYS, "name")}
            for values in itertools.product(*(axes | own).values()):
                content = dict(zip(axes, values, strict=True)) | {"method": method["name"], "recipe": chosen}
                content |= {"hyperparameters": hyper} | {k: method[k] for k in OWN if k in method}
                yield _trial(content, {*axes} - {*own}, place, where)


def _recipe(common: Any, own: Any, changes: dict[str, Any], where: str, file: str) -> Recipe:
    """Return the recipe of the suite, updated by the recipe of the grid and then by the overrides."""
    base, more = (_recipe_keys(keys, place) for keys, place in ((common, f"{file}: recipe"), (own, f"{where}.recipe")))
    change = {k: v for k, v in changes.items() if k in Recipe.model_fields}
    try:
        return Recipe.model_validate(base | more | change)
    except ValidationError as error:
        raise explain(error, f"{file}: recipe") from None


def _recipe_keys(content: Any, where: str) -> dict[str, Any]:
    """Return the keys of a recipe, with `dense: FILE` expanded to `dense_weights: FILE` and `dense_epochs: 0`."""
    keys = _mapping(content or {}, where, (*Recipe.model_fields, "dense"))
    if "dense" not in keys:
        return keys
    if clash := {"dense_weights", "dense_epochs"} & set(keys):
        raise InputError(f"{where}: dense: says what {', '.join(sorted(clash))} says as well; one of them is needed")
    return {k: v for k, v in keys.items() if k != "dense"} | {"dense_weights": keys["dense"], "dense_epochs": 0}


def _axis(key: str, grid: Mapping[str, Any], where: str) -> list[Any]:
    if key not in grid:
        raise InputError(f"{where}: {key}: missing; a list is needed")
    values = grid[key] if isinstance(grid[key], list) else [grid[key]]
    if not values:
        raise InputError(f"{where}: {key}: is empty; a list with at least one value is needed")
    return values


def _entries(entry: Any, where: str) -> Iterator[dict[str, Any]]:
    """Yield the methods of an entry: a name, or a mapping whose hyper-parameters may be lists of values to try."""
    entry = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InputError(f"{where} = {entry!r}: a method's name or a mapping with `name` is needed")
    try:
        method = METHODS[check_method(entry["name"])]
    except InputError as error:
        raise InputError(f"{where} = {entry['name']!r}: {error}") from None
    _mapping(entry, where, ("name", *ENTRY_KEYS, *method.hyperparameters()))
    choices = [v if isinstance(v, list) and v else [v] for v in entry.values()]
    for values in itertools.product(*choices):
        yield dict(zip(entry, values, strict=True))


def _trial(content: dict[str, Any], shared: set[str], place: str, where: str) -> TrialSpec:
    """Validate one trial. An error in a key that all methods share names the grid, any other the method."""
    try:
        return TrialSpec.model_validate(content)
    except ValidationError as error:
        raise explain(error, where if error.errors()[0]["loc"][:1] in [(k,) for k in shared] else place) from None
