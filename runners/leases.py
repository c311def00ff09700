"""Claim tasks, so that several runs on one results folder, also of several machines, share them.

A lease is a file NAME.N in a folder that all runs see. It is created exclusively, says who holds it, and is touched
every BEAT seconds. A lease that nobody has touched for STALE seconds of one's own clock is dead, and at once where its
process is known to have ended; it is taken over by creating NAME.N+1, which one run alone can do. No two clocks are
compared, no lock of the file system is needed, and what is in the file decides nothing but for whom it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEAT, STALE = 10.0, 60.0  # seconds


@dataclass(frozen=True)
class Held:
    """A lease that somebody holds, as far as it can be seen: name, host, process, and the time of its last sign."""

    name: str
    host: str
    process: int
    touched: float


class Leases:
    """The leases that this run holds."""

    def __init__(self, folder: Path) -> None:
        """folder: where all runs keep their leases; made here."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held: dict[str, Path] = {}
        self._seen: dict[Path, tuple[int, float]] = {}  # when a lease of others was last touched; and seen so, here
        self._changing, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._renew, daemon=True).start()

    def claim(self, name: str) -> bool:
        """Return whether this run holds a lease now that nobody else holds. Never waits."""
        others = files(self._folder, name)
        if any(not self._dead(path) for path in others):
            return False
        path = self._folder / f"{name}.{max(map(_number, others), default=0) + 1}"
        try:
            file = path.open("x", encoding="utf-8")
        except FileExistsError:  # a moment ago
            return False
        try:
            with file:
                file.write(json.dumps(_me()))
        except OSError:  # the disk is full
            path.unlink(missing_ok=True)
            raise
        others = [p for p in files(self._folder, name) if p != path]
        if any(not self._dead(other) for other in others):  # another run has come in between
            path.unlink(missing_ok=True)
            return False
        for other in others:
            other.unlink(missing_ok=True)
        with self._changing:
            self._held[name] = path
        return True

    def release(self, name: str) -> None:
        """Give a lease back."""
        with self._changing:
            path = self._held.pop(name, None)
        if path is not None:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give all leases back, and remove those of runs that have ended."""
        self._closed.set()
        for name in list(self._held):
            self.release(name)
        for path in files(self._folder):
            if self._dead(path):
                path.unlink(missing_ok=True)

    def _dead(self, path: Path) -> bool:
        """Return whether the holder of a lease has ended, or has given no sign of life for long."""
        try:
            touched = path.stat().st_mtime_ns
        except FileNotFoundError:
            return True
        before, since = self._seen.get(path, (None, 0.0))
        if touched != before:
            self._seen[path] = (touched, time.monotonic())
        elif time.monotonic() - since > STALE:
            return True
        return _has_ended(_read(path))

    def _renew(self) -> None:
        while not self._closed.wait(BEAT):
            with self._changing:
                for path in self._held.values():
                    with contextlib.suppress(OSError):  # taken over; or the folder is away for a while
                        os.utime(path)


def held(folder: Path) -> Iterator[Held]:
    """Yield the leases in a folder whose holder is not known to have ended."""
    for path in files(folder):
        who = _read(path)
        with contextlib.suppress(FileNotFoundError):
            if not _has_ended(who):
                process = who.get("process")
                number = process if isinstance(process, int) else 0
                yield Held(path.stem, str(who.get("host", "?")), number, path.stat().st_mtime)


def files(folder: Path, name: str = "*") -> list[Path]:
    """Return the leases in a folder, of one name or of all, sorted."""
    return sorted(p for p in folder.glob(f"{name}.*") if p.suffix[1:].isdecimal())


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _read(path: Path) -> dict[str, Any]:
    """Return what a lease says; nothing if it was cut off when it was written."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _me() -> dict[str, Any]:
    return {"host": platform.node(), "process": os.getpid(), "processes": _processes()}


def _processes() -> str:
    """Return a name of the processes that this one can see: hosts and containers may have names in common."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return ""


def _has_ended(who: dict[str, Any]) -> bool:
    """Return whether a process of this machine is no more; False for one that cannot be seen from here."""
    if who.get("host") != platform.node() or who.get("processes") != _processes():
        return False
    try:
        os.kill(int(who["process"]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, KeyError, TypeError, ValueError, OverflowError):
        return False
    return False
