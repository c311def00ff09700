"""What is gained: measured speedup over group sparsity."""

from matplotlib.figure import Figure

from analysis.load import Setting
from analysis.plotting import Curve, curves, draw, draw_par, finish, missing, panel, seeds, sparsity_axis
from analysis.registry import Skip, entry
from analysis.series import devices


@entry("group_sparsity", by_grouping=True)
def speedup_vs_sparsity(setting: Setting) -> Figure:
    """Measured speedup against group sparsity, one panel for batch 1 and one for batch 64, with a line at 1."""
    found = _measured(setting)
    plot = panel(setting, heights=[1.7] * len(found))
    for axes, (column, lines) in zip(plot.axes, found.items(), strict=True):
        draw_par(plot, axes)
        draw(plot, axes, lines, "group_sparsity", column, (100, 1), sidestep=True)
        axes.set_ylabel(f"Speedup, batch {column.removeprefix('speedup_b')}")
    everything = [curve for lines in found.values() for curve in lines]
    sparsity_axis(plot.axes[-1], everything)
    counts = [seeds(lines, column) for column, lines in found.items()]
    absent = missing(setting, everything, timing=True)
    return finish(plot, [*dict.fromkeys(counts), f"timed on {devices(setting.pruned)}", *absent])


def _measured(setting: Setting) -> dict[str, list[Curve]]:
    found = {}
    for column in ("speedup_b1", "speedup_b64"):
        if setting.lacks((column,)) is None:
            found[column] = curves(setting, ["group_sparsity", column], timing=True)
    if not found:
        raise Skip(f"no speedup was measured for {setting.title}")
    return found
