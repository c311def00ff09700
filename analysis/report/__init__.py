"""report.html: all that a results folder holds on one page that needs nothing else, neither network nor files."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.frame import Frame
from analysis.output import Exhibit
from analysis.report.context import context

NAME = "report.html"
# HTML has no control characters but these, and UTF-8 no halves of a surrogate pair, which JSON can smuggle in.
UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
PAGES = Environment(
    loader=PackageLoader("analysis", "report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
    lstrip_blocks=True,
)  # fmt: skip
PAGES.filters["quoted"] = shlex.quote


def page(frame: Frame, exhibits: Sequence[Exhibit]) -> str:
    """Return the page as HTML, the same for the same input: it holds no time and no path of this machine.

    exhibits: figures and tables, those that were skipped as well.
    """
    style, script = (Markup(files(__name__).joinpath(name).read_text("utf-8")) for name in ("style.css", "script.js"))
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    # a Content-Security-Policy lets in the style and the script of these hashes, and no other
    parts = {"style": style, "script": script, "hashes": [f"sha256-{digest}" for digest in digests]}
    html = PAGES.get_template("page.html").render(context(frame, exhibits) | parts)
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", html)


def write(frame: Frame, exhibits: Sequence[Exhibit], folder: Path) -> Path:
    """Write the page into the folder, in UTF-8, and return its path."""
    path = folder / NAME
    path.write_text(page(frame, exhibits), encoding="utf-8", newline="\n")
    return path
