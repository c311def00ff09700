"""What all tests share, and the option `--quick`: one case of every test, of those that take no more than moments.

Coverage is measured in the first case of every test, and not in those of analysis, which reach nothing that it is for:
it makes a test a third slower, and more cases find no more lines.
"""

import pytest
from hypothesis import settings

# a busy machine takes any time for an example, and no test is about time
settings.register_profile("untimed", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("untimed")


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="run the first case of every test that is not marked slow")


def pytest_configure(config):
    if config.getoption("--quick"):
        settings.load_profile("quick")


def pytest_collection_modifyitems(config, items):
    chosen, left, seen = [], [], set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        if name in seen or name.startswith("tests/analysis/"):
            item.add_marker(pytest.mark.no_cover)
        (left if name in seen or item.get_closest_marker("slow") else chosen).append(item)
        seen.add(name)
    if config.getoption("--quick"):
        items[:] = chosen
        config.hook.pytest_deselected(items=left)
