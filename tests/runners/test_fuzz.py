"""Whatever is in a suite file or a results folder: one line, exit code 2, no traceback, and nothing lost."""

import contextlib
import copy
import io
import shutil
import tempfile
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.reading import read
from runners import doctor
from runners.__main__ import main
from tests.runners.damage import DAMAGE, JSON_DAMAGE, SUITE, contents, copied, files

NEXT = list(zip(["", *"abcdefghij"], "abcdefghijk", strict=True))
RAW = {  # YAML that no plain value becomes
    "a call": "!!python/object/apply:os.mkdir [MARKER]",
    "an object": "!!python/object:os.PathLike {}",
    "a module": "!!python/module:antigravity ''",
    "a tag": "!unknown {a: 1}",
    "itself": "&a [*a]",
    "an alias to nothing": "*nothing",
    "laughs": "[" + ", ".join(f"&{b} [{', '.join([f'*{a}'] * 9)}]" if a else f"&{b} [x]" for a, b in NEXT) + "]",
    "a merge": "{<<: {a: 1}, b: 2}",
    "a wrong merge": "{<<: 3}",
    "a key that is a list": "{[1, 2]: 3}",
    "a key that is a mapping": "{{a: 1}: 3}",
    "a wrong number": "!!int x",
    "a wrong float": "!!float x",
    "a wrong date": "2024-13-45",
    "a wrong bool": "!!bool 3",
    "wrong binary": "!!binary '*'",
    "pairs": "!!omap [a: 1]",
    "a set": "!!set {a, b}",
    "deep": "[" * 600 + "]" * 600,
    "long": "9" * 10_000,
    "long in hexadecimal": "0x" + "f" * 10_000,
    "fairly deep": "[" * 250 + "]" * 250,
    "sexagesimal": "190:20:30",
    "nothing": "",
    "two documents": "1\n---\n2",
}
WORDS = ["", ".", "..", "../x", "/x", "a/b", "a\\b", "~", "a\nb", "a\u2028b", "\x1b[2J", "ü", "x" * 300, "null", "0x1"]
NUMBERS = st.one_of(st.integers(-2, 3), st.integers(), st.floats(), st.just(10**400))
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(WORDS), st.sampled_from(sorted(RAW)).map("RAW {}".format))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.dates(date(1, 1, 1)), st.binary(max_size=4))
KEYS = st.one_of(st.text(max_size=5), st.integers(), st.none(), st.binary(max_size=2))
ODD = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=2)),
    max_leaves=5,
)


def places(value):
    """Yield (container, key) of everything in a nested structure."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


@st.composite
def suites(draw):
    """Return the text of a suite with one to three changes."""
    suite = copy.deepcopy(SUITE)
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from(list(places(suite))))
        change = draw(st.sampled_from(["replace", "replace", "delete", "add", "swap"]))
        if change == "replace":
            container[key] = draw(ODD)
        elif change == "delete":
            del container[key]
        elif change == "swap":
            other, place = draw(st.sampled_from(list(places(suite))))
            container[key] = copy.deepcopy(other[place])
        elif isinstance(container, dict):
            container[draw(st.one_of(st.text(max_size=5), st.integers(), st.sampled_from(WORDS)))] = draw(ODD)
        else:
            container.append(draw(ODD))
        if not suite:
            break
    text = yaml.safe_dump(suite, allow_unicode=draw(st.booleans()))
    for name, raw in RAW.items():
        text = text.replace(f"RAW {name}\n", raw + "\n").replace(f"RAW {name}", raw)
    return text


def call(*arguments):
    """Call the command line; return its exit code and the lines on stderr. Raises what it raises."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*map(str, arguments)])
    return code, err.getvalue().splitlines()


def check(code, lines, codes=(0, 1, 2)):
    """One line if the input is wrong, and never a traceback."""
    assert code in codes, lines
    assert "Traceback" not in " ".join(lines)
    if code == 2:
        assert len(lines) == 1, lines
        assert lines[0].startswith("klevel: ")
        assert lines[0].isprintable()


@contextlib.contextmanager
def empty_folder():
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        yield Path(name)


def dry_run(content: bytes):
    """Try a suite file; nothing may come of it but a list of trials, or one line."""
    with empty_folder() as folder:
        file = folder / "s.yaml"
        file.write_bytes(content.replace(b"MARKER", str(folder / "marker").encode()))
        before = contents(folder)
        check(*call("run", file, "--results", folder / "results", "--dry-run"), codes=(0, 2))
        check(*call("path", file, "--results", folder / "results"), codes=(0, 2))
        assert contents(folder) == before
        assert [path.name for path in folder.iterdir()] == ["s.yaml"]


@given(suites())
@settings(max_examples=40)
def test_any_change_of_a_suite_gives_trials_or_one_line(text):
    dry_run(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("where", ["suite", "recipe", "grid", "recipe.lr", "grid.seed", "grid.method", "grid.dataset"])
@pytest.mark.parametrize("raw", RAW)
def test_no_yaml_does_anything(raw, where):
    suite = copy.deepcopy(SUITE)
    container = suite
    *outer, key = where.split(".")
    for name in outer:
        container = container[name]
    container[key] = "HERE"
    dry_run(yaml.safe_dump(suite).replace("HERE", RAW[raw]).encode())


@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda t: t.encode("utf-8", "surrogatepass"))))
@settings(max_examples=40)
def test_any_bytes_for_a_suite_give_one_line(content):
    dry_run(content)


