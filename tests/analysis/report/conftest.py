"""What the tests of the report share: a page made of rows, and a reader of HTML that does not forgive."""

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis import report
from analysis.frame import load
from analysis.output import Exhibit
from analysis.table import Table

VOID = {"meta", "img", "br", "hr", "input", "link"}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} 180" width="{0}pt"><path d="M0 0h9"/></svg>'


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

    def texts(self, tag, **attributes):
        """The texts of these elements, with single spaces."""
        return [" ".join(one["text"].split()) for one in self.all(tag, **attributes)]

    def section(self, name):
        """The text of the section with this id."""
        return self.texts("section", id=name)[0]

    @property
    def entries(self):
        """All that the page lists as names and values."""
        return dict(zip(self.texts("dt"), self.texts("dd"), strict=True))


@pytest.fixture
def exhibits():
    """A figure of one column, a wide one of another subject, a table, and what was skipped."""

    def figure(name, subject, width):
        files = (Path(f"f/figures/{name}.png"), Path(f"f/figures/{name}.pdf"))
        return Exhibit("figure", name, "Accuracy.", subject, files, caption="n = 3 seeds.", svg=SVG.format(width))

    lenet5, mlp = "LeNet-5 (Caffe) on digits", "MLP on digits"
    numbers = {"top-1 (%)": [9.5, 10.25, None, -1], "top-1 (%), standard deviation": [0.1, None, None, None]}
    data = pd.DataFrame({"method": ["wgsef", "random", "dense", "l1"]} | numbers)
    table = Table("What was reached.", data, blocks=("method",), bold=frozenset({(1, "top-1 (%)")}))
    return [
        figure("accuracy_vs_sparsity", lenet5, 240),
        figure("groups_vs_epoch", mlp, 500),
        Exhibit("table", "results", "Accuracy of all.", lenet5, (Path("f/tables/results.md"),), table=table),
        Exhibit("table", "lam_auto", "Strength.", mlp, skipped="one lam only"),
    ]


@pytest.fixture
def frame(folder):
    """Return a function that loads rows, with files beside them."""

    def make(rows, files=(), **options):
        where = folder(rows, **options)
        for name, content in dict(files).items():
            (where / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(where)

    return make


@pytest.fixture
def show(frame):
    """Return a function that makes a page of rows and reads it."""
    return lambda rows, exhibits=(), **options: Page(report.page(frame(rows, **options), exhibits))


@pytest.fixture
def read():
    """The reader of pages."""
    return Page
