"""Leases: one holder at a time, and none for ever, whatever happened to the holder."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from runners import leases
from runners.leases import Leases, held


@pytest.fixture
def two(tmp_path):
    """The leases of two runs on one folder."""
    one, other = Leases(tmp_path), Leases(tmp_path)
    yield one, other
    one.close()
    other.close()


def left_behind(folder, name="a.1", **content):
    """A lease that some other process has left."""
    path = folder / name
    path.write_text(json.dumps({"host": "elsewhere", "process": 7, "processes": "of another machine"} | content))
    return path


@pytest.fixture
def clock(monkeypatch):
    """One's own clock, set by hand."""
    now = [1000.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    return now


def test_one_run_holds_a_lease_until_it_gives_it_back(two, tmp_path):
    one, other = two
    assert one.claim("a")
    assert not other.claim("a")
    assert other.claim("b")
    assert [(h.name, h.process) for h in held(tmp_path)] == [("a", os.getpid()), ("b", os.getpid())]
    one.release("a")
    assert other.claim("a")
    assert not one.claim("a")
    other.close()
    assert one.claim("a")
    assert not one.claim("a"), "not twice by one run either"


def test_of_many_that_claim_at_once_one_holds(tmp_path):
    runs, won = [Leases(tmp_path) for _ in range(8)], []
    start = threading.Barrier(len(runs))

    def compete(run):
        start.wait()
        for number in range(20):
            if run.claim(f"n{number}"):
                won.append(number)

    threads = [threading.Thread(target=compete, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(set(won)), "no lease was held twice"
    assert len(list(tmp_path.iterdir())) == len(won)


def test_the_lease_of_a_process_that_has_ended_is_free_at_once(two, tmp_path):
    code = "import sys, os; from pathlib import Path; from runners.leases import Leases; "
    code += "print(Leases(Path(sys.argv[1])).claim('a'), flush=True); os._exit(9)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n"
    assert len(list(tmp_path.iterdir())) == 1
    assert list(held(tmp_path)) == []
    assert two[0].claim("a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.2"]
    assert not two[1].claim("a")
    (tmp_path / "b.1").write_text(
        (tmp_path / "a.2").read_text().replace(f'"process": {os.getpid()}', '"process": 4194305')
    )
    two[1].close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.2"], "what the dead have left is swept"


@pytest.mark.parametrize("content", [None, "", '{"host": "elsewh', "[1]", '{"process": "x"}'])
def test_a_lease_from_elsewhere_is_free_once_nobody_touches_it_for_long(two, tmp_path, clock, content):
    """Whatever is in it: it may have been cut off."""
    path = left_behind(tmp_path)
    if content is not None:
        path.write_text(content)
    assert not two[0].claim("a")
    clock[0] += leases.STALE - 1
    assert not two[0].claim("a")
    os.utime(path, ns=(1, 1))  # its holder has another clock; what counts is that it was touched
    clock[0] += leases.STALE - 1
    assert not two[0].claim("a")
    clock[0] += 2
    assert not two[0].claim("a")
    clock[0] += leases.STALE
    assert two[0].claim("a")
    assert not two[1].claim("a")


def test_a_holder_that_stood_still_for_too_long_has_lost(two, tmp_path, clock):
    one, other = two
    assert one.claim("a")
    content = json.loads((tmp_path / "a.1").read_text())
    (tmp_path / "a.1").write_text(json.dumps(content | {"host": "elsewhere"}))  # for the other, it is
    assert not other.claim("a")
    clock[0] += leases.STALE + 1
    assert other.claim("a")
    one.release("a")
    assert [p.name for p in tmp_path.iterdir()] == ["a.2"], "what it gives back is not the other's"


def test_a_lease_is_touched_as_long_as_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT", 0.01)
    run = Leases(tmp_path)
    assert run.claim("a")
    path = tmp_path / "a.1"
    for _ in range(2):
        os.utime(path, ns=(1, 1))
        deadline = time.monotonic() + 30
        while path.stat().st_mtime_ns == 1:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    run.close()
    assert not path.exists()


def test_names_that_begin_alike_are_different_leases(two):
    assert two[0].claim("a")
    assert two[1].claim("a.1.b")
    assert not two[0].claim("a.1.b")
    assert two[0].claim("ab")


def test_a_lease_that_cannot_be_written_is_not_left_behind(two, tmp_path, monkeypatch):
    def full(*content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(leases.json, "dumps", full)
        with pytest.raises(OSError, match="No space"):
            two[0].claim("a")
    assert list(tmp_path.iterdir()) == []
    assert two[1].claim("a")