@given(st.sampled_from(["keep", "seed", "lr", "method", "dataset", "suite", "x"]), st.one_of(ODD, st.text(max_size=20)))
@settings(max_examples=40)
def test_any_override_gives_trials_or_one_line(key, value):
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True).replace("\n", " ")
    text = next((raw for name, raw in RAW.items() if text == f"RAW {name}"), text)
    with empty_folder() as folder:
        (folder / "s.yaml").write_text(yaml.safe_dump(SUITE))
        arguments = ["--set", f"{key}={text}", "--results", folder / "results", "--dry-run"]
        check(*call("run", folder / "s.yaml", *arguments), codes=(0, 2))
        assert [path.name for path in folder.iterdir()] == ["s.yaml"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where copies go, one after the other."""
    return tmp_path_factory.mktemp("fuzz")


VALUES = [b"null", b"[]", b"{}", b'"../../x"', b"-1", b"NaN", b"1e999", b"\xff", b'"\\ud800"']


@st.composite
def damages(draw):
    """Return what happens to one to three files: their numbers, and each a function of its content."""

    def one():
        kind = draw(st.sampled_from([*DAMAGE, *JSON_DAMAGE, "bytes", "cut anywhere", "a byte", "a word", "gone"]))
        if kind in DAMAGE | JSON_DAMAGE:
            return (DAMAGE | JSON_DAMAGE)[kind]
        share, noise = draw(st.floats(0, 1)), draw(st.binary(min_size=1, max_size=8))
        word = draw(st.sampled_from(VALUES))

        def change(content):
            at = int(share * len(content))
            if kind == "cut anywhere":
                return content[:at]
            if kind == "a byte":
                return content[:at] + noise[:1] + content[at + 1 :]
            if kind == "a word":  # for a value of JSON, YAML or CSV
                end = min((i for c in b",\n:" if (i := content.find(c, at)) > 0), default=len(content))
                return content[:at] + word + content[end:]
            return None if kind == "gone" else content[:at] + noise + content[at:]

        return change

    return {draw(st.integers(0, 99)): one() for _ in range(draw(st.integers(1, 3)))}


def damaged(whole, place, changes):
    """Copy a results folder, damage it, and return it."""
    root = copied(whole, place / "copy")
    there = files(root)
    for number, change in changes.items():
        path = there[number % len(there)]
        content = change(path.read_bytes()) if path.exists() else None
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
    return root


FEW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.slow
@given(damages(), st.integers(0, 2))
@settings(FEW, max_examples=10)
def test_commands_that_read_a_damaged_folder_say_one_line_and_leave_all_as_it_is(whole, place, changes, which):
    root = damaged(whole, place, changes)
    suite, trial = root.parent.parent / "s.yaml", min((root / "trials").iterdir())
    shutil.rmtree(place / "out", ignore_errors=True)
    before = contents(place)
    commands = (
        ["status", suite, "--results", root.parent],
        ["run", suite, "--results", root.parent, "--dry-run"],
        ["doctor", root],
        ["compare", root, root],
        ["export", trial, place / "out" / "deploy"],
        ["collect", root, "--into", place / "out" / "all"],
        ["publish", suite, "--results", root.parent, "--reference", place / "out" / "reference"],
    )
    for arguments in commands[which::3]:
        check(*call(*arguments))
        shutil.rmtree(place / "out", ignore_errors=True)
        assert contents(place) == before, arguments


@pytest.mark.slow
@given(damages())
@settings(FEW, max_examples=3)
def test_a_damaged_folder_is_drawn_or_refused_in_one_line(whole, place, changes):
    root = damaged(whole, place, changes)
    before = contents(root)
    code, lines = call("draw", root, "--only", "accuracy", "--output", place / "drawn")
    assert code in (0, 2), lines
    assert code == 0 or [line.startswith("klevel: ") for line in lines].count(True) == 1
    assert contents(root) == before


@pytest.mark.slow
@pytest.mark.parametrize("command", ["measure", "run"])
@given(damages())
@settings(FEW, max_examples=5)
def test_a_damaged_folder_is_worked_in_or_refused_in_one_line(whole, place, command, changes):
    root = damaged(whole, place, changes)
    options = ["--jobs", 1] if command == "run" else ["--device", "cpu"]
    code, lines = call(command, root.parent.parent / "s.yaml", "--results", root.parent, *options)
    assert code in (0, 1, 2), lines
    assert "Traceback" not in " ".join(lines)
    said = [line for line in lines if line.startswith("klevel: ")]
    assert code != 2 or (said and lines[-1] == said[-1]), lines


@pytest.mark.slow
@given(damages())
@settings(FEW, max_examples=5)
def test_after_a_fix_a_run_makes_the_folder_whole(whole, place, changes):
    root = damaged(whole, place, changes)
    check(*call("doctor", root.parent, "--fix"))
    assert list(doctor.examine(root)) == []
    code, lines = call("run", root.parent.parent / "s.yaml", "--results", root.parent, "--jobs", 1)
    assert code == 0, lines
    assert list(doctor.examine(root)) == []
    assert set(read(root)["trial"]) == set(read(whole / "results" / "t")["trial"])
    assert set(read(root)["status"]) == {"done"}
    for name in ("epochs", "latency"):
        assert len(read(root, name)) == len(read(whole / "results" / "t", name))
