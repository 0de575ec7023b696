"""Reading a log of fits: what is there is read, what is no fit is skipped and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autogen_ext_tokenctx.html_report import log as report_log
from autogen_ext_tokenctx.html_report.calls import calls
from autogen_ext_tokenctx.html_report.log import FitLogReader, LoggedFit

from ..browser.sample_log import HEADER, events, write

FIT: dict[str, Any] = {
    "type": "ContextFit",
    "hook": "client",
    "budget": 90,
    "tokens_before": 120,
    "tokens_after": 80,
}


def log(tmp_path: Path, *lines: object) -> Path:
    """A log of lines, given as bytes, as text or as what is dumped."""
    path = tmp_path / "fits.jsonl"
    raw = [
        one if isinstance(one, bytes) else (one if isinstance(one, str) else json.dumps(one)).encode() for one in lines
    ]
    path.write_bytes(b"\n".join(raw))
    return path


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    lines = list(events(40))
    reader = FitLogReader(write(tmp_path / "fits.jsonl", lines))
    fits = list(reader)
    assert (len(fits), reader.lines, reader.skipped, reader.named) == (80, 80, 0, [])
    for number, (fit, one) in enumerate(zip(fits, lines, strict=True), 2):
        shown = fit.model_dump(mode="json", exclude_none=True)
        assert fit.line == number
        assert {key: shown[key] for key in one if key not in ("texts", "steps")} == {
            key: one[key] for key in one if key not in ("texts", "steps")
        }
        assert [step.model_dump() for step in fit.steps] == one["steps"]
        assert (fit.texts is None) == (one["texts"] is None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no JSON object"),
        ("[1]", "no JSON object"),
        ("\x00\x01", "no JSON object"),
        (b"\xff\xfe{", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ({"type": "LLMCall"}, "no fit, of another type"),
        ({"hook": "client"}, "no fit, without a type"),
        ({**FIT, "hook": "other"}, "hook: input should be 'context' or 'client'"),
        ({key: value for key, value in FIT.items() if key != "budget"}, "budget: field required"),
        ({**FIT, "tokens_after": -1}, "tokens_after: input should be greater than or equal to 0"),
        ({**FIT, "tokens_after": "many"}, "tokens_after: input should be a valid integer"),
        (json.dumps({**FIT, "seconds": float("nan")}), "seconds: input should be a finite number"),
        ({**FIT, "quality": 7}, "quality: input should be less than or equal to 1"),
        ({**FIT, "level": "hard"}, "level: input should be 'none'"),
        ({**FIT, "categories": {"a": [1]}}, "categories.a.1: field required"),
        ({**FIT, "steps": [3]}, "steps.0: input should be"),
    ],
)
def test_a_line_that_is_no_fit_is_skipped_and_named(tmp_path: Path, line: object, why: str) -> None:
    reader = FitLogReader(log(tmp_path, HEADER, FIT, line, "", FIT))
    assert [fit.line for fit in reader] == [2, 5]
    assert (reader.lines, reader.skipped) == (3, 1)
    assert reader.named[0].number == 3
    assert reader.named[0].why.startswith(why)


def test_all_skipped_lines_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    reader = FitLogReader(log(tmp_path, *["no fit"] * 50, FIT))
    assert len(list(reader)) == 1
    assert (reader.skipped, [line.number for line in reader.named]) == (50, list(range(1, 21)))


def test_what_is_optional_may_be_missing_and_what_is_unknown_is_ignored(tmp_path: Path) -> None:
    (fit,) = FitLogReader(log(tmp_path, {**FIT, "colour": "red", "texts": None}))
    assert (fit.agent, fit.team, fit.steps, fit.texts, fit.quality, fit.room) == ("default", "", (), None, 1.0, 90)


def test_halves_of_characters_in_texts_do_not_lose_the_fit(tmp_path: Path) -> None:
    texts = {"history": [{"who": "user", "text": "half \ud83d of one"}], "view": []}
    (fit,) = FitLogReader(log(tmp_path, {**FIT, "texts": texts}))
    assert fit.texts is not None
    assert fit.texts.history[0].text == "half ? of one"


def test_a_line_too_long_to_be_one_is_skipped_without_reading_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_log, "LONGEST_LINE", 200)
    reader = FitLogReader(log(tmp_path, FIT, "x" * 1_000, FIT))
    assert [fit.line for fit in reader] == [1, 3]
    assert reader.named[0].why == "longer than 200 bytes"


def test_a_newer_log_says_what_to_upgrade(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"version 2.*pip install -U"):
        list(FitLogReader(log(tmp_path, {**HEADER, "version": 2}, FIT)))


def test_progress_ends_with_the_size_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "fits.jsonl", list(events(300)))
    monkeypatch.setattr(report_log, "PROGRESS", 100_000)
    told: list[int] = []
    list(FitLogReader(path, told.append))
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == path.stat().st_size


def fit(hook: str, agent: str = "a", *, team: str = "", **more: Any) -> LoggedFit:
    return LoggedFit.model_validate({**FIT, "hook": hook, "agent": agent, "team": team, **more})


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([("context", "1"), ("client", "1")], [(1, 2)]),
        ([("client", "1"), ("client", "1")], [(1, 1), (2, 1)]),
        ([("context", "1"), ("client", "1"), ("client", "1")], [(1, 2), (2, 1)]),
        ([("context", "1"), ("context", "2"), ("client", "2")], [(1, 1), (2, 2)]),
        ([("context", "1"), ("context", "2"), ("client", "1"), ("client", "2")], [(1, 2), (2, 2)]),
        ([("context", "1"), ("context", "2"), ("client", "2"), ("client", "1")], [(1, 2), (2, 2)]),
        ([("context", "1"), ("context", "1"), ("client", "1")], [(1, 1), (2, 2)]),
        ([("context", ""), ("client", "")], [(1, 1), (2, 1)]),
    ],
)
def test_what_both_hooks_did_to_a_call_is_one_call(
    logged: list[tuple[str, str]], expected: list[tuple[int, int]]
) -> None:
    fits = [fit(hook, call_id=call_id) for hook, call_id in logged]
    assert [(call.number, len(call.fits)) for call in calls(fits)] == expected


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([("context", "a"), ("client", "a")], [(1, 2)]),
        ([("client", "a"), ("client", "a")], [(1, 1), (2, 1)]),
        ([("context", "a"), ("context", "a"), ("client", "a")], [(1, 1), (2, 2)]),
        ([("context", "a"), ("context", "b"), ("client", "b"), ("client", "a")], [(1, 2), (2, 2)]),
        ([("context", "a"), ("client", "b"), ("context", "a")], [(1, 1), (2, 1), (3, 1)]),
    ],
)
def test_a_log_of_an_earlier_version_shows_which_fits_are_one_call(
    tmp_path: Path, logged: list[tuple[str, str]], expected: list[tuple[int, int]]
) -> None:
    reader = FitLogReader(log(tmp_path, HEADER, *({**FIT, "hook": hook, "agent": agent} for hook, agent in logged)))
    assert [(call.number, len(call.fits)) for call in calls(reader)] == expected


def test_reads_do_not_wait_for_their_client_for_ever() -> None:
    found = calls(fit("context", call_id=f"call {number}") for number in range(1_000))
    assert next(found).number == 1
    assert sum(1 for _ in found) == 999


def test_a_call_is_counted_once_however_many_hooks_left_something_out() -> None:
    (call,) = calls(
        [
            fit("context", budget=100, reserve=20, tokens_before=300, tokens_after=75, call_id="a"),
            fit("client", budget=120, tokens_before=110, tokens_after=100, call_id="a"),
        ]
    )
    assert (call.tokens_before, call.tokens_after, call.was_over) == (335, 100, True)


def test_in_a_log_of_an_earlier_version_a_view_that_goes_on_is_no_new_compaction(tmp_path: Path) -> None:
    forms = {"placeholder": {"groups": 2, "tokens_before": 90, "tokens_after": 9}}
    recalled = {**forms, "recalled": {"groups": 1, "tokens_before": 0, "tokens_after": 30}}
    again = {"placeholder": {"groups": 3, "tokens_before": 190, "tokens_after": 14}}
    lines = [
        {**FIT, "hook": "context", "level": level, "forms": given, "seconds": seconds}
        for level, given, seconds in (
            ("none", {}, 0.1),
            ("light", forms, 0.2),
            ("light", recalled, 0.2),
            ("light", forms, 0.2),
            ("strong", again, 0.3),
        )
    ]
    told = [(call.compacted, call.sent.seconds) for call in calls(FitLogReader(log(tmp_path, HEADER, *lines)))]
    assert told == [(False, 0.1), (True, 0.2), (False, 0.0), (False, 0.0), (True, 0.3)]
