"""The machine and the version that a row was measured with."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import torch

from results.errors import Stopped

CPUINFO = Path("/proc/cpuinfo")


def code_of(kind: type) -> str | None:
    """Return a hash of the source files of a class and its base classes; None if a file cannot be read.

    Files that these files import are not hashed.
    """
    digest = hashlib.sha256()
    try:
        for base in kind.__mro__:
            if base.__module__.partition(".")[0] not in sys.stdlib_module_names:
                digest.update(inspect.getsource(sys.modules[base.__module__]).encode())
    except (OSError, KeyError, TypeError):
        return None
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def commit() -> str | None:
    """Return the short commit of klevel, followed by + if files differ from it; None outside of git."""
    head = _git("rev-parse", "--short=10", "HEAD")
    return None if head is None else head.strip() + ("+" if uncommitted() else "")


def uncommitted() -> list[str]:
    """Return the files of methods/ and runners/ that differ from the last commit; none outside of git."""
    return [line[3:] for line in (_git("status", "--porcelain", "--", "methods", "runners") or "").splitlines()]


def _git(*words: str) -> str | None:
    """Return the output of git in this checkout; None without git, or without a repository."""
    here = Path(__file__).parents[1]
    try:
        done = subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def machine() -> dict[str, str | int]:
    """Describe this machine: Python, system, processor, cores, GPU if there is one, and library versions."""
    found: dict[str, str | int] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def processor() -> str:
    """Return the name of the processor, from /proc/cpuinfo on Linux, where Python knows only the architecture."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    import joblib  # knows affinity and cgroups; takes a third of a second

    return int(joblib.cpu_count())


def choose_device(name: str) -> torch.device:
    """Return a device by name; `auto` is CUDA if available, else the CPU. Raises ValueError for an unknown device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(str(error).split("\n")[0]) from None
    return device


def die_with_parent() -> None:
    """End this process when the process $KLEVEL_PARENT_PID has ended, so that a killed script leaves no run behind.

    run_all.sh sets the variable. A run started by hand, for example with nohup, outlives its shell.
    """
    parent = os.environ.get("KLEVEL_PARENT_PID", "")
    if parent.isdecimal():
        _watch(lambda: os.getppid() != int(parent))


def die_with_main_process() -> None:
    """End this worker process when its main process has ended for any reason."""
    main = multiprocessing.parent_process()
    if main is not None:
        _watch(lambda: not main.is_alive())


def _watch(gone: Callable[[], bool]) -> None:
    def loop() -> None:
        while not gone():
            threading.Event().wait(0.5)
        os._exit(1)

    threading.Thread(target=loop, daemon=True).start()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise Stopped, so that what is open is closed, and the second end at once."""

    def stop(number: int, frame: object) -> None:
        for again in before:
            signal.signal(again, lambda number, frame: os._exit(128 + number))
        raise Stopped(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
