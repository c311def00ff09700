import math

import pytest

from analysis.comparison import compare, report
from analysis.comparison.matching import match
from analysis.load import load
from analysis.table import NOTHING, TIMES, markdown
from results.errors import InputError


@pytest.fixture
def both(tmp_path, make):
    """Return a function that writes rows into two results folders, and loads them."""

    def of(before, after, columns=make.COLUMNS, columns_after=None):
        return (
            load(make.write(tmp_path / "before", before, columns=columns)),
            load(make.write(tmp_path / "after", after, columns=columns_after or columns)),
        )

    return of


def seeds(make, *accuracies, method="wgsef", **cells):
    return [make.trial(method, seed=i, test_top1=top1, **cells) for i, top1 in enumerate(accuracies)]


def texts(table):
    return [[cell.text for cell in row] for row in table.rows]


def row(comparison, number=0):
    return dict(zip(comparison.table.headings, texts(comparison.table)[number], strict=True))


def test_a_difference_by_hand(both, make):
    a, b = both(seeds(make, 0.90, 0.91, 0.92), seeds(make, 0.91, 0.93, 0.95))
    found = compare(a, b)
    # Differences 1, 2, 3 points: mean 2, deviation 1, half-width 4.3027 / sqrt(3) = 2.484; t = 3.464, p = 0.0742.
    assert row(found) == {
        "setting": "lenet5_caffe on digits", "method": "wgsef", "keep": "0.5", "n": "3",
        "A (%)": "91.00 ± 1.00", "B (%)": "93.00 ± 2.00", "B - A": "+2.00", "95 % interval": "[-0.48, +4.48]",
        "p": "0.074", "verdict": "same", "speedup B/A": "1.00", "seconds B/A": NOTHING,
    }  # fmt: skip
    assert "0 of 1 experiments are identical" in report(found)
    assert "Of the others: 0 better, 0 worse, 1 same." in report(found)


def test_verdicts_are_corrected_over_all_experiments(both, make):
    small = (0.900, 0.901, 0.902)
    before = [*seeds(make, *small), *seeds(make, *small, method="random")]
    after = [*seeds(make, 0.92, 0.922, 0.924), *seeds(make, 0.80, 0.802, 0.804, method="random")]
    found = compare(*both(before, after))
    assert [line.verdict for line in found.lines] == ["better", "worse"]
    smaller, larger = sorted(line.difference.p for line in found.lines)
    assert sorted(line.p for line in found.lines) == pytest.approx(
        sorted([2 * smaller, max(2 * smaller, larger)]), rel=1e-9
    )
    assert "1 better, 1 worse, 0 same" in report(found)


def test_one_seed_has_a_difference_and_no_verdict(both, make):
    found = compare(*both([make.trial(test_top1=0.9)], [make.trial(test_top1=0.8)]))
    assert [row(found)[name] for name in ("n", "B - A", "95 % interval", "p", "verdict")] == [
        "1", "-10.00", NOTHING, NOTHING, NOTHING,
    ]  # fmt: skip
    assert "1 without a test" in report(found)


def test_differences_that_are_all_equal_have_no_test(both, make):
    found = compare(*both(seeds(make, 0.5, 0.6), seeds(make, 0.75, 0.85)))
    assert (row(found)["B - A"], row(found)["verdict"]) == ("+25.00", NOTHING)


def test_a_folder_and_itself(both, make):
    a, b = both(make.suite(), make.suite())
    text = report(compare(a, b))
    assert "Nothing changed: 16 of 16 experiments are identical (accuracy equal in every common seed)." in text
    assert "the same environment: device cpu, threads 2, torch unknown, commit unknown" in text
    assert "|" not in text
    assert "Only in" not in text
    assert compare(a, b).table.rows == []
    everything = compare(a, b, everything=True)
    assert len(everything.table.rows) == 16
    assert "all experiments" in markdown(everything.table)
    assert {line.verdict for line in everything.lines} == {"same"}


def test_rounding_is_no_change(both, make):
    found = compare(*both(seeds(make, 0.9, 0.8), seeds(make, 0.9 + 1e-9, 0.8)))
    assert "Nothing changed: 1 of 1" in report(found)


def test_ids_and_suites_do_not_matter(both, make):
    after = [one | {"trial": f"other-{i}", "suite": "again"} for i, one in enumerate(make.suite())]
    assert "Nothing changed: 16 of 16" in report(compare(*both(make.suite(), after)))


def test_different_experiments_are_not_matched(both, make):
    before = [make.trial(test_top1=0.9), make.trial("random")]
    for cells in ({"keep": 0.25}, {"hyperparameters": '{"lam": 1}'}, {"grouping": "element"}, {"dataset": "mnist"}):
        found = compare(*both(before, [make.trial(**cells), make.trial("random")]))
        assert len(found.lines) == 1
        assert [len(names) for names in found.only] == [1, 1]


def test_what_only_one_has_is_counted_and_named(both, make):
    before = [make.trial(keep=keep) for keep in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01)] + [make.trial("random")]
    after = [make.trial("random"), make.trial("random", seed=1), make.trial("random", seed=2)]
    text = report(compare(*both(before, after)))
    assert "Only in A: 7 experiments: wgsef, keep 0.5 (lenet5_caffe on digits), seed 0; wgsef, keep 0.4" in text
    assert "wgsef, keep 0.1 (lenet5_caffe on digits), seed 0; and 2 more." in text
    assert "Only in B: 1 experiment: random, keep 0.5 (lenet5_caffe on digits), seeds 1, 2." in text
    assert "Nothing changed" not in text


