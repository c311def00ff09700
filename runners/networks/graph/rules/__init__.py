"""Rules: what each of torch's basic operations does with channels, one file per kind of operation."""

import importlib
import pkgutil

from runners.networks.graph.rules.base import RULES, Rule, rule, rule_of

for _module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["RULES", "Rule", "rule", "rule_of"]
