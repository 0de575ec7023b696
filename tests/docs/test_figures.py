"""The command that makes the README's figures: what it writes, and what counts as a difference; nothing is timed."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest

from tests.benchmarks.talk import make_session

from .markdown import DOCS, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def figures() -> Any:
    """The script; it puts folders on the path."""
    path = list(sys.path)
    sys.path.insert(0, str(DOCS / "scripts"))
    try:
        yield importlib.import_module("figures")
    finally:
        sys.path[:] = path


def row(name: str, **other: object) -> dict[str, object]:
    measured = {"over_budget": 0, "broken_pairs": 2, "task_kept": 1.0, "facts_kept": 0.8, "prefix_cached": 0.766}
    return {"context": name, **measured, "dollars_cached": 0.4694, "cpu_ms": 372.4, "cpu_to_ours": 1.0, **other}


def test_the_readme_has_one_place_for_the_session_with_all_its_contexts(figures: Any) -> None:
    (standing,) = figures.REGION.findall(README)
    assert [name for name in figures.CONTEXTS if name in standing] == [
        name for name in figures.CONTEXTS if name not in (figures.OURS, figures.NEWEST)
    ]
    assert figures._TIMES.search(standing)


def test_what_is_written_has_the_form_of_the_readme(figures: Any) -> None:
    session = make_session(30, seed=1)
    rows = [row(figures.OURS), row(figures.TOKEN_LIMITED, cpu_to_ours=14.6, dollars_cached=1.3)]
    text = figures.shown(session, rows)
    assert text.startswith("\nA generated session with tools: 30 messages, ")
    assert "\n| this one | 0 | 2 | 100 % | 80 % | 77 % | $0.469 |\n" in text
    assert "this context 0.37 s of CPU, and TokenLimited 15 times as long." in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    heading = next(line for line in text.splitlines() if line.startswith("|"))
    assert heading in README


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("0.37 s of CPU", "9.99 s of CPU", False),
        ("15 times", "11 times", False),
        ("15 times", "22 times", False),
        ("15 times", "23 times", True),
        ("15 times", "5 times", True),
        ("| 80 % |", "| 79 % |", True),
        ("$0.469", "$0.470", True),
        ("34,991 tokens,", "34,992\ntokens,", True),
        ("15 facts are\nplanted", "15 facts\nare planted", False),
    ],
)
def test_of_times_only_a_far_ratio_is_a_difference(figures: Any, old: str, new: str, differs: bool) -> None:
    text = (
        "\n34,991 tokens, 15 facts are\nplanted early:\n\n| this one | 80 % | $0.469 |\n| that | 1 |\n\n"
        "Reading took this context 0.37 s of CPU, and TokenLimited 15 times as long.\n\n"
    )
    changed = text.replace(old, new)
    assert changed != text
    assert bool(figures.differences(text, changed)) is differs
    assert figures.differences(text, text) == []


def test_a_check_writes_nothing_and_names_what_differs(
    figures: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("head\n<!--session-->\n\nold\n\n<!--/session-->\ntail\n", encoding="utf-8")
    monkeypatch.setattr(figures, "README", readme)
    monkeypatch.setattr(figures, "measured", lambda: "\nnew\n\n")

    def nothing_stale(check: bool) -> int:
        return 0

    monkeypatch.setattr(figures.generate, "update", nothing_stale)
    monkeypatch.setattr(sys, "argv", ["figures.py", "--check"])
    assert figures.main() == 1
    assert "old" in readme.read_text(encoding="utf-8")
    assert "- old\n+ new" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["figures.py"])
    assert figures.main() == 0
    assert readme.read_text(encoding="utf-8") == "head\n<!--session-->\n\nnew\n\n<!--/session-->\ntail\n"
