"""What may be published, and that nothing else is."""

import pytest

from results.columns import EVIDENCE
from results.errors import InputError
from runners import publish as module
from runners.publish import FORCED, publish
from runners.row import row_of
from runners.store import Store


@pytest.fixture
def ran(tmp_path, make_spec, monkeypatch):
    """A suite of two trials that was run whole, in a clean checkout."""
    monkeypatch.setattr(module, "uncommitted", list)
    store, specs = Store(tmp_path / "results", "t"), [make_spec(seed=s) for s in range(2)]
    for spec in specs:
        store.begin(spec)
        store.finish(spec, row_of(spec, "t"))
    store.collect(specs)
    store.describe("suite: t\n")
    store.measured_on({"cpu": "x"})
    return store, specs


def test_what_was_run_whole_is_copied_byte_for_byte(ran, tmp_path):
    folder = publish(*ran, tmp_path / "reference")
    assert folder == tmp_path / "reference" / "t"
    assert sorted(p.name for p in folder.iterdir()) == sorted(EVIDENCE)
    assert all((folder / n).read_bytes() == (ran[0].root / n).read_bytes() for n in EVIDENCE)
    (folder / "figures").mkdir()
    publish(*ran, tmp_path / "reference")
    assert not (folder / "figures").exists(), "of the rows before"


def fail(store, specs, monkeypatch):
    store.finish(specs[0], row_of(specs[0], "t", "failed", "because"))


def lose(store, specs, monkeypatch):
    (store.trial(specs[0]) / "row.json").unlink()


def no_machine(store, specs, monkeypatch):
    (store.root / "environment.json").unlink()


def edit(store, specs, monkeypatch):
    monkeypatch.setattr(module, "uncommitted", lambda: ["methods/gmp.py"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (fail, "1 of 2 trials failed: run it with --retry"),
        (lose, "1 of 2 trials are missing: run the suite first"),
        (no_machine, "environment.json not there: run the suite again"),
        (edit, "changes that are not committed: methods/gmp.py"),
    ],
)
def test_what_is_not_fit_is_refused_or_says_why(ran, tmp_path, monkeypatch, spoil, words):
    spoil(*ran, monkeypatch)
    with pytest.raises(InputError, match=words):
        publish(*ran, tmp_path / "reference")
    assert not (tmp_path / "reference").exists()
    folder = publish(*ran, tmp_path / "reference", "for a test")
    assert (folder / FORCED).read_text().splitlines() == ["for a test", words]
