"""A Ray cluster: nodes that die, nodes that do not see the results folder, tasks that take too long."""

import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from results.columns import VARYING
from results.errors import InputError
from runners import trial
from runners.__main__ import main
from runners.executors import Slots, executor
from runners.rehearsal import Rehearsal
from runners.store import Store
from runners.tasks import Outcome, RunContext

ray = pytest.importorskip("ray", reason="ray is not installed; .ci/run installs it")

from ray.cluster_utils import Cluster  # noqa: E402

from runners.executors import ray_cluster  # noqa: E402

pytestmark = pytest.mark.slow
RECIPE = {"dense_epochs": 1, "sparsify_epochs": 1, "finetune_epochs": 1, "batch_size": 20, "train_images": 40}
GRID = {"dataset": ["digits"], "architecture": ["tests.runners.executors.waiting:waits"], "keep": [0.5], "seed": [0, 1]}
METHODS = ["dense", "magnitude", {"name": "random"}, {"name": "wgsef", "lam": 0.5}]


def call(suite, results, *options):
    return main(["run", suite, "--results", str(results), "--device", "cpu", *options])


def rows(results):
    """trials.csv, cell by cell as text, without what may vary."""
    table = pd.read_csv(results / "t" / "trials.csv", dtype=str, keep_default_na=False)
    return table.drop(columns=list(VARYING)).to_dict("records")


def files(results):
    """What there is of dense networks and trials."""
    return {p.relative_to(results) for p in (results / "t").glob("*/*/*")}


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A suite, its results in this process, and the exit code."""
    folder = tmp_path_factory.mktemp("local")
    suite = folder / "s.yaml"
    suite.write_text(yaml.safe_dump({"suite": "t", "recipe": RECIPE, "grid": {**GRID, "method": METHODS}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "MARGIN", 0.05)  # what a process of its own counts as collapsed
        code = call(str(suite), folder, "--jobs", "1")
    return str(suite), folder, code


def test_a_cluster_finishes_a_suite_while_a_node_is_killed(local, tmp_path, monkeypatch):
    suite, alone, code = local
    monkeypatch.setenv("KLEVEL_TEST_WAIT", str(tmp_path))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        second = cluster.add_node(num_cpus=1)

        def kill():
            wait_for(lambda: any(tmp_path.glob("t/trials/*/row.json")))
            (tmp_path / ".node").write_text(second.node_id)
            (tmp_path / ".node").rename(tmp_path / "node")
            wait_for((tmp_path / "waits").exists)
            cluster.remove_node(second, allow_graceful=False)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        assert call(suite, tmp_path, "--executor", "ray", "--address", cluster.address) == code
        killer.join(10)
        assert (tmp_path / "waits").exists(), "a node was killed at work"
        assert not killer.is_alive()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert rows(tmp_path) == rows(alone)
    assert files(tmp_path) == files(alone)
    assert not ray.is_initialized()


def test_a_cluster_that_is_not_there_is_a_line(local, tmp_path, capsys):
    assert call(local[0], tmp_path, "--address", "127.0.0.1:9") == 2
    assert "klevel: --executor ray --address 127.0.0.1:9: ConnectionRefusedError" in capsys.readouterr().err


@pytest.fixture(scope="module")
def here():
    """Ray on this machine, which the tests below share."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    assert ray.is_initialized(), "an executor leaves alone what it has not started"
    ray.shutdown()


@pytest.mark.usefixtures("here")
def test_nodes_that_do_not_see_the_results_send_them(local, tmp_path, monkeypatch):
    suite, alone, code = local
    monkeypatch.setattr(ray_cluster, "_put_sign", lambda root, word: root / "never")
    assert call(suite, tmp_path, "--executor", "ray", "--jobs", "2") == code
    assert rows(tmp_path) == rows(alone)
    assert files(tmp_path) == files(alone)
    assert list(Path(tempfile.gettempdir()).glob("klevel-*/*/t")) == [], "nothing is left on the node"


@pytest.mark.usefixtures("here")
def test_a_task_that_takes_too_long_is_a_failure(tmp_path, make_spec):
    context, slots = RunContext(tmp_path, "t", "cpu", 1), Slots(["cpu"], timeout=5.0, cluster="")
    network, other = (
        make_spec(architecture="tests.runners.user_networks:sleeps").dense,
        Rehearsal((make_spec("dense"),)),
    )
    with executor(context, slots, lambda event: None) as executes:
        found = {task.id: outcome for task, outcome in executes.run([network, other])}
    assert found == {network.id: Outcome("failed", "took longer than 5 s"), other.id: Outcome("done")}


@pytest.mark.parametrize("name", ["../row.json", "/tmp/row.json", "a/../../b", "", "."])
def test_a_file_that_leads_out_of_the_folder_of_its_trial_is_refused(tmp_path, make_spec, name):
    store = Store(tmp_path, "t")
    with pytest.raises(InputError, match="leads out of its folder"):
        ray_cluster._bring(store, make_spec(), {"log.txt": b"", name: b"{}"})
    assert list(tmp_path.iterdir()) == []
