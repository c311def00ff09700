"""What the page begins with: who leads where, by how much, with what certainty, and who loses."""

from dataclasses import replace

import pytest

from analysis.options import Options
from analysis.report.result import result
from analysis.wording import NOTHING

CLEAR = {"wgsef": (0.90, 0.91, 0.92), "random": (0.80, 0.812, 0.818)}
CLOSE = {"wgsef": (0.90, 0.91, 0.92), "random": (0.91, 0.90, 0.924)}


@pytest.fixture
def told(frame, make):
    """Return a function that says the result of problems, each with its accuracies seed by seed, one per keep."""

    def tell(*problems, architectures=("mlp",), options=None):
        rows = [
            make.trial(method, round(0.5 - 0.1 * i, 1), seed, test_top1=accuracy, architecture=architecture)
            for architecture in architectures
            for i, problem in enumerate(problems)
            for method, accuracies in problem.items()
            for seed, accuracy in enumerate(accuracies)
        ]
        made = frame(rows)
        return result(replace(made, source=replace(made.source, options=options or Options())))

    return tell


def test_it_counts_who_leads_by_how_much_and_how_surely(told):
    said, table = told(CLEAR, CLOSE)
    assert said == [
        "WGSEF leads on 1 of 2 problems by 10.00 points, Random on 1 by 0.13 points; "
        "significantly above every other method: WGSEF on 1",
        "Losing, significantly below the leader: Random on 1 of 2",
    ]
    assert table.bold == {(0, "leader")}
    row = table.shown.iloc[0].to_dict()
    assert row == {
        "setting": "MLP on digits", "grouping": "filter", "keep": "0.5", "leader": "WGSEF", "test top-1 (%)": "91.00",
        "second": "Random", "gap (points)": "10.00", "p": "<0.001", "not significantly below": NOTHING,
    }  # fmt: skip


def test_a_lead_that_is_not_certain_is_not_said_to_be(told):
    said, table = told(CLOSE)
    assert said == [
        "Random leads on 1 of 1 problem by 0.13 points; significantly above every other method: none",
        "Leading nowhere: WGSEF",
    ]
    assert list(table.shown["not significantly below"]) == ["WGSEF"]
    assert not table.bold


def test_one_seed_tests_nothing(told):
    one = {"wgsef": (0.9,), "random": (0.8,)}
    assert told(one)[0][0] == "WGSEF leads on 1 of 1 problem by 10.00 points; too few seeds to test that"
    assert told(one, CLEAR)[0][0].endswith("every other method: WGSEF on 1 of the 1 with seeds enough for a test")


def test_a_tie_is_said_to_be_shared(told):
    same = {"wgsef": (0.9, 0.91), "random": (0.9, 0.91)}
    assert "1 of the leads shared with the second" in told(same)[0][0]


def test_over_all_settings_it_says_who_may_be_the_best(told):
    said, table = told(CLEAR, architectures=("mlp", "lenet5_caffe"))
    over, worse = said[1:3]
    assert over.startswith("Over all settings (2 problems of 2 networks, mean of 3 seeds), 1 of 2 methods is the best")
    assert over.endswith("over 2 networks: WGSEF")
    assert worse.endswith("below the best of the others: Random by 10.00 points (95 % interval 0 to 10.00)")
    assert table.starts == [1], "a rule between the settings"


def test_the_conditions_stand_only_beside_those_that_differ(frame, make):
    rows = [make.trial(method, scope=scope) for method in ("wgsef", "random") for scope in ("layer", "network")]
    _, table = result(frame(rows))
    assert list(table.data["conditions"]) == ["layer scope", "network scope"]


def test_methods_have_the_names_that_the_user_gave(told):
    said, table = told(CLEAR, options=Options(labels={"wgsef": "Ours"}))
    assert said[0].startswith("Ours leads")
    assert table.shown["leader"][0] == "Ours"
