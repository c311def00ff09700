"""What is paid for what: accuracy over measured speedup."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.registry import entry
from analysis.tradeoff import Gain, accuracy_over


@entry("test_top1", "speedup_b64", by_grouping=True)
def accuracy_vs_speedup(setting: Setting) -> Figure:
    """Test accuracy against measured speedup at batch 64, with the dense network as a line."""
    return accuracy_over(setting, Gain("speedup_b64", "Measured speedup, batch 64", timed=True))
