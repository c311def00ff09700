"""What the documentation says works."""

import os
import re
import subprocess
import sys
from pathlib import Path

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
    assert right > 80, "far above the 10 % of chance"


def test_the_links_of_the_documents_are_there():
    for document in (ROOT / "docs").glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (document.parent / target).exists(), (document.name, target)
