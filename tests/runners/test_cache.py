"""The dense networks that suites share: what training would give, or nothing."""

import json
import os
import shutil

import pandas as pd
import pytest
import torch

from results.columns import VARYING
from runners import cache, dense, run
from runners.__main__ import main
from runners.cache import FOLDER, Cache
from runners.executors import Slots
from runners.store import Store
from runners.tasks import RunContext

ONE = Slots(["cpu"])


@pytest.fixture
def trained(monkeypatch):
    """The dense networks that were trained, in their order."""
    done, real = [], dense.train

    def train(network, data, recipe, phase, *rest, **options):
        done.append(phase.seed // 10)
        return real(network, data, recipe, phase, *rest, **options)

    monkeypatch.setattr(dense, "train", train)
    return done


@pytest.fixture
def perform(tmp_path):
    """Run these trials in a suite; return their rows, without what may vary."""

    def call(suite, *specs, use="use", again=run.NONE_AGAIN):
        table = run.run(RunContext(tmp_path, suite, "cpu", 1, use), specs, ONE, again)
        return table.drop(columns=[*VARYING, "suite"]).to_dict("records")

    return call


def entries(results):
    return sorted((results / FOLDER).iterdir())


def network_of(results, suite, spec):
    return (Store(results, suite).dense(spec.dense) / "network.pt").read_bytes()


def test_a_second_suite_takes_the_network_of_the_first(perform, trained, make_spec, tmp_path):
    one, other = make_spec(), make_spec("random", recipe={"sparsify_epochs": 2, "dense_epochs": 1}, finetune_epochs=2)
    assert one.dense.id == other.dense.id
    first = perform("a", one)
    assert trained == [0]
    perform("b", other)
    assert trained == [0], "the same dense training, of another recipe"
    assert network_of(tmp_path, "b", other) == network_of(tmp_path, "a", one)
    assert "taken from" in (Store(tmp_path, "b").dense(other.dense) / "log.txt").read_text()
    assert perform("c", one, use="off") == perform("d", one) == first, "trained here or not"
    assert trained == [0, 0]


def test_what_is_taken_is_what_training_gives(perform, make_spec, tmp_path):
    perform("a", make_spec())
    perform("b", make_spec(), use="off")
    one, other = (Store(tmp_path, suite).dense_weights(make_spec().dense) for suite in "ab")
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_network_of_a_suite_is_its_own(perform, make_spec, tmp_path):
    """Replaced in one suite, it stays what it was in the other and in the cache."""
    spec = make_spec()
    perform("a", spec)
    before = network_of(tmp_path, "a", spec)
    perform("b", spec)
    store = Store(tmp_path, "b")
    record = store.dense_record(spec.dense)
    store.save_dense(
        spec.dense, torch.nn.Linear(2, 2), {k: record[k] for k in ("val_top1", "test_top1")} | {"epochs": []}
    )
    assert network_of(tmp_path, "a", spec) == before
    assert list(cache.broken(tmp_path)) == []


def test_all_again_trains_again_and_replaces(perform, trained, make_spec, tmp_path):
    spec = make_spec()
    perform("a", spec)
    made = entries(tmp_path)[0] / "made.json"
    old = made.stat().st_ino
    perform("b", spec, use="renew", again=run.Again(all=True))
    assert trained == [0, 0]
    assert made.stat().st_ino != old
    assert [p.name for p in entries(tmp_path)] == [made.parent.name]


def test_the_commands_say_what_is_done_with_it(suite_file, tmp_path, monkeypatch):
    asked = []

    def run_trials(context, *rest):
        asked.append(context.cache)
        return pd.DataFrame({"status": []})

    monkeypatch.setattr("runners.commands.run_trials", run_trials)
    for options in ([], ["--force"], ["--no-cache"], ["--no-cache", "--force"], ["--retry"]):
        assert main(["run", suite_file(), "--results", str(tmp_path), "--device", "cpu", *options]) == 0
    assert asked == ["use", "renew", "off", "off", "use"]


def test_without_a_cache_nothing_is_kept(perform, make_spec, tmp_path):
    perform("a", make_spec(), use="off")
    assert not (tmp_path / ".cache").exists()


@pytest.fixture
def kept(perform, make_spec):
    """A dense network in the cache, and its spec."""
    perform("a", make_spec())
    return make_spec().dense


CHANGES = {
    "code": lambda patch: patch.setattr(cache, "_code", lambda: "other"),
    "torch": lambda patch: patch.setattr(torch, "__version__", "2.6.0"),
    "library": lambda patch: patch.setattr(cache, "_version", lambda name: "0"),
    "data": lambda patch: patch.setattr(cache, "_fingerprint", lambda data: "other"),
    "device": lambda patch: patch.setattr(cache, "device_name", lambda device: "NVIDIA H100"),
    "processor": lambda patch: patch.setattr(cache, "processor", lambda: "Z80"),
    "threads": lambda patch: patch.setattr(torch, "get_num_threads", lambda: 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_its_bits_depend_on_is_told_apart(kept, digits, tmp_path, monkeypatch, change):
    assert Cache(tmp_path).take(kept, digits, Store(tmp_path, "b"))
    with monkeypatch.context() as patch:
        CHANGES[change](patch)
        store = Store(tmp_path, "c")
        assert not Cache(tmp_path).take(kept, digits, store)
        assert store.dense_record(kept) is None
        Cache(tmp_path).put(kept, digits, Store(tmp_path, "a"))
        assert Cache(tmp_path).take(kept, digits, store)
        of_other_machines = change in ("device", "processor", "threads")
        assert len(entries(tmp_path)) == 1 + of_other_machines, "old code is replaced, another machine has its own"
    assert Cache(tmp_path).take(kept, digits, Store(tmp_path, "d")) == of_other_machines


def test_a_fingerprint_covers_every_image_and_label(digits):
    from dataclasses import replace

    seen = {cache._fingerprint(digits)}
    for name in ("train", "val", "test"):
        split = getattr(digits, name)
        images, labels = split.images.clone(), split.labels.clone()
        images[-1, 0, -1, -1] += 1
        labels[-1] = (labels[-1] + 1) % 10
        seen |= {cache._fingerprint(replace(digits, **{name: replace(split, images=images)}))}
        seen |= {cache._fingerprint(replace(digits, **{name: replace(split, labels=labels)}))}
    seen |= {cache._fingerprint(replace(digits, std=digits.std + 1)), cache._fingerprint(replace(digits, resolution=8))}
    assert len(seen) == 9
    files = cache.AnySplit.__args__[1](["a.png", "b.png"], torch.tensor([0, 1]), 8)
    assert len({cache._fingerprint(replace(digits, train=s)) for s in (files, files.at(torch.tensor([0])))}) == 2


DAMAGE = {
    "network changed": ("network.pt", lambda p: p.write_bytes(p.read_bytes()[:-1] + b"?")),
    "network gone": ("network.pt", lambda p: p.unlink()),
    "record cut": ("record.json", lambda p: p.write_bytes(p.read_bytes()[:20])),
    "record gone": ("record.json", lambda p: p.unlink()),
    "no JSON": ("made.json", lambda p: p.write_text("{")),
    "no mapping": ("made.json", lambda p: p.write_text("[]")),
    "no checksums": ("made.json", lambda p: p.write_text(json.dumps(json.loads(p.read_text()) | {"sha256": {}}))),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_entry_is_never_taken(kept, digits, tmp_path, how):
    name, damage = DAMAGE[how]
    shutil.rmtree(tmp_path / "a")
    damage(entries(tmp_path)[0] / name)
    assert len(list(cache.broken(tmp_path))) == 1
    store = Store(tmp_path, "b")
    assert not Cache(tmp_path).take(kept, digits, store)
    assert store.dense_record(kept) is None
    assert entries(tmp_path) == [], "and goes"


def test_an_interrupted_training_ends_where_the_network_is_there(kept, digits, tmp_path):
    store = Store(tmp_path, "b")
    store.dense(kept).mkdir(parents=True)
    store.progress(kept).write_text("half")
    assert Cache(tmp_path).take(kept, digits, store)
    assert not store.progress(kept).exists()


def test_two_runs_that_keep_the_same_at_once(kept, digits, tmp_path, monkeypatch):
    """The second comes in wherever the first is about to write or to rename."""
    store, real, others = Store(tmp_path, "a"), cache.write_json, []

    def in_between(path, content):
        real(path, content)
        if not others:
            others.append(os.getpid() + 1)
            with monkeypatch.context() as patch:
                patch.setattr(cache.os, "getpid", lambda: others[0])
                Cache(tmp_path).put(kept, digits, store)

    monkeypatch.setattr(cache, "write_json", in_between)
    Cache(tmp_path).put(kept, digits, store)
    assert others
    assert len(entries(tmp_path)) == 1
    assert list(cache.broken(tmp_path)) == []
    assert Cache(tmp_path).take(kept, digits, Store(tmp_path, "b"))


def test_a_cache_that_cannot_be_written_stops_nothing(perform, make_spec, tmp_path):
    (tmp_path / ".cache").write_text("a file")
    assert [row["status"] for row in perform("a", make_spec())] == ["done"]
    assert "not kept for other suites" in (Store(tmp_path, "a").dense(make_spec().dense) / "log.txt").read_text()


def test_a_file_system_without_links_gets_copies(kept, digits, tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(type(tmp_path), "hardlink_to", refuse)
    assert Cache(tmp_path).take(kept, digits, Store(tmp_path, "b"))
    Cache(tmp_path).put(kept, digits, Store(tmp_path, "b"))
    assert (entries(tmp_path)[0] / "network.pt").stat().st_nlink == 1


def test_only_what_klevel_knows_all_of_is_kept(perform, trained, make_spec, tmp_path):
    own = make_spec(architecture="tests.runners.user_networks:cached")
    for suite in "ab":
        perform(suite, own)
    assert trained == [0, 0], "what a user's function imports or reads is not known"
    assert not (tmp_path / ".cache").exists()
    assert not cache._may_be_kept(make_spec(recipe={"dense_weights": "w.pt", "dense_epochs": 0}).dense)


def test_the_doctor_looks_at_it_and_removes_what_is_broken(kept, digits, tmp_path, capsys):
    def doctor(*options):
        code = main(["doctor", str(tmp_path), *options])
        return code, capsys.readouterr().out.splitlines()

    assert doctor() == (0, ["nothing is broken"])
    entry = entries(tmp_path)[0]
    left, busy = (entry.with_name(f".{entry.name}.{process}") for process in (2**22 + 1, os.getpid()))
    for folder in (left, busy):
        folder.mkdir()
    (entry / "network.pt").unlink()
    code, lines = doctor()
    assert code == 1
    assert lines == [f"{left}: was being written by a process that has ended",
                     f"{entry}: is no dense network, or was cut off", "2 broken"]  # fmt: skip
    assert doctor("--fix")[0] == 0
    assert entries(tmp_path) == [busy]
    assert Store(tmp_path, "a").dense_record(kept) is not None


def test_a_link_is_not_followed(kept, tmp_path):
    away = tmp_path / "away"
    (tmp_path / ".cache").rename(away)
    (tmp_path / ".cache").symlink_to(away)
    for path in away.rglob("made.json"):
        path.unlink()
    assert list(cache.broken(tmp_path)) == []


def test_it_is_no_suite(kept, tmp_path, capsys):
    assert main(["log", kept.id, "--results", str(tmp_path)]) == 0
    assert "DenseSpec" in capsys.readouterr().out
