"""The page in a browser: sorted, filtered and asked, by mouse and by keyboard, on desk and phone.

One browser serves the module. Each test has a page of its own, and fails where the page wrote an
error to the console, asked for anything beside itself, or ran what a record said.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

SHEET = "chest-xray (real), 64 px, 24 kimg"
"""The first table of three methods and a stranger."""

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
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda asked: asked.url == address or wrong.append(asked.url[:80]))
    page.goto(address)
    yield page
    assert wrong == []
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.getElementById('dialog').scrollWidth") <= width
    context.close()


def _sheet(page: Page) -> Any:
    return page.locator(".sheet").filter(has_text=SHEET).first


def _methods(page: Page) -> list[str]:
    rows = _sheet(page).locator("tbody tr:not([hidden]) th")
    return [text[:6] for text in rows.all_inner_texts()]


def _number(page: Page, method: str, metric: str) -> Any:
    row = _sheet(page).locator("tbody tr").filter(has_text=method)
    return row.locator(f'[data-metric="{metric}"] button')


def _filter(page: Page, name: str) -> Any:
    return page.locator(f'#filters select[name="{name}"]')


def _dialog(page: Page) -> Any:
    return page.locator("#dialog")


def _said(page: Page) -> str:
    """What the dialog says once every open part is filled, which comes after its opening."""
    empty = _dialog(page).locator("details[open]:not(:has(> summary + *))")
    empty.first.wait_for(state="detached")
    return str(_dialog(page).inner_text())


def test_a_heading_sorts_by_its_better_end_then_the_other_then_not(page: Page) -> None:
    before = _methods(page)
    heading = _sheet(page).locator("thead th").filter(has_text="SWD")
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


def test_every_column_can_be_sorted_by(page: Page) -> None:
    """What has no number stands last in both orders; one column at a time says how it is sorted."""
    buttons = _sheet(page).locator("thead button")
    for place in range(buttons.count()):
        for _ in range(2):
            buttons.nth(place).click()
            assert _sheet(page).locator("[aria-sort]").count() == 1
            cells = _sheet(page).locator(f"tbody tr > :nth-child({place + 1})")
            known = [cells.nth(row).get_attribute("data-sort") for row in range(cells.count())]
            if place:
                values = [float(value) for value in known if value is not None]
                rising = buttons.nth(place).locator("..").get_attribute("aria-sort") == "ascending"
                assert values == sorted(values, reverse=not rising)
                assert None not in known[: len(values)]


def test_filters_leave_the_tables_and_rows_that_fit(page: Page) -> None:
    shown = page.locator(".sheet:visible")
    everything = shown.count()
    _filter(page, "source").select_option(label="phantom")
    assert all("phantom" in title for title in shown.locator("h3").all_inner_texts())
    assert 0 < shown.count() < everything
    _filter(page, "dataset").select_option(label="chest-xray")
    assert shown.count() == 0
    assert page.locator("#chosen").inner_text() == f"0 rows in 0 of {everything} tables"
    page.get_by_role("button", name="Show all").click()
    # No function is waited for: the page forbids what is evaluated after the call, as it should.
    page.locator(".sheet[hidden]").first.wait_for(state="detached")
    assert shown.count() == everything
    _filter(page, "budget").select_option(label="48 kimg")
    assert all("48 kimg" in title for title in shown.locator("h3").all_inner_texts())
    _filter(page, "budget").select_option(label="24 kimg")
    _filter(page, "method").focus()
    page.keyboard.type("skr")
    page.keyboard.press("Enter")
    assert set(_methods(page)) == {"skrgan"}


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_a_number_says_where_it_comes_from(page: Page, how: str) -> None:
    number = _number(page, "dcgan", "swd")
    if how == "mouse":
        number.click()
    else:
        number.focus()
        page.keyboard.press("Enter")
    said = _said(page)
    for fact in (
        "SWD of dcgan", "how swd is computed", "0.31", "dcgan-chest-xray-real-s0.json",
        "benchbed run --method dcgan --seed 0", "commit abc123, with local changes",
        "fingerprint f1", "framing center", "batch_size 16", "torch 2.10.0", "A Processor",
    ):  # fmt: skip
        assert fact in said, fact
    rows = _dialog(page).locator("table tbody tr").all_inner_texts()
    assert [row.split("\t")[:2] for row in rows] == [["0", "0.3"], ["1", "0.31"]]
    assert _dialog(page).locator("details[open]").count() == 1
    _dialog(page).locator("summary").nth(1).press("Enter")
    _dialog(page).locator("details[open]").nth(1).wait_for()
    assert "dcgan-chest-xray-real-s1.json" in _said(page)
    if how == "mouse":
        page.get_by_role("button", name="Close").click()
    else:
        page.keyboard.press("Escape")
    assert not _dialog(page).is_visible()
    assert number.evaluate("button => button === document.activeElement")


def test_the_papers_value_says_what_it_is_worth(page: Page) -> None:
    board = page.locator(".board").filter(has_text="SkrGAN, Table 1")
    row = board.locator("tbody tr").filter(has_text="dcgan").first
    row.locator('[data-metric="swd"] button').click()
    said = _said(page)
    assert "The paper prints 0.118" in said
    assert "64 px, paper 512 px" in said


def test_costs_and_floors_have_their_provenance_too(page: Page) -> None:
    _number(page, "dcgan", "cost:seconds").click()
    assert "90 s" in _dialog(page).locator("table").inner_text()
    page.keyboard.press("Escape")
    _sheet(page).locator("tfoot button").first.click()
    assert "between real images" in _said(page)
    assert "0.01 (n=100)" in _said(page)
    page.keyboard.press("Escape")


def test_a_row_with_an_imported_record_is_marked_and_says_from_where(page: Page) -> None:
    row = _sheet(page).locator("tbody tr").filter(has_text="skrgan")
    mark = row.locator("th sup").inner_text()
    note = _sheet(page).locator("dl.footnotes dt").filter(has_text=mark).locator("+ dd")
    assert note.inner_text().startswith("Imported, made in another results folder: seed 0 from ")
    assert "SHA-256 0123456789ab" in note.inner_text()
    row.locator("th button").click()
    said = _said(page)
    assert "0123456789abcdef" * 4 in said
    assert _sheet(page).locator("tbody tr th sup").count() == 1


def test_a_diverged_run_says_so(page: Page) -> None:
    _sheet(page).locator("tbody tr").filter(has_text="wgan").locator("th button").click()
    assert "wgan-chest-xray-real-s2 (diverged)" in _said(page)
    page.keyboard.press("Escape")
    _number(page, "wgan", "swd").click()
    assert "diverged: loss" in _said(page)


def test_the_gallery_shows_samples_neighbours_and_curves(page: Page) -> None:
    panel = _sheet(page).locator('[data-panel="samples"]')
    panel.locator("summary").focus()
    page.keyboard.press("Enter")
    card = panel.locator(".card").filter(has_text="dcgan")
    pictures = card.locator("img")
    pictures.nth(1).wait_for(state="attached")  # the panel fills after it has opened
    assert pictures.count() == 2
    page.evaluate("Promise.all([...document.querySelectorAll('.card img')].map(i => i.decode()))")
    assert "nearest to a training image" in pictures.nth(1).get_attribute("alt")
    card.locator("polyline").first.wait_for(state="attached")
    assert card.locator("polyline").count() == 2
    assert "generator 0.2 at the end" in card.locator(".legend").inner_text()
    button = card.locator("button.picture").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    other = panel.locator(".card").filter(has_text="skrgan").inner_text()
    assert "No images are published for this run." in other


def test_cost_is_drawn_against_the_chosen_quality(page: Page) -> None:
    panel = _sheet(page).locator('[data-panel="cost"]')
    panel.locator("summary").click()
    panel.locator("circle").first.wait_for()
    assert panel.locator("circle").count() == 4
    assert "dcgan: 3.05, 0.305" in panel.locator(".legend").inner_text()
    panel.get_by_label("Cost").select_option(label="Training time")
    panel.get_by_label("Quality").select_option(label="MS-SSIM (real-fake)")
    panel.locator("svg text", has_text="Training time (min)").wait_for()
    assert "MS-SSIM (real-fake), higher is better" in panel.locator("svg").first.inner_html()


def test_a_strangers_record_is_shown_and_runs_nothing(page: Page, evil: str) -> None:
    """Names, settings, notes, commands and the names of losses, in every place that shows them."""
    row = _sheet(page).locator('tbody tr[data-method^="<img"]')
    assert evil in row.locator("th").inner_text()
    for button in (row.locator("th button"), row.locator('[data-metric="swd"] button')):
        button.click()
        assert _said(page).count(evil) >= 5
        page.keyboard.press("Escape")
    for panel in ("samples", "cost"):
        _sheet(page).locator(f'[data-panel="{panel}"] summary').click()
    legend = _sheet(page).locator(".legend li").filter(has_text=evil)
    legend.first.wait_for()
    _filter(page, "method").select_option(label=evil)
    assert len(_methods(page)) == 1
    assert page.locator("img[onerror], script[src]").count() == 0
    assert page.locator("script").count() == 2


def test_the_first_key_leads_past_the_head(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.sheet') !== null")
