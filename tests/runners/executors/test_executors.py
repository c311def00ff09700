"""Every way to run tasks is one interface, and does the same."""

import sys
import time
from typing import NamedTuple

import pytest

from results.errors import InputError
from runners.executors import Executor, Slots, executor
from runners.rehearsal import Rehearsal
from runners.store import Store
from runners.tasks import EpochEvent, Outcome, RunContext

WAYS = {"in process": Slots(["cpu"]), "processes": Slots(["cpu"], 2), "ray": Slots(["cpu"], 2, cluster="")}
NETWORKS = "tests.runners.user_networks:"
pytestmark = pytest.mark.slow


class Way(NamedTuple):
    """An executor, the results of its tasks, how many run at a time, and what it hears."""

    executor: Executor
    store: Store
    room: int
    heard: list[EpochEvent]

    def outcomes(self, tasks):
        """Run tasks, and return the outcome of each by its id."""
        found = list(self.executor.run(tasks))
        assert len(found) == len(tasks)
        return {task.id: outcome for task, outcome in found}


@pytest.fixture(scope="module", params=WAYS)
def way(request, tmp_path_factory):
    if request.param == "ray":
        pytest.importorskip("ray", reason="ray is not installed; .ci/run installs it")
    folder, heard = tmp_path_factory.mktemp("results"), []
    context, slots = RunContext(folder, "t", "cpu", 1), WAYS[request.param]
    once = folder / "once"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KLEVEL_TEST_KILL", str(once))
        with executor(context, slots, heard.append) as executes:
            yield Way(executes, Store(folder, "t"), slots.number, heard)


@pytest.fixture(scope="module")
def apart(way):
    """An executor whose tasks may end their process."""
    if way.room == 1:
        pytest.skip("what ends its process ends this one")
    return way


def test_every_task_ends_with_its_outcome(way, make_spec):
    specs = [make_spec("dense", seed=seed) for seed in range(3)]
    nothing = make_spec(architecture=f"{NETWORKS}linear")
    tasks = [Rehearsal((specs[0],)), Rehearsal((nothing,)), *(s.dense for s in specs)]
    found = way.outcomes(tasks)
    assert found.keys() == {t.id for t in tasks}
    assert found.pop(tasks[1].id).status == "skipped"
    assert set(found.values()) == {Outcome("done")}
    assert all(way.store.dense_record(s.dense) for s in specs)
    assert way.outcomes(specs) == {s.id: Outcome("done") for s in specs}
    assert [way.store.row(s).status for s in specs] == ["done"] * 3
    end = time.monotonic() + 30
    while {e.task.id for e in way.heard} != {i for s in specs for i in (s.id, s.dense.id)}:
        assert time.monotonic() < end, "the news of their epochs"
        time.sleep(0.02)


def test_a_task_that_fails_has_a_reason_and_a_trial_a_row(way, make_spec):
    spec, network = make_spec(seed=7), make_spec(architecture=f"{NETWORKS}entropy_init").dense
    found = way.outcomes([spec, network])
    assert {o.status for o in found.values()} == {"failed"}
    assert found[network.id].reason.startswith("InputError: architecture")
    assert found[spec.id].reason.startswith("FileNotFoundError"), "its dense network is not there"
    row = way.store.row(spec)
    assert (row.status, row.reason) == found[spec.id]


def test_no_task_is_no_outcome(way):
    assert way.outcomes([]) == {}


def test_the_next_task_is_taken_when_there_is_room(way, make_spec):
    taken, ended = 0, 0

    def todo():
        nonlocal taken
        for seed in range(10, 16):
            taken += 1
            assert taken - ended <= way.room
            yield Rehearsal((make_spec(architecture=f"{NETWORKS}linear", seed=seed),))

    for _ in way.executor.run(todo()):
        ended += 1
    assert taken == ended == 6


def test_a_process_that_is_killed_once_costs_a_try(apart, make_spec):
    once = apart.store.root.parent / "once"
    once.touch()
    network = make_spec(architecture=f"{NETWORKS}killed_once").dense
    assert apart.outcomes([network]) == {network.id: Outcome("done")}
    assert not once.exists(), "it was killed"


def test_a_process_that_is_killed_each_time_is_a_failure(apart, make_spec):
    spec = make_spec("dense", architecture=f"{NETWORKS}killed")
    outcome = apart.outcomes([spec])[spec.id]
    assert outcome.status == "failed"
    assert outcome.reason.endswith(", 2 times")
    assert apart.store.row(spec).reason == outcome.reason


def test_without_ray_a_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "runners.executors.ray_cluster", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    line = r"--executor ray needs ray: pip install '\.\[cluster\]'"
    with pytest.raises(InputError, match=line), executor(RunContext(tmp_path, "t", "cpu", 1), WAYS["ray"], print):
        pass
