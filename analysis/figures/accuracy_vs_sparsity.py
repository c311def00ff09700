"""What is lost: accuracy over group sparsity."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.plotting import curves, draw, draw_dense, finish, missing, panel, seeds, sparsity_axis
from analysis.registry import entry


@entry("test_top1", "group_sparsity", by_grouping=True)
def accuracy_vs_sparsity(setting: Setting) -> Figure:
    """Test accuracy against group sparsity, with the dense network as a line."""
    found = curves(setting, ["group_sparsity", "test_top1"])
    plot = panel(setting)
    axes = plot.axes[0]
    draw_dense(plot, axes)
    draw(plot, axes, found, "group_sparsity", "test_top1", (100, 100), sidestep=True)
    sparsity_axis(axes, found)
    axes.set_ylabel("Test top-1 accuracy (%)")
    return finish(plot, [seeds(found, "test_top1"), *missing(setting, found)])
