"""The page in a browser: what a reader does with mouse, keyboard, phone, paper, and without scripts."""

import shutil
from contextlib import contextmanager

import pytest

from analysis import report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TRIALS, TABLE = "#trials table", "#tables table"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, frame, make, exhibits, tmp_path):
    """Return a function that opens a page of rows, and in the end finds no complaint and no request."""

    @contextmanager
    def visiting(rows=None, exhibits=exhibits, **options):
        path = report.write(frame(rows or make.suite()), exhibits, tmp_path)
        context = browser.new_context(offline=True, **options)
        context.set_default_timeout(5000)
        page, complaints = context.new_page(), []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(("file:", "data:")) or complaints.append(asked.url))
        page.goto(path.as_uri())
        yield page
        context.close()
        assert not complaints

    return visiting


def column(page, number, table=TRIALS):
    """The cells of a column, from 1."""
    return page.locator(f"{table} tbody tr > :nth-child({number})").all_inner_texts()


@pytest.mark.slow
def test_numbers_sort_as_numbers_in_three_states(visit):
    with visit() as page:
        button, head = (page.locator(f"{TABLE} thead {one}").nth(1) for one in ("button", "th"))
        before = column(page, 1, TABLE)
        expected = {  # nothing comes last in both
            "ascending": ["l1", "wgsef", "random", "dense"],
            "descending": ["random", "wgsef", "l1", "dense"],
            None: before,
        }
        for how, order in expected.items():
            button.click()
            assert (column(page, 1, TABLE), head.get_attribute("aria-sort")) == (order, how)
            said = f"sorted by top-1 (%), {how}" if how else "in the original order"
            assert page.locator("#live").text_content() == f"results, LeNet-5 (Caffe) on digits: {said}"


def test_the_keyboard_skips_to_the_results_reaches_the_heads_and_sorts(visit, make):
    with visit([make.trial(name, keep) for name, keep in (("m10", 0.5), ("M9", 0.05), ("m2", 0.25))]) as page:
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the results"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#trials .scroll").focus()
        keep = page.locator(f"{TRIALS} thead th").all_inner_texts().index("keep") + 1
        for _ in range(keep):
            page.keyboard.press("Tab")
        for key, order in {"Enter": ["0.05", "0.25", "0.5"], "Space": ["0.5", "0.25", "0.05"]}.items():
            page.keyboard.press(key)
            assert column(page, keep) == order
            assert page.evaluate("document.activeElement.textContent") == "keep", "the focus stays"
        page.locator(f"{TRIALS} thead button").first.click()
        assert column(page, 1) == ["m2", "M9", "m10"], "words in their natural order"


def test_words_filter_the_rows_and_what_varies_can_be_chosen(visit, make):
    with visit([*make.suite(), make.trial(status="failed", test_top1="", reason="boom", trial="x")]) as page:
        filters, count = page.get_by_label("Filter the rows of all trials"), page.locator("#trials .count")
        filters.fill("WGSEF 0.25")
        page.locator(f"{TRIALS} thead button", has_text="seed").click()
        assert (count.inner_text(), column(page, 1)) == ("3 of 49 rows", ["wgsef"] * 3), "filtered though sorted"
        filters.press("Escape")
        assert (count.inner_text(), filters.input_value()) == ("49 of 49 rows", "")
        labels = page.locator("#trials .controls label").evaluate_all("all => all.map(one => one.firstChild.data)")
        assert labels == ["method", "grouping", "status"], "architecture and dataset have one value each"
        for label, value, rows in (("method", "magnitude", 9), ("grouping", "filter", 0)):
            page.get_by_role("combobox", name=label, exact=True).select_option(value)
            assert len(column(page, 1)) == rows
        page.get_by_role("button", name="Clear").click()
        assert len(column(page, 1)) == 49
        assert page.evaluate("document.activeElement.type") == "search"


@pytest.mark.slow
def test_many_rows_come_in_pages(visit, make):
    with visit([make.trial(test_top1=i / 10_000, trial=f"t{i}") for i in range(1200)], exhibits=[]) as page:

        def shown():
            return len(column(page, 1)), page.locator(".pager span").inner_text()

        assert shown() == (500, "Rows 1\N{EN DASH}500 of 1,200")
        following = page.get_by_role("button", name="Next")
        following.click()
        following.click()
        assert shown() == (200, "Rows 1,001\N{EN DASH}1,200 of 1,200")
        assert following.is_disabled()
        page.locator(f"{TRIALS} thead button", has_text="test top-1").dblclick()
        assert column(page, 9)[:2] == ["11.99", "11.98"], "all rows are sorted, not those of a page"


def test_commands_can_be_copied(visit):
    with visit(permissions=["clipboard-read", "clipboard-write"]) as page:
        button = page.get_by_role("button", name="Copy these commands").first
        button.focus()
        page.keyboard.press("Enter")
        playwright.expect(button).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "./run_all.sh test --results again"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_tables_scroll_in_their_box_and_the_page_never_scrolls_sideways(visit, make, width):
    rows = [*make.suite(), make.trial("a" * 90, architecture="package.module:function_" * 4, status="failed",
                                      test_top1="", reason="x" * 500, suite="a_long_suite_name_" * 5)]  # fmt: skip
    with visit(rows, viewport={"width": width, "height": 900}) as page:
        wide, there = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= there
        assert page.locator("nav details").evaluate("one => one.open") == (width >= 1024)
        box, first = page.locator("#trials .scroll"), page.locator(f"{TRIALS} tbody th").first
        before = first.bounding_box()["x"]
        assert box.evaluate("one => { one.scrollLeft = 300; return one.scrollLeft; }") == 300
        assert first.bounding_box()["x"] == before, "the first column stays in view"


def test_paper_shows_all_and_no_controls(visit):
    with visit(color_scheme="dark") as page:
        page.emulate_media(media="print")
        for hidden in ("nav", "#trials .controls", ".skip", ".command button"):
            assert not page.locator(hidden).first.is_visible(), hidden
        assert page.get_by_text("one lam only").is_visible(), "folded on the screen"
        button = page.locator("thead button").first.evaluate("one => getComputedStyle(one).display")
        assert button == "contents", "a head that a page repeats shows no text of buttons"
        assert page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
        page.emulate_media(media="screen")
        playwright.expect(page.get_by_text("one lam only")).to_be_hidden()
        assert page.pdf().startswith(b"%PDF")


def test_without_scripts_everything_is_there_and_nothing_pretends_to_work(visit, make):
    with visit([make.trial(trial=f"t{i}") for i in range(600)], java_script_enabled=False) as page:
        assert page.locator(f"{TRIALS} tbody tr").last.is_visible()
        assert page.locator("button, input, select").count() == 0
        assert page.locator("nav a").first.is_visible()


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground_and_figures_stay_on_white(visit, scheme):
    with visit(color_scheme=scheme) as page:
        given = page.evaluate(
            """() => ["--page", "--faint", "--text", "--muted", "--link", "--warn"].map((name) =>
            getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
        )
        lights = [luminance(bytes.fromhex(colour[1:])) for colour in given]
        assert (lights[0] < lights[2]) == (scheme == "dark")
        pairs = [sorted((ground, ink)) for ground in lights[:2] for ink in lights[2:]]
        assert all((high + 0.05) / (low + 0.05) >= 4.5 for low, high in pairs), "WCAG AA"
        plate = page.locator(".plate").first.evaluate("one => getComputedStyle(one).backgroundColor")
        assert plate == "rgb(255, 255, 255)"
        assert page.locator("img").first.evaluate("one => one.naturalWidth") == 320, "the figure is drawn"
