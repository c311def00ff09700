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
def visit(browser, results, make, exhibits, tmp_path):
    """Return a function that opens a page of rows, and in the end finds no complaint and no request."""

    @contextmanager
    def visiting(rows=None, exhibits=exhibits, **options):
        path = report.write(results(rows or make.suite()), exhibits, tmp_path)
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


def sorted_by(page, table=TRIALS):
    heads = page.locator(f"{table} thead th").evaluate_all("all => all.map(one => one.getAttribute('aria-sort'))")
    return [(i, how) for i, how in enumerate(heads, start=1) if how]


def test_numbers_sort_as_numbers_in_three_states(visit):
    with visit() as page:
        button = page.locator(f"{TABLE} thead button").nth(1)
        before = column(page, 1, TABLE)
        assert before == ["wgsef", "random", "dense", "l1"]
        button.click()
        assert column(page, 1, TABLE) == ["l1", "wgsef", "random", "dense"], "-1, 9.5, 10.25, nothing"
        assert sorted_by(page, TABLE) == [(2, "ascending")]
        assert page.locator("#live").text_content() == "results, lenet5_caffe on digits: sorted by top-1 (%), ascending"
        button.click()
        assert column(page, 1, TABLE) == ["random", "wgsef", "l1", "dense"], "nothing comes last here, too"
        assert sorted_by(page, TABLE) == [(2, "descending")]
        button.click()
        assert column(page, 1, TABLE) == before
        assert sorted_by(page, TABLE) == []


def test_words_sort_in_their_natural_order(visit, make):
    names = ["m10", "M9", "m2", "m1"]
    with visit([make.trial(name) for name in names]) as page:
        page.locator(f"{TRIALS} thead button").first.click()
        assert column(page, 1) == ["m1", "m2", "M9", "m10"]


def test_the_keyboard_reaches_the_heads_and_sorts(visit, make):
    rows = [make.trial(keep=keep) for keep in (0.5, 0.05, 0.25)]
    with visit(rows, exhibits=[]) as page:
        page.locator("#trials .scroll").focus()
        heads = page.locator(f"{TRIALS} thead th").all_inner_texts()
        for _ in range(heads.index("keep") + 1):
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "keep"
        page.keyboard.press("Enter")
        assert column(page, heads.index("keep") + 1) == ["0.05", "0.25", "0.5"]
        page.keyboard.press("Space")
        assert column(page, heads.index("keep") + 1) == ["0.5", "0.25", "0.05"]
        assert page.evaluate("document.activeElement.textContent") == "keep", "the focus stays"


def test_the_first_tab_skips_to_the_results(visit):
    with visit() as page:
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the results"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_words_filter_the_rows_and_escape_shows_all(visit):
    with visit() as page:
        filters, count = page.locator("#trials input"), page.locator("#trials .count")
        assert filters.get_attribute("aria-label") == "Filter the rows of all trials"
        assert count.inner_text() == "48 of 48 rows"
        filters.fill("WGSEF 0.25")
        assert count.inner_text() == "3 of 48 rows"
        assert set(column(page, 1)) == {"wgsef"}
        page.locator(f"{TRIALS} thead button", has_text="seed").click()
        assert len(column(page, 1)) == 3, "a sorted table stays filtered"
        filters.press("Escape")
        assert (count.inner_text(), filters.input_value()) == ("48 of 48 rows", "")
        filters.fill("nothing like it")
        assert count.inner_text() == "0 of 48 rows"
        page.get_by_role("button", name="Clear").click()
        assert len(column(page, 1)) == 48
        assert page.evaluate("document.activeElement.type") == "search"


def test_what_varies_can_be_chosen(visit, make):
    rows = [*make.suite(), make.trial(status="failed", test_top1="", reason="boom", trial="x")]
    with visit(rows) as page:

        def choice(name):
            return page.get_by_role("combobox", name=name, exact=True)

        labels = page.locator("#trials .controls label").evaluate_all("all => all.map(one => one.firstChild.data)")
        assert labels == ["method", "grouping", "status"], "architecture and dataset have one value each"
        choice("method").select_option("magnitude")
        assert set(column(page, 1)) == {"magnitude"}
        choice("grouping").select_option("filter")
        assert column(page, 1) == []
        choice("grouping").press("Escape")
        choice("status").select_option("failed")
        assert page.locator("#trials .count").inner_text() == "1 of 49 rows"


def rows_of(first, last, count):
    return f"Rows {first:,}\N{EN DASH}{last:,} of {count:,}"


