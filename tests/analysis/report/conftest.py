"""What the tests of the report share: a page made of rows, and a reader of HTML that does not forgive."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis import report
from analysis.exhibit import Exhibit
from analysis.load import load
from analysis.table import NOTHING, Cell, Table

VOID = {"meta", "img", "br", "hr", "input", "link"}
SVG = (
    '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="{}pt" height="180pt"><path d="M0 0h9"/></svg>'
)


class Page(HTMLParser):
    """The elements of a page, each a dict of its name, attributes and text; it fails where they are not nested."""

    def __init__(self, html):
        super().__init__()
        self.html, self.elements, self.open = html, [], []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {attrs}"
        element = {"tag": tag, "text": [], "inside": [one["tag"] for one in self.open]} | dict(attrs)
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1]["tag"] == tag, f"</{tag}> closes <{self.open[-1]['tag']}>"
        element = self.open.pop()
        element["text"] = "".join(element["text"])
        if self.open:
            self.open[-1]["text"].append(element["text"])

    def handle_data(self, data):
        if self.open:
            self.open[-1]["text"].append(data)

    def all(self, tag, **attributes):
        """The elements of this name with these attributes (class_ for class)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [e for e in self.elements if e["tag"] == tag and wanted.items() <= e.items()]

    def section(self, name):
        """The text of the section with this id."""
        return self.all("section", id=name)[0]["text"]


def figure(name="accuracy_vs_sparsity", subject="lenet5_caffe on digits", width=240, **other):
    return Exhibit(
        "figure", name, "Accuracy against sparsity.", subject, (Path("f") / "figures" / f"{name}.png",),
        heading="lenet5_caffe on digits\n3 seeds", svg=SVG.format(width), **other,
    )  # fmt: skip


def table(name="results", subject="lenet5_caffe on digits"):
    rows = [["wgsef", Cell("9.50 ± 0.10", (9.5, 0.1))], ["random", Cell("10.25", (10.25,), bold=True)]]
    made = Table(
        "What was reached.", ["method", "top-1 (%)"], [rows, [["dense", Cell(NOTHING)], ["l1", Cell("-1.00", (-1.0,))]]]
    )
    return Exhibit("table", name, "Accuracy of all.", subject, (Path("f") / "tables" / f"{name}.md",), table=made)


@pytest.fixture
def exhibits():
    """A figure of one column, a wide one of another subject, a table, and what was skipped."""
    wide = figure("groups_vs_epoch", "mlp on digits", 500)
    return [figure(), wide, table(), Exhibit("table", "lam_auto", "Strength.", "mlp on digits", skipped="one lam only")]


@pytest.fixture
def results(folder):
    """Return a function that makes results of rows, with more columns where they are given, and files beside."""

    def make(rows, files=(), columns=None, extra=None):
        where = folder(rows, **({"columns": columns} if columns else {}))
        for name, content in dict(files).items():
            (where / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        made = load(where)
        for name, values in (extra or {}).items():
            made.trials[name] = values
        return made

    return make


@pytest.fixture
def show(results):
    """Return a function that makes a page of rows and reads it."""

    def make(rows, exhibits=(), **options):
        return Page(report.page(results(rows, **options), exhibits, Path("f")))

    return make


@pytest.fixture
def read():
    """The reader of pages."""
    return Page
