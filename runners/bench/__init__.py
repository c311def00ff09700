"""What klevel costs, as ratios that hold on any machine: `klevel bench`, docs/performance.md.

A file here is a group of rows or two: a function from the `Form` (how much is measured) to rows, put into `GROUPS` by
`group`. Everything is called as a user would call it, so that the rows mean the same from version to version.
"""

from __future__ import annotations

from runners.bench import loop, peers, proximal, shrinking, start  # noqa: F401 - they fill GROUPS
from runners.bench.rows import FULL, GROUPS, SHORT, Form, Group, measure

ORDER = ("prox", "weights", "factors", "loop", "start", "shrinking", "peers")
for name in ORDER:  # and not that of the imports
    GROUPS[name] = GROUPS.pop(name)

__all__ = ["FULL", "GROUPS", "SHORT", "Form", "Group", "measure"]
