"""The one import of torchvision, and the guard that makes it work beside a torch of another kind."""

import re
import runpy
import sys

import pytest
import torch

from runners import vision

FAKE = "import torch\n@torch.library.register_fake('{}::klevel_test')\ndef kernel(x): return x\nloaded = True\n"


def test_torchvision_has_what_klevel_needs_of_it():
    assert vision.torchvision is sys.modules["torchvision"]
    for name in ("datasets", "models", "transforms"):
        assert hasattr(vision.torchvision, name)


@pytest.fixture
def import_with(tmp_path, monkeypatch):
    """Run vision.py where torchvision is this text."""

    def run(text):
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            monkeypatch.delitem(sys.modules, name)
        (tmp_path / "torchvision.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        try:
            return runpy.run_path(vision.__file__)
        finally:
            sys.modules.pop("torchvision", None)

    return run


def test_the_guard_skips_registrations_of_torchvision(import_with):
    before = torch.library.register_fake
    assert import_with(FAKE.format("torchvision"))["torchvision"].loaded
    assert torch.library.register_fake is before, "and is gone after the import"


def test_the_guard_skips_nothing_else(import_with):
    text = FAKE.format("torchvision") + FAKE.format("klevel")
    with pytest.raises(RuntimeError, match="klevel::klevel_test"):
        import_with(text)


@pytest.mark.parametrize("error", ["RuntimeError('out of luck')", "ImportError('no torchvision::nms')"])
def test_any_other_failure_of_the_import_is_passed_on(import_with, error):
    with pytest.raises((RuntimeError, ImportError), match=re.escape(error.split("'")[1])):
        import_with(f"raise {error}")


def test_a_registration_is_forwarded_with_its_arguments():
    calls = []

    def register(op, *args, **kwargs):
        calls.append((op, args, kwargs))
        return "registered"

    guarded = vision._skip_torchvision(register)
    assert guarded("other::nms", 1, lib=2) == "registered"
    assert calls == [("other::nms", (1,), {"lib": 2})]
    assert guarded("torchvision::nms", lib=2)(len) is len
    assert len(calls) == 1
