"""What a run shows of itself: a bar over epochs, lines, now.json, scalars."""

import contextlib
import io
import json
import re
import sys
import types

import pytest

from runners import progress
from runners.leases import Leases
from runners.progress import Bars, Labels, Lines, Progress, Summary, shown
from runners.store import Store
from runners.tasks import EpochEvent, Outcome
from runners.tensorboard import Scalars
from runners.training import EpochRecord

DONE = Outcome("done")


def event(task, phase, epoch, seconds=1.0, **more):
    return EpochEvent(task, EpochRecord(phase, epoch, 0.7, 0.5, [3, 4], None, 0.1, seconds, **more), "there", 7)


class Recorder:
    """A view that keeps what it was shown and told."""

    interval = 1000.0

    def __init__(self):
        self.said = []

    def show(self, summary, lines):
        self.summary, self.lines = summary, lines

    def say(self, text):
        self.said.append(text)

    def close(self):
        pass


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "t")


@pytest.fixture
def begin(store):
    """Return a function that begins to show a run of trials; gives it and its view."""
    with contextlib.ExitStack() as stack:

        def of(trials, **more):
            view = Recorder()
            found = Progress(store, trials, 1, view=view, **more)
            stack.callback(found.close)
            return found, view

        yield of


@pytest.fixture
def trials(make_spec):
    """Two trials of one dense network, of 4 epochs each after its 3."""
    recipe = {"dense_epochs": 3, "sparsify_epochs": 3, "finetune_epochs": 1, "start": "dense"}
    return [make_spec("wgsef", recipe, hyperparameters={"lam": lam}) for lam in (0.1, 0.3)]


def epochs(run, view):
    run.draw()
    return view.summary.epochs


def test_every_epoch_moves_the_bar_and_every_task_ends_full(begin, trials):
    run, view = begin(trials)
    one, other = trials
    assert epochs(run, view) == (0, 3 + 4 + 4), "the dense network counts once"
    for epoch in (1, 2, 3):
        run.epoch(event(one.dense, "dense", epoch))
        assert epochs(run, view)[0] == epoch
    run.ended(one.dense, DONE)
    run.epoch(event(one, "sparsify", 2))
    assert epochs(run, view) == (5, 11), "it went on where it was"
    run.epoch(event(one, "finetune", 1))
    run.ended(one, DONE)
    assert epochs(run, view) == (7, 11)
    run.epoch(event(other, "sparsify", 1))
    run.ended(other, Outcome("failed", "why"))
    assert epochs(run, view) == (11, 11)
    assert view.summary.trials == (2, 2)
    assert view.summary.failed == 1
    assert view.said == [f"trial {other.id} failed: why"]


def test_what_another_run_does_counts_as_well(begin, trials):
    run, view = begin(trials)
    run.epoch(event(trials[0], "sparsify", 1))
    assert epochs(run, view) == (4, 11), "its dense network is there"
    for spec in trials:
        run.ended(spec, DONE)
    assert epochs(run, view) == (11, 11)


def test_the_dense_network_of_refused_trials_is_not_waited_for(begin, trials):
    run, view = begin(trials)
    for spec in trials:
        run.ended(spec, Outcome("skipped", "no groups"))
    assert epochs(run, view) == (11, 11)


def test_a_dense_network_that_is_there_is_no_work_and_a_failing_one_says_why(begin, store, trials):
    run, view = begin(trials)
    run.ended(trials[0].dense, Outcome("failed", "why"))
    assert view.said == [f"dense network {trials[0].dense.id} failed: why"]
    folder = store.dense(trials[0].dense)
    folder.mkdir(parents=True)
    for name in ("record.json", "network.pt"):
        (folder / name).write_text("{}")
    assert epochs(*begin(trials)) == (0, 8)


def test_more_epochs_than_planned_make_the_total_larger(begin, make_spec):
    spec = make_spec("random", start="scratch", equal="macs")
    run, view = begin([spec])
    planned = spec.epochs.finetune
    before = epochs(run, view)[1]
    run.epoch(event(spec, "finetune", planned + 3))
    assert epochs(run, view)[1] == before + 3


def test_a_task_says_in_its_folder_how_far_it_is_until_it_ends(begin, store, trials, monkeypatch):
    run, _ = begin(trials)
    now = store.trial(trials[0]) / "now.json"
    clock = [100.0]
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    run.epoch(event(trials[0], "sparsify", 1))
    said = json.loads(now.read_text())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", said.pop("time"))
    assert said == {
        "phase": "sparsify", "epoch": 1, "epochs": 3, "accuracy": 0.5, "host": "there", "process": 7, "seconds": 1.0
    }  # fmt: skip
    run.epoch(event(trials[0], "sparsify", 2))
    assert json.loads(now.read_text())["epoch"] == 1, "not more than once a second"
    clock[0] += 1.0
    run.epoch(event(trials[0], "sparsify", 3))
    assert json.loads(now.read_text())["epoch"] == 3
    run.ended(trials[0], DONE)
    run.epoch(event(trials[0], "finetune", 1))
    assert not now.exists(), "nor by what comes late"
    run.epoch(event(trials[1], "sparsify", 1))
    assert (store.trial(trials[1]) / "now.json").exists()
    run.close()
    assert not list(store.root.rglob("*now.json*"))


