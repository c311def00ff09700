"""What the documentation says works."""

import copy
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from analysis.output import known
from methods import Budget, Family, Member
from runners.datasets import Folders, Images
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import realise
from runners.networks.comparison import compare_outputs
from runners.networks.groupings import GROUPINGS
from tests.benchmarks.bench_networks import sums

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "own_loop.py"


@pytest.mark.slow
def test_a_training_loop_of_ones_own_reaches_k_with_five_lines():
    marked = [line for line in SCRIPT.read_text(encoding="utf-8").splitlines() if re.search(r"# klevel(:|$)", line)]
    assert sum("import WGSEF" not in line for line in marked) <= 5
    done = subprocess.run(
        [sys.executable, "-m", "docs.own_loop"],
        cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    *_, masked, small, last = done.stdout.splitlines()
    assert last == "target [4, 8, 16], reached [4, 8, 16]"
    right, fewer = (float(re.search(r"([\d.]+) %", line)[1]) for line in (masked, small))
    assert abs(right - fewer) < 0.5, "the same network"
    assert right >= 85, "it does not collapse in silence"


@pytest.fixture
def run_block():
    """Run the first block of docs/groupings.md that holds a text, and return its names."""

    def run(text):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "groupings.md").read_text("utf-8"), re.DOTALL)
        names = {"__name__": "own"}
        exec(compile(next(b for b in blocks if text in b), "own.py", "exec"), names)
        return names

    return run


def test_a_grouping_of_ones_own_is_realised(run_block):
    names = run_block("def pairs")
    torch.manual_seed(0)
    network, images = ARCHITECTURES["lenet5"](1, 28, 10), torch.randn(2, 1, 28, 28)
    groups = names["pairs"](network, images)
    masks = Budget.of(groups, 0.5).select(groups.norms())
    groups.scale_(masks)
    realised = realise(network, groups, masks, "pairs.py:pairs", images)
    assert (groups.sizes, realised.realisation) == ([3, 8, 60, 42], "compact")
    assert compare_outputs(network, realised.network, images).ok


def test_a_layer_of_ones_own_is_resized(run_block):
    layer = run_block("class Shuffle")["Shuffle"]([2, 0, 1, 3, 5, 4, 7, 6])
    torch.manual_seed(0)
    ends = nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    network, images = nn.Sequential(ends[0], layer, *ends[1]), torch.randn(2, 3, 8, 8)
    for grouping in ("filter", "coupled"):
        groups = GROUPINGS[grouping](network, images)
        masks = Budget.of(groups, 0.5).select(groups.norms())
        masked = copy.deepcopy(network)
        own = GROUPINGS[grouping](masked, images)
        own.scale_(masks)
        realised = realise(masked, own, masks, grouping, images)
        assert realised.realisation == "compact"
        assert (len(realised.network[1].order), realised.network[0].out_channels) == (4, 4)
        assert compare_outputs(masked, realised.network, images).ok


def test_the_sums_over_networks_of_others_are_those_of_the_table():
    text = (ROOT / "docs" / "groupings.md").read_text(encoding="utf-8")
    found = sums(pd.read_csv(ROOT / "results" / "reference" / "networks.csv"))
    assert set(found["wrong"]) == set(found["error"]) == set(found["timeout"]) == {0}
    for _, row in found.iterrows():
        cells = [
            row["library"],
            f"`{row['grouping']}`",
            *(row[c] for c in ("n", "really smaller", "masked", "skipped")),
        ]
        assert "| " + " | ".join(map(str, cells)) + " |" in text


def test_every_grouping_is_in_the_document():
    text = (ROOT / "docs" / "groupings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(GROUPINGS)


@pytest.mark.parametrize("kind", [Member, Family, Budget, Images, Folders])
def test_what_a_user_fills_in_is_documented_field_by_field(kind):
    text = " ".join((ROOT / "docs" / "groupings.md").read_text().split() + (ROOT / "README.md").read_text().split())
    fields = kind._fields if issubclass(kind, tuple) else [f.name for f in dataclasses.fields(kind)]
    assert f"`{kind.__name__}({', '.join(fields)})`" in text


def test_the_links_of_the_documents_are_there():
    for document in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\[[^\]\"]+\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document.name, target)


def test_every_figure_and_table_is_in_the_document_with_its_line():
    text = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert rows == {name: entry.description.rstrip(".") for name, entry in known().items()}
