"""Names: registered, of a provider, or a function of the user's own, and one line where there is no such thing."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from results.errors import InputError
from runners.datasets import DATASETS
from runners.datasets.augmentation import AUGMENTATIONS
from runners.networks.architectures import ARCHITECTURES
from runners.networks.groupings import GROUPINGS
from runners.registry import OWN, Registry

REGISTRIES = pytest.mark.parametrize(
    "registry", [ARCHITECTURES, DATASETS, GROUPINGS, AUGMENTATIONS], ids=lambda r: r.kind
)

MODULE = '''
from json import dumps

WIDTH = 7

def small(channels, size, classes):
    """A small one.

    More about it.
    """
    return (channels, size, classes)

class Network:
    """A class is as good as a function."""

    resolution = 48
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with modules of the user's own, and none of them imported before or after."""
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "nets.py").write_text(MODULE)
    for name, content in {
        "raises": "1 / 0",
        "exits": "raise SystemExit(3)",
        "wrong": "x =",
        "lines": 'raise ValueError("a\\nb")',
    }.items():
        (tmp_path / f"own_{name}.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("own_")]:
        del sys.modules[name]


@REGISTRIES
def test_a_function_of_ones_own_is_named_by_its_module(registry, folder):
    name = "own_package.nets:small"
    assert registry.check(name) == name
    assert name in registry
    assert registry[name](1, 28, 10) == (1, 28, 10)
    assert registry.help(name) == "A small one."
    assert name not in list(registry), "only what is registered is gone through"


def test_a_class_will_do_and_may_have_a_resolution(folder):
    from runners.networks.architectures import resolution

    assert ARCHITECTURES.help("own_package.nets:Network") == "A class is as good as a function."
    assert resolution("own_package.nets:Network") == 48
    assert resolution("own_package.nets:small") is None


WRONG = {
    "nonsense.nets:small": r"^cannot import nonsense\.nets \(ModuleNotFoundError: No module named 'nonsense'\)$",
    "own_raises:f": r"^cannot import own_raises \(ZeroDivisionError: division by zero\)$",
    "own_exits:f": r"^cannot import own_exits \(SystemExit: 3\)$",
    "own_wrong:f": r"^cannot import own_wrong \(SyntaxError: invalid syntax .*\)$",
    "own_lines:f": r"^cannot import own_lines \(ValueError: a b\)$",
    "own_package.nets:smal": r"^own_package\.nets has no function smal; did you mean small\? known: Network, small$",
    "own_package:small": r"^own_package has no function small$",
    "own_package.nets:WIDTH": r"^WIDTH of own_package\.nets is no function, it is int$",
    ":small": r"^package\.module:function is needed$",
    "own_package.nets:": r"^package\.module:function is needed$",
    ".nets:small": r"^cannot import \.nets \(TypeError: .*relative import.*\)$",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_function_is_said_in_one_line(folder, name):
    with pytest.raises(InputError, match=WRONG[name]):
        ARCHITECTURES.check(name)
    assert name not in ARCHITECTURES


@pytest.mark.slow
def test_the_current_folder_is_searched_where_python_does_not(folder):
    """The installed command has the folder of the command, not the current one, on its path."""
    look = (
        "from runners.networks.architectures import ARCHITECTURES; print(ARCHITECTURES.help('own_package.nets:small'))"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.remove(''); {look}"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "A small one.", "")


def test_a_provider_is_asked_only_for_its_own_names():
    asked = []

    def names():
        asked.append("names")
        return ["tall", "wide"]

    def get(name):
        asked.append(name)
        return lambda: name

    registry = Registry("shape", "() -> str")
    registry.register("plain")(lambda: "plain")
    registry.provide("lib/", names, get, "every shape of lib")
    assert registry["plain"]() == "plain"
    assert "lib" not in registry
    assert asked == []
    assert registry["lib/wide"]() == "wide"
    with pytest.raises(InputError, match=r"^unknown shape; did you mean lib/tall\? known: lib/tall, lib/wide$"):
        registry.check("lib/tal")
    with pytest.raises(InputError, match=r"^unknown shape; did you mean plain\? known: lib/NAME, package\.mod"):
        registry.check("plan")
    assert asked == ["names", "wide", "names"]
    assert list(registry) == ["plain"]
    assert len(registry) == 1


def test_lines_of_help_name_what_is_registered_and_what_else_can_be():
    registry = Registry("shape", "() -> str")
    registry.register("plain")(len)
    registry.provide("lib/", lambda: ["wide", "tall"], lambda name: len, "every shape of lib")
    assert registry.lines() == {
        "plain": "Return the number of items in a container.",
        "lib/NAME": "every shape of lib: tall, wide",
        OWN: "a function of your own () -> str",
    }
    assert Registry("thing").lines() == {OWN: "a function of your own"}


@REGISTRIES
def test_every_registry_lists_its_names_first(registry):
    lines = registry.lines()
    assert list(lines)[: len(registry)] == list(registry)
    assert list(lines)[-1] == OWN
    assert all(lines.values())
    assert not [text for text in lines.values() if "\n" in text]
