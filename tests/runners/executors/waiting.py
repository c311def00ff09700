"""A network that waits on one node of a cluster, so that a test can kill that node while it works."""

import os
import time
from pathlib import Path

import ray

from tests.runners.user_networks import Ending, small


def _wait():
    """Wait for the end where $KLEVEL_TEST_WAIT/node names the node that this runs on, and say so in a file `waits`."""
    folder = Path(os.environ.get("KLEVEL_TEST_WAIT", "/nowhere"))
    armed = folder / "node"
    if armed.is_file() and armed.read_text() == ray.get_runtime_context().get_node_id():
        (folder / "waits").touch()
        time.sleep(1000)


def waits(channels, size, classes):
    """Two convolutions, whose training waits where a test wants it."""
    network = small(channels, size, classes)
    return network.insert(0, Ending(_wait))
