"""The time left: of like epochs, stepwise of less like ones, and steady in a run of unlike trials."""

import os
import random
import time
from types import SimpleNamespace

import pytest

from runners import progress
from runners.estimate import BETWEEN, OVERHEAD, Backlog, Like, Times, Work, clock, measured, rows, schedule, work_of
from runners.row import row_of
from runners.store import Store, write_json
from runners.tasks import EpochEvent, Outcome
from runners.training import EpochRecord

HERE, THERE = ("lenet5", "digits", 20, 40), ("mlp", "digits", 20, 40)


def record(phase, epoch, seconds=1.0, **more):
    return EpochRecord(phase, epoch, 0.7, 0.5, [3, 4], None, 0.1, seconds, **more)


def test_nothing_is_said_where_nothing_was_measured():
    times = Times()
    assert times.of(Like(*HERE, "wgsef", "filter", 0.5), "sparsify") is None
    assert times.cost(Work(Like(*HERE), (("dense", 2),))) is None
    assert Backlog(times, {}, {"a": Work(Like(*HERE), (("dense", 2),))}).seconds(1, 0.0) is None
    assert clock(None) == "unknown"


def test_the_most_alike_that_was_measured_counts():
    times, like = Times(), Like(*HERE, "wgsef", "filter", 0.5)
    for seconds, other in [
        (9.0, like.dense),
        (8.0, like._replace(method="gmp")),
        (6.0, like._replace(grouping="channel")),
        (4.0, like._replace(keep=0.1)),
        (2.0, like),
    ]:
        times.add(other, "dense" if other == like.dense else "sparsify", seconds)
        assert times.of(like, "sparsify") == seconds
    times.add(like, "sparsify", 2.0)
    times.add(like, "sparsify", 70.0)
    assert times.of(like, "sparsify") == 2.0, "the median"


def test_what_is_not_known_of_a_place_is_known_by_the_ratio_elsewhere():
    times, here, there = Times(), Like(*HERE, "wgsef", "filter", 0.5), Like(*THERE, "wgsef", "filter", 0.5)
    times.add(there.dense, "dense", 2.0)
    times.add(there, "sparsify", 6.0)
    assert times.of(here, "sparsify") == 4.0, "nothing of this place: those of another"
    times.add(here.dense, "dense", 10.0)
    assert times.of(here, "sparsify") == 30.0
    half = here._replace(train_images=20)
    assert times.of(half, "dense") == 5.0, "in proportion to the images"


def test_tasks_are_scheduled_in_their_order():
    assert schedule([3, 1, 1, 1], 2) == 3
    assert schedule([1, 1, 1, 3], 2) == 4
    assert schedule([], 2) == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (61.4, "1:01"), (3600, "1:00:00"), (90061, "1 d 1:01:01"), (59.6, "1:00")]
)
def test_durations_are_written_out(seconds, text):
    assert clock(seconds) == text


def test_the_time_left_falls_within_an_epoch_and_counts_what_a_trial_needs_beside_training():
    like, times = Like(*HERE, "wgsef", "filter", 0.5), Times()
    times.add(like, "sparsify", 10.0)
    times.add(like, BETWEEN, 2.0)
    left = Backlog(times, {}, {"a": Work(like, (("sparsify", 5),)), "b": Work(like, (("sparsify", 5),))})
    assert left.seconds(1, 0.0) == 120
    times.add(like, OVERHEAD, 4.0)
    assert left.seconds(1, 0.0) == 140
    left.at("a", "sparsify", 1, 100.0)
    assert left.seconds(1, 100.0) == 126
    assert left.seconds(1, 105.0) == 121
    assert left.seconds(1, 999.0) == 112, "no further than the end of the epoch"
    assert left.seconds(2, 100.0) == 70


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path, "t")


@pytest.fixture
def finished(store):
    """Return a function that writes a trial that took these seconds per epoch, and `beside` that in all."""

    def finish(spec, sparsify=(), finetune=(), beside=0.0, dense=()):
        store.begin(spec)
        phases = (("dense", dense), ("sparsify", sparsify), ("finetune", finetune))
        epochs = [record(p, i + 1, s) for p, each in phases for i, s in enumerate(each)]
        store.finish(spec, row_of(spec, "t"), epochs)
        folder, whole = store.trial(spec), sum(sparsify) + sum(finetune) + beside
        os.utime(folder / "trial.yaml", (1000, 1000))
        os.utime(folder / "epochs.json", (1000 + whole, 1000 + whole))

    return finish


