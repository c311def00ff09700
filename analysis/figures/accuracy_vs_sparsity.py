"""What is lost: accuracy over group sparsity."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.panels import SPARSITY
from analysis.registry import entry
from analysis.tradeoff import Gain, accuracy_over


@entry("test_top1", "group_sparsity", by_grouping=True)
def accuracy_vs_sparsity(setting: Setting) -> Figure:
    """Test accuracy against group sparsity, with the dense network as a line."""
    return accuracy_over(setting, Gain("group_sparsity", SPARSITY, scale=100, shared=True))