def test_a_full_disk_does_not_end_a_run(begin, trials, monkeypatch):
    def full(path, content):
        raise OSError("no space left on device")

    monkeypatch.setattr(progress, "write_json", full)
    run, view = begin(trials)
    run.epoch(event(trials[0], "sparsify", 1))
    assert epochs(run, view)[0] == 4


def test_what_begins_has_a_line_before_its_first_epoch(begin, store, trials):
    with contextlib.closing(Leases(store.leases)) as leases:
        assert leases.claim(trials[0].id)
        _, view = begin(trials)
    name = "wgsef lenet5 digits filter keep 0.5 lam 0.1 seed 0"
    assert view.lines == {trials[0].id: f"{name}: begins"}


def test_lines_tell_trials_apart(begin, trials, make_spec):
    other = make_spec("wgsef", scope="network", keep=0.25, seed=3, hyperparameters={"lam": 0.3})
    label = Labels([*trials, other]).of
    assert label(trials[1]) == "wgsef lenet5 digits filter keep 0.5 scope layer lam 0.3 seed 0"
    assert label(other) == "wgsef lenet5 digits filter keep 0.25 scope network lam 0.3 seed 3"
    assert label(other.dense) == "dense network lenet5 digits seed 3"
    assert Labels([other]).of(other) == "wgsef lenet5 digits filter keep 0.25 seed 3", "nothing differs"
    run, view = begin(trials)
    run.epoch(event(trials[0].dense, "dense", 2))
    run.epoch(event(trials[1], "sparsify", 2))
    run.draw()
    assert view.lines == {trials[1].id: "wgsef lenet5 digits filter keep 0.5 lam 0.3 seed 0: sparsify 2/3, 50.00 %"}


def test_without_a_terminal_there_is_a_line_now_and_then(store, trials, capsys):
    with shown(store, trials, 1) as run:
        run.epoch(event(trials[0].dense, "dense", 3, seconds=20.0))
        run.ended(trials[0], Outcome("failed", "why"))
    first, failed, last = capsys.readouterr().err.splitlines()
    assert Lines.interval == 60
    assert first == "0/11 epochs, 0/2 trials, 0 failed, 0 running, time left unknown"
    assert failed == f"trial {trials[0].id} failed: why"
    assert re.fullmatch(r"7/11 epochs, 1/2 trials, 1 failed, 1 running, time left \d:\d\d", last)


def test_on_a_terminal_there_is_a_bar_and_each_job_keeps_its_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress, "_columns", lambda: 21)
    bars = Bars(10)
    bars.show(Summary((5, 10), (1, 4), 0, 2, 90.0), {"a": "first", "b": "second"})
    bars.show(Summary((6, 10), (1, 4), 0, 2, 80.0), {"b": "second", "c": "third, which is much too long"})
    assert bars._names == ["c", "b"]
    assert [line.desc for line in bars._lines] == ["third, which is much", "second"]
    bars.say("said")
    bars.show(Summary((12, 12), (4, 4), 0, 0, 0.0), {})
    bars.close()
    text = sys.stderr.getvalue()
    assert "| 5/10 epochs [00:00, 1/4 trials, 0 failed, 2 running, time left 1:30]" in text
    assert "| 12/12 epochs [" in text
    assert "said\n" in text


@pytest.fixture
def writer(monkeypatch):
    """A SummaryWriter that notes what it is told: (folder, name, value, step)."""
    noted = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder.rpartition("/")[2]

        def add_scalar(self, name, value, step):
            noted.append((self.folder, name, value, step))

        def flush(self):
            pass

        def close(self):
            noted.append((self.folder, "close"))

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Writer))
    return noted


def test_epochs_become_scalars_step_by_step_through_the_phases(begin, writer, trials, tmp_path):
    one = trials[0]
    old = tmp_path / "tensorboard" / one.id / "old"
    old.mkdir(parents=True)
    run, _ = begin(trials, scalars=Scalars(tmp_path / "tensorboard"))
    run.epoch(event(one, "sparsify", 1, regulariser=2.0))
    assert not old.exists(), "what it had before it began anew"
    values = {"loss": 0.7, "accuracy": 0.5, "lr": 0.1, "regulariser": 2.0, "groups above zero": 7}
    assert writer == [(one.id, name, value, 1) for name, value in values.items()]
    run.epoch(event(one, "finetune", 1))
    assert {note[3] for note in writer[5:]} == {4}
    run.ended(one, DONE)
    assert writer[-1] == (one.id, "close")


def test_a_real_writer_writes_a_file(begin, trials, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    run, _ = begin(trials, scalars=Scalars(tmp_path / "tensorboard"))
    run.epoch(event(trials[0], "sparsify", 1))
    run.close()
    assert list((tmp_path / "tensorboard" / trials[0].id).glob("events.*"))
