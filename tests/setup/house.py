"""The shell scripts in a copy of their own, and the fake programs that they meet."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPTS = ["run_all.sh", "run_tests.sh", "setup_env.sh", "setup_env.py", "pyproject.toml", "constraints.txt", ".ci/run"]

# Stands for every Python here. It is 3.12, or what NAME.version beside it says; that may be "broken" (does not run) or
# "3.12 bare" (has no venv module). `python -m venv` copies it into the new .venv. What is asked of the python there is
# logged to $FAKE/calls and answered from $FAKE/WHAT.code and $FAKE/WHAT.says, WHAT being pip, run, path, ...; it does
# not end while $FAKE/WHAT.slow exists (but after two minutes).
FAKE_PYTHON = r"""#!/bin/sh
name=$(basename "$0") version=3.12
[ ! -f "$0.version" ] || version=$(cat "$0.version")
case "$version" in broken) echo "$name: no such version" >&2; exit 127 ;; esac
answer() {
    echo "$*" >>"$FAKE/calls"
    [ ! -f "$FAKE/$1.says" ] || cat "$FAKE/$1.says"
    beats=0
    while [ -f "$FAKE/$1.slow" ] && [ $beats -lt 240 ]; do
        : >"$FAKE/$1.started"; sleep 0.5; beats=$((beats + 1))
    done
    [ ! -f "$FAKE/$1.code" ] || exit "$(cat "$FAKE/$1.code")"
    exit 0
}
case "$*" in
    "-I "*/setup_env.py*) shift; exec "$REAL_PYTHON" "$FAKE/with_disk.py" "$@" ;;
    *version_info*) echo "${version% bare}"; exit ;;
    *"import venv"*) case "$version" in *bare) exit 1 ;; *) exit ;; esac ;;
    "-I -m venv "*)
        mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo "$version" >"$4/bin/python.version"
        answer venv ;;
    "-I -m pip "*) shift 3; answer pip "$@" ;;
    "-m runners path "*) shift 3; echo "results of $*"; answer path "$@" ;;
    "-m runners run "*) shift 3; echo "$KLEVEL_PARENT_PID" >"$FAKE/parent"; answer run "$@" ;;
    "-m runners "*) shift 2; answer "$@" ;;
    "-m "*) shift; answer "$@" ;;
esac
"""
# Runs a script on a disk with as much room as $FAKE/free_mb says.
WITH_DISK = """import collections, os, pathlib, runpy, shutil, sys
free = int((pathlib.Path(os.environ["FAKE"]) / "free_mb").read_text()) * 2**20
shutil.disk_usage = lambda path: collections.namedtuple("usage", "free")(free)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class House:
    """A copy of the scripts, and the fake programs they meet."""

    def __init__(self, folder: Path):
        self.root = folder / "a folder"
        self.fake = folder / "fake"
        self.venv = self.root / ".venv"
        for file in SCRIPTS:
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, self.root / file)
        (self.fake / "bin").mkdir(parents=True)
        (self.fake / "tmp").mkdir()
        for name in ["python3.12", "python3.11", "python3"]:
            self.program(name, FAKE_PYTHON)
        (self.fake / "with_disk.py").write_text(WITH_DISK)
        self.tell(free_mb=9_000)
        self.environment = {
            "PATH": f"{self.fake / 'bin'}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "REAL_PYTHON": sys.executable,
            "TMPDIR": str(self.fake / "tmp"),
            "HOME": str(folder),
        }

    def program(self, name: str, text: str) -> Path:
        path = self.fake / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def tell(self, **answers: object) -> None:
        """tell(pip_code=1) writes the file pip.code for the fake; None removes it."""
        for name, value in answers.items():
            path = self.fake / (name if name == "free_mb" else name.replace("_", ".", 1))
            path.unlink(missing_ok=True)
            if value is not None:
                path.write_text(str(value))

    def pythons(self, **versions: str) -> None:
        """pythons(python3_12="broken"): what the fake of that name says it is."""
        for name, version in versions.items():
            (self.fake / "bin" / f"{name.replace('_', '.')}.version").write_text(version)

    def start(self, script: str, *args: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(self.root / script), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env=self.environment | more,
            start_new_session=True,
            preexec_fn=_hear_hangups,
        )

    def run(self, script: str, *args: str, **more: str) -> tuple[int, str, str]:
        process = self.start(script, *args, **more)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What the python of .venv was asked since the last look."""
        log = self.fake / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def wait_for(self, file: str) -> None:
        deadline = time.monotonic() + 60
        while not (self.fake / file).exists():
            assert time.monotonic() < deadline, f"{file} never came"
            time.sleep(0.02)


def _hear_hangups() -> None:
    """Undo nohup and &, under which these tests may run: who ignores a signal hands that on, and no trap helps."""
    for ignored in (signal.SIGHUP, signal.SIGINT):
        signal.signal(ignored, signal.SIG_DFL)


def assert_failed(result: tuple[int, str, str], *words: str) -> None:
    code, _, err = result
    assert code == 2
    assert len(err.splitlines()) == 1, err
    for word in words:
        assert word in err


def installs(house: House, script: str = "run_all.sh", **more: str) -> list[str]:
    """What a call installs, in short: venv, and the project as '.' or '.[dev]'."""
    code, _, err = house.run(script, **more)
    assert (code, err) == (0, "")
    calls = [call.split() for call in house.calls()]
    return [call[-1] for call in calls if call[0] == "venv" or (call[0] == "pip" and "-e" in call)]
