"""What the documentation says works."""

import os
import re
import subprocess
import sys
from pathlib import Path

import torch

from analysis.output import known
from methods import Budget
from runners.networks.architectures import ARCHITECTURES
from runners.networks.compaction import difference, realise
from runners.networks.groupings import GROUPINGS

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "own_loop.py"


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


def test_a_grouping_of_ones_own_is_realised():
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "groupings.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code[1], "pairs.py", "exec"), names)
    torch.manual_seed(0)
    network, images = ARCHITECTURES["lenet5"](1, 28, 10), torch.randn(2, 1, 28, 28)
    groups = names["pairs"](network, images)
    masks = Budget.of(groups, 0.5).select(groups.norms())
    groups.scale_(masks)
    realised = realise(network, groups, masks, "pairs.py:pairs", images)
    assert (groups.sizes, realised.realisation) == ([3, 8, 60, 42], "compact")
    assert difference(network, realised.network, images) <= 1e-4


def test_every_grouping_is_in_the_document():
    text = (ROOT / "docs" / "groupings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(GROUPINGS)


def test_the_links_of_the_documents_are_there():
    for document in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\[[^\]\"]+\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document.name, target)


def test_every_figure_and_table_is_in_the_document_with_its_line():
    text = (ROOT / "docs" / "analysis.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert rows == {name: entry.description.rstrip(".") for name, entry in known().items()}
