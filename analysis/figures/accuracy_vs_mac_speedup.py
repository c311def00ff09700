"""What is paid for what: accuracy over multiply-adds saved."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.registry import entry
from analysis.tradeoff import Gain, accuracy_over


@entry("test_top1", "mac_speedup", by_grouping=True)
def accuracy_vs_mac_speedup(setting: Setting) -> Figure:
    """Test accuracy against theoretical speedup (dense multiply-adds / multiply-adds), beside published numbers."""
    return accuracy_over(setting, Gain("mac_speedup", "Theoretical speedup (multiply-adds)"))
