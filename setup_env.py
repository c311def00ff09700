"""Make .venv or bring it up to date: python setup_env.py run|dev PYTHON; called by setup_env.sh, which finds PYTHON.

Without PYTHON it does nothing and says by its exit code whether .venv is up to date. What lies there:
    .klevel-run, .klevel-dev  stamps: what is installed (dev holds all that run holds). Written last.
    .klevel-unfinished        pip is at work, or was when the machine died: such a .venv is thrown away and made again.
A .venv with neither was made by hand: it is completed in place, never thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON_OF_VENV = VENV / "bin" / "python"
UNFINISHED = VENV / ".klevel-unfinished"
STAMPS = {"run": VENV / ".klevel-run", "dev": VENV / ".klevel-dev"}
SUPPORTED = ("3.11", "3.12")
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
NEED_MB = 3000  # torch for the CPU with all the rest takes half of it, and pip unpacks beside it
PIP = ["-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
PIP += ["-c", "constraints.txt"]
# pip's words differ between its versions, so only what they share is looked for. Retry(total=0 is its last try: earlier
# ones may have been healed by the next.
FULL = r"No space left on device|Errno 28|Disk quota exceeded"
NETWORK = r"Retry\(total=0|Max retries exceeded|[Rr]ead timed out|HTTP error [45]|Could not fetch URL|connect to proxy"
PIN = r"\(constraint\)|No matching distribution|not a supported wheel|requires a different Python"
BEGUN = r"(?m)^ *(Installing collected|Attempting uninstall)"  # pip changes .venv from here on


class Failed(Exception):
    """The set-up cannot be done. The message is one line."""


def version_of(python: str | Path) -> str | None:
    """Return the version of a Python, such as 3.12; None where it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def is_wanted(version: str | None) -> bool:
    """Return whether .venv may have this version: so PYTHON=python3.12 ./run_tests.sh tests on 3.12."""
    named = os.environ.get("PYTHON")
    return version in SUPPORTED and (not named or version == version_of(named))


def stamp() -> str:
    """Return what .venv depends on: two files, its Python, its place (scripts in it name the place)."""
    files = [hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in ("pyproject.toml", "constraints.txt")]
    return "\n".join([str(ROOT), version_of(PYTHON_OF_VENV) or "", *files]) + "\n"


def is_set_up(what: str) -> bool:
    """Return whether .venv has all that `what` needs."""
    if UNFINISHED.exists() or not is_wanted(version_of(PYTHON_OF_VENV)):
        return False
    now = stamp()
    return any(file.is_file() and file.read_text() == now for file in (STAMPS[what], STAMPS["dev"]))


@contextmanager
def alone() -> Iterator[int]:
    """Hold the lock of set-ups, and yield its descriptor for the processes that must hold it too.

    The kernel lets it go when all of them are gone, even by kill -9; a pip that outlived its set-up still holds it.
    """
    with Path(__file__).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"klevel: another set-up is at work in {VENV}, waiting for it", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: go on without one
        yield file.fileno()


