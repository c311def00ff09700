"""A section of the page, and the table of contents over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report.markup import NONE, Html, join, listed, tag, text


@dataclass(frozen=True)
class Section:
    """What stands under one heading. id: unique in the page. parts: id and title of the headings within."""

    id: str
    title: str
    body: Html
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def html(self) -> Html:
        """The section as an element that its heading names."""
        heading = tag("h2", text(self.title), id=f"{self.id}-title")
        return tag("section", heading, self.body, id=self.id, aria_labelledby=f"{self.id}-title")


def contents(sections: Sequence[Section]) -> Html:
    """Return the links to all sections and their parts, as a list."""
    return listed(
        join([_link(section.id, section.title), listed(_link(*part) for part in section.parts)])
        for section in sections
        if section.body != NONE
    )


def _link(target: str, title: str) -> Html:
    return tag("a", text(title), href=f"#{target}")
