"""The HTML page in a browser, used by mouse and keyboard, at desktop and phone width.

The tests share one browser. Each test opens a new page, and fails if the page logged to the
console, requested another URL, or executed text of a record.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

TABLE = "chest-xray (real), 64 px, 24 kimg"
"""Title of the first table, with three methods and a malicious one."""

Page = Any


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(html: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(params=[1280, 390])
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Page]:
    width = request.param
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.set_default_timeout(60_000)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (problems.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: request.url == address or problems.append(request.url[:80]))
    page.goto(address)
    yield page
    assert problems == []
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getElementById('dialog').scrollWidth") <= width
    context.close()


def _table(page: Page) -> Any:
    return page.locator(".sheet").filter(has_text=TABLE).first


def _methods(page: Page) -> list[str]:
    rows = _table(page).locator("tbody tr:not([hidden]) th")
    return [text[:6] for text in rows.all_inner_texts()]


def _value_button(page: Page, method: str, metric: str) -> Any:
    row = _table(page).locator("tbody tr").filter(has_text=method)
    return row.locator(f'[data-metric="{metric}"] button')


def _filter(page: Page, name: str) -> Any:
    return page.locator(f'#filters select[name="{name}"]')


def _dialog(page: Page) -> Any:
    return page.locator("#dialog")


def _dialog_text(page: Page) -> str:
    """Return the text of the dialog, after its open sections are filled."""
    empty = _dialog(page).locator("details[open]:not(:has(> summary + *))")
    empty.first.wait_for(state="detached")
    return str(_dialog(page).inner_text())


def test_a_heading_sorts_best_first_then_worst_first_then_not(page: Page) -> None:
    before = _methods(page)
    heading = _table(page).locator("thead th").filter(has_text="SWD")
    button = heading.locator("button")
    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert _methods(page)[:3] == ["skrgan", "wgan", "dcgan"]
    button.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert _methods(page)[-3:] == ["dcgan", "wgan", "skrgan"]
    button.press("Space")
    assert heading.get_attribute("aria-sort") is None
    assert _methods(page) == before


def test_every_column_can_be_sorted(page: Page) -> None:
    """Rows without a value come last in both orders; only one column is marked as sorted."""
    buttons = _table(page).locator("thead button")
    for place in range(buttons.count()):
        for _ in range(2):
            buttons.nth(place).click()
            assert _table(page).locator("[aria-sort]").count() == 1
            cells = _table(page).locator(f"tbody tr > :nth-child({place + 1})")
            sort_keys = [cells.nth(row).get_attribute("data-sort") for row in range(cells.count())]
            if place:
                values = [float(value) for value in sort_keys if value is not None]
                ascending = (
                    buttons.nth(place).locator("..").get_attribute("aria-sort") == "ascending"
                )
                assert values == sorted(values, reverse=not ascending)
                assert None not in sort_keys[: len(values)]


def test_filters_show_only_matching_tables_and_rows(page: Page) -> None:
    tables = page.locator(".sheet:visible")
    total = tables.count()
    _filter(page, "source").select_option(label="phantom")
    assert all("phantom" in title for title in tables.locator("h3").all_inner_texts())
    assert 0 < tables.count() < total
    _filter(page, "dataset").select_option(label="chest-xray")
    assert tables.count() == 0
    assert re.findall(r"\d+", page.locator("#chosen").inner_text()) == ["0", "0", str(total)]
    page.get_by_role("button", name="Show all").click()
    # The content security policy forbids wait_for_function, so wait for an element.
    page.locator(".sheet[hidden]").first.wait_for(state="detached")
    assert tables.count() == total
    _filter(page, "budget").select_option(label="48 kimg")
    assert all("48 kimg" in title for title in tables.locator("h3").all_inner_texts())
    _filter(page, "budget").select_option(label="24 kimg")
    _filter(page, "method").focus()
    page.keyboard.type("skr")
    page.keyboard.press("Enter")
    assert set(_methods(page)) == {"skrgan"}


@pytest.mark.parametrize("device", ["mouse", "keyboard"])
def test_a_value_opens_its_provenance(page: Page, device: str) -> None:
    value = _value_button(page, "dcgan", "swd")
    if device == "mouse":
        value.click()
    else:
        value.focus()
        page.keyboard.press("Enter")
    text = _dialog_text(page)
    for fact in (
        "SWD", "dcgan", "how swd is computed", "0.31", "dcgan-chest-xray-real-s0.json",
        "benchbed run --method dcgan --seed 0", "abc123",
        "fingerprint f1", "framing center", "batch_size 16", "torch 2.10.0", "A Processor",
    ):  # fmt: skip
        assert fact in text, fact
    rows = _dialog(page).locator("table tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rows] == [["0", "0.3"], ["1", "0.31"]]
    assert _dialog(page).locator("details[open]").count() == 1
    _dialog(page).locator("summary").nth(1).press("Enter")
    _dialog(page).locator("details[open]").nth(1).wait_for()
    assert "dcgan-chest-xray-real-s1.json" in _dialog_text(page)
    if device == "mouse":
        page.get_by_role("button", name="Close").click()
    else:
        page.keyboard.press("Escape")
    assert not _dialog(page).is_visible()
    assert value.evaluate("button => button === document.activeElement")


def test_a_value_of_a_paper_lists_the_differences_in_protocol(page: Page) -> None:
    board = page.locator(".board").filter(has_text="SkrGAN, Table 1")
    row = board.locator("tbody tr").filter(has_text="dcgan").first
    row.locator('[data-metric="swd"] button').click()
    text = _dialog_text(page)
    assert all(fact in text for fact in ("0.118", "64 px", "512 px")), text


def test_costs_and_baselines_open_their_provenance(page: Page) -> None:
    _value_button(page, "dcgan", "cost:seconds").click()
    assert "90 s" in _dialog(page).locator("table").inner_text()
    page.keyboard.press("Escape")
    _table(page).locator("tfoot button").first.click()
    assert "real images" in _dialog_text(page)
    assert "0.01 (n=100)" in _dialog_text(page)
    page.keyboard.press("Escape")


def test_a_row_with_an_imported_record_has_a_footnote_with_its_origin(page: Page) -> None:
    row = _table(page).locator("tbody tr").filter(has_text="skrgan")
    mark = row.locator("th sup").inner_text()
    note = _table(page).locator("dl.footnotes dt").filter(has_text=mark).locator("+ dd")
    assert "seed 0" in note.inner_text()
    assert "SHA-256 0123456789ab" in note.inner_text()
    row.locator("th button").click()
    text = _dialog_text(page)
    assert "0123456789abcdef" * 4 in text
    assert _table(page).locator("tbody tr th sup").count() == 1


def test_a_diverged_run_is_marked(page: Page) -> None:
    _table(page).locator("tbody tr").filter(has_text="wgan").locator("th button").click()
    assert "wgan-chest-xray-real-s2 (diverged)" in _dialog_text(page)
    page.keyboard.press("Escape")
    _value_button(page, "wgan", "swd").click()
    assert "diverged" in _dialog_text(page)


def test_the_gallery_shows_samples_neighbours_and_curves(page: Page) -> None:
    panel = _table(page).locator('[data-panel="samples"]')
    panel.locator("summary").focus()
    page.keyboard.press("Enter")
    card = panel.locator(".card").filter(has_text="dcgan")
    images = card.locator("img")
    images.nth(1).wait_for(state="attached")  # the panel is filled after it opens
    assert images.count() == 2
    page.evaluate("Promise.all([...document.querySelectorAll('.card img')].map(i => i.decode()))")
    assert "nearest" in images.nth(1).get_attribute("alt")
    card.locator("polyline").first.wait_for(state="attached")
    assert card.locator("polyline").count() == 2
    assert re.search(r"generator\b.*\b0\.2\b", card.locator(".legend").inner_text())
    button = card.locator("button.picture").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    other = panel.locator(".card").filter(has_text="skrgan")
    other.locator("p").first.wait_for(state="attached")
    assert other.locator("img").count() == 0


def test_the_cost_plot_uses_the_selected_cost_and_quality(page: Page) -> None:
    panel = _table(page).locator('[data-panel="cost"]')
    panel.locator("summary").click()
    panel.locator("circle").first.wait_for()
    assert panel.locator("circle").count() == 4
    assert "dcgan: 3.05, 0.305" in panel.locator(".legend").inner_text()
    panel.get_by_label("Cost").select_option(label="Training time")
    panel.get_by_label("Quality").select_option(label="MS-SSIM (real-fake)")
    panel.locator("svg text", has_text="Training time (min)").wait_for()
    assert "MS-SSIM (real-fake)" in panel.locator("svg").first.inner_html()


def test_a_malicious_record_is_shown_and_not_executed(page: Page, evil: str) -> None:
    """Covers names, settings, notes, commands and loss names, wherever they are shown."""
    row = _table(page).locator('tbody tr[data-method^="<img"]')
    assert evil in row.locator("th").inner_text()
    for button in (row.locator("th button"), row.locator('[data-metric="swd"] button')):
        button.click()
        assert _dialog_text(page).count(evil) >= 5
        page.keyboard.press("Escape")
    for panel in ("samples", "cost"):
        _table(page).locator(f'[data-panel="{panel}"] summary').click()
    legend = _table(page).locator(".legend li").filter(has_text=evil)
    legend.first.wait_for()
    _filter(page, "method").select_option(label=evil)
    assert len(_methods(page)) == 1
    assert page.locator("img[onerror], script[src]").count() == 0
    assert page.locator("script").count() == 2


def test_the_first_tab_key_skips_the_header(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.sheet') !== null")
