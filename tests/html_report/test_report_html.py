"""The HTML report: one file, safe whatever agents said, bounded however long the log is."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly")

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.html_report import charts as report_charts
from autogen_ext_tokenctx.html_report import details as report_details
from autogen_ext_tokenctx.html_report.charts import BINS, NAMES, OTHERS
from autogen_ext_tokenctx.html_report.page import ReportSummary, write_report
from autogen_ext_tokenctx.telemetry.fit_log import FitLog

from ..browser.sample_log import HOSTILE, events, write
from ..support.histories import prose
from ..support.hooked import client_for, context_for
from ..support.strict_client import StrictClient

FIT: dict[str, Any] = {
    "type": "ContextFit",
    "hook": "client",
    "budget": 90,
    "tokens_before": 120,
    "tokens_after": 80,
}


@pytest.fixture(scope="module", autouse=True)
def small_plotly() -> Iterator[None]:
    """Nothing is drawn here, and the real library takes long to pack. The tests with a browser use it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plotly.offline.get_plotlyjs", lambda: "window.Plotly = {};")
        yield


class Page(HTMLParser):
    """The elements of a page, their attributes, and the text in scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.text = path.read_text("utf-8")
        self.feed(self.text)
        self.data: dict[str, Any] = json.loads(self.scripts["numbers"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._script = dict(attrs).get("id") or "" if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._script = None


def report(tmp_path: Path, lines: list[dict[str, Any]] | Iterator[dict[str, Any]]) -> tuple[ReportSummary, Page]:
    log = write(tmp_path / "fits.jsonl", lines)
    summary = write_report(log, tmp_path / "report.html")
    return summary, Page(tmp_path / "report.html")


def test_the_page_is_one_file_that_asks_nobody_for_anything(tmp_path: Path) -> None:
    summary, page = report(tmp_path, list(events(20)))
    assert summary.size == summary.output.stat().st_size
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not {name for name, _ in page.attributes} & {"src", "srcset", "action", "style", "onclick"}
    assert {value[0] for name, value in page.attributes if name == "href"} == {"#"}
    (policy,) = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert "default-src 'none'" in policy
    assert re.findall(r"script-src (.*?);", policy)[0].count("'sha256-") == 2
    assert "unsafe-inline" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    assert "unsafe-eval" not in policy


def test_the_summary_and_the_page_tell_the_same(tmp_path: Path) -> None:
    lines = list(events(60))
    summary, page = report(tmp_path, lines)
    data = page.data
    saved = sum(line["tokens_before"] - line["tokens_after"] for line in lines)
    sent = sum(line["tokens_after"] for line in lines if line["hook"] == "client")
    assert (summary.fits, summary.calls, summary.skipped, summary.notes) == (120, 60, 0, ())
    assert (summary.tokens_saved, summary.tokens_after, summary.tokens_before) == (saved, sent, sent + saved)
    for field, value in (("calls", 60), ("before", sent + saved), ("over", summary.was_over), ("sent_over", 1)):
        assert total(data, field) == value
    assert total(data, "calls", "context") == total(data, "calls", "client") == 60
    assert (len(data["details"]), data["agents"], data["teams"], data["bin_width"]) == (60, 3, 1, 1)
    assert 0 < summary.compactions == sum(call["compacted"] for call in data["details"])
    assert sum(call["level"] > 0 for call in data["details"]) > summary.compactions


def total(data: dict[str, Any], field: str, hook: str = "calls") -> float:
    place = data["fields"].index(field) + 1
    return sum(row[place] for series in data["series"] if series["hook"] == hook for row in series["rows"])


def test_with_one_hook_its_numbers_are_there_once(tmp_path: Path) -> None:
    _, page = report(tmp_path, [line for line in events(30) if line["hook"] == "context"])
    assert {series["hook"] for series in page.data["series"]} == {"calls"}


@given(st.text() | st.sampled_from([HOSTILE, "</SCRIPT >", "<!--<script>", "\u2028\u2029", "]]>", "\ud800"]))
def test_what_agents_say_stays_text(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    folder = tmp_path_factory.mktemp("report")
    step = {"group": 1, "what": said, "form": said, "tokens_before": 9, "tokens_after": 1, "why": said, "handle": said}
    texts = {"history": [], "view": [{"who": said, "text": said}]}
    names = {"agent": said, "team": said, "model": said, "categories": {said: [9, 9]}}
    summary, page = report(folder, [{**FIT, **names, "steps": [step], "texts": texts}])
    assert page.tags.count("script") == 3
    assert page.tags == Page(plain(folder)).tags
    (call,) = page.data["details"]
    as_read = said.encode("utf-8", "replace").decode()
    assert call["agent"] == call["fits"][0]["steps"][0]["why"] == call["fits"][0]["sent"][0][1] == as_read
    assert summary.calls == 1


def plain(folder: Path) -> Path:
    """A report of a fit without any text."""
    write_report(write(folder / "plain.jsonl", [FIT]), folder / "plain.html")
    return folder / "plain.html"


def test_names_of_files_and_fields_stay_text_too(tmp_path: Path) -> None:
    log = write(tmp_path / "<b>&amp;.jsonl", [FIT, {**FIT, "categories": {"</li><script>": "x"}}])
    write_report(log, tmp_path / "report.html")
    page = Page(tmp_path / "report.html")
    assert "<title>Context report: &lt;b&gt;&amp;amp;.jsonl</title>" in page.text
    assert "categories.&lt;/li&gt;&lt;script&gt;" in page.text
    assert page.tags.count("script") == 3


def test_a_long_log_gives_a_small_page_that_says_what_it_leaves_out(tmp_path: Path) -> None:
    lines = (line for team in range(40) for line in events(25, team=f"team-{team}", texts=False, seed=team))
    summary, page = report(tmp_path, lines)
    data = page.data
    assert summary.size < 2_000_000
    assert summary.calls == total(data, "calls") == total(data, "calls", "client") == 1_000
    assert total(data, "before") == summary.tokens_before
    assert sum(len(series["rows"]) for series in data["series"]) == 3_000, "one a call and hook"
    assert 1_000 / BINS < data["bin_width"] == 16
    assert data["teams"] == len({series["team"] for series in data["series"]}) == 40
    numbers = [call["number"] for call in data["details"]]
    assert numbers == sorted(numbers)
    assert numbers[-100:] == list(range(901, 1_001))
    assert len(numbers) < 1_000
    notes = "\n".join(summary.notes)
    assert f"{len(numbers)} of 1,000 can be looked at" in notes
    assert all(note.replace("'", "&#x27;") in page.text for note in summary.notes)


def test_of_very_many_agents_the_busiest_are_kept_apart(tmp_path: Path) -> None:
    lines = [{**FIT, "agent": f"agent-{n}"} for n in range(400)] + [{**FIT, "agent": "busy"}] * 50
    summary, page = report(tmp_path, lines)
    names = {series["agent"] for series in page.data["series"]}
    assert {"busy", OTHERS} < names
    assert len(page.data["series"]) == NAMES
    assert (total(page.data, "calls"), page.data["agents"]) == (450, 401)
    assert any("of 401 agents" in note for note in summary.notes)


def test_many_categories_are_put_together_without_losing_tokens(tmp_path: Path) -> None:
    _, page = report(tmp_path, [{**FIT, "categories": {f"category {n}": [n, n] for n in range(1, 31)}}])
    ((row,),) = [series["rows"] for series in page.data["series"]]
    assert len(page.data["categories"]) == 8
    assert sum(after for _, _, after in row[-1]) == sum(range(1, 31))


def test_rows_of_a_log_longer_than_the_page_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_charts, "ROWS", 100)
    lines = list(events(500, texts=False))
    summary, page = report(tmp_path, lines)
    assert sum(len(series["rows"]) for series in page.data["series"]) < 1_500
    assert all(row[0] % 2 == 0 for series in page.data["series"] for row in series["rows"])
    assert total(page.data, "calls") == total(page.data, "calls", "client") == 500
    assert total(page.data, "before") == summary.tokens_before
    assert total(page.data, "after", "client") == sum(one["tokens_after"] for one in lines if one["hook"] == "client")


def test_steps_beyond_the_room_are_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_details, "ROOM", 12_000)
    summary, page = report(tmp_path, list(events(40)))
    fits = [fit for call in page.data["details"] for fit in call["fits"]]
    assert any(fit["steps_left_out"] for fit in fits)
    assert {note.split(":")[0] for note in summary.notes} == {"Steps"}


def test_a_file_without_fits_is_refused_and_no_page_is_left(tmp_path: Path) -> None:
    log = tmp_path / "notes.txt"
    log.write_text("shopping list\n")
    with pytest.raises(ValueError, match=r"notes\.txt holds no fits.*Line 1: no JSON object.*INFO"):
        write_report(log, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_log_is_never_replaced_by_its_report(tmp_path: Path) -> None:
    log = write(tmp_path / "fits.jsonl", [FIT])
    before = log.read_bytes()
    with pytest.raises(ValueError, match="would replace the log"):
        write_report(log, tmp_path / "." / "fits.jsonl")
    assert log.read_bytes() == before


def test_without_plotly_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"autogen-ext-tokenctx\[report\]"):
        write_report(write(tmp_path / "fits.jsonl", [FIT]), tmp_path / "report.html")


def test_skipped_lines_are_said_in_the_page(tmp_path: Path) -> None:
    summary, page = report(tmp_path, [FIT, {"type": "LLMCall"}])
    assert summary.skipped == 1
    assert "1 of 2 are no fits and were skipped (line 3: no fit, of another type)" in page.text


async def test_a_team_that_runs_with_both_hooks_can_be_looked_at(tmp_path: Path) -> None:
    replies = [f"Reply {number}: {prose(number, 120)}" for number in range(12)]
    inner = StrictClient([*replies], window=1_500)
    team = RoundRobinGroupChat(
        [
            AssistantAgent(name, client_for("both", inner, 1_500), model_context=context_for("both", 1_500))
            for name in ("ann", "bob")
        ],
        max_turns=12,
    )
    with FitLog(tmp_path / "fits.jsonl", texts=True):
        await team.run(task=prose(99, 60))
    summary = write_report(str(tmp_path / "fits.jsonl"), str(tmp_path / "report.html"))
    data = Page(tmp_path / "report.html").data
    assert (summary.calls, summary.skipped) == (12, 0)
    assert {call["agent"] for call in data["details"]} == {"ann", "bob"}
    assert total(data, "sent_over") == 0
    assert summary.compactions > 0
    assert all(len(call["fits"]) == 2 and fit["sent"] for call in data["details"] for fit in call["fits"])
