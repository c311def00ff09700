"""HTML as text: what comes from a file gets in through `text` alone, and mypy knows the difference."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NewType

Html = NewType("Html", str)

NONE = Html("")
# HTML has no control characters but these, and UTF-8 no halves of a surrogate pair, which JSON can smuggle in.
UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")


def text(value: object) -> Html:
    """Return a value as text that means nothing to a browser, whatever stands in it."""
    return Html(html.escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value))))


def tag(name: str, *content: Html, **attributes: object) -> Html:
    """Return an element. An attribute of True stands without a value, one of None or False not at all.

    Python's own words end in an underscore (`class_`), and an underscore within becomes a hyphen (`aria_label`).
    """
    return Html(f"<{name}{_attributes(attributes)}>{''.join(content)}</{name}>")


def void(name: str, **attributes: object) -> Html:
    """Return an element that has no content, such as an image."""
    return Html(f"<{name}{_attributes(attributes)}>")


def join(parts: Iterable[Html], between: str = "") -> Html:
    """Return the parts, one after the other, with this text between them."""
    return Html(text(between).join(parts))


def code(value: object) -> Html:
    """Return what a machine reads, such as a name or a path, as code."""
    return tag("code", text(value))


def listed(items: Iterable[Html]) -> Html:
    """Return a list, or nothing where there is nothing to list."""
    made = join(tag("li", item) for item in items)
    return tag("ul", made) if made else NONE


def pairs(items: Iterable[tuple[str, Html]]) -> Html:
    """Return a list of names and what they stand for."""
    return tag("dl", *(tag("div", tag("dt", text(name)), tag("dd", value)) for name, value in items))


def _attributes(attributes: dict[str, object]) -> str:
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    return "".join(
        f" {name}" if value is True else f' {name}="{text(value)}"'
        for name, value in given
        if value is not None and value is not False
    )
