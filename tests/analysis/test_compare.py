"""What changed between two results folders: points by hand, and what the report says of everything else."""

import pandas as pd
import pytest

from analysis.compare import compare, report
from analysis.frame import load
from analysis.statistics import holm, paired
from analysis.table import NOTHING, TIMES
from results.errors import InputError

FAILED = {"status": "failed", "reason": "loss is\nNaN", "test_top1": ""}
HERE = "(LeNet-5 (Caffe) on digits)"
REQUIRED = ["protocol", "trial", "status", "method", "architecture", "dataset", "grouping", "keep", "seed", "test_top1"]


@pytest.fixture
def of(tmp_path, make):
    """Return a function that writes rows into two results folders, and compares them."""

    def comparison(before, after, columns=make.COLUMNS, after_columns=None, everything=False):
        a = make.write(tmp_path / "before", before, columns=columns)
        b = make.write(tmp_path / "after", after, columns=after_columns or columns)
        return compare(load(a), load(b), everything)

    return comparison


def seeds(make, *accuracies, method="wgsef", **cells):
    return [make.trial(method, seed=i, test_top1=top1, **cells) for i, top1 in enumerate(accuracies)]


def row(comparison, number=0):
    return comparison.table.shown.iloc[number].to_dict()


def test_a_difference_by_hand(of, make):
    found = of(seeds(make, 0.90, 0.91, 0.92), seeds(make, 0.91, 0.93, 0.95))
    # Differences 1, 2, 3 points: mean 2, deviation 1, half-width 4.3027 / sqrt(3) = 2.484; t = 3.464, p = 0.0742.
    assert row(found) == {
        "setting": "LeNet-5 (Caffe) on digits", "method": "WGSEF", "keep": "0.5", "n": "3",
        "A (%)": "91.00 ± 1.00", "B (%)": "93.00 ± 2.00", "B - A": "+2.00", "95 % interval": "[-0.48, +4.48]",
        "p": "0.074", "verdict": "same", "speedup B/A": "1.00", "seconds B/A": NOTHING,
    }  # fmt: skip
    assert "0 of 1 experiments are identical" in report(found)
    assert "Of the others: 0 better, 0 worse, 1 same." in report(found)


def test_verdicts_are_corrected_over_all_points(of, make):
    small, better, worse = (0.900, 0.901, 0.902), (0.92, 0.922, 0.924), (0.80, 0.802, 0.804)
    before = [*seeds(make, *small), *seeds(make, *small, method="random")]
    found = of(before, [*seeds(make, *better), *seeds(make, *worse, method="random")])
    assert list(found.points["verdict"]) == ["better", "worse"]
    tests = [paired(pd.Series(after), pd.Series(small)).p for after in (better, worse)]
    assert list(found.points["p"]) == pytest.approx(holm(tests))
    assert "1 better, 1 worse, 0 same" in report(found)


@pytest.mark.parametrize(
    ("before", "after", "difference"), [((0.9,), (0.8,), "-10.00"), ((0.5, 0.6), (0.75, 0.85), "+25.00")]
)
def test_one_seed_or_equal_differences_have_no_verdict(of, make, before, after, difference):
    found = of(seeds(make, *before), seeds(make, *after))
    assert [row(found)[name] for name in ("B - A", "p", "verdict")] == [difference, NOTHING, NOTHING]
    assert "1 without a test" in report(found)


def test_a_folder_and_itself(of, make):
    found = of(make.suite(), make.suite())
    text = report(found)
    assert "Nothing changed: 16 of 16 experiments are identical (accuracy equal in every common seed)." in text
    assert "the same environment: device cpu, threads 2, torch unknown, commit unknown" in text
    assert "|" not in text
    assert "Only in" not in text
    everything = of(make.suite(), make.suite(), everything=True)
    assert report(everything).count("\n|") == 18
    assert set(everything.points["verdict"]) == {"same"}


@pytest.mark.parametrize(
    "cells", [{"test_top1": 0.9 + 1e-9}, {"trial": "other"}, {"suite": "again"}, {"train_seconds": 5, "speedup_b64": 9}]
)
def test_rounding_ids_suites_and_times_are_no_change(of, make, cells):
    found = of([make.trial(test_top1=0.9, train_seconds=10)], [make.trial(test_top1=0.9, train_seconds=20) | cells])
    assert "Nothing changed: 1 of 1" in report(found)
    ratio = f"{cells.get('train_seconds', 20) / 10:.2f}"
    assert f"Training time, B/A over 1 experiment: {ratio} to {ratio}, median {ratio}." in report(found)


@pytest.mark.parametrize(
    "cells", [{"keep": 0.25}, {"hyperparameters": '{"lam": 1}'}, {"grouping": "element"}, {"dataset": "mnist"}]
)
def test_different_experiments_are_not_matched(of, make, cells):
    found = of([make.trial(), make.trial("random")], [make.trial(**cells), make.trial("random")])
    assert len(found.points) == 1
    assert [len(names) for names in found.only] == [1, 1]


