"""Print docs/columns.md."""

from results.columns import markdown

print(markdown(), end="")
