"""What is paid for what: accuracy over measured speedup."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.plotting import curves, draw, draw_dense, draw_par, finish, missing, panel, seeds
from analysis.registry import entry
from analysis.series import devices


@entry("test_top1", "speedup_b64", by_grouping=True)
def accuracy_vs_speedup(setting: Setting) -> Figure:
    """Test accuracy against measured speedup at batch 64, with the dense network as a line."""
    found = curves(setting, ["speedup_b64", "test_top1"], timing=True)
    plot = panel(setting)
    axes = plot.axes[0]
    draw_dense(plot, axes)
    draw_par(plot, axes, vertical=True)
    draw(plot, axes, found, "speedup_b64", "test_top1", (1, 100))
    axes.set_xlabel("Measured speedup, batch 64")
    axes.set_ylabel("Test top-1 accuracy (%)")
    timed = f"timed on {devices(setting.pruned)}"
    return finish(plot, [seeds(found, "test_top1"), timed, *missing(setting, found, timing=True)])