def test_what_only_one_has_is_counted_and_named(of, make):
    before = [make.trial(keep=keep) for keep in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)] + [make.trial("random")]
    text = report(of(before, [make.trial("random", seed=seed) for seed in range(3)]))
    assert f"Only in A: 7 experiments: WGSEF, keep 0.5 {HERE}, seed 0; WGSEF, keep 0.4" in text
    assert f"WGSEF, keep 0.1 {HERE}, seed 0; and 2 more." in text
    assert f"Only in B: 1 experiment: Random, keep 0.5 {HERE}, seeds 1, 2." in text
    assert "Nothing changed" not in text


def test_every_status_is_told_both_ways(of, make):
    lost = [make.trial("random", **FAILED), make.trial("l1_filter", **FAILED), make.trial("magnitude")]
    skipped = make.trial("magnitude", status="skipped", reason="no GPU", test_top1="")
    after = [make.trial(**FAILED), *seeds(make, 0.9, 0.9, 0.9)[1:], make.trial("random"), lost[1], skipped]
    found = of([*seeds(make, 0.9, 0.9, 0.9), *lost], after)
    text = report(found)
    assert f"- WGSEF, keep 0.5 {HERE}: seed 0: done -> failed (loss is NaN)" in text
    assert f"- Random, keep 0.5 {HERE}: seed 0: failed -> done\n" in text
    assert f"- Magnitude, keep 0.5 {HERE}: seed 0: done -> skipped (no GPU)\n" in text
    assert "1 of 1 experiments are identical" in text
    assert "3 more have no seed that is done in both." in text
    assert list(found.points["n"]) == [0, 0, 2, 0]
    assert list(found.table.shown["A (%)"]) == [NOTHING, "90.00 ± 0.00", NOTHING]


def test_other_changes_are_listed(of, make):
    sizes = {"groups_target": "[10, 25]", "groups_at_convergence": "[10, 25]", "groups_kept": "[10, 25]"}
    before = make.trial(**sizes, mac_speedup=2, group_sparsity=0.5, compression=2, train_seconds=10, speedup_b64=2)
    after = before | {
        "groups_at_convergence": "[10, 26]", "groups_kept": "[9, 26]", "mac_speedup": 2.5, "compression": 3,
        "train_seconds": 5, "speedup_b64": 3,
    }  # fmt: skip
    found = of([before], [after])
    assert found.points["changes"][0] == [
        f"compression 2.00{TIMES} -> 3.00{TIMES}",
        f"mac_speedup 2.00{TIMES} -> 2.50{TIMES}",
        "k-level 1/1 -> 0/1",
        "groups_kept 35 -> 35 (in other families) in seed 0",
    ]
    assert (row(found)["speedup B/A"], row(found)["seconds B/A"]) == ("1.50", "0.50")


def test_environments_and_protocols_that_differ_are_said_first(of, make):
    before = [make.trial(torch="2.6.0", commit="abc"), make.trial("random", torch="2.6.0", commit="abd")]
    after = [row | {"device": "cuda", "torch": "2.7.0", "trial": row["trial"] + "x", "protocol": 0} for row in before]
    text = report(of(before, after))
    assert text.startswith("PROTOCOLS DIFFER: A follows 1, B follows 0.")
    assert "- device: A cpu, B cuda\n- torch: A 2.6.0, B 2.7.0\n" in text
    assert text.index("device: A") < text.index("2 of 2 experiments are identical")
    assert "- threads" not in text


def test_missing_columns_are_said_and_not_compared_by(of, make):
    columns = [column for column in make.COLUMNS if column not in ("start", "compression", "speedup_b64", "device")]
    text = report(of(make.suite(), make.suite(), after_columns=columns))
    assert "compared without regard to what one of the two does not say: start" in text
    assert "device: A cpu, B unknown" in text
    assert "16 of 16 experiments are identical" in text
    assert "Measured speedup" not in text
    assert "Nothing changed: 16 of 16" in report(of(make.suite(), make.suite(), columns=REQUIRED))


@pytest.mark.parametrize("cells", [{"method": "random"}, {"seed": 1}])
def test_nothing_in_common_is_one_line(of, make, cells):
    with pytest.raises(InputError, match="before and after have no experiment in common") as error:
        of([make.trial()], [make.trial(**cells)])
    assert "\n" not in str(error.value)


def test_settings_are_blocks_and_lines_say_as_little_as_sets_them_apart(of, make):
    rows = [make.trial(), make.trial(scope="network"), make.trial("random"), make.trial("random", grouping="element")]
    found = of([*rows, make.trial(dataset="mnist")], [*rows, make.trial(dataset="mnist")], everything=True)
    lines = ["WGSEF (layer scope)", "WGSEF (network scope)", "Random (single-weight groups)", "Random (filter groups)"]
    assert list(found.table.shown["method"]) == [*lines, "WGSEF"]
    assert found.table.starts == [4]


def test_a_trial_that_stands_twice_counts_as_one_seed(of, make):
    before = [make.trial(test_top1=0.8, trial="one"), make.trial(test_top1=0.9, trial="two")]
    found = of(before, [make.trial(test_top1=0.85)])
    assert list(found.points["n"]) == [1]
    assert found.points["equal"].all()
