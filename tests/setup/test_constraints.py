"""The pins."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.setup.house import ROOT


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    parts = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]  # no local suffix such as +cpu
    assert all(parts), "constraints.txt holds lines NAME==VERSION only"
    return {canonicalize_name(part[1]): part[2] for part in parts if part}


def test_everything_that_gets_installed_is_pinned_as_the_project_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = pins()
    todo = [Requirement(text) for text in project["dependencies"] + project["optional-dependencies"]["dev"]]
    seen = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # a GPU build of torch pins its own
        assert name in pinned, f"{requirement} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name], prereleases=True), f"{name}: {pinned[name]}"
        if name not in seen:
            seen.add(name)
            try:
                todo += [Requirement(text) for text in requires(name) or []]
            except PackageNotFoundError:
                continue
