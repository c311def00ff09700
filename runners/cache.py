"""Keep trained dense networks, so that the suites of one results folder train each of them once.

An entry is a folder results/.cache/networks/NAME with the two files of a dense network and `made.json`: what it depends
on (its origin), the machine, and the checksums of the files. It is taken only where all of the origin is the same, so
that it is, bit for bit, what training would give here. Whoever likes may delete the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch

from results.errors import InputError, Unreadable
from runners.data import AnySplit, Data, Split
from runners.environment import machine, processor
from runners.measurement import device_name
from runners.spec import DenseSpec
from runners.store import Store, read_json, write, write_json

Use = Literal["use", "renew", "off"]  # renew: take nothing from it, and replace what is there
FOLDER, MADE = Path(".cache") / "networks", "made.json"
FILES = ("network.pt", "record.json")  # the record is copied last: with it, a dense network is complete
CODE = Path(__file__).parent  # what a dense network is trained by
LIBRARIES = ("torchvision", "timm", "numpy")  # networks and their first weights come from these
UNFINISHED = re.compile(r"\..+\.(\d+)(\.old)?")
_log = logging.getLogger("klevel")


class Cache:
    """The dense networks that the suites of a results folder share."""

    def __init__(self, results: Path, use: Use = "use") -> None:
        """results: the folder of all results."""
        self._root, self._use = results / FOLDER, use

    def take(self, spec: DenseSpec, data: Data, store: Store) -> bool:
        """Copy a dense network to a suite's folder, if it is here; return whether it was.

        An entry that is not as it was written is removed. Raises MachineFault if the suite's folder cannot be written.
        """
        if self._use != "use" or not _may_be_kept(spec):
            return False
        origin = origin_of(spec, data)
        entry = self._entry(origin)
        try:
            made = read_json(entry / MADE)
            if made is None or made["origin"] != origin:
                return False
            for name in FILES:
                write(store.dense(spec) / name, partial(_copy_checked, entry / name, made["sha256"][name]))
        except OSError as error:
            _log.info("the cache cannot be read: %s", error)
            return False
        except (Unreadable, _Broken, KeyError, TypeError) as error:
            _log.info("%s is broken, and removed: %s", entry, error)
            shutil.rmtree(entry, ignore_errors=True)
            return False
        store.progress(spec).unlink(missing_ok=True)
        _log.info("taken from %s, where it was trained before", entry)
        return True

    def put(self, spec: DenseSpec, data: Data, store: Store) -> None:
        """Keep a dense network that was trained in a suite's folder; what was kept of it before goes.

        A cache that cannot be written is no fault: the log says so.
        """
        if self._use == "off" or not _may_be_kept(spec):
            return
        origin = origin_of(spec, data)
        entry = self._entry(origin)
        new = entry.with_name(f".{entry.name}.{os.getpid()}")
        old = new.with_name(f"{new.name}.old")
        try:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            for name in FILES:
                _copy(store.dense(spec) / name, new / name)
            digests = {name: _digest(new / name) for name in FILES}
            write_json(new / MADE, {"origin": origin, "machine": machine(), "sha256": digests})
            with contextlib.suppress(FileNotFoundError):
                entry.rename(old)
            new.rename(entry)  # fails where another run has kept the same a moment ago
        except (OSError, InputError) as error:
            _log.info("not kept for other suites: %s", error)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def _entry(self, origin: dict[str, Any]) -> Path:
        """Return the folder of a network on a kind of machine: other code replaces what is in it."""
        place = {key: origin[key] for key in ("device", "processor", "threads")}
        return self._root / f"{origin['network']}-{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:8]}"


class _Broken(InputError):
    """A file of an entry that is not as it was written."""


def broken(results: Path) -> Iterator[tuple[Path, str]]:
    """Yield the folders of entries that are broken, or were never finished, and why. Follows no links."""
    root = results / FOLDER
    if root.parent.is_symlink() or root.is_symlink() or not root.is_dir():
        return
    for entry in sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink()):
        if (unfinished := UNFINISHED.fullmatch(entry.name)) is not None:
            if not _runs(int(unfinished[1])):
                yield entry, "was being written by a process that has ended"
        elif (why := _fault(entry)) is not None:
            yield entry, why


def _fault(entry: Path) -> str | None:
    """Return why an entry is of no use; None if it is whole."""
    try:
        digests = read_json(entry / MADE)["sha256"]
        wrong = [name for name in FILES if _digest(entry / name) != digests[name]]
    except (InputError, OSError, KeyError, TypeError):
        return "is no dense network, or was cut off"
    return f"{wrong[0]} is not as it was written" if wrong else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _may_be_kept(spec: DenseSpec) -> bool:
    """Return whether all that a dense network depends on is known: not what a user's own function imports or reads.

    Weights from a file are not trained, so there is nothing to save.
    """
    return not spec.sources and spec.recipe.dense_weights is None


def origin_of(spec: DenseSpec, data: Data) -> dict[str, Any]:
    """Return all that the bits of a dense network depend on."""
    return {
        "network": spec.id,
        "code": _code(),
        "data": _fingerprint(data),
        "torch": str(torch.__version__),
        **{name: _version(name) for name in LIBRARIES},
        "device": device_name(data.device),
        "processor": processor(),
        "threads": torch.get_num_threads(),
    }


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a hash of the source of the runner, committed or not."""
    digest = hashlib.sha256()
    for path in sorted(CODE.rglob("*.py")):
        digest.update(f"{path.relative_to(CODE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _fingerprint(data: Data) -> str:
    """Return a hash of all images in memory, or the names of their files, of labels and of the normalisation."""
    digest = hashlib.blake2b(digest_size=12)
    for split in (data.train, data.val, data.test):
        for part in _parts(split):
            digest.update(part)
    for tensor in (data.mean, data.std):
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(f"{data.classes} {data.resolution}".encode())
    return digest.hexdigest()


def _parts(split: AnySplit) -> Iterator[Any]:
    yield split.labels.cpu().contiguous().numpy()
    if isinstance(split, Split):
        yield split.images.cpu().contiguous().numpy()
    else:
        yield "\n".join(split.files).encode(errors="surrogateescape")


def _copy(source: Path, target: Path) -> None:
    """Link a file, or copy it where the file system has no links. Every writer replaces files, and changes none."""
    target.unlink(missing_ok=True)  # of a process that has ended: perhaps a link to what must not change
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _copy_checked(source: Path, digest: str, target: Path) -> None:
    """Copy a file of an entry. Raises _Broken if its checksum is another, or if it is not there."""
    try:
        _copy(source, target)
    except FileNotFoundError:
        raise _Broken(f"{source} is not there") from None
    if _digest(target) != digest:
        raise _Broken(f"{source} is not as it was written")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
