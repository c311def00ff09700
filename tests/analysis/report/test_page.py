"""The page as text: whole, safe, and needing nothing else."""

import base64
import hashlib
import re
from pathlib import Path

import pandas as pd

from analysis import report
from analysis.output import Exhibit
from analysis.table import Table
from analysis.wording import NOTHING

EVIL = "<script>alert(1)</script>"
FOLDER = Path(report.__file__).parent


def test_the_page_begins_with_the_result_and_has_all_sections_in_order(show, make, exhibits):
    page = show(make.suite(), exhibits)
    order = ["result", "summary", "figures", "tables", "trials", "undone", "left-out", "recipe", "environment"]
    assert [one["id"] for one in page.all("section")] == [*order, "commands"]
    assert page.texts("h1") == ["test"]
    assert page.texts("title") == [f"test {NOTHING} klevel"]
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0]["href"] == "#main"


def test_nothing_is_loaded_and_every_link_leads_somewhere(show, make, exhibits):
    page = show([*make.suite(), make.trial(status="failed", reason="boom", test_top1="", trial="x")], exhibits)
    ids = [one["id"] for one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    for one in page.elements:
        assert not {"style", "srcset", "action"} & set(one)
        assert not [name for name in one if name.startswith("on")], "a handler in an attribute"
        assert one.get("src", "data:").startswith("data:image/svg+xml;base64,") or "src" not in one
        for name in ("href", "aria-labelledby", "aria-describedby"):
            assert one.get(name, ids[0]).removeprefix("#") in ids
    assert not page.all("link") + page.all("iframe") + page.all("object")
    assert not re.search(r"https?:|url\(|@import", re.sub(r'src="data:[^"]*"', "", page.html))


def test_the_policy_lets_the_pages_own_script_run_and_nothing_else(show, make, exhibits):
    page = show(make.suite(), exhibits)
    own = [page.all(tag) for tag in ("style", "script")]
    assert [len(parts) for parts in own] == [1, 1]
    style, script = (base64.b64encode(hashlib.sha256(part["text"].encode()).digest()).decode() for (part,) in own)
    assert page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"] == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_the_same_input_gives_the_same_bytes_and_no_path_of_this_machine(frame, make, exhibits, tmp_path):
    made = frame([make.trial(scope="größe"), *make.suite()])
    path = report.write(made, exhibits, tmp_path)
    assert path == tmp_path / "report.html"
    page = path.read_bytes().decode()
    assert page == report.page(made, exhibits)
    assert "größe" in page
    assert str(tmp_path) not in page
    assert str(Path.cwd()) not in page


def test_what_stands_in_a_file_is_text_wherever_it_ends_up(show, make):
    strange = make.trial(EVIL, architecture='"><img src=x onerror=alert(2)>', dataset=EVIL, grouping=EVIL, suite=EVIL,
                         hyperparameters='{"</td>": "\\ud800 $script {{ x }}"}', device=EVIL)  # fmt: skip
    other = strange | {"method": "wgsef", "trial": "other"}
    failed = make.trial("wgsef", status="failed", reason=f"</pre>{EVIL}\x00", trial=EVIL, test_top1="")
    made = Table(EVIL, pd.DataFrame({EVIL: [EVIL], "b": [1.0]}), bold=frozenset({(0, EVIL)}))
    about = (EVIL, EVIL, f'"{EVIL}')
    exhibits = [
        Exhibit("table", *about, table=made, files=(Path(f"f/{EVIL}"),)),
        Exhibit("figure", *about, svg="<svg/>", caption=EVIL),
        Exhibit("figure", *about, skipped=EVIL),
    ]
    files = {"suite.yaml": f"</code>{EVIL}", "environment.json": '[{"<b>": "\\udfff</dd>", "n": [1, {"<i>": 2}]}]'}
    page = show([strange, other, failed], exhibits, files=files)
    assert len(page.all("script")) == len(page.all("img")) == 1
    assert not page.all("b") + page.all("i")
    assert page.html.encode().decode() == page.html, "halves of surrogate pairs are gone"
    for section in ("result", "summary", "figures", "tables", "trials", "undone", "left-out", "recipe"):
        assert EVIL in page.section(section), section
    assert "</td>=\N{REPLACEMENT CHARACTER} $script {{ x }}" in page.section("trials")


def test_every_figure_has_its_caption_below_and_its_files_once(show, make, exhibits):
    page = show(make.suite(), exhibits)
    subjects = ["LeNet-5 (Caffe) on digits", "MLP on digits"]
    assert [one["text"] for one in page.all("h3") if one["id"].startswith("figures")] == subjects
    images = page.all("img")
    assert [one["alt"] for one in images] == [f"Accuracy. {subject}" for subject in subjects]
    assert (images[0]["width"], images[0]["height"]) == ("320", "240")
    assert base64.b64decode(images[0]["src"].partition(",")[2]).startswith(b"<svg")
    files = "figures/accuracy_vs_sparsity.png, .pdf"
    assert page.texts("figcaption")[0] == f"accuracy_vs_sparsity Accuracy. n = 3 seeds.{files}"
    tags = [one["tag"] for one in page.elements if "figure" in one.get("inside", ())]
    assert tags.index("img") < tags.index("figcaption")
    assert len(page.all("figure", class_="wide")) == 1


def test_a_table_is_complete_without_the_script(show, make, exhibits):
    page = show(make.suite(), exhibits)
    inside = [one for one in page.elements if "figure" in one.get("inside", ()) and "table" in one["inside"]]
    cells = [(one["tag"], one["text"].strip()) for one in inside if one["tag"] in ("th", "td")]
    rows = [("wgsef", "9.50 ± 0.10"), ("random", "10.25"), ("dense", NOTHING), ("l1", "-1.00")]
    body = [cell for name, text in rows for cell in (("th", name), ("td", text))]
    assert cells == [("th", "method"), ("th", "top-1 (%)"), *body]
    assert [one["value"] for one in inside if one["tag"] == "data"] == ["9.5", "10.25", "", "-1"]
    assert [one["text"] for one in inside if one.get("class") == "start"] == ["random", "dense", "l1"]
    assert [one["text"] for one in inside if one["tag"] == "strong"] == ["10.25"]
    assert {one["aria-label"] for one in page.all("div", role="region")} >= {"results, LeNet-5 (Caffe) on digits"}


def test_what_was_left_out_says_why(show, make, exhibits):
    assert "lam_auto (table, MLP on digits): one lam only" in show(make.suite(), exhibits).section("left-out")
    empty = show(make.suite())
    said = {"left-out": "None was left out", "figures": "No figure was drawn", "tables": "No table was made"}
    assert all(words in empty.section(name) for name, words in said.items())


def test_rows_beyond_a_page_are_marked_and_the_three_files_agree_on_how_many(show, make):
    page = show([make.trial(trial=f"t{i}") for i in range(600)])
    assert len(page.all("div", class_="scroll tall paged")) == 1
    assert len([one for one in page.all("tr") if "tbody" in one["inside"]]) == 601, "one of the environment"
    for name, words in {"script.js": "PAGE = 500;", "style.css": "n + 501", "page.html": "page_rows = 500"}.items():
        assert words in (FOLDER / name).read_text()
