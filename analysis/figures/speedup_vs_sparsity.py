"""What is gained: measured speedup over group sparsity."""

from matplotlib.figure import Figure

from analysis.experiments import experiments
from analysis.grid import Sharing, grid, label_below
from analysis.load import Setting
from analysis.panels import SPARSITY, legend_in_order, same_keeps, sparsity_ticks, unmeasured, with_curves
from analysis.plotting import draw, draw_par, finish, seeds
from analysis.registry import entry
from analysis.series import devices
from analysis.tuning import chosen
from results.errors import Skip

HEIGHT, HEIGHT_ALONE = 1.5, 1.7  # inches


@entry("group_sparsity", by_grouping=True)
def speedup_vs_sparsity(setting: Setting) -> Figure:
    """Measured speedup against group sparsity, one panel for batch 1 and one for batch 64, with a line at 1."""
    measured = [column for column in ("speedup_b1", "speedup_b64") if setting.lacks((column,)) is None]
    if not measured:
        raise Skip(f"no speedup was measured for {setting.title}")
    setting = chosen(setting)
    cut = experiments(setting, timing=True)
    found = {column: with_curves(setting, cut.found, ["group_sparsity", column]) for column in measured}
    everywhere = with_curves(setting, cut.found, ["group_sparsity"])
    titles = [one.title for one in cut.found if any(one is other for drawn in found.values() for other, _ in drawn)]
    height = HEIGHT_ALONE if len(titles) == 1 else HEIGHT
    share_x: Sharing = "all" if same_keeps(everywhere) else "column"
    plot, columns = grid(setting, titles, [height] * len(measured), share_x)
    places = dict(zip(titles, columns, strict=True))
    for i, (column, drawn) in enumerate(found.items()):
        for experiment, curves in drawn:
            axes = places[experiment.title][i]
            draw_par(plot, axes)
            draw(plot, axes, curves, "group_sparsity", column, (100, 1), sidestep=True)
            sparsity_ticks(axes, curves if share_x == "column" else [curve for _, some in drawn for curve in some])
            if axes.yaxis.get_tick_params()["labelleft"]:
                axes.set_ylabel(f"Speedup, batch {column.removeprefix('speedup_b')}")
    label_below(plot, SPARSITY)
    legend_in_order(plot, cut.found)
    everything = {column: [curve for _, curves in drawn for curve in curves] for column, drawn in found.items()}
    absent = unmeasured(cut.found, [curve for curves in everything.values() for curve in curves])
    counts = dict.fromkeys(seeds(curves, column) for column, curves in everything.items())
    return finish(plot, [*counts, f"timed on {devices(setting.pruned)}", *cut.lines, *absent])
