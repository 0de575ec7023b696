"""The report in a real browser: quiet, safe, and usable with eyes, keys, a phone and a screen reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly")

from autogen_ext_tokenctx.html_report.page import write_report

from .page import Browser
from .sample_log import HOSTILE, events, write

pytestmark = pytest.mark.browser

FIGURES = ("tokens", "view", "levels", "cache", "quality")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reports are."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def page(folder: Path) -> Path:
    """The report of a team of three."""
    return write_report(write(folder / "team.jsonl", list(events(90))), folder / "team.html").output


@pytest.fixture(scope="module")
def hostile(folder: Path) -> Path:
    """A report in which every text and name would like to be markup."""

    def lines() -> Iterator[dict[str, Any]]:
        for line in events(30):
            steps = [{**step, "what": HOSTILE, "why": HOSTILE, "handle": HOSTILE} for step in line["steps"]]
            names = {"agent": HOSTILE, "team": HOSTILE, "model": HOSTILE}
            yield {**line, **names, "steps": steps, "categories": {HOSTILE: [9, 9]}}

    return write_report(write(folder / "<b>hostile&amp;.jsonl", lines()), folder / "hostile.html").output


@pytest.fixture(scope="module")
def long(folder: Path) -> Path:
    """A report of more calls than a chart has bars, by agents of two teams with long names."""
    first = events(400, team="a" * 64, texts=False)
    second = events(200, team="b" * 36, texts=False, seed=2)
    lines = [{**line, "agent": f"{line['agent']}_{'x' * 50}"} for line in (*first, *second)]
    return write_report(write(folder / "long.jsonl", lines), folder / "long.html").output


def rows(browser: Browser) -> list[str]:
    return browser.texts("#calls-table tbody .agent")


def calls_total(browser: Browser) -> int:
    return int(browser.texts("#totals strong")[0].replace(",", ""))


def is_open(browser: Browser) -> bool:
    return browser.run("return document.querySelector('dialog').open")


def test_nothing_is_asked_for_and_nothing_is_complained_about(
    browser: Browser, page: Path, hostile: Path, long: Path
) -> None:
    for report in (page, hostile, long):
        browser.open(report)
        for figure in FIGURES:
            assert browser.all(f"#{figure} .main-svg .trace"), f"{figure} is not drawn"
            browser.one(f"#{figure} summary").click()
        browser.prefer("dark")
        browser.resize(390, 844)
        browser.run("document.querySelector('button.open').click()")
        browser.reset_screen()
    assert browser.complaints() == []
    assert {url for url in browser.requests() if not url.startswith("about:")} == {
        report.as_uri() for report in (page, hostile, long)
    }


def test_what_would_be_markup_is_shown_as_text(browser: Browser, hostile: Path) -> None:
    browser.open(hostile)
    assert browser.driver.title == "Context report: <b>hostile&amp;.jsonl"
    assert browser.all("img, main b, iframe") == []
    assert rows(browser)[0] == HOSTILE
    browser.run("document.querySelector('button.open').click()")
    assert HOSTILE in browser.texts("#call-title")[0]
    assert HOSTILE in browser.texts(".steps tbody th")
    assert any(HOSTILE in text for text in browser.texts("dialog pre"))
    assert browser.all("img, iframe, dialog pre b") == []
    assert browser.run("return document.scripts.length") == 4
    drawn = "".join(browser.texts("#tokens svg"))
    assert "</script><script>document" in drawn
    assert browser.driver.title == "Context report: <b>hostile&amp;.jsonl"


def test_the_filter_changes_the_totals_the_charts_and_the_calls(browser: Browser, page: Path) -> None:
    browser.open(page)
    whole = calls_total(browser)
    assert (whole, set(rows(browser))) == (90, {"researcher", "analyst", "writer"})
    browser.choose("agent", "analyst")
    some = calls_total(browser)
    assert 0 < some < whole
    assert set(rows(browser)) == {"analyst"}
    assert browser.texts("#status") == [f"{some} calls shown."]
    assert browser.texts("#tokens .annotation-text") == ["analyst"]
    assert browser.texts("#agents tbody th") == ["analyst"]
    browser.choose("hook", "Model client alone")
    assert browser.texts("#totals strong")[1] == "0"
    browser.choose("hook", "Model context alone")
    assert browser.texts("#totals strong")[1] != "0"
    browser.one("#filters button").click()
    assert calls_total(browser) == whole
    assert len(browser.all("#tokens .annotation-text")) == 3


def test_teams_can_be_told_apart(browser: Browser, long: Path) -> None:
    browser.open(long)
    browser.choose("team", "b" * 36)
    assert calls_total(browser) == 200


def test_a_call_is_opened_and_closed_with_keys_alone(browser: Browser, page: Path) -> None:
    browser.open(page)
    for _ in range(40):
        browser.press("TAB")
        if browser.run("return document.activeElement.className") == "open":
            break
    opener = browser.run("return document.activeElement.getAttribute('aria-label')")
    assert re.fullmatch(r"Open call 90 of \w+", opener)
    style = browser.run(
        "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]"
    )
    assert style == ["solid", 3]
    browser.press("ENTER")
    assert is_open(browser)
    assert browser.run("return document.activeElement.id") == "call-title"
    assert re.match(r"Call 90 of \w+: [\d,]+ tokens before, [\d,]+ sent\.", browser.texts("#status")[0])
    browser.press("ESCAPE")
    assert not is_open(browser)
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == opener


def test_a_call_shows_its_steps_and_what_was_sent(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.all("#calls-table tbody tr")[3].click()
    assert {"extract", "digest", "placeholder"} <= set(browser.texts(".steps .tag"))
    assert any(text.startswith("line 1: DELAY_1") for text in browser.texts("dialog .sent pre"))
    title = browser.texts("#call-title")
    browser.all("dialog .buttons button")[1].click()
    assert browser.texts("#call-title") != title


def test_a_bar_opens_its_call(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.point_at(browser.all("#levels .trace .point path")[40])
    assert browser.texts("#call-title")[0].startswith("Call 41 ")


def test_more_calls_are_listed_on_demand(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert len(rows(browser)) == 25
    browser.one("#more").click()
    assert len(rows(browser)) == 50
    assert browser.run("return document.activeElement.textContent") == "65"


def test_each_chart_has_its_numbers_in_a_table(browser: Browser, page: Path) -> None:
    browser.open(page)
    for figure in FIGURES:
        assert browser.run(f"return document.querySelector('#{figure} .plot').getAttribute('aria-label')")
        assert browser.texts(f"#{figure} figcaption")[0]
        browser.one(f"#{figure} summary").click()
        browser.wait(partial(browser.texts, f"#{figure} caption"))  # the table is made when it is opened
        assert browser.texts(f"#{figure} caption")[0]
        assert len(browser.all(f"#{figure} tbody tr")) > 40
    table = browser.run(
        "return [...document.querySelectorAll('#tokens tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    drawn = browser.run("return document.querySelector('#tokens .plot').data.map(t => [t.name, t.y, t.meta])")
    sent = [round(value) for name, values, _ in drawn if name == "sent" for value in values]
    assert [int(row[3].replace(",", "")) for row in table] == sent


def test_landmarks_headings_and_names(browser: Browser, page: Path) -> None:
    browser.open(page)
    for selector in ("header", "main", "form[role=search][aria-label]", "[role=status][aria-live]", "h1"):
        assert len(browser.all(selector)) == 1, selector
    assert browser.run("return document.documentElement.lang") == "en"
    unnamed = "return [...document.querySelectorAll('section')].filter(s => !document.getElementById(s.getAttribute("
    assert browser.run(unnamed + "'aria-labelledby'))).length") == 0
    assert browser.run("return [...document.querySelectorAll('select')].every(s => s.labels.length === 1)")
    browser.run("document.querySelector('button.open').click()")
    tables = "return [...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th[scope=col]'))"
    assert browser.run(tables)


CONTRASTS = """
const light = (color) => {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const color = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(color)) return color;
  }
};
return [...document.querySelectorAll(arguments[0])].map((e) => {
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
  return [e.tagName + "." + e.className, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_stand_out_in_both_colour_schemes(browser: Browser, page: Path, scheme: str) -> None:
    browser.prefer(scheme)
    browser.open(page)
    browser.run("document.querySelectorAll('button.open')[3].click()")
    texts = "h1, h2, h3, p, dt, dd *, th, td, label, select, button:not(:disabled), summary, figcaption, .tag, a"
    low = [entry for entry in browser.run(CONTRASTS, texts) if entry[1] < 4.5]
    assert low == []
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 600) == (scheme == "light")


def test_charts_follow_the_colour_scheme(browser: Browser, page: Path) -> None:
    browser.open(page)
    color = "return document.querySelector('#cache .plot').data[0].line.color"
    before = browser.run(color)
    browser.prefer("dark")
    browser.wait(lambda: browser.run(color) != before)


def test_a_phone_shows_the_page_without_scrolling_sideways(
    browser: Browser, page: Path, hostile: Path, long: Path
) -> None:
    browser.resize(390, 844)
    width = "return [document.documentElement.scrollWidth, document.querySelector('dialog').scrollWidth]"
    for report in (page, hostile, long):
        browser.open(report)
        assert browser.run(width)[0] <= 390
        for figure in FIGURES:
            assert browser.one(f"#{figure} .main-svg").rect["width"] <= 390
        browser.run("document.querySelectorAll('button.open')[3].click()")
        assert max(browser.run(width)) <= 390


def test_many_calls_share_bars_and_the_page_says_so(browser: Browser, long: Path) -> None:
    browser.open(long)
    assert "charts add up 8 calls to one bar" in browser.texts("#about")[0]
    assert len(browser.all("#levels .trace")[0].find_elements("css selector", ".point")) == 75
    assert "can be looked at" in browser.texts(".notes")[0]
    assert "more are in the totals and charts only" in browser.texts("#calls-note")[0]


def test_a_browser_that_cannot_unpack_the_charts_shows_the_tables(browser: Browser, page: Path) -> None:
    source = {"source": "delete window.DecompressionStream"}
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)
    try:
        browser.open(page)
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert "their numbers are in the tables" in browser.texts("#status")[0]
    browser.wait(lambda: all(browser.all(f"#{figure} tbody tr") for figure in FIGURES))
