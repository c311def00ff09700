"""What is paid for what: accuracy over how much smaller the network became."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.registry import entry
from analysis.tradeoff import Gain, accuracy_over


@entry("test_top1", "compression", by_grouping=True)
def accuracy_vs_compression(setting: Setting) -> Figure:
    """Test accuracy against compression (dense parameters / parameters), beside published numbers."""
    return accuracy_over(setting, Gain("compression", "Compression (parameters, dense / compact)"))