def test_many_rows_come_in_pages(visit, make):
    rows = [make.trial(seed=seed, test_top1=0.9) for seed in range(1200)]
    with visit(rows, exhibits=[]) as page:
        assert (len(column(page, 1)), page.locator(".pager span").inner_text()) == (500, rows_of(1, 500, 1200))
        page.get_by_role("button", name="Next").click()
        page.get_by_role("button", name="Next").click()
        assert (len(column(page, 1)), page.locator(".pager span").inner_text()) == (200, rows_of(1001, 1200, 1200))
        assert page.get_by_role("button", name="Next").is_disabled()
        page.locator(f"{TRIALS} thead button", has_text="seed").dblclick()
        assert column(page, 8)[:2] == ["1199", "1198"], "all rows are sorted, not those of a page"
        page.locator("#trials input").fill("1199")
        assert page.locator(".pager span").inner_text() == rows_of(1, 1, 1)


def test_commands_can_be_copied(visit, browser):
    with visit(permissions=["clipboard-read", "clipboard-write"]) as page:
        button = page.get_by_role("button", name="Copy these commands").first
        button.focus()
        page.keyboard.press("Enter")
        playwright.expect(button).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "./run_all.sh test --results again"


@pytest.mark.parametrize(("width", "height"), [(360, 740), (768, 1024), (1280, 900)])
def test_the_page_never_scrolls_sideways(visit, make, width, height):
    rows = [*make.suite(), make.trial("a" * 90, architecture="package.module:function_" * 4, status="failed",
                                      test_top1="", reason="x" * 500, suite="a_long_suite_name_" * 5)]  # fmt: skip
    with visit(rows, viewport={"width": width, "height": height}) as page:
        wide, there = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= there
        assert page.locator("nav details").evaluate("one => one.open") == (width >= 1024)
        inner = page.locator("#trials .scroll").evaluate("one => [one.scrollWidth, one.clientWidth]")
        assert inner[0] > inner[1], "the table does, in its own container"


def test_the_first_column_and_the_head_stay_in_view(visit):
    with visit(viewport={"width": 360, "height": 740}) as page:
        first = page.locator(f"{TRIALS} tbody th").first
        before = first.bounding_box()["x"]
        page.locator("#trials .scroll").evaluate("one => { one.scrollLeft = 300; }")
        assert first.bounding_box()["x"] == before


def test_paper_shows_all_and_no_controls(visit):
    with visit(color_scheme="dark") as page:
        page.emulate_media(media="print")
        for hidden in ("nav", "#trials .controls", ".skip", ".command button"):
            assert not page.locator(hidden).first.is_visible(), hidden
        assert page.get_by_text("one lam only").is_visible(), "folded on the screen"
        button = page.locator("thead button").first.evaluate("one => getComputedStyle(one).display")
        assert button == "contents", "a head that a page repeats shows no text of buttons"
        assert page.locator("body").evaluate("one => getComputedStyle(one).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("body").evaluate("one => getComputedStyle(one).color") == "rgb(0, 0, 0)"
        page.emulate_media(media="screen")
        playwright.expect(page.get_by_text("one lam only")).to_be_hidden()
        assert page.pdf().startswith(b"%PDF")


def test_without_scripts_everything_is_there_and_nothing_pretends_to_work(visit, make):
    rows = [make.trial(seed=seed, test_top1=0.9) for seed in range(600)]
    with visit(rows, java_script_enabled=False) as page:
        assert page.locator(f"{TRIALS} tbody tr").last.is_visible()
        assert page.locator("button, input, select").count() == 0
        assert page.locator("nav a").first.is_visible()


def test_the_dark_scheme_is_dark_and_figures_stay_on_white(visit):
    with visit(color_scheme="dark") as page:

        def colour(selector, name):
            return page.locator(selector).first.evaluate(f"one => getComputedStyle(one).{name}")

        assert sum(eval(colour("body", "backgroundColor").removeprefix("rgb"))) < 100
        assert sum(eval(colour("body", "color").removeprefix("rgb"))) > 600
        assert colour(".plate", "backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("img").first.evaluate("one => one.naturalWidth") == 320, "the figure is drawn"


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_its_ground(visit, scheme):
    with visit(color_scheme=scheme) as page:
        given = page.evaluate(
            """() => ["--page", "--faint", "--text", "--muted", "--link", "--warn"].map((name) =>
            getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
        )
        grounds, inks = ([luminance(bytes.fromhex(c[1:])) for c in part] for part in (given[:2], given[2:]))
        for ground in grounds:
            for ink in inks:
                high, low = max(ground, ink), min(ground, ink)
                assert (high + 0.05) / (low + 0.05) >= 4.5, "WCAG AA"
