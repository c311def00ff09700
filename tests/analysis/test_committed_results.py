"""The results that come with klevel: they are read, and every figure of them can be read."""

import io
from pathlib import Path

import pytest

from analysis import figures
from analysis.load import load
from analysis.registry import Skip, discover
from analysis.style import paper

RESULTS = Path(__file__).parents[2] / "results"
SUITES = sorted(path.parent.name for path in RESULTS.glob("*/trials.csv"))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("figure", discover(figures).values(), ids=lambda e: e.name)
def test_every_label_lies_inside_the_figure(suite, figure):
    for setting in load(RESULTS / suite).settings():
        with paper():
            try:
                drawn = figure(setting)
            except Skip:
                continue
            drawn.savefig(
                io.BytesIO(), dpi=drawn.dpi
            )  # one draw, as in the file: a second one would heal a layout that lags behind
        box = drawn.bbox
        for axes in drawn.axes:
            for label in (axes.xaxis.label, axes.yaxis.label):
                extent = label.get_window_extent()
                assert box.x0 <= extent.x0 <= extent.x1 <= box.x1, f"{setting.slug}: {label.get_text()}"
                assert box.y0 <= extent.y0 <= extent.y1 <= box.y1, f"{setting.slug}: {label.get_text()}"


@pytest.mark.parametrize("suite", SUITES)
def test_no_trial_failed(suite):
    assert set(load(RESULTS / suite).trials["status"]) == {"done"}