def test_failures_are_told_both_ways(both, make):
    failed = {"status": "failed", "reason": "loss is\nNaN", "test_top1": ""}
    before = [*seeds(make, 0.9, 0.9, 0.9), make.trial("random", **failed), make.trial("l1_filter", **failed)]
    after = [
        make.trial(seed=0, **failed), *seeds(make, 0.9, 0.9, 0.9)[1:], make.trial("random"),
        make.trial("l1_filter", **failed),
    ]  # fmt: skip
    found = compare(*both(before, after))
    text = report(found)
    assert "- wgsef, keep 0.5 (lenet5_caffe on digits): seed 0: done -> failed (loss is NaN)" in text
    assert "- random, keep 0.5 (lenet5_caffe on digits): seed 0: failed -> done\n" in text
    assert "1 of 1 experiments are identical" in text
    assert "2 more have no seed that is done in both." in text
    assert [line.before.n for line in found.lines] == [0, 2, 0]
    assert [row(found, i)["method"] for i in range(2)] == ["wgsef", "random"]
    assert row(found, 1)["A (%)"] == NOTHING


def test_other_changes_are_listed(both, make):
    sizes = {"groups_target": "[10, 25]", "groups_at_convergence": "[10, 25]", "groups_kept": "[10, 25]"}
    before = make.trial(**sizes, mac_speedup=2, group_sparsity=0.5, compression=2, train_seconds=10, speedup_b64=2)
    after = before | {
        "groups_at_convergence": "[10, 26]", "groups_kept": "[9, 26]", "mac_speedup": 2.5, "compression": 3,
        "train_seconds": 5, "speedup_b64": 3,
    }  # fmt: skip
    found = compare(*both([before], [after]))
    assert found.lines[0].changes == (
        f"compression 2.00{TIMES} -> 3.00{TIMES}",
        f"mac_speedup 2.00{TIMES} -> 2.50{TIMES}",
        "k-level 1/1 -> 0/1",
        "groups_kept 35 -> 35 (in other families) in seed 0",
    )
    assert (row(found)["speedup B/A"], row(found)["seconds B/A"]) == ("1.50", "0.50")
    assert "Measured speedup (batch 64), B/A over 1 experiment: 1.50 to 1.50, median 1.50." in report(found)


def test_times_alone_are_no_change(both, make):
    before, after = ([make.trial(train_seconds=s, speedup_b64=s)] for s in (1, 2))
    found = compare(*both(before, after))
    assert not found.shown
    assert "Training time, B/A over 1 experiment: 2.00 to 2.00, median 2.00." in report(found)


def test_environments_that_differ_are_said_first(both, make):
    before = [make.trial(torch="2.6.0", commit="abc"), make.trial("random", torch="2.6.0", commit="abd")]
    after = [one | {"device": "cuda", "torch": "2.7.0", "trial": one["trial"] + "x"} for one in before]
    text = report(compare(*both(before, after)))
    assert "- device: A cpu, B cuda\n- torch: A 2.6.0, B 2.7.0\n" in text
    assert text.index("device: A") < text.index("identical")
    assert "- threads" not in text
    assert "- commit" not in text


def test_different_protocols_are_the_first_line_and_still_compared(both, make):
    after = [one | {"protocol": 0} for one in make.suite()]
    text = report(compare(*both(make.suite(), after)))
    assert text.startswith("PROTOCOLS DIFFER: A follows 1, B follows 0.")
    assert "16 of 16 experiments are identical" in text


def test_missing_columns_are_said_and_not_compared_by(both, make):
    columns = [column for column in make.COLUMNS if column not in ("start", "compression", "speedup_b64", "device")]
    found = compare(*both(make.suite(), make.suite(), columns_after=columns))
    text = report(found)
    assert "compared without regard to what one of the two does not say: start" in text
    assert "device: A cpu, B unknown" in text
    assert "16 of 16 experiments are identical" in text
    assert "Measured speedup" not in text
    assert all(math.isnan(line.speedup) for line in found.lines)
    minimal = ["protocol", "trial", "status", "method", "architecture", "dataset", "grouping", "keep", "seed"]
    assert "Nothing changed: 16 of 16" in report(
        compare(*both(make.suite(), make.suite(), columns=[*minimal, "test_top1"]))
    )


def test_nothing_in_common_is_one_line(both, make):
    with pytest.raises(InputError, match="before and after have no experiment in common") as error:
        compare(*both([make.trial()], [make.trial("random")]))
    assert "\n" not in str(error.value)
    with pytest.raises(InputError):
        compare(*both([make.trial(seed=0)], [make.trial(seed=1)]))


def test_settings_are_blocks(both, make):
    before = [make.trial(dataset=name, test_top1=0.9) for name in ("digits", "mnist")]
    after = [make.trial(dataset=name, test_top1=0.8) for name in ("digits", "mnist")]
    found = compare(*both(before, after))
    assert [block[0][0] for block in found.table.blocks] == ["lenet5_caffe on digits", "lenet5_caffe on mnist"]


def test_a_trial_that_stands_twice_counts_as_one_seed(both, make):
    before = [make.trial(test_top1=0.8, trial="one"), make.trial(test_top1=0.9, trial="two")]
    found = match(*both(before, [make.trial()])).experiments
    assert len(found) == 1
    assert found[0].seeds == [0]
    assert compare(*both(before, [make.trial(test_top1=0.85)])).lines[0].equal
