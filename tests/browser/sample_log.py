"""Logs of fits: a made-up team of three with both hooks, and long logs of the same kind."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from autogen_ext_tokenctx.context.events import FitEvent
from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.forms.form import FitStep, Form, Level

BUDGETS = {"researcher": 8_000, "analyst": 6_000, "writer": 4_000}
START = 1_770_000_000.0
HOSTILE = "</script><script>document.title='taken'</script><!-- <b>\u2028 &lt; ${alert(1)} <img src=x onerror=alert(1)>"
"""What must stay text."""

HEADER = {"type": "TokenctxLog", "version": 1}


def line(event: FitEvent, texts: dict[str, list[dict[str, Any]]] | None = None) -> dict[str, Any]:
    """One line of a log."""
    steps = [
        {
            "group": step.group,
            "what": step.what,
            "form": step.form.value,
            "tokens_before": step.tokens_before,
            "tokens_after": step.tokens_after,
            "why": step.why,
            "handle": step.handle,
        }
        for step in event.report.steps
    ]
    return {**event.as_dict(), "steps": steps, "texts": texts}


def write(path: Path, lines: Sequence[dict[str, Any]] | Iterator[dict[str, Any]]) -> Path:
    """Writes a log with a header."""
    with path.open("w", encoding="utf-8") as file:
        for one in (HEADER, *lines) if isinstance(lines, Sequence) else _chained(lines):
            file.write(json.dumps(one) + "\n")
    return path


def _chained(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield HEADER
    yield from lines


def events(calls: int, *, team: str = "team-1", texts: bool = True, seed: int = 1) -> Iterator[dict[str, Any]]:
    """The lines of a team that reads files and writes a report.

    Histories grow; at the trigger a view is compacted and then goes on; now and then something is recalled; the last
    call but one of the client goes out over its budget.

    Args:
        calls: How many model calls.
        team: Id of the team.
        texts: Whether the lines have texts.
        seed: Decides the numbers.
    """
    rng = random.Random(seed)
    agents = {name: _Agent(name, budget, rng) for name, budget in BUDGETS.items()}
    for number in range(calls):
        agent = agents[rng.choices(list(agents), (5, 3, 2))[0]]
        at = START + 7 * number + rng.random()
        agent.grows()
        report = replace(agent.fitted(), call_id=f"{team}-{number}")
        yield line(FitEvent("context", agent.name, team, "gpt-4o", report, at=at), agent.texts() if texts else None)
        overhead = 420
        sent = report.tokens_after + overhead
        budget = sent - 150 if number == calls - 2 else agent.budget + 600
        view = FitReport(
            budget, sent, sent, seconds=0.0008, groups=report.groups, cached_tokens=report.cached_tokens,
            categories={"unweighed": (sent, sent)}, call_id=report.call_id,
        )  # fmt: skip
        yield line(FitEvent("client", agent.name, team, "gpt-4o", view, at=at + 0.02))


class _Agent:
    """Keeps count of a history and its view."""

    def __init__(self, name: str, budget: int, rng: random.Random) -> None:
        self.name, self.budget, self._rng = name, budget, rng
        self._history = self._view = 900
        self._groups = 3
        self._steps: tuple[FitStep, ...] = ()
        self._level, self._quality, self._relevance = Level.NONE, 1.0, 1.0
        self._cached = 0
        self._compacted = False

    def grows(self) -> None:
        added = self._rng.randrange(200, 1_500)
        self._cached = self._view
        self._history += added
        self._view += added
        self._groups += 2
        self._compacted = False
        if self._view > self.budget:
            self._compacts()

    def _compacts(self) -> None:
        self._compacted = True
        self._view = int(self.budget * self._rng.uniform(0.55, 0.7))
        evicted = self._history - self._view
        forms = (Form.EXTRACT, Form.DIGEST, Form.PLACEHOLDER, Form.COMPACT, Form.EVICTED)
        self._steps = tuple(
            FitStep(
                group, f"{self.name}: read_file", forms[group % 5], evicted // 6 + 60, 60 if group % 5 != 4 else 0,
                f"relevance 0.{self._rng.randrange(10, 90)}, general_context", f"{self._rng.getrandbits(32):08x}",
            )
            for group in range(1, 7)
        )  # fmt: skip
        self._level = Level.STRONG if evicted > self._view else Level.LIGHT
        self._quality, self._relevance = self._rng.uniform(0.7, 0.95), self._rng.uniform(0.8, 0.99)
        self._cached = 900

    def fitted(self) -> FitReport:
        steps = self._steps
        view = self._view
        if steps and self._rng.random() < 0.25:
            steps = (*steps, FitStep(-1, "recalled lines", Form.RECALLED, 0, 140, "asked for by the newest message"))
            view += 140
        before, after = self._history, self._view
        shares = {
            "current_task_requirements": (0.1, 0.15), "related_task_history": (0.5, 0.4),
            "project_structure": (0.15, 0.12), "general_context": (0.15, 0.08),
        }  # fmt: skip
        categories = {name: (int(before * b), int(after * a)) for name, (b, a) in shares.items()}
        categories["unweighed"] = (int(before * 0.1), int(after * 0.25))
        return FitReport(
            self.budget + 200, before, min(view, self.budget), self._level, steps, self._relevance, self._quality,
            0.004 + self._rng.random() / 200, self._groups, min(self._cached, view), 200, categories,
            compacted=self._compacted,
        )  # fmt: skip

    def texts(self) -> dict[str, list[dict[str, Any]]]:
        task = {
            "who": "user",
            "text": "Which defaults does the service have? Say <br> and & as they are.",
            "tokens": 14,
        }
        lines = [f"line {n}: DELAY_{n} = {n * 10}" for n in range(1, 30)]
        whole = {"who": f"{self.name}: read_file", "text": "\n".join([*lines, HOSTILE]), "tokens": 420}
        talk = {"who": self.name, "text": "I looked at the first file. It has what we need. The rest can wait."}
        if not self._steps:
            return {"history": [task, whole, talk], "view": [task, whole, talk]}
        cut = "\n".join([lines[0], lines[6], '[27 lines omitted: expand_context("cafe0123")]', HOSTILE])
        digest = {"who": "digest", "text": "researcher: the retry delay is 10 seconds."}
        return {
            "history": [task, whole, talk, {"who": "analyst", "text": "Noted, thanks."}],
            "view": [task, digest, {**whole, "text": cut, "tokens": 60}, talk],
        }
