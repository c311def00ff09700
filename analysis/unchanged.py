"""Whether what lies in a folder is already what would be drawn: then nothing is drawn again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from analysis.output import Job
from results.columns import EVIDENCE

NAME = ".drawn.json"
HERE = Path(__file__).parent
CONTRACT = HERE.parent / "results"  # its folders hold results, and are no code


def fingerprint(job: Job, published: Path | None) -> str:
    """Return a hash of all that decides the files of a job: rows, look, formats, choice, and the code that draws."""
    source = job.frame.source
    given = [job.style, list(job.formats), job.only, str(source.options)]
    digest = hashlib.sha256(json.dumps(given).encode())
    for path in _inputs(source.folders, published):
        digest.update(str(path.name).encode() + b"\0")
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def drawn(job: Job, fingerprint: str) -> list[Path]:
    """Return the files that were drawn with this fingerprint and are all there; none where one is not."""
    try:
        record = json.loads((job.folder / NAME).read_text(encoding="utf-8"))
        files = [job.folder / name for name in record["files"]]
        same = record["fingerprint"] == fingerprint
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return files if same and all(path.is_file() for path in files) else []


def keep(job: Job, fingerprint: str, files: Sequence[Path]) -> None:
    """Remember what was drawn."""
    names = [str(path.relative_to(job.folder)) for path in files]
    content = json.dumps({"fingerprint": fingerprint, "files": names}, indent=1) + "\n"
    (job.folder / NAME).write_text(content, encoding="utf-8")


def _inputs(folders: Iterable[Path], published: Path | None) -> Iterator[Path]:
    for folder in folders:
        yield from (folder / name for name in EVIDENCE)
    if published is not None:
        yield published
    yield from sorted(path for path in HERE.rglob("*") if path.suffix in (".py", ".html", ".css", ".js"))
    yield from sorted(CONTRACT.glob("*.py"))