def build(what: str, python: str, lock: int) -> None:
    """Make or complete .venv. Leaves no half one; one from before stays where pip had not yet begun to change it."""
    throw_away_useless_venv()
    new = not VENV.exists()
    if new and (free := shutil.disk_usage(ROOT).free // 2**20) < NEED_MB:
        raise Failed(f"the disk is too full: {ROOT} has {free} MB free, {NEED_MB} MB are needed")
    handle, name = tempfile.mkstemp(prefix="klevel-setup.")
    os.close(handle)
    log = Path(name)
    doing = f"making {VENV} with {python}, once; some minutes" if new else f"updating {VENV}"
    print(f"klevel: {doing} (log: {log})", flush=True)
    try:
        VENV.mkdir(exist_ok=True)
        UNFINISHED.touch()
        if new:
            call([python, "-I", "-m", "venv", str(VENV)], log, lock)
        # setuptools comes first and the project is built without isolation: so the build, too, uses the pinned version
        call([str(PYTHON_OF_VENV), *PIP, "setuptools"], log, lock)
        project = "." if what == "run" else ".[dev]"
        call([str(PYTHON_OF_VENV), *PIP, "--no-build-isolation", "-e", project], log, lock)
        STAMPS[what].write_text(stamp())
        UNFINISHED.unlink()
    except BaseException as error:
        if new or re.search(BEGUN, log.read_text(errors="replace")):
            remove_venv()
        else:
            UNFINISHED.unlink(missing_ok=True)
        if not isinstance(error, Failed):
            log.unlink()
        raise
    log.unlink()


def throw_away_useless_venv() -> None:
    """Remove a .venv that is half or has another Python. Raises Failed if that one was made by hand."""
    if not (VENV.exists() or VENV.is_symlink()):
        return
    version = None if UNFINISHED.exists() else version_of(PYTHON_OF_VENV)
    if is_wanted(version):
        return
    if version and not any(file.exists() for file in STAMPS.values()):
        wanted = os.environ.get("PYTHON") or "Python 3.11 or 3.12"
        raise Failed(f"{VENV} was made by hand with Python {version} and does not fit {wanted}: remove it")
    remove_venv()


def remove_venv() -> None:
    """Remove .venv. Its python goes first: were this cut short, the rest could be taken for one made by hand."""
    if VENV.is_symlink():
        VENV.unlink()
        return
    PYTHON_OF_VENV.unlink(missing_ok=True)
    shutil.rmtree(VENV, ignore_errors=True)
    if VENV.exists():  # a process just ended may still have written a file
        time.sleep(1)
        shutil.rmtree(VENV)


def call(command: list[str], log: Path, lock: int) -> None:
    """Run a command to its end, its words in the log. Raises Failed with the reason that the log tells.

    It is a session of its own, so that what it starts can be ended with it.
    """
    # PIP_USER=0: a user's own setting would make pip refuse to install into .venv
    with log.open("w") as file, subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PIP_USER": "0"}, stdin=subprocess.DEVNULL, stdout=file,
        stderr=subprocess.STDOUT, start_new_session=True, pass_fds=[lock],
    ) as process:  # fmt: skip
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if code:
        raise Failed(f"{reason(log.read_text(errors='replace'))}; full log: {log}")


def reason(text: str) -> str:
    """Return why pip failed, in one line."""
    index = (re.findall(r"(?m)^Looking in indexes: *(.*)", text) or ["PyPI"])[-1]
    if re.search(FULL, text):
        folder = tempfile.gettempdir()
        return f"the disk is full: about {NEED_MB} MB are needed in {ROOT}, and room for the downloads in {folder}"
    if re.search(NETWORK, text):
        why = last(NETWORK, text)
        return f"pip cannot reach its package index {index} ({why}); check the network, the proxy or PIP_INDEX_URL"
    if re.search(f"ResolutionImpossible|{PIN}", text):
        lacks = f"lacks a pinned version for this machine and its Python ({last(PIN, text)})"
        return f"package index {index} {lacks}; change constraints.txt, or PIP_INDEX_URL"
    return last("^ *(ERROR|Error|error)", text)


def last(pattern: str, text: str) -> str:
    """Return the last line with a pattern, or the last at all, without what only pip understands."""
    lines = text.splitlines() or [""]
    line = next((line for line in reversed(lines) if re.search(pattern, line)), lines[-1])
    for noise in (r"^ *[A-Z]*: *", r"^Retrying \(.*\) after ", r"<[^>]*>: ", r"^ *The user requested \(constraint\) "):
        line = re.sub(noise, "", line, count=1)
    return line[:300]


def stop(number: int, frame: object) -> NoReturn:
    """End the set-up, once, as a shell's exit code tells it."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(what: str, python: str | None = None) -> int:
    """Set up, or without a Python look whether that is done; return the exit code."""
    if python is None:
        return 0 if is_set_up(what) else 1
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # of nohup, and of an interrupt that the shell passes on
            signal.signal(number, stop)
    try:
        with alone() as lock:
            if not is_set_up(what):  # another terminal may have done it while this one waited
                build(what, python, lock)
    except Failed as error:
        print(f"klevel set-up failed: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"klevel set-up failed: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except SystemExit:
        print("klevel set-up interrupted", file=sys.stderr)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
