"""The page as text: whole, safe, and needing nothing else."""

import base64
import hashlib
import re
from pathlib import Path

from analysis import report
from analysis.exhibit import Exhibit
from analysis.report.grid import PAGE
from analysis.table import NOTHING, Cell, Table

EVIL = "<script>alert(1)</script>"
FOLDER = Path(report.__file__).parent


def test_the_page_has_all_sections_in_order(show, make, exhibits):
    page = show(make.suite(), exhibits)
    order = ["summary", "figures", "tables", "trials", "undone", "left-out", "recipe", "environment", "commands"]
    assert [one["id"] for one in page.all("section")] == order
    assert page.all("h1")[0]["text"] == "test"
    assert page.all("title")[0]["text"] == f"test {NOTHING} klevel"
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0]["href"] == "#main"


def test_nothing_is_loaded_and_every_link_leads_somewhere(show, make, exhibits):
    page = show(make.suite(), exhibits)
    ids = [one["id"] for one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    for one in page.elements:
        assert not {"style", "srcset", "action"} & set(one)
        assert not [name for name in one if name.startswith("on")], "a handler in an attribute"
        assert one.get("src", "data:").startswith("data:image/svg+xml;base64,") or "src" not in one
        assert "href" not in one or one["href"].removeprefix("#") in ids
        assert one.get("aria-labelledby", ids[0]) in ids
        assert one.get("aria-describedby", ids[0]) in ids
    assert not page.all("link") + page.all("iframe") + page.all("object")
    assert not re.search(r"https?:|url\(|@import", re.sub(r'src="data:[^"]*"', "", page.html))


def test_the_policy_lets_the_pages_own_script_run_and_nothing_else(show, make):
    page = show(make.suite())
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    hashes = [
        base64.b64encode(hashlib.sha256(page.all(tag)[0]["text"].encode()).digest()).decode()
        for tag in ("style", "script")
    ]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert len(page.all("script")) == len(page.all("style")) == 1


def test_the_same_input_gives_the_same_bytes_and_no_path_of_this_machine(results, make, exhibits, tmp_path):
    made = results(make.suite())
    page = report.page(made, exhibits, tmp_path)
    assert page == report.page(made, exhibits, tmp_path)
    assert str(tmp_path) not in page
    assert str(Path.cwd()) not in page


def test_it_is_written_in_utf_8(results, make, tmp_path):
    path = report.write(results(make.suite(), extra={"scope": "größe"}), [], tmp_path)
    assert path == tmp_path / "report.html"
    assert "größe" in path.read_bytes().decode()


def test_what_stands_in_a_file_is_text_wherever_it_ends_up(show, make):
    strange = make.trial(EVIL, architecture='"><img src=x onerror=alert(2)>', dataset=EVIL, grouping=EVIL, suite=EVIL,
                         hyperparameters='{"</td>": "\\ud800 $script"}', device=EVIL)  # fmt: skip
    failed = make.trial("wgsef", status="failed", reason=f"</pre>{EVIL}\x00", trial=EVIL, test_top1="")
    made = Table(EVIL, [EVIL, "b"], [[[EVIL, Cell(EVIL, (1.0,), True)]]])
    evil = {"description": EVIL, "subject": f'"{EVIL}'}
    exhibits = [
        Exhibit("table", EVIL, **evil, table=made, files=(Path(f"f/{EVIL}"),)),
        Exhibit("figure", EVIL, **evil, svg="<svg/>", heading=EVIL),
        Exhibit("figure", EVIL, **evil, skipped=EVIL),
    ]
    files = {"suite.yaml": f"</code>{EVIL}", "environment.json": '[{"<b>": "\\udfff</dd>", "n": [1, {"<i>": 2}]}]'}
    page = show([strange, failed], exhibits, files=files)
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 1
    assert not page.all("b") + page.all("i")
    assert page.html.encode().decode() == page.html, "halves of surrogate pairs are gone"
    for section in ("summary", "figures", "tables", "trials", "undone", "left-out", "recipe"):
        assert EVIL in page.section(section)
    assert "</td>=\N{REPLACEMENT CHARACTER} $script" in page.section("trials")


def test_every_figure_says_what_it_shows(show, make, exhibits):
    page = show(make.suite(), exhibits)
    images = page.all("img")
    assert [one["alt"] for one in images] == ["Accuracy against sparsity. lenet5_caffe on digits\n3 seeds"] * 2
    assert (images[0]["width"], images[0]["height"]) == ("320", "240")
    assert base64.b64decode(images[0]["src"].partition(",")[2]).startswith(b"<?xml")
    assert [one["text"] for one in page.all("h3") if one["id"].startswith("figures")] == [
        "lenet5_caffe on digits",
        "mlp on digits",
    ]
    caption = page.all("figcaption")[0]["text"]
    assert caption == (
        "accuracy_vs_sparsity Accuracy against sparsity.lenet5_caffe on digits\n3 seedsfigures/accuracy_vs_sparsity.png"
    )


def test_the_files_of_an_exhibit_are_named_once(show, make):
    files = (Path("f/figures/a.b.png"), Path("f/figures/a.b.pdf"), Path("elsewhere/c.svg"))
    page = show(make.suite(), [Exhibit("figure", "a", "A.", "s", files, svg="<svg/>")])
    assert page.all("span", class_="files")[0]["text"] == "figures/a.b.png, .pdf c.svg"


def test_a_table_is_complete_without_the_script(show, make, exhibits):
    page = show(make.suite(), exhibits)
    cells = [one for one in page.elements if "figure" in one.get("inside", ()) and one["tag"] in ("th", "td")]
    assert [one["text"] for one in cells] == [
        "method", "top-1 (%)", "wgsef", "9.50 ± 0.10", "random", "10.25", "dense", NOTHING, "l1", "-1.00",
    ]  # fmt: skip
    assert [one.get("data-v") for one in cells[3::2]] == ["9.5", None, None, None], "where the text is not the number"
    assert "data-number" in cells[1]
    assert "data-number" not in cells[0]
    assert [one.get("scope") for one in cells[:4]] == ["col", "col", "row", None]
    assert page.all("strong")[-1]["text"] in ("10.25", "lam_auto")
    assert [one["tag"] for one in page.elements if one.get("class") == "b"] == ["tr"], "the second block begins"


def test_what_was_left_out_says_why(show, make, exhibits):
    assert "lam_auto (table, mlp on digits): one lam only" in show(make.suite(), exhibits).section("left-out")
    empty = show(make.suite())
    assert "None was left out" in empty.section("left-out")
    assert "No figure was drawn" in empty.section("figures")
    assert "No table was made" in empty.section("tables")


def test_rows_beyond_a_page_are_marked_and_the_three_files_agree_on_how_many(show, make):
    rows = [make.trial(seed=seed, test_top1=0.9) for seed in range(10_000)]
    page = show(rows)
    assert len(page.all("table", class_="paged")) == 1
    assert len([one for one in page.all("tr") if "tbody" in one["inside"]]) == 10_001, "one of the environment"
    assert len(page.html) < 4_000_000
    assert f"const PAGE = {PAGE};" in (FOLDER / "script.js").read_text()
    assert f"nth-child(n + {PAGE + 1})" in (FOLDER / "style.css").read_text()