def test_finished_trials_and_dense_networks_of_a_folder_are_measurements(store, finished, make_spec):
    spec = make_spec("wgsef", {"sparsify_epochs": 3, "finetune_epochs": 1})
    finished(spec, (1.0, 2.0, 9.0), (4.0,), beside=8.0, dense=(0.5,))
    write_json(
        store.root / "dense" / "x" / "record.json",
        {"spec": make_spec(architecture="mlp").dense.model_dump(mode="json"), "epochs": [{"seconds": 7.0}]},
    )
    (store.root / "trials" / "broken").mkdir()
    (store.root / "trials" / "broken" / "row.json").write_text("{")
    times, like = measured(store, rows(store)), work_of(spec).like
    found = [times.of(like, phase) for phase in ("dense", "sparsify", "finetune", OVERHEAD)]
    assert found == [0.5, 2.0, 4.0, 2.0]
    assert times.of(work_of(make_spec(architecture="mlp").dense).like, "dense") == 7.0


def test_epochs_by_equal_multiply_adds_count_as_those_of_the_recipe(store, finished, make_spec):
    spec = make_spec("random", start="scratch", equal="macs")
    planned = spec.epochs.finetune
    finished(spec, finetune=[0.5] * 4 * planned)
    assert measured(store, rows(store)).of(work_of(spec).like, "finetune") == 2.0


def test_a_copied_trial_tells_nothing_of_what_it_needed_beside_training(store, finished, make_spec):
    spec = make_spec("wgsef")
    finished(spec, (5.0,), (5.0,), beside=-10.0)
    assert measured(store, rows(store)).of(work_of(spec).like, OVERHEAD) is None


PLACES = {"mlp": 1.0, "lenet5": 6.0, "lenet5_caffe": 20.0}
KINDS = {("magnitude", "finetune"): 0.9, ("wgsef", "sparsify"): 2.2, ("wgsef", "finetune"): 0.7}


class Recorder:
    """A view that keeps what it was shown last."""

    interval = 1000.0

    def show(self, summary, lines):
        self.summary, self.lines = summary, lines

    def say(self, text):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_run_of_unlike_trials_knows_its_time_left_after_a_fifth_of_it(jobs, store, make_spec, monkeypatch):
    """From then to nine tenths it is wrong by a fifth at most of what the rest takes in truth."""
    recipe = {"dense_epochs": 10, "sparsify_epochs": 10, "finetune_epochs": 5}
    specs = [
        make_spec(method, recipe, architecture=place, keep=keep, seed=seed)
        for place in PLACES
        for method in ("magnitude", "wgsef")
        for keep in (0.5, 0.1)
        for seed in range(3)
    ]
    chance, now, whole = random.Random(0), [0.0], {}
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(progress, "wall", lambda folder: whole[folder.name])
    view = Recorder()
    shown = progress.Progress(store, specs, jobs, view=view)

    def events(task, begin):
        """What a task says: (time, phase, epoch, seconds), and its end without a phase."""
        at, place = begin, PLACES[task.architecture]
        for phase, n in work_of(task).epochs:
            for epoch in range(1, n + 1):
                factor = KINDS.get((getattr(task, "method", None), phase), 1.0)
                seconds = place * factor * (task.keep if phase == "finetune" else 1.0) * chance.uniform(0.8, 1.2)
                at += seconds + 0.15 * place
                yield at, task, phase, epoch, seconds
        whole[task.id] = at + 3.0 - begin
        yield at + 3.0, task, None, 0, 0.0

    log, begin = [], 0.0
    for tasks in ({s.dense.id: s.dense for s in specs}.values(), specs):
        ends = [begin] * jobs
        for task in tasks:
            said = list(events(task, min(ends)))
            ends[ends.index(min(ends))] = said[-1][0]
            log += said
        begin = max(ends)
    assert view.summary.left is None
    wrong = []
    for at, task, phase, epoch, seconds in sorted(log, key=lambda e: e[0]):
        now[0] = at
        if phase is None:
            shown.ended(task, Outcome("done"))
        else:
            shown.epoch(EpochEvent(task, record(phase, epoch, seconds)))
        shown.draw()
        if 0.2 < at / begin < 0.9:
            wrong.append(view.summary.left / (begin - at) - 1)
    shown.close()
    assert max(map(abs, wrong)) < 0.2
    assert view.summary.epochs[0] == view.summary.epochs[1]


def test_ten_thousand_trials_take_a_moment():
    like, times = Like(*HERE, "wgsef", "filter", 0.5), Times()
    times.add(like, "sparsify", 1.0)
    works = [Work(like._replace(keep=k / 100), (("sparsify", 10),)) for k in range(1, 101)]
    left = Backlog(times, {}, {str(i): works[i % 100] for i in range(10_000)})
    begin = time.perf_counter()
    assert left.seconds(7, 0.0) == pytest.approx(14290)
    assert time.perf_counter() - begin < 1.0
    assert left.total == 100_000
