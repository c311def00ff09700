"""The figures, grouped by what they show, each with its caption and the files that hold it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.exhibit import Exhibit
from analysis.report import words
from analysis.report.markup import NONE, Html, code, join, tag, text, void
from analysis.report.section import Section

PIXELS = {"pt": 4 / 3, "in": 96, "px": 1, "": 1}
WIDE = 400  # pixels: more than the column of a paper


def figures(exhibits: Iterable[Exhibit], folder: Path) -> Section:
    """Return the section of all figures that were drawn."""
    drawn = [one for one in exhibits if one.kind == "figure" and one.svg]
    groups = by_subject(drawn)
    parts = tuple((f"figures-{i}", subject) for i, subject in enumerate(groups, start=1))
    body = [
        join([heading(*part), tag("div", *(_figure(one, folder) for one in group), class_="figures")])
        for part, group in zip(parts, groups.values(), strict=True)
    ]
    return Section("figures", "Figures", join(body) or tag("p", text("No figure was drawn.")), parts)


def by_subject(exhibits: Iterable[Exhibit]) -> dict[str, list[Exhibit]]:
    """Return the exhibits of each subject, in the order in which they come; the subjects in that of their names."""
    groups: dict[str, list[Exhibit]] = {}
    for one in exhibits:
        groups.setdefault(one.subject, []).append(one)
    return dict(sorted(groups.items()))


def heading(name: str, title: str) -> Html:
    """Return the heading over the exhibits of one subject."""
    return tag("h3", text(title), id=name)


def origin(paths: Sequence[Path], folder: Path) -> Html:
    """Return the names of the files that an exhibit was written to, or nothing."""
    names = join((code(name) for name in words.files(paths, folder)), " ")
    return tag("span", names, class_="files") if names else NONE


def _figure(one: Exhibit, folder: Path) -> Html:
    width, height = size(one.svg)
    wide = width is not None and width > WIDE
    image = void(
        "img",
        src="data:image/svg+xml;base64," + base64.b64encode(one.svg.encode()).decode(),
        alt=f"{one.description} {one.heading}".strip(), width=width, height=height, decoding="async",
    )  # fmt: skip
    label = f"{one.name}, {one.subject}, scrolls" if wide else None
    plate = tag("div", image, class_="plate", role="region" if wide else None, tabindex=0 if wide else None,
                aria_label=label)  # fmt: skip
    about = join([tag("strong", text(one.name)), text(one.description)], " ")
    above = tag("span", text(one.heading), class_="above") if one.heading else NONE
    caption = tag("figcaption", about, above, origin(one.files, folder))
    return tag("figure", plate, caption, class_="wide" if wide else None)


def size(svg: str) -> tuple[int | None, int | None]:
    """Return width and height of an SVG in pixels, so that the page does not move while it loads."""
    opening = re.search(r"<svg\b[^>]*>", svg)
    return _pixels("width", opening[0] if opening else ""), _pixels("height", opening[0] if opening else "")


def _pixels(name: str, opening: str) -> int | None:
    found = re.search(rf'\s{name}="(\d+(?:\.\d+)?)(pt|in|px|)"', opening)
    return round(float(found[1]) * PIXELS[found[2]]) if found else None
